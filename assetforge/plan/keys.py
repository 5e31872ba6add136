"""Content keys: the same key, the same result. Known without running anything.

A key is 256 bits of BLAKE2 over everything that a result may depend on, and over nothing else: no path, no time, no
name of an asset, no device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import assetforge
from assetforge import weights
from assetforge.codecs.formats import Format
from assetforge.codecs.packing import Packing
from assetforge.codecs.reading import Green
from assetforge.material.map_spec import MapSpec
from assetforge.params import Params, Place, file_places, is_file, with_files
from assetforge.pipeline.marked_yaml import spell
from assetforge.pipeline.pipeline import Input, Pipeline, StepUse, Variant
from assetforge.pipeline.presets import Preset
from assetforge.plan.jobs import Kind, Reason
from assetforge.plugins import code_digest

Digest = Callable[[Path], str]
"""Gives the sha256 of a file's content."""


class MapKey(Protocol):
    """What has a key."""

    @property
    def key(self) -> str:
        """256 bits, hexadecimal."""


PIXEL_PACKAGES = ("codecs", "material", "ops", "weights")
"""The packages of the host whose code makes pixels."""
WITHOUT_PIXELS = frozenset(
    {
        "codecs/allowance.py", "codecs/atomic.py", "codecs/completeness.py", "codecs/regular.py",
        "codecs/transparency.py", "codecs/verify.py", "weights/adding.py", "weights/foreign.py",
    }
)  # fmt: skip
"""Their files that only refuse, look for, or put in place: to reword an error there makes no result anew."""
_ROOT = Path(assetforge.__file__).parent
_ABSENT = "nothing"


def key(**ingredients: Any) -> str:
    """Return the key of JSON-like ingredients: 64 hexadecimal digits."""
    text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


@cache
def host_code_digest() -> str:
    """Digest the host's own code that makes pixels."""
    return code_digest(pixel_code(), _ROOT)


def pixel_code() -> list[Path]:
    """Return the files of the host whose code makes pixels."""
    files = sorted(file for package in PIXEL_PACKAGES for file in (_ROOT / package).rglob("*.py"))
    return [file for file in files if file.relative_to(_ROOT).as_posix() not in WITHOUT_PIXELS]


class StepFacts(NamedTuple):
    """What of a step goes into its key, apart from its inputs; also kept to explain a rebuild."""

    use: str
    version: int
    params: Mapping[str, Any]
    files: Mapping[str, str]
    """The sha256 of each file that the parameters name, by its place in them."""
    weights: Mapping[str, str]
    plugin: str
    plugin_version: str
    plugin_code: str

    @property
    def data(self) -> dict[str, Any]:
        """The facts as JSON-like data."""
        return {**self._asdict(), "params": dict(self.params), "files": dict(self.files), "weights": dict(self.weights)}


def step_facts(use: StepUse, weight_files: Mapping[str, Path], digest: Digest) -> StepFacts:
    """Gather the facts of one step. Files count by their places and their content, not by their names."""
    files = {place: digest(path) for place, path in named_files(use.params).items()}
    return StepFacts(
        use.step.name,
        use.step.version,
        _without_names(use.params),
        files,
        {name: digest(path) for name, path in sorted(weight_files.items())},
        use.plugin.name,
        use.plugin.version,
        use.plugin.code,
    )


def named_files(params: Params) -> dict[str, Path]:
    """Return every file that parameters name, by its place in them as people read it."""
    return {_spell(place): path for place, path in file_places(params).items()}


def _without_names(params: Params) -> dict[str, Any]:
    """Return all of the parameters but the names of files: where files stand, and what stands beside them."""
    fields = type(params).model_fields.items()
    alone = {name for name, field in fields if is_file(field) and isinstance(getattr(params, name), Path)}
    return with_files(params, lambda _: Path()).model_dump(mode="json", exclude=alone)


