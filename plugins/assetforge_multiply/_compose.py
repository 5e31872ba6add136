"""Put a material's channels together from the pieces of a field: laid over each other, and polished."""

from __future__ import annotations

import hashlib

from torch import Tensor

from assetforge_multiply._channels import Stack
from assetforge_multiply._patches import Field, choose, vote
from assetforge_multiply._polish import STEPS, polish


def composed(stack: Stack, atlas: Tensor, field: Field) -> Tensor:
    """Lay the patches of (C, S · H, W) over each other; what cannot be averaged is chosen: (C, *field.size)."""
    averaged = stack.averaged().to(atlas.device)
    result = vote(atlas, field)
    result[~averaged] = choose(atlas[~averaged], field)
    return result


def polished(
    result: Tensor, stack: Stack, atlas: Tensor, field: Field, share: float, usable: Tensor | None = None
) -> Tensor:
    """Bring contrast and grain of what was composed back to those of (C, S · H, W), as far as `share` says.

    What is random in it depends on the field alone: who has that gets the same again.
    """
    steps = round(STEPS * share)
    if steps == 0:
        return result
    averaged = stack.averaged().to(atlas.device)
    after = result.clone()
    after[averaged] = polish(result[averaged], atlas[averaged], _seed(field), steps, usable)
    return stack.with_curl_as_before(result, after)


def _seed(field: Field) -> int:
    found = hashlib.blake2b(digest_size=6)
    for one in (field.y, field.x):
        found.update(one.cpu().contiguous().numpy().tobytes())
    return int.from_bytes(found.digest(), "little")
