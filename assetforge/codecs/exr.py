"""OpenEXR, half and float, with layers and parts."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from assetforge.codecs import exr_chunks
from assetforge.codecs.raster import FormatError, Pixels, Primaries, Raster, check_size

SETS = (("R", "G", "B", "A"), ("R", "G", "B"), ("X", "Y", "Z"), ("Y", "A"), ("Y",))
"""Channel names that make a texture, the fullest first."""
SHOWN = "base_color"
"""The map that is the unnamed layer among others: what programs show that know nothing of layers."""
_KINDS: Mapping[str, Any] = {"UINT": np.uint32, "HALF": np.float16, "FLOAT": np.float32}
_WHOLE = 2**24
"""Up to here float32 holds every whole number."""

_Window = tuple[int, int, int, int]
"""Left, top, right and bottom, the last two beyond it."""


@dataclass
class _Layer:
    header: Mapping[str, Any]
    """That of the layer's part: parts may differ in windows and primaries."""
    channels: dict[str, Any] = field(default_factory=dict)
    """As the header has them, by their names in the layer."""
    part: int = 0


def _library() -> Any:
    """Return the library: to load it takes a tenth of a second, and few runs need it."""
    import OpenEXR

    return OpenEXR


def layer_of(map_name: str, maps: Collection[str]) -> str:
    """Name the layer of a map in a file of these maps; the unnamed one is ""."""
    return "" if len(maps) == 1 or map_name == SHOWN else map_name


def read(content: bytes, layer: str | None = None) -> Raster:
    """Read one layer: the unnamed one, or `layer`, which names a part or the channels `layer.R`, `layer.Y`, ….

    A file with one layer only needs no name. Pixels come half or float as the file has them, color linear; alpha is
    taken as straight. The picture is the display window: what lies beyond is cut, and what the data window leaves
    out, as compositors do with what is empty, is 0.
    """
    exr_chunks.check(content)
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:  # the library reports damage in paths only
        file.write(content)
        file.flush()
        path = Path(file.name)
        with _damage_told():
            parts = _library().File(str(path), header_only=True).parts
            chosen = _choose(_layers(parts), layer)
            names = [_whole(chosen.channels[name]) for name in _names(chosen.channels, layer)]
            planes = _planes_of_part(path, len(parts), chosen.part, names) if len(parts) > 1 else _planes(path, names)
    planes = [_shaped(plane, chosen.header) for plane in planes]
    data, shown = _window(chosen.header, "dataWindow"), _window(chosen.header, "displayWindow")
    pixels = _displayed(np.stack([_as_float(plane) for plane in planes], 2), data, shown)
    header, flags = chosen.header, (*_rounded(planes), *_apart(data, shown))
    return Raster(pixels, primaries=_primaries(header.get("chromaticities")), shot=_shot(header), flags=flags)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Raise FormatError for what the library raises, which prints beside it what it finds wrong."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise FormatError("is damaged, or a kind of OpenEXR that is not read") from error


def _layers(parts: Sequence[Any]) -> dict[str, _Layer]:
    layers: dict[str, _Layer] = {}
    for number, part in enumerate(parts):
        left, top, right, bottom = _window(part.header, "dataWindow")
        check_size(right - left, bottom - top)
        prefix = str(part.header.get("name", "")) if len(parts) > 1 else ""
        for channel in part.header["channels"]:
            inner, _, last = channel.name.rpartition(".")
            whole = ".".join(filter(None, (prefix, inner)))
            layers.setdefault(whole, _Layer(part.header, part=number)).channels[last] = channel
    return layers


def _planes(path: Path, names: Sequence[str]) -> list[Any]:
    """Read some channels of a file of one part: a renderer writes dozens, which together may not fit into memory."""
    file = _library().InputFile(str(path))
    channels = file.header()["channels"]
    planes = zip(names, file.channels(list(names)), strict=True)
    return [np.frombuffer(plane, _KINDS[str(channels[name].type)]) for name, plane in planes]


