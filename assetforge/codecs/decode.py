"""From a file to a texture. Color becomes linear Rec.709 here, once, by the map's kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from assetforge.codecs import exr, hdr, icc, pillow_files, png, tiff
from assetforge.codecs.ends import LFS_POINTER
from assetforge.codecs.formats import Depth
from assetforge.codecs.raster import FormatError, Pixels, Raster
from assetforge.errors import AccessError, SourceError
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture, Wrap
from assetforge.ops.color import srgb_decode
from assetforge.ops.normals import flip_green, normalize

BAND = 256
"""Rows that are converted at a time, so that a large file needs few copies."""
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"


@dataclass(frozen=True)
class Reading:
    """How to read a file, beyond what its map says."""

    green: Literal["up", "down"] = "up"
    """Normal maps: `down` is DirectX, and is turned."""
    channel: Literal["r", "g", "b", "a"] | None = None
    """Channel of a packed file that a one-channel map takes."""
    layer: str | None = None
    """Layer or part of an OpenEXR file."""
    wrap: Wrap = "unknown"


@dataclass(frozen=True)
class Decoded:
    """A texture, and the depth that its file had."""

    texture: Texture
    depth: Depth


def decode(path: Path, spec: MapSpec, reading: Reading = Reading(), name: str | None = None) -> Decoded:
    """Read the file of a map. Its kind is told by its content, not by its ending.

    Color: integers are sRGB-encoded unless an ICC profile says otherwise, floats are linear; the result is linear
    Rec.709. Data: numbers as they are, integers over their maximum; profiles are ignored. Normals: integers hold
    0 to 1 for −1 to 1, floats the vector itself; the result is unit, +Y up. Ids: whole numbers.

    Raises SourceError that names the file and what is wrong with it.
    """
    shown = name or str(path)
    try:
        raster = read(path.read_bytes(), path.suffix, reading.layer)
        if raster.is_float:
            _check_finite(raster.pixels)
        return Decoded(_texture(raster, spec, reading), raster.depth)
    except OSError as error:
        raise AccessError(shown, f"cannot be read ({error.strerror})", "check that it is there, and yours") from error
    except FormatError as error:
        what, _, instead = str(error).partition("; ")
        raise SourceError(shown, what, instead) from error


def read(content: bytes, suffix: str, layer: str | None = None) -> Raster:
    """Read a file's content; `suffix` tells TGA, which has no mark. Raise FormatError where it is damaged."""
    kind = _kind(content, suffix)
    if kind == "EXR":
        return exr.read(content, layer)
    if layer is not None:
        raise FormatError(f"has no layer {layer!r}; only OpenEXR files have layers")
    if kind == "HDR":
        return hdr.read(content)
    if kind == "PNG":
        return png.read(content)
    return tiff.read(content) if kind == "TIFF" else pillow_files.read(content, kind)


def _kind(content: bytes, suffix: str) -> str:
    if not content:
        raise FormatError("is empty; copy it again")
    if content.startswith(LFS_POINTER):
        raise FormatError("is a Git-LFS pointer and not the picture; run `git lfs pull`")
    for kind, starts in _MAGIC.items():
        if content.startswith(starts) and (kind != "WEBP" or content[8:12] == b"WEBP"):
            return kind
    if suffix.lower() == ".tga" or content.endswith(_TGA_FOOTER):
        return "TGA"
    word = suffix.lstrip(".").upper() or "picture"
    raise FormatError(f"is not a {word}; its content is of no format that is read")


_MAGIC: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "HDR": (b"#?RADIANCE", b"#?RGBE"),
    "EXR": (b"\x76\x2f\x31\x01",),
}


def _check_finite(pixels: Pixels) -> None:
    wrong = pixels.size - int(np.count_nonzero(np.isfinite(pixels)))
    if wrong:
        raise FormatError(f"has {wrong} values that are not finite; repair it")


def _texture(raster: Raster, spec: MapSpec, reading: Reading) -> Texture:
    if spec.kind == "id" and raster.widened:
        raise FormatError(f"has numbers of few bits, which are no codes of {spec.name} any more; write 8 or 16 bits")
    pixels = _pick(raster, spec, reading)
    data = _color(pixels, raster, spec) if spec.is_color else _numbers(pixels, whole=spec.kind == "id")
    if spec.kind == "vector":
        _straighten(data, raster, reading)
    has_alpha = (spec.is_color or spec.kind == "vector") and reading.channel is None
    alpha = raster.alpha if has_alpha and pixels.shape[2] != raster.pixels.shape[2] else None
    alpha_data = None if alpha is None else _numbers(alpha).clamp_(0, 1)
    return Texture(data, spec.color_space, reading.wrap, alpha_data)


