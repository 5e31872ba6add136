"""A short way of capturing, and of what is told about it."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import assetforge_svbrdf
import torch
from assetforge_svbrdf import Params
from assetforge_svbrdf._svbrdf import capture
from svbrdf.measures import Maps
from svbrdf.synthetic import Pair

import assetforge as af
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.samples import make_sample
from assetforge.samples.photographs import FLASH, GUIDE, Photographs, as_jpeg
from assetforge.samples.photographs import photographs as take

WEIGHTS = {
    name: Path(assetforge_svbrdf.__file__).parent / f"weights/{name}.safetensors" for name in ("features", "start")
}


def photographs(pair: Pair, *names: str) -> Material:
    """Make a material of both photographs, or of those named."""
    photos = {"flash": pair.flash, "guide": pair.guide}
    maps = {name: Texture(photos[name], af.ColorSpace.LIN_REC709, "clamp") for name in names or photos}
    return Material("photographed", maps)


def gray_of(pair: Pair) -> float:
    """What a gray card looks like in the middle of the flash photo."""
    return 0.18 * pair.intensity / math.pi


def captured(material: Material, seed: int = 0, **params: object) -> tuple[Material, dict[str, object], list[str]]:
    """Capture once; return what is noted and flagged, too."""
    notes: dict[str, object] = {}
    flags: list[str] = []
    context = af.Context(seed, "cpu", lambda _: None, WEIGHTS, MAPS, note=notes.__setitem__, flag=flags.append)
    with torch.no_grad():  # as executors run steps
        return capture(material, Params(**params), context), notes, flags


def maps_of(material: Material) -> Maps:
    """Take from a material what is measured."""
    names = ("diffuse_albedo", "normal", "roughness", "specular_albedo")
    return Maps(*(material[name].data for name in names))


@lru_cache
def shot(name: str, size: tuple[int, int] = (128, 192), seed: int = 1) -> Photographs:
    """Photograph a sample; the camera hardly moves between the shots."""
    return take(make_sample(name, max(size)), size, seed, repeats=1.0, shift=1.0)


def files_of(pair: Photographs) -> dict[str, bytes]:
    """Return both photographs as the files of a telephone."""
    return {"flash": as_jpeg(pair.flash, FLASH), "guide": as_jpeg(pair.guide, GUIDE)}