def _spell(place: Place) -> str:
    """Spell a place as people read it, and so that no two are spelled alike."""
    plain = all(isinstance(part, int) or part.isidentifier() for part in place)
    return spell(place) if plain else json.dumps(place)


def weight_files(use: StepUse) -> dict[str, Path]:
    """Find the weights that a step's parameters need; raise PluginError where a file is missing."""
    return {name: weights.find(name, use.plugin.folder) for name in use.step.weights_of(use.params)}


def variant_digest(pipeline: Pipeline, variant: Variant, steps: Sequence[StepFacts]) -> str:
    """Digest all that the jobs of a variant have in common, wherever it shows: in pixels or in names."""
    outputs = pipeline.outputs
    return key(
        steps=[facts.data for facts in steps],
        seed=variant.seed,
        values=dict(variant.values),
        inputs={name: [repr(one.spec), vars(one.reading)] for name, one in _inputs(pipeline)},
        outputs=[outputs.dir, outputs.name, outputs.default.name, outputs.green, outputs.maps and sorted(outputs.maps)],
        formats={name: chosen.name for name, chosen in outputs.formats.items()},
        presets=[preset_digest(preset) for preset in outputs.presets],
        maps=sorted(map(repr, pipeline.specs.values())),
        wrappers=dict(pipeline.wrappers),
        coders=dict(pipeline.coders),
        host=host_code_digest(),
    )


def preset_digest(preset: Preset) -> str:
    """Digest what a preset says, and the code that describes its files."""
    return key(preset=repr(preset), code=export_code_digest() if preset.descriptor else "")


@cache
def export_code_digest() -> str:
    """Digest the code that describes exported files."""
    return code_digest(sorted((_ROOT / "export").rglob("*.py")), _ROOT)


def _inputs(pipeline: Pipeline) -> list[tuple[str, Input]]:
    return sorted(pipeline.inputs.items())


def signature(variant: str, fields: Mapping[str, str], sources: Iterable[str], digests: Iterable[str]) -> str:
    """Digest all that a job depends on. It costs little, so that most jobs are known to be up to date by it alone.

    variant: the digest of its variant. sources: the maps that have a file, with the sha256 of each in `digests`.
    """
    parts = [variant, *(part for item in fields.items() for part in item), *sources, *digests]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=32).hexdigest()


def source_key(sha256: str, one: Input, coders: Mapping[str, str]) -> str:
    """Return the key of a decoded source map; `coders` are the plugins that may have read it."""
    spec = [one.spec.name, one.spec.kind, one.spec.channels]
    return key(source=sha256, map=spec, reading=vars(one.reading), coders=dict(coders), host=host_code_digest())


def task_key(
    facts: StepFacts, pipeline: Pipeline, seed: int, reads: Mapping[str, str], writes: Mapping[str, MapSpec]
) -> str:
    """Return the key of one step on the maps that it reads, given by their keys."""
    specs = {name: repr(pipeline.specs[name]) for name in reads.keys() | writes.keys()}
    wrappers, host = dict(pipeline.wrappers), host_code_digest()
    return key(step=facts.data, seed=seed, reads=dict(reads), maps=specs, wrappers=wrappers, host=host)


def written_key(task: str, name: str) -> str:
    """Return the key of one map that a task writes."""
    return key(task=task, map=name)


def packed_key(
    maps: Mapping[str, MapKey],
    followed: Mapping[str, MapKey],
    output_format: Format,
    packing: Packing,
    specs: Mapping[str, MapSpec],
    checks: Sequence[str],
) -> str:
    """Return the key of a file that maps are packed into; `specs` are those of all its maps, there or not."""
    ingredients = {
        "packed": {name: origin.key for name, origin in maps.items()},
        "depths": {name: source.key for name, source in followed.items()} if output_format.depth is None else {},
        "format": output_format.name,
        "packing": _spelled(packing),
        "specs": {name: _spelled(spec) for name, spec in specs.items()},
    }
    return key(**ingredients, checks=list(checks), host=host_code_digest())


