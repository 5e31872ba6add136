"""Turned textures, and the vectors on them."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.heights import normals_of_height
from assetforge.ops.normals import curl, integrable, normalize
from assetforge.ops.turn import Turn, turn_pixels, turn_vectors


def hills(height: int, width: int) -> torch.Tensor:
    down, right = torch.arange(height) / height * 2 * torch.pi, torch.arange(width) / width * 2 * torch.pi
    return (torch.sin(2 * right + down[:, None]) + torch.cos(3 * down)[:, None])[None]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_normals_of_turned_hills_are_the_turned_normals(quarters: int, mirror: bool) -> None:
    turn = Turn(quarters, mirror)
    ground = hills(48, 40)
    before, after = (normals_of_height(one, 3.0, repeat=True) for one in (ground, turn_pixels(ground, turn)))
    assert torch.allclose(after, turn_vectors(before, turn))


@pytest.mark.parametrize("size", [(48, 40), (47, 40), (48, 41), (47, 41)])
def test_repair_leaves_normals_of_hills_and_frees_others_of_curl(size: tuple[int, int]) -> None:
    normals = normals_of_height(hills(*size), 3.0, repeat=True)
    assert curl(normals) < 1e-4
    assert (integrable(normals) - normals).abs().max() < 0.01
    noise = (
        torch.rand(3, *size, generator=torch.Generator().manual_seed(0)) - torch.tensor([0.5, 0.5, -1.0])[:, None, None]
    )
    assert curl(normalize(noise)) > 0.3
    assert curl(integrable(normalize(noise))) < 1e-6
