"""The partitions of BC7 and BC6H: what the format asks of the table, and that the best one is found."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.blocks import PIXELS, Encoded
from assetforge.ops.partitions import best_partitions, grain, ranked, second_anchor, second_subset, unpartitioned

ALL = torch.arange(64)


def test_the_first_pixel_is_in_the_first_subset_and_no_subset_is_empty() -> None:
    second = second_subset(ALL)
    assert second.shape == (PIXELS, 64)
    assert set(second.unique().tolist()) == {0.0, 1.0}
    assert (second[0] == 0).all()
    assert (second.sum(0) > 0).all()


def test_no_two_partitions_are_alike() -> None:
    assert len({tuple(column.tolist()) for column in second_subset(ALL).T}) == 64


def test_anchors_lie_in_the_second_subset() -> None:
    assert (second_subset(ALL).gather(0, second_anchor(ALL)[None]) == 1).all()


@pytest.mark.parametrize("number", [0, 13, 31, 47, 63])
def test_a_block_of_two_colors_is_split_where_they_part(number: int) -> None:
    second = second_subset(torch.tensor([number]))
    colors = torch.tensor([[200.0, 40.0], [30.0, 220.0], [10.0, 90.0]])
    noise = torch.randint(0, 5, (3, PIXELS, 1), generator=torch.Generator().manual_seed(number))
    block = (colors[:, :1, None] * (1 - second) + colors[:, 1:, None] * second + noise).double()
    off, along = ranked(block, 64)
    assert best_partitions(off, along, 3, 1).item() == number


def test_partitions_that_are_tried_differ() -> None:
    pixels = torch.randint(0, 256, (3, PIXELS, 50), generator=torch.Generator().manual_seed(0)).double()
    found = best_partitions(*ranked(pixels, 64), 2, 4)
    assert found.shape == (4, 50)
    assert all(len(set(column.tolist())) == 4 for column in found.T)


def test_what_lies_on_a_line_is_nowhere_off_it() -> None:
    steps = torch.arange(PIXELS).double()
    line = torch.stack([10 + 3 * steps, 200 - 5 * steps, 40 + 2 * steps])[..., None]
    off, along = unpartitioned(line)
    variance = (line - line.mean(1, keepdim=True)).square().sum()
    assert off.item() < 1e-6 * variance
    assert along.item() == pytest.approx(variance.item())


def test_squares_off_and_along_are_all_that_there_are_and_two_lines_leave_no_more_than_one() -> None:
    pixels = torch.randint(0, 256, (4, PIXELS, 20), generator=torch.Generator().manual_seed(1)).double()
    off, along = unpartitioned(pixels)
    total = (pixels - pixels.mean(1, keepdim=True)).square().sum((0, 1))
    assert torch.allclose(off + along, total)
    parted = ranked(pixels, 64)
    assert ((parted[0] + parted[1]) <= total * (1 + 1e-9)).all()


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_rounding_to_more_indices_leaves_less(bits: int) -> None:
    steps = 2**bits - 1
    assert grain(bits) == pytest.approx(1 / (3 * steps**2))
    assert grain(bits + 1) < grain(bits)


def encoded(*errors: float, mode: int) -> Encoded:
    error = torch.tensor(errors)
    numbers = torch.full((len(errors),), mode)
    return Encoded(error, numbers, numbers, numbers.expand(4, 3, -1))


def test_of_two_encodings_the_nearer_is_taken_block_by_block() -> None:
    found = encoded(1, 5, 3, mode=0).better(encoded(2, 4, 3, mode=7))
    assert found.error.tolist() == [1, 4, 3]
    assert found.mode.tolist() == [0, 7, 0]  # the first where they are alike
    assert found.codes[0, 0].tolist() == [0, 7, 0]


def test_some_blocks_are_taken_out_and_put_back() -> None:
    whole, chosen = encoded(1, 2, 3, mode=0), torch.tensor([2, 0])
    assert whole.of(chosen).error.tolist() == [3, 1]
    assert whole.put(chosen, encoded(9, 8, mode=5)).error.tolist() == [8, 2, 9]
    assert whole.put(chosen, whole.of(chosen)).error.tolist() == whole.error.tolist()
