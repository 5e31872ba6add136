"""JPEG, WebP and TGA, by Pillow."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin, TgaImagePlugin, WebPImagePlugin

from assetforge.codecs.raster import ORIENTATION, FormatError, Pixels, Raster, check_size, orient

_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TGA": TgaImagePlugin.TgaImageFile,
}
"""The readers themselves: `Image.open` refuses sizes by a limit of its own, which is smaller than ours."""
_MODES = {"1": "L", "CMYK": "RGB", "YCbCr": "RGB", "P": "RGB", "PA": "RGBA", "RGBX": "RGB"}


def read(content: bytes, kind: str) -> Raster:
    """Read a file of one of these kinds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked by us, and odd metadata is no error
            with _OPENERS[kind](io.BytesIO(content)) as image:
                check_size(*image.size)
                profile, cmyk = image.info.get("icc_profile"), image.mode == "CMYK"
                pixels = orient(_pixels(image, profile), _orientation(image))
    except SyntaxError as error:
        raise FormatError(f"is not a {kind}, or of a kind that is not read ({error})") from error
    except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error) as error:
        raise FormatError(f"is damaged: {error}") from error
    return Raster(pixels, None if cmyk else profile)


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _pixels(image: Image.Image, profile: bytes | None) -> Pixels:
    image.load()
    if image.mode == "CMYK" and profile:
        image = _from_cmyk(image, profile)
    elif image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        image = image.convert("RGBA")
    elif image.mode in _MODES:
        image = image.convert(_MODES[image.mode])
    pixels: Pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _from_cmyk(image: Image.Image, profile: bytes) -> Image.Image:
    """Inks have no formula: their profile's tables are applied by littleCMS."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise FormatError(f"has a color profile that cannot be applied ({error})") from error
    if converted is None:
        raise FormatError("has a color profile that cannot be applied")
    return converted


def write(pixels: Pixels, kind: str, **options: Any) -> bytes:
    """Write 8-bit (H, W, C) as a file of this kind; raise ValueError where it cannot hold it."""
    file = io.BytesIO()
    try:
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, kind, **options)
    except OSError as error:
        raise ValueError(f"{kind} cannot hold {pixels.shape[1]}×{pixels.shape[0]} pixels ({error})") from error
    return file.getvalue()
