"""The step `pixel_art` keeps what every step promises; the others of its plugin have tests of their own."""

from __future__ import annotations

from assetforge_stylize import PixelArtParams, pixel_art

from assetforge import testing


def test_pixel_art_keeps_its_promises() -> None:
    params = PixelArtParams(reduce=2)
    testing.check_step(pixel_art, testing.sample("brick"), params)
    testing.check_tileable(pixel_art, testing.sample("brick"), params)
