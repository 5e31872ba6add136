"""A texture that a network cannot tell from the exemplar: its pixels are optimized until their features agree.

Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015. We depart from it so that it is
of use for materials:

- The result lies on a torus: convolutions and pooling wrap, and it is rolled at random before each step, so that no
  pixel has a fixed place in the pooling. The exemplar does not wrap: only features of whole surroundings count.
- All maps are optimized together, along the principal axes of the exemplar's channels in units of the deviation along
  each: where one map tells another, the axis across hardly varies, and what would part the two costs as much there as
  all else. A network for pictures sees the color as it is, and mixtures of all channels as pseudo-colors.
- It goes from coarse to fine, as features reach only so far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.descent import adam, slope_of
from assetforge.ops.exact import mix
from assetforge.ops.principal import SMALLEST_DEVIATION, PrincipalAxes
from assetforge.ops.resample import resample
from assetforge.ops.threads import one_thread
from assetforge.weights.distances import MEASURES, Loss, Measure
from assetforge.weights.features import Border, Features, features_of, random_features
from assetforge_multiply import Params
from assetforge_multiply._channels import Stack, fill_unblendable
from assetforge_multiply._exemplars import Exemplars
from assetforge_multiply._field import SynthesisResult, derive_seed

_COARSEST = 32
"""No level has a shorter side, in pixels."""
_NOISE = 0.5
"""Deviation of the noise that all begins with, in those of the exemplar."""
_STEPS, _FIRST_STEPS = (60, 90, 120, 200, 200, 200, 200, 200), 300
"""Steps of each level, the finest first, and of the coarsest."""
_POLISH_STEPS = 60
_RATE, _POLISH_RATE = 0.08, 0.03
"""How far a step may go, in deviations; it falls to a tenth along each level."""
_KNEE = 0.001
"""Part of the exemplar's values at either end that may only be approached."""


@dataclass(frozen=True, eq=False)
class _View:
    """What one network sees of coordinates along the axes: a mixture of them."""

    network: Features
    matrix: Tensor
    offset: Tensor

    def layers(self, coordinates: Tensor, border: Border) -> list[Tensor]:
        return self.network(mix(self.matrix, coordinates) + self.offset[:, None, None], border)


@dataclass(frozen=True)
class Settings:
    """What `optimize` compares, and how."""

    network: Features | None = None
    """What gives the features of three channels; by default random filters see all of them."""
    loss: Loss = "moments"
    """`gram`: raw second moments; `moments`: means and covariances; `sliced`: whole distributions."""
    color: int | None = 0
    """The first of the three channels that a network for pictures sees as they are."""
    effort: float = 1.0
    """Multiplies the number of steps."""


def synthesize(exemplars: Exemplars, stack: Stack, params: Params, context: af.Context) -> SynthesisResult:
    """Make a result by the method `neural`."""
    size, seed = params.torus_size(exemplars.size), derive_seed(context.seed)
    settings = neural_settings(stack, params, context)

    def make(source: Tensor) -> Tensor:
        return optimize(source, size, seed, settings, progress=context.progress)

    return SynthesisResult(fill_unblendable(stack.channels[0], stack.averaged(), make, seed))


def neural_settings(stack: Stack, params: Params, context: af.Context) -> Settings:
    """Return what a step's parameters ask for, for the channels of a stack that may be averaged."""
    random = params.features == "random"
    network = None if random else features_of(params.features, context.weights, context.seed)
    return Settings(network, params.loss, stack.first_color(), params.effort)


