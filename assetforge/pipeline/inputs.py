"""Resolve the section `inputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from assetforge.codecs.reading import Reading
from assetforge.errors import count_of, did_you_mean
from assetforge.material.map_spec import ALIASES, MapSpec
from assetforge.pipeline.conventions import UNUSED, parse_target
from assetforge.pipeline.document import AutoSection, InputSection
from assetforge.pipeline.findings import AUTO, Findings
from assetforge.pipeline.patterns import Pattern, compile_auto, compile_pattern
from assetforge.pipeline.pipeline import Input
from assetforge.pipeline.validate import validate

if TYPE_CHECKING:
    from assetforge.pipeline.recognize import Conventions


def resolve_inputs(findings: Findings, conventions: Conventions | None = None) -> dict[str, Input]:
    """Resolve every input that is right, even where something else in the file is not."""
    if conventions is not None:
        return _automatic(findings, conventions)
    resolved = {}
    ignore_case = _ignores_case(findings)
    for name in (name for name in findings.mapping("inputs") if name != AUTO):
        section = validate(InputSection, findings.document, ("inputs", name), "field")[0]
        spec = _map(findings, name)
        pattern = _pattern(findings, name, section.files, ignore_case=ignore_case) if section else None
        if section and spec and pattern:
            _check_reading(findings, section, spec, name)
            resolved[name] = Input(spec, pattern, _reading(section))
    _check_fields(findings, resolved)
    packed = {one.pattern.text for one in resolved.values() if one.reading.channel == "a"}
    return {name: _without_packed_alpha(one, packed) for name, one in resolved.items()}


def _ignores_case(findings: Findings) -> bool:
    return findings.document.data.get("ignore_case") is True


def resolve_conventions(findings: Findings) -> Conventions | None:
    """Resolve by what files say what they are, if the pipeline leaves it to them; the findings know the maps then."""
    inputs = findings.mapping("inputs")
    if AUTO not in inputs:
        return None
    section = validate(AutoSection, findings.document, ("inputs", AUTO), "field")[0]
    if len(inputs) > 1:
        other = next(name for name in inputs if name != AUTO)
        instead = "remove one, or give `auto` the words of that map: `words: {MAP: [...]}`"
        findings.add(("inputs", other), "cannot stand beside `auto`, which finds all maps", instead, key=True)
    if section is None:
        return None
    from assetforge.pipeline.recognize import extended

    own = extended(section.words, section.packed)
    _check_words(findings, section)
    by_asset = section.green if isinstance(section.green, dict) else {}
    fallback = None if isinstance(section.green, dict) else section.green
    own = replace(own, green=fallback, green_of=tuple(by_asset.items()))
    findings.automatic = own.maps
    return own


def _check_words(findings: Findings, section: AutoSection) -> None:
    places: dict[tuple[str, ...], str] = {("words", text): text for text in section.words}
    places |= {("packed", word, one): text for word, parts in section.packed.items() for one, text in parts.items()}
    for place, text in places.items():
        target, known = parse_target(text), findings.registry.maps
        path, is_key = ("inputs", AUTO, *place), place[0] == "words"
        if target.map != UNUSED and target.map not in known:
            hint = did_you_mean(target.map, [*known, UNUSED], ALIASES)
            findings.add(path, f"{text!r} stands for no map", hint, key=is_key)
        elif target.invert and known[target.map].kind != "data":
            findings.add(path, f"{target.map} cannot be turned around", "only data maps can", key=is_key)


def _automatic(findings: Findings, conventions: Conventions) -> dict[str, Input]:
    """Give each map that names may tell the one pattern of all files."""
    section = validate(AutoSection, findings.document, ("inputs", AUTO), "field")[0]
    if section is None:
        return {}
    try:
        pattern = compile_auto(section.files, ignore_case=_ignores_case(findings))
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        findings.add(("inputs", AUTO), f"the pattern {section.files!r} {what}", instead)
        return {}
    known, reading = findings.registry.maps, Reading(wrap=section.wrap)
    return {name: Input(known[name], pattern, reading) for name in conventions.maps if name in known}


def _without_packed_alpha(one: Input, packed: set[str]) -> Input:
    """Let a color or normal map leave a file's alpha to the map that is packed there; `packed`: patterns of such."""
    if one.pattern.text in packed and one.reading.channel is None and one.spec.channels > 1:
        return one._replace(reading=replace(one.reading, channel="rgb"))
    return one


def _reading(one: InputSection) -> Reading:
    return Reading(one.green, one.channel, one.layer, one.wrap, one.profile, one.invert)


def _map(findings: Findings, name: str) -> MapSpec | None:
    known = findings.registry.maps
    if name not in known:
        findings.add(("inputs", name), "unknown map", did_you_mean(name, [*known, AUTO], ALIASES), key=True)
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
    if section.invert and spec.kind != "data":
        findings.add(("inputs", name, "invert"), f"{name} is no data map", "leave `invert` out")
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
