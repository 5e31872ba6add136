"""The recipe `upscale`: networks for the step, from scratch, from another network, or as shipped ones were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge.ops.metrics import psnr
from assetforge.ops.resample import BICUBIC, resample
from assetforge_upscale._recipe import Damage, Losses, Training
from assetforge_upscale.training import adversary, batches, dataset, losses, networks, pictures
from assetforge_upscale.training.batches import Pool, Sampler
from assetforge_upscale.training.calibration import calibrate
from assetforge_upscale.training.dataset import Pixels
from assetforge_upscale.training.degradations import Reduction

WEIGHTS = Path(__file__).parent.parent / "weights"
CHANNELS = {"color": 3, "data": 1}
_RATE, _RATE_OF_START = 2e-3, 5e-4
_SHOWN = 4
"""Pictures of the report."""
_MEASURED = 12
"""Pictures that its figures are of."""
_SHOWN_SIDE = 64
_AHEAD = 2
_CALIBRATED = 64
"""Batches, after those of the training, that tell what activations reach."""

_COLOR_X4 = {
    "channels": "color",
    "scale": 4,
    "batch": 8,
    "optimizer": "muon",
    "leaves": 500,
    "leaves_share": 0.6,
    "teacher_share": 0.4,
}
_FINE_TUNED = {
    "channels": "color",
    "scale": 4,
    "start": "quality_color_x4",
    "rate": 1e-3,
    "batch": 8,
    "optimizer": "muon",
    "half": True,
}
_FAST_DATA = {
    "channels": "data",
    "steps": 6_000,
    "rate": 1e-3,
    "batch": 8,
    "optimizer": "muon",
    "leaves_share": 0.25,
    "reliefs": 300,
    "reliefs_share": 0.3,
    "colors_share": 0.15,
}
_QUALITY_DATA = {
    **_FINE_TUNED,
    "channels": "data",
    "steps": 5_000,
    "leaves": 200,
    "leaves_share": 0.2,
    "reliefs": 300,
    "reliefs_share": 0.3,
    "colors_share": 0.15,
    "teacher_share": 0.6,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quality_color_x4": {
        **_COLOR_X4,
        "width": 64,
        "depth": 15,
        "steps": 28_000,
        "smaller": "materials/*/*",
        "leaves": 700,
        "leaves_share": 0.5,
        "half": True,
    },
    "quality_color_x2": {**_FINE_TUNED, "scale": 2, "steps": 8_000, "leaves": 500, "leaves_share": 0.5},
    "quality_color_x3": {**_FINE_TUNED, "scale": 3, "steps": 4_000, "leaves": 500, "leaves_share": 0.5},
    "detail_color_x4": {
        **_FINE_TUNED,
        "optimizer": "adam",
        "rate": 2e-4,
        "steps": 2_500,
        "leaves_share": 0.0,
        "flats_share": 0.15,
        "losses": Losses(l1=0.2, broad=1.0, gan=0.01),
        "discriminator": "patch",
        "discriminator_rate": 4e-4,
        "judgement": "softplus",
    },
    "denoise_color_x1": {
        **_FINE_TUNED,
        "enlarged_by": "quality_color_x4",
        "steps": 16_000,
        "crop": 48,
        "batch": 4,
        "leaves": 300,
        "leaves_share": 0.3,
        "drawings": 200,
        "drawings_share": 0.15,
        "teacher_share": 0.5,
        "losses": Losses(charbonnier=1.0, mse=8.0),
        "damages": (
            Damage(kind="palette", probability=0.15),
            Damage(kind="jpeg", probability=0.45, quality=(25, 90)),
            Damage(kind="bc1", probability=0.45),
            Damage(kind="palette", probability=0.35),
            Damage(kind="jpeg", probability=0.1),
        ),
    },
    "drawn_color_x4": {
        **_FINE_TUNED,
        "steps": 14_000,
        "leaves": 100,
        "leaves_share": 0.15,
        "drawings": 500,
        "drawings_share": 0.7,
        "teacher_share": 0.5,
    },
    "fast_color_x4": {**_COLOR_X4, "steps": 10_000},
    "fast_color_x2": {"channels": "color", "scale": 2, "steps": 6_000, "start": "fast_color_x4", "rate": 1e-3},
    "fast_color_x3": {"channels": "color", "scale": 3, "steps": 6_000, "start": "fast_color_x4", "rate": 1e-3},
    "fast_data_x4": {**_FAST_DATA, "scale": 4, "start": "fast_color_x4"},
    "quality_data_x4": _QUALITY_DATA,
    "quality_data_x2": {**_QUALITY_DATA, "scale": 2, "steps": 4_000, "start": "quality_data_x4"},
    "quality_data_x3": {**_QUALITY_DATA, "scale": 3, "steps": 4_000, "start": "quality_data_x4"},
    "fast_data_x2": {"channels": "data", "scale": 2, "steps": 5_000, "start": "fast_color_x2", "rate": 1e-3},
    "fast_data_x3": {**_FAST_DATA, "scale": 3, "start": "fast_color_x3"},
}
"""The parameters of the shipped networks. What starts from another one begins with its file."""
_OF_ALL = {"optimizer": "adam"}


def resolved(params: Training) -> Training:
    """Return parameters with those of the preset that they name, but for what is given beside it."""
    if params.network is None:
        return params
    preset = {**_OF_ALL, **PRESETS[params.network]}
    for role in {"start", "enlarged_by"} & preset.keys():
        preset[role] = _shipped(preset[role]) if preset[role] in PRESETS else preset[role]
    return Training(**{**preset, **params.model_dump(exclude_unset=True)})


def training(params: Training, data: Path, seed: int) -> af.Training:
    """Return what trains a network by the parameters, on the pictures in a folder."""
    params = resolved(params)
    channels = CHANNELS[params.channels]
    sources = _pictures_of(params, data, params.channels)
    colors = _pictures_of(params, data, "color").seen if params.colors_share else []
    network = _network(params, channels)
    enlarge = networks.frozen(params.enlarged_by, channels, params.scale) if params.enlarged_by else nn.Identity()
    sampler = _sampler(params, sources, colors, seed)
    kept_out = [_shown(pixels, channels, params.scale) for pixels in _spread(sources.kept_out, _MEASURED)]
    rival, loss = _objective(params, channels, enlarge)
    is_new = params.start == "scratch"
    return af.Training(
        params.network or f"{params.channels}_x{params.own_scale}",
        network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        sampler,
        loss,
        params.steps,
        params.rate or (_RATE if is_new else _RATE_OF_START),
        optimizer=params.optimizer or ("muon" if is_new else "adam"),
        half=params.half,
        discriminator=rival,
        ahead=_AHEAD,
        complete=lambda network: calibrate(network, _shown_to(sampler, params.steps)),
        figures=lambda network: _figures(_whole(network, enlarge), kept_out),
        pictures=lambda network: _pictures(_whole(network, enlarge), kept_out[:_SHOWN]),
    )


def _pictures_of(params: Training, data: Path, content: pictures.Content) -> pictures.Pictures:
    """Read what is learned from; of the shared data, only what no network is measured on."""
    excluded = dataset.reserved(data) if params.network else frozenset()
    return pictures.load(data, content, excluded, params.smaller)


def _network(params: Training, channels: int) -> nn.Module:
    if params.start == "scratch":
        return networks.new(params.architecture, channels, params.own_scale, params.width, params.depth)
    start = _shipped(f"fast_{params.channels}_x{params.scale}") if params.start == "fast" else Path(params.start)
    network = networks.started(start, channels, params.own_scale).eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, channels, params.crop, params.crop))
    except RuntimeError as error:  # RLFN and EFDN, for instance, look at a much smaller copy of what they see
        what = f"cannot work on crops of {params.crop} pixels ({error})"
        raise af.StepError(str(start), what, "give it larger ones: crop=32") from error
    return network


def _shipped(name: str) -> Path:
    return WEIGHTS / f"{name}.safetensors"


def _sampler(params: Training, sources: pictures.Pictures, colors: list[Pixels], seed: int) -> Sampler:
    scale = params.scale
    teach = networks.teachers(params.teachers, CHANNELS[params.channels], scale)
    size = scale, params.crop
    pools = [
        (params.textures_share, Pool(sources.seen.__getitem__, len(sources.seen), *size, teach)),
        (params.flats_share, Pool(*batches.flats(seed), *size)),
        (params.colors_share, Pool(colors.__getitem__, len(colors), *size, teach)),
        (params.leaves_share, Pool(*batches.leaves(params.leaves, sources.seen, seed), *size, teach, obeyed=True)),
        (params.drawings_share, Pool(*batches.drawings(params.drawings, seed), *size, teach, obeyed=True)),
        (params.reliefs_share, Pool(*batches.reliefs(params.reliefs, seed), *size)),
    ]
    channels = CHANNELS[params.channels]
    weights = {name: getattr(params.reductions, name) for name in get_args(Reduction)}
    if params.channels == "data":  # which holds no light to average
        weights["box"] += weights.pop("mip")
    reductions = {name: weight for name, weight in weights.items() if weight}
    return Sampler(pools, channels, scale, params.batch, params.crop, reductions, params.damages, seed)


def _shown_to(sampler: Sampler, first: int) -> Iterator[Tensor]:
    """Return what networks are shown in some batches, without what is wanted of them."""
    shows = replace(sampler, has_targets=False)
    return (shows(step)[0] for step in range(first, first + _CALIBRATED))


def _objective(params: Training, channels: int, enlarge: nn.Module) -> tuple[af.Discriminator | None, Any]:
    """Return the discriminator, if there is one, and the loss of a network and a batch."""
    shares = params.losses.model_dump()
    distance = losses.combined(shares, params.perceptual_network)
    rival = (
        adversary.discriminator(params.discriminator, channels, params.discriminator_width) if shares["gan"] else None
    )

    def loss(network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        small, large, *taught = batch
        result = _whole(network, enlarge)(small.contiguous(memory_format=torch.channels_last))
        share = params.teacher_share if taught else 0.0
        wanted = [(1 - share, large), *((share, one) for one in taught)]
        total = sum((part * distance(result, one) for part, one in wanted if part), result.new_zeros(()))
        if rival is not None:
            total = total + shares["gan"] * adversary.fooled(rival(large).detach(), rival(result), params.judgement)
        return total

    if rival is None:
        return None, loss
    return adversary.against(rival, params.judgement, params.discriminator_rate), loss


def _whole(network: nn.Module, enlarge: nn.Module) -> nn.Module:
    """Put what enlarges behind a network; it is no part of what is trained."""
    return nn.Sequential(network, enlarge.to(next(network.parameters()).device))


def _spread(many: Sequence[Pixels], count: int) -> list[Pixels]:
    return [many[index] for index in np.unique(np.linspace(0, len(many) - 1, count).round().astype(int))]


def _shown(picture: Pixels, channels: int, scale: int) -> tuple[Tensor, Tensor]:
    """Return the middle of a picture's reduction and of itself: (C, h, w) and (C, scale · h, scale · w), 0 to 1."""
    pair = dataset.reduce(picture, scale)
    top, left = (max(0, side - _SHOWN_SIDE) // 2 for side in pair.small.shape[:2])
    small = pair.small[top : top + _SHOWN_SIDE, left : left + _SHOWN_SIDE]
    side = _SHOWN_SIDE * scale
    large = pair.large[top * scale : top * scale + side, left * scale : left * scale + side]
    return _tensor(small)[:channels], _tensor(large)[:channels]


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def _figures(network: nn.Module, kept_out: list[tuple[Tensor, Tensor]]) -> Mapping[str, float]:
    """Measure the mean PSNR in dB of the middles of pictures that were kept out, and of bicubic's beside it."""
    scores = [psnr(_run(network, small), large) for small, large in kept_out]
    plain = [psnr(_bicubic(small, large), large) for small, large in kept_out]
    gains = [score - base for score, base in zip(scores, plain, strict=True) if np.isfinite(score - base)]
    return {"gain over bicubic (dB of PSNR)": float(np.mean(gains))} if gains else {}


def _run(network: nn.Module, small: Tensor) -> Tensor:
    device = next(network.parameters()).device
    result: Tensor = network(small[None].to(device))[0].float().cpu()
    return result.clamp(0, 1)


def _bicubic(small: Tensor, large: Tensor) -> Tensor:
    return resample(small, (large.shape[1], large.shape[2]), BICUBIC).clamp(0, 1)


def _pictures(network: nn.Module, kept_out: list[tuple[Tensor, Tensor]]) -> Mapping[str, Tensor]:
    """Show bicubic, the network and the truth beside each other."""
    shown = {}
    for index, (small, large) in enumerate(kept_out):
        row = torch.cat([_bicubic(small, large), _run(network, small), large], 2)
        shown[f"{index}: bicubic, network, truth"] = row.expand(3, *row.shape[1:])
    return shown
