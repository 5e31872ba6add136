"""The shape of a pipeline file: one declaration for validation, JSON schema and documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from assetforge.codecs.allowance import MAX_PIXELS
from assetforge.codecs.formats import FORMATS, MOST_EFFORT, MOST_QUALITY
from assetforge.codecs.reading import Channel, Green, ProfileUse
from assetforge.params import Memory

VERSION = 1
_LEAST_MEMORY = 2**30

FormatWord = Annotated[str, WithJsonSchema({"enum": list(FORMATS), "x-name": "format"})]
Value = str | int | float | bool | None
StoreMode = Literal["read-write", "read-only"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_the_default(cls, value: Any) -> Any:
        """Take a key with nothing after it as one that is left out."""
        return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value


class _FilesSection(_Section):
    """What may be written as a pattern of files alone."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"files": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "description": "Pattern of files."}, handler(core)]}


class InputSection(_FilesSection):
    """Where the files of one map are, and how to read them."""

    files: str
    """Pattern, such as `textures/{name}_n.png?`: `{name}` names the asset, `*` is any text, `**/` any folders, a
    trailing `?` makes the map optional."""
    green: Green = "up"
    """Normal maps: `up` is OpenGL and the inside of AssetForge, `down` is DirectX."""
    channel: Channel | None = None
    """Channel of a packed file that a one-channel map is taken from; `rgb` takes the color without the file's alpha."""
    layer: str | None = None
    """Layer or part of an OpenEXR file."""
    wrap: Literal["repeat", "clamp", "unknown"] = "unknown"
    """Whether the texture tiles; steps measure what is `unknown`."""
    profile: ProfileUse = "embedded"
    """`srgb` takes color as sRGB, whatever profile the file has: where that is broken or wrong. It is flagged."""
    invert: bool = False
    """Data maps: take 1 − x for x, as for `roughness` of a file of smoothness or glossiness."""


class AutoSection(_FilesSection):
    """Files whose names say which maps of which materials they are."""

    files: str
    """Pattern, such as `textures/**`: `*` is any text, `**` any folders and files."""
    words: dict[str, list[str]] = Field(default_factory=dict)
    """More words of a map, such as `base_color: [tint]`, or other meanings of known ones. A word may stand for a map,
    for `1 - MAP`, for `normal up`, `normal down` or `unused`."""
    packed: dict[str, dict[Literal["r", "g", "b", "a", "rgb"], str]] = Field(default_factory=dict)
    """More words of packed files, such as `rmh: {r: roughness, g: metalness, b: height}`."""
    green: Green | dict[str, Green] | None = None
    """Normal maps whose names do not say it: `up` is OpenGL, `down` is DirectX. Or by material, such as
    `{"walls/*": down}`, whatever names say; the first that fits counts. `assetforge inspect` measures it."""
    wrap: Literal["repeat", "clamp", "unknown"] = "unknown"
    """Whether the textures tile; steps measure what is `unknown`."""


class InputsSection(_Section):
    """A pattern for each map; or one for all of them, as the names of files say what they are."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, defer_build=True)
    __pydantic_extra__: dict[str, InputSection] = Field(init=False)

    auto: AutoSection | None = None
    """Files whose names say which maps of which materials they are."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.auto is None and not self.model_extra:
            raise ValueError('is empty; write a pattern for each map, or `auto: "**"`')
        return self


class ResourcesSection(_Section):
    """What a step may use. It changes when and where the step runs, and never its result."""

    device: Literal["cpu"] | None = None
    """`cpu` keeps the step off the GPU, in a process beside it."""
    memory: Memory | None = None
    """Host memory that it takes, such as `6 GiB`; steps that would not fit together run one after the other."""
    time_limit: float | None = Field(default=None, gt=0)
    """Seconds after which it is treated as hung; by default what the step says, which is an hour if it says nothing."""


class StepSection(_Section):
    """One step and its parameters."""

    use: str
    """Name of the step; `assetforge steps` lists them."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Its parameters; `assetforge steps NAME` explains them."""
    resources: ResourcesSection | None = None
    """What it may use, where that differs from what the step says of itself."""

    @model_validator(mode="before")
    @classmethod
    def _not_a_name_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"is a name alone; write `- use: {value}`")  # noqa: TRY004  pydantic takes it for a mistake of the file
        return value


class PresetSection(_Section):
    """An export preset of the pipeline's own: files with what their channels hold."""

    like: str | None = None
    """A preset that is there already, from which all is taken that is not written here."""
    files: dict[str, dict[Channel, str | float]] = Field(default_factory=dict)
    """By what stands for `{map}` in the name: what each channel of the file holds, as `{rgb: base_color, a: opacity}`.
    A channel holds a map, `1 - MAP`, one channel of a map (`base_color.r`), or a number from 0 to 1. `normal down` is
    DirectX. A file of `r` alone is gray."""
    format: FormatWord | dict[str, FormatWord] = "png"
    """Format of all files, or of each with `default` for the others."""
    prefix: str = Field(default="", pattern=r"^[^/\\{}]*$")
    """Before the names of textures, such as `T_`."""
    longest: int | None = Field(default=None, ge=1)
    """Pixels of the longer side, at most."""
    power_of_two: bool = False
    """Whether each side becomes the nearest power of two."""
    descriptor: Literal["none", "gltf", "unreal", "unity_hdrp", "unity_urp", "godot", "materialx", "blender"] = "none"
    """What is written beside the textures, so that a program reads them as a material."""


