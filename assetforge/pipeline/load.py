"""Read a pipeline file and resolve all that it names; report all mistakes in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from assetforge.codecs.allowance import Limits
from assetforge.codecs.regular import read_regular
from assetforge.errors import PipelineError, Problem, UsageError, is_text
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.confinement import Confinement
from assetforge.pipeline.document import PipelineSection
from assetforge.pipeline.findings import Findings
from assetforge.pipeline.inputs import resolve_conventions, resolve_inputs
from assetforge.pipeline.marked_yaml import Document
from assetforge.pipeline.outputs import resolve_outputs
from assetforge.pipeline.overrides import apply_profile, define, override_asset, set_apart
from assetforge.pipeline.pipeline import Outputs, Pipeline, Variant
from assetforge.pipeline.validate import validate
from assetforge.pipeline.variants import resolve_variants
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins

T = TypeVar("T")

_MOST_BYTES = 2**22
"""Of a pipeline, or of a file beside an asset."""


def read_document(file: Path) -> Document:
    """Read a pipeline file; raise PipelineError where there is none, or it is no mapping of YAML."""
    if not is_text(str(file.absolute())):
        raise PipelineError([Problem(str(file.absolute()), "its path is not UTF-8", "rename the file or its folders")])
    return _mapping(file, "begin with `version: 1`")


def plugins_of(document: Document, definitions: Sequence[str], confinement: Confinement | None) -> Registry:
    """Load the plugins that a pipeline needs: those of its project only where that is allowed."""
    words = {word for text in (*document.texts(), *definitions) for word in re.findall(r"\w+", text)}
    return load_plugins(_project(document, confinement), words=words)


def _project(document: Document, confinement: Confinement | None) -> Path | None:
    may_run = confinement is None or "plugins" in confinement.allowed
    return Path(document.file).absolute().parent if may_run else None


def with_plugins(
    registry: Registry, document: Document, confinement: Confinement | None, use: Callable[[Registry], T]
) -> tuple[Registry, T]:
    """Use the plugins that a pipeline needs; where it is wrong, all of them, so that messages tell of what there is."""
    try:
        return registry, use(registry)
    except (PipelineError, UsageError):
        registry = load_plugins(_project(document, confinement))
        return registry, use(registry)


def load_with_plugins(
    file: Path, definitions: Sequence[str] = (), profile: str = "", confinement: Confinement | None = None
) -> tuple[Registry, Pipeline]:
    """Load a pipeline file as `load` does, with the plugins that it needs."""
    document = read_document(file)
    registry = plugins_of(document, definitions, confinement)
    return with_plugins(
        registry, document, confinement, lambda registry: load(document, registry, definitions, profile, confinement)
    )


def load(
    document: Document,
    registry: Registry,
    definitions: Sequence[str] = (),
    profile: str = "",
    confinement: Confinement | None = None,
) -> Pipeline:
    """Load a pipeline with a profile and `key=value` definitions; raise PipelineError with every mistake.

    document: what `read_document` returns of the file.
    confinement: what all that the pipeline names must lie in, and what it may do; None for all that its user may.
    """
    file = Path(document.file)
    document = apply_profile(document, profile, registry)
    document = define(document, definitions, registry)
    findings = Findings(document, registry, file.absolute().parent, list(document.problems), confinement)
    section, problems = validate(PipelineSection, document, (), "field")
    findings.extend(problems)
    conventions = resolve_conventions(findings)
    inputs = resolve_inputs(findings, conventions)
    variants = resolve_variants(findings)
    outputs = resolve_outputs(findings, inputs, variants)
    if section is not None and outputs is not None and confinement is not None:
        _confine(findings, section, outputs, confinement)
    if section is None or outputs is None or findings.problems:
        raise _error(findings)
    folder = findings.folder
    return Pipeline(
        file=file,
        name=section.name or file.stem,
        profile=profile,
        apart=set_apart(definitions),
        sources=folder / section.sources,
        inputs=inputs,
        conventions=conventions,
        ignore_case=section.ignore_case,
        variants=variants,
        outputs=outputs,
        attempts=section.attempts,
        limits=Limits(section.limits.pixels, section.limits.memory),
        state=folder / section.state,
        store=folder / section.store if section.store else None,
        store_mode=section.store_mode,
        watch=section.watch,
        specs=dict(registry.maps),
        wrappers=dict(registry.wrappers),
        coders=dict(registry.coders),
        confinement=confinement,
        document=document,
    )


def _confine(findings: Findings, section: PipelineSection, outputs: Outputs, confinement: Confinement) -> None:
    """Note what a pipeline names, or does, though it may not."""
    findings.check_inside(("sources",), findings.folder / section.sources)
    findings.check_inside(("state",), findings.folder / section.state)
    findings.check_inside(("store",), findings.folder / (section.store or ""))
    findings.check_inside(("outputs", "dir"), outputs.root)
    told = section.watch.on_done
    if (told.run or told.post) and "on_done" not in confinement.allowed:
        findings.add(("watch", "on_done"), "is not allowed by --confine", "remove it, or allow it: --allow on_done")


def special_variants(pipeline: Pipeline, registry: Registry, files: Sequence[Path]) -> tuple[Variant, ...]:
    """Resolve the variants of an asset that has override files; the later ones win. Raise PipelineError as `load`."""
    document = pipeline.document
    for file in files:
        if pipeline.confinement is not None and not pipeline.confinement.holds(file):
            raise PipelineError([Problem(str(file), pipeline.confinement.refusal, "remove the link")])
        document = override_asset(document, _mapping(file, "write `PARAMETER: value`"), registry)
    findings = Findings(document, registry, pipeline.folder, confinement=pipeline.confinement)
    findings.automatic = pipeline.conventions.maps if pipeline.conventions else ()
    variants = resolve_variants(findings)
    if findings.problems:
        raise _error(findings)
    return variants


def _mapping(file: Path, instead: str) -> Document:
    document = marked_yaml.parse(_text(file), str(file))
    if not isinstance(document.data, dict):
        raise PipelineError([Problem(document.place(()), "is not a mapping", instead)])
    return document


def _text(file: Path) -> str:
    try:
        return read_regular(file, _MOST_BYTES).decode("utf-8")
    except FileNotFoundError as error:
        raise PipelineError(
            [Problem(str(file), "there is no such file", "`assetforge new pipeline` writes one")]
        ) from error
    except UnicodeDecodeError as error:
        raise PipelineError(
            [Problem(str(file), "is not UTF-8 text", "save it as UTF-8, or name a file of YAML")]
        ) from error
    except OSError as error:
        if file.is_dir():
            raise PipelineError([Problem(str(file), "is a folder", "name the pipeline file in it")]) from error
        raise PipelineError([Problem(str(file), f"cannot be read: {error}")]) from error


def _error(findings: Findings) -> PipelineError:
    def position(problem: Problem) -> tuple[int, ...]:
        numbers = problem.where.split(": ")[0].split(":")[-2:]
        return tuple(int(number) for number in numbers if number.isdigit())

    return PipelineError(sorted(findings.problems, key=position), broken_plugin=findings.broken_plugin)
