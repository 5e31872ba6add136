"""The step `validate` gates a pipeline, and the command `validate` a folder or the sources of a pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from conftest import Forge
from validation.planted import Picture, write

from assetforge.build import Build
from assetforge.events import AttemptFailed, Event, JobFinished, StepStarted
from assetforge.execute.options import RunOptions
from assetforge.ops.color import srgb_encode
from assetforge.plan.candidates import of_folder
from assetforge.plan.validation import validate
from assetforge.report import JobReport, Report
from assetforge.samples import make_sample
from assetforge.validation.thresholds import CHECKS, Thresholds

WORDS = {name: name for name in ("base_color", "normal", "roughness", "height")}


def pictures() -> dict[str, Picture]:
    """A sample of 64 pixels, which is sound."""
    material = make_sample("brick", 64)
    maps = {name: material[name].data for name in WORDS}
    maps["base_color"] = srgb_encode(maps["base_color"])
    maps["normal"] = (maps["normal"] + 1) / 2
    shown = {name: (data.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for name, data in maps.items()}
    return {name: pixels[:, :, 0] if pixels.shape[2] == 1 else pixels for name, pixels in shown.items()}


def project(folder: Path, maps: Mapping[str, Picture], params: str = "{}", wrap: str = "unknown") -> Path:
    write(folder / "textures" / "brick", maps, WORDS)
    lines = [f'  {name}: {{files: "{{name}}/{{name}}_{name}.png", wrap: {wrap}}}' for name in maps]
    text = "version: 1\nsources: textures\ninputs:\n" + "\n".join(lines)
    (folder / "pipeline.yaml").write_text(
        f"{text}\nsteps: [{{use: validate, with: {params}}}]\noutputs: {{dir: build}}\n"
    )
    return folder / "pipeline.yaml"


def ran(file: Path) -> Report:
    with Build(file) as build:
        return build.run(build.plan(), options=RunOptions("cpu", workers=0))


def built(file: Path) -> JobReport:
    [job] = ran(file).jobs
    return job


def black(maps: Mapping[str, Picture]) -> dict[str, Picture]:
    return {**maps, "base_color": np.zeros_like(maps["base_color"])}


def test_sound_material_passes_unchanged(tmp_path: Path) -> None:
    maps = pictures()
    job = built(project(tmp_path, maps))
    assert (job.state, job.flags) == ("done", ())
    for name, pixels in maps.items():
        read = cv2.imread(str(tmp_path / "build" / f"brick_{name}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read if read.ndim == 2 else read[:, :, ::-1], pixels)


def test_error_publishes_nothing_and_is_told_in_all_reports(tmp_path: Path) -> None:
    report = ran(project(tmp_path, black(pictures())))
    assert report.exit_code == 1
    assert not (tmp_path / "build").exists()
    [job] = json.loads(report.json())["jobs"]
    flags = {flag["check"]: flag for flag in job["flags"]}
    assert "1 check failed: base_color: 100% of it is black" in job["error"]
    assert flags["albedo_black"] == {
        "text": "100% of it is black, and no metal (at most 30%)",
        "severity": "error",
        "map": "base_color",
        "value": 1.0,
        "threshold": 0.3,
        "check": "albedo_black",
        "by": "validate",
    }
    assert flags["constant"]["severity"] == "warning"
    told = ET.fromstring(report.junit()).findtext(".//testcase/system-out")
    assert told is not None
    assert told.startswith("error: validate: base_color: 100% of it is black")


def test_project_says_what_fails(tmp_path: Path) -> None:
    maps = black(pictures())
    assert built(project(tmp_path, maps, "{fail_on: never}")).state == "done"
    published = built(project(tmp_path, maps, "{severities: {albedo_black: warning}}"))
    assert {flag.severity for flag in published.flags} == {"warning"}
    assert built(project(tmp_path, maps, "{severities: {albedo_black: warning}, fail_on: warning}")).state == "failed"
    off = built(project(tmp_path, maps, "{severities: {albedo_black: 'off', albedo_range: 'off', constant: 'off'}}"))
    assert (off.state, off.flags) == ("done", ())


def test_stricter_threshold_checks_again_what_was_built(tmp_path: Path) -> None:
    maps = pictures()
    assert built(project(tmp_path, maps)).state == "done"
    assert built(project(tmp_path, maps)).state == "up to date"
    strict = built(project(tmp_path, maps, "{least_side: 128, fail_on: warning}"))
    assert strict.state == "failed"
    assert "64×64 (at least 128 pixels)" in strict.error
    assert built(project(tmp_path, maps)).state == "up to date"


def test_map_that_is_said_to_repeat_and_does_not_is_found(tmp_path: Path) -> None:
    maps = pictures()
    ramp = np.linspace(0, 1, 64)[None, :, None]
    maps["base_color"] = (60 + 150 * ramp * np.ones((64, 1, 3))).astype(np.uint8)
    job = built(project(tmp_path, maps, wrap="repeat"))
    assert [(flag.check, flag.map) for flag in job.flags if flag.severity == "error"] == [("seam", "base_color")]


def test_required_map_and_texel_density_are_checked(tmp_path: Path) -> None:
    told = "{required: [opacity], meters: 0.5, texel_density: [256, 1024], fail_on: never}"
    found = {flag.check: flag for flag in built(project(tmp_path, pictures(), told)).flags}
    assert (found["missing"].map, found["missing"].severity) == ("opacity", "error")
    assert (found["texel_density"].value, found["texel_density"].threshold) == (128, 256)


def test_command_gates_a_folder(tmp_path: Path, forge: Forge) -> None:
    maps = pictures()
    for name, one in (("good", maps), ("bad", black(maps))):
        write(tmp_path / "library" / name, one, WORDS)
    done = forge("validate", "library", "--report", "report.json", "--junit", "junit.xml")
    assert done.returncode == 1, done.stderr
    assert "failed   bad/bad" in done.stdout
    assert "2 materials, 1 failed: 1 error" in done.stdout
    states = {job["asset"]: job["state"] for job in json.loads((tmp_path / "report.json").read_text())["jobs"]}
    assert states == {"bad/bad": "failed", "good/good": "done"}
    assert len(ET.parse(tmp_path / "junit.xml").findall(".//failure")) == 1


def test_command_takes_thresholds_of_a_pipeline(tmp_path: Path, forge: Forge) -> None:
    project(tmp_path, pictures(), "{least_side: 128, fail_on: warning}")
    done = forge("validate", "pipeline.yaml", "--json")
    assert done.returncode == 1
    [job] = json.loads(done.stdout)["jobs"]
    assert [flag["check"] for flag in job["flags"]] == ["resolution"]
    assert not (tmp_path / ".assetforge").exists()


def test_materials_of_a_set_are_compared(tmp_path: Path) -> None:
    maps = pictures()
    for index in range(5):
        write(tmp_path / f"m{index}", maps, WORDS)
    few = {name: cv2.resize(pixels, (16, 16)) for name, pixels in maps.items() if name != "height"}
    write(tmp_path / "odd", few, WORDS)
    found = {one.candidate.name: {flag.check: flag for flag in one.flags} for one in validate(of_folder(tmp_path))}
    assert found["odd/odd"]["missing"].text == "is not there, and 5 of 6 materials have it"
    assert found["odd/odd"]["texel_density"].value == 4
    assert not found["m0/m0"].keys() & {"missing", "texel_density"}


def test_failed_check_is_not_tried_again_and_ends_the_job(tmp_path: Path) -> None:
    file = project(tmp_path, black(pictures()))
    file.write_text(file.read_text().replace("}}]", "}}, {use: resize, with: {scale: 2}}]"))
    told: list[Event] = []
    with Build(file) as build:
        build.run(build.plan(), told.append, RunOptions("cpu", workers=0))
    assert [event for event in told if isinstance(event, AttemptFailed)] == []
    assert [event.step for event in told if isinstance(event, StepStarted)] == ["validate"]
    assert any(isinstance(event, JobFinished) and event.state == "failed" for event in told)


def test_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'seam'"):
        Thresholds(severities={"seams": "error"})


def test_page_explains_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs" / "validating.md").read_text()
    assert [name for name in CHECKS if f"| `{name}` |" not in page] == []
