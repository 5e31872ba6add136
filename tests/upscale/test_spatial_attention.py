"""RLFN and EFDN: known by their files, right in what they compute, and honest about how far they see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from assetforge_upscale import Params, _upscale
from assetforge_upscale import upscale as upscale_step
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import Network
from assetforge_upscale._architectures.spatial_attention import Efdn, Rlfn, RlfnBlock, SpatialAttention
from torch import Tensor, nn
from upscale.test_checkpoints import saved, stored
from upscale.test_upscale import upscale

import assetforge as af
from assetforge import testing
from assetforge.material.material import Material
from assetforge.ops.color import hdr_decode, srgb_encode
from assetforge.samples import make_sample


def rlfn(scale: int = 2, depth: int = 2) -> nn.Module:
    return Rlfn(3, 8, 10, 4, depth, scale)


def efdn(scale: int = 2) -> nn.Module:
    return Efdn(3, 8, 2, scale)


MAKE = {"rlfn": rlfn, "efdn": efdn}


def pixels(side: int) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("scale", [2, 3])
def test_a_file_is_known_by_its_tensors(name: str, scale: int, tmp_path: Path) -> None:
    module = MAKE[name](scale)
    network = load(saved(module, tmp_path / "a.pth"))
    assert (network.channels, network.scale) == (3, scale)
    assert torch.equal(network.module(pixels(24)), module(pixels(24)))
    assert network.module(pixels(24)).shape == (1, 3, 24 * scale, 24 * scale)


def test_the_depth_of_rlfn_is_counted(tmp_path: Path) -> None:
    network = load(saved(rlfn(depth=5), tmp_path / "a.pth"))
    assert len([one for one in network.module.modules() if isinstance(one, RlfnBlock)]) == 5


@pytest.mark.parametrize("name", MAKE)
def test_a_file_of_which_a_part_is_missing_is_refused(name: str, tmp_path: Path) -> None:
    file = saved(MAKE[name](), tmp_path / "a.pth", "")
    tensors = {key: value for key, value in torch.load(file).items() if "conv_f" not in key}
    with pytest.raises(af.StepError, match=f"looks like {name}, but is not"):
        load(stored(tensors, file))


def test_attention_is_a_weight_between_nothing_and_all() -> None:
    """Written out: a quarter-size view, its largest values, laid over the picture again."""
    torch.manual_seed(0)
    layer = SpatialAttention(6, 2)
    x = torch.rand(1, 6, 33, 40)
    narrow = F.conv2d(x, layer.conv1.weight, layer.conv1.bias)
    half = F.conv2d(narrow, layer.conv2.weight, layer.conv2.bias, stride=2)
    peaks = torch.stack(
        [
            torch.stack([half[0, :, y : y + 7, x : x + 7].amax((1, 2)) for x in range(0, half.shape[3] - 6, 3)], 1)
            for y in range(0, half.shape[2] - 6, 3)
        ],
        1,
    )
    seen = F.conv2d(peaks[None], layer.conv3.weight, layer.conv3.bias, padding=1)
    over = F.interpolate(seen, (33, 40), mode="bilinear", align_corners=False)
    beside = F.conv2d(narrow, layer.conv_f.weight, layer.conv_f.bias)
    weight = torch.sigmoid(F.conv2d(over + beside, layer.conv4.weight, layer.conv4.bias))
    torch.testing.assert_close(layer(x), x * weight)
    assert 0 < weight.min() < weight.max() < 1


def test_the_cells_of_efdn_are_mixed_with_the_first_and_the_second() -> None:
    """Written out, cell by cell."""
    torch.manual_seed(0)
    network = Efdn(3, 8, 2, 2)
    start = network.head(pixels(20))
    first = network.cells[0](start)
    second = network.cells[1](first)
    third = network.cells[2](network.local_fuse[0](torch.cat([first, second], 1)))
    fourth = network.cells[3](network.local_fuse[1](torch.cat([second, third], 1)))
    last = network.local_fuse[2](torch.cat([second, fourth], 1))
    torch.testing.assert_close(network(pixels(20)), network.tail(last + start))


@pytest.mark.parametrize("name", MAKE)
def test_they_are_noted_as_inexact(name: str, tmp_path: Path) -> None:
    file = saved(MAKE[name](), tmp_path / "a.pth")
    assert not load(file).is_exact
    made = testing.run_step(upscale_step, testing.sample("brick", 32).only("base_color"), Params(network=file))
    assert made.notes == {"inexact": ["a.pth"]}


@pytest.mark.parametrize("name", MAKE)
def test_a_picture_in_one_tile_is_given_as_it_is(name: str, tmp_path: Path) -> None:
    file = saved(MAKE[name](), tmp_path / "a.pth")
    sample = make_sample("stone", 40).only("base_color")["base_color"]
    whole = Material("m", {"base_color": af.Texture(sample.data, sample.color_space, "clamp")})
    given = srgb_encode(sample.data)[None]
    expected = load(file).module(given.contiguous(memory_format=torch.channels_last))[0]
    result = upscale(whole, network=file)["base_color"].data
    torch.testing.assert_close(result, hdr_decode(expected).clamp(0, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [3, 14, 31])
def test_a_picture_that_is_too_small_for_the_smaller_copy_is_continued(side: int, tmp_path: Path) -> None:
    file = saved(rlfn(), tmp_path / "a.pth")
    sample = make_sample("stone", 32)["base_color"]
    small = af.Texture(sample.data[:, :side, :side], sample.color_space, "clamp")
    assert upscale(Material("m", {"base_color": small}), network=file)["base_color"].size == (2 * side, 2 * side)


@pytest.mark.parametrize(
    ("side", "radius", "repeat", "expected"),
    [
        (64, None, False, True),
        (64, 5, False, False),  # an exact network has the same result in tiles
        (64, None, True, False),  # where it tiles, it sees what is at the opposite edge
        (65, None, False, False),
        (31, None, False, False),
    ],
)
def test_only_inexact_networks_get_pictures_whole(side: int, radius: int | None, repeat: bool, expected: bool) -> None:
    one = _upscale.Pass(Network(nn.Identity(), 3, 1, radius), "cpu", 64)
    assert _upscale._is_whole(torch.zeros(3, side, 40), one, repeat=repeat) == expected
