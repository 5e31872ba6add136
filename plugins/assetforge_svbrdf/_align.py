"""Bring the flash photograph onto the guide: two pictures of a plane, taken from the hand, in different light.

Shifts by phase correlation (Kuglin and Hines, "The Phase Correlation Image Alignment Method", 1975), then a homography
that maximizes the normalized correlation from coarse to fine by Gauss-Newton (Evangelidis and Psarakis, "Parametric
Image Alignment Using Enhanced Correlation Coefficient Maximization", 2008), with weights that leave out what does not
agree.

Two kinds of feature are aligned, each on a logarithmic scale and divided by its local contrast. Luminance has most
detail, but shading is in it: a groove that the flash lights from the middle of the picture looks as if it lay further
out, which no alignment of luminance can tell from a zoom. The ratios of the color channels know no shading, but gray
surfaces have none of them. The results are averaged by how well each kind correlates:
what does not is shading or noise. None of this is always right: what both kinds together and each by itself say is
handed on, too, for the fit to choose from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import assetforge as af
from assetforge.ops import homography as plane
from assetforge.ops.resample import resample
from assetforge.ops.threads import one_thread
from assetforge_svbrdf._blocks import block_shifts, block_side, misplaced
from assetforge_svbrdf._ecc import correlation, refined, stepped
from assetforge_svbrdf._pyramid import ALL, CHROMA, LUMINANCE, Level, features, pyramid
from assetforge_svbrdf._warp import Warp, between, corners, distance, shift

MOST_RESIDUAL = 1.0
"""Pixels: above it, fitting loses more than the second photograph gives."""
_PEAKS = 4
_FAR = 0.5
"""What a start loses of its correlation where it moves the picture by its side: the nearest of equal ones is taken."""
_ASPECT = 0.01
_UNLIKE = 0.3
"""Pixels by which features that do not correlate at all may mislead."""
_BENDABLE = 256
"""Pixels of the shorter side from which on a lens bends a picture by more than shading seems to."""
_ALIKE, _CLEARLY = 0.05, 0.6
"""What does not correlate of photographs that surely lie as they should, and the part of it that is left by a turn
which is right where they do not."""
_QUARTERS = ("", "turned to the left", "upside down", "turned to the right")
_SAME = 0.1
"""Pixels: warps that differ by less need not both be tried."""
_ASTRAY = 1.0
"""Pixels by which shading moves nothing between two levels."""
_HELPS = 0.02
"""By which share of what does not correlate the radial term must lower it to be kept."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The flash photograph as the guide's camera would have seen it."""

    flash: Tensor
    """(3, H, W), linear, in the guide's frame; edges are held beyond the photograph."""
    places: Tensor
    """(2, H, W): where in the flash photograph, at the guide's size, each pixel of the guide lies: x and y."""
    others: tuple[Tensor, ...]
    """Other places that are likely, where parts of the features tell another story."""
    mask: Tensor
    """(H, W) bool: where the flash photograph shows the place."""
    residual: float
    """How far, in pixels, the two are still apart: an estimate from the pictures alone."""
    homography: Tensor
    """(3, 3), float64: from pixels of the guide to those of the flash photograph, at the guide's size."""
    radial: float
    """How far the corners are bent outward besides, as a share of their distance from the center; 0 is not at all."""
    shifts: Tensor
    """(2, N, M) x and y: by how much each block of the picture is still off, in pixels; its size is the reach where
    a block finds no place of its own."""
    turned: str = ""
    """How the flash photograph must be turned to lie on the guide clearly better, if so: files lie about how they were
    held, and what is regular lies on itself when it is turned, too."""


def align(flash: Tensor, guide: Tensor) -> Alignment:
    """Warp the flash photograph onto the guide, both linear Rec.709 (3, H, W); a flash of another size is resampled.

    Raises StepError where their proportions differ by more than one part in a hundred. A pair that does not belong
    together is aligned, too: its residual is large, and `refuse` raises.
    """
    flash = _fitted(flash, guide.shape[1:])
    with one_thread():
        levels = pyramid(flash, guide)
        coarse = _started(levels)
        start = _followed(levels, *coarse)
        found = [_measured(levels, start, kind) for kind in (LUMINANCE, CHROMA)]
        warp, spread = _averaged(_agreeing(found))
        best = max(found, key=lambda one: one.trust)
        points = warp.points()
        together = refined(levels[-1], start, ALL)
        others = _distinct([warp, together, *(one.direct for one in found)])
        shifts = block_shifts(levels[-1], points, best.channels)
        residual = math.hypot(spread, misplaced(shifts))
        warped = plane.sample(flash, points).clamp_min(0)
        turned = _turned(levels[0], coarse[0])
    seen = plane.inside(points, warp.size)
    return Alignment(warped, points, others, seen, residual, warp.homography, warp.radial, shifts, turned)


