"""assetforge train."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from assetforge.cli.options import warn_of_plugins
from assetforge.cli.output import say
from assetforge.cli.parameters import given_params, parameter_rows
from assetforge.cli.signals import stopped_by_signals
from assetforge.codecs.atomic import temporary
from assetforge.errors import UsageError, blamed_on, did_you_mean
from assetforge.execute.devices import check_device, resolve_device
from assetforge.params import Params
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins
from assetforge.recipes import Recipe, Training


@click.command("train")
@click.argument("name", required=False)
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of training data.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the results; train/NAME.")
@click.option("-p", "parameters", metavar="KEY=VALUE", multiple=True, help="Set a parameter of the recipe.")
@click.option("--steps", type=click.IntRange(1), help="Fewer or more optimizer steps than the recipe's.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after this time; run again to go on.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Another seed gives another network.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def command(  # noqa: PLR0913  an option each
    name: str | None,
    data: Path | None,
    out: Path | None,
    parameters: tuple[str, ...],
    steps: int | None,
    minutes: float | None,
    seed: int,
    device: str,
) -> None:
    """Train a network by a plugin's recipe, or list the recipes.

    Writes its weights, a checkpoint and a report into a folder. Training that was cut off goes on where it was: call it
    again in the same way. Ctrl-C and SIGTERM let it finish the step and save; after a crash, about a minute is lost.
    """
    registry = load_plugins(Path.cwd(), training=True)
    warn_of_plugins(registry)
    if name is None:
        _list(registry)
        return
    recipe = _recipe(name, registry)
    params = given_params(recipe.params, parameters)
    if data is None:
        raise UsageError("--data", f"recipe {name!r} needs a folder of training data", "write --data DIR")
    check_device(device)
    out = out or Path("train") / name
    _check_folders(data, out)
    there = resolve_device(device)
    with _alone_in(out):
        training = _built(recipe, params, data, seed, steps)
        identity = {
            "the recipe": name,
            "--data": str(data.resolve()),
            "--seed": seed,
            "--steps": training.steps,
            **{f"-p {key}": value for key, value in params.model_dump(mode="json").items()},
        }
        _train(training, out, there, seed, (minutes or math.inf) * 60, identity)


def _check_folders(data: Path, out: Path) -> None:
    """Raise an error where results cannot be written, or would be learned from, before hours are spent on them."""
    if out.resolve().is_relative_to(data.resolve()):
        what = f"{out} lies in the training data, where the pictures of its report would be learned from"
        raise UsageError("--out", what, "name a folder elsewhere")
    with temporary(out / "checkpoint.pt") as file:
        file.touch()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Be the only one that trains into a folder inside the block; raise UsageError where another does."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        what = f"other training writes into {folder} just now"
        raise UsageError("--out", what, "name another folder, or wait until that one has ended") from None
    try:
        yield
    finally:
        lock.release()


def _list(registry: Registry) -> None:
    for name, recipe in sorted(registry.recipes.items()):
        say(f"{name}: {recipe.summary}")
        for row in parameter_rows(recipe.params, nested=True):
            say(f"    -p {row.name}={row.default}  {row.kind}: {row.meaning}")


def _recipe(name: str, registry: Registry) -> Recipe[Any]:
    if name not in registry.recipes:
        raise UsageError("train", f"there is no recipe {name!r}", did_you_mean(name, registry.recipes))
    return registry.recipes[name]


def _built(recipe: Recipe[Any], params: Params, data: Path, seed: int, steps: int | None) -> Training:
    import torch

    torch.manual_seed(seed)
    with blamed_on(f"recipe {recipe.name!r}", "its function"):
        training = recipe.build(params, data, seed)
        if not isinstance(training, Training):
            raise TypeError(f"it returned a {type(training).__name__}; it must return an af.Training")
    return replace(training, steps=steps or training.steps)


def _train(training: Training, out: Path, device: str, seed: int, seconds: float, identity: Mapping[str, Any]) -> None:
    from assetforge.train.trainer import train

    is_stopped, until = threading.Event(), time.monotonic() + seconds

    def ended() -> bool:
        return is_stopped.is_set() or time.monotonic() >= until

    with stopped_by_signals(is_stopped.set) as came:
        finished = train(training, out, device=device, seed=seed, identity=identity, ended=ended, tell=say)
    say(f"{out / training.name}.safetensors, {out / 'report' / 'index.html'}")
    if came and not finished:
        raise KeyboardInterrupt
    if not finished:
        say("the time is up before all steps are done; run again to go on")
