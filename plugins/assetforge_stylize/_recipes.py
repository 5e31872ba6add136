"""The recipes that train the networks of this plugin, and what they can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

import assetforge as af


class ForgeTraining(af.Params):
    """What the recipe `forge` can be told: nothing."""


@af.recipe("forge", ForgeTraining)
def train_forge(_: ForgeTraining, data: Path, seed: int) -> af.Training:
    """Trains the shipped feature network, a slim student of VGG-19."""
    from assetforge_stylize.training.forge import training

    return training(data, seed)


class DecoderTraining(af.Params):
    """What the recipe `decoder` can be told: nothing."""


@af.recipe("decoder", DecoderTraining)
def train_decoder(_: DecoderTraining, data: Path, seed: int) -> af.Training:
    """Trains the decoder of `stylize` with `wct` and `adain`, which turns features into pictures."""
    from assetforge_stylize.training.decoder import training

    return training(data, seed)


class StyleTraining(af.Params):
    """What the recipe `style` can be told."""

    style: Path
    """The picture of the style."""
    style_size: Annotated[int, Field(ge=64, le=4096)] = 512
    """Longer side of the style's picture in pixels: it decides how large strokes are."""


@af.recipe("style", StyleTraining)
def train_style(params: StyleTraining, data: Path, seed: int) -> af.Training:
    """Trains a network for one style, which `stylize_fast` applies within seconds."""
    from assetforge_stylize.training.style import training

    return training(params, data, seed)
