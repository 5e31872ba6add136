"""`assetforge run --html`, as a user runs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Forge
from PIL import Image


def rows(report: Path) -> dict[str, str]:
    """Return the state of each asset in the table."""
    text = (report / "index.html").read_text()
    return dict(re.findall(r'<th scope="row">([^<]+)</th><td><span class="af-chip" data-state="([^"]+)"', text))


def test_a_run_has_a_report_to_look_at(project: Path, forge: Forge) -> None:
    done = forge("run", "pipeline.yaml", "--html", "report")
    assert done.returncode == 0, done.stderr
    assert "report is in report/index.html" in done.stdout
    assert rows(project / "report") == dict.fromkeys(("brick", "moss", "sand"), "done")
    assert len(list((project / "report" / "data").glob("*.js"))) == 4
    assert len(list((project / "report" / "thumbs").glob("*.webp"))) == 6

    again = forge("run", "pipeline.yaml", "--html", "report")
    assert again.returncode == 0
    assert rows(project / "report") == dict.fromkeys(("brick", "moss", "sand"), "up to date")
    assert len(list((project / "report" / "thumbs").glob("*.webp"))) == 6


def test_a_failure_of_what_was_asked_for_is_in_the_report_with_its_exit_code(project: Path, forge: Forge) -> None:
    (project / "textures" / "moss_d.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = forge("run", "pipeline.yaml", "--only", "moss", "--html", "report")
    assert done.returncode == 1
    assert rows(project / "report") == {"moss": "failed"}
    assert "moss_d.png" in (project / "report" / "index.html").read_text()


def test_a_mistake_in_the_pipeline_is_in_the_report(project: Path, forge: Forge) -> None:
    (project / "pipeline.yaml").write_text("version: 1\nstepps: []\n")
    assert forge("run", "pipeline.yaml", "--html", "report").returncode == 2
    assert "stepps" in (project / "report" / "index.html").read_text()


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_built(project: Path, forge: Forge) -> None:
    done = forge("run", "pipeline.yaml", "--html", "textures")
    assert done.returncode == 2
    assert "--html: textures holds other files" in done.stderr
    assert not (project / "build").exists()


def test_a_report_among_the_sources_is_refused(project: Path, forge: Forge) -> None:
    done = forge("run", "pipeline.yaml", "--html", "textures/report")
    assert done.returncode == 2
    assert "lies among the sources" in done.stderr
    assert not (project / "build").exists()
    assert not (project / "textures" / "report").exists()  # it would be taken for sources


@pytest.mark.parametrize(
    ("pattern", "returncode"), [pytest.param("{name}_d.png", 0, marks=pytest.mark.slow), ("**/{name}.webp", 2)]
)
def test_a_report_in_a_project_of_sources_is_refused_where_it_would_be_taken_for_some(
    project: Path, forge: Forge, pattern: str, returncode: int
) -> None:
    inputs = f'version: 1\nsources: .\ninputs: {{base_color: "{pattern}"}}\nsteps: []\noutputs: {{dir: build}}\n'
    (project / "pipeline.yaml").write_text(inputs)
    for file in ("wall_d.png", "wall.webp"):
        Image.new("RGB", (8, 8)).save(project / file)
    assert forge("run", "pipeline.yaml", "--html", "report").returncode == returncode
    assert (project / "report").exists() == (returncode == 0)
