"""The samples as if they came from several libraries, each with its own names, packed files and normals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assetforge.codecs.encode import encode
from assetforge.codecs.formats import Format
from assetforge.codecs.pack import pack
from assetforge.codecs.packing import PACKED, Packing
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.ops.workflow import to_specular
from assetforge.pipeline.presets import Parts, parse_part

_ORM: Parts = {"r": "ambient_occlusion", "g": "roughness", "b": "metalness"}
_COLOR: Parts = {"rgb": "base_color"}
_UP: Parts = {"rgb": "normal"}
_DOWN: Parts = {"rgb": "normal down"}
_HEIGHT: Parts = {"r": "height"}

LIBRARIES: Mapping[str, Mapping[str, Parts]] = {
    "brick": {  # ambientCG
        "Brick01_1K-PNG_Color": _COLOR,
        "Brick01_1K-PNG_NormalGL": _UP,
        "Brick01_1K-PNG_Roughness": {"r": "roughness"},
        "Brick01_1K-PNG_AmbientOcclusion": {"r": "ambient_occlusion"},
        "Brick01_1K-PNG_Displacement": _HEIGHT,
    },
    "fabric": {  # Poly Haven
        "woven_fabric_diff_1k": _COLOR,
        "woven_fabric_nor_dx_1k": _DOWN,
        "woven_fabric_arm_1k": _ORM,
        "woven_fabric_disp_1k": _HEIGHT,
    },
    "metal": {"T_Plates_BC": _COLOR, "T_Plates_N": _DOWN, "T_Plates_ORM": _ORM, "T_Plates_H": _HEIGHT},  # Unreal
    "stone": {  # Unity's older materials, of the specular workflow
        "Cobbles_AlbedoTransparency": {"rgb": "diffuse_albedo"},
        "Cobbles_SpecularSmoothness": {"rgb": "specular_albedo", "a": "1 - roughness"},
        "Cobbles_Normal": _UP,
    },
    "wood": {  # Substance Painter
        "Planks_BaseColor": _COLOR,
        "Planks_Normal_OpenGL": _UP,
        "Planks_OcclusionRoughnessMetallic": _ORM,
        "Planks_Height": _HEIGHT,
    },
}
"""The files of each sample, by name, with what their channels hold."""


def downloaded(name: str, sample: Material) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file of a sample."""
    maps = dict(sample)
    base = sample["base_color"]
    metalness = sample["metalness"].data if "metalness" in sample else 0 * base.data[:1]
    diffuse, specular = to_specular(base.data, metalness)
    maps |= {"diffuse_albedo": base.with_data(diffuse), "specular_albedo": base.with_data(specular)}
    png = Format("png", "8")
    for file, parts in LIBRARIES[name].items():
        packing = Packing(tuple((letter, parse_part(text)) for letter, text in parts.items()))
        used = {one: maps[one] for one in packing.maps if one in maps}
        yield f"{file}.png", encode({PACKED: pack(used, MAPS, packing, png)}, png)
