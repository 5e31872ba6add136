"""Networks whose activations are bounded: nothing drives them astray, and what they were made for stays as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from assetforge_upscale import DETAIL
from assetforge_upscale._architectures.load import load
from assetforge_upscale._network import Compact
from assetforge_upscale.training import networks
from assetforge_upscale.training.calibration import MARGIN, calibrate
from safetensors.torch import load_file, save_file
from torch import Tensor
from upscale.test_upscale import FOLDER, SHIPPED_NAMES

from assetforge.ops.color import srgb_encode
from assetforge.samples import make_sample

MOST = 3.0
"""How far out of their range the results may be: bicubic interpolation goes out by 0.5, and 8 bits cut it all off."""


def patterns(channels: int) -> Iterator[tuple[str, Tensor]]:
    """Noise, sparse dots, checkers and stripes of full contrast, whose cells are pixels or a few of them."""
    generator = torch.Generator().manual_seed(0)
    for density in (0.02, 0.1, 0.2, 0.5):
        for alike in (1, channels):
            lit = (torch.rand(4, alike, 32, 32, generator=generator) < density).float().expand(-1, channels, -1, -1)
            yield f"dots {density}", lit
            yield f"holes {density}", 1 - lit
            yield f"cells {density}", lit[..., :11, :11].repeat_interleave(3, 2).repeat_interleave(3, 3)
    yield "noise", torch.rand(4, channels, 32, 32, generator=generator)
    places = torch.arange(32)
    for period in (2, 3, 4):
        for name, grid in (("stripes", places.expand(32, 32)), ("diagonals", places + places[:, None])):
            yield f"{name} {period}", (grid % period < period // 2).float().expand(1, channels, -1, -1)


def beyond(result: Tensor) -> float:
    return max(-float(result.min()), float(result.max()) - 1)


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_no_pattern_drives_a_shipped_network_out_of_bounds(name: str) -> None:
    network = load(FOLDER / f"{name}.safetensors")
    for kind, pattern in patterns(network.channels):
        with torch.no_grad():
            assert beyond(network.module(pattern)) < MOST, kind


@pytest.mark.parametrize("detail", [0.25, 0.5, 0.75])
def test_no_pattern_drives_a_mixture_out_of_bounds(detail: float) -> None:
    network = load(FOLDER / "quality_color_x4.safetensors", FOLDER / f"{DETAIL}.safetensors", detail)
    for kind, pattern in patterns(3):
        with torch.no_grad():
            assert beyond(network.module(pattern)) < MOST, kind


def unbounded(module: Compact) -> Compact:
    module.bounds = {}
    return module


@pytest.mark.parametrize("name", SHIPPED_NAMES)
@pytest.mark.parametrize("sample", ["brick", "metal"])
def test_textures_are_within_all_bounds(name: str, sample: str) -> None:
    network = load(FOLDER / f"{name}.safetensors")
    assert isinstance(network.module, Compact)
    color = srgb_encode(make_sample(sample, 64)["base_color"].data[None, : network.channels])
    codes = color.mul(255).round() / 255
    with torch.no_grad():
        bounded = network.module(codes)
        assert torch.equal(bounded, unbounded(network.module)(codes))


def small() -> Compact:
    torch.manual_seed(0)
    return Compact(3, 2, 8, 3)


def test_bounds_are_what_batches_reach_and_a_margin() -> None:
    network, batch = small(), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        free = network(batch)
        reached = [float(network.residual[: 2 * layer + 2](batch).abs().max()) for layer in (0, 3)]
        calibrate(network, [batch[:1], batch[1:]])
        assert list(network.bounds.values()) == pytest.approx([MARGIN * value for value in reached])
        assert torch.equal(network(batch), free)
        assert not torch.equal(network(9 * batch), unbounded(network)(9 * batch))


def test_bounds_go_through_files_and_not_into_further_training(tmp_path: Path) -> None:
    network = small()
    calibrate(network, [torch.rand(1, 3, 16, 16)])
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    read = load(tmp_path / "a.safetensors").module
    assert isinstance(read, Compact)
    assert list(read.bounds.values()) == list(network.bounds.values())
    begun = networks.started(tmp_path / "a.safetensors", 3, 2)
    assert isinstance(begun, Compact)
    assert not begun.bounds
    assert "activation_bounds" not in begun.state_dict()


def test_a_file_that_bounds_all_activations_is_bounded_by_all(tmp_path: Path) -> None:
    network = small()
    network.bound([0.1, 0.2, 0.3, 0.4])
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    read = load(tmp_path / "a.safetensors").module
    assert isinstance(read, Compact)
    assert list(read.bounds) == [1, 3, 5, 7]
    assert list(read.bounds.values()) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    calibrate(network, [torch.rand(1, 3, 16, 16)])
    save_file(network.state_dict(), tmp_path / "b.safetensors")
    mixed = load(tmp_path / "a.safetensors", tmp_path / "b.safetensors").module
    assert isinstance(mixed, Compact)
    assert not mixed.bounds


def test_an_older_file_without_bounds_is_mixed_with_one_that_has_them(tmp_path: Path) -> None:
    network = small()
    save_file(network.state_dict(), tmp_path / "old.safetensors")
    calibrate(network, [torch.rand(1, 3, 16, 16)])
    save_file(network.state_dict(), tmp_path / "new.safetensors")
    for one, other in (("old", "new"), ("new", "old")):
        mixed = load(tmp_path / f"{one}.safetensors", tmp_path / f"{other}.safetensors").module
        assert isinstance(mixed, Compact)
        assert not mixed.bounds
        torch.testing.assert_close(mixed.residual[0].weight, network.residual[0].weight)


def test_files_for_other_programs_get_no_bounds(tmp_path: Path) -> None:
    network = Compact(3, 2, 8, 3, "nearest")
    calibrate(network, [torch.rand(1, 3, 16, 16)])
    assert not network.bounds


def test_shipped_files_hold_a_bound_for_every_third_activation() -> None:
    for name in SHIPPED_NAMES:
        tensors = load_file(FOLDER / f"{name}.safetensors")
        activations = sum(value.ndim == 4 for value in tensors.values()) - 1
        assert len(tensors["activation_bounds"]) == math.ceil(activations / 3)
