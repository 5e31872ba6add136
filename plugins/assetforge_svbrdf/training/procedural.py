"""Materials drawn by chance, as different from each other as can be: what the networks learn relief and gloss from.

Heights of noise, stones, bricks, weaves and heaps; colors by height, by piece and by nothing; roughness likewise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from assetforge_svbrdf.training.dataset import Surface

Field = NDArray[np.float32]
Random = np.random.Generator
_RIM = 0.02
_EXACT = 0
"""FLANN's name of the linear search. Its trees are searched in part, and are others each time."""
_DIRTY = 0.6
"""Share of surfaces that are dark where they are low, as most that are old."""


def surfaces(count: int, side: int, seed: int) -> list[Surface]:
    """Draw so many square surfaces."""
    rng = np.random.default_rng(seed)
    return [surface(side, rng) for _ in range(count)]


def surface(side: int, rng: Random) -> Surface:
    """Draw one: a height, finer relief on it, and colors and gloss that know of it, of its pieces, or of nothing."""
    height, pieces = KINDS[rng.integers(len(KINDS))](side, rng)
    fine = noise(side, rng.uniform(0.6, 1.8), rng)
    height = height + rng.uniform(0.0, 0.25) * fine * (rng.random() < 0.8)
    causes = [_unit(height), pieces, fine, _cavity(height, side, rng), noise(side, rng.uniform(0.8, 2.0), rng)]
    albedo = _colors(causes, rng)
    rough = _mixed(causes, rng)
    steep = rng.uniform(0.06, 0.45)
    slopes = np.stack([-_across(height, 1), _across(height, 0)])
    slopes *= steep / max(1e-6, float(slopes.std()))
    return Surface(*(torch.from_numpy(np.ascontiguousarray(one)) for one in (albedo, slopes, rough[None])))


def noise(side: int, power: float, rng: Random) -> Field:
    """Noise whose spectrum falls with a power of frequency, of mean 0 and deviation 1; it tiles."""
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    frequency = np.hypot(y * 2 ** rng.uniform(-1, 1), x)
    frequency[0, 0] = np.inf
    cut = rng.uniform(0.01, 0.04)
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / np.maximum(frequency, cut) ** power
    return _unit(np.fft.irfft2(spectrum, s=(side, side)).astype(np.float32))


