"""`assetforge train`: recipes of plugins, from the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import shared
from conftest import Forge
from filelock import FileLock
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
    from pathlib import Path

    def loss(network, step):
        if step == 1:
            Path("begun").touch()
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


@pytest.fixture
def trained(plugin: Path, forge: Forge) -> Path:
    """Return the folder of a recipe that was trained with the folder `data`."""
    result = forge("train", "slope", "--data", "data", "--steps", "2", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    return plugin / "train" / "slope"


def test_training_on_other_data_does_not_go_on_from_a_checkpoint(trained: Path, forge: Forge) -> None:
    (trained.parents[1] / "others").mkdir()
    result = forge("train", "slope", "--data", "others", "--steps", "2", "--device", "cpu")
    assert result.returncode == 2
    data = trained.parents[1].resolve() / "data"
    assert f"other training: --data was {data} and is {data.with_name('others')};" in result.stderr
    again = forge("train", "slope", "--data", str(data), "--steps", "2", "--device", "cpu")
    assert "all 2 steps are done already; remove train/slope/checkpoint.pt to begin anew" in again.stdout


def test_results_that_cannot_be_written_are_told_before_training(plugin: Path, forge: Forge) -> None:
    (plugin / "file").touch()
    result = forge("train", "slope", "--data", "data", "--out", "file/slope", "--device", "cpu")
    assert result.returncode == 1
    assert "file/slope/checkpoint.pt: cannot be written" in result.stderr
    assert not result.stdout


def test_results_within_the_data_are_refused_as_they_would_be_learned_from(plugin: Path, forge: Forge) -> None:
    result = forge("train", "slope", "--data", ".")
    assert result.returncode == 2
    assert "--out: train/slope lies in the training data" in result.stderr


def test_two_do_not_train_into_one_folder(plugin: Path, forge: Forge) -> None:
    (plugin / "train" / "slope").mkdir(parents=True)
    with FileLock(plugin / "train" / "slope" / ".lock"):
        result = forge("train", "slope", "--data", "data", "--device", "cpu")
    assert result.returncode == 2
    assert "--out: other training writes into train/slope just now; name another folder" in result.stderr
    assert forge("train", "slope", "--data", "data", "--device", "cpu", "--steps", "1").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_it_finish_the_step_and_save(plugin: Path, number: signal.Signals) -> None:
    arguments = ("train", "slope", "--data", "data", "--device", "cpu", "--steps", str(10**9))
    training = shared().start(plugin, *arguments)
    until = time.monotonic() + 120
    while not (plugin / "begun").exists():
        assert training.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    training.send_signal(number)
    said, told = training.communicate()
    assert training.returncode == 130, told
    assert told.strip() == "interrupted; the next run goes on from here"
    assert "train/slope/slope.safetensors, train/slope/report/index.html" in said
    assert (plugin / "train" / "slope" / "checkpoint.pt").exists()


def test_two_recipes_of_one_name_are_an_error(plugin: Path) -> None:
    (plugin / "plugins" / "others.py").write_text(PLUGIN)
    registry = load(plugin, training=True)
    assert "there is a recipe 'slope' already" in str(registry.broken[0])


def test_a_wrong_recipe_stops_nobody_who_does_not_train(plugin: Path) -> None:
    (plugin / "plugins" / "others.py").write_text(PLUGIN)
    registry = load(plugin)
    assert {"slopes", "others"} <= registry.plugins.keys()
    assert not registry.broken
    assert not registry.recipes


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
