"""What comes, goes and moves in a project."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Forge, write_texture
from execute.conftest import Run, executions, outputs, write_project


def test_a_moved_source_costs_nothing(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=4)
    assert run(project).code == 0
    before = outputs(project)
    (project / "textures" / "a02_d.png").rename(project / "textures" / "moved_d.png")
    ran = run(project)
    assert ran.states == {"done": 1, "up to date": 3}
    assert executions(project) == 4
    after = outputs(project)
    assert after["build/moved/moved_base_color.png"] == before["build/a02/a02_base_color.png"]
    assert "build/a02/a02_base_color.png" not in after
    assert not (project / "build" / "a02").exists()
    assert ran.report["removed"] == [str(project / "build" / "a02" / "a02_base_color.png")]


def test_a_moved_project_costs_nothing(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path / "here", assets=3)
    assert run(project).code == 0
    project.rename(tmp_path / "there")
    assert run(tmp_path / "there").states == {"up to date": 3}


def test_outputs_of_sources_that_are_gone_are_removed_unless_somebody_changed_them(
    tmp_path: Path, run: Run, forge: Forge
) -> None:
    project = write_project(tmp_path, assets=4)
    assert run(project).code == 0
    for name in ("a01", "a02"):
        (project / "textures" / f"{name}_d.png").unlink()
    mine = project / "build" / "a02" / "a02_base_color.png"
    mine.write_bytes(b"painted over by hand")
    foreign = project / "build" / "a01" / "notes.txt"
    foreign.write_text("keep me")
    assert "remove   a01: its sources are gone" in forge("plan", "pipeline.yaml").stdout
    ran = run(project)
    assert ran.states == {"up to date": 2}
    assert not (project / "build" / "a01" / "a01_base_color.png").exists()
    assert foreign.read_text() == "keep me"
    assert mine.read_bytes() == b"painted over by hand"
    assert "remove" not in forge("plan", "pipeline.yaml").stdout


def test_other_sources_or_fewer_assets_are_no_reason_to_remove_anything(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=3)
    assert run(project).code == 0
    write_texture(project / "others" / "x_d.png")
    assert run(project, "-D", "sources=others").code == 0
    assert run(project, "--only", "a00").code == 0
    assert len(outputs(project)) == 4


@pytest.mark.parametrize("away", ["removed", "empty"])
def test_a_folder_of_sources_that_vanished_is_an_error_and_removes_nothing(away: str, tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=3)
    assert run(project).code == 0
    (project / "textures").rename(project / "unmounted")
    if away == "empty":
        (project / "textures").mkdir()
    assert run(project).code == 2
    assert len(outputs(project)) == 3
    if away == "empty":
        (project / "textures").rmdir()
    (project / "unmounted").rename(project / "textures")
    assert run(project).states == {"up to date": 3}


def test_a_source_that_changes_while_it_is_built_is_never_published(tmp_path: Path, run: Run) -> None:
    change = "(HERE / 'textures' / 'a00_d.png').write_bytes((HERE / 'textures' / 'a01_d.png').read_bytes())"
    project = write_project(tmp_path, assets=2, pause=f"if name == '0': {change}")
    ran = run(project)
    assert ran.states == {"done": 1, "failed": 1}
    assert "its sources were changed while it was built; run again" in ran.err
    assert sorted(outputs(project)) == ["build/a01/a01_base_color.png"]
    assert run(project).code == 0


def test_a_plugin_that_changes_while_it_is_used_is_told(tmp_path: Path, run: Run) -> None:
    change = "Path(__file__).open('a').write('\\n')"
    project = write_project(tmp_path, assets=3, pause=f"{change}; os._exit(1)")
    ran = run(project)
    assert ran.code == 3
    assert "plugin 'work': was changed since the plan was made; run again" in ran.err
