"""The recipes of `stylize`: what they learn from, and that they learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from assetforge_stylize._recipes import StyleTraining
from assetforge_stylize.training import decoder, pictures, style
from conftest import Forge
from PIL import Image

import assetforge as af
from assetforge.ops.dead_leaves import dead_leaves
from assetforge.train.trainer import train

COLORS = np.array([(20, 40, 160), (240, 210, 60), (90, 140, 220)], np.uint8)[None].repeat(8, 0)


def drawn(path: Path, seed: int, side: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(dead_leaves(side, [COLORS], np.random.default_rng(seed))).save(path)
    return path


def learned(training: af.Training, steps: int = 4) -> tuple[float, float]:
    """Return the loss of a batch before and after some steps."""
    batch = training.batch(0)
    optimizer = torch.optim.Adam(training.network.parameters(), lr=2e-3)
    before = float(training.loss(training.network, batch).detach())
    for step in range(steps):
        optimizer.zero_grad()
        training.loss(training.network, training.batch(step)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(training.network.parameters(), training.clip)
        optimizer.step()
    return before, float(training.loss(training.network, batch).detach())


def test_the_network_of_a_style_is_trained_with_a_folder_of_textures_and_applied(tmp_path: Path, forge: Forge) -> None:
    drawn(tmp_path / "look.png", 0)
    for seed in (1, 2):
        drawn(tmp_path / "textures" / "walls" / f"{seed}.png", seed)
    trained = forge("train", "style", "-p", "style=look.png", "--data", "textures", "--steps", "2", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "pipeline.yaml").write_text(
        'version: 1\nsources: textures/walls\ninputs: {base_color: "{name}.png"}\nsteps:\n  - use: stylize_fast\n'
        "    with: {network: train/style/style.safetensors}\noutputs: {dir: build}\n"
    )
    applied = forge("run", "pipeline.yaml")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert len(list((tmp_path / "build").rglob("*.png"))) == 2


@pytest.mark.slow
def test_the_network_of_a_style_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "_SIDE", 96)
    before, after = learned(small_style(tmp_path))
    assert after < 0.8 * before


def test_the_decoder_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_DRAWN", 2)
    monkeypatch.setattr(decoder, "_SIDE", 64)
    drawn(tmp_path / "train" / "game" / "wall_d.webp", 1)
    drawn(tmp_path / "style" / "content" / "view.png", 2)
    before, after = learned(decoder.training(tmp_path, 0))
    assert after < 0.8 * before


def small_style(folder: Path) -> af.Training:
    drawn(folder / "textures" / "wall.png", 1)
    params = StyleTraining(style=drawn(folder / "look.png", 0), style_size=128)
    return style.training(params, folder / "textures", 0)


def test_statistics_are_not_taken_in_half_precision_where_a_gpu_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are differences of large numbers: in bfloat16, the loss is 10²¹ times too large."""
    monkeypatch.setattr(style, "_SIDE", 96)
    training = small_style(tmp_path)
    batch = training.batch(0)
    with torch.no_grad():
        exact = float(training.loss(training.network, batch))
        with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "auto"):
            assert float(training.loss(training.network, batch)) == pytest.approx(exact, rel=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["style", "decoder"])
def test_a_gpu_trains_and_reports(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    monkeypatch.setattr(pictures, "_DRAWN", 2)
    drawn(tmp_path / "data" / "train" / "game" / "wall_d.webp", 1)
    drawn(tmp_path / "data" / "style" / "content" / "view.png", 2)
    training = small_style(tmp_path) if name == "style" else decoder.training(tmp_path / "data", 0)
    assert train(replace(training, steps=2), tmp_path / "made", device="cuda:0", tell=lambda _: None)
    assert (tmp_path / "made" / "report" / "0.png").exists()


def test_textures_that_are_named_as_such_are_taken_alone(tmp_path: Path) -> None:
    drawn(tmp_path / "train" / "game" / "wall_d.webp", 1)
    drawn(tmp_path / "train" / "game" / "wall_n.webp", 2)
    assert len(pictures.read_textures(tmp_path)) == 1


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(af.StepError, match=r": holds no color textures; give a folder of them"):
        pictures.read_textures(tmp_path)


def test_of_other_folders_the_pictures_of_colors_are_taken(tmp_path: Path) -> None:
    for seed, name in enumerate(("wall_diff.tif", "moss/albedo.png", "plain.jpg")):
        drawn(tmp_path / name, seed, 32 + 8 * seed)
    for name in ("wall_n.png", "wall_roughness.png", "wall_thumbnail.png", ".cache/plain.png", "moss/ORM.png"):
        drawn(tmp_path / name, 9, 24)
    (tmp_path / "readme.txt").write_text("none")
    assert sorted(len(one) for one in pictures.read_textures(tmp_path)) == [32, 40, 48]


def test_of_very_many_textures_some_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side in range(20, 27):
        drawn(tmp_path / f"{side}.png", side, side)
    monkeypatch.setattr(pictures, "_MOST", 3)
    assert [len(one) for one in pictures.read_textures(tmp_path)] == [20, 23, 26]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(af.AssetForgeError, match=r"broken\.png"):
        pictures.read_textures(tmp_path)
