"""KTX 2.0, the container of textures of Vulkan, OpenGL and glTF.

Khronos, "KTX File Format Specification", version 2, and "Khronos Data Format Specification", version 1.4, whose basic
descriptor says what the pixels are. Numbers are little-endian. Files of one picture are read, with or without smaller
ones, of which the largest is taken.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assetforge.codecs import gpu_pixels
from assetforge.codecs.gpu_formats import LAYOUTS, Layout
from assetforge.codecs.raster import CutOffError, FormatError, Pixels, Raster, check_size

SIGNATURE = b"\xabKTX 20\xbb\r\n\x1a\n"
_HEADER = "<12s9I4I2Q"
_HEADER_SIZE, _LEVEL_SIZE = 80, 24
HEADERS = _HEADER_SIZE + _LEVEL_SIZE
"""Bytes that say where the largest picture is."""
_PLAIN, _BASIS, _ZSTANDARD = 0, 1, 2
EFFORT = 9
"""Zstandard's level where none is asked for."""
_MOST_VALUES = 2**16
"""Bytes of what a file says in words that are looked at."""
_MODELS = {
    "uncompressed": 1, "bc1": 128, "bc2": 129, "bc3": 130, "bc4": 131, "bc5": 132, "bc6h": 133, "bc7": 134,
    "etc2": 161, "astc": 162, "astc6x6": 162, "astc8x8": 162,
}  # fmt: skip
"""Color models of the data format."""
_LINEAR, _SRGB, _BT709 = 1, 2, 1
_ALPHA = 15
_COLOR = 2
"""The channel of ETC2 that is red, green and blue."""
_AS_THEY_LIE = (b"", b"rgba", b"rg01", b"r001")
"""How channels are seen where nothing says otherwise."""
_TWO_OF_FOUR = b"ra01"
"""How two channels of numbers are seen that lie in red and alpha."""
_FLAGS_AT, _PREMULTIPLIED = 15, 0x1
"""Where in a descriptor its flags are, and the one of colors that are multiplied by alpha."""
_SIGNED, _FLOAT, _STAYS_LINEAR = 0x40, 0x80, 0x10
_ONE = 0x3F800000
"""1.0 in single precision."""


@dataclass(frozen=True)
class _Header:
    layout: Layout
    width: int
    height: int
    scheme: int
    """How pictures are compressed once more."""
    offset: int
    """Where the largest picture begins, how long it is, and how long once it is no more compressed."""
    length: int
    plain_length: int
    words: tuple[int, int]
    """Where the file says something in words, and how long that is."""
    descriptor: int
    """Where the file says what the pixels are."""

    @property
    def end(self) -> int:
        """Bytes that the file has at least: the largest picture comes last."""
        return self.offset + self.length


def end(content: bytes) -> int:
    """Return the bytes that a file must have by its headers; raise FormatError where these are damaged."""
    return _header(content).end


def has_alpha(content: bytes) -> bool:
    """Tell by the headers whether there may be alpha: gray and alpha, too, are two channels."""
    return _header(content).layout.channels in (2, 4)


def _header(content: bytes) -> _Header:
    if len(content) < HEADERS:
        raise CutOffError
    fields = struct.unpack_from(_HEADER, content)
    _, vk, _, width, height, depth, layers, faces, _, scheme, descriptor, _, words_at, words_size, _, _ = fields
    if depth > 1 or layers > 1 or faces != 1:
        raise FormatError("is a cube map, an array or a volume; write its pictures as files of their own")
    if vk == 0 or scheme == _BASIS:
        raise FormatError("is of Basis Universal, which is not read; transcode it to BC7 or RGBA")
    if scheme not in (_PLAIN, _ZSTANDARD):
        raise FormatError(f"is compressed by scheme {scheme}, which is not read; write none or Zstandard")
    layout = next((one for one in LAYOUTS if one.vk == vk), None)
    if layout is None:
        raise FormatError(f"has pixels of VkFormat {vk}, which is not read; write BC1 to BC7, ASTC, ETC2 or RGBA")
    offset, length, plain = struct.unpack_from("<3Q", content, _HEADER_SIZE)
    return _Header(layout, width, height, scheme, offset, length, plain, (words_at, words_size), descriptor)


