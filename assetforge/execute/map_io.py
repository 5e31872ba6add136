"""Maps in and out: decode sources, hand maps from stage to stage, and encode outputs.

Between stages, maps are float32 in safetensors files, so that nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import cast, get_args

import torch
from safetensors import SafetensorError, safe_open

from assetforge import weights
from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.as_is import passes_as_is
from assetforge.codecs.atomic import write_errors_of
from assetforge.codecs.decode import Decoded, decode
from assetforge.codecs.encode import Maps, encode
from assetforge.codecs.formats import DEPTHS, GPU, Depth, Format
from assetforge.codecs.limits import cut_share
from assetforge.codecs.pack import held_by, pack
from assetforge.codecs.regular import read_regular
from assetforge.codecs.verify import verify
from assetforge.errors import ChangedError, StepError
from assetforge.execute.memory import reading
from assetforge.execute.messages import Done
from assetforge.execute.stages import Encode, Read, StageContext
from assetforge.export.description import Alpha
from assetforge.export.descriptors import describe
from assetforge.flags import Flag
from assetforge.material.camera import Camera
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture, Wrap
from assetforge.plan.jobs import DescribedOutput, MapOrigin, Output, SourceMap
from assetforge.plan.keys import export_code_digest
from assetforge.store import notes
from assetforge.store.json_text import parse
from assetforge.store.notes import Notes
from assetforge.store.results import MAPS_SUFFIX, DamagedError, Store

_ALIGNMENT = 8
_CLEAR, _SOFT = 0.1, 0.1
"""Opacity this near to 0 or 1 is taken for that, and a material with less of the rest for one with sharp holes."""


def read_sources(stage: Read, context: StageContext) -> Done:
    """Decode sources into the scratch folder, as their files have them; keep what is doubtful about them."""
    for source in stage.sources:
        with reading(context.setup.limits, source.path) if context.setup.io_only else nullcontext():
            decoded = decode_source(source)
        notes.keep(context.setup.store, source.key, Notes(flags=tuple(map(Flag, decoded.flags))), replace=stage.replace)
        save_to_scratch(stage.scratch, source.key, {source.input.spec.name: decoded.texture}, decoded.depth)
    return Done(folder_size(stage.scratch))


def decode_source(source: SourceMap) -> Decoded:
    """Decode a source; raise ChangedError where its file is not the one that was planned with."""
    decoded = decode(source.path, source.input.spec, source.input.reading, str(source.path), unit=False)
    if weights.sha256(source.path) != source.sha256:
        raise ChangedError(str(source.path), "was changed while it was read", "run again")
    return decoded


def load_map(name: str, origin: MapOrigin, scratch: Path, store: Store) -> tuple[Texture, Depth | None]:
    """Load a map that an earlier stage left behind or the store has, or decode it anew."""
    loaded = load_maps(scratch_path(scratch, origin.key))
    if loaded is not None:
        return loaded[0][name], loaded[1]
    if isinstance(origin, SourceMap):
        decoded = decode_source(origin)
        return decoded.texture, decoded.depth
    entry = store.find(origin.task.key, MAPS_SUFFIX)
    if entry is None:
        raise StepError(f"step {origin.task.use.step.name!r}", "its result has gone from the store", "run again")
    loaded = load_maps(entry.path) if entry.is_whole() else None
    if loaded is None:
        raise DamagedError(entry)
    return loaded[0][name], None


def scratch_path(folder: Path, key: str) -> Path:
    """Return where a map is kept for later stages of the same job."""
    return folder / f"{key}{MAPS_SUFFIX}"


def save_to_scratch(folder: Path, key: str, maps: Mapping[str, Texture], depth: Depth | None = None) -> None:
    """Keep a map for later stages of the same job; raise OutputError where the disk does not take it."""
    path = scratch_path(folder, key)
    with write_errors_of(path):
        folder.mkdir(parents=True, exist_ok=True)
        save_maps(path, maps, depth)


def folder_size(folder: Path) -> int:
    """Return how many bytes the files in a scratch folder take."""
    return sum(path.stat().st_size for path in folder.glob("*"))


def encode_outputs(stage: Encode, context: StageContext) -> Done:
    """Encode what the store lacks of a job's outputs; then nobody needs the scratch folder any more."""
    for output in stage.outputs:
        _encode(output, stage.scratch, context, replace=stage.replace)
    shutil.rmtree(stage.scratch, ignore_errors=True)
    return Done()


def _encode(output: Output, scratch: Path, context: StageContext, *, replace: bool) -> None:
    store, specs = context.setup.store, context.setup.specs
    content = _as_it_is(output, context)
    if content is None:
        maps = {n: (load_map(n, origin, scratch, store)[0], specs[n]) for n, origin in output.maps.items()}
        if output.described is not None:
            content = _described(output.described, maps)
        elif output.format is not None:
            resolved = output.format.resolve(_deepest(output, scratch, store), _spec_of(output, maps, context))
            content = _encoded(output, maps, resolved, context)
            cut = {name: cut_share(texture, spec, resolved) for name, (texture, spec) in maps.items()}
            notes.keep_cut(store, output.key, cut, replace=replace)
        else:
            raise StepError(output.path.name, "is neither a picture nor a text", "report this as a bug")
    store.put(output.key, output.suffix, lambda path: _write(path, content), lambda _: None, replace=replace)


