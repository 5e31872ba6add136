"""Names of files say which maps of which materials they are, in each convention that is in use."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from naming import PLAIN, TOLD, Maps, procedural, shared_set, write_set

from assetforge.build import Build
from assetforge.codecs.decode import decode
from assetforge.errors import PipelineError
from assetforge.material.map_spec import MAPS
from assetforge.pipeline.load import load, read_document
from assetforge.pipeline.recognize import extended, known_conventions
from assetforge.plan.assets import Asset, Catalog, find_assets
from assetforge.plugins import Registry

KINDS = [pytest.param(name, id=name) for name in PLAIN]
ALL = {"base_color", "normal", "roughness", "metalness", "ambient_occlusion", "height"}


def assets_of(tmp_path: Path, registry: Registry, auto: str = "textures/**") -> list[Asset]:
    (tmp_path / "pipeline.yaml").write_text(f"version: 1\ninputs:\n  auto: {auto}\n")
    return find_assets(load(read_document(tmp_path / "pipeline.yaml"), registry)).assets


def pixels(tmp_path: Path, asset: Asset, name: str) -> np.ndarray:
    return decode(tmp_path / asset.sources[name], MAPS[name], asset.readings[name], unit=False).texture.data.numpy()


def as_read(maps: Maps, tmp_path: Path, name: str) -> np.ndarray:
    """What the plain file of a map is read as."""
    path = tmp_path / f"plain_{name}.png"
    assert cv2.imwrite(str(path), maps[name])
    return decode(path, MAPS[name], unit=False).texture.data.numpy()


@pytest.mark.parametrize("convention", KINDS)
def test_every_map_of_a_convention_is_read_as_from_plain_files(
    convention: str, tmp_path: Path, registry: Registry
) -> None:
    maps = procedural(3, 32)
    write_set(tmp_path / "textures", convention, "Old_Metal_022", maps)
    auto = "{files: 'textures/**', green: up}"
    (asset,) = assets_of(tmp_path, registry, auto)
    assert asset.name == "Old_Metal_022"
    assert set(asset.sources) == ALL
    assert asset.conflict is asset.missing is asset.unclear is None
    for name in sorted(ALL):
        apart = np.abs(pixels(tmp_path, asset, name) - as_read(maps, tmp_path, name)).max()
        assert apart <= (1e-6 if name == "normal" else 0), name  # a turned green is a code like any other


@pytest.mark.parametrize("convention", KINDS)
def test_a_name_that_does_not_tell_where_green_points_is_an_error_that_says_what_to_write(
    convention: str, tmp_path: Path, registry: Registry
) -> None:
    write_set(tmp_path / "textures", convention, "rock", procedural(1, 32))
    (asset,) = assets_of(tmp_path, registry)
    assert (asset.unclear is None) == (convention in TOLD)
    if asset.unclear is not None:
        assert asset.unclear.where.endswith(asset.sources["normal"])
        assert "up (OpenGL) or down (DirectX)" in asset.unclear.what
        assert "assetforge inspect" in asset.unclear.instead
        assert '{"rock": up}' in asset.unclear.instead


def test_184_shared_sets_of_mixed_conventions_in_one_folder_are_told_apart(
    data: Path, tmp_path: Path, registry: Registry
) -> None:
    conventions = [one for one in PLAIN if one != "folder"]
    assert len(conventions) == 8
    wanted = {}
    for folder in sorted((data / "materials").iterdir()):
        maps, _ = shared_set(folder, 16)
        for convention in conventions:
            name = f"{folder.name}_{conventions.index(convention)}x"
            write_set(tmp_path / "textures", convention, name, maps)
            packed = {"roughness", "metalness", "ambient_occlusion"} if convention in ("unreal", "unity") else set()
            packed |= {"metalness"} if convention == "gltf" else set()
            wanted[name] = set(maps) | packed
    assert len(wanted) == 184
    found = assets_of(tmp_path, registry, "{files: 'textures/*', green: up}")
    assert {asset.name: set(asset.sources) for asset in found} == wanted
    assert not [asset for asset in found if asset.conflict or asset.unclear]
    down = [asset.name for asset in found if asset.readings["normal"].green == "down"]
    assert Counter(name.rpartition("_")[2] for name in down) == {"4x": 23}


def test_folders_that_name_the_material_and_that_do_not(tmp_path: Path, registry: Registry) -> None:
    for number, folder in enumerate(("", "walls/", "walls/deep/")):
        write_set(tmp_path / "textures" / folder, "folder", f"brick{number}", procedural(1, 8))
    write_set(tmp_path / "textures" / "Bricks_1K-JPG", "ambientcg", "Bricks", procedural(1, 8))
    found = assets_of(tmp_path, registry, "{files: 'textures/**', green: up}")
    names = ["Bricks_1K-JPG/Bricks", "brick0", "walls/brick1", "walls/deep/brick2"]
    assert [asset.name for asset in found] == names
    assert [asset.fields for asset in found][:2] == [
        {"folder": "Bricks_1K-JPG", "name": "Bricks"},
        {"folder": ".", "name": "brick0"},
    ]


@pytest.mark.parametrize(
    ("file", "name", "word"),
    [
        ("Rusty_Metal_Color.jpg", "Rusty_Metal", "color"),
        ("Metal049A_1K-JPG_NormalDX.jpg", "Metal049A", "normaldx"),
        ("brick wall - Base Color.PNG", "brick wall", "basecolor"),
        ("xghpdi_4K_Albedo_LOD0.jpg", "xghpdi", "albedo"),
        ("wood.2048x2048.normal.tga", "wood", "normal"),
        ("T_Wood_ORM.tga", "Wood", "orm"),
        ("RockBaseColor.png", "Rock", "basecolor"),
        ("Rock_BASECOLOR.png", "Rock", "basecolor"),
        ("Facade005.png", "Facade005", ""),
        ("brickD.png", "brickD", ""),
        ("robots.png", "robots", ""),
        ("brick(1)_d.png", "brick(1)", "d"),
        ("größe_n.png", "größe", "n"),
    ],
)
def test_words_are_whole_words_at_the_end_of_a_name(file: str, name: str, word: str) -> None:
    found = known_conventions().recognize(file, "")
    assert found is not None
    assert (found.name, found.word) == (name, word)


def test_what_is_no_picture_is_passed_over() -> None:
    assert known_conventions().recognize("brick_d.json", "") is None
    assert known_conventions().recognize("brick_d", "") is None


def test_a_pipeline_adds_words_and_changes_the_meaning_of_others(tmp_path: Path, registry: Registry) -> None:
    maps = procedural(1, 16)
    for name in ("rock_tint", "rock_o", "rock_rmh", "rock_d"):
        (tmp_path / "textures").mkdir(exist_ok=True)
        picture = np.dstack([maps["height"], maps["metalness"], 255 - maps["roughness"]])
        assert cv2.imwrite(str(tmp_path / "textures" / f"{name}.png"), picture)
    own = "words: {base_color: [tint], opacity: [o], unused: [d]}, "
    own += "packed: {rmh: {r: 1 - roughness, g: metalness, b: height}}"
    (asset,) = assets_of(tmp_path, registry, f"{{files: 'textures/**', {own}}}")
    assert asset.sources["base_color"] == "textures/rock_tint.png"
    assert asset.sources["opacity"] == "textures/rock_o.png"
    for name in ("roughness", "metalness", "height"):
        assert np.array_equal(pixels(tmp_path, asset, name), as_read(maps, tmp_path, name))


def test_words_that_stand_for_nothing_are_mistakes(tmp_path: Path, registry: Registry) -> None:
    auto = "{files: '*', words: {base_colour: [x], 1 - normal: [y]}, packed: {rmh: {r: roughnes}}, green: left}"
    with pytest.raises(PipelineError) as caught:
        assets_of(tmp_path, registry, auto)
    text = str(caught.value)
    assert "green" in text
    with pytest.raises(PipelineError) as caught:
        assets_of(tmp_path, registry, auto.replace(", green: left", ""))
    text = str(caught.value)
    assert "'base_colour' stands for no map; did you mean 'base_color'?" in text
    assert "normal cannot be turned around" in text
    assert "'roughnes' stands for no map; did you mean 'roughness'?" in text


@pytest.mark.parametrize("auto", ["'{name}/**'", "'../x/**'", "'x?'", "{}", "{files: '*', wordz: {}}"])
def test_wrong_patterns_are_mistakes(auto: str, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"inputs\.auto"):
        assets_of(tmp_path, registry, auto)


def test_auto_stands_alone(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match="cannot stand beside `auto`"):
        assets_of(tmp_path, registry, "'*'\n  normal: '{name}_n.png'")


def test_plain_files_go_before_packed_ones_and_rough_before_smooth(tmp_path: Path, registry: Registry) -> None:
    maps = procedural(1, 8)
    write_set(tmp_path / "textures", "poly_haven", "rock", maps)
    for word in ("arm_1k", "nor_dx_1k", "gloss"):
        assert cv2.imwrite(str(tmp_path / "textures" / f"rock_{word}.png"), maps["normal"])
    (asset,) = assets_of(tmp_path, registry)
    assert asset.conflict is None
    assert asset.sources["roughness"] == "textures/rock_rough_1k.png"
    assert asset.sources["normal"] == "textures/rock_nor_gl_1k.png"
    assert asset.readings["normal"].green == "up"


def test_color_beside_a_specular_file_is_diffuse_and_beside_metalness_it_stays(
    tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "textures").mkdir()
    for name in ("old_d", "old_s", "new_Albedo", "new_Specular", "new_Metalness"):
        assert cv2.imwrite(str(tmp_path / "textures" / f"{name}.png"), procedural(1, 8)["base_color"])
    new, old = assets_of(tmp_path, registry)
    assert old.sources == {"diffuse_albedo": "textures/old_d.png", "specular_albedo": "textures/old_s.png"}
    assert new.sources == {"base_color": "textures/new_Albedo.png", "metalness": "textures/new_Metalness.png"}


def test_two_files_of_one_map_are_a_mistake_that_names_both(tmp_path: Path, registry: Registry) -> None:
    for name in ("rock_diff_1k.png", "rock_diff_2k.png"):
        (tmp_path / "textures").mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "textures" / name), procedural(1, 8)["base_color"])
    with pytest.raises(PipelineError, match=r"rock_diff_2k.png: base_color of 'rock' is already .*rock_diff_1k.png"):
        assets_of(tmp_path, registry)
    assert len(assets_of(tmp_path, registry, "'textures/*_1k.png'")) == 1


def test_what_the_pipeline_says_of_green_by_material_goes_before_names(tmp_path: Path, registry: Registry) -> None:
    for name in ("one", "two"):
        write_set(tmp_path / "textures", "unreal", name, procedural(1, 8))
        write_set(tmp_path / "textures", "quixel", f"{name}q", procedural(1, 8))
    green = "{'one': up, 'oneq': down, '*q': up}"
    found = {one.name: one for one in assets_of(tmp_path, registry, f"{{files: 'textures/**', green: {green}}}")}
    assert {name: one.readings["normal"].green for name, one in found.items()} == {
        "one": "up", "two": "down", "oneq": "down", "twoq": "up"
    }  # fmt: skip


def test_names_of_two_programs_that_disagree_are_ambiguous(tmp_path: Path, registry: Registry) -> None:
    write_set(tmp_path / "textures", "unity", "T_rock", procedural(1, 8))
    (asset,) = assets_of(tmp_path, registry)
    assert asset.unclear is not None
    assert "names contradict each other" in asset.unclear.what


def test_words_of_a_pipeline_win_in_either_table() -> None:
    own = extended({"height": ["ORM"]}, {"d": {"r": "roughness"}})
    assert own.words["orm"].map == "height"
    assert "orm" not in own.packed
    assert "d" not in own.words


def test_a_run_builds_and_what_changes_of_the_reading_is_built_anew(tmp_path: Path) -> None:
    maps = procedural(1, 32)
    write_set(tmp_path / "textures", "quixel", "rock", maps)
    write_set(tmp_path / "textures", "unreal", "wood", maps)
    text = "version: 1\ninputs:\n  auto: {files: 'textures/**', green: up}\noutputs: {dir: 'build/{folder}'}\n"
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    with Build(file) as build:
        assert build.run(build.plan()).exit_code == 0
    for name in ALL:
        for material in ("rock", "wood"):
            written = cv2.imread(str(tmp_path / "build" / f"{material}_{name}.png"), cv2.IMREAD_UNCHANGED)
            difference = np.abs(written.astype(int) - maps[name].astype(int))
            assert difference.max() <= (1 if name == "normal" and material == "wood" else 0), (material, name)
    with Build(file) as build:
        assert [job.state for job in build.plan().jobs] == ["up to date"] * 2
    file.write_text(text.replace("green: up", "green: down"))
    with Build(file) as build:
        assert [job.state for job in build.plan().jobs] == ["out of date", "up to date"]
    file.write_text(text.replace(", green: up", ""))
    with Build(file) as build:
        jobs = build.plan().jobs
        assert [job.state for job in jobs] == ["failed", "up to date"]
        assert "assetforge inspect" in str(jobs[0].problem)


def test_invert_reads_smoothness_as_roughness_and_is_refused_elsewhere(tmp_path: Path, registry: Registry) -> None:
    maps = procedural(1, 8)
    assert cv2.imwrite(str(tmp_path / "a_s.png"), 255 - maps["roughness"])
    file = tmp_path / "pipeline.yaml"
    file.write_text("version: 1\ninputs: {roughness: {files: '{name}_s.png', invert: true}}\n")
    reading = load(read_document(file), registry).inputs["roughness"].reading
    read = decode(tmp_path / "a_s.png", MAPS["roughness"], reading).texture.data.numpy()
    assert np.array_equal(read, as_read(maps, tmp_path, "roughness"))
    file.write_text("version: 1\ninputs: {base_color: {files: '{name}_s.png', invert: true}}\n")
    with pytest.raises(PipelineError, match="base_color is no data map"):
        load(read_document(file), registry)


def test_a_catalog_follows_files_that_come_and_go(tmp_path: Path, registry: Registry) -> None:
    """As `watch` does: a better file takes the place of another, and gives it back."""
    (tmp_path / "pipeline.yaml").write_text("version: 1\ninputs: {auto: 't/**'}\n")
    catalog = Catalog(load(read_document(tmp_path / "pipeline.yaml"), registry))
    assert list(catalog.add("t/rock_arm_1k.png")) == ["rock"] * 3
    assert list(catalog.add("t/rock_rough_1k.png")) == list(catalog.of("t/rock_rough_4k.png")) == ["rock"]
    assert list(catalog.add("t/notes.png")) == list(catalog.add("elsewhere/rock_d.png")) == []
    (rock,) = catalog.assets()
    assert rock.sources["roughness"] == "t/rock_rough_1k.png"
    assert rock.readings["metalness"].channel == "b"
    catalog.remove("t/rock_rough_1k.png")
    (rock,) = catalog.assets()
    assert rock.sources["roughness"] == "t/rock_arm_1k.png"
    assert rock.readings["roughness"].channel == "g"
    catalog.remove("t/rock_arm_1k.png")
    assert len(catalog) == 0


def test_names_that_differ_in_case_are_one_where_the_pipeline_says_so(tmp_path: Path, registry: Registry) -> None:
    write_set(tmp_path / "textures", "poly_haven", "rock", procedural(1, 8))
    (tmp_path / "textures" / "rock_disp_1k.png").rename(tmp_path / "textures" / "ROCK_Disp_1K.png")
    assert len(assets_of(tmp_path, registry)) == 2
    (rock,) = assets_of(tmp_path, registry, "'textures/**'\nignore_case: true")
    assert set(rock.sources) == ALL
