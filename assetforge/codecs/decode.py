"""From a file to a texture. Color becomes linear Rec.709 here, once, by the map's kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from assetforge.codecs import exif
from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.channels import inverted, pick
from assetforge.codecs.color import meaning_of, to_linear
from assetforge.codecs.formats import Depth
from assetforge.codecs.raster import FormatError, Pixels, Raster, depth_of
from assetforge.codecs.read import naming_source, read
from assetforge.codecs.reading import PLAIN
from assetforge.codecs.reading import Reading as Reading
from assetforge.codecs.regular import read_regular
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.normals import flip_green, normalize

BAND = 256
"""Rows that are converted at a time, so that a large file needs few copies."""


@dataclass(frozen=True)
class Decoded:
    """A texture, and what else its file told."""

    texture: Texture
    depth: Depth
    """The depth of the file's numbers."""
    flags: tuple[str, ...] = ()
    """What is doubtful about the file though it can be read; each goes on where its name ends, as errors do."""


def decode(
    path: Path, spec: MapSpec, reading: Reading = PLAIN, name: str | None = None, *, unit: bool = True
) -> Decoded:
    """Read the file of a map. Its kind is told by its content, not by its ending.

    Color: integers are sRGB-encoded unless an ICC profile says otherwise, floats are linear; the result is linear
    Rec.709. Data: numbers as they are, integers over their maximum; profiles are ignored. Normals: integers hold
    0 to 1 for −1 to 1, floats the vector itself; the result is +Y up, and unit. Ids: whole numbers; of a file with a
    palette, its indices.

    unit: without it, vectors have the length and alpha the range that the file gives them, so that writing the
    texture into a format of the same depth gives equal pixels; `for_steps` does the rest later.

    Photographs: as color, with what the camera said of the shot.

    Raises SourceError that names the file and what is wrong with it, AccessError where it cannot be read just now.
    """
    with naming_source(name or str(path)):
        raster = read(read_regular(path, MAX_BYTES), path.suffix, reading.layer, profile=reading.profile)
        decoded = _decoded(raster, spec, reading)
    return replace(decoded, texture=for_steps(decoded.texture, spec)) if unit else decoded


def for_steps(texture: Texture, spec: MapSpec) -> Texture:
    """Return a texture as steps may rely on it: vectors of length 1, alpha from 0 to 1. Both may change pixels."""
    alpha = None if texture.alpha is None else texture.alpha.clamp(0, 1)
    if spec.kind != "vector":
        return replace(texture, alpha=alpha)
    unit = torch.empty_like(texture.data)
    for top in range(0, unit.shape[1], BAND):
        unit[:, top : top + BAND] = normalize(texture.data[:, top : top + BAND])
    return replace(texture, data=unit, alpha=alpha)


def _decoded(raster: Raster, spec: MapSpec, reading: Reading) -> Decoded:
    if raster.is_float:
        _check_finite(raster.pixels)
    if reading.channel == "rgb":
        raster = replace(raster, pixels=raster.color)
    pixels = pick(raster, spec, reading)
    data, flags = _data(pixels, raster, spec, reading)
    has_alpha = (spec.is_color or spec.kind == "vector") and reading.channel in (None, "rgb")
    alpha = raster.alpha if has_alpha and pixels.shape[2] != raster.pixels.shape[2] else None
    camera, lies = exif.camera_of(raster.shot) if spec.kind == "photo" else (None, ())
    texture = Texture(data, spec.color_space, reading.wrap, None if alpha is None else _numbers(alpha), camera)
    clear = ("is clear everywhere: its alpha is 0",) if alpha is not None and not alpha.any() else ()
    return Decoded(texture, depth_of(pixels), (*raster.flags, *flags, *clear, *lies))


def _check_finite(pixels: Pixels) -> None:
    wrong = pixels.size - int(np.count_nonzero(np.isfinite(pixels)))
    if wrong:
        raise FormatError(f"has {wrong} values that are not finite; repair it")


def _data(pixels: Pixels, raster: Raster, spec: MapSpec, reading: Reading) -> tuple[Tensor, tuple[str, ...]]:
    """Return what a map's numbers stand for, float32 (C, H, W), and flags."""
    if spec.is_color:
        meaning = meaning_of(raster, reading.profile)
        return to_linear(pixels, meaning, spec.channels), meaning.flags
    if spec.kind == "id":
        return _codes(pixels, raster, spec), ()
    numbers = _numbers(inverted(pixels) if reading.invert else pixels)
    if spec.kind == "vector":
        _straighten(numbers, raster, reading)
    return numbers, ()


def _codes(pixels: Pixels, raster: Raster, spec: MapSpec) -> Tensor:
    if raster.widened and pixels is not raster.indices:
        raise FormatError(f"has numbers of few bits, which are no codes of {spec.name} any more; write 8 or 16 bits")
    if raster.is_float and not np.array_equal(pixels, np.rint(pixels)):
        raise FormatError(f"has numbers that are not whole, which are no codes of {spec.name}; write whole ones")
    return _numbers(pixels, whole=True)


def _straighten(data: Tensor, raster: Raster, reading: Reading) -> None:
    """Turn the numbers of (3, H, W) into vectors, +Y up, in place and some rows at a time."""
    for top in range(0, data.shape[1], BAND):
        band = data[:, top : top + BAND]
        vectors = band if raster.is_float else band * 2 - 1
        band.copy_(flip_green(vectors) if reading.green == "down" else vectors)


def _numbers(pixels: Pixels, *, whole: bool = False) -> Tensor:
    """Return (H, W, C) as float32 (C, H, W), integers over their maximum unless they are whole numbers."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
    top = 1 if whole or pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return planes.div_(top)
