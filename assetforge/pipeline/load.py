"""Read a pipeline file and resolve all that it names; report all mistakes in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assetforge.codecs.formats import FORMATS, Format
from assetforge.codecs.formats import parse as parse_format
from assetforge.errors import PipelineError, Problem, did_you_mean
from assetforge.material.map_spec import MapSpec
from assetforge.params import Params, files_named, is_file
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.document import InputSection, OutputsSection, PipelineSection
from assetforge.pipeline.marked_yaml import Document
from assetforge.pipeline.overrides import override, parameters, targets
from assetforge.pipeline.patterns import Pattern, compile_pattern, template_fields
from assetforge.pipeline.pipeline import Input, Outputs, Pipeline, StepUse, Variant
from assetforge.pipeline.validate import validate
from assetforge.plugins import Registry
from assetforge.steps import select

MOST_VARIANTS = 10_000


def load(file: Path, registry: Registry, definitions: Sequence[str] = ()) -> Pipeline:
    """Load a pipeline file with `key=value` definitions applied; raise PipelineError with every mistake."""
    document = marked_yaml.parse(_text(file), str(file))
    if not isinstance(document.data, dict):
        raise PipelineError([Problem(document.place(()), "is not a mapping", "begin with `version: 1`")])
    document = override(document, definitions, registry)
    return _Loader(file, document, registry).load()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PipelineError(
            [Problem(str(file), "there is no such file", "`assetforge new pipeline` writes one")]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError([Problem(str(file), f"cannot be read: {error}")]) from error


class _Loader:
    """Collects problems while each section is resolved; a section with a problem is left out of the later checks."""

    def __init__(self, file: Path, document: Document, registry: Registry) -> None:
        self.file, self.document, self.registry = file, document, registry
        self.folder = file.absolute().parent
        self.problems = list(document.problems)
        self.broken_plugin = False

    def load(self) -> Pipeline:
        section, problems = validate(PipelineSection, self.document, (), "field")
        self.problems += problems
        inputs = self.inputs(self._readable_inputs())
        variants = self.variants()
        outputs = self.outputs(self._readable_outputs(), inputs)
        if section is None or outputs is None or self.problems:
            raise PipelineError(_by_place(self.problems), broken_plugin=self.broken_plugin)
        return Pipeline(
            self.file,
            section.name or self.file.stem,
            self.folder / section.sources,
            inputs,
            variants,
            outputs,
            "float32" if section.precision == "auto" else section.precision,
            self.folder / section.store,
            self.registry.maps,
        )

    def _readable_inputs(self) -> dict[str, InputSection]:
        """Take the inputs that are right, even where something else in the file is not."""
        found = self.document.data.get("inputs")
        names = list(found) if isinstance(found, dict) else []
        sections = {name: validate(InputSection, self.document, ("inputs", name), "field")[0] for name in names}
        return {name: section for name, section in sections.items() if section is not None}

    def _readable_outputs(self) -> OutputsSection | None:
        if "outputs" not in self.document.data:
            return OutputsSection()
        return validate(OutputsSection, self.document, ("outputs",), "field")[0]

    def inputs(self, sections: Mapping[str, InputSection]) -> dict[str, Input]:
        resolved = {}
        for name, section in sections.items():
            spec = self._map(name, ("inputs", name))
            pattern = self._pattern(name, section.files)
            if spec is not None and pattern is not None:
                self._check_reading(section, spec, name)
                resolved[name] = Input(spec, pattern, section.green, section.channel, section.layer, section.wrap)
        self._check_fields(resolved)
        return resolved

    def _map(self, name: str, path: marked_yaml.Path) -> MapSpec | None:
        if name in self.registry.maps:
            return self.registry.maps[name]
        self._problem(path, "unknown map", did_you_mean(name, self.registry.maps), key=True)
        return None

    def _pattern(self, name: str, text: str) -> Pattern | None:
        try:
            return compile_pattern(text)
        except ValueError as error:
            what, _, instead = str(error).partition("; ")
            self._problem(("inputs", name), f"the pattern {text!r} {what}", instead)
            return None

    def _check_reading(self, section: InputSection, spec: MapSpec, name: str) -> None:
        if section.channel is not None and spec.channels > 1:
            self._problem(("inputs", name, "channel"), f"{name} has {spec.channels} channels", "leave `channel` out")
        if section.green == "down" and spec.kind != "vector":
            self._problem(("inputs", name, "green"), f"{name} is not a normal map", "leave `green` out")

    def _check_fields(self, inputs: Mapping[str, Input]) -> None:
        """Files are grouped by the placeholders, so that all patterns need the same ones."""
        first = next(iter(inputs.items()), None)
        for name, one in inputs.items():
            if first and set(one.pattern.fields) != set(first[1].pattern.fields):
                shown = ", ".join(f"{{{field}}}" for field in first[1].pattern.fields)
                self._problem(("inputs", name), f"has other placeholders than {first[0]}", f"use {shown}")
        if inputs and all(one.pattern.optional for one in inputs.values()):
            self._problem(("inputs",), "every map is optional", "leave out one '?', so that something names the assets")

    def variants(self) -> tuple[Variant, ...]:
        names, choices = self._variant_choices()
        combinations = list(itertools.islice(itertools.product(*choices), MOST_VARIANTS + 1))
        if len(combinations) > MOST_VARIANTS:
            self._problem(("variants",), f"make more than {MOST_VARIANTS} combinations", "write fewer")
            combinations = []
        seen = [self._variant(dict(zip(names, combination, strict=True))) for combination in combinations]
        return tuple(variant for variant in seen if variant is not None)

    def _variant_choices(self) -> tuple[list[str], list[list[Any]]]:
        found = self.document.data.get("variants")
        usable = {}
        for name, values in (found if isinstance(found, dict) else {}).items():
            path: marked_yaml.Path = ("variants", name)
            known = ["seed", *parameters(self.document, self.registry)]
            if name not in known:
                self._problem(path, "is not `seed` nor a parameter of a step", did_you_mean(name, known), key=True)
            elif not isinstance(values, list) or not values:
                self._problem(path, f"is {values!r}", "write a list of values, such as [1, 2, 3]")
            else:
                usable[name] = values
        return list(usable), list(usable.values())

    def _variant(self, values: Mapping[str, Any]) -> Variant | None:
        document = self.document
        for key, value in values.items():
            mark = document.place(("variants", key))
            for path in targets(document, key, self.registry):
                document = document.with_value(path, value, mark)
        steps = self.steps(document)
        seed = document.data.get("seed", 0)
        shown = {key.rpartition(".")[2]: str(value) for key, value in values.items()}
        return Variant(shown, seed if isinstance(seed, int) else 0, steps)

    def steps(self, document: Document) -> tuple[StepUse, ...]:
        found = document.data.get("steps")
        entries = found if isinstance(found, list) else []
        uses = []
        available = {name: self.registry.maps[name] for name in self._input_names()}
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and "use" in entry:
                use = self._step(document, index, str(entry["use"]))
                available = self._flow(use, available, index) if use else available
                uses += [use] if use else []
        return tuple(uses)

    def _input_names(self) -> list[str]:
        found = self.document.data.get("inputs")
        return [name for name in found if name in self.registry.maps] if isinstance(found, dict) else []

    def _step(self, document: Document, index: int, name: str) -> StepUse | None:
        at: marked_yaml.Path = ("steps", index)
        step = self.registry.steps.get(name)
        if step is None:
            hint = did_you_mean(name, self.registry.steps)
            broken = "".join(f" (or repair {problem.where})" for problem in self.registry.broken)
            self.broken_plugin = bool(broken)
            self._problem((*at, "use"), f"unknown step {name!r}", hint + broken)
            return None
        document = (
            document
            if "with" in document.data["steps"][index]
            else document.with_value((*at, "with"), {}, document.values[at])
        )
        params, problems = validate(step.params, document, (*at, "with"), "parameter")
        self.problems += problems
        if params is None:
            return None
        params = self._resolve_files(params, (*at, "with"))
        return StepUse(step, params, self.registry.plugin_of(name), document.place((*at, "use")))

    def _resolve_files(self, params: Params, at: marked_yaml.Path) -> Params:
        """Find the files that parameters name beside the pipeline."""
        for name, paths in files_named(params).items():
            for path in paths:
                if not (self.folder / path).is_file():
                    self._problem((*at, name), f"there is no file {str(path)!r}", f"paths start from {self.folder}")
        resolved = {
            name: _beside(self.folder, getattr(params, name))
            for name, field in type(params).model_fields.items()
            if is_file(field)
        }
        return params.model_copy(update=resolved)

    def _flow(self, use: StepUse, available: Mapping[str, MapSpec], index: int) -> dict[str, MapSpec]:
        """Check that a step's maps are there, and return those that there are after it."""
        at: marked_yaml.Path = ("steps", index, "use")
        missing = select(use.step.reads, available) - available.keys()
        if missing:
            names, given = ", ".join(sorted(missing)), ", ".join(available)
            self._problem(at, f"{use.step.name} reads {names!r}", f"the inputs and the steps before give: {given}")
        writes = select(use.step.writes, available)
        unknown = writes - self.registry.maps.keys()
        for name in sorted(unknown):
            hint = f"its plugin must register it; {did_you_mean(name, self.registry.maps)}"
            self._problem(at, f"{use.step.name} writes the unknown map {name!r}", hint)
        return {**available, **{name: self.registry.maps[name] for name in writes - unknown}}

    def outputs(self, section: OutputsSection | None, inputs: Mapping[str, Input]) -> Outputs | None:
        if section is None:
            return None
        default, formats = self._formats(section.format)
        if not inputs:  # then nothing is known of the placeholders
            return None
        fields = {field for one in inputs.values() for field in one.pattern.fields}
        variants = self.document.data.get("variants")
        fields |= {key.rpartition(".")[2] for key in variants} if isinstance(variants, dict) else set()
        self._template(("outputs", "dir"), section.dir, fields)
        self._template(("outputs", "name"), section.name, fields | {"map"})
        root = _root(self.folder, section.dir)
        if any(part == ".." for part in _variable_part(section.dir) + section.name.split("/")):
            self._problem(("outputs",), "leaves the output root with '..'", f"stay inside {root}")
        if "{map}" not in section.name and len(self._map_names()) > 1:
            self._check_layers(default, formats)
        return Outputs(root, section.dir, section.name, default, formats, section.green)

    def _map_names(self) -> set[str]:
        names = set(self._input_names())
        for _, name in ((0, str(entry.get("use"))) for entry in self._step_entries()):
            step = self.registry.steps.get(name)
            names |= step.writes if step and isinstance(step.writes, frozenset) else set()
        return names

    def _step_entries(self) -> list[dict[str, Any]]:
        found = self.document.data.get("steps")
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def _check_layers(self, default: Format, formats: Mapping[str, Format]) -> None:
        used = {formats.get(name, default) for name in self._map_names()}
        if len(used) > 1 or not next(iter(used)).holds_layers:
            instead = "add {map} to the name, or write `format: exr`, which holds all maps as layers"
            self._problem(("outputs", "name"), "every map of an asset would be the same file", instead)

    def _template(self, path: marked_yaml.Path, text: str, fields: set[str]) -> None:
        try:
            used = template_fields(text)
        except ValueError as error:
            self._problem(path, f"the template {text!r} {str(error).partition('; ')[0]}", str(error).partition("; ")[2])
            return
        for name in used:
            if name not in fields:
                self._problem(path, f"unknown placeholder {{{name}}}", did_you_mean(name, fields))

    def _formats(self, words: str | dict[str, str]) -> tuple[Format, dict[str, Format]]:
        by_map = {"default": words} if isinstance(words, str) else words
        formats = {}
        for name, word in by_map.items():
            path: marked_yaml.Path = ("outputs", "format") if isinstance(words, str) else ("outputs", "format", name)
            if name != "default" and name not in self.registry.maps:
                self._problem(path, "unknown map", did_you_mean(name, ["default", *self.registry.maps]), key=True)
            if word in FORMATS:
                formats[name] = parse_format(word)
            else:
                self._problem(path, f"unknown format {word!r}", did_you_mean(word, FORMATS))
        return formats.pop("default", parse_format("png")), formats

    def _problem(self, path: marked_yaml.Path, what: str, instead: str = "", *, key: bool = False) -> None:
        problem = Problem(self.document.place(path, key=key), what, instead)
        if problem not in self.problems:
            self.problems.append(problem)


def _beside(folder: Path, value: Any) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, dict):
        return {key: _beside(folder, entry) for key, entry in value.items()}
    return type(value)(_beside(folder, entry) for entry in value) if value is not None else None


def _root(folder: Path, template: str) -> Path:
    """Return the part of the outputs' folder that stands before the first placeholder."""
    fixed = itertools.takewhile(lambda part: "{" not in part, Path(template).parts)
    return folder.joinpath(*fixed)


def _variable_part(template: str) -> list[str]:
    return list(itertools.dropwhile(lambda part: "{" not in part, Path(template).parts))


def _by_place(problems: Sequence[Problem]) -> list[Problem]:
    def position(problem: Problem) -> tuple[int, ...]:
        numbers = problem.where.split(": ")[0].split(":")[-2:]
        return tuple(int(number) for number in numbers if number.isdigit())

    return sorted(dict.fromkeys(problems), key=position)
