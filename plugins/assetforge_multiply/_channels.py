"""The maps of materials as one stack of channels, each in the space in which it may be compared and averaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

import assetforge as af
from assetforge.ops.alpha import filled
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.exact import between, moments, norm, root
from assetforge.ops.neighbors import nearest_neighbors
from assetforge.ops.normals import curl, gradients, in_plane, integrable, normalize, of_slopes, slopes_of
from assetforge.ops.resample import resample, restore
from assetforge.ops.statistics import PatchStatistics
from assetforge_multiply import ApplyParams, Params

_SMALLEST_DEVIATION = 0.02
"""What varies less is not made more important than that."""
_WEIGHTS = {"color": 1.0, "photo": 1.0, "vector": 0.5, "data": 0.5, "id": 0.5}
"""How much each kind of map counts where patches are compared."""
_NEARLY = 0.02
"""Part of a map's range, at either end, that counts as black or as white."""
_BINARY = 0.98
"""Part of a map's pixels that are black or white, from which on nothing in between is invented."""
_WORSE, _LOST = 1.5, 0.25
"""For the sake of their curl, normals may be so many times farther from the exemplar's statistics, or lose such a part
of what they gained by a change."""
_SAMPLES = 2048
"""Pixels of the exemplar of which `fill_unblendable` takes the one that looks most alike."""
_ACROSS = 2
"""Channels of a vector of unit length that is upright or lies in the plane: the third follows."""


@dataclass(frozen=True)
class Stack:
    """Channels (S, C, H, W) of all maps of several exemplars, and how to get the maps back."""

    channels: Tensor
    material: af.Material
    specs: Mapping[str, af.MapSpec]

    @staticmethod
    def of(materials: Sequence[af.Material], specs: Mapping[str, af.MapSpec]) -> Stack:
        """Stack the maps of materials, which have the same maps and the same size."""
        return Stack(torch.stack([_stacked(material, specs) for material in materials]), materials[0], specs)

    def to(self, device: str) -> Stack:
        """Return it with the channels on a device."""
        return replace(self, channels=self.channels.to(device))

    def match_features(self) -> Tensor:
        """Return the channels as patches are compared by: each map counts by its kind, however much it varies."""
        parts = []
        for name, piece in self._pieces(self.channels):
            rows = piece.transpose(0, 1).flatten(1)
            mean, covariance = moments(rows)
            varies = math.sqrt(max(0.0, covariance.trace().item() / len(rows)))
            centered = piece - mean.to(piece)[:, None, None]
            parts.append(centered * (_WEIGHTS[self.specs[name].kind] / max(varies, _SMALLEST_DEVIATION)))
        return torch.cat(parts, 1)

    def averaged(self) -> Tensor:
        """Tell which channels may be averaged: (C,). Those of ids, and of maps that are black or white, may not."""
        told = [
            torch.full((piece.shape[1],), self._may_average(name, piece)) for name, piece in self._pieces(self.channels)
        ]
        return torch.cat(told)

    def resized(self, size: tuple[int, int]) -> Tensor:
        """Return the channels (S, C, *size); those that may not be averaged are taken from the nearest pixels."""
        made = torch.stack([resample(one, size) for one in self.channels])
        chosen = ~self.averaged().to(made.device)
        if chosen.any():
            made[:, chosen] = functional.interpolate(self.channels[:, chosen], size=size, mode="nearest")
        return made

    def first_color(self) -> int | None:
        """Return the first channel of a color, counted among those that may be averaged; None where there is none."""
        at = 0
        for name, piece in self._pieces(self.channels):
            if self.specs[name].is_color and piece.shape[1] == 3:
                return at
            at += piece.shape[1] if self._may_average(name, piece) else 0
        return None

    def _may_average(self, name: str, piece: Tensor) -> bool:
        if self.specs[name].kind == "id":
            return False
        lowest, highest = (limit.item() for limit in torch.aminmax(piece))
        low, high = (lowest + part * (highest - lowest) for part in (_NEARLY, 1 - _NEARLY))
        extreme = int(((piece < low) | (piece > high)).sum())
        return not (self.specs[name].kind == "data" and extreme > _BINARY * piece.numel())

    def keep_curl(self, voted: Tensor, changed: Tensor) -> Tensor:
        """Take from changed channels (C, H, W) what makes normals less like those of a height map than the exemplar's.

        Only the change loses it: what was voted stays as it is.
        """
        channels = changed.clone()
        at = 0
        for name, piece in self._pieces(self.channels):
            count = piece.shape[1]
            spec = self.specs[name]
            if spec.kind == "vector" and not spec.is_in_plane and count == _ACROSS:
                old, new = (_upright(one[at : at + count]) for one in (voted, changed))
                channels[at : at + count] = _with_curl(old, new, _upright(piece[0]))[:_ACROSS]
            at += count
        return channels

    def restore(self, channels: Tensor, wrap: af.Wrap) -> af.Material:
        """Return the material whose maps the channels (C, H, W) hold."""
        rest = [piece[0] for _, piece in self._pieces(channels[None])]
        maps = {}
        for name, texture in self.material.items():
            data = _decode(rest.pop(0), self.specs[name], texture.data)
            alpha = rest.pop(0).clamp(0, 1) if texture.alpha is not None else None
            maps[name] = replace(texture, data=data, alpha=alpha, wrap=wrap)
        return af.Material(self.material.name, maps)

    def _pieces(self, channels: Tensor) -> list[tuple[str, Tensor]]:
        """Cut channels (S, C, H, W) into maps and alphas, in order, each with the name of its map."""
        pieces, at = [], 0
        for name, texture in self.material.items():
            count = _encoded_channels(self.specs[name])
            for size in (count, *((1,) if texture.alpha is not None else ())):
                pieces.append((name, channels[:, at : at + size]))
                at += size
        return pieces


