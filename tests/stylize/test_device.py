"""Where styles are computed: on the step's device, all of it, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from elsewhere import elsewhere
from stylize.test_stylize import distance, half, look, painted, stylized

from assetforge.material.material import Material
from assetforge.samples import make_sample

BLUE = [(20, 40, 160), (240, 210, 60), (90, 140, 220)]


@pytest.fixture(scope="module")
def brick() -> Material:
    return make_sample("brick", 64)


@pytest.mark.parametrize(
    "params",
    [
        {"features": "random", "start": "noise"},
        {"loss": "sliced", "preserve_color": "luma", "style_size": 64},  # one piece: places are drawn by piece
        {"loss": "gram", "cells": (2, 2), "optimizer": "lbfgs"},
    ],
    ids=str,
)
def test_no_tensor_is_left_behind(brick: Material, params: dict[str, object], tmp_path: Path) -> None:
    style = painted(tmp_path / "blue.png", BLUE)
    styles = [{"file": style, "mask": half(tmp_path / "mask.png")}, {"file": style, "weight": 2}]
    here = stylized(brick, style=styles, iterations=1, **params)
    with elsewhere() as device:
        there = stylized(brick, device=device, style=styles, iterations=1, **params)
    off = (there["base_color"].data - here["base_color"].data).abs()
    assert off.quantile(0.999) < 1e-4  # a step of Adam has one length, whichever way a slope of nearly 0 goes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", ["optimize", "wct"])
def test_cuda_makes_a_result_as_good(brick: Material, method: str, tmp_path: Path) -> None:
    style = painted(tmp_path / "blue.png", BLUE)
    here, there = (
        distance(look(stylized(brick, device=device, style=style, method=method, iterations=30)), style)
        for device in ("cpu", "cuda:0")
    )
    assert there < 1.2 * here + 0.02
