"""What one step or stage hands to the next: maps as float32 in a safetensors file, so that nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast, get_args

import torch
from safetensors import SafetensorError, safe_open

from assetforge.codecs.formats import Depth
from assetforge.material.camera import Camera
from assetforge.material.color_space import ColorSpace
from assetforge.material.texture import Texture, Wrap
from assetforge.store.json_text import parse

_ALIGNMENT = 8


def save_maps(path: Path, maps: Mapping[str, Texture], depth: Depth | None = None) -> None:
    """Write maps, and the depth of the file that they came from.

    safetensors' own functions copy every tensor once more, which for a large material is all the memory there is.
    """
    tensors = {name: texture.data for name, texture in maps.items()}
    tensors |= {f"{name}.alpha": texture.alpha for name, texture in maps.items() if texture.alpha is not None}
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
            tensor.contiguous().numpy().tofile(file)


def load_maps(path: Path) -> tuple[dict[str, Texture], Depth | None] | None:
    """Read maps back; None where the file is damaged or gone, which costs no more than computing it again."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            meaning = parse(dict[str, tuple[ColorSpace, Wrap, Camera | None]], metadata["maps"])
            tensors = {name: cast("torch.Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        maps = {
            name: Texture(
                tensors[name],
                space,
                wrap,
                tensors.get(f"{name}.alpha"),
                camera,
            )
            for name, (space, wrap, camera) in meaning.items()
        }
        depth = metadata["depth"]
        return maps, cast("Depth", depth) if depth in get_args(Depth) else None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None
