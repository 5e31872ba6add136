"""What the color of a material tells of its other maps, which stay: mortar is dark, and must be dark afterwards.

Of each map, pixels are sorted into bins; how bright the color is in each, and how much that varies, is a profile.
Statistics of style leave open which stroke goes where: of all places, a tie asks for those at which the profile is as
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

import assetforge as af
from assetforge.material.texture import Texture
from assetforge.ops.normals import slopes_of
from assetforge.ops.resample import resample_map

_BINS = 24
_FLAT = 1e-4
"""Deviation of what tells nothing."""
_STEEP = 3.0
"""Slope beyond which all is as steep."""


@dataclass(frozen=True, eq=False)
class Tie:
    """Pixels by what another map is there: the bin of each, (H·W,), how many each has, (B,), and their profile, (2, B).

    The profile is the mean and the deviation of the brightness, in deviations of the whole.
    """

    bins: Tensor
    counts: Tensor
    profile: Tensor

    def off(self, brightness: Tensor) -> Tensor:
        """Return how far the profile of a brightness (H, W) is from that which is wanted: ()."""
        change = _profile(brightness, self.bins, self.counts) - self.profile
        off: Tensor = (self.counts * change.square().sum(0)).sum() / self.counts.sum()
        return off


def _profile(brightness: Tensor, bins: Tensor, counts: Tensor) -> Tensor:
    values = brightness.flatten()
    standard = (values - values.mean()) / values.std().clamp_min(_FLAT)
    sums = [torch.zeros_like(counts).index_add(0, bins, one) / counts.clamp_min(1) for one in (standard, standard**2)]
    return torch.stack([sums[0], (sums[1] - sums[0].square()).clamp_min(_FLAT).sqrt()])


def ties(brightness: Tensor, planes: Mapping[str, Tensor]) -> list[Tie]:
    """Tie a brightness (H, W) to planes (H, W) of other maps, each as strongly as it is now."""
    found = []
    for plane in planes.values():
        low, high = torch.aminmax(plane)
        if float(high - low) < _FLAT:
            continue
        bins = ((plane - low) / (high - low) * _BINS).long().clamp(max=_BINS - 1).flatten()
        counts = torch.bincount(bins, minlength=_BINS).to(brightness)
        found.append(Tie(bins, counts, _profile(brightness, bins, counts)))
    return found


def planes_of(maps: Mapping[str, Texture], specs: Mapping[str, af.MapSpec], size: tuple[int, int]) -> dict[str, Tensor]:
    """Return what other maps hold, as planes (H, W) of a size: numbers as they are, of normals how steep they are."""
    planes = {}
    for name, texture in maps.items():
        spec = specs[name]
        if spec.kind == "data" and spec.channels == 1:
            planes[name] = resample_map(texture, spec, size).data[0]
        elif spec.kind == "vector" and not spec.is_in_plane:
            planes[name] = slopes_of(resample_map(texture, spec, size).data).square().sum(0).sqrt().clamp_max(_STEEP)
    return planes
