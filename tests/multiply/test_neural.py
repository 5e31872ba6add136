"""Synthesis by features: new textures that no network can tell from the exemplar, on a torus, all maps together."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from assetforge_multiply._neural import Settings, neural_distance, optimize
from torch import Tensor

from assetforge.ops.color import srgb_encode
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import diversity, mutual_information, statistics_distance
from assetforge.samples import make_sample
from assetforge.weights.adding import add
from assetforge.weights.distances import MEASURES, Loss
from assetforge.weights.features import Vgg19

SIDE = 64
HEIGHT = 3
EFFORT = 0.3


@lru_cache
def exemplar(name: str) -> Tensor:
    """A part of a sample that does not tile: color and height."""
    sample = make_sample(name, 96)
    stacked = torch.cat([sample["base_color"].data, sample["height"].data])
    return stacked[:, 9 : 9 + SIDE, 20 : 20 + SIDE].contiguous()


def made(name: str, seed: int = 0, loss: Loss = "moments") -> Tensor:
    return _made(name, seed, loss)  # which tells calls apart by what is given


@lru_cache
def _made(name: str, seed: int, loss: Loss) -> Tensor:
    effort = EFFORT / 3 if loss == "sliced" else EFFORT  # a step of it takes as long as several of the others
    with torch.no_grad():  # as steps are run
        return optimize(exemplar(name), (SIDE, SIDE), seed, Settings(loss=loss, effort=effort))


def noise() -> Tensor:
    """Values of the exemplar in disorder."""
    return shuffled(exemplar("stone"))


def shuffled(channels: Tensor) -> Tensor:
    order = torch.randperm(channels[0].numel(), generator=torch.Generator().manual_seed(0))
    return channels.flatten(1)[:, order].reshape(channels.shape)


@pytest.mark.parametrize("loss", MEASURES)
def test_it_looks_like_the_exemplar_and_tiles(loss: Loss) -> None:
    result = made("stone", loss=loss)
    distance = statistics_distance(result, exemplar("stone"))
    assert distance < 0.5 * statistics_distance(noise(), exemplar("stone"))
    assert distance < 0.5 * statistics_distance(exemplar("wood"), exemplar("stone"))
    assert seam_score(result) <= 1.2


@pytest.mark.parametrize("name", ["stone", pytest.param("fabric", marks=pytest.mark.slow)])
def test_nothing_is_beyond_what_the_exemplar_has(name: str) -> None:
    result = made(name)
    assert (result.amin((1, 2)) >= exemplar(name).amin((1, 2)) - 1e-5).all()
    assert (result.amax((1, 2)) <= exemplar(name).amax((1, 2)) + 1e-5).all()


def test_the_seed_decides_alone() -> None:
    with torch.no_grad():
        torch.manual_seed(5)
        again = optimize(exemplar("stone"), (SIDE, SIDE), 0, Settings(effort=EFFORT))
    assert torch.equal(again, made("stone"))
    assert diversity(made("stone", 1), made("stone", 0)) > 0.4


def test_maps_stay_together() -> None:
    """Height tells as much of the color as in the exemplar, or nearly so."""
    wanted = exemplar("stone")
    before = mutual_information(wanted[:3].mean(0), wanted[HEIGHT])
    result = made("stone")
    assert mutual_information(result[:3].mean(0), result[HEIGHT]) > 0.5 * before
    alone = mutual_information(made("stone", 1)[:3].mean(0), result[HEIGHT])
    assert mutual_information(result[:3].mean(0), result[HEIGHT]) > 3 * alone


def test_a_polish_keeps_the_layout_and_mends_the_grain() -> None:
    wanted = exemplar("stone")
    start = made("stone") + torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)) * 0.05
    with torch.no_grad():
        result = optimize(wanted, (SIDE, SIDE), 3, start=start)
    assert torch.corrcoef(torch.stack([result.flatten(), start.flatten()]))[0, 1] > 0.8
    assert neural_distance(result, wanted) < 0.6 * neural_distance(start, wanted)


def test_sizes_are_free_and_progress_goes_up() -> None:
    told: list[float] = []
    with torch.no_grad():
        result = optimize(exemplar("wood"), (70, 131), 0, Settings(effort=0.05), progress=told.append)
    assert result.shape == (4, 70, 131)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_one_channel_is_enough_and_a_flat_one_does_no_harm() -> None:
    height = exemplar("stone")[HEIGHT:]
    with torch.no_grad():
        result = optimize(height, (48, 48), 0, Settings(effort=0.1))
        flat = optimize(torch.cat([height, torch.full_like(height, 0.5)]), (48, 48), 0, Settings(effort=0.1))
    assert result.isfinite().all()
    assert (flat[1] - 0.5).abs().max() < 1e-4


def test_vgg_makes_all_maps_of_a_material(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETFORGE_WEIGHTS", str(tmp_path))
    network = Vgg19.load(add("vgg19", data / "weights" / "vgg19_conv1_1_to_conv3_1_fp32.npz"))
    sample = make_sample("stone", 48)
    encoded = [srgb_encode(sample["base_color"].data), sample["normal"].data[:2]]
    wanted = torch.cat([*encoded, sample["roughness"].data, sample["height"].data])
    settings = Settings(network=network, effort=0.08)
    with torch.no_grad():
        result = optimize(wanted, (48, 48), 0, settings)
    assert neural_distance(result, wanted, 0, settings) < 0.25 * neural_distance(shuffled(wanted), wanted, 0, settings)
    assert seam_score(result) <= 1.2
