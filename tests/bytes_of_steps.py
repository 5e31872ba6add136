"""Run shipped steps on samples, and print what of their results: a program, as libraries choose what they do at start.

It prints, for each step, the digest of all maps and the largest difference to those that a file holds, if one is given;
without one, it writes the file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from maps.conftest import run
from multiply.conftest import apply, exemplar, multiply
from stylize.test_stylize import stylized
from upscale.test_upscale import upscale

from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture

STYLE = Path(__file__).parents[1] / "pipelines" / "painting.png"


def material(name: str, side: int) -> Material:
    return Material(name, {key: Texture(data, *rest) for key, (data, *rest) in EXEMPLARS[f"{name} {side}"].items()})


def levels(side: int = 64) -> dict[str, Texture]:
    made = run("mips", material("stone", side))
    return {f"{name} {n}": level for name, one in made.items() for n, level in enumerate(one.levels)}


def files_for_gpus() -> dict[str, Texture]:
    """The bytes of files, as numbers: each compression that is written, of a map that it is for."""
    given, made = material("stone", 64), {}
    for word, name in (("bc1", "base_color"), ("bc6h", "base_color"), ("bc7", "base_color"), ("bc5", "normal")):
        chosen = parse(f"dds-{word}").resolve(None, MAPS[name])
        part = given[name].with_data(given[name].data[:, :32, :32].contiguous())
        content = encode({name: (part, MAPS[name])}, chosen)
        made[word] = Texture(torch.tensor(list(content), dtype=torch.float32).reshape(1, 1, -1), ColorSpace.NONE)
    return made


@lru_cache
def in_place() -> Material:
    return multiply(material("stone", 66), candidates=1, variation=0.2, save_map=True)


STEPS = {
    "patches": lambda: multiply(material("stone", 48), candidates=2, turn="mirror"),
    "edges": lambda: multiply(material("stone", 66), candidates=1, edges=1),
    "lattice": lambda: multiply(material("brick", 56), candidates=1, repair_normals=True, flatten=0.3),
    "in place": in_place,
    "blend": lambda: multiply(material("brick", 56), method="blend"),
    "mips": levels,
    "files for GPUs": files_for_gpus,
    "apply_map": lambda: applied(material("stone", 66)),
    "neural": lambda: multiply(material("stone", 64), method="neural", effort=0.05),
    "upscale": lambda: upscale(material("stone", 64)),
    "stylize": lambda: stylized(material("stone", 64), style=STYLE, features="random", iterations=2),
    "stylize, forge": lambda: stylized(material("stone", 64), style=STYLE, iterations=2),
}
EXEMPLARS: dict[str, dict[str, tuple[Any, ...]]] = {}
"""The same in all processes: the first makes them."""


def applied(given: Material) -> Material:
    return apply(given.replace(coordinates=in_place()["coordinates"]), scale=2)


def compared(kept: Path, names: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Run the steps of these names; keep the results of the first run, and tell how those of the others compare."""
    if kept.exists():
        before, exemplars = torch.load(kept, weights_only=False)
    else:
        sides = (("stone", 48), ("stone", 64), ("stone", 66), ("brick", 56))
        made = {f"{name} {side}": exemplar(name, side) for name, side in sides}
        before = None
        exemplars = {key: {name: (t.data, t.color_space) for name, t in one.items()} for key, one in made.items()}
    EXEMPLARS.update(exemplars)
    results = {name: {key: texture.data for key, texture in STEPS[name]().items()} for name in names}
    if before is None:
        torch.save((results, exemplars), kept)
    told = {}
    for name, maps in results.items():
        digest = hashlib.sha256()
        for key in sorted(maps):
            digest.update(maps[key].contiguous().numpy().tobytes())
        away = 0.0 if before is None else max((maps[k] - before[name][k]).abs().max().item() for k in maps)
        told[name] = digest.hexdigest(), away
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compared(Path(sys.argv[1]), sys.argv[2:] or list(STEPS))) + "\n")
