"""A studio's story: a network that was trained on with a game's textures restores others of that game better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from assetforge_upscale._architectures.load import load
from assetforge_upscale.training import pictures
from assetforge_upscale.training.dataset import Pixels
from assetforge_upscale.training.degradations import Reduction, reduced
from assetforge_upscale.training.recipe import WEIGHTS
from conftest import Forge
from PIL import Image

from assetforge.ops.drawings import KINDS
from assetforge.ops.metrics import psnr

FAST = WEIGHTS / "fast_color_x4.safetensors"
PIPELINE = """\
version: 1
sources: new
inputs: {base_color: "{name}.png"}
steps: [{use: upscale, with: {scale: 4}}]
outputs: {dir: build}
"""


def gains(tuned: Path, others: list[Pixels], reduction: Reduction) -> list[float]:
    """Return how many dB of PSNR a network is above the shipped one, picture by picture."""
    before, after = load(FAST), load(tuned)
    found = []
    for picture in others:
        height, width = (side - side % 4 for side in picture.shape[:2])
        truth = tensor(picture[:height, :width])
        small = tensor(reduced(np.ascontiguousarray(picture[:height, :width]), 4, reduction))
        with torch.no_grad():
            scores = [psnr(network.module(small[None])[0].clamp(0, 1), truth) for network in (after, before)]
        found.append(scores[0] - scores[1])
    return found


def tensor(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def test_a_game_of_pixel_art_gains_and_uses_the_result(tmp_path: Path, forge: Forge) -> None:
    (tmp_path / "game" / "new").mkdir(parents=True)
    for seed in range(8):
        Image.fromarray(KINDS["sprites"](128, np.random.default_rng(seed))).save(tmp_path / "game" / f"{seed}_diff.png")
    options = ["start=fast", "steps=40", "batch=4", "crop=16", "leaves_share=0", "reductions={box: 1}"]
    parameters = [word for option in options for word in ("-p", option)]
    trained = forge("train", "upscale", "--data", "game", "--device", "cpu", *parameters)
    assert trained.returncode == 0, trained.stderr
    tuned = tmp_path / "train" / "upscale" / "color_x4.safetensors"
    others = [KINDS["sprites"](128, np.random.default_rng(seed)) for seed in range(100, 106)]
    assert np.mean(gains(tuned, others, "box")) > 0.5

    (tmp_path / "new").mkdir()
    for seed, name in enumerate(("hero", "wall", "sky")):
        Image.fromarray(KINDS["sprites"](24, np.random.default_rng(200 + seed))).save(tmp_path / "new" / f"{name}.png")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "new" / "hero.png.forge.yaml").write_text("upscale.network: train/upscale/color_x4.safetensors\n")
    assert forge("run", "pipeline.yaml").returncode == 0
    built = {path.stem: path.read_bytes() for path in (tmp_path / "build").rglob("*.png")}
    assert len(built) == 3

    tuned.write_bytes(FAST.read_bytes())
    plan = forge("plan", "pipeline.yaml")
    assert "hero" in plan.stdout
    assert "wall" not in plan.stdout
    assert forge("run", "pipeline.yaml").returncode == 0
    changed = {path.stem for path in (tmp_path / "build").rglob("*.png") if path.read_bytes() != built[path.stem]}
    assert len(changed) == 1
    assert changed.pop().startswith("hero")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reduction", "gain", "loss"),
    [("box", 0.2, 0.02), ("bicubic", -0.02, 0.3)],  # of bicubic, the shipped network has learned all there is
)
def test_120_steps_with_one_games_textures_help_others_and_take_nothing_away(
    data: Path, tmp_path: Path, forge: Forge, reduction: Reduction, gain: float, loss: float
) -> None:
    game = data / "train" / "trak5"
    options = ["start=fast", "steps=120", "leaves_share=0", f"reductions={{{reduction}: 1}}"]
    parameters = [word for option in options for word in ("-p", option)]
    trained = forge("train", "upscale", "--data", str(game), "--device", "cpu", *parameters)
    assert trained.returncode == 0, trained.stderr
    others = pictures.load(game, "color").kept_out
    assert len(others) >= 8
    found = gains(tmp_path / "train" / "upscale" / "color_x4.safetensors", others, reduction)
    assert np.mean(found) >= gain
    assert min(found) >= -loss
