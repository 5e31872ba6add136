"""What photographs say of themselves by EXIF: how they are turned, and how they were taken.

CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif Version 2.32", 2019.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from assetforge.codecs.raster import ORIENTATION
from assetforge.material.camera import Camera

_EXIF_IFD = 0x8769
_TAGS = {"exposure_time": (0x829A,), "aperture": (0x829D,), "iso": (0x8827, 0x8833), "focal_35mm": (0xA405,)}
_WHOLE = ("iso", "focal_35mm")
"""What EXIF has no fractions of."""
_BELIEVED = {"exposure_time": (1e-6, 3600), "aperture": (0.5, 128), "iso": (1, 1e7), "focal_35mm": (4, 3000)}
_NAMES = {
    "exposure_time": "exposure time is {} s",
    "aperture": "aperture is f/{}",
    "iso": "sensitivity is ISO {}",
    "focal_35mm": "focal length is {} mm",
}

Shot = Mapping[str, float]
"""What a file says of how it was taken: the fields of a `Camera`, whatever their values."""


def load(block: bytes) -> Image.Exif:
    """Read a block of EXIF, or a TIFF file, which is one; what cannot be read says nothing, as in every viewer."""
    tags = Image.Exif()
    try:
        tags.load(block)
    except Exception:  # noqa: BLE001  the library has no error of its own for a damaged block
        return Image.Exif()
    return tags


def orientation_in(tags: Image.Exif) -> int:
    """Return how the pixels are turned; 1 where nothing valid is said."""
    value = tags.get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def shot_in(tags: Image.Exif) -> Shot:
    """Return how a picture was taken, as far as it is said with numbers; 0 is EXIF's word for unknown."""
    try:
        inner = tags.get_ifd(_EXIF_IFD)
    except Exception:  # noqa: BLE001  as above
        return {}
    said = {name: _number(next((inner[tag] for tag in known if tag in inner), 0)) for name, known in _TAGS.items()}
    return {name: value for name, value in said.items() if value != 0}


def camera_of(shot: Shot) -> tuple[Camera | None, tuple[str, ...]]:
    """Return the camera's settings, and a flag for each value that no camera has; None where nothing is known."""
    known, flags = {}, []
    for name, value in shot.items():
        least, most = _BELIEVED[name]
        if least <= value <= most:
            known[name] = value
        else:
            flags.append(f"says that its {_NAMES[name].format(f'{value:g}')}, which is not believed")
    return (Camera(**known) if known else None), tuple(flags)


def block_of(camera: Camera) -> bytes:
    """Return a block of EXIF that says how a picture was taken."""
    tags = Image.Exif()
    inner = tags.get_ifd(_EXIF_IFD)
    for name, known in _TAGS.items():
        value = getattr(camera, name)
        if value is not None:
            fraction = Fraction(value).limit_denominator(10_000)
            whole = name in _WHOLE
            inner[known[0]] = round(value) if whole else IFDRational(fraction.numerator, fraction.denominator)
    return tags.tobytes()


def _number(value: Any) -> float:
    """Return a number of EXIF, of which there may be several; not a number where it is none."""
    if isinstance(value, tuple | list):
        value = value[0] if value else 0
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan
