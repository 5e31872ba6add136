"""Planning alone: which jobs there are, why they are out of date, and which changes leave keys as they are.

The files are real, and so is the state; what a run would have noted in it is noted here, and nothing is computed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_normal, write_texture

from assetforge.build import Build
from assetforge.errors import PipelineError
from assetforge.plan.jobs import Job, Plan
from assetforge.plan.plan import PlanOptions
from assetforge.store.state import Published, stat_of

Edit = Callable[[Path], object]


def plan(project: Path, *definitions: str, options: PlanOptions | None = None) -> Plan:
    with Build(project / "pipeline.yaml", definitions) as build:
        return build.plan(options)


def explained(project: Path) -> dict[str, Job]:
    """Return the jobs of a project with all their keys, by asset."""
    return {job.asset: job for job in plan(project, options=PlanOptions(explain=True)).jobs}


def note_as_built(project: Path) -> None:
    """Leave behind what a run would: output files, and what the state knows of them."""
    with Build(project / "pipeline.yaml") as build:
        for job in build.plan().jobs:
            published = []
            for output in job.outputs:
                content = output.key.encode()
                output.path.parent.mkdir(exist_ok=True)
                output.path.write_bytes(content)
                sha256 = hashlib.sha256(content).hexdigest()
                published.append(Published(output.name, output.key, sha256, stat_of(str(output.path))))
            build.state.remember(job.asset, job.signature, job.sources, job.facts, published)


def edit_pipeline(old: str, new: str) -> Edit:
    def edit(project: Path) -> None:
        file = project / "pipeline.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return edit


def test_every_asset_is_new_at_first_and_up_to_date_when_it_is_built(project: Path) -> None:
    first = plan(project)
    assert [(job.asset, job.state, *map(str, job.reasons)) for job in first.jobs] == [
        (name, "out of date", "new") for name in ("brick", "moss", "sand")
    ]
    note_as_built(project)
    second = plan(project)
    assert {job.state for job in second.jobs} == {"up to date"}
    assert [job.files for job in second.jobs] == [job.files for job in first.jobs]
    assert not (second.gone or second.stale or second.remarks)


CHANGES: dict[str, tuple[Edit, list[str]]] = {
    "the source": (lambda p: write_texture(p / "textures/brick_d.png", 9), ["input base_color changed"]),
    "a map more": (lambda p: write_normal(p / "textures/moss_n.png"), ["input normal added"]),
    "a map less": (lambda p: (p / "textures/brick_n.png").unlink(), ["input normal removed"]),
    "a parameter": (edit_pipeline("scale: 2", "scale: 4"), ["params changed: scale 2 → 4"]),
    "the seed": (edit_pipeline("version: 1", "version: 1\nseed: 7"), ["seed changed: 0 → 7"]),
    "the steps": (edit_pipeline("  - use: upscale\n    with: {scale: 2, method: lanczos}\n", "  []\n"), ["steps"]),
    "the format": (
        edit_pipeline("dir: build", "dir: build\n  format: tiff"),
        ["format base_color changed: png → tiff"],
    ),
    "the name": (
        edit_pipeline("dir: build", "dir: made"),
        ["outputs renamed: brick_base_color.png → brick_base_color.png"],
    ),
    "the output": (
        lambda p: (p / "build/brick_base_color.png").write_bytes(b"?"),
        ["output brick_base_color.png changed"],
    ),
    "no output": (lambda p: (p / "build/brick_base_color.png").unlink(), ["output brick_base_color.png missing"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_the_reason(change: str, project: Path) -> None:
    edit, expected = CHANGES[change]
    note_as_built(project)
    edit(project)
    changed = [job for job in plan(project).jobs if job.state == "out of date"]
    assert changed
    said = [str(reason) for reason in changed[0].reasons]
    assert [text[: len(start)] for text, start in zip(said, expected, strict=False)] == expected


def test_force_is_a_reason_and_only_chooses(project: Path) -> None:
    note_as_built(project)
    forced = plan(project, options=PlanOptions(only=("m*",), force=True))
    assert [(job.asset, str(job.reasons[0])) for job in forced.jobs] == [("moss", "forced")]
    with pytest.raises(PipelineError, match="no asset matches x"):
        plan(project, options=PlanOptions(only=("x",)))


def test_an_asset_without_a_required_map_is_incomplete(project: Path) -> None:
    edit_pipeline("_n.png?", "_n.png")(project)
    states = {job.asset: job.state for job in plan(project).jobs}
    assert states == {"brick": "out of date", "moss": "incomplete", "sand": "incomplete"}


def test_an_asset_whose_sources_are_gone_is_named_with_its_outputs(project: Path) -> None:
    note_as_built(project)
    (project / "textures" / "sand_d.png").unlink()
    [gone] = plan(project).gone
    assert (gone.asset, gone.files, gone.why) == ("sand", ("build/sand_base_color.png",), "its sources are gone")
    assert not plan(project, options=PlanOptions(only=("moss",))).gone  # who looks at one asset knows nothing of others


def test_outputs_that_a_changed_pipeline_does_not_make_are_stale(project: Path) -> None:
    note_as_built(project)
    edit_pipeline("dir: build", "dir: build\n  maps: [base_color]")(project)
    assert plan(project).stale == ("build/brick_normal.png",)


def test_a_quarantined_asset_is_left_alone_until_it_changes(project: Path) -> None:
    with Build(project / "pipeline.yaml") as build:
        job = build.plan().jobs[0]
        build.state.journal.quarantine(job.asset, job.signature, 3, "no luck", "")
    [brick, *others] = plan(project).jobs
    assert (brick.state, str(brick.problem)) == ("quarantined", "no luck (quarantined, as it failed 3 times)")
    assert {one.state for one in others} == {"out of date"}
    assert plan(project, options=PlanOptions(retry=True)).jobs[0].state == "out of date"
    write_texture(project / "textures" / "brick_d.png", 9)
    assert plan(project).jobs[0].state == "out of date"


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("  dir: build\n  name: same_{map}", "'brick', 'moss' and 'sand' would all be written here"),
        ("  dir: textures\n  name: '{name}_d'\n  maps: [base_color]", "'brick' would replace its source"),
        ("  dir: textures\n  name: '{name}x_d'\n  maps: [base_color]", "'brick' would be taken for a source"),
    ],
)
def test_outputs_that_collide_are_refused_before_anything_is_run(outputs: str, message: str, project: Path) -> None:
    edit_pipeline("  dir: build", outputs)(project)
    with pytest.raises(PipelineError) as caught:
        plan(project)
    assert message in str(caught.value)


def test_variants_are_jobs_of_their_own_that_share_what_they_can(project: Path) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("  name: '{name}_{map}_{scale}'\nvariants: {scale: [2, 4]}\n")
    jobs = explained(project)
    assert list(jobs) == [f"{name}[scale={scale}]" for name in ("brick", "moss", "sand") for scale in (2, 4)]
    assert len({file for job in jobs.values() for file in job.files}) == 8
    two, four = jobs["moss[scale=2]"], jobs["moss[scale=4]"]
    assert two.base == four.base == "moss"
    assert two.tasks[0].key != four.tasks[0].key
    assert two.tasks[0].reads["base_color"].key == four.tasks[0].reads["base_color"].key


def test_variants_that_do_not_tell_their_outputs_apart_collide(project: Path) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("variants: {scale: [2, 4]}\n")
    with pytest.raises(PipelineError, match="tell them apart in"):
        plan(project)


# Keys


def output_keys(job: Job) -> dict[str, str]:
    return {name: output.key for output in job.outputs for name in output.maps}


def test_another_name_is_the_same_key(project: Path) -> None:
    before = explained(project)["moss"]
    for old in (project / "textures").glob("moss_*"):
        old.rename(old.with_name(old.name.replace("moss", "lichen")))
    after = explained(project)["lichen"]
    assert after.files != before.files
    assert [task.key for task in after.tasks] == [task.key for task in before.tasks]
    assert output_keys(after) == output_keys(before)


def test_another_folder_and_another_time_are_the_same_keys(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = explained(project)
    moved = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(project, moved, ignore=shutil.ignore_patterns(".assetforge"))
    for file in moved.rglob("*.png"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    after = explained(moved)
    assert {name: job.signature for name, job in after.items()} == {name: job.signature for name, job in before.items()}
    assert [output_keys(job) for job in after.values()] == [output_keys(job) for job in before.values()]


def test_touching_a_source_changes_nothing(project: Path) -> None:
    note_as_built(project)
    before = explained(project)
    os.utime(project / "textures" / "brick_d.png")
    after = explained(project)
    assert {name: job.signature for name, job in after.items()} == {name: job.signature for name, job in before.items()}
    assert {job.state for job in plan(project).jobs} == {"up to date"}


def test_a_map_that_a_step_does_not_read_is_not_in_its_key(project: Path) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "dim.py").write_text(
        "from __future__ import annotations\n"
        "import assetforge as af\n"
        "@af.step('dim', af.Params, reads={'base_color'}, writes={'base_color'})\n"
        "def dim(material: af.Material, params: af.Params, context: af.Context) -> af.Material:\n"
        "    return material\n"
        "@af.hookimpl\n"
        "def register_steps(register: af.Register) -> None:\n"
        "    register(dim)\n"
    )
    edit_pipeline("use: upscale\n    with: {scale: 2, method: lanczos}", "use: dim")(project)
    before = explained(project)["brick"]
    write_normal(project / "textures" / "brick_n.png", (24, 40))
    after = explained(project)["brick"]
    assert before.signature != after.signature
    assert [task.key for task in after.tasks] == [task.key for task in before.tasks]
    assert output_keys(after)["base_color"] == output_keys(before)["base_color"]
    assert output_keys(after)["normal"] != output_keys(before)["normal"]


def test_one_asset_does_not_change_the_keys_of_another(project: Path) -> None:
    before = explained(project)["sand"]
    write_texture(project / "textures" / "brick_d.png", 9)
    write_texture(project / "textures" / "gravel_d.png", 10)
    after = explained(project)["sand"]
    assert (after.signature, output_keys(after)) == (before.signature, output_keys(before))


def test_each_parameter_and_the_seed_are_in_the_key(project: Path) -> None:
    keys = [output_keys(explained(project)["moss"])["base_color"]]
    for old, new in (("scale: 2", "scale: 4"), ("lanczos", "network, tileable: true")):
        edit_pipeline(old, new)(project)
        keys.append(output_keys(explained(project)["moss"])["base_color"])
    keys.append(
        output_keys({j.asset: j for j in plan(project, "seed=5", options=PlanOptions(explain=True)).jobs}["moss"])[
            "base_color"
        ]
    )
    assert len(set(keys)) == len(keys)
