"""Unreal Engine 5: a Python script that the editor runs, as its importer reads no settings from files.

It imports the textures with the right color space and compression, and makes a material of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any

from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot, TextureFile, fill, identifier

SLOTS: Mapping[str, Slot] = {
    "color": (("rgb", Part("base_color")),),
    "orm": (("r", Part("ambient_occlusion")), ("g", Part("roughness")), ("b", Part("metalness"))),
    "normal": (("rgb", Part("normal", green="down")),),
    "emission": (("rgb", Part("emission")),),
    "height": (("r", Part("height")),),
}
_PINS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "color": (("RGB", "MP_BASE_COLOR"),),
    "orm": (("R", "MP_AMBIENT_OCCLUSION"), ("G", "MP_ROUGHNESS"), ("B", "MP_METALLIC")),
    "normal": (("RGB", "MP_NORMAL"),),
    "emission": (("RGB", "MP_EMISSIVE_COLOR"),),
}
"""Of each slot: outputs of a texture sample, and what they are connected to."""
_ALPHA_PIN: Mapping[Alpha, tuple[tuple[str, str], ...]] = {
    "opaque": (),
    "mask": (("A", "MP_OPACITY_MASK"),),
    "blend": (("A", "MP_OPACITY"),),
}
_BLEND: Mapping[Alpha, str] = {"opaque": "BLEND_OPAQUE", "mask": "BLEND_MASKED", "blend": "BLEND_TRANSLUCENT"}
_COMPRESSION = {"NORMAL": "TC_NORMALMAP", "COLOR": "TC_DEFAULT", "MASKS": "TC_MASKS", "LINEAR_COLOR": "TC_HDR"}
_LIGHT = ("color", "emission")
_WIDTH = 100
_DIGITS = 8

_SCRIPT = '''\
"""Imports a material into Unreal Engine 5.

In the editor, with the plugin "Python Editor Script Plugin": Tools > Execute Python Script..., or in the Cmd line
    py "this file" [/Game/Folder]
"""

import os
import sys

import unreal

NAME = {name}
TEXTURES = {textures}
BLEND = {blend}


def main(folder):
    tools = unreal.AssetToolsHelpers.get_asset_tools()
    textures = [import_texture(tools, folder, one) for one in TEXTURES]
    path = folder + "/M_" + NAME
    if unreal.EditorAssetLibrary.does_asset_exist(path):
        material = unreal.EditorAssetLibrary.load_asset(path)
        unreal.MaterialEditingLibrary.delete_all_material_expressions(material)
    else:
        material = tools.create_asset("M_" + NAME, folder, unreal.Material, unreal.MaterialFactoryNew())
    material.set_editor_property("blend_mode", getattr(unreal.BlendMode, BLEND))
    for row, (one, texture) in enumerate(zip(TEXTURES, textures)):
        connect(material, texture, one, row)
    unreal.MaterialEditingLibrary.recompile_material(material)
    unreal.EditorAssetLibrary.save_loaded_asset(material)


def import_texture(tools, folder, one):
    task = unreal.AssetImportTask()
    task.set_editor_property("filename", os.path.join(os.path.dirname(os.path.abspath(__file__)), one["file"]))
    task.set_editor_property("destination_path", folder)
    task.set_editor_property("destination_name", one["asset"])
    task.set_editor_property("automated", True)
    task.set_editor_property("replace_existing", True)
    tools.import_asset_tasks([task])
    texture = unreal.EditorAssetLibrary.load_asset(folder + "/" + one["asset"])
    texture.set_editor_property("srgb", one["srgb"])
    compression = getattr(unreal.TextureCompressionSettings, one["compression"])
    texture.set_editor_property("compression_settings", compression)
    texture.set_editor_property("flip_green_channel", False)
    unreal.EditorAssetLibrary.save_loaded_asset(texture)
    return texture


def connect(material, texture, one, row):
    if not one["pins"]:
        return
    sample = unreal.MaterialEditingLibrary.create_material_expression(
        material, unreal.MaterialExpressionTextureSample, -400, 300 * row
    )
    sample.set_editor_property("texture", texture)
    sample.set_editor_property("sampler_type", getattr(unreal.MaterialSamplerType, one["sampler"]))
    for output, target in one["pins"]:
        unreal.MaterialEditingLibrary.connect_material_property(
            sample, output, getattr(unreal.MaterialProperty, target)
        )


main(sys.argv[1] if len(sys.argv) > 1 else "/Game/" + NAME)
'''


def write(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the script, by its name."""
    textures = [_texture(file, about, alpha) for file in about.files]
    told = {
        "name": ascii(asset_name(about.name)),
        "textures": pformat(textures, width=_WIDTH, sort_dicts=False),
        "blend": ascii(_BLEND[alpha]),
    }
    return {f"import_{about.name}.py": fill(_SCRIPT, told)}


def asset_name(name: str) -> str:
    """Return a name as Unreal allows them for assets: letters of ASCII, digits, underscores and hyphens.

    Names in other scripts would all be the same so, and replace each other: these end in digits of their own.
    """
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "_-") else "_" for one in name)
    lost = any(one.isalnum() and not one.isascii() for one in name)
    return f"{plain}_{identifier(name)[:_DIGITS]}" if lost else plain


def _texture(file: TextureFile, about: Description, alpha: Alpha) -> dict[str, Any]:
    kind = "NORMAL" if file.is_normal else "COLOR" if file.is_color else "MASKS"
    if kind == "MASKS" and file.name in {about.file(slot) for slot in _LIGHT}:  # floats, which may be above 1
        kind = "LINEAR_COLOR"
    compression = "TC_DISPLACEMENTMAP" if file.name == about.file("height") else _COMPRESSION[kind]
    return {
        "file": file.name,
        "asset": asset_name(file.name.rpartition(".")[0]),
        "srgb": file.is_color,
        "compression": compression,
        "sampler": f"SAMPLERTYPE_{kind}",
        "pins": list(_pins(file, about, alpha)),
    }


def _pins(file: TextureFile, about: Description, alpha: Alpha) -> Iterator[tuple[str, str]]:
    for slot, name in about.filled:
        if name == file.name:
            yield from _PINS.get(slot, ())
            yield from _ALPHA_PIN[alpha] if slot == "color" else ()
