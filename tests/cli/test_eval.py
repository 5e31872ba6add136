"""`assetforge eval`: evaluations of plugins, from the command line."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Forge, write_normal, write_texture

import assetforge as af
from assetforge.cli.scores import Measured, aligned, summaries, tables
from assetforge.evaluations import Evaluation, Figure, Score
from assetforge.plan.candidates import of_pictures
from assetforge.plugins import Registry, load

PLUGIN = '''
from __future__ import annotations
import assetforge as af


class Measured(af.Params):
    gain: float = 1.0
    """What the mean is multiplied by."""
    other: af.File | None = None
    """A file."""


FIGURES = (af.Figure("mean", "Mean of all pixels.", 3), af.Figure("share", "Of the whole.", 2, "geometric"))


@af.evaluation("means", Measured, FIGURES)
def means(material, params, context):
    """Measures how bright pictures are."""
    for name, texture in material.items():
        if texture.size == (4, 4):
            context.flag(f"{name}: is too small")
            continue
        if params.gain == 13:
            raise ValueError("is unlucky")
        if params.gain == 3:
            raise KeyboardInterrupt
        yield af.Score(name, "plain", {"mean": float(texture.data.mean())})
        unknown = {"total": 1.0} if params.gain == 7 else {}
        share = float("inf") if params.gain == 11 else params.gain
        figures = {"mean": params.gain * float(texture.data.mean()), "share": share, **unknown}
        yield af.Score(name, "gained", figures) if params.gain != 5 else figures


@af.hookimpl
def register_evaluations(register: af.RegisterEvaluation) -> None:
    """Offer it."""
    register(means)
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bright.py").write_text(PLUGIN)
    write_texture(tmp_path / "pictures" / "walls" / "brick_d.png")
    write_normal(tmp_path / "pictures" / "walls" / "brick_n.png")
    write_texture(tmp_path / "pictures" / "holiday.png", 1)
    return tmp_path


def test_evaluations_are_listed_and_torch_is_not_needed_for_it(plugin: Path, registry: Registry) -> None:
    assert "upscale" in registry.evaluations
    script = (
        "import sys\nfrom assetforge.cli.group import cli\ncli.main(['eval'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    listed = subprocess.run([sys.executable, "-c", script], cwd=plugin, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert "means: Measures how bright pictures are.\n    -p gain=1.0  number: What the mean" in listed.stdout
    assert "    share: Of the whole.\n" in listed.stdout
    assert "upscale: Makes pictures smaller" in listed.stdout


def test_maps_are_known_by_names_and_other_pictures_are_colors(plugin: Path, forge: Forge) -> None:
    done = forge("eval", "means", "pictures", "-p", "gain=2", "--json", "means.json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    found = json.loads((plugin / "means.json").read_text())
    assert found["evaluation"] == "means"
    assert found["parameters"] == {"gain": 2.0, "other": None}
    counts = {(one["map"], one["method"]): one["count"] for one in found["means"]}
    assert counts == {
        ("base_color", "plain"): 2, ("base_color", "gained"): 2, ("normal", "plain"): 1, ("normal", "gained"): 1,
    }  # fmt: skip
    each = {(one["material"], one["map"], one["method"]): one["figures"] for one in found["each"]}
    assert {material for material, *_ in each} == {"walls/brick", "holiday.png"}
    for material in ("walls/brick", "holiday.png"):
        plain, gained = (each[material, "base_color", method]["mean"] for method in ("plain", "gained"))
        assert gained == pytest.approx(2 * plain)
    mean = found["means"][0]["figures"]["mean"]
    assert mean == pytest.approx((each["walls/brick", "base_color", "plain"]["mean"]
                                  + each["holiday.png", "base_color", "plain"]["mean"]) / 2)  # fmt: skip


def test_a_table_is_printed_for_each_map(plugin: Path, forge: Forge) -> None:
    lines = forge("eval", "means", "pictures", "--device", "cpu", "-p", "gain=0.5").stdout.splitlines()
    [head] = [line for line in lines if line.startswith("base_color")]
    assert head.split() == ["base_color", "count", "mean", "share", "greatest"]
    assert sum(line.startswith("gained") for line in lines) == 2
    assert any(line.split()[:4:3] == ["gained", "0.50"] for line in lines)


def test_only_some_are_measured_and_each_is_printed_where_that_is_asked_for(plugin: Path, forge: Forge) -> None:
    done = forge("eval", "means", "pictures", "--only", "walls/*", "--each")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["walls/brick", "mean", "share"]
    assert [line.split()[:2] for line in lines[:2]] == [["base_color", "plain"], ["base_color", "gained"]]
    assert "holiday" not in done.stdout


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_measured(plugin: Path, forge: Forge) -> None:
    (plugin / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = forge("eval", "means", "pictures", "--json", "means.json")
    assert done.returncode == 1
    assert "broken.png" in done.stderr
    assert "base_color" in done.stdout
    [told] = json.loads((plugin / "means.json").read_text())["unreadable"]
    assert "broken.png" in told


def test_who_interrupts_it_is_not_told_that_it_would_go_on(plugin: Path, forge: Forge) -> None:
    done = forge("eval", "means", "pictures", "-p", "gain=3", "--device", "cpu")
    assert done.returncode == 130
    assert done.stderr.strip() == "interrupted"


def test_what_is_left_out_is_told(plugin: Path, forge: Forge) -> None:
    write_texture(plugin / "pictures" / "dot.png", size=(4, 4))
    done = forge("eval", "means", "pictures")
    assert done.returncode == 0
    assert "dot.png: base_color: is too small" in done.stderr


def test_two_files_for_one_map_are_an_error_of_that_material(plugin: Path, forge: Forge) -> None:
    shutil.copy(plugin / "pictures" / "walls" / "brick_d.png", plugin / "pictures" / "walls" / "brick_albedo.png")
    done = forge("eval", "means", "pictures")
    assert done.returncode == 1
    assert "brick_d.png: base_color is already walls/brick_albedo.png; remove one" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mean", "pictures"], "there is no evaluation 'mean'; did you mean 'means'?"),
        (["means"], "needs a folder of pictures; write assetforge eval NAME FOLDER"),
        (["means", "nowhere"], "nowhere: is not a folder"),
        (["means", "plugins"], "plugins: holds no pictures"),
        (["means", "pictures", "--only", "roof*"], "holds no such material; the first ones are: walls/brick, holiday"),
        (["means", "pictures", "-p", "gian=1"], "-p: gian: unknown parameter; did you mean 'gain'?"),
        (["means", "pictures", "-p", "gain=much"], '-p: gain: is "much"; it should be number'),
        (["means", "pictures", "-p", "other=gone.pth"], "other: there is no file gone.pth"),
        (["means", "pictures", "--device", "tpu"], "'tpu' is no device"),
        (["means", "pictures", "--json", "pictures"], "pictures is a folder"),
    ],
)
def test_mistakes_are_told(plugin: Path, forge: Forge, arguments: list[str], text: str) -> None:
    result = forge("eval", *arguments)
    assert result.returncode == 2
    assert text in result.stderr


def test_a_folder_of_which_nothing_can_be_measured_is_an_error(plugin: Path, forge: Forge) -> None:
    write_texture(plugin / "small" / "dot.png", size=(4, 4))
    done = forge("eval", "means", "small")
    assert done.returncode == 2
    assert "small: holds nothing that could be measured" in done.stderr


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        ("13", "evaluation 'means': its function, on 'walls/brick', failed: ValueError: is unlucky (bright.py line"),
        ("7", "it gave ['total'], which it does not declare as an af.Figure"),
        ("5", "it gave a dict; it must give values of af.Score"),
    ],
)
def test_a_plugin_that_fails_is_blamed(plugin: Path, forge: Forge, gain: str, text: str) -> None:
    done = forge("eval", "means", "pictures", "-p", f"gain={gain}")
    assert done.returncode == 3
    assert text in done.stderr


def test_two_evaluations_of_one_name_are_an_error(plugin: Path) -> None:
    (plugin / "plugins" / "others.py").write_text(PLUGIN)
    registry = load(plugin, training=True)
    assert "there is an evaluation 'means' already" in str(registry.broken[0])


@pytest.mark.parametrize(
    ("name", "params", "error"), [("not a name", af.Params, ValueError), ("fine", dict, TypeError)]
)
def test_an_evaluation_that_is_none_is_refused(name: str, params: type, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        af.evaluation(name, params, ())


def test_an_evaluation_is_told_by_its_docstring() -> None:
    class Own(af.Params):
        pass

    @af.evaluation("own", Own, [Figure("a", "A.")])
    def own(*_: object) -> list[Score]:
        """Measures nothing.

        Or more.
        """
        return []

    assert own == Evaluation("own", Own, (Figure("a", "A."),), own.score, "Measures nothing.")


FIGURES = (Figure("a", "A.", 1), Figure("ratio", "R.", 3, "geometric"), Figure("rare", "Of some maps.", 0))


def scored(material: str, name: str, method: str, **figures: float) -> Measured:
    return Measured(material, Score(name, method, figures))


def test_means_are_those_of_the_figures() -> None:
    measured = [scored("one", "x", "m", a=1, ratio=0.5), scored("two", "x", "m", a=4, ratio=2.0)]
    [found] = summaries(measured, FIGURES)
    assert found.count == 2
    assert found.means == {"a": 2.5, "ratio": pytest.approx(1)}
    assert found.greatest == {"ratio": (2.0, "two")}


@pytest.mark.parametrize(("values", "mean"), [((0.0, 3.0), 0.0), ((math.inf, 1.0), math.inf), ((2.0, 2.0), 2.0)])
def test_means_of_extremes_are_no_errors(values: tuple[float, float], mean: float) -> None:
    [found] = summaries([scored(str(value), "x", "m", ratio=value) for value in values], FIGURES)
    assert found.means["ratio"] == mean


def test_nobody_is_the_greatest_of_equals() -> None:
    [found] = summaries([scored("one", "x", "m", ratio=1), scored("two", "x", "m", ratio=1)], FIGURES)
    assert found.greatest == {"ratio": (1, "")}


def test_a_table_has_the_columns_that_its_map_has() -> None:
    measured = [
        scored("brick", "color", "plain", a=10.04, ratio=1),
        scored("brick", "color", "longer name", a=9, ratio=0.25),
        scored("brick", "normal", "plain", rare=3),
    ]
    assert list(tables(summaries(measured, FIGURES), FIGURES)) == [
        "color        count     a  ratio  greatest",
        "plain            1  10.0  1.000  1.000 brick",
        "longer name      1   9.0  0.250  0.250 brick",
        "",
        "normal  count  rare",
        "plain       1  3",
        "",
    ]


def test_a_name_with_a_line_break_stays_in_its_line() -> None:
    [_, line, _] = tables(summaries([scored("two\nlines", "x", "m", ratio=1)], FIGURES), FIGURES)
    assert line.endswith(r"two\nlines")


def test_what_is_infinite_is_null_in_json(plugin: Path, forge: Forge) -> None:
    done = forge("eval", "means", "pictures", "-p", "gain=11", "--json", "means.json")
    assert done.returncode == 0, done.stderr
    text = (plugin / "means.json").read_text()
    assert "Infinity" not in text
    gained = next(one for one in json.loads(text)["means"] if one["method"] == "gained")
    assert gained["figures"]["share"] is gained["greatest"]["share"]["value"] is None


def test_columns_stand_below_each_other() -> None:
    assert list(aligned([["a", "1", "x"], ["bcd", "22", "yz"]])) == ["a     1  x", "bcd  22  yz"]


def test_a_folder_that_is_a_material_itself_is_one(tmp_path: Path) -> None:
    for name in ("albedo", "normal"):
        write_texture(tmp_path / "granite" / f"{name}.png")
    write_texture(tmp_path / "granite" / "photo.png")
    found = {one.name: set(one.files) for one in of_pictures(tmp_path / "granite")}
    assert found == {"photo.png": {"base_color"}, "granite": {"base_color", "normal"}}


def test_pictures_that_are_no_maps_are_not_measured(tmp_path: Path) -> None:
    for name in ("rock_preview", "rock_albedo"):
        write_texture(tmp_path / f"{name}.png")
    assert [one.name for one in of_pictures(tmp_path)] == ["rock"]


def test_networks_are_measured_on_samples(tmp_path: Path, forge: Forge) -> None:
    assert forge("samples", "samples", "--size", "64", "--only", "brick").returncode == 0
    done = forge("eval", "upscale", "samples", "-p", "scale=2", "--json", "a.json")
    assert done.returncode == 0, done.stderr
    found = {(one["map"], one["method"]): one for one in json.loads((tmp_path / "a.json").read_text())["means"]}
    assert found["base_color", "fast"]["figures"]["PSNR"] > found["base_color", "bicubic"]["figures"]["PSNR"]
    assert found["normal", "fast"]["figures"]["angle"] > 0
    wrong = forge("eval", "upscale", "samples", "-p", "network=fast,gone.pth")
    assert wrong.returncode == 2
    assert "network: there is no file gone.pth" in wrong.stderr
