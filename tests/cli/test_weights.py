"""`assetforge weights`: what is there, and adding what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Forge

from assetforge import weights

PLUGIN = """\
import assetforge as af

class Params(af.Params):
    network: str = ""

def wanted(params):
    return (params.network,) if params.network else ()

@af.step("look", Params, reads={"base_color"}, writes={"base_color"}, weights=wanted)
def look(material, params, context):
    from assetforge.weights.features import Vgg19
    base = material["base_color"]
    layer = Vgg19.load(context.weights["vgg19"])(base.data, "reflect")[0]
    return material.replace(base_color=base.with_data(layer[:3] / layer.max()))

@af.hookimpl
def register_steps(register):
    register(look)
"""
PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.png"}
steps:
  - use: look
    with: {network: vgg19}
outputs: {dir: build}
"""


@pytest.fixture
def mine(tmp_path: Path) -> dict[str, str]:
    return {"ASSETFORGE_WEIGHTS": str(tmp_path / "mine")}


def vgg(path: Path, seed: int = 0) -> Path:
    """Write a first layer as torchvision names it."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(64, 3, 3, 3, generator=generator)
    torch.save({"features.0.weight": weight, "features.0.bias": torch.zeros(64)}, path)
    return path


def test_they_are_added_and_listed(tmp_path: Path, forge: Forge, mine: dict[str, str]) -> None:
    done = forge("weights", environment=mine)
    assert done.returncode == 0, done.stderr
    assert "fast_color_x4 (upscale): " in done.stdout
    assert "license: Apache-2.0, as the project." in done.stdout
    assert f"none of your own in {tmp_path / 'mine'}; add some: assetforge weights add vgg19 FILE" in done.stdout
    file = vgg(tmp_path / "tv.pth")
    done = forge("weights", "add", "vgg19", str(file), environment=mine)
    assert done.returncode == 0, done.stderr
    assert "its license is for you to confirm" in done.stdout
    kept = tmp_path / "mine" / "vgg19.safetensors"
    assert sorted(path.name for path in kept.parent.iterdir()) == ["vgg19.md", "vgg19.safetensors"]
    done = forge("weights", "list", environment=mine)
    for said in (f"vgg19 (user): {kept}", weights.sha256(kept), "1 layers (conv1_1 to conv1_1)", "To be confirmed"):
        assert said in done.stdout
    assert "weights: user/vgg19" in forge("doctor", environment=mine).stdout
    assert forge("weights", "add", "vgg19", str(file), environment=mine).stdout.startswith("replaced vgg19")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["vgg19", "none.pth"], "none.pth: there is no such file"),
        (["vgg19", "weights.h5"], "weights.h5: .h5 is not read; give .npz, .pth, .pt, .safetensors"),
        (["vgg91", "tv.pth"], "'vgg91' is no network that can be converted"),
        (["vgg19", "tv.pth", "--input", "bgr"], "Invalid value for '--input'"),
    ],
)
def test_what_cannot_be_added_leaves_with_two(
    arguments: list[str], expected: str, tmp_path: Path, forge: Forge, mine: dict[str, str]
) -> None:
    vgg(tmp_path / "tv.pth")
    done = forge("weights", "add", *arguments, environment=mine)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mine").exists()


def test_damaged_weights_are_named(tmp_path: Path, forge: Forge, mine: dict[str, str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vgg19.safetensors").write_bytes(b"\0" * 20)
    done = forge("weights", environment=mine)
    assert done.returncode == 3
    assert "vgg19.safetensors: the weights cannot be read" in done.stderr
    assert "fast_color_x4 (upscale)" in done.stdout


def test_a_step_finds_them_and_other_weights_make_other_results(
    project: Path, forge: Forge, mine: dict[str, str]
) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "look.py").write_text(PLUGIN)
    (project / "look.yaml").write_text(PIPELINE)
    done = forge("run", "look.yaml", environment=mine)
    assert done.returncode == 3
    assert "vgg19.safetensors: the weights are missing; add them: assetforge weights add vgg19 FILE" in done.stderr
    for seed in (0, 1):
        assert forge("weights", "add", "vgg19", str(vgg(project / "tv.pth", seed)), environment=mine).returncode == 0
        assert ("weights vgg19 changed" in forge("plan", "look.yaml", environment=mine).stdout) == (seed == 1)
        done = forge("run", "look.yaml", environment=mine)
        assert done.returncode == 0, done.stderr
        assert "3 done" in done.stdout
