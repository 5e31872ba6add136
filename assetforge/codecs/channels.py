"""Which channels of a file are a map's. Imports no torch: previews are made with it."""

from __future__ import annotations

import numpy as np

from assetforge.codecs.raster import FormatError, Pixels, Raster
from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MapSpec


def pick(raster: Raster, spec: MapSpec, reading: Reading) -> Pixels:
    """Take the channels that a map has from those that the file has; raise FormatError where it has no such ones."""
    color, wanted = raster.color, spec.channels
    if reading.channel not in (None, "rgb"):
        if wanted != 1:
            raise FormatError(f"gives one channel and {spec.name} has {wanted}; remove `channel: {reading.channel}`")
        return _channel(raster, reading.channel)
    if spec.kind == "id" and raster.indices is not None and wanted == 1:
        return raster.indices
    if color.shape[2] == wanted or (spec.is_color and wanted == 3):
        return color
    if raster.pixels.shape[2] == wanted:
        return raster.pixels
    return _gray(raster, spec)


def _channel(raster: Raster, letter: str) -> Pixels:
    if letter == "a":
        if raster.alpha is None:
            raise FormatError("has no alpha channel; write `channel: r`, g or b")
        return raster.alpha
    index = min("rgb".index(letter), raster.color.shape[2] - 1)
    return raster.color[:, :, index : index + 1]


def _gray(raster: Raster, spec: MapSpec) -> Pixels:
    """Take one channel, or two with alpha, from a file whose color is gray in three equal channels."""
    color, wanted = raster.color, spec.channels
    equal = all(np.array_equal(color[:, :, 0], color[:, :, index]) for index in range(1, color.shape[2]))
    if wanted == 1 and equal:
        return color[:, :, :1]
    if wanted == 2 and equal and raster.alpha is not None:
        return np.concatenate([color[:, :, :1], raster.alpha], 2)
    if wanted == 1:
        instead = "write `channel: r` (or g, b, a) under the map, if it is packed"
        raise FormatError(f"has {color.shape[2]} different channels where {spec.name} has one; {instead}")
    raise FormatError(f"has {color.shape[2]} channels where {spec.name} has {wanted}; write it as RGB")


def inverted(pixels: Pixels) -> Pixels:
    """Return 1 − x, of integers by their codes, so that writing it gives exactly the opposite ones."""
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    turned: Pixels = top - pixels
    return turned
