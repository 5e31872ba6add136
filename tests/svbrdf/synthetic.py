"""Pairs of photographs with known truth: materials rendered under a flash and under ambient light, as phones take."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from assetforge.ops.brdf import Surface, dot, unit
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.ops.normals import flip_green, normalize
from assetforge.ops.render import Light, PointLight, Vector, illumination, positions, render
from assetforge.samples import make_sample

Model = Literal["ggx", "oren-nayar"]
Size = tuple[int, int]

CAMERA = (0.0, 0.0, 1.0)
STATIONARY = (
    "Facade005",
    "Ground037",
    "Ground054",
    "MetalPlates006",
    "Rock020",
    "Rock058",
    "Stone_Path_007",
    "Stylized_Stone_Wall_001",
    "Wall_Stone_022",
    "clay_roof_tiles",
    "hterrain_grass",
    "hterrain_sand",
    "leaves_forest_ground",
    "plastered_stone_wall",
)
"""The shared materials that repeat within a crop, and have relief: the others are flat to half a degree, or veined."""
_GLOSSY = 0.22, 0.85
"""Range that the middle 96 % of roughness are stretched to where a material is to be glossy in places."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The maps that a pair was rendered from, (C, H, W)."""

    albedo: Tensor
    normal: Tensor
    roughness: Tensor
    f0: Tensor
    occlusion: Tensor
    anisotropy: Tensor | None = None
    tangent: Tensor | None = None

    @property
    def surface(self) -> Surface:
        alpha = self.roughness.square()
        if self.anisotropy is None:
            return Surface(self.albedo, self.f0, self.normal, alpha)
        along = torch.lerp(alpha, torch.ones_like(alpha), self.anisotropy.square())
        return Surface(self.albedo, self.f0, self.normal, torch.cat([along, alpha]), self.tangent)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two photographs in linear light, (3, H, W), and what was true when they were taken."""

    flash: Tensor
    guide: Tensor
    truth: Truth
    intensity: float
    fov: float
    model: Model = "ggx"

    def seen(self, points: Tensor, camera: Vector, light: Light) -> Tensor:
        """Return what the truth looks like."""
        return lit(self.truth, points, camera, light, self.model)


def shared(folder: Path, name: str, size: Size, seed: int = 0, *, glossy: bool = False) -> Truth:
    """Crop the maps of a shared material to a size, without wrapping around."""
    about = json.loads((folder / name / "material.json").read_text())
    maps = {key: _picture(folder / name / file) for key, file in about["maps"].items()}
    height, width = maps["albedo"].shape[1:]
    scale = min(1.0, max(1.0 / 4 * 3 * max(size) / 768, size[0] / height, size[1] / width))
    whole = (round(height * scale), round(width * scale))
    maps = {key: _resized(pixels, whole) for key, pixels in maps.items()}
    generator = torch.Generator().manual_seed(seed)
    y, x = (
        int(torch.randint(0, large - small + 1, (), generator=generator))
        for large, small in zip(whole, size, strict=True)
    )
    maps = {key: pixels[:, y : y + size[0], x : x + size[1]].contiguous() for key, pixels in maps.items()}
    normal = normalize(maps["normal"] * 2 - 1)
    if about["normal_convention"].startswith("DirectX"):
        normal = flip_green(normal)
    return truth_of(srgb_decode(maps["albedo"]), normal, maps["roughness"][:1], maps.get("ao"), glossy=glossy)


def sample(name: str, size: Size, *, glossy: bool = True) -> Truth:
    """Crop one of the procedural samples, two periods of it to the longer side."""
    maps = make_sample(name, max(size) // 2)
    crop = {
        key: texture.data.repeat(1, 2, 2)[:, 3 : size[0] + 3, 5 : size[1] + 5].roll(0, 2)
        for key, texture in maps.items()
    }
    crop = {key: _resized(value, size) for key, value in crop.items()}
    occlusion = crop.get("ambient_occlusion")
    return truth_of(crop["base_color"], crop["normal"], crop["roughness"], occlusion, glossy=glossy)


def truth_of(
    albedo: Tensor, normal: Tensor, roughness: Tensor, occlusion: Tensor | None = None, *, glossy: bool = False
) -> Truth:
    """Make a plastic of maps; its plane is level, and `glossy` stretches its roughness."""
    normal = normalize(torch.cat([normal[:2], normal[2:].clamp_min(0.2)]))
    slopes = normal[:2] / normal[2:]
    normal = normalize(torch.cat([slopes - slopes.mean((1, 2), keepdim=True), torch.ones_like(slopes[:1])]))
    if glossy:
        low, high = np.quantile(roughness.numpy(), (0.02, 0.98))
        spread = ((roughness - low) / max(high - low, 1e-3)).clamp(-0.1, 1.1)
        roughness = _GLOSSY[0] + (_GLOSSY[1] - _GLOSSY[0]) * spread
    occlusion = torch.ones_like(roughness) if occlusion is None else occlusion[:1]
    return Truth(albedo.clamp(0.01, 0.9), normal, roughness.clamp(0.1, 1), torch.full((1, 1, 1), 0.04), occlusion)


def brushed(size: Size, angle: float, strength: float, seed: int = 0) -> Truth:
    """Make brushed metal: fine grooves at an angle, in degrees; the highlight is stretched across them."""
    generator = torch.Generator().manual_seed(seed)
    grain = torch.randn(1, *size, generator=generator)
    along = math.radians(angle + 90)
    grain = _streaks(grain, along)
    patches = _soft(torch.randn(1, *size, generator=generator), 0.06 * max(size))
    albedo = (torch.tensor([0.62, 0.60, 0.57])[:, None, None] * (1 + 0.10 * grain + 0.05 * patches)).clamp(0.05, 0.95)
    roughness = (0.30 + 0.02 * grain + 0.02 * patches).clamp(0.15, 0.6)
    slopes = 0.02 * grain * torch.tensor([math.cos(along), math.sin(along)])[:, None, None]
    normal = normalize(torch.cat([slopes, torch.ones(1, *size)]))
    tangent = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))])[:, None, None]
    spread = (strength * (1 + 0.15 * patches)).clamp(0, 1) if strength else torch.zeros(1, *size)
    ones = torch.ones_like(roughness)
    return Truth(
        torch.zeros(3, *size), normal, roughness, albedo, ones, spread.expand(1, *size), tangent.expand(2, *size)
    )


@dataclass(frozen=True)
class Shot:
    """How a pair is taken."""

    seed: int = 0
    fov: float = 58.0
    noise: float = 0.008
    quality: int = 92
    model: Model = "ggx"
    shift: float = 0.0
    """How far hands moved between the photographs, in pixels of a picture 384 wide."""


def photograph(truth: Truth, shot: Shot) -> Pair:
    """Take both photographs: light offset, shot noise, JPEG, a gradient and a tint over the guide, as a phone would."""
    size = (truth.albedo.shape[1], truth.albedo.shape[2])
    generator = torch.Generator().manual_seed(shot.seed + 17)
    points = positions(size, shot.fov)
    level = render(replace_roughness(truth), points, CAMERA, PointLight(CAMERA)).mean().item()
    intensity = 0.30 / level
    away = 0.01 + 0.02 * _uniform(generator)
    turn = math.tau * _uniform(generator)
    lamp = PointLight((away * math.cos(turn), away * math.sin(turn), 1.0), intensity)
    flash = lit(truth, points, CAMERA, lamp, shot.model)
    guide = _guide(truth, generator)
    guide = guide * (0.35 / guide.mean())
    if shot.shift:
        flash = _moved(flash, shot.shift * max(size) / 384, generator)
    flash, guide = (_camera(one, shot, generator) for one in (flash, guide))
    return Pair(flash, guide, truth, intensity, shot.fov, shot.model)


def replace_roughness(truth: Truth, roughness: float = 0.6) -> Surface:
    """Return a surface of one roughness, by which exposure is metered."""
    return replace(truth, roughness=torch.full_like(truth.roughness, roughness), anisotropy=None).surface


def lit(truth: Truth, points: Tensor, camera: Vector, lamp: Light, model: Model) -> Tensor:
    """Return the radiance (3, H, W) of a surface that reflects by a model."""
    if model == "ggx":
        return render(truth.surface, points, camera, lamp)
    light, irradiance = illumination(lamp, points)
    view = unit(torch.tensor(camera)[:, None, None] - points)
    n_l, n_v = dot(truth.normal, light).clamp_min(1e-3), dot(truth.normal, view).clamp_min(1e-3)
    diffuse = truth.albedo / math.pi * _oren_nayar(n_l, n_v, dot(light, view))
    return (diffuse + truth.f0 * _beckmann(truth, light, view, n_l, n_v)) * n_l * irradiance


def _oren_nayar(n_l: Tensor, n_v: Tensor, l_v: Tensor, sigma: float = 0.35) -> Tensor:
    """Oren and Nayar, "Generalization of Lambert's Reflectance Model", 1994, in the form of Fujii."""
    s2 = sigma * sigma
    a, b = 1 - 0.5 * s2 / (s2 + 0.33), 0.45 * s2 / (s2 + 0.09)
    s = l_v - n_l * n_v
    return a + b * torch.where(s > 0, s / torch.maximum(n_l, n_v), s)


def _beckmann(truth: Truth, light: Tensor, view: Tensor, n_l: Tensor, n_v: Tensor) -> Tensor:
    half = unit(light + view)
    n_h, v_h = dot(truth.normal, half).clamp(1e-3, 1), dot(view, half).clamp_min(1e-3)
    width = truth.roughness.pow(4).clamp_min(1e-4)
    lobe = torch.exp(-(1 - n_h.square()) / (n_h.square() * width)) / (math.pi * width * n_h.pow(4))
    shadow = torch.minimum(torch.ones_like(n_h), 2 * n_h * torch.minimum(n_l, n_v) / v_h)
    return lobe * shadow / (4 * n_l * n_v)


def _guide(truth: Truth, generator: torch.Generator) -> Tensor:
    """Light the surface by a sky and a window, unevenly and warm; what reflects is lit by the same sky."""
    height, width = truth.albedo.shape[1:]
    turn = math.tau * _uniform(generator)
    elevation = math.radians(50)
    window = torch.tensor([math.cos(turn) * math.cos(elevation), math.sin(turn) * math.cos(elevation), 0.77])
    toward = (truth.normal * window[:, None, None]).sum(0, keepdim=True).clamp_min(0) / 0.77
    light = 0.65 * (0.5 + 0.5 * truth.normal[2:]) * truth.occlusion + 0.35 * toward
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    gradient = 1 + 0.12 * (math.cos(turn) * x - math.sin(turn) * y)
    gloss = truth.f0 * 0.5 * (1 - truth.roughness)
    metal = truth.f0 if truth.f0.shape[0] == 3 else torch.zeros(1, 1, 1)
    tint = torch.tensor([1.03, 1.0, 0.94])[:, None, None]
    return ((truth.albedo + metal) * light + gloss) * gradient * tint


def _camera(light: Tensor, shot: Shot, generator: torch.Generator) -> Tensor:
    noise = torch.randn(light.shape, generator=generator) * shot.noise * (light.clamp_min(0) + 0.01).sqrt()
    coded = (srgb_encode(light + noise).clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(coded).save(file, "JPEG", quality=shot.quality, subsampling=2)
    return srgb_decode(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255)


def _moved(light: Tensor, far: float, generator: torch.Generator) -> Tensor:
    """Move the corners by a homography: a shift up to `far` pixels, and half of that at each corner."""
    height, width = light.shape[1:]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = (torch.rand(1, 2, generator=generator) * 2 - 1) * far
    jitter = (torch.rand(4, 2, generator=generator) - 0.5) * far
    matrix = cv2.getPerspectiveTransform(corners, corners + (shift + jitter).numpy().astype(np.float32))
    moved = cv2.warpPerspective(
        light.permute(1, 2, 0).numpy(), matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return torch.from_numpy(moved).permute(2, 0, 1).clamp_min(0).contiguous()


def _uniform(generator: torch.Generator) -> float:
    return torch.rand((), generator=generator).item()


def _picture(path: Path) -> Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255


def _resized(pixels: Tensor, size: Size) -> Tensor:
    if tuple(pixels.shape[1:]) == size:
        return pixels
    resized = cv2.resize(pixels.permute(1, 2, 0).numpy(), size[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.atleast_3d(resized)).permute(2, 0, 1).contiguous()


def _soft(field: Tensor, sigma: float) -> Tensor:
    blurred = torch.from_numpy(cv2.GaussianBlur(field[0].numpy(), (0, 0), sigma))[None]
    return blurred / blurred.std()


def _streaks(field: Tensor, along: float) -> Tensor:
    """Smear noise along a direction of the plane (y up)."""
    length = 31
    kernel = np.zeros((length, length), np.float32)
    for step in np.linspace(-length // 2 + 1, length // 2, 4 * length):
        row, column = round(length // 2 - step * math.sin(along)), round(length // 2 + step * math.cos(along))
        kernel[np.clip(row, 0, length - 1), np.clip(column, 0, length - 1)] = 1
    streaks = torch.from_numpy(cv2.filter2D(field[0].numpy(), -1, kernel / kernel.sum()))[None]
    return streaks / streaks.std()


def spoiled(folder: Path, kind: str, size: Size, seed: int) -> Truth:
    """Make a surface that is not the same everywhere: `gradient`, `logo`, `halves` or `patch`."""
    names = ("Wall_Stone_022", "Ground054", "hterrain_grass", "Facade005", "plastered_stone_wall", "Rock020")
    one = shared(folder, names[seed % len(names)], size, seed, glossy=True)
    other = shared(folder, names[(seed + 1) % len(names)], size, seed, glossy=True)
    y, x = torch.linspace(-1, 1, size[0])[:, None], torch.linspace(-1, 1, size[1])
    if kind == "gradient":
        slope = math.cos(seed) * x + math.sin(seed) * y
        return replace(one, albedo=(one.albedo * torch.exp(0.9 * slope)).clamp(0.01, 0.9))
    if kind == "logo":
        inside = ((x - 0.3).square() * 2.2 + (y + 0.1).square() < 0.2) | ((x + 0.45).abs() < 0.12) & (y.abs() < 0.5)
        red = torch.tensor([0.6, 0.05, 0.04])[:, None, None].expand(3, *size)
        level = torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, *size)
        paint = replace(one, albedo=red, normal=level, roughness=torch.full_like(one.roughness, 0.3))
        return _where(inside, paint, one)
    inside = (x < 0.1 * math.sin(seed)).expand(size) if kind == "halves" else (x.abs() < 0.45) & (y.abs() < 0.5)
    return _where(inside, one, other)


def _where(inside: Tensor, one: Truth, other: Truth) -> Truth:
    names = ("albedo", "normal", "roughness", "occlusion")
    return replace(one, **{name: torch.where(inside, getattr(one, name), getattr(other, name)) for name in names})
