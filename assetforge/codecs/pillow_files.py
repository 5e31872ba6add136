"""JPEG, WebP and TGA, by Pillow."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, TgaImagePlugin, WebPImagePlugin

from assetforge.codecs import exif, icc
from assetforge.codecs.raster import CutOffError, FormatError, Pixels, Raster, check_size, orient
from assetforge.codecs.reading import ProfileUse

Image.MAX_IMAGE_PIXELS = None  # WebP's reader asks for it; we check sizes before
Kind = Literal["JPEG", "WebP", "TGA"]

_OPENERS: dict[Kind, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TGA": TgaImagePlugin.TgaImageFile,
}
"""The readers themselves: `Image.open` refuses sizes by a limit of its own, which is smaller than ours."""
_MODES = {"1": "L", "YCbCr": "RGB", "P": "RGB", "PA": "RGBA", "RGBX": "RGB"}
_ALPHA_MODES = ("RGBA", "LA", "PA")


def read(content: bytes, kind: Kind, use: ProfileUse = "embedded") -> Raster:
    """Read a file of one of these kinds."""
    if kind == "WebP":
        check_size(*_webp_size(content))
    with opened(io.BytesIO(content), kind) as image:
        check_size(*image.size)
        image.load()
        orientation, shot = orientation_of(image), exif.shot_in(image.getexif())
        embedded = image.info.get("icc_profile") or None
        if image.mode == "CMYK":
            color, ignored = icc.inks_to_srgb(np.asarray(image), embedded, use)
            return Raster(orient(color, orientation), shot=shot, flags=ignored)
        flags = ("is animated; its first frame is read",) if getattr(image, "n_frames", 1) > 1 else ()
        indices = orient(np.asarray(image)[:, :, None], orientation) if image.mode == "P" else None
        return Raster(orient(_pixels(image), orientation), embedded, indices=indices, shot=shot, flags=flags)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return the size that a WebP file declares: opening it already makes room for two pictures.

    Google, "WebP Container Specification"; RFC 6386, 9.1; "WebP Lossless Bitstream", 3.
    """
    chunk, data = content[12:16], content[20:30]
    if len(data) < 10:
        raise CutOffError
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF


@contextmanager
def opened(file: BinaryIO, kind: Kind) -> Iterator[Image.Image]:
    """Open a file for its header and its pixels; what Pillow says of damage becomes a FormatError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked by us, and odd metadata is no error
            with _OPENERS[kind](file) as image:
                yield image
    except SyntaxError as error:
        raise FormatError(f"is not a {kind}, or of a kind that is not read") from error
    except (OSError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error) as error:
        raise FormatError("is cut off or damaged") from error


def has_alpha(image: Image.Image) -> bool:
    """Tell whether an opened file has an alpha channel, its pixels not asked."""
    return image.mode in _ALPHA_MODES or _has_clear_palette(image)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation; 1 where there is none that is valid."""
    return exif.orientation_in(image.getexif())


def _has_clear_palette(image: Image.Image) -> bool:
    return image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"


def _pixels(image: Image.Image) -> Pixels:
    if _has_clear_palette(image):
        image = image.convert("RGBA")
    elif image.mode in _MODES:
        image = image.convert(_MODES[image.mode])
    pixels: Pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def write(pixels: Pixels, kind: Kind, **options: Any) -> bytes:
    """Write 8-bit (H, W, C) as a file of this kind; raise ValueError where it cannot hold it."""
    file = io.BytesIO()
    try:
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, kind, **options)
    except OSError as error:
        raise ValueError(f"{kind} cannot hold {pixels.shape[1]}×{pixels.shape[0]} pixels ({error})") from error
    return file.getvalue()
