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
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import assetforge as af
from assetforge.ops import homography as plane
from assetforge.ops.resample import resample
from assetforge.ops.threads import one_thread

MOST_RESIDUAL = 1.0
"""Pixels: above it, fitting loses more than the second photograph gives."""
LUMINANCE, CHROMA, ALL = slice(0, 1), slice(1, 3), slice(0, 3)
"""Channels of the features."""
CLIPPED = 0.98
_DARKEST = 5e-3
_LOCAL = 6.0
"""Deviation of the Gaussian of the neighborhood whose mean and contrast are divided out, in pixels of each level."""
_LEAST_CONTRAST = 0.03
_SMALLEST = 128
"""Pixels of the shorter side of the coarsest level."""
_STEPS = 16
_STILL = 4e-3
"""Pixels: an update that moves no corner further ends a level."""
_PEAKS = 4
_FAR = 0.5
"""What a start loses of its correlation where it moves the picture by its side: the nearest of equal ones is taken."""
_ASPECT = 0.01
_BLOCKS = 6
"""Along the shorter side."""
_REACH = 8
"""Pixels to each side in which a block looks for its place."""
_BLOCK_NOISE = 0.5
"""Pixels."""
_LEAST_DETAIL, _LEAST_FACTOR = 1e-3, 0.05
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


@dataclass(frozen=True, eq=False)
class _Warp:
    """Where the pixels of a picture of a size come from."""

    homography: Tensor
    radial: float
    size: tuple[int, int]

    def points(self) -> Tensor:
        return plane.bend(plane.apply(self.homography, plane.grid(self.size)), self.radial, self.size)

    def at(self, size: tuple[int, int]) -> _Warp:
        """Return the same warp for pictures of another size."""
        scale = _scaling(self.size, size)
        return _Warp(scale @ self.homography @ torch.linalg.inv(scale), self.radial, size)


@dataclass(frozen=True, eq=False)
class _Level:
    """The features of both pictures, (3, H, W), at one size, and which pixels count, (H, W)."""

    flash: Tensor
    guide: Tensor
    weight: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.guide.shape[1], self.guide.shape[2]


def align(flash: Tensor, guide: Tensor) -> Alignment:
    """Warp the flash photograph onto the guide, both linear Rec.709 (3, H, W); a flash of another size is resampled.

    Raises StepError where their proportions differ by more than one part in a hundred. A pair that does not belong
    together is aligned, too: its residual is large, and `refuse` raises.
    """
    flash = _fitted(flash, guide.shape[1:])
    with one_thread():
        levels = _pyramid(flash, guide)
        coarse = _started(levels)
        start = _followed(levels, *coarse)
        found = [_measured(levels, start, kind) for kind in (LUMINANCE, CHROMA)]
        warp, spread = _averaged(_agreeing(found))
        best = max(found, key=lambda one: one.trust)
        points = warp.points()
        together = _refined(levels[-1], start, ALL)
        others = _distinct([warp, together, *(one.direct for one in found)])
        shifts = block_shifts(levels[-1], points, best.channels)
        residual = math.hypot(spread, _misplaced(shifts))
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
    side = min(guide.shape[1:]) // _BLOCKS
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


def _pyramid(flash: Tensor, guide: Tensor) -> list[_Level]:
    """Return levels from the coarsest to the full size, each half as large as the next."""
    levels = []
    while True:
        bright = (flash.amax(0) < CLIPPED) & (guide.amax(0) < CLIPPED)
        levels.append(_Level(features(flash), features(guide), bright.float()))
        if min(guide.shape[1:]) < 2 * _SMALLEST:
            return levels[::-1]
        flash, guide = (F.avg_pool2d(_even(photo)[None], 2)[0] for photo in (flash, guide))


def _even(photo: Tensor) -> Tensor:
    """Repeat the last row and column where they are odd in number, so that halving keeps the corner in its place."""
    return F.pad(photo[None], (0, photo.shape[2] % 2, 0, photo.shape[1] % 2), mode="replicate")[0]


