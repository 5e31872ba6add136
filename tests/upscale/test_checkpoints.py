"""Networks of others: recognized by their tensors, right in what they compute, and honest about tiles."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from assetforge_upscale import Params, _upscale, passes
from assetforge_upscale import upscale as upscale_step
from assetforge_upscale._architectures.esrgan import Esrgan
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import FARTHEST, Network
from assetforge_upscale._architectures.span import one_convolution
from assetforge_upscale._architectures.srresnet import MsrResNet, SrResNet
from assetforge_upscale._network import Compact
from conftest import Forge
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from upscale.evaluated import evaluated
from upscale.test_upscale import upscale

import assetforge as af
from assetforge import testing
from assetforge.material.material import Material
from assetforge.ops.color import srgb_encode
from assetforge.ops.resample import resample
from assetforge.samples import make_sample

Tensors = dict[str, Tensor]


def saved(module: nn.Module, path: Path, wrapped: str = "params_ema") -> Path:
    """Save random weights of a network, which are neither so small nor so large that its result says nothing."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return stored(dict(module.state_dict()), path, wrapped)


def stored(tensors: Tensors, path: Path, wrapped: str = "") -> Path:
    torch.save({wrapped: tensors, "step": 7} if wrapped else tensors, path)
    return path


def esrgan(channels: int = 3, doublings: int = 2, unshuffled: int = 1) -> nn.Module:
    return Esrgan(channels, 8, 4, 2, doublings, unshuffled)


def of_today(tensors: Tensors) -> Tensors:
    return {name.replace("conv_up.0", "conv_up1").replace("conv_up.1", "conv_up2"): v for name, v in tensors.items()}


def of_2018(tensors: Tensors) -> Tensors:
    """Give ESRGAN's tensors for four times the size their first names, which count the layers."""
    places = {"conv_first": 0, "conv_up.0": 3, "conv_up.1": 6, "conv_hr": 8, "conv_last": 10}
    named = {}
    for name, tensor in tensors.items():
        for layer, place in places.items():
            name = name.replace(f"{layer}.", f"model.{place}.") if name.startswith(layer) else name  # noqa: PLW2901
        name = name.replace("conv_body", "model.1.sub.2").replace("body.", "model.1.sub.")  # noqa: PLW2901
        for number in "123":
            name = name.replace(f"rdb{number}.conv", f"RDB{number}.conv")  # noqa: PLW2901
        parts = name.rsplit(".", 1)
        named[f"{parts[0]}.0.{parts[1]}" if "RDB" in name else name] = tensor
    return named


def of_2019(tensors: Tensors) -> Tensors:
    swaps = {"conv_up.0": "upconv1", "conv_up.1": "upconv2", "conv_hr": "HRconv", "conv_body": "trunk_conv"}
    named = {}
    for name, tensor in tensors.items():
        for new, old in swaps.items():
            name = name.replace(new, old)  # noqa: PLW2901
        named[name.replace("body.", "RRDB_trunk.").replace("rdb", "RDB")] = tensor
    return named


@pytest.mark.parametrize("naming", [of_today, of_2018, of_2019])
def test_esrgan_is_known_by_each_of_its_names(naming: object, tmp_path: Path) -> None:
    module = esrgan()
    saved(module, tmp_path / "plain.pth")
    network = load(stored(naming(dict(module.state_dict())), tmp_path / "a.pth"))  # type: ignore[operator]
    pixels = torch.rand(1, 3, 12, 10)
    with torch.no_grad():
        assert torch.equal(network.module(pixels), module.eval()(pixels))
    assert (network.scale, network.channels, network.multiple) == (4, 3, 1)


def test_an_esrgan_that_shuffles_first_enlarges_less(tmp_path: Path) -> None:
    module = esrgan(unshuffled=2)
    saved(module, tmp_path / "plain.pth")
    network = load(stored(of_today(dict(module.state_dict())), tmp_path / "a.pth"))
    assert (network.scale, network.multiple, network.is_exact) == (2, 2, False)


