"""Plugins whose metadata name their steps and maps are only loaded where a pipeline has one of these words."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_plugins import STEP, loose

from assetforge.build import Build
from assetforge.errors import PipelineError
from assetforge.pipeline.load import load_with_plugins
from assetforge.plugins import load

PIPELINE = """\
version: 1
inputs: {{{inputs}: "{{name}}.png"}}
steps: [{{use: {use}}}]
outputs: {{dir: build}}
"""
MAP = """
@af.hookimpl
def register_maps(register):
    register(af.MapSpec("wetness", 1, "data", (0, 1), (0,), "How wet it is."))
"""
LISTENER = """
@af.hookimpl
def on_event(event):
    pass
"""


def written(folder: Path, use: str, inputs: str = "base_color") -> Path:
    file = folder / "pipeline.yaml"
    file.write_text(PIPELINE.format(use=use, inputs=inputs))
    return file


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are installed into: that of a project's own plugins, as while they are developed."""
    folder = tmp_path / "project" / "plugins"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    return folder


def install(site: Path, module: str, source: str, *, steps: str = "", maps: str = "") -> None:
    """Install a plugin of one module, whose metadata name these steps and maps."""
    site.joinpath(f"{module}.py").write_text(source)
    metadata = site / f"{module}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    groups = {"assetforge": module, "assetforge.steps": steps, "assetforge.maps": maps}
    entries = {group: "".join(f"{name} = {module}\n" for name in names.split()) for group, names in groups.items()}
    (metadata / "entry_points.txt").write_text("\n".join(f"[{group}]\n{text}" for group, text in entries.items()))


def test_the_metadata_of_the_shipped_plugins_name_all_that_they_offer() -> None:
    every, none = load(), load(words=())
    assert every.broken == () and not none.plugins
    assert none.providers == every.providers


@pytest.mark.parametrize(
    ("use", "inputs", "definitions", "expected"),
    [
        ("upscale", "base_color", [], {"upscale"}),
        ("upscale", "curvature", [], {"maps", "upscale"}),
        ("upscale", "base_color", ["inputs.curvature=c_{name}.png"], {"maps", "upscale"}),
        ("render", "base_color", ["outputs.dir=multiply/{name}"], {"multiply", "render"}),
    ],
)
def test_a_pipeline_loads_the_plugins_of_its_words(
    use: str, inputs: str, definitions: list[str], expected: set[str], tmp_path: Path
) -> None:
    registry, pipeline = load_with_plugins(written(tmp_path, use, inputs), definitions)
    assert registry.plugins.keys() == expected
    assert [one.step.name for one in pipeline.variants[0].steps] == [use]


def test_a_mistake_is_told_with_all_plugins_in_view(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="did you mean 'multiply'"):
        Build(written(tmp_path, "multiplyy"))
    with pytest.raises(PipelineError, match="did you mean 'curvature'"):
        Build(written(tmp_path, "upscale", "curvatur"))


def test_no_other_plugin_takes_the_step_of_one_that_is_not_loaded(tmp_path: Path) -> None:
    loose(tmp_path, mine=STEP.format(step="multiply", hook="register_steps"))
    registry = load(tmp_path, words={"upscale"})
    assert registry.plugins.keys() == {"upscale"}
    assert [problem.what for problem in registry.broken] == [
        "step 'multiply' is already registered by plugin 'multiply' (assetforge_multiply)"
    ]


def test_no_other_plugin_takes_the_name_of_one_that_is_not_loaded(tmp_path: Path) -> None:
    loose(tmp_path, multiply=STEP.format(step="twice", hook="register_steps"))
    assert "another plugin has this name" in str(load(tmp_path, words={"twice"}).broken[0])


def test_a_plugin_that_is_installed_from_its_project_is_one_plugin(site: Path) -> None:
    install(site, "damp", STEP.format(step="damp", hook="register_steps"), steps="damp")
    registry = load(site.parent, words={"upscale"})
    assert registry.plugins.keys() == {"upscale"} and registry.broken == ()


@pytest.mark.parametrize(
    ("added", "steps", "expected"),
    [
        ("", "wet damp", "its metadata (the group `assetforge.steps`) and its code disagree on 'damp'"),
        (MAP, "wet", "its metadata (the group `assetforge.maps`) and its code disagree on 'wetness'"),
        (LISTENER, "wet", "hooks `on_event`, though its metadata have entry points in the group `assetforge.steps`"),
    ],
)
def test_a_plugin_that_offers_other_things_than_its_metadata_say_is_broken(
    added: str, steps: str, expected: str, site: Path, request: pytest.FixtureRequest
) -> None:
    module = f"wet_{request.node.callspec.indices['added']}"
    install(site, module, STEP.format(step="wet", hook="register_steps") + added, steps=steps)
    assert [problem.what for problem in load().broken] == [expected]


def test_a_plugin_whose_metadata_name_no_step_is_always_loaded(site: Path) -> None:
    install(site, "wet_always", STEP.format(step="wet", hook="register_steps") + MAP + LISTENER)
    registry = load(words=())
    assert registry.plugins.keys() == {"wet_always"} and registry.has_listeners


def test_a_map_that_a_pipeline_names_is_there_with_its_plugin(tmp_path: Path, site: Path) -> None:
    install(site, "wet_map", STEP.format(step="wet", hook="register_steps") + MAP, steps="wet", maps="wetness")
    assert "wetness" in Build(written(tmp_path, "upscale", "wetness")).pipeline.inputs
    assert load(words={"upscale"}).plugins.keys() == {"upscale"}
