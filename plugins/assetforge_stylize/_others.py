"""The other maps of a material whose color was stylized: what follows it, and what is stylized along with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.exact import deviation, mean_channel
from assetforge.ops.heights import slopes_of_height
from assetforge.ops.normals import of_slopes, slopes_of
from assetforge.ops.resample import nearest, resample, resample_map, restore
from assetforge.ops.seams import continues
from assetforge_stylize._objective import View

_LARGE = 16
"""What is larger than this part of the side does not become relief: the color of a whole area has no height."""
_LEAST_SLOPE = 0.05
"""Deviation of slopes from which a flat normal map gets its relief."""
_FLAT = 1e-6


def followed(
    before: af.Texture,
    after: af.Texture,
    others: Mapping[str, af.Texture],
    relief: float,
    place: Tensor | None,
    *,
    tiles: bool,
) -> dict[str, af.Texture]:
    """Return the height and the normals that follow a change of color.

    The rule: where the color became brighter, by one deviation of the change without its large differences, the surface
    rises by `relief` deviations of its height; slopes change by the gradient of that, scaled to `relief` deviations of
    the slopes. What tells nothing of relief stays. place: (1, H, W), how much each place is to change, None where all
    is.
    """
    change = mean_channel(hdr_encode(after.data)) - mean_channel(hdr_encode(before.data))
    share = 1.0
    if place is not None:
        share = float(place.double().mean())
        change = place * _detail(place * change, repeat=tiles)
    else:
        change = _detail(change, repeat=tiles)
    size = deviation(change) / max(share, _FLAT) ** 0.5
    if size < _FLAT or relief == 0:
        return {}
    change = change / size
    result = {}
    if "height" in others:
        height = others["height"]
        change_here, there = resample(change, height.size, repeat=tiles), _there(place, height.size)
        risen = height.data + relief * deviation(height.data) * there * change_here
        result["height"] = height.with_data(risen.clamp(*_range(height.data)))
    if "normal" in others:
        normal = others["normal"]
        there = _there(place, normal.size)
        slope = there * slopes_of_height(resample(change, normal.size, repeat=tiles), 1.0, repeat=tiles)
        own = slopes_of(normal.data)
        size = deviation(slope) / max(share, _FLAT) ** 0.5
        strength = relief * max(deviation(own), _LEAST_SLOPE) / max(size, _FLAT)
        result["normal"] = normal.with_data(torch.where(there > 0, of_slopes(own + strength * slope), normal.data))
    return result


def _there(place: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Return how much each place of a map of a size changes, (1, H, W)."""
    return torch.ones(1, *size) if place is None else nearest(place, size)


def _detail(pixels: Tensor, *, repeat: bool) -> Tensor:
    size = (pixels.shape[1], pixels.shape[2])
    few = (min(_LARGE, size[0]), min(_LARGE, size[1]))
    return pixels - resample(resample(pixels, few, repeat=repeat), size, repeat=repeat)


def _range(height: Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(height)
    return min(0.0, low.item()), max(1.0, high.item())


class Stack:
    """Other maps as channels of 0 to 1, below each other: (C, H, W), and back."""

    def __init__(self, maps: Mapping[str, af.Texture], specs: Mapping[str, af.MapSpec], size: tuple[int, int]) -> None:
        """Choose those that may be averaged. size: of the channels."""
        chosen = [name for name in maps if specs[name].kind != "id" and not specs[name].is_in_plane]
        self.maps = {name: maps[name] for name in chosen}
        self._specs, self._size = specs, size

    def channels(self, maps: Mapping[str, af.Texture], size: tuple[int, int]) -> list[Tensor]:
        """Return the channels of maps of the same names."""
        return [self._encoded(name, maps[name], size).clamp(0, 1) for name in self.maps]

    def restored(self, channels: Tensor, place: Tensor | None) -> dict[str, af.Texture]:
        """Return the maps as large as they were, changed by what became of their channels (C, H, W).

        place: (1, h, w), how much each place is to change, None where all is.
        """
        result, at = {}, 0
        for name, texture in self.maps.items():
            count = self.counts[name]
            change = channels[at : at + count] - self._encoded(name, texture, self._size).clamp(0, 1)
            at += count
            change = resample(change, texture.size, repeat=continues(texture))
            there = _there(place, texture.size)
            made = self._decoded(name, texture, self._encoded(name, texture, texture.size) + there * change)
            result[name] = texture.with_data(torch.where(there > 0, made, texture.data))
        return result

    @property
    def counts(self) -> dict[str, int]:
        """How many channels each map has."""
        return {name: 2 if self._specs[name].kind == "vector" else self._specs[name].channels for name in self.maps}

    def _encoded(self, name: str, texture: af.Texture, size: tuple[int, int]) -> Tensor:
        spec = self._specs[name]
        data = resample_map(texture, spec, size).data
        if spec.is_color:
            return hdr_encode(data)
        if spec.kind == "vector":
            return data[:2] * 0.5 + 0.5
        low, high = _range(self.maps[name].data)
        return (data - low) / (high - low)

    def _decoded(self, name: str, texture: af.Texture, channels: Tensor) -> Tensor:
        spec = self._specs[name]
        if spec.is_color:
            return restore(hdr_decode(channels.clamp_min(0)), spec, texture.data)
        channels = channels.clamp(0, 1)
        if spec.kind == "vector":
            across = channels * 2 - 1
            upwards = (1 - across.square().sum(0, keepdim=True)).clamp_min(1e-4).sqrt()
            return restore(torch.cat([across, upwards]), spec, texture.data)
        low, high = _range(texture.data)
        return channels * (high - low) + low


def views_of(colors: int, others: int, device: str) -> Sequence[View]:
    """Return what a network sees of channels: the color, and brightness with two of the others each.

    So each of the others is tied to the color, and through it to the rest.
    """
    count = colors + others
    if (colors, others) == (3, 0):
        return [View()]
    color = torch.zeros(3, count, device=device)
    color[:, :colors] = torch.eye(3) if colors == 3 else torch.ones(3, 1)
    views = [View(color)]
    for first in range(colors, count, 2):
        pair = torch.zeros(3, count, device=device)
        pair[0, :colors] = 1 / colors
        pair[1, first] = 1
        pair[2, min(first + 1, count - 1)] = 1
        views.append(View(pair))
    return views
