"""The step `render` keeps what every step promises."""

from __future__ import annotations

from assetforge_render import Params, render

from assetforge import testing


def test_render_keeps_its_promises() -> None:
    result = testing.check_step(render, testing.sample("metal"), Params(frames=2))
    assert result.written == {"render"}
