"""The command line as a user meets it."""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import shared
from conftest import Forge, write_texture

from assetforge.cli import group
from assetforge.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_they_say(name: str) -> None:
    command = importlib.import_module(f"assetforge.cli.{name}").command
    assert (command.help or "").split("\n")[0] == COMMANDS[name]


def test_five_mistakes_leave_with_two(project: Path, forge: Forge) -> None:
    (project / "pipeline.yaml").write_text(
        "version: 1\ninputs:\n  base_colour: '{name}_d.png'\n  normal: normal.png\n"
        "steps:\n  - use: upscale\n    with: {scael: 4}\n  - use: upscail\noutputs:\n  format: jpgg\n"
    )
    for command in ("check", "plan", "run"):
        done = forge(command, "pipeline.yaml")
        assert done.returncode == 2
        lines = done.stderr.strip().split("\n")
        assert len(lines) == 5
        assert all(re.match(r"pipeline\.yaml:\d+:\d+: \S+: .+; .+", line) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["rnu"], 2, "there is no command 'rnu'; did you mean 'run'?"),
        (["run"], 2, "Missing argument"),
        (["run", "none.yaml"], 2, "none.yaml: there is no such file"),
        (["why", "pipeline.yaml", "granite"], 2, "no asset matches granite; the first ones are: brick"),
        (["run", "pipeline.yaml", "-D", "scale"], 2, "has no '='; write -D scale=4"),
        (["run", "pipeline.yaml", "--only", "granite*"], 2, "no asset matches granite*; the first ones are: brick"),
        (["run", "pipeline.yaml", "--device", "gpu"], 2, "'gpu' is no device; write auto, cpu, cuda or cuda:N"),
        (["run", "pipeline.yaml", "--device", "cuda:99"], 3, "'cuda:99' is not there"),
        (["steps", "upscal"], 2, "there is no step 'upscal'; did you mean 'upscale'?"),
        (["samples", "x", "--only", "brik"], 2, "there is no sample 'brik'; did you mean 'brick'?"),
        (["new", "plugin", "two words"], 2, "is not a name for a step"),
    ],
)
def test_a_wrong_command_line_is_answered(
    arguments: list[str], code: int, expected: str, project: Path, forge: Forge
) -> None:
    done = forge(*arguments)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_variants_are_addressed_by_their_own_names(project: Path, forge: Forge) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("variants: {scale: [2, 4]}\n")
    text = (project / "pipeline.yaml").read_text().replace("dir: build", "dir: 'build/{scale}'")
    (project / "pipeline.yaml").write_text(text)
    for only, count in (("moss[scale=2]", 1), ("moss", 2), ("*", 6), ("moss*", 2), ("*=4]", 3)):
        jobs = json.loads(forge("plan", "pipeline.yaml", "--json", "--only", only).stdout)["jobs"]
        assert len(jobs) == count, only
    assert "moss[scale=4]: out of date" in forge("why", "pipeline.yaml", "moss[scale=4]").stdout


def test_nested_parameters_are_explained(tmp_path: Path, forge: Forge) -> None:
    explained = forge("steps", "multiply").stdout
    assert "  others[].weight: number above 0 = 1.0\n      How much of the result" in explained
    assert "  guide.target: path = required\n" in explained
    assert "  size: integer from 32 to 8192 | [integer from 32 to 8192, integer from 32 to 8192] | null" in explained


@pytest.mark.parametrize("name", ["class", "None", "af", "Params", "register_steps", "upscale", "apply_map"])
def test_a_new_plugin_gets_a_name_that_works_or_none(name: str, tmp_path: Path, forge: Forge) -> None:
    done = forge("new", "plugin", name)
    assert done.returncode == 2
    assert not (tmp_path / "plugins").exists()


def test_two_hundred_equal_collisions_are_a_line_and_a_count(project: Path, forge: Forge) -> None:
    for number in range(200):
        write_texture(project / "textures" / f"{number}_d.png", number, (2, 2))
    text = (project / "pipeline.yaml").read_text().replace('  normal: "{name}_n.png?"\n', "")
    (project / "pipeline.yaml").write_text(text.replace("dir: build", "dir: build\n  name: '{map}'"))
    for command in ("check", "plan", "run"):
        done = forge(command, "pipeline.yaml")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "'0', '1', '10' and 200 more would all be written here" in done.stderr
    (project / "pipeline.yaml").write_text(text.replace("dir: build", "dir: textures\n  name: '{name}_d'"))
    lines = forge("plan", "pipeline.yaml").stderr.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "and 200 more outputs likewise"


