"""What the surroundings of each pixel of the guide look like, in few numbers that do not depend on the light's level.

Principal components of patches at several scales, as measured against BRIEF in the plan for this plugin: they are six
times as short and match better. The light on the guide is the same everywhere, so that equal surroundings mean equal
material: it is what Aittala et al. call stationary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.blur import blurred, blurred_widely
from assetforge.ops.principal import principal_components
from assetforge_svbrdf._network import Unet, contrasts

RADIUS = 3
SCALES: tuple[tuple[int, int], ...] = ((1, 24), (2, 20), (4, 16), (8, 12))
"""Distance of a patch's pixels, and how many components are kept of it."""
_SAMPLES = 4000
_CHROMA = 0.7
_SLOW = 12.0
_LEARNED = 0.5


def describe(guide: Tensor) -> Tensor:
    """Return descriptors (D, H, W) of a flattened guide (3, H, W), of mean 0, halfway whitened."""
    contrasts = _contrasts(guide)
    parts = [_components(contrasts, spacing, count) for spacing, count in SCALES]
    return torch.cat(parts)


def learned(guide: Tensor, features: Unet) -> Tensor:
    """Return what a network sees in a flattened guide, (D, H, W), of mean 0 and one deviation."""
    with torch.no_grad():
        found: Tensor = features(contrasts(guide)[None])[0]
    found = found - found.mean((1, 2), keepdim=True)
    return found * (_LEARNED / found.flatten(1).std(1).clamp_min(1e-3))[:, None, None]


def _contrasts(guide: Tensor) -> Tensor:
    """Return logarithmic brightness and two color differences, without what changes slowly, at unit deviation."""
    light = guide.clamp_min(0.01).log()
    parts = torch.stack([light.mean(0), light[0] - light[1], light[2] - light[1]])
    parts = parts - blurred_widely(parts, max(guide.shape[1:]) / _SLOW, repeat=False)
    parts = parts / parts.flatten(1).std(1).clamp_min(0.02)[:, None, None]
    return parts * parts.new_tensor([1.0, _CHROMA, _CHROMA])[:, None, None]


def _components(contrasts: Tensor, spacing: int, count: int) -> Tensor:
    """Return the first components of patches whose pixels are `spacing` apart: (count, H, W)."""
    soft = blurred(contrasts, max(0.6, 0.5 * spacing))
    border = RADIUS * spacing
    padded = F.pad(soft[None], (border,) * 4, mode="reflect")
    steps = torch.arange(-RADIUS, RADIUS + 1) * spacing
    window = torch.exp(-(steps[:, None].square() + steps.square()) / (4 * (2.0 * spacing) ** 2))
    patches = _sampled(padded[0], steps + border, contrasts.shape[1:]) * window
    basis = principal_components(patches.flatten(1), count)
    kernels = basis.reshape(-1, *patches.shape[1:]) * window
    found = F.conv2d(padded, kernels, dilation=spacing)[0]
    found = found - found.mean((1, 2), keepdim=True)
    size = found.flatten(1).std(1)
    return found / (size * size[0]).sqrt().clamp_min(1e-3)[:, None, None]


def _sampled(padded: Tensor, steps: Tensor, size: torch.Size) -> Tensor:
    """Return patches (N, C, side, side) at random places, always the same."""
    generator = torch.Generator().manual_seed(0)
    y, x = (torch.randint(0, side, (_SAMPLES,), generator=generator) for side in size)
    rows, columns = y[:, None] + steps, x[:, None] + steps
    return padded[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
