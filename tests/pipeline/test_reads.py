"""What a step reads may follow from its parameters: it is checked when a pipeline is planned, and rules the keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Forge, write_normal, write_texture

STEP = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    by: str = ""
    rule: bool = False

def reads(params):
    return "every map" if params.rule else {"base_color"} | ({params.by} if params.by else set())

@af.step("mark", Params, reads=reads, writes={"base_color"})
def mark(material, params, context):
    print("given", *sorted(material))
    return material

@af.hookimpl
def register_steps(register):
    register(mark)
"""
PIPELINE = """\
version: 1
inputs: {{base_color: "{{name}}_d.png", normal: "{{name}}_n.png{optional}"}}
steps: [{{use: mark, with: {{{params}}}}}]
outputs: {{dir: build, maps: [base_color]}}
"""


def write_project(folder: Path, params: str, optional: str = "") -> None:
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins" / "mark.py").write_text(STEP)
    (folder / "pipeline.yaml").write_text(PIPELINE.format(params=params, optional=optional))
    write_texture(folder / "moss_d.png")


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ("", "given base_color\n"),
        ("by: normal", "given base_color normal\n"),
        ("rule: true", "given base_color normal"),
    ],
)
def test_a_step_is_given_what_its_parameters_ask_for(params: str, given: str, tmp_path: Path, forge: Forge) -> None:
    write_project(tmp_path, params)
    write_normal(tmp_path / "moss_n.png")
    done = forge("run", "pipeline.yaml", "-v")
    assert done.returncode == 0, done.stderr
    assert given in done.stdout + done.stderr


def test_what_no_input_gives_is_a_mistake_of_the_pipeline(tmp_path: Path, forge: Forge) -> None:
    write_project(tmp_path, "by: height")
    done = forge("check", "pipeline.yaml")
    assert done.returncode == 2
    assert "pipeline.yaml:3:15: steps[0].use: mark reads 'height'; the inputs and the steps before give" in done.stderr


def test_an_asset_that_lacks_an_optional_map_fails_alone(tmp_path: Path, forge: Forge) -> None:
    write_project(tmp_path, "by: normal", optional="?")
    write_texture(tmp_path / "sand_d.png")
    write_normal(tmp_path / "sand_n.png")
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 1
    assert "reads 'normal', an optional map that this asset lacks" in done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["sand_base_color.png"]


def test_a_map_that_is_not_read_invalidates_nothing(tmp_path: Path, forge: Forge) -> None:
    write_project(tmp_path, "")
    write_normal(tmp_path / "moss_n.png")
    assert forge("run", "pipeline.yaml").returncode == 0
    write_normal(tmp_path / "moss_n.png", (16, 16))
    assert "0 to build, 1 up to date" in forge("plan", "pipeline.yaml").stdout


def test_steps_that_ask_by_their_parameters_are_listed_so(tmp_path: Path, forge: Forge) -> None:
    write_project(tmp_path, "")
    assert "reads what its parameters say, writes base_color" in forge("steps", "mark").stdout
