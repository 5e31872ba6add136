"""The descriptors that there are, by the words that presets name them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assetforge.codecs.formats import Container
from assetforge.codecs.packing import Packing
from assetforge.export import blender, gltf, godot, materialx, unity, unreal
from assetforge.export.description import Alpha, Description, Slot, Write


@dataclass(frozen=True)
class Descriptor:
    """How a program is told of a material."""

    write: Write
    slots: Mapping[str, Slot]
    material: str
    """The name of the file of the material, with `{}` for its name."""
    beside_textures: str = ""
    """What the name of a texture is followed by for a file that describes it; none has one where this is empty."""
    beside_material: str = ""
    """Likewise of the material's file."""
    containers: tuple[Container, ...] = ()
    """The formats of textures that the program reads; any but those for GPUs where it is empty."""
    complete: tuple[Container, ...] = ()
    """Formats of textures that are not followed by a file that describes them: the program takes them as they are."""

    def filled(self, packing: Packing) -> list[str]:
        """Name the slots that a file of this packing fills."""
        parts = dict(packing.parts)
        return [name for name, slot in self.slots.items() if all(parts.get(letter) == part for letter, part in slot)]

    def names(self, about: Description) -> list[str]:
        """Name the files that `write` gives, without writing them."""
        material = self.material.format(about.name)
        endings = tuple(f".{container}" for container in self.complete)
        described = [file.name for file in about.files if self.beside_textures and not file.name.endswith(endings)]
        textures = [f"{name}{self.beside_textures}" for name in described]
        return [material, *textures, *([f"{material}{self.beside_material}"] if self.beside_material else [])]


DESCRIPTORS: Mapping[str, Descriptor] = {
    "gltf": Descriptor(gltf.write, gltf.SLOTS, "{}.gltf", containers=gltf.CONTAINERS),
    "unreal": Descriptor(unreal.write, unreal.SLOTS, "import_{}.py"),
    "unity_hdrp": Descriptor(unity.write_hdrp, unity.SLOTS, "{}.mat", ".meta", ".meta"),
    "unity_urp": Descriptor(unity.write_urp, unity.SLOTS, "{}.mat", ".meta", ".meta"),
    "godot": Descriptor(
        godot.write, godot.SLOTS, "{}.tres", ".import", containers=godot.CONTAINERS, complete=godot.COMPLETE
    ),
    "materialx": Descriptor(materialx.write, materialx.SLOTS, "{}.mtlx"),
    "blender": Descriptor(blender.write, blender.SLOTS, "{}.py"),
}
SHARED = (".meta", ".import")
"""Endings of the files that a program completes when it has imported a texture: import settings."""


def describe(about: Description, alpha: Alpha) -> Mapping[str, str]:
    """Return the text of each file that describes a material, by its name."""
    return DESCRIPTORS[about.descriptor].write(about, alpha)
