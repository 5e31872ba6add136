"""ICC profiles of the matrix kind, in float precision: device values to linear Rec.709.

ICC.1:2022. A matrix profile is a tone curve for each channel and the XYZ (D50) of its primaries; gray has a curve only.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from assetforge.codecs.raster import PROFILE_IGNORED, FormatError, Pixels
from assetforge.codecs.reading import ProfileUse

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]

REC709_FROM_D50 = np.linalg.inv(
    np.array(
        [
            [0.4360747, 0.3850649, 0.1430804],
            [0.2225045, 0.7168786, 0.0606169],
            [0.0139322, 0.0971045, 0.7141733],
        ]
    )
)
"""The inverse of sRGB's own primaries, adapted to D50 by Bradford."""
LEAST_HEADER = 132
_OR_SRGB = "convert the file to sRGB, or write `profile: srgb` under the map to take its numbers as that"
_BROKEN = f"has a broken color profile; remove it, {_OR_SRGB}"


@dataclass(frozen=True)
class MatrixProfile:
    """Curves to linear light, and the matrix to linear Rec.709 (None for gray)."""

    curves: tuple[Curve, ...]
    matrix: Floats | None


def parse(profile: bytes) -> MatrixProfile | None:
    """Read a profile; None where it is of tables, which `through_tables` applies. Raise FormatError if it is broken."""
    try:
        space, tags = _tags(profile)
        if space == b"GRAY" and b"kTRC" in tags:
            return MatrixProfile((_checked(_curve(tags[b"kTRC"])),), None)
        if space != b"RGB " or not {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"} <= tags.keys():
            return None
        primaries = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], 1)
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    except (struct.error, IndexError, ValueError, ZeroDivisionError) as error:
        raise FormatError(_BROKEN) from error
    return MatrixProfile(tuple(map(_checked, curves)), REC709_FROM_D50 @ primaries)


def is_linear(curve: Curve) -> bool:
    """Tell whether a curve changes nothing, give or take the rounding of profiles."""
    places = np.linspace(0, 1, 65)
    return bool(np.abs(curve(places) - places).max() < 1e-3)


def _checked(curve: Curve) -> Curve:
    """Refuse a curve that does not give light for every value, such as a power of something negative."""
    with np.errstate(all="ignore"):
        if not np.isfinite(curve(np.linspace(0, 1, 65))).all():
            raise FormatError(_BROKEN)
    return curve


def _tags(profile: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    if len(profile) < LEAST_HEADER or profile[36:40] != b"acsp":
        raise ValueError("no profile")
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, LEAST_HEADER + 12 * index) for index in range(min(count, 200))]
    return profile[16:20], {name: profile[offset : offset + size] for name, offset, size in entries}


def _xyz(tag: bytes) -> Floats:
    return np.array(struct.unpack_from(">3i", tag, 8), np.float64) / 65536


def _curve(tag: bytes) -> Curve:
    if tag[:4] == b"para":
        return _parametric(tag)
    if tag[:4] != b"curv":
        raise ValueError("no curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    values = np.array(struct.unpack_from(f">{count}H", tag, 12), np.float64)
    if count == 0:
        return lambda x: x
    if count == 1:
        gamma = values[0] / 256
        return lambda x: np.power(x, gamma)
    places = np.linspace(0, 1, count)
    return lambda x: np.interp(x, places, values / 65535)


_COUNTS = (1, 3, 4, 5, 7)


def _parametric(tag: bytes) -> Curve:
    """Return a curve of ICC's types 0 to 4: (a·x + b)^g + e from d on, c·x + f below."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    values = [value / 65536 for value in struct.unpack_from(f">{_COUNTS[kind]}i", tag, 12)]
    g, a, b, c, d, e, f = _expand(kind, values)

    def curve(x: Floats) -> Floats:
        with np.errstate(all="ignore"):  # the power is taken below d too, where it does not count
            high = np.power(np.maximum(a * x + b, 0), g) + e
        return np.where(x >= d, high, c * x + f)

    return curve


def _expand(kind: int, values: list[float]) -> tuple[float, ...]:
    """Bring the five kinds of parameters to the seven of the last one."""
    g = values[0]
    if kind == 0:
        return g, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    a, b = values[1:3]
    if kind == 1:
        return g, a, b, 0.0, -b / a, 0.0, 0.0
    if kind == 2:
        return g, a, b, 0.0, -b / a, values[3], values[3]
    c, d = values[3:5]
    return (g, a, b, c, d, 0.0, 0.0) if kind == 3 else (g, a, b, c, d, values[5], values[6])


def through_tables(pixels: Pixels, profile: bytes) -> Pixels:
    """Convert 8-bit RGB (H, W, 3) through a profile of tables to sRGB; raise FormatError where that cannot be done."""
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3:
        raise FormatError(f"has a color profile of tables, which is applied to 8-bit RGB only; {_OR_SRGB}")
    return _by_littlecms(Image.fromarray(pixels), profile)


def inks_to_srgb(inks: Pixels, profile: bytes | None, use: ProfileUse) -> tuple[Pixels, tuple[str, ...]]:
    """Convert CMYK (H, W, 4), uint8 with 255 for full ink, to sRGB (H, W, 3); return flags too.

    Inks have no formula: their profile's tables are applied by littleCMS. Without one, each ink takes all of its light.
    """
    image = Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())
    if profile is not None and use == "embedded":
        return _by_littlecms(image, profile), ()
    return np.asarray(image.convert("RGB")), () if profile is None else (PROFILE_IGNORED,)


def _by_littlecms(image: Image.Image, profile: bytes) -> Pixels:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise FormatError(f"has a color profile that cannot be applied; {_OR_SRGB}") from error
    return np.asarray(converted)
