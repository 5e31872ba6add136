"""From maps to channels and back: what is averaged and what is not, directions, normals."""

from __future__ import annotations

import pytest
import torch
from assetforge_multiply import Params
from assetforge_multiply._channels import fill_unblendable
from assetforge_multiply._multiply import multiply_material
from multiply.conftest import SMALL, SPECS, exemplar, multiply, placed

import assetforge as af
from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.normals import curl
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import mutual_information


def test_names_of_regions_and_masks_of_any_range_are_never_averaged() -> None:
    sample = exemplar("brick", SMALL)
    mask = (sample["height"].data > sample["height"].data.median()).float()
    maps = {
        "height": sample["height"],
        "metalness": Texture(mask, ColorSpace.NONE),
        "roughness": Texture((sample["height"].data > 0.5).float() * 8 - 2, ColorSpace.NONE),
        "id": Texture(mask * 7, ColorSpace.NONE),
    }
    result = multiply(Material("brick", maps), candidates=1)
    assert set(result["metalness"].data.unique().tolist()) == {0.0, 1.0}
    assert set(result["roughness"].data.unique().tolist()) == {-2.0, 6.0}
    assert set(result["id"].data.unique().tolist()) == {0.0, 7.0}


def test_alpha_goes_with_its_color() -> None:
    color = exemplar("brick", SMALL)["base_color"]
    alpha = (color.data.mean(0, keepdim=True) > color.data.mean()).float() * 0.5 + 0.5
    result = multiply(
        Material("brick", {"base_color": Texture(color.data, color.color_space, "unknown", alpha)}), candidates=1
    )
    texture = result["base_color"]
    assert texture.alpha is not None
    told = mutual_information(texture.data.mean(0), texture.alpha[0])
    assert told > 0.7 * mutual_information(color.data.mean(0), alpha[0])


@pytest.mark.parametrize("method", ["patches", "blend"])
def test_hidden_colors_are_not_averaged_into_those_that_are_seen(method: str) -> None:
    """Leaves of one green that a file cut out of magenta stay green up to their edges."""
    alpha = (exemplar("stone", SMALL)["height"].data * 4 - 1.5).clamp(0, 1)
    green, magenta = torch.tensor([0.2, 0.6, 0.1]), torch.tensor([1.0, 0.0, 1.0])
    color = torch.where(alpha > 0, green[:, None, None], magenta[:, None, None])
    leaves = Material("leaves", {"base_color": Texture(color, ColorSpace.LIN_REC709, "unknown", alpha)})
    texture = multiply(leaves, method=method, candidates=1, retries=0)["base_color"]
    assert texture.alpha is not None
    seen = texture.data[:, texture.alpha[0] > 0.02]
    assert seen.shape[1] > 0
    assert (seen - green[:, None]).abs().max() < 1e-3


def test_directions_along_the_surface_stay_in_it_and_with_their_colors() -> None:
    spec = af.MapSpec("brushed", 3, "vector", (-1.0, 1.0), (1.0, 0.0, 0.0), "Along the brush.")
    height = exemplar("stone", SMALL)["height"].data
    brushed = torch.cat([height.cos(), height.sin(), 0 * height])
    maps = {"height": af.Texture(height, af.ColorSpace.NONE), "brushed": af.Texture(brushed, af.ColorSpace.NONE)}
    context = af.Context(0, "cpu", lambda _: None, {}, {**SPECS, "brushed": spec})
    params = Params(candidates=1, retries=0, repair_normals=True)  # which are none
    result = multiply_material(af.Material("stone", maps), params, context)
    across = result["brushed"].data
    assert across[2].eq(0).all()
    assert (torch.atan2(across[1], across[0]) - result["height"].data[0]).abs().mean() < 0.02


def test_repaired_normals_are_those_of_a_height_map() -> None:
    sample = exemplar("stone", 80)
    before = placed("stone", 80)["normal"].data
    after = multiply(sample, repair_normals=True, candidates=1)["normal"].data
    assert curl(after) < 1e-3 < curl(before) < curl(sample["normal"].data) + 0.01
    assert (before * after).sum(0).mean() > 0.97
    assert seam_score(after) <= 1.2


def test_what_cannot_be_averaged_is_filled_in_from_where_it_looks_alike() -> None:
    gray = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0))
    names = (gray * 4).floor()
    source, blendable = torch.cat([names, gray]), torch.tensor([False, True])
    made = fill_unblendable(source, blendable, lambda channels: channels.flip(1), 0)
    assert torch.equal(made[1:], gray.flip(1))
    assert set(made[0].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert (made[0] == names[0].flip(0)).float().mean() > 0.98


def test_where_all_can_be_averaged_nothing_is_filled_in() -> None:
    source = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    made = fill_unblendable(source, torch.tensor([True, True]), lambda channels: channels * 2, 0)
    assert torch.equal(made, source * 2)
