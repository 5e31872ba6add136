"""A plane and a sphere to look at a material on, as the bytes of a glTF buffer."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Vector = tuple[float, ...]

_AROUND, _DOWN = 48, 24
_ASIDE = 1.1


@dataclass(frozen=True)
class Mesh:
    """Triangles, counterclockwise from outside; +Y is up. Tangents have the handedness of glTF 2.0 as a 4th number."""

    name: str
    positions: tuple[Vector, ...]
    normals: tuple[Vector, ...]
    tangents: tuple[Vector, ...]
    uvs: tuple[Vector, ...]
    """From the upper left corner of a texture."""
    indices: tuple[int, ...]


@lru_cache(maxsize=1)
def meshes() -> tuple[Mesh, Mesh]:
    """Return a plane of 2 × 2 that stands to the left, and a sphere of radius 1 to the right."""
    return _plane(), _sphere()


def _plane() -> Mesh:
    corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    positions = tuple((2 * u - 1 - _ASIDE, 1 - 2 * v, 0.0) for u, v in corners)
    normals, tangents = ((0.0, 0.0, 1.0),) * 4, ((1.0, 0.0, 0.0, 1.0),) * 4
    return Mesh("plane", positions, normals, tangents, corners, (0, 2, 1, 1, 2, 3))


def _sphere() -> Mesh:
    """Return a sphere that shows the texture twice around and once down, so that it is not stretched at the equator."""
    grid = [(column / _AROUND, row / _DOWN) for row in range(_DOWN + 1) for column in range(_AROUND + 1)]
    normals = tuple(_direction(u, v) for u, v in grid)
    tangents = tuple((-math.cos(2 * math.pi * u), 0.0, math.sin(2 * math.pi * u), 1.0) for u, _ in grid)
    positions = tuple((x + _ASIDE, y, z) for x, y, z in normals)
    return Mesh("sphere", positions, normals, tangents, tuple((2 * u, v) for u, v in grid), tuple(_faces()))


def _direction(u: float, v: float) -> tuple[float, float, float]:
    around, down = 2 * math.pi * u, math.pi * v
    return -math.sin(down) * math.sin(around), math.cos(down), -math.sin(down) * math.cos(around)


def _faces() -> list[int]:
    faces: list[int] = []
    for row in range(_DOWN):
        for column in range(_AROUND):
            here = row * (_AROUND + 1) + column
            below = here + _AROUND + 1
            faces += [here, below, below + 1] if row < _DOWN - 1 else []  # at the poles, a square is a triangle
            faces += [here, below + 1, here + 1] if row else []
    return faces


def as_floats(vectors: Sequence[Vector]) -> bytes:
    """Return float32, little-endian."""
    return _little(array("f", [number for vector in vectors for number in vector]))


def as_shorts(numbers: Sequence[int]) -> bytes:
    """Return uint16, little-endian."""
    return _little(array("H", numbers))


def _little(numbers: array[float] | array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