class OutputsSection(_Section):
    """Where results go, and in which format."""

    preset: str | list[str] | None = None
    """Files as a program expects them: `raw`, `gltf`, `unreal`, `unity_hdrp`, `unity_urp`, `godot`, `materialx`,
    `blender`, or one of `presets`; or a list of them, for which `dir` or `name` has `{preset}`. By default, `raw`: each
    map is a file."""

    dir: str = "build"
    """Folder, such as `build/{name}`. Outputs never leave the part before the first placeholder."""
    name: str = "{name}_{map}"
    """File name without its ending. May use `{map}`, `{preset}`, the placeholders of the inputs and the keys of the
    variants. Without `{map}`, the maps of an asset become the layers of one OpenEXR file."""
    format: FormatWord | dict[str, FormatWord] = "png"
    """Format of all maps, or of each by name with `default` for the others. A word without a depth keeps the source's
    depth where it can."""
    quality: int | None = Field(default=None, ge=1, le=MOST_QUALITY)
    """Of JPEG and WebP; by default 95 for JPEG, and WebP loses nothing. Without it, a JPEG source that no step changes
    is published as it is."""
    effort: int | None = Field(default=None, ge=0, le=MOST_EFFORT)
    """How hard PNG and TIFF are compressed: 0 is fast, 9 makes small files of the same pixels."""
    green: Green = "up"
    """Normal maps: `up` for OpenGL, `down` for DirectX."""
    maps: list[str] | None = Field(default=None, min_length=1)
    """Which maps are written; by default all that there are."""


class OnDoneSection(_Section):
    """Whom `assetforge watch` tells of each result. What it tells is one JSON object, as in a report."""

    run: tuple[str, ...] = ()
    """A command and its arguments, such as `[python, tell.py]`; the JSON comes through its standard input."""
    post: str = Field(default="", pattern="^(https?://.+)?$")
    """A URL that the JSON is posted to."""


class WatchSection(_Section):
    """How `assetforge watch` goes about it. None of this changes a result."""

    order: Literal["oldest", "newest"] = "oldest"
    """Which of the files that wait come first."""
    polling: Literal["auto", "always"] = "auto"
    """`auto` lets the system tell of changes, and looks for them itself where that does not work: on network drives."""
    on_done: OnDoneSection = OnDoneSection()
    """Whom to tell of each result."""


def _enough(memory: int) -> int:
    if memory < _LEAST_MEMORY:
        raise ValueError("should be at least 1 GiB, some of which a process takes by itself")
    return memory


class LimitsSection(_Section):
    """What a source file may ask for. It changes no result: what asks for more is an error."""

    pixels: int = Field(default=MAX_PIXELS, gt=0)
    """Most pixels of a file."""
    memory: Annotated[Memory, AfterValidator(_enough)] | None = None
    """Most memory of a process that reads and writes files, such as `6 GiB`, on Linux. By default, reading a file may
    take 512 MiB, 128 bytes for each of its pixels and twice its size, and nothing four fifths of the machine's."""


class PipelineSection(_Section):
    """A pipeline file."""

    version: Literal[1]
    """Version of this format."""
    name: str = ""
    """What the pipeline is called in reports; by default the name of its file."""
    sources: Path = Path()
    """Folder that the input patterns start from, beside the pipeline."""
    inputs: InputsSection
    """A pattern for each map; files that share all placeholders are one asset. Or `auto: "textures/**"`: names of files
    say which maps of which materials they are."""
    ignore_case: bool = False
    """Whether patterns match files whatever the case of their names, and names that differ in case only are one."""
    steps: list[StepSection] = Field(default_factory=list)
    """What is done to each asset, in order."""
    variants: dict[str, list[Value]] = Field(default_factory=dict)
    """Values of `seed`, `PARAMETER` or `STEP.PARAMETER`; every combination is one more set of outputs."""
    outputs: OutputsSection = OutputsSection()
    """Where results go."""
    presets: dict[str, PresetSection] = Field(default_factory=dict)
    """Export presets of its own, by name."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of steps that draw random numbers."""
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Sets of values by name, such as `preview: {scale: 2}`, which `--profile` puts over those of the file."""
    attempts: int = Field(default=3, ge=1)
    """How often a step may fail on an asset before the asset is quarantined."""
    limits: LimitsSection = LimitsSection()
    """What a source file may ask for."""
    state: Path = Path(".assetforge")
    """Folder beside the pipeline that remembers earlier runs. It belongs to one machine and one checkout."""
    store: Path | None = None
    """Folder of results, which machines may share; by default a part of `state`."""
    store_mode: StoreMode = "read-write"
    """`read-only` takes results from the store, and keeps new ones in `state`."""
    watch: WatchSection = WatchSection()
    """How `assetforge watch` goes about it."""
