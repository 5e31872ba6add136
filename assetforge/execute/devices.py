"""Which device to compute on."""

from __future__ import annotations

import re
import sys

from assetforge.errors import DeviceError, UsageError

AUTO, CPU = "auto", "cpu"


def check_device(wanted: str) -> None:
    """Raise UsageError unless this is `auto`, `cpu`, `cuda` or `cuda:N`; torch is not needed to know that."""
    if wanted not in (AUTO, CPU) and not re.fullmatch(r"cuda(:\d+)?", wanted):
        raise UsageError("--device", f"{wanted!r} is no device", "write auto, cpu, cuda or cuda:N")


def likely_device(wanted: str) -> str:
    """Return `cpu` where `auto` can mean nothing else, as there is no driver; torch is not needed to know that."""
    if wanted != AUTO:
        return wanted
    import ctypes  # only where it must be known

    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return CPU
    return AUTO


def resolve_device(wanted: str) -> str:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there; raise DeviceError where it is not."""
    import torch

    if wanted == AUTO:
        return "cuda:0" if torch.cuda.is_available() else CPU
    if wanted == CPU:
        return CPU
    index, count = int(wanted.partition(":")[2] or 0), torch.cuda.device_count()
    if index >= count:
        there = f"there are {count} CUDA devices" if count else "no CUDA device is visible to torch"
        raise DeviceError("--device", f"{wanted!r} is not there: {there}", "write auto or cpu")
    return f"cuda:{index}"


def same_kind(wanted: str, resolved: str) -> list[str]:
    """Return all devices that a setting stands for: every CUDA device for `auto` and `cuda`."""
    import torch

    if wanted in (AUTO, "cuda") and resolved != CPU:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [resolved]