@one_thread()  # a sum that is rounded otherwise leads to another picture in the end
def optimize(
    source: Tensor,
    size: tuple[int, int],
    seed: int,
    settings: Settings = Settings(),
    start: Tensor | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Return a texture (C, *size) on the torus with the features of an exemplar (C, H, W), float32, on its device.

    Channels are as `Stack` gives them, colors sRGB-encoded. start: (C, *size), a texture that is only to be polished:
    its layout stays. Else all begins with noise. Each channel stays within what occurs in the exemplar's.
    """
    generator = torch.Generator().manual_seed(seed)
    axes = PrincipalAxes.of(source)
    views = _views(source, axes, settings, generator)
    levels = _levels(size, source) if start is None else [size]
    steps = [max(1, round(settings.effort * each)) for each in _steps(len(levels), polishing=start is not None)]
    told = _Progress(progress, [height * width * each for (height, width), each in zip(levels, steps, strict=True)])
    noise = torch.randn(source.shape[0], *levels[-1], generator=generator).to(source) * _NOISE
    current = noise if start is None else axes.whiten(start)
    rate = _RATE if start is None else _POLISH_RATE
    for index in reversed(range(len(levels))):
        current = resample(current, levels[index], repeat=True)
        target = axes.whiten(_shrunk(source, size, levels[index]))
        level = _Level(views, target, settings.loss, generator)
        current = adam(current, slope_of(level.rolled), steps[index], rate, progress=told.within(index))
    return _within(axes.color(current), source)


@dataclass(frozen=True)
class _Progress:
    """Tells progress over levels, given what each costs, the finest first."""

    tell: Callable[[float], None]
    costs: list[int]

    def within(self, index: int) -> Callable[[float], None]:
        """Return what tells progress within one level."""
        before = sum(self.costs[index + 1 :])
        return lambda part: self.tell((before + self.costs[index] * part) / sum(self.costs))


def _steps(levels: int, *, polishing: bool) -> tuple[int, ...]:
    """Return the steps of each level, the finest first. Where all begins, at the coarsest, is the longest way."""
    return (_POLISH_STEPS,) if polishing else (*_STEPS[: levels - 1], _FIRST_STEPS)


def _levels(size: tuple[int, int], source: Tensor) -> list[tuple[int, int]]:
    """Return the heights and widths to go through, the finest first, each half of the one before."""
    levels = [size]
    smallest = min(*size, *source.shape[1:])
    while smallest >> len(levels) >= _COARSEST:
        levels.append((round(size[0] / 2 ** len(levels)), round(size[1] / 2 ** len(levels))))
    return levels


def _shrunk(source: Tensor, size: tuple[int, int], level: tuple[int, int]) -> Tensor:
    """Return the exemplar as much smaller as a level is smaller than the result."""
    factor = level[0] / size[0]
    return resample(source, (round(source.shape[1] * factor), round(source.shape[2] * factor)))


def neural_distance(result: Tensor, source: Tensor, seed: int = 0, settings: Settings = Settings()) -> float:
    """Return how far the features of a tiling texture (C, H, W) are from those of an exemplar: 0 where they agree."""
    generator = torch.Generator().manual_seed(seed)
    axes = PrincipalAxes.of(source)
    level = _Level(_views(source, axes, settings, generator), axes.whiten(source), settings.loss, generator)
    with torch.no_grad():
        return level(axes.whiten(result), None).item()


@dataclass(frozen=True)
class _Views:
    """What is compared at each step, and what by turns."""

    always: list[_View]
    turns: list[_View]

    def at(self, step: int | None) -> list[_View]:
        """Return what is compared at a step, or all."""
        turns = self.turns if step is None or not self.turns else [self.turns[step % len(self.turns)]]
        return [*self.always, *turns]


def _views(source: Tensor, axes: PrincipalAxes, settings: Settings, generator: torch.Generator) -> _Views:
    """Let random filters see all channels, each by its deviation, which keeps the maps together.

    A network for pictures sees the color besides, and by turns three of the other channels.
    """
    channels = source.shape[0]
    random = random_features(channels, generator, (3, 7) if settings.network is None else (3,))
    scale = 1 / source.flatten(1).std(1).clamp_min(SMALLEST_DEVIATION)
    joint = _View(random.to(source.device), axes.coloring * scale[:, None], torch.zeros_like(scale))
    if settings.network is None:
        return _Views([joint], [])
    network = settings.network.to(source.device)
    color = [] if settings.color is None else list(range(settings.color, settings.color + 3))
    seen = [_View(network, axes.coloring[color], axes.mean[color])] if color else []
    rest = [channel for channel in range(channels) if channel not in color]
    groups = [(rest[at : at + 3] * 3)[:3] for at in range(0, len(rest), 3)]
    return _Views([joint, *seen], [_pseudo_color(network, source, axes, group) for group in groups])


def _pseudo_color(network: Features, source: Tensor, axes: PrincipalAxes, group: list[int]) -> _View:
    """Look at three channels as at a color, each scaled to 0 to 1."""
    lowest, highest = source[group].amin((1, 2)), source[group].amax((1, 2))
    scale = 1 / (highest - lowest).clamp_min(SMALLEST_DEVIATION)
    return _View(network, axes.coloring[group] * scale[:, None], (axes.mean[group] - lowest) * scale)


class _Level:
    """The distance of a picture's features to those of the exemplar, at one size."""

    def __init__(self, views: _Views, target: Tensor, loss: Loss, generator: torch.Generator) -> None:
        """Measure the exemplar's features. target: the exemplar along its axes, (C, H, W)."""
        self.generator = generator
        self._views = views
        measure = MEASURES[loss]

        def measured(layer: Tensor) -> Measure:
            return measure(measure.together([measure.collect(layer, None, 1.0, generator)]))

        with torch.no_grad():
            self._wanted = {
                view: [measured(layer) for layer in view.layers(target, "valid")] for view in views.at(None)
            }

    def __call__(self, coordinates: Tensor, step: int | None) -> Tensor:
        """Return the loss () of coordinates along the axes (C, H, W), at a step or of all views."""
        total = torch.zeros((), device=coordinates.device)
        for view in self._views.at(step):
            # A result that is larger than the exemplar may have octaves that the exemplar has not, and the reverse.
            for layer, wanted in zip(view.layers(coordinates, "repeat"), self._wanted[view], strict=False):
                found = wanted.together([wanted.collect(layer, None, 1.0, self.generator)])
                total = total + wanted.distance(found)
        return total

    def rolled(self, coordinates: Tensor, step: int) -> Tensor:
        """Return the loss of coordinates that are shifted at random, so that no pixel has its place in the pooling."""
        shifts = [int(torch.randint(side, (), generator=self.generator)) for side in coordinates.shape[1:]]
        return self(coordinates.roll(shifts, (1, 2)), step)


def _within(channels: Tensor, source: Tensor) -> Tensor:
    """Bring each channel softly within the exemplar's range: what lies beyond nearly all values only nears the ends."""
    ordered = source.flatten(1).sort(1).values
    at = round(_KNEE * (ordered.shape[1] - 1))
    low, low_knee, high_knee, high = (ordered[:, i, None, None] for i in (0, at, -1 - at, -1))
    above = high_knee + _bent(channels - high_knee, high - high_knee)
    below = low_knee - _bent(low_knee - channels, low_knee - low)
    return torch.where(channels > high_knee, above, torch.where(channels < low_knee, below, channels))


def _bent(beyond: Tensor, room: Tensor) -> Tensor:
    return room * torch.tanh(beyond / room.clamp_min(1e-9))
