"""Find the function from descriptors to parameters whose renderings are the flash photo: Adam, from several starts.

Nothing about the light is given but that it is near the lens. Roughness has local minima, and metal and plastic explain
each other's photographs in part: every start is tried for a while, and the best is carried on. Another kind of surface
must explain clearly more than the plain one, by the measure of Schwarz ("Estimating the Dimension of a Model", 1978).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.descent import Adam
from assetforge_svbrdf._light import misfit, radiance, robust
from assetforge_svbrdf._photos import LUMINANCE, Photos, moved
from assetforge_svbrdf._surface import Fitted, Kind, Unknowns, begin, everywhere, motion, motion_at, texels

_STARTS = (-2.0, -0.5, 0.5)
"""Of roughness, as logits: 0.16, 0.41 and 0.64."""
_USUAL_START = _STARTS[1]
_NEAR = 0.06
"""Squared distance from the middle within which smooth surfaces show their highlights: half angles below 14°."""
_SHARE_NEAR = 0.3
_BATCH, _TRIAL_BATCH = 8192, 4096
_LEAST_BATCH = 1024
_TRIAL_STEPS, _LEAST_TRIAL = 150, 20
_FULL = 350
"""Steps of a fit from which on its trials are as long as that; those of a shorter one are shorter."""
_JUDGED = 20000
_RATE, _RATE_GLOBAL, _RATE_OFFSET, _RATE_MOTION = 4e-3, 2e-2, 1e-3, 5e-3
_STILL_PRIOR = 1e-5
"""Of what moves the flash photo, in pixels at its edges: alignment has left a part of one."""
_AHEAD = (2.0, 1.5, 1.0)
"""How many times as far as a short fit says the photo is moved after it. What the fit has learned of a surface in the
wrong place holds it back, so that it comes only a part of the way."""
_LEVEL_PRIOR = 0.01
_SLOPE_PRIOR = 0.01
_ROUGHNESS_PRIOR = 0.02
_TYPICAL = 0.22
"""Median albedo of what people photograph, where nothing tells how bright the light was."""
_METAL_GAIN, _BRUSHED_GAIN = 0.15, 0.05
"""Part of the misfit that must vanish before a surface is taken to be metal, or brushed."""

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Data:
    """What the fit reads: pixels in rows, and those near the middle.

    descriptors: (N, D), shared by all rounds. changes: (2, 3, N), by how much the flash photo changes a pixel to the
    right and a pixel up.
    """

    descriptors: Tensor
    log_guide: Tensor
    flash: Tensor
    changes: Tensor
    points: Tensor
    usable: Tensor
    near: Tensor
    intensity: float
    calibrated: bool

    @classmethod
    def of(cls, photos: Photos, descriptors: Tensor, intensity: float | None, *, still: bool = False) -> Data:
        """Lay out photographs; intensity: of the light, where it is known; still: the guide is the flash photo."""
        seen = photos.seen.flatten()
        flash, points = photos.flash.flatten(1), photos.points.flatten(1)
        near = seen & (points.square().sum(0) < _NEAR)
        matte = _matte_level(flash[:, seen], points[:, seen])
        guessed = (matte * matte.new_tensor(LUMINANCE)).sum().item() / _TYPICAL
        usable = seen.nonzero()[:, 0]
        return cls(
            descriptors,
            photos.guide.clamp_min(0.01).log().flatten(1),
            flash,
            _changes(photos).flatten(2) * (not still),
            points,
            usable,
            near.nonzero()[:, 0] if near.any() else usable,
            intensity or guessed,
            intensity is not None,
        )

    def level(self) -> Tensor:
        """Return the logarithm of albedo over guide (3,), where all light is taken to be diffuse."""
        pixels = self.usable
        albedo = _matte_level(self.flash[:, pixels], self.points[:, pixels]) / self.intensity
        return albedo.clamp(0.01, 0.9).log() - self.log_guide[:, pixels].median(1).values

    def batch(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw pixels, with more of those near the middle: few show what is smooth."""
        count = min(count, max(_LEAST_BATCH, self.log_guide.shape[1] // 8))
        close = int(count * _SHARE_NEAR)
        drawn = [(self.usable, count - close), (self.near, close)]
        return torch.cat([pool[torch.randint(len(pool), (many,), generator=generator)] for pool, many in drawn])


def _changes(photos: Photos) -> Tensor:
    """Return the central differences of the flash photo, (2, 3, H, W); 0 where a sensor was full, or saw nothing."""
    padded = F.pad(photos.flash[None], (1, 1, 1, 1), mode="replicate")[0]
    right, up = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2], padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]
    return torch.stack([right, up]) / 2 * (photos.seen & ~photos.clipped)


