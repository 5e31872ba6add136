"""Read an encoded file back before anybody relies on it."""

from __future__ import annotations

import sys

from assetforge.codecs import exr, png
from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.encode import Maps
from assetforge.codecs.formats import Format
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import read


def verify(content: bytes, output_format: Format, maps: Maps) -> None:
    """Raise ValueError unless `content` decodes to pictures of the maps' size and channels."""
    for name, (texture, _) in maps.items():
        try:
            rows, columns, channels = _shape(content, output_format, exr.layer_of(name, maps) or None)
        except FormatError as error:
            raise ValueError(f"{name} was encoded as {output_format.name} into a file that {error}") from error
        height, width = texture.data.shape[1:]
        if (rows, columns) != (height, width) or channels < texture.data.shape[0]:
            what = f"{columns} × {rows} with {channels} channels"
            raise ValueError(f"{name} is {width} × {height}, and was encoded as {what}")


def _shape(content: bytes, output_format: Format, layer: str | None) -> tuple[int, int, int]:
    with allowing(Limits(pixels=sys.maxsize)):  # it is our own
        if output_format.container == "png":
            return png.checked(content)
        height, width, channels = read(content, output_format.suffix, layer).pixels.shape
        return height, width, channels
