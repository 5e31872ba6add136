"""The share of values that a format cannot hold is told, and is what writing and reading back really loses."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import Format, parse
from assetforge.codecs.limits import cut_share
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode

COLOR, HEIGHT, NORMAL, ID, EMISSION = (MAPS[name] for name in ("base_color", "height", "normal", "id", "emission"))


def share(data: Tensor, spec: MapSpec, word: str, alpha: Tensor | None = None) -> float:
    output = parse(word).resolve(None, spec)
    return cut_share(Texture(data, spec.color_space, alpha=alpha), spec, output)


def test_most_of_a_bright_picture_is_lost_in_a_png() -> None:
    ramp = torch.linspace(0, 8, 3 * 80 * 80).view(3, 80, 80)
    assert share(ramp, COLOR, "png8") == pytest.approx(7 / 8, abs=2e-3)
    assert share(ramp, COLOR, "exr16") == 0
    assert share(ramp, COLOR, "hdr") == 0
    assert share(-ramp, COLOR, "hdr") == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("word", ["png8", "png16"])
def test_half_a_code_beyond_the_range_is_rounding(word: str) -> None:
    half = 0.5 / {"png8": 255, "png16": 65535}[word]
    near = torch.tensor([-0.98 * half, 0, 1, 1 + 0.98 * half]).view(1, 1, 4)
    far = torch.tensor([-1.1 * half, 0, 1, 1 + 1.1 * half]).view(1, 1, 4)
    assert (share(near, HEIGHT, word), share(far, HEIGHT, word)) == (0, 0.5)
    vectors = [values.expand(3, -1, -1) * 2 - 1 for values in (near, far)]
    assert [share(values, NORMAL, word) for values in vectors] == [0, 0.5]
    light = torch.cat([far[..., :2] / 12.92, srgb_decode(far[..., 2:])], 2).expand(3, -1, -1)
    assert share(light, COLOR, word) == 0.5


@pytest.mark.parametrize(("word", "value", "cut"), [
    ("exr16", 65504, 0), ("exr16", 65519, 0), ("exr16", -65530, 1), ("exr32", 3e38, 0), ("tiff32", -3e38, 0),
    ("hdr", 1e38, 0), ("hdr", 3e38, 1), ("hdr", -1e-3, 1),
])  # fmt: skip
def test_float_formats_have_limits_too(word: str, value: float, cut: float) -> None:
    assert share(torch.full((3, 2, 2), float(value)), EMISSION, word) == cut


def test_codes_of_ids_have_those_of_their_depth() -> None:
    codes = torch.tensor([0.0, 255, 256, 70000]).view(1, 2, 2)
    assert [share(codes, ID, word) for word in ("png8", "png16", "exr32")] == [0.5, 0.25, 0]


def test_alpha_counts_where_it_is_written() -> None:
    data, alpha = torch.full((3, 2, 2), 0.5), torch.full((1, 2, 2), 2.0)
    assert share(data, COLOR, "png8", alpha) == 0.25
    assert share(data, COLOR, "exr16", alpha) == 0
    assert share(data, COLOR, "jpg", alpha) == 0


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["png8", "png16", "tiff8", "tiff16", "tiff32", "exr16", "exr32", "tga", "webp", "hdr"]),
    st.sampled_from([COLOR, HEIGHT, NORMAL]),
    st.lists(st.integers(-400, 800), min_size=12, max_size=12),
)
def test_it_is_the_share_that_comes_back_changed(word: str, spec: MapSpec, hundredths: list[int]) -> None:
    if (word, spec) == ("hdr", NORMAL):
        return
    data = torch.tensor(hundredths).view(1, 3, 4).expand(spec.channels, -1, -1) / 100
    output = parse(word).resolve(None, spec)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{output.suffix}")
        path.write_bytes(encode({spec.name: (Texture(data, spec.color_space), spec)}, output))
        back = decode(path, spec, unit=False).texture.data
    changed = (back - data).abs() > rounding(data, spec, output)
    assert cut_share(Texture(data, spec.color_space), spec, output) == pytest.approx(changed.float().mean().item())


def rounding(data: Tensor, spec: MapSpec, output: Format) -> Tensor:
    """The most by which rounding changes values, and a little more."""
    if output.is_linear:
        brightest = data.abs().amax(0, keepdim=True) if output.container == "hdr" else data.abs()
        relative = {"exr": 2**-11 if output.depth == "half" else 0, "hdr": 2**-8, "tiff": 0}[output.container]
        return brightest * relative * 1.001 + (1e-7 if relative else 0)
    code = 1 / (255 if output.depth == "8" else 65535)
    if not spec.is_color:
        return torch.full_like(data, code * (1.01 if spec.kind == "vector" else 0.501))
    slope = torch.where(data > 0.0031, 2.4 / 1.055 * data.abs().clamp(1e-3, 1.2).pow(1.4 / 2.4), 1 / 12.92)
    return slope * code * 0.51 + 1e-6
