"""A run that is killed at any moment leaves nothing torn, and the next one goes on from there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from commands import shared
from conftest import write_normal
from execute.conftest import (
    PATIENCE,
    Process,
    Ran,
    Run,
    check_agreement,
    descendants,
    executions,
    kill_group,
    outputs,
    start,
    start_anew,
    wait_until_begun,
    wait_until_let_go,
    write_project,
)

from assetforge.codecs.atomic import temporary_path
from assetforge.errors import INTERRUPTED
from assetforge.execute.publish import journal_in

KILLS = [3, pytest.param(int(os.environ.get("ASSETFORGE_KILLS", "12")), marks=pytest.mark.slow)]
"""How many moments to try; 100 were tried before this was published, and take a quarter of an hour."""
ASSETS = 30
IN_FLIGHT = 8
"""More jobs than are ever under way at once on two cores."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a build that nobody disturbs."""
    project = material_project(tmp_path_factory.mktemp("undisturbed"))
    process = start(project)
    process.communicate()
    assert process.returncode == 0
    return outputs(project)


def material_project(folder: Path) -> Path:
    """Write a project of 30 assets of two maps, which two steps change."""
    project = write_project(folder, assets=ASSETS, pause="time.sleep(0.02)")
    for index in range(ASSETS):
        write_normal(project / "textures" / f"a{index:02}_n.png", (16, 16 + index))
    text = (project / "pipeline.yaml").read_text().replace('_d.png"', '_d.png", normal: "{name}_n.png"')
    text = text.replace("{use: work}", "{use: work}, {use: upscale, with: {method: lanczos}}")
    (project / "pipeline.yaml").write_text(text)
    return project


def lives_until_some_moment(process: Process, project: Path, rng: random.Random) -> bool:
    """Wait until a run is anywhere in its work, by what it has done and not by the clock; tell whether it goes on."""
    published = len(list(project.glob("build/*/*_base_color.png")))
    begun = executions(project) + rng.randrange(max(1, ASSETS - published))
    while executions(project) < begun and process.poll() is None:
        time.sleep(0.01)
    with suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, 0.5))  # none may have begun yet, and the last one may be published
    return process.poll() is None


