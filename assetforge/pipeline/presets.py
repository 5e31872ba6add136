"""Export presets: which files an engine expects, as data; and the section `presets`, a pipeline's own ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from assetforge.codecs.formats import FORMATS, GPU, Format
from assetforge.codecs.formats import parse as parse_format
from assetforge.codecs.packages import not_written
from assetforge.codecs.packing import Packing, Part, held
from assetforge.codecs.reading import Channel
from assetforge.errors import did_you_mean
from assetforge.material.map_spec import ALIASES, MapSpec
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.conventions import parse_target
from assetforge.pipeline.document import OutputsSection, PresetSection
from assetforge.pipeline.findings import Findings
from assetforge.pipeline.validate import validate

RAW = "raw"
AXES: Mapping[str, int] = {"r": 0, "g": 1, "b": 2, "x": 0, "y": 1, "z": 2}
"""What a channel of a map may be called: `base_color.r`, `anisotropy_direction.x`."""
_COLOR = 3
Parts = Mapping[Channel, str | float]


class PresetFile(NamedTuple):
    """One file of a preset."""

    word: str
    """What stands for `{map}` in its name."""
    format: Format
    packing: Packing


class Preset(NamedTuple):
    """The files of a program's convention. Without any, each map is a file of its own, as without a preset."""

    name: str
    files: tuple[PresetFile, ...] = ()
    prefix: str = ""
    """Before the names of textures."""
    descriptor: str = ""
    """Which descriptor is written beside them, if any."""
    longest: int | None = None
    power_of_two: bool = False


def parse_part(text: str | float) -> Part:
    """Parse what a channel of a file holds: MAP, MAP.CHANNEL, `1 - MAP`, `normal down` or a number."""
    if isinstance(text, float | int):
        return Part(constant=float(text))
    target = parse_target(text)
    name, dot, axis = target.map.partition(".")
    return Part(name, AXES.get(axis, -1) if dot else None, target.invert, target.green or "up")


def _preset(
    name: str,
    files: Mapping[str, Parts],
    formats: Mapping[str, str] | None = None,
    prefix: str = "",
    longest: int | None = None,
    *,
    power_of_two: bool = False,
) -> Preset:
    """Return a preset whose descriptor has its name; a file without a format is an 8-bit PNG."""
    chosen = {word: parse_format((formats or {}).get(word, "png8")) for word in files}
    made = tuple(
        PresetFile(word, chosen[word], _packing(parts, longest, power_of_two=power_of_two))
        for word, parts in files.items()
    )
    return Preset(name, made, prefix, name, longest, power_of_two)


def _packing(parts: Parts, longest: int | None, *, power_of_two: bool) -> Packing:
    return Packing(tuple((letter, parse_part(text)) for letter, text in parts.items()), longest, power_of_two)


def _gray(*names: str) -> dict[str, Parts]:
    """Return files of one channel that are called as the map that they hold."""
    return {name: {"r": name} for name in names}


_DEEP = {"normal_gl": "png16", "height": "png16", "roughness": "png16", "emission": "exr16"}
_COLOR_ALPHA: Parts = {"rgb": "base_color", "a": "opacity"}
_ORM: Parts = {"r": "ambient_occlusion", "g": "roughness", "b": "metalness"}
_MASK: Parts = {"r": "metalness", "g": "ambient_occlusion", "b": 1, "a": "1 - roughness"}
_UP: Parts = {"rgb": "normal"}
_EMISSION: Parts = {"rgb": "emission"}
_UNITY: Mapping[str, Parts] = {
    "BaseMap": _COLOR_ALPHA,
    "MaskMap": _MASK,
    "Normal": _UP,
    "Height": {"r": "height"},
    "Emission": _EMISSION,
}

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(RAW),
        _preset(
            "gltf",
            {
                "baseColor": _COLOR_ALPHA,
                "occlusionRoughnessMetallic": _ORM,
                "normalGL": _UP,
                "emissive": _EMISSION,
                "anisotropy": {"r": "anisotropy_direction.x", "g": "anisotropy_direction.y", "b": "anisotropy"},
            },
        ),
        _preset(
            "unreal",
            {
                "BC": _COLOR_ALPHA,
                "ORM": _ORM,
                "N": {"rgb": "normal down"},
                "E": _EMISSION,
                "H": {"r": "height"},
            },
            {"H": "png16"},
            "T_",
            8192,
            power_of_two=True,
        ),
        _preset("unity_hdrp", _UNITY, {"Height": "png16"}, longest=16384, power_of_two=True),
        _preset("unity_urp", _UNITY, {"Height": "png16"}, longest=16384, power_of_two=True),
        _preset(
            "godot",
            {
                "albedo": _COLOR_ALPHA,
                "orm": _ORM,
                "normal_gl": _UP,
                "emission": _EMISSION,
                "height": {"r": "height"},
            },
            longest=16384,
        ),
        _preset(
            "materialx",
            {
                "base_color": {"rgb": "base_color"},
                **_gray("metalness", "roughness"),
                "normal_gl": _UP,
                **_gray("ambient_occlusion", "opacity"),
                "emission": _EMISSION,
                **_gray("height", "anisotropy"),
                "anisotropy_direction": {"rgb": "anisotropy_direction"},
            },
            _DEEP,
        ),
        _preset(
            "blender",
            {
                "base_color": {"rgb": "base_color"},
                "metallic": {"r": "metalness"},
                **_gray("roughness"),
                "normal_gl": _UP,
                "ao": {"r": "ambient_occlusion"},
                "alpha": {"r": "opacity"},
                "emission": _EMISSION,
                **_gray("height"),
            },
            _DEEP,
        ),
    )
}
"""What is there without any pipeline: one table, which docs/exporting.md shows."""


