"""Why a job must run, as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "new", "forced", "input changed", "input added", "input removed", "reading changed", "params changed",
    "file changed", "steps changed", "step version changed", "seed changed", "plugin changed",
    "plugin code changed", "weights changed", "format changed", "preset changed", "maps changed", "assetforge changed",
    "output missing", "output changed", "outputs renamed",
]  # fmt: skip

_ABSENT = "nothing"


@dataclass(frozen=True)
class Reason:
    """One cause: what kind, of what, and from what to what where that can be told."""

    kind: Kind
    subject: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        noun, _, verb = self.kind.rpartition(" ")
        change = f"{self.before} → {self.after}" if self.before or self.after else ""
        if self.kind == "params changed":
            return f"params changed: {self.subject} {change}"
        if self.kind == "plugin changed":
            return f"plugin {self.subject} {change}"
        text = f"{noun} {self.subject} {verb}" if self.subject else self.kind
        return f"{text}: {change}" if change else text


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield the reasons for which a job with the facts `after` is not the one that was built with `before`."""
    yield from _inputs(before["sources"], after["sources"])
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


def _inputs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Reason]:
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
