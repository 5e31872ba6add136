"""Every command over projects in which something is wrong: no traceback, no false green, and one exit code for all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from commands import Done, shared
from conftest import write_texture

MEMORY = 2**31
"""Bytes that each process of a command may take, on Linux: one that computes takes half of that for PyTorch alone."""
PIPELINE = """\
version: 1
sources: textures
inputs:
  base_color: "{name}_d.png"
steps:
  - use: work
outputs:
  dir: build
"""

PLUGIN = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    gain: float = 0.5
    words: tuple[str, ...] = ()

@af.step("work", Params, reads={"base_color"}, writes={"base_color"})
def work(material: af.Material, params: Params, context: af.Context) -> af.Material:
    base = material["base_color"]
    return material.replace(base_color=base.with_data(base.data * params.gain))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(work)
"""

RUNS = "    base = material"
"""Where the step's own work begins."""


@dataclass(frozen=True)
class Hostile:
    """A project that is a good one but for an edit, and what is to be seen of it."""

    code: int
    """Exit code of `run`."""
    expected: str
    """What `run` says."""
    plugin: Callable[[str], str] = str
    pipeline: Callable[[str], str] = str
    files: Callable[[Path], object] = lambda _: None
    check: int | None = None
    """Exit code of `check`, where it differs from that of `run`, as pixels must be read to know."""
    arguments: tuple[str, ...] = field(default=())


def before(mark: str, text: str) -> Callable[[str], str]:
    return lambda source: source.replace(mark, f"{text}\n{mark}", 1)


def after(mark: str, text: str) -> Callable[[str], str]:
    return lambda source: source.replace(mark, f"{mark}{text}", 1)


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda source: source.replace(old, new)


def hook(text: str) -> Callable[[str], str]:
    return lambda source: f"{source}\n\n@af.hookimpl\ndef on_event(event):\n    {text}\n"