def refuse(alignment: Alignment, guide: Tensor) -> None:
    """Raise StepError where two photographs were not brought together, with a picture of where they are apart."""
    if alignment.turned:
        what = f"the flash photo lies on the guide when it is {alignment.turned}, and not as it is"
        instead = "correct the orientation that one of the files names, or turn its picture"
        raise af.StepError("flash", what, instead, picture=residual_picture(alignment, guide))
    if alignment.residual > MOST_RESIDUAL:
        what = f"the flash and the guide photo stay {alignment.residual:.1f} pixels apart, however they are laid"
        instead = "take both of one place, from one spot, the surface flat and sharp"
        raise af.StepError("flash", what, instead, picture=residual_picture(alignment, guide))


def residual_picture(alignment: Alignment, guide: Tensor) -> Tensor:
    """Draw where the photographs are apart: sRGB (3, H, W), 0 to 1.

    Luminance without its local mean and contrast, the flash's in red and the guide's in cyan: gray is together. Arrows
    tell how each block would have to move, ten times as long; yellow ones are longer than a pixel.
    """
    with one_thread():
        flash, ground = (features(photo)[0] / 4 + 0.5 for photo in (alignment.flash, guide))
    picture = torch.stack([flash * alignment.mask, ground, ground]).clamp(0, 1)
    canvas = np.ascontiguousarray((picture * 255).byte().permute(1, 2, 0).numpy())
    side = block_side(guide.shape[1:])
    for row, column in np.ndindex(*alignment.shifts.shape[1:]):
        x, y = alignment.shifts[:, row, column].tolist()
        start = column * side + side // 2, row * side + side // 2
        end = round(start[0] + 10 * x), round(start[1] + 10 * y)
        color = (255, 230, 0) if math.hypot(x, y) > 1 else (40, 255, 40)
        cv2.arrowedLine(canvas, start, end, color, 2, cv2.LINE_AA, tipLength=0.3)
    return torch.from_numpy(canvas).permute(2, 0, 1).float() / 255


def _fitted(flash: Tensor, size: torch.Size) -> Tensor:
    """Bring a photograph to the guide's size."""
    (height, width), (rows, columns) = flash.shape[1:], size
    if abs((width / height) / (columns / rows) - 1) > _ASPECT:
        what = f"the flash photo is {width}×{height} and the guide {columns}×{rows} pixels"
        raise af.StepError("flash", what, "give two photographs of one camera, held the same way")
    return resample(flash, (rows, columns)).clamp_min(0)


def _started(levels: Sequence[Level]) -> tuple[Warp, slice]:
    """Return the warp of the coarsest level that correlates best, from one of several starts, and by which features."""
    coarsest, size = levels[0], levels[-1].size
    starts = [Warp(shift(*way), 0.0, size).at(coarsest.size) for way in _starts(levels)]
    tried = [(refined(coarsest, one, kind), kind) for one in starts for kind in (LUMINANCE, CHROMA)]
    return max(tried, key=lambda one: correlation(coarsest, *one) - _FAR * distance(one[0]))


def _starts(levels: Sequence[Level]) -> Iterator[tuple[float, float]]:
    """Yield shifts (x, y) in pixels of the finest level: none, and the likeliest of each level.

    Regular textures correlate at every repeat, and fine ones in no coarse level.
    """
    yield 0.0, 0.0
    for level in levels:
        scale = levels[-1].size[1] / level.size[1]
        for x, y in _peaks(level):
            yield x * scale, y * scale


