"""The JSON schema of pipeline files, with the steps and maps of the plugins that are there."""

from __future__ import annotations

from typing import Any

from assetforge import schema_text
from assetforge.pipeline.document import PipelineSection
from assetforge.pipeline.findings import AUTO
from assetforge.plugins import Registry


def json_schema(registry: Registry) -> dict[str, Any]:
    """Return a JSON schema (draft 2020-12) of a pipeline file."""
    schema = schema_text.json_schema(PipelineSection)
    definitions = schema.setdefault("$defs", {})
    definitions["StepSection"] = {"oneOf": [_step(name, registry, definitions) for name in sorted(registry.steps)]}
    definitions["OutputsSection"]["properties"]["maps"]["anyOf"][0]["items"] = {"enum": sorted(registry.maps)}
    schema["properties"]["inputs"]["propertyNames"] = {"enum": [AUTO, *sorted(registry.maps)]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "AssetForge pipeline"}


def _step(name: str, registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    step = registry.steps[name]
    params = schema_text.json_schema(step.params, ref_template=f"#/$defs/{name}.{{model}}")
    definitions |= {f"{name}.{model}": schema for model, schema in params.pop("$defs", {}).items()}
    required = ["use", "with"] if params.get("required") else ["use"]
    properties = {"use": {"const": name, "description": step.summary}, "with": params}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
