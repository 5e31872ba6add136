"""The steps `pack`, `unpack` and `trim_sheet`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from maps.conftest import Told, numbers, refused, run

from assetforge.build import Build
from assetforge.errors import PipelineError
from assetforge.execute.options import RunOptions
from assetforge.material.material import Material
from assetforge.ops.color import srgb_encode
from assetforge.ops.seams import seam_score
from assetforge.samples import make_sample, write_sample

MAPS = ("base_color", "normal", "roughness")


def test_packed_channels_are_those_of_the_maps() -> None:
    brick = make_sample("brick", 64)
    packed = run("pack", brick, r="roughness", g="1 - roughness", b="base_color.g", a=0.25)["packed_rgba"]
    assert torch.equal(packed.data[0], brick["roughness"].data[0])
    assert torch.equal(packed.data[1], 1 - brick["roughness"].data[0])
    assert torch.equal(packed.data[2], srgb_encode(brick["base_color"].data)[1])
    assert packed.data[3].unique().tolist() == [0.25]
    assert packed.wrap == "repeat"


def test_largest_map_gives_the_size_and_what_tiles_goes_on_tiling() -> None:
    brick = make_sample("brick", 64)
    small = run("resize", brick.only("roughness"), size=[32, 32])["roughness"]
    packed = run("pack", brick.replace(roughness=small), r="height", g="roughness", b="normal.r")["packed"]
    assert packed.size == (64, 64)
    assert seam_score(packed.data) <= 1.2


def test_maps_of_files_that_do_not_say_that_they_tile_go_on_tiling_when_packed() -> None:
    """Files say nothing of what lies beyond their edges: it is measured."""
    brick = make_sample("brick", 64)
    unsaid = Material("", {name: replace(brick[name], wrap="unknown") for name in ("normal", "height")})
    large = run("resize", unsaid.only("height"), size=[256, 256])
    packed = run("pack", unsaid.replace(height=large["height"]), r="height", g="normal.r", b="normal.g")["packed"]
    assert packed.wrap == "unknown"
    assert seam_score(packed.data[1:]) <= 1.2
    assert seam_score(run("resize", Material("", {"packed": packed}), size=[400, 400])["packed"].data) <= 1.2


def test_unpacking_gives_back_what_was_packed() -> None:
    brick = make_sample("brick", 64)
    packed = run("pack", brick, r="normal.r", g="normal.g", b="roughness")["packed"]
    back = run("unpack", Material("m", {"packed": packed}), maps={"normal": "rg", "roughness": "b", "height": "1 - b"})
    assert torch.equal(back["roughness"].data, brick["roughness"].data)
    assert torch.equal(back["height"].data, 1 - brick["roughness"].data)
    torch.testing.assert_close(back["normal"].data, brick["normal"].data, atol=1e-5, rtol=0)


def test_what_cannot_be_packed_is_named() -> None:
    brick = make_sample("brick", 32)
    with refused("normal", "normal.r, normal.g, normal.b"):
        run("pack", brick, r="normal", g=0, b=0)
    with refused("base_color", "one channel of numbers"):
        run("unpack", Material("m", {"packed": make_sample("brick", 8)["normal"]}), maps={"base_color": "r"})


PACK = """\
version: 1
inputs: {{base_color: "{{name}}_d.png", roughness: "{{name}}_r.png"}}
steps:
  - use: pack
    with: {{r: {red}, g: 0.5, b: 0}}
outputs: {{dir: build, maps: [packed]}}
"""


@pytest.mark.parametrize(
    ("red", "words"),
    [
        ("roughnes", "reads the unknown map 'roughnes'; did you mean 'roughness'?"),
        ("height", "reads 'height'; the inputs and the steps before give: base_color, roughness"),
        ("1-roughness", "with.r: is \"1-roughness\"; it should be a map or '1 - MAP', with '.r', '.g' or '.b'"),
        ("1", "steps[0].with: packs numbers alone; name a map for one channel at least"),
    ],
)
def test_what_names_no_channel_is_refused_before_anything_runs(red: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PACK.format(red=red))
    with pytest.raises(PipelineError) as caught:
        Build(tmp_path / "pipeline.yaml")
    assert words in str(caught.value)


def test_a_map_that_is_not_packed_may_change_or_be_larger(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PACK.format(red="roughness"))
    rng = np.random.default_rng(3)

    def write(name: str, side: int) -> None:
        assert cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (side, side), np.uint8))

    write("a_d.png", 32)
    write("a_r.png", 16)
    with Build(tmp_path / "pipeline.yaml") as build:
        build.run(build.plan(), options=RunOptions("cpu", workers=0))
        assert cv2.imread(str(tmp_path / "build" / "a_packed.png")).shape == (16, 16, 3)
        write("a_d.png", 32)
        assert [job.state for job in build.plan().jobs] == ["up to date"]


def test_packed_files_keep_every_code(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (16, 24, 4), np.uint8)
    assert cv2.imwrite(str(tmp_path / "a_p.png"), pixels)
    text = """\
