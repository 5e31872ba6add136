"""Which maps an asset's files hold: what a page can show of a job, sources and outputs alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assetforge.codecs.reading import PLAIN, Reading
from assetforge.errors import AssetForgeError
from assetforge.material.map_spec import MapSpec
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Job, Output, sources_of

Digest = Callable[[str], str]
"""Gives the sha256 of a file of the project by its name; raises AssetForgeError where it cannot be read."""


@dataclass(frozen=True)
class Picture:
    """One map in one file."""

    file: str
    """Its name, relative to the pipeline's folder, with `/`."""
    path: Path
    sha256: str
    spec: MapSpec
    reading: Reading = PLAIN


def source_pictures(pipeline: Pipeline, job: Job) -> tuple[Picture, ...]:
    """Return the maps that a job reads from files, in the order of the pipeline's inputs."""
    order = list(pipeline.inputs)
    sources = sorted(sources_of(job), key=lambda one: order.index(one.input.spec.name))
    return tuple(
        Picture(_name(one.path, pipeline.folder), one.path, one.sha256, one.input.spec, one.input.reading)
        for one in sources
    )


def output_pictures(pipeline: Pipeline, job: Job, digest: Digest) -> tuple[Picture, ...]:
    """Return the maps that a job has written and that are there, in the order of the vocabulary.

    The channels of a packed file are one picture each, where a whole map is in them.
    """
    order = list(pipeline.specs)
    found = [one for output in job.outputs for one in _written(pipeline, output, digest)]
    return tuple(sorted(found, key=lambda one: order.index(one.spec.name)))


def _written(pipeline: Pipeline, output: Output, digest: Digest) -> Iterator[Picture]:
    if output.format is None:
        return
    try:
        sha256 = digest(output.name)
    except AssetForgeError:
        return
    for spec, reading in _held(pipeline, output):
        yield Picture(output.name, output.path, sha256, spec, reading)


def _held(pipeline: Pipeline, output: Output) -> Iterable[tuple[MapSpec, Reading]]:
    """Yield what a file holds, and how each is read from it."""
    if output.packing is None:
        for name in output.maps:
            spec = pipeline.specs[name]
            green = pipeline.outputs.green if spec.kind == "vector" else "up"
            yield spec, Reading(green, layer=name if len(output.maps) > 1 else None)
        return
    for letter, part in output.packing.parts:
        packed = pipeline.specs.get(part.map) if part.map in output.maps and part.channel is None else None
        if packed is not None and packed.channels == (3 if letter == "rgb" else 1):
            yield packed, Reading(part.green, letter, invert=part.invert)


def _name(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")
