"""Channels that may not be averaged, where a method makes new values: they are taken from a pixel that looks alike."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from assetforge.ops.neighbors import nearest_neighbors

_SAMPLES = 2048


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
    alike = nearest_neighbors(made.flatten(1).T, some[mixes].T)
    result[~mixes] = some[~mixes][:, alike].reshape(-1, *made.shape[1:])
    return result
