"""All checks of one material."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from assetforge.errors import count_of
from assetforge.flags import Flag, is_at_least
from assetforge.validation.colors import check_colors
from assetforge.validation.edges import check_edges
from assetforge.validation.normals import check_normals
from assetforge.validation.numbers import check_numbers
from assetforge.validation.sizes import check_sizes
from assetforge.validation.subject import Subject as Subject
from assetforge.validation.subject import Subjects
from assetforge.validation.thresholds import FailOn, Thresholds

_CHECKS = (check_sizes, check_colors, check_normals, check_numbers, check_edges)


def check_material(subjects: Subjects, thresholds: Thresholds) -> tuple[Flag, ...]:
    """Return what is doubtful about a material, by the severities of the project, the worst first.

    Color maps are linear Rec.709, normals +Y up; all is float32 (C, H, W) and finite.
    """
    return judged((flag for check in _CHECKS for flag in check(subjects, thresholds)), thresholds)


def judged(flags: Iterable[Flag], thresholds: Thresholds) -> tuple[Flag, ...]:
    """Give flags the severities of the project, leave out what is off, and put the worst first."""
    chosen = []
    for flag in flags:
        severity = thresholds.severity(flag.check, flag.severity)
        if severity != "off":
            chosen.append(replace(flag, severity=severity))
    return tuple(sorted(chosen, key=lambda flag: (not is_at_least(flag, "error"), not is_at_least(flag, "warning"))))


def gated(flags: Iterable[Flag], fail_on: FailOn) -> tuple[Flag, ...]:
    """Return the flags that fail a material."""
    return () if fail_on == "never" else tuple(flag for flag in flags if is_at_least(flag, fail_on))


def failure(flags: tuple[Flag, ...]) -> str:
    """Say in one line why a material fails."""
    return f"{count_of(len(flags), 'check')} failed: {'; '.join(map(str, flags))}"
