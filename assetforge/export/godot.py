"""Godot 4: the material as text (`.tres`), and how each texture is to be imported (`.import`).

Paths of the textures start from the folder of the `.tres`, as Godot allows. Godot completes the `.import` files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from assetforge.codecs.formats import Container
from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot

SLOTS: Mapping[str, Slot] = {
    "albedo": (("rgb", Part("base_color")),),
    "orm": (("r", Part("ambient_occlusion")), ("g", Part("roughness")), ("b", Part("metalness"))),
    "normal": (("rgb", Part("normal")),),
    "emission": (("rgb", Part("emission")),),
    "heightmap": (("r", Part("height")),),
}
CONTAINERS: tuple[Container, ...] = ("png", "jpg", "webp", "tga", "exr", "hdr", "dds")
"""What Godot reads; of DDS, also what is compressed for GPUs, with its levels."""
COMPLETE: tuple[Container, ...] = ("dds",)
"""What Godot loads without importing it."""
_TRANSPARENCY: Mapping[Alpha, int] = {"opaque": 0, "mask": 2, "blend": 1}
"""BaseMaterial3D: TRANSPARENCY_DISABLED, TRANSPARENCY_ALPHA_SCISSOR, TRANSPARENCY_ALPHA."""
_VRAM = 2
"""How textures are compressed: as the graphics card reads them."""


def write(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the `.tres` and the `.import` of each texture, by name."""
    imported = [file for file in about.files if not file.name.endswith(tuple(f".{one}" for one in COMPLETE))]
    imports = {f"{file.name}.import": _import(is_normal=file.is_normal) for file in imported}
    return {f"{about.name}.tres": _material(about, alpha), **imports}


def _material(about: Description, alpha: Alpha) -> str:
    used = [name for slot, name in about.filled]
    files = list(dict.fromkeys(used))
    lines = [f'[gd_resource type="ORMMaterial3D" load_steps={len(files) + 1} format=3]', ""]
    lines += [
        f'[ext_resource type="Texture2D" path={_quoted(name)} id="{index}"]' for index, name in enumerate(files, 1)
    ]
    resources = {slot: f'ExtResource("{files.index(name) + 1}")' for slot, name in about.filled}
    lines += ["", "[resource]", f"resource_name = {_quoted(about.name)}"]
    return "\n".join([*lines, *_properties(resources, alpha)]) + "\n"


def _properties(resources: Mapping[str, str], alpha: Alpha) -> Iterator[str]:
    if alpha != "opaque":
        yield f"transparency = {_TRANSPARENCY[alpha]}"
    if "albedo" in resources:
        yield f"albedo_texture = {resources['albedo']}"
    if "orm" in resources:
        yield from (f"orm_texture = {resources['orm']}", "metallic = 1.0", "roughness = 1.0", "ao_enabled = true")
    for slot in ("emission", "normal", "heightmap"):
        if slot in resources:
            yield from (f"{slot}_enabled = true", f"{slot}_texture = {resources[slot]}")


def _import(*, is_normal: bool) -> str:
    params = {
        "compress/mode": _VRAM,
        "compress/high_quality": "true",
        "compress/normal_map": 1 if is_normal else 2,
        "mipmaps/generate": "true",
        "process/normal_map_invert_y": "false",
        "detect_3d/compress_to": 0,
    }
    listed = "\n".join(f"{name}={value}" for name, value in params.items())
    return f'[remap]\n\nimporter="texture"\ntype="CompressedTexture2D"\n\n[params]\n\n{listed}\n'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
