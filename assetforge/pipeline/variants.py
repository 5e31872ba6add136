"""Resolve the sections `steps` and `variants`: the steps of every combination of values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assetforge.codecs.regular import is_file
from assetforge.errors import did_you_mean
from assetforge.material.map_spec import MapSpec
from assetforge.params import Params, file_places, with_files
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.document import ResourcesSection
from assetforge.pipeline.findings import Findings
from assetforge.pipeline.overrides import parameters, targets
from assetforge.pipeline.pipeline import StepUse, Variant
from assetforge.pipeline.validate import validate
from assetforge.steps import Resources

MOST_VARIANTS = 10_000


def resolve_variants(findings: Findings) -> tuple[Variant, ...]:
    """Resolve the steps for every combination of the variants' values."""
    choices = _choices(findings)
    combinations = list(itertools.islice(itertools.product(*choices.values()), MOST_VARIANTS + 1))
    if len(combinations) > MOST_VARIANTS:
        findings.add(("variants",), f"make more than {MOST_VARIANTS} combinations", "write fewer")
        return ()
    return tuple(_variant(findings, dict(zip(choices, values, strict=True))) for values in combinations)


def _choices(findings: Findings) -> dict[str, list[Any]]:
    usable = {}
    for name, values in findings.mapping("variants").items():
        path: marked_yaml.Path = ("variants", name)
        known = ["seed", *parameters(findings.document, findings.registry)]
        if name not in known:
            findings.add(path, "is not `seed` nor a parameter of a step", did_you_mean(name, known), key=True)
        elif not isinstance(values, list) or not values:
            findings.add(path, f"is {values!r}", "write a list of values, such as [1, 2, 3]")
        else:
            usable[name] = values
    return usable


def _variant(findings: Findings, values: Mapping[str, Any]) -> Variant:
    document = findings.document
    for key, value in values.items():
        mark = document.place(("variants", key))
        for path in targets(document, key, findings.registry):
            document = document.with_value(path, value, mark)
    here = replace(findings, document=document)  # shares the list of problems
    steps = _steps(here)
    findings.broken_plugin |= here.broken_plugin
    seed = document.data.get("seed", 0)
    shown = {key.rpartition(".")[2]: str(value) for key, value in values.items()}
    return Variant(shown, seed if isinstance(seed, int) else 0, steps)


def _steps(findings: Findings) -> tuple[StepUse, ...]:
    found = findings.document.data.get("steps")
    uses = []
    available = {name: findings.registry.maps[name] for name in findings.known_inputs()}
    for index, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, dict) and "use" in entry:
            use = _step(findings, index, str(entry["use"]))
            available = _flow(findings, use, available, index) if use else available
            uses += [use] if use else []
    return tuple(uses)


def _step(findings: Findings, index: int, name: str) -> StepUse | None:
    at: marked_yaml.Path = ("steps", index)
    step = findings.registry.steps.get(name)
    if step is None:
        broken = findings.registry.broken  # one of which may offer it
        findings.broken_plugin = bool(broken)
        findings.extend(broken)
        repair = "repair the plugin that is broken, if the step is its own; " if broken else ""
        hint = did_you_mean(name, findings.registry.steps, otherwise="`assetforge steps` lists all that there are")
        findings.add((*at, "use"), f"unknown step {name!r}", repair + hint)
        return None
    if name in findings.registry.disputed:
        findings.broken_plugin = True
        findings.extend([findings.registry.disputed[name]])
        findings.add((*at, "use"), f"two plugins have a step {name!r}")
    params = _params(findings, step.params, at)
    resources = _resources(findings, step.resources, at)
    if params is None:
        return None
    plugin = findings.registry.plugin_of(name)
    return StepUse(step, params, plugin, findings.document.place((*at, "use")), resources)


def _params(findings: Findings, model: type[Params], at: marked_yaml.Path) -> Params | None:
    document = findings.document
    if "with" not in document.data["steps"][at[1]]:
        document = document.with_value((*at, "with"), {}, document.values[at])
    params, problems = validate(model, document, (*at, "with"), "parameter")
    findings.extend(problems)
    return _resolve_files(findings, params, (*at, "with")) if params is not None else None


def _resolve_files(findings: Findings, params: Params, at: marked_yaml.Path) -> Params:
    """Find the files that parameters name beside the pipeline."""
    for place, path in file_places(params).items():
        findings.check_inside((*at, *place), findings.folder / path)
        if not is_file(findings.folder / path):
            findings.add((*at, *place), f"there is no file {str(path)!r}", f"paths start from {findings.folder}")
    return with_files(params, lambda path: findings.folder / path)


def _resources(findings: Findings, own: Resources, at: marked_yaml.Path) -> Resources:
    """Put what the pipeline says of a step's resources over what the step itself says."""
    if "resources" not in findings.document.data["steps"][at[1]]:
        return own
    section = validate(ResourcesSection, findings.document, (*at, "resources"), "field")[0]
    said = section.model_dump(exclude_none=True) if section else {}
    return replace(own, **said)


def _flow(findings: Findings, use: StepUse, available: Mapping[str, MapSpec], index: int) -> dict[str, MapSpec]:
    """Check that a step's maps are there, and return those that there are after it."""
    at: marked_yaml.Path = ("steps", index, "use")
    known = findings.registry.maps
    whose = f"{use.step.name} ({use.plugin.origin})"
    missing = use.step.reads_with(use.params, available) - available.keys()
    for name in sorted(missing - known.keys()):
        findings.add(at, f"{whose} reads the unknown map {name!r}", did_you_mean(name, known))
    if missing := missing & known.keys():
        names, given = ", ".join(sorted(missing)), ", ".join(available)
        findings.add(at, f"{use.step.name} reads {names!r}", f"the inputs and the steps before give: {given}")
    writes = use.step.writes_with(use.params, available)
    for name in sorted(writes - known.keys()):
        hint = f"its plugin must register it; {did_you_mean(name, known)}"
        findings.add(at, f"{whose} writes the unknown map {name!r}", hint)
    return {**available, **{name: known[name] for name in writes if name in known}}
