"""MaterialX 1.39: one graph of the textures, with a look of `gltf_pbr` and one of `standard_surface`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot

SLOTS: Mapping[str, Slot] = {
    "color": (("rgb", Part("base_color")),),
    "metallic": (("r", Part("metalness")),),
    "roughness": (("r", Part("roughness")),),
    "normal": (("rgb", Part("normal")),),
    "occlusion": (("r", Part("ambient_occlusion")),),
    "opacity": (("r", Part("opacity")),),
    "emission": (("rgb", Part("emission")),),
    "height": (("r", Part("height")),),
    "anisotropy": (("r", Part("anisotropy")),),
    "direction": (("rgb", Part("anisotropy_direction")),),
}
_TYPES: Mapping[str, str] = {"color": "color3", "emission": "color3", "normal": "vector3", "direction": "vector3"}
_ROUGHNESS = "0.5"
"""Where no map says it."""
_DEPTH = "0.05"
"""Of displacement, by which heights are multiplied."""
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MODES: Mapping[Alpha, str] = {"opaque": "0", "mask": "1", "blend": "2"}

Element = ElementTree.Element
Outputs = Mapping[str, str]
"""The type of each output of the graph."""


def write(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the `.mtlx`, by its name; raise ValueError where XML cannot hold the names of its files."""
    for file in about.files:
        if found := _NO_XML.search(file.name):
            raise ValueError(f"its name has the character {found[0]!a}, which XML does not hold; rename its sources")
    root = ElementTree.Element("materialx", version="1.39", colorspace="lin_rec709")
    name = valid_name(about.name)
    outputs = _graph(root, f"NG_{name}", about, alpha)
    _look(root, name, "gltf_pbr", outputs, _gltf_inputs(outputs, alpha))
    _look(root, name, "standard_surface", outputs, _standard_inputs(outputs))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return {f"{about.name}.mtlx": f'<?xml version="1.0"?>\n{text}\n'}


def valid_name(name: str) -> str:
    """Return a name as MaterialX allows them: letters of ASCII, digits and underscores, and no digit first."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"


def _graph(root: Element, name: str, about: Description, alpha: Alpha) -> Outputs:
    """Add the nodes that read the files, and return what they give."""
    graph, files = _add(root, "nodegraph", name), dict(about.filled)
    outputs: dict[str, str] = {}
    own_alpha = alpha != "opaque" and "opacity" not in files
    for slot, file in files.items():
        kind = "color4" if slot == "color" and own_alpha else _TYPES.get(slot, "float")
        image = _add(graph, "image", f"{slot}_image", kind)
        space = {"colorspace": "srgb_texture"} if file in about.colors else {}
        _input(image, "file", "filename", value=file, **space)
        outputs[slot] = _TYPES.get(slot, "float")
    if own_alpha and "color" in files:
        _split_color(graph)
        outputs["opacity"] = "float"
    if "opacity" in outputs:
        read = "opacity" if own_alpha else "opacity_image"
        _node(graph, "convert", "opacity_color", "color3", {"in": ("float", read)})
        outputs["opacity_color"] = "color3"
    if "normal" in files:
        _node(graph, "normalmap", "normal", "vector3", {"in": ("vector3", "normal_image")})
    if "direction" in outputs:
        del outputs["direction"]
        _rotation(graph)
        outputs["rotation"] = "float"
    inner = {element.get("name") for element in graph}
    for output, kind in outputs.items():
        node = output if output in inner else f"{output}_image"
        ElementTree.SubElement(graph, "output", name=f"{output}_out", type=kind, nodename=node)
    return outputs


def _split_color(graph: Element) -> None:
    """Add color and opacity of a picture that has both."""
    _node(graph, "convert", "color", "color3", {"in": ("color4", "color_image")})
    opacity = _node(graph, "extract", "opacity", "float", {"in": ("color4", "color_image")})
    _input(opacity, "index", "integer", value="3")


def _rotation(graph: Element) -> None:
    """Add the angle of the direction in which highlights are stretched, counterclockwise in radians."""
    unpacked = _node(graph, "remap", "direction", "vector3", {"in": ("vector3", "direction_image")})
    _input(unpacked, "outlow", "vector3", value="-1, -1, -1")
    for index, axis in enumerate("xy"):
        part = _node(graph, "extract", f"direction_{axis}", "float", {"in": ("vector3", "direction")})
        _input(part, "index", "integer", value=str(index))
    _node(graph, "atan2", "rotation", "float", {"iny": ("float", "direction_y"), "inx": ("float", "direction_x")})


Inputs = Mapping[str, tuple[str, str, str]]
"""Of each input of a surface: its type, the output that it reads, and else its value."""


def _gltf_inputs(outputs: Outputs, alpha: Alpha) -> Inputs:
    found = {
        "base_color": ("color3", "color", ""),
        "metallic": ("float", "metallic", "0"),
        "roughness": ("float", "roughness", _ROUGHNESS),
        "normal": ("vector3", "normal", ""),
        "occlusion": ("float", "occlusion", ""),
        "alpha": ("float", "opacity", ""),
        "alpha_mode": ("integer", "", _MODES[alpha]),
        "emissive": ("color3", "emission", ""),
        "anisotropy_strength": ("float", "anisotropy", ""),
        "anisotropy_rotation": ("float", "rotation", ""),
    }
    return {name: one for name, one in found.items() if one[1] in outputs or one[2]}


def _standard_inputs(outputs: Outputs) -> Inputs:
    found = {
        "base": ("float", "", "1"),
        "base_color": ("color3", "color", ""),
        "metalness": ("float", "metallic", "0"),
        "specular_roughness": ("float", "roughness", _ROUGHNESS),
        "normal": ("vector3", "normal", ""),
        "opacity": ("color3", "opacity_color", ""),
        "emission": ("float", "", "1" if "emission" in outputs else "0"),
        "emission_color": ("color3", "emission", ""),
    }
    return {name: one for name, one in found.items() if one[1] in outputs or one[2]}


def _look(root: Element, name: str, kind: str, outputs: Outputs, inputs: Inputs) -> None:
    """Add a surface, its displacement and a material of both."""
    graph = f"NG_{name}"
    surface = _add(root, kind, f"SR_{name}_{kind}", "surfaceshader")
    for one, (type_, output, value) in inputs.items():
        reads = {"nodegraph": graph, "output": f"{output}_out"}
        _input(surface, one, type_, **(reads if output in outputs else {"value": value}))
    if "height" in outputs and kind == "gltf_pbr":
        displacement = _add(root, "displacement", f"DR_{name}", "displacementshader")
        _input(displacement, "displacement", "float", nodegraph=graph, output="height_out")
        _input(displacement, "scale", "float", value=_DEPTH)
    material = _add(root, "surfacematerial", f"{name}_{kind}", "material")
    _input(material, "surfaceshader", "surfaceshader", nodename=f"SR_{name}_{kind}")
    if "height" in outputs:
        _input(material, "displacementshader", "displacementshader", nodename=f"DR_{name}")


def _node(graph: Element, node: str, name: str, kind: str, inputs: Mapping[str, tuple[str, str]]) -> Element:
    made = _add(graph, node, name, kind)
    for one, (type_, nodename) in inputs.items():
        _input(made, one, type_, nodename=nodename)
    return made


def _add(parent: Element, node: str, name: str, kind: str = "") -> Element:
    return ElementTree.SubElement(parent, node, {"name": name, **({"type": kind} if kind else {})})


def _input(parent: Element, name: str, kind: str, **more: str) -> None:
    ElementTree.SubElement(parent, "input", {"name": name, "type": kind, **more})
