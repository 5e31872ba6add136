"""A preset packs maps as its program expects them, is built as all else, and says what is wrong with it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT
from export.conftest import NAME, PIPELINE, SIDE, pictures, read, run, write
from naming import shared_set, write_set
from PIL import Image

from assetforge.build import Build
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.codecs.pack import pack
from assetforge.codecs.packing import PACKED, Packing, Part
from assetforge.errors import PipelineError
from assetforge.execute.options import RunOptions
from assetforge.export.descriptors import DESCRIPTORS
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_encode
from assetforge.pipeline.load import load, read_document
from assetforge.pipeline.presets import PRESETS, Preset, parse_part, spelled
from assetforge.plan.assets import find_assets
from assetforge.plugins import Registry


def texture(name: str, height: int = 4, width: int = 6, *, seed: int = 0) -> Texture:
    spec = MAPS[name]
    data = torch.rand(spec.channels, height, width, generator=torch.Generator().manual_seed(seed))
    return Texture(data, ColorSpace.LIN_REC709 if spec.is_color else ColorSpace.NONE)


def packed(
    maps: dict[str, Texture], *, longest: int | None = None, power: bool = False, **parts: str | float
) -> Texture:
    packing = Packing(tuple((letter, parse_part(text)) for letter, text in parts.items()), longest, power)  # type: ignore[misc]
    return pack(maps, MAPS, packing, parse("png8"))[0]


# Packing


def test_shipped_presets_name_maps_that_are_there_without_any_plugin() -> None:
    assert {name for preset in PRESETS.values() for file in preset.files for name in file.packing.maps} <= MAPS.keys()


def test_each_channel_holds_what_the_preset_says() -> None:
    maps = {name: texture(name, seed=index) for index, name in enumerate(("roughness", "metalness", "base_color"))}
    made = packed(maps, r="1 - roughness", g="metalness", b="base_color.g", a=0.25).data
    encoded = srgb_encode(maps["base_color"].data)[1:2]
    wanted = [1 - maps["roughness"].data, maps["metalness"].data, encoded, torch.full((1, 4, 6), 0.25)]
    torch.testing.assert_close(made, torch.cat(wanted))


def test_what_the_material_lacks_is_neutral() -> None:
    made = packed({"roughness": texture("roughness")}, r="ambient_occlusion", g="roughness", b="metalness").data
    assert (made[0].unique().tolist(), made[2].unique().tolist()) == ([1.0], [0.0])
    smooth = packed({"metalness": texture("metalness")}, r="metalness", a="1 - roughness").data
    assert smooth[1:].amax((1, 2)).tolist() == [0.0, 0.0, 0.5]


def test_alpha_that_would_be_1_everywhere_is_left_out_and_that_of_the_color_kept() -> None:
    color = texture("base_color")
    assert packed({"base_color": color}, rgb="base_color", a="opacity").channels == 3
    assert packed({"base_color": color}, rgb="base_color", a=1).channels == 3
    cover = torch.rand(1, 4, 6)
    clear = Texture(color.data, color.color_space, alpha=cover)
    assert torch.equal(packed({"base_color": clear}, rgb="base_color", a="opacity").data[3:], cover)
    opacity = texture("opacity")
    made = packed({"base_color": clear, "opacity": opacity}, rgb="base_color", a="opacity")
    assert torch.equal(made.data[3:], opacity.data)


@pytest.mark.parametrize("own", [True, False])
def test_colors_that_alpha_hides_are_not_mixed_into_what_is_seen(own: bool) -> None:
    cover = (torch.arange(48).expand(1, 48, 48) % 16 < 8).float()
    red, green = torch.tensor([0.5, 0.0, 0.0]).reshape(3, 1, 1), torch.tensor([0.0, 0.5, 0.0]).reshape(3, 1, 1)
    color = Texture(torch.where(cover > 0, red, green), ColorSpace.LIN_REC709, alpha=cover if own else None)
    maps = {"base_color": color, **({} if own else {"opacity": Texture(cover, ColorSpace.NONE)})}
    made = packed(maps, power=True, longest=32, rgb="base_color", a="opacity").data
    assert made.shape == (4, 32, 32)
    assert made[1][made[3] > 0].max() < 1e-3


def test_alpha_may_stand_before_the_color() -> None:
    maps = {"base_color": texture("base_color"), "opacity": texture("opacity")}
    assert torch.equal(packed(maps, a="opacity", rgb="base_color").data[3:], maps["opacity"].data)


def test_the_largest_map_is_the_one_of_most_pixels() -> None:
    maps = {"roughness": texture("roughness", 8, 128), "metalness": texture("metalness", 16, 16)}
    assert packed(maps, r="roughness", g="metalness").size == (8, 128)


def test_maps_of_several_sizes_become_as_large_as_the_largest_may_be() -> None:
    maps = {"roughness": texture("roughness", 24, 48), "metalness": texture("metalness", 6, 12)}
    assert packed(maps, r="roughness", g="metalness").size == (24, 48)
    assert packed(maps, longest=24, r="roughness", g="metalness").size == (12, 24)
    assert packed(maps, power=True, r="roughness", g="metalness").size == (32, 64)
    assert packed(maps, power=True, longest=48, r="roughness", g="metalness").size == (32, 32)


def test_one_channel_is_gray_and_floats_are_linear(tmp_path: Path) -> None:
    maps = {"base_color": texture("base_color")}
    made, spec = pack(maps, MAPS, Packing((("r", Part("base_color", 0)),)), parse("exr32"))
    assert torch.equal(made.data, maps["base_color"].data[:1])
    (tmp_path / "x.exr").write_bytes(encode({PACKED: (made, spec)}, parse("exr32")))
    assert torch.equal(decode(tmp_path / "x.exr", MAPS["roughness"]).texture.data, made.data)


def test_every_preset_writes_the_codes_of_the_sources(everything: Path) -> None:
    maps = pictures()
    for preset, orm in (("gltf", "occlusionRoughnessMetallic"), ("godot", "orm")):
        picture = read(everything / preset / f"{NAME}_{orm}.png")
        for channel, name in ((2, "ambient_occlusion"), (1, "roughness"), (0, "metalness")):
            assert np.array_equal(picture[:, :, channel], maps[name])
    color = read(everything / "gltf" / f"{NAME}_baseColor.png")
    assert np.array_equal(color, np.dstack([maps["base_color"], maps["opacity"]]))
    turned = np.abs(read(everything / "gltf" / f"{NAME}_normalGL.png").astype(int) - maps["normal"])
    assert turned.max() <= 1  # made of unit length


# Names lead back


def test_from_unreal_to_gltf_and_back_all_maps_are_the_same(data: Path, tmp_path: Path, registry: Registry) -> None:
    maps, _ = shared_set(data / "materials" / "Metal012", 64)
    assert {"base_color", "normal", "roughness", "metalness"} <= maps.keys()
    write_set(tmp_path / "0", "poly_haven", "Metal012", maps)
    found = {}
    for number, preset in enumerate(("unreal", "gltf", "unity_hdrp", "godot", "blender")):
        (tmp_path / "pipeline.yaml").write_text(
            f"version: 1\nsources: '{number}'\ninputs: {{auto: '**'}}\n"
            f"outputs: {{preset: {preset}, dir: '{number + 1}'}}\n"
        )
        with Build(tmp_path / "pipeline.yaml") as build:
            assert build.run(build.plan(), lambda _: None, RunOptions("cpu", workers=0)).exit_code == 0
        (tmp_path / "read.yaml").write_text(f"version: 1\nsources: '{number + 1}'\ninputs: {{auto: '**'}}\n")
        (asset,) = find_assets(load(read_document(tmp_path / "read.yaml"), registry)).assets
        assert asset.unclear is asset.conflict is None
        found[preset] = {
            name: decode(tmp_path / str(number + 1) / path, MAPS[name], asset.readings[name]).texture.data
            for name, path in asset.sources.items()
        }
    for name, picture in maps.items():
        if name == "height":
            continue  # glTF has none
        assert cv2.imwrite(str(tmp_path / "plain.png"), picture)
        start = decode(tmp_path / "plain.png", MAPS[name]).texture.data
        for preset, made in found.items():
            apart = (made[name] - start).abs().max().item()
            assert apart <= (2.5 * 2 / 255 if name == "normal" else 1e-6), (preset, name)


# A build like all others


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def states(project: Path) -> list[str]:
    with Build(project / "pipeline.yaml") as build:
        return [reason for job in build.plan().jobs for reason in map(str, job.reasons)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    maps = pictures(side=16)
    write(tmp_path, {name: maps[name] for name in ("base_color", "roughness", "normal")}, "brick")
    return tmp_path


def test_what_is_not_made_any_more_is_removed_and_nothing_else_is_built_anew(project: Path) -> None:
    assert run(project, "{preset: [gltf, godot], dir: 'build/{preset}'}").exit_code == 0
    both = files_in(project / "build")
    assert {"gltf/brick.gltf", "godot/brick.tres", "godot/brick_orm.png", "godot/brick_orm.png.import"} <= both
    kept = {name: (project / "build" / name).stat().st_mtime_ns for name in both if name.startswith("gltf")}
    assert run(project, "{preset: [gltf], dir: 'build/{preset}'}").exit_code == 0
    assert {name: (project / "build" / name).stat().st_mtime_ns for name in files_in(project / "build")} == kept
    assert states(project) == []


def test_a_lost_or_changed_descriptor_is_written_again_but_engines_may_complete_import_settings(project: Path) -> None:
    outputs = "{preset: [unity_urp, gltf], dir: 'build/{preset}'}"
    assert run(project, outputs).exit_code == 0
    settings, gltf = project / "build/unity_urp/brick_MaskMap.png.meta", project / "build/gltf/brick.gltf"
    ours = settings.read_text(), gltf.read_text()
    settings.write_text(f"{ours[0]}more: 1\n")
    assert states(project) == []
    gltf.write_text("{}")
    assert states(project) == ["output brick.gltf changed"]
    assert run(project, outputs).exit_code == 0
    assert (settings.read_text(), gltf.read_text()) == ours
    settings.unlink()
    assert states(project) == ["output brick_MaskMap.png.meta missing"]


def test_a_preset_that_changes_is_the_reason(project: Path) -> None:
    own = "presets: {mine: {files: {C: {rgb: base_color}}}}\n"
    assert run(project, "{preset: mine}", own).exit_code == 0
    assert files_in(project / "build") == {"brick_C.png"}
    (project / "pipeline.yaml").write_text(
        f"{PIPELINE}{own.replace('rgb: base_color', 'rgb: base_color, a: roughness')}outputs: {{preset: mine}}\n"
    )
    assert states(project) == ["preset mine changed"]


def test_opacity_decides_what_a_descriptor_says(project: Path) -> None:
    soft = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (16, 1))
    for picture, mode in ((np.full_like(soft, 255), None), (soft, "BLEND"), (np.where(soft > 99, 255, 0), "MASK")):
        write(project, {"opacity": picture}, "brick")
        assert run(project, "{preset: gltf}").exit_code == 0
        text = (project / "build" / "brick.gltf").read_text()
        assert re.findall('"alphaMode": "(.*)"', text) == ([mode] if mode else [])


def test_a_preset_of_ones_own(project: Path) -> None:
    own = """presets:
  mine:
    files:
      C: {rgb: base_color}
      RN: {r: roughness, g: normal.x, b: normal.y, a: 0.5}
    format: {default: tga, RN: png16}
    prefix: X_
    longest: 8
    power_of_two: true
    descriptor: none
  small: {like: unreal, longest: 4}
