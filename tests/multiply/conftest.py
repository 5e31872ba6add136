"""Materials to multiply, and a short way of doing so."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from assetforge_multiply import COORDINATES, REPORT, ApplyParams, Params
from assetforge_multiply._multiply import apply_coordinates, multiply_material

import assetforge as af
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_encode
from assetforge.samples import make_sample

SMALL, SMALLER = 66, 48
"""The side of an exemplar where only the placement of its pixels is checked: patches lie at every second pixel of the
first, and at every one of the other."""
SPECS = {**MAPS, "coordinates": COORDINATES, "multiply_report": REPORT}


def multiply(material: Material, seed: int = 0, device: str = "cpu", **params: object) -> Material:
    return multiply_and_tell(material, seed, device, **params)[0]


def multiply_and_tell(
    material: Material, seed: int = 0, device: str = "cpu", **params: object
) -> tuple[Material, dict[str, object], list[str]]:
    """Multiply a material once; return what is noted and flagged, too."""
    notes: dict[str, object] = {}
    flags: list[str] = []
    context = af.Context(seed, device, lambda _: None, {}, SPECS, note=notes.__setitem__, flag=flags.append)
    return multiply_material(material, Params(**{"retries": 0, "candidates": 3, **params}), context), notes, flags


whole = lru_cache(lambda name: make_sample(name, 192))
"""A sample, of which exemplars of all sides are parts."""


@lru_cache
def exemplar(name: str, side: int = 144) -> Material:
    """A part of a sample, which does not tile."""
    sample = whole(name)
    maps = {
        key: Texture(texture.data[:, 20 : 20 + side, 9 : 9 + side], texture.color_space)
        for key, texture in sample.items()
    }
    return Material(name, maps)


@lru_cache
def multiplied(name: str, seed: int = 0) -> Material:
    return multiply(exemplar(name), seed, candidates=1)


@lru_cache
def placed(name: str, side: int = SMALL, **params: object) -> Material:
    """Multiply a small exemplar once, and keep the map `coordinates`: for tests of where pixels come from."""
    return multiply(exemplar(name, side), save_map=True, candidates=1, **params)


def apply(material: Material, **params: object) -> Material:
    """Apply the coordinates of a material to its other maps."""
    context = af.Context(0, "cpu", lambda _: None, {}, SPECS)
    return apply_coordinates(material, ApplyParams(**params), context)


def luminance(material: Material) -> torch.Tensor:
    return srgb_encode(material["base_color"].data).mean(0)


def write_mask(path: Path, white: torch.Tensor) -> Path:
    assert cv2.imwrite(str(path), (white.numpy() * 255).astype(np.uint8))
    return path