def features(photo: Tensor) -> Tensor:
    """Return luminance and two color ratios of a linear photograph (3, H, W), of local mean 0 and contrast 1.

    Returns (3, H, W). All are logarithms, so that a light or a shadow adds to luminance alone.
    """
    logarithm = (photo.clamp_min(0) + _DARKEST).log()
    red, green, blue = logarithm
    ratios = torch.stack([blurred(red - green, 1.0), blurred(blue - green, 1.0)])
    return torch.cat([_normalized(logarithm.mean(0, keepdim=True)), _normalized(ratios)])


def _normalized(fields: Tensor) -> Tensor:
    """Subtract the local mean of fields (C, H, W), and divide them by the local contrast that they have together."""
    detail = torch.stack([field - blurred(field, _LOCAL) for field in fields])
    return detail / (blurred(detail.square().sum(0), 1.5 * _LOCAL).sqrt() + _LEAST_CONTRAST)


def blurred(field: Tensor, deviation: float) -> Tensor:
    """Blur (H, W) by a Gaussian; edges are mirrored where the field is large enough, else held."""
    reach = min(int(3 * deviation + 0.5), min(field.shape) - 1)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation).square())
    line = (line / line.sum()).to(field)
    padded = F.pad(field[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))[0, 0]


def _started(levels: Sequence[_Level]) -> tuple[_Warp, slice]:
    """Return the warp of the coarsest level that correlates best, from one of several starts, and by which features."""
    coarsest, size = levels[0], levels[-1].size
    starts = [_Warp(_shift(*way), 0.0, size).at(coarsest.size) for way in _starts(levels)]
    tried = [(_refined(coarsest, one, kind), kind) for one in starts for kind in (LUMINANCE, CHROMA)]
    return max(tried, key=lambda one: _correlation(coarsest, *one) - _FAR * _distance(one[0]))


def _followed(levels: Sequence[_Level], warp: _Warp, kind: slice) -> _Warp:
    """Follow a warp of the coarsest level to the finest, by a kind of feature."""
    for level in levels[1:]:
        warp = _refined(level, warp.at(level.size), kind)
    return warp


def _turned(level: _Level, warp: _Warp) -> str:
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


def _unlike(level: _Level, warp: _Warp) -> float:
    """Return how much of either kind of feature does not correlate under a warp: the less of both."""
    return 1 - max(_correlation(level, warp, kind) for kind in (LUMINANCE, CHROMA))


def _distance(warp: _Warp) -> float:
    """Return how far a warp moves the corners, as a share of the longer side."""
    return float(torch.linalg.vector_norm(_corners(warp), dim=1).mean()) / max(warp.size)


def _starts(levels: Sequence[_Level]) -> Iterator[tuple[float, float]]:
    """Yield shifts (x, y) in pixels of the finest level: none, and the likeliest of each level.

    Regular textures correlate at every repeat, and fine ones in no coarse level.
    """
    yield 0.0, 0.0
    for level in levels:
        scale = levels[-1].size[1] / level.size[1]
        for x, y in _peaks(level):
            yield x * scale, y * scale


def _peaks(level: _Level) -> Iterator[tuple[float, float]]:
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


@dataclass(frozen=True, eq=False)
class _Found:
    """What one kind of feature tells."""

    channels: slice
    warp: _Warp
    direct: _Warp
    """The same before the extrapolation."""
    correlation: float
    apart: float
    """Pixels between what fine and coarse detail tell: as much may be wrong."""

    @property
    def trust(self) -> float:
        """The weight of this result, one over its variance; what does not correlate adds to that."""
        return max(self.correlation, 1e-3) / (self.apart**2 + (_UNLIKE * (1 - self.correlation)) ** 2 + 1e-4)


