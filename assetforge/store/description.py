"""What a pipeline is, for processes that load no plugin: its inputs, its steps and the schemas of their parameters.

Whoever opens the pipeline to build it writes this down, in the folder of its state.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assetforge import schema_text
from assetforge.codecs.atomic import file_name, write_atomically
from assetforge.codecs.regular import read_regular
from assetforge.params import is_file
from assetforge.pipeline.patterns import NAME
from assetforge.pipeline.pipeline import Pipeline, StepUse
from assetforge.store.json_text import parse

INCOMING = ".incoming"
"""The folder of the sources that uploads arrive in; it is hidden, so that nothing in it is a source."""
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The key of an upload: a UUID."""
UPLOADED = {
    "PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "PSD": ".psd", "OpenEXR": ".exr",
}  # fmt: skip
"""The kinds of pictures that uploads may be, each with the ending that its file gets."""
_MOST_BYTES = 2**24


@dataclass(frozen=True)
class Description:
    """A pipeline as others see it."""

    id: str
    name: str
    folder: str
    """Where names of files start from."""
    sources: str
    outputs: str
    fields: tuple[str, ...]
    """The placeholders of its patterns, which an upload gives values."""
    ignore_case: bool
    inputs: tuple[dict[str, Any], ...]
    """Each with `map`, `meaning`, `kind`, `pattern`, and whether it is `optional`."""
    specs: dict[str, dict[str, Any]]
    """The vocabulary of maps."""
    steps: tuple[dict[str, Any], ...]
    """Each with `use`, `title`, `summary`, the `schema` of its parameters and their `values`."""
    suffixes: tuple[str, ...] = ()
    """What the names of an asset's jobs have after its own, one for each variant; empty where there are none."""

    def jobs_of(self, asset: str) -> list[str]:
        """Return the jobs that are meant by the name of an asset, or of one job."""
        return [asset + one for one in self.suffixes if not asset.endswith(self.suffixes)] or [asset]


def describe(pipeline: Pipeline) -> Description:
    """Return the description of a pipeline."""
    patterns = [one.pattern for one in pipeline.inputs.values()]
    return Description(
        id=pipeline.id,
        name=pipeline.name,
        folder=str(pipeline.folder),
        sources=str(pipeline.sources),
        outputs=str(pipeline.outputs.root),
        fields=(NAME,) if pipeline.conventions else tuple(patterns[0].fields),
        ignore_case=pipeline.ignore_case,
        inputs=tuple(
            {
                "map": name,
                "meaning": one.spec.meaning,
                "kind": one.spec.kind,
                "pattern": one.pattern.text,
                "optional": one.pattern.optional,
            }
            for name, one in pipeline.inputs.items()
        ),
        specs={name: asdict(spec) for name, spec in pipeline.specs.items()},
        steps=tuple(_step(use) for use in pipeline.variants[0].steps),
        suffixes=tuple(filter(None, (one.suffix for one in pipeline.variants))),
    )


def _step(use: StepUse) -> dict[str, Any]:
    schema = schema_text.json_schema(use.step.params)
    files = [name for name, field in use.step.params.model_fields.items() if is_file(field)]
    for name in files:
        schema.get("properties", {}).pop(name, None)  # files are chosen where the pipeline is
    values = use.params.model_dump(mode="json", exclude=set(files))
    title = use.step.params.model_config.get("title") or schema_text.label(use.step.name)
    return {"use": use.step.name, "title": title, "summary": use.step.summary, "schema": schema, "values": values}


def write_description(pipeline: Pipeline) -> None:
    """Write down what a pipeline is."""
    path, content = description_path(pipeline.state, pipeline.id), json.dumps(asdict(describe(pipeline))).encode()
    write_atomically(path, content)


def read_description(state: Path, pipeline: str) -> Description | None:
    """Return what the pipeline of an id is, or None where nobody has said so yet."""
    try:
        return parse(Description, read_regular(description_path(state, pipeline), _MOST_BYTES))
    except (OSError, ValueError):
        return None


def description_path(state: Path, pipeline: str) -> Path:
    """Return where it is written, in the folder of the state."""
    return state / f"pipeline-{file_name(pipeline)}.json"