def test_compact_of_others_stands_on_nearest_pixels_and_ours_on_bicubic(tmp_path: Path) -> None:
    ours = {name: torch.zeros_like(value) for name, value in Compact(3, 4, 8, 2).state_dict().items()}
    theirs = {name.replace("residual", "body"): value for name, value in ours.items()}
    pixels = torch.rand(1, 3, 9, 7)
    for tensors, mode in ((ours, "bicubic"), (theirs, "nearest")):
        network = load(stored(tensors, tmp_path / "a.pth"))
        base = F.interpolate(pixels, scale_factor=4, mode=mode, align_corners=None if mode == "nearest" else False)
        torch.testing.assert_close(network.module(pixels), base)


def unmerged(channels: int, width: int, generator: torch.Generator) -> Tensors:
    """The tensors of one convolution of SPAN as it is trained, with twice the channels inside."""
    shapes = {
        "sk": (width, channels, 1, 1),
        "conv.0": (2 * channels, channels, 1, 1),
        "conv.1": (2 * width, 2 * channels, 3, 3),
        "conv.2": (width, 2 * width, 1, 1),
    }
    made = {}
    for name, shape in shapes.items():
        made[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.2
        made[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.2
    return made


def test_convolutions_of_span_are_merged_to_what_they_compute() -> None:
    tensors = {f"a.{n}": t for n, t in unmerged(3, 8, torch.Generator().manual_seed(0)).items()}
    pixels = torch.rand(1, 3, 11, 9)
    inner = F.pad(pixels, (1, 1, 1, 1))
    for number in range(3):
        inner = F.conv2d(inner, tensors[f"a.conv.{number}.weight"], tensors[f"a.conv.{number}.bias"])
    expected = inner + F.conv2d(pixels, tensors["a.sk.weight"], tensors["a.sk.bias"])
    merged = F.conv2d(pixels, *one_convolution(tensors, "a"), padding=1)
    torch.testing.assert_close(merged[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5, rtol=1e-5)


def span() -> Tensors:
    generator, width = torch.Generator().manual_seed(0), 6
    layers = ["conv_1", "conv_2", *(f"block_{n}.c{c}_r" for n in range(1, 7) for c in (1, 2, 3))]
    made = {
        f"{layer}.{name}": tensor
        for layer in layers
        for name, tensor in unmerged(3 if layer == "conv_1" else width, width, generator).items()
    }
    shapes = {"conv_cat": (width, 4 * width, 1, 1), "upsampler.0": (3 * 4, width, 3, 3)}
    for layer, shape in shapes.items():
        made |= {f"{layer}.weight": torch.randn(shape, generator=generator), f"{layer}.bias": torch.zeros(shape[0])}
    return made


NETWORKS = {
    "esrgan": lambda path: saved(esrgan(doublings=1), path) and stored(of_today(torch.load(path)["params_ema"]), path),
    "span": lambda path: stored(span(), path),
    "srresnet": lambda path: saved(SrResNet(3, 8, 2, 1, has_norm=True), path),
    "srresnet without norm": lambda path: saved(SrResNet(3, 8, 2, 2, has_norm=False), path),
    "msrresnet": lambda path: saved(MsrResNet(3, 8, 2, [2, 2]), path),
    "msrresnet x3": lambda path: saved(MsrResNet(3, 8, 2, [3]), path),
    "compact": lambda path: saved(Compact(1, 3, 8, 2), path),
}


def loaded(name: str, folder: Path) -> Network:
    return load(NETWORKS[name](folder / "a.pth"))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_sees_no_farther_than_it_says(name: str, tmp_path: Path) -> None:
    network = loaded(name, tmp_path)
    assert network.radius is not None
    side = 2 * network.radius + 21
    middle = side // 2
    pixels = torch.rand(1, network.channels, side, side).requires_grad_()
    here = slice(middle * network.scale, (middle + 1) * network.scale)
    network.module.double()(pixels.double())[..., here, here].sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    reached = pixels.grad[0].abs().sum((0, 1)).nonzero().flatten()
    farthest = int(max(middle - reached.min(), reached.max() - middle))
    assert network.radius - 3 <= farthest <= network.radius


@pytest.mark.parametrize("name", ["span", "srresnet", "compact"])
def test_tiles_of_a_network_of_others_do_not_show(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = NETWORKS[name](tmp_path / "a.pth")
    material = make_sample("brick", 64)
    params = {"data_network" if name == "compact" else "network": file}
    whole = upscale(material, **params)
    monkeypatch.setitem(_upscale.TILE, "cpu", 32)
    pieces = upscale(material, **params)
    for key in material:
        assert (pieces[key].data - whole[key].data).abs().max() < 1e-3  # random weights magnify rounding
    assert whole["base_color"].size == whole["normal"].size


def test_a_network_that_sees_too_far_is_noted(tmp_path: Path) -> None:
    network = Network(nn.Identity(), 3, 1, 5 * FARTHEST)
    assert (network.overlap, network.is_exact) == (FARTHEST, False)
    file = saved(Esrgan(3, 4, 2, 5, 1, 1), tmp_path / "a.pth")
    stored(of_today(torch.load(file)["params_ema"]), file)
    made = testing.run_step(upscale_step, testing.sample("brick", 16).only("base_color"), Params(network=file))
    assert made.notes == {"inexact": ["a.pth"]}


@pytest.mark.parametrize(
    ("factor", "expected"), [(1, ()), (1.5, (2,)), (2, (2,)), (3, (4,)), (4, (4,)), (6, (4, 2)), (16, (4, 4))]
)
def test_shipped_networks_are_chained_to_the_next_size_above(factor: float, expected: tuple[int, ...]) -> None:
    assert passes(factor, (2, 4)) == expected


@given(st.floats(1, 16), st.sets(st.integers(2, 4), min_size=1))
def test_passes_are_as_few_as_can_be_and_reach_no_farther_than_needed(factor: float, scales: set[int]) -> None:
    chain = passes(factor, scales)
    assert math.prod(chain) >= factor * (1 - 1e-9)
    assert max(scales) ** (len(chain) - 1) < factor or not chain
    assert list(chain) == sorted(chain, reverse=True)
    for scale in chain:
        assert all(math.prod(chain) // scale * smaller < factor for smaller in scales if smaller < scale)


@pytest.mark.parametrize(("asked", "side"), [({"scale": 3}, 96), ({"scale": 1.5}, 48), ({"size": 100}, 100)])
def test_any_factor_and_any_size_are_made(asked: dict[str, float], side: int) -> None:
    sample = make_sample("stone", 32)
    for name, texture in upscale(sample, **asked).items():
        assert texture.size == (side, side), name


def test_a_network_of_three_times_is_repeated_and_reduced(tmp_path: Path) -> None:
    file = NETWORKS["msrresnet x3"](tmp_path / "a.pth")
    color = make_sample("stone", 16).only("base_color")
    assert upscale(color, network=file)["base_color"].size == (48, 48)
    assert upscale(color, network=file, scale=4)["base_color"].size == (64, 64)


def test_two_networks_are_mixed_by_their_weights(tmp_path: Path) -> None:
    first = saved(MsrResNet(3, 8, 2, [2]), tmp_path / "a.pth")
    tensors = torch.load(first)["params_ema"]
    second = stored({name: value * 3 for name, value in tensors.items()}, tmp_path / "b.pth")
    mixed = load(first, second, 0.25)
    for name, value in mixed.module.state_dict().items():
        torch.testing.assert_close(value, tensors[name] * 1.5)


class _Shifted(nn.Module):
    """A network that doubles sizes, darkens, and invents a checker."""

    def forward(self, x: Tensor) -> Tensor:
        large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) * 0.9
        large[..., ::2, ::2] += 0.02
        return large


@pytest.mark.parametrize(
    ("correct", "most_tone", "most_all"), [("no", 0.2, 0.2), ("color", 1e-3, 0.03), ("all", 2e-3, 6e-3)]
)
def test_what_a_network_changes_of_the_source_is_brought_back(
    correct: str, most_tone: float, most_all: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_upscale, "load", lambda *_: Network(_Shifted(), 3, 2, 2))
    source = make_sample("stone", 64).only("base_color")
    result = upscale(source, network=Path("any.pth"), correct=correct)["base_color"].data
    apart = resample(srgb_encode(result), (64, 64), repeat=True) - srgb_encode(source["base_color"].data)
    assert apart.mean((1, 2)).abs().max() <= most_tone
    assert apart.square().mean().sqrt() <= most_all
    assert (correct == "no") == (apart.mean().abs() > 5e-3)


def test_alpha_of_a_cutout_is_all_or_nothing() -> None:
    sample = make_sample("stone", 32)["base_color"]
    leaf = ((torch.arange(32)[:, None] - 15.5) ** 2 + (torch.arange(32) - 15.5) ** 2 < 100).float()[None]
    material = Material("leaf", {"base_color": replace(sample, alpha=leaf)})
    soft, cut = (upscale(material, alpha=alpha)["base_color"].alpha for alpha in ("soft", "cutout"))
    assert soft is not None
    assert cut is not None
    assert set(cut.unique().tolist()) == {0.0, 1.0}
    assert ((soft > 0) & (soft < 1)).any()
    assert cut.mean() == pytest.approx(float(leaf.mean()), abs=0.01)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a.weight": torch.zeros(3)}, "holds no network"),
        ({"body.0.weight": torch.zeros(8, 3, 3, 3), "body.0.bias": torch.zeros(8)}, "looks like compact, but is not"),
        ({"conv_first.weight": torch.zeros(8, 3, 3, 3), "body.0.rdb1.conv1.weight": torch.zeros(4, 8, 3, 3)},
         "looks like esrgan, but is not"),
        ({"conv_first.weight": torch.zeros(8, 1, 3, 3), "body.0.rdb1.conv1.weight": torch.zeros(4, 8, 3, 3),
          "conv_last.weight": torch.zeros(3, 8, 3, 3)}, "looks like esrgan, but is not"),
        ({"model.0.weight": torch.zeros(8, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": torch.zeros(4, 8, 3, 3)},
         "looks like esrgan, but is not"),
        ([1, 2], "does not hold tensors by name"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused_with_its_name(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(af.StepError, match=says) as caught:
        load(tmp_path / "a.pth")
    assert str(tmp_path / "a.pth") in str(caught.value)


def test_networks_that_differ_are_not_mixed(tmp_path: Path) -> None:
    one, other = NETWORKS["msrresnet"](tmp_path / "a.pth"), NETWORKS["msrresnet x3"](tmp_path / "b.pth")
    with pytest.raises(af.StepError, match="another architecture"):
        load(one, other)


def test_a_network_that_keeps_the_size_enlarges_nothing(tmp_path: Path) -> None:
    file = saved(esrgan(doublings=0), tmp_path / "a.pth", "")
    stored(of_today(torch.load(file)), file)
    color = make_sample("stone", 16).only("base_color")
    assert upscale(color, network=file)["base_color"].size == (16, 16)
    with pytest.raises(af.StepError, match="keeps the size"):
        upscale(color, network=file, scale=2)


def test_a_changed_file_of_weights_rebuilds_the_assets_that_use_it(project: Path, forge: Forge) -> None:
    for name in ("one.pth", "other.pth"):
        saved(MsrResNet(3, 8, 1, [2]), project / name)
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace("method: lanczos", "network: one.pth"))
    (project / "textures" / "moss_d.png.forge.yaml").write_text("network: other.pth\n")
    assert forge("run", "pipeline.yaml").returncode == 0
    tensors = torch.load(project / "other.pth")["params_ema"]
    stored({name: value * 1.1 for name, value in tensors.items()}, project / "other.pth")
    planned = forge("plan", "pipeline.yaml").stdout
    assert "moss: file network changed\n1 to build, 2 up to date" in planned
    assert forge("run", "pipeline.yaml").stdout.count("1 done") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale", "stated"), [("srgan_x2.pth", 2, 35.48), ("srgan_x4.pth", 4, 30.66)])
def test_generators_of_srgan_reach_what_is_stated_of_them(name: str, scale: int, stated: float, data: Path) -> None:
    file = data / "weights" / "sr" / name
    assert load(file).scale == scale
    found = evaluated(data / "sr" / "set5", network=str(file), scale=scale)
    assert np.mean([one["PSNR"] for one in found["base_color", name].values()]) == pytest.approx(stated, abs=0.05)
