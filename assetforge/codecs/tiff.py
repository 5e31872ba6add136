"""TIFF of 8, 16 and 32 bits, by tifffile."""

from __future__ import annotations

import io
import logging
import math
import struct
from typing import Any

import numpy as np
import tifffile

from assetforge.codecs.raster import ORIENTATION, FormatError, Pixels, Raster, check_size, orient

ASSOCIATED = 1
ICC_TAG = 34675
MOST_SAMPLES = 4
_UNDERSTOOD = ("uint8", "uint16", "float16", "float32")
_GRAY_OR_RGB = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE")

# tifffile logs what it finds; the errors below say it, and without a handler Python would print it to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read(content: bytes) -> Raster:
    """Read the first page of a TIFF file."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages.first
            check_size(page.imagewidth, page.imagelength)
            _check_kind(page)
            _check_ends(page, len(content))
            pixels = _channels_last(page.asarray(), page)
            bits = page.bitspersample
            profile = page.tags.valueof(ICC_TAG)
            orientation = page.tags.valueof(ORIENTATION, default=1)
            associated = ASSOCIATED in tuple(int(sample) for sample in page.extrasamples)
            if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
                pixels, bits = _look_up(pixels, page.colormap), 8
            inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except FormatError:
        raise
    except (tifffile.TiffFileError, ValueError, RuntimeError, OSError, IndexError, KeyError, TypeError,
            AttributeError, OverflowError, struct.error, ZeroDivisionError, MemoryError) as error:  # fmt: skip
        raise FormatError(f"is damaged, or a kind of TIFF that is not read: {error}") from error
    pixels = _widen(_understood(pixels), bits)
    pixels = _invert(pixels) if inverted and pixels.dtype.kind == "u" else pixels
    pixels = orient(_straight(pixels) if associated else pixels, int(orientation))
    return Raster(pixels, profile, widened=bits not in (8, 16, 32, 64))


def _check_kind(page: Any) -> None:
    """Refuse what would be taken for gray or RGB and is neither, and more channels than a texture has."""
    photometric = tifffile.PHOTOMETRIC(page.photometric).name
    jpeg = photometric == "YCBCR" and page.compression in (6, 7)  # the decoder turns these into RGB
    if photometric not in _GRAY_OR_RGB and not jpeg:
        raise FormatError(f"holds {photometric} pixels; write gray or RGB")
    if page.samplesperpixel > MOST_SAMPLES or page.imagedepth > 1:
        raise FormatError(f"has {page.samplesperpixel} channels, {page.imagedepth} deep; write at most RGBA, one deep")


def _check_ends(page: Any, length: int) -> None:
    """Refuse a file whose pixels are missing or lie beyond its end: the reader would fill them with zeros."""
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    whole = all(offset and count and offset + count <= length for offset, count in places)
    if not whole or len(places) < math.prod(page.chunked):
        raise FormatError("is cut off")


def _channels_last(pixels: Pixels, page: Any) -> Pixels:
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels.transpose(1, 2, 0) if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else pixels


def _look_up(pixels: Pixels, colors: Pixels) -> Pixels:
    return (colors.T[pixels[:, :, 0]] >> 8).astype(np.uint8)


def _understood(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype == np.float64:
        with np.errstate(over="ignore"):  # what overflows is counted later among the values that are not finite
            return pixels.astype(np.float32)
    if pixels.dtype.name not in _UNDERSTOOD:
        raise FormatError(f"has pixels of type {pixels.dtype.name}; write 8 or 16 bits or float")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _widen(pixels: Pixels, bits: int) -> Pixels:
    """Scale numbers of 2 to 7 or 9 to 15 bits to all of 8 or 16."""
    if pixels.dtype.kind != "u" or bits in (1, pixels.dtype.itemsize * 8):
        return pixels
    top = np.iinfo(pixels.dtype).max
    steps = np.rint(np.arange(2**bits) * (top / (2**bits - 1))).astype(pixels.dtype)
    widened: Pixels = steps[pixels]
    return widened


def _invert(pixels: Pixels) -> Pixels:
    """Turn white-is-zero into black-is-zero; alpha, where there is one, stays."""
    color = 1 if pixels.shape[2] == 2 else pixels.shape[2]
    return np.concatenate([np.iinfo(pixels.dtype).max - pixels[:, :, :color], pixels[:, :, color:]], 2)


def _straight(pixels: Pixels) -> Pixels:
    """Divide premultiplied color by its alpha; where that is 0 there is no color."""
    alpha = pixels[:, :, -1:].astype(np.float32)
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    color = pixels[:, :, :-1].astype(np.float32) * top / np.where(alpha > 0, alpha, 1)
    if pixels.dtype.kind == "u":
        color = np.rint(np.clip(color, 0, top))
    return np.concatenate([color.astype(pixels.dtype), pixels[:, :, -1:]], 2)


def write(pixels: Pixels, effort: int | None = None) -> bytes:
    """Write (H, W, C) with deflate and straight alpha; nothing in the file tells when or by what it was written.

    effort: the level of deflate, 0 to 9.
    """
    file = io.BytesIO()
    channels = pixels.shape[2]
    tifffile.imwrite(
        file,
        pixels if channels > 1 else pixels[:, :, 0],
        photometric="rgb" if channels > 2 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        compressionargs=None if effort is None else {"level": effort},
        predictor=True,
        metadata=None,
        software=False,
    )
    return file.getvalue()
