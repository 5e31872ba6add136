"""Whether stones stay apart: how large the pieces of a texture are between its grooves, beside the exemplar's.

Where a groove is broken, two pieces become one. As in percolation theory (Stauffer and Aharony, "Introduction to
Percolation Theory", 1992), what grows then is the mean size of the piece that a pixel lies in.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

_LEVELS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Parts of the exemplar that are taken for grooves, one after the other."""
_SHIFT = 0.1
"""By how much deeper grooves a result is judged: where noise falls to pieces, a little decides."""
_LEAST, _MOST = 0.002, 0.1
"""Mean size of pieces, as a part of all, between which an exemplar counts as made of pieces."""
_CLEAR = 4
"""Levels at which an exemplar must be made of pieces for its grooves to be followed."""


def growth_of_pieces(result: Tensor, exemplar: Tensor) -> float | None:
    """Return how much larger the pieces of a result (H, W) are than the exemplar's; None where it has no pieces.

    Pieces are what is connected of what is higher than grooves, or of what is lower than ridges, whichever grew more;
    of several depths of grooves, the median counts.
    """
    height, width = (min(a, b) for a, b in zip(result.shape, exemplar.shape, strict=True))
    grown = [_growth(sign * result[:height, :width], sign * exemplar[:height, :width]) for sign in (1, -1)]
    return max((one for one in grown if one is not None), default=None)


def places_in_pieces(pictures: Sequence[Tensor]) -> Tensor | None:
    """Return where in its piece each pixel is, (4, H, W): along each axis, how far from the nearer end, and how far on.

    pictures: (H, W) each, of which the one is taken that is most clearly made of pieces; None where none is. To a
    search that compares pixels it is worth little that a groove goes on, as few pixels are in it; how far away its ends
    are, all pixels of a piece tell: then no piece can be longer than those that there are. After Lefebvre and Hoppe,
    "Appearance-Space Texture Synthesis", 2006, section 5, who take the distance alone.
    """
    found = [(_levels(relief), relief) for one in pictures for relief in (one, -one)]
    levels, picture = max(found, key=lambda each: len(each[0]))
    if len(levels) < _CLEAR:
        return None
    piece = picture > _quantile(picture, levels[len(levels) // 2])
    channels = []
    for along in (piece, piece.T):
        before, behind = _since_groove(along), _since_groove(along.flip(1)).flip(1)
        on = torch.where(along, before / (before + behind).clamp_min(1) - 0.5, 0.0)
        channels.append((torch.minimum(before, behind).sqrt(), on))
    return torch.stack([*channels[0], *(one.T for one in channels[1])])


def _since_groove(piece: Tensor) -> Tensor:
    """Return how many pixels of (H, W) lie between each and the last groove on its left, or the edge."""
    columns = torch.arange(1, piece.shape[1] + 1).expand(piece.shape)
    return (columns - torch.where(piece, 0, columns).cummax(1).values).float()


def _growth(result: Tensor, exemplar: Tensor) -> float | None:
    ratios = []
    for level in _levels(exemplar):
        before, after = (
            _mean_size(one > _quantile(exemplar, level + shift)) for one, shift in ((exemplar, 0), (result, _SHIFT))
        )
        ratios.append(after / before)
    return sorted(ratios)[len(ratios) // 2] if len(ratios) > 1 else None


def _levels(exemplar: Tensor) -> list[float]:
    """Return the levels at which an exemplar is made of pieces."""
    return [level for level in _LEVELS if _LEAST < _mean_size(exemplar > _quantile(exemplar, level)) < _MOST]


def _quantile(values: Tensor, level: float) -> float:
    return values.flatten().kthvalue(1 + int(level * (values.numel() - 1))).values.item()


def _mean_size(mask: Tensor) -> float:
    """Return the mean size of the connected piece that a pixel of a mask (H, W) lies in, as a part of all pixels."""
    _, labels = cv2.connectedComponents(mask.numpy().astype(np.uint8), connectivity=4)
    sizes = torch.bincount(torch.from_numpy(labels).flatten())[1:].double()
    return float(sizes.square().sum() / sizes.sum().clamp_min(1) / mask.numel())