def resolve_presets(findings: Findings, section: OutputsSection) -> tuple[Preset, ...]:
    """Resolve the presets that `outputs` names, and check all that the pipeline has of its own."""
    own = dict(_own_presets(findings))
    names = [section.preset] if isinstance(section.preset, str) else section.preset or []
    found = []
    for index, name in enumerate(names):
        path: marked_yaml.Path = ("outputs", "preset")
        path = path if isinstance(section.preset, str) else (*path, index)
        known = {**PRESETS, **own}
        if name not in known:
            if name not in findings.mapping("presets"):  # which has a mistake that is told already
                findings.add(path, f"unknown preset {name!r}", did_you_mean(name, known))
        elif names.index(name) < index:
            findings.add(path, f"names {name!r} twice", "leave one out")
        else:
            found.append(known[name])
    _check_uses(findings, section, found, asked=len(names))
    return tuple(found)


def _check_uses(findings: Findings, section: OutputsSection, presets: list[Preset], *, asked: int) -> None:
    if asked > 1 and not any("{preset}" in text for text in (section.dir, section.name)):
        findings.add(("outputs", "preset"), "several presets would write into one folder", "add {preset} to `dir`")
    if "{map}" not in section.name and any(len(preset.files) > 1 for preset in presets):
        findings.add(("outputs", "name"), "every file of a preset would be the same", "add {map} to the name")
    folder = f"{section.dir}/{section.name.rpartition('/')[0]}"
    if "{map}" in folder and any(preset.descriptor for preset in presets):
        instead = "write {map} in the name of the file alone, or a preset with `descriptor: none`"
        findings.add(("outputs",), "what describes files of a preset must lie beside them", instead)
    written = findings.mapping("outputs")
    if presets and all(preset.files for preset in presets):
        for option in ("format", "green"):
            if option in written:
                instead = "leave it out, or write a preset of your own in `presets`"
                findings.add(("outputs", option), f"the preset says it already ({presets[0].name})", instead, key=True)


def _own_presets(findings: Findings) -> Iterator[tuple[str, Preset]]:
    for name in findings.mapping("presets"):
        at: marked_yaml.Path = ("presets", name)
        section = validate(PresetSection, findings.document, at, "field")[0]
        if section is None:
            continue
        before = len(findings.problems)
        if name in PRESETS:
            findings.add(at, "is the name of a preset that is there already", "choose another one", key=True)
        preset = _own(findings, name, section, at)
        if preset is not None and len(findings.problems) == before:
            yield name, preset


def _own(findings: Findings, name: str, section: PresetSection, at: marked_yaml.Path) -> Preset | None:
    like = PRESETS.get(section.like or RAW)
    if like is None:
        findings.add((*at, "like"), f"unknown preset {section.like!r}", did_you_mean(section.like or "", PRESETS))
        return None
    told = section.model_fields_set
    longest = section.longest if "longest" in told else like.longest
    power_of_two = section.power_of_two if "power_of_two" in told else like.power_of_two
    own = {word: _packing(parts, longest, power_of_two=power_of_two) for word, parts in section.files.items()}
    copied = {one.word: replace(one.packing, longest=longest, power_of_two=power_of_two) for one in like.files}
    packings = own or copied
    if not packings:
        findings.add(at, "has no files", "write `files:`, or `like:` with the name of a preset")
        return None
    for word in own:
        _check_file(findings, own[word], (*at, "files", word))
    inherited = {} if "format" in told or own else {one.word: one.format for one in like.files}
    formats = inherited or _formats(findings, section, packings, (*at, "format"))
    files = tuple(PresetFile(word, formats[word], packing) for word, packing in packings.items())
    descriptor = section.descriptor if "descriptor" in told else like.descriptor
    preset = Preset(
        name,
        files,
        section.prefix if "prefix" in told else like.prefix,
        "" if descriptor in (None, "none") else str(descriptor),
        longest,
        power_of_two,
    )
    _check_formats(findings, preset, at)
    _check_descriptor(findings, preset, at)
    return preset


