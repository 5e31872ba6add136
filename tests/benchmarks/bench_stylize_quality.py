"""How good the pictures of `stylize` are, with the shipped features, measured in VGG-19, which the run does not see.

    PYTHONPATH=tests:plugins python tests/benchmarks/bench_stylize_quality.py pairs batch blend material [--out DIR]

`pairs`: 6 photographs × 6 paintings that no network of ours has seen. Columns: the distance to the style (Gram
matrices, conv1_1 to conv3_1), in parts of the photograph's own, and the correlation of the gradients of brightness.
`batch`: the same distance of 20 textures of four sizes, and its spread, by `style_scale` and by `style_size`. `blend`:
distances to two styles, mixed in five steps. `material`: seams, and what the brightness tells of each other map (mutual
information), in parts of before. Pictures are written to DIR, to be looked at.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from assetforge_stylize import StylizeParams
from assetforge_stylize._optimize import style_distance
from assetforge_stylize._pictures import read_color
from assetforge_stylize._stylize import stylize_material
from assetforge_stylize._ties import planes_of
from PIL import Image
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.resample import resample, resample_map
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import mutual_information
from assetforge.weights import SHIPPED, foreign
from assetforge.weights.features import Vgg19
from assetforge.weights.vgg19 import canonical

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CONTENTS = ("chicago", "cornell", "golden_gate", "newyork", "sailboat", "tubingen")
STYLES = ("la_muse", "mondrian", "shipwreck", "starry_night", "the_scream", "woman-with-hat-matisse")
BATCH, SIZES = 20, (96, 128, 160, 192)
MATERIALS = ("Bricks075B", "hterrain_grass", "Stylized_Stone_Wall_001", "clay_roof_tiles")
NAMES = {"albedo": "base_color", "ao": "ambient_occlusion", "metallic": "metalness"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", choices=PARTS, nargs="+")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("build/stylize"))
    parser.add_argument("--long", type=int, default=384, help="longer side of pictures; materials are 2/3 of it")
    parser.add_argument("--only", nargs="*", default=[], help="contents, styles or materials; by default all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        PARTS[part](options)


def pairs(options: argparse.Namespace) -> None:
    """Print the distance to the style and the correlation of gradients for each pair."""
    vgg = _vgg(options.data)
    found = []
    for content in _chosen(CONTENTS, options.only):
        own = _encoded(options.data / "style" / "content" / f"{content}.jpg", options.long)
        for name in _chosen(STYLES, options.only):
            path = options.data / "style" / "style" / f"{name}.jpg"
            result = _picture(_stylized(_material(own), style=path))
            style = _encoded(path, options.long)
            distance = style_distance(result, style, vgg) / style_distance(own, style, vgg)
            found.append((distance, _gradient_correlation(result, own)))
            print(f"{content:14s}{name:26s}{found[-1][0]:8.4f}{found[-1][1]:8.3f}", flush=True)
            _write(options.out / f"{content}_{name}.png", torch.cat([own, result], 2))
    distances, correlations = zip(*found, strict=True)
    print(f"distance: {statistics.geometric_mean(distances):.4f} in the middle, {max(distances):.4f} at most")
    print(
        f"correlation: {statistics.fmean(correlations):.3f} in the middle, {min(correlations):.3f} at least", flush=True
    )


def batch(options: argparse.Namespace) -> None:
    """Print the spread of distances over textures of several sizes."""
    vgg, path = _vgg(options.data), options.data / "style" / "style" / "starry_night.jpg"
    chosen = random.Random(3).sample(sorted(options.data.glob("train/*/*_d.webp")), BATCH)
    style = _encoded(path, max(SIZES))
    for told in ({}, {"style_size": max(SIZES)}):
        distances = []
        for number, file in enumerate(chosen):
            side = SIZES[number % len(SIZES)]
            own = resample(hdr_encode(read_color(file).data), (side, side)).clamp(0, 1)
            result = _picture(_stylized(_material(own), style=path, tileable=True, **told))
            distances.append(style_distance(result, style, vgg))
            print(f"{file.stem:20s}{side:5d}{distances[-1]:8.4f}", flush=True)
            _write(options.out / f"{'one' if told else 'own'}_{file.stem}.png", torch.cat([own, result], 2))
        print(f"{told}: {statistics.fmean(distances):.4f}, spread {statistics.pstdev(distances):.4f}", flush=True)


def blend(options: argparse.Namespace) -> None:
    """Print the distances to two styles whose weights change."""
    vgg = _vgg(options.data)
    first, second = (options.data / "style" / "style" / f"{name}.jpg" for name in ("starry_night", "mondrian"))
    own = _encoded(options.data / "style" / "content" / "tubingen.jpg", options.long)
    for step in range(5):
        styles = [{"file": first, "weight": 4 - step}, {"file": second, "weight": step}]
        result = _picture(_stylized(_material(own), style=styles))
        far = [style_distance(result, _encoded(path, options.long), vgg) for path in (first, second)]
        print(f"{4 - step}:{step} {far[0]:8.4f}{far[1]:8.4f}", flush=True)
        _write(options.out / f"blend_{step}.png", result)


def material(options: argparse.Namespace) -> None:
    """Print the seams of materials, and what brightness tells of their other maps."""
    side = options.long * 2 // 3
    for name in _chosen(MATERIALS, options.only):
        before = _shared(options.data / "materials" / name, side)
        after = _stylized(before, style=options.data / "style" / "style" / "starry_night.jpg")
        others = {key: texture for key, texture in before.items() if key != "base_color"}
        planes = planes_of(others, MAPS, before["base_color"].size)
        print(f"{name}: seam {seam_score(after['base_color'].data):.2f}", end="")
        for key, plane in planes.items():
            tells = [mutual_information(_picture(one).mean(0), plane) for one in (after, before)]
            print(f", {key} {tells[0] / max(tells[1], 1e-9):.2f} of {tells[1]:.3f}", end="")
        print(flush=True)
        _write(options.out / f"{name}.png", torch.cat([_picture(before), _picture(after)], 2))


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "pairs": pairs,
    "batch": batch,
    "blend": blend,
    "material": material,
}


def _chosen(names: tuple[str, ...], only: list[str]) -> list[str]:
    return [name for name in names if name in only] or list(names)


def _vgg(data: Path) -> Vgg19:
    path = data / "weights" / "vgg19_conv1_1_to_conv3_1_fp32.npz"
    return Vgg19(canonical(foreign.read(path), str(path)))


def _encoded(path: Path, long: int) -> Tensor:
    """Read a picture, sRGB-encoded, (3, H, W), of such a longer side that four divides both."""
    pixels = hdr_encode(read_color(path).data)
    scale = long / max(pixels.shape[1:])
    height, width = (round(side * scale / 4) * 4 for side in pixels.shape[1:])
    return resample(pixels, (height, width)).clamp(0, 1)


def _material(encoded: Tensor) -> Material:
    return Material("bench", {"base_color": Texture(hdr_decode(encoded), af.ColorSpace.LIN_REC709)})


def _shared(folder: Path, side: int) -> Material:
    about = json.loads((folder / "material.json").read_text())
    green = Reading("down" if about["normal_convention"].startswith("DirectX") else "up")
    maps = {}
    for key, file in about["maps"].items():
        spec = MAPS[NAMES.get(key, key)]
        texture = decode(folder / file, spec, green, str(folder / file)).texture
        maps[NAMES.get(key, key)] = replace(resample_map(texture, spec, (side, side)), wrap="repeat")
    return Material(folder.name, maps)


def _stylized(given: Material, **params: object) -> Material:
    context = af.Context(
        0, "cpu", lambda _: None, {"forge": SHIPPED / "forge.safetensors"}, MAPS, note=_ignore, flag=_ignore
    )
    with torch.no_grad():
        return stylize_material(given, StylizeParams(**params), context)  # type: ignore[arg-type]


def _ignore(*_: object) -> None:
    pass


def _picture(given: Material) -> Tensor:
    return hdr_encode(given["base_color"].data).clamp(0, 1)


def _gradient_correlation(one: Tensor, other: Tensor) -> float:
    slopes = [torch.cat([part.mean(0).diff(dim=axis).flatten() for axis in (0, 1)]) for part in (one, other)]
    return float(torch.corrcoef(torch.stack(slopes))[0, 1])


def _write(path: Path, encoded: Tensor) -> None:
    Image.fromarray((encoded * 255).round().byte().permute(1, 2, 0).numpy()).save(path)


if __name__ == "__main__":
    main()
