"""AssetForge: `make` for textures. A plugin writes `import assetforge as af`.

`__all__` is the contract between AssetForge and its plugins; what else they may import is listed in `assetforge.api`.
Names that need torch are imported when they are first used, so that a plugin costs nothing to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assetforge.codecs.codec import Codec
from assetforge.commands import Command
from assetforge.errors import AssetForgeError, StepError
from assetforge.hookspecs import Register, RegisterCodec, RegisterCommand, RegisterMap, RegisterRecipe, hookimpl
from assetforge.material.camera import Camera, fov
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.params import File, Fraction, Params
from assetforge.recipes import Recipe, Training, recipe
from assetforge.steps import Context, Resources, Step, step

__all__ = [
    "MAPS",
    "AssetForgeError",
    "Camera",
    "Codec",
    "ColorSpace",
    "Command",
    "Context",
    "File",
    "Fraction",
    "MapSpec",
    "Material",
    "Params",
    "Recipe",
    "Register",
    "RegisterCodec",
    "RegisterCommand",
    "RegisterMap",
    "RegisterRecipe",
    "Resources",
    "Step",
    "StepError",
    "Texture",
    "Training",
    "Wrap",
    "fov",
    "hookimpl",
    "recipe",
    "step",
]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from assetforge.material.material import Material
    from assetforge.material.texture import Texture, Wrap
else:  # out of sight of type checkers, to which a module that has `__getattr__` has every name
    _LAZY = {
        "Material": "assetforge.material.material",
        "Texture": "assetforge.material.texture",
        "Wrap": "assetforge.material.texture",
    }

    def __getattr__(name: str) -> object:  # PEP 562
        from importlib import import_module

        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
