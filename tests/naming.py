"""Naming conventions of libraries and engines, to write material sets in: the tests' own list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Maps = Mapping[str, NDArray[np.uint8]]
"""Pictures by map, (H, W) or (H, W, 3) in blue, green, red."""

PLAIN: dict[str, dict[str, str]] = {
    "ambientcg": {
        "base_color": "{}_1K-JPG_Color",
        "normal": "{}_1K-JPG_NormalGL",
        "roughness": "{}_1K-JPG_Roughness",
        "metalness": "{}_1K-JPG_Metalness",
        "ambient_occlusion": "{}_1K-JPG_AmbientOcclusion",
        "height": "{}_1K-JPG_Displacement",
    },
    "poly_haven": {
        "base_color": "{}_diff_1k",
        "normal": "{}_nor_gl_1k",
        "roughness": "{}_rough_1k",
        "metalness": "{}_metal_1k",
        "ambient_occlusion": "{}_ao_1k",
        "height": "{}_disp_1k",
    },
    "quixel": {
        "base_color": "{}_2K_Albedo",
        "normal": "{}_2K_Normal",
        "roughness": "{}_2K_Roughness",
        "metalness": "{}_2K_Metalness",
        "ambient_occlusion": "{}_2K_AO",
        "height": "{}_2K_Displacement",
    },
    "substance": {
        "base_color": "{}_Base_Color",
        "normal": "{}_Normal_OpenGL",
        "roughness": "{}_Roughness",
        "metalness": "{}_Metallic",
        "ambient_occlusion": "{}_AmbientOcclusion",
        "height": "{}_Height",
    },
    "unreal": {"base_color": "T_{}_BC", "normal": "T_{}_N", "orm": "T_{}_ORM", "height": "T_{}_H"},
    "unity": {
        "base_color": "{}_AlbedoTransparency",
        "normal": "{}_Normal",
        "mask": "{}_MaskMap",
        "height": "{}_Height",
    },
    "quake": {
        "base_color": "{}_d",
        "normal": "{}_n",
        "gloss": "{}_gloss",
        "metalness": "{}_m",
        "ambient_occlusion": "{}_ao",
        "height": "{}_h",
    },
    "gltf": {
        "base_color": "{}_baseColor",
        "normal": "{}_normal",
        "metallic_roughness": "{}_metallicRoughness",
        "ambient_occlusion": "{}_occlusion",
        "height": "{}_height",
    },
    "folder": {
        "base_color": "{}/albedo",
        "normal": "{}/normal",
        "roughness": "{}/roughness",
        "metalness": "{}/metallic",
        "ambient_occlusion": "{}/ao",
        "height": "{}/height",
    },
}
"""The name of each file by convention; `{}` is the material."""
DOWN = ("unreal",)
"""Conventions whose normals are DirectX's."""
TOLD = ("ambientcg", "poly_haven", "substance", "unreal", "unity", "gltf")
"""Conventions whose names tell where green points."""


def write_set(folder: Path, convention: str, name: str, maps: Maps) -> None:
    """Write a material, whose normals are +Y up, as a convention has it."""
    flipped = dict(maps)
    if convention in DOWN:
        flipped["normal"] = _green_turned(maps["normal"])
    for word, file in PLAIN[convention].items():
        picture = _PACKERS[word](flipped) if word in _PACKERS else flipped.get(word)
        if picture is not None:
            path = folder / f"{file.format(name)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture)


def _green_turned(normal: NDArray[np.uint8]) -> NDArray[np.uint8]:
    turned = normal.copy()
    turned[:, :, 1] = 255 - normal[:, :, 1]
    return turned


def _or(maps: Maps, name: str, value: int) -> NDArray[np.uint8]:
    return maps.get(name, np.full(maps["roughness"].shape, value, np.uint8))


def _orm(maps: Maps) -> NDArray[np.uint8]:
    return np.dstack([_or(maps, "metalness", 0), maps["roughness"], _or(maps, "ambient_occlusion", 255)])


def _mask(maps: Maps) -> NDArray[np.uint8]:
    detail = np.full(maps["roughness"].shape, 128, np.uint8)
    occlusion, metal = _or(maps, "ambient_occlusion", 255), _or(maps, "metalness", 0)
    return np.dstack([detail, occlusion, metal, 255 - maps["roughness"]])


_PACKERS: dict[str, Callable[[Maps], NDArray[np.uint8]]] = {
    "orm": _orm,
    "mask": _mask,
    "metallic_roughness": lambda maps: np.dstack([_or(maps, "metalness", 0), maps["roughness"], maps["roughness"] * 0]),
    "gloss": lambda maps: 255 - maps["roughness"],
}


def procedural(seed: int, size: int = 64) -> Maps:
    """Make a material of smooth hills, with all maps."""
    rng = np.random.default_rng(seed)
    waves = [(rng.integers(1, 5, 2), rng.uniform(0, 2 * np.pi)) for _ in range(8)]
    down, right = np.mgrid[:size, :size] * (2 * np.pi / size)
    height = sum(np.sin(down * one[0] + right * one[1] + phase) for one, phase in waves)
    slope_right = np.roll(height, -1, 1) - np.roll(height, 1, 1)
    slope_up = np.roll(height, 1, 0) - np.roll(height, -1, 0)
    vectors = np.dstack([np.ones_like(height), -slope_up, -slope_right])
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    noise = rng.integers(0, 256, (4, size, size), dtype=np.uint8)
    return {
        "base_color": rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        "normal": np.rint((vectors + 1) * 127.5).astype(np.uint8),
        "height": np.rint((height - height.min()) / np.ptp(height) * 255).astype(np.uint8),
        "roughness": noise[0],
        "metalness": noise[1],
        "ambient_occlusion": noise[2],
    }


@cache
def shared_set(folder: Path, size: int) -> tuple[Maps, bool]:
    """Read one of the shared materials, downsized, with normals +Y up; and whether they were so in its files."""
    import json

    told = json.loads((folder / "material.json").read_text())
    words = {"albedo": "base_color", "ao": "ambient_occlusion", "metallic": "metalness"}
    maps = {words.get(word, word): _small(folder / file, word, size) for word, file in told["maps"].items()}
    up = told["normal_convention"].startswith("OpenGL")
    return (maps if up else {**maps, "normal": _green_turned(maps["normal"])}), up


def _small(path: Path, word: str, size: int) -> NDArray[np.uint8]:
    mode = cv2.IMREAD_COLOR if word in ("albedo", "normal") else cv2.IMREAD_GRAYSCALE
    picture = cv2.imread(str(path), mode)
    assert picture is not None
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)
