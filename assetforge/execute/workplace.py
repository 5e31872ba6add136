"""Where stages are done. What needs no pixels is done without torch, which takes seconds to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.reading import Green
from assetforge.errors import StepError
from assetforge.events import Event
from assetforge.execute.publish import Move, journal_in, publish
from assetforge.execute.stages import Compute, Done, Read, Stage, Write
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MapSpec
from assetforge.steps import Precision
from assetforge.store.results import Store
from assetforge.store.state import Published, stat_of


@dataclass(frozen=True)
class Workplace:
    """A process that does stages, and whom it tells."""

    name: str
    """Tells it from the other places of the same run."""
    run: Path
    """The run's folder."""
    pipeline: str
    """What the state knows the pipeline by."""
    outputs: Path
    """The root that all outputs lie below."""
    store: Store
    specs: Mapping[str, MapSpec]
    green: Green
    precision: Precision
    limits: Limits
    device: str
    hooks: Hooks
    emit: Callable[[Event], None]
    undisturbed: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Inside it, the process is not ended by its host's end."""
    alone: bool = False
    """Whether this process only reads and writes files, so that its memory may be limited by what a file needs."""


def perform(stage: Stage, workplace: Workplace) -> Done:
    """Do one stage.

    Raises SourceError where a source cannot be read, StepError where a step fails or breaks its contract, OutputError
    where an output cannot be written, and DamagedError where the store's content is not what was put there.
    """
    if isinstance(stage, Write) and not stage.encode:
        return _publish(stage, workplace)

    from assetforge.execute import work

    with allowing(workplace.limits):
        match stage:
            case Read():
                return work.read(stage, workplace)
            case Compute():
                return work.compute(stage, workplace)
            case Write():
                work.encode_outputs(stage, workplace)
                return _publish(stage, workplace)


def _publish(stage: Write, workplace: Workplace) -> Done:
    """Publish all outputs of a job together."""
    moves = []
    for output in stage.publish:
        entry = workplace.store.find(output.key, output.format.suffix)
        if entry is None:
            raise StepError(stage.asset, "its results have gone from the store", "run again")
        moves.append(Move(entry, output.path))
    with workplace.undisturbed:
        journal = journal_in(workplace.run, workplace.pipeline, workplace.name)
        publish(moves, journal, workplace.outputs)
    return Done(
        published=tuple(
            Published(output.name, output.key, move.entry.sha256, stat_of(str(output.path)))
            for output, move in zip(stage.publish, moves, strict=True)
        )
    )
