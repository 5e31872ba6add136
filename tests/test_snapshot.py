"""A snapshot proves that nothing is to be done, or says nothing; it never disagrees with the plan."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Forge, write_texture

from assetforge import snapshot
from assetforge.build import Build
from assetforge.cli.group import run as run_command
from assetforge.cli.unchanged import compared, nothing_to_do, occasion
from assetforge.plan.jobs import Plan
from assetforge.store.reader import Reader
from assetforge.store.runs import begin

GRAIN = 30_000_000
"""Nanoseconds: times are finer than that where tests run, and so tests need not wait for seconds."""
PIPELINE = """\
version: 1
sources: textures
inputs:
  base_color: "**/{name}_d.png"
steps:
  - use: dim
    with: {note: note.txt, gain: 0.5}
outputs:
  dir: build
profiles:
  dark: {gain: 0.25}
"""
PLUGIN = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    gain: float = 0.5
    note: af.File

@af.step("dim", Params, reads={"base_color"}, writes={"base_color"}, weights=("gains",))
def dim(material: af.Material, params: Params, context: af.Context) -> af.Material:
    return material.replace(base_color=material["base_color"].with_data(material["base_color"].data * params.gain))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(dim)
"""


def run_somehow(options: tuple[str, ...]) -> int:
    """Run a pipeline, with what is known of earlier runs."""
    arguments = ["run", "p.yaml", "--workers", "0", *options]
    asked = occasion(arguments, GRAIN)
    asked.earlier = compared(asked, arguments)
    return run_command(arguments, asked)