def _measured(levels: Sequence[_Level], start: _Warp, channels: slice) -> _Found:
    """Refine a warp by one kind of feature, with a radial term where that helps.

    What shading moves, it moves by less the finer the detail is: at most by a quarter of a wave. The difference of the
    two finest levels is therefore taken once more (Richardson's extrapolation).
    """
    finest, coarser = levels[-1], levels[max(len(levels) - 2, 0)]
    warp = _refined(finest, start, channels)
    correlation, radial = _correlation(finest, warp, channels), False
    if min(finest.size) >= _BENDABLE:
        bent = _refined(finest, warp, channels, radial=True)
        if _correlation(finest, bent, channels) - correlation > _HELPS * (1 - correlation):
            warp, radial = bent, True
    coarse = _stepped(coarser, warp.at(coarser.size), channels, radial=radial).at(finest.size)
    apart = _between(warp, coarse)
    if apart > _ASTRAY:  # a level without detail has no say; but nothing confirms the finest then
        coarse, apart = warp, _UNLIKE
    offsets = 2 * _corners(warp) - _corners(coarse)
    ahead = _Warp(plane.of_corners(offsets, finest.size), 2 * warp.radial - coarse.radial, finest.size)
    return _Found(channels, ahead, warp, correlation, apart)


def _distinct(warps: Sequence[_Warp]) -> tuple[Tensor, ...]:
    """Return the points of all warps but the first that differ from those before them."""
    kept = list(warps[:1])
    for warp in warps[1:]:
        if all(_between(warp, other) > _SAME for other in kept):
            kept.append(warp)
    return tuple(warp.points() for warp in kept[1:])


def _between(warp: _Warp, other: _Warp) -> float:
    """Return how far apart two warps are, in pixels, by the mean square."""
    return math.sqrt(float((warp.points() - other.points()).square().sum(0).mean()))


def _agreeing(found: Sequence[_Found]) -> Sequence[_Found]:
    """Return what can be averaged: between warps that lie far apart there is nothing, and the likelier one remains."""
    best = max(found, key=lambda one: one.trust)
    return [one for one in found if _between(one.warp, best.warp) <= _ASTRAY]


def _averaged(found: Sequence[_Found]) -> tuple[_Warp, float]:
    """Return the mean of warps by their trust, and how far off it is as they differ, in pixels."""
    total, size = sum(one.trust for one in found), found[0].warp.size
    shares = [one.trust / total for one in found]
    offsets = torch.stack([share * _corners(one.warp) for share, one in zip(shares, found, strict=True)]).sum(0)
    radial = sum(share * one.warp.radial for share, one in zip(shares, found, strict=True))
    warp = _Warp(plane.of_corners(offsets, size), radial, size)
    errors = [share * math.hypot(_between(one.warp, warp), one.apart) for share, one in zip(shares, found, strict=True)]
    return warp, math.hypot(*errors)


def _corners(warp: _Warp) -> Tensor:
    """Return by how much the homography moves the corners, (4, 2)."""
    height, width = warp.size
    corners = torch.tensor([[0, width - 1, width - 1, 0], [0, 0, height - 1, height - 1]], dtype=torch.float64)
    return (plane.apply(warp.homography, corners) - corners).T


def _shift(x: float, y: float) -> Tensor:
    return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=torch.float64)


def _scaling(size: tuple[int, int], other: tuple[int, int]) -> Tensor:
    """Return the homography from pixels of one size to those of another that shows the same."""
    x, y = other[1] / size[1], other[0] / size[0]
    return torch.tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], dtype=torch.float64)


def _refined(level: _Level, warp: _Warp, channels: slice, *, radial: bool = False) -> _Warp:
    """Improve a warp until it stands still: Gauss-Newton on the correlation, with weights by Tukey's biweight.

    Where little correlates, steps lead astray: the warp stays as it was unless it comes to correlate better.
    """
    found = _stepped(level, warp, channels, radial=radial)
    return max((warp, found), key=lambda one: _correlation(level, one, channels))


