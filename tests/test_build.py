"""A run does what is out of date and nothing else, and the plan says why beforehand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Forge, write_normal, write_texture

from assetforge.build import Build
from assetforge.events import Event, StepStarted
from assetforge.execute.options import RunOptions
from assetforge.plan.plan import PlanOptions
from assetforge.report import Report

COUNTER = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    gain: float = 0.5
    curve: af.File | None = None

@af.step("dim", Params, reads={"base_color"}, writes={"base_color"}, weights=("gains",))
def dim(material: af.Material, params: Params, context: af.Context) -> af.Material:
    \"\"\"Multiply the base color.\"\"\"
    base = material["base_color"]
    return material.replace(base_color=base.with_data(base.data * params.gain))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(dim)
"""


def run(project: Path, *definitions: str, force: bool = False) -> tuple[Report, list[tuple[str, str]]]:
    """Run a project; return the report, and each step that was computed with its asset."""
    computed: list[tuple[str, str]] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepStarted):
            computed.append((event.asset, event.step))

    with Build(project / "pipeline.yaml", definitions) as build:
        plan = build.plan(PlanOptions(force=force))
        return build.run(plan, listen, RunOptions("cpu", workers=0, force=force)), computed


def reasons(project: Path, *definitions: str) -> dict[str, list[str]]:
    with Build(project / "pipeline.yaml", definitions) as build:
        return {job.asset: [str(reason) for reason in job.reasons] for job in build.plan().jobs if job.reasons}


@pytest.fixture
def chain(project: Path) -> Path:
    """A project with two steps: a loose plugin's with weights, then upscale."""
    (project / "plugins" / "weights").mkdir(parents=True)
    (project / "plugins" / "dim.py").write_text(COUNTER)
    (project / "plugins" / "weights" / "gains.safetensors").write_bytes(b"one")
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace("steps:\n", "steps:\n  - use: dim\n"))
    return project


def test_a_first_run_builds_all_and_a_second_nothing(project: Path) -> None:
    assert reasons(project) == {"brick": ["new"], "moss": ["new"], "sand": ["new"]}
    report, computed = run(project)
    assert report.exit_code == 0
    assert computed == [("brick", "upscale"), ("moss", "upscale"), ("sand", "upscale")]
    outputs = sorted(path.name for path in (project / "build").iterdir())
    assert outputs == ["brick_base_color.png", "brick_normal.png", "moss_base_color.png", "sand_base_color.png"]
    assert cv2.imread(str(project / "build" / "moss_base_color.png")).shape == (48, 64, 3)
    report, computed = run(project)
    assert computed == []
    assert [job.state for job in report.jobs] == ["up to date"] * 3


def test_touching_a_file_without_changing_it_reruns_nothing(project: Path) -> None:
    run(project)
    for path in (project / "textures").iterdir():
        os.utime(path, ns=(1, 1))
    assert reasons(project) == {}


def test_a_changed_file_reruns_its_asset_alone(project: Path) -> None:
    run(project)
    write_texture(project / "textures" / "moss_d.png", 99)
    assert reasons(project) == {"moss": ["input base_color changed"]}
    assert run(project)[1] == [("moss", "upscale")]


def test_a_new_optional_map_reruns_its_asset(project: Path) -> None:
    run(project)
    write_normal(project / "textures" / "sand_n.png")
    assert reasons(project) == {"sand": ["input normal added"]}


def test_a_changed_parameter_names_its_values(project: Path) -> None:
    run(project)
    assert reasons(project, "scale=4")["brick"] == ["params changed: scale 2 → 4"]
    assert len(run(project, "scale=4")[1]) == 3
    assert run(project)[1] == []  # going back costs nothing: the results are in the store


def test_a_later_parameter_leaves_earlier_steps_alone(chain: Path) -> None:
    run(chain)
    assert run(chain, "scale=4")[1] == [(asset, "upscale") for asset in ("brick", "moss", "sand")]
    assert run(chain, "gain=0.7")[1][:2] == [("brick", "dim"), ("brick", "upscale")]


def test_changed_plugin_code_is_a_reason(chain: Path) -> None:
    run(chain)
    plugin = chain / "plugins" / "dim.py"
    plugin.write_text(plugin.read_text() + "\n# another line\n")
    assert reasons(chain)["brick"] == ["plugin code dim changed"]
    assert len(run(chain)[1]) == 6


