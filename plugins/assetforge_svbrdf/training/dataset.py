"""Photographs of known surfaces, taken by chance: what the networks see, and what is true.

The surfaces are those drawn by `procedural`, the shared materials that are not held out, and the game textures with
normals. The 14 materials that the benchmark of this plugin measures are never seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_decode
from assetforge.ops.heights import integrated
from assetforge_svbrdf._light import F0, Texels, radiance

HELD_OUT = frozenset({
    "Facade005", "Ground037", "Ground054", "MetalPlates006", "Rock020", "Rock058", "Stone_Path_007",
    "Stylized_Stone_Wall_001", "Wall_Stone_022", "clay_roof_tiles", "hterrain_grass", "hterrain_sand",
    "leaves_forest_ground", "plastered_stone_wall",
})  # fmt: skip
CROP = 128
"""Side of the pictures that the networks learn from."""
FRAME = 192, 288
"""Half height and width, in pixels, of the least photograph that a crop may be of; the greatest is twice as large."""
_PORTRAITS = 0.3
"""Share of photographs that are higher than wide."""
_NOISE = 0.008

Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Surface:
    """Maps of one surface: linear albedo (3, H, W), slopes x/z and y/z (2, H, W), roughness (1, H, W)."""

    albedo: Tensor
    slopes: Tensor
    roughness: Tensor


@dataclass(frozen=True, eq=False)
class Example:
    """A crop of two photographs, linear (3, H, W), the place in the plane of its pixels (2, H, W), and the truth.

    flash: with the fall-off of its light taken out.
    """

    flash: Tensor
    guide: Tensor
    points: Tensor
    truth: Surface


def read(data: Path) -> list[Surface]:
    """Read all surfaces of the shared data that training may see."""
    folders = [path.parent for path in sorted(data.glob("materials/*/material.json"))]
    found = [_material(folder) for folder in folders if folder.name not in HELD_OUT]
    return found + [_texture(path) for path in sorted(data.glob("train/*/*_n.webp")) if _color_of(path).exists()]


def _material(folder: Path) -> Surface:
    about = folder / "material.json"
    try:
        told = json.loads(about.read_text())
        files = {name: folder / told["maps"][name] for name in ("albedo", "normal", "roughness")}
        downward = told["normal_convention"].startswith("DirectX")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"does not tell of its maps and of `normal_convention` ({type(error).__name__}: {error})"
        raise af.StepError(str(about), what, "mend it, or move the folder away") from error
    maps = {name: _picture(path) for name, path in files.items()}
    return _surface(maps["albedo"], maps["normal"], maps["roughness"][:1], downward)


def _texture(normal: Path) -> Surface:
    """Read a game texture and its normals, whose green points down; how rough it is, nobody knows."""
    albedo = _picture(_color_of(normal))
    return _surface(albedo, _picture(normal), 1 - albedo.mean(0, keepdim=True), downward=True)


def _color_of(normal: Path) -> Path:
    return normal.with_name(normal.name.replace("_n.", "_d."))


def _surface(albedo: Tensor, normal: Tensor, roughness: Tensor, downward: bool) -> Surface:
    size = tuple(normal.shape[1:])
    vectors = normal * 2 - 1
    slopes = (vectors[:2] / vectors[2:].clamp_min(0.2)).clamp(-2, 2)
    slopes = torch.stack([slopes[0], -slopes[1]]) if downward else slopes
    slopes = slopes - slopes.mean((1, 2), keepdim=True)
    return Surface(srgb_decode(_resized(albedo, size)).clamp(0.01, 0.9), slopes, _resized(roughness, size))


def example(surfaces: list[Surface], rng: Random) -> Example:
    """Photograph a part of one of the surfaces."""
    crops = [_crop(surfaces[rng.integers(len(surfaces))], rng) for _ in range(2)]
    truth = _varied(max(crops, key=lambda one: one.slopes.std().item()), rng)  # what is flat teaches little
    points = _place(rng)
    offset = torch.from_numpy(rng.normal(0, 0.015, 2).astype(np.float32))
    flash = lit(truth, points, offset)
    flash = flash * rng.uniform(0.15, 0.5) / flash.mean()
    guide = _guide(truth, rng)
    guide = guide * rng.uniform(0.15, 0.5) / guide.mean()
    fall_off = (1 + points.square().sum(0)).pow(1.5)
    flash, guide = (_sensed(light, rng) for light in (flash, guide))
    return Example(flash * fall_off, guide, points, truth)


def lit(truth: Surface, points: Tensor, offset: Tensor) -> Tensor:
    """Return what the camera sees of it under a light at a place beside the lens, (3, H, W)."""
    flat = points.flatten(1)
    texels = Texels(
        truth.albedo.flatten(1), torch.full((1, 1), F0), truth.slopes.flatten(1), truth.roughness.flatten().square()
    )
    return radiance(texels, flat, offset, math.pi).reshape(3, *points.shape[1:])


def _crop(surface: Surface, rng: Random) -> Surface:
    """Cut a square at a scale, turned or mirrored."""
    side = min(surface.slopes.shape[1:])
    reach = min(side, int(CROP * np.exp(rng.uniform(0, math.log(max(1.0, min(4.0, side / CROP)))))))
    y, x = (int(rng.integers(whole - reach + 1)) for whole in surface.slopes.shape[1:])
    maps = torch.cat([surface.albedo, surface.roughness, surface.slopes])[:, y : y + reach, x : x + reach]
    maps = _resized(maps, (CROP, CROP))
    for _ in range(int(rng.integers(4))):
        maps = maps.rot90(1, (1, 2))
        maps = torch.cat([maps[:4], -maps[5:6], maps[4:5]])
    if rng.random() < 0.5:
        maps = torch.cat([maps[:4].flip(2), -maps[4:5].flip(2), maps[5:6].flip(2)])
    return Surface(maps[:3].contiguous(), maps[4:6].contiguous(), maps[3:4].contiguous())


def _varied(truth: Surface, rng: Random) -> Surface:
    """Change colors, relief and gloss, so that few surfaces stand for many."""
    albedo = truth.albedo[torch.from_numpy(rng.permutation(3))] * float(np.exp(rng.uniform(-0.7, 0.4)))
    slopes = truth.slopes * float(np.exp(rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.1:
        slopes = -slopes
    slopes = slopes - slopes.mean((1, 2), keepdim=True)
    rough = truth.roughness
    deviation = rough.std().clamp_min(0.01)
    signs = -1.0 if rng.random() < 0.3 else 1.0
    rough = rng.uniform(0.25, 0.8) + signs * (rough - rough.mean()) / deviation * rng.uniform(0.02, 0.2)
    return Surface(albedo.clamp(0.01, 0.9), slopes, rough.clamp(0.12, 1))


def _place(rng: Random) -> Tensor:
    """Return where in a photograph the crop lies: points in the plane (2, H, W), x to the right and y up."""
    scale = float(np.exp(rng.uniform(0, math.log(2))))
    short, long = (int(half * scale) for half in FRAME)
    pixel = math.tan(math.radians(rng.uniform(40, 75)) / 2) / long
    half_sides = (long, short) if rng.random() < _PORTRAITS else (short, long)
    y, x = (torch.arange(CROP) + 0.5 + int(rng.integers(-half, half - CROP + 1)) for half in half_sides)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, -rows]).float() * pixel


def _guide(truth: Surface, rng: Random) -> Tensor:
    """Light the surface by a sky, which knows of cavities, and by a window; what is smooth mirrors the sky."""
    up = (truth.slopes.square().sum(0, keepdim=True) + 1).rsqrt()
    turn, rise = rng.uniform(0, math.tau), math.radians(rng.uniform(25, 75))
    x, y, z = math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)
    toward = ((truth.slopes[0] * x + truth.slopes[1] * y + z)[None] * up).clamp_min(0) / z
    window = rng.uniform(0.0, 0.7)
    light = (1 - window) * (0.5 + 0.5 * up) * _occlusion(truth.slopes, rng) + window * toward
    gloss = F0 * rng.uniform(0.2, 1.0) * (1 - truth.roughness)
    tint = torch.from_numpy(np.exp(0.06 * rng.standard_normal(3)).astype(np.float32))[:, None, None]
    return (truth.albedo * light + gloss) * tint


def _occlusion(slopes: Tensor, rng: Random) -> Tensor:
    """Return how much of the sky cavities see, (1, H, W): by how far their surroundings rise above them."""
    strength = rng.uniform(0, 1.5)
    height = integrated(slopes, repeat=False, hills=True)[0]
    dark = torch.zeros_like(height)
    for sigma in (1.5, 4.0, 10.0):
        soft = torch.from_numpy(cv2.GaussianBlur(height.numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT))
        dark += (soft - height).clamp_min(0) / (2 * sigma)
    return (1 / (1 + strength * dark))[None]


def _sensed(light: Tensor, rng: Random) -> Tensor:
    """Add noise, clip, and sometimes soften, as small sensors do."""
    if rng.random() < 0.3:
        sigma = rng.uniform(0.3, 0.9)
        light = torch.stack([torch.from_numpy(cv2.GaussianBlur(one.numpy(), (0, 0), sigma)) for one in light])
    noise = torch.from_numpy(rng.standard_normal(light.shape).astype(np.float32))
    level = _NOISE * float(np.exp(rng.uniform(-1, 1)))
    sensed: Tensor = (light + noise * level * (light.clamp_min(0) + 0.01).sqrt()).clamp(0, 1)
    return sensed


def _picture(path: Path) -> Tensor:
    try:
        with Image.open(path) as picture:
            found = np.asarray(picture.convert("RGB") if picture.mode != "I;16" else picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # all that Pillow raises
        raise af.StepError(str(path), f"cannot be read ({error})") from error
    scale = 65535 if found.dtype.itemsize > 1 else 255
    planes = np.atleast_3d(found).astype(np.float32) / scale
    return torch.from_numpy(planes).permute(2, 0, 1).expand(3, -1, -1).contiguous()


def _resized(pixels: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(pixels.shape[1:]) == size:
        return pixels
    planes = [cv2.resize(one.numpy(), (size[1], size[0]), interpolation=cv2.INTER_AREA) for one in pixels]
    return torch.stack([torch.from_numpy(one) for one in planes])
