"""Plugins are found, and one that is broken harms no other."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from assetforge.errors import PluginError
from assetforge.material.map_spec import MAPS
from assetforge.plugins import load, reload
from assetforge.schema_text import wrong_defaults
from assetforge.steps import select

STEP = """\
from __future__ import annotations
import assetforge as af

@af.step("{step}", af.Params, reads={{"base_color"}}, writes={{"base_color"}})
def run(material: af.Material, params: af.Params, context: af.Context) -> af.Material:
    '''Do nothing.'''
    return material

@af.hookimpl
def {hook}(register: af.Register) -> None:
    register(run)
"""


def loose(folder: Path, **sources: str) -> Path:
    (folder / "plugins").mkdir()
    for name, source in sources.items():
        (folder / "plugins" / f"{name}.py").write_text(source)
    return folder


def test_the_shipped_plugin_is_found() -> None:
    registry = load()
    assert registry.plugin_of("upscale").origin == "assetforge_upscale"
    assert registry.broken == ()


def test_a_loose_file_is_a_plugin(tmp_path: Path) -> None:
    registry = load(loose(tmp_path, quiet=STEP.format(step="quiet", hook="register_steps")))
    assert registry.steps["quiet"].summary == "Do nothing."
    assert registry.plugin_of("quiet").origin == "plugins/quiet.py"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError"),
        ("x = 1 / 0", "line 1: cannot be loaded: ZeroDivisionError"),
        ("def (", "cannot be loaded: SyntaxError"),
        (
            STEP.format(step="s", hook="register_step"),
            "there is no hook 'register_step'; did you mean 'register_steps'?",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("@af.hookimpl\n", ""),
            "its function `register_steps` is no hook; write `@af.hookimpl` above it",
        ),
        (STEP.format(step="not ok", hook="register_steps"), "not an identifier"),
        (
            STEP.format(step="upscale", hook="register_steps"),
            "step 'upscale' is already registered by plugin 'upscale'",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("register(run)", "register(len)"),
            "registers a builtin_function_or_method, which is no step; register a function with `@af.step(…)` above it",
        ),
        (
            re.sub("@af.step.*\n", "", STEP.format(step="s", hook="register_steps")),
            "(plugins/a_broken.py): its function `run` (a_broken.py line 4) is no step; "
            """write `@af.step("run", Params, reads={"base_color"}, writes={"base_color"})` above it""",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("    register(run)", "    return [run]"),
            "its function `register_steps` gives back a list, which nobody takes; call `register(…)`",
        ),
        (
            STEP.format(step="s", hook="register_steps") + "    register(run)\n",
            "registers the step 's' twice; leave one of them out, or rename it",
        ),
        (STEP.format(step="s", hook="register_steps").replace("register:", "registre:"), "registre"),
        ("import sys\nsys.exit(0)", "line 2: cannot be loaded: SystemExit: 0; a plugin must not end the program"),
        ("import os\nos._exit(0)", "line 2: cannot be loaded: EndedError: calls os._exit(0)"),
        (
            STEP.format(step="s", hook="register_steps").replace("    register(run)", "    raise SystemExit(0)"),
            "registration failed: SystemExit: 0 (a_broken.py line 11)",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("af.Params, reads", "dict, reads"),
            "step 's': its parameters must be a class of their own, `class Params(af.Params):`",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("run(material: af.Material, ", "run("),
            "step 's': its function must take three values (material, params, context)",
        ),
        ("import helper_of_nobody", "ModuleNotFoundError: No module named 'helper_of_nobody'"),
    ],
)
def test_a_broken_plugin_is_named_and_stops_no_other(source: str, expected: str, tmp_path: Path) -> None:
    good = STEP.format(step="good", hook="register_steps")
    registry = load(loose(tmp_path, a_broken=source, good=good))
    assert "good" in registry.steps
    assert "upscale" in registry.steps
    [problem] = registry.broken
    assert "plugin 'a_broken' (plugins/a_broken.py)" in str(problem)
    assert expected in str(problem)


DEFAULTS = """\
from __future__ import annotations
import assetforge as af

class Params(af.Params):
    needed: int
    wetness: af.Fraction = 1.5

