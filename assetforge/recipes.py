"""The contract of a recipe: what a plugin says of a network that it trains. How it is trained is the trainer's part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from assetforge.params import Params

if TYPE_CHECKING:
    from torch import Tensor, nn

P = TypeVar("P", bound=Params)


def _as_it_is(network: nn.Module) -> None:
    """Complete nothing."""


def _no_pictures(_: nn.Module) -> Mapping[str, Tensor]:
    return {}


def _no_figures(_: nn.Module) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class Discriminator:
    """A second network that learns to tell what the first one makes from what is real (GAN, Goodfellow et al. 2014).

    The trainer moves both in turn, the first one first. The loss of `Training` may ask the discriminator: its weights
    are held fixed there.
    """

    network: nn.Module
    loss: Callable[[nn.Module, nn.Module, Any], Tensor]
    """Return what it minimizes, a scalar, of (the network that is trained, the discriminator, a batch). Gradients of
    the former are not wanted: call it under `torch.no_grad()`."""
    rate: float = 1e-4
    """The greatest learning rate of its Adam; it rises and falls as that of the network."""


@dataclass(frozen=True)
class Training:
    """A network, what it learns from, and what it is told."""

    name: str
    """The name of its weights: a file NAME.safetensors is made."""
    network: nn.Module
    batch: Callable[[int], Any]
    """Return the batch of a step: a tensor, or tuples, lists or mappings of them. It must depend on the step alone, so
    that training that was cut off goes on as if it had not been."""
    loss: Callable[[nn.Module, Any], Tensor]
    """Return what is minimized, a scalar, of the network and a batch, both on the device."""
    steps: int
    rate: float = 1e-3
    """The greatest learning rate of Adam; it rises over 100 steps and falls as a cosine to a hundredth."""
    optimizer: Literal["adam", "muon"] = "adam"
    """`muon` moves the weights between the first and the last layer by Muon, ten times as fast, and the rest by Adam:
    plain stacks of convolutions learn several times as much in a step."""
    discriminator: Discriminator | None = None
    """A second network that learns against this one."""
    ahead: int = 0
    """Batches that a thread makes while the network learns. `batch` must then draw from no global generator."""
    smoothing: float = 0.999
    """Of the moving average of the weights, which is the result."""
    clip: float = 1.0
    """Greatest norm of the gradients."""
    complete: Callable[[nn.Module], None] = _as_it_is
    """Add to the averaged network, before it is written, what is not learned but measured."""
    precision: Literal["auto", "float32"] = "auto"
    """`auto`: on CUDA, what torch takes for safe is computed in bfloat16. `float32`: nothing is; for losses of
    statistics, which are differences of large numbers."""
    half: bool = False
    """Whether the weights are written as float16: in half the space, with three digits each."""
    figures: Callable[[nn.Module], Mapping[str, float]] = _no_figures
    """Measure the network so far, on its device, on what it does not learn from."""
    pictures: Callable[[nn.Module], Mapping[str, Tensor]] = _no_pictures
    """Show what the network does, on its device: pictures by name, sRGB (3, H, W), 0 to 1."""


BuildTraining = Callable[[P, Path, int], Training]
"""Of the parameters, the folder of data and the seed."""


@dataclass(frozen=True)
class Recipe(Generic[P]):
    """What `assetforge train NAME` does."""

    name: str
    params: type[P]
    build: BuildTraining[P]
    summary: str = ""


def recipe(name: str, params: type[P]) -> Callable[[BuildTraining[P]], Recipe[P]]:
    """Make a `Recipe` of the decorated function of (params, data, seed); its docstring says what it trains.

    The function is called when training begins: import what is heavy inside it.
    """
    if not name.isidentifier():
        raise ValueError(f"recipe {name!r}: not an identifier; write 'upscale', for instance")
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise TypeError(f"recipe {name!r}: its parameters must be a class of their own, `class Training(af.Params):`")

    def decorate(build: BuildTraining[P]) -> Recipe[P]:
        return Recipe(name, params, build, (build.__doc__ or "").strip().split("\n")[0])

    return decorate
