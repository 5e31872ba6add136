"""Values that replace those of the file: of a profile, of `-D key=value`, and of the files beside an asset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from assetforge.errors import PipelineError, Problem, UsageError, did_you_mean, is_text
from assetforge.pipeline.document import PipelineSection
from assetforge.pipeline.marked_yaml import Document, Path, parse_value
from assetforge.plugins import Registry

SECTIONS = tuple(PipelineSection.model_fields)


def set_apart(definitions: Sequence[str]) -> tuple[str, ...]:
    """Return those `key=value` definitions by which other files are read or written than the pipeline says.

    Their outputs are a set of their own: what the pipeline makes without them is not stale because of them.
    """
    sections = ("inputs", "outputs", "sources", "variants")
    return tuple(one for one in definitions if re.split(r"[.=]", one, maxsplit=1)[0] in sections)


def define(document: Document, definitions: Sequence[str], registry: Registry) -> Document:
    """Apply `key=value` definitions as though they stood in the file; raise UsageError where a key fits nothing."""
    for definition in definitions:
        key, equals, text = definition.partition("=")
        if not is_text(definition):
            raise UsageError(f"-D {definition}", "is not UTF-8", "write it in UTF-8")
        if not equals:
            raise UsageError(f"-D {definition}", "has no '='", "write -D scale=4")
        paths = targets(document, key, registry)
        if not paths:
            hint = did_you_mean(key, known_keys(document, registry))
            raise UsageError(f"-D {definition}", f"{key!r} is nothing in this pipeline", hint)
        for path in paths:
            document = document.with_value(path, _value(text, definition), f"-D {definition}")
    return document


def apply_profile(document: Document, name: str, registry: Registry) -> Document:
    """Apply one of the document's profiles, if a name is given; raise PipelineError where any profile has a mistake."""
    found = document.data.get("profiles")
    profiles = (
        {key: value for key, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}
    )
    if name and name not in profiles:
        raise UsageError("--profile", f"there is no profile {name!r}", did_you_mean(name, profiles))
    problems = [
        Problem(
            document.place(("profiles", profile, key), key=True),
            "is nothing in this pipeline",
            did_you_mean(key, known_keys(document, registry)),
        )
        for profile, values in profiles.items()
        for key in values
        if not targets(document, key, registry)
    ]
    if problems:
        raise PipelineError(problems)
    for key, value in profiles.get(name, {}).items():
        for path in targets(document, key, registry):
            document = document.with_value(path, value, document.values["profiles", name, key])
    return document


def override_asset(document: Document, own: Document, registry: Registry) -> Document:
    """Apply the values of an override file: `seed` and parameters, nothing that other assets share."""
    allowed = ["seed", *parameters(document, registry)]
    variants = document.data.get("variants")
    problems = list(own.problems)
    for key, value in own.data.items():
        if key not in allowed:
            where, hint = own.place((key,), key=True), did_you_mean(key, allowed)
            problems.append(Problem(where, "is not `seed` nor a parameter of a step", hint))
            continue
        paths = targets(document, key, registry)
        if any(set(paths) & set(targets(document, str(name), registry)) for name in variants or ()):
            problems.append(Problem(own.place((key,), key=True), "is one of the pipeline's variants", "leave it out"))
        for path in paths:
            document = document.with_value(path, value, own.values[key,])
    if problems:
        raise PipelineError(problems)
    return document


def _value(text: str, definition: str) -> Any:
    try:
        value = parse_value(text) if text else text
    except ValueError as error:
        raise UsageError(f"-D {definition}", "the value is not YAML", "quote it") from error
    return text if _is_template(value) else value


def _is_template(value: Any) -> bool:
    """`{name}` is YAML for a mapping without values, which nobody means."""
    return isinstance(value, dict) and all(inner is None for inner in value.values())


def targets(document: Document, key: str, registry: Registry) -> list[Path]:
    """Return the places that a key means: `seed`, `outputs.dir`, `scale` in every step that has it, `upscale.scale`."""
    head, _, rest = key.partition(".")
    if head in SECTIONS:
        return [tuple(key.split("."))] if not isinstance(_section(document, head), list) else []
    step, parameter = (head, rest) if rest else (None, key)
    return [
        ("steps", index, "with", parameter)
        for index, name in _uses(document)
        if step in (None, name) and name in registry.steps and parameter in registry.steps[name].params.model_fields
    ]


def parameters(document: Document, registry: Registry) -> list[str]:
    """Name all parameters of the steps in use, alone and with their step's name."""
    uses = {name for _, name in _uses(document) if name in registry.steps}
    fields = {(name, field) for name in uses for field in registry.steps[name].params.model_fields}
    return sorted({field for _, field in fields} | {f"{name}.{field}" for name, field in fields})


def known_keys(document: Document, registry: Registry) -> set[str]:
    """Name all that may be set from outside."""
    single = {"sources", "seed", "attempts", "state", "store", "store_mode", "name"}
    return (
        single | {"outputs.dir", "outputs.name", "outputs.format", "outputs.maps"} | set(parameters(document, registry))
    )


def _section(document: Document, name: str) -> Any:
    return document.data.get(name) if isinstance(document.data, dict) else None


def _uses(document: Document) -> list[tuple[int, str]]:
    steps = _section(document, "steps")
    entries = enumerate(steps) if isinstance(steps, list) else ()
    return [(index, str(entry["use"])) for index, entry in entries if isinstance(entry, dict) and "use" in entry]
