"""Smaller levels of pictures, each half the size of the one before: what GPUs show far away.

A level is the mean of what its pixels cover. A side of an odd number of pixels is rounded down, and its pixels then
cover two and a little: Guthe and Heckbert, "Non-Power-of-Two Mipmapping", NVIDIA, 2005.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.exact import norm, root
from assetforge.ops.normals import SHORTEST
from assetforge.ops.resample import nearest

_SMALLEST = 1e-6
_BISECTIONS = 11
"""Roughness is then exact to a quarter of a code of 8 bits."""


def half(size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of the next level; the least is 1."""
    return max(1, size[0] // 2), max(1, size[1] // 2)


def sizes(size: tuple[int, int], smallest: int = 1) -> list[tuple[int, int]]:
    """Return the sizes of all levels below a size, as long as the longer side has at least so many pixels."""
    found = []
    while max(size) > 1:
        size = half(size)
        if max(size) < smallest:
            break
        found.append(size)
    return found


def halved(pixels: Tensor) -> Tensor:
    """Return the next level of (C, H, W): means over what each of its pixels covers."""
    for axis in (1, 2):
        if pixels.shape[axis] > 1:
            pixels = _halved(pixels, axis)
    return pixels


def _halved(pixels: Tensor, axis: int) -> Tensor:
    count = pixels.shape[axis]
    length = count // 2
    first, second = (pixels.narrow(axis, at, count - count % 2 - at)[_every_second(axis)] for at in (0, 1))
    if count % 2 == 0:
        return (first + second) * 0.5
    third = pixels.narrow(axis, 2, count - 2)[_every_second(axis)]
    shape = [1, 1, 1]
    shape[axis] = length
    at = torch.arange(length, device=pixels.device, dtype=pixels.dtype).reshape(shape)
    return (first * (length - at) + second * length + third * (at + 1)) / count


def _every_second(axis: int) -> tuple[slice, ...]:
    return tuple(slice(None, None, 2) if one == axis else slice(None) for one in range(3))


def halved_with_alpha(color: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next level of a color (C, H, W) and its alpha (1, H, W): a color counts as far as it is seen.

    Where alpha hides all that a pixel covers, its color is the mean of what is hidden.
    """
    share = halved(alpha)
    seen = halved(color * alpha)
    return torch.where(share > _SMALLEST, seen / share.clamp_min(_SMALLEST), halved(color)), share


def coverage(alpha: Tensor, cutoff: float) -> float:
    """Return the part of the pixels whose alpha is above a cutoff, as a renderer tests it."""
    return int((alpha > cutoff).sum()) / alpha.numel()


def with_coverage(alpha: Tensor, cutoff: float, wanted: float) -> Tensor:
    """Scale alpha (1, H, W) so that the wanted part of its pixels is above the cutoff, as nearly as that can be.

    Castaño, "Computing Alpha Mipmaps", 2010: leaves and fences would get thinner from level to level. The scale is
    found among the values, and lies in the middle of the gap between those that are to be seen and those that are not.
    """
    values = alpha.flatten().sort(descending=True).values
    count = round(wanted * len(values))
    above = values[count - 1].item() if count else None
    below = values[count].item() if count < len(values) else 0.0
    if above is None:
        middle = below * 2 + _SMALLEST
    else:
        if above == below:  # of equal values all or none are seen: what is nearer
            above, below = _around(values, above, count)
        middle = (above + below) / 2
    return (alpha * (cutoff / max(middle, _SMALLEST))).clamp(0, 1)


def _around(values: Tensor, equal: float, count: int) -> tuple[float, float]:
    """Return the values at the nearer end of a run of equal ones, falling, that a count falls into."""
    first, last = int((values > equal).sum()), int((values >= equal).sum())
    if count - first < last - count and first > 0:
        return values[first - 1].item(), equal
    return equal, values[last].item() if last < len(values) else 0.0


def toksvig(roughness: Tensor, mean: Tensor) -> Tensor:
    """Return the roughness (1, H, W) of a level by how short the mean (3, H, W) of the unit normals is.

    roughness: the level's own, of glTF. Toksvig, "Mipmapping Normal Maps", 2005: (1 − |N|) / |N| is the variance of
    slopes along an axis, where they are flat. The width of a lobe, roughness², is that of slopes whose variance is
    half its square, and variances add up, as in Olano and Baker, "LEAN Mapping", 2010. A few steep normals count for
    too much.
    """
    length = norm(mean).clamp(SHORTEST, 1)
    width = roughness.square().square() + 2 * (1 - length) / length
    return root(root(width.clamp(0, 1)))


def lobe(roughness: Tensor, slopes: Tensor, centers: Tensor) -> Tensor:
    """Return the roughness (1, h, w) whose lobe holds half of the microfacets where all the lobes below it do.

    roughness: (1, H, W), of glTF, and slopes: (2, H, W), of a larger level. centers: (2, h, w), the slopes of the
    level's normals. The slopes of the microfacets of GGX lie as the points of a sphere do that is projected from its
    pole onto the plane, where circles stay circles: so the part of a lobe that lies within a circle anywhere is that of
    a cap, and half of it lies within the width, roughness². Steep normals that are few hardly matter.
    """
    size = (centers.shape[1], centers.shape[2])
    width = roughness.square().square().clamp_min(_SMALLEST)
    away = (slopes - _spread(centers, slopes)).square()
    distance = away[:1] + away[1:]
    low, high = torch.zeros_like(centers[:1]), torch.ones_like(centers[:1])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        radius = _spread(middle.square().square(), slopes)
        beyond = width + distance - radius
        within = 0.5 - 0.5 * beyond / root(beyond * beyond + 4 * width * radius)
        while (within.shape[1], within.shape[2]) != size:
            within = halved(within)
        low, high = torch.where(within < 0.5, middle, low), torch.where(within < 0.5, high, middle)
    return (low + high) / 2


def _spread(level: Tensor, top: Tensor) -> Tensor:
    """Repeat the pixels of a level (C, h, w) over what they cover of a larger one (_, H, W)."""
    return nearest(level, (top.shape[1], top.shape[2]))
