"""`assetforge inspect` tells what is in a folder, what is ambiguous, and writes a pipeline that reads it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Forge
from naming import PLAIN, TOLD, procedural, shared_set, write_set

from assetforge.plan.inspection import inspect


def test_it_prints_materials_maps_files_and_what_rule_matched(tmp_path: Path, forge: Forge) -> None:
    write_set(tmp_path / "textures", "unreal", "rock", procedural(1))
    write_set(tmp_path / "textures", "quixel", "sand", procedural(2))
    assert cv2.imwrite(str(tmp_path / "textures" / "cover.png"), procedural(1)["base_color"])
    assert cv2.imwrite(str(tmp_path / "textures" / "sand_2K_Cavity.png"), procedural(1)["height"])
    done = forge("inspect", "textures")
    assert done.returncode == 0, done.stdout
    assert "material  rock: base_color" in done.stdout
    assert "T_rock_ORM.png: ambient_occlusion = r, roughness = g, metalness = b (by the word 'orm'; 64x64, 8 bits)" in (
        done.stdout.replace("  ", "")
    )
    assert "green points down (DirectX): names that begin with T_ are Unreal's" in done.stdout
    assert "green points up (OpenGL): measured by its curl and its height map" in done.stdout
    assert "unknown   cover.png: its name ends with no word of a map" in done.stdout
    assert "unknown   sand_2K_Cavity.png: is a cavity, for which there is no map" in done.stdout
    assert "2 materials, 0 of them ambiguous or broken, 2 unknown files" in done.stdout


def test_a_clear_folder_exits_with_0_and_what_it_writes_runs(tmp_path: Path, forge: Forge) -> None:
    for convention in PLAIN:
        write_set(tmp_path / "textures" / f"of_{convention}", convention, f"rock_{convention}x", procedural(1))
    done = forge("inspect", "textures", "--write", "made/pipeline.yaml")
    assert done.returncode == 0, done.stdout
    written = (tmp_path / "made" / "pipeline.yaml").read_text()
    assert '"../textures"' in written
    assert written.count("up   # measured") == len(PLAIN) - len(TOLD)
    assert "right; 9 assets" in forge("check", "made/pipeline.yaml").stdout
    done = forge("run", "made/pipeline.yaml")
    assert done.returncode == 0, done.stderr + done.stdout
    made = {file.name for file in (tmp_path / "made" / "build").rglob("*.png")}
    assert {f"rock_{convention}x_roughness.png" for convention in PLAIN} <= made
    assert forge("inspect", "textures", "--write", "made/pipeline.yaml").returncode == 2


def test_json_says_the_same(tmp_path: Path, forge: Forge) -> None:
    write_set(tmp_path / "textures", "quake", "rock", procedural(1))
    found = json.loads(forge("inspect", "textures", "--json").stdout)
    (rock,) = found["materials"]
    assert rock["normal"]["how"] == "measured"
    assert rock["normal"]["green"] == "up"
    gloss = next(file for file in rock["files"] if file["word"] == "gloss")
    assert gloss["gives"] == "roughness = 1 - x"
    assert (gloss["size"], gloss["bits"]) == ("64x64", "8")


def test_what_is_ambiguous_is_said_and_never_guessed(tmp_path: Path, forge: Forge) -> None:
    flat = {**procedural(1), "normal": np.full((64, 64, 3), (255, 128, 128), np.uint8)}
    write_set(tmp_path / "textures", "quixel", "flat", flat)
    turned = procedural(2)["normal"].copy()
    turned[:, :, 1] = 255 - turned[:, :, 1]
    write_set(tmp_path / "textures", "ambientcg", "lying", {**procedural(2), "normal": turned})
    (tmp_path / "textures" / "broken_d.png").write_bytes(b"no picture")
    done = forge("inspect", "textures", "--write", "pipeline.yaml")
    assert done.returncode == 1
    assert "flat_2K_Normal.png: green may point up (OpenGL) or down (DirectX)" in done.stdout
    assert "green points up by its name (the name says so (normalgl)), and down by its pixels" in done.stdout
    assert "broken_d.png: is not a PNG" in done.stdout
    written = (tmp_path / "pipeline.yaml").read_text()
    assert '# "flat": up   # or down' in written
    assert '# "lying": up   # or down' in written
    assert "could not be read" not in written
    failed = forge("plan", "pipeline.yaml")
    assert failed.returncode == 1
    assert "cannot   flat: " in failed.stdout


def test_a_wrong_path_is_answered(tmp_path: Path, forge: Forge) -> None:
    done = forge("inspect", "none")
    assert done.returncode == 2
    assert "none: is not a folder; name the folder that holds the textures" in done.stderr


def test_where_green_points_is_told_right_for_every_shared_set(data: Path) -> None:
    """The truth is that of `material.json`: measured or told by the origin's own file names."""
    found = {one.name: one for one in inspect(data / "materials").materials}
    assert len(found) == 23
    for folder in (data / "materials").iterdir():
        told = json.loads((folder / "material.json").read_text())
        normal = found[folder.name].normal
        assert normal is not None
        assert normal.how == "measured"
        assert normal.green == ("up" if told["normal_convention"].startswith("OpenGL") else "down"), folder.name
        words = {"albedo": "base_color", "ao": "ambient_occlusion", "metallic": "metalness"}
        assert set(found[folder.name].maps) == {words.get(word, word) for word in told["maps"]}


@pytest.mark.parametrize("convention", PLAIN)
def test_every_shared_set_is_recognized_in_every_convention(convention: str, data: Path, tmp_path: Path) -> None:
    for folder in (data / "materials").iterdir():
        write_set(tmp_path, convention, folder.name, shared_set(folder, 48)[0])
    found = inspect(tmp_path)
    assert {one.name for one in found.materials} == {folder.name for folder in (data / "materials").iterdir()}
    assert not found.unknown
    wanted = "down" if convention == "unreal" else "up"
    for one in found.materials:
        assert one.normal is not None
        assert one.normal.green in (wanted, None if convention not in TOLD else wanted), one.name


def test_a_pipeline_is_written_for_names_of_all_kinds(tmp_path: Path, forge: Forge) -> None:
    names = ["größe", "it's", "a # b", "x: [y]", "*star", "wet😀"]
    for name in names:
        write_set(tmp_path / "tex: 1", "quixel", name, procedural(1))
    done = forge("inspect", "tex: 1", "--write", "pipeline.yaml")
    assert done.returncode == 0, done.stdout
    jobs = json.loads(forge("plan", "pipeline.yaml", "--json").stdout)["jobs"]
    assert sorted(job["asset"] for job in jobs) == sorted(names)
    assert {job["state"] for job in jobs} == {"out of date"}