def _straighten(data: Tensor, raster: Raster, reading: Reading) -> None:
    """Turn the numbers of (3, H, W) into unit normals, +Y up, in place and some rows at a time."""
    for top in range(0, data.shape[1], BAND):
        band = data[:, top : top + BAND]
        vectors = band if raster.is_float else band * 2 - 1
        band.copy_(normalize(flip_green(vectors) if reading.green == "down" else vectors))


def _pick(raster: Raster, spec: MapSpec, reading: Reading) -> Pixels:
    """Take the channels that a map has from those that the file has."""
    color, wanted = raster.color, spec.channels
    if reading.channel is not None:
        if wanted != 1:
            raise FormatError(f"gives one channel and {spec.name} has {wanted}; remove `channel: {reading.channel}`")
        return _channel(raster, reading.channel)
    if color.shape[2] == wanted or (spec.is_color and wanted == 3):
        return color
    if raster.pixels.shape[2] == wanted:
        return raster.pixels
    if wanted == 1 and all(np.array_equal(color[:, :, 0], color[:, :, index]) for index in range(1, color.shape[2])):
        return color[:, :, :1]
    if wanted == 1:
        instead = "write `channel: r` (or g, b, a) under the map, if it is packed"
        raise FormatError(f"has {color.shape[2]} different channels where {spec.name} has one; {instead}")
    raise FormatError(f"has {color.shape[2]} channels where {spec.name} has {wanted}; write it as RGB")


def _channel(raster: Raster, letter: str) -> Pixels:
    if letter == "a":
        if raster.alpha is None:
            raise FormatError("has no alpha channel; write `channel: r`, g or b")
        return raster.alpha
    index = min("rgb".index(letter), raster.color.shape[2] - 1)
    return raster.color[:, :, index : index + 1]


def _numbers(pixels: Pixels, *, whole: bool = False) -> Tensor:
    """Return (H, W, C) as float32 (C, H, W), integers over their maximum unless they are whole numbers."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
    top = 1 if whole or pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return planes.div_(top)


def _color(color: Pixels, raster: Raster, spec: MapSpec) -> Tensor:
    embedded = None if raster.is_float else raster.profile
    profile = icc.parse(embedded) if embedded else None
    if embedded and profile is None:
        color = icc.through_tables(color, embedded)
    if profile is not None and len(profile.curves) > color.shape[2]:
        color = np.broadcast_to(color[:, :, :1], (*color.shape[:2], len(profile.curves)))  # gray has R = G = B
    out = torch.empty(spec.channels, *color.shape[:2])
    for top in range(0, color.shape[0], BAND):
        band = _linear(color[top : top + BAND], raster, profile)
        out[:, top : top + BAND] = band[: spec.channels].expand(spec.channels, -1, -1)
    return out


def _linear(band: Pixels, raster: Raster, profile: icc.MatrixProfile | None) -> Tensor:
    """Decode some rows to linear Rec.709, (1 or 3, h, W)."""
    if raster.is_float:
        return _rotate(_numbers(band), raster.to_rec709)
    if profile is None:
        return _decode_table(band, srgb_decode(_steps(band)).numpy())
    tables = np.stack([curve(_steps(band).double().numpy()) for curve in profile.curves])
    planes = [
        _decode_table(band[:, :, index : index + 1], tables[index % len(tables)]) for index in range(band.shape[2])
    ]
    return _rotate(torch.cat(planes), profile.matrix)


def _steps(band: Pixels) -> Tensor:
    """Return every value that the integers of this depth can have, from 0 to 1."""
    top = np.iinfo(band.dtype).max
    return torch.arange(top + 1, dtype=torch.float32) / top


def _decode_table(band: Pixels, table: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table.astype(np.float32)[band].transpose(2, 0, 1)))


def _rotate(color: Tensor, matrix: Pixels | None) -> Tensor:
    if matrix is None or color.shape[0] == 1:
        return color
    return torch.einsum("dc,chw->dhw", torch.from_numpy(matrix.astype(np.float32)), color)