def _stacked(material: af.Material, specs: Mapping[str, af.MapSpec]) -> Tensor:
    """Return all channels (C, H, W). What alpha hides gets the colors around, as averaged patches would show it."""
    parts = []
    for name, texture in material.items():
        data, alpha = texture.data, texture.alpha
        if alpha is not None and specs[name].is_color:
            data = filled(data, alpha)
        parts.append(_encode(data, specs[name]))
        if alpha is not None:
            parts.append(alpha)
    return torch.cat(parts)


def _encoded_channels(spec: af.MapSpec) -> int:
    return _ACROSS if spec.kind == "vector" else spec.channels


def _encode(data: Tensor, spec: af.MapSpec) -> Tensor:
    if spec.is_color:
        return hdr_encode(data)
    return data[:_ACROSS] if spec.kind == "vector" else data


def _decode(data: Tensor, spec: af.MapSpec, source: Tensor) -> Tensor:
    if spec.kind == "vector":
        return in_plane(data) if spec.is_in_plane else _upright(data)
    return restore(hdr_decode(data) if spec.is_color else data, spec, source)


def _upright(across: Tensor) -> Tensor:
    """Return the unit vectors (3, H, W) of which two channels are given."""
    upwards = root((1 - norm(across).square()).clamp_min(1e-4))
    return normalize(torch.cat([across, upwards]))


def _with_curl(old: Tensor, new: Tensor, source: Tensor) -> Tensor:
    """Return new normals (3, H, W), less of what they have of curl beyond old ones, so that it is the exemplar's.

    Where narrow grooves lie in flat ground, that would bend the ground: then they lose less of it, or nothing.
    """
    most = curl(source)
    before, change = slopes_of(old), slopes_of(new) - slopes_of(old)
    whole = gradients(change)
    least, all_of_it = curl(of_slopes(before + whole)), curl(new)
    share = ((most - least) / max(all_of_it - least, 1e-9)) if all_of_it > most else 1.0
    share = max(0.0, share) ** 0.5
    statistics = PatchStatistics.of(source[:_ACROSS])
    here, then = (statistics.distance(one[:_ACROSS]) for one in (new, old))
    farthest = max(_WORSE * here, here + _LOST * (then - here))
    for back in (0.0, 0.25, 0.5):
        limited = of_slopes(before + between(whole, change, share + back * (1 - share)))
        if statistics.distance(limited[:_ACROSS]) <= farthest:
            return limited
    return new


def to_material(
    stack: Stack, channels: Tensor, params: Params | ApplyParams, specs: Mapping[str, af.MapSpec]
) -> af.Material:
    """Return the material that channels (C, H, W) hold."""
    wrap: af.Wrap = "repeat" if params.tileable == "xy" else "clamp"
    result = stack.restore(channels, wrap)
    if not params.repair_normals:
        return result
    normals = {name: texture for name, texture in result.items() if _is_upright(specs[name])}
    return result.replace(**{name: one.with_data(integrable(one.data)) for name, one in normals.items()})


def _is_upright(spec: af.MapSpec) -> bool:
    """Tell whether a map holds normals; directions along the surface are no slopes of a height."""
    return spec.kind == "vector" and not spec.is_in_plane


def fill_unblendable(source: Tensor, blendable: Tensor, make: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """Make a result (C, H, W) of the channels that may be averaged, and fill the others in from pixels that look alike.

    source: (C, H, W), of the exemplar. blendable: (C,), bool, the channels that may be averaged; `make` turns them into
    those of the result.
    """
    if blendable.all():
        return make(source)
    made = make(source[blendable])
    result = torch.empty(source.shape[0], *made.shape[1:], device=source.device)
    result[blendable] = made
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(source[0].numel(), (_SAMPLES,), generator=generator)
    some = source.flatten(1)[:, chosen]
    alike = nearest_neighbors(made.flatten(1).T, some[blendable].T)
    result[~blendable] = some[~blendable][:, alike].reshape(-1, *made.shape[1:])
    return result
