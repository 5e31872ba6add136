"""Pixels compressed as GPUs take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from assetforge.codecs.formats import Compression
from assetforge.codecs.raster import Pixels
from assetforge.ops import bc1, bc4, bc6h, bc7
from assetforge.ops.blocks import blocks_of


def compressed(pixels: Pixels, compression: Compression) -> bytes:
    """Return the blocks of pixels (H, W, C): uint8, of BC4 and BC5 uint16, of BC6H floats."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))
    blocks = blocks_of(planes)
    match compression:
        case "bc1":
            made = bc1.encode(blocks[:3])
        case "bc3":
            alpha = blocks[3] / 255 if len(blocks) > 3 else torch.ones_like(blocks[0])
            made = torch.cat([bc4.encode(alpha), bc1.encode(blocks[:3])], 1)
        case "bc4":
            made = bc4.encode(_unit(blocks[0], pixels))
        case "bc5":
            made = torch.cat([bc4.encode(_unit(blocks[c], pixels)) for c in range(2)], 1)
        case "bc6h":
            made = bc6h.encode(blocks[:3])
        case "bc7":
            made = bc7.encode(blocks)
        case _:
            raise ValueError(f"{compression} is not written")
    return bytes(made.numpy().tobytes())


def _unit(codes: Tensor, pixels: Pixels) -> Tensor:
    return codes / np.iinfo(pixels.dtype).max
