"""One cut for all maps of a capture, so that they tile together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from assetforge.ops.normals import in_plane, normalize
from assetforge.ops.quilt import quilted


def made_tileable(maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return smaller maps (C, h, w) that continue at their opposite edges, all cut along the same paths."""
    result = quilted(maps, _features)
    upright, flat = normalize(result["normal"]), in_plane(result["anisotropy_direction"])
    return {**result, "normal": upright, "anisotropy_direction": flat}


def _features(maps: Mapping[str, Tensor]) -> Tensor:
    parts = [maps["base_color"].clamp_min(0.01).log(), maps["normal"][:2], maps["roughness"]]
    return torch.cat([part / part.std().clamp_min(0.02) for part in parts])