def _formats(
    findings: Findings, section: PresetSection, words: Mapping[str, Packing], at: marked_yaml.Path
) -> dict[str, Format]:
    told = section.format
    by_word = {"default": told} if isinstance(told, str) else told
    for word, name in by_word.items():
        path = at if isinstance(told, str) else (*at, word)
        if word != "default" and word not in words:
            findings.add(path, "is no file of the preset", did_you_mean(word, ["default", *words]), key=True)
        if name not in FORMATS:
            findings.add(path, f"unknown format {name!r}", did_you_mean(name, FORMATS))
    chosen = {word: by_word.get(word, by_word.get("default", "png")) for word in words}
    return {word: parse_format(name if name in FORMATS else "png") for word, name in chosen.items()}


def _check_file(findings: Findings, packing: Packing, at: marked_yaml.Path) -> None:
    letters = dict(packing.parts)
    if "rgb" in letters and letters.keys() & set("rgb"):
        findings.add(at, "has `rgb` and one of its channels", "write one of them")
    if not packing.maps:
        findings.add(at, "has no map in it", "write what it holds, such as `{rgb: base_color}`")
    if letters.keys() == {"a"}:
        findings.add(at, "has alpha alone", "write `r:`, which makes a gray picture")
    for letter, part in packing.parts:
        _check_part(findings, letter, part, (*at, letter))


def _check_part(findings: Findings, letter: Channel, part: Part, at: marked_yaml.Path) -> None:
    known = findings.registry.maps
    if not part.map:
        if not 0 <= part.constant <= 1:
            findings.add(at, f"is {part.constant:g}", "a number is from 0 to 1")
    elif part.map not in known:
        findings.add(at, f"unknown map {part.map!r}", did_you_mean(part.map, known, ALIASES))
    elif problem := _misfit(letter, part, known[part.map]):
        findings.add(at, *problem)


def _misfit(letter: Channel, part: Part, spec: MapSpec) -> tuple[str, str] | None:
    """Say why a channel cannot hold a part, and what would be right."""
    if spec.kind == "id":
        return f"{spec.name} holds numbers that no channel keeps", "write it by the preset `raw`"
    if part.invert and spec.kind != "data":
        return f"{spec.name} cannot be turned around", "only data maps can"
    if part.channel is not None and not 0 <= part.channel < spec.channels:
        return f"{spec.name} has no such channel", f"it has {', '.join('rgb'[: spec.channels])}"
    if letter == "rgb" and (part.channel is not None or spec.channels not in (1, _COLOR)):
        return "takes a whole map", f"write `rgb: {spec.name}`"
    if letter != "rgb" and spec.channels > 1 and part.channel is None:
        return f"{spec.name} has {spec.channels} channels", f"name one, such as `{spec.name}.r`"
    return None


def _check_formats(findings: Findings, preset: Preset, at: marked_yaml.Path) -> None:
    """Refuse formats for GPUs that hold no such channels."""
    known = findings.registry.maps
    for file in preset.files:
        if file.format.container in GPU and known.keys() >= set(file.packing.maps):
            whole = held(file.packing, known, file.format, clear=False)
            what, _, instead = not_written(whole, file.format).partition("; ")
            if what:
                findings.add((*at, "format"), f"{file.word}: {what}", instead)


def _check_descriptor(findings: Findings, preset: Preset, at: marked_yaml.Path) -> None:
    """Refuse files that a descriptor would have to leave out though it has a place for their maps."""
    if not preset.descriptor:
        return
    from assetforge.export.descriptors import DESCRIPTORS  # few presets of a pipeline's own have one

    descriptor = DESCRIPTORS[preset.descriptor]
    own = "files" in findings.mapping("presets")[preset.name]
    for file in preset.files:
        path: marked_yaml.Path = (*at, "files", file.word) if own else at
        container, readable = file.format.container, descriptor.containers
        if container in GPU and container not in readable:
            what = f"is {file.format.name}, which {preset.descriptor} does not take as it is"
            findings.add(path, what, "write `descriptor: none`, or png, of which it makes such files itself")
        elif readable and container not in readable:
            listed = f"{', '.join(readable[:-1])} and {readable[-1]}"
            findings.add(path, f"is {file.format.name}, which {preset.descriptor} does not read", f"it reads {listed}")
    filled = {slot for file in preset.files for slot in descriptor.filled(file.packing)}
    for slot, parts in descriptor.slots.items():
        maps = {part.map for _, part in parts}
        held = [file for file in preset.files if maps & set(file.packing.maps)]
        if held and slot not in filled:
            path = (*at, "files", held[0].word) if own else at
            wanted = ", ".join(f"{letter}: {spelled(part)}" for letter, part in parts)
            findings.add(path, f"is not as {preset.descriptor} reads it", f"write {{{wanted}}}, or `descriptor: none`")


def spelled(part: Part) -> str:
    """Spell a part as pipelines write it."""
    if not part.map:
        return f"{part.constant:g}"
    channel = "" if part.channel is None else f".{'rgb'[part.channel]}"
    return f"{'1 - ' if part.invert else ''}{part.map}{channel}{' down' if part.green == 'down' else ''}"
