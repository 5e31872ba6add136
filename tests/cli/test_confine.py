"""Pipelines of strangers, kept in one folder: what they name outside of it, and what they would run, is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import Forge, write_texture

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, and names of folders, are those of POSIX")

UPSCALE = "use: upscale\n    with: {scale: 2, method: lanczos}"


@pytest.fixture
def inner(project: Path) -> Path:
    """The project, in a folder of its own beside a secret."""
    (project / "secret").mkdir()
    folder = project / "inner"
    folder.mkdir()
    for name in ("textures", "pipeline.yaml"):
        (project / name).rename(folder / name)
    return folder


def appended(folder: Path, text: str) -> None:
    with (folder / "pipeline.yaml").open("a") as file:
        file.write(text)


def replaced(folder: Path, old: str, new: str) -> None:
    path = folder / "pipeline.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_lies_inside_is_built(inner: Path, forge: Forge) -> None:
    done = forge("run", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 0, done.stderr
    assert len(list((inner / "build").iterdir())) == 4


@pytest.mark.parametrize("command", ["run", "plan", "check", "why", "status"])
@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("sources: textures", "sources: ../secret", "sources"),
        ("dir: build", "dir: ../secret", "outputs.dir"),
        ("dir: build", "dir: ../secret/{name}", "outputs.dir"),
        ("version: 1", "version: 1\nstate: ../secret", "state"),
        ("version: 1", "version: 1\nstore: /tmp", "store"),
        ("version: 1", "version: 1\nwatch: {on_done: {run: [touch, x]}}", "watch.on_done"),
    ],
)
def test_no_path_leads_out(old: str, new: str, place: str, command: str, inner: Path, forge: Forge) -> None:
    replaced(inner, old, new)
    more = ("brick",) if command == "why" else ()
    done = forge(command, "inner/pipeline.yaml", *more, "--confine", "inner")
    assert done.returncode == 2
    assert f": {place}: " in done.stderr
    assert "--confine" in done.stderr
    assert not list((inner.parent / "secret").iterdir())
    assert not (inner / "build").exists()


def test_no_file_of_a_parameter_leads_out(inner: Path, forge: Forge) -> None:
    write_texture(inner.parent / "secret" / "palette.png")
    replaced(
        inner,
        "use: upscale\n    with: {scale: 2, method: lanczos}",
        "use: match_color\n    with: {like: ../secret/palette.png}",
    )
    done = forge("run", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 2
    assert "leads out of" in done.stderr


def test_no_override_leads_out(inner: Path, forge: Forge) -> None:
    write_texture(inner.parent / "secret" / "palette.png")
    write_texture(inner / "palette.png")
    replaced(
        inner, "use: upscale\n    with: {scale: 2, method: lanczos}", "use: match_color\n    with: {like: palette.png}"
    )
    (inner / "textures" / "moss_d.png.forge.yaml").write_text("like: ../secret/palette.png\n")
    done = forge("plan", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 2
    assert "moss_d.png.forge.yaml:1:7" in done.stderr
    (inner / "textures" / "moss_d.png.forge.yaml").unlink()
    (inner.parent / "secret" / "forge.yaml").write_text("seed: 1\n")
    (inner / "textures" / "moss_d.png.forge.yaml").symlink_to(inner.parent / "secret" / "forge.yaml")
    done = forge("plan", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 2
    assert "leads out of" in done.stderr


def test_a_source_that_is_a_link_to_the_outside_fails_alone(inner: Path, forge: Forge) -> None:
    write_texture(inner.parent / "secret" / "own.png")
    (inner / "textures" / "stolen_d.png").symlink_to(inner.parent / "secret" / "own.png")
    done = forge("run", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 1
    assert "stolen_d.png: leads out of" in done.stdout + done.stderr
    built = {path.name for path in (inner / "build").iterdir()}
    assert built == {"brick_base_color.png", "brick_normal.png", "moss_base_color.png", "sand_base_color.png"}


def test_an_output_folder_that_is_a_link_to_the_outside_stays_empty(inner: Path, forge: Forge) -> None:
    replaced(inner, "dir: build", 'dir: "build/{name}"')
    (inner / "build").mkdir()
    (inner / "build" / "moss").symlink_to(inner.parent / "secret")
    done = forge("run", "inner/pipeline.yaml", "--confine", "inner")
    assert done.returncode == 1
    assert "moss_base_color.png: leads out of" in done.stdout + done.stderr
    assert not list((inner.parent / "secret").iterdir())
    assert (inner / "build" / "sand" / "sand_base_color.png").is_file()


def test_plugins_of_the_project_are_not_run_unless_allowed(inner: Path, forge: Forge) -> None:
    (inner / "plugins").mkdir()
    (inner / "plugins" / "mine.py").write_text(f"open({str(inner / 'ran')!r}, 'w')\n")
    assert forge("run", "inner/pipeline.yaml", "--confine", "inner").returncode == 0
    assert not (inner / "ran").exists()
    forge("plan", "inner/pipeline.yaml", "--confine", "inner", "--allow", "plugins")
    assert (inner / "ran").exists()


def test_telling_others_may_be_allowed(inner: Path, forge: Forge) -> None:
    appended(inner, f"watch: {{on_done: {{run: [{sys.executable}, -c, 'print()']}}}}\n")
    done = forge("watch", "inner/pipeline.yaml", "--once", "--confine", "inner", "--allow", "on_done")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--allow", "plugins"), "--allow: says what --confine allows"),
        (("--confine", "nowhere"), "--confine: nowhere is not a folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], says: str, inner: Path, forge: Forge
) -> None:
    done = forge("plan", "inner/pipeline.yaml", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


_WRAPPER = """\
import os

import assetforge as af


@af.hookimpl(wrapper=True)
def run_step(step, material, params, context):
    open({file!r}, "w").write(" ".join(os.environ))
    return (yield)
"""


def test_workers_and_those_who_are_told_see_no_token(inner: Path, forge: Forge) -> None:
    tell = f"import os; open({str(inner / 'env')!r}, 'w').write(' '.join(os.environ))"
    appended(inner, f'watch: {{on_done: {{run: [{sys.executable}, -c, "{tell}"]}}}}\n')
    (inner / "plugins").mkdir()
    (inner / "plugins" / "wraps.py").write_text(_WRAPPER.format(file=str(inner / "worker")))
    tokens = {"DEPLOY_TOKEN": "1", "MINE": "2", "ASSETFORGE_PASS_ENV": "mine"}
    done = forge("watch", "inner/pipeline.yaml", "--once", environment=tokens)
    assert done.returncode == 0, done.stderr
    for seen in ("env", "worker"):
        names = (inner / seen).read_text().split()
        assert "PATH" in names
        assert "MINE" in names
        assert "DEPLOY_TOKEN" not in names
