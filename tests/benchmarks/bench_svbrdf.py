"""How good the materials of `svbrdf` are: pairs rendered from known materials, beside what tools make without repeats.

    PYTHONPATH=tests:plugins python tests/benchmarks/bench_svbrdf.py [--data DIR] [--long SIDE] [--only NAME ...]

For each material, rows for flat maps, height from brightness with the strength that renders best, a fit of each pixel
to its own two values, and the step. Columns: render, the error under twelve lights that were not there (sRGB, RMSE);
block, the 99th percentile of its blocks of 16×16; angle, of normals, in degrees; slope, the correlation of slopes;
rough and r, the RMSE and correlation of roughness; albedo, RMSE in sRGB. Every fourth material reflects by Oren-Nayar
and Beckmann. The step's photographs are taken from the hand, ten pixels apart at the usual size; the others are given
theirs in register. Roughness is each file's own, stretched to 0.22 to 0.85, as most of them hold nearly one value.

Then: stretched highlights of brushed metal, and what is flagged of surfaces that are not the same everywhere.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import torch
from svbrdf import baselines
from svbrdf.conftest import captured, gray_of, maps_of, photographs
from svbrdf.measures import Maps, Measures, correlation, geometric, measure
from svbrdf.synthetic import STATIONARY, Pair, Shot, brushed, photograph, shared, spoiled

import assetforge as af
from assetforge.material.material import Material

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "materials"
Rows = dict[str, Measures]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--long", type=int, default=768, help="longer side of the photographs; the other is 2/3 of it")
    parser.add_argument("--only", nargs="*", help="materials; by default all that repeat")
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--shift", type=float, default=5.0, help="pixels of 384 that the camera moves; 0: not at all")
    parser.add_argument("--part", choices=("quality", "brushed", "stationary"), nargs="*", default=["quality"])
    options = parser.parse_args()
    size = (options.long * 2 // 3, options.long)
    if "quality" in options.part:
        names = options.only or list(STATIONARY)
        summarize(dict(quality(options.data, names, size, options.effort, options.shift)))
    if "brushed" in options.part:
        stretched(size, options.effort)
    if "stationary" in options.part:
        flagged(options.data, size)


def quality(
    data: Path, names: list[str], size: tuple[int, int], effort: float, shift: float
) -> Iterator[tuple[str, Rows]]:
    """Yield what each method makes of each material; the step alone must bring the photographs together first."""
    print(f"{size[1]}×{size[0]}\n{'':26s}" + "".join(f"{name:>9s}" for name in COLUMNS) + "  seconds")
    for name in names:
        number = STATIONARY.index(name)
        truth = shared(data, name, size, number, glossy=True)
        model = "oren-nayar" if number % 4 == 3 else "ggx"
        pair = photograph(truth, Shot(seed=number, model=model))
        apart = photograph(truth, Shot(seed=number, model=model, shift=shift))
        print(f"{name}, {model}")
        rows: Rows = {}
        for method, make in METHODS.items():
            begun = time.perf_counter()
            maps = _step(apart, effort) if make is None else make(pair)
            rows[method] = measure(maps, pair)
            row = "".join(f"{value:9.4f}" for value in astuple(rows[method]))
            print(f"  {method:24s}{row}{time.perf_counter() - begun:8.0f}", flush=True)
        constant = truth.roughness.std().item()
        rows["constant"] = Measures(1, 1, 1, 0, constant, 0, 1)
        yield name, rows


def _step(pair: Pair, effort: float) -> Maps:
    made, notes, flags = captured(photographs(pair), fov=pair.fov, gray_card=gray_of(pair), effort=effort)
    print(f"    {notes['surface']}, residual {notes['residual']}, quality {notes['match_quality']}", *flags, sep="; ")
    return maps_of(made)


COLUMNS = ("render", "block", "angle", "slope", "rough", "r", "albedo")
METHODS = {"flat": baselines.flat, "naive": baselines.best_naive, "plain": baselines.plain, "svbrdf": None}


def summarize(results: dict[str, Rows]) -> None:
    """Print ratios, geometric means over the materials, beside what they must be."""

    def ratios(what: str, to: str) -> list[float]:
        return [getattr(rows["svbrdf"], what) / getattr(rows[to], what) for rows in results.values()]

    naive = [rows["svbrdf"].render / min(rows["flat"].render, rows["naive"].render) for rows in results.values()]
    ours = [rows["svbrdf"] for rows in results.values()]
    lines = [
        ("render / plain", geometric(ratios("render", "plain")), 0.60),
        ("render / best naive", geometric(naive), 0.65),
        ("render, the worst of both", max(*ratios("render", "plain"), *naive), 1.0),
        ("block / plain", geometric(ratios("block", "plain")), 1.0),
        ("angle / flat", geometric(ratios("angle", "flat")), 0.70),
        ("slope correlation, least 0.65", sum(one.slope for one in ours) / len(ours), None),
        ("roughness / plain", geometric(ratios("roughness", "plain")), 0.65),
        ("roughness / best constant", geometric(ratios("roughness", "constant")), 0.85),
        ("roughness correlation, least 0.5", sum(one.roughness_r for one in ours) / len(ours), None),
    ]
    print(f"\n{len(results)} materials")
    for text, value, most in lines:
        print(f"  {text:34s}{value:7.3f}" + (f"   at most {most}" if most else ""))


def stretched(size: tuple[int, int], effort: float) -> None:
    """Print the axis and the strength of brushed metals."""
    made, true = [], []
    for number, (angle, strength) in enumerate(((30, 0.5), (100, 0.35), (150, 0.7), (60, 0.6), (0, 0.0), (0, 0.25))):
        truth = brushed(size, angle, strength, number)
        pair = photograph(truth, Shot(seed=number))
        maps, notes, _ = captured(photographs(pair), fov=pair.fov, gray_card=gray_of(pair), effort=effort)
        found, weight = maps["anisotropy_direction"].data, maps["anisotropy"].data[0]
        cosine = (found[:2] * truth.tangent).sum(0).abs().clamp_max(1)
        off = (torch.rad2deg(torch.acos(cosine)) * weight).sum() / weight.sum().clamp_min(1e-6)
        made.append(weight.mean())
        true.append(truth.anisotropy.mean())
        print(f"  axis {angle}°, strength {strength}: {off:.1f}° off, {made[-1]:.3f}; {notes['surface']}", flush=True)
    print(f"  correlation of strengths: {correlation(torch.stack(made), torch.stack(true)):.3f}")


def flagged(data: Path, size: tuple[int, int]) -> None:
    """Print which surfaces are said not to be the same everywhere."""
    inputs = {name: shared(data, name, size, number, glossy=True) for number, name in enumerate(STATIONARY)}
    inputs |= {f"{kind} {seed}": spoiled(data, kind, size, seed) for seed, kind in enumerate(SPOILED * 2)}
    for number, (name, truth) in enumerate(inputs.items()):
        material = photographs(photograph(truth, Shot(seed=number)))
        print(f"  {name:26s}", "; ".join(doubts(material)), flush=True)


SPOILED = ("gradient", "logo", "halves", "patch")


def doubts(material: Material) -> list[str]:
    """Return what is said of a pair's surface, without a fit worth the name."""
    try:
        _, _, flags = captured(material, fov=58.0, effort=0.01, metal="no", anisotropy="no")
    except af.StepError as error:
        return [str(error)]
    return [flag for flag in flags if "not the same everywhere" in flag]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
