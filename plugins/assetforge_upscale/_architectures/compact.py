"""Compact: SRVGGNetCompact of Real-ESRGAN (Wang et al. 2021), and ours."""

from __future__ import annotations

import math
from collections.abc import Mapping

from assetforge_upscale._architectures.network import Network, Tensors, filled, numbers
from assetforge_upscale._network import BOUNDS, Base, Compact


def recognized(tensors: Tensors) -> Network | None:
    """Ours has the same shape as that of Real-ESRGAN, other names, and another base."""
    bases: Mapping[str, Base] = {"residual": "bicubic", "body": "nearest"}
    for body, base in bases.items():
        first = tensors.get(f"{body}.0.weight")
        places = numbers(tensors, rf"{body}\.(\d+)\.weight$")
        if first is None or first.ndim != 4 or f"{body}.{places[-1]}.bias" not in tensors:
            continue
        width, channels = first.shape[:2]
        scale = math.isqrt(tensors[f"{body}.{places[-1]}.weight"].shape[0] // channels)
        depth = (len(places) - 3) // 2
        bounds = tensors[BOUNDS].tolist() if BOUNDS in tensors else ()
        module = Compact(channels, scale, width, depth, base, bounds)
        filled(module, {name.replace(body, "residual", 1): value for name, value in tensors.items()})
        return Network(module.channels_last(), channels, scale, module.radius)
    return None