class Project:
    """A project on disk, and runs of it in this process."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capture = folder, capture
        self.weights = folder / "users"
        self.weights.mkdir()
        (self.weights / "gains.safetensors").write_bytes(b"user's")
        (folder / "plugins").mkdir()
        (folder / "plugins" / "dim.py").write_text(PLUGIN)
        (folder / "note.txt").write_text("a note")
        (folder / "p.yaml").write_text(PIPELINE)
        for index, name in enumerate(("brick", "moss", "inner/sand")):
            write_texture(folder / "textures" / f"{name}_d.png", index, (6, 8))

    def run(self, *options: str) -> str:
        """Plan and build what is not proven to be up to date; return what that prints."""
        time.sleep(GRAIN / 1e9)
        self.capture.readouterr()
        code = run_somehow(options)
        printed = self.capture.readouterr()
        assert code == 0, printed.err
        return printed.out

    def build(self) -> None:
        """Run once, and again where that proves nothing: it may have warned of a plugin that is slow to load."""
        self.run()
        if not self.proven():
            self.run()
        assert self.proven()

    def proven(self, *options: str) -> str | None:
        """Return what a run prints of which it is proven that it has nothing to do."""
        arguments = ["run", "p.yaml", "--workers", "0", *options]
        found = compared(occasion(arguments), arguments)
        return None if found is None or found.changed else found.snapshot.ending.says

    def plan(self, definitions: tuple[str, ...] = (), profile: str = "") -> Plan:
        with Build(Path("p.yaml"), definitions, profile) as build:
            return build.plan()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSETFORGE_WEIGHTS", str(tmp_path / "users"))
    monkeypatch.setattr("assetforge.store.state.RACY_NS", GRAIN)
    yield Project(tmp_path, capsys)


@pytest.fixture
def built(small: Project) -> Project:
    small.build()
    return small


def leaves_nothing(plan: Plan) -> bool:
    return all(job.state == "up to date" for job in plan.jobs) and not plan.gone and not plan.stale


def test_a_proven_run_prints_what_the_full_one_prints(built: Project) -> None:
    assert built.proven() == built.run() == "0 done, 0 failed, 3 up to date (0.0 s)\noutputs are in build\n"


def append(path: Path, text: str = "\n# more\n") -> None:
    with path.open("a") as file:
        file.write(text)


def restore_time(path: Path, change: Callable[[], None]) -> None:
    """Change a file so that its size, time and inode are as before."""
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def flip(path: Path) -> None:
    """Change the last byte of a file in place."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:
        file.write(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a source is written anew": lambda at: write_texture(at / "textures" / "moss_d.png", 9, (6, 8)),
    "a source is touched": lambda at: os.utime(at / "textures" / "moss_d.png"),
    "a source is of yesterday": lambda at: os.utime(at / "textures" / "moss_d.png", (1e9, 1e9)),
    "a source has its old time": lambda at: restore_time(
        at / "textures" / "moss_d.png", lambda: flip(at / "textures" / "moss_d.png")
    ),
    "a source is renamed": lambda at: (at / "textures" / "moss_d.png").rename(at / "textures" / "peat_d.png"),
    "a source goes": lambda at: (at / "textures" / "moss_d.png").unlink(),
    "a source comes": lambda at: write_texture(at / "textures" / "new_d.png", 3, (6, 8)),
    "a folder comes": lambda at: write_texture(at / "textures" / "deep" / "new_d.png", 3, (6, 8)),
    "a folder is swapped": lambda at: [
        (at / "textures" / "inner").rename(at / "aside"),
        shutil.copytree(at / "aside", at / "textures" / "inner"),
    ],
    "an output goes": lambda at: (at / "build" / "moss_base_color.png").unlink(),
    "an output is edited": lambda at: flip(at / "build" / "moss_base_color.png"),
    "all outputs go": lambda at: shutil.rmtree(at / "build"),
    "the pipeline is edited": lambda at: append(at / "p.yaml"),
    "a parameter's file is edited": lambda at: append(at / "note.txt"),
    "an override comes": lambda at: (at / "textures" / "moss_d.png.forge.yaml").write_text("gain: 0.75\n"),
    "an override of all comes": lambda at: (at / "textures" / "forge.yaml").write_text("gain: 0.75\n"),
    "a plugin is edited": lambda at: append(at / "plugins" / "dim.py"),
    "a plugin comes": lambda at: (at / "plugins" / "other.py").write_text("import assetforge\n"),
    "a module comes beside the plugins": lambda at: (at / "plugins" / "_helper.py").write_text("x = 1\n"),
    "weights are edited": lambda at: append(at / "users" / "gains.safetensors"),
    "weights come that shadow others": lambda at: [
        (at / "plugins" / "weights").mkdir(),
        (at / "plugins" / "weights" / "gains.safetensors").write_bytes(b"own"),
    ],
    "the memory of runs goes": lambda at: (at / ".assetforge" / "state.sqlite").unlink(),
    "a module shadows others": lambda at: (at / "yaml.py").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_proven_when(change: str, small: Project) -> None:
    sys.path.insert(0, str(small.folder))  # as `python -m assetforge` has it
    try:
        small.build()
        CHANGES[change](small.folder)
        assert not small.proven()
    finally:
        sys.path.remove(str(small.folder))


def test_other_options_and_surroundings_have_proofs_of_their_own(
    built: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not built.proven("--profile", "dark")
    assert not built.proven("-D", "gain=0.3")
    monkeypatch.setenv("ASSETFORGE_WEIGHTS", str(built.folder / "elsewhere"))
    assert not built.proven()
    monkeypatch.undo()
    assert not built.proven()  # in another folder


@pytest.mark.parametrize("option", ["--force", "--retry", "--only=moss", "--device=cpu", "--report=r.json"])
def test_runs_that_do_more_than_nothing_keep_no_snapshot(option: str, small: Project) -> None:
    small.run(option)
    assert not snapshot.paths(".assetforge")


def test_a_run_at_work_proves_nothing_and_what_it_began_with_is_forgotten(built: Project) -> None:
    with begin(built.folder / ".assetforge"):
        assert not built.proven()
        built.run()
        assert not built.proven()
    assert not built.proven()
    built.run()
    assert built.proven()


def test_a_build_with_other_values_that_leaves_the_same_files_is_noticed(built: Project) -> None:
    """Seeds do not show in these pixels, so that the outputs stay as they are; the key is another one all the same."""
    files = {path: path.stat() for path in (built.folder / "build").iterdir()}
    built.run("-D", "seed=7")
    assert {path: path.stat().st_mtime_ns for path in files} == {path: one.st_mtime_ns for path, one in files.items()}
    assert not built.proven()
    assert "3 done" in built.run()


def test_files_touched_just_before_a_run_are_proven_by_a_later_one(small: Project) -> None:
    arguments = ["run", "p.yaml", "--workers", "0"]
    os.utime(small.folder / "textures" / "moss_d.png")
    run_command(arguments, occasion(arguments, 10**9))
    assert not small.proven()
    small.run()
    assert small.proven()


def test_a_time_in_the_future_proves_nothing(built: Project) -> None:
    later = time.time() + 3600
    os.utime(built.folder / "textures" / "moss_d.png", (later, later))
    built.run()
    assert not built.proven()


def test_a_clock_that_is_set_meanwhile_proves_nothing(built: Project) -> None:
    asked = occasion(["run", "p.yaml"], GRAIN)
    assert asked.is_steady()
    asked.began += 2 * GRAIN
    assert not asked.is_steady()


@pytest.mark.parametrize("folder", ["memory", "deep/er"])
def test_a_state_elsewhere_is_found(folder: str, small: Project) -> None:
    append(small.folder / "p.yaml", f"state: '{folder}'  # here\n")
    small.run()
    assert small.proven()
    small.run("-D", "state=other")
    assert small.proven("-D", "state=other")


def test_a_plugin_that_listens_or_looks_at_variables_is_run(small: Project) -> None:
    hook = "\n@af.hookimpl\ndef on_event(event):\n    pass\n"
    append(small.folder / "plugins" / "dim.py", hook)
    small.run()
    assert not small.proven()
    (small.folder / "plugins" / "dim.py").write_text(f"{PLUGIN}\nimport os\nGAIN = os.environ.get('GAIN')\n")
    small.run()
    assert not small.proven()
    (small.folder / "plugins" / "dim.py").write_text(f"{PLUGIN}\nENVIRONMENT = 'a studio'\n")  # of another kind
    small.run()
    assert small.proven()


@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "folder", "pipe", "text", "foreign"])
def test_what_is_not_ours_is_not_read(damage: str, built: Project) -> None:
    path = Path(snapshot.paths(".assetforge")[0])
    data = path.read_bytes()
    path.unlink()
    match damage:
        case "cut":
            path.write_bytes(data[:-1])
        case "empty":
            path.write_bytes(b"")
        case "longer":
            path.write_bytes(data + b"\0" * 8)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "text":  # orders for a terminal
            path.write_bytes(data.replace(b"outputs are", b"outputs \x1b[2J"))
        case "foreign":
            path.write_bytes(data.replace(b"assetforge snapshot", b"another snapshot"))
    assert not built.proven()
    assert built.run()


