"""Files are found wherever parameters name them, and count by their content and by what stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_build import reasons, run

import assetforge as af
from assetforge.build import Build
from assetforge.errors import PipelineError
from assetforge.params import file_places, is_file, with_files
from assetforge.watch.references import References

MIXING = """\
from __future__ import annotations
import assetforge as af

class Layer(af.Params):
    maps: dict[str, af.File]
    weight: float = 1.0

class Params(af.Params):
    layers: tuple[Layer, ...] = ()

@af.step("mix", Params, reads={"base_color"}, writes={"base_color"})
def mix(material: af.Material, params: Params, context: af.Context) -> af.Material:
    for layer in params.layers:
        assert all(path.is_absolute() and path.read_text() for path in layer.maps.values())
    return material

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(mix)
"""
LAYERS = "layers: [{maps: {base_color: one.png, normal: two.png}, weight: 0.5}]"


class Layer(af.Params):
    maps: dict[str, af.File]
    folder: Path = Path("a folder and no file")


class Tree(af.Params):
    file: af.File | None = None
    layers: tuple[Layer, ...] = ()
    either: af.File | float = 0.5
    trees: tuple[Tree, ...] = ()


@pytest.fixture
def mixing(project: Path) -> Path:
    """A project whose step names files in a model within its parameters."""
    (project / "plugins").mkdir()
    (project / "plugins" / "mix.py").write_text(MIXING)
    for name in ("one", "two"):
        (project / f"{name}.png").write_text(name)
    write_layers(project, LAYERS)
    return project


def write_layers(project: Path, layers: str) -> None:
    text = (project / "pipeline.yaml").read_text()
    before, rest = text.split("steps:\n")
    after = rest[rest.index("outputs:") :]
    (project / "pipeline.yaml").write_text(f"{before}steps:\n  - use: mix\n    with: {{{layers}}}\n{after}")


def test_every_file_has_its_place() -> None:
    layer = Layer(maps={"normal": Path("n")})
    params = Tree(layers=(layer,), trees=(Tree(file=Path("f"), either=Path("e")),))
    assert file_places(params) == {
        ("layers", 0, "maps", "normal"): Path("n"),
        ("trees", 0, "file"): Path("f"),
        ("trees", 0, "either"): Path("e"),
    }
    moved = with_files(params, lambda path: Path("/here") / path)
    assert set(file_places(moved).values()) == {Path("/here/n"), Path("/here/f"), Path("/here/e")}
    assert moved.layers[0].folder == Path("a folder and no file")
    assert [name for name, field in Tree.model_fields.items() if not is_file(field)] == []
    assert [name for name, field in Layer.model_fields.items() if not is_file(field)] == ["folder"]


def test_a_file_in_a_model_must_be_there(mixing: Path) -> None:
    (mixing / "two.png").unlink()
    with pytest.raises(PipelineError) as caught:
        Build(mixing / "pipeline.yaml")
    assert [str(problem).removeprefix(f"{mixing}/") for problem in caught.value.problems] == [
        "pipeline.yaml:8:58: steps[0].with.layers[0].maps.normal: there is no file 'two.png'; "
        f"paths start from {mixing}"
    ]


def test_a_file_in_a_model_counts_by_its_content(mixing: Path) -> None:
    assert run(mixing)[0].exit_code == 0
    (mixing / "two.png").write_text("another")
    assert reasons(mixing)["moss"] == ["file layers[0].maps.normal changed"]
    (mixing / "two.png").write_text("two")
    (mixing / "two.png").rename(mixing / "three.png")
    write_layers(mixing, LAYERS.replace("two.png", "three.png"))
    assert reasons(mixing) == {}


@pytest.mark.parametrize(
    "change",
    [
        ("0.5", "0.25"),
        ("normal:", "height:"),
        ("one.png", "two.png"),
        ("{base_color: one.png, normal: two.png}", "{}"),
        ("[{", "[{maps: {}}, {"),
    ],
)
def test_what_stands_beside_a_file_counts(change: tuple[str, str], mixing: Path) -> None:
    run(mixing)
    write_layers(mixing, LAYERS.replace(*change))
    assert reasons(mixing).keys() == {"brick", "moss", "sand"}
    assert run(mixing)[0].exit_code == 0


def test_a_file_in_a_model_is_watched(mixing: Path) -> None:
    with Build(mixing / "pipeline.yaml") as build:
        references = References(build)
        assert references.changed() is None
        (mixing / "two.png").write_text("something else")
        assert references.changed() == mixing / "two.png"
