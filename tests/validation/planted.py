"""Mistakes that people make, planted in copies of good materials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]
"""(H, W) or (H, W, 3 or 4), RGB, uint8, uint16 or float32."""
Maps = dict[str, Picture]
WORDS = {
    "albedo": "Color",
    "ao": "AmbientOcclusion",
    "metallic": "Metalness",
    "roughness": "Roughness",
    "height": "Displacement",
}


def good(data: Path, name: str, side: int | None = 256) -> Maps:
    """Read a shared material, downsized so that it goes on tiling; normals +Y up."""
    folder = data / "materials" / name
    card = json.loads((folder / "material.json").read_text())
    maps = {key: _read(folder / file, side) for key, file in card["maps"].items()}
    if "DirectX" in card["normal_convention"]:
        maps["normal"][:, :, 1] = 255 - maps["normal"][:, :, 1]
    for key in maps.keys() - {"albedo", "normal"}:
        maps[key] = maps[key] if maps[key].ndim == 2 else np.ascontiguousarray(maps[key][:, :, 0])
    return maps


def _read(path: Path, side: int | None) -> Picture:
    pixels: Picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if side is not None:
        pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 2::-1])


def write(folder: Path, maps: Mapping[str, Picture], words: Mapping[str, str] = WORDS) -> Path:
    """Write a material as ambientCG names it, floats as EXR."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, pixels in maps.items():
        stem = folder / f"{folder.name}_{words.get(key, 'NormalGL')}"
        order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(pixels.shape[2] if pixels.ndim == 3 else 1)
        shown = pixels if order is None else np.ascontiguousarray(pixels[:, :, order])
        if pixels.dtype == np.float32:
            _write_exr(stem.with_suffix(".exr"), pixels)
        else:
            assert cv2.imwrite(f"{stem}.png", shown)
    return folder


def _write_exr(path: Path, pixels: Picture) -> None:
    import OpenEXR

    channels = {"RGB"[i] if pixels.ndim == 3 else "Y": np.ascontiguousarray(plane) for i, plane in _planes(pixels)}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))


def _planes(pixels: Picture) -> list[tuple[int, Picture]]:
    return [(0, pixels)] if pixels.ndim == 2 else [(index, pixels[:, :, index]) for index in range(3)]


@dataclass(frozen=True)
class Mistake:
    """What is planted, in which material, and what should be found."""

    material: str
    plant: Callable[[Maps], Maps]
    check: str
    map: str
    severity: str = "warning"


def _changed(key: str, change: Callable[[Picture], Picture]) -> Callable[[Maps], Maps]:
    return lambda maps: {**maps, key: np.ascontiguousarray(change(maps[key]))}


def _unit(pixels: Picture) -> Picture:
    return pixels.astype(np.float64) / 255


def _codes(numbers: Picture) -> Picture:
    codes: Picture = np.clip(np.rint(numbers * 255), 0, 255).astype(np.uint8)
    return codes


def encode(pixels: Picture) -> Picture:
    x = _unit(pixels)
    return _codes(np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055))


def decode(pixels: Picture) -> Picture:
    x = _unit(pixels)
    return _codes(np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4))


def _shorter(pixels: Picture) -> Picture:
    return _codes((_unit(pixels) * 2 - 1) * 0.45 / 2 + 0.5)