def test_a_confined_run_believes_no_snapshot(built: Project) -> None:
    arguments = ["run", "p.yaml", "--workers", "0", "--confine", "."]
    asked = occasion(arguments)
    forged = snapshot.read(snapshot.paths(".assetforge")[0])
    assert forged is not None
    forged.identity = asked.identity
    (built.folder / ".assetforge" / snapshot.FOLDER / snapshot.name_of(asked.identity)).write_bytes(forged.data())
    assert not nothing_to_do(asked, arguments)


def test_a_link_in_the_place_of_the_folder_leads_to_no_harm(built: Project) -> None:
    precious = built.folder / "precious"
    (built.folder / ".assetforge" / snapshot.FOLDER).rename(precious)
    (precious / "letter.txt").write_text("dear")
    kept = sorted(precious.iterdir())
    (built.folder / ".assetforge" / snapshot.FOLDER).symlink_to(precious)
    write_texture(built.folder / "textures" / "moss_d.png", 9, (6, 8))
    built.run()
    assert sorted(precious.iterdir()) == kept


def test_a_snapshot_that_cannot_be_found_is_no_trouble_for_status(built: Project) -> None:
    (built.folder / ".assetforge" / snapshot.FOLDER / f"gone{snapshot.SUFFIX}").symlink_to("nowhere")
    assert run_command(["status", "p.yaml"]) == 0


def test_few_snapshots_are_kept(built: Project) -> None:
    for number in range(snapshot.MOST + 2):
        built.run("-D", f"attempts={number + 1}")
    assert len(snapshot.paths(".assetforge")) == snapshot.MOST
    assert built.proven("-D", f"attempts={snapshot.MOST + 2}")


AS_SCRIPT = """\
import sys
from assetforge.cli import main
try:
    main()
finally:
    print(sorted({"assetforge.build", "click", "json", "pathlib", "re", "sqlite3", "typing"} & sys.modules.keys()))
"""


