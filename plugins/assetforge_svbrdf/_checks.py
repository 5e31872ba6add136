"""Whether the highlight has left its mark on maps: the failure of fits that see each place under one light only."""

from __future__ import annotations

import itertools

import torch

from assetforge_svbrdf._photos import Photos
from assetforge_svbrdf._surface import Fitted

_BOWL = 0.06
_RING = 0.12


def imprint(fitted: Fitted, photos: Photos) -> tuple[float, float]:
    """Return the greatest mean slope of a quadrant, and how far roughness differs between rings about the middle."""
    height, width = photos.size
    rows, columns = (slice(0, height // 2), slice(height // 2, None)), (slice(0, width // 2), slice(width // 2, None))
    slopes = fitted.slopes - fitted.slopes.mean((1, 2), keepdim=True)
    bowl = max(slopes[:, y, x].mean((1, 2)).norm().item() for y in rows for x in columns)
    far = photos.points.square().sum(0).sqrt()
    edges = far.flatten()[:: max(1, far.numel() // 10000)].quantile(torch.linspace(0, 1, 6))
    rough = fitted.roughness[0]
    rings = [rough[(far >= low) & (far <= high)].mean() for low, high in itertools.pairwise(edges)]
    return bowl, (max(rings) - min(rings)).item()


def imprint_doubts(fitted: Fitted, photos: Photos) -> list[str]:
    """Say what looks like the highlight in the maps."""
    bowl, ring = imprint(fitted, photos)
    doubts = []
    if bowl > _BOWL:
        doubts.append(f"a quarter of the surface leans by {bowl:.2f}: it is bent, or the light was not at the lens")
    if ring > _RING:
        doubts.append(f"roughness changes by {ring:.2f} from the middle outward, as if the highlight were in it")
    return doubts
