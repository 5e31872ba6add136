"""Photographs become a tile, the tile a new material, and that a larger one: all maps go all the way together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from assetforge_svbrdf import WRITES
from conftest import Forge
from svbrdf.conftest import files_of, shot
from torch import Tensor

from assetforge.codecs.decode import decode
from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_encode

TIE = '''\
"""Let maps be functions of one another."""

from __future__ import annotations
import assetforge as af

WRITES = {"base_color", "roughness", "height", "anisotropy", "normal", "anisotropy_direction"}


class Params(af.Params):
    pass


@af.step("tie", Params, reads=WRITES, writes=WRITES)
def tie(material: af.Material, params: Params, context: af.Context) -> af.Material:
    import torch
    from assetforge.ops.color import srgb_decode, srgb_encode
    from assetforge.ops.normals import of_slopes

    tone = srgb_encode(material["base_color"].data.mean(0, keepdim=True))
    tone = (tone - tone.min()) / (tone.max() - tone.min())
    angle = tone - 0.5
    maps = {
        "base_color": srgb_decode(tone).expand(3, -1, -1),
        "roughness": 1 - tone,
        "height": tone,
        "anisotropy": 0.2 + 0.6 * tone,
        "normal": of_slopes(torch.cat([angle, -angle])),
        "anisotropy_direction": torch.cat([angle.cos(), angle.sin(), 0 * angle]),
    }
    return material.replace(**{name: material[name].with_data(data.contiguous()) for name, data in maps.items()})


@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(tie)
'''
PIPELINE = """\
version: 1
sources: photos
inputs: {flash: "{name}_flash.*", guide: "{name}_guide.*"}
steps:
  - use: svbrdf
    with: {tileable: true, effort: 0.01, metal: "no", anisotropy: "no"}
  - use: tie
  - use: multiply
    with: {size: [64, 48], candidates: 1, retries: 0}
  - use: upscale
    with: {method: lanczos}
outputs: {dir: build, format: exr, maps: [MAPS]}
"""


@pytest.mark.slow
def test_maps_that_are_functions_of_one_another_are_so_after_all_steps(tmp_path: Path, forge: Forge) -> None:
    (tmp_path / "photos").mkdir()
    for which, content in files_of(shot("stone", (64, 96))).items():
        (tmp_path / "photos" / f"wall_{which}.jpg").write_bytes(content)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "tie.py").write_text(TIE)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("MAPS", ", ".join(sorted(WRITES))))
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    maps = {
        name: decode(tmp_path / "build" / f"wall_{name}.exr", MAPS[name], Reading()).texture.data for name in WRITES
    }
    assert {pixels.shape[1:] for pixels in maps.values()} == {(96, 128)}
    tone = srgb_encode(maps["base_color"]).mean(0)
    for name, apart in (far_from(maps, tone)).items():
        assert apart < 0.02, name
    for name, apart in far_from(maps, tone.roll((24, 32), (0, 1))).items():
        assert apart > 0.1, name  # so that it tells where maps do not lie together
    assert maps["metalness"].eq(0).all()
    assert maps["anisotropy_direction"][2].eq(0).all()


def far_from(maps: dict[str, Tensor], tone: Tensor) -> dict[str, float]:
    """Return how far each map is, in the mean, from what it is to be by the tone of the color."""
    slope = maps["normal"][:2] / maps["normal"][2:]
    angle = torch.atan2(maps["anisotropy_direction"][1], maps["anisotropy_direction"][0])
    tones = {
        "roughness": 1 - maps["roughness"][0],
        "height": maps["height"][0],
        "anisotropy": (maps["anisotropy"][0] - 0.2) / 0.6,
        "normal, x": slope[0] + 0.5,
        "normal, y": 0.5 - slope[1],
        "anisotropy_direction": angle + 0.5,
    }
    return {name: (one - tone).abs().mean().item() for name, one in tones.items()}