@cache
def _spelled(value: Packing | MapSpec) -> str:
    return repr(value)


def described_key(maps: Mapping[str, MapKey], facts: Sequence[str], checks: Sequence[str]) -> str:
    """Return the key of a text: what it is made of, and the maps that decide what it says."""
    decisive = {name: origin.key for name, origin in maps.items()}
    return key(described=list(facts), maps=decisive, checks=list(checks), host=host_code_digest())


def output_key(
    maps: Mapping[str, str],
    depths: Mapping[str, str],
    checks: Sequence[str],
    output_format: Format,
    green: Green,
    coders: Mapping[str, str],
) -> str:
    """Return the key of an output file: keys of its maps and checks, and the sources that its depth may follow.

    coders: the plugins that may write it, where none of AssetForge's own codecs does.
    """
    made = {"maps": dict(maps), "depths": dict(depths), "checks": list(checks)}
    writers = dict(coders) if output_format.codec is not None else {}
    return key(**made, format=output_format.name, green=green, coders=writers, host=host_code_digest())


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield the reasons for which a job with the facts `after` is not the one that was built with `before`."""
    yield from _input_reasons(before["sources"], after["sources"])
    yield from _changed("reading changed", *_in_both(before["readings"], after["readings"]))
    yield from _steps(before["steps"], after["steps"])
    if before["seed"] != after["seed"]:
        yield Reason("seed changed", "", str(before["seed"]), str(after["seed"]))
    if before.get("maps") != after["maps"]:  # older facts have none
        yield Reason("maps changed", "", _list(before.get("maps")), _list(after["maps"]))
    yield from _changed("format changed", *_in_both(before["formats"], after["formats"]))
    yield from _other("preset changed", before.get("presets", {}), after["presets"])  # older facts have none
    yield from _other("plugin code changed", before["wrappers"], after["wrappers"])
    if before.get("host") != after["host"]:  # older facts call it otherwise
        yield Reason("assetforge changed", "code")


def _input_reasons(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Reason]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Reason("input added", name)
        elif name not in after:
            yield Reason("input removed", name)
        elif before[name] != after[name]:
            yield Reason("input changed", name)


def _changed(kind: Kind, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Reason(kind, name, _shown(before, name), _shown(after, name))


def _other(kind: Kind, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Reason]:
    """Yield what has another digest, which nobody needs to read."""
    names = sorted(before.keys() | after.keys())
    yield from (Reason(kind, name) for name in names if before.get(name) != after.get(name))


def _in_both(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Leave out maps that came or went: that is a reason by itself."""
    names = before.keys() & after.keys()
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def _list(maps: list[str] | None) -> str:
    return "all" if maps is None else ", ".join(maps)


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return _ABSENT
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)  # as YAML has it


def _steps(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[Reason]:
    uses = [step["use"] for step in before], [step["use"] for step in after]
    if uses[0] != uses[1]:
        yield Reason("steps changed", "", ", ".join(uses[0]) or _ABSENT, ", ".join(uses[1]) or _ABSENT)
        return
    seen: dict[Reason, None] = {}
    for old, new in zip(before, after, strict=True):
        seen.update(dict.fromkeys(_step(old, new)))
    yield from seen


def _step(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Reason]:
    yield from _changed("params changed", old["params"], new["params"])
    for kind, field in (("file changed", "files"), ("weights changed", "weights")):
        for name in sorted(old[field].keys() | new[field].keys()):
            if old[field].get(name) != new[field].get(name):
                yield Reason("file changed" if kind == "file changed" else "weights changed", name)
    if old["version"] != new["version"]:
        yield Reason("step version changed", new["use"], str(old["version"]), str(new["version"]))
    if (old["plugin"], old["plugin_version"]) != (new["plugin"], new["plugin_version"]):
        yield Reason("plugin changed", new["plugin"], old["plugin_version"], new["plugin_version"])
    elif old["plugin_code"] != new["plugin_code"]:
        yield Reason("plugin code changed", new["plugin"])
