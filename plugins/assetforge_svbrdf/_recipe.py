"""The recipe that trains the networks of `svbrdf`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import assetforge as af


class Training(af.Params):
    """What the recipe `svbrdf` can be told."""

    network: Literal["features", "start"] = "features"
    """Which of the shipped networks."""


@af.recipe("svbrdf", Training)
def train_svbrdf(params: Training, data: Path, seed: int) -> af.Training:
    """Trains one of the networks of the step `svbrdf` on photographs rendered from known materials."""
    from assetforge_svbrdf.training.recipe import training

    return training(params.network, data, seed)
