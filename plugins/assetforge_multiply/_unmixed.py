"""Channels that may not be averaged, where a method makes new values: they are taken from a pixel that looks alike."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_SAMPLES = 1024
_BAND = 16384
"""Pixels that are looked up at a time."""


def with_unmixed(exemplar: Tensor, mixes: Tensor, make: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """Make a result (C, H, W) of the channels that may be mixed, and give it the others of what it looks like.

    mixes: (C,), bool. make: turns the exemplar's channels that may be mixed into those of the result.
    """
    if mixes.all():
        return make(exemplar)
    made = make(exemplar[mixes])
    result = torch.empty(exemplar.shape[0], *made.shape[1:], device=exemplar.device)
    result[mixes] = made
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(exemplar[0].numel(), (_SAMPLES,), generator=generator)
    some = exemplar.flatten(1)[:, chosen]
    pixels = made.flatten(1).T
    bands = [pixels[at : at + _BAND] for at in range(0, len(pixels), _BAND)]
    alike = [torch.cdist(band, some[mixes].T).argmin(1) for band in bands]
    result[~mixes] = some[~mixes][:, torch.cat(alike)].reshape(-1, *made.shape[1:])
    return result
