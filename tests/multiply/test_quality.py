"""What is measured of a result, and flagged."""

from __future__ import annotations

import pytest
from assetforge_multiply import _multiply
from multiply.conftest import SMALLER, exemplar, multiply_and_tell


def test_a_result_tells_what_is_measured_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_multiply, "_REPORT_HEIGHT", 128)
    material = exemplar("stone", SMALLER)
    result, notes, flags = multiply_and_tell(material, report=True, candidates=1)
    assert set(notes["seam_score"]) == set(material)
    assert {"statistics_distance", "largest_copy", "coverage", "repetition", "coherence", "normal_curl"} <= set(notes)
    assert result["multiply_report"].size == (128, 384)
    assert not [flag for flag in flags if "seam" in flag]


def test_what_is_beyond_a_limit_is_flagged() -> None:
    # Bricks that are blended at random are bricks no longer: their maps share less mutual information.
    _, notes, flags = multiply_and_tell(exemplar("brick"), method="blend")
    lost = [pair for pair, share in notes["coherence"].items() if share < 0.8]
    assert lost
    assert lost == [flag.split(":")[0] for flag in flags if "mutual information" in flag]


@pytest.mark.slow
def test_another_try_is_never_worse() -> None:
    # So small an exemplar leaves no choice but large copies.
    once, often = (multiply_and_tell(exemplar("stone", 56), retries=retries, candidates=1) for retries in (0, 3))
    assert any("one copy" in flag for flag in once[2])
    assert often[1]["largest_copy"] < once[1]["largest_copy"]