def _matte_level(flash: Tensor, points: Tensor) -> Tensor:
    """Return the median albedo (3,), times the intensity, of a matte surface that looks so."""
    return (flash * math.pi * (points.square().sum(0) + 1).pow(1.5)).median(1).values


@dataclass(frozen=True, eq=False)
class Solution:
    """The best fit."""

    unknowns: Unknowns
    kind: Kind
    intensity: float

    @property
    def offset(self) -> Tensor:
        """Where the light is beside the lens, (2,)."""
        return self.unknowns.offset.detach()

    def motion(self, points: Tensor) -> Tensor:
        """Return by how many pixels, right and up, the flash photo is off at points: (2, H, W)."""
        return motion_at(self.unknowns, points)

    def maps(self, data: Data, size: tuple[int, int]) -> Fitted:
        """Return the parameters of all pixels."""
        return everywhere(self.unknowns, self.kind, data.descriptors, data.log_guide, size)


@dataclass(frozen=True, eq=False)
class Trial:
    """A short fit of one kind of surface, and how well it explains the flash photo."""

    kind: Kind
    unknowns: Unknowns
    loss: float


def registered(
    likely: Sequence[Photos],
    known: Tensor,
    intensity: float | None,
    kinds: tuple[Kind, ...],
    steps: int,
    seed: int,
) -> tuple[Photos, Data, Trial]:
    """Bring the flash photo to where renderings of short fits say that it belongs, and choose the kind of surface.

    Alignment cannot tell a zoom from grooves that the flash lights from the middle; the highlight and the rest of the
    photograph together can. Of what it thinks likely, that is begun with which a short fit explains best. But a fit
    that has once taken hollows for bumps stays with that: each round begins anew on the photograph that the one before
    has moved. The one that explains most is returned.
    """
    photos = likely[0]
    if len(likely) > 1:
        photos = min(likely, key=lambda one: _glance(Data.of(one, known, intensity), kinds[0], steps, seed))
    data = Data.of(photos, known, intensity)
    rounds = [(photos, data, tried(data, kinds, steps, seed))]
    for number, ahead in enumerate(_AHEAD, 1):
        before, _, trial = rounds[-1]
        there = moved(before, ahead * motion_at(trial.unknowns, before.points))
        data = Data.of(there, known, intensity)
        rounds.append((there, data, tried(data, (trial.kind,), steps, seed + number)))
    return min(rounds, key=lambda one: one[2].loss)


def _glance(data: Data, kind: Kind, steps: int, seed: int) -> float:
    """Return the misfit that is left after a short fit from one start."""
    generator, judged = (torch.Generator().manual_seed(number) for number in (seed, 1))
    start = begin(data.descriptors.shape[1], data.level(), _USUAL_START, seed)
    return _trial(data, start, kind, _short(steps), generator, data.batch(_JUDGED, judged)).loss


def tried(data: Data, kinds: tuple[Kind, ...], steps: int, seed: int) -> Trial:
    """Fit each kind from each start for a while, and go on with the best one for as long again."""
    generator = torch.Generator().manual_seed(seed)
    judged = data.batch(_JUDGED, torch.Generator().manual_seed(1))
    trials: dict[Kind, Trial] = {}
    short = _short(steps)
    for kind, start in itertools.product(kinds, _starts(data, seed)):
        trial = _trial(data, start, kind, short, generator, judged)
        if kind not in trials or trial.loss < trials[kind].loss:
            trials[kind] = trial
    kind = min(kinds, key=lambda one: trials[one].loss * (1 if one == kinds[0] else 1 + _METAL_GAIN))
    return _trial(data, trials[kind].unknowns, kind, short, generator, judged)


def _starts(data: Data, seed: int) -> list[Unknowns]:
    level = data.level()
    return [begin(data.descriptors.shape[1], level, gloss, seed) for gloss in _STARTS]


def _trial(data: Data, start: Unknowns, kind: Kind, steps: int, generator: torch.Generator, judged: Tensor) -> Trial:
    unknowns = _optimized(data, start, kind, steps, _TRIAL_BATCH, generator)
    return Trial(kind, unknowns, judge(data, unknowns, kind, judged))


def _short(steps: int) -> int:
    """Return how many steps a trial has."""
    return max(_LEAST_TRIAL, round(_TRIAL_STEPS * min(1.0, steps / _FULL)))


