"""Bounds of activations: what a network's hidden values reach on what it has learned from, and little more.

Ranges are measured on some batches, as it is done to quantize networks (Jacob et al. 2018, "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3.1). Pictures like those stay as they
are, bit for bit; what is unlike all of them cannot make one layer after the other return more than it ever did.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from assetforge_upscale._network import Compact

MARGIN = 1.25
"""Bounds in parts of the greatest value that was met."""


def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Bound the activations of a network by those of batches (B, C, H, W); only our own one has such bounds."""
    if not isinstance(network, Compact) or network.base != "bicubic":
        return
    layers = [network.residual[at] for at in network.bounded()]
    greatest = dict.fromkeys(layers, 0.0)

    def look(layer: nn.Module, _: tuple[Tensor, ...], result: Tensor) -> None:
        greatest[layer] = max(greatest[layer], result.abs().amax().item())

    hooks = [layer.register_forward_hook(look) for layer in layers]
    with torch.no_grad():
        for batch in batches:
            network(batch.to(network.kernel.device, memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    network.bound([MARGIN * value for value in greatest.values()])
