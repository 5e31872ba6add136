"""`assetforge.testing` finds what is wrong with a step, and says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
import torch

import assetforge as af
from assetforge import testing
from assetforge.material.material import Material
from assetforge.material.texture import Texture

Change = Callable[[Material, af.Context], Material]
_CALLS = count()


def step_of(change: Change, **declared: object) -> af.Step[af.Params]:
    declared = {"reads": {"base_color"}, "writes": {"base_color"}, **declared}

    @af.step("tried", af.Params, **declared)  # type: ignore[arg-type]
    def tried(material: Material, params: af.Params, context: af.Context) -> Material:
        return change(material, context)

    return tried


def color(material: Material, change: Callable[[torch.Tensor], torch.Tensor]) -> Material:
    base = material["base_color"]
    return material.replace(base_color=base.with_data(change(base.data)))


def in_place(material: Material, context: af.Context) -> Material:
    material["base_color"].data.mul_(0.5)
    return material


def by_threads(material: Material, context: af.Context) -> Material:
    return color(material, lambda data: data * (1 - 0.25 * (torch.get_num_threads() > 1)))


def torn(material: Material, context: af.Context) -> Material:
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
    return color(material, lambda data: (data * 0.1 + ramp).clamp(0, 1))


def in_tiles(material: Material, context: af.Context) -> Material:
    return color(material, lambda data: data / context.tile_divisor)


def clamped(material: Material, context: af.Context) -> Material:
    return material.replace(base_color=replace(material["base_color"], wrap="clamp"))


def noted(material: Material, context: af.Context) -> Material:
    context.note("calls", next(_CALLS))
    return material


GRAY = Texture(torch.full((1, 64, 64), 0.5), af.ColorSpace.NONE, "repeat")


@pytest.mark.parametrize(
    ("check", "change", "declared", "expected"),
    [
        ("check_step", lambda m, _: color(m, torch.sqrt), {}, None),
        ("check_step", lambda m, _: m, {"reads": {"id"}}, r"reads \['id'\], which nothing gives"),
        ("check_step", lambda m, _: m, {"writes": {"grime"}}, r"writes \['grime'\].* no plugin registers"),
        ("check_step", lambda m, _: m.only(), {}, "declares to write 'base_color', and returned"),
        ("check_step", lambda *_: None, {}, "returned a NoneType"),
        (
            "check_step",
            lambda m, _: m.replace(normal=m["normal"]),
            {},
            "declares to read .'base_color'. alone: .*normal",
        ),
        ("check_step", lambda m, _: m.replace(height=GRAY), {}, r"wrote \['height'\], which it does not declare"),
        ("check_step", lambda m, _: color(m, lambda d: d / 0), {}, "that are not finite"),
        (
            "check_step",
            lambda m, _: color(m, lambda d: d + 1),
            {},
            "wrote values from 1.* into 'base_color'",
        ),
        ("check_step", in_place, {}, "changed its input 'base_color' in place"),
        ("check_step", lambda m, _: color(m, torch.rand_like), {}, "another 'base_color' when it runs again"),
        ("check_step", by_threads, {}, "another 'base_color' with 1 and with 2 threads"),
        ("check_step", noted, {}, "other notes or flags when it runs again"),
        ("check_tileable", lambda m, _: m, {}, None),
        ("check_tileable", torn, {}, "the seam of 'base_color' shows"),
        ("check_tileable", clamped, {}, "wrap 'clamp'"),
        ("check_tiles_do_not_show", lambda m, _: m, {}, None),
        ("check_tiles_do_not_show", in_tiles, {}, "tiles show in 'base_color' with tile_divisor 2"),
    ],
)
def test_what_is_wrong_with_a_step_is_said(
    check: str, change: Change, declared: dict[str, object], expected: str | None
) -> None:
    tried, threads = step_of(change, **declared), torch.get_num_threads()
    material = testing.sample("brick")
    if expected is None:
        getattr(testing, check)(tried, material)
    else:
        with pytest.raises(AssertionError, match=expected):
            getattr(testing, check)(tried, material)
    assert torch.get_num_threads() == threads


def test_a_step_runs_as_in_a_pipeline() -> None:
    def change(material: Material, context: af.Context) -> Material:
        assert set(material) == {"base_color", "height"}
        context.note("seed", context.seed)
        context.flag("doubtful")
        return color(material, lambda data: data * 0.5)

    material = testing.sample("stone", 32)
    result = testing.run_step(step_of(change, reads={"base_color", "height"}), material, seed=3)
    assert result.written == {"base_color"}
    assert set(result.material) == set(material)
    assert result.material["normal"] is material["normal"]
    assert (result.notes, result.flags) == ({"seed": 3}, (af.Flag("doubtful"),))
    torch.testing.assert_close(result.material["base_color"].data, material["base_color"].data * 0.5)
