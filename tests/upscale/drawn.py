"""Drawings by other rules than those that networks are trained with (`assetforge.ops.drawings`).

Their motifs are others, they are drawn by another library, reduced by Lanczos, and have letters of a real font.

    PYTHONPATH=tests python tests/upscale/drawn.py FOLDER
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 256
"""Of a picture, in pixels."""
_FINE = 4
"""Each is drawn so many times as large."""
_SIDE = SIZE * _FINE
_INK = (28, 24, 36)

Point = tuple[float, float]


def _around(x: float, y: float, radius: float, angle: float) -> Point:
    return x + radius * math.cos(angle), y + radius * math.sin(angle)


def _circle(x: float, y: float, radius: float) -> list[float]:
    return [x - radius, y - radius, x + radius, y + radius]


def _points(x: np.ndarray, y: np.ndarray) -> list[Point]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def gears(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Cogwheels of flat metal with outlines."""
    for x, y, radius, teeth in ((300, 330, 240, 18), (720, 560, 280, 22), (330, 850, 170, 13), (860, 170, 140, 11)):
        phase = rng.uniform(0, 1)
        steps = [(n + phase) * math.tau / (4 * teeth) for n in range(4 * teeth)]
        rim = [_around(x, y, radius * (1 if n % 4 < 2 else 0.84), angle) for n, angle in enumerate(steps)]
        gray = int(rng.integers(110, 220))
        draw.polygon(rim, fill=(gray, gray - 12, gray - 40), outline=_INK, width=9)
        draw.ellipse(_circle(x, y, radius * 0.62), fill=(gray - 60, gray - 62, gray - 70), outline=_INK, width=7)
        for n in range(5):
            draw.line([(x, y), _around(x, y, radius * 0.62, n * math.tau / 5 + phase)], (gray, gray, gray - 20), 34)
        draw.ellipse(_circle(x, y, radius * 0.2), fill=(220, 180, 70), outline=_INK, width=7)


def stained_glass(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Cells of colored glass between leads."""
    centers = rng.uniform(0, _SIDE, (46, 2))
    colors = rng.integers(40, 250, (46, 3))
    y, x = np.mgrid[:_SIDE:2, :_SIDE:2]
    away = np.sort(distance := np.hypot(x[..., None] - centers[:, 0], y[..., None] - centers[:, 1]), -1)
    cells = colors[distance.argmin(-1)]
    cells[away[..., 1] - away[..., 0] < 16] = _INK
    draw._image.paste(Image.fromarray(cells.astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


def contours(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A map: bands of height, with a line between each two."""
    small = Image.fromarray(rng.uniform(0, 1, (9, 9)).astype(np.float32))
    height = np.asarray(small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)) * 12
    bands = np.array([(150 + 8 * n, 200 - 6 * n, 120 + (n * 37) % 50) for n in range(24)])
    picture = bands[np.clip(height, 0, 23).astype(int)]
    slope = np.hypot(*np.gradient(height))
    picture[np.abs(height - np.rint(height)) < 4 * slope] = (90, 60, 30)
    draw._image.paste(Image.fromarray(picture.astype(np.uint8)))


