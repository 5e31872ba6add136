"""Which maps an output file holds, and how each is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MapSpec
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Output, SourceMap


def held_maps(pipeline: Pipeline, output: Output) -> Iterator[tuple[MapSpec, Reading]]:
    """Yield the maps of an output, each with how it is read; of a packed file, those that are whole in channels."""
    if output.format is None:
        return
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


def source_facts(source: SourceMap) -> dict[str, Any]:
    """Return what a source holds, as JSON-like data."""
    return {"map": source.input.spec.name, "reading": asdict(source.input.reading)}


def output_facts(pipeline: Pipeline, output: Output) -> list[dict[str, Any]]:
    """Return what an output holds, as JSON-like data."""
    return [{"map": spec.name, "reading": asdict(reading)} for spec, reading in held_maps(pipeline, output)]
