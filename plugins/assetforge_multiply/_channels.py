"""The maps of a material as one stack of channels, each in the space in which it may be compared and averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.ops.normals import normalize

_SMALLEST_DEVIATION = 0.02
"""What varies less is not made more important than that."""
_WEIGHTS = {"color": 1.0, "photo": 1.0, "vector": 0.5, "data": 0.5, "id": 0.5}
"""How much each kind of map counts where patches are compared."""
_BINARY = 0.98
"""Part of a map's pixels that are black or white, from which on nothing in between is invented."""


@dataclass(frozen=True)
class Stack:
    """Channels (C, H, W) of all maps, and how to get the maps back."""

    channels: Tensor
    material: af.Material
    specs: Mapping[str, af.MapSpec]

    @staticmethod
    def of(material: af.Material, specs: Mapping[str, af.MapSpec]) -> Stack:
        """Stack the maps of a material, which have the same size."""
        parts = []
        for name, texture in material.items():
            parts.append(_encode(texture.data, specs[name]))
            if texture.alpha is not None:
                parts.append(texture.alpha)
        return Stack(torch.cat(parts), material, specs)

    def guidance(self) -> Tensor:
        """Return the channels as patches are compared by: each map counts by its kind, however much it varies."""
        parts = []
        for name, piece in self._pieces(self.channels):
            deviation = piece.std().clamp_min(_SMALLEST_DEVIATION)
            parts.append(_WEIGHTS[self.specs[name].kind] * (piece - piece.mean((1, 2), keepdim=True)) / deviation)
        return torch.cat(parts)

    def averaged(self) -> Tensor:
        """Tell which channels may be averaged: (C,). Those of ids, and of maps that are black or white, may not."""
        told = [
            torch.full((piece.shape[0],), self._may_average(name, piece)) for name, piece in self._pieces(self.channels)
        ]
        return torch.cat(told)

    def _may_average(self, name: str, piece: Tensor) -> bool:
        if self.specs[name].kind == "id":
            return False
        extreme = (piece < 0.02) | (piece > 0.98)
        return not (self.specs[name].kind == "data" and extreme.float().mean() > _BINARY)

    def restore(self, channels: Tensor, wrap: af.Wrap) -> af.Material:
        """Return the material of the same maps that these channels hold."""
        rest = list(self._pieces(channels))
        maps = {}
        for name, texture in self.material.items():
            data = _decode(rest.pop(0)[1], self.specs[name])
            alpha = rest.pop(0)[1].clamp(0, 1) if texture.alpha is not None else None
            maps[name] = replace(texture, data=data, alpha=alpha, wrap=wrap)
        return af.Material(self.material.name, maps)

    def _pieces(self, channels: Tensor) -> list[tuple[str, Tensor]]:
        """Cut channels into maps and alphas, in order, each with the name of its map."""
        pieces, at = [], 0
        for name, texture in self.material.items():
            count = _encoded_channels(self.specs[name])
            for size in (count, *((1,) if texture.alpha is not None else ())):
                pieces.append((name, channels[at : at + size]))
                at += size
        return pieces


def _encoded_channels(spec: af.MapSpec) -> int:
    return 2 if spec.kind == "vector" else spec.channels


def _encode(data: Tensor, spec: af.MapSpec) -> Tensor:
    if spec.is_color:
        return srgb_encode(data)
    return data[:2] if spec.kind == "vector" else data


def _decode(data: Tensor, spec: af.MapSpec) -> Tensor:
    if spec.is_color:
        return srgb_decode(data).clamp_(*spec.valid)
    if spec.kind == "vector":
        upwards = (1 - data.square().sum(0, keepdim=True)).clamp_min(1e-4).sqrt()
        return normalize(torch.cat([data, upwards]))
    return data.clamp(*spec.valid)