def test_a_real_process_proves_it_and_status_knows(project: Path, forge: Forge, tmp_path: Path) -> None:
    script = tmp_path / "script" / "assetforge"
    script.parent.mkdir()
    script.write_text(AS_SCRIPT)
    time.sleep(snapshot.GRAIN / 1e9)
    command = [sys.executable, str(script), "run", "pipeline.yaml"]
    first, second = (
        subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert "3 done" in first
    assert second == "0 done, 0 failed, 3 up to date (0.0 s)\noutputs are in build\n[]\n"
    status = json.loads(forge("status", str(project / "pipeline.yaml"), "--json").stdout)
    spared, begun = status["runs"]
    assert (spared["counts"], begun["counts"]) == ({"up to date": 3}, {"done": 3})
    assert (spared["kind"], spared["state"], spared["exit_code"]) == ("run", "ended", 0)
    assert spared["began"] > begun["ended"]
    found = Reader(project / ".assetforge", "pipeline.yaml").run(spared["run"])
    assert found is not None
    assert found.data == spared
    path, later = snapshot.paths(str(project / ".assetforge"))[0], time.time() + 60
    os.utime(path, (later, later))
    last = json.loads(forge("status", str(project / "pipeline.yaml"), "--json").stdout)["last_run"]
    assert (round(last["ended"]), last["exit_code"], last["counts"]["up to date"]) == (round(later), 0, 3)


# Edits at random


class Edits:
    """Edits of a project, some of which are undone by later ones."""

    def __init__(self, project: Project, seed: int) -> None:
        self.at, self.choose = project.folder, random.Random(seed)
        self.number = itertools.count(1)
        self.all: list[Callable[[], object]] = [
            self.write, self.write_back, self.touch, self.clock, self.rename, self.remove, self.add, self.swap,
            self.hide_time, self.output, self.lose_output, self.touch_output, self.pipeline, self.override,
            self.override_all, self.plugin, self.module, self.weights, self.shadow, self.note, self.hidden,
            self.forget, self.folder,
        ]  # fmt: skip

    def one(self) -> str:
        edit = self.write if self.choose.random() < 0.2 else self.choose.choice(self.all)
        edit()
        return edit.__name__

    def source(self) -> Path:
        found = sorted((self.at / "textures").rglob("*_d.png"))
        return self.choose.choice(found) if found else self.add()

    def built(self) -> Path | None:
        found = sorted((self.at / "build").rglob("*.png"))
        return self.choose.choice(found) if found else None

    def write(self) -> None:
        write_texture(self.source(), next(self.number), (6, 8))

    def write_back(self) -> None:
        path = self.source()
        path.write_bytes(path.read_bytes())

    def touch(self) -> None:
        os.utime(self.source())

    def clock(self) -> None:
        then = time.time() + self.choose.choice((-1e8, -3600, -60, 0.5))
        os.utime(self.source(), (then, then))

    def rename(self) -> None:
        path = self.source()
        path.rename(path.with_name(f"r{next(self.number)}_d.png"))

    def remove(self) -> None:
        if len(list((self.at / "textures").rglob("*_d.png"))) > 1:
            self.source().unlink()

    def add(self) -> Path:
        return write_texture(self.at / "textures" / f"a{next(self.number)}_d.png", next(self.number), (6, 8))

    def swap(self) -> None:
        first, second, aside = self.source(), self.source(), self.at / "aside"
        first.rename(aside)
        if first != second:
            second.rename(first)
        aside.rename(second)

    def hide_time(self) -> None:
        """Edit within the metadata only: content stays, as the plan itself trusts size, time and inode."""
        path = self.source()
        before = path.stat()
        path.chmod(0o600 if before.st_mode & 0o077 else 0o644)

    def output(self) -> None:
        if path := self.built():
            flip(path)

    def lose_output(self) -> None:
        if path := self.built():
            path.unlink()

    def touch_output(self) -> None:
        if path := self.built():
            os.utime(path)

    def pipeline(self) -> None:
        path, gain = self.at / "p.yaml", self.choose.choice(("0.5", "0.625", "0.75"))
        lines = [line if "use" in line or "note" not in line else f"    with: {{note: note.txt, gain: {gain}}}"
                 for line in path.read_text().splitlines()]  # fmt: skip
        path.write_text("\n".join(lines) + "\n")

    def override(self) -> None:
        there = sorted((self.at / "textures").rglob("*_d.png.forge.yaml"))
        for path in there:
            path.unlink()
        if not there:
            Path(f"{self.source()}.forge.yaml").write_text(f"gain: 0.{next(self.number) % 90 + 10}\n")

    def override_all(self) -> None:
        path = self.at / "textures" / "forge.yaml"
        path.unlink() if path.exists() else path.write_text("gain: 0.375\n")

    def plugin(self) -> None:
        path = self.at / "plugins" / "dim.py"
        path.write_text(f"{PLUGIN}\n# {self.choose.choice('abc')}\n")

    def module(self) -> None:
        path = self.at / "plugins" / "_more.py"
        path.unlink() if path.exists() else path.write_text("x = 1\n")

    def weights(self) -> None:
        (self.at / "users" / "gains.safetensors").write_bytes(self.choose.choice((b"one", b"two")))

    def shadow(self) -> None:
        path = self.at / "plugins" / "weights" / "gains.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.unlink() if path.exists() else path.write_bytes(b"own")

    def note(self) -> None:
        (self.at / "note.txt").write_text(self.choose.choice(("a note", "b note")))

    def hidden(self) -> None:
        (self.at / "textures" / ".hidden").write_text(str(next(self.number)))

    def folder(self) -> None:
        path = self.at / "textures" / "inner"
        path.rename(self.at / "textures" / f"inner{next(self.number)}") if path.exists() else path.mkdir()

    def forget(self) -> None:
        if self.choose.random() < 0.3:
            shutil.rmtree(self.at / ".assetforge", ignore_errors=True)


def disagreements(project: Project, edits: int, seed: int) -> tuple[list[str], int, int]:
    """Edit, ask both, and run now and then, with edits during some runs; return who disagreed, and how
    often nothing was to be done, and only some was planned."""
    hand = Edits(project, seed)
    ways: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
        ((), (), ""),
        (("--profile", "dark"), (), "dark"),
        (("-D", "gain=0.3"), ("gain=0.3",), ""),
    )
    found, proofs, partials, history = [], 0, 0, []
    for _ in range(edits):
        history.append(hand.one() if hand.choose.random() < 0.6 else "nothing")
        time.sleep(GRAIN / 1e9)
        options, definitions, profile = hand.choose.choices(ways, (8, 1, 1))[0]
        says = project.proven(*options)
        arguments = ["run", "p.yaml", "--workers", "0", *options]
        earlier = compared(occasion(arguments), arguments)
        if earlier is not None and earlier.changed:
            with Build(Path("p.yaml"), definitions, profile) as build:
                partial = build._plan_changes(earlier)
            plan = project.plan(definitions, profile)
            partials += partial is not None
            if partial is not None and not is_same(partial, plan):
                found.append(f"{seed}: {history}: {earlier.changed}")
        if says is not None:
            proofs += 1
            plan = project.plan(definitions, profile)
            if not leaves_nothing(plan) or not says.startswith(f"0 done, 0 failed, {len(plan.jobs)} up to date"):
                found.append(f"{seed}: {history}: {says}, but {[job for job in plan.jobs if job.reasons]}")
        if hand.choose.random() < 0.2:  # somebody works on while a run runs
            other = threading.Timer(hand.choose.random() * 0.05, hand.one)
            other.start()
            run_somehow(options)
            other.join()
            history.append("during")
        else:
            run_somehow(options)
        project.capture.readouterr()
    return found, proofs, partials


