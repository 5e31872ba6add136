"""TIFF of 8, 16 and 32 bits, by tifffile."""

from __future__ import annotations

import io
import logging
import math
import warnings
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from assetforge.codecs import exif
from assetforge.codecs.raster import (
    ORIENTATION,
    CutOffError,
    FormatError,
    Pixels,
    Raster,
    check_size,
    look_up,
    orient,
    widen,
)

ASSOCIATED = 1
ICC_TAG = 34675
MOST_SAMPLES = 4
OLD_JPEG, JPEG = 6, 7
_BY_LIBTIFF = (2, 3, 4, OLD_JPEG)
"""Compressions: those of fax, and JPEG as TIFF 6.0 had it."""
_PLAIN = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Compressions that know nothing of pixels: none, LZW, deflate, PackBits, deflate as it was, LZMA, Zstandard."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of JPEG that are followed by the size of the picture."""
_REDUCED, _MASK = 1, 4
"""Bits of the tag NewSubfileType."""
_SUBFILE = 254
_UNDERSTOOD = ("uint8", "uint16", "float16", "float32")
_GRAY_OR_RGB = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE")

# tifffile logs what it finds; the errors below say it, and without a handler Python would print it to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read(content: bytes) -> Raster:
    """Read the first page of a TIFF file that is no thumbnail and no mask."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page, flags = _first_picture(file)
            check_size(page.imagewidth, page.imagelength)
            _check_kind(page)
            _check_ends(page, len(content))
            _check_packing(page, content)
            if page.compression in _BY_LIBTIFF:
                raster = replace(_by_libtiff(content, page), flags=flags)
            else:
                raster = _raster(_understood(_channels_last(page.asarray(), page)), page, flags)
            return replace(raster, shot=exif.shot_in(exif.load(content)))
    except (FormatError, MemoryError):
        raise
    except Exception as error:  # whatever the library raises of a file, in words that are its own
        raise FormatError("is damaged, or a kind of TIFF that is not read") from error


def has_alpha(file: BinaryIO) -> bool:
    """Tell from the tags whether the picture has more channels than its color."""
    try:
        with tifffile.TiffFile(file) as opened:
            page, _ = _first_picture(opened)
            return page.samplesperpixel in (2, 4)
    except Exception as error:  # as above; where the disk is to blame, reading all of the file will say so
        raise FormatError("is damaged, or a kind of TIFF that is not read") from error


def _first_picture(file: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the first page in full resolution, and a flag where others follow; masks and previews do not count."""
    pictures = (page for page in file.pages if not int(page.tags.valueof(_SUBFILE, default=0)) & (_REDUCED | _MASK))
    first = next(pictures, None)
    if first is None:
        return file.pages.first, ()
    try:
        has_more = next(pictures, None) is not None
    except Exception:  # noqa: BLE001 - what follows the first page need not be readable
        has_more = True
    return first, ("has several pages, of which the first is read",) if has_more else ()


def _raster(pixels: Pixels, page: Any, flags: tuple[str, ...]) -> Raster:
    """Turn a page's numbers into gray or RGB, with straight alpha, as its tags say."""
    profile = page.tags.valueof(ICC_TAG)
    orientation = int(page.tags.valueof(ORIENTATION, default=1))
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        indices = orient(pixels[:, :, :1], orientation)
        colors, beyond = look_up(indices, _palette(page.colormap))
        return Raster(colors, profile, indices=indices, flags=(*flags, *beyond))
    pixels = _widen(pixels, page.bitspersample)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        pixels = _invert(pixels)
    if ASSOCIATED in tuple(int(sample) for sample in page.extrasamples):
        pixels = _straight(pixels)
    widened = page.bitspersample not in (8, 16, 32, 64)
    return Raster(orient(pixels, orientation), profile, widened=widened, flags=flags)


