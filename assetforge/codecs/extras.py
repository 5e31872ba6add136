"""HEIF and DNG, as telephones and cameras write them, by optional packages: `pip install assetforge[photos]`."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np

from assetforge.codecs import exif, packages
from assetforge.codecs.raster import FormatError, Raster, check_size

_MODULES = {"HEIF": "pillow_heif", "DNG": "rawpy"}
"""The module that reads each format."""


def read(content: bytes, kind: Literal["HEIF", "DNG"]) -> Raster:
    """Read a file of one of these kinds; raise FormatError where the package that can is not installed."""
    try:
        library = packages.library(_MODULES[kind])
    except ImportError as error:
        raise FormatError(f"is {kind}, which {error}") from error
    return _read_heif(content, library) if kind == "HEIF" else _read_dng(content, library)


def _read_heif(content: bytes, library: Any) -> Raster:
    """Read the primary picture, 8 or 16 bits, turned as its own boxes say and not as EXIF does."""
    try:
        picture = library.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
        check_size(*picture.size)
        pixels = np.asarray(picture)
    except (ValueError, OSError, EOFError, SyntaxError, RuntimeError) as error:
        raise FormatError("is cut off or damaged") from error
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    tags = exif.load(picture.info.get("exif") or b"")
    widened = pixels.dtype == np.uint16  # of 10 or 12 bits
    return Raster(pixels, picture.info.get("icc_profile") or None, widened=widened, shot=exif.shot_in(tags))


def _read_dng(content: bytes, library: Any) -> Raster:
    """Develop a raw photograph: linear light of sRGB's primaries, white balance as shot, no curve."""
    try:
        with library.imread(io.BytesIO(content)) as raw:
            check_size(raw.sizes.width, raw.sizes.height)
            pixels = raw.postprocess(
                gamma=(1, 1),
                no_auto_bright=True,
                use_camera_wb=True,
                output_bps=16,
                output_color=library.ColorSpace.sRGB,
            )
    except library.LibRawError as error:
        raise FormatError("is cut off or damaged, or a raw photograph that LibRaw does not read") from error
    light = pixels.astype(np.float32) / np.float32(np.iinfo(np.uint16).max)
    return Raster(light, shot=exif.shot_in(exif.load(content)))
