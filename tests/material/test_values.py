"""Textures and materials hold their invariants, or are not made."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.material import Material
from assetforge.material.texture import Texture

LINEAR, NONE = ColorSpace.LIN_REC709, ColorSpace.NONE


def color(height: int = 4, width: int = 6) -> Texture:
    return Texture(torch.rand(3, height, width), LINEAR)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.float64), "must be torch.float32"),
        (torch.zeros(4, 4), r"must be \(C, H, W\)"),
        (torch.zeros(3, 0, 4), "not empty"),
    ],
)
def test_pixels_of_the_wrong_form_are_refused(pixels: torch.Tensor, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Texture(pixels, LINEAR)


def test_alpha_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(1, 4, 6\)"):
        Texture(torch.zeros(3, 4, 6), LINEAR, alpha=torch.zeros(1, 4, 5))


def test_a_texture_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        color().wrap = "repeat"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "texture", "expected"),
    [
        ("base_color", Texture(torch.zeros(1, 2, 2), LINEAR), "has 1 channels; it must have 3"),
        ("base_color", Texture(torch.zeros(3, 2, 2), NONE), "must be lin_rec709"),
        ("roughness", Texture(torch.zeros(1, 2, 2), LINEAR), "must be none"),
        ("normal", Texture(torch.full((3, 2, 2), 0.3), NONE), "mean length 0.5196; normalize it"),
        ("normal", Texture(torch.full((3, 2, 2), torch.nan), NONE), "mean length nan"),
    ],
)
def test_a_map_must_be_what_its_word_says(name: str, texture: Texture, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Material("m", {name: texture})


def test_replacing_makes_a_new_material() -> None:
    before = Material("m", {"base_color": color()})
    after = before.replace(roughness=Texture(torch.zeros(1, 4, 6), NONE))
    assert list(before) == ["base_color"]
    assert list(after) == ["base_color", "roughness"]
    with pytest.raises(TypeError):
        after.maps["base_color"] = color()  # type: ignore[index]


def test_a_texture_is_shown_without_its_pixels() -> None:
    texture = Texture(torch.zeros(1, 4, 6), NONE, "repeat", alpha=torch.ones(1, 4, 6))
    mipped = texture.with_mips([Texture(torch.zeros(1, 2, 3), NONE, alpha=torch.ones(1, 2, 3))])
    assert repr(mipped) == "<Texture (1, 4, 6), NONE, repeat, alpha, 2 levels>"


def test_an_absent_map_is_asked_back_by_name() -> None:
    with pytest.raises(KeyError, match="did you mean 'base_color'"):
        Material("m", {"base_color": color()})["base_colour"]


def test_every_word_has_a_meaning_and_a_neutral_value_in_range() -> None:
    for name, spec in MAPS.items():
        assert spec.name == name
        assert spec.meaning.endswith(".")
        assert all(spec.valid[0] <= value <= spec.valid[1] for value in spec.neutral)


@pytest.mark.parametrize("wrong", [{"name": "Base Color"}, {"channels": 5}, {"neutral": (0.0,)}, {"valid": (1.0, 0.0)}])
def test_a_word_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    right = {"name": "wet", "channels": 3, "kind": "data", "valid": (0, 1), "neutral": (0, 0, 0), "meaning": "Wet."}
    MapSpec(**right)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="map "):
        MapSpec(**{**right, **wrong})  # type: ignore[arg-type]
