"""assetforge weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assetforge import weights
from assetforge.cli.options import warn_of_plugins
from assetforge.cli.output import say
from assetforge.errors import PluginError
from assetforge.plugins import load as load_plugins

if TYPE_CHECKING:
    from assetforge.weights.vgg19 import Input

INPUTS = ("torchvision", "caffe-rgb", "caffe-bgr")


@click.group("weights", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> int | None:
    """List the weights of networks, or add some.

    Sees those of the installed plugins, of the `plugins` folder of the current folder, and those that you have added:
    they lie in $ASSETFORGE_WEIGHTS, or else in a folder of your own.
    """
    return _list() if context.invoked_subcommand is None else None


@command.command("list")
def list_weights() -> int:
    """List the weights: whose, where, of how many layers, and under which license."""
    return _list()


@command.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--input", "told", type=click.Choice(INPUTS), help="What the first layer takes, where it is guessed wrong."
)
@click.option(
    "--license", "terms", default="", metavar="TEXT", help="The license that you have confirmed; it goes to the card."
)
def add(name: str, file: Path, told: Input | None, terms: str) -> None:
    """Add weights that are not shipped, such as vgg19: all of its layers, or the first ones.

    FILE is an .npz, .pth or .safetensors file with torchvision's names or those of the paper.
    """
    from assetforge.weights.adding import add as add_weights

    existed = (weights.user_folder() / f"{name}{weights.SUFFIX}").is_file()
    path = add_weights(name, file, told, terms)
    say(f"{'replaced' if existed else 'added'} {_describe(name, 'user', path)}")
    if not terms:
        say(f"its license is for you to confirm: {weights.card(path)}")


def _list() -> int:
    code = 0
    for name, owner, path in _all():
        try:
            say(_describe(name, owner, path))
        except PluginError as error:
            say(str(error), color="red", err=True)
            code = error.exit_code
    if not weights.names_in(weights.user_folder()):
        say(f"none of your own in {weights.user_folder()}; add some: assetforge weights add vgg19 FILE")
    return code


def _all() -> Iterator[tuple[str, str, Path]]:
    """Give the name, owner and file of all weights: the plugins' first."""
    registry = load_plugins(Path.cwd())
    warn_of_plugins(registry)
    for plugin in registry.plugins.values():
        for name in weights.names(plugin.folder):
            yield name, plugin.name, weights.find(name, plugin.folder)
    for name in weights.names_in(weights.SHIPPED):
        yield name, "assetforge", weights.SHIPPED / f"{name}{weights.SUFFIX}"
    for name in weights.names_in(weights.user_folder()):
        yield name, "user", weights.user_folder() / f"{name}{weights.SUFFIX}"


def _describe(name: str, owner: str, path: Path) -> str:
    layers = weights.layers(path)
    extent = f" ({layers[0]} to {layers[-1]})" if layers else ""
    card = weights.license_of(path) or "no card, so nobody knows its license"
    return (
        f"{name} ({owner}): {path}\n  sha256 {weights.sha256(path)}\n  {len(layers)} layers{extent}\n  license: {card}"
    )
