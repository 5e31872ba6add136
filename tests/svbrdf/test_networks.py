"""What was learned helps on surfaces that were not learned from, and can be learned again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from assetforge_svbrdf._descriptors import describe, learned
from assetforge_svbrdf._fit import registered
from assetforge_svbrdf._network import networks
from assetforge_svbrdf._photos import from_flash, moved, placed, prepared
from assetforge_svbrdf._surface import Kind
from assetforge_svbrdf._svbrdf import seen_slopes
from assetforge_svbrdf.training import dataset, procedural, recipe
from assetforge_svbrdf.training.dataset import HELD_OUT
from conftest import Forge
from PIL import Image
from svbrdf.conftest import WEIGHTS
from svbrdf.measures import correlation
from svbrdf.synthetic import STATIONARY, Pair, Shot, photograph, sample
from torch import Tensor

import assetforge as af
from assetforge.ops import homography as plane
from assetforge.samples import make_sample
from assetforge.train.trainer import train

SIZE = (96, 144)


@pytest.fixture(scope="module")
def stone() -> Pair:
    return photograph(sample("stone", SIZE), Shot(seed=1))


def slopes_of(pair: Pair) -> Tensor:
    return pair.truth.normal[:2] / pair.truth.normal[2:]


def unexplained(features: Tensor, truth: Tensor) -> float:
    """Share of the truth's variance that no linear function of features has."""
    rows = features.flatten(1).T - features.mean((1, 2))
    wanted = truth.flatten(1).T - truth.mean((1, 2))
    left = wanted - rows @ torch.linalg.lstsq(rows, wanted).solution
    return (left.square().sum() / wanted.square().sum()).item()


def test_features_tell_more_of_relief_and_gloss_than_patches_alone(stone: Pair) -> None:
    guide = prepared(stone.flash, stone.guide, stone.fov).guide
    patches = describe(guide)
    both = torch.cat([patches, learned(guide, networks(WEIGHTS)[0])])
    truth = torch.cat([slopes_of(stone), stone.truth.roughness])
    assert unexplained(both, truth) < 0.85 * unexplained(patches, truth)


def test_a_flash_photo_alone_tells_of_slopes(stone: Pair) -> None:
    photos = from_flash(prepared(stone.flash, stone.flash, stone.fov))
    assert correlation(seen_slopes(photos, networks(WEIGHTS)[1]), slopes_of(stone)) > 0.4


def test_a_flash_photo_is_moved_to_where_the_fit_wants_it(stone: Pair) -> None:
    away = torch.tensor([0.6, -0.3])[:, None, None].expand(2, *SIZE)  # right, and down
    points = plane.grid(SIZE) - away * torch.tensor([1, -1])[:, None, None]
    photos = prepared(plane.sample(stone.flash, points), stone.guide, stone.fov)
    back = moved(photos, away)
    inner = (..., slice(4, -4), slice(4, -4))
    before, after = ((one.flash - stone.flash)[inner].abs().mean() for one in (photos, back))
    assert after < 0.5 * before
    assert not back.seen[:, -1].any()
    assert back.seen[inner].all()


def test_moves_add_up_and_the_photo_is_sampled_once(stone: Pair) -> None:
    photos = prepared(stone.flash, stone.guide, stone.fov)
    away = torch.tensor([0.6, -0.3])[:, None, None].expand(2, *SIZE)
    back = moved(moved(photos, away), -away)
    inner = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(back.flash[inner], photos.flash[inner], atol=1e-4)
    assert back.seen[inner].all()


def test_of_the_places_that_are_likely_the_one_is_taken_that_explains_the_flash(stone: Pair) -> None:
    photos = prepared(stone.flash, stone.guide, stone.fov)
    astray = placed(photos, photos.places + 2.0)
    known = describe(photos.guide).flatten(1).T.contiguous()
    found, _, _ = registered([astray, photos], known, stone.intensity, (Kind(),), 60, seed=0)
    assert (found.places - photos.places).norm(dim=0).mean() < 0.5


def test_what_the_benchmark_measures_was_held_out() -> None:
    assert set(STATIONARY) == HELD_OUT


def game_texture(folder: Path) -> Path:
    """Put a color and normals of a game into training data of that folder."""
    (folder / "train" / "own").mkdir(parents=True)
    maps = make_sample("stone", 192)
    for key, suffix in (("base_color", "d"), ("normal", "n")):
        pixels = maps[key].data * 0.5 + 0.5 if key == "normal" else maps[key].data
        codes = (pixels * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(codes).save(folder / "train" / "own" / f"stone_{suffix}.webp", lossless=True)
    return folder


@pytest.mark.parametrize(("file", "text"), [("stone_d.webp", "x"), ("material.json", '{"maps": {}}')])
def test_training_data_that_cannot_be_read_is_named(file: str, text: str, tmp_path: Path) -> None:
    folder = game_texture(tmp_path) / "train" / "own"
    if file == "material.json":
        folder = tmp_path / "materials" / "rock"
        folder.mkdir(parents=True)
    (folder / file).write_text(text)
    with pytest.raises(af.StepError, match=rf"^{re.escape(str(folder / file))}: "):
        dataset.read(tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["features", "start"])
def test_a_gpu_trains_and_reports(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    monkeypatch.setattr(recipe, "DRAWN", 2)
    training = recipe.training(network, game_texture(tmp_path / "data"), 0)
    assert train(replace(training, steps=2), tmp_path / "made", device="cuda:0", tell=lambda _: None)


@pytest.mark.parametrize("kind", procedural.KINDS)
def test_drawn_surfaces_depend_on_the_seed_alone(kind: Callable[..., Any]) -> None:
    """Or training that was cut off would go on with others."""
    one, same, other = (kind(48, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("portrait", [False, True])
def test_photographs_lie_in_the_plane_as_they_are_seen(portrait: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the right is x, and up is y, however the camera was held."""
    monkeypatch.setattr(dataset, "_PORTRAITS", float(portrait))
    places = [dataset._place(np.random.default_rng(seed)) for seed in range(20)]
    for place in places:
        assert place.shape == (2, dataset.CROP, dataset.CROP)
        assert (place[0].diff(dim=1) > 0).all()
        assert (place[1].diff(dim=0) < 0).all()
    reach = [torch.stack(places)[:, axis].abs().max() for axis in (1, 0)]
    assert (reach[0] > reach[1]) == portrait


@pytest.mark.slow
@pytest.mark.parametrize("network", ["features", "start"])
def test_the_networks_are_trained(network: str, tmp_path: Path, forge: Forge) -> None:
    game_texture(tmp_path / "data")
    result = forge(
        "train", "svbrdf", "-p", f"network={network}", "--data", "data", "--device", "cpu", "--steps", "8",
        "--out", "trained",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    shipped = WEIGHTS[network].stat().st_size
    assert abs((tmp_path / "trained" / f"{network}.safetensors").stat().st_size - shipped) < 1000
