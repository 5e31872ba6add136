"""A named set of registered maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from assetforge.errors import did_you_mean
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.texture import Texture

UNIT_TOLERANCE = 1e-3
"""How far the mean length of a map's normals may be from 1."""


@dataclass(frozen=True, eq=False)
class Material(Mapping[str, Texture]):
    """Maps by name. They show the same surface, and may differ in size."""

    name: str
    maps: Mapping[str, Texture]

    def __post_init__(self) -> None:
        for name, texture in self.maps.items():
            if not isinstance(texture, Texture):
                raise TypeError(f"{self.name}: map {name!r} is a {type(texture).__name__}; it must be a Texture")
            if name in MAPS:
                check_map(texture, MAPS[name])
        object.__setattr__(self, "maps", MappingProxyType(dict(self.maps)))

    def __getitem__(self, name: str) -> Texture:
        if name not in self.maps:
            raise KeyError(f"{self.name} has no map {name!r}; {did_you_mean(name, self.maps)}")
        return self.maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    def replace(self, **maps: Texture) -> Material:
        """Return a material in which the given maps are replaced or added."""
        return Material(self.name, {**self.maps, **maps})

    def only(self, *names: str) -> Material:
        """Return a material with the given maps alone."""
        return Material(self.name, {name: self[name] for name in names})


def check_map(texture: Texture, spec: MapSpec) -> None:
    """Raise ValueError where a texture is not what its map's word says: channels, color space, unit length."""
    if texture.channels != spec.channels:
        raise ValueError(f"map {spec.name!r} has {texture.channels} channels; it must have {spec.channels}")
    if texture.color_space != spec.color_space:
        raise ValueError(f"map {spec.name!r} is {texture.color_space}; inside AssetForge it must be {spec.color_space}")
    if texture.camera is not None and spec.kind != "photo":
        raise ValueError(f"map {spec.name!r} has a camera, which photographs alone have; make a Texture without one")
    for level in texture.levels if spec.kind == "vector" else ():
        length = torch.linalg.vector_norm(level.data, dim=0).mean().item()
        if not abs(length - 1) < UNIT_TOLERANCE:
            raise ValueError(f"map {spec.name!r} has mean length {length:.4f}; normalize it (ops.normals.normalize)")
