"""A device that is not there, for machines without a GPU.

Its tensors compute on the CPU, but say that they are elsewhere, and refuse to meet tensors of the CPU wherever those of
a GPU would: what works here leaves no tensor behind when it moves to a GPU. The device is called "meta", a name that
every build of PyTorch knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

ELSEWHERE = "meta"


@contextmanager
def elsewhere() -> Iterator[str]:
    """Let there be the device, and give its name."""
    with _Making(), _Computing():
        yield ELSEWHERE


class _Away(Tensor):
    """A tensor that is elsewhere; `inner` is what it holds."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> _Away:
        away: _Away = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(ELSEWHERE),
        )
        away.inner = inner
        return away

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(op, args, kwargs or {})


class _Computing(TorchDispatchMode):
    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(op, args, kwargs or {})


class _Making(TorchFunctionMode):
    """Makes tensors of numbers, and numbers of tensors, which no operation is dispatched for."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.tensor and str(kwargs.get("device")) == ELSEWHERE:
            return _Away(function(*args, **{**kwargs, "device": "cpu"}))
        if function is Tensor.new_tensor and isinstance(args[0], _Away):
            return _Away(args[0].inner.new_tensor(*args[1:], **kwargs))
        if function is Tensor.tolist and isinstance(args[0], _Away):
            return args[0].inner.tolist()
        return function(*args, **kwargs)


def _compute(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    _check(op._schema.name, args, kwargs)
    known = {id(one.inner): one for one in _tensors(args, kwargs) if isinstance(one, _Away)}
    there = isinstance(args[0], _Away) if op._schema.name == "aten::copy_" else bool(known)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == ELSEWHERE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if known:
        args, kwargs = tree_map_only(_Away, _inner, (args, kwargs))
    result = op(*args, **kwargs)
    return tree_map_only(Tensor, lambda one: _away(one, known), result) if there else result


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors of an operation, of which some are in lists."""
    flat = [one for given in (*args, *kwargs.values()) for one in (given if isinstance(given, list) else [given])]
    return [one for one in flat if isinstance(one, Tensor)]


def _away(tensor: Tensor, known: dict[int, _Away]) -> _Away:
    """Say that a result is elsewhere; what was changed in place stays the same tensor."""
    return known[id(tensor)] if id(tensor) in known else _Away(tensor)


def _inner(away: _Away) -> Tensor:
    return away.inner


def _check(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise RuntimeError where a GPU would: only single numbers, copies and indices may come from the CPU."""
    tensors = _tensors(args, kwargs)
    here = [one for one in tensors if not isinstance(one, _Away) and one.dim() > 0]
    away = [one for one in tensors if isinstance(one, _Away)]
    if not (here and away) or name == "aten::copy_":
        return
    indexed = name in ("aten::index", "aten::index_put", "aten::index_put_") and isinstance(args[0], _Away)
    if not indexed or any(one is value for one in here for value in args[2:3]):
        raise RuntimeError(f"{name}: tensors on two devices")