def test_output_that_nobody_reads_is_no_failure(project: Path) -> None:
    command = f"{sys.executable} -m assetforge steps multiply | head -1"
    done = subprocess.run(command, shell=True, cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("multiply: ")
    assert done.stderr == ""


def test_plan_prints_reasons_as_text_and_as_data(project: Path, forge: Forge) -> None:
    assert "build    moss: new" in forge("plan", "pipeline.yaml").stdout
    assert forge("run", "pipeline.yaml").returncode == 0
    data = json.loads(forge("plan", "pipeline.yaml", "-D", "scale=4", "--json").stdout)
    reason = data["jobs"][0]["reasons"][0]
    assert reason["text"] == "params changed: scale 2 → 4"
    assert {**reason, "text": ""} == {
        "kind": "params changed", "subject": "scale", "before": "2", "after": "4", "text": ""
    }  # fmt: skip


def test_a_broken_plugin_is_warned_of_and_exits_with_three_where_it_matters(project: Path, forge: Forge) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "broken.py").write_text("import nothing_of_this_name")
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 0
    assert "warning: plugin 'broken' (plugins/broken.py) line 1: cannot be loaded" in done.stderr
    assert forge("plugins").returncode == 3
    text = (project / "pipeline.yaml").read_text().replace("use: upscale", "use: broken_step")
    (project / "pipeline.yaml").write_text(text)
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 3
    assert "plugin 'broken' (plugins/broken.py) line 1: cannot be loaded" in done.stderr
    assert "unknown step 'broken_step'; repair the plugin that is broken, if the step is its own; " in done.stderr
    done = forge("check", "pipeline.yaml")
    assert done.returncode == 3
    broken, unknown = done.stderr.splitlines()  # each is told once
    assert broken.startswith("plugin 'broken' (plugins/broken.py) line 1: cannot be loaded")
    assert unknown.endswith("if the step is its own; `assetforge steps` lists all that there are")
    (project / "pipeline.yaml").write_text(text.replace("version: 1", "version: 2").replace("broken_step", "upscale"))
    assert "warning: plugin 'broken' (plugins/broken.py)" in forge("check", "pipeline.yaml").stderr


def test_a_pipeline_does_not_use_a_step_that_two_plugins_have(project: Path, forge: Forge) -> None:
    assert forge("new", "plugin", "wet").returncode == 0
    plugin = project / "plugins" / "wet.py"
    (project / "plugins" / "rain.py").write_text(plugin.read_text())
    assert forge("check", "pipeline.yaml").returncode == 0  # which uses another step
    text = (project / "pipeline.yaml").read_text().split("steps:")[0]
    (project / "pipeline.yaml").write_text(f"{text}steps: [{{use: wet}}]\n")
    for command in ("check", "run"):
        done = forge(command, "pipeline.yaml")
        assert done.returncode == 3
        both, where = done.stderr.splitlines()
        assert (
            "plugin 'wet' (plugins/wet.py): step 'wet' is already registered by plugin 'rain' (plugins/rain.py)" in both
        )
        assert where.endswith("steps[0].use: two plugins have a step 'wet'")


@pytest.mark.skipif(sys.platform == "win32", reason="the current folder cannot be removed there")
def test_a_current_folder_that_was_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert group.run(["run", "pipeline.yaml"]) == 2
    assert capsys.readouterr().err == "the current folder: was removed; go to one that is there\n"


def test_a_new_plugin_and_a_new_pipeline_work(project: Path, forge: Forge) -> None:
    assert forge("new", "plugin", "invert").returncode == 0
    assert forge("new", "pipeline", "fresh.yaml").returncode == 0
    assert forge("new", "pipeline", "fresh.yaml").returncode == 2
    text = (project / "fresh.yaml").read_text().replace("  - use: upscale\n    with: {scale: 2}", "  - use: invert")
    (project / "fresh.yaml").write_text(text)
    done = forge("run", "fresh.yaml")
    assert done.returncode == 0, done.stderr
    assert "3 done" in done.stdout


def test_schema_is_json_and_doctor_is_well(tmp_path: Path, forge: Forge) -> None:
    assert json.loads(forge("schema").stdout)["title"] == "AssetForge pipeline"
    done = forge("doctor")
    assert done.returncode == 0, done.stderr
    assert "weights: upscale/fast_color_x4" in done.stdout
    assert "all is well" in done.stdout


def test_steps_and_check_tell_what_is_there(project: Path, forge: Forge) -> None:
    assert re.search(r"upscale +Make every map", forge("steps").stdout)
    assert "scale: number from 1 to 16 | null = null" in forge("steps", "upscale").stdout
    assert "right; 3 assets" in forge("check", "pipeline.yaml").stdout


SLOW = """\
import assetforge as af

@af.step("nap", af.Params, reads={"base_color"}, writes={"base_color"})
def nap(material, params, context):
    import time
    from pathlib import Path
    Path("started").touch()
    time.sleep(60 if Path("sleepy").exists() else 0)
    return material

@af.hookimpl
def register_steps(register):
    register(nap)
"""


def test_an_interrupted_run_leaves_with_130_and_goes_on_later(project: Path, forge: Forge) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "nap.py").write_text(SLOW)
    text = (project / "pipeline.yaml").read_text().replace("use: upscale", "use: nap")
    (project / "pipeline.yaml").write_text(text.replace("    with: {scale: 2, method: lanczos}\n", ""))
    (project / "sleepy").touch()
    running = shared().start(project, "run", "pipeline.yaml")
    while not (project / "started").exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "interrupted; the next run goes on from here" in errors
    assert not (project / "build").exists()
    (project / "sleepy").unlink()
    assert "3 done" in forge("run", "pipeline.yaml").stdout