"""
    assert run(project, "{preset: [mine, small], dir: 'build/{preset}'}", own).exit_code == 0
    assert files_in(project / "build") == {
        "mine/X_brick_C.tga", "mine/X_brick_RN.png", "small/T_brick_BC.png", "small/T_brick_N.png",
        "small/T_brick_ORM.png", "small/import_brick.py",
    }  # fmt: skip
    packed_file = read(project / "build" / "mine" / "X_brick_RN.png")
    assert (packed_file.shape, packed_file.dtype) == ((8, 8, 4), np.uint16)
    assert read(project / "build" / "small" / "T_brick_BC.png").shape[:2] == (4, 4)


def test_an_asset_without_any_map_of_a_preset_fails_by_name(project: Path) -> None:
    report = run(project, "{preset: mine}", "presets: {mine: {files: {H: {r: height}}}}\n")
    assert [job.error for job in report.jobs] == [
        "has no map that the preset mine writes; it has: base_color, normal, roughness"
    ]


def test_no_material_of_the_specular_workflow_loses_its_color(project: Path) -> None:
    (project / "src" / "brick_base_color.png").rename(project / "src" / "brick_diffuse.png")
    (project / "src" / "brick_normal.png").rename(project / "src" / "brick_specular.png")
    inputs = "{diffuse_albedo: '{name}_diffuse.png', specular_albedo: '{name}_specular.png'}"
    text = f"version: 1\nsources: src\ninputs: {inputs}\n"
    (project / "pipeline.yaml").write_text(text + "outputs: {preset: unreal}\n")
    with Build(project / "pipeline.yaml") as build:
        [job] = build.plan().jobs
    assert "the preset unreal writes; let the step `convert` with `{to: metalness}` make it" in str(job.problem)
    (project / "pipeline.yaml").write_text(
        text + "steps: [{use: convert, with: {to: metalness}}]\noutputs: {preset: unreal}\n"
    )
    with Build(project / "pipeline.yaml") as build:
        [job] = build.plan().jobs
    assert any(name.endswith("T_brick_BC.png") for name in job.files)


# Mistakes


@pytest.mark.parametrize(
    ("outputs", "presets", "expected"),
    [
        ("{preset: unreel}", "{}", "outputs.preset: unknown preset 'unreel'; did you mean 'unreal'?"),
        ("{preset: [gltf, gltf], dir: '{preset}'}", "{}", "outputs.preset[1]: names 'gltf' twice"),
        ("{preset: [gltf, raw]}", "{}", "outputs.preset: several presets would write into one folder; add {preset}"),
        ("{preset: gltf, name: '{name}'}", "{}", "outputs.name: every file of a preset would be the same; add {map}"),
        ("{preset: gltf, dir: 'x/{map}'}", "{}", "outputs: what describes files of a preset must lie beside them"),
        ("{preset: gltf, name: '{map}/{name}'}", "{}", "outputs: what describes files of a preset must lie beside"),
        ("{preset: gltf, format: tga}", "{}", "outputs.format: the preset says it already (gltf)"),
        ("{preset: gltf, green: down}", "{}", "outputs.green: the preset says it already (gltf)"),
        ("{dir: '{preset}'}", "{}", "outputs.dir: unknown placeholder {preset}"),
        ("{}", "{gltf: {files: {C: {rgb: base_color}}}}", "presets.gltf: is the name of a preset that is"),
        ("{}", "{m: {}}", "presets.m: has no files; write `files:`, or `like:`"),
        ("{}", "{m: {like: gltff}}", "presets.m.like: unknown preset 'gltff'; did you mean 'gltf'?"),
        ("{}", "{m: {filez: {}}}", "presets.m.filez: unknown field; did you mean 'files'?"),
        ("{}", "{m: {files: {C: {rgb: albedo}}}}", "C.rgb: unknown map 'albedo'; did you mean 'base_color'?"),
        ("{}", "{m: {files: {C: {rgb: base_color, g: roughness}}}}", "C: has `rgb` and one of its channels"),
        ("{}", "{m: {files: {C: {a: opacity}}}}", "C: has alpha alone"),
        ("{}", "{m: {files: {C: {r: 1}}}}", "C: has no map in it"),
        ("{}", "{m: {files: {C: {r: roughness, g: 2}}}}", "C.g: is 2; a number is from 0 to 1"),
        ("{}", "{m: {files: {C: {r: base_color}}}}", "C.r: base_color has 3 channels; name one, such as"),
        ("{}", "{m: {files: {C: {r: roughness.g}}}}", "C.r: roughness has no such channel; it has r"),
        ("{}", "{m: {files: {C: {r: 1 - normal.x}}}}", "C.r: normal cannot be turned around; only data maps can"),
        ("{}", "{m: {files: {C: {q: roughness}}}}", "files.C.q"),
        ("{}", "{m: {files: {C: {r: roughness}}, format: bmp}}", "presets.m.format: unknown format 'bmp'"),
        ("{}", "{m: {files: {C: {r: roughness}}, format: {D: png}}}", "format.D: is no file of the preset"),
        ("{}", "{m: {files: {C: {r: roughness}}, format: dds-bc7}}", "C: dds-bc7 holds colors, and roughness has 1"),
        ("{}", "{m: {like: unity_urp, format: dds}}", "is dds, which unity_urp does not take as it is; write"),
        ("{}", "{m: {like: godot, format: tiff}}", "is tiff, which godot does not read; it reads png, jpg, webp, tga"),
        ("{}", "{m: {like: gltf, format: tga}}", "presets.m: is tga, which gltf does not read; it reads png and jpg"),
        (
            "{}",
            "{m: {files: {N: {rgb: normal down}}, descriptor: gltf}}",
            "presets.m.files.N: is not as gltf reads it; write {rgb: normal}, or `descriptor: none`",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(
    outputs: str, presets: str, expected: str, tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "pipeline.yaml").write_text(f"{PIPELINE}presets: {presets}\noutputs: {outputs}\n")
    with pytest.raises(PipelineError) as caught:
        load(read_document(tmp_path / "pipeline.yaml"), registry)
    assert expected in str(caught.value)
    assert re.search(r"pipeline\.yaml:1[3-5]:\d+", str(caught.value))


# For GPUs


def dxgi(path: Path) -> tuple[int, int]:
    """Return DXGI_FORMAT and the count of levels, as the headers of a DDS file have them."""
    content = path.read_bytes()
    return struct.unpack_from("<I", content, 128)[0], struct.unpack_from("<I", content, 28)[0]


BC5, BC7, BC7_SRGB, R16 = 83, 98, 99, 56


def test_packed_files_for_gpus_say_what_is_color_and_have_levels(tmp_path: Path) -> None:
    maps = {word: cv2.GaussianBlur(picture, (0, 0), 6) for word, picture in pictures().items()}
    maps |= {"height": np.full((SIDE, SIDE), 30000, np.uint16)}
    write(tmp_path, maps)
    more = "presets: {own: {like: unreal, descriptor: none, format: dds}}\nsteps: [{use: mips}]\n"
    report = run(tmp_path, "{preset: [own, unreal], dir: 'build/{preset}'}", more)
    assert report.exit_code == 0, report.text()
    made = {path.stem.rpartition("_")[2]: path for path in (tmp_path / "build" / "own").iterdir()}
    levels = 7  # 64 pixels, down to 1
    assert {word: dxgi(path) for word, path in made.items()} == {
        "BC": (BC7_SRGB, levels), "ORM": (BC7, levels), "N": (BC5, levels), "E": (BC7_SRGB, levels), "H": (R16, levels)
    }  # fmt: skip
    for word, mode in (("BC", "RGBA"), ("ORM", "RGB"), ("N", "RG")):
        read_back = np.asarray(Image.open(made[word]).convert("RGBA"), float)[..., : len(mode)]
        (png,) = (tmp_path / "build" / "unreal").glob(f"*_{word}.png")
        wanted = np.asarray(Image.open(png).convert("RGBA"), float)[..., : len(mode)]
        assert np.abs(read_back - wanted).mean() < 1, word


def test_levels_of_packed_files_are_those_of_their_maps() -> None:
    rough = texture("roughness", 8, 8)
    rough = rough.with_mips([rough.with_data(torch.full((1, 8 >> n, 8 >> n), n / 4)) for n in range(1, 4)])
    maps = {"roughness": rough, "metalness": texture("metalness", 4, 4)}
    packing = Packing((("g", Part("roughness")), ("b", Part("metalness"))))
    made, spec = pack(maps, MAPS, packing, parse("dds"))
    assert spec.kind == "data"
    assert [level.size for level in made.levels] == [(8, 8), (4, 4), (2, 2), (1, 1)]
    assert [level.data[1].unique().tolist() for level in made.levels[1:]] == [[0.25], [0.5], [0.75]]
    torch.testing.assert_close(made.levels[1].data[2:], maps["metalness"].data)
    assert len(pack(maps, MAPS, packing, parse("png8"))[0].levels) == 1


def test_godot_takes_dds_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, {word: picture for word, picture in pictures().items() if word in ("base_color", "normal")})
    more = "presets: {own: {like: godot, format: dds}}\n"
    assert run(tmp_path, "{preset: own}", more).exit_code == 0
    made = {path.name.removeprefix(NAME): path for path in (tmp_path / "build").iterdir()}
    assert made.keys() == {"_albedo.dds", "_normal_gl.dds", ".tres"}
    assert f'path="{NAME}_albedo.dds"' in made[".tres"].read_text()


# The tables


def test_built_in_presets_fill_the_slots_of_their_descriptors() -> None:
    for preset in PRESETS.values():
        if preset.descriptor:
            slots = DESCRIPTORS[preset.descriptor].slots
            filled = {slot for file in preset.files for slot in DESCRIPTORS[preset.descriptor].filled(file.packing)}
            assert filled == slots.keys(), preset.name


def rows(preset: Preset) -> list[str]:
    """The table of a preset, as docs/exporting.md has it."""
    shown = ["| file | channels | format |", "| --- | --- | --- |"]
    for file in preset.files:
        parts = ", ".join(f"{letter.upper()} {spelled(part)}" for letter, part in file.packing.parts)
        shown.append(f"| `{preset.prefix}NAME_{file.word}` | {parts} | {file.format.name} |")
    return shown


@pytest.mark.parametrize("preset", [one for one in PRESETS.values() if one.files], ids=lambda one: one.name)
def test_the_guide_shows_the_files_of_each_preset(preset: Preset) -> None:
    guide = (ROOT / "docs" / "exporting.md").read_text()
    assert "\n".join(rows(preset)) in guide, "\n" + "\n".join(rows(preset))
