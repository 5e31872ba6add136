"""Read an encoded file back before anybody relies on it."""

from __future__ import annotations

import sys

from assetforge.codecs import exr
from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.encode import Maps
from assetforge.codecs.formats import Format
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import read


def verify(content: bytes, output_format: Format, maps: Maps) -> None:
    """Raise ValueError unless `content` decodes to pictures of the maps' size and channels."""
    for name, (texture, _) in maps.items():
        try:
            with allowing(Limits(pixels=sys.maxsize)):  # it is our own
                raster = read(content, output_format.suffix, exr.layer_of(name, maps) or None)
        except FormatError as error:
            raise ValueError(f"{name} was encoded as {output_format.name} into a file that {error}") from error
        height, width = texture.data.shape[1:]
        if raster.pixels.shape[:2] != (height, width) or raster.pixels.shape[2] < texture.data.shape[0]:
            what = f"{raster.pixels.shape[1]} × {raster.pixels.shape[0]} with {raster.pixels.shape[2]} channels"
            raise ValueError(f"{name} is {width} × {height}, and was encoded as {what}")
