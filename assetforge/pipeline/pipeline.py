"""A pipeline as a value: everything resolved, nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assetforge.codecs.allowance import Limits
from assetforge.codecs.formats import Format
from assetforge.codecs.reading import PLAIN, Green, Reading
from assetforge.material.map_spec import MapSpec
from assetforge.params import Params
from assetforge.pipeline.confinement import Confinement
from assetforge.pipeline.document import StoreMode, WatchSection
from assetforge.pipeline.marked_yaml import Document
from assetforge.pipeline.patterns import Pattern
from assetforge.pipeline.presets import Preset
from assetforge.plugins import Plugin
from assetforge.steps import Resources, Step

if TYPE_CHECKING:
    from assetforge.pipeline.recognize import Conventions


class Input(NamedTuple):
    """The files of one map, and how they are read."""

    spec: MapSpec
    pattern: Pattern
    reading: Reading = PLAIN


class StepUse(NamedTuple):
    """One step with its parameters."""

    step: Step[Any]
    params: Params
    plugin: Plugin
    place: str
    """Where it is written, for errors."""
    resources: Resources


class Variant(NamedTuple):
    """One combination of the variants' values, and the steps with these values filled in."""

    values: Mapping[str, str]
    """As output names show them."""
    seed: int
    steps: tuple[StepUse, ...]

    @property
    def suffix(self) -> str:
        """What the name of its job has after that of the asset: `[scale=2]`; nothing where there are no variants."""
        return f"[{','.join(f'{key}={value}' for key, value in self.values.items())}]" if self.values else ""


class Outputs(NamedTuple):
    """Where results go."""

    root: Path
    """The folder that no output leaves."""
    dir: str
    name: str
    default: Format
    formats: Mapping[str, Format]
    green: Green
    maps: frozenset[str] | None = None
    """The maps that are written; all where it is None."""
    presets: tuple[Preset, ...] = ()
    """As which programs expect them; each map as a file of its own where there are none."""

    def writes(self, map_name: str) -> bool:
        """Tell whether a map is written."""
        return self.maps is None or map_name in self.maps

    def format_of(self, map_name: str) -> Format:
        """Return the format that a map is written in."""
        return self.formats.get(map_name, self.default)


class Pipeline(NamedTuple):
    """A whole pipeline."""

    file: Path
    name: str
    profile: str
    apart: tuple[str, ...]
    """Definitions of the command line by which it has other inputs or outputs than its file says."""
    sources: Path
    inputs: Mapping[str, Input]
    conventions: Conventions | None
    """By what the names of files say what they are, where the pipeline leaves that to them; each of `inputs` then has
    the same pattern, and how a file is read is known of each asset."""
    ignore_case: bool
    """Whether names of assets that differ in case only are one."""
    variants: tuple[Variant, ...]
    outputs: Outputs
    attempts: int
    limits: Limits
    """What a source file may ask for."""
    state: Path
    """The folder that remembers earlier runs."""
    store: Path | None
    """The folder of results, if it is not a part of the state's."""
    store_mode: StoreMode
    specs: Mapping[str, MapSpec]
    """The vocabulary of maps, plugins' words included."""
    watch: WatchSection
    wrappers: Mapping[str, str]
    """The digest of each plugin that wraps steps."""
    coders: Mapping[str, str]
    """The digest of each plugin that has codecs."""
    confinement: Confinement | None
    """What all files must lie in, if anything."""
    document: Document
    """What all this was resolved from."""

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.absolute().parent

    @property
    def runs_plugins(self) -> bool:
        """Whether plugins of the project itself may be used."""
        return self.confinement is None or "plugins" in self.confinement.allowed

    @property
    def id(self) -> str:
        """What the state knows this pipeline by: each profile has outputs of its own, and so has what is set apart."""
        profile = f"@{self.profile}" if self.profile else ""
        return f"{self.file.name}{profile}{''.join(f' -D {one}' for one in sorted(self.apart))}"