def _stepped(level: _Level, warp: _Warp, channels: slice, *, radial: bool) -> _Warp:
    """Step until the warp stands still, and return the last one that made sense."""
    basis = _motions(level.size, radial=radial)
    for _ in range(_STEPS):
        points = warp.points()
        moved = plane.sample(level.flash[channels], points)
        update = _update(moved, level.guide[channels], level.weight * _inner(points, level.size), basis)
        if update is None or float(update.abs().max()) > max(level.size) / 4:
            return warp
        step = plane.of_corners(update[:8].view(4, 2), level.size)
        homography = warp.homography @ step
        warp = _Warp(homography / homography[2, 2], warp.radial + float(update[8:].sum()) / max(level.size), level.size)
        if float(update.abs().max()) < _STILL:
            break
    return warp


def _inner(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return 1 where points lie in a picture, and what they are compared with, too, else 0; (H, W)."""
    return (plane.inside(points, size, _LOCAL) & _middle(size)).float()


@lru_cache(maxsize=16)
def _middle(size: tuple[int, int]) -> Tensor:
    """Return which pixels (H, W) are far enough from the edge."""
    return plane.inside(plane.grid(size), size, _LOCAL)


@lru_cache(maxsize=16)
def _motions(size: tuple[int, int], *, radial: bool) -> Tensor:
    """Return how each pixel moves per pixel that one corner moves, in x and then in y: (8, 2, H, W).

    With `radial` there is a ninth: how the radial term moves it, in pixels of the longer side.
    """
    grid, small = plane.grid(size), 1e-3
    moves = []
    for index in range(8):
        offset = torch.zeros(8, dtype=torch.float64)
        offset[index] = small
        ahead, behind = (plane.apply(plane.of_corners(way.view(4, 2), size), grid) for way in (offset, -offset))
        moves.append((ahead - behind) / (2 * small))
    if radial:
        moves.append((plane.bend(grid, 1.0, size) - grid) / max(size))
    return torch.stack(moves).float()


def _update(moved: Tensor, guide: Tensor, weight: Tensor, basis: Tensor) -> Tensor | None:
    """Solve guide ≈ a · moved + b + a · (∇moved · motion) for the motion, in units of the basis; None without detail.

    A free factor and offset make least squares the same as the greatest correlation. moved, guide: (C, H, W).
    """
    weight = weight * _biweight(guide - _scaled(moved, guide, weight), weight)
    normal = torch.zeros(len(basis) + 2, len(basis) + 2, dtype=torch.float64)
    right = torch.zeros(len(basis) + 2, dtype=torch.float64)
    for field, target in zip(moved, guide, strict=True):
        design = _design(field, basis).flatten(1)
        weighted = design * weight.flatten()
        normal += weighted @ design.T
        right += weighted @ target.flatten()
    if float(normal.diagonal()[2:].min()) < _LEAST_DETAIL:
        return None
    solved: Tensor = torch.linalg.solve(normal + torch.diag(normal.diagonal() * 1e-6 + 1e-9), right)
    if not bool(torch.isfinite(solved).all()) or float(solved[0]) < _LEAST_FACTOR:
        return None
    return solved[2:] / solved[0]


def _design(field: Tensor, basis: Tensor) -> Tensor:
    """Return what a guide is made up of: a field (H, W), a constant, and its changes by motions: (2 + M, H, W)."""
    right, down = _gradient(field)
    design = field.new_empty(2 + len(basis), *field.shape)
    design[0], design[1] = field, 1
    torch.mul(basis[:, 0], right, out=design[2:])
    design[2:] += basis[:, 1] * down
    return design


def _scaled(moved: Tensor, guide: Tensor, weight: Tensor) -> Tensor:
    """Return the multiple of fields that is nearest to others."""
    factor = (weight * moved * guide).sum() / (weight * moved.square()).sum().clamp_min(1e-6)
    return moved * factor


def _biweight(error: Tensor, weight: Tensor) -> Tensor:
    """Return Tukey's weights (H, W) of errors (C, H, W): 0 beyond 4.7 deviations, which the median tells."""
    size = error.square().mean(0).sqrt()
    counted = size[weight > 0]
    deviation = 1.4826 * counted.median() if counted.numel() else error.new_tensor(1.0)
    near: Tensor = 1 - (size / (4.685 * deviation.clamp_min(1e-3))).square()
    return near.clamp_min(0).square()


def _gradient(field: Tensor) -> Tensor:
    """Return the slopes of (H, W) in x and y, (2, H, W), by central differences."""
    padded = F.pad(field[None, None], (1,) * 4, mode="replicate")[0, 0]
    return torch.stack([padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]]) / 2