def _peaks(level: Level) -> Iterator[tuple[float, float]]:
    """Yield the highest peaks of the phase correlation, up to a quarter of the picture away."""
    height, width = level.size
    window = torch.hann_window(height, periodic=False)[:, None] * torch.hann_window(width, periodic=False)
    flash, guide = (torch.fft.rfft2(one * window) for one in (level.flash, level.guide))
    cross = (flash * guide.conj()).sum(0)
    peaks = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-6).sqrt(), s=level.size)
    y, x = (torch.fft.fftfreq(side, 1 / side) for side in level.size)
    far = (y[:, None].abs() > height / 4) | (x.abs() > width / 4)
    peaks = peaks.masked_fill(far, -torch.inf)
    highest = F.max_pool2d(F.pad(peaks[None, None], (1,) * 4, mode="circular"), 3, 1)[0, 0]
    order = torch.where(peaks == highest, peaks, -torch.inf).flatten().topk(_PEAKS).indices
    for index in order.tolist():
        yield float(x[index % width]), float(y[index // width])


def _followed(levels: Sequence[Level], warp: Warp, kind: slice) -> Warp:
    """Follow a warp of the coarsest level to the finest, by a kind of feature."""
    for level in levels[1:]:
        warp = refined(level, warp.at(level.size), kind)
    return warp


def _turned(level: Level, warp: Warp) -> str:
    """Name the turn of the flash photograph that lets it lie on the guide clearly better than as it is, or none.

    `warp` is what lays it best as it is.
    """
    apart = _unlike(level, warp)
    if apart < _ALIKE:
        return ""
    turned = {}
    for mirrored, quarters in itertools.product(("", "mirrored"), range(4)):
        flash = torch.rot90(level.flash.flip(2) if mirrored else level.flash, quarters, (1, 2)).contiguous()
        name = " and ".join(filter(None, [mirrored, _QUARTERS[quarters]]))
        if name and flash.shape == level.flash.shape:
            other = replace(level, flash=flash)
            turned[name] = _unlike(other, _started([other])[0])
    best = min(turned, key=lambda name: turned[name])
    return best if turned[best] < _CLEARLY * apart else ""


def _unlike(level: Level, warp: Warp) -> float:
    """Return how much of either kind of feature does not correlate under a warp: the less of both."""
    return 1 - max(correlation(level, warp, kind) for kind in (LUMINANCE, CHROMA))


@dataclass(frozen=True, eq=False)
class _Found:
    """What one kind of feature tells."""

    channels: slice
    warp: Warp
    direct: Warp
    """The same before the extrapolation."""
    correlation: float
    apart: float
    """Pixels between what fine and coarse detail tell: as much may be wrong."""

    @property
    def trust(self) -> float:
        """The weight of this result, one over its variance; what does not correlate adds to that."""
        return max(self.correlation, 1e-3) / (self.apart**2 + (_UNLIKE * (1 - self.correlation)) ** 2 + 1e-4)


def _measured(levels: Sequence[Level], start: Warp, channels: slice) -> _Found:
    """Refine a warp by one kind of feature, with a radial term where that helps.

    What shading moves, it moves by less the finer the detail is: at most by a quarter of a wave. The difference of the
    two finest levels is therefore taken once more (Richardson's extrapolation).
    """
    finest, coarser = levels[-1], levels[max(len(levels) - 2, 0)]
    warp = refined(finest, start, channels)
    agreement, radial = correlation(finest, warp, channels), False
    if min(finest.size) >= _BENDABLE:
        bent = refined(finest, warp, channels, radial=True)
        if correlation(finest, bent, channels) - agreement > _HELPS * (1 - agreement):
            warp, radial = bent, True
    coarse = stepped(coarser, warp.at(coarser.size), channels, radial=radial).at(finest.size)
    apart = between(warp, coarse)
    if apart > _ASTRAY:  # a level without detail has no say; but nothing confirms the finest then
        coarse, apart = warp, _UNLIKE
    offsets = 2 * corners(warp) - corners(coarse)
    ahead = Warp(plane.of_corners(offsets, finest.size), 2 * warp.radial - coarse.radial, finest.size)
    return _Found(channels, ahead, warp, agreement, apart)


def _distinct(warps: Sequence[Warp]) -> tuple[Tensor, ...]:
    """Return the points of all warps but the first that differ from those before them."""
    kept = list(warps[:1])
    for warp in warps[1:]:
        if all(between(warp, other) > _SAME for other in kept):
            kept.append(warp)
    return tuple(warp.points() for warp in kept[1:])


def _agreeing(found: Sequence[_Found]) -> Sequence[_Found]:
    """Return what can be averaged: between warps that lie far apart there is nothing, and the likelier one remains."""
    best = max(found, key=lambda one: one.trust)
    return [one for one in found if between(one.warp, best.warp) <= _ASTRAY]


def _averaged(found: Sequence[_Found]) -> tuple[Warp, float]:
    """Return the mean of warps by their trust, and how far off it is as they differ, in pixels."""
    total, size = sum(one.trust for one in found), found[0].warp.size
    shares = [one.trust / total for one in found]
    offsets = torch.stack([share * corners(one.warp) for share, one in zip(shares, found, strict=True)]).sum(0)
    radial = sum(share * one.warp.radial for share, one in zip(shares, found, strict=True))
    warp = Warp(plane.of_corners(offsets, size), radial, size)
    errors = [share * math.hypot(between(one.warp, warp), one.apart) for share, one in zip(shares, found, strict=True)]
    return warp, math.hypot(*errors)
