"""Picture files that no library at hand writes, put together byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(shape: tuple[int, int, int, int], rows: bytes, extra: bytes = b"", interlace: int = 0) -> bytes:
    """A PNG of the given width, height, depth and color type; `extra` are chunks before the pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *shape, 0, 0, interlace))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, extra, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    )


@dataclass(frozen=True)
class Bmp:
    """A BMP; `stored` are the pixels as they stand in the file."""

    size: tuple[int, int]
    bits: int
    stored: bytes
    compression: int = 0
    header: int = 40
    palette: bytes = b""
    colors: int = 0
    masks: tuple[int, ...] = ()
    profile: bytes = b""

    @property
    def content(self) -> bytes:
        width, height = self.size
        if self.header == 12:
            info = struct.pack("<IHHHH", 12, width, height, 1, self.bits)
        else:
            sizes = (self.compression, len(self.stored), 0, 0, self.colors, 0)
            info = struct.pack("<IiiHHIIiiII", self.header, width, height, 1, self.bits, *sizes)
        masks = struct.pack(f"<{len(self.masks)}I", *self.masks)
        info = (info + masks).ljust(self.header, b"\0") if self.header > 40 else info + masks
        start = 14 + len(info) + len(self.palette)
        if self.profile:
            info = info[:56] + b"DEBM" + info[60:112]
            info += struct.pack("<III", start - 14 + len(self.stored), len(self.profile), 0)
        size = start + len(self.stored) + len(self.profile)
        return b"BM" + struct.pack("<III", size, 0, start) + info + self.palette + self.stored + self.profile


def bmp_rows(rows: np.ndarray) -> bytes:
    """The bytes of rows (H, bytes), bottom first, each filled up to four."""
    return b"".join(row.tobytes() + bytes(-row.size % 4) for row in rows[::-1])


@dataclass(frozen=True)
class Psd:
    """A Photoshop document of planes (C, H, W) in the numbers of its depth."""

    planes: np.ndarray
    mode: int = 3
    depth: int | None = None
    large: bool = False
    packed: bool = True
    layers: bytes = b""
    colors: bytes = b""
    resources: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        channels, height, width = self.planes.shape
        depth = self.depth or self.planes.itemsize * 8
        header = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if self.large else 1, channels, height, width, depth, self.mode)
        blocks = b"".join(
            b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)
            for number, body in self.resources.items()
        )
        layers = struct.pack(">Q" if self.large else ">I", len(self.layers)) + self.layers
        start = header + struct.pack(">I", len(self.colors)) + self.colors + struct.pack(">I", len(blocks)) + blocks
        return start + layers + self._merged

    @property
    def _merged(self) -> bytes:
        rows = self.planes.reshape(-1, self.planes.shape[2])
        if self.depth == 1:
            stored = [np.packbits(row).tobytes() for row in rows]
        else:
            stored = [row.astype(row.dtype.newbyteorder(">")).tobytes() for row in rows]
        if not self.packed:
            return b"\0\0" + b"".join(stored)
        packed = [_packed_bits(row) for row in stored]
        counts = struct.pack(f">{len(packed)}{'I' if self.large else 'H'}", *map(len, packed))
        return b"\0\1" + counts + b"".join(packed)


def _packed_bits(row: bytes) -> bytes:
    """Pack a row by PackBits: runs of four and more, and what stands between."""
    packed, at = b"", 0
    while at < len(row):
        run = 1
        while run < 128 and row[at : at + run + 1] == row[at : at + 1] * (run + 1):
            run += 1
        run = min(run, len(row) - at)
        if run >= 4:
            packed, at = packed + bytes([257 - run, row[at]]), at + run
        else:
            packed, at = packed + bytes([0, row[at]]), at + 1
    return packed


def layer_count(count: int, *, large: bool = False) -> bytes:
    """The section of layers of a document that says how many it has, and no more."""
    body = struct.pack(">h", count) + bytes(2)
    return struct.pack(">Q" if large else ">I", len(body)) + body + bytes(4)


def layer_blocks(*blocks: tuple[bytes, bytes]) -> bytes:
    """The section of layers of a document of 16 or 32 bits: none, no mask of all of them, and blocks."""
    return bytes(8) + b"".join(
        b"8BIM" + kind + struct.pack(">I", len(body)) + body + bytes(-len(body) % 4) for kind, body in blocks
    )


def tiff(entries: Mapping[int, tuple[int, tuple[int, ...]]], data: bytes) -> bytes:
    """A TIFF of one page: tags with a type (3 is 16 bits, 4 is 32) and values, and data that begins at byte 8."""
    table, extra = b"", b""
    directory = 8 + len(data) + len(data) % 2
    extra_at = directory + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        body = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(body) > 4:
            place, extra = struct.pack("<I", extra_at + len(extra)), extra + body
        else:
            place = body.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, len(values)) + place
    end = struct.pack("<H", len(entries)) + table + bytes(4) + extra
    return b"II*\0" + struct.pack("<I", directory) + data + bytes(len(data) % 2) + end


def matrix_profile(gamma: float, primaries: list[tuple[float, float, float]]) -> bytes:
    """Write a small profile by hand: D50 primaries and one gamma."""
    xyz = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in p)) for p in primaries]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    names = [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"]
    bodies = [*xyz, curve, curve, curve]
    offset, table, data = 132 + 12 * len(names), b"", b""
    for name, body in zip(names, bodies, strict=True):
        table += struct.pack(">4sII", name, offset + len(data), len(body))
        data += body
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24], head[36:40] = b"\2\x40\0\0", b"mntr", b"RGB ", b"XYZ ", b"acsp"
    head[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    content = bytes(head) + struct.pack(">I", len(names)) + table + data
    return struct.pack(">I", len(content)) + content[4:]