def test_a_raised_plugin_version_is_a_reason(chain: Path) -> None:
    plugin = chain / "plugins" / "dim.py"
    plugin.write_text(COUNTER + '__version__ = "0.1"\n')
    run(chain)
    plugin.write_text(COUNTER + '__version__ = "0.2"\n')
    assert reasons(chain)["brick"] == ["plugin dim 0.1 → 0.2"]


def test_changed_weights_are_a_reason(chain: Path) -> None:
    run(chain)
    (chain / "plugins" / "weights" / "gains.safetensors").write_bytes(b"two")
    assert reasons(chain)["moss"] == ["weights gains changed"]


def test_a_file_that_a_parameter_names_counts_by_its_content(chain: Path) -> None:
    (chain / "a.cube").write_text("1")
    run(chain, "curve=a.cube")
    (chain / "a.cube").rename(chain / "b.cube")
    assert reasons(chain, "curve=b.cube") == {}
    (chain / "b.cube").write_text("2")
    assert reasons(chain, "curve=b.cube")["brick"] == ["file curve changed"]


def test_missing_weights_break_the_run_by_name(chain: Path, forge: Forge) -> None:
    (chain / "plugins" / "weights" / "gains.safetensors").unlink()
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 3
    assert "gains.safetensors: the weights are missing" in done.stderr


def test_an_unread_map_leaves_keys_alone(chain: Path) -> None:
    run(chain)
    write_normal(chain / "textures" / "brick_n.png", (24, 34))
    assert reasons(chain) == {"brick": ["input normal changed"]}
    assert ("brick", "dim") not in run(chain)[1]


def test_outputs_deleted_by_hand_come_back_without_computing(project: Path) -> None:
    run(project)
    output = project / "build" / "moss_base_color.png"
    before = output.read_bytes()
    output.unlink()
    assert reasons(project) == {"moss": ["output moss_base_color.png missing"]}
    report, computed = run(project)
    assert computed == []
    assert output.read_bytes() == before
    assert [job.state for job in report.jobs] == ["up to date", "done", "up to date"]


def test_an_output_changed_by_hand_is_put_back(project: Path) -> None:
    run(project)
    output = project / "build" / "moss_base_color.png"
    before = output.read_bytes()
    output.write_bytes(b"scribble")
    assert reasons(project) == {"moss": ["output moss_base_color.png changed"]}
    run(project)
    assert output.read_bytes() == before


def test_the_store_may_be_lost(project: Path) -> None:
    run(project)
    outputs = {path: path.read_bytes() for path in (project / "build").iterdir()}
    shutil.rmtree(project / ".assetforge")
    assert len(run(project)[1]) == 3
    assert outputs == {path: path.read_bytes() for path in (project / "build").iterdir()}


def test_forcing_computes_anew_and_changes_no_byte(project: Path) -> None:
    run(project)
    outputs = {path: path.read_bytes() for path in (project / "build").iterdir()}
    assert len(run(project, force=True)[1]) == 3
    assert outputs == {path: path.read_bytes() for path in (project / "build").iterdir()}


def write_outputs(project: Path, **fields: str) -> None:
    """Write the section `outputs` anew."""
    head = (project / "pipeline.yaml").read_text().partition("outputs:\n")[0]
    lines = "".join(f"  {name}: {value}\n" for name, value in {"dir": "build", **fields}.items())
    (project / "pipeline.yaml").write_text(f"{head}outputs:\n{lines}")


def test_another_format_needs_no_earlier_step(chain: Path) -> None:
    run(chain)
    write_outputs(chain, format="tga")
    assert reasons(chain)["brick"][0] == "format base_color changed: png → tga"
    assert ("brick", "dim") not in run(chain)[1]


def kept(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.glob("build/**/*") if path.is_file()}


def test_outputs_that_are_not_made_any_more_are_removed(project: Path) -> None:
    run(project)
    mine = project / "build" / "sand_base_color.png"
    mine.write_bytes(b"painted over")
    write_outputs(project, format="tga", maps="[base_color]")
    with Build(project / "pipeline.yaml") as build:
        plan = build.plan()
    assert plan.stale == ("build/brick_base_color.png", "build/brick_normal.png", "build/moss_base_color.png",
                          "build/sand_base_color.png")  # fmt: skip
    report, _ = run(project)
    assert len(report.removed) == 3
    tga = {f"build/{name}_base_color.tga" for name in ("brick", "moss", "sand")}
    assert kept(project) == {*tga, "build/sand_base_color.png"}
    assert mine.read_bytes() == b"painted over"
    assert run(project)[0].removed == ()


