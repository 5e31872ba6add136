"""AssetForge: `make` for textures. A plugin writes `import assetforge as af`.

`__all__` is the contract between AssetForge and its plugins; what else they may import is listed in `assetforge.api`.
All names are imported when they are first used, so that `assetforge --help` and a run with nothing to do wait for none.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing` costs its import
if TYPE_CHECKING:
    from assetforge.codecs.codec import Codec
    from assetforge.commands import Command
    from assetforge.errors import AssetForgeError, StepError
    from assetforge.evaluations import Evaluation, Figure, Score, evaluation
    from assetforge.flags import Flag
    from assetforge.hookspecs import (
        Register,
        RegisterCodec,
        RegisterCommand,
        RegisterEvaluation,
        RegisterMap,
        RegisterRecipe,
        hookimpl,
    )
    from assetforge.material.camera import Camera, fov
    from assetforge.material.color_space import ColorSpace
    from assetforge.material.map_spec import MAPS, MapSpec
    from assetforge.material.material import Material
    from assetforge.material.texture import Texture, Wrap
    from assetforge.params import File, Fraction, Params
    from assetforge.pipeline.recognize import Recognized, recognize
    from assetforge.recipes import Discriminator, Recipe, Training, recipe
    from assetforge.steps import Context, Resources, Step, step

__all__ = [
    "MAPS",
    "AssetForgeError",
    "Camera",
    "Codec",
    "ColorSpace",
    "Command",
    "Context",
    "Discriminator",
    "Evaluation",
    "Figure",
    "File",
    "Flag",
    "Fraction",
    "MapSpec",
    "Material",
    "Params",
    "Recipe",
    "Recognized",
    "Register",
    "RegisterCodec",
    "RegisterCommand",
    "RegisterEvaluation",
    "RegisterMap",
    "RegisterRecipe",
    "Resources",
    "Score",
    "Step",
    "StepError",
    "Texture",
    "Training",
    "Wrap",
    "evaluation",
    "fov",
    "hookimpl",
    "recipe",
    "recognize",
    "step",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:  # out of sight of type checkers, to which a module that has `__getattr__` has every name
    _PLACES = {
        "codecs.codec": ("Codec",),
        "commands": ("Command",),
        "errors": ("AssetForgeError", "StepError"),
        "evaluations": ("Evaluation", "Figure", "Score", "evaluation"),
        "flags": ("Flag",),
        "hookspecs": (
            "Register",
            "RegisterCodec",
            "RegisterCommand",
            "RegisterEvaluation",
            "RegisterMap",
            "RegisterRecipe",
            "hookimpl",
        ),
        "material.camera": ("Camera", "fov"),
        "material.color_space": ("ColorSpace",),
        "material.map_spec": ("MAPS", "MapSpec"),
        "material.material": ("Material",),
        "material.texture": ("Texture", "Wrap"),
        "params": ("File", "Fraction", "Params"),
        "pipeline.recognize": ("Recognized", "recognize"),
        "recipes": ("Discriminator", "Recipe", "Training", "recipe"),
        "steps": ("Context", "Resources", "Step", "step"),
    }

    def __getattr__(name: str) -> object:  # PEP 562
        from importlib import import_module

        place = next((place for place, names in _PLACES.items() if name in names), None)
        if place is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"assetforge.{place}"), name)
        globals()[name] = value
        return value