def _planes_of_part(path: Path, count: int, part: int, names: Sequence[str]) -> list[Any]:
    file = _library().File(str(path), separate_channels=True)
    file.header()  # fails where no part could be read
    if len(file.parts) != count:  # the library leaves out what it cannot read
        raise FormatError("is damaged: pixels of a part are missing")
    return [file.parts[part].channels[name].pixels for name in names]


def _window(header: Mapping[str, Any], name: str) -> _Window:
    low, high = header[name]
    return int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1


def _displayed(pixels: Pixels, data: _Window, shown: _Window) -> Pixels:
    """Cut or fill the data window's pixels to the display window's."""
    check_size(shown[2] - shown[0], shown[3] - shown[1])
    left, top, right, bottom = _common(data, shown)
    inner = pixels[max(top - data[1], 0) : max(bottom - data[1], 0), max(left - data[0], 0) : max(right - data[0], 0)]
    if (left, top, right, bottom) == shown:
        return inner
    filled = np.zeros((shown[3] - shown[1], shown[2] - shown[0], pixels.shape[2]), pixels.dtype)
    if inner.size:
        filled[top - shown[1] : bottom - shown[1], left - shown[0] : right - shown[0]] = inner
    return filled


def _common(one: _Window, other: _Window) -> _Window:
    """Return what two windows share; it is empty, or turned inside out, where they do not meet."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _apart(data: _Window, shown: _Window) -> tuple[str, ...]:
    left, top, right, bottom = _common(data, shown)
    return ("shows nothing: its pixels lie beside its display window",) if left >= right or top >= bottom else ()


def _choose(layers: dict[str, _Layer], layer: str | None) -> _Layer:
    if not layers:
        raise FormatError("is damaged: it has no channels")
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


def _whole(channel: Any) -> str:
    """Return the name of a channel that has every pixel."""
    if (channel.xSampling, channel.ySampling) != (1, 1):
        raise FormatError("has channels of lower resolution; write all of them in full")
    return str(channel.name)


def _shaped(plane: Any, header: Mapping[str, Any]) -> Pixels:
    left, top, right, bottom = _window(header, "dataWindow")
    if not isinstance(plane, np.ndarray) or plane.size != (bottom - top) * (right - left):
        raise FormatError("is cut off or damaged: pixels are missing")
    return plane.reshape(bottom - top, right - left)


def _as_float(plane: Pixels) -> Pixels:
    return plane if plane.dtype.kind == "f" else plane.astype(np.float32)


def _rounded(planes: list[Pixels]) -> tuple[str, ...]:
    most = max((int(plane.max()) for plane in planes if plane.dtype.kind == "u"), default=0)
    return (f"has whole numbers up to {most}, and those beyond {_WHOLE} are rounded",) if most > _WHOLE else ()


def _shot(header: Mapping[str, Any]) -> dict[str, float]:
    """Return what the standard attributes tell of how a picture was taken; none has the focal length in 35 mm film."""
    attributes = {"exposure_time": "expTime", "aperture": "aperture", "iso": "isoSpeed"}
    return {name: float(header[key]) for name, key in attributes.items() if isinstance(header.get(key), float | int)}


def _primaries(chromaticities: Any) -> Primaries | None:
    """Return the attribute's pairs of x and y: red, green, blue and white."""
    if chromaticities is None:
        return None
    flat = [float(value) for value in np.ravel(np.asarray(chromaticities, np.float64))]
    return tuple(zip(flat[0::2], flat[1::2], strict=True))


def write(layers: Mapping[str, Pixels], vectors: Collection[str] = ()) -> bytes:
    """Write layers (H, W, C) by name, the empty name for the unnamed one, half or float as they are; ZIP-compressed.

    vectors: the layers whose channels are X, Y and Z.
    """
    channels = {}
    for layer, pixels in layers.items():
        names = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}[pixels.shape[2]]
        names = ("X", "Y", "Z") if layer in vectors and len(names) == len("XYZ") else names
        for index, name in enumerate(names):
            channels[f"{layer}.{name}" if layer else name] = np.ascontiguousarray(pixels[:, :, index])
    library = _library()
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers.exr"
        library.File(header, channels).write(str(path))
        return path.read_bytes()
