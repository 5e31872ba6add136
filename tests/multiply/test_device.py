"""Where results are computed: on the step's device, all of it, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from assetforge_multiply import Guide, Reroll, _synthesis
from elsewhere import elsewhere
from multiply.conftest import exemplar, multiply, multiply_and_tell, write_mask

from assetforge.material.material import Material

SIDE = 24


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("stone", {"turn": "mirror", "tileable": "x", "polish_by": "neural", "effort": 0.02}),
        pytest.param("brick", {"repair_normals": True, "save_map": True}, marks=pytest.mark.slow),
        ("stone", {"method": "blend"}),
        ("stone", {"method": "neural", "effort": 0.02}),
        ("stone", {"method": "neural", "effort": 0.02, "loss": "sliced"}),
    ],
    ids=str,
)
def test_no_tensor_is_left_behind(name: str, params: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_synthesis, "_ROUNDS", (2,))  # later ones do as those before
    check(exemplar(name, SIDE), params)


def check(material: Material, params: dict[str, object]) -> None:
    here = multiply(material, candidates=1, **params)
    with elsewhere() as device:
        there = multiply(material, candidates=1, device=device, **params)
    assert all(torch.equal(there[key].data, texture.data) for key, texture in here.items())


@pytest.mark.slow
def test_no_mask_or_guide_is_left_behind(tmp_path: Path) -> None:
    region = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    region[6:18, 4:16] = True
    mask = write_mask(tmp_path / "mask.png", region)
    check(exemplar("stone", SIDE), {"keep": mask})
    check(exemplar("stone", SIDE), {"reroll": Reroll(region=mask, seed=1), "guide": Guide(target=mask), "ignore": mask})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", ["patches", "blend", "neural"])
def test_cuda_makes_a_result_as_good(method: str) -> None:
    material = exemplar("stone")
    (_, here, _), (_, there, flags) = (
        multiply_and_tell(material, method=method, device=device) for device in ("cpu", "cuda:0")
    )
    assert there["statistics_distance"] < 1.3 * here["statistics_distance"] + 0.02
    assert not [flag for flag in flags if "seam" in flag]