def _half_black(pixels: Picture) -> Picture:
    black = pixels.copy()
    black[: len(black) // 2] = 0
    return black


def _with_alpha(pixels: Picture) -> Picture:
    return np.concatenate([pixels, np.zeros_like(pixels[:, :, :1])], 2)


def _lit(pixels: Picture) -> Picture:
    ramp = np.linspace(0.45, 1.3, pixels.shape[1])[None, :, None]
    return _codes(_unit(pixels) * ramp)


def _smooth(pixels: Picture) -> Picture:
    """Return what a sculpted hill is in 8 bits."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] / pixels.shape[0] * 2 * np.pi
    return _codes(0.5 + 0.03 * np.sin(x) * np.cos(y))


def _with_nan(pixels: Picture) -> Picture:
    numbers = _unit(pixels).astype(np.float32)
    numbers[3, 5] = np.nan
    return numbers


def _beyond(pixels: Picture) -> Picture:
    return (_unit(pixels) * 3 - 0.5).astype(np.float32)


def _tiled(maps: Maps) -> Maps:
    return {key: np.concatenate([np.concatenate([pixels[::2, ::2]] * 2, 0)] * 2, 1) for key, pixels in maps.items()}


def _resized(width: int, height: int) -> Callable[[Picture], Picture]:
    return lambda pixels: cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def _moved(pixels: Picture) -> Picture:
    """Return a part of a texture as large as the whole: it does not tile."""
    side = pixels.shape[0]
    return cv2.resize(pixels[side // 8 : side // 2, side // 8 : side // 2], (side, side))


def _clipped(pixels: Picture) -> Picture:
    return _codes(_unit(pixels) * 2.5 - 0.75)


MISTAKES: Mapping[str, Mistake] = {
    "red and blue of normals exchanged": Mistake(
        "Rock020", _changed("normal", lambda n: n[:, :, ::-1]), "normal_tilt", "normal", "error"
    ),
    "red and green of normals exchanged": Mistake(
        "Rock020", _changed("normal", lambda n: n[:, :, [1, 0, 2]]), "normal_axes", "normal"
    ),
    "green of normals inverted": Mistake(
        "Rock058", _changed("normal", lambda n: n ^ np.uint8([0, 255, 0])), "green", "normal", "error"
    ),
    "normals that point into the surface": Mistake(
        "Ground054", _changed("normal", lambda n: n ^ np.uint8([0, 0, 255])), "normal_tilt", "normal", "error"
    ),
    "height inverted": Mistake("Ground054", _changed("height", lambda h: 255 - h), "inside_out", "normal"),
    "normals of another material": Mistake(
        "Rock023", _changed("normal", lambda n: np.roll(n, (91, 57), (0, 1))), "height_fit", "normal"
    ),
    "normals of half the length": Mistake("Rock020", _changed("normal", _shorter), "normal_length", "normal", "error"),
    "normals encoded as sRGB": Mistake("Stone_Path_007", _changed("normal", encode), "normal_srgb", "normal", "error"),
    "normals decoded from sRGB": Mistake("Rock020", _changed("normal", decode), "normal_srgb", "normal", "error"),
    "height in the normals' place": Mistake(
        "Rock058", lambda m: {**m, "normal": np.stack([m["height"]] * 3, 2)}, "normal_gray", "normal", "error"
    ),
    "normals in the color's place": Mistake(
        "Rock058", lambda m: {**m, "albedo": m["normal"]}, "color_is_normal", "base_color"
    ),
    "occlusion in the color's place": Mistake(
        "Rock020", lambda m: {**m, "albedo": np.stack([m["ao"]] * 3, 2)}, "same_map", "base_color", "error"
    ),
    "occlusion in the color's place, and nowhere else": Mistake(
        "Rock020",
        lambda m: {**{k: v for k, v in m.items() if k != "ao"}, "albedo": np.stack([m["ao"]] * 3, 2)},
        "color_gray",
        "base_color",
    ),
    "half of the color black": Mistake(
        "Ground054", _changed("albedo", _half_black), "albedo_black", "base_color", "error"
    ),
    "color far too bright": Mistake(
        "Ground037", _changed("albedo", lambda a: _codes(_unit(a) * 2.2)), "albedo_range", "base_color"
    ),
    "metal far too dark": Mistake(
        "Metal012", _changed("albedo", lambda a: _codes(_unit(a) * 0.4)), "metal_range", "base_color"
    ),
    "light in the color": Mistake("Ground054", _changed("albedo", _lit), "light", "base_color"),
    "alpha 0 everywhere": Mistake("Rock058", _changed("albedo", _with_alpha), "alpha_clear", "base_color", "error"),
    "glossiness in the roughness' place": Mistake(
        "Ground037", _changed("roughness", lambda r: 255 - r), "roughness_low", "roughness"
    ),
    "roughness encoded as sRGB": Mistake("Marble006", _changed("roughness", encode), "curve", "roughness"),
    "roughness decoded from sRGB": Mistake("Ground037", _changed("roughness", decode), "curve", "roughness"),
    "roughness the same everywhere": Mistake(
        "Rock058", _changed("roughness", lambda r: np.full_like(r, 128)), "constant", "roughness"
    ),
    "roughness a copy of the height": Mistake(
        "Rock058", lambda m: {**m, "roughness": m["height"]}, "same_map", "roughness", "error"
    ),
    "roughness beyond 0 to 1": Mistake("Rock058", _changed("roughness", _beyond), "out_of_range", "roughness", "error"),
    "NaN in an EXR": Mistake("Rock058", _changed("roughness", _with_nan), "unreadable", "roughness", "error"),
    "gray metalness": Mistake(
        "Metal012", _changed("metallic", lambda m: np.full_like(m, 128)), "metalness_between", "metalness"
    ),
    "occlusion inverted": Mistake("Rock020", _changed("ao", lambda a: 255 - a), "occlusion", "ambient_occlusion"),
    "a smooth height in 8 bits": Mistake("Rock058", _changed("height", _smooth), "banding", "height"),
    "height cut off": Mistake("Rock020", _changed("height", _clipped), "clipped", "height"),
    "16 bits that hold 8": Mistake(
        "Rock020", _changed("height", lambda h: h.astype(np.uint16) * 257), "false_depth", "height", "info"
    ),
    "one map that does not tile": Mistake("Rock020", _changed("albedo", _moved), "seam", "base_color"),
    "one map of other proportions": Mistake(
        "Rock058", _changed("roughness", _resized(256, 200)), "proportions", "roughness", "error"
    ),
    "one map of an odd size": Mistake(
        "Rock058", _changed("roughness", _resized(192, 192)), "size_differs", "roughness"
    ),
    "sides that are no powers of two": Mistake(
        "Rock058", lambda m: {k: _resized(250, 250)(v) for k, v in m.items()}, "power_of_two", "ambient_occlusion"
    ),
    "a texture that repeats itself": Mistake("Ground037", _tiled, "repetition", "base_color"),
    "a tiny map": Mistake("Rock058", _changed("normal", _resized(8, 8)), "resolution", "normal"),
}
"""Each mistake by its name."""