def read(content: bytes) -> Raster:
    """Read the largest picture of a file; raise FormatError where it is damaged or cut off."""
    header = _header(content)
    layout = header.layout
    check_size(header.width, header.height)
    if len(content) < header.end:
        raise CutOffError
    if (
        int.from_bytes(content[header.descriptor + _FLAGS_AT : header.descriptor + _FLAGS_AT + 1], "little")
        & _PREMULTIPLIED
    ):
        raise FormatError("has colors that are multiplied by alpha; write straight alpha")
    size = layout.level_bytes(header.width, header.height)
    data: bytes | memoryview = memoryview(content)[header.offset : header.end]
    if header.scheme == _ZSTANDARD:
        data = _unpacked(bytes(data), size)
    pixels = gpu_pixels.read(data, layout, header.width, header.height)
    values = dict(_values(content, *header.words))
    if values.get(b"KTXorientation", b"rd")[1:2] != b"d":
        pixels = pixels[::-1]
    pixels = _as_seen(pixels, layout.channels, values.get(b"KTXswizzle", b"").rstrip(b"\0"))
    is_linear = not layout.srgb and pixels.dtype.kind != "f"
    return Raster(pixels, widened=layout.compression == "bc4", is_linear=is_linear)


def _as_seen(pixels: Pixels, count: int, seen: bytes) -> Pixels:
    """Return pixels of so many channels as a file says that they are seen, by a letter for each of R, G, B and A.

    What is gray has one channel, and what is opaque no alpha.
    """
    if seen in _AS_THEY_LIE:
        return pixels
    if seen == _TWO_OF_FOUR and count == 4:
        return gpu_pixels.with_blue(pixels[:, :, [0, 3]])
    color, alpha = seen[:3], seen[3:]
    letters = (color[:1] if color == 3 * color[:1] else color) + alpha.replace(b"1", b"")
    places = [b"rgba".find(letter) for letter in letters]
    if len(seen) != 4 or not all(0 <= place < count for place in places):
        shown = seen.decode("latin-1")
        raise FormatError(f"has channels that are to be seen as {shown!r}, which is not read; write them as they lie")
    return pixels[:, :, places]


def _unpacked(data: bytes, size: int) -> bytes:
    """Undo Zstandard; room is made for `size` bytes, whatever the file says."""
    import imagecodecs  # here: what asks whether a file has its end needs no pixels

    try:
        out = bytearray(size)
        return bytes(imagecodecs.zstd_decode(data, out=out))
    except (imagecodecs.ZstdError, ValueError, RuntimeError) as error:
        raise FormatError("is cut off or damaged") from error


