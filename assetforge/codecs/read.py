"""From a file's content to its numbers. Imports no torch: pipelines are checked with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np

from assetforge.codecs import bmp, dds, exr, extras, hdr, ktx2, pillow_files, png, psd, tiff
from assetforge.codecs.codec import Codec, codec_of
from assetforge.codecs.completeness import LFS_POINTER
from assetforge.codecs.formats import READABLE, Readable
from assetforge.codecs.raster import FormatError, LimitError, Raster
from assetforge.codecs.reading import ProfileUse
from assetforge.codecs.starts import STARTS
from assetforge.errors import AccessError, SourceError

_DTYPES = ("uint8", "uint16", "float16", "float32")
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"
_FOREIGN: dict[str, tuple[bytes, ...]] = {
    "GIF": (b"GIF87a", b"GIF89a"),
    "KTX": (b"\xabKTX ",),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "GIMP picture": (b"gimp xcf",),
    "PDF": (b"%PDF",),
    "ZIP archive": (b"PK\3\4",),
}
"""Formats that are often met in place of one that is read."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_READERS: dict[Readable, Callable[[bytes], Raster]] = {
    "PNG": png.read,
    "BMP": bmp.read,
    "TIFF": tiff.read,
    "HDR": hdr.read,
    "DDS": dds.read,
    "KTX2": ktx2.read,
}


def read(content: bytes, suffix: str, layer: str | None = None, *, profile: ProfileUse = "embedded") -> Raster:
    """Read a file's content; `suffix` tells TGA, which has no mark.

    Color comes as the file has it, with what it says of itself; only inks are converted, by their profile unless
    `profile` is `srgb`. Raises FormatError where the content is damaged, or of no kind that is read.
    """
    codec = codec_of(content)
    kind = kind_of(content, suffix) if codec is None else codec.name
    if layer is not None and kind != "OpenEXR":
        raise FormatError(f"has no layer {layer!r}; only OpenEXR files have layers")
    try:
        if codec is not None:
            return _read_by_plugin(codec, content)
        return _read(content, cast("Readable", kind), layer, profile)
    except (FormatError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises of a file, in words that are its own
        raise FormatError(f"is damaged, or a kind of {kind} that is not read") from error


def _read_by_plugin(codec: Codec, content: bytes) -> Raster:
    """Read a file by the codec of a plugin, and check what it gives."""
    if codec.read is None:
        raise FormatError(f"is {codec.name}, which is not read")
    try:
        pixels: object = codec.read(content)
    except ValueError as error:
        raise FormatError(str(error)) from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype.name not in _DTYPES or pixels.ndim != 3 or not pixels.size:
        what = f"{type(pixels).__name__} of {getattr(pixels, 'dtype', '?')}, {getattr(pixels, 'shape', '?')}"
        raise FormatError(f"was read as {what} by the plugin's codec for {codec.name}, which must give (H, W, C)")
    return Raster(pixels)


def _read(content: bytes, kind: Readable, layer: str | None, profile: ProfileUse) -> Raster:
    if kind == "OpenEXR":
        return exr.read(content, layer)
    if kind == "PSD":
        return psd.read(content, profile)
    if kind in ("JPEG", "WebP", "TGA"):
        return pillow_files.read(content, kind, profile)
    if kind in ("HEIF", "DNG"):
        return extras.read(content, kind)
    return _READERS[kind](content)


@contextmanager
def naming_source(shown: str) -> Iterator[None]:
    """Turn what goes wrong while a source is read into a SourceError that names it, or an AccessError."""
    try:
        yield
    except OSError as error:
        raise AccessError(shown, f"cannot be read ({error.strerror})", "check that it is there, and yours") from error
    except LimitError as error:
        raise AccessError(shown, *_in_two(error)) from error
    except MemoryError as error:
        raise _no_memory(shown) from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch has no exception of its own for that
            raise
        raise _no_memory(shown) from error
    except FormatError as error:
        raise SourceError(shown, *_in_two(error)) from error


def _in_two(error: FormatError) -> tuple[str, str]:
    """Return what is wrong, and what to do instead."""
    what, _, instead = str(error).partition("; ")
    return what, instead


def _no_memory(shown: str) -> AccessError:
    what = "cannot be read (it takes more memory than is free, or than its pixels need)"
    return AccessError(shown, what, "free some, raise `limits: {memory: …}`, or write it anew")


def kind_of(content: bytes, suffix: str) -> Readable:
    """Tell a format by how a file begins, and TGA by its footer or ending; raise FormatError where it is not read.

    A TIFF file whose name ends in .dng is a raw photograph: what tells them apart may stand anywhere in it.

    content: the whole file, or its first 64 bytes and its last.
    """
    if not content:
        raise FormatError("is empty; copy it again")
    if content.startswith(LFS_POINTER):
        raise FormatError("is a Git-LFS pointer and not the picture; run `git lfs pull`")
    for kind, starts in STARTS.items():
        if content.startswith(starts) and (kind != "WebP" or content[8:12] == b"WEBP"):
            return "DNG" if kind == "TIFF" and suffix.lower() == ".dng" else kind
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS and b"avif" not in content[16:64]:
        return "HEIF"
    known = f"write {', '.join(READABLE[:-1])} or {READABLE[-1]}"
    foreign = _foreign(content)
    if foreign is not None:
        raise FormatError(f"is a {foreign}, which is not read; {known}")
    if suffix.lower() == ".tga" or content.endswith(_TGA_FOOTER):
        return "TGA"
    word = suffix.lstrip(".").upper() or "picture"
    raise FormatError(f"is not a {word}, nor of another format that is read; {known}")


def _foreign(content: bytes) -> str | None:
    if content[4:8] == b"ftyp":
        return "picture or video of the family of MP4 (AVIF)"
    return next((name for name, starts in _FOREIGN.items() if content.startswith(starts)), None)
