"""What the benchmark of steps gives each of them: a material of any size, and parameters where a step wants some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from assetforge_multiply._field import Field, coordinates, stride_of
from assetforge_stylize._networks import Transformation
from safetensors.torch import save_file
from torch import Tensor

from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.heights import normals_of_height
from assetforge.samples.photographs import FLASH, GUIDE, photographs

PAINTING = Path(__file__).parents[2] / "pipelines" / "painting.png"
PIECE = 64
"""Side of the pieces that `apply_map` puts together."""


def sample(side: int) -> Material:
    """Make a material that tiles: a soil, the same at every size, but more of it."""
    height, shade = noise(side, 1, 64), noise(side, 2, 256)
    brown = torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)
    data = {
        "normal": normals_of_height(height, 8.0, repeat=True),
        "height": height,
        "roughness": 0.5 + 0.5 * shade,
        "ambient_occlusion": 0.4 + 0.6 * height,
        "metalness": torch.zeros_like(height),
    }
    color = Texture(brown * (0.5 * shade + height), ColorSpace.LIN_REC709, "repeat")
    maps = {name: Texture(pixels, ColorSpace.NONE, "repeat") for name, pixels in data.items()}
    return Material("sample", {"base_color": color, **maps})


def noise(side: int, seed: int, coarsest: float) -> Tensor:
    """Return noise of 0 to 1 on the torus, (1, side, side), whose largest features have so many pixels."""
    waves = torch.fft.rfft2(torch.randn(side, side, generator=torch.Generator().manual_seed(seed)))
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side))
    made = torch.fft.irfft2(waves / (frequency + 1 / coarsest) ** 1.5, s=(side, side))
    return (0.5 + 0.15 * (made - made.mean()) / made.std()).clamp(0, 1)[None]


def photographed(material: Material) -> Material:
    """Take the two photographs that `svbrdf` wants, as large as the material."""
    shot = photographs(material, material["height"].size, seed=1)
    pair = {"flash": (shot.flash, FLASH), "guide": (shot.guide, GUIDE)}
    linear = ColorSpace.LIN_REC709
    return Material(
        "shot", {name: Texture(one, linear, "clamp", camera=camera) for name, (one, camera) in pair.items()}
    )


def with_layout(material: Material) -> Material:
    """Add the map of a layout of square pieces of the material, from anywhere in it."""
    size = material["height"].size
    stride, count = stride_of(size), size[0] // PIECE
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, size[0] - PIECE - 8, (2, count, count), generator=generator)
    places = torch.arange(0, PIECE, stride).repeat(count)
    y, x = corners.repeat_interleave(PIECE // stride, 1).repeat_interleave(PIECE // stride, 2)
    layout = Field(y + places[:, None], x + places, torch.ones(y.shape), stride, size)
    return material.replace(coordinates=Texture(coordinates(layout), ColorSpace.NONE, "repeat"))


def with_detail(material: Material) -> Material:
    """Add the normals that `combine_normals` lays over those that are there."""
    return material.replace(normal_detail=material["normal"])


def packed(material: Material) -> Material:
    """Return a map as `pack` makes it."""
    channels = torch.cat([material[name].data for name in ("ambient_occlusion", "roughness", "height")])
    return Material("packed", {"packed": Texture(channels, ColorSpace.NONE, "repeat")})


def a_strip(folder: Path) -> dict[str, Any]:
    """Return a strip for `trim_sheet`, with its files."""
    files = {}
    for name, texture in sample(256).items():
        files[name] = folder / f"strip_{name}.png"
        files[name].write_bytes(encode({name: (texture, MAPS[name])}, parse("png8")))
    return {"strips": [{"maps": {name: str(file) for name, file in files.items()}}]}


def a_network(folder: Path) -> dict[str, Any]:
    """Return weights for `stylize_fast`, which take as long untrained."""
    file = folder / "style.safetensors"
    save_file({name: value.contiguous() for name, value in Transformation().state_dict().items()}, file)
    return {"network": str(file)}


def always(**params: Any) -> Callable[[Path], dict[str, Any]]:
    """Return the same parameters wherever files may be put."""
    return lambda _: params


@dataclass(frozen=True)
class Inputs:
    """What one step is given."""

    params: Callable[[Path], dict[str, Any]] = lambda _: {}
    """Makes the parameters, and files that they name in a folder."""
    material: Callable[[Material], Material] | None = None
    """Makes of the sample what the step wants."""
    told: str = ""
    """What a reader must know of the parameters: where they are not those that a user would leave."""


INPUTS: Mapping[str, Inputs] = {
    "apply_map": Inputs(material=with_layout),
    "crop": Inputs(always(parts=[0.5, 0.5])),
    "combine_normals": Inputs(material=with_detail),
    "convert": Inputs(always(to="specular")),
    "levels": Inputs(always(maps={"roughness": {"gamma": 2}, "height": {"invert": True}})),
    "make_tileable": Inputs(always(force=True), told="force: true"),
    "match_color": Inputs(always(like=str(PAINTING))),
    "multiply": Inputs(always(candidates=1, retries=0), told="candidates: 1, retries: 0"),
    "pack": Inputs(always(r="ambient_occlusion", g="roughness", b="height")),
    "resize": Inputs(always(scale=0.5)),
    "stylize": Inputs(always(style=str(PAINTING), iterations=5), told="iterations: 5"),
    "stylize_fast": Inputs(a_network),
    "svbrdf": Inputs(always(effort=0.1), photographed, "effort: 0.1"),
    "trim_sheet": Inputs(a_strip),
    "unpack": Inputs(always(maps={"ambient_occlusion": "r", "roughness": "g"}), packed),
}
"""Of the steps that want something; the others are given the sample, and are left all their parameters."""
