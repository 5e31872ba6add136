"""What files begin with, by which their formats are told. Imports nothing heavy: every command checks plugins by it."""

from __future__ import annotations

from assetforge.codecs.formats import Readable

STARTS: dict[Readable, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WebP": (b"RIFF",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PSD": (b"8BPS",),
    "HDR": (b"#?RADIANCE", b"#?RGBE"),
    "OpenEXR": (b"\x76\x2f\x31\x01",),
    "DDS": (b"DDS ",),
    "KTX2": (b"\xabKTX 20\xbb\r\n\x1a\n",),
}
"""TGA has none, and HEIF and DNG are told by more than their first bytes."""


def built_in(start: bytes) -> Readable | None:
    """Return the format of AssetForge's own that files with such a start may be, if any."""
    for kind, starts in STARTS.items():
        if any(start.startswith(own) or own.startswith(start) for own in starts):
            return kind
    return None
