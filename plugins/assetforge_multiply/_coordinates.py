"""Which piece of the exemplar lies where, as a map that can be kept and applied again.

Each pixel holds a place in the exemplar: right and down, both 0 to 1, as in the ST maps of compositing; the number of
the exemplar over 256, where there are turned ones or several; and how much the patch that begins there counts. That is
all that a field is, and a file of 16 bits holds it without loss.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from assetforge_multiply._patches import PATCH, Field, stride_of

NUMBERS = 256.0
_CODES = 65535
_LARGEST = 2**14
"""Longest side of an exemplar that is looked for."""
_TOLD = 2**12
"""Places that are looked at to find out how large the exemplar was."""


def coordinates(field: Field) -> Tensor:
    """Return the map (4, H, W) of a field."""
    height, width = field.exemplar
    rows, columns = (torch.arange(side, device=field.y.device) for side in field.size)
    y, x, weight = (
        one.repeat_interleave(field.stride, 0).repeat_interleave(field.stride, 1)
        for one in (field.y, field.x, field.weight)
    )
    y, x = y + (rows % field.stride)[:, None], x + columns % field.stride
    number = y // height / NUMBERS
    return torch.stack([(x + 0.5) / width, (y % height + 0.5) / height, number, weight])


def field_of(where: Tensor) -> Field:
    """Return the field that a map (4, H, W) was made of; it may have come from a file of 16 bits.

    Raise ValueError where its places are not the middles of pixels of any exemplar.
    """
    stride = stride_of((where.shape[1], where.shape[2]))
    right, down, number, weight = where[:, ::stride, ::stride].double()
    height, width = (_side(one) for one in (down, right))
    y, x = ((one * side - 0.5).round().long() for one, side in ((down, height), (right, width)))
    y += (number * NUMBERS).round().long() * height
    return Field(y, x, weight.float(), stride, (height, width))


def _side(places: Tensor) -> int:
    """Return the side of which all places, 0 to 1, are middles of pixels."""
    told = torch.from_numpy(np.unique(places.cpu().numpy()))
    told = told[torch.linspace(0, len(told) - 1, min(len(told), _TOLD)).long()]
    for side in range(PATCH, _LARGEST + 1):
        pixels = told * side - 0.5
        if (pixels - pixels.round()).abs().max() <= 1e-3 + side / _CODES:
            return side
    raise ValueError("its places are not those of pixels")
