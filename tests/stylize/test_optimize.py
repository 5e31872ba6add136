"""The optimization of `stylize`: a law for its gradient, and what statistics, weights and masks do."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from assetforge_stylize import _pieces, _ties
from assetforge_stylize._objective import Anchor, Near, Objective, Region, View, Worth
from assetforge_stylize._optimize import Settings, Style, style_distance, stylize
from assetforge_stylize._pieces import Pieces
from assetforge_stylize._poisson import screened_poisson
from assetforge_stylize._sheet import Sheet
from assetforge_stylize._ties import ties
from assetforge_stylize._transport import mean_deviation, whitened_colored
from torch import Tensor

from assetforge.ops.color import srgb_encode
from assetforge.ops.dead_leaves import dead_leaves
from assetforge.ops.seams import seam_score
from assetforge.samples import make_sample
from assetforge.weights import SHIPPED
from assetforge.weights.distances import MEASURES, Loss
from assetforge.weights.features import Border, Features, Vgg19, random_features

SIDE = 64
STEPS = 12


@lru_cache
def forge() -> Features:
    return Vgg19.load(SHIPPED / "forge.safetensors")


@lru_cache
def picture(name: str, side: int = SIDE) -> Tensor:
    """Leaves of the colors of a sample: edges and areas as photographs have them."""
    texture = (srgb_encode(make_sample(name, 128)["base_color"].data) * 255).byte().permute(1, 2, 0).numpy()
    drawn = dead_leaves(side, [texture], np.random.default_rng(len(name)))
    return torch.from_numpy(drawn).permute(2, 0, 1).float().contiguous() / 255


@lru_cache
def painting(name: str, side: int = SIDE) -> Tensor:
    """Leaves in other colors, under strokes."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    strokes = 0.1 * torch.sin((x + 2 * y) * 2 * torch.pi / 16)
    return (picture(name, side).flip(0) + strokes).clamp(0, 1)


def settings(**changes: object) -> Settings:
    return replace(Settings(forge(), steps=STEPS, coarsest=SIDE), **changes)  # type: ignore[arg-type]


def styled(styles: list[Style], content: str = "stone", **changes: object) -> Tensor:
    with torch.no_grad():
        return stylize(picture(content), styles, settings(**changes))


@lru_cache
def of_wood() -> Tensor:
    """Stone in the style of wood: what several tests compare with."""
    return styled([Style(painting("wood"))], steps=30)


def objective(
    loss: Loss,
    *,
    whole: int,
    content: Tensor,
    style: Tensor,
    weight: Tensor | None = None,
    near: float | None = None,
) -> Objective:
    pieces = Pieces(forge(), (content.shape[1], content.shape[2]), "repeat", whole)
    measure = MEASURES[loss]

    def measured(one: Tensor) -> list[object]:
        layers = forge()(one, "repeat")
        return [measure(measure.collect(layer, None, 1.0, torch.Generator().manual_seed(0))) for layer in layers]

    with torch.no_grad():
        region = Region([measured(content)], [measured(style)], weight)  # type: ignore[list-item]
        anchored = Near([Anchor(style, torch.full((1, *content.shape[1:]), 0.5))])
        return Objective(pieces, content, [View()], [region], Worth(smoothness=0.1, near=near), anchored)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", ["moments", "gram"])