def kill_everything(process: subprocess.Popen[str]) -> None:
    """Kill the host and its workers all at once, which no host can shield anything from."""
    for pid in [process.pid, *descendants(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def check_published(found: dict[str, bytes], right: dict[str, bytes]) -> None:
    """Every file is whole and right, and every material complete; hidden files may lie about until the next run."""
    shown = {name: content for name, content in found.items() if not Path(name).name.startswith(".")}
    materials = defaultdict(set)
    for name in right:
        materials[Path(name).parent].add(name)
    for name, content in shown.items():
        assert content == right[name], f"{name} is torn or stale"
    for names in materials.values():
        there = names & shown.keys()
        assert not there or there == names, f"half a material: {there}"


@pytest.mark.parametrize("most", KILLS)
def test_killing_the_group_at_random_moments_never_tears_anything(
    most: int, tmp_path: Path, undisturbed: dict[str, bytes], run: Run
) -> None:
    rng = random.Random(20)
    kills = round_number = 0
    while kills < most:
        project = material_project(tmp_path / f"round{round_number}")
        round_number += 1
        done = 0
        killed_here = 0
        while kills < most and done < len(undisturbed):
            process = start(project)
            if lives_until_some_moment(process, project, rng):
                kill_group(process)
                kills += 1
                killed_here += 1
            wait_until_let_go(project)
            check_published(outputs(project), undisturbed)
            done = len(outputs(project))
        ran = run(project)
        assert ran.code == 0, ran.err
        assert outputs(project) == undisturbed  # with no hidden file left
        assert executions(project) <= ASSETS + IN_FLIGHT * killed_here
        assert not list((project / ".assetforge" / "runs").glob("*/"))


@pytest.mark.parametrize("most", KILLS)
def test_killing_all_processes_at_once_leaves_nothing_that_the_next_run_does_not_mend(
    most: int, tmp_path: Path, undisturbed: dict[str, bytes], run: Run
) -> None:
    rng = random.Random(21)
    project = material_project(tmp_path)
    for _ in range(max(2, most // 4)):
        process = start_anew(project)
        if lives_until_some_moment(process, project, rng):
            kill_everything(process)
        process.communicate()
        for name, content in outputs(project).items():
            assert Path(name).name.startswith(".") or content == undisturbed[name]
    assert run(project).code == 0
    assert outputs(project) == undisturbed


def test_workers_do_not_outlive_their_host(tmp_path: Path) -> None:
    project = write_project(tmp_path, assets=2, pause="time.sleep(60)")
    process = start_anew(project)
    wait_until_begun(project, process)
    workers = descendants(process.pid)
    assert workers
    kill_group(process)
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() and "Z" not in _state(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:
        return "Z"


def test_a_crash_while_renaming_is_completed_by_whoever_comes_next(tmp_path: Path, run: Run) -> None:
    project = material_project(tmp_path)
    assert run(project).code == 0
    right = outputs(project)
    dead = project / ".assetforge" / "runs" / "dead"
    dead.mkdir()
    folder = project / "build" / "a00"
    pairs = []
    for place in sorted(folder.iterdir()):
        temporary = temporary_path(place)
        place.rename(temporary)
        pairs.append([f"a00/{temporary.name}", f"a00/{place.name}"])
    (folder.parent / pairs[0][0]).rename(folder.parent / pairs[0][1])  # the first had been renamed already
    journal = journal_in(dead, "pipeline.yaml", "codec-0")
    journal.write_text(json.dumps({"renaming": True, "pairs": pairs}))
    before = outputs(project)
    for command in ("plan", "status", "check"):  # whoever only looks leaves it alone
        shared().run(project, command, "pipeline.yaml")
        assert journal.exists()
        assert outputs(project) == before
    ran = run(project)
    assert ran.states == {"up to date": ASSETS}
    assert outputs(project) == right
    assert not dead.exists()


def test_an_interrupt_ends_a_run_in_good_order(tmp_path: Path, run: Run) -> None:
    for number, sent in enumerate((signal.SIGINT, signal.SIGTERM)):
        project = write_project(tmp_path / str(number), assets=12, pause="time.sleep(0.3)")
        process = start(project, "--report", "report.json", "--junit", "junit.xml")
        wait_until_begun(project, process, 4)
        process.send_signal(sent)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, err
        assert "interrupted; the next run goes on from here" in err
        report = json.loads((project / "report.json").read_text())
        check_agreement(Ran(130, out, err, report, ET.parse(project / "junit.xml").getroot()))
        assert report["counts"]["not run"] > 0
        begun = executions(project)
        assert run(project).code == 0
        assert executions(project) - begun <= 12 - report["counts"]["done"]  # what was done is not done again


def test_a_lost_or_damaged_state_is_found_out_again(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=4)
    assert run(project).code == 0
    (project / ".assetforge" / "state.sqlite").write_bytes(b"this is no database" * 100)
    for rest in ("-wal", "-shm"):
        (project / ".assetforge" / f"state.sqlite{rest}").unlink(missing_ok=True)
    assert run(project).states == {"done": 4}
    assert executions(project) == 4  # the results were in the store
    assert run(project).states == {"up to date": 4}


def test_a_damaged_result_is_made_again(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=3)
    assert run(project).code == 0
    right = outputs(project)
    for path in (project / ".assetforge" / "results").glob("*/*.png"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    for path in (project / "build").glob("*/*"):
        path.unlink()
    assert run(project).states == {"done": 3}
    assert outputs(project) == right
    assert executions(project) == 6


def test_a_forged_journal_is_set_aside_and_named(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path / "project", assets=1)
    assert run(project).code == 0
    (tmp_path / "secret").write_text("mine")
    dead = project / ".assetforge" / "runs" / "dead"
    dead.mkdir()
    journal = journal_in(dead, "pipeline.yaml", "codec-0")
    journal.write_text('{"renaming": false, "pairs": [["../../secret", "../../secret"]]}')
    ran = run(project)
    assert ran.code == 0
    assert "names '../../secret', which is not below the outputs; nothing was done by it, and it is now" in ran.err
    assert (tmp_path / "secret").read_text() == "mine"
    assert len(list((project / ".assetforge" / "set aside").iterdir())) == 1
    assert not dead.exists()


def test_what_another_pipeline_had_begun_is_left_to_it(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=1)
    assert run(project).code == 0
    dead = project / ".assetforge" / "runs" / "dead"
    dead.mkdir()
    journal = journal_in(dead, "other.yaml", "codec-0")
    journal.write_text('{"renaming": false, "pairs": []}')
    assert run(project).code == 0
    assert journal.exists()
    (project / "pipeline.yaml").rename(project / "other.yaml")
    assert shared().run(project, "run", "other.yaml").code == 0
    assert not dead.exists()


WHOLE = ["a00_base_color.png", "a00_normal.png"]
HALFWAY = """
import assetforge.execute.publish as publishing
whole = publishing._rename

def half(pairs):
    if (HERE / "once").exists():
        return whole(pairs)
    whole(pairs[:1])
    (HERE / "once").touch()
    END

publishing._rename = half
"""


@pytest.mark.parametrize(
    ("end", "code"), [("os.kill(os.getpid(), signal.SIGKILL)", 1), ("time.sleep(600)", INTERRUPTED)]
)
def test_what_a_killed_worker_was_publishing_is_finished_by_its_host(end: str, code: int, tmp_path: Path) -> None:
    project = write_project(tmp_path, assets=1)
    write_normal(project / "textures" / "a00_n.png", (16, 16))
    text = (project / "pipeline.yaml").read_text().replace("inputs: {", 'inputs: {normal: "{name}_n.png", ')
    (project / "pipeline.yaml").write_text(f"attempts: 1\n{text}")
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text() + HALFWAY.replace("END", end))
    run = start(project)
    while not (project / "once").exists():
        assert run.poll() is None
        time.sleep(0.01)
    if code == INTERRUPTED:
        run.send_signal(signal.SIGTERM)
    run.communicate()
    assert run.wait() == code
    assert sorted(file.name for file in (project / "build" / "a00").iterdir()) == WHOLE
