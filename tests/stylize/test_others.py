"""The other maps of a material whose color was stylized."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from assetforge_stylize._others import Stack, followed
from torch import Tensor

from assetforge.material.map_spec import MAPS
from assetforge.ops.color import hdr_decode
from assetforge.ops.heights import slopes_of_height
from assetforge.ops.normals import slopes_of
from assetforge.samples import make_sample

SIDE = 64


def waves(side: int, across: int, down: int) -> Tensor:
    """Waves (1, side, side) that tile, at the middles of pixels."""
    at = (torch.arange(side) + 0.5) / side * math.tau
    return 0.1 * torch.sin(across * at + down * at[:, None])[None]


def test_maps_of_files_that_tile_and_are_larger_than_the_color_go_on_tiling() -> None:
    """Files say nothing of their edges: that these meet is measured."""
    height = replace(make_sample("stone", SIDE)["height"], wrap="unknown")
    stack = Stack({"height": height}, MAPS, (SIDE // 2, SIDE // 2))
    [small] = stack.channels({"height": height}, (SIDE // 2, SIDE // 2))
    before, after = (stack.restored(one, None)["height"].data for one in (small, small + waves(SIDE // 2, 3, 2)))
    off = (after - before - waves(SIDE, 3, 2)).abs()
    inside = (before > 0.15) & (before < 0.85)
    assert off[inside].max() < 0.01


def test_normals_at_edges_that_do_not_meet_follow_as_far_as_elsewhere() -> None:
    """One-sided differences there, and not half of them."""
    flat = make_sample("stone", SIDE)["normal"]
    flat = replace(flat, data=torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).repeat(1, SIDE, SIDE), wrap="clamp")
    drawn = (0.5 + waves(SIDE, 24, 0)).expand(3, -1, -1)
    before = replace(make_sample("stone", SIDE)["base_color"], data=hdr_decode(torch.full((3, SIDE, SIDE), 0.5)))
    after = replace(before, data=hdr_decode(drawn))
    slopes = slopes_of(followed(before, after, {"normal": flat}, 1.0, None, tiles=False)["normal"].data)
    wanted = slopes_of_height(drawn[:1], 1.0, repeat=False)
    ratio = slopes[0, SIDE // 2] / wanted[0, SIDE // 2]
    assert (ratio[[0, -1]] / ratio.median() - 1).abs().max() < 0.2
