"""Find the function from descriptors to parameters whose renderings are the flash photo: Adam, from several starts.

Nothing about the light is given but that it is near the lens. Roughness has local minima, and metal and plastic explain
each other's photographs in part: every start is tried for a while, and the best is carried on. Another kind of surface
must explain clearly more than the plain one, by the measure of Schwarz ("Estimating the Dimension of a Model", 1978).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge_svbrdf._light import misfit, radiance, robust
from assetforge_svbrdf._photos import LUMINANCE, Photos
from assetforge_svbrdf._surface import Fitted, Kind, Unknowns, begin, everywhere, texels

_STARTS = (-2.0, -0.5, 0.5)
"""Of roughness, as logits: 0.16, 0.41 and 0.64."""
_NEAR = 0.06
"""Squared distance from the middle within which smooth surfaces show their highlights: half angles below 14°."""
_SHARE_NEAR = 0.3
_BATCH, _TRIAL_BATCH = 8192, 4096
_LEAST_BATCH = 1024
_TRIAL_STEPS, _LEAST_TRIAL = 150, 60
_FULL = 350
"""Steps of a fit from which on its trials are as long as that; those of a shorter one are shorter."""
_JUDGED = 20000
_RATE, _RATE_GLOBAL, _RATE_OFFSET = 4e-3, 2e-2, 1e-3
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
    """What the fit reads: pixels in rows, and those near the middle."""

    descriptors: Tensor
    log_guide: Tensor
    flash: Tensor
    points: Tensor
    usable: Tensor
    near: Tensor
    intensity: float
    calibrated: bool

    @classmethod
    def of(cls, photos: Photos, descriptors: Tensor, intensity: float | None) -> Data:
        """Lay out photographs; intensity: of the light, where it is known."""
        seen = photos.seen.flatten()
        flash, points = photos.flash.flatten(1), photos.points.flatten(1)
        near = seen & (points.square().sum(0) < _NEAR)
        matte = _matte_level(flash[:, seen], points[:, seen])
        guessed = (matte * matte.new_tensor(LUMINANCE)).sum().item() / _TYPICAL
        usable = seen.nonzero()[:, 0]
        return cls(
            descriptors.flatten(1).T.contiguous(),
            photos.guide.clamp_min(0.01).log().flatten(1),
            flash,
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


def _matte_level(flash: Tensor, points: Tensor) -> Tensor:
    """Return the median albedo (3,), times the intensity, of a matte surface that looks so."""
    return (flash * math.pi * (points.square().sum(0) + 1).pow(1.5)).median(1).values


@dataclass(frozen=True, eq=False)
class Solution:
    """The best fit. losses: of each kind tried, by the same pixels."""

    unknowns: Unknowns
    kind: Kind
    intensity: float
    losses: dict[Kind, float]

    @property
    def offset(self) -> Tensor:
        """Where the light is beside the lens, (2,)."""
        return self.unknowns.offset.detach()

    def maps(self, data: Data, size: tuple[int, int]) -> Fitted:
        """Return the parameters of all pixels."""
        return everywhere(self.unknowns, self.kind, data.descriptors, data.log_guide, size)


def fit(
    data: Data, kinds: tuple[Kind, ...], steps: int, seed: int, progress: Progress, *, brushed: bool = True
) -> Solution:
    """Try each kind from each start, carry the best on for `steps`, and let it be brushed where that explains more."""
    generator = torch.Generator().manual_seed(seed)
    judged = data.batch(_JUDGED, torch.Generator().manual_seed(seed + 1))
    short = max(_LEAST_TRIAL, round(_TRIAL_STEPS * min(1.0, steps / _FULL)))
    trials: dict[Kind, tuple[float, Unknowns]] = {}
    for kind, gloss in itertools.product(kinds, _STARTS):
        start = begin(data.descriptors.shape[1], data.level(), gloss, seed)
        tried = _optimized(data, start, kind, short, _TRIAL_BATCH, generator)
        loss = judge(data, tried, kind, judged)
        if kind not in trials or loss < trials[kind][0]:
            trials[kind] = loss, tried
    losses = {kind: loss for kind, (loss, _) in trials.items()}
    kind = min(kinds, key=lambda one: losses[one] * (1 if one == kinds[0] else 1 + _METAL_GAIN))
    progress(0.25)
    found = _optimized(data, trials[kind][1], kind, steps, _BATCH, generator, lambda done: progress(0.25 + 0.6 * done))
    if brushed:
        kind, found, compared = _maybe_brushed(data, found, kind, judged, generator, short)
        losses |= compared
    return Solution(found, kind, data.intensity * math.exp(found.exposure.item()), losses)


def _maybe_brushed(
    data: Data, found: Unknowns, kind: Kind, judged: Tensor, generator: torch.Generator, steps: int
) -> tuple[Kind, Unknowns, dict[Kind, float]]:
    """Go on with and without stretched highlights, equally long, and keep them where they explain clearly more."""
    brushed = Kind(kind.metal, brushed=True)
    tried = {one: _optimized(data, found, one, steps, _TRIAL_BATCH, generator) for one in (kind, brushed)}
    losses = {one: judge(data, unknowns, one, judged) for one, unknowns in tried.items()}
    if losses[brushed] < losses[kind] * (1 - _BRUSHED_GAIN):
        longer = _optimized(data, tried[brushed], brushed, 3 * steps, _TRIAL_BATCH, generator)
        return brushed, longer, losses
    return kind, tried[kind] if losses[kind] < judge(data, found, kind, judged) else found, losses


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
    return robust(misfit(made, data.flash[:, pixels])).mean(), prior


def _optimized(
    data: Data,
    start: Unknowns,
    kind: Kind,
    steps: int,
    batch: int,
    generator: torch.Generator,
    progress: Progress = lambda _: None,
) -> Unknowns:
    """Run Adam; its rates rise at first, and fall to 0 over the second half."""
    unknowns = start.copied()
    shared = [unknowns.level, unknowns.gloss, unknowns.retro] + [unknowns.stretch] * kind.brushed
    shared += [] if data.calibrated else [unknowns.exposure]
    rates = (_RATE, _RATE_GLOBAL, _RATE_OFFSET)
    groups = [{"params": list(unknowns.layers)}, {"params": shared}, {"params": [unknowns.offset]}]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for step in range(steps):
        pace = min(1.0, (step + 1) / 30, 2 * (1 - step / steps))
        for group, rate in zip(adam.param_groups, rates, strict=True):
            group["lr"] = rate * pace
        adam.zero_grad()
        with torch.enable_grad():  # steps run without
            fits, prior = _loss(data, unknowns, kind, data.batch(batch, generator))
            (fits + prior).backward()  # type: ignore[no-untyped-call]
        adam.step()
        if step % 50 == 0:
            progress(step / steps)
    return unknowns
