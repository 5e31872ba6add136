"""Color models are what the standards say, and can be left again."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.color_models import COLOR_MODELS, Name, into_gamut


def light(count: int = 4096) -> torch.Tensor:
    return torch.rand(3, count, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", COLOR_MODELS)
def test_all_light_comes_back(name: Name) -> None:
    model = COLOR_MODELS[name]
    wide = torch.cat([light(), 3 * light() - 1, torch.eye(3), torch.zeros(3, 1), torch.ones(3, 1)], 1)
    wanted = wide if name != "luv" else wide.clamp_min(0)  # chromaticities of negative light may be any number
    back = model.to_linear(model.of_linear(wanted))
    assert (back - wanted).abs().max() < 2e-4


@pytest.mark.parametrize("name", COLOR_MODELS)
def test_gray_has_no_color(name: Name) -> None:
    gray = torch.linspace(0, 1, 64).expand(3, -1)
    brightness, *color = COLOR_MODELS[name].of_linear(gray)
    assert torch.stack(color).abs().max() < 2e-3 * brightness.max()
    assert (brightness.diff() > 0).all()


def test_red_green_and_blue_are_where_the_standards_put_them() -> None:
    lab = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    luv = [[53.24, 175.01, 37.76], [87.73, -83.08, 107.40], [32.30, -9.40, -130.34]]
    for name, known in (("lab", lab), ("luv", luv)):
        assert torch.allclose(COLOR_MODELS[name].of_linear(torch.eye(3)).T, torch.tensor(known), atol=0.1)


def test_colors_come_into_the_gamut_with_their_luminance_and_hue() -> None:
    weights = torch.tensor([0.2126390, 0.7151687, 0.0721923])
    wide = 2 * light() - 0.5
    inside, share = into_gamut(wide)
    assert inside.min() >= 0
    assert inside.max() <= 1
    assert 0.5 < share < 1
    before, after = weights @ wide, weights @ inside
    could = (before > 0) & (before < 1)
    assert torch.allclose(before[could], after[could], atol=1e-5)
    gray = [wide - before, inside - after]
    cosine = torch.cosine_similarity(gray[0][:, could], gray[1][:, could], dim=0)
    colored = gray[1][:, could].norm(dim=0) > 1e-3
    assert cosine[colored].min() > 0.999
    assert torch.equal(into_gamut(light())[0], light())
