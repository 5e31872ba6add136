"""Whether a source has pixels that are not opaque, told by its header where that can. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from assetforge.codecs import bmp, dds, exr_chunks, ktx2, pillow_files, png, psd, tiff
from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.codec import codec_of
from assetforge.codecs.formats import Readable
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import kind_of, naming_source, read
from assetforge.codecs.reading import PLAIN, Reading
from assetforge.codecs.regular import open_regular, read_regular

_START, _TAIL = 64, 18
"""Bytes by which a format is told, at both ends."""
_BY_HEADERS: dict[str, tuple[Callable[[bytes], bool], int]] = {
    "BMP": (bmp.has_alpha, bmp.HEADERS),
    "DDS": (dds.has_alpha, dds.HEADERS),
    "KTX2": (ktx2.has_alpha, ktx2.HEADERS),
}
"""Formats that tell by the headers at the start of a file."""
_EXR_HEADERS = 2**20
"""Bytes that the headers of an OpenEXR file hardly need."""


def has_transparency(path: Path, reading: Reading = PLAIN, name: str | None = None) -> bool:
    """Tell whether a color or normal map that is read from a file has alpha below 1 somewhere.

    Pixels are read only where the header says that there is alpha. Raises SourceError where the file is damaged, as
    far as it is read, and AccessError where it cannot be read just now.
    """
    if reading.channel is not None:  # then the file's alpha is left out
        return False
    with naming_source(name or str(path)):
        if not _may_have_alpha(path):
            return False
        raster = read(read_regular(path, MAX_BYTES), path.suffix, reading.layer, profile=reading.profile)
        if raster.alpha is None:
            return False
        opaque = 1 if raster.is_float else (255 if raster.alpha.itemsize == 1 else 65535)
        return bool((raster.alpha < opaque).any())


def _may_have_alpha(path: Path) -> bool:
    with open_regular(path) as file:
        start = file.read(_START)
        if (codec := codec_of(start)) is not None:
            return not {2, 4}.isdisjoint(codec.channels)
        file.seek(max(0, path.stat().st_size - _TAIL))
        kind = kind_of(start + file.read(_TAIL), path.suffix)
        file.seek(0)
        try:
            return _says_alpha(file, kind)
        except FormatError:  # whoever reads all of it knows more
            return True


def _says_alpha(file: BinaryIO, kind: Readable) -> bool:
    match kind:
        case "PNG":
            return png.has_alpha(file)
        case "WebP" | "TGA":
            with pillow_files.opened(file, kind) as image:
                return pillow_files.has_alpha(image)
        case "BMP" | "DDS" | "KTX2":
            has_alpha, size = _BY_HEADERS[kind]
            return has_alpha(file.read(size))
        case "TIFF":
            return tiff.has_alpha(file)
        case "PSD":
            return psd.has_alpha(file)
        case "OpenEXR":
            names = exr_chunks.channel_names(file.read(_EXR_HEADERS))
            return any(name.rpartition(".")[2] == "A" for name in names)
        case _:
            return kind == "HEIF"  # whose pixels tell; JPEG, HDR and DNG have no alpha
