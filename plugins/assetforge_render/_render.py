"""Pictures of a material, some rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import assetforge as af
from assetforge.ops.brdf import Surface, unit
from assetforge.ops.render import Light, PointLight, Sun, positions, render
from assetforge.ops.resample import resample_map
from assetforge.ops.surface import SHOWN, surface_of
from assetforge_render import Light as LightParams
from assetforge_render import Params
from assetforge_render._environment import Environment, studio

CAMERA = (0.0, 0.0, 1.0)
BAND = 128
"""Rows that are rendered at a time: a picture needs some thirty numbers a pixel on the way."""
_FINEST = 4
"""Pixels of the maps along an axis that are averaged for one of the picture, at most."""
_METAL = 0.05
"""Reflectance of mirrored light from which on what reflects no more of other light is taken for metal."""
_SOME = 0.01
"""Part of the pixels from which on a material is said to have metal in it."""
_EVEN, _STUDIO = 0.1, 0.4
"""How bright light from all sides is by default."""


def render_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Add the map `render`: a sheet of `frames` pictures, linear, cut at 1."""
    shown = {name: texture for name, texture in material.items() if name in SHOWN}
    if not shown:
        instead = f"give it maps such as {', '.join(sorted(SHOWN)[:4])}"
        raise af.StepError("render", f"there is nothing to show in {', '.join(material)}", instead)
    sized, finer = _sized(shown, params.size)
    surface = surface_of(sized)
    occlusion = sized["ambient_occlusion"].data if "ambient_occlusion" in sized else None
    environment, usual = (studio(), _STUDIO) if _in_studio(surface, params) else (None, _EVEN)
    ambient = usual if params.ambient is None else params.ambient
    pictures = []
    for frame in range(params.frames):
        turned = 360 * frame / params.frames
        lights = [_light(light, turned) for light in params.lights]
        around = _Ambient(environment, ambient, math.radians(turned), occlusion)
        pictures.append(F.avg_pool2d(_picture(surface, lights, around, params.fov), finer))
        context.progress((frame + 1) / params.frames)
    sheet = _sheet(pictures)
    return material.replace(render=af.Texture(sheet, af.ColorSpace.LIN_REC709, "clamp"))


def _sized(shown: dict[str, af.Texture], side: int | None) -> tuple[dict[str, af.Texture], int]:
    """Bring maps to one size, and return how many of their pixels along an axis are one of the picture's.

    The picture has `side` pixels along its longer side. Of maps that are larger, more is rendered, and averaged then:
    a pixel of their mean normal would sparkle as one facet, where it shows many.
    """
    largest = max((texture.size for texture in shown.values()), key=max)
    scale = 1.0 if side is None else side / max(largest)
    finer = min(_FINEST, max(1, int(1 / scale)))
    height, width = (max(1, round(length * scale)) * finer for length in largest)
    return {
        name: resample_map(texture, af.MAPS.get(name, _DIRECTION), (height, width)) for name, texture in shown.items()
    }, finer


_DIRECTION = af.MapSpec("direction", 3, "vector", (-1.0, 1.0), (1.0, 0.0, 0.0), "Where highlights are stretched to.")


def _light(light: LightParams, turned: float) -> Light:
    """Return a light that has been turned around the camera's axis by so many degrees."""
    azimuth, elevation = math.radians(light.azimuth + turned), math.radians(light.elevation)
    level = math.cos(elevation)
    x, y, z = level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)
    if light.kind == "sun":
        return Sun((x, y, z), math.pi * light.strength)
    away = light.distance
    return PointLight((x * away, y * away, z * away), math.pi * light.strength * away**2)


@dataclass(frozen=True, eq=False)
class _Ambient:
    """Light from all sides; environment: None where it is even; turned: in radians."""

    environment: Environment | None
    strength: float
    turned: float
    occlusion: Tensor | None

    def reflected(self, surface: Surface, points: Tensor, rows: slice) -> Tensor:
        """Return what some rows of a picture reflect of it, (3, H, W)."""
        if self.environment is None:
            light = (surface.diffuse + surface.f0).clamp_max(1)
        else:
            view = unit(points.new_tensor(CAMERA).view(3, 1, 1) - points)
            light = self.environment.reflected(surface, view, self.turned)
        light = light * self.strength
        return light if self.occlusion is None else light * self.occlusion[:, rows]


def _in_studio(surface: Surface, params: Params) -> bool:
    """Tell whether light from all sides is that of a studio."""
    if params.environment != "auto":
        return params.environment == "studio"
    metal = surface.f0.amax(0) > surface.diffuse.amax(0).clamp_min(_METAL)
    return metal.float().mean().item() > _SOME


def _picture(surface: Surface, lights: list[Light], ambient: _Ambient, fov: float) -> Tensor:
    """Return a picture (3, H, W), 0 to 1."""
    height, width = surface.normal.shape[1:]
    points = positions((height, width), fov)
    picture = torch.empty(3, height, width)
    for top in range(0, height, BAND):
        rows = slice(top, top + BAND)
        part = _rows(surface, rows)
        light = ambient.reflected(part, points[:, rows], rows)
        for one in lights:
            light = light + render(part, points[:, rows], CAMERA, one)
        picture[:, rows] = light.clamp(0, 1)
    return picture


def _rows(surface: Surface, rows: slice) -> Surface:
    tangent = None if surface.tangent is None else surface.tangent[:, rows]
    return Surface(
        surface.diffuse[:, rows], surface.f0[:, rows], surface.normal[:, rows], surface.alpha[:, rows], tangent
    )


def _sheet(pictures: list[Tensor]) -> Tensor:
    """Lay pictures out in rows, about as many to a row as there are rows; what is left over stays black."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    channels, height, width = pictures[0].shape
    sheet = torch.zeros(channels, rows * height, columns * width)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet[:, row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    return sheet
