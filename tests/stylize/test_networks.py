"""The networks that make pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from assetforge_stylize._networks import Conv

from assetforge.weights.features import Border


@pytest.mark.parametrize("border", ["repeat", "reflect"])
def test_a_convolution_of_repeated_pixels_is_that_of_the_larger_picture(border: Border) -> None:
    torch.manual_seed(0)
    layer, picture = Conv(5, 3), torch.rand(2, 5, 7, 6, requires_grad=True)
    wanted = layer(F.interpolate(picture, scale_factor=2.0), border)
    made = layer.doubled(picture, border)
    torch.testing.assert_close(made, wanted)
    slopes = torch.rand_like(made)
    ways = [torch.autograd.grad(one, (picture, layer.layer.weight), slopes) for one in (made, wanted)]
    for ours, plain in zip(*ways, strict=True):
        torch.testing.assert_close(ours, plain)
