"""Light from all around: what metal shows, which has no color of its own.

The split sum of Karis ("Real Shading in Unreal Engine 4", 2013): an environment that is blurred by the lobe of each
roughness, times what a surface reflects of even light. A lobe loses what bounces more than once between microfacets:
that is given back (Turquin, "Practical Multiple Scattering Compensation for Microfacet Models", 2019), and the base
gets what the lobe leaves over. So nothing is lost and nothing is won: what is white cannot be told from even light.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.brdf import Surface, dot, unit

Radiance = Callable[[Tensor], Tensor]
"""What comes from directions (3, *): (1, *)."""

_SIDE = 96
"""Pixels along a side of a blurred environment: the whole sphere on a disk."""
_LEVELS = 9
"""Of roughness, from 0 to 1."""
_SAMPLES = 384
"""Of a lobe: fewer leave rings."""
_COSINES = 32
"""Of the angle of view, in the table of what a lobe reflects of even light."""
_LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class Environment:
    """Light from all around, which lights a white surface that lies flat with 1.

    blurred: (levels, side, side) by the lobe of each roughness; soft: (1, side, side) as a matte surface collects it.
    """

    blurred: Tensor
    soft: Tensor

    @classmethod
    def of(cls, radiance: Radiance) -> Environment:
        """Prepare an environment."""
        directions = _directions()
        widths = torch.linspace(0, 1, _LEVELS)[1:].square().tolist()
        sharp = radiance(directions)
        blurred = torch.cat([sharp, *(_blurred(radiance, directions, *_reflected_lobe(alpha)) for alpha in widths)])
        soft = _blurred(radiance, directions, *_cosine_lobe())
        flat = _look(soft, torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1), torch.zeros(1, 1, 1))
        return cls(blurred / flat, soft / flat)

    def reflected(self, surface: Surface, view: Tensor, turned: float) -> Tensor:
        """Return what surfaces send to unit directions `view`, (3, H, W) each; turned: the environment, in radians."""
        n_v = dot(surface.normal, view)
        roughness = surface.alpha[-1:].sqrt()
        mirrored = _mirror(_bent(surface, view), view)
        lobe = _lobe(surface.f0, n_v.clamp_min(_LEAST), roughness)
        seen = _look(self.blurred, _turn(mirrored, -turned), roughness)
        lit = _look(self.soft, _turn(surface.normal, -turned), torch.zeros_like(roughness))
        return lobe * seen + surface.diffuse * (1 - lobe) * lit


@cache
def studio() -> Environment:
    """Return a photographer's studio: a large soft box, a strip across from it, and dim walls; all of it is gray."""
    return Environment.of(_studio)


def _studio(directions: Tensor) -> Tensor:
    walls = 0.12 + 0.3 * ((directions[2:] + 1) / 2).square()
    key = _soft_box(directions, azimuth=135, elevation=64, size=(0.8, 0.45), edge=0.75)
    strip = _soft_box(directions, azimuth=-35, elevation=50, size=(0.9, 0.14), edge=0.14)
    return walls + 2.2 * key + 1.4 * strip


def _soft_box(directions: Tensor, azimuth: float, elevation: float, size: tuple[float, float], edge: float) -> Tensor:
    """Return 1 within a lamp that faces the surface, and 0 outside: (1, *).

    size: half of what it measures across and along, at distance 1. edge: over how much it fades.
    """
    turn, height = math.radians(azimuth), math.radians(elevation)
    away = directions.new_tensor([math.cos(turn), math.sin(turn)])
    up = directions.new_tensor([-math.sin(turn), math.cos(turn)])
    level = torch.tensordot(away, directions[:2], 1)[None]
    ahead = (math.cos(height) * level + math.sin(height) * directions[2:]).clamp_min(_LEAST)
    across = torch.tensordot(up, directions[:2], 1)[None] / ahead
    along = (math.cos(height) * directions[2:] - math.sin(height) * level) / ahead
    half = directions.new_tensor(size).view(2, *[1] * (directions.ndim - 1))
    ramp = ((half - torch.cat([across, along]).abs()) / edge + 0.5).clamp(0, 1)
    inside: Tensor = (ramp.square() * (3 - 2 * ramp)).prod(0, keepdim=True)
    return inside


def _lobe(f0: Tensor, n_v: Tensor, roughness: Tensor) -> Tensor:
    """Return what a specular lobe reflects of even light, all bounces together: (1 or 3, H, W)."""
    scale, bias = _reflectances(n_v, roughness)
    once = f0 * scale + bias
    return once * (1 + f0 * (1 / (scale + bias) - 1))


