"""From textures to the bytes of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from assetforge.codecs import dds, exr, hdr, ktx2, pillow_files, png, tiff
from assetforge.codecs.formats import GPU, MOBILE, Format, unsuited
from assetforge.codecs.gpu_formats import Numbers, written
from assetforge.codecs.raster import Pixels
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_codes, srgb_encode
from assetforge.ops.normals import flip_green

BAND = 256
PNG_EFFORT = 1
JPEG_QUALITY = 95
JPEG_LONGEST = 65500
_TYPES: dict[str, Any] = {"8": np.uint8, "16": np.uint16, "half": np.float16, "float": np.float32}
_NUMBERS: dict[str, Numbers] = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}
Maps = Mapping[str, tuple[Texture, MapSpec]]


def encode(maps: Maps, output_format: Format, green: Literal["up", "down"] = "up") -> bytes:
    """Encode one map, or several as the layers of an OpenEXR file; the format's depth is resolved already.

    Integers hold sRGB-encoded color, floats linear light. Values are rounded to the nearest code and not dithered, so
    that equal pixels stay equal: across tiles, after rolling, and from run to run. The same input gives the same bytes.
    Formats for GPUs get the smaller levels of a map that has some, others its pixels alone.
    Raises ValueError where the format cannot hold the map.
    """
    rasters = {name: to_pixels(texture, spec, output_format, green) for name, (texture, spec) in maps.items()}
    if output_format.container == "exr":
        layers = {exr.layer_of(name, maps): pixels for name, pixels in rasters.items()}
        return exr.write(layers, {name for name, (_, spec) in maps.items() if spec.kind == "vector"})
    if output_format.container in GPU and len(maps) == 1:
        [(texture, spec)] = maps.values()
        levels = [to_pixels(level, spec, output_format, green) for level in texture.levels[1:]]
        return _write_levels([*rasters.values(), *levels], output_format, spec, opaque=texture.alpha is None)
    if len(rasters) > 1:
        raise ValueError(f"{output_format.name} holds one map; write exr, whose layers hold several")
    return _write(next(iter(rasters.values())), output_format)


def to_pixels(texture: Texture, spec: MapSpec, output_format: Format, green: Literal["up", "down"] = "up") -> Pixels:
    """Return (H, W, C) in the format's numbers, alpha last where there is one."""
    if output_format.depth is None:
        raise ValueError("the format has no depth yet; resolve it first")
    _check_held(texture, spec, output_format)
    alpha = _kept_alpha(texture, spec, output_format)
    height, width = texture.size
    channels = texture.channels + (alpha is not None)
    kind = _TYPES[output_format.depth]
    out = np.empty((height, width, channels), kind)
    for top in range(0, height, BAND):
        rows = slice(top, top + BAND)
        band = texture.data[:, rows]
        if kind is np.uint8 and spec.is_color:
            planes = [*_srgb_codes(band)]
        else:
            planes = [*_codes(stored_numbers(band, spec, output_format, green), kind, spec)]
        if alpha is not None:
            planes += [*_codes(alpha[:, rows], kind, None)]
        for index, plane in enumerate(planes):  # one by one, which is much faster than all at once
            out[rows, :, index] = plane
    return out


def _srgb_codes(band: Tensor) -> Pixels:
    _check_numbers(band)
    codes: Pixels = srgb_codes(band).numpy()
    return codes


def _kept_alpha(texture: Texture, spec: MapSpec, output_format: Format) -> Tensor | None:
    beside = output_format.compression not in MOBILE or (texture.channels == 3 and spec.kind != "vector")
    if texture.alpha is None or (output_format.holds_alpha and beside):
        return texture.alpha
    if bool((texture.alpha < 1).any()):
        raise ValueError(f"{output_format.name} holds no alpha; write png, tga, webp, tiff, exr or dds-bc7")
    return None


