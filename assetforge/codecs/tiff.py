"""TIFF of 8, 16 and 32 bits, by tifffile."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import tifffile

from assetforge.codecs.raster import FormatError, Pixels, Raster, check_size, orient

ASSOCIATED = 1
ICC_TAG, ORIENTATION_TAG = 34675, 274
_UNDERSTOOD = ("uint8", "uint16", "float16", "float32")


def read(content: bytes) -> Raster:
    """Read the first page of a TIFF file."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages.first
            check_size(page.imagewidth, page.imagelength)
            _check_ends(page, len(content))
            pixels = _channels_last(page.asarray(), page)
            profile = page.tags.valueof(ICC_TAG)
            orientation = page.tags.valueof(ORIENTATION_TAG, default=1)
            associated = ASSOCIATED in tuple(int(sample) for sample in page.extrasamples)
            if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
                pixels = _look_up(pixels, page.colormap)
            inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except FormatError:
        raise
    except (tifffile.TiffFileError, ValueError, RuntimeError, OSError, IndexError, KeyError, TypeError,
            AttributeError, struct.error, ZeroDivisionError, MemoryError) as error:  # fmt: skip
        raise FormatError(f"is damaged, or a kind of TIFF that is not read: {error}") from error
    pixels = _understood(pixels)
    pixels = np.iinfo(pixels.dtype).max - pixels if inverted and pixels.dtype.kind == "u" else pixels
    return Raster(orient(_straight(pixels) if associated else pixels, int(orientation)), profile)


def _check_ends(page: Any, length: int) -> None:
    """Refuse a file whose pixels lie beyond its end: the reader would fill them with zeros."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > length:
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
        return pixels.astype(np.float32)
    if pixels.dtype.name not in _UNDERSTOOD:
        raise FormatError(f"has pixels of type {pixels.dtype.name}; write 8 or 16 bits or float")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _straight(pixels: Pixels) -> Pixels:
    """Divide premultiplied color by its alpha; where that is 0 there is no color."""
    alpha = pixels[:, :, -1:].astype(np.float32)
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    color = pixels[:, :, :-1].astype(np.float32) * top / np.where(alpha > 0, alpha, 1)
    if pixels.dtype.kind == "u":
        color = np.rint(np.clip(color, 0, top))
    return np.concatenate([color.astype(pixels.dtype), pixels[:, :, -1:]], 2)


def write(pixels: Pixels) -> bytes:
    """Write (H, W, C) with deflate and straight alpha; nothing in the file tells when or by what it was written."""
    file = io.BytesIO()
    channels = pixels.shape[2]
    tifffile.imwrite(
        file,
        pixels if channels > 1 else pixels[:, :, 0],
        photometric="rgb" if channels > 2 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        predictor=True,
        metadata=None,
        software=False,
    )
    return file.getvalue()
