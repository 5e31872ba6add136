"""The pictures of a folder that a network learns from, and those that are kept out to show what it has learned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.color import hdr_encode
from assetforge_upscale.training.dataset import Pixels

Content = Literal["color", "data"]

KEPT_OUT = 8
"""Of the materials, one of about so many is kept out, and at least one of several."""
_FEWEST = 4
"""Of fewer materials, none is kept out."""
_LARGEST = 1024
"""Of a larger picture, a square of this side is read."""
_LEAST = 8
"""A smaller picture is mirrored at its edges, so that it can be reduced by any scale."""
_MOST = 1200
"""Pictures that are read at most: as many as memory should be used for."""
_SMALLER = (0.93, 0.86, 0.8, 0.74, 0.68, 0.62, 0.56, 0.5, 0.45)
"""Sizes in which few pictures become many."""
_COMPRESSED = frozenset({".jpg", ".jpeg"})
_PACKED = af.MapSpec("packed", 3, "data", (0.0, 1.0), (0.0, 0.0, 0.0), "Three maps of numbers in one file.")


@dataclass(frozen=True)
class Found:
    """A file, its material, and the map that it holds."""

    path: Path
    material: str
    spec: af.MapSpec


@dataclass(frozen=True)
class Pictures:
    """8-bit pictures (H, W, 3): those to learn from, and others to show what was learned."""

    seen: list[Pixels]
    kept_out: list[Pixels]


def find(folder: Path, content: Content, exclude: Iterable[Path] = ()) -> list[Found]:
    """Find all pictures below a folder that hold colors, or data: one channel or several that are not a color.

    What a picture holds is told by its name, as libraries and engines name maps. Those without such a word hold colors.
    Ids, and files in folders whose names begin with a point, are left out.
    """
    left_out = frozenset(exclude)
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in left_out)
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        one = None if any(part.startswith(".") for part in name.split("/")) else af.recognize(name)
        spec = None if one is None else _spec(one)
        if one is not None and spec is not None and spec.is_color == (content == "color"):
            found.append(Found(path, f"{one.folder}/{one.name}", spec))
    return found


def _spec(one: af.Recognized) -> af.MapSpec | None:
    if not one.word:
        return af.MAPS["base_color"]
    if not one.maps:
        return None  # a word for what is no map of a material: a thumbnail, for instance
    spec = af.MAPS[one.maps[0]]
    if len(one.maps) > 1 and not spec.is_color:
        return _PACKED
    return None if spec.kind == "id" else spec


def divided(found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Divide files into those to learn from and those that are kept out, whole materials, by a hash of their names.

    So a picture stays on its side when others come or go, or the folder is moved. Of few materials all are learned
    from, and shown.
    """
    materials = sorted({one.material for one in found}, key=_order)
    if len(materials) < _FEWEST:
        return list(found), list(found)
    hidden = {name for name in materials if int(_order(name)[:8], 16) % KEPT_OUT == 0} or {materials[0]}
    if len(hidden) == len(materials):
        hidden = {materials[0]}
    return [one for one in found if one.material not in hidden], [one for one in found if one.material in hidden]


def _order(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def load(folder: Path, content: Content, exclude: Iterable[Path] = (), smaller: str = "") -> Pictures:
    """Read the pictures of a folder; of very many, those that come first by a hash of their names.

    Those to learn from whose names below the folder match `smaller` are there in smaller sizes as well.

    Raises StepError where there are none, SourceError where one cannot be read.
    """
    found = find(folder, content, exclude)
    if not found:
        what = f"finds no pictures of {'colors' if content == 'color' else 'data maps'} in {folder}"
        raise af.StepError("recipe 'upscale'", what, "give a folder of textures, named as docs/conventions.md says")
    chosen = sorted(found, key=lambda one: _order(one.path.relative_to(folder).as_posix()))[:_MOST]
    seen, kept_out = divided(sorted(chosen, key=lambda one: one.path))
    pictures = [read(one) for one in seen]
    few = [picture for one, picture in zip(seen, pictures, strict=True) if _matches(one, folder, smaller)]
    reduced = [_resized(picture, size) for picture in few for size in _SMALLER]
    return Pictures([*pictures, *reduced], [read(one) for one in kept_out])


def _matches(one: Found, folder: Path, pattern: str) -> bool:
    return bool(pattern) and one.path.relative_to(folder).match(pattern)


def read(one: Found) -> Pixels:
    """Read a picture as 8 bits, sRGB where it holds colors; one channel becomes three equal ones.

    Pictures that were compressed as JPEG are halved, which removes the noise of it.
    """
    reading = Reading(channel="r") if one.spec.channels == 1 else Reading()
    data = decode(one.path, one.spec, reading).texture.data[:3]
    if one.spec.is_color:
        data = hdr_encode(data)
    elif one.spec.kind == "vector":
        data = data * 0.5 + 0.5
    codes = (data.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).expand(-1, -1, 3)
    return _cut(_resized(codes.numpy(), 0.5) if one.path.suffix.lower() in _COMPRESSED else codes.numpy())


def _resized(pixels: Pixels, factor: float) -> Pixels:
    size = max(1, int(pixels.shape[1] * factor)), max(1, int(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _cut(pixels: Pixels) -> Pixels:
    top, left = (max(0, side - _LARGEST) // 2 for side in pixels.shape[:2])
    cut = pixels[top : top + _LARGEST, left : left + _LARGEST]
    lacking = [(0, max(0, _LEAST - side)) for side in cut.shape[:2]]
    return np.ascontiguousarray(np.pad(cut, (*lacking, (0, 0)), mode="symmetric"))
