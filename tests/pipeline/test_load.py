"""Pipeline files: what is right is resolved, what is wrong is named with its place, all at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import assetforge as af
from assetforge.errors import PipelineError
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.load import load, read_document
from assetforge.pipeline.validate import validate
from assetforge.plan.assets import find_assets
from assetforge.plugins import Registry

GOOD = """\
version: 1
inputs:
  base_color: "{name}_d.png"
  normal: "{name}_n.png?"
steps:
  - use: upscale
    with: {scale: 4}
"""


def problems(text: str, folder: Path, registry: Registry) -> list[str]:
    file = folder / "bad.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError) as caught:
        load(read_document(file), registry)
    return [str(problem).replace(f"{file}", "bad.yaml") for problem in caught.value.problems]


def test_defaults_are_filled_in(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "remaster.yaml"
    file.write_text(GOOD)
    pipeline = load(read_document(file), registry)
    assert pipeline.name == "remaster"
    params = pipeline.variants[0].steps[0].params.model_dump()
    assert {"scale": 4, "method": "network", "tileable": "auto"}.items() <= params.items()
    assert pipeline.outputs.name == "{name}_{map}"
    assert pipeline.state == tmp_path / ".assetforge"
    assert pipeline.inputs["normal"].pattern.optional
    assert not pipeline.inputs["base_color"].pattern.optional


def test_five_mistakes_are_listed_in_one_pass_with_line_and_column(tmp_path: Path, registry: Registry) -> None:
    text = """\
version: 1
inputs:
  base_colour: "{name}_d.png"
  normal: "normal.png"
steps:
  - use: upscale
    with: {scael: 4}
  - use: upscail
outputs:
  format: jpgg
