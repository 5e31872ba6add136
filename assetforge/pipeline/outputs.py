"""Resolve the section `outputs`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from assetforge.codecs.formats import FORMATS, Format
from assetforge.codecs.formats import parse as parse_format
from assetforge.errors import did_you_mean
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.document import OutputsSection
from assetforge.pipeline.findings import Findings
from assetforge.pipeline.patterns import template_fields
from assetforge.pipeline.pipeline import Input, Outputs
from assetforge.pipeline.validate import validate


def resolve_outputs(findings: Findings, inputs: Mapping[str, Input]) -> Outputs | None:
    """Resolve where results go; None where too much is wrong to tell."""
    section = _section(findings)
    if section is None:
        return None
    default, formats = _formats(findings, section.format)
    if not inputs:  # then nothing is known of the placeholders
        return None
    fields = {field for one in inputs.values() for field in one.pattern.fields}
    fields |= {key.rpartition(".")[2] for key in findings.mapping("variants")}
    _check_template(findings, ("outputs", "dir"), section.dir, fields)
    _check_template(findings, ("outputs", "name"), section.name, fields | {"map"})
    root = _root(findings.folder, section.dir)
    if any(part == ".." for part in _variable_part(section.dir) + section.name.split("/")):
        findings.add(("outputs",), "leaves the output root with '..'", f"stay inside {root}")
    if "{map}" not in section.name and len(_map_names(findings)) > 1:
        _check_layers(findings, default, formats)
    return Outputs(root, section.dir, section.name, default, formats, section.green)


def _section(findings: Findings) -> OutputsSection | None:
    if "outputs" not in findings.document.data:
        return OutputsSection()
    return validate(OutputsSection, findings.document, ("outputs",), "field")[0]


def _formats(findings: Findings, words: str | dict[str, str]) -> tuple[Format, dict[str, Format]]:
    by_map = {"default": words} if isinstance(words, str) else words
    known = findings.registry.maps
    formats = {}
    for name, word in by_map.items():
        path: marked_yaml.Path = ("outputs", "format") if isinstance(words, str) else ("outputs", "format", name)
        if name != "default" and name not in known:
            findings.add(path, "unknown map", did_you_mean(name, ["default", *known]), key=True)
        if word in FORMATS:
            formats[name] = parse_format(word)
        else:
            findings.add(path, f"unknown format {word!r}", did_you_mean(word, FORMATS))
    return formats.pop("default", parse_format("png")), formats


def _check_template(findings: Findings, path: marked_yaml.Path, text: str, fields: set[str]) -> None:
    try:
        used = template_fields(text)
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        findings.add(path, f"the template {text!r} {what}", instead)
        return
    for name in used:
        if name not in fields:
            findings.add(path, f"unknown placeholder {{{name}}}", did_you_mean(name, fields))


def _check_layers(findings: Findings, default: Format, formats: Mapping[str, Format]) -> None:
    used = {formats.get(name, default) for name in _map_names(findings)}
    if len(used) > 1 or not next(iter(used)).holds_layers:
        instead = "add {map} to the name, or write `format: exr`, which holds all maps as layers"
        findings.add(("outputs", "name"), "every map of an asset would be the same file", instead)


def _map_names(findings: Findings) -> set[str]:
    names = set(findings.known_inputs())
    for entry in findings.entries("steps"):
        step = findings.registry.steps.get(str(entry.get("use")))
        names |= step.writes if step and isinstance(step.writes, frozenset) else set()
    return names


def _root(folder: Path, template: str) -> Path:
    """Return the part of the outputs' folder that stands before the first placeholder."""
    fixed = itertools.takewhile(lambda part: "{" not in part, Path(template).parts)
    return folder.joinpath(*fixed)


def _variable_part(template: str) -> list[str]:
    return list(itertools.dropwhile(lambda part: "{" not in part, Path(template).parts))
