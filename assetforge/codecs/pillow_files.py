"""PNG of 8 bits, JPEG, WebP and TGA, by Pillow."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from assetforge.codecs import png
from assetforge.codecs.raster import FormatError, Pixels, Raster, check_size, orient

ORIENTATION = 0x0112
_MODES = {"1": "L", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "PA": "RGBA", "RGBX": "RGB", "La": "LA"}


def read(content: bytes, kind: str) -> Raster:
    """Read a file of one of these kinds."""
    sixteen = kind == "PNG" and png.check(content) == png.SIXTEEN
    if kind == "TIFF":
        raise FormatError("is not read here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked by us, and odd metadata is no error
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                check_size(*image.size)
                profile, orientation = image.info.get("icc_profile"), _orientation(image)
                pixels = png.read_sixteen(content) if sixteen else _pixels(image, profile)
                cmyk = image.mode == "CMYK"
    except (OSError, ValueError, SyntaxError, EOFError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise FormatError(f"is damaged: {error}") from error
    return Raster(orient(pixels, orientation), None if cmyk else profile)


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _pixels(image: Image.Image, profile: bytes | None) -> Pixels:
    image.load()
    if image.mode == "CMYK" and profile:
        image = _from_cmyk(image, profile)
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    elif image.mode in _MODES:
        image = image.convert(_MODES[image.mode])
    pixels = np.asarray(image)
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
