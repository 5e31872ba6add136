"""Blender 4: a script that makes a material with the Principled BSDF of the textures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat

from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot, fill

SLOTS: Mapping[str, Slot] = {
    "Base Color": (("rgb", Part("base_color")),),
    "Metallic": (("r", Part("metalness")),),
    "Roughness": (("r", Part("roughness")),),
    "Normal": (("rgb", Part("normal")),),
    "Alpha": (("r", Part("opacity")),),
    "Emission Color": (("rgb", Part("emission")),),
    "Height": (("r", Part("height")),),
}
"""By the input of the node, but for the height, which is displacement."""
_WIDTH = 100
_SCRIPT = '''\
"""Makes a material in Blender 4.

In Blender: Scripting > Open > this file > Run Script. Or: blender --python "this file"
"""

import os

import bpy

NAME = {name}
TEXTURES = {textures}
COLORS = {colors}
ALPHA = {alpha}


def main():
    material = bpy.data.materials.new(NAME)
    material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    for row, (slot, file) in enumerate(TEXTURES.items()):
        image = tree.nodes.new("ShaderNodeTexImage")
        image.location = (-700, 300 - 280 * row)
        image.image = bpy.data.images.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), file))
        image.image.colorspace_settings.name = "sRGB" if file in COLORS else "Non-Color"
        image.image.alpha_mode = "CHANNEL_PACKED"
        link(tree, slot, image, shader, output)
    if "Emission Color" in TEXTURES:
        shader.inputs["Emission Strength"].default_value = 1.0
    return material


def link(tree, slot, image, shader, output):
    if slot == "Normal":
        normal = tree.nodes.new("ShaderNodeNormalMap")
        normal.location = (-300, image.location[1])
        tree.links.new(image.outputs["Color"], normal.inputs["Color"])
        tree.links.new(normal.outputs["Normal"], shader.inputs["Normal"])
    elif slot == "Height":
        height = tree.nodes.new("ShaderNodeDisplacement")
        height.location = (-300, image.location[1])
        height.inputs["Scale"].default_value = 0.05
        tree.links.new(image.outputs["Color"], height.inputs["Height"])
        tree.links.new(height.outputs["Displacement"], output.inputs["Displacement"])
    else:
        tree.links.new(image.outputs["Color"], shader.inputs[slot])
        if slot == "Base Color" and ALPHA and "Alpha" not in TEXTURES:
            tree.links.new(image.outputs["Alpha"], shader.inputs["Alpha"])


main()
'''


def write(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the script, by its name."""
    files = dict(about.filled)
    told = {
        "textures": pformat({slot: files[slot] for slot in files}, width=_WIDTH, sort_dicts=False),
        "colors": ascii(sorted(about.colors)),
        "alpha": str(alpha != "opaque"),
        "name": ascii(about.name),
    }
    return {f"{about.name}.py": fill(_SCRIPT, told)}
