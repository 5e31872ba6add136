"""Values that replace those of the file: `-D key=value`, and the combinations of `variants`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from assetforge.errors import UsageError, did_you_mean
from assetforge.pipeline.document import PipelineSection
from assetforge.pipeline.marked_yaml import Document, Path
from assetforge.plugins import Registry

SECTIONS = tuple(PipelineSection.model_fields)


def override(document: Document, definitions: Sequence[str], registry: Registry) -> Document:
    """Apply `key=value` definitions as though they stood in the file; raise UsageError where a key fits nothing."""
    for definition in definitions:
        key, equals, text = definition.partition("=")
        if not equals:
            raise UsageError(f"-D {definition}", "has no '='", "write -D scale=4")
        paths = targets(document, key, registry)
        if not paths:
            known = {*parameters(document, registry), *_document_keys()}
            raise UsageError(f"-D {definition}", f"{key!r} is nothing in this pipeline", did_you_mean(key, known))
        for path in paths:
            document = document.with_value(path, _value(text, definition), f"-D {definition}")
    return document


def _value(text: str, definition: str) -> Any:
    try:
        value = yaml.safe_load(text) if text else text
    except yaml.YAMLError as error:
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


def _document_keys() -> list[str]:
    return ["sources", "seed", "precision", "store", "name", "outputs.dir", "outputs.name", "outputs.format"]


def _section(document: Document, name: str) -> Any:
    return document.data.get(name) if isinstance(document.data, dict) else None


def _uses(document: Document) -> list[tuple[int, str]]:
    steps = _section(document, "steps")
    entries = enumerate(steps) if isinstance(steps, list) else ()
    return [(index, str(entry["use"])) for index, entry in entries if isinstance(entry, dict) and "use" in entry]
