"""The merged picture of a Photoshop document, PSD or PSB, of 1 to 32 bits; layers are not read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from assetforge.codecs import icc, psd_sections
from assetforge.codecs.psd_sections import RAW, RLE, Sections
from assetforge.codecs.raster import CutOffError, FormatError, Pixels, Raster, check_size, exactly, look_up
from assetforge.codecs.reading import ProfileUse

BITMAP, GRAY, INDEXED, RGB, CMYK = range(5)
_CHANNELS = {BITMAP: 1, GRAY: 1, INDEXED: 1, RGB: 3, CMYK: 4}
_OTHERS = {7: "multichannel", 8: "duotone", 9: "Lab"}
_TYPES = {8: ">u1", 16: ">u2", 32: ">f4"}
_PROFILE, _TRANSPARENT_INDEX, _VERSION = 1039, 1047, 1057
"""Numbers of image resources."""
_HAS_MERGED_AT = 4
"""Where in the resource of the version it says whether the merged picture is real."""
_PALETTE_BYTES = 768
_SAVED_SELECTION = (
    "has a channel beyond its colors, which may be a saved selection and is taken as alpha; "
    "write `channel: rgb` under the map to leave it out"
)


def read(content: bytes, use: ProfileUse = "embedded") -> Raster:
    """Read the merged picture; raise FormatError where there is none, or it is of neither gray, RGB nor CMYK."""
    file = io.BytesIO(content)
    parts = psd_sections.read_sections(file)
    _check_kind(parts)
    resources = psd_sections.resources(_span(content, parts.resources))
    if resources.get(_VERSION, b"\0" * 4 + b"\1")[_HAS_MERGED_AT : _HAS_MERGED_AT + 1] == b"\0":
        raise FormatError("has no merged picture; save it again with Photoshop's Maximize Compatibility, or flatten it")
    merged_alpha = psd_sections.has_merged_alpha(file, parts)
    planes = _planes(content, parts, min(parts.channels, _CHANNELS[parts.mode] + 1))
    if parts.mode == BITMAP:
        return Raster(np.where(planes == 0, np.uint8(255), np.uint8(0)), widened=True)
    if parts.mode == INDEXED:
        return _indexed(planes[:, :, :1], _span(content, parts.colors), resources)
    has_alpha = planes.shape[2] > _CHANNELS[parts.mode]
    pixels = _without_white(planes) if has_alpha and merged_alpha else planes
    flags = (_SAVED_SELECTION,) if has_alpha and not merged_alpha else ()
    profile = resources.get(_PROFILE) or None
    if parts.mode != CMYK:
        return Raster(pixels, profile, flags=flags)
    color, ignored = icc.inks_to_srgb(255 - pixels[:, :, :4], profile, use)  # stored with 0 for full ink
    return Raster(np.concatenate([color, pixels[:, :, 4:]], 2), flags=(*flags, *ignored))


def has_alpha(file: BinaryIO) -> bool:
    """Tell from the header whether there are more channels than colors, or a palette, which may have a clear entry."""
    parts = psd_sections.read_sections(file)
    return parts.mode == INDEXED or parts.channels > _CHANNELS.get(parts.mode, parts.channels)


def _span(content: bytes, span: psd_sections.Span) -> bytes:
    start, length = span
    return content[start : start + length]


def _check_kind(parts: Sections) -> None:
    check_size(parts.width, parts.height)
    if parts.mode in _OTHERS:
        raise FormatError(f"holds {_OTHERS[parts.mode]} pixels; write gray or RGB")
    depths = {BITMAP: (1,), INDEXED: (8,), CMYK: (8,)}.get(parts.mode, tuple(_TYPES))
    if parts.mode not in _CHANNELS or parts.channels < _CHANNELS[parts.mode]:
        raise FormatError("is damaged, or a kind of PSD that is not read")
    if parts.depth not in depths:
        raise FormatError(f"has {parts.depth} bits in this mode; write gray or RGB of 8, 16 or 32 bits")


def _planes(content: bytes, parts: Sections, channels: int) -> Pixels:
    """Decode the first channels of the merged picture, (H, W, C) in the machine's order of bytes."""
    file = io.BytesIO(content)
    file.seek(parts.start)
    compression = int.from_bytes(exactly(file, 2), "big")
    rows = channels * parts.height
    if compression == RAW:
        packed = exactly(file, rows * parts.row_bytes)
    elif compression == RLE:
        packed = b"".join(_unpacked(content, file, parts, rows))
    else:
        raise FormatError("has a merged picture that is packed by ZIP; save it again with Photoshop")
    stored = np.frombuffer(packed, np.uint8).reshape(channels, parts.height, parts.row_bytes)
    if parts.depth == 1:
        planes = np.unpackbits(stored, axis=2, count=parts.width)
    else:
        planes = stored.view(_TYPES[parts.depth]).astype(_TYPES[parts.depth][1:])
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _unpacked(content: bytes, file: io.BytesIO, parts: Sections, rows: int) -> Iterator[bytes]:
    """Unpack rows, channel after channel. They are packed each on its own, and some programs pad them."""
    counts = psd_sections.row_counts(file, parts)[:rows]
    position = file.tell()
    if position + sum(counts) > len(content):
        raise CutOffError
    for count in counts:
        row = bytes(imagecodecs.packbits_decode(content[position : position + count]))
        if len(row) < parts.row_bytes:
            raise FormatError("is damaged: a row of its merged picture is too short")
        yield row[: parts.row_bytes]
        position += count


def _indexed(indices: Pixels, colors: bytes, resources: dict[int, bytes]) -> Raster:
    """Look up the palette: all reds, all greens, all blues. One index may stand for what is clear."""
    if len(colors) < _PALETTE_BYTES:
        raise CutOffError
    palette = np.frombuffer(colors, np.uint8, _PALETTE_BYTES).reshape(3, -1).T
    clear = resources.get(_TRANSPARENT_INDEX)
    if clear is not None:
        alpha = np.where(np.arange(len(palette)) == int.from_bytes(clear[:2], "big"), np.uint8(0), np.uint8(255))
        palette = np.concatenate([palette, alpha[:, None]], 1)
    pixels, flags = look_up(indices, palette)
    return Raster(pixels, resources.get(_PROFILE), indices=indices, flags=flags)


def _without_white(pixels: Pixels) -> Pixels:
    """Take out the white that Photoshop lays below what is not opaque: stored = color · alpha + white · (1 − alpha).

    Where alpha is 0 nothing of the color is left, and the white stays.
    """
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    alpha = pixels[:, :, -1:].astype(np.float32)
    color = pixels[:, :, :-1].astype(np.float32)
    straight = np.where(alpha > 0, top - (top - color) * top / np.where(alpha > 0, alpha, 1), color)
    if pixels.dtype.kind == "u":
        straight = np.rint(np.clip(straight, 0, top))
    return np.concatenate([straight.astype(pixels.dtype), pixels[:, :, -1:]], 2)