def comic(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Rays, halftone, and a balloon with words."""
    for n in range(0, 36, 2):
        rays = [_around(512, 600, 1400, (n + side) * math.tau / 36) for side in (0, 1)]
        draw.polygon([(512, 600), *rays], fill=(250, 214, 60))
    for row, column in product(range(40), repeat=2):
        x, y = column * 26 + row % 2 * 13, row * 26
        draw.ellipse(_circle(x, y, max(0.0, 13 * (1 - y / 900))), fill=(214, 50, 60))
    burst = [_around(512, 600, (330 if n % 2 else 440) * rng.uniform(0.9, 1.1), n * math.tau / 28) for n in range(28)]
    draw.polygon(burst, fill="white", outline=_INK, width=14)
    draw.text((512, 600), "KRAK!", fill=(214, 40, 40), font=ImageFont.load_default(170), anchor="mm", stroke_width=9,
              stroke_fill=_INK)  # fmt: skip
    draw.rectangle([0, 0, _SIDE - 1, _SIDE - 1], outline=_INK, width=22)


def circuit(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Traces at right and half angles between pads, on a green board."""
    draw.rectangle([0, 0, _SIDE, _SIDE], fill=(12, 84, 52))
    for _ in range(44):
        x, y = (int(one) * 32 for one in rng.integers(0, 32, 2))
        path: list[Point] = [(x, y)]
        for _ in range(4):
            angle, length = int(rng.integers(8)) * math.tau / 8, int(rng.integers(2, 8)) * 32
            path.append(_around(*path[-1], length, angle))
        draw.line(path, (190, 160, 60), 10, joint="curve")
        for end in (path[0], path[-1]):
            draw.ellipse(_circle(*end, 18), fill=(222, 200, 120))
            draw.ellipse(_circle(*end, 8), fill=(20, 40, 30))


def woodcut(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Waves of ink, wide where it is dark."""
    at = np.arange(0, _SIDE + 8, 8)
    for y in range(0, _SIDE + 40, 34):
        dark = 0.5 + 0.5 * np.sin(at / 150 + y / 210 + rng.normal(0, 0.05)) * np.cos(y / 170)
        middle = y + 22 * np.sin(at / 90 + y / 60)
        upper, lower = middle - 3 - 12 * dark, middle + 3 + 12 * dark
        shape = [*_points(at, upper), *reversed(_points(at, lower))]
        draw.polygon(shape, fill=_INK)


def plants(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Branches that fork, with outlined leaves."""
    draw.rectangle([0, 0, _SIDE, _SIDE], fill=(196, 224, 232))

    def grow(x: float, y: float, angle: float, length: float) -> None:
        if length < 34:
            across = angle + math.pi / 2
            tip = _around(x, y, 52, angle)
            leaf = [(x, y), _around(*_around(x, y, 26, angle), 15, across), tip,
                    _around(*_around(x, y, 26, angle), -15, across)]  # fmt: skip
            draw.polygon(leaf, fill=(70, int(rng.integers(120, 190)), 60), outline=_INK, width=4)
            return
        end = _around(x, y, length, angle)
        draw.line([(x, y), end], (92, 60, 40), max(5, int(length / 9)))
        for turn in (-0.5, 0.45):
            grow(*end, angle + turn * rng.uniform(0.6, 1.3), length * rng.uniform(0.68, 0.8))

    for x in (180, 560, 880):
        grow(x, _SIDE, -math.pi / 2 + rng.uniform(-0.1, 0.1), 210)


def blocks(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Isometric cubes, three flat tones each."""
    edge = 90.0
    for row, column in product(range(-1, 9), range(-1, 9)):
        x, y = (column - row) * edge * 0.866 + 512, (column + row) * edge * 0.5 + 60 - edge * int(rng.integers(0, 3))
        hue = np.array([(200, 90, 70), (90, 140, 190), (210, 190, 110)][int(rng.integers(3))])
        corner = [_around(x, y, edge, math.radians(30 + 60 * n)) for n in range(6)]
        for tone, ends in ((1.15, (3, 4, 5)), (0.85, (5, 0, 1)), (0.6, (1, 2, 3))):
            fill = tuple(np.clip(hue * tone, 0, 255).astype(int).tolist())
            draw.polygon([(x, y), *(corner[n] for n in ends)], fill=fill, outline=_INK, width=5)


def guilloche(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Fine curves of a banknote."""
    for color, inner, pen in (((40, 70, 130), 96, 150), ((150, 50, 60), 63, 210), ((30, 110, 80), 50, 120)):
        turns = np.linspace(0, math.tau * inner / math.gcd(inner, 360), 9000)
        ratio = (360 - inner) / inner
        x = 512 + 1.1 * ((360 - inner) * np.cos(turns) + pen * np.cos(turns * ratio))
        y = 512 + 1.1 * ((360 - inner) * np.sin(turns) - pen * np.sin(turns * ratio))
        draw.line(_points(x, y), color, int(rng.integers(4, 7)))


def icons(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Buttons of a user interface, with signs and words."""
    draw.rectangle([0, 0, _SIDE, _SIDE], fill=(44, 48, 58))
    for row, column in product(range(4), repeat=2):
        x, y = column * 250 + 24, row * 250 + 24
        color = tuple(rng.integers(60, 240, 3).tolist())
        draw.rounded_rectangle([x, y, x + 216, y + 160], 36, fill=color, outline=(230, 230, 235), width=6)
        sign = int(rng.integers(3))
        if sign == 0:
            draw.regular_polygon((x + 108, y + 80, 56), 3, fill="white", outline=_INK)
        elif sign == 1:
            draw.arc(_circle(x + 108, y + 80, 50), 40, 320, fill="white", width=16)
        else:
            draw.line([(x + 60, y + 84), (x + 96, y + 120), (x + 160, y + 44)], "white", 20, joint="curve")
        words = ("Save", "Undo", "Layer", "Exit")[int(rng.integers(4))]
        draw.text((x + 108, y + 190), words, fill=(230, 230, 235), font=ImageFont.load_default(44), anchor="mm")


def letters(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A page of print, from large to small."""
    y = 20
    for size in (130, 96, 72, 60, 50, 44, 40, 36, 34):
        draw.text(
            (30, y), "Quick onyx goblin jumps over a lazy dwarf 0123", fill=_INK, font=ImageFont.load_default(size)
        )
        y += int(size * 1.5)
    draw.rectangle([0, 0, 20, _SIDE], fill=(180, 30, 40))


def planets(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """Balls in three hard tones with outlines before a sky of flat bands, as cartoons are painted."""
    for n in range(8):
        draw.rectangle([0, n * 128, _SIDE, n * 128 + 128], fill=(40 + 22 * n, 60 + 18 * n, 120 + 12 * n))
    for _ in range(9):
        x, y, radius = *rng.uniform(60, 960, 2), rng.uniform(60, 190)
        color = rng.integers(80, 230, 3)
        for tone, shift, part in ((0.55, 0.0, 1.0), (1.0, 0.16, 0.84), (1.35, 0.38, 0.4)):
            fill = tuple(np.clip(color * tone, 0, 255).astype(int).tolist())
            at = x - radius * shift, y - radius * shift
            draw.ellipse(_circle(*at, radius * part), fill=fill)
        draw.ellipse(_circle(x, y, radius), outline=_INK, width=11)


def painted_bricks(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A wall as hand-painted textures have it: broad strokes, light upper and dark lower edges, cracks."""
    draw.rectangle([0, 0, _SIDE, _SIDE], fill=(70, 56, 52))
    for row, column in product(range(6), range(-1, 4)):
        x, y = column * 300 + row % 2 * 150 + rng.uniform(-8, 8), row * 172 + 8
        tone = rng.uniform(0.75, 1.15)
        body = [x, y, x + 282, y + 154]
        fills = [tuple((np.array(one) * tone).clip(0, 255).astype(int).tolist())
                 for one in ((170, 96, 72), (214, 150, 112), (112, 60, 52), (188, 116, 88))]  # fmt: skip
        draw.rounded_rectangle(body, 26, fill=fills[2])
        draw.rounded_rectangle([x + 4, y, x + 276, y + 138], 24, fill=fills[1])
        draw.rounded_rectangle([x + 12, y + 16, x + 276, y + 138], 22, fill=fills[0])
        for _ in range(3):
            sx, sy = x + rng.uniform(30, 190), y + rng.uniform(30, 110)
            draw.line([(sx, sy), (sx + rng.uniform(30, 80), sy + rng.uniform(-10, 10))], fills[3], 14)
        if rng.random() < 0.3:
            steps = rng.normal(0, 18, (5, 2)).cumsum(0)
            draw.line(_points(x + 140 + steps[:, 0], y + 70 + steps[:, 1]), fills[2], 7)


MOTIFS: tuple[Callable[[ImageDraw.ImageDraw, np.random.Generator], None], ...] = (
    gears, stained_glass, contours, comic, circuit, woodcut, plants, blocks, guilloche, icons, letters, planets,
    painted_bricks,
)  # fmt: skip


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """Draw one of each motif, always the same: sRGB, SIZE pixels wide and high."""
    for number, motif in enumerate(MOTIFS):
        canvas = Image.new("RGB", (_SIDE, _SIDE), (244, 238, 226))
        motif(ImageDraw.Draw(canvas), np.random.default_rng(number))
        yield motif.__name__, canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def write(folder: Path) -> None:
    """Write all pictures as PNG, named as colors are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures():
        picture.save(folder / f"{name}_d.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