def test_variants_and_assets_that_are_dropped_lose_their_outputs(project: Path) -> None:
    text = (project / "pipeline.yaml").read_text().replace('  normal: "{name}_n.png?"\n', "")
    varied = text.replace("outputs:\n", "variants:\n  scale: [2, 4]\noutputs:\n  name: '{name}_{map}_x{scale}'\n")
    (project / "pipeline.yaml").write_text(varied)
    run(project)
    assert len(kept(project)) == 6
    (project / "pipeline.yaml").write_text(varied.replace("[2, 4]", "[2]").replace("{name}_d", "{name}k_d"))
    with Build(project / "pipeline.yaml") as build:
        gone = {one.asset: one.why for one in build.plan().gone}
    assert set(gone) == {f"{name}[scale={scale}]" for name in ("brick", "moss", "sand") for scale in (2, 4)}
    assert set(gone.values()) == {"the pipeline does not make it any more"}
    run(project)
    assert kept(project) == {"build/bric_base_color_x2.png"}


def test_another_folder_for_outputs_takes_them_along(project: Path) -> None:
    write_outputs(project, dir="'build/{name}'")
    run(project)
    write_outputs(project, dir="elsewhere")
    run(project)
    assert not (project / "build").exists()
    assert len(list((project / "elsewhere").iterdir())) == 4


def test_what_is_not_made_any_more_may_be_kept_and_is_removed_by_a_later_run(project: Path, forge: Forge) -> None:
    assert forge("run", "pipeline.yaml").returncode == 0
    write_outputs(project, format="tga")
    assert forge("run", "pipeline.yaml", "--keep-stale").returncode == 0
    assert len(kept(project)) == 8
    assert forge("plan", "pipeline.yaml").stdout.count("it is not made any more") == 4
    assert forge("run", "pipeline.yaml").stdout.count("removed  ") == 4
    assert len(kept(project)) == 4


def test_other_outputs_by_the_command_line_are_a_set_of_their_own(project: Path) -> None:
    run(project)
    before = kept(project)
    for definition in ("outputs.dir=build/copy", "outputs.format=tga", "sources=other"):
        (project / "other").mkdir(exist_ok=True)
        write_texture(project / "other" / "lone_d.png", 9)
        assert run(project, definition)[0].removed == ()
    assert kept(project) >= before
    assert reasons(project) == {}


def test_outputs_that_became_sources_stay(project: Path) -> None:
    run(project)
    text = (project / "pipeline.yaml").read_text().replace("sources: textures", "sources: build")
    text = text.replace("{name}_d", "{name}_base_color").replace("{name}_n", "{name}_normal")
    (project / "pipeline.yaml").write_text(text.replace("dir: build", "dir: larger"))
    sources = kept(project)
    report, _ = run(project)
    assert (report.count("done"), report.removed) == (3, ())
    assert kept(project) == sources


def test_a_failed_job_keeps_what_it_made_before(project: Path) -> None:
    run(project)
    write_outputs(project, format="tga")
    (project / "textures" / "moss_d.png").write_bytes(b"broken")
    report, _ = run(project)
    assert report.count("failed") == 1
    assert "build/moss_base_color.png" in kept(project)
    assert "build/sand_base_color.png" not in kept(project)


def test_profiles_that_make_one_file_do_not_remove_it_from_each_other(project: Path) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("profiles:\n  other: {outputs.format: png}\n")
    run(project)
    with Build(project / "pipeline.yaml", profile="other") as build:
        build.run(build.plan(), options=RunOptions("cpu", workers=0))
    write_outputs(project, format="tga")
    assert run(project)[0].removed == ()
    assert len(kept(project)) == 8


def test_sixteen_bits_stay_sixteen_bits(project: Path) -> None:
    write_texture(project / "textures" / "moss_d.png", 3, depth=np.uint16)
    run(project)
    depths = {
        name: cv2.imread(str(project / "build" / f"{name}_base_color.png"), cv2.IMREAD_UNCHANGED).dtype
        for name in ("moss", "sand")
    }
    assert depths == {"moss": np.uint16, "sand": np.uint8}


