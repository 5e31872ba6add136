"""Whether a surface is the same everywhere, and which tile of it stands for the rest.

Each tile is described by what its descriptors are like, and each is looked for in every other one. The medoid, whose
pixels are found again best, is the master tile (Aittala et al. choose it by hand). Where tiles differ more than chance
explains, or where the color changes slowly all over in both photographs, the flash tells nothing of one place that it
does not tell only there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.ops.blur import blurred_widely
from assetforge_svbrdf._photos import Photos

_TILES = 4
"""Tiles along the shorter side."""
_QUERIES, _CANDIDATES = 96, 384
_SLOW_COLOR = 0.16
"""Deviation of the slow part that both photographs share, in powers of e: the light's own is not shared."""
_ODD_COLOR = 0.3
_ODD_MATCH = 3.5


@dataclass(frozen=True)
class Stationarity:
    """What was found. quality: 1 where every pixel is found again in the master tile, 0 where chance does as well."""

    tile: tuple[int, int, int]
    """Row and column where the master tile begins, and its side."""
    quality: float
    slow: float
    odd: float
    spread: float

    def doubts(self) -> list[str]:
        """Say why the surface is not stationary; nothing where it is."""
        found = []
        if self.slow > _SLOW_COLOR:
            found.append(f"its color changes slowly all over, by {self.slow:.0%}")
        if self.odd > _ODD_MATCH:
            found.append("a part of it looks like no other")
        if self.spread > _ODD_COLOR:
            found.append("parts of it differ in color or in texture")
        return found


def examine(photos: Photos, guide: Tensor, descriptors: Tensor) -> Stationarity:
    """Compare the tiles of a guide; guide: (3, H, W), not flattened."""
    height, width = photos.size
    side = min(height, width) // _TILES
    corners = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    distances = _distances(descriptors, corners, side)
    to_all = distances.mean(0)
    medoid = int(to_all.argmin())
    chance = _by_chance(descriptors)
    from_all = distances[:, medoid]
    quality = 1 - (from_all.mean() / chance).clamp(0, 1).item()
    best = distances.masked_fill(torch.eye(len(corners), dtype=torch.bool), torch.inf).amin(1)
    odd = (best.max() / best.median().clamp_min(1e-6)).item()
    return Stationarity((*corners[medoid], side), quality, slow_part(photos, guide), odd, _spread(guide, corners, side))


def slow_part(photos: Photos, guide: Tensor) -> float:
    """Return how much of the slow change of color both photographs share, as a deviation of logarithms."""
    sigma = max(photos.size) / 8
    fall_off = (1 + photos.points.square().sum(0)).pow(1.5)
    slow = []
    for picture in (guide, photos.flash * fall_off):
        light = blurred_widely(picture.clamp_min(0.01).log(), sigma, repeat=False)
        slow.append(_without_bowl(light, photos.points))
    shared = (slow[0] * slow[1]).mean().clamp_min(0)
    return shared.sqrt().item()


def _without_bowl(light: Tensor, points: Tensor) -> Tensor:
    """Take out of pictures (C, H, W) what depends on the distance from the middle, as highlights and fall-off do."""
    far = points.square().sum(0)
    basis = torch.stack([torch.ones_like(far), far, far.square(), torch.exp(-far / 0.02), torch.exp(-far / 0.08)])
    flat = basis.flatten(1).T.double()
    values = light.flatten(1).T.double()
    fitted = flat @ torch.linalg.lstsq(flat, values).solution
    rest: Tensor = (values - fitted).T.reshape(light.shape).float()
    return rest


def _spread(guide: Tensor, corners: list[tuple[int, int]], side: int) -> float:
    """Return how far the tiles' color and contrast lie apart, as a robust deviation of logarithms."""
    light = guide.clamp_min(0.01).log()
    tiles = torch.stack([light[:, y : y + side, x : x + side].flatten(1) for y, x in corners])
    means, contrast = tiles.mean(2), tiles.mean(1).std(1).clamp_min(0.01).log()
    color = means[:, [0, 2]] - means[:, 1:2]
    middle = torch.cat([color, 0.5 * contrast[:, None]], 1)
    return (middle - middle.median(0).values).abs().amax(1).sort().values[-max(1, len(corners) // 6)].item()


def _distances(descriptors: Tensor, corners: list[tuple[int, int]], side: int) -> Tensor:
    """Return the mean squared distance (T, T) of each tile's pixels to their best matches in each tile."""
    generator = torch.Generator().manual_seed(0)
    picked = []
    for y, x in corners:
        tile = descriptors[:, y : y + side, x : x + side].flatten(1).T
        picked.append(tile[torch.randperm(len(tile), generator=generator)[:_CANDIDATES]])
    rows = []
    for queries in picked:
        to = [torch.cdist(queries[:_QUERIES], tile).amin(1).square().mean() for tile in picked]
        rows.append(torch.stack(to))
    return torch.stack(rows)


def _by_chance(descriptors: Tensor) -> Tensor:
    chance: Tensor = 2 * descriptors.flatten(1).var(1).sum()
    return chance