def is_same(one: Plan, other: Plan) -> bool:
    """Tell whether two plans do the same; what is known of the jobs that are up to date may differ in detail."""
    told = [
        [(job.asset, job.base, job.state, job.reasons, job.signature, job.sources, job.files) for job in plan.jobs]
        for plan in (one, other)
    ]
    return told[0] == told[1] and (one.gone, one.stale) == (other.gone, other.stale)


def test_snapshot_and_plan_never_disagree(small: Project) -> None:
    found, proofs, partials = disagreements(small, 30, seed=1)
    assert not found
    assert min(proofs, partials) > 2  # so that there was something to disagree about


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 12))
def test_snapshot_and_plan_never_disagree_over_hundreds_of_edits(seed: int, small: Project) -> None:
    found, proofs, partials = disagreements(small, 60, seed)
    assert not found
    assert proofs + partials > 2


def test_one_changed_source_is_planned_alone(built: Project) -> None:
    write_texture(built.folder / "textures" / "moss_d.png", 9, (6, 8))
    arguments = ["run", "p.yaml", "--workers", "0"]
    earlier = compared(occasion(arguments), arguments)
    assert earlier is not None
    assert earlier.changed == {str(built.folder / "textures" / "moss_d.png")}
    with Build(Path("p.yaml")) as build:
        plan = build._plan_changes(earlier)
        assert plan is not None
        assert is_same(plan, build.plan())
    assert [job.asset for job in plan.in_state("out of date")] == ["moss"]
    assert "1 done, 0 failed, 2 up to date" in built.run()
    assert built.proven()


