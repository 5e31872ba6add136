"""The parts of the search for a layout: resolutions, patches as points, PatchMatch, cells, and copies that are cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from assetforge_multiply._canvas import COARSEST, Canvas, Level, Pyramid, largest_square, levels
from assetforge_multiply._field import (
    LARGEST,
    PATCH,
    CopiedRegion,
    CopyLimits,
    Field,
    largest_copy,
    patch_window,
    pixel_coordinates,
    stride_of,
    too_large_copies,
)
from assetforge_multiply._search import DIMENSIONS, Patches, Search, occurrences
from assetforge_multiply._structure import Lattice, LatticeConstraint, find_lattice, shuffle_cells, whole_periods
from torch import Tensor

SIDE = 48


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(channels: int = 3, height: int = SIDE, width: int = SIDE, seed: int = 0) -> Tensor:
    return torch.rand(channels, height, width, generator=generator(seed))


def canvas(atlas: Tensor | None = None, size: tuple[int, int] = (SIDE, SIDE)) -> Canvas:
    features = noise() if atlas is None else atlas
    return Canvas.at(Level(1.0, (features.shape[1], features.shape[2]), size), features[None])


def copied(height: int = 40, width: int = 40) -> Field:
    """A field that copies the exemplar as it is."""
    rows, columns = torch.arange(height), torch.arange(width)
    shape = (height, width)
    return Field(rows[:, None].expand(shape), columns.expand(shape), torch.ones(shape), 1, (height + 8, width + 8))


# Resolutions


@pytest.mark.parametrize(("source", "result"), [((200, 300), (300, 200)), ((64, 64), (128, 96)), ((17, 90), (90, 90))])
def test_levels_go_from_coarse_to_fine_and_end_at_the_full_size(
    source: tuple[int, int], result: tuple[int, int]
) -> None:
    found = levels(source, result)
    assert [one.scale for one in found] == sorted(one.scale for one in found)
    assert (found[-1].source_size, found[-1].result_size) == (source, result)
    assert all(min(one.source_size) >= COARSEST * 0.9 for one in found)
    assert all(side % 2 == 0 for one in found[:-1] for side in one.result_size)


def test_no_level_is_below_the_coarsest_that_is_allowed() -> None:
    assert min(one.scale for one in levels((256, 256), (256, 256), 0.4)) >= 0.4
    assert len(levels((256, 256), (256, 256), 1.0)) == 1


def test_in_place_exemplar_and_result_are_equally_large_at_every_level() -> None:
    assert all(one.source_size == one.result_size for one in levels((90, 122), (90, 122), in_place=True))


@pytest.mark.parametrize("side", [1, 5, 11])
def test_the_largest_square_is_measured(side: int) -> None:
    mask = torch.zeros(2, 30, 40, dtype=torch.bool)
    mask[1, 4 : 4 + side, 9 : 9 + side] = True
    mask[0, 0, 3] = True
    assert largest_square(mask) == side


@pytest.mark.parametrize(("size", "stride"), [((64, 64), 1), ((66, 66), 2), ((65, 200), 1), ((200, 65), 1)])
def test_patches_lie_at_every_second_pixel_of_what_is_large_and_even(size: tuple[int, int], stride: int) -> None:
    assert stride_of(size) == stride


def test_a_pyramid_keeps_its_small_levels() -> None:
    pyramid = Pyramid(noise()[None])
    level = Level(0.5, (24, 24), (24, 24))
    assert pyramid.canvas(level) is pyramid.canvas(level)


def test_a_field_comes_through_other_resolutions() -> None:
    whole = canvas()
    half = Canvas.at(Level(0.5, (SIDE // 2, SIDE // 2), (SIDE // 2, SIDE // 2)), noise()[None])
    back = whole.resized(half.resized(whole.unchanged()))
    inner = (slice(0, 30), slice(0, 30))
    assert (back.y - whole.unchanged().y)[inner].abs().max() <= 1
    assert (back.x - whole.unchanged().x)[inner].abs().max() <= 1


def test_random_pieces_are_as_large_as_a_patch_and_of_the_exemplar() -> None:
    one = canvas()
    field = one.init_random(generator())
    assert field.y.shape == one.shape
    assert field.y.max() < one.patches.height
    assert largest_copy(field) <= 0.06


def test_a_jitter_of_nothing_leaves_all_where_it_is() -> None:
    one = canvas()
    field = one.init_jittered(0.0, generator())
    assert torch.equal(field.y, one.unchanged().y)
    assert torch.equal(field.x, one.unchanged().x)


def test_what_is_ignored_and_what_lies_in_two_exemplars_is_forbidden() -> None:
    two = Canvas.at(Level(1.0, (SIDE, SIDE), (SIDE, SIDE)), torch.stack([noise(), noise(seed=1)]))
    ignore = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    ignore[0, 10, 20] = True
    costs = two.forbidden(ignore).reshape(two.patches.height, two.patches.width)
    assert costs[SIDE - PATCH + 1 : SIDE].eq(torch.inf).all()
    around = costs[10 - PATCH + 1 : 11, 20 - PATCH + 1 : 21]
    assert around.eq(torch.inf).all()
    assert costs.eq(torch.inf).sum() == (PATCH - 1) * two.patches.width + PATCH**2
    with pytest.raises(ValueError, match="nothing is left"):
        two.forbidden(~torch.zeros_like(ignore))


# Patches as points


def test_a_patch_is_nearest_to_itself() -> None:
    image = noise()
    patches = Patches.of(image)
    assert patches.points.shape == ((SIDE - PATCH + 1) ** 2, DIMENSIONS)
    described = patches.describe(image, 1).reshape(SIDE, SIDE, -1)[: patches.height, : patches.width]
    assert torch.equal(described.reshape(-1, DIMENSIONS), patches.points)


def test_distances_between_points_go_with_those_between_patches() -> None:
    image = torch.nn.functional.avg_pool2d(noise(1, SIDE + 4, SIDE + 4)[None], 5, 1)[0]
    patches = Patches.of(image)
    windows = image.unfold(1, PATCH, 1).unfold(2, PATCH, 1)[0].reshape(-1, PATCH * PATCH)
    picked = torch.randint(len(windows), (2, 500), generator=generator(1))
    wanted, found = ((rows[picked[0]] - rows[picked[1]]).square().sum(1).double() for rows in (windows, patches.points))
    assert torch.corrcoef(torch.stack([wanted, found]))[0, 1] > 0.95


def test_the_points_of_an_exemplar_with_few_patches_are_the_same_each_time() -> None:
    small = noise(2, 12, 13)
    assert torch.equal(Patches.of(small).points, Patches.of(small.clone()).points)


def search(one: Canvas, image: Tensor, **more: object) -> Search:
    free = torch.zeros(len(one.patches.points))
    wanted = one.patches.describe(image, one.stride)
    return Search(one.patches, wanted, free, one.init_random(generator()), generator(2), **more)  # type: ignore[arg-type]


def test_a_search_finds_where_pieces_of_the_exemplar_come_from() -> None:
    image = noise()
    one = canvas(image)
    found = search(one, image)
    before = found.distance().mean()
    found.run(6, SIDE)
    assert found.distance().mean() < 0.2 * before
    right = (found.layout().y == one.unchanged().y) & (found.layout().x == one.unchanged().x)
    assert right[: one.patches.height, : one.patches.width].float().mean() > 0.8


def test_a_search_never_gets_worse() -> None:
    image = noise()
    found = search(canvas(image), noise(seed=5))
    costs = [found.cost.clone()]
    for _ in range(3):
        found.run(1, SIDE)
        costs.append(found.cost.clone())
    assert all((after <= before).all() for before, after in pairwise(costs))


def test_what_must_not_be_used_is_not() -> None:
    image = noise()
    one = canvas(image)
    found = search(one, image)
    upper = torch.arange(one.patches.height)[:, None].expand(one.patches.height, one.patches.width) < 20
    found = replace(found, penalty=torch.zeros(upper.numel()).masked_fill(upper.flatten(), torch.inf))
    found.run(6, SIDE)
    assert (found.layout().y[found.cost < torch.inf] >= 20).all()
    assert (found.cost < torch.inf).float().mean() > 0.99


def test_occurrences_are_one_on_average_and_high_where_much_is_taken() -> None:
    patches = Patches.of(noise())
    y, x = torch.full((10, 10), 5), torch.full((10, 10), 7)
    used = occurrences(y, x, patches, 2).reshape(patches.height, patches.width)
    assert used[5, 7] > 10
    assert used[30, 30] == 0
    everywhere = torch.arange(patches.height), torch.arange(patches.width)
    even = occurrences(*torch.meshgrid(*everywhere, indexing="ij"), patches, 3)
    assert torch.allclose(even, torch.ones_like(even), atol=1e-5)


# Cells


def cells(period: tuple[int, int] = (20, 26), side: int = 130) -> Tensor:
    """Dark lines between rectangles, under a little noise."""
    rows, columns = torch.arange(side) % period[0], torch.arange(side) % period[1]
    bright = ((rows >= 3)[:, None] & (columns >= 3)).float()
    return (bright + 0.05 * noise(1, side, side)[0])[None]


def test_a_pattern_that_repeats_is_found_and_noise_is_not() -> None:
    found = find_lattice(cells())
    assert found is not None
    assert found.height == pytest.approx(20, abs=0.3)
    assert found.width == pytest.approx(26, abs=0.3)
    assert found.strictness > 0.8
    assert find_lattice(noise(1, 130, 130)) is None


def test_a_scaled_lattice_has_scaled_cells() -> None:
    lattice = Lattice(20.0, 26.0, 0.9, 3.0, 4.0)
    assert lattice.scaled(2, 0.5) == Lattice(40.0, 13.0, 0.9, 6.0, 2.0)


@pytest.mark.parametrize("size", [(100, 130), (90, 150), (19, 27)])
def test_a_stretched_exemplar_lets_the_result_hold_whole_cells(size: tuple[int, int]) -> None:
    lattice = Lattice(20.0, 26.0, 0.9)
    up, across = whole_periods(lattice, size)
    for side, period in zip(size, (20.0 * up, 26.0 * across), strict=True):
        assert side / period == pytest.approx(round(side / period))
        assert round(side / period) >= 1


def test_shuffled_cells_stay_in_their_place_of_the_cell() -> None:
    lattice = Lattice(20.0, 26.0, 0.9)
    y, x = shuffle_cells(lattice, (100, 130), (100, 130), generator())
    rows, columns = torch.arange(100), torch.arange(130)
    assert torch.allclose(y % 20, (rows % 20).float()[:, None].expand(100, 130), atol=1e-3)
    assert torch.allclose(x % 26, (columns % 26).float().expand(100, 130), atol=1e-3)
    assert y.max() < 100
    assert (y // 20).unique().numel() > 1


def test_a_constraint_forbids_what_lies_elsewhere_in_the_cell_and_snaps_it_back() -> None:
    constraint = LatticeConstraint(10.0, 10.0, 1.0)
    y, x = torch.tensor([[0, 11]]), torch.tensor([[20, 4]])  # places are columns 0 and 2
    assert constraint.broken(y, x, 2, (50, 50)).tolist() == [[False, True]]
    field = Field(y, x, torch.ones(1, 2), 2, (60, 60))
    snapped = constraint.snapped(field, (50, 50))
    assert snapped.y.tolist() == [[0, 10]]
    assert snapped.x.tolist() == [[20, 2]]
    assert not constraint.broken(snapped.y, snapped.x, 2, (50, 50)).any()


# Copies


def test_an_exemplar_as_it_is_is_one_copy_and_random_patches_are_none() -> None:
    field = copied()
    assert largest_copy(field) == 1
    random = replace(field, y=torch.randint(40, (40, 40), generator=generator(3)))
    assert largest_copy(random) < 0.02


def test_a_copy_that_goes_on_across_the_edge_of_the_torus_is_one() -> None:
    field = copied()
    turned = replace(field, y=field.y.roll(13, 0), x=field.x.roll(9, 1))
    assert largest_copy(turned) == 1


def test_a_region_that_is_too_large_keeps_its_core_and_may_not_go_on() -> None:
    field = copied()
    [region] = too_large_copies(field)
    assert region.core.sum() == round(LARGEST * field.y.numel())
    assert torch.equal(region.core | region.rest, torch.ones_like(region.core))
    assert not (region.core & region.rest).any()
    limits = CopyLimits.of([region], field)
    assert limits is not None
    broken = limits.broken(field.y, field.x, field)
    assert torch.equal(broken, region.rest)
    away = (field.y + 20) % 40
    assert not limits.broken(away, field.x, field).any()


def test_where_nothing_is_too_large_there_are_no_limits() -> None:
    assert CopyLimits.of([], copied()) is None


def test_a_core_is_around_the_innermost_patch() -> None:
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[10:31, 5:26] = True
    region = CopiedRegion.cut(mask, copied())
    assert region.core[20, 15]
    assert not (region.core & ~mask).any()
    rows, columns = region.core.nonzero().T
    assert rows.float().mean() == pytest.approx(20, abs=1)
    assert columns.float().mean() == pytest.approx(15, abs=1)


def test_a_patch_counts_most_in_its_middle_and_alike_on_all_sides() -> None:
    window = patch_window()
    assert torch.equal(window, window.T)
    assert torch.equal(window, window.flip(0))
    assert window.argmax() in (27, 28, 35, 36)


def test_of_a_field_that_copies_each_pixel_is_where_it_was() -> None:
    y, x = pixel_coordinates(copied())
    inner = slice(4, 36)
    assert torch.equal(y[inner, inner], torch.arange(4, 36)[:, None].expand(32, 32))
    assert torch.equal(x[inner, inner], torch.arange(4, 36).expand(32, 32))