@pytest.mark.parametrize("kept", [False, True])
def test_the_gradient_of_pieces_is_that_of_the_whole(
    loss: Loss, masked: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = torch.linspace(0, 1, SIDE).expand(SIDE, SIDE) if masked else None
    given = {"content": picture("stone"), "style": painting("wood"), "weight": weight}
    here = (picture("stone") + 0.05 * torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    monkeypatch.setattr(_pieces, "_LEAST_ROWS", SIDE)
    value, slope = objective(loss, whole=SIDE * SIDE, **given)(here, 0)  # type: ignore[arg-type]
    monkeypatch.setattr(_pieces, "_LEAST_ROWS", 16)
    in_pieces, same = objective(loss, whole=SIDE * SIDE if kept else 1, **given)(here, 0)  # type: ignore[arg-type]
    assert in_pieces == pytest.approx(value, rel=1e-4)
    assert (same - slope).abs().max() < 1e-3 * slope.abs().max()


@pytest.mark.parametrize("near", [None, 100.0, 0.5, 0.001])
def test_the_gradient_is_that_of_the_value(near: float | None) -> None:
    function = objective("moments", whole=SIDE * SIDE, content=picture("stone"), style=painting("wood"), near=near)
    here, along = picture("brick"), painting("fabric") - 0.5
    _, slope = function(here, 0)
    step = 1e-4
    change = (function(here + step * along, 0)[0] - function(here - step * along, 0)[0]) / (2 * step)
    assert change == pytest.approx(float((slope * along).sum()), rel=0.02)


WAYS = [
    ("forge", "moments"), ("forge", "gram"), ("forge", "sliced"), ("random", "moments"),
    *(pytest.param("random", loss, marks=pytest.mark.slow) for loss in ("gram", "sliced")),
]  # fmt: skip


@pytest.mark.parametrize(("network", "loss"), WAYS)
def test_statistics_go_to_the_style_and_edges_stay(network: str, loss: Loss) -> None:
    features = forge() if network == "forge" else random_features(3, torch.Generator().manual_seed(0))
    style = painting("wood")
    result = styled([Style(style)], network=features, loss=loss, steps=30 if network == "forge" else 40)
    assert style_distance(result, style, forge()) < 0.4 * style_distance(picture("stone"), style, forge())
    assert gradient_correlation(result, picture("stone")) > 0.25


def test_what_tiles_goes_on_tiling() -> None:
    stone = srgb_encode(make_sample("stone", SIDE)["base_color"].data).clamp(0, 1)
    with torch.no_grad():
        result = stylize(stone, [Style(painting("wood"))], settings(steps=25), tiles=True)
    assert seam_score(result) <= 1.2


def gradient_correlation(one: Tensor, other: Tensor) -> float:
    slopes = [torch.cat([part.mean(0).diff(dim=axis).flatten() for axis in (0, 1)]) for part in (one, other)]
    return float(torch.corrcoef(torch.stack(slopes))[0, 1])


@pytest.mark.slow
def test_of_what_is_far_from_the_style_the_content_yields() -> None:
    style = painting("wood")
    free, urged = (styled([Style(style)], steps=60, worth=Worth(content=1.0, near=near)) for near in (None, 0.01))
    assert style_distance(urged, style, forge(), "moments") < 0.8 * style_distance(free, style, forge(), "moments")
    assert gradient_correlation(urged, picture("stone")) < gradient_correlation(free, picture("stone"))


@pytest.mark.slow
def test_lbfgs_gets_there_too() -> None:
    style = painting("wood")
    result = styled([Style(style)], optimizer="lbfgs", steps=15)
    assert style_distance(result, style, forge()) < 0.4 * style_distance(picture("stone"), style, forge())


def test_half_the_strength_goes_half_of_the_way() -> None:
    style = painting("wood")
    half_way = styled([Style(style)], strength=0.5, steps=30)
    distances = [style_distance(one, style, forge()) for one in (picture("stone"), half_way, of_wood())]
    assert all(after < 0.9 * before for before, after in pairwise(distances))


@pytest.mark.parametrize("shares", [(0.5,), pytest.param((0.25, 0.5, 0.75), marks=pytest.mark.slow)], ids=str)
def test_between_two_styles_both_distances_are_monotone(shares: tuple[float, ...]) -> None:
    first, second = painting("wood"), 1 - painting("brick")
    ends = [[Style(first)], [Style(second)]]
    between = [[Style(first, 1 - share), Style(second, share)] for share in shares]
    light = Worth(content=0.01)
    results = [styled(styles, steps=30, worth=light) for styles in (ends[0], *between, ends[1])]
    for style, order in ((first, False), (second, True)):
        distances = [style_distance(one, style, forge()) for one in results]
        nearer = reversed(distances) if order else distances
        assert all(before < after - 0.01 for before, after in pairwise(nearer))


def test_each_style_stays_within_its_mask() -> None:
    side = 80
    left = torch.zeros(1, side, side)
    left[:, :, : side // 2] = 1
    bright, dark = painting("wood", side).clamp_min(0.1), painting("fabric", side)
    with torch.no_grad():
        result = stylize(picture("stone", side), [Style(bright, mask=left), Style(dark)], settings(steps=40))
    for half, own, other in ((result[:, :, : side // 2], bright, dark), (result[:, :, side // 2 :], dark, bright)):
        assert 2 * style_distance(half, own, forge()) < style_distance(half, other, forge())


def test_what_is_not_seen_does_not_count() -> None:
    """The hidden half of the content may be anything: the visible half becomes the same but for its border."""
    seen = torch.ones(1, SIDE, SIDE)
    seen[:, :, SIDE // 2 :] = 0
    content = picture("stone").clone()
    content[:, :, SIDE // 2 :] = 0.9
    with torch.no_grad():
        whole, half = (
            stylize(content, [Style(painting("wood"))], settings(steps=20), seen=mask) for mask in (None, seen)
        )
    style = painting("wood")
    visible = slice(0, SIDE // 2)
    assert style_distance(half[:, :, visible], style, forge()) < style_distance(whole[:, :, visible], style, forge())


def test_a_style_counts_where_it_is_seen() -> None:
    style = torch.cat([painting("wood"), torch.rand(3, SIDE, SIDE)], 2)
    seen = torch.cat([torch.ones(1, SIDE, SIDE), torch.zeros(1, SIDE, SIDE)], 2)
    result = styled([Style(style, seen=seen)], steps=30)
    wanted = painting("wood")
    assert style_distance(result, wanted, forge()) < 2 * style_distance(of_wood(), wanted, forge()) + 0.02


def test_of_a_flat_texture_there_comes_a_picture() -> None:
    style = painting("wood")
    with torch.no_grad():
        result = stylize(torch.full((3, SIDE, SIDE), 0.4), [Style(style)], settings(steps=25))
    assert style_distance(result, style, forge()) < 0.3 * style_distance(torch.full_like(style, 0.4), style, forge())


def test_it_stays_near_an_anchor_where_that_has_weight() -> None:
    anchor = painting("brick")
    weight = torch.zeros(1, SIDE, SIDE)
    weight[:, : SIDE // 2] = 1e5
    with torch.no_grad():
        result = stylize(
            picture("stone"), [Style(painting("wood"))], settings(steps=40), anchors=[Anchor(anchor, weight)]
        )
    off = (result - anchor).abs().mean((0, 2))
    assert off[: SIDE // 2 - 4].mean() < 0.3 * off[SIDE // 2 + 4 :].mean()


@pytest.mark.parametrize("carry", [whitened_colored, mean_deviation])
def test_transport_arrives_at_the_wanted_moments(carry: type) -> None:
    generator = torch.Generator().manual_seed(0)
    mixing, other = torch.randn(2, 6, 6, generator=generator)
    features = (mixing @ torch.randn(6, 4000, generator=generator) + 3).reshape(6, 40, 100)
    wanted = (other @ torch.randn(6, 4000, generator=generator) - 1).reshape(6, 40, 100)
    moments = [(one.flatten(1).mean(1, keepdim=True), torch.cov(one.flatten(1))) for one in (features, wanted)]
    moved = carry(*moments)(features).flatten(1)
    assert torch.allclose(moved.mean(1, keepdim=True), moments[1][0], atol=1e-3)
    found, goal = (
        (torch.cov(moved), moments[1][1]) if carry is whitened_colored else (moved.var(1), moments[1][1].diagonal())
    )
    assert (found - goal).norm() < 0.05 * goal.norm()


def test_ties_hold_where_brightness_tells_of_a_map_and_break_where_it_does_not() -> None:
    plane = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    tied = ties(plane * 0.5, {"height": plane, "flat": torch.full_like(plane, 0.5)})
    assert len(tied.bins) == 1
    assert float(tied.off(plane * 0.2 + 0.1)) < 1e-4
    assert float(tied.off(plane.flip(0))) > 0.3


@pytest.mark.parametrize("border", ["repeat", "reflect"])
def test_ties_draw_no_chessboard_of_single_pixels(border: Border) -> None:
    """Networks hardly see them: what ties drew so stayed there, as a weave."""
    plane, drawn = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    drawn.requires_grad_()
    pull = torch.autograd.grad(ties(plane * 0.5, {"height": plane}, border=border).off(drawn), drawn)[0]
    power = torch.fft.fft2(pull).abs().square()
    corner = slice(SIDE // 2 - SIDE // 16, SIDE // 2 + SIDE // 16 + 1)  # of the frequencies of chessboards
    assert power[corner, corner].mean() < 0.02 * power.mean()


def test_ties_of_large_pictures_are_counted_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    height, brightness = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    found = []
    for pixels in (2**20, 1000):
        monkeypatch.setattr(_ties, "_PIXELS", pixels)
        here = brightness.clone().requires_grad_()
        off = ties(height, {"height": height, "square": height.square()}).off(here)
        found.append((off.detach(), torch.autograd.grad(off, here)[0]))
    for whole, parts in zip(*found, strict=True):
        assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-6)


def test_screened_poisson_keeps_gradients_at_one_end_and_colors_at_the_other() -> None:
    target, content = painting("wood"), picture("stone")
    for tiles in (True, False):
        assert torch.allclose(screened_poisson(target, content, 1e6, tiles=tiles), target, atol=1e-3)
        kept = screened_poisson(target, content, 1e-9, tiles=tiles)
        assert torch.allclose(
            kept - kept.mean((1, 2), keepdim=True), content - content.mean((1, 2), keepdim=True), atol=1e-2
        )
        assert torch.allclose(kept.mean((1, 2)), target.mean((1, 2)), atol=1e-3)


def test_cells_come_apart_and_together_again() -> None:
    sheet = Sheet(4, 2, (40, 80), 16)
    pixels = torch.rand(3, 40, 80)
    apart = sheet.apart(pixels)
    assert apart.shape == (3, 2 * (20 + 32), 4 * (20 + 32))
    assert torch.equal(sheet.together(apart), pixels)
    assert torch.equal(apart[:, 16, 16:36], pixels[:, 0, :20])
    assert torch.equal(apart[:, 16, 15], pixels[:, 0, 1])


def test_what_ties_hold_may_be_of_any_range() -> None:
    """Steep slopes and heights beyond 1 tell as much as those between."""
    plane = painting("wood").mean(0)
    results = [
        stylize(
            picture("stone"), [Style(painting("wood"))], settings(steps=3), planes={"height": plane * scale - shift}
        )
        for scale, shift in ((1, 0), (8, 4))
    ]
    assert torch.allclose(*results, atol=1e-3)