def test_a_changed_source_that_all_steps_read_is_planned_in_full(small: Project) -> None:
    text = (small.folder / "p.yaml").read_text().replace("note.txt", "textures/moss_d.png")
    (small.folder / "p.yaml").write_text(text)
    small.run()
    write_texture(small.folder / "textures" / "moss_d.png", 9, (6, 8))
    assert "3 done" in small.run()


def test_a_changed_source_that_a_step_of_some_assets_reads_is_planned_in_full(small: Project) -> None:
    text = (small.folder / "p.yaml").read_text().replace("note.txt", "textures/wood_n.png")
    optional = 'normal: "**/{name}_n.png"\n  base_color: "**/{name}_d.png?"'
    (small.folder / "p.yaml").write_text(text.replace('base_color: "**/{name}_d.png"', optional))
    plugin = small.folder / "plugins" / "dim.py"
    plugin.write_text(plugin.read_text().replace('{"base_color"}', '"every color map"'))
    for name in ("ash", "brick", "moss", "inner/sand", "wood"):  # nothing is done to ash and wood
        write_texture(small.folder / "textures" / f"{name}_n.png", 1, (6, 8))
    small.run()
    write_texture(small.folder / "textures" / "wood_n.png", 9, (6, 8))
    assert "4 done, 0 failed, 1 up to date" in small.run()


def test_where_nobody_hears_it_the_plan_decides(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run", "p.yaml", "--workers", "0"]
    ours, theirs = os.pipe()
    os.close(ours)
    unread = os.fdopen(theirs, "w")
    for nobody in (unread, None):
        monkeypatch.setattr(sys, "stdout", nobody)
        assert not nothing_to_do(occasion(arguments), arguments)
    with pytest.raises(BrokenPipeError):
        unread.close()


def test_a_current_folder_that_is_gone_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    arguments = ["run", str(tmp_path / "p.yaml")]
    assert not nothing_to_do(occasion(arguments), arguments)


def test_a_plan_with_nothing_to_do_prints_the_same(built: Project) -> None:
    arguments = ["run", "p.yaml"]
    run_command(arguments, occasion(arguments, GRAIN))
    arguments[0] = "plan"
    built.capture.readouterr()
    run_command(arguments)
    full = built.capture.readouterr().out
    assert nothing_to_do(occasion(arguments), arguments)
    assert built.capture.readouterr().out == full == "0 to build, 3 up to date, 0 cannot be built\n"


def test_a_check_of_what_was_built_prints_the_same(built: Project) -> None:
    (built.folder / "p.yaml").write_text(PIPELINE.partition("profiles:")[0])
    built.run()
    run_command(["run", "p.yaml"], occasion(["run", "p.yaml"], GRAIN))
    arguments = ["check", "p.yaml"]
    built.capture.readouterr()
    run_command(arguments)
    full = built.capture.readouterr().out
    assert nothing_to_do(occasion(arguments), arguments)
    assert built.capture.readouterr().out == full == "p.yaml: right; 3 assets, 1 variant of each\n"


def test_a_run_of_one_profile_does_not_prove_that_the_others_are_right(built: Project) -> None:
    run_command(["run", "p.yaml"], occasion(["run", "p.yaml"], GRAIN))
    arguments = ["check", "p.yaml"]
    assert compared(occasion(arguments), arguments)
    assert not nothing_to_do(occasion(arguments), arguments)
