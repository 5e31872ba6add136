"""ASTC and ETC2, as the GPUs of phones take them, by optional packages: `pip install assetforge[mobile]`.

Khronos, "Khronos Data Format Specification", version 1.4, chapters "ASTC" and "ETC2 Compressed Texture Image Formats".
Arm's encoder is given 8 bits; that of ETC2 and its decoder check no sizes, which are right here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assetforge.codecs.gpu_formats import BLOCK, Layout
from assetforge.codecs.packages import library
from assetforge.codecs.raster import FormatError, Pixels

QUALITY = 60
"""How hard Arm's encoder tries, 0 to 100: its preset `medium`."""
_STORED = {1: "rrr1", 2: "rrrg", 3: "rgb1", 4: "rgba"}
"""Which channel of the pixels is in each of ASTC, by how many there are, as Arm advises: two go their own ways so."""
_ENCODERS = {1: "compress_eac_r", 2: "compress_eac_rg", 3: "compress_etc2_rgb", 4: "compress_etc2_rgba"}
"""The functions of etcpak, by channels."""
_DECODERS = {
    (1, 8): "decode_eacr",
    (2, 16): "decode_eacrg",
    (3, 8): "decode_etc2",
    (4, 8): "decode_etc2a1",
    (4, 16): "decode_etc2a8",
}
"""The functions of texture2ddecoder, by channels and bytes of a block."""


def compressed(pixels: Pixels, layout: Layout) -> bytes:
    """Return the blocks of pixels (H, W, C), uint8; raise ValueError where the package that can is not installed."""
    try:
        return _etc2(pixels) if layout.compression == "etc2" else _astc(pixels, layout)
    except ImportError as error:
        raise ValueError(f"{layout.compression} {error}") from error


def read(content: bytes, layout: Layout, width: int, height: int) -> Pixels:
    """Return the pixels (H, W, C) of blocks, uint8: of ASTC all four channels.

    Raises FormatError where the package that can is not installed. `content` is as long as the layout says.
    """
    try:
        reader = _read_etc2 if layout.compression == "etc2" else _read_astc
        return reader(content, layout, width, height)
    except ImportError as error:
        raise FormatError(f"is {layout.compression[:4].upper()}, which {error}") from error


def _astc(pixels: Pixels, layout: Layout) -> bytes:
    arm = library("astc_encoder")
    height, width, channels = pixels.shape
    # Of what is in red three times, each would count.
    flags = arm.ASTCConfigFlags.MAP_NORMAL if channels == 2 else 0
    image = arm.ASTCImage(arm.ASTCType.U8, width, height, 1, _rgba(pixels).tobytes())
    return bytes(_context(arm, layout, flags).compress(image, arm.ASTCSwizzle.from_str(_STORED[channels])))


def _read_astc(content: bytes, layout: Layout, width: int, height: int) -> Pixels:
    arm = library("astc_encoder")
    image = arm.ASTCImage(arm.ASTCType.U8, width, height)
    context = _context(arm, layout, arm.ASTCConfigFlags.DECOMPRESS_ONLY)
    context.decompress(content, image, arm.ASTCSwizzle.from_str("rgba"))
    return np.frombuffer(image.data, np.uint8).reshape(height, width, 4)


def _context(arm: Any, layout: Layout, flags: int) -> Any:
    profile = arm.ASTCProfile.LDR_SRGB if layout.srgb else arm.ASTCProfile.LDR
    return arm.ASTCContext(arm.ASTCConfig(profile, layout.side, layout.side, 1, QUALITY, flags))


def _etc2(pixels: Pixels) -> bytes:
    etcpak = library("etcpak")
    height, width, channels = pixels.shape
    padded = np.pad(_rgba(pixels), [(0, -height % BLOCK), (0, -width % BLOCK), (0, 0)], mode="edge")
    high, wide = padded.shape[:2]
    content = getattr(etcpak, _ENCODERS[channels])(padded.tobytes(), wide, high)
    # Of one channel, it returns as many bytes again, with nothing in them.
    return bytes(content[: high * wide // 2] if channels in (1, 3) else content)


def _read_etc2(content: bytes, layout: Layout, width: int, height: int) -> Pixels:
    decode = getattr(library("texture2ddecoder"), _DECODERS[layout.channels, layout.size])
    bgra = np.frombuffer(decode(content, width, height), np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(bgra[:, :, [2, 1, 0, 3][: layout.channels]])


def _rgba(pixels: Pixels) -> Pixels:
    """Return pixels with four channels; those that are added hold nothing."""
    return np.pad(pixels, [(0, 0), (0, 0), (0, 4 - pixels.shape[2])])
