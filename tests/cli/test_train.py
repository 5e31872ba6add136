"""`assetforge train`: recipes of plugins, from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Forge
from PIL import Image

from assetforge.plugins import Registry, load

PLUGIN = '''
from __future__ import annotations
import assetforge as af


class Params(af.Params):
    slope: float = 1.0
    """What there is to learn."""


@af.recipe("slope", Params)
def slope(params, data, seed):
    """Learns a slope."""
    import torch

    def loss(network, step):
        return (network(torch.ones(1, 1)) - params.slope).square().mean()

    return af.Training("slope", torch.nn.Linear(1, 1), lambda step: step, loss, 300, 0.05, smoothing=0.9)


@af.hookimpl
def register_recipes(register: af.RegisterRecipe) -> None:
    """Offer it."""
    register(slope)
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "slopes.py").write_text(PLUGIN)
    (tmp_path / "data").mkdir()
    return tmp_path


def test_recipes_are_listed_and_torch_is_not_needed_for_it(plugin: Path, registry: Registry) -> None:
    assert "upscale" in registry.recipes
    script = (
        "import sys\nfrom assetforge.cli.group import cli\ncli.main(['train'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    listed = subprocess.run([sys.executable, "-c", script], cwd=plugin, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert "slope: Learns a slope.\n    -p slope=1.0  number: What there is to learn." in listed.stdout
    assert "upscale: Trains a network for the step" in listed.stdout


def test_a_recipe_of_the_project_is_trained(plugin: Path, forge: Forge) -> None:
    result = forge("train", "slope", "--data", "data", "-p", "slope=3", "--device", "cpu", "--out", "trained")
    assert result.returncode == 0, result.stderr
    assert "slope: 300/300 loss " in result.stdout
    assert (plugin / "trained" / "slope.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["slop", "--data", "data"], "there is no recipe 'slop'; did you mean 'slope'?"),
        (["slope"], "write --data DIR"),
        (["slope", "--data", "data", "-p", "slop=1"], "-p: slop: unknown parameter; did you mean 'slope'?"),
        (["slope", "--data", "data", "-p", "slope"], "write -p KEY=VALUE"),
        (["slope", "--data", "data", "-p", "slope=steep"], '-p: slope: is "steep"; it should be number'),
    ],
)
def test_mistakes_are_told(plugin: Path, forge: Forge, arguments: list[str], text: str) -> None:
    result = forge("train", *arguments)
    assert result.returncode == 2
    assert text in result.stderr


def test_two_recipes_of_one_name_are_an_error(plugin: Path) -> None:
    (plugin / "plugins" / "others.py").write_text(PLUGIN)
    registry = load(plugin)
    assert "there is a recipe 'slope' already" in str(registry.broken[0])


@pytest.mark.slow
def test_the_networks_of_upscale_are_trained(tmp_path: Path, forge: Forge) -> None:
    folder = tmp_path / "data" / "train" / "own"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC).save(folder / f"{index}_d.webp")
    common = ["train", "upscale", "--data", "data", "--device", "cpu", "--steps", "40"]
    result = forge(*common, "-p", "network=fast_color_x2", "--out", "trained")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "trained" / "fast_color_x2.safetensors").stat().st_size > 300_000
    assert (tmp_path / "trained" / "report" / "0.png").exists()


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_out_of_range_is_refused(plugin: Path, forge: Forge, seed: str) -> None:
    done = forge("train", "slope", "--data", "data", "--seed", seed)
    assert done.returncode == 2
    assert "--seed" in done.stderr
