"""What every step promises, as checks that say what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.ops.seams import TILEABLE_BELOW, seam_score
from assetforge.params import Params
from assetforge.steps import Step
from assetforge.testing._run import StepResult, run_step, same_pixels

HALF_CODE = 0.5 / 255
"""Half a step of files with 8 bits."""
ROUNDING = 1e-4
"""How far a value may be outside of the range of its map."""


def check_step(step: Step[Any], material: Material, params: Params | None = None) -> StepResult:
    """Check what is asked of every step: its declarations, its ranges and its determinism. Return the result."""
    result = check_declarations(step, material, params)
    check_deterministic(step, material, params)
    return result


def check_declarations(step: Step[Any], material: Material, params: Params | None = None) -> StepResult:
    """Check that a step reads and writes what it declares and nothing else, and leaves its input as it is.

    A map that it reads without having declared so is not given to it, as in a pipeline. What it writes must lie in the
    range of its map.
    """
    try:
        result = run_step(step, material, params)
    except KeyError as error:
        there = {name: MAPS[name] for name in material if name in MAPS}
        declared = sorted(step.reads_with(step.params() if params is None else params, there))
        raise AssertionError(f"step {step.name!r} declares to read {declared} alone: {error.args[0]}") from error
    _check_ranges(step, result)
    return result


def _check_ranges(step: Step[Any], result: StepResult) -> None:
    """Raise AssertionError where what a step wrote is outside of the range of its map by more than rounding."""
    for name in sorted(result.written):
        least, most = result.specs[name].valid
        for level in result.material[name].levels:
            low, high = (bound.item() for bound in torch.aminmax(level.data))
            where = f"values from {low:.4g} to {high:.4g} into {name!r}, whose range is {least:g} to {most:g}"
            assert least - ROUNDING <= low <= high <= most + ROUNDING, f"step {step.name!r} wrote {where}"


def check_deterministic(
    step: Step[Any], material: Material, params: Params | None = None, *, threads: Sequence[int] = (1, 1, 2)
) -> None:
    """Check that a step gives the same bits, notes and flags each time, with 1 thread and with 2.

    threads: of each run. A step whose results are known to depend on the number of threads is checked with `(1, 1)`.
    """
    results = []
    for count in threads:
        with _threads(count):
            results.append(run_step(step, material, params))
    first = results[0]
    for count, other in zip(threads[1:], results[1:], strict=True):
        how = f"with {threads[0]} and with {count} threads" if count != threads[0] else "when it runs again"
        for name in sorted(first.written):
            same = same_pixels(first.material[name], other.material[name])
            assert same, f"step {step.name!r} gives another {name!r} {how}"
        told = (other.notes, other.flags) == (first.notes, first.flags)
        assert told, f"step {step.name!r} gives other notes or flags {how}"


def check_tileable(step: Step[Any], material: Material, params: Params | None = None) -> None:
    """Check that what tiles goes on tiling: maps that the step writes say `repeat`, and show no seam.

    material: one whose maps tile, such as a sample. No seam may show more than the worst of the material's own.
    """
    before = max((seam_score(texture.data) for texture in material.values()), default=0.0)
    result = run_step(step, material, params)
    for name in sorted(result.written):
        texture = result.material[name]
        assert texture.wrap == "repeat", f"step {step.name!r} made {name!r} of maps that tile: wrap {texture.wrap!r}"
        score, most = seam_score(texture.data), max(TILEABLE_BELOW, before)
        assert score <= most, f"step {step.name!r}: the seam of {name!r} shows (score {score:.2f}, at most {most:.2f})"


def check_tiles_do_not_show(
    step: Step[Any],
    material: Material,
    params: Params | None = None,
    *,
    divisors: Sequence[int] = (2, 8),
    tolerance: float = HALF_CODE,
) -> None:
    """Check that a step gives the same, whatever its tiles are: with `context.tile_divisor` 1 and with others.

    The material has to be larger than the smallest of these tiles, or nothing is cut. tolerance: the greatest
    difference of a number; 0 asks for the same bits.
    """
    whole = run_step(step, material, params)
    for divisor in divisors:
        cut = run_step(step, material, params, tile_divisor=divisor)
        for name in sorted(whole.written):
            one, other = whole.material[name].data, cut.material[name].data
            assert one.shape == other.shape, f"step {step.name!r} makes {name!r} of another size with smaller tiles"
            most = (one - other).abs().max().item()
            shown = f"{most:.2g}, at most {tolerance:.2g}"
            assert most <= tolerance, (
                f"step {step.name!r}: tiles show in {name!r} with tile_divisor {divisor} ({shown})"
            )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
