"""The method `blend`."""

from __future__ import annotations

import torch
from multiply.conftest import multiply

from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.seams import seam_score


def test_blending_keeps_the_histogram_of_noise_and_tiles() -> None:
    generator = torch.Generator().manual_seed(3)
    grain = torch.rand(1, 160, 160, generator=generator).square()
    result = multiply(Material("noise", {"height": Texture(grain, ColorSpace.NONE)}), method="blend")["height"].data
    at = torch.linspace(0.05, 0.95, 10)
    assert torch.allclose(result.quantile(at), grain.quantile(at), atol=0.03)
    assert seam_score(result) <= 1.2
