"""The outputs of a preset: files of packed maps, and those that describe them to a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assetforge.material.map_spec import MapSpec
from assetforge.pipeline.pipeline import Outputs
from assetforge.pipeline.presets import Preset, PresetFile
from assetforge.plan import keys
from assetforge.plan.jobs import DescribedOutput, MapOrigin, Output, SourceMap

if TYPE_CHECKING:
    from assetforge.export.description import TextureFile

_SEPARATORS = "_-. "
TRANSPARENT = ("base_color", "opacity")
"""The maps that tell whether a material is."""


class Material(NamedTuple):
    """What there is to export of an asset."""

    maps: Mapping[str, MapOrigin]
    """Those that are to be written."""
    sources: Mapping[str, SourceMap]
    specs: Mapping[str, MapSpec]
    fields: Mapping[str, str]
    """The values of placeholders, without `map` and `preset`."""
    checks: Sequence[str]
    """Keys of the tasks that it must pass before anything of it is written."""


def exported(preset: Preset, material: Material, outputs: Outputs, folder: Path) -> Iterator[Output]:
    """Yield the outputs of a preset: a file is left out where the asset has none of its maps."""
    made = [(file, _name(preset, material, outputs, file.word)) for file in preset.files]
    made = [(file, name) for file, name in made if material.maps.keys() & set(file.packing.maps)]
    for file, name in made:
        yield _packed(file, name, material, folder)
    if preset.descriptor and made:
        yield from _descriptors(preset, material, made, _label(preset, material, outputs), folder)


def loses_color(preset: Preset, material: Material) -> bool:
    """Tell whether a material of the specular workflow would be written without its color."""
    maps = {name for file in preset.files for name in file.packing.maps}
    return "diffuse_albedo" in material.maps.keys() - maps and "base_color" in maps - material.maps.keys()


def _name(preset: Preset, material: Material, outputs: Outputs, word: str) -> str:
    """Return the place of a file without its ending, relative to the pipeline's folder."""
    shown = {**material.fields, "map": word, "preset": preset.name}
    place = Path(outputs.dir.format_map(shown)) / outputs.name.format_map(shown)
    return place.with_name(f"{preset.prefix}{place.name}").as_posix()


def _label(preset: Preset, material: Material, outputs: Outputs) -> str:
    """Name the material: as its files, without what tells them apart."""
    shown = {**material.fields, "map": "", "preset": preset.name}
    return Path(outputs.name.format_map(shown)).name.strip(_SEPARATORS) or preset.name


def _packed(file: PresetFile, name: str, material: Material, folder: Path) -> Output:
    chosen = {one: material.maps[one] for one in file.packing.maps if one in material.maps}
    followed = {one: material.sources[one] for one in chosen if one in material.sources}
    specs = {one: material.specs[one] for one in file.packing.maps}
    key = keys.packed_key(chosen, followed, file.format, file.packing, specs, material.checks)
    place = f"{name}{file.format.suffix}"
    return Output(key, place, folder / place, file.format, chosen, followed, file.packing)


def _descriptors(
    preset: Preset, material: Material, made: list[tuple[PresetFile, str]], label: str, folder: Path
) -> Iterator[Output]:
    from assetforge.export.description import Description  # without a preset, nothing is described
    from assetforge.export.descriptors import DESCRIPTORS

    descriptor = DESCRIPTORS[preset.descriptor]
    inside = Path(made[0][1]).parent.as_posix()
    names = [f"{Path(name).name}{file.format.suffix}" for file, name in made]
    filled = {
        slot: name
        for (file, _), name in zip(made, names, strict=True)
        for slot in descriptor.filled(file.packing)
        if material.maps.keys() & {part.map for _, part in descriptor.slots[slot]}
    }
    files = tuple(_texture(file, name, material) for (file, _), name in zip(made, names, strict=True))
    order = tuple((slot, filled[slot]) for slot in descriptor.slots if slot in filled)
    about = Description(preset.descriptor, label, inside, files, order, preset.longest)
    decisive = {one: material.maps[one] for one in TRANSPARENT if one in material.maps}
    for name in descriptor.names(about):
        place = name if inside == "." else f"{inside}/{name}"
        described = DescribedOutput(about, name, keys.export_code_digest())
        key = keys.described_key(decisive, described.facts, material.checks)
        yield Output(key, place, folder / place, None, decisive, {}, described=described)


def _texture(file: PresetFile, name: str, material: Material) -> TextureFile:
    from assetforge.export.description import TextureFile

    specs = {letter: material.specs[part.map] for letter, part in file.packing.parts if part.map}
    color = specs.get("rgb")
    is_color = color is not None and color.is_color and not file.format.is_linear
    is_normal = color is not None and color.kind == "vector" and not color.is_in_plane
    return TextureFile(name, is_color, is_normal)
