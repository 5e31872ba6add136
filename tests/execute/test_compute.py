"""What a step did with its input is told from every tensor of it."""

from __future__ import annotations

import torch

from assetforge.execute.compute import _is_same, _versions
from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture


def leveled() -> Texture:
    whole, half = (Texture(torch.full((3, side, side), 0.5), ColorSpace.LIN_REC709) for side in (4, 2))
    return whole.with_mips([half])


def test_a_change_in_place_of_a_smaller_level_is_seen() -> None:
    material = Material("brick", {"base_color": leveled()})
    before = _versions(material)
    assert _versions(material) == before
    material["base_color"].levels[1].data.mul_(0.5)
    assert _versions(material) != before


def test_a_map_whose_alpha_alone_differs_is_another_one() -> None:
    color = torch.full((3, 2, 2), 0.5)
    soft, same, hard, none = (
        Texture(color.clone(), ColorSpace.LIN_REC709, alpha=alpha)
        for alpha in (torch.full((1, 2, 2), 0.5), torch.full((1, 2, 2), 0.5), torch.ones(1, 2, 2), None)
    )
    assert _is_same(soft, same)
    assert not _is_same(soft, hard)
    assert not _is_same(soft, none)
    assert not _is_same(none, soft)
    assert not _is_same(soft, None)