def _correlation(level: _Level, warp: _Warp, channels: slice) -> float:
    """Return the normalized correlation of features under a warp, −1 to 1."""
    points = warp.points()
    moved, guide = plane.sample(level.flash[channels], points), level.guide[channels]
    weight = level.weight * _inner(points, level.size)
    alone = (weight * moved.square()).sum() * (weight * guide.square()).sum()
    return float((weight * moved * guide).sum() / alone.sqrt().clamp_min(1e-6))


def block_shifts(level: _Level, points: Tensor, channels: slice) -> Tensor:
    """Return by how much each block of the picture is off: the peak of its correlation, (2, N, M) x and y."""
    height, width = level.size
    side = min(height, width) // _BLOCKS
    reach = min(_REACH, side // 4)
    inner = _inner(points, level.size)[None]
    moved, guide = plane.sample(level.flash[channels], points) * inner, level.guide[channels] * inner
    padded, known = (F.pad(one[None], (reach,) * 4)[0] for one in (moved, inner))
    shifts = torch.empty(2, height // side, width // side)
    for row in range(shifts.shape[1]):
        for column in range(shifts.shape[2]):
            y, x = row * side, column * side
            here = ..., slice(y, y + side), slice(x, x + side)
            around = ..., slice(y, y + side + 2 * reach), slice(x, x + side + 2 * reach)
            shifts[:, row, column] = _peak(padded[around], known[around], guide[here], inner[here])
    return shifts


def _peak(around: Tensor, known: Tensor, block: Tensor, inner: Tensor) -> Tensor:
    """Return where in its surroundings (C, H + 2 reach, W + 2 reach) a block (C, H, W) fits best, x and y.

    The peak is found to a part of a pixel; a block that has none within reach is off by the reach.
    """
    reach = (around.shape[1] - block.shape[1]) // 2
    together = F.conv2d(around[None], block[None])[0, 0]
    energy = F.conv2d(around.square().sum(0, keepdim=True)[None], inner[None])[0, 0]
    own = F.conv2d(known[None], block.square().sum(0, keepdim=True)[None])[0, 0]
    score = together / (energy * own).sqrt().clamp_min(1e-3)
    best = int(score.argmax())
    y, x = best // score.shape[1], best % score.shape[1]
    if not 0 < y < 2 * reach or not 0 < x < 2 * reach:
        return torch.tensor([float(reach), float(reach)])
    near = score[y - 1 : y + 2, x - 1 : x + 2]
    return torch.stack([x - reach + _vertex(near[1]), y - reach + _vertex(near[:, 1])])


def _vertex(three: Tensor) -> Tensor:
    """Return where the parabola through three values has its peak, −0.5 to 0.5."""
    before, at, after = three
    peak: Tensor = (before - after) / (2 * (before - 2 * at + after)).clamp_max(-1e-9)
    return peak.clamp(-0.5, 0.5)


def _misplaced(shifts: Tensor) -> float:
    """Return how far off a block is, by the median, beyond what shading and noise move a single block."""
    return max(0.0, float(torch.linalg.vector_norm(shifts, dim=0).median()) - _BLOCK_NOISE)
