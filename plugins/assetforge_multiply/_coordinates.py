"""Where each pixel of a result comes from, as a map that can be kept and applied again.

Each pixel holds a place in the exemplar: right and down, both 0 to 1, as in the ST maps of compositing; and the number
of the exemplar over 256, where there are several, or turned ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge_multiply._patches import Field, pixel_coordinates

NUMBERS = 256.0


def coordinates(field: Field) -> Tensor:
    """Return the map (3, H, W) of a field."""
    y, x = pixel_coordinates(field)
    height, width = field.exemplar
    return torch.stack([(x + 0.5) / width, (y % height + 0.5) / height, (y // height) / NUMBERS])
