"""What each step makes of a sample looks as it did: small pictures, kept in `golden`, of all maps that it writes.

PYTHONPATH=tests:plugins python tests/test_golden.py    # writes them anew; look at what changed, then commit it
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from stylize.test_stylize import half
from torch import Tensor

import assetforge as af
from assetforge import weights
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_encode
from assetforge.plugins import load
from assetforge.samples import make_sample, write_sample
from assetforge.samples.photographs import FLASH, GUIDE, photographs

GOLDEN = Path(__file__).parent / "golden"
TRIM = ("base_color", "normal", "roughness")
PAINTING = Path(__file__).parents[1] / "pipelines" / "painting.png"
MEAN, WORST = 1.0, 16.0
"""Codes that pictures may be apart, on average and for all but a thousandth: processors round differently."""

Make = Callable[[Path], Material]


def run(step_name: str, material: Material, **params: object) -> Material:
    """Run a step by what it registers, and return what it wrote."""
    registry = load()
    step, plugin = registry.steps[step_name], registry.plugin_of(step_name)
    chosen = step.params.model_validate(params)
    files = {name: weights.find(name, plugin.folder) for name in step.weights_of(chosen)}
    context = af.Context(0, "cpu", lambda _: None, files, registry.maps)
    with torch.no_grad():
        made = step.run(material, chosen, context)
    specs = {name: registry.maps[name] for name in material}
    return Material("made", {name: made[name] for name in step.writes_with(chosen, specs)})


def sample(name: str, side: int = 64) -> Material:
    return make_sample(name, side)


def photographed() -> Material:
    shot = photographs(make_sample("brick", 96), size=(64, 96), seed=1)
    linear = af.ColorSpace.LIN_REC709
    flash, guide = (
        Texture(data, linear, "clamp", camera=one) for data, one in ((shot.flash, FLASH), (shot.guide, GUIDE))
    )
    return Material("shot", {"flash": flash, "guide": guide})


def painted(side: int) -> Material:
    """Part of a file, whose numbers are the same on every machine: where patches come from hangs on their last bits."""
    codes = torch.from_numpy(cv2.imread(str(PAINTING))[:side, :side, ::-1].copy()).permute(2, 0, 1)
    color, space = codes.float() / 255, af.ColorSpace
    return Material(
        "painted", {"base_color": Texture(color, space.LIN_REC709), "height": Texture(color[1:2], space.NONE)}
    )


@lru_cache
def multiplied() -> Material:
    return run("multiply", painted(48), save_map=True, candidates=1)


def with_coordinates() -> Material:
    return painted(48).replace(coordinates=multiplied()["coordinates"])


def packed() -> Material:
    return Material("p", dict(run("pack", sample("brick"), r="normal.r", g="normal.g", b="roughness")))


def stones(folder: Path) -> dict[str, object]:
    write_sample("stone", folder, 64)
    return {"maps": {name: str(folder / "stone" / f"stone_{name}.png") for name in TRIM}, "across": 2}


def masked(folder: Path) -> dict[str, str]:
    return {"file": str(PAINTING), "mask": str(half(folder / "mask.png"))}


def trained(folder: Path) -> Path:
    """Untrained weights of a network for one style."""
    from assetforge_stylize._networks import Transformation

    torch.manual_seed(0)
    file = folder / "style.safetensors"
    save_file({name: value.contiguous() for name, value in Transformation().state_dict().items()}, file)
    return file


def cropped() -> Material:
    """A sample that does not tile."""
    whole = sample("brick", 96)
    return Material("part", dict(run("crop", whole, size=[75, 70], at=[9, 17])))


def detailed() -> Material:
    return sample("brick").replace(normal_detail=sample("fabric", 64)["normal"])


def levels(material: Material) -> Material:
    """The smaller levels of normals, roughness and color as maps of their own."""
    names = ("base_color", "normal", "roughness")
    return Material("levels", {f"{name}_{n}": material[name].levels[n] for name in names for n in (1, 2, 3)})


CASES: dict[str, Make] = {
    "upscale": lambda _: run("upscale", sample("brick", 32), scale=2),
    "upscale_lanczos": lambda _: run("upscale", sample("brick", 32), scale=2, method="lanczos"),
    "multiply": lambda _: multiplied().only("base_color", "height"),
    "multiply_blend": lambda _: run("multiply", sample("fabric"), method="blend"),
    "apply_map": lambda _: run("apply_map", with_coordinates(), scale=2),
    "stylize": lambda _: run("stylize", sample("brick"), style=str(PAINTING), iterations=4),
    "stylize_masked": lambda folder: run("stylize", sample("brick"), style=[masked(folder)], iterations=2),
    "stylize_adain": lambda _: run("stylize", sample("brick"), style=str(PAINTING), method="adain"),
    "stylize_fast": lambda folder: run("stylize_fast", sample("brick"), network=str(trained(folder))),
    "match_color": lambda _: run("match_color", sample("brick"), like=str(PAINTING)),
    "pixel_art": lambda _: run("pixel_art", sample("brick"), colors=8, reduce=2),
    "render": lambda _: run("render", sample("brick")),
    "resize": lambda _: run("resize", sample("brick"), size=[40, 56]),
    "crop": lambda _: run("crop", sample("brick"), size=[40, 24]),
    "make_tileable": lambda _: run("make_tileable", cropped(), force=True),
    "delight": lambda _: run("delight", sample("stone"), radius=0.05),
    "height_from_normal": lambda _: run("height_from_normal", sample("stone")),
    "normal_from_height": lambda _: run("normal_from_height", sample("stone")),
    "ao_from_height": lambda _: run("ao_from_height", sample("stone")),
    "curvature": lambda _: run("curvature", sample("stone"), radius=0.02),
    "levels": lambda _: run("levels", sample("brick"), maps={"roughness": {"gamma": 2}, "height": {"invert": True}}),
    "combine_normals": lambda _: run("combine_normals", detailed()),
    "mips": lambda _: levels(run("mips", sample("brick"))),
    "pack": lambda _: run("pack", sample("brick"), r="roughness", g="1 - height", b="base_color.r"),
    "unpack": lambda _: run("unpack", packed(), maps={"normal": "rg", "roughness": "b"}),
    "trim_sheet": lambda folder: run("trim_sheet", sample("brick").only(*TRIM), strips=[stones(folder)], ids=True),
    "convert": lambda _: run("convert", sample("metal"), to="specular"),
    "svbrdf": lambda _: run("svbrdf", photographed(), effort=0.1),
}


def sheet(material: Material) -> np.ndarray:
    """Put all maps side by side, in 8 bits: colors are sRGB-encoded, and of normals 0 to 1 stands for -1 to 1."""
    tiles = [_picture(name, texture) for name, texture in sorted(material.items())]
    height = max(tile.shape[0] for tile in tiles)
    return np.concatenate([np.pad(tile, ((0, height - tile.shape[0]), (0, 4), (0, 0))) for tile in tiles], 1)


def _picture(name: str, texture: Texture) -> np.ndarray:
    data: Tensor = texture.data
    if texture.color_space is not af.ColorSpace.NONE:
        data = srgb_encode(data.clamp(0, 1))
    elif "normal" in name or "direction" in name:
        data = data / 2 + 0.5
    data = data[:3] if data.shape[0] >= 3 else data[:1].expand(3, -1, -1)
    return (data.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()[:, :, ::-1]


@pytest.mark.parametrize("name", CASES)
def test_a_step_makes_what_it_made(name: str, tmp_path: Path) -> None:
    made, kept = sheet(CASES[name](tmp_path)), cv2.imread(str(GOLDEN / f"{name}.png"))
    assert kept is not None, "there is no such picture; write it by running this file"
    assert made.shape == kept.shape
    apart = np.abs(made.astype(np.int16) - kept)
    difference = tmp_path / "difference.png"
    cv2.imwrite(str(difference), np.concatenate([kept, made, np.minimum(apart * 8, 255).astype(np.uint8)]))
    told = f"mean {apart.mean():.2f}, worst {np.quantile(apart, 0.999):.0f}; see {difference}"
    assert apart.mean() <= MEAN, told
    assert np.quantile(apart, 0.999) <= WORST, told


def test_every_step_has_a_picture() -> None:
    assert {name for name, step in load().steps.items() if not step.only_checks} <= CASES.keys()


if __name__ == "__main__":
    for name, make in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            cv2.imwrite(str(GOLDEN / f"{name}.png"), sheet(make(Path(folder))))
