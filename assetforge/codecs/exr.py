"""OpenEXR, half and float, with layers and parts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from assetforge.codecs import exr_chunks
from assetforge.codecs.raster import FormatError, Pixels, Raster, check_size

SETS = (("R", "G", "B", "A"), ("R", "G", "B"), ("X", "Y", "Z"), ("Y", "A"), ("Y",))
"""Channel names that make a texture, the fullest first."""
_REC709_XY = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290))


@dataclass
class _Layer:
    header: Mapping[str, Any]
    """That of the layer's part: parts may differ in windows and primaries."""
    channels: dict[str, Any] = field(default_factory=dict)


def read(content: bytes, layer: str | None = None) -> Raster:
    """Read one layer: the unnamed one, or `layer`, which names a part or the channels `layer.R`, `layer.Y`, ….

    A file with one layer only needs no name. Pixels come half or float as the file has them, color linear; alpha is
    taken as straight. The picture is the display window: what lies beyond is cut, what does not fill it is refused.
    """
    exr_chunks.check(content)
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:  # the library reports damage in paths only
        file.write(content)
        file.flush()
        layers = _layers(Path(file.name))
    chosen = _choose(layers, layer)
    planes = [_checked(chosen.channels[name], chosen.header) for name in _names(chosen.channels, layer)]
    pixels = np.stack(planes, 2)[_shown(chosen.header)]
    return Raster(pixels, to_rec709=_to_rec709(chosen.header.get("chromaticities")))


def _layers(path: Path) -> dict[str, _Layer]:
    try:
        announced = OpenEXR.File(str(path), header_only=True).parts
        for part in announced:
            left, top, right, bottom = _window(part.header, "dataWindow")
            check_size(right - left, bottom - top)
        file = OpenEXR.File(str(path), separate_channels=True)
        file.header()  # fails where no part could be read
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise FormatError("is damaged, or a kind of OpenEXR that is not read") from error
    if len(file.parts) != len(announced):  # the library leaves out what it cannot read
        raise FormatError("is damaged: pixels of a part are missing")
    layers: dict[str, _Layer] = {}
    for part in file.parts:
        prefix = str(part.header.get("name", "")) if len(file.parts) > 1 else ""
        for name, channel in part.channels.items():
            inner, _, last = name.rpartition(".")
            whole = ".".join(filter(None, (prefix, inner)))
            layers.setdefault(whole, _Layer(part.header)).channels[last] = channel.pixels
    return layers


def _window(header: Mapping[str, Any], name: str) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom, the last two beyond the window."""
    low, high = header[name]
    return int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1


def _shown(header: Mapping[str, Any]) -> tuple[slice, slice]:
    """Return the rows and columns of the data window that are the display window."""
    data, shown = _window(header, "dataWindow"), _window(header, "displayWindow")
    left, top, right, bottom = shown
    if left < data[0] or top < data[1] or right > data[2] or bottom > data[3]:
        raise FormatError(f"has pixels in {data} only and shows {shown}; write the whole picture, not cropped")
    return slice(top - data[1], bottom - data[1]), slice(left - data[0], right - data[0])


def _choose(layers: dict[str, _Layer], layer: str | None) -> _Layer:
    known = ", ".join(repr(name) for name in layers if name) or "none with a name"
    if layer is not None and layer not in layers:
        raise FormatError(f"has no layer {layer!r}; it has: {known}")
    if layer is None and "" not in layers and len(layers) != 1:
        raise FormatError(f"has several layers; write `layer:` with one of {known}")
    return layers[layer if layer is not None else "" if "" in layers else next(iter(layers))]


def _names(channels: Mapping[str, Any], layer: str | None) -> tuple[str, ...]:
    if "RY" in channels or "BY" in channels:
        raise FormatError("holds luminance and chroma; write R, G and B")
    for names in SETS:
        if set(names) <= channels.keys():
            return names
    if len(channels) == 1:
        return tuple(channels)
    shown = f"layer {layer!r}" if layer else "file"
    raise FormatError(f"has channels {', '.join(channels)} in this {shown}; a texture needs R, G, B or Y")


def _checked(pixels: Any, header: Mapping[str, Any]) -> Pixels:
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2:
        raise FormatError("is cut off or damaged: pixels are missing")
    left, top, right, bottom = _window(header, "dataWindow")
    if pixels.shape != (bottom - top, right - left):
        raise FormatError("has channels of lower resolution; write all of them in full")
    return pixels if pixels.dtype in (np.float16, np.float32) else pixels.astype(np.float32)


def _to_rec709(chromaticities: Any) -> Pixels | None:
    """Return the matrix from a file's primaries to Rec.709, if they differ; Bradford matches the white points."""
    if chromaticities is None:
        return None
    flat = [float(value) for value in np.ravel(np.asarray(chromaticities, np.float64))]
    primaries = tuple(zip(flat[0::2], flat[1::2], strict=True))
    if np.allclose(primaries, _REC709_XY, atol=1e-3):
        return None
    return np.linalg.inv(_to_xyz(_REC709_XY)) @ _adapt(primaries[3], _REC709_XY[3]) @ _to_xyz(primaries)


def _xyz(xy: tuple[float, float]) -> Pixels:
    return np.array([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]])


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Pixels:
    columns = np.stack([_xyz(primary) for primary in primaries[:3]], 1)
    scaled: Pixels = columns * np.linalg.solve(columns, _xyz(primaries[3]))
    return scaled


def _adapt(source: tuple[float, float], target: tuple[float, float]) -> Pixels:
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    gain = (bradford @ _xyz(target)) / (bradford @ _xyz(source))
    adapted: Pixels = np.linalg.inv(bradford) @ np.diag(gain) @ bradford
    return adapted


def write(layers: Mapping[str, Pixels]) -> bytes:
    """Write layers (H, W, C) by name, the empty name for the unnamed one, half or float as they are; ZIP-compressed."""
    channels = {}
    for layer, pixels in layers.items():
        names = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}[pixels.shape[2]]
        for index, name in enumerate(names):
            channels[f"{layer}.{name}" if layer else name] = np.ascontiguousarray(pixels[:, :, index])
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.exr"
        OpenEXR.File(header, channels).write(str(path))
        return path.read_bytes()
