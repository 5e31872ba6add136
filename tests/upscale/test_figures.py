"""The figures that the cards quote, on real pictures that no training has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from assetforge_upscale.training import dataset, pictures
from upscale import drawn
from upscale.evaluated import evaluated


def test_the_color_network_beats_bicubic_by_two_decibels_on_set5(data: Path) -> None:
    found = evaluated(data / "sr" / "set5")
    bicubic, fast = ([one["PSNR"] for one in found["base_color", method].values()] for method in ("bicubic", "fast"))
    assert np.mean(bicubic) == pytest.approx(28.43, abs=0.01)
    assert np.mean(fast) >= 30.43
    assert np.mean([one["SSIM"] for one in found["base_color", "bicubic"].values()]) == pytest.approx(0.811, abs=0.0005)


def test_the_color_network_restores_drawings_though_it_has_learned_from_textures(tmp_path: Path) -> None:
    drawn.write(tmp_path)
    found = evaluated(tmp_path)
    gains = [
        one["PSNR"] - found["base_color", "bicubic"][name]["PSNR"] for name, one in found["base_color", "fast"].items()
    ]
    assert len(gains) == len(drawn.MOTIFS)
    assert min(gains) > 0.2
    assert np.mean(gains) > 2


@pytest.mark.parametrize(("scale", "shrink"), [(4, 4), *(pytest.param(n, 2, marks=pytest.mark.slow) for n in (2, 4))])
def test_the_data_network_is_never_worse_than_bicubic_in_the_mean(scale: int, shrink: int, data: Path) -> None:
    held = sorted(dataset.held_out(data / "materials"))[:3]
    found = evaluated(data / "materials", only=held, maps=("normal", "roughness", "height"), scale=scale, shrink=shrink)
    for name in ("normal", "roughness", "height"):
        ratios = [one["ratio"] for one in found[name, "fast"].values()]
        assert len(ratios) >= 3
        assert np.exp(np.mean(np.log(ratios))) < 0.99
        assert max(ratios) < 1.002


def test_what_is_measured_on_is_not_trained_on(data: Path) -> None:
    hidden = dataset.held_out(data / "materials")
    assert len(hidden) == 12
    reserved = dataset.reserved(data)
    for content in ("color", "data"):
        seen = [one.path for one in pictures.find(data, content, reserved)]
        assert len(seen) > 40
        assert not [path for path in seen if path.parent.name in hidden or "sr" in path.parts or "style" in path.parts]
        assert not set(seen) & set(dataset.color_files(data)[::8])
