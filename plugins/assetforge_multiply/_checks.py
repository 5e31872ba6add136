"""What is wrong with a result, in numbers."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from assetforge_multiply._patches import Field


def largest_copy(field: Field) -> float:
    """Return the part of the result that is the largest connected piece copied as it is from one place."""
    rows = torch.arange(field.y.shape[0])[:, None] * field.stride
    columns = torch.arange(field.x.shape[1]) * field.stride
    height, width = field.size
    # On a torus, a piece that goes on across the edge has an offset that differs by the size.
    offset = ((field.y - rows) % height) * width + (field.x - columns) % width
    values, counts = np.unique(offset.numpy(), return_counts=True)
    largest = 0
    for index in np.argsort(-counts):
        if counts[index] <= largest:
            break
        largest = max(largest, _largest_piece((offset.numpy() == values[index]).astype(np.uint8)))
    return largest / offset.numel()


def _largest_piece(mask: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> int:
    """Return the size of the largest connected piece on the torus; a piece is at most the whole."""
    twice = np.tile(mask, (2, 2))
    _, _, stats, _ = cv2.connectedComponentsWithStats(twice, connectivity=4)
    return min(int(stats[1:, cv2.CC_STAT_AREA].max(initial=0)), int(mask.sum()))
