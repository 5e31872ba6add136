"""Plugins add commands; one that is broken breaks no other command, and none of AssetForge's own is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Done, shared

SITE = Path(__file__).parents[1] / "third_party"
PLUGIN = """\
import assetforge as af

@af.hookimpl
def register_commands(register):
    register({command})
"""


def path_with(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}


def run(folder: Path, *arguments: str, site: Path = SITE) -> Done:
    return shared().run(folder, *arguments, environment=path_with(site))


def install(site: Path, command: str, **modules: str) -> Path:
    info = site / "studio-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: studio\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[assetforge]\nstudio = studio_plugin\n")
    (site / "studio_plugin.py").write_text(PLUGIN.format(command=command))
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source)
    return site


def test_a_command_of_a_plugin_is_listed_and_called(tmp_path: Path) -> None:
    assert "forecast  Tell how wet a height would be." in run(tmp_path, "--help").out
    assert "Usage: assetforge forecast" in run(tmp_path, "forecast", "--help").out
    done = run(tmp_path, "forecast", "0")
    assert (done.code, done.out) == (0, "wetness 1.00\n")
    assert run(tmp_path, "forecast", "0.9").code == 4
    failed = run(tmp_path, "forecast", "--", "-1")
    assert (failed.code, failed.err) == (1, "height: is -1.0; write a number from 0\n")
    assert "did you mean 'forecast'?" in run(tmp_path, "forcast").err


def test_listing_imports_no_command(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom assetforge.cli.group import run\nrun(['--help'])\n"
        "print({'torch', 'assetforge_thirdparty._forecast'} & sys.modules.keys())"
    )
    env = {**os.environ, **path_with(SITE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "forecast  Tell how wet a height would be." in done.stdout
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('af.Command("run", "Mine.", "a:b")', "there is a command 'run' of AssetForge itself; rename it"),
        ('af.Command("forecast", "", "a:b")', "its summary must be one line"),
        ('af.Command("Tell It", "Tell.", "a:b")', "not a name; write lowercase words such as 'pack-atlas'"),
        ('af.Command("tell", "Tell.", "a")', "its target 'a' is not `package.module:attribute`"),
        ("print", "registers a builtin_function_or_method; register an `af.Command(…)`"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_broken_one_is_named_and_breaks_nothing(command: str, expected: str, tmp_path: Path) -> None:
    install(tmp_path, command)
    assert run(tmp_path, "--help", site=tmp_path).code == 0
    listed = run(tmp_path, "plugins", site=tmp_path)
    assert expected in listed.err
    assert listed.code == 3
    assert "Build what is out of date" in run(tmp_path, "run", "--help", site=tmp_path).out


@pytest.mark.parametrize(
    ("module", "expected"),
    [("x = 1 / 0", "ZeroDivisionError"), ("", "has no attribute 'tell'"), ("tell = len", "@click.command()")],
)
def test_a_command_that_cannot_be_loaded_is_named(module: str, expected: str, tmp_path: Path) -> None:
    install(tmp_path, 'af.Command("tell", "Tell.", "studio_tell:tell")', studio_tell=module)
    assert "tell  " in run(tmp_path, "--help", site=tmp_path).out
    done = run(tmp_path, "tell", site=tmp_path)
    assert done.code == 3
    assert "command 'tell': loading it from studio_tell:tell failed" in done.err
    assert expected in done.err


def test_a_project_adds_no_command(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(PLUGIN.format(command='af.Command("mine", "Mine.", "mine:mine")'))
    assert run(tmp_path, "mine").code == 2
