"""The map `coordinates`: what it was saved for makes the same again, and larger ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from conftest import Forge
from multiply.conftest import SMALL, apply, exemplar, placed

import assetforge as af
from assetforge.ops.resample import matched
from assetforge.samples import write_sample

TOLD = [
    ("stone", {}),
    pytest.param("brick", {}, marks=pytest.mark.slow),
    ("stone", {"turn": "all", "tileable": "x"}),
    ("brick", {"polish": 0.5, "flatten": 0.5, "repair_normals": True, "tileable": "none"}),
]


@pytest.mark.parametrize(("name", "params"), TOLD, ids=str)
def test_saved_coordinates_make_the_same_of_the_same_maps_to_the_bit(name: str, params: dict[str, object]) -> None:
    result = placed(name, **params)
    where = result["coordinates"]
    in_a_file = where.with_data((where.data * 65535).round() / 65535)  # what that leaves is the field (test_field.py)
    again = apply(exemplar(name, SMALL).replace(coordinates=in_a_file), **params)
    for key in exemplar(name, SMALL):
        assert torch.equal(again[key].data, result[key].data), key
        assert again[key].wrap == result[key].wrap


@pytest.mark.parametrize("scale", [2, 0.5])
def test_saved_coordinates_make_maps_of_another_size(scale: float) -> None:
    name, params = TOLD[-1]
    result = placed(name, **params)
    side = round(SMALL * scale)
    other = matched(exemplar(name, SMALL), (side, side))
    again = apply(other.replace(coordinates=result["coordinates"]), **params)
    assert again["height"].size == (side, side)
    expected = matched(result, (side, side))
    away = (again["height"].data - expected["height"].data).square().mean()
    assert away < 0.15 * expected["height"].data.var()


def test_coordinates_that_are_of_no_exemplar_are_refused() -> None:
    where = torch.rand(4, 96, 96, generator=torch.Generator().manual_seed(0))
    where[2] = 0
    with pytest.raises(af.StepError, match=r"coordinates.*not those of pixels"):
        apply(exemplar("stone", SMALL).replace(coordinates=af.Texture(where, af.ColorSpace.NONE)))


def test_turned_pieces_are_used_only_if_wanted() -> None:
    where = placed("stone", turn="all", tileable="x")["coordinates"].data
    assert len((where[2] * 256).round().unique()) > 4
    where = placed("stone")["coordinates"].data
    assert where[2].max() == 0


def test_coordinates_of_turned_pieces_are_refused_by_one_who_was_not_told() -> None:
    result = placed("stone", turn="all", tileable="x")
    with pytest.raises(af.StepError, match="turn"):
        apply(exemplar("stone", SMALL).replace(coordinates=result["coordinates"]))


def test_coordinates_go_through_files_and_not_through_coarse_ones(tmp_path: Path, forge: Forge) -> None:
    write_sample("stone", tmp_path / "samples", 32)
    inputs = "base_color: 'stone/{name}_base_color.png', height: 'stone/{name}_height.png'"
    for depth in ("png16", "png8"):
        (tmp_path / f"{depth}.yaml").write_text(
            f"version: 1\nsources: samples\ninputs: {{{inputs}}}\n"
            "steps: [{use: multiply, with: {candidates: 1, retries: 0, save_map: true}}]\n"
            f"outputs: {{dir: {depth}, format: {{default: png16, coordinates: {depth}}}}}\n"
        )
        assert forge("run", str(tmp_path / f"{depth}.yaml")).returncode == 0
        (tmp_path / "again.yaml").write_text(
            f"version: 1\ninputs: {{base_color: 'samples/stone/{{name}}_base_color.png',"
            f" height: 'samples/stone/{{name}}_height.png', coordinates: '{depth}/{{name}}_coordinates.png'}}\n"
            f"steps: [{{use: apply_map}}]\n"
            f"outputs: {{dir: again-{depth}, maps: [base_color, height], format: png16}}\n"
        )
        ran = forge("run", str(tmp_path / "again.yaml"))
        assert (ran.returncode == 0) == (depth == "png16"), ran.stderr
        assert ("a file of 8 bits" in ran.stderr) == (depth == "png8")
    for name in ("base_color", "height"):
        first, again = (tmp_path / folder / f"stone_{name}.png" for folder in ("png16", "again-png16"))
        assert (cv2.imread(str(first), -1) == cv2.imread(str(again), -1)).all()