def stored_numbers(data: Tensor, spec: MapSpec, output_format: Format, green: str) -> Tensor:
    """Turn pixels of a map, (C, H, W), into what the file's numbers stand for, 0 to 1 where they are integers."""
    if spec.kind == "vector":
        data = flip_green(data) if green == "down" else data
        return data if output_format.is_linear else data * 0.5 + 0.5
    return srgb_encode(data) if spec.is_color and not output_format.is_linear else data


def _codes(band: Tensor, kind: Any, spec: MapSpec | None) -> Pixels:
    if kind in (np.float16, np.float32):
        top = float(torch.finfo(torch.float16).max) if kind is np.float16 else float("inf")
        codes: Pixels = band.clamp(-top, top).numpy().astype(kind)
    else:
        most = np.iinfo(kind).max
        _check_numbers(band)
        scaled = band if spec is not None and spec.kind == "id" else band * most
        codes = scaled.clamp(0, most).round().numpy().astype(kind)
    if spec is not None and spec.kind == "id" and not np.array_equal(codes.astype(np.float32), band.numpy()):
        raise ValueError(f"{spec.name} has values that are no codes of this depth; write png16 or tiff16")
    return codes


def _check_numbers(band: Tensor) -> None:
    if bool(torch.aminmax(band).min.isnan()):  # which finds one that is no number faster than a search for it does
        raise ValueError("has values that are not numbers, which no integer can stand for")


def _check_held(texture: Texture, spec: MapSpec, output_format: Format) -> None:
    """Refuse a map that the container would spoil without a word."""
    if output_format.container == "jpg" and max(texture.size) > JPEG_LONGEST:
        raise ValueError(f"jpg holds at most {JPEG_LONGEST} pixels in a row or column; write png")
    reason = unsuited(spec, output_format)
    if not reason and texture.channels not in (1, 3) and texture.alpha is not None:
        reason = f"{output_format.name} does not hold the {texture.channels} channels of {spec.name} and alpha"
    if reason:
        raise ValueError(reason)


def _write_levels(levels: list[Pixels], output_format: Format, spec: MapSpec, *, opaque: bool) -> bytes:
    """Write the levels of a texture for GPUs, the largest first."""
    compression, numbers = output_format.compression or "uncompressed", _NUMBERS[levels[0].dtype.name]
    if compression in MOBILE and spec.kind == "vector":
        levels = [level[:, :, :2] for level in levels]
    channels = levels[0].shape[2]
    srgb = spec.is_color and not output_format.is_linear
    opaque = opaque and channels < 4
    if output_format.container == "dds":
        layout = written(compression, numbers, channels, srgb=srgb, known_as="dxgi")
        return dds.write(levels, layout, opaque=opaque)
    layout = written(compression, numbers, channels, srgb=srgb, known_as="vk")
    return ktx2.write(levels, layout, opaque=opaque, effort=output_format.effort)


def _by_plugin(pixels: Pixels, output_format: Format) -> bytes:
    codec = output_format.codec
    if codec is None or codec.write is None:
        raise ValueError("the format has no codec that writes")
    if pixels.shape[2] not in codec.channels:
        raise ValueError(f"{codec.word} does not hold {pixels.shape[2]} channels; write png, tiff or exr")
    return bytes(codec.write(pixels))


def _write(pixels: Pixels, output_format: Format) -> bytes:
    quality, effort = output_format.quality, output_format.effort
    match output_format.container:
        case "png":
            return png.write(pixels, PNG_EFFORT if effort is None else effort)
        case "tiff":
            return tiff.write(pixels, effort)
        case "plugin":
            return _by_plugin(pixels, output_format)
        case "hdr":
            return hdr.write(pixels if pixels.shape[2] == 3 else np.repeat(pixels[:, :, :1], 3, 2))
        case "jpg":
            return pillow_files.write(pixels, "JPEG", quality=quality or JPEG_QUALITY, subsampling=0)
        case "webp":
            # Without loss, its quality is how hard it tries.
            return pillow_files.write(pixels, "WebP", lossless=quality is None, quality=quality or 80, exact=True)
        case _:
            return pillow_files.write(pixels, "TGA", compression="tga_rle")
