"""Profiles, and files beside sources that set parameters: what they change is in the key, and nothing else is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import pytest
from conftest import Forge, write_texture

from assetforge.build import Build
from assetforge.plan.assets import Catalog


def width(path: Path) -> int:
    return int(cv2.imread(str(path)).shape[1])


@pytest.fixture
def deep(project: Path) -> Path:
    """A project whose sources lie in two folders."""
    write_texture(project / "textures" / "walls" / "plaster_d.png", 5)
    write_texture(project / "textures" / "walls" / "old" / "brick2_d.png", 6)
    text = (project / "pipeline.yaml").read_text()
    text = text.replace('"{name}_d.png"', '"**/{name}_d.png"').replace('"{name}_n.png?"', '"**/{name}_n.png?"')
    (project / "pipeline.yaml").write_text(text)
    return project


def test_a_file_beside_a_source_sets_parameters_of_its_asset(deep: Path, forge: Forge) -> None:
    (deep / "textures" / "moss_d.png.forge.yaml").write_text("scale: 4\n")
    assert forge("run", "pipeline.yaml").returncode == 0
    assert width(deep / "build" / "moss_base_color.png") == 128
    assert width(deep / "build" / "sand_base_color.png") == 64
    (deep / "textures" / "sand_d.png.forge.yaml").write_text("# nothing yet\n{}\n")
    assert "5 up to date" in forge("run", "pipeline.yaml").stdout
    (deep / "textures" / "sand_d.png.forge.yaml").write_text("upscale.scale: 4\n")
    planned = forge("plan", "pipeline.yaml").stdout
    assert "build    sand: params changed: scale 2 → 4" in planned
    assert "1 to build, 4 up to date" in planned


def test_a_file_in_a_folder_sets_them_for_all_below_and_the_nearest_wins(deep: Path, forge: Forge) -> None:
    (deep / "textures" / "forge.yaml").write_text("tileable: true\nseed: 5\n")
    (deep / "textures" / "walls" / "forge.yaml").write_text("scale: 4\n")
    (deep / "textures" / "walls" / "old" / "brick2_d.png.forge.yaml").write_text("scale: 2\n")
    assert forge("run", "pipeline.yaml").returncode == 0
    widths = {path.stem: width(path) for path in (deep / "build").glob("*_base_color.png")}
    assert widths["plaster_base_color"] == 128
    assert widths["brick2_base_color"] == 64
    assert widths["moss_base_color"] == 64
    explained = forge("why", "pipeline.yaml", "plaster").stdout
    assert "upscale(scale=4, " in explained
    assert "plaster: up to date" in explained


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "scael: 4",
            "moss_d.png.forge.yaml:1:1: scael: is not `seed` nor a parameter of a step; did you mean 'scale'?",
        ),
        ("outputs: {dir: x}", "moss_d.png.forge.yaml:1:1: outputs: is not `seed` nor a parameter of a step"),
        ("scale: 30", "moss_d.png.forge.yaml:1:8: steps[0].with.scale: is 30"),
        ("- scale", "moss_d.png.forge.yaml:1:1: is not a mapping; write `PARAMETER: value`"),
        ("scale: [", "is not YAML"),
    ],
)
def test_mistakes_beside_a_source_are_named_with_their_place(
    text: str, expected: str, project: Path, forge: Forge
) -> None:
    (project / "textures" / "moss_d.png.forge.yaml").write_text(text)
    for command in ("check", "plan", "run"):
        done = forge(command, "pipeline.yaml")
        assert done.returncode == 2
        assert expected in done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("moss_d.forge.yaml", "rename it to 'moss_d.png.forge.yaml'"),
        ("fern_d.png.forge.yaml", "its source is not there"),
    ],
)
def test_a_file_beside_no_source_is_said_to_set_nothing(name: str, says: str, project: Path, forge: Forge) -> None:
    (project / "textures" / name).write_text("scale: 4")
    for command in ("check", "plan", "run"):
        done = forge(command, "pipeline.yaml")
        assert done.returncode == 0
        assert f"{name!r} sets nothing: {says}" in done.stdout + done.stderr


def test_what_the_variants_set_cannot_be_set_beside_a_source(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text().replace("dir: build", "dir: 'build/{scale}'")
    (project / "pipeline.yaml").write_text(text + "variants: {scale: [2, 4]}\n")
    (project / "textures" / "moss_d.png.forge.yaml").write_text("upscale.scale: 2\n")
    assert "is one of the pipeline's variants; leave it out" in forge("plan", "pipeline.yaml").stderr


def test_profiles_override_the_file_and_keep_their_own_outputs(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text()
    profiles = "profiles:\n  preview: {scale: 2, outputs.dir: preview}\n  final: {upscale.scale: 4, seed: 3}\n"
    (project / "pipeline.yaml").write_text(text + profiles)
    assert forge("run", "pipeline.yaml", "--profile", "preview").returncode == 0
    assert width(project / "preview" / "moss_base_color.png") == 64
    assert not (project / "build").exists()
    assert forge("run", "pipeline.yaml", "--profile", "final").returncode == 0
    assert width(project / "build" / "moss_base_color.png") == 128
    for profile in ("preview", "final"):  # neither forgets what the other did
        assert "3 up to date" in forge("run", "pipeline.yaml", "--profile", profile).stdout
    assert "3 done" in forge("run", "pipeline.yaml", "--profile", "final", "-D", "scale=2").stdout


def test_mistakes_in_profiles_are_named(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text + "profiles:\n  preview: {scael: 2}\n")
    done = forge("check", "pipeline.yaml")
    assert done.returncode == 2
    assert "profiles.preview.scael: is nothing in this pipeline; did you mean 'scale'?" in done.stderr
    (project / "pipeline.yaml").write_text(text + "profiles:\n  preview: {scale: 30}\n")
    assert "steps[0].with.scale: is 30" in forge("check", "pipeline.yaml").stderr
    done = forge("run", "pipeline.yaml", "--profile", "previw", "--report", "report.json")
    assert done.returncode == 2
    assert "there is no profile 'previw'; did you mean 'preview'?" in done.stderr
    assert json.loads((project / "report.json").read_text())["exit_code"] == 2


def test_folders_with_a_file_each_are_planned_as_fast_as_few(deep: Path) -> None:
    with Build(deep / "pipeline.yaml") as build:
        catalog = Catalog(build.pipeline)
    folders = [f"wall{number}" for number in range(3000)]
    for folder in folders:
        catalog.add(f"{folder}/{folder}_d.png")
    began = time.process_time()
    assert [list(catalog.add(f"{folder}/forge.yaml")) for folder in folders] == [[folder] for folder in folders]
    assert time.process_time() - began < 0.4  # to go through all sources for each folder took more than that
    assert list(catalog.remove("wall7/wall7_d.png")) == ["wall7"]
    assert list(catalog.remove("wall7/forge.yaml")) == []
    assert len(catalog.of("forge.yaml")) == 2999  # type: ignore[arg-type]