def _reflectances(n_v: Tensor, roughness: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much of f0, and of 1, a lobe reflects of even light at the first bounce: (1, H, W) each."""
    grid = torch.stack([n_v[0], roughness[0]], -1)[None] * 2 - 1
    found = F.grid_sample(_lobes()[None], grid, padding_mode="border", align_corners=True)[0]
    return found[:1], found[1:]


@cache
def _lobes() -> Tensor:
    """Return the table of `_reflectances`: (2, roughness, cosine)."""
    n_v = torch.linspace(0, 1, _COSINES).clamp_min(_LEAST)[:, None]
    view = torch.stack([(1 - n_v.square()).sqrt(), torch.zeros_like(n_v), n_v])
    rows = []
    for alpha in torch.linspace(0, 1, _COSINES).square().clamp_min(1e-4).tolist():
        half = _facets(alpha)[:, None]
        v_h = dot(view, half)[0].clamp_min(0)
        n_h = half[2]
        n_l = (2 * v_h * n_h - n_v).clamp_min(0)
        shadowed = [
            one * (other.square() * (1 - alpha**2) + alpha**2).sqrt() for one, other in ((n_l, n_v), (n_v, n_l))
        ]
        seen = 2 * n_l * v_h / (n_h * sum(shadowed).clamp_min(1e-7))
        grazing = (1 - v_h).pow(5)
        rows.append(torch.stack([(seen * (1 - grazing)).mean(1), (seen * grazing).mean(1)]))
    return torch.stack(rows, 1)


def _mirror(normal: Tensor, view: Tensor) -> Tensor:
    """Return where a mirror shows what is there."""
    return unit(2 * dot(normal, view) * normal - view)


def _bent(surface: Surface, view: Tensor) -> Tensor:
    """Return normals, and where highlights are stretched, such that are bent towards what is seen along the stretch.

    What is brushed collects light from a fan across its grooves; the blurred environment knows round lobes only.
    """
    if surface.tangent is None:
        return surface.normal
    along = unit(torch.cat([surface.tangent, torch.zeros_like(surface.tangent[:1])]))
    across = torch.linalg.cross(surface.normal, along, dim=0)
    fan = unit(torch.linalg.cross(torch.linalg.cross(across, view, dim=0), across, dim=0))
    wide, narrow = surface.alpha[:1], surface.alpha[-1:]
    return unit(torch.lerp(surface.normal, fan, (wide - narrow).clamp(0, 1)))


def _turn(directions: Tensor, angle: float) -> Tensor:
    x, y, z = directions
    return torch.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), z])


def _look(levels: Tensor, directions: Tensor, roughness: Tensor) -> Tensor:
    """Return what lies in directions (3, H, W), (1, H, W); the projection is that of equal areas (Lambert)."""
    x, y, z = directions
    away = (0.5 / (1 + z).clamp_min(1e-6)).sqrt()
    grid = torch.stack([x * away, y * away, 2 * roughness[0] - 1], -1)[None, None]
    found = F.grid_sample(levels[None, None], grid, padding_mode="border", align_corners=True)
    return found[0, :, 0]


def _directions() -> Tensor:
    """Return where the pixels of an environment are: (3, side, side)."""
    side = torch.linspace(-2, 2, _SIDE)
    place = torch.stack([side.expand(_SIDE, _SIDE), side[:, None].expand(_SIDE, _SIDE)])
    far = place.square().sum(0, keepdim=True)
    place = place * (4 / far.clamp_min(4)).sqrt()  # the corners lie beyond the sphere
    far = far.clamp_max(4)
    return torch.cat([place * (1 - far / 4).sqrt(), 1 - far / 2])


def _blurred(radiance: Radiance, directions: Tensor, lobe: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of what comes from a lobe (3, S) about each direction (3, H, W): (1, H, W)."""
    x, y, z = directions
    level, none = torch.stack([z, torch.zeros_like(z), -x]), torch.zeros_like(z)
    tangent = unit(torch.where(y.abs() > 0.9, torch.stack([y, -x, none]), level))  # of two, one that is not short
    bitangent = torch.linalg.cross(directions, tangent, dim=0)
    total = torch.zeros_like(directions[:1])
    for (a, b, c), weight in zip(lobe.T.tolist(), (weights / weights.sum()).tolist(), strict=True):
        total = total + weight * radiance(a * tangent + b * bitangent + c * directions)
    return total


def _reflected_lobe(alpha: float) -> tuple[Tensor, Tensor]:
    """Return where microfacets send light that comes from above, (3, S), and what masking and shadowing leave of it."""
    facets = _facets(alpha)
    light = 2 * facets[2] * facets - torch.tensor([0.0, 0.0, 1.0])[:, None]
    n_l = light[2].clamp_min(0)
    return light, 2 * n_l / (n_l + (n_l.square() * (1 - alpha**2) + alpha**2).sqrt())


def _facets(alpha: float) -> Tensor:
    """Return normals of microfacets, as many to a direction as GGX has, times the cosine: (3, S)."""
    share, turn = _spread()
    return _around(((1 - share) / (1 + (alpha**2 - 1) * share)).sqrt(), turn)


def _cosine_lobe() -> tuple[Tensor, Tensor]:
    """Return directions of the hemisphere, (3, S), as many as their cosine says, which all count as much."""
    share, turn = _spread()
    return _around((1 - share).sqrt(), turn), torch.ones_like(share)


def _around(cosine: Tensor, turn: Tensor) -> Tensor:
    sine = (1 - cosine.square()).clamp_min(0).sqrt()
    return torch.stack([sine * turn.cos(), sine * turn.sin(), cosine])


def _spread() -> tuple[Tensor, Tensor]:
    """Return numbers from 0 to 1 and angles that fill a disk evenly: a spiral by the golden angle."""
    index = torch.arange(_SAMPLES, dtype=torch.float32)
    return (index + 0.5) / _SAMPLES, index * (math.pi * (3 - math.sqrt(5)))
