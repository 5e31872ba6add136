"""The step `render`: pictures of a material under lights."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from assetforge_render import RENDER, Light, Params
from assetforge_render import _render as rendering
from conftest import Forge

import assetforge as af
from assetforge.errors import StepError
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.normals import normalize
from assetforge.samples import make_sample, write_sample

SPECS = {**MAPS, "render": RENDER}


def render(material: Material, **params: object) -> torch.Tensor:
    context = af.Context(0, "cpu", lambda _: None, {}, SPECS)
    return rendering.render_material(material, Params(**params), context)["render"].data


def flat(**maps: float | tuple[float, ...]) -> Material:
    """A surface that is the same everywhere."""
    textures = {}
    for name, value in maps.items():
        spec = MAPS[name]
        data = torch.tensor(value).reshape(-1, 1, 1).expand(spec.channels, 16, 24).contiguous()
        textures[name] = Texture(data, spec.color_space)
    return Material("flat", textures)


def leaning(x: float, y: float) -> Material:
    normal = normalize(torch.tensor([x, y, 1.0]).view(3, 1, 1)).expand(3, 16, 24).contiguous()
    return flat(base_color=(0.5, 0.5, 0.5), roughness=1.0).replace(normal=Texture(normal, af.ColorSpace.NONE))


def test_white_paper_that_faces_a_light_of_strength_one_is_white() -> None:
    paper = flat(diffuse_albedo=(0.8, 0.8, 0.8), specular_albedo=(0.0, 0.0, 0.0), roughness=1.0)
    for light in (Light(elevation=90), Light(kind="point", elevation=90, distance=0.4)):
        middle = render(paper, lights=(light,), ambient=0.0, fov=2)[:, 8, 12]
        assert middle.tolist() == pytest.approx([0.8] * 3, abs=0.01)


def test_a_light_falls_off_with_its_distance_and_its_angle() -> None:
    paper = flat(diffuse_albedo=(0.5, 0.5, 0.5), specular_albedo=(0.0, 0.0, 0.0))
    low = render(paper, lights=(Light(elevation=30),), ambient=0.0, fov=2)
    assert low.mean().item() == pytest.approx(0.25, abs=0.005)
    near = render(paper, lights=(Light(kind="point", elevation=90, distance=0.2),), ambient=0.0, fov=60)[0]
    assert near[8, 12] > 3 * near[8, 0]


@pytest.mark.parametrize(("azimuth", "towards"), [(0, (0.5, 0)), (90, (0, 0.5)), (180, (-0.5, 0)), (270, (0, -0.5))])
def test_what_leans_towards_a_light_is_bright(azimuth: float, towards: tuple[float, float]) -> None:
    lights = (Light(azimuth=azimuth),)
    facing, averted = render(leaning(*towards), lights=lights), render(leaning(-towards[0], -towards[1]), lights=lights)
    assert facing.mean() > 2 * averted.mean()


def test_lights_add_up() -> None:
    material = flat(base_color=(0.2, 0.3, 0.1))
    one, other = Light(azimuth=0, strength=0.5), Light(azimuth=90, strength=0.25)
    both = render(material, lights=(one, other), ambient=0.0)
    alone = [render(material, lights=(light,), ambient=0.0) for light in (one, other)]
    assert torch.allclose(both, alone[0] + alone[1], atol=1e-6)


def test_ambient_light_is_kept_from_hollows() -> None:
    material = flat(base_color=(0.5, 0.5, 0.5), ambient_occlusion=0.25)
    dark = render(material, lights=(Light(strength=0),), ambient=0.4)
    assert dark.mean().item() == pytest.approx(0.4 * 0.54 * 0.25, abs=1e-4)


def test_frames_turn_the_lights_once_around() -> None:
    material = leaning(0.5, 0)
    sheet = render(material, frames=4, lights=(Light(azimuth=0),), ambient=0.0)
    assert sheet.shape == (3, 32, 48)
    frames = [sheet[:, y : y + 16, x : x + 24] for y in (0, 16) for x in (0, 24)]
    assert torch.equal(frames[0], render(material, lights=(Light(azimuth=0),), ambient=0.0))
    assert frames[0].mean() > frames[1].mean() > frames[2].mean()
    assert torch.allclose(frames[1].mean(), frames[3].mean(), rtol=1e-3)
    assert render(material, frames=5, size=12).shape == (3, 2 * 8, 3 * 12)


def test_a_metal_reflects_its_color_and_gloss_makes_highlights_small() -> None:
    light = (Light(elevation=90, strength=0.05),)
    gold = render(flat(base_color=(1.0, 0.7, 0.2), metalness=1.0, roughness=0.5), lights=light, ambient=0.0, fov=20)
    assert (gold[0] > 2 * gold[2])[gold[0] > 0.01].all()
    spread = []
    for glossiness in (0.8, 0.5):
        material = flat(diffuse_albedo=(0.0,) * 3, specular_albedo=(0.04,) * 3, glossiness=glossiness)
        lit = render(material, lights=light, ambient=0.0, fov=60)[0]
        spread.append((lit > lit.max() / 2).float().mean().item())
    assert spread[0] < spread[1]


@pytest.mark.parametrize(("direction", "wider"), [((1.0, 0.0, 0.0), 1), ((0.0, 1.0, 0.0), 0)])
def test_brushed_metal_stretches_its_highlight_along_the_direction(
    direction: tuple[float, float, float], wider: int
) -> None:
    brushed = flat(base_color=(0.8,) * 3, metalness=1.0, roughness=0.3, anisotropy=0.8)
    axis = torch.tensor(direction).view(3, 1, 1).expand(3, 16, 24).contiguous()
    brushed = brushed.replace(anisotropy_direction=Texture(axis, af.ColorSpace.NONE))
    params = {"lights": (Light(elevation=90, strength=0.05),), "ambient": 0.0, "fov": 60}
    lit = render(brushed, **params)[0]
    if wider == 1:
        assert lit[8, 4] > 3 * lit[0, 12]
    else:
        assert lit[0, 12] > 3 * lit[8, 4]


def test_pictures_do_not_depend_on_the_rows_that_are_rendered_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    material = make_sample("brick", 64)
    whole = render(material)
    monkeypatch.setattr(rendering, "BAND", 7)
    assert torch.equal(render(material), whole)


def test_maps_of_other_sizes_are_brought_to_the_largest() -> None:
    material = make_sample("stone", 64).replace(roughness=make_sample("stone", 32)["roughness"])
    assert render(material).shape == (3, 64, 64)
    assert render(material, size=40).shape == (3, 40, 40)


@pytest.mark.parametrize("times", [2, 4])
def test_a_smaller_picture_shows_what_the_large_one_shows(times: int) -> None:
    """A mean of normals is one facet that may sparkle, where many lie."""
    metal = make_sample("metal", 64)
    large = torch.nn.functional.avg_pool2d(render(metal), times)
    assert torch.allclose(render(metal, size=64 // times), large, atol=1e-6)


def test_a_material_with_nothing_to_show_is_an_error() -> None:
    with pytest.raises(StepError, match="nothing to show in height"):
        render(flat(height=0.5))


def test_a_pipeline_writes_a_preview_beside_the_maps(tmp_path: Path, forge: Forge) -> None:
    write_sample("brick", tmp_path / "samples", 32)
    (tmp_path / "pipeline.yaml").write_text(
        "version: 1\nsources: samples\ninputs:\n"
        '  base_color: "{name}/{name}_base_color.png"\n  normal: "{name}/{name}_normal.png"\n'
        "steps:\n  - use: render\n    with: {frames: 4, lights: [{azimuth: 30}, {kind: point, elevation: 80}]}\n"
        "outputs: {dir: build, maps: [base_color, render]}\n"
    )
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == ["brick_base_color.png", "brick_render.png"]
    sheet = cv2.imread(str(tmp_path / "build" / "brick_render.png"))
    assert sheet.shape == (64, 64, 3)
    assert np.ptp(sheet) > 50
    assert math.isclose(sheet[:32, :32].mean(), sheet[32:, 32:].mean(), rel_tol=0.5)
