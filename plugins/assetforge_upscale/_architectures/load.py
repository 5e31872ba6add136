"""Files of networks of super-resolution, as they are passed around, known by the names of their tensors.

ESRGAN, Compact, SPAN, RLFN, EFDN and SRResNet are known here. All other architectures are those of the package
spandrel, where that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge.weights.foreign import read
from assetforge_upscale._architectures import compact, esrgan, span, spatial_attention, srresnet
from assetforge_upscale._architectures.network import Network, Tensors
from assetforge_upscale._network import BOUNDS

_KNOWN: Mapping[str, Callable[[Tensors], Network | None]] = {
    "compact": compact.recognized,
    "esrgan": esrgan.recognized,
    "span": span.recognized,
    "rlfn": spatial_attention.recognized_rlfn,
    "efdn": spatial_attention.recognized_efdn,
    "srresnet": srresnet.recognized,
    "msrresnet": srresnet.recognized_without_norm,
}
"""What makes a network of tensors where they are those of its architecture."""
_SAVE = "save the state_dict() of the whole network"
_MALFORMED = (RuntimeError, LookupError, ValueError, ArithmeticError)
"""What tensors raise whose names or shapes are not those of the network that they look like."""


def load(path: Path, mix: Path | None = None, share: float = 0.5) -> Network:
    """Load a network from a file; with `mix`, its weights are averaged with those of another, which counts `share`.

    Raises StepError where a file is damaged, or holds no network that is known.
    """
    tensors = _read(path)
    if mix is not None:
        tensors = _mixed(tensors, _read(mix), share, mix)
    for name, recognized in _KNOWN.items():
        try:
            network = recognized(tensors)
        except _MALFORMED as error:
            raise _lookalike(path, name, error) from error
        if network is not None:
            return network
    return _by_spandrel(path, tensors)


def _lookalike(path: Path, name: str, error: Exception) -> af.StepError:
    return af.StepError(str(path), f"looks like {name}, but is not: {_first_line(error)}", _SAVE)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a file's tensors, in the names of today and in float32."""
    try:
        tensors = read(path)
    except af.AssetForgeError as error:
        problem = error.problem
        raise af.StepError(problem.where, problem.what, problem.instead) from error
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        return esrgan.in_names_of_today(tensors)
    except _MALFORMED as error:
        raise _lookalike(path, "esrgan", error) from error


def _mixed(one: Tensors, other: Tensors, share: float, path: Path) -> dict[str, Tensor]:
    """Average the weights of two networks (network interpolation, Wang et al. 2018, ESRGAN, section 3.4)."""
    if len(one.get(BOUNDS, ())) != len(other.get(BOUNDS, ())):  # older files have none, or as many as activations
        one, other = ({name: value for name, value in both.items() if name != BOUNDS} for both in (one, other))
    if {name: value.shape for name, value in one.items()} != {name: value.shape for name, value in other.items()}:
        what = "is of another architecture than the network that it is mixed with"
        raise af.StepError(str(path), what, "mix two networks that are alike")
    floats = (name for name, value in one.items() if value.is_floating_point())
    return {**one, **{name: torch.lerp(one[name], other[name], share) for name in floats}}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))[:160]


def _by_spandrel(path: Path, tensors: Tensors) -> Network:
    """Let the package spandrel recognize what we do not; what its networks see of a picture is not known."""
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises RuntimeError
        what = "holds no network that AssetForge itself knows: ESRGAN, Compact, SPAN, RLFN, EFDN, SRResNet"
        instead = f"pip install 'assetforge[spandrel]' for many more ({_first_line(error)})"
        raise af.StepError(str(path), what, instead) from error
    try:
        found = spandrel.ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except (spandrel.UnsupportedModelError, RuntimeError, KeyError, ValueError) as error:
        raise af.StepError(str(path), f"holds no network that is known ({_first_line(error)})", _SAVE) from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.input_channels != found.output_channels:
        raise af.StepError(str(path), f"holds a network for another task ({found.purpose})", "use one that upscales")
    module = found.model.requires_grad_(requires_grad=False).eval()
    requirements = found.size_requirements
    return Network(module, found.input_channels, found.scale, None, requirements.multiple_of or 1)
