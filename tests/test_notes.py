"""What steps note of their results, and the results that they flag, are told whoever computed them, and when."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from conftest import Forge
from watch.conftest import Watcher

import assetforge as af

NOTING = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    gain: float = 0.5

@af.step("dim", Params, reads={"base_color"}, writes={"base_color"})
def dim(material: af.Material, params: Params, context: af.Context) -> af.Material:
    base = material["base_color"]
    context.note("gain", {"base_color": params.gain, "sizes": base.data.shape[1:]})
    if params.gain > 0.6:
        context.flag(f"base_color: brighter than it should be (gain {params.gain}, at most 0.6)")
    BODY
    return material.replace(base_color=base.with_data(base.data * params.gain))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(dim)
"""
FLAG = af.Flag("base_color: brighter than it should be (gain 0.7, at most 0.6)", by="dim")
NOTES = {
    "dim": {"gain": {"base_color": 0.7, "sizes": [24, 32]}},
    "dim 2": {"gain": {"base_color": 0.5, "sizes": [24, 32]}},
}


def write_plugin(project: Path, body: str = "pass") -> None:
    (project / "plugins").mkdir(exist_ok=True)
    (project / "plugins" / "dim.py").write_text(NOTING.replace("BODY", body))


@pytest.fixture
def noting(project: Path) -> Path:
    """A project of one asset whose first step flags its result; the second does not. Both note something."""
    write_plugin(project)
    for path in (project / "textures").iterdir():
        if path.name != "moss_d.png":
            path.unlink()
    text = (project / "pipeline.yaml").read_text()
    chain = "steps:\n  - {use: dim, with: {gain: 0.7}}\n  - use: dim\n"
    (project / "pipeline.yaml").write_text(text.replace("steps:\n", chain))
    return project