def fit(data: Data, trial: Trial, steps: int, seed: int, progress: Progress, *, brushed: bool = True) -> Solution:
    """Try the trial and each start for longer, carry the best on, and let it be brushed where that explains more.

    Which start leads to the best fit shows late: rough ones are behind the others at first.
    """
    generator = torch.Generator().manual_seed(seed)
    judged = data.batch(_JUDGED, torch.Generator().manual_seed(seed + 1))
    starts = [trial.unknowns, *_starts(data, seed + len(_AHEAD) + 1)]
    tries = []
    for number, start in enumerate(starts):
        tries.append(_trial(data, start, trial.kind, steps // 2, generator, judged))
        progress((number + 1) / (len(starts) + 3))
    begun = min(tries, key=lambda one: one.loss).unknowns
    found = _optimized(data, begun, trial.kind, steps, _BATCH, generator)
    best = Trial(trial.kind, found, judge(data, found, trial.kind, judged))
    progress((len(starts) + 2) / (len(starts) + 3))
    if brushed:
        best = _maybe_brushed(data, best, judged, generator, _short(steps))
    return Solution(best.unknowns, best.kind, data.intensity * math.exp(best.unknowns.exposure.item()))


def _maybe_brushed(data: Data, found: Trial, judged: Tensor, generator: torch.Generator, steps: int) -> Trial:
    """Go on with and without stretched highlights, equally long, and keep them where they explain clearly more."""
    kinds = found.kind, Kind(found.kind.metal, brushed=True)
    plain, brushed = (_trial(data, found.unknowns, kind, steps, generator, judged) for kind in kinds)
    if brushed.loss < plain.loss * (1 - _BRUSHED_GAIN):
        longer = _optimized(data, brushed.unknowns, brushed.kind, 3 * steps, _TRIAL_BATCH, generator)
        return Trial(brushed.kind, longer, brushed.loss)
    return min(plain, found, key=lambda one: one.loss)


def judge(data: Data, unknowns: Unknowns, kind: Kind, pixels: Tensor) -> float:
    """Return the mean misfit at given pixels."""
    with torch.no_grad():
        return _loss(data, unknowns, kind, pixels)[0].item()


def _loss(data: Data, unknowns: Unknowns, kind: Kind, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the misfit, and the priors: slopes are small and level on average, albedo is as albedo is."""
    found, roughness = texels(unknowns, kind, data.descriptors[pixels], data.log_guide[:, pixels])
    made = radiance(found, data.points[:, pixels], unknowns.offset, data.intensity * unknowns.exposure.exp())
    prior = _SLOPE_PRIOR * found.slopes.square().mean() + 0.5 * found.slopes.mean(1).square().sum()
    prior = prior + _ROUGHNESS_PRIOR * roughness.var()
    if not data.calibrated and not kind.metal:
        level = (found.diffuse * found.diffuse.new_tensor(LUMINANCE)[:, None]).sum(0)
        prior = prior + _LEVEL_PRIOR * (level.log().mean() - math.log(_TYPICAL)).square()
    prior = prior + _STILL_PRIOR * unknowns.motion.square().sum()
    points = data.points[:, pixels]
    shift = (data.changes[:, :, pixels] * motion(unknowns.motion, points)[:, None]).sum(0)
    return robust(misfit(made, data.flash[:, pixels] + shift)).mean(), prior


def _optimized(
    data: Data,
    start: Unknowns,
    kind: Kind,
    steps: int,
    batch: int,
    generator: torch.Generator,
) -> Unknowns:
    """Run Adam; its rates rise at first, and fall to 0 over the second half."""
    unknowns = start.copied()
    shared = [unknowns.level, unknowns.gloss, unknowns.retro] + [unknowns.stretch] * kind.brushed
    shared += [] if data.calibrated else [unknowns.exposure]
    rates = (_RATE, _RATE_GLOBAL, _RATE_OFFSET, _RATE_MOTION)
    groups = (unknowns.layers, shared, [unknowns.offset], [unknowns.motion])
    going = [(one, Adam(one), rate) for group, rate in zip(groups, rates, strict=True) for one in group]
    for step in range(steps):
        pace = min(1.0, (step + 1) / 30, 2 * (1 - step / steps))
        with torch.enable_grad():  # steps run without
            fits, prior = _loss(data, unknowns, kind, data.batch(batch, generator))
            slopes = torch.autograd.grad(fits + prior, [one for one, _, _ in going], allow_unused=True)
        for (_, adam, rate), slope in zip(going, slopes, strict=True):
            if slope is not None:
                adam.step(slope, rate * pace)
    return unknowns
