"""The structure of an exemplar that stays: cells of a pattern, pieces between grooves."""

from __future__ import annotations

import pytest
import torch
from assetforge_multiply._quality import MAX_GROWTH
from assetforge_multiply._structure import growth_of_pieces
from multiply.conftest import multiply, multiply_and_tell

from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.statistics import autocorrelation


def grid(height: float, width: float, side: int = 160, seed: int = 0) -> torch.Tensor:
    """A pattern of rectangles of different brightness with dark lines between them."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.arange(side) / period for period in (height, width))
    cells = torch.rand(int(rows[-1]) + 1, int(columns[-1]) + 1, generator=generator) * 0.3 + 0.6
    image = cells[rows.long()][:, columns.long()]
    lines = ((rows % 1) * height < 3)[:, None] | ((columns % 1) * width < 3)
    grain = torch.rand(side, side, generator=generator) * 0.05
    return torch.where(lines, 0.1, image) + grain


@pytest.mark.parametrize(("height", "width"), [
    (25.5, 40), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((32, 32), (20, 33.3))),
])  # fmt: skip
def test_rows_and_columns_of_a_regular_pattern_stay(height: float, width: float) -> None:
    pattern = grid(height, width)
    material = Material("grid", {"height": Texture(pattern[None], ColorSpace.NONE)})
    result = multiply(material, candidates=1)["height"].data[0]
    cells = [max(1, round(160 / period)) for period in (height, width)]
    before = autocorrelation(pattern, repeat=False)
    after = autocorrelation(result, repeat=True)
    for axis, (period, count) in enumerate(zip((height, width), cells, strict=True)):
        lines = [one.select(1 - axis, 0) for one in (before, after)]
        assert lines[1][round(160 / count)] >= 0.8 * lines[0][round(period)]


def wall(side: int, joints: bool = True) -> torch.Tensor:
    """Courses of stones, half as high as they are wide, of many lengths, with grooves between them."""
    generator = torch.Generator().manual_seed(5)
    image = 0.7 + 0.2 * torch.rand(side, side, generator=generator)
    for course in range(0, side, 12):
        image[course : course + 2] = 0.1
        at = int(torch.randint(20, (), generator=generator))
        while joints and at < side:
            image[course : course + 12, at : at + 2] = 0.1
            at += int(torch.randint(18, 34, (), generator=generator))
    return image


def test_pieces_that_grew_together_are_told_from_those_that_did_not() -> None:
    apart, moved, bands = wall(160), wall(160).roll((6, 31), (0, 1)), wall(160, joints=False)
    assert growth_of_pieces(moved, apart) == pytest.approx(1, abs=0.3)
    assert growth_of_pieces(bands, apart) > MAX_GROWTH
    assert growth_of_pieces(torch.rand(160, 160), torch.zeros(160, 160)) is None


def test_low_stones_do_not_become_bands() -> None:
    stones = Material("wall", {"height": Texture(wall(160)[None], ColorSpace.NONE)})
    result, notes, flags = multiply_and_tell(stones, candidates=3)
    assert notes["growth_of_pieces"]["height"] <= MAX_GROWTH
    assert not [flag for flag in flags if "grew together" in flag]
    # What runs across a course is a joint: there are as many as there were.
    down = (result["height"].data[0] < 0.3).float().mean().item()
    assert down == pytest.approx((wall(160) < 0.3).float().mean().item(), abs=0.06)
