"""The descriptors that there are, by the words that presets name them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assetforge.codecs.formats import Container
from assetforge.codecs.packing import Packing
from assetforge.export import blender, gltf, godot, materialx, unity, unreal
from assetforge.export.description import ALPHAS, Alpha, Description, Slot, Write, identifier


@dataclass(frozen=True)
class Descriptor:
    """How a program is told of a material."""

    write: Write
    slots: Mapping[str, Slot]
    containers: tuple[Container, ...] = ()
    """The formats of textures that the program reads; any where it is empty."""

    def filled(self, packing: Packing) -> list[str]:
        """Name the slots that a file of this packing fills."""
        parts = dict(packing.parts)
        return [name for name, slot in self.slots.items() if all(parts.get(letter) == part for letter, part in slot)]


DESCRIPTORS: Mapping[str, Descriptor] = {
    "gltf": Descriptor(gltf.write, gltf.SLOTS, gltf.CONTAINERS),
    "unreal": Descriptor(unreal.write, unreal.SLOTS),
    "unity_hdrp": Descriptor(unity.write_hdrp, unity.SLOTS),
    "unity_urp": Descriptor(unity.write_urp, unity.SLOTS),
    "godot": Descriptor(godot.write, godot.SLOTS),
    "materialx": Descriptor(materialx.write, materialx.SLOTS),
    "blender": Descriptor(blender.write, blender.SLOTS),
}
SHARED = (".meta", ".import")
"""Endings of the files that a program completes when it has imported a texture: import settings."""


def describe(about: Description, alpha: Alpha) -> Mapping[str, str]:
    """Return the text of each file that describes a material, by its name, which does not depend on alpha."""
    return DESCRIPTORS[about.descriptor].write(about, alpha)


def digest_of(about: Description, file: str) -> str:
    """Digest what a file may say of a material, whatever its alpha is."""
    return identifier(*(describe(about, alpha)[file] for alpha in ALPHAS))
