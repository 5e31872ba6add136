"""No two jobs write one file, none writes a source or what would be one, and none leaves the folder of outputs."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from conftest import PIPELINE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assetforge.build import Build
from assetforge.errors import Problem
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.collisions import Collision, find_collisions, summary
from assetforge.plan.jobs import Job


@pytest.fixture
def pipeline(project: Path) -> Pipeline:
    """Outputs go to `build`; sources are `textures/{name}_d.png`."""
    with Build(project / "pipeline.yaml") as build:
        return build.pipeline


def job(asset: str, *files: str, sources: tuple[str, ...] = ()) -> Job:
    return Job(asset, "out of date", sources=sources, files=files)


def found(pipeline: Pipeline, *jobs: Job) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.kind, one.assets) for one in find_collisions(jobs, pipeline)]


NAMES = st.lists(st.sampled_from(["build/a.png", "build/b.png", "build/A.png", "build/./b.png", "build/deep/../c.png"]))


@given(st.dictionaries(st.sampled_from(["brick", "moss", "sand"]), NAMES))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_collide_exactly_where_they_share_a_place(pipeline: Pipeline, files: dict[str, list[str]]) -> None:
    real = {"build/./b.png": "build/b.png", "build/deep/../c.png": "build/c.png"}
    places = {asset: {real.get(name, name).lower() for name in names} for asset, names in files.items()}
    told = find_collisions([job(asset, *names) for asset, names in files.items()], pipeline)
    assert all(one.kind == "twice" for one in told)
    pairs = {pair for one in told for pair in combinations(one.assets, 2)}
    assert pairs == {(one, two) for one, two in combinations(places, 2) if places[one] & places[two]}


def test_names_that_differ_in_case_only_are_told_as_such(pipeline: Pipeline) -> None:
    [same] = find_collisions([job("brick", "build/a.png"), job("moss", "build/a.png")], pipeline)
    assert same.problem.what == "'brick' and 'moss' would both be written here"
    [case] = find_collisions([job("brick", "build/a.png"), job("Brick", "build/A.png")], pipeline)
    assert "names that differ in case only" in case.problem.what
    assert "rename a source" in case.problem.instead


def test_of_many_that_collide_a_few_are_named(pipeline: Pipeline) -> None:
    many = [job(f"a{n}", "build/a.png") for n in range(10)]
    [one] = find_collisions(many, pipeline)
    assert len(one.assets) == 10
    assert one.problem.what == "'a0', 'a1', 'a2' and 7 more would all be written here"


@pytest.mark.parametrize("name", ["out.png", "build/../out.png", "../build/out.png", "/tmp/out.png", "build-2/out.png"])
def test_what_leaves_the_folder_of_outputs_is_refused(name: str, pipeline: Pipeline) -> None:
    assert found(pipeline, job("brick", name)) == [("outside", ("brick",))]


def test_a_link_is_followed_to_where_it_leads(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "build" / "here").symlink_to(tmp_path / "build")
    (tmp_path / "build" / "file.png").symlink_to(tmp_path / "textures" / "brick_d.png")
    sources = ("textures/brick_d.png",)
    assert found(pipeline, job("brick", "build/away/a.png")) == [("outside", ("brick",))]
    assert found(pipeline, job("brick", "build/here/a.png"), job("moss", "build/a.png")) == [
        ("twice", ("brick", "moss"))
    ]
    assert found(pipeline, job("brick", "build/file.png", sources=sources)) == [("outside", ("brick",))]


@pytest.fixture
def beside(project: Path) -> Pipeline:
    """Outputs and sources are in one folder."""
    (project / "pipeline.yaml").write_text(PIPELINE.replace("dir: build", "dir: textures"))
    with Build(project / "pipeline.yaml") as build:
        return build.pipeline


def test_neither_a_source_nor_what_would_be_one_is_written(beside: Pipeline) -> None:
    jobs = [
        job("brick", "textures/brick_d.png", sources=("textures/brick_d.png",)),
        job("moss", "textures/new_d.png"),
        job("sand", "textures/sand.png"),
    ]
    assert found(beside, *jobs) == [("source", ("brick",)), ("input", ("moss",))]


def test_what_is_up_to_date_was_looked_at_before(pipeline: Pipeline) -> None:
    done = [job(name, "build/a.png")._replace(state="up to date") for name in ("brick", "moss")]
    assert found(pipeline, *done) == []
    assert found(pipeline, *done, job("sand", "build/b.png")) == [("twice", ("brick", "moss"))]


@given(st.lists(st.sampled_from(["outside", "source", "twice", "input"]), max_size=12))
def test_the_summary_names_a_few_of_each_kind_and_counts_the_rest(kinds: list[str]) -> None:
    problem = Problem("build/a.png", "collides")
    told = summary([Collision(kind, (), problem) for kind in kinds])  # type: ignore[arg-type]
    counts = Counter(kinds).values()
    assert told.count(problem) == sum(min(count, 3) for count in counts)
    more = [int(one.what.split()[1]) for one in told if one != problem]
    assert sorted(more) == sorted(count - 3 for count in counts if count > 3)
