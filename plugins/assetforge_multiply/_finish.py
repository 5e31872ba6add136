"""From the channels of a result to its material: cut to size, decoded, normals repaired."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

import assetforge as af
from assetforge.ops.normals import integrable
from assetforge_multiply import ApplyParams, Params
from assetforge_multiply._channels import Stack

_MARGIN = 16
"""Pixels that are made beyond an edge that is not to tile, and cut off."""


def with_margin(size: tuple[int, int], tileable: str) -> tuple[int, int]:
    """Return height and width of the torus that a result is cut from: larger where an edge must not tile."""
    height, width = (side + (0 if axis in tileable else _MARGIN) for axis, side in zip("yx", size, strict=True))
    return height, width


def cut_from(torus: tuple[int, int], tileable: str, scale: float = 1.0) -> tuple[int, int]:
    """Return height and width of the result that is cut from a torus, so many times as large as that of `multiply`."""
    margin = round(_MARGIN * scale)
    height, width = (side - (0 if axis in tileable else margin) for axis, side in zip("yx", torus, strict=True))
    return height, width


def finished(
    stack: Stack, channels: Tensor, params: Params | ApplyParams, specs: Mapping[str, af.MapSpec]
) -> af.Material:
    """Return the material that channels (C, H, W) hold."""
    wrap: af.Wrap = "repeat" if params.tileable == "xy" else "clamp"
    result = stack.restore(channels, wrap)
    if not params.repair_normals:
        return result
    normals = {name: texture for name, texture in result.items() if _is_upright(specs[name])}
    return result.replace(**{name: one.with_data(integrable(one.data)) for name, one in normals.items()})


def _is_upright(spec: af.MapSpec) -> bool:
    """Tell whether a map holds normals; directions along the surface are no slopes of a height."""
    return spec.kind == "vector" and not spec.is_in_plane
