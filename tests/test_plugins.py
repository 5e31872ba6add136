"""Plugins are found, and one that is broken harms no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetforge.plugins import load

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
        (STEP.format(step="not ok", hook="register_steps"), "not an identifier"),
        (
            STEP.format(step="upscale", hook="register_steps"),
            "step 'upscale' is already registered by plugin 'upscale'",
        ),
        (
            STEP.format(step="s", hook="register_steps").replace("register(run)", "register(len)"),
            "decorate the function",
        ),
        (STEP.format(step="s", hook="register_steps").replace("register:", "registre:"), "registre"),
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


def test_two_plugins_with_one_step_name_are_refused(tmp_path: Path) -> None:
    twin = STEP.format(step="twin", hook="register_steps")
    registry = load(loose(tmp_path, a=twin, b=twin))
    assert registry.providers["twin"] == "a"
    assert "step 'twin' is already registered by plugin 'a'" in str(registry.broken[0])


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
    assert len(hooks) == 4
    assert all(hook.__doc__ and len(hook.__doc__) > 40 for hook in hooks)