def test_sources_are_never_written(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text().replace("dir: build", "dir: textures\n  name: '{name}_d'")
    (project / "pipeline.yaml").write_text(text.replace('  normal: "{name}_n.png?"\n', ""))
    before = {path: path.read_bytes() for path in (project / "textures").iterdir()}
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 2
    assert "would replace its source" in done.stderr
    assert before == {path: path.read_bytes() for path in (project / "textures").iterdir()}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("dir: build", "dir: build\nvariants:\n  scale: [2, 4]"), "would both be written here"),
        (("{name}_d.png", "{name}.png"), "matches both inputs.base_color and inputs.normal"),
        (("textures\n", "nowhere\n"), "no file matches {name}_d.png"),
        (("textures\n", "x" * 300 + "\n"), "does not exist; check `sources`"),  # the system refuses to look for it
        (("{name}_", "{name}/x_"), "compare the patterns with the names"),
    ],
)
def test_files_and_outputs_that_do_not_fit_are_refused(
    edit: tuple[str, str], expected: str, project: Path, forge: Forge
) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace(*edit))
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 2
    assert expected in done.stderr
    assert not (project / "build").exists()


def test_a_name_cannot_leave_the_output_root(project: Path, forge: Forge) -> None:
    (project / "textures" / "brick_d.png").rename(project / "textures" / "..._d.png")
    (project / "textures" / "..._d.png").rename(project / "textures" / "x_d.png")
    text = (project / "pipeline.yaml").read_text().replace("dir: build", 'dir: "build/{name}"')
    text = text.replace('"{name}_d.png"', '"x{name}"').replace('  normal: "{name}_n.png?"\n', "")
    (project / "pipeline.yaml").write_text(text)
    (project / "textures" / "x_d.png").rename(project / "textures" / "x..")
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 2
    assert "would be written outside" in done.stderr