def _stones(side: int, rng: Random) -> tuple[Field, Field]:
    """Cells around points: rounded or flat, with joints between them."""
    points = rng.uniform(0, side, (int(rng.integers(12, 220)), 2))
    every = np.concatenate([points + np.array([dy, dx]) * side for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    stretch = np.exp(rng.uniform(-0.6, 0.6))
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2) * [1, stretch]
    at = at + 4 * np.stack([noise(side, 1.6, rng), noise(side, 1.6, rng)], -1).reshape(-1, 2)
    index = cv2.flann.Index((every * [1, stretch]).astype(np.float32), {"algorithm": _EXACT})
    near, far = index.knnSearch(at.astype(np.float32), 2)
    far = np.sqrt(far)
    edge = ((far[:, 1] - far[:, 0]) / max(1e-6, float(far[:, 1].mean()))).reshape(side, side)
    joint = rng.uniform(0.1, 0.8)
    profile = np.clip(edge / joint, 0, 1) ** rng.uniform(0.4, 1.5)
    level = rng.standard_normal(len(points))[near[:, 0] % len(points)].reshape(side, side)
    return _soft(profile + 0.15 * level, rng.uniform(0.5, 1.5)), _unit(level)


def _bricks(side: int, rng: Random) -> tuple[Field, Field]:
    """Rows of bricks with joints."""
    rows, columns = int(rng.integers(3, 14)), int(rng.integers(2, 8))
    wave = rng.uniform(0, 4)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    y, x = y + wave * noise(side, 1.5, rng), x + wave * noise(side, 1.5, rng)
    v = y / side * rows
    u = x / side * columns + 0.5 * (np.floor(v) % 2)
    inside = np.minimum(np.minimum(u % 1, 1 - u % 1) / columns, np.minimum(v % 1, 1 - v % 1) / rows) * side
    profile = np.clip(inside / rng.uniform(2, 9), 0, 1) ** rng.uniform(0.5, 2)
    levels = rng.standard_normal((rows, columns)).astype(np.float32)
    piece = levels[np.floor(v).astype(int) % rows, np.floor(u).astype(int) % columns]
    turned = (profile + 0.1 * piece, piece) if rng.random() < 0.5 else (profile.T + 0.1 * piece.T, piece.T)
    return _soft(turned[0], rng.uniform(0.5, 1.5)), _unit(turned[1])


def _weave(side: int, rng: Random) -> tuple[Field, Field]:
    """Threads over and under each other."""
    count = int(rng.integers(6, 40))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side * count
    x, y = x + 0.1 * noise(side, 1.5, rng), y + 0.1 * noise(side, 1.5, rng)
    over = np.where((np.floor(x) + np.floor(y)) % 2 == 0, 1.0, -1.0)
    bend = np.sin(np.pi * (x % 1)), np.sin(np.pi * (y % 1))
    threads = np.where(over > 0, bend[0] * (0.5 + bend[1]), bend[1] * (0.5 + bend[0]))
    return _soft(threads.astype(np.float32), rng.uniform(0.5, 2)), _unit(over.astype(np.float32))


def _heap(side: int, rng: Random) -> tuple[Field, Field]:
    """Ellipses that lie over each other, domed or flat: gravel, leaves, scales."""
    height, piece = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    typical = side * rng.uniform(0.02, 0.1)
    power, flat = rng.uniform(0.4, 1.5), rng.uniform(0.3, 1)
    for order in range(int(min(2500, 6 * (side / typical) ** 2))):
        dome = _dome(max(2, int(2 * typical * np.exp(0.4 * rng.standard_normal()))), flat, rng)
        top, left = rng.integers(side, 2 * side, 2)
        rise, tint = 0.3 * rng.standard_normal() + order / 800, rng.standard_normal()
        tilt = rng.normal(0, 0.3, 2)
        here = np.ix_((top + np.arange(len(dome))) % side, (left + np.arange(len(dome))) % side)
        y, x = np.mgrid[-1 : 1 : len(dome) * 1j, -1 : 1 : len(dome) * 1j]
        height[here] = np.where(dome > _RIM, dome**power + rise + tilt[0] * y + tilt[1] * x, height[here])
        piece[here] = np.where(dome > _RIM, tint, piece[here])
    return _soft(height, rng.uniform(0.5, 1.5)), _unit(piece)


def _dome(size: int, flat: float, rng: Random) -> Field:
    """Draw half an ellipsoid, as long as the picture and turned by chance: (size, size)."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j].astype(np.float32)
    width = max(2.0, size * rng.uniform(flat, 1))
    dome = np.clip(1 - x**2 - (y * size / width) ** 2, 0, 1)
    turn = cv2.getRotationMatrix2D((31.5, 31.5), rng.uniform(0, 360), 1)
    return np.asarray(cv2.resize(cv2.warpAffine(dome, turn, (64, 64)), (size, size)), np.float32)


def _rough(side: int, rng: Random) -> tuple[Field, Field]:
    """Nothing but noise, perhaps cut off at a height, or folded."""
    height = noise(side, rng.uniform(0.9, 2.2), rng)
    way = rng.integers(4)
    if way == 1:
        height = np.abs(height)
    elif way == 2:
        height = np.minimum(height, rng.uniform(-0.5, 1))
    elif way == 3:
        height = np.tanh(3 * height)
    return height, _unit(height > rng.uniform(-0.5, 0.5))


KINDS = (_stones, _bricks, _weave, _heap, _rough)


def _colors(causes: list[Field], rng: Random) -> Field:
    """Return linear colors (3, H, W): two or three tints, blended by what causes them."""
    base = rng.uniform(0.03, 0.6) * np.exp(0.25 * rng.standard_normal(3))
    log = np.log(base)[:, None, None] + rng.uniform(0.1, 0.8) * _mixed(causes, rng, spread=False)
    for _ in range(2):
        log = log + 0.2 * rng.standard_normal(3)[:, None, None] * _mixed(causes, rng, spread=False)
    if rng.random() < _DIRTY:
        log = log + rng.uniform(0.1, 0.5) * _cavity(causes[0], causes[0].shape[0], rng)
    return np.asarray(np.clip(np.exp(log), 0.01, 0.9), np.float32)


def _mixed(causes: list[Field], rng: Random, *, spread: bool = True) -> Field:
    """Blend fields; with `spread`, as roughness: 0.1 to 0.95."""
    share = rng.standard_normal(len(causes)) * (rng.random(len(causes)) < 0.5)
    share[rng.integers(len(causes))] += 1
    field = _unit(np.sum([part * cause for part, cause in zip(share, causes, strict=True)], axis=0))
    if not spread:
        return field
    return np.asarray(np.clip(rng.uniform(0.25, 0.75) + rng.uniform(0.02, 0.2) * field, 0.1, 0.95), np.float32)


def _cavity(height: Field, side: int, rng: Random) -> Field:
    return _unit(height - _soft(height, side * rng.uniform(0.01, 0.05)))


def _across(height: Field, axis: int) -> Field:
    return np.asarray((np.roll(height, -1, axis) - np.roll(height, 1, axis)) / 2, np.float32)


def _soft(field: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(np.asarray(field, np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _unit(field: NDArray[Any]) -> Field:
    field = np.asarray(field, np.float32)
    return np.asarray((field - field.mean()) / max(1e-6, float(field.std())), np.float32)