"""
    assert problems(text, tmp_path, registry) == [
        "bad.yaml:3:3: inputs.base_colour: unknown map; did you mean 'base_color'?",
        "bad.yaml:4:11: inputs.normal: the pattern 'normal.png' has no {name}, which names the asset; "
        "write '{name}_d.png', for instance",
        "bad.yaml:7:12: steps[0].with.scael: unknown parameter; did you mean 'scale'?",
        "bad.yaml:8:10: steps[1].use: unknown step 'upscail'; did you mean 'upscale'?",
        "bad.yaml:10:11: outputs.format: unknown format 'jpgg'; did you mean 'jpg'?",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "scale: 4",
            "scale: 30",
            "bad.yaml:7:19: steps[0].with.scale: is 30; it should be number from 1 to 16 or null",
        ),
        ("scale: 4", "tileable: maybe", 'steps[0].with.tileable: is "maybe"; it should be "auto" or boolean'),
        ("scale: 4", "scale: {a: 1}", 'steps[0].with.scale: is {"a": 1}; it should be number from 1 to 16 or null'),
        ("version: 1\n", "", "bad.yaml:1:1: version: is missing; add `version:`"),
        ("version: 1", "version: 2", "bad.yaml:1:10: version: is 2; it should be 1"),
        ("steps:", "stages:", "bad.yaml:5:1: stages: unknown field; did you mean 'steps'?"),
        ("_n.png?", "_n?.png", "inputs.normal: the pattern '{name}_n?.png' has a '?' inside"),
        ("{name}_d", "../{name}_d", "leaves the folder of sources; set `sources`"),
        (
            "{name}_n",
            "{name}_{kind}",
            "bad.yaml:4:11: inputs.normal: has other placeholders than base_color; use {name}",
        ),
        ('_d.png"', '_d.png?"', "bad.yaml:3:3: inputs: every map is optional"),
        (
            "- use: upscale\n    with: {scale: 4}",
            "- upscale",
            "bad.yaml:6:5: steps[0]: is a name alone; write `- use: upscale`",
        ),
        (
            "version: 1",
            "version: 1\noutputs: {dir: {name}}",
            'bad.yaml:2:16: outputs.dir: is {name} without quotes, which is a mapping in YAML; write "{name}"',
        ),
        ('"{name}_d.png"', "{name}", "bad.yaml:3:15: inputs.base_color: is {name} without quotes"),
        ('"{name}_d.png"', "{files: }", "inputs.base_color.files: is missing; add `files:`"),
        ("use: upscale", "use:", "steps[0].use: is missing; add `use:`"),
        ("version: 1", "version: 1\nattempts: {three}", 'attempts: is {"three": null}; it should be integer'),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(
    before: str, after: str, expected: str, tmp_path: Path, registry: Registry
) -> None:
    found = problems(GOOD.replace(before, after, 1), tmp_path, registry)
    assert any(expected in problem for problem in found), found


def test_a_key_that_is_written_twice_is_refused(tmp_path: Path, registry: Registry) -> None:
    found = problems(GOOD + "steps: []\n", tmp_path, registry)
    assert "bad.yaml:8:1: steps: is written twice; the first is at bad.yaml:5:1" in found


def test_python_objects_are_not_constructed(tmp_path: Path, registry: Registry) -> None:
    marker = tmp_path / "pwned"
    text = GOOD + f"name: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{marker}']]\n"
    assert any("name" in problem for problem in problems(text, tmp_path, registry))
    assert not marker.exists()


def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path, registry: Registry) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
    found = problems("l0: &l0 [x, x]\n" + levels, tmp_path, registry)
    assert "unfolds to more than" in found[0]


def test_text_that_is_not_yaml_is_placed(tmp_path: Path, registry: Registry) -> None:
    assert problems("a: [1\nb: 2\n", tmp_path, registry)[0].startswith("bad.yaml:2:2: is not YAML")
    unquoted = problems("inputs: {base_color: {name}_d.png}\n", tmp_path, registry)[0]
    assert "; quote patterns" in unquoted


def test_what_is_no_text_is_not_taken_for_a_pipeline(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match="is a folder; name the pipeline file in it"):
        load(read_document(tmp_path), registry)
    (tmp_path / "brick_d.png").write_bytes(b"\x89PNG")
    with pytest.raises(PipelineError, match="is not UTF-8 text; "):
        load(read_document(tmp_path / "brick_d.png"), registry)


def test_a_misspelled_auto_is_no_map(tmp_path: Path, registry: Registry) -> None:
    assert (
        "inputs.auot: unknown map; did you mean 'auto'?"
        in problems("version: 1\ninputs: {auot: '**'}\n", tmp_path, registry)[0]
    )


def test_a_missing_file_is_named(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"none\.yaml: there is no such file"):
        load(read_document(tmp_path / "none.yaml"), registry)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ('name: "../{name}_{map}"', "leaves the output root"),
        ('dir: "build/{name}/.."', "leaves the output root"),
        ('name: "{nam}_{map}"', "unknown placeholder {nam}; did you mean 'name'?"),
        ('name: "{name.__class__}{map}"', "write a word"),
        ('name: "{name}"', "add {map} to the name, or write `format: exr`"),
        ("format: {defualt: png}", "unknown map; did you mean"),
        ("maps: [normal, base_colour]", "bad.yaml:9:18: outputs.maps[1]: unknown map 'base_colour'; did you mean"),
        (
            "maps: [height]",
            "bad.yaml:9:10: outputs.maps[0]: no input and no step gives 'height'; "
            "the inputs and the steps give: base_color, normal",
        ),
        ("maps: []", "bad.yaml:9:9: outputs.maps: is []; it "),
        ('name: "{name}"\n  maps: [base_color, normal]', "add {map} to the name"),
    ],
)
def test_outputs_that_cannot_be_are_refused(outputs: str, expected: str, tmp_path: Path, registry: Registry) -> None:
    found = problems(f"{GOOD}outputs:\n  {outputs}\n", tmp_path, registry)
    assert any(expected in problem for problem in found), found


def test_a_map_that_no_input_gives_is_named(tmp_path: Path, registry: Registry) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "flashy.py").write_text(
        "from __future__ import annotations\nimport assetforge as af\n"
        "@af.step('flashy', af.Params, reads={'flash'}, writes={'base_color'})\n"
        "def flashy(material, params, context):\n    return material\n"
        "@af.hookimpl\ndef register_steps(register):\n    register(flashy)\n"
    )
    import assetforge.plugins

    found = problems(GOOD + "  - use: flashy\n", tmp_path, assetforge.plugins.load(tmp_path))
    assert found == [
        "bad.yaml:8:10: steps[1].use: flashy reads 'flash'; the inputs and the steps before give: base_color, normal"
    ]


def test_one_map_of_many_needs_no_place_of_its_own(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD + 'outputs:\n  name: "{name}"\n  maps: [normal]\n')
    assert load(read_document(file), registry).outputs.maps == {"normal"}
    assert load(read_document(file), registry, ["outputs.maps=[base_color]"]).outputs.maps == {"base_color"}


def test_maps_are_not_missed_where_what_gives_them_is_wrong(tmp_path: Path, registry: Registry) -> None:
    found = problems(GOOD.replace("normal:", "norma:") + "outputs: {maps: [normal]}\n", tmp_path, registry)
    assert found == ["bad.yaml:4:3: inputs.norma: unknown map; did you mean 'normal'?"]
    found = problems(GOOD.replace("upscale", "upscail") + "outputs: {maps: [height]}\n", tmp_path, registry)
    assert found == ["bad.yaml:6:10: steps[0].use: unknown step 'upscail'; did you mean 'upscale'?"]


ON_DEMAND = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    also: tuple[str, ...] = ()

@af.step("spread", Params, reads={"base_color"}, writes=(), on_demand=lambda params: params.also)
def spread(material, params, context):
    return material

@af.step("polish", af.Params, reads={"roughness"}, writes={"roughness"})
def polish(material, params, context):
    return material

@af.step("tint", af.Params, reads={"base_colour"}, writes={"base_color"})
def tint(material, params, context):
    return material

@af.hookimpl
def register_steps(register):
    register(spread)
    register(polish)
    register(tint)
"""