def _values(content: bytes, at: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a file says of itself in words, as far as that is whole."""
    ahead = content[at : at + min(size, _MOST_VALUES)]
    while len(ahead) >= 4:
        (length,) = struct.unpack_from("<I", ahead)
        key, _, value = ahead[4 : 4 + length].partition(b"\0")
        yield key, value
        ahead = ahead[4 + length + -length % 4 :]


def write(levels: Sequence[Pixels], layout: Layout, *, opaque: bool, effort: int | None = None) -> bytes:
    """Write pictures (H, W, C), the largest first, each half the size of the one before.

    opaque: whether the file says that it has no alpha. effort: Zstandard's level; 0 does not compress once more.
    """
    import imagecodecs

    height, width = levels[0].shape[:2]
    plain = [gpu_pixels.written(level, layout) for level in levels]
    level = EFFORT if effort is None else effort
    packed = [bytes(imagecodecs.zstd_encode(one, level=level)) for one in plain] if level else plain
    descriptor = _descriptor(layout)
    said = {b"KTXorientation": b"rd", b"KTXwriter": b"AssetForge"}
    seen = _seen(layout, levels[0].shape[2], opaque=opaque)
    words = _words(said | {b"KTXswizzle": seen} if seen else said)
    descriptor_at = _HEADER_SIZE + _LEVEL_SIZE * len(levels)
    words_at = descriptor_at + len(descriptor)
    alignment = 1 if level else math.lcm(layout.size, 4)
    at, body = words_at + len(words), b""
    places = []
    for one in reversed(packed):  # the smallest comes first, so that it can be shown while others are on their way
        body += bytes(-(at + len(body)) % alignment)
        places.append(at + len(body))
        body += one
    index = b"".join(
        struct.pack("<3Q", place, len(one), len(raw))
        for place, one, raw in zip(reversed(places), packed, plain, strict=True)
    )
    header = struct.pack(
        _HEADER, SIGNATURE, layout.vk, _type_size(layout), width, height, 0, 0, 1, len(levels),
        _ZSTANDARD if level else _PLAIN, descriptor_at, len(descriptor), words_at, len(words), 0, 0,
    )  # fmt: skip
    return header + index + descriptor + words + body


def _seen(layout: Layout, channels: int, *, opaque: bool) -> bytes:
    """Return how the four channels of a layout are to be seen where they are not as they lie; see `mobile` for ASTC."""
    if layout.channels < 4:
        return b""
    of_astc = {1: b"rrr1", 2: b"ra01"} if layout.compression.startswith("astc") else {}
    return of_astc.get(channels, b"rgb1" if opaque else b"")


def _type_size(layout: Layout) -> int:
    """Return the bytes that are exchanged where the order of bytes is another."""
    return {"u8": 1, "u16": 2, "f16": 2, "f32": 4, "block": 1}[layout.numbers]


def _words(values: dict[bytes, bytes]) -> bytes:
    entries = b""
    for key, value in sorted(values.items()):
        entry = key + b"\0" + value + b"\0"
        entries += struct.pack("<I", len(entry)) + entry + bytes(-len(entry) % 4)
    return entries


def _descriptor(layout: Layout) -> bytes:
    """Describe the pixels by the basic descriptor block of the data format."""
    samples = b"".join(struct.pack("<HBB4B2I", *sample) for sample in _samples(layout))
    last = layout.side - 1  # sides of a block are written less one
    head = struct.pack(
        "<2I4B4B8B",
        0,  # Khronos' own, basic
        2 | (24 + len(samples)) << 16,
        _MODELS[layout.compression], _BT709, _SRGB if layout.srgb else _LINEAR, 0,
        last, last, 0, 0,
        layout.size, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return struct.pack("<I", 4 + len(head) + len(samples)) + head + samples


def _samples(layout: Layout) -> Iterator[tuple[int, ...]]:
    """Yield offset and length in bits (less one), channel, position, and what stands for the least and the most."""
    if layout.numbers == "block":
        yield from _block_samples(layout)
        return
    bits = 8 * layout.size // layout.channels
    is_float = layout.numbers in ("f16", "f32")
    low, high = (0xBF800000, _ONE) if is_float else (0, (1 << bits) - 1)
    for channel in range(layout.channels):
        kind = _ALPHA if channel == 3 else channel
        # Alpha is linear where color is not.
        stays = _STAYS_LINEAR if kind == _ALPHA and layout.srgb else 0
        yield channel * bits, bits - 1, kind | stays | (_SIGNED | _FLOAT if is_float else 0), 0, 0, 0, 0, low, high


def _block_samples(layout: Layout) -> Iterator[tuple[int, ...]]:
    most = 0xFFFFFFFF
    whole = 8 * layout.size - 1
    match layout.compression:
        case "bc3":
            yield 0, 63, _ALPHA | (_STAYS_LINEAR if layout.srgb else 0), 0, 0, 0, 0, 0, most
            yield 64, 63, 0, 0, 0, 0, 0, 0, most
        case "bc5":
            yield 0, 63, 0, 0, 0, 0, 0, 0, most
            yield 64, 63, 1, 0, 0, 0, 0, 0, most
        case "etc2":
            yield from _etc2_samples(layout)
        case "bc6h":
            yield 0, whole, _FLOAT, 0, 0, 0, 0, 0, _ONE
        case _:
            # BC1 with alpha of one bit is channel 1; here it is written without.
            yield 0, whole, 0, 0, 0, 0, 0, 0, most


def _etc2_samples(layout: Layout) -> Iterator[tuple[int, ...]]:
    alpha = _ALPHA | (_STAYS_LINEAR if layout.srgb else 0)
    for half, channel in enumerate({1: [0], 2: [0, 1], 3: [_COLOR], 4: [alpha, _COLOR]}[layout.channels]):
        yield 64 * half, 63, channel, 0, 0, 0, 0, 0, 0xFFFFFFFF
