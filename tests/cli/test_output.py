"""What is printed orders nobody about."""

from __future__ import annotations

import pytest

from assetforge.cli.output import say


@pytest.mark.parametrize("order", ["::error file=a.py::no", "  ::add-mask::x", "##[error]no"])
def test_no_line_is_an_order_to_a_build_server(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(order)
    say(f"failed   brick: {order}\n{order}\nand std::vector", err=True)
    out, err = capsys.readouterr()
    for line in [*out.splitlines(), *err.splitlines()]:
        assert not line.strip().startswith(("::", "##["))
    assert order.strip() in err
    assert "std::vector" in err
