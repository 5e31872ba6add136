"""The device that is not there refuses what a GPU refuses."""

from __future__ import annotations

import pytest
import torch
from elsewhere import elsewhere


def test_tensors_compute_where_they_are() -> None:
    with elsewhere() as device:
        away = torch.ones(3, 4).to(device)
        assert {away.device.type, (away + 1).device.type, away[torch.tensor([0, 1])].device.type} == {device}
        assert torch.tensor([1.0], device=device).device.type == device
        assert (away.sum().item(), away.cpu().device.type, (away * torch.tensor(2.0)).tolist()[0][0]) == (12, "cpu", 2)


def test_gradients_flow_there() -> None:
    with elsewhere() as device:
        away = torch.full((3,), 2.0, device=device).requires_grad_()
        away.square().sum().backward()  # type: ignore[no-untyped-call]
        assert away.grad is not None
        assert away.grad.cpu().tolist() == [4, 4, 4]


def test_two_devices_do_not_meet() -> None:
    with elsewhere() as device:
        here, away = torch.ones(3), torch.ones(3, device=device)
        with pytest.raises(RuntimeError, match="two devices"):
            _ = here + away
        with pytest.raises(RuntimeError, match="two devices"):
            _ = here[away > 0]
        with pytest.raises(RuntimeError, match="two devices"):
            away[here > 0] = here
        with pytest.raises(RuntimeError):
            away.numpy()
        away[here > 0] = 0.0
        assert away.cpu().sum() == 0
