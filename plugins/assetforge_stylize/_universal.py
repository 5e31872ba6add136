"""Universal style transfer: features take the statistics of another picture's, in closed form, and are decoded.

`adain`: Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017. `wct`:
Li et al., "Universal Style Transfer via Feature Transforms", 2017, by the least change that does it (see
`_transport`), and at one layer, from which structure comes back by itself. Deep features hardly hold colors, so these
are carried over for themselves, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge import weights
from assetforge.ops.tile import Tiling, map_tiles
from assetforge.weights.distances import Moments
from assetforge.weights.features import Border, Features
from assetforge_stylize._networks import BOTTLENECK, Decoder
from assetforge_stylize._optimize import Style, collect_all, in_colors, parted
from assetforge_stylize._pieces import Pieces
from assetforge_stylize._transport import mean_deviation, whitened_colored

Method = Literal["wct", "adain"]

_TILE, _REACH = 128, 3
"""Side of what is decoded at once, and what around it counts, in pixels of features."""


def load_decoder(path: Path) -> Decoder:
    """Load the decoder from a verified file."""
    decoder = Decoder()
    decoder.load_state_dict(weights.load(path))
    return decoder.requires_grad_(requires_grad=False).eval()


def transferred(  # noqa: PLR0913
    content: Tensor,
    styles: Sequence[Style],
    network: Features,
    decoder: Decoder,
    method: Method,
    *,
    strength: float = 1.0,
    tiles: bool = False,
    seen: Tensor | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Return a picture (3, H, W) with the content of one and the style of others, all sRGB-encoded, 0 to 1.

    tiles: whether it continues at its opposite edges. seen: (1, H, W), how much each place counts.
    """
    border: Border = "repeat" if tiles else "reflect"
    parts = parted(styles, (content.shape[1], content.shape[2]), seen)
    whole = _to_multiples(in_colors(content, parts, strength), border)
    features = _deepest(whole, network, border)
    moved = features
    carry = whitened_colored if method == "wct" else mean_deviation
    for weight, group in parts:
        own = Moments(collect_all([(features, weight, 1.0)]))
        total = sum(style.weight for style in group)
        wanted = [(_deepest(one.picture, network), _plane(one), one.weight / total) for one in group]
        here = carry(own.moments(), Moments(collect_all(wanted)).moments()).part(strength)(features)
        if weight is None:  # it is the only one
            moved = here
        else:
            size = (features.shape[1], features.shape[2])
            moved = moved + F.adaptive_avg_pool2d(weight[None], size) * (here - features)
    decoded = torch.empty(3, *(BOTTLENECK * side for side in features.shape[1:]), device=features.device)
    tiling = Tiling(_TILE, _REACH, BOTTLENECK, repeat=tiles)
    map_tiles(moved, lambda piece: _decode(decoder, piece), tiling, decoded, progress)
    return in_colors(decoded[:, : content.shape[1], : content.shape[2]].clamp(0, 1), parts, strength)


def _decode(decoder: Decoder, features: Tensor) -> Tensor:
    picture: Tensor = decoder(features[None].contiguous(memory_format=torch.channels_last))[0]
    return picture


def _to_multiples(picture: Tensor, border: Border) -> Tensor:
    """Add rows and columns until both sides divide."""
    below, right = (-side % BOTTLENECK for side in picture.shape[1:])
    return F.pad(picture[None], (0, right, 0, below), mode="circular" if border == "repeat" else "reflect")[0]


def _deepest(picture: Tensor, network: Features, border: Border = "reflect") -> Tensor:
    """Return the deepest layer of a picture, piece by piece where it is large."""
    pieces = Pieces(network, (picture.shape[1], picture.shape[2]), border)
    padded = pieces.padded(picture)
    deepest = pieces.each(lambda piece: pieces.layers(padded[pieces.window(piece)])[-1], pieces)
    height, width = (-(-side // BOTTLENECK) for side in picture.shape[1:])
    size = (1, deepest[0].shape[0], height, width)
    whole = torch.empty(size, device=picture.device, memory_format=torch.channels_last)[0]
    for piece, part in zip(pieces, deepest, strict=True):
        y, x = piece.y // BOTTLENECK, piece.x // BOTTLENECK
        whole[:, y : y + part.shape[1], x : x + part.shape[2]] = part
    return whole


def _plane(style: Style) -> Tensor | None:
    return None if style.seen is None else style.seen[0]
