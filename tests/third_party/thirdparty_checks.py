"""The plugin's own tests, as a program: they need no test runner."""

from __future__ import annotations

from pathlib import Path

import assetforge_thirdparty
from assetforge_thirdparty import Params, rain

from assetforge import testing


def check_rain() -> None:
    """Check what every step promises, and that half of a material becomes wet."""
    material = testing.sample("brick")
    result = testing.check_step(rain, material, Params(level=0.5))
    assert result.written == {"base_color", "wetness"}
    assert 0 < result.notes["wet_share"] < 1
    testing.check_tileable(rain, material)
    testing.check_tiles_do_not_show(rain, material, tolerance=0)


if __name__ == "__main__":
    check_rain()
    testing.check_imports(Path(assetforge_thirdparty.__file__).parent)
    testing.check_imports(Path(__file__))
