"""Leaves, decals and single pixels are no mistakes: what nobody sees is not looked at."""

from __future__ import annotations

import warnings

import pytest
import torch

from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode
from assetforge.validation.material import Subject, check_material
from assetforge.validation.thresholds import Thresholds


def subject(name: str, data: torch.Tensor, alpha: torch.Tensor | None = None) -> Subject:
    spec = MAPS[name]
    return Subject(Texture(data.float().contiguous(), spec.color_space, "clamp", alpha), spec)


def found(**maps: Subject) -> set[tuple[str, str]]:
    return {(flag.check, flag.map) for flag in check_material(maps, Thresholds())}


@pytest.mark.parametrize("by", ["alpha", "opacity"])
def test_a_leaf_on_black_is_sound(by: str) -> None:
    """Three quarters of it are black, and hidden."""
    cover = torch.zeros(1, 64, 64)
    cover[:, :32, :32] = 1
    noise = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    green = srgb_decode(torch.tensor([90.0, 130.0, 60.0]).reshape(3, 1, 1) / 255 + noise * 0.1)
    color = subject("base_color", green * cover, cover if by == "alpha" else None)
    more = {} if by == "alpha" else {"opacity": subject("opacity", cover)}
    assert not {check for check, name in found(base_color=color, **more) if name == "base_color"}
    assert ("albedo_black", "base_color") in found(base_color=subject("base_color", green * cover))


def test_maps_of_one_pixel_are_checked_without_a_warning_of_libraries() -> None:
    maps = {name: subject(name, torch.full((MAPS[name].channels, 1, 1), 0.5)) for name in ("base_color", "height")}
    maps["normal"] = subject("normal", torch.tensor([0.0, 0.0, 1.0]).reshape(3, 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ("constant", "normal") in found(**maps)
