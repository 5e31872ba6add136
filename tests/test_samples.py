"""The samples are materials that tile."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch

from assetforge.errors import UsageError
from assetforge.material.map_spec import MAPS
from assetforge.ops.seams import seam_score
from assetforge.samples import SAMPLES, make_sample, write_sample


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_tileable_material(name: str) -> None:
    material = make_sample(name, 128)
    assert {"base_color", "normal", "roughness", "height", "ambient_occlusion"} <= material.keys()
    for map_name, texture in material.items():
        spec = MAPS[map_name]
        assert texture.size == (128, 128)
        assert texture.wrap == "repeat"
        assert seam_score(texture.data) <= 1.2, map_name
        assert spec.valid[0] <= texture.data.min()
        assert texture.data.max() <= spec.valid[1]
    assert material["base_color"].data.std() > 0.02
    assert material["normal"].data[2].min() < 0.97  # there is relief


def test_a_sample_is_the_same_every_time() -> None:
    first, second = make_sample("stone", 64), make_sample("stone", 64)
    assert all(torch.equal(first[name].data, second[name].data) for name in first)


def test_an_unknown_sample_is_asked_back() -> None:
    with pytest.raises(UsageError, match="did you mean 'brick'"):
        make_sample("bricks")


def test_normals_and_heights_are_written_with_sixteen_bits(tmp_path: Path) -> None:
    files = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in write_sample("brick", tmp_path, 64)}
    assert files["brick_normal.png"].dtype == "uint16"
    assert files["brick_base_color.png"].dtype == "uint8"
    assert {pixels.shape[:2] for pixels in files.values()} == {(64, 64)}
