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
from assetforge.ops.tile import Tiling, extended, map_tiles
from assetforge.weights.features import Features
from assetforge_stylize._networks import BOTTLENECK, Decoder
from assetforge_stylize._optimize import Style, in_colors, measures_of, parted
from assetforge_stylize._transport import Transport, mean_deviation, whitened_colored

Method = Literal["wct", "adain"]

_TILE, AROUND = 256, 24
"""Side of what is drawn at once, and what around it counts, in pixels: 10 for the features, 12 for the decoder."""


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
    height, width = content.shape[1:]
    parts = parted(styles, (height, width), seen)
    begun = in_colors(content, parts, strength)
    carriers = [_carrier(begun, weight, group, network, method, strength) for weight, group in parts]
    masks = [weight for weight, _ in parts if weight is not None]

    def drawn(window: Tensor) -> Tensor:
        moved = _moved(network(window[:3], "reflect")[-1], carriers, window[3:])
        picture: Tensor = decoder(moved[None].contiguous(memory_format=torch.channels_last))[0]
        return picture

    odd = bool(height % BOTTLENECK or width % BOTTLENECK)
    around = AROUND if tiles and odd else 0  # what repeats after an odd length is seen to go on, and cut off again
    whole = extended(torch.stack([*begun, *masks]), around, BOTTLENECK, repeat=tiles)
    result = torch.empty_like(whole[:3])
    map_tiles(whole, drawn, Tiling(_TILE, AROUND, 1, repeat=tiles), result, progress)
    result = result[:, around : around + height, around : around + width].clamp(0, 1)
    like = [(weight, [Style(begun, seen=None if weight is None else weight[None])]) for weight, _ in parts]
    return in_colors(result, like, 1.0)


def _carrier(
    picture: Tensor, weight: Tensor | None, group: Sequence[Style], network: Features, method: Method, strength: float
) -> Transport:
    """Return what carries the deepest layer over to the statistics of a group of styles."""
    total = sum(style.weight for style in group)
    own = measures_of([(picture, None if weight is None else weight[None], 1.0)], network)
    wanted = measures_of([(one.picture, one.seen, one.weight / total) for one in group], network)
    carry = whitened_colored if method == "wct" else mean_deviation
    return carry(own[-1].moments(), wanted[-1].moments()).part(strength)


def _moved(layer: Tensor, carriers: Sequence[Transport], masks: Tensor) -> Tensor:
    """Carry a layer (D, h, w) over, as much by each as the masks (N, H, W) say, if there are any."""
    if len(masks) == 0:
        return carriers[0](layer)
    shares = F.adaptive_avg_pool2d(masks, (layer.shape[1], layer.shape[2]))
    changes = [share * (carrier(layer) - layer) for share, carrier in zip(shares, carriers, strict=True)]
    return layer + torch.stack(changes).sum(0)