def test_a_rename_in_case_alone_loses_nothing_where_the_disk_knows_both_names(project: Path, forge: Forge) -> None:
    """Hard links stand for a disk that does not tell names apart by case: the file is there by its new name as well."""
    assert forge("run", "pipeline.yaml").returncode == 0
    for path in (project / "textures").glob("brick_*"):
        path.rename(path.with_name(path.name.replace("brick", "BRICK")))
    old = sorted((project / "build").glob("brick_*"))
    for path in old:
        path.with_name(path.name.replace("brick", "BRICK")).hardlink_to(path)
    done = forge("run", "pipeline.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert old
    assert all(path.exists() for path in old), "the file that was put in place was removed by its old name"
    assert forge("run", "pipeline.yaml").stdout.startswith("0 done")


def test_an_incomplete_asset_fails_alone(project: Path, forge: Forge) -> None:
    write_normal(project / "textures" / "lonely_n.png")
    done = forge("run", "pipeline.yaml", "--report", "report.json")
    assert done.returncode == 1
    assert "'lonely' has no base_color" in done.stderr
    report = json.loads((project / "report.json").read_text())
    assert report["exit_code"] == 1
    assert report["counts"] == {"done": 3, "failed": 1, "up to date": 0, "quarantined": 0, "not run": 0}


def test_bad_files_are_named_and_good_ones_built(tmp_path: Path, forge: Forge) -> None:
    textures = tmp_path / "textures"
    for index in range(10):
        write_texture(textures / f"good{index}_d.png", index)
    whole = write_texture(textures / "cut_d.png").read_bytes()
    (textures / "cut_d.png").write_bytes(whole[: len(whole) // 2])
    (textures / "text_d.png").write_text("this is no picture")
    (textures / "zero_d.png").touch()
    pipeline = "version: 1\nsources: textures\ninputs: {base_color: '{name}_d.png'}\nsteps: [{use: upscale}]\n"
    (tmp_path / "pipeline.yaml").write_text(pipeline)
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 1
    assert len(list((tmp_path / "build").iterdir())) == 10
    assert "cut_d.png: is cut off" in done.stderr
    assert "text_d.png: is not a PNG" in done.stderr
    assert "zero_d.png: is empty" in done.stderr
    assert "10 done, 3 failed, 0 up to date" in done.stdout
    again = forge("run", "pipeline.yaml")
    assert again.returncode == 4
    assert "0 done, 0 failed, 3 quarantined, 10 up to date" in again.stdout
    assert "cut_d.png: is cut off" in again.stderr


ROUGHEN = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    roughness: bool = False
    gain: float = 1.0

@af.step("roughen", Params, reads={"base_color"}, writes={"height"},
         on_demand=lambda params: ("roughness",) if params.roughness else ())
def roughen(material: af.Material, params: Params, context: af.Context) -> af.Material:
    gray = material["base_color"].data.mean(0, keepdim=True)
    maps = {name: af.Texture(gray, af.ColorSpace.NONE, "clamp", None) for name in sorted(context.specs)}
    return material.replace(**{name: maps[name] for name in maps if name != "base_color"})

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(roughen)
"""


@pytest.fixture
def roughening(project: Path) -> Path:
    """A project with two steps: the second writes a height, and a roughness only where it is asked for."""
    (project / "plugins").mkdir()
    (project / "plugins" / "roughen.py").write_text(ROUGHEN)
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace("outputs:\n", "  - use: roughen\noutputs:\n"))
    return project


def built(project: Path, asset: str) -> list[str]:
    return sorted(path.stem.removeprefix(f"{asset}_") for path in (project / "build").glob(f"{asset}_*"))


def test_maps_that_parameters_ask_for_are_written(roughening: Path) -> None:
    run(roughening)
    assert built(roughening, "moss") == ["base_color", "height"]
    assert reasons(roughening, "roughness=true")["moss"] == ["params changed: roughness false → true"]
    assert run(roughening, "roughness=true")[0].exit_code == 0
    assert built(roughening, "moss") == ["base_color", "height", "roughness"]
    assert cv2.imread(str(roughening / "build" / "moss_roughness.png"), cv2.IMREAD_UNCHANGED).shape == (48, 64)


def test_only_listed_maps_are_written(roughening: Path) -> None:
    write_outputs(roughening, maps="[base_color]")
    report, computed = run(roughening)
    assert report.exit_code == 0
    assert built(roughening, "brick") == ["base_color"]
    assert {step for _, step in computed} == {"upscale"}  # nobody needs what the other step would make
    assert run(roughening)[1] == []
    write_outputs(roughening, maps="[base_color, height]")
    assert reasons(roughening)["brick"] == ["maps changed: base_color → base_color, height"]
    assert {step for _, step in run(roughening)[1]} == {"upscale", "roughen"}
    assert built(roughening, "brick") == ["base_color", "height"]
    write_outputs(roughening, maps="[height]")
    assert reasons(roughening, "gain=2")["brick"][0] == "params changed: gain 1.0 → 2.0"


def test_an_asset_that_has_none_of_the_listed_maps_fails_alone(project: Path, forge: Forge) -> None:
    done = forge("run", "pipeline.yaml", "-D", "outputs.maps=[normal]")
    assert done.returncode == 1
    expected = "moss: has none of the maps that outputs.maps lists (normal); it has: base_color"
    assert expected in done.stderr
    assert [path.name for path in (project / "build").iterdir()] == ["brick_normal.png"]


BAD_STEPS = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "returns_none": ("return None", "returned a NoneType; return a Material"),
    "forgets": ("return material.only()", "did not write 'base_color', as it declares"),
    "nan": ("return material.replace(base_color=b.with_data(b.data * float('nan')))", "that are not finite"),
    "wrong": ("return material.replace(base_color=b.with_data(b.data[:1]))", "has 1 channels; it must have 3"),
    "mutates": ("b.data.mul_(0.5); return material", "changed its input in place; compute into new tensors"),
    "blames_all": ("raise af.StepError(material.name, 'is too small')", "step 'bad': is too small"),
    "peeks": ("material['normal']; return material", "has no map 'normal'"),
}


@pytest.mark.parametrize("name", BAD_STEPS)
def test_a_step_that_breaks_its_contract_fails_its_asset(name: str, project: Path, forge: Forge) -> None:
    body, expected = BAD_STEPS[name]
    (project / "plugins").mkdir()
    (project / "plugins" / "bad.py").write_text(
        "from __future__ import annotations\nimport assetforge as af\n"
        "@af.step('bad', af.Params, reads={'base_color'}, writes={'base_color'})\n"
        f"def bad(material, params, context):\n    b = material['base_color']; {body}\n"
        "@af.hookimpl\ndef register_steps(register):\n    register(bad)\n"
    )
    text = (project / "pipeline.yaml").read_text().replace("use: upscale", "use: bad")
    (project / "pipeline.yaml").write_text(text.replace("    with: {scale: 2, method: lanczos}\n", ""))
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 1, done.stderr
    assert expected in done.stderr
    assert not (project / "build").exists()


def test_all_maps_of_an_asset_fit_in_one_layered_file(project: Path) -> None:
    run(project, "outputs.name={name}", "outputs.format=exr32")
    import OpenEXR

    channels = OpenEXR.File(str(project / "build" / "brick.exr"), separate_channels=True).channels()
    assert sorted(channels) == ["B", "G", "R", "normal.X", "normal.Y", "normal.Z"]


PLUGIN_OF_THE_DESIGN = '''"""Darken a material's base color where its ambient occlusion is low."""
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    strength: af.Fraction = 1.0
    """0 leaves the base color alone, 1 multiplies it by the occlusion."""

@af.step("bake_occlusion", Params, reads={"base_color", "ambient_occlusion"}, writes={"base_color"})
def bake_occlusion(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Multiply the base color by the ambient occlusion."""
    base, occlusion = material["base_color"], material["ambient_occlusion"]
    return material.replace(base_color=base.with_data(base.data * (1 - params.strength * (1 - occlusion.data))))

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(bake_occlusion)
'''


def test_the_plugin_of_one_screen_works_unchanged(tmp_path: Path, forge: Forge) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bake_occlusion.py").write_text(PLUGIN_OF_THE_DESIGN)
    assert cv2.imwrite(str(tmp_path / "rock_d.png"), np.full((8, 8, 3), 255, np.uint8))
    assert cv2.imwrite(str(tmp_path / "rock_ao.png"), np.full((8, 8), 102, np.uint8))
    (tmp_path / "pipeline.yaml").write_text(
        "version: 1\ninputs: {base_color: '{name}_d.png', ambient_occlusion: '{name}_ao.png'}\n"
        "steps: [{use: bake_occlusion}]\n"
    )
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    baked = cv2.imread(str(tmp_path / "build" / "rock_base_color.png"))
    assert set(np.unique(baked)) == {170}  # 0.4 of linear white is 170 in sRGB
    assert "0 leaves the base color alone" in forge("steps", "bake_occlusion").stdout


def test_wrappers_and_watchers_are_called(project: Path, forge: Forge) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "watcher.py").write_text(
        "import assetforge as af\nfrom pathlib import Path\n"
        "@af.hookimpl(wrapper=True)\ndef run_step(step, context):\n    result = yield\n"
        "    with Path('log').open('a') as log: log.write(f'ran {step.name}: {sorted(result)}\\n')\n    return result\n"
        "@af.hookimpl\ndef on_event(event):\n"
        "    with Path('log').open('a') as log: log.write(f'{type(event).__name__}\\n')\n"
    )
    assert forge("run", "pipeline.yaml", "--only", "moss").returncode == 0
    log = (project / "log").read_text().split("\n")
    assert log[0] == "RunStarted"
    assert "ran upscale: ['base_color']" in log
    assert log[-2] == "RunFinished"


def test_a_plugin_that_wraps_steps_is_in_the_key(project: Path) -> None:
    (project / "plugins").mkdir()
    wrapper = project / "plugins" / "wrapper.py"
    text = "import assetforge as af\n@af.hookimpl(wrapper=True)\ndef run_step(step):\n    return (yield)\n"
    wrapper.write_text(text)
    run(project)
    wrapper.write_text(text + "# and now something else\n")
    assert reasons(project)["moss"] == ["plugin code wrapper changed"]
    wrapper.unlink()
    assert reasons(project)["moss"] == ["plugin code wrapper changed"]
    (project / "plugins" / "watcher.py").write_text(
        "import assetforge as af\n@af.hookimpl\ndef on_event(event):\n    pass\n"
    )
    assert len(run(project)[1]) == 3
    (project / "plugins" / "watcher.py").unlink()
    assert reasons(project) == {}
