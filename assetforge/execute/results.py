"""What one step hands to the next, kept in the store as float32, so that nothing is lost between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from assetforge.material.color_space import ColorSpace
from assetforge.material.texture import Texture, Wrap

SUFFIX = ".safetensors"


def pack(maps: Mapping[str, Texture]) -> bytes:
    """Serialize the maps of a result."""
    tensors = {name: texture.data.contiguous() for name, texture in maps.items()}
    tensors |= {f"{name}.alpha": t.alpha.contiguous() for name, t in maps.items() if t.alpha is not None}
    meaning = {name: [texture.color_space, texture.wrap] for name, texture in maps.items()}
    return save(tensors, {"maps": json.dumps(meaning)})


def unpack(path: Path) -> dict[str, Texture] | None:
    """Read the maps of a result; None where the file is damaged, which costs no more than computing it again."""
    try:
        with safe_open(path, framework="pt") as file:
            meaning = json.loads(file.metadata()["maps"])
            tensors = {name: cast("torch.Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        return {
            name: Texture(tensors[name], ColorSpace(space), cast("Wrap", wrap), tensors.get(f"{name}.alpha"))
            for name, (space, wrap) in meaning.items()
        }
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