def named(*names: bytes | str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        content = (folder / "textures" / "brick_d.png").read_bytes()
        for name in names:
            (folder / "textures" / os.fsdecode(name)).write_bytes(content)

    return write


def wrote(name: str, content: str | bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def with_alpha(folder: Path) -> None:
    pixels = np.full((8, 8, 4), 100, np.uint8)
    assert cv2.imwrite(str(folder / "textures" / "brick_d.png"), pixels)


def one_pixel(folder: Path) -> None:
    assert cv2.imwrite(str(folder / "textures" / "brick_d.png"), np.full((1, 1, 3), 100, np.uint8))


PROJECTS = {
    "a plugin exits when loaded": Hostile(3, "must not end the program", before("class Params", "import sys; sys.exit(0)")),
    "a plugin leaves when loaded": Hostile(3, "calls os._exit(0)", before("class Params", "import os; os._exit(0)")),
    "a plugin raises when loaded": Hostile(3, "ZeroDivisionError", before("class Params", "1 / 0")),
    "a plugin raises half a character": Hostile(3, r"OSError: \udc00", before("class Params", "raise OSError('\\udc00')")),
    "a plugin raises when it registers": Hostile(3, "registration failed", instead("    register(work)", "    1 / 0")),
    "a plugin exits when it registers": Hostile(3, "registration failed", instead("    register(work)", "    exit(0)")),
    "a plugin prints when loaded": Hostile(0, "1 done", before("class Params", "print('}{')")),
    "a plugin is no Python": Hostile(3, "SyntaxError", lambda _: "def ("),
    "a plugin imports torch": Hostile(3, "import it inside the step's function", before("class Params", "import torch")),
    "a plugin has annotations that are run": Hostile(
        3, "begin the file with `from __future__ import annotations`", instead("from __future__ import annotations", "")
    ),
    "a plugin lacks a module": Hostile(3, "No module named 'studio'", before("class Params", "from .studio import x")),
    "parameters are no af.Params": Hostile(3, "must be a class of their own", instead("class Params(af.Params)", "class Params")),
    "a step takes too little": Hostile(3, "must take three values", instead("(material: af.Material, ", "(")),
    "a step exits": Hostile(1, "SystemExit: 0", before(RUNS, "    import sys; sys.exit(0)"), check=0),
    "a step leaves": Hostile(1, "ended with exit code 0", before(RUNS, "    import os; os._exit(0)"), check=0),
    "a step raises half a character": Hostile(1, r"no luck \udc00", before(RUNS, "    raise OSError('no luck \\udc00')"), check=0),
    "a step raises several lines": Hostile(1, "b", before(RUNS, "    raise OSError('a\\nb\\x1b[31m')"), check=0),
    "a step prints": Hostile(0, "1 done", before(RUNS, "    print('hello')")),
    "a step returns nothing": Hostile(1, "returned a NoneType", before(RUNS, "    return None"), check=0),
    "a step flags half a character": Hostile(1, "as a flag", before(RUNS, "    context.flag('\\udc00')"), check=0),
    "a hook exits": Hostile(3, "its hook `on_event` failed: SystemExit: 0", hook("exit(0)"), check=0),
    "a hook raises": Hostile(3, "its hook `on_event` failed: ZeroDivisionError", hook("1 / 0"), check=0),
    "weights raise": Hostile(
        3, "its function `weights` failed: ZeroDivisionError", instead("writes={", "weights=lambda params: 1 / 0, writes={")
    ),
    "a rule for maps exits": Hostile(
        3, "its function `on_demand` failed: SystemExit", instead("writes={", "on_demand=lambda params: exit(0), writes={")
    ),
    "a validator raises": Hostile(
        3, "a validator of its parameters failed: TypeError", after("gain: float = 0.5", "\n    def model_post_init(self, _): len(5)")
    ),
    "a validator exits": Hostile(
        3, "a validator of its parameters failed: SystemExit", after("gain: float = 0.5", "\n    def model_post_init(self, _): exit(0)")
    ),
    "a name is not UTF-8": Hostile(1, r"stra\xdfe_d.png: its name is not UTF-8; rename it", files=named(b"stra\xdfe_d.png")),
    "a name has two lines": Hostile(0, "2 done", files=named("a\nb_d.png")),
    "a name has brackets": Hostile(0, "2 done", files=named("a[b]*_d.png")),
    "names differ in case only": Hostile(2, "names that differ in case only", files=named("BRICK_d.png")),
    "a name ends in capitals": Hostile(0, "a file matches the patterns but for case, such as 'moss_d.PNG'", files=named("moss_d.PNG")),
    "a source is damaged": Hostile(1, "is not a PNG", files=wrote("textures/moss_d.png", "nonsense"), check=0),
    "a source is empty": Hostile(1, "is empty", files=wrote("textures/moss_d.png", ""), check=0),
    "a source is a pipe": Hostile(1, "not a regular file", files=lambda f: os.mkfifo(f / "textures" / "moss_d.png"), check=0),
    "a source leads nowhere": Hostile(
        1, "No such file", files=lambda f: (f / "textures" / "moss_d.png").symlink_to("nowhere"), check=0
    ),
    "a source is a folder": Hostile(0, "1 done", files=lambda f: (f / "textures" / "moss_d.png").mkdir()),
    "a source is one pixel": Hostile(0, "1 done", files=one_pixel),
    "there is no source": Hostile(2, "no file matches", files=lambda f: (f / "textures" / "brick_d.png").unlink()),
    "a map is missing": Hostile(1, "has no normal", pipeline=before("steps:", '  normal: "{name}_n.png"')),
    "outputs are taken for sources": Hostile(
        2, "would be taken for a source the next time", pipeline=instead("dir: build", "dir: textures\n  name: '{name}_x_d'")
    ),
    "outputs replace sources": Hostile(
        2, "would replace its source", pipeline=instead("dir: build", "dir: textures\n  name: '{name}_d'")
    ),
    "outputs are one file": Hostile(
        2, "would all be written here", pipeline=instead("dir: build", "dir: build\n  name: '{map}'"),
        files=named(*(f"{number}_d.png" for number in range(200))),
    ),
    "outputs leave their folder": Hostile(2, "leaves the output root", pipeline=instead("dir: build", "dir: 'build/{name}/../..'")),
    "outputs are no folder": Hostile(1, "cannot be written", files=wrote("build", ""), check=0),
    "no asset has the listed map": Hostile(
        1, "has none of the maps that outputs.maps lists",
        pipeline=lambda text: before("steps:", '  normal: "{name}_n.png?"')(text).replace("dir: build", "maps: [normal]"),
    ),
    "no asset has the map that a step reads": Hostile(
        1, "an optional map that this asset lacks",
        plugin=instead('reads={"base_color"}', 'reads={"normal"}'),
        pipeline=before("steps:", '  normal: "{name}_n.png?"'),
    ),
    "alpha is written as JPEG": Hostile(1, "jpg holds no alpha", pipeline=instead("dir: build", "format: jpg"), files=with_alpha, check=0),
    "alpha that no step writes is written as JPEG": Hostile(
        1, "jpg holds no alpha", pipeline=lambda text: text.replace("- use: work", "").replace("dir: build", "format: jpg"), files=with_alpha
    ),
    "ids are written as JPEG": Hostile(
        2, "jpg does not keep numbers exactly, as id needs; write png, tiff or exr",
        pipeline=lambda text: text.replace("steps:", '  id: "{name}_i.png?"\nsteps:').replace("dir: build", "format: jpg"),
    ),
    "there are no steps": Hostile(0, "1 done", pipeline=instead("  - use: work\n", "")),
    "a word is a boolean of old": Hostile(
        0, "1 done", pipeline=instead("- use: work", "- use: work\n    with: {words: [no, on, yes]}")
    ),
    "a nested mistake": Hostile(
        2, 'steps[0].with.words[1]: is {"a": 1}; it should be string',
        pipeline=instead("- use: work", "- use: work\n    with: {words: [x, {a: 1}]}"),
    ),
    "a pipeline is empty": Hostile(2, "version: is missing", pipeline=lambda _: ""),
    "a pipeline is no YAML": Hostile(2, "is not YAML", pipeline=lambda _: "a: [\0"),
    "a pipeline is a list": Hostile(2, "is not a mapping", pipeline=lambda _: "- a"),
    "a pipeline asks for albedo": Hostile(2, "did you mean 'base_color'?", pipeline=instead("base_color:", "albedo:")),
    "an override is wrong": Hostile(2, "is not YAML", files=wrote("textures/brick_d.png.forge.yaml", "gain: [")),
    "the state is a file": Hostile(3, "the state cannot be used", files=wrote(".assetforge", ""), check=0),
    "the report is a folder": Hostile(
        2, "is a folder; name a file", files=lambda f: (f / "report.json").mkdir(), check=0
    ),
    "a store is not there": Hostile(
        0, "nowhere is not there", pipeline=before("steps:", "store: nowhere\nstore_mode: read-only")
    ),
}  # fmt: skip


WITH_WORKERS = (
    "a plugin prints when loaded", "a step leaves", "a step raises half a character", "a hook exits", "a name has two lines",
    "a source is damaged", "outputs are no folder",
)  # fmt: skip
"""Projects whose runs start processes that compute, and that `make test` walks too; the others only `make test-all`."""

WITH_A_GOOD_PLUGIN = {
    name
    for name, hostile in PROJECTS.items()
    if hostile.plugin is str and name not in ("a name has two lines", "the state is a file")
}
"""Projects but for two in which commands that read plugins and no pipeline find nothing wrong."""


def _walked() -> Iterator[Any]:
    for name, hostile in PROJECTS.items():
        is_quick = (hostile.code > 1 and not hostile.check) or name in WITH_WORKERS
        yield pytest.param(name, marks=[] if is_quick else [pytest.mark.slow])


def write_project(folder: Path, hostile: Hostile) -> None:
    write_texture(folder / "textures" / "brick_d.png", 1, (8, 8))
    (folder / "plugins").mkdir()
    (folder / "plugins" / "work.py").write_text(hostile.plugin(PLUGIN))
    (folder / "pipeline.yaml").write_text(hostile.pipeline(PIPELINE))
    hostile.files(folder)


def no_traceback(done: Done) -> None:
    assert "Traceback" not in done.err + done.out, done
    assert done.code in (0, 1, 2, 3, 4), done


def agrees(done: Done, folder: Path) -> None:
    """The reports say what the exit code says, and a green one that something was built."""
    if not (folder / "report.json").is_file():
        assert done.code == 2  # it was refused before anything was done
        return
    report = json.loads((folder / "report.json").read_text())
    suite = ET.parse(folder / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    counts = report["counts"]
    assert report["exit_code"] == done.code
    assert int(suite.get("failures", "")) == counts["failed"]
    assert int(suite.get("errors", "")) == len(report["problems"])
    if done.code == 0:
        assert counts["done"] + counts["up to date"] == len(report["jobs"]) > 0
        assert [path for path in (folder / "build").rglob("*") if path.is_file()]
    elif done.code == 1:
        assert counts["failed"] > 0
    elif done.code == 4:
        assert counts["quarantined"] > 0
    else:
        assert report["problems"]
        assert counts["done"] == 0


@pytest.mark.parametrize("name", list(_walked()))
def test_whatever_is_wrong_every_command_says_so_and_none_lies(name: str, tmp_path: Path) -> None:
    hostile = PROJECTS[name]
    write_project(tmp_path, hostile)

    def walk(*arguments: str) -> Done:
        done = shared().run(tmp_path, *arguments, memory=MEMORY)
        no_traceback(done)
        return done

    checked, planned = walk("check", "pipeline.yaml"), walk("plan", "pipeline.yaml")
    as_json = walk("plan", "pipeline.yaml", "--json")
    ran = walk("run", "pipeline.yaml", "--report", "report.json", "--junit", "junit.xml")
    assert (ran.code, hostile.expected in ran.err + ran.out) == (hostile.code, True), ran
    assert checked.code == (hostile.code if hostile.check is None else hostile.check), checked
    agrees(ran, tmp_path)
    if planned.code in (2, 3):
        assert ran.code == planned.code
    if as_json.code in (0, 1, 4):
        assert {"jobs", "gone", "stale", "remarks"} == json.loads(as_json.out).keys()
    again = walk("run", "pipeline.yaml", "--report", "report.json", "--junit", "junit.xml")
    assert again.code == (ran.code if ran.code != 1 else again.code)
    assert (again.code == 0) == (ran.code == 0)
    agrees(again, tmp_path)
    if (status := walk("status", "pipeline.yaml", "--json")).code == 0:
        json.loads(status.out)
    assert walk("why", "pipeline.yaml", "*").code in (0, 1, 2, 3, 4)
    if name not in WITH_A_GOOD_PLUGIN:
        plugins = walk("plugins")
        assert plugins.code == (3 if "broken: " in plugins.err else 0)
        for command in ("steps", "schema", "weights"):
            assert walk(command).code == 0
    for command in ("info", "verify", "prune"):
        walk("store", command, "pipeline.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROJECTS if name != "the report is a folder"])
def test_whatever_is_wrong_the_daemon_says_so(name: str, tmp_path: Path) -> None:
    hostile = PROJECTS[name]
    write_project(tmp_path, hostile)
    for arguments in (("watch", "pipeline.yaml", "--once", "--events", "events.jsonl"), ("doctor",)):
        done = shared().run(tmp_path, *arguments, memory=MEMORY)
        no_traceback(done)
        if arguments[0] == "watch" and hostile.code == 0:
            assert done.code == 0
            assert [path for path in (tmp_path / "build").rglob("*") if path.is_file()]
        elif arguments[0] == "watch":
            assert done.code != 0
