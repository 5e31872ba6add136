"""Whether a source can be an output as it is. JPEG loses a little each time that it is written anew."""

from __future__ import annotations

import io

from assetforge.codecs import icc, pillow_files
from assetforge.codecs.color import is_srgb
from assetforge.codecs.formats import Format
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import kind_of
from assetforge.codecs.reading import Green, Reading
from assetforge.material.map_spec import MapSpec


def passes_as_is(content: bytes, spec: MapSpec, reading: Reading, output_format: Format, green: Green = "up") -> bool:
    """Tell whether a JPEG source's bytes can be published as the JPEG output of a map that no step writes.

    That is where the map reads it without any conversion: no channel is picked, nothing turned, no inks, no profile
    but sRGB's where color needs one, green points where the output's does, and no quality is asked for. The other
    formats need no such way: writing them anew gives equal pixels.

    content: a file that `decode` has read for this map.
    """
    if output_format.container != "jpg" or output_format.quality is not None:
        return False
    if reading.invert or reading.channel not in (None, "rgb") or (spec.kind == "vector" and reading.green != green):
        return False
    try:
        return kind_of(content, "") == "JPEG" and _is_plain(content, spec)
    except FormatError:
        return False


def _is_plain(content: bytes, spec: MapSpec) -> bool:
    with pillow_files.opened(io.BytesIO(content), "JPEG") as image:
        if image.mode not in ("L", "RGB") or pillow_files.orientation_of(image) != 1:
            return False
        profile = image.info.get("icc_profile")
    if not profile or not spec.is_color:
        return True
    parsed = icc.parse(profile)
    return parsed is not None and is_srgb(parsed)