def _by_libtiff(content: bytes, page: Any) -> Raster:
    """Decode what tifffile does not decode rightly: 8-bit gray or RGB, turned as it should be.

    Of fax it leaves rows out without a word; where the pieces of old-style JPEG are was never agreed on, and libtiff
    knows what programs did.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with TiffImagePlugin.TiffImageFile(io.BytesIO(content)) as image:
            image.seek(page.index)
            image.load()
            pixels: Pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    pixels = pixels if pixels.ndim > 2 else pixels[:, :, None]
    return Raster(pixels, page.tags.valueof(ICC_TAG), widened=page.bitspersample != 8)


def _check_kind(page: Any) -> None:
    """Refuse what would be taken for gray or RGB and is neither, and more channels than a texture has."""
    photometric = tifffile.PHOTOMETRIC(page.photometric).name
    jpeg = photometric == "YCBCR" and page.compression in (OLD_JPEG, JPEG)
    if photometric not in _GRAY_OR_RGB and not jpeg:
        raise FormatError(f"holds {photometric} pixels; write gray or RGB")
    if page.samplesperpixel > MOST_SAMPLES or page.imagedepth > 1:
        raise FormatError(f"has {page.samplesperpixel} channels, {page.imagedepth} deep; write at most RGBA, one deep")


def _check_ends(page: Any, length: int) -> None:
    """Refuse a file whose pixels are missing or lie beyond its end: the reader would fill them with zeros."""
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    whole = all(offset and count and offset + count <= length for offset, count in places)
    if not whole or (len(places) < math.prod(page.chunked) and page.compression != OLD_JPEG):
        raise CutOffError


def _check_packing(page: Any, content: bytes) -> None:
    """Refuse pieces that are pictures of another size than the tags say: the reader would unpack all of them."""
    if page.compression in (*_PLAIN, *_BY_LIBTIFF):
        return
    if page.compression != JPEG:
        raise FormatError("is packed in a way that is not read; write deflate, LZW or no compression")
    most = page.tilelength, page.tilewidth
    if not page.is_tiled:
        most = min(page.rowsperstrip, page.imagelength), page.imagewidth
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        height, width = _jpeg_size(content[offset : offset + count])
        if height > most[0] or width > most[1]:
            raise FormatError(f"is damaged: a piece of it is {width}×{height} pixels large")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG picture, as its frame says (ITU-T T.81, B.2.2)."""
    position = 2
    while position + 9 <= len(content):
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if content[position] != 0xFF or length < 2:
            break
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[position + at : position + at + 2], "big") for at in (5, 7))
            return height, width
        position += 2 + length
    raise FormatError("is damaged: a piece of it is no JPEG")


def _channels_last(pixels: Pixels, page: Any) -> Pixels:
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return pixels.transpose(1, 2, 0) if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else pixels


def _palette(colors: Pixels) -> Pixels:
    """Return a color map as RGB (N, 3). It has 16 bits; some programs fill it with numbers of 8."""
    return (colors.T >> (8 if colors.max() > 255 else 0)).astype(np.uint8)


def _understood(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8)
    if pixels.dtype == np.float64:
        with np.errstate(over="ignore"):  # what overflows is counted later among the values that are not finite
            return pixels.astype(np.float32)
    if pixels.dtype.name not in _UNDERSTOOD:
        raise FormatError(f"has pixels of type {pixels.dtype.name}; write 8 or 16 bits or float")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _widen(pixels: Pixels, bits: int) -> Pixels:
    """Scale numbers of 1 to 7 or 9 to 15 bits to all of 8 or 16."""
    if pixels.dtype.kind != "u" or bits == pixels.dtype.itemsize * 8:
        return pixels
    return widen(pixels, bits, pixels.dtype.type)


def _invert(pixels: Pixels) -> Pixels:
    """Turn white-is-zero into black-is-zero; alpha, where there is one, stays."""
    color = 1 if pixels.shape[2] == 2 else pixels.shape[2]
    return np.concatenate([np.iinfo(pixels.dtype).max - pixels[:, :, :color], pixels[:, :, color:]], 2)


def _straight(pixels: Pixels) -> Pixels:
    """Divide premultiplied color by its alpha; where that is 0, it stays as it is."""
    alpha = pixels[:, :, -1:].astype(np.float32)
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    color = pixels[:, :, :-1].astype(np.float32) * (top / np.where(alpha > 0, alpha, top))
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
