"""Feature networks: frozen, and true to how a picture goes on beyond its edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from assetforge.weights.adding import add
from assetforge.weights.features import Features, Vgg19, center, random_features


@pytest.fixture(scope="module")
def vgg(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Vgg19:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSETFORGE_WEIGHTS", str(tmp_path_factory.mktemp("mine")))
        return Vgg19.load(add("vgg19", data / "weights" / "vgg19_conv1_1_to_conv3_1_fp32.npz"))


@pytest.fixture(params=["random", "vgg"])
def network(request: pytest.FixtureRequest) -> Features:
    if request.param == "vgg":
        return request.getfixturevalue("vgg")
    return random_features(3, torch.Generator().manual_seed(0))


def picture(height: int = 64, width: int = 96, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_where_a_picture_tiles_its_features_move_with_it(network: Features) -> None:
    before = network(picture(), "repeat")
    after = network(picture().roll((32, 64), (1, 2)), "repeat")
    for one, other in zip(before, after, strict=True):
        factor = 64 // one.shape[1]
        moved = one.roll((32 // factor, 64 // factor), (1, 2))
        if 32 % factor == 0:
            assert torch.allclose(moved, other, atol=1e-4 * float(one.abs().max()))


def test_inside_all_borders_agree_and_valid_ones_hold_nothing_else(network: Features) -> None:
    repeat, reflect, valid = (network(picture(), border)[1] for border in ("repeat", "reflect", "valid"))
    assert repeat.shape == reflect.shape
    assert valid.shape[1] < repeat.shape[1]
    assert torch.allclose(repeat[:, 16:-16, 16:-16], reflect[:, 16:-16, 16:-16], atol=1e-3)


@pytest.mark.parametrize("border", ["repeat", "reflect", "valid"])
def test_sides_need_not_be_even(network: Features, border: str) -> None:
    layers = network(picture(61, 47), border)  # type: ignore[arg-type]
    assert all(layer.isfinite().all() for layer in layers)
    sizes = [layer.shape[1] for layer in layers]
    assert sizes == sorted(sizes, reverse=True)


def test_gradients_reach_the_picture_and_nothing_else(network: Features) -> None:
    with torch.enable_grad():
        wanted = picture().requires_grad_()
        network(wanted, "repeat")[-1].square().sum().backward()
    assert wanted.grad is not None
    assert wanted.grad.abs().sum() > 0


def test_random_filters_follow_from_the_generator() -> None:
    first, same, other = (random_features(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.kernels, same.kernels, strict=True))
    assert not torch.equal(first.kernels[0], other.kernels[0])
    for kernel in first.kernels:
        assert torch.allclose(kernel.sum((2, 3)), torch.zeros(kernel.shape[:2]), atol=1e-5)
        assert torch.allclose(kernel.flatten(1).norm(dim=1), torch.ones(kernel.shape[0]), atol=1e-5)


def test_vgg_goes_as_deep_as_its_file_or_as_asked(vgg: Vgg19, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vgg.names == ("relu1_1", "relu2_1", "relu3_1")
    monkeypatch.setenv("ASSETFORGE_WEIGHTS", str(tmp_path))
    parts = {name: vgg.tensors[name].numpy() for name in vgg.tensors if name.startswith("conv1")}
    np.savez(tmp_path / "part.npz", **parts)
    assert Vgg19.load(add("vgg19", tmp_path / "part.npz", "caffe-rgb")).names == ("relu1_1",)
    assert [layer.shape[0] for layer in vgg(picture(), "repeat")] == [64, 128, 256]


def test_a_window_gives_the_layers_of_what_is_inside_it(network: Features) -> None:
    whole = picture(192, 192)
    reach, depth = network.reach, network.depth((64, 64))
    window = whole.roll((reach - 64, reach - 64), (1, 2))[:, : 64 + 2 * reach, : 64 + 2 * reach]
    for inside, layer in zip(network.inside(window)[:depth], network(whole, "repeat"), strict=False):
        factor = 192 // layer.shape[1]
        part = slice(64 // factor, 128 // factor)
        assert torch.allclose(inside, layer[:, part, part], atol=1e-4 * float(layer.abs().max()))


def test_slopes_of_a_window_are_those_of_the_middles_of_its_layers(network: Features) -> None:
    around = network.reach
    window = picture(32 + 2 * around, 48 + 2 * around).requires_grad_()
    seen = network.inside(window)
    cut = [center(layer, *one.shape[1:]) for layer, one in zip(network(window, "valid"), seen, strict=True)]
    slopes = [torch.randn(layer.shape, generator=torch.Generator().manual_seed(0)) for layer in seen]
    for chosen in (range(len(seen)), range(len(seen) - 1)):  # the deepest need not count
        ours, theirs = (
            torch.autograd.grad([layers[at] for at in chosen], window, [slopes[at] for at in chosen], retain_graph=True)
            for layers in (seen, cut)
        )
        assert torch.allclose(ours[0], theirs[0], atol=1e-5 * float(theirs[0].abs().max()))
