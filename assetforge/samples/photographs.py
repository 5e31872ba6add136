"""A pair of photographs of a material as a telephone in the hand takes them: one with its flash, one in daylight.

What a two-shot capture must bear is all there: the flash beside the lens, a camera that moves between the shots, the
noise of the sensor, a lens that is darker in the corners, daylight that is tinted and uneven.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.codecs import exif, pillow_files
from assetforge.material.camera import Camera
from assetforge.material.camera import fov as fov_of
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops import homography
from assetforge.ops.color import srgb_encode
from assetforge.ops.normals import normalize
from assetforge.ops.render import PointLight, Sun, positions, render
from assetforge.ops.surface import surface_of

CAMERA = (0.0, 0.0, 1.0)
FLASH = Camera(focal_35mm=31, exposure_time=1 / 60, aperture=1.8, iso=100)
GUIDE = Camera(focal_35mm=31, exposure_time=1 / 125, aperture=1.8, iso=200)
"""What the photographs say of themselves."""
QUALITY = 92
"""Of their JPEG files, about that of a telephone."""
_SHOT_NOISE = 0.008
"""Deviation of the noise where the light is 1; it grows with the square root of the light."""
_VIGNETTE = 0.1
"""How much darker the corners are."""
_GRADIENT = 0.12
_PADDING = 3
_TINTS = ((1.06, 1.0, 0.93), (0.94, 1.0, 1.07))
"""Daylight under a cloudless sky is blue, near a lamp or in the evening it is warm."""


@dataclass(frozen=True, eq=False)
class Photographs:
    """Two photographs of one place, linear Rec.709 (3, H, W), 0 to 1, clipped as a sensor clips."""

    flash: Tensor
    guide: Tensor
    homography: Tensor
    """Takes pixels of the guide to where the flash photograph shows the same, (3, 3)."""
    fov: float
    """Angle along the longer side, in degrees."""


def photographs(
    material: Material,
    size: tuple[int, int] = (512, 768),
    seed: int = 0,
    *,
    repeats: float = 1.5,
    fov: float | None = None,
    shift: float | None = None,
) -> Photographs:
    """Take two photographs (height, width) of a tileable material whose maps have one size.

    repeats: how often the material repeats along the longer side; shift: how many pixels the camera moves between the
    two, 1 % of the longer side unless told; the corners move by up to half as much besides. fov: in degrees, that of
    `FLASH` unless told.
    """
    generator = torch.Generator().manual_seed(seed)
    shift = max(size) / 100 if shift is None else shift
    fov = fov or fov_of(FLASH) or 60.0
    moved = _hand_held(size, shift, generator)
    grid = homography.grid(size)
    flash = _flash(*_seen(material, homography.apply(moved, grid), size, repeats, fov), generator)
    guide = _guide(*_seen(material, grid, size, repeats, fov), generator)
    flash, guide = (_exposed(light, size, generator) for light in (flash, guide))
    return Photographs(flash, guide, torch.linalg.inv(moved), fov)


def as_jpeg(photo: Tensor, camera: Camera) -> bytes:
    """Return a photograph, linear (3, H, W), as the JPEG file of a telephone, which tells how it was taken."""
    codes = (srgb_encode(photo) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return pillow_files.write(codes, "JPEG", quality=QUALITY, subsampling="4:2:0", exif=exif.block_of(camera))


def _hand_held(size: tuple[int, int], shift: float, generator: torch.Generator) -> Tensor:
    """Return how a camera that is held in the hand has moved: a shift of so many pixels, and each corner's own."""
    angle = torch.rand(1, generator=generator, dtype=torch.float64) * math.tau
    way = shift * torch.cat([angle.cos(), angle.sin()])
    jitter = (torch.rand(4, 2, generator=generator, dtype=torch.float64) * 2 - 1) * shift / 2
    return homography.of_corners(way + jitter, size)


def _seen(
    material: Material, pixels: Tensor, size: tuple[int, int], repeats: float, fov: float
) -> tuple[Material, Tensor]:
    """Return the part of a material that a camera sees at some pixels (2, H, W), and its points in space (3, H, W)."""
    corner = positions(size, fov)
    pitch = float(corner[0, 0, 1] - corner[0, 0, 0])
    x = float(corner[0, 0, 0]) + pixels[0] * pitch
    y = float(corner[1, 0, 0]) - pixels[1] * pitch
    points = torch.stack([x, y, torch.zeros_like(x)]).float()
    part = {
        name: Texture(_repeated(texture.data, pixels * (repeats / max(size)), name), texture.color_space)
        for name, texture in material.items()
    }
    return Material(material.name, part), points


def _repeated(data: Tensor, place: Tensor, name: str) -> Tensor:
    """Return a map (C, h, w) that repeats without end at places (2, H, W), whose unit is one repeat."""
    height, width = data.shape[1:]
    side = place.new_tensor([width, height])[:, None, None]
    padded = F.pad(data[None], (_PADDING,) * 4, mode="circular")[0]
    sampled = homography.sample(padded, (place % 1) * side - 0.5 + _PADDING)
    spec = MAPS[name]
    return normalize(sampled) if spec.kind == "vector" else sampled.clamp(*spec.valid)


def _flash(material: Material, points: Tensor, generator: torch.Generator) -> Tensor:
    """Light a surface by a flash, one to three hundredths of the distance beside the lens."""
    angle = float(torch.rand(1, generator=generator)) * math.tau
    away = 0.01 + 0.02 * float(torch.rand(1, generator=generator))
    lamp = PointLight((away * math.cos(angle), away * math.sin(angle), 1.0), math.pi)
    return render(surface_of(material), points, CAMERA, lamp)


def _guide(material: Material, points: Tensor, generator: torch.Generator) -> Tensor:
    """Light a surface by two parts of an overcast sky and one of a lamp from the side, uneven and tinted."""
    surface = surface_of(material)
    angle = float(torch.rand(1, generator=generator)) * math.tau
    sun = Sun((0.6 * math.cos(angle), 0.6 * math.sin(angle), 0.8), math.pi)
    occlusion = material["ambient_occlusion"].data if "ambient_occlusion" in material else 1.0
    light: Tensor = 0.65 * (surface.diffuse + surface.f0) * occlusion + 0.35 * render(surface, points, CAMERA, sun)
    slope = torch.rand(2, generator=generator) * 2 - 1
    uneven = 1 + _GRADIENT * torch.tensordot(slope / slope.abs().sum(), points[:2] / points[:2].abs().amax(), 1)
    tint = _TINTS[int(torch.randint(len(_TINTS), (1,), generator=generator))]
    tinted: Tensor = light * uneven * light.new_tensor(tint).view(3, 1, 1)
    return tinted


def _exposed(light: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Expose a picture so that its mean is 0.3 where nothing shines, as a sensor sees it."""
    away = positions(size, 60.0)[:2].square().sum(0)
    light = light * (1 - _VIGNETTE * away / away.max())
    light = light * (0.3 / light.clamp_max(4 * light.median()).mean())
    noise = torch.randn(light.shape, generator=generator) * _SHOT_NOISE
    return (light + noise * light.sqrt()).clamp(0, 1)