@pytest.fixture
def spreading(tmp_path: Path) -> Registry:
    """The registry of a project whose step writes what its parameters ask for."""
    import assetforge.plugins

    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "spread.py").write_text(ON_DEMAND)
    return assetforge.plugins.load(tmp_path)


def test_a_map_that_parameters_ask_for_can_be_read_and_written(tmp_path: Path, spreading: Registry) -> None:
    file = tmp_path / "p.yaml"
    steps = "  - use: spread\n    with: {also: [roughness]}\n  - use: polish\n"
    file.write_text(f"{GOOD}{steps}outputs: {{maps: [roughness]}}\n")
    spread = load(read_document(file), spreading).variants[0].steps[1]
    assert spread.step.writes_with(spread.params, {}) == {"roughness"}
    assert spread.step.writes_on_demand


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (
            "  - use: spread\n  - use: polish\n",
            "bad.yaml:9:10: steps[2].use: polish reads 'roughness'; "
            "the inputs and the steps before give: base_color, normal",
        ),
        (
            "  - use: spread\n    with: {also: [rouhgness]}\n",
            "bad.yaml:8:10: steps[1].use: spread (plugins/spread.py) writes the unknown map 'rouhgness'; "
            "its plugin must register it; did you mean 'roughness'?",
        ),
        (
            "  - use: tint\n",
            "bad.yaml:8:10: steps[1].use: tint (plugins/spread.py) reads the unknown map 'base_colour'; "
            "did you mean 'base_color'?",
        ),
        (
            "  - use: spread\n    with: {also: [roughness]}\noutputs: {name: '{name}', maps: [normal, roughness]}\n",
            "bad.yaml:10:17: outputs.name: every map of an asset would be the same file; "
            "add {map} to the name, or write `format: exr`, which holds all maps as layers",
        ),
    ],
)
def test_a_map_that_is_not_asked_for_is_not_there(
    rest: str, expected: str, tmp_path: Path, spreading: Registry
) -> None:
    assert problems(GOOD + rest, tmp_path, spreading) == [expected]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("albedo", "base_color"), ("Metallic", "metalness"), ("ao", "ambient_occlusion"), ("nrm", "normal"),
     ("smoothness", "glossiness"), ("displacement", "height"), ("normall", "normal")],
)  # fmt: skip
def test_names_of_other_programs_for_maps_are_suggested(
    word: str, meant: str, tmp_path: Path, registry: Registry
) -> None:
    expected = f"inputs.{word}: unknown map; did you mean {meant!r}?"
    assert any(expected in problem for problem in problems(GOOD.replace("normal:", f"{word}:"), tmp_path, registry))


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD.replace("scale: 4", "tileable: no") + "seed: 010\nname: on\nvariants:\n")
    pipeline = load(read_document(file), registry)
    assert pipeline.variants[0].steps[0].params.tileable is False  # type: ignore[attr-defined]
    assert (pipeline.variants[0].seed, pipeline.name) == (10, "on")
    turned = load(read_document(file), registry, ["tileable=yes"])
    assert turned.variants[0].steps[0].params.tileable is True  # type: ignore[attr-defined]


