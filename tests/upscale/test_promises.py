"""The step `upscale` keeps what every step promises, with networks too."""

from __future__ import annotations

import pytest
from assetforge_upscale import Params, upscale

from assetforge import testing


@pytest.mark.parametrize("method", ["network", "lanczos"])
def test_upscale_keeps_its_promises(method: str) -> None:
    params = Params(method=method)  # type: ignore[arg-type]
    testing.check_step(upscale, testing.sample("brick", 48), params)
    testing.check_tileable(upscale, testing.sample("stone", 64), params)


def test_tiles_of_upscale_do_not_show() -> None:
    testing.check_tiles_do_not_show(upscale, testing.sample("wood", 96), divisors=(8, 16))
