"""What the color of a material tells of its other maps, which stay: mortar is dark, and must be dark afterwards.

Of each map, pixels are sorted into bins; how much more often the color of each bin exceeds each level of brightness is
a profile. Statistics of style leave open which stroke goes where: of all places, a tie asks for those at which the
profile is as before. It does not look at chessboards of single pixels: networks hardly see them, and so they were where
it got what it asked for, as a weave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import assetforge as af
from assetforge.ops.normals import slopes_of
from assetforge.ops.resample import resample_map
from assetforge.weights.features import Border, convolve

_BINS = 24
_LEVELS, _WIDEST = 24, 2.5
"""Levels of brightness that are told apart, and how far they go, in deviations from the mean."""
_RARE = 0.02
"""Variance below which it is left to chance how often a level is exceeded."""
_FAINT = 0.05
"""Of what tells less, not all need be told."""
_PIXELS = 2**20
"""Of which the brightness is compared at once."""
_FLAT = 1e-4
"""Deviation of what tells nothing."""
_STEEP = 3.0
"""Slope beyond which all is as steep."""


@dataclass(frozen=True, eq=False)
class Ties:
    """Other maps: of each, the bin of every pixel, (H·W,), and its profile, which is to stay, (bins, levels)."""

    bins: Sequence[Tensor]
    profiles: Sequence[Tensor]
    weight: Tensor
    """(H·W,): how much each pixel counts."""
    border: Border = "reflect"

    def off(self, brightness: Tensor) -> Tensor:
        """Return how far the profiles of a brightness (H, W) are from those that are wanted, in parts of these: ()."""
        total = torch.zeros((), device=brightness.device)
        found = _profiles(without_chessboards(brightness, self.border), self.bins, self.weight)
        for profile, wanted in zip(found, self.profiles, strict=True):
            total = total + _power(profile - wanted) / (_power(wanted) + _FAINT)
        return total


def ties(
    brightness: Tensor, planes: Mapping[str, Tensor], seen: Tensor | None = None, border: Border = "reflect"
) -> Ties:
    """Tie a brightness (H, W) to planes (H, W) of other maps, each as strongly as it is now.

    seen: (1, H, W), how much each place counts, None for all alike.
    """
    weight = torch.ones_like(brightness).flatten() if seen is None else seen.flatten()
    bins = [found for plane in planes.values() if (found := _binned(plane)) is not None]
    return Ties(bins, _profiles(without_chessboards(brightness, border), bins, weight), weight, border)


def without_chessboards(brightness: Tensor, border: Border) -> Tensor:
    """Return a brightness (H, W) without what changes from each pixel to the next along both axes, as a chessboard."""
    line = torch.tensor([-0.25, 0.5, -0.25], device=brightness.device)
    board = convolve(brightness[None], (line[:, None] * line)[None, None], None, border)[0]
    return brightness - board


def _power(profile: Tensor) -> Tensor:
    return profile.square().mean(1).sum()


def _binned(plane: Tensor) -> Tensor | None:
    low, high = torch.aminmax(plane)
    if float(high - low) < _FLAT:
        return None
    return ((plane - low) / (high - low) * _BINS).long().clamp(max=_BINS - 1).flatten()


def _profiles(brightness: Tensor, bins: Sequence[Tensor], weight: Tensor) -> list[Tensor]:
    """Return for each map how much more often than the whole each bin exceeds each level: (bins, levels).

    It is in deviations of the whole, and of a bin in parts of the root of all pixels: its squares add up. So it tells
    of dependence alone, whatever the brightness is distributed like: the style may change that.
    """
    values = brightness.flatten()
    whole = weight.sum().clamp_min(_FLAT)
    mean = (weight * values).sum() / whole
    variance = (weight * (values - mean).square()).sum() / whole
    standard = (values - mean) / variance.clamp_min(_FLAT**2).sqrt()
    sums = [torch.zeros(_BINS, _LEVELS, device=values.device) for _ in bins]
    for start in range(0, len(values), _PIXELS):
        part = slice(start, start + _PIXELS)
        here = (standard[part], [one[part] for one in bins], weight[part])
        found = _above(*here) if len(values) <= _PIXELS else checkpoint(_above, *here, use_reentrant=False)
        sums = [total + one for total, one in zip(sums, found, strict=True)]
    profiles = []
    for one, total in zip(bins, sums, strict=True):
        counts = torch.zeros_like(total[:, 0]).index_add(0, one, weight)[:, None]
        often = total.sum(0) / whole
        excess = (total - counts * often) / (often * (1 - often)).clamp_min(_RARE).sqrt()
        profiles.append(excess / (counts.clamp_min(1) * whole).sqrt())
    return profiles


def _above(standard: Tensor, bins: Sequence[Tensor], weight: Tensor) -> list[Tensor]:
    """Return how many pixels of each bin exceed each level, (bins, levels); one between two counts in part."""
    place = ((standard / _WIDEST + 1) / 2 * _LEVELS).clamp(0, _LEVELS - _FLAT)
    level = place.detach().long()
    upper = weight * (place - level)
    lower = weight - upper
    found = []
    for one in bins:
        cell = one * (_LEVELS + 1) + level
        counts = torch.zeros(_BINS * (_LEVELS + 1)).to(lower).index_add(0, cell, lower).index_add(0, cell + 1, upper)
        found.append(counts.reshape(_BINS, -1).flip(1).cumsum(1).flip(1)[:, 1:])
    return found


def planes_of(
    maps: Mapping[str, af.Texture], specs: Mapping[str, af.MapSpec], size: tuple[int, int]
) -> dict[str, Tensor]:
    """Return what other maps hold, as planes (H, W) of a size: numbers as they are, of normals how steep they are."""
    planes = {}
    for name, texture in maps.items():
        spec = specs[name]
        if spec.kind == "data" and spec.channels == 1:
            planes[name] = resample_map(texture, spec, size).data[0]
        elif spec.kind == "vector" and not spec.is_in_plane:
            planes[name] = slopes_of(resample_map(texture, spec, size).data).square().sum(0).sqrt().clamp_max(_STEEP)
    return planes