@pytest.mark.limited
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 0x" + "f" * 8000, "bad.yaml:8:7: seed: is not plain data: a whole number of 8002 digits"),
        ("seed: " + "9" * 10**5, "is not plain data: a whole number of 100000 digits"),
        ("name: !!binary aGk=", "is not plain data: the tag 'tag:yaml.org,2002:binary' means nothing here"),
        ("name: !!python/object:os.system x", "means nothing here"),
        ("seed: 1:30", 'seed: is "1:30"; it should be integer'),
    ],
)
def test_what_is_no_plain_data_is_refused(text: str, expected: str, tmp_path: Path, registry: Registry) -> None:
    assert any(expected in problem for problem in problems(f"{GOOD}{text}\n", tmp_path, registry))


@pytest.mark.limited
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [*a]", "bad.yaml:8:8: *a contains itself"),
        ("a: *b", "bad.yaml:8:4: *b stands for nothing"),
        ("a: " + "[" * 100_000, "bad.yaml:8:66: is nested in more than 64 levels"),
        ("\n".join(" " * level + "a:" for level in range(2000)), "is nested in more than 64 levels"),
        ("- " * 50_000, "bad.yaml:"),
        (
            "\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 10 if n else ''}]" for n in range(9)),
            "unfolds to more than 100000",
        ),
        (
            "\n".join(f"a{n}: &a{n} [[[{f'*a{n - 1}' if n else ''}]]]" for n in range(30)),
            "unfolds to more than 64 levels",
        ),
        ("--- {}", "bad.yaml:8:5: is a second document; write one"),
        ("? [a, b]\n: 1", "bad.yaml:8:3: is a key that is no word"),
        ("seed: " + "1:" * 400_000 + "1", "it should be integer"),
        ("#" * 2**22, "more than 4194304 bytes"),
    ],
    ids=range(11),
)
def test_a_file_that_is_meant_to_break_the_reader_is_refused_at_once(
    text: str, expected: str, tmp_path: Path, registry: Registry
) -> None:
    assert any(expected in problem for problem in problems(f"{GOOD}{text}\n", tmp_path, registry))


@pytest.mark.limited
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, registry: Registry) -> None:
    os.mkfifo(tmp_path / "p.yaml")
    with pytest.raises(PipelineError, match="not a regular file"):
        load(read_document(tmp_path / "p.yaml"), registry)


def test_a_key_with_nothing_after_it_is_left_out(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("version: 1\ninputs: {base_color: '{name}.png'}\nsteps:\noutputs:\nstore:\nwatch:\n  order:\n")
    pipeline = load(read_document(file), registry)
    assert pipeline.variants[0].steps == ()
    assert (pipeline.store, pipeline.watch.order, pipeline.outputs.dir) == (None, "oldest", "build")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("size: [64, x]", 'steps[0].with.size[1]: is "x"; it should be integer from 32 to 8192'),
        ("size: {a: 1}", 'steps[0].with.size: is {"a": 1}; it should be integer from 32 to 8192 or '
                         "[integer from 32 to 8192, integer from 32 to 8192] or null"),
        ("candidates: 99", "steps[0].with.candidates: is 99; it should be integer from 1 to 32"),
        ("others: [{maps: {base_color: a.png}, weight: 0}]",
         "steps[0].with.others[0].weight: is 0; it should be number above 0"),
        ("guide: {tarlet: a.png}", "steps[0].with.guide.tarlet: unknown parameter; did you mean 'target'?"),
        ("guide: 5", "steps[0].with.guide: is 5; it should be mapping or null"),
        ("turn: 90", 'steps[0].with.turn: is 90; it should be "no" or "mirror" or "quarter" or "all"'),
        ("variation: .nan", "steps[0].with.variation: is NaN; it should be number from 0 to 1"),
        ("mix: here.png", "steps[0].with: 'mix' says where `others` go, and there are none; add some, or leave it out"),
    ],
)  # fmt: skip
def test_mistakes_in_nested_parameters_are_in_our_words(
    params: str, expected: str, tmp_path: Path, registry: Registry
) -> None:
    text = GOOD.replace("upscale", "multiply").replace("scale: 4", params)
    found = problems(text, tmp_path, registry)
    assert any(expected in problem for problem in found), found
    assert not any("nput" in problem or "valid" in problem for problem in found), found