@af.step("wet", Params, reads={"base_color"}, writes={"base_color"})
def wet(material: af.Material, params: Params, context: af.Context) -> af.Material:
    return material

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(wet)
"""


def test_a_default_that_its_own_type_refuses_breaks_the_plugin(tmp_path: Path) -> None:
    registry = load(loose(tmp_path, wet=DEFAULTS, dry=DEFAULTS.replace("wet", "dry").replace("1.5", "0.5")))
    assert list(map(str, registry.broken)) == [
        "plugin 'wet' (plugins/wet.py): wetness: the default 1.5 should be number from 0 to 1"
    ]
    assert "dry" in registry.steps


@pytest.mark.parametrize(
    ("written", "annotated"),
    [("wetness = 0.5", "wetness: float = 0.5"), ("wetness = Field(0.5, ge=0)", "wetness: float = …")],
)
def test_a_parameter_without_a_type_is_named_with_its_line(written: str, annotated: str, tmp_path: Path) -> None:
    source = DEFAULTS.replace("wetness: af.Fraction = 1.5", written).replace(
        "class", "from pydantic import Field\nclass"
    )
    assert list(map(str, load(loose(tmp_path, wet=source)).broken)) == [
        "plugin 'wet' (plugins/wet.py) line 5: the parameter `wetness` of this class has no type; "
        f"annotate it: `{annotated}`"
    ]


def test_every_default_of_the_shipped_steps_is_right() -> None:
    registry = load(training=True)
    for offered in (registry.steps, registry.recipes, registry.evaluations):
        assert not [name for name, one in offered.items() if wrong_defaults(one.params)]


def test_two_plugins_with_one_step_name_are_refused(tmp_path: Path) -> None:
    twin = STEP.format(step="twin", hook="register_steps")
    registry = load(loose(tmp_path, a=twin, b=twin))
    assert registry.providers["twin"] == "a"
    refused = "plugin 'b' (plugins/b.py): step 'twin' is already registered by plugin 'a' (plugins/a.py); rename one"
    assert str(registry.broken[0]).startswith(refused)
    assert registry.disputed == {"twin": registry.broken[0]}


def test_code_digest_changes_with_the_code(tmp_path: Path) -> None:
    source = STEP.format(step="s", hook="register_steps")
    before = load(loose(tmp_path, s=source)).plugins["s"].code
    assert load(tmp_path).plugins["s"].code == before
    (tmp_path / "plugins" / "s.py").write_text(source + "\n# a change\n")
    assert load(tmp_path).plugins["s"].code != before


def test_a_plugin_may_add_a_word_but_not_change_one(tmp_path: Path) -> None:
    add = """
import assetforge as af

@af.hookimpl
def register_maps(register):
    register(af.MapSpec("{name}", 1, "data", (0.0, 1.0), (0.0,), "How wet it is."))
"""
    registry = load(loose(tmp_path, a=add.format(name="wetness"), b=add.format(name="normal")))
    assert registry.maps["wetness"].meaning == "How wet it is."
    assert "map 'normal' already means something else" in str(registry.broken[0])


def test_every_hook_documents_itself() -> None:
    from assetforge import hookspecs

    hooks = [value for value in vars(hookspecs).values() if hasattr(value, "assetforge_spec")]
    assert len(hooks) == 8
    assert all(hook.__doc__ and len(hook.__doc__) > 40 for hook in hooks)


USES_HELPER = """\
from __future__ import annotations
import assetforge as af
{imports}

@af.step("{step}", af.Params, reads={{"base_color"}}, writes={{"base_color"}})
def run(material: af.Material, params: af.Params, context: af.Context) -> af.Material:
    return {value}

