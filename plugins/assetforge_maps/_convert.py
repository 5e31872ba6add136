"""The step `convert`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

import assetforge as af
from assetforge.ops.resample import resample_map
from assetforge.ops.workflow import to_metalness, to_specular
from assetforge_maps import ConvertParams

Maps = Mapping[str, af.Texture]


def convert_material(material: af.Material, params: ConvertParams) -> af.Material:
    """Convert maps; raise StepError where one that is needed is not there.

    What has base color and nothing of the specular workflow is of the metalness workflow already, and no metal where
    nothing says so: materials of both kinds go through one pipeline.
    """
    needed, make = _CONVERSIONS[params.to]
    if params.to == "metalness" and "base_color" in material and not any(name in material for name in needed):
        return material.replace(metalness=material.get("metalness") or _of_no_metal(material["base_color"]))
    missing = [name for name in needed if name not in material]
    if missing:
        what = f"has no map {' and no '.join(missing)} ({', '.join(material)}), of which {params.to} would be made"
        raise af.StepError(material.name, what, "add it to `inputs`, or convert to something else")
    return material.replace(**make(_sized(material, (*needed, *_OPTIONAL))))


_OPTIONAL = ("specular_color",)


def _sized(material: af.Material, names: tuple[str, ...]) -> dict[str, af.Texture]:
    """Return the maps that are there, all as large as the first."""
    there = [name for name in names if name in material]
    size = material[there[0]].size
    return {name: resample_map(material[name], af.MAPS[name], size) for name in there}


def _to_roughness(maps: Maps) -> dict[str, af.Texture]:
    return {"roughness": maps["glossiness"].with_data(1 - maps["glossiness"].data)}


def _to_glossiness(maps: Maps) -> dict[str, af.Texture]:
    return {"glossiness": maps["roughness"].with_data(1 - maps["roughness"].data)}


def _to_metalness(maps: Maps) -> dict[str, af.Texture]:
    diffuse = maps["diffuse_albedo"]
    base, metalness = to_metalness(diffuse.data, maps["specular_albedo"].data)
    numbers = replace(diffuse, data=metalness, alpha=None, color_space=af.ColorSpace.NONE)
    return {"base_color": diffuse.with_data(base), "metalness": numbers}


def _of_no_metal(like: af.Texture) -> af.Texture:
    return replace(like, data=torch.zeros_like(like.data[:1]), alpha=None, color_space=af.ColorSpace.NONE)


def _to_specular(maps: Maps) -> dict[str, af.Texture]:
    base = maps["base_color"]
    tint = maps["specular_color"].data if "specular_color" in maps else torch.ones(1)
    diffuse, specular = to_specular(base.data, maps["metalness"].data, tint)
    return {"diffuse_albedo": base.with_data(diffuse), "specular_albedo": replace(base, data=specular, alpha=None)}


_CONVERSIONS: Mapping[str, tuple[tuple[str, ...], Callable[[Maps], dict[str, af.Texture]]]] = {
    "roughness": (("glossiness",), _to_roughness),
    "glossiness": (("roughness",), _to_glossiness),
    "metalness": (("diffuse_albedo", "specular_albedo"), _to_metalness),
    "specular": (("base_color", "metalness"), _to_specular),
}