def run(forge: Forge, project: Path, *arguments: str) -> dict[str, Any]:
    """Run a project; return what its report says of the only job."""
    done = forge("run", str(project / "pipeline.yaml"), "--report", str(project / "report.json"), *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads((project / "report.json").read_text())
    assert report["flagged"] == 1
    assert "1 flagged" in done.stdout
    job: dict[str, Any] = report["jobs"][0]
    return {"said": done.stderr, **job}


def test_reports_tell_what_was_noted_and_flagged(noting: Path, forge: Forge) -> None:
    job = run(forge, noting, "--junit", "junit.xml")
    assert job["notes"] == NOTES
    assert job["flags"] == [FLAG.data()]
    assert f"flagged  moss: {FLAG}" in job["said"]
    told = ET.parse(noting / "junit.xml").findtext(".//testcase/system-out")
    assert told is not None
    assert told.splitlines()[0] == f"warning: {FLAG}"
    assert 'dim: gain = {"base_color": 0.7, "sizes": [24, 32]}' in told


def test_a_result_from_the_store_has_the_same_notes(noting: Path, forge: Forge) -> None:
    write_plugin(noting, "import pathlib; pathlib.Path('executions').open('a').write('x')")
    first = run(forge, noting)
    shutil.rmtree(noting / "build")
    again = run(forge, noting)
    assert (again["state"], again["notes"], again["flags"]) == ("done", first["notes"], first["flags"])
    assert (noting / "executions").read_text() == "xx"  # two steps, once
    forced = run(forge, noting, "--force")
    assert (noting / "executions").read_text() == "xxxx"
    assert (forced["notes"], forced["flags"]) == (first["notes"], first["flags"])


def test_a_map_that_a_step_does_not_declare_is_left_out_and_flagged(noting: Path, forge: Forge) -> None:
    body = "material = material.replace(height=af.Texture(base.data[:1], af.ColorSpace.NONE))"
    write_plugin(noting, body)
    flag = "height: what the step wrote into it is left out, as its `writes` does not name it"
    assert f"flagged  moss: dim: {flag}" in run(forge, noting)["said"]
    assert [path.name for path in (noting / "build").iterdir()] == ["moss_base_color.png"]


def test_what_is_up_to_date_stays_flagged(noting: Path, forge: Forge) -> None:
    run(forge, noting)
    again = run(forge, noting)
    assert (again["state"], again["notes"], again["flags"]) == ("up to date", {}, [FLAG.data()])
    assert forge("run", "pipeline.yaml", "-D", "gain=0.5", "--report", "report.json").returncode == 0
    assert json.loads((noting / "report.json").read_text())["jobs"][0]["flags"] == []
    done = forge("run", "pipeline.yaml", "-D", "gain=0.5")
    assert "1 up to date (" in done.stdout  # and nothing is flagged any more


def test_a_store_that_is_shared_shares_the_notes(noting: Path, forge: Forge) -> None:
    other = noting / "elsewhere" / "checkout"
    for name in ("textures", "plugins"):
        shutil.copytree(noting / name, other / name)
    shutil.copy(noting / "pipeline.yaml", other)
    shared = ("-D", f"store={noting / 'shared'}")
    first = run(forge, noting, *shared)
    events = forge("watch", str(other / "pipeline.yaml"), "--once", "--events", "-", *shared).stdout
    assert "StepStarted" not in events  # all is in the store
    finished = [json.loads(line) for line in events.splitlines() if '"JobFinished"' in line]
    assert [event["flags"] for event in finished] == [first["flags"]]
    shutil.rmtree(other / ".assetforge")
    again = run(forge, other, *shared, "-D", "store_mode=read-only")
    assert (again["notes"], again["flags"]) == (first["notes"], first["flags"])


def test_lost_notes_are_no_notes(noting: Path, forge: Forge) -> None:
    run(forge, noting)
    shutil.rmtree(noting / "build")
    files = sorted((noting / ".assetforge" / "results").glob("*/*.notes"))
    assert len(files) == 2
    for path in files:
        path.write_bytes(b"x" * path.stat().st_size)
    assert forge("run", "pipeline.yaml", "--report", "report.json").returncode == 0
    job = json.loads((noting / "report.json").read_text())["jobs"][0]
    assert (job["state"], job["notes"], job["flags"]) == ("done", {}, [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("context.note('score', float('nan'))", "step 'dim': noted 'score' with what JSON cannot hold"),
        ("context.note('score', [object()])", "note finite numbers, words, lists and mappings"),
        ("context.note('score', base.data.mean())", "Object of type Tensor is not JSON serializable"),
        ("context.note(3, 4)", "step 'dim': gave 3 as a note's name; give a text"),
        ("context.flag(None)", "step 'dim': gave None as a flag; give a text"),
        ("context.flag('\\udc80')", "as a flag; give a text"),
        ("context.flag(af.Flag('dark', value=float('nan')))", "noted a flag with what JSON cannot hold"),
    ],
)
def test_what_json_cannot_hold_is_refused(body: str, expected: str, noting: Path, forge: Forge) -> None:
    write_plugin(noting, body)
    done = forge("run", "pipeline.yaml", "-D", "attempts=1")
    assert done.returncode == 1
    assert expected in done.stderr
    assert not (noting / "build").exists()


def test_what_a_failed_attempt_noted_is_forgotten(noting: Path, forge: Forge) -> None:
    out_of_memory = "import torch, pathlib; once = pathlib.Path(__file__).with_name('once')"
    body = f"{out_of_memory}\n    if not once.exists():\n        once.touch(); context.flag('not this')\n"
    write_plugin(noting, body + "        raise torch.OutOfMemoryError")
    assert run(forge, noting)["flags"] == [FLAG.data()]


def test_notes_are_optional_for_plugins_tests() -> None:
    context = af.Context(0, "cpu", lambda _: None, {}, {})
    context.note("score", 1)
    context.flag("doubtful")


def test_a_daemon_tells_of_notes_and_flags(noting: Path) -> None:
    told = noting / "told.jsonl"
    tell = f"import pathlib, sys; pathlib.Path({str(told)!r}).open('a').write(sys.stdin.read() + chr(10))"
    (noting / "tell.py").write_text(tell)
    with (noting / "pipeline.yaml").open("a") as file:
        file.write("watch: {on_done: {run: [python3, tell.py]}}\n")
    watcher = Watcher(noting)
    try:
        watcher.wait_for(told.exists)
        watcher.wait_for(lambda: told.read_text().endswith("\n"))
        result = json.loads(told.read_text())
        assert (result["notes"], result["flags"]) == (NOTES, [FLAG.data()])
        assert watcher.stop() == 0
    finally:
        watcher.kill()
    assert f"flagged  moss: {FLAG}" in watcher.said()
