"""assetforge new."""

from __future__ import annotations

from keyword import iskeyword
from pathlib import Path

import click

from assetforge.cli.output import say
from assetforge.codecs.atomic import write_atomically
from assetforge.errors import UsageError
from assetforge.plugins import load as load_plugins

PLUGIN = '''"""What the step {name} is for."""
from __future__ import annotations
import assetforge as af


class Params(af.Params):
    strength: af.Fraction = 1.0
    """0 leaves the base color alone, 1 inverts it."""


@af.step("{name}", Params, reads={{"base_color"}}, writes={{"base_color"}})
def {name}(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Invert the base color."""
    base = material["base_color"]
    inverted = 1 - base.data  # float32, (3, H, W), linear Rec.709
    return material.replace(base_color=base.with_data(base.data.lerp(inverted, params.strength)))


@af.hookimpl
def register_steps(register: af.Register) -> None:
    register({name})
'''

PIPELINE = """version: 1
sources: textures                      # beside this file
inputs:                                # files that share {name} are one asset; a trailing ? makes a map optional
  base_color: "{name}_d.png"
  normal: "{name}_n.png?"
steps:                                 # `assetforge steps` lists them
  - use: upscale
    with: {scale: 2}
outputs:
  dir: "build/{name}"
"""


_TAKEN = ("Params", "af", "annotations", "register", "register_steps")
"""Names that the plugin itself has another use for."""


@click.group("new")
def command() -> None:
    """Write the beginnings of a plugin or a pipeline."""


@command.command("plugin")
@click.argument("name")
def new_plugin(name: str) -> None:
    """Write plugins/NAME.py, a working step, into the current folder."""
    if not name.isidentifier() or name.startswith("_") or iskeyword(name) or name in _TAKEN:
        raise UsageError("new plugin", f"{name!r} is not a name for a step", "write a word such as bake_occlusion")
    registry = load_plugins(Path.cwd())
    if name in registry.steps or name in registry.plugins:
        owner = registry.providers.get(name, name)
        raise UsageError("new plugin", f"{name!r} is there already, in plugin {owner!r}", "choose another name")
    _write(Path("plugins") / f"{name}.py", PLUGIN.format(name=name))
    say(f"use it in a pipeline of this folder with `use: {name}`")


@command.command("pipeline")
@click.argument("file", default="pipeline.yaml", type=click.Path(path_type=Path))
def new_pipeline(file: Path) -> None:
    """Write FILE, a pipeline to begin with."""
    _write(file, PIPELINE)
    say(f"edit it, then: assetforge check {file}")


def _write(path: Path, text: str) -> None:
    if path.exists():
        raise UsageError(str(path), "is already there", "choose another name")
    write_atomically(path, text.encode())
    say(f"wrote {path}")
