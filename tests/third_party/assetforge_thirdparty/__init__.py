"""A plugin of somebody else, by the public API alone: rain gathers where a surface is low, and darkens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import assetforge as af

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Params(af.Params):
    """What `rain` can be told."""

    level: af.Fraction = 0.4
    """Height up to which water stands."""
    darkening: af.Fraction = 0.5
    """How much darker wet places are."""


WETNESS = af.MapSpec("wetness", 1, "data", (0.0, 1.0), (0.0,), "0 is dry, 1 is under water.")


@af.step("rain", Params, reads={"base_color", "height"}, writes={"base_color", "wetness"})
def rain(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Let rain fall: low places become wet, and wet places dark."""
    from assetforge_thirdparty._rain import rained

    return rained(material, params, context)


def _read_pfm(content: bytes) -> NDArray[Any]:
    from assetforge_thirdparty import _pfm

    return _pfm.read(content)


def _write_pfm(pixels: NDArray[Any]) -> bytes:
    from assetforge_thirdparty import _pfm

    return _pfm.write(pixels)


PFM = af.Codec("PFM", ".pfm", (b"PF", b"Pf"), _read_pfm, _write_pfm, depths=("float",), channels=(1, 3))


@af.hookimpl
def register_codecs(register: af.RegisterCodec) -> None:
    """Offer a file format."""
    register(PFM)


@af.hookimpl
def register_maps(register: af.RegisterMap) -> None:
    """Offer the map that the step writes."""
    register(WETNESS)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(rain)


@af.hookimpl
def register_commands(register: af.RegisterCommand) -> None:
    """Offer `assetforge forecast`."""
    register(af.Command("forecast", "Tell how wet a height would be.", "assetforge_thirdparty._forecast:forecast"))
