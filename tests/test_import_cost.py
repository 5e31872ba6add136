"""What does not compute does not load torch, whatever plugins are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Forge
from naming import procedural, write_set

HEAVY_INSIDE = """\
from __future__ import annotations
{outside}
import assetforge as af

@af.step("{name}", af.Params, reads={{"base_color"}}, writes={{"base_color"}})
def {name}(material, params, context):
    import torch
    return material.replace(base_color=material["base_color"].with_data(torch.sqrt(material["base_color"].data)))

@af.hookimpl
def register_steps(register):
    register({name})
"""


def install_plugins(site: Path) -> dict[str, str]:
    """Install four distributions with an entry point each: three import torch in a step, one when it is loaded."""
    for name in ("one", "two", "three", "four"):
        (site / f"torchy_{name}.py").write_text(
            HEAVY_INSIDE.format(name=name, outside="import torch" if name == "four" else "")
        )
        info = site / f"torchy_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torchy-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[assetforge]\n{name} = torchy_{name}\n")
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def modules_after(environment: dict[str, str], cwd: Path, *arguments: str) -> set[str]:
    code = (
        "import sys\nfrom assetforge.cli.group import run\n"
        f"code = run({list(arguments)!r})\nprint('\\n'.join(['', '--modules--', *sys.modules]))\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.partition("--modules--")[2].split())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install_plugins(tmp_path_factory.mktemp("site"))


def test_doing_nothing_does_not_import_torch(project: Path, forge: Forge, environment: dict[str, str]) -> None:
    done = forge("run", "pipeline.yaml", environment={"PYTHONPATH": environment["PYTHONPATH"]})
    assert done.returncode == 0
    assert "(torchy_four): cannot be loaded: HeavyImportError: imports torch" in done.stderr  # and it stops nothing
    assert "torch" not in modules_after(environment, project, "run", "pipeline.yaml")


def test_files_that_say_what_they_are_cost_no_imports(tmp_path: Path, forge: Forge) -> None:
    """Measuring where green points is left to `assetforge inspect`, which needs no torch either."""
    write_set(tmp_path / "textures", "unreal", "rock", procedural(1))
    (tmp_path / "pipeline.yaml").write_text("version: 1\ninputs: {auto: 'textures/**'}\n")
    environment = dict(os.environ)
    assert forge("run", "pipeline.yaml").returncode == 0
    for command in ("plan", "run"):
        assert not {"torch", "numpy"} & modules_after(environment, tmp_path, command, "pipeline.yaml"), command
    assert "torch" not in modules_after(environment, tmp_path, "inspect", "textures")


def test_help_that_lists_commands_of_plugins_does_not_import_torch(tmp_path: Path, environment: dict[str, str]) -> None:
    assert not {"torch", "numpy"} & modules_after(environment, tmp_path, "--help")


MODELS = {"annotated_types", "click", "pluggy", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
YAML = {"cython_runtime", "yaml"}
LOCKS = {"filelock"}
MAY_IMPORT: dict[tuple[str, ...], set[str]] = {
    ("--help",): {"click"},
    ("run", "--help"): MODELS | YAML,
    ("watch", "--help"): MODELS | YAML | LOCKS | {"numpy", "watchdog"},
    ("retry", "--help"): MODELS | YAML | LOCKS,
    ("serve", "--help"): MODELS | YAML,
    ("steps",): MODELS,
    ("schema",): MODELS | YAML,
    ("plugins",): MODELS,
    ("weights",): MODELS,
    ("check", "pipeline.yaml"): MODELS | YAML,
    ("plan", "pipeline.yaml"): MODELS | YAML,
    ("why", "pipeline.yaml", "brick"): MODELS | YAML,
    ("store", "--help"): MODELS | YAML,
    ("eval",): MODELS | YAML,
    ("status", "pipeline.yaml"): MODELS | YAML | LOCKS,
}
"""Packages of others that each command needs. A run with nothing to do needs none (`test_snapshot.py`)."""
UNPLANNED = {"assetforge.execute.session", "assetforge.recipes", "assetforge.evaluations", "difflib"}
"""What running, training, measuring and mistakes need, and no plan."""
MUST_NOT: dict[tuple[str, ...], set[str]] = {
    ("--help",): {"assetforge.errors", "assetforge.params", "assetforge.plugins", "importlib.metadata"},
    ("check", "pipeline.yaml"): {"assetforge.build", "assetforge.events", "sqlite3", *UNPLANNED},
    ("plan", "pipeline.yaml"): UNPLANNED,
}
"""Modules of our own, and of Python, that some command does without though others need them."""


@pytest.mark.parametrize("arguments", MAY_IMPORT, ids=" ".join)
def test_a_command_imports_what_it_uses(arguments: tuple[str, ...], project: Path, environment: dict[str, str]) -> None:
    """And no torch, whatever plugins there are; `plugins` fails where one is broken."""
    with_plugins = arguments not in (("--help",), ("plugins",))
    modules = modules_after(environment if with_plugins else dict(os.environ), project, *arguments)
    others = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    others = {name for name in others if not name.startswith(("assetforge", "torchy_", "coverage", "_"))}
    assert not others - MAY_IMPORT[arguments]
    assert not modules & MUST_NOT.get(arguments, set())
