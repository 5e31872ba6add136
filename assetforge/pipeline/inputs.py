"""Resolve the section `inputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assetforge.codecs.reading import Reading
from assetforge.errors import count_of, did_you_mean
from assetforge.material.map_spec import ALIASES, MapSpec
from assetforge.pipeline.document import InputSection
from assetforge.pipeline.findings import Findings
from assetforge.pipeline.patterns import Pattern, compile_pattern
from assetforge.pipeline.pipeline import Input
from assetforge.pipeline.validate import validate


def resolve_inputs(findings: Findings) -> dict[str, Input]:
    """Resolve every input that is right, even where something else in the file is not."""
    resolved = {}
    ignore_case = findings.document.data.get("ignore_case") is True
    for name in findings.mapping("inputs"):
        section = validate(InputSection, findings.document, ("inputs", name), "field")[0]
        spec = _map(findings, name)
        pattern = _pattern(findings, name, section.files, ignore_case=ignore_case) if section else None
        if section and spec and pattern:
            _check_reading(findings, section, spec, name)
            reading = Reading(section.green, section.channel, section.layer, section.wrap, section.profile)
            resolved[name] = Input(spec, pattern, reading)
    _check_fields(findings, resolved)
    packed = {one.pattern.text for one in resolved.values() if one.reading.channel == "a"}
    return {name: _without_packed_alpha(one, packed) for name, one in resolved.items()}


def _without_packed_alpha(one: Input, packed: set[str]) -> Input:
    """Let a color or normal map leave a file's alpha to the map that is packed there; `packed`: patterns of such."""
    if one.pattern.text in packed and one.reading.channel is None and one.spec.channels > 1:
        return replace(one, reading=replace(one.reading, channel="rgb"))
    return one


def _map(findings: Findings, name: str) -> MapSpec | None:
    known = findings.registry.maps
    if name not in known:
        findings.add(("inputs", name), "unknown map", did_you_mean(name, known, ALIASES), key=True)
    return known.get(name)


def _pattern(findings: Findings, name: str, text: str, *, ignore_case: bool) -> Pattern | None:
    try:
        return compile_pattern(text, ignore_case=ignore_case)
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        findings.add(("inputs", name), f"the pattern {text!r} {what}", instead)
        return None


def _check_reading(findings: Findings, section: InputSection, spec: MapSpec, name: str) -> None:
    if section.channel is not None and (spec.channels > 1) != (section.channel == "rgb"):
        findings.add(("inputs", name, "channel"), f"{name} has {count_of(spec.channels, 'channel')}", "leave it out")
    if section.green == "down" and spec.kind != "vector":
        findings.add(("inputs", name, "green"), f"{name} is not a normal map", "leave `green` out")


def _check_fields(findings: Findings, inputs: Mapping[str, Input]) -> None:
    """Files are grouped by the placeholders, so that all patterns need the same ones."""
    first = next(iter(inputs.items()), None)
    for name, one in inputs.items():
        if first and set(one.pattern.fields) != set(first[1].pattern.fields):
            shown = ", ".join(f"{{{field}}}" for field in first[1].pattern.fields)
            findings.add(("inputs", name), f"has other placeholders than {first[0]}", f"use {shown}")
    if inputs and all(one.pattern.optional for one in inputs.values()):
        findings.add(("inputs",), "every map is optional", "leave out one '?', so that something names the assets")
