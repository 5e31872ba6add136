"""AssetForge: `make` for textures. A plugin writes `import assetforge as af` and needs nothing else from here.

Names that need torch are imported when they are first used, so that a plugin costs nothing to load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from assetforge.errors import AssetForgeError as AssetForgeError
from assetforge.errors import StepError as StepError
from assetforge.hookspecs import Register as Register
from assetforge.hookspecs import RegisterMap as RegisterMap
from assetforge.hookspecs import RegisterRecipe as RegisterRecipe
from assetforge.hookspecs import hookimpl as hookimpl
from assetforge.material.color_space import ColorSpace as ColorSpace
from assetforge.material.map_spec import MAPS as MAPS
from assetforge.material.map_spec import MapSpec as MapSpec
from assetforge.params import File as File
from assetforge.params import Fraction as Fraction
from assetforge.params import Params as Params
from assetforge.recipes import Recipe as Recipe
from assetforge.recipes import Training as Training
from assetforge.recipes import recipe as recipe
from assetforge.steps import Context as Context
from assetforge.steps import Resources as Resources
from assetforge.steps import Step as Step
from assetforge.steps import step as step

if TYPE_CHECKING:
    from assetforge.material.material import Material as Material
    from assetforge.material.texture import Texture as Texture

__version__ = "0.1.0"

_LAZY = {"Material": "assetforge.material.material", "Texture": "assetforge.material.texture"}


def __getattr__(name: str) -> Any:  # PEP 562
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
