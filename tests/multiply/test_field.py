"""Fields: how patches are put together, and the map that holds a field."""

from __future__ import annotations

import pytest
import torch
from assetforge_multiply._field import Field, choose, coordinates, derive_seed, field_of, seed_of, vote

SIZE = (40, 56)
"""Of the exemplar."""


def random_field(height: int, width: int, stride: int = 2, exemplars: int = 1) -> Field:
    generator = torch.Generator().manual_seed(0)
    shape = (height // stride, width // stride)
    number = torch.randint(exemplars, shape, generator=generator)
    y = torch.randint(SIZE[0] - 7, shape, generator=generator) + number * SIZE[0]
    x = torch.randint(SIZE[1] - 7, shape, generator=generator)
    y[0, 0], y[0, 1], x[0, 0], x[0, 1] = 0, SIZE[0] - 8, 0, SIZE[1] - 8
    weight = (torch.rand(shape, generator=generator) * 65534 + 1).round() / 65535
    return Field(y, x, weight, stride, SIZE)


def identity(stride: int = 2) -> Field:
    rows, columns = (torch.arange(0, side, stride) for side in (32, 48))
    shape = (len(rows), len(columns))
    return Field(rows[:, None].expand(shape), columns.expand(shape), torch.ones(shape), stride, SIZE)


@pytest.mark.parametrize(("size", "stride"), [((64, 48), 1), ((96, 72), 2)])
def test_a_field_goes_through_its_map_and_a_file_of_16_bits(size: tuple[int, int], stride: int) -> None:
    field = random_field(*size, stride, exemplars=3)
    where = coordinates(field)
    assert where.shape == (4, *size)
    for saved in (where, (where * 65535).round() / 65535):
        found = field_of(saved)
        assert (found.stride, found.source_size) == (field.stride, field.source_size)
        assert torch.equal(found.y, field.y)
        assert torch.equal(found.x, field.x)
        assert torch.allclose(found.weight, field.weight, atol=1e-6)


def test_patches_that_fit_give_back_what_they_are_of() -> None:
    channels = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))
    field = identity()
    inner = (slice(None), slice(8, 24), slice(8, 40))  # at the edges, patches of the opposite ones lie, too
    assert torch.allclose(vote(channels, field)[inner], channels[:, :32, :48][inner], atol=1e-6)
    assert torch.equal(choose(channels, field)[inner], channels[:, :32, :48][inner])


def test_what_is_chosen_is_never_averaged() -> None:
    numbers = torch.randint(5, (1, *SIZE), generator=torch.Generator().manual_seed(1)).float() * 10
    field = random_field(64, 64)
    assert set(choose(numbers, field).unique().tolist()) <= {0.0, 10.0, 20.0, 30.0, 40.0}
    assert vote(numbers, field).unique().numel() > 5


def test_seeds_depend_on_all_that_they_are_derived_from() -> None:
    seeds = [derive_seed(*numbers) for numbers in ((1,), (2,), (1, 2), (12,), (2, 1), (2**80, 1))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**48 for seed in seeds)
    assert seed_of(identity()) == seed_of(identity())
    assert seed_of(identity()) != seed_of(random_field(64, 64))