class Wet(af.Params):
    wetness: af.Fraction = 1.5


def test_a_wrong_default_is_not_blamed_on_the_pipeline() -> None:
    _, found = validate(Wet, marked_yaml.parse("{}", "bad.yaml"), (), "parameter")
    assert [problem.what for problem in found] == ["wetness: the default 1.5 should be number from 0 to 1"]
    assert validate(Wet, marked_yaml.parse("wetness: 1", "bad.yaml"), (), "parameter")[1] == []


def test_patterns_that_ignore_case_make_one_asset_of_all_spellings(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "Maps").mkdir()
    for name in ("Brick_D.PNG", "brick_n.png", "moss_d.Png"):
        (tmp_path / "Maps" / name).touch()
    file = tmp_path / "p.yaml"
    patterns = GOOD.replace("{name}_", "maps/{name}_")
    file.write_text(patterns + "ignore_case: true\n")
    assets = find_assets(load(read_document(file), registry)).assets
    assert [(one.name, dict(one.sources)) for one in assets] == [
        ("brick", {"base_color": "Maps/Brick_D.PNG", "normal": "Maps/brick_n.png"}),
        ("moss", {"base_color": "Maps/moss_d.Png"}),
    ]
    file.write_text(GOOD + "sources: Maps\n")
    assert (
        "'Brick_D.PNG'; rename such files, or write `ignore_case: true`"
        in find_assets(load(read_document(file), registry)).remarks[0]
    )
    (tmp_path / "Maps" / "brick_n.png").unlink()
    with pytest.raises(PipelineError, match=r"'Brick_D\.PNG' differs in case only: write `ignore_case: true`"):
        find_assets(load(read_document(file), registry))


def test_variants_multiply(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD + "variants:\n  seed: [1, 2, 3]\n  upscale.scale: [2, 4]\n")
    pipeline = load(read_document(file), registry)
    seen = [(one.seed, one.steps[0].params.scale, dict(one.values)) for one in pipeline.variants]  # type: ignore[attr-defined]
    assert len(seen) == 6
    assert (3, 2, {"seed": "3", "scale": "2"}) in seen


def test_a_bad_variant_value_is_placed(tmp_path: Path, registry: Registry) -> None:
    found = problems(GOOD + "variants:\n  scale: [2, 70]\n  scall: [1]\n", tmp_path, registry)
    assert any("steps[0].with.scale: is 70; it should be number from 1 to 16 or null" in problem for problem in found)
    assert any(problem.startswith("bad.yaml:10:3: variants.scall:") for problem in found)


def test_definitions_replace_values_of_the_file(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD)
    pipeline = load(
        read_document(file), registry, ["scale=2", "upscale.method=lanczos", "outputs.dir=out/{name}", "seed=7"]
    )
    variant = pipeline.variants[0]
    params = variant.steps[0].params.model_dump()
    assert {"scale": 2, "method": "lanczos", "tileable": "auto"}.items() <= params.items()
    assert variant.seed == 7
    assert pipeline.outputs.root == tmp_path / "out"


def test_a_definition_that_fits_nothing_is_refused(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(GOOD)
    from assetforge.errors import UsageError

    with pytest.raises(UsageError, match="did you mean 'scale'"):
        load(read_document(file), registry, ["scael=2"])
    with pytest.raises(PipelineError, match=r"-D scale=50: steps\[0\]\.with\.scale: is 50"):
        load(read_document(file), registry, ["scale=50"])


def test_schema_accepts_good_pipelines_and_names_every_step(registry: Registry) -> None:
    from assetforge.pipeline.schema import json_schema

    schema = json_schema(registry)
    uses = [step["properties"]["use"]["const"] for step in schema["$defs"]["StepSection"]["oneOf"]]
    assert "upscale" in uses
    assert set(schema["properties"]["inputs"]["propertyNames"]["enum"]) == {*registry.maps, "auto"}