version: 1
inputs: {packed_rgba: "{name}_p.png"}
steps:
  - {use: unpack, with: {maps: {roughness: r, metalness: 1 - g, height: b, opacity: a}}}
  - {use: pack, with: {r: roughness, g: 1 - metalness, b: height, a: opacity}}
outputs: {dir: build, maps: [packed_rgba]}
"""
    (tmp_path / "pipeline.yaml").write_text(text)
    with Build(tmp_path / "pipeline.yaml") as build:
        [job] = build.run(build.plan(), options=RunOptions("cpu", workers=0)).jobs
    assert job.state == "done", job.error
    assert np.array_equal(cv2.imread(str(tmp_path / "build" / "a_packed_rgba.png"), cv2.IMREAD_UNCHANGED), pixels)


def files(folder: Path, name: str, side: int) -> dict[str, str]:
    write_sample(name, folder, side)
    return {one: str(folder / name / f"{name}_{one}.png") for one in MAPS}


def strip(folder: Path, **more: object) -> dict[str, Any]:
    return {"maps": files(folder, "stone", 64), **more}


def test_strips_lie_below_each_other_where_the_report_says(tmp_path: Path) -> None:
    brick, told = make_sample("brick", 64).only(*MAPS), Told()
    sheet = run("trim_sheet", brick, told, strips=[strip(tmp_path, name="stones", across=2)], padding=4, ids=True)
    assert told.notes["strips"] == [
        {"name": "material", "top": 4, "bottom": 68},
        {"name": "stones", "top": 76, "bottom": 108},
    ]
    assert not told.flags
    for name in MAPS:
        assert sheet[name].size == (112, 64)
        assert torch.equal(sheet[name].data[:, 4:68], brick[name].data)
        stones = sheet[name].data[:, 76:108]
        assert torch.equal(stones[:, :, :32], stones[:, :, 32:])
        assert seam_score(stones, "x") <= 1.2
    ids = sheet["id"].data[0]
    found = [ids[row].unique().tolist() for row in (3, 4, 67, 68, 75, 76, 107, 108)]
    assert found == [[0], [1], [1], [0], [0], [2], [2], [0]]


def test_padding_goes_on_as_its_strip_does(tmp_path: Path) -> None:
    brick = make_sample("brick", 64).only(*MAPS)
    sheet = run("trim_sheet", brick, strips=[strip(tmp_path)], padding=8, height=256)
    for name in MAPS:
        data = sheet[name].data
        assert torch.equal(data[:, :8], brick[name].data[:, -8:])  # it tiles down, too
        assert torch.equal(data[:, 72:80], brick[name].data[:, :8])
        assert data.shape[1] == 256
    alone = brick.replace(roughness=numbers(torch.rand(1, 64, 64).cumsum(1) / 64, "roughness"))
    held = run("trim_sheet", alone, strips=[strip(tmp_path)], padding=8)["roughness"].data
    assert torch.equal(held[:, :8], held[:, 8:9].expand(1, 8, 64))


def test_strips_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    brick = make_sample("brick", 64)
    with refused("strips[0]", "give those of the material"):
        run("trim_sheet", brick, strips=[strip(tmp_path)])
    with refused("need 160 rows", "may have 128"):
        run("trim_sheet", brick.only(*MAPS), strips=[strip(tmp_path)], height=128)
    with refused("repeat 3 times across 64"):
        run("trim_sheet", brick.only(*MAPS), strips=[strip(tmp_path, across=3)])


def test_strip_that_does_not_tile_is_flagged(tmp_path: Path) -> None:
    told = Told()
    ramp = numbers(torch.linspace(0, 1, 64).expand(1, 64, 64), "roughness")
    run("trim_sheet", make_sample("brick", 64).only(*MAPS).replace(roughness=ramp), told, strips=[strip(tmp_path)])
    assert [flag.split(" (")[0] for flag in told.flags] == ["roughness: the strip material does not tile across"]
