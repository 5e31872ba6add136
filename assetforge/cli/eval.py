"""assetforge eval."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assetforge.cli.options import check_report, only_option, warn, warn_of_plugins, write_as_asked
from assetforge.cli.output import say
from assetforge.cli.parameters import given_params, parameter_rows
from assetforge.cli.scores import Measured, Summary, aligned, spelled, summaries, tables
from assetforge.errors import FAILED, OK, SourceError, UsageError, blamed_on, did_you_mean, printable_name
from assetforge.evaluations import Evaluation, Score
from assetforge.execute.devices import check_device, resolve_device
from assetforge.params import Params
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins
from assetforge.steps import Context

if TYPE_CHECKING:
    from assetforge.material.material import Material
    from assetforge.plan.candidates import Candidate


@click.command("eval")
@click.argument("name", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("-p", "parameters", metavar="KEY=VALUE", multiple=True, help="Set a parameter of the evaluation.")
@only_option
@click.option("--each", is_flag=True, help="Print the figures of each picture, too.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write it all as JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def command(
    name: str | None,
    folder: Path | None,
    parameters: tuple[str, ...],
    only: tuple[str, ...],
    each: bool,
    json_file: Path | None,
    device: str,
) -> int:
    """Measure what a plugin does on a folder of pictures, or list the evaluations.

    The names of files say which maps they are, as in `assetforge inspect`; a picture whose name says nothing is a color
    by itself. Leaves with 1 where a file cannot be read; the others are measured.
    """
    registry = load_plugins(Path.cwd(), training=True)
    warn_of_plugins(registry)
    if name is None:
        _list(registry)
        return OK
    if name not in registry.evaluations:
        raise UsageError("eval", f"there is no evaluation {name!r}", did_you_mean(name, registry.evaluations))
    evaluation = registry.evaluations[name]
    params = given_params(evaluation.params, parameters)
    check_report("--json", json_file)
    check_device(device)
    candidates = _candidates(folder, only)
    run = _Run(evaluation, params, registry, resolve_device(device))
    measured = [one for candidate in candidates for one in _shown(run.measured(candidate), evaluation, each=each)]
    found = summaries(measured, evaluation.figures)
    if json_file is not None:
        text = json.dumps(_data(run, found, measured), indent=2, ensure_ascii=False)
        write_as_asked(json_file, f"{text}\n")
    warn(run.left_out)
    if run.unreadable:
        say("\n".join(run.unreadable), color="red", err=True)
    if not found and not run.unreadable:
        raise UsageError(str(folder), "holds nothing that could be measured", "name a folder of other pictures")
    for line in tables(found, evaluation.figures):
        say(line)
    return FAILED if run.unreadable else OK


def _list(registry: Registry) -> None:
    for name, evaluation in sorted(registry.evaluations.items()):
        say(f"{name}: {evaluation.summary}")
        for row in parameter_rows(evaluation.params, nested=True):
            say(f"    -p {row.name}={row.default}  {row.kind}: {row.meaning}")
        for figure in evaluation.figures:
            say(f"    {figure.name}: {figure.meaning}")


def _candidates(folder: Path | None, only: tuple[str, ...]) -> list[Candidate]:
    """Return what is to be measured; raise UsageError where that is nothing."""
    from assetforge.plan.candidates import of_pictures

    if folder is None:
        raise UsageError("eval", "needs a folder of pictures", "write assetforge eval NAME FOLDER")
    if not folder.is_dir():
        raise UsageError(str(folder), "is not a folder", "name the folder that holds the pictures")
    found = list(of_pictures(folder))
    if not found:
        raise UsageError(str(folder), "holds no pictures", "name the folder that holds the pictures")
    chosen = [one for one in found if not only or any(fnmatchcase(one.name, glob) for glob in only)]
    if not chosen:
        first = ", ".join(one.name for one in found[:8])
        raise UsageError("--only", f"{folder} holds no such material", f"the first ones are: {first}")
    return chosen


class _Run:
    """Measures materials, one after the other, and remembers what could not be measured."""

    def __init__(self, evaluation: Evaluation[Any], params: Params, registry: Registry, device: str) -> None:
        self.evaluation, self.params, self.registry, self.device = evaluation, params, registry, device
        self.left_out: list[str] = []
        self.unreadable: list[str] = []

    def measured(self, candidate: Candidate) -> list[Measured]:
        """Measure one material; note its files that cannot be read, and do without them."""
        import torch

        if candidate.problem is not None:
            self.unreadable.append(str(candidate.problem))
            return []
        material = self._read(candidate)
        context = Context(
            seed=0,
            device=self.device,
            progress=lambda _: None,
            weights={},
            specs=self.registry.maps,
            flag=lambda flag: self.left_out.append(f"{printable_name(candidate.name)}: {flag}"),
        )
        where = f"evaluation {self.evaluation.name!r}"
        with torch.no_grad(), blamed_on(where, f"its function, on {candidate.name!r},"):
            return [Measured(candidate.name, self._checked(one)) for one in self._scores(material, context)]

    def _scores(self, material: Material, context: Context) -> Iterator[Score]:
        yield from self.evaluation.score(material, self.params, context)

    def _checked(self, score: object) -> Score:
        if not isinstance(score, Score):
            raise TypeError(f"it gave a {type(score).__name__}; it must give values of af.Score")
        if unknown := score.figures.keys() - {one.name for one in self.evaluation.figures}:
            raise ValueError(f"it gave {sorted(unknown)}, which it does not declare as an af.Figure")
        return score

    def _read(self, candidate: Candidate) -> Material:
        from assetforge.codecs.decode import decode
        from assetforge.material.material import Material

        maps = {}
        for name, file in candidate.files.items():
            try:
                maps[name] = decode(file.path, file.spec, file.reading).texture
            except SourceError as error:
                self.unreadable.append(str(error.problem))
        return Material(candidate.name, maps)


def _shown(measured: Sequence[Measured], evaluation: Evaluation[Any], *, each: bool) -> Sequence[Measured]:
    """Print the figures of one material if that is wanted, and return them."""
    if each and measured:
        head = [printable_name(measured[0].material), "", *(figure.name for figure in evaluation.figures)]
        rows = [
            [one.score.map, one.score.method, *(spelled(one.score.figures.get(f.name), f) for f in evaluation.figures)]
            for one in measured
        ]
        for line in aligned([head, *rows]):
            say(line)
        say("")
    return measured


def _data(run: _Run, found: Sequence[Summary], measured: Sequence[Measured]) -> dict[str, Any]:
    return {
        "evaluation": run.evaluation.name,
        "parameters": run.params.model_dump(mode="json"),
        "device": run.device,
        "means": [
            {
                "map": one.map,
                "method": one.method,
                "count": one.count,
                "figures": _finite(one.means),
                "greatest": {
                    name: {**_finite({"value": value}), "material": material}
                    for name, (value, material) in one.greatest.items()
                },
            }
            for one in found
        ],
        "each": [
            {
                "material": one.material,
                "map": one.score.map,
                "method": one.score.method,
                "figures": _finite(one.score.figures),
            }
            for one in measured
        ],
        "left_out": run.left_out,
        "unreadable": run.unreadable,
    }


def _finite(figures: Any) -> dict[str, float | None]:
    """Return figures as JSON can hold them: what is infinite, such as the PSNR of equal pictures, is null."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
