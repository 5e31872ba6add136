"""The two photographs as the solver wants them: linear, registered, evenly lit, and refused where they cannot be used.

Lengths are in units of the camera's distance, as in `assetforge.ops.render`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops import homography as plane
from assetforge.ops.blur import blurred_widely
from assetforge.ops.render import positions

CLIPPED = 0.97
"""Linear value from which on a sensor is taken to be full."""
LUMINANCE = (0.2126, 0.7152, 0.0722)
_DARK = 0.01
"""What even the brightest part of a black photo is below."""
_SAME = 0.03
"""Least deviation of the logarithm of the photos' ratio: noise alone has less."""
_SMALLEST = 64
_MOST_CLIPPED, _MUCH_CLIPPED = 0.4, 0.1
"""Parts of a photo: all channels full, which it must not be; and any of them, which is flagged."""
_GRAY = 1e-3
"""Linear difference that the channels of a photo with any color have somewhere."""
_SLOW = 6.0
"""Part of the longer side over which the light on the guide changes."""


@dataclass(frozen=True, eq=False)
class Photos:
    """What the solver sees.

    flash, guide: (3, H, W), linear; the guide is flattened, its mean is kept. seen: (H, W), False where the flash photo
    has nothing. points: (2, H, W), where in the plane each pixel lies. fov: degrees along the longer side. taken: the
    flash photo as it was taken, (3, H, W). places: (2, H, W), x and y in it of each pixel of the guide.
    """

    flash: Tensor
    guide: Tensor
    seen: Tensor
    points: Tensor
    fov: float
    taken: Tensor
    places: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.flash.shape[1], self.flash.shape[2]

    @property
    def clipped(self) -> Tensor:
        """Where the flash photo is full: (H, W)."""
        return self.flash.amax(0) >= CLIPPED


def prepared(flash: Tensor, guide: Tensor, fov: float, places: Tensor | None = None) -> Photos:
    """Make `Photos` of linear pictures (3, H, W); the flash photo's pixels lie where the guide's do, or at places."""
    size = flash.shape[1], flash.shape[2]
    grid, points = plane.grid(size), positions(size, fov)[:2]
    photos = Photos(flash.contiguous(), flattened(guide), plane.inside(grid, size), points, fov, flash, grid)
    return photos if places is None else placed(photos, places)


def from_flash(photos: Photos) -> Photos:
    """Return photographs whose guide is the flash photo itself, with the fall-off of the light taken out."""
    fall_off = (1 + photos.points.square().sum(0)).pow(1.5)
    return replace(photos, guide=flattened((photos.flash * fall_off).clamp(0, 1.5)))


def moved(photos: Photos, motion: Tensor) -> Photos:
    """Return photographs whose flash photo is taken from so many pixels to the right and up, (2, H, W)."""
    grid = plane.grid(photos.size)
    points = grid + motion * motion.new_tensor([1, -1])[:, None, None]
    return placed(photos, points + plane.sample(photos.places - grid, points, bicubic=False))


def placed(photos: Photos, places: Tensor) -> Photos:
    """Return photographs whose flash photo is sampled, once, at places (2, H, W) of what was taken."""
    flash = plane.sample(photos.taken, places).clamp_min(0)
    return replace(photos, flash=flash, seen=plane.inside(places, photos.size), places=places)


def check_pair(flash: Tensor, guide: Tensor) -> list[str]:
    """Raise StepError where no material can be made of a pair; return doubts of one that is used."""
    if flash.shape != guide.shape:
        sizes = " and ".join(f"{one.shape[2]}×{one.shape[1]}" for one in (flash, guide))
        what = f"the flash and the guide photo differ in size: {sizes}"
        raise af.StepError("flash", what, "take both with one camera, held the same way")
    doubts = check_photo(flash, "flash") + check_photo(guide, "guide")
    first, second = (_luminance(one) for one in (flash, guide))
    ratio = (first + 1e-3) / (second + 1e-3)
    if (ratio.log() - ratio.log().mean()).std().item() < _SAME:
        what = "the flash and the guide photo are the same picture, but for its brightness"
        raise af.StepError("flash", what, "take one with the flash, and one without")
    inward = [_falls_off(one) for one in (first, second)]
    if inward[1] > 0.12 and inward[1] > inward[0] + 0.1:
        what = "the guide is lit from the middle and the flash photo is not: they seem to be swapped"
        full = _overexposed(flash)
        if full > _MUCH_CLIPPED:  # which may be why it is not
            what = f"{full:.0%} of the flash photo are overexposed, and it is not brightest in the middle"
        raise af.StepError("flash", what, "exchange their names, or take the flash photo anew")
    return doubts


def check_photo(photo: Tensor, kind: str) -> list[str]:
    """Raise StepError, which blames the map `kind`, where a photograph shows nothing; return doubts."""
    if min(photo.shape[1:]) < _SMALLEST:
        what = f"the {kind} photo is {photo.shape[2]}×{photo.shape[1]}"
        raise af.StepError(kind, what, f"give one of at least {_SMALLEST} pixels to a side")
    if _luminance(photo).flatten().kthvalue(round(0.98 * photo[0].numel())).values.item() < _DARK:
        raise af.StepError(kind, f"the {kind} photo is black", "expose it longer, or check that the flash fired")
    full = (photo.amin(0) >= CLIPPED).float().mean().item()
    if full > _MOST_CLIPPED:
        what = f"{full:.0%} of the {kind} photo are overexposed"
        raise af.StepError(kind, what, "expose it shorter, or hold the camera farther away")
    doubts = []
    if (share := _overexposed(photo)) > _MUCH_CLIPPED:
        doubts.append(f"{share:.0%} of the {kind} photo are overexposed; what is there is guessed")
    if (photo.amax(0) - photo.amin(0)).max().item() < _GRAY:
        doubts.append(f"the {kind} photo is gray: it tells of no color")
    return doubts


def see_through(alpha: Tensor | None, kind: str) -> list[str]:
    """Return a doubt where a photograph (its alpha (1, H, W)) is transparent, as no camera makes it."""
    share = 0.0 if alpha is None else (alpha < 1).float().mean().item()
    return [f"{share:.0%} of the {kind} photo are transparent; what lies there is taken as it is"] if share else []


def _overexposed(photo: Tensor) -> float:
    return (photo.amax(0) >= CLIPPED).float().mean().item()


def flattened(guide: Tensor) -> Tensor:
    """Take slow changes of light and color out of a picture (3, H, W), and keep the mean of each channel."""
    slow = blurred_widely(guide.clamp_min(0.01).log(), max(guide.shape[1:]) / _SLOW, repeat=False).exp()
    even = guide.clamp_min(1e-3) / slow
    return even * (guide.mean((1, 2), keepdim=True) / even.mean((1, 2), keepdim=True))


def _luminance(photo: Tensor) -> Tensor:
    return (photo * photo.new_tensor(LUMINANCE)[:, None, None]).sum(0)


def _falls_off(luminance: Tensor) -> float:
    """Return how far the brightness of a picture falls from its middle to its edge, in powers of e."""
    height, width = luminance.shape
    y, x = torch.linspace(-1, 1, height)[:, None] * height, torch.linspace(-1, 1, width) * width
    far = (y.square() + x.square()).sqrt() / math.hypot(height, width)
    level = (luminance + 1e-3).log()
    return (level[far < 0.3].mean() - level[far > 0.7].mean()).item()
