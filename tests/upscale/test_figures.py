"""The figures that the cards quote, on real pictures that no training has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from assetforge_upscale._architectures import load
from assetforge_upscale.training import dataset, pictures
from assetforge_upscale.training.evaluate import LEAST_CONTRAST, Score, score
from assetforge_upscale.training.recipe import WEIGHTS


def gain(scores: list[Score]) -> float:
    return float(np.mean([one.network - one.bicubic for one in scores]))


def test_the_color_network_beats_bicubic_by_two_decibels_on_set5(data: Path) -> None:
    network = load(WEIGHTS / "fast_color_x4.safetensors")
    scores = [score(file.stem, dataset.read(file), network) for file in sorted((data / "sr" / "set5").iterdir())]
    assert np.mean([one.bicubic for one in scores]) == pytest.approx(28.43, abs=0.01)
    assert gain(scores) >= 2.0


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["normal", "roughness", "height"])
def test_the_data_network_is_never_worse_than_bicubic_in_the_mean(name: str, scale: int, data: Path) -> None:
    network = load(WEIGHTS / f"fast_data_x{scale}.safetensors")
    folders = [data / "materials" / held for held in sorted(dataset.held_out(data / "materials"))[:6]]
    files = [file for folder in folders for file in folder.glob(f"{name}.*")]
    pictures = {file.parent.name: dataset.read(file) for file in files}
    lively = {folder: picture for folder, picture in pictures.items() if picture.std() > LEAST_CONTRAST}
    scores = [score(folder, picture, network) for folder, picture in lively.items()]
    assert len(scores) >= 4
    assert gain(scores) > 0.1
    assert min(one.network - one.bicubic for one in scores) > -0.01


def test_what_is_measured_on_is_not_trained_on(data: Path) -> None:
    hidden = dataset.held_out(data / "materials")
    assert len(hidden) == 12
    reserved = dataset.reserved(data)
    for content in ("color", "data"):
        seen = [one.path for one in pictures.find(data, content, reserved)]
        assert len(seen) > 40
        assert not [path for path in seen if path.parent.name in hidden or "sr" in path.parts or "style" in path.parts]
        assert not set(seen) & set(dataset.color_files(data)[::8])
