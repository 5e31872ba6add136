"""Checks of sizes and of what is there: within a material, and over a set of materials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from assetforge.flags import Flag
from assetforge.validation.subject import Flags, Subjects, flag
from assetforge.validation.thresholds import Thresholds

_PROPORTIONS = 0.01
_NEARLY_ALL = 0.8
_LEAST_SET = 3
"""Materials of a set that can be compared."""


def check_sizes(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Yield what is doubtful about the sizes of a material's maps, and the maps that it lacks."""
    for name in thresholds.required:
        if name not in subjects:
            yield Flag("is not there, and is required", "error", name, check="missing")
    sizes = {name: subject.size for name, subject in subjects.items()}
    yield from _check_differences(sizes)
    for size, name in {size: name for name, size in reversed(sizes.items())}.items():
        if thresholds.power_of_two and any(side & (side - 1) for side in size):
            text = f"is {size[1]}×{size[0]}: sides are to be powers of two"
            yield flag("power_of_two", name, text, next(side for side in size if side & (side - 1)), 2)
        if min(size) < thresholds.least_side:
            text = f"is {size[1]}×{size[0]} (at least {thresholds.least_side} pixels)"
            yield flag("resolution", name, text, min(size), thresholds.least_side)
    density = texel_density(subjects, thresholds)
    if density is not None and thresholds.meters and thresholds.texel_density:
        least, most = thresholds.texel_density
        if not least <= density <= most:
            text = f"has {density:.0f} pixels per meter (from {least:g} to {most:g})"
            yield flag("texel_density", "", text, density, least if density < least else most)


def _check_differences(sizes: Mapping[str, tuple[int, int]]) -> Flags:
    if not sizes:
        return
    counted = Counter(sizes.values())
    usual = max(counted, key=lambda size: (counted[size], size))
    for name, size in sizes.items():
        if size == usual:
            continue
        shown, ratio = f"is {size[1]}×{size[0]}, and most maps are {usual[1]}×{usual[0]}", size[1] / usual[1]
        bent = abs((size[1] / size[0]) / (usual[1] / usual[0]) - 1)
        if bent > _PROPORTIONS:
            yield flag("proportions", name, f"{shown}: other proportions", bent, _PROPORTIONS, "error")
        else:
            whole = math.log2(ratio).is_integer()
            yield flag("size_differs", name, shown, ratio, 1, "info" if whole else "warning")


def texel_density(subjects: Subjects, thresholds: Thresholds) -> float | None:
    """Return the pixels per meter of the widest map, or per texture where it is not known how wide that is."""
    widths = [subject.size[1] for subject in subjects.values()]
    return max(widths) / (thresholds.meters or 1) if widths else None


@dataclass(frozen=True)
class Member:
    """What is compared of one material of a set."""

    name: str
    maps: frozenset[str]
    density: float | None
    thresholds: Thresholds


def check_set(members: Iterable[Member]) -> dict[str, tuple[Flag, ...]]:
    """Return by the names of materials what is doubtful about them beside the others of their set."""
    listed = list(members)
    if len(listed) < _LEAST_SET:
        return {}
    found = {one.name: [*_lacking(one, listed), *_apart(one, listed)] for one in listed}
    return {name: tuple(flags) for name, flags in found.items() if flags}


def _lacking(one: Member, members: list[Member]) -> Flags:
    counted = Counter(name for member in members for name in member.maps)
    for name, count in sorted(counted.items()):
        part = count / len(members)
        if part >= _NEARLY_ALL and name not in one.maps:
            text = f"is not there, and {count} of {len(members)} materials have it"
            yield flag("missing", name, text, part, _NEARLY_ALL)


def _apart(one: Member, members: list[Member]) -> Flags:
    """Compare with those of which the same is known: the width in the world, or only the pixels."""
    known = one.thresholds.meters is not None
    others = [m.density for m in members if m.density is not None and (m.thresholds.meters is not None) == known]
    if one.density is None or len(others) < _LEAST_SET:
        return
    usual, limit = median(others), one.thresholds.density_ratio
    ratio = max(one.density / usual, usual / one.density)
    if ratio > limit:
        unit = "pixels per meter" if known else "pixels across"
        text = f"has {one.density:.0f} {unit}, and the median of the set is {usual:.0f} (at most {limit:g} times apart)"
        yield flag("texel_density", "", text, ratio, limit, "warning" if known else "info")
