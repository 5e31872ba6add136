"""Resolve the section `outputs`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from assetforge.codecs.formats import FORMATS, WITH_EFFORT, WITH_QUALITY, Format
from assetforge.codecs.formats import parse as parse_format
from assetforge.codecs.packages import not_written
from assetforge.errors import did_you_mean
from assetforge.material.map_spec import ALIASES
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.document import OutputsSection
from assetforge.pipeline.findings import AUTO, Findings
from assetforge.pipeline.patterns import template_fields
from assetforge.pipeline.pipeline import Input, Outputs, Variant
from assetforge.pipeline.presets import resolve_presets
from assetforge.pipeline.validate import validate


def resolve_outputs(findings: Findings, inputs: Mapping[str, Input], variants: Sequence[Variant]) -> Outputs | None:
    """Resolve where results go; None where too much is wrong to tell."""
    section = _section(findings)
    if section is None:
        return None
    default, formats = _formats(findings, section)
    presets = tuple(
        preset._replace(files=tuple(file._replace(format=_tuned(file.format, section)) for file in preset.files))
        for preset in resolve_presets(findings, section)
    )
    given = _given(findings, variants)
    _check_maps(findings, section.maps or (), given if _all_is_given(findings, variants) else None)
    if not inputs:  # then nothing is known of the placeholders
        return None
    fields = {field for one in inputs.values() for field in one.pattern.fields}
    fields |= {key.rpartition(".")[2] for key in findings.mapping("variants")}
    fields |= {"preset"} if section.preset is not None else set()
    _check_template(findings, ("outputs", "dir"), section.dir, fields)
    _check_template(findings, ("outputs", "name"), section.name, fields | {"map"})
    root = _root(findings.folder, section.dir)
    if any(part == ".." for part in _variable_part(section.dir) + section.name.split("/")):
        findings.add(("outputs",), "leaves the output root with '..'", f"stay inside {root}")
    maps = None if section.maps is None else frozenset(section.maps)
    outputs = Outputs(root, section.dir, section.name, default, formats, section.green, maps, presets)
    if presets and all(preset.files for preset in presets):
        return outputs
    written = set(filter(outputs.writes, given))
    if "{map}" not in section.name and len(written) > 1:
        _check_layers(findings, {outputs.format_of(name) for name in written})
    for name in sorted(written & findings.registry.maps.keys()):
        _check_suited(findings, name, outputs.format_of(name))
    return outputs


def _check_suited(findings: Findings, name: str, output_format: Format) -> None:
    """Refuse a format that cannot hold a map, whatever its pixels."""
    what, _, instead = not_written(findings.registry.maps[name], output_format).partition("; ")
    if what:
        written = findings.mapping("outputs").get("format")
        path: marked_yaml.Path = ("outputs", "format")
        findings.add((*path, name) if isinstance(written, dict) and name in written else path, what, instead)


def _section(findings: Findings) -> OutputsSection | None:
    if "outputs" not in findings.document.data:
        return OutputsSection()
    return validate(OutputsSection, findings.document, ("outputs",), "field")[0]


def _formats(findings: Findings, section: OutputsSection) -> tuple[Format, dict[str, Format]]:
    words = section.format
    by_map = {"default": words} if isinstance(words, str) else words
    known = findings.registry.maps
    formats = {}
    for name, word in by_map.items():
        path: marked_yaml.Path = ("outputs", "format") if isinstance(words, str) else ("outputs", "format", name)
        if name != "default" and name not in known:
            findings.add(path, "unknown map", did_you_mean(name, ["default", *known], ALIASES), key=True)
        codec = findings.registry.codecs.get(word)
        if word in FORMATS:
            formats[name] = parse_format(word)
        elif codec is not None and codec.write is not None:
            formats[name] = Format("plugin", codec=codec)
        else:
            findings.add(path, f"unknown format {word!r}", did_you_mean(word, [*FORMATS, *findings.registry.codecs]))
    formats.setdefault("default", parse_format("png"))
    tuned = {name: _tuned(found, section) for name, found in formats.items()}
    for option in ("quality", "effort"):
        if getattr(section, option) is not None and all(getattr(one, option) is None for one in tuned.values()):
            names = ", ".join(sorted({one.suffix[1:] for one in tuned.values()}))
            findings.add(("outputs", option), f"none of the formats has it ({names})", "leave it out")
    return tuned.pop("default"), tuned


def _tuned(found: Format, section: OutputsSection) -> Format:
    """Give a format the options of the section that it has."""
    quality = section.quality if found.container in WITH_QUALITY else None
    return replace(found, quality=quality, effort=section.effort if found.container in WITH_EFFORT else None)


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


def _check_layers(findings: Findings, used: set[Format]) -> None:
    if len(used) > 1 or not next(iter(used)).holds_layers:
        instead = "add {map} to the name, or write `format: exr`, which holds all maps as layers"
        findings.add(("outputs", "name"), "every map of an asset would be the same file", instead)


def _check_maps(findings: Findings, names: Sequence[str], given: set[str] | None) -> None:
    """Check the names of the maps to write; whether anything gives them is not known where steps are wrong."""
    known = findings.registry.maps
    for index, name in enumerate(names):
        path: marked_yaml.Path = ("outputs", "maps", index)
        if name not in known:
            findings.add(path, f"unknown map {name!r}", did_you_mean(name, given or known, ALIASES))
        elif given is not None and name not in given:
            instead = f"the inputs and the steps give: {', '.join(sorted(given))}"
            findings.add(path, f"no input and no step gives {name!r}", instead)


def _given(findings: Findings, variants: Sequence[Variant]) -> set[str]:
    """Name the maps that there are after the last step, in any variant, as far as steps are right."""
    names = set(findings.known_inputs())
    for entry in findings.entries("steps"):
        step = findings.registry.steps.get(str(entry.get("use")))
        names |= step.writes if step and isinstance(step.writes, frozenset) else set()
    for use in (use for variant in variants for use in variant.steps):
        names |= use.step.writes_with(use.params, {})  # a rule stands for maps that are there already
    return names


def _all_is_given(findings: Findings, variants: Sequence[Variant]) -> bool:
    """Tell whether all inputs and steps could be resolved, so that it is known what they give."""
    steps = findings.document.data.get("steps") or []
    whole = bool(variants) and all(len(variant.steps) == len(steps) for variant in variants)
    return whole and findings.mapping("inputs").keys() <= {*findings.known_inputs(), AUTO}


def _root(folder: Path, template: str) -> Path:
    """Return the part of the outputs' folder that stands before the first placeholder."""
    fixed = itertools.takewhile(lambda part: "{" not in part, Path(template).parts)
    return folder.joinpath(*fixed)


def _variable_part(template: str) -> list[str]:
    return list(itertools.dropwhile(lambda part: "{" not in part, Path(template).parts))