@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(run)
"""


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("import studio_helper", "studio_helper.VALUE"),
        ("from studio_helper import VALUE", "VALUE"),
        ("from . import studio_helper", "studio_helper.VALUE"),
        ("from .studio_helper import VALUE", "VALUE"),
        ("from .studio.deep import VALUE", "VALUE"),
        ("import studio.deep", "studio.deep.VALUE"),
        ("from studio import deep", "deep.VALUE"),
        ("", "__import__('studio_helper').VALUE"),
        ("def later():\n    from .studio_helper import VALUE\n    return VALUE", "later()"),
    ],
)
def test_plugins_of_a_project_share_modules_whose_code_counts(imports: str, value: str, tmp_path: Path) -> None:
    uses = USES_HELPER.format(imports=imports, step="uses", value=value)
    project = loose(tmp_path, uses=uses, alone=STEP.format(step="alone", hook="register_steps"))
    (tmp_path / "plugins" / "studio").mkdir()
    files = [tmp_path / "plugins" / name for name in ("studio_helper.py", "studio/__init__.py", "studio/deep.py")]
    for file in files:
        file.write_text("VALUE = 1")
    before = load(project)
    assert before.broken == ()
    assert before.steps["uses"].run(None, None, None) == 1  # type: ignore[arg-type]
    for file in files:
        file.write_text("VALUE = 2")
    after = load(project)
    assert after.steps["uses"].run(None, None, None) == 2  # type: ignore[arg-type]
    assert after.plugins["uses"].code != before.plugins["uses"].code
    assert after.plugins["alone"].code == before.plugins["alone"].code


def test_a_folder_with_an_init_is_a_plugin(tmp_path: Path) -> None:
    project = loose(tmp_path)
    package = tmp_path / "plugins" / "grime"
    package.mkdir()
    (package / "__init__.py").write_text(USES_HELPER.format(imports="from . import parts", step="grime", value="0"))
    (package / "parts.py").write_text("from ..shared import VALUE")
    (tmp_path / "plugins" / "shared.py").write_text("VALUE = 1")
    before = load(project)
    assert before.plugin_of("grime").folder == package
    assert {file.name for file in before.plugin_of("grime").files} == {"__init__.py", "parts.py", "shared.py"}
    (tmp_path / "plugins" / "shared.py").write_text("VALUE = 2")
    assert load(project).plugins["grime"].code != before.plugins["grime"].code


def test_a_module_imported_in_two_ways_is_one(tmp_path: Path) -> None:
    imports = "import counter\nfrom . import counter as same\ncounter.times.append(1)"
    uses = USES_HELPER.format(imports=imports, step="uses", value="(counter is same, len(same.times))")
    registry = load(loose(tmp_path, uses=uses, counter="times = []"))
    assert registry.broken == ()
    assert registry.steps["uses"].run(None, None, None) == (True, 1)  # type: ignore[arg-type]


def test_a_bare_name_means_what_it_means_everywhere(tmp_path: Path) -> None:
    uses = USES_HELPER.format(imports="import colorsys, yaml", step="uses", value="(colorsys.__file__, yaml.__file__)")
    registry = load(loose(tmp_path, uses=uses, colorsys="", yaml=""))
    files = registry.steps["uses"].run(None, None, None)  # type: ignore[arg-type]
    assert not any(str(file).startswith(str(tmp_path)) for file in files)


def test_modules_that_a_changed_search_path_leads_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "studio_tool_x.py").write_text("VALUE = 1")
    imports = "import sys\nsys.path.append(__file__.rpartition('/plugins/')[0] + '/tools')\nimport studio_tool_x"
    project = loose(tmp_path, uses=USES_HELPER.format(imports=imports, step="uses", value="studio_tool_x.VALUE"))
    before = load(project).plugins["uses"]
    assert tmp_path / "tools" / "studio_tool_x.py" in before.files
    (tmp_path / "tools" / "studio_tool_x.py").write_text("VALUE = 10")  # longer, as Python tells them apart by that
    with reload(load(project)):
        after = load(project)
    assert after.plugins["uses"].code != before.code
    assert after.steps["uses"].run(None, None, None) == 10  # type: ignore[arg-type]


def test_a_helper_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    registry = load(loose(tmp_path, uses="x = 1\nfrom . import _bad", _bad="\n\nx = 1 / 0"))
    assert "plugins/uses.py) _bad.py line 3: cannot be loaded: ZeroDivisionError" in str(registry.broken[0])


def test_two_projects_keep_their_modules_apart(tmp_path: Path) -> None:
    registries = []
    for value in (1, 2):
        (tmp_path / str(value)).mkdir()
        lazily = "def later():\n    from .helper import VALUE\n    return VALUE"
        uses = USES_HELPER.format(imports=lazily, step="uses", value="later()")
        registries.append(load(loose(tmp_path / str(value), uses=uses, helper=f"VALUE = {value}")))
    assert [one.steps["uses"].run(None, None, None) for one in registries] == [1, 2]  # type: ignore[arg-type]


def test_a_slow_plugin_is_told_of(tmp_path: Path) -> None:
    registry = load(loose(tmp_path, slow="import time\ntime.sleep(1.1)"))
    [problem] = registry.slow
    assert "plugin 'slow' (plugins/slow.py): takes 1.1 s to load, in every command" in str(problem)


NAMES = """\
import assetforge as af

@af.step("s", af.Params, reads={"base_color"}, writes={"base_color"}, ROLE)
def run(material, params, context):
    return material

@af.hookimpl
def register_steps(register):
    register(run)
"""


@pytest.mark.parametrize("gives", ["1 / 0", "exit(0)", "5", "[5]", "None", "'every thing'"])
@pytest.mark.parametrize("role", ["weights", "on_demand", "reads"])
def test_a_function_of_a_step_that_gives_no_names_is_blamed(role: str, gives: str, tmp_path: Path) -> None:
    source = NAMES.replace(' reads={"base_color"},', "") if role == "reads" else NAMES
    registry = load(loose(tmp_path, s=source.replace("ROLE", f"{role}=lambda params: {gives}")))
    step = registry.steps["s"]
    asked = {"weights": lambda: step.weights_of(step.params()), "reads": lambda: step.reads_with(step.params(), {})}
    with pytest.raises(PluginError, match=rf"^step 's': its function `{role}` failed: \w+"):
        asked.get(role, lambda: step.writes_with(step.params(), {}))()


def test_photographs_are_no_maps_of_the_material_that_is_made_of_them() -> None:
    there = {name: MAPS[name] for name in ("flash", "guide", "base_color", "normal", "id")}
    assert select("every map", there) == {"base_color", "normal", "id"}
    assert select("every color map", there) == {"base_color"}
    assert select("every photo", there) == {"flash", "guide"}
