"""glTF 2.0: the material on a plane and a sphere, with the meshes inside of the file and the textures beside it."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from assetforge.codecs.formats import Container
from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot
from assetforge.export.geometry import Mesh, as_floats, as_shorts, meshes

CONTAINERS: tuple[Container, ...] = ("png", "jpg")
"""What textures of glTF 2.0 may be."""
SLOTS: Mapping[str, Slot] = {
    "color": (("rgb", Part("base_color")),),
    "metallic_roughness": (("g", Part("roughness")), ("b", Part("metalness"))),
    "occlusion": (("r", Part("ambient_occlusion")),),
    "normal": (("rgb", Part("normal")),),
    "emission": (("rgb", Part("emission")),),
    "anisotropy": (
        ("r", Part("anisotropy_direction", 0)),
        ("g", Part("anisotropy_direction", 1)),
        ("b", Part("anisotropy")),
    ),
}
_FLOAT, _SHORT = 5126, 5123
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _TRILINEAR, _REPEAT = 9729, 9987, 10497
_ROUGHNESS = 0.5
"""Where no map says it."""


def write(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the `.gltf`, by its name."""
    files = list(dict.fromkeys(name for _, name in about.filled))
    textures = {slot: {"index": files.index(name)} for slot, name in about.filled}
    anisotropic = "anisotropy" in textures
    document = {
        "asset": {"version": "2.0", "generator": "AssetForge"},
        **({"extensionsUsed": ["KHR_materials_anisotropy"]} if anisotropic else {}),
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": mesh.name, "mesh": index} for index, mesh in enumerate(meshes())],
        "materials": [_material(about.name, textures, alpha)],
        **_textures(files),
        **_geometry(),
    }
    return {f"{about.name}.gltf": json.dumps(document, indent=1, ensure_ascii=False) + "\n"}


def _material(name: str, textures: Mapping[str, Any], alpha: Alpha) -> dict[str, Any]:
    mapped = "metallic_roughness" in textures
    metallic = {"metallicFactor": 1.0 if mapped else 0.0, "roughnessFactor": 1.0 if mapped else _ROUGHNESS}
    color = {"baseColorTexture": textures["color"]} if "color" in textures else {}
    packed = {"metallicRoughnessTexture": textures["metallic_roughness"]} if mapped else {}
    material: dict[str, Any] = {"name": name, "pbrMetallicRoughness": {**color, **packed, **metallic}}
    for slot, key in (("normal", "normalTexture"), ("occlusion", "occlusionTexture"), ("emission", "emissiveTexture")):
        if slot in textures:
            material[key] = textures[slot]
    if "emission" in textures:
        material["emissiveFactor"] = [1.0, 1.0, 1.0]
    if "anisotropy" in textures:
        strength = {"anisotropyStrength": 1.0, "anisotropyTexture": textures["anisotropy"]}
        material["extensions"] = {"KHR_materials_anisotropy": strength}
    if alpha != "opaque":
        material |= {"alphaMode": alpha.upper(), "doubleSided": True}
    return material


def _textures(files: list[str]) -> dict[str, Any]:
    if not files:
        return {}
    return {
        "images": [{"uri": quote(name)} for name in files],
        "samplers": [{"magFilter": _LINEAR, "minFilter": _TRILINEAR, "wrapS": _REPEAT, "wrapT": _REPEAT}],
        "textures": [{"source": index, "sampler": 0} for index in range(len(files))],
    }


@lru_cache(maxsize=1)
def _geometry() -> Mapping[str, Any]:
    """Return meshes, accessors, views and the buffer, the same of every material."""
    content = b""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    for mesh in meshes():
        first = len(accessors)
        for accessor, data, target in _arrays(mesh):
            views.append({"buffer": 0, "byteOffset": len(content), "byteLength": len(data), "target": target})
            accessors.append({"bufferView": len(views) - 1, **accessor})
            content += data + b"\0" * (-len(data) % 4)
        names = ("POSITION", "NORMAL", "TANGENT", "TEXCOORD_0")
        attributes = {name: first + index for index, name in enumerate(names)}
        primitive = {"attributes": attributes, "indices": first + len(names), "material": 0}
        shapes.append({"name": mesh.name, "primitives": [primitive]})
    uri = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
    buffers = [{"byteLength": len(content), "uri": uri}]
    return {"meshes": shapes, "accessors": accessors, "bufferViews": views, "buffers": buffers}


def _arrays(mesh: Mesh) -> Iterator[tuple[dict[str, Any], bytes, int]]:
    """Yield each array of a mesh: its accessor, its bytes, and what it is for."""
    columns = [array("f", column) for column in zip(*mesh.positions, strict=True)]  # rounded as they are stored
    bounds = {"min": [min(column) for column in columns], "max": [max(column) for column in columns]}
    for vectors, more in ((mesh.positions, bounds), (mesh.normals, {}), (mesh.tangents, {}), (mesh.uvs, {})):
        accessor = {"componentType": _FLOAT, "count": len(vectors), "type": f"VEC{len(vectors[0])}", **more}
        yield accessor, as_floats(vectors), _VERTICES
    yield {"componentType": _SHORT, "count": len(mesh.indices), "type": "SCALAR"}, as_shorts(mesh.indices), _INDICES