def _spec_of(output: Output, maps: Maps, context: StageContext) -> MapSpec:
    """Return what an output holds, which says how deep it is: its first map, or for GPUs all that is packed."""
    if output.packing is None or output.format is None or output.format.container not in GPU:
        return next(iter(maps.values()))[1]
    textures = {name: texture for name, (texture, _) in maps.items()}
    return held_by(output.packing, context.setup.specs, textures, output.format)


def _encoded(output: Output, maps: Maps, resolved: Format, context: StageContext) -> bytes:
    """Encode an output, and see that it can be read; raise StepError where the format cannot hold the maps."""
    green = context.setup.green
    try:
        if output.packing is not None:
            textures = {name: texture for name, (texture, _) in maps.items()}
            maps, green = {output.path.name: pack(textures, context.setup.specs, output.packing, resolved)}, "up"
        content = encode(maps, resolved, green)
        verify(content, resolved, maps)
    except ValueError as error:
        raise StepError(output.path.name, str(error)) from error
    return content


def _described(output: DescribedOutput, maps: Maps) -> bytes:
    """Return a text; raise ChangedError where it would not be the one that was planned, StepError where none can be."""
    if export_code_digest() != output.code:
        raise ChangedError(output.file, "AssetForge was changed since this was planned", "run again")
    try:
        return describe(output.about, _alpha_of(maps))[output.file].encode()
    except ValueError as error:
        raise StepError(output.file, str(error), retry=False) from error


def _alpha_of(maps: Maps) -> Alpha:
    """Tell by the opacity, or else by the alpha of the color, what of a material is clear."""
    color = maps["base_color"][0].alpha if "base_color" in maps else None
    opacity = maps["opacity"][0].data if "opacity" in maps else color
    if opacity is None or not bool((opacity < 1).any()):
        return "opaque"
    between = ((opacity > _CLEAR) & (opacity < 1 - _CLEAR)).float().mean()
    return "mask" if float(between) < _SOFT else "blend"


def _as_it_is(output: Output, context: StageContext) -> bytes | None:
    """Return the content of a source that is the output as it is, if it is one: a JPEG loses whenever it is written."""
    name, origin = next(iter(output.maps.items()), ("", None))
    if output.format is None or output.packing is not None or output.format.container != "jpg":
        return None
    if not isinstance(origin, SourceMap):
        return None
    content = read_regular(origin.path, MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != origin.sha256:
        raise ChangedError(str(origin.path), "was changed while it was read", "run again")
    spec, reading = context.setup.specs[name], origin.input.reading
    return content if passes_as_is(content, spec, reading, output.format, context.setup.green) else None


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _deepest(output: Output, scratch: Path, store: Store) -> Depth | None:
    """Return the greatest depth of the sources that an output follows, unless its format says its own."""
    if not output.follows:
        return None
    depths = [load_map(name, source, scratch, store)[1] for name, source in output.followed.items()]
    return max((depth for depth in depths if depth), key=DEPTHS.index, default=None)


def save_maps(path: Path, maps: Mapping[str, Texture], depth: Depth | None = None) -> None:
    """Write maps, and the depth of the file that they came from.

    safetensors' own functions copy every tensor once more, which for a large material is all the memory there is.
    """
    tensors = {
        _tensor_name(name, number, part): tensor
        for name, texture in maps.items()
        for number, level in enumerate(texture.levels)
        for part, tensor in (("", level.data), (".alpha", level.alpha))
        if tensor is not None
    }
    meaning = {
        name: [texture.color_space, texture.wrap, texture.camera and asdict(texture.camera)]
        for name, texture in maps.items()
    }
    header: dict[str, object] = {"__metadata__": {"maps": json.dumps(meaning), "depth": depth or ""}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().data)  # `tofile` would not say why it cannot


def _tensor_name(name: str, level: int, part: str) -> str:
    """Name a tensor of a map, or of one of its smaller levels."""
    return f"{name}{part}" if level == 0 else f"{name}.mip{level}{part}"


def _loaded(
    name: str, tensors: Mapping[str, torch.Tensor], space: ColorSpace, wrap: Wrap, camera: Camera | None
) -> Texture:
    """Return one map and its smaller levels; raise KeyError where it is not there."""
    levels = [Texture(tensors[name], space, wrap, tensors.get(f"{name}.alpha"), camera)]
    while (data := tensors.get(_tensor_name(name, len(levels), ""))) is not None:
        levels.append(Texture(data, space, wrap, tensors.get(_tensor_name(name, len(levels), ".alpha")), camera))
    return levels[0].with_mips(levels[1:])


def load_maps(path: Path) -> tuple[dict[str, Texture], Depth | None] | None:
    """Read maps back; None where the file is damaged or gone, which costs no more than computing it again."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            meaning = parse(dict[str, tuple[ColorSpace, Wrap, Camera | None]], metadata["maps"])
            tensors = {name: cast("torch.Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        maps = {name: _loaded(name, tensors, *meant) for name, meant in meaning.items()}
        depth = metadata["depth"]
        return maps, cast("Depth", depth) if depth in get_args(Depth) else None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None
