"""Which device to compute on."""

from __future__ import annotations

import re

import torch

from assetforge.errors import DeviceError, UsageError


def resolve_device(wanted: str) -> str:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there; raise DeviceError where it is not."""
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return "cpu"
    found = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if not found:
        raise UsageError("--device", f"{wanted!r} is no device", "write auto, cpu, cuda or cuda:N")
    index, count = int(found.group(1) or 0), torch.cuda.device_count()
    if index >= count:
        there = f"there are {count} CUDA devices" if count else "no CUDA device is visible to torch"
        raise DeviceError("--device", f"{wanted!r} is not there: {there}", "write auto or cpu")
    return f"cuda:{index}"
