"""What a result is made of, and what goes where: turned pieces, more exemplars, guides, masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from assetforge_multiply import Guide, Other
from multiply.conftest import SMALL, exemplar, luminance, multiply, write_mask

import assetforge as af
from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.heights import normals_of_height

SIDE = 64


def stripes(side: int = 64) -> Material:
    """Waves that run down, with the normals that they have: light from the left would show them."""
    across = torch.arange(side) / 16 * 2 * torch.pi
    height = (0.5 + 0.3 * torch.sin(across)).expand(1, side, side).contiguous()
    noise = torch.rand(1, side, side, generator=torch.Generator().manual_seed(0)) * 0.05
    return Material(
        "waves",
        {
            "height": Texture(height + noise, ColorSpace.NONE),
            "normal": Texture(normals_of_height(height + noise, 4.0, repeat=True), ColorSpace.NONE),
        },
    )


@pytest.mark.parametrize("turn", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("mirror", "quarter")), "all"])
def test_normals_turn_with_pieces(turn: str) -> None:
    material = stripes()
    result = multiply(material, turn=turn, candidates=1, polish=0)
    height, normal = result["height"].data, result["normal"].data
    expected = normals_of_height(height, 4.0, repeat=True)
    # Where pieces are joined, neither is right; a normal that had not turned would be wrong on whole pieces.
    agreement = (normal * expected).sum(0)
    assert agreement.quantile(0.2) > 0.9


def save(material: Material, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    for name, texture in material.items():
        pixels = texture.data * 0.5 + 0.5 if name == "normal" else texture.data
        shown = pixels.clamp(0, 1).permute(1, 2, 0).numpy()
        assert cv2.imwrite(str(folder / f"{name}.png"), (shown[..., ::-1] * 65535).astype(np.uint16))
    return {name: folder / f"{name}.png" for name in material}


def flat(level: float, side: int = SIDE) -> Material:
    """Noise around a gray level."""
    noise = torch.rand(1, side, side, generator=torch.Generator().manual_seed(round(level * 100))) * 0.1
    return Material("flat", {"height": Texture(noise + level, ColorSpace.NONE)})


def test_a_mix_mask_says_which_exemplar_goes_where(tmp_path: Path) -> None:
    other = Other(maps=save(flat(0.8), tmp_path / "other"))
    left = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    left[:, :32] = True
    result = multiply(flat(0.1), others=(other,), mix=write_mask(tmp_path / "mix.png", left), candidates=1)
    height = result["height"].data[0]
    assert height[8:-8, 8:24].min() > 0.7
    assert height[8:-8, 40:56].max() < 0.3


def test_weights_say_how_much_of_each_exemplar_there_is(tmp_path: Path) -> None:
    maps = save(flat(0.8), tmp_path / "other")
    shares = []
    for weight in (0.25, 4.0):
        result = multiply(flat(0.1), others=(Other(maps=maps, weight=weight),), candidates=1)
        shares.append((result["height"].data > 0.5).float().mean().item())
    assert shares == pytest.approx([0.2, 0.8], abs=0.1)


def test_another_exemplar_needs_the_same_maps(tmp_path: Path) -> None:
    other = Other(maps=save(flat(0.8), tmp_path / "other"))
    with pytest.raises(af.StepError, match=r"others\[0\].*has the maps height.*base_color"):
        multiply(exemplar("stone", SMALL), others=(other,))


def test_exemplars_of_different_sizes_are_never_taken_from_beyond_their_edges(tmp_path: Path) -> None:
    small = Other(maps=save(flat(0.8, 48), tmp_path / "other"))
    where = multiply(flat(0.1), others=(small,), candidates=1, save_map=True)["coordinates"].data
    from_other = (where[2] * 256).round() == 1
    assert from_other.any()
    assert where[:2, from_other].max() <= 48 / SIDE


def test_a_guide_puts_bright_where_it_is_bright(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, SIDE).expand(SIDE, SIDE)
    assert cv2.imwrite(str(tmp_path / "target.png"), (ramp.numpy() * 255).astype(np.uint8))
    material = exemplar("stone", SIDE)
    result = luminance(multiply(material, guide=Guide(target=tmp_path / "target.png"), candidates=1))
    columns = result.mean(0)[8:-8]
    assert columns[-16:].mean() > columns[:16].mean() + 0.5 * luminance(material).std()


def test_a_guide_of_the_exemplar_tells_what_is_meant(tmp_path: Path) -> None:
    # Left half and right half of the exemplar look alike to the eye of the guide only by its own picture.
    material = flat(0.3)
    height = material["height"].data.clone()
    height[:, :, 32:] += 0.4
    labels = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    labels[:, 32:] = True
    top = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    top[:32] = True
    target, own = write_mask(tmp_path / "target.png", top), write_mask(tmp_path / "exemplar.png", labels)
    guide = Guide(target=target, source=own, weight=2)
    result = multiply(Material("two", {"height": Texture(height, ColorSpace.NONE)}), guide=guide, candidates=1)
    assert result["height"].data[0, 8:24].mean() > 0.65
    assert result["height"].data[0, 40:56].mean() < 0.45


def test_what_is_to_be_ignored_is_never_taken(tmp_path: Path) -> None:
    before = exemplar("stone", SIDE)
    stain = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    stain[4:58, 40:54] = True
    marked = before["base_color"].data.clone()
    marked[:, stain] = torch.tensor([1.0, 0.0, 0.0])[:, None]
    material = Material("stone", {"base_color": Texture(marked, ColorSpace.LIN_REC709)})
    mask = write_mask(tmp_path / "mask.png", stain)
    stained, clean = (
        multiply(material, polish=0, candidates=1, ignore=ignore)["base_color"].data for ignore in (None, mask)
    )
    assert (stained[0] - stained[1]).max() > 0.5
    assert (clean[0] - clean[1]).max() < 0.1


def test_flattening_takes_out_large_differences_only() -> None:
    light = torch.linspace(0.2, 0.8, SIDE).expand(SIDE, SIDE)
    grain = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.2
    material = Material("lit", {"height": Texture((light + grain)[None].contiguous(), ColorSpace.NONE)})
    rough, even = (
        multiply(material, flatten=share, candidates=1)["height"].data[0].unfold(0, 16, 16).unfold(1, 16, 16)
        for share in (0, 1)
    )
    assert even.mean((2, 3)).std() < 0.3 * rough.mean((2, 3)).std()
    assert even.std((2, 3)).mean() > 0.04


def test_maps_of_different_sizes_are_brought_to_the_largest() -> None:
    sample = exemplar("brick", SMALL)
    small = Texture(sample["height"].data[:, ::2, ::2], ColorSpace.NONE)
    result = multiply(Material("brick", {"base_color": sample["base_color"], "height": small}), candidates=1)
    assert result["height"].size == result["base_color"].size == (SMALL, SMALL)
