"""The contract of a step: what it reads and writes, its parameters, and the function that does it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from assetforge.errors import blamed_on
from assetforge.flags import Flag
from assetforge.material.map_spec import MapKind, MapSpec
from assetforge.params import Params

if TYPE_CHECKING:
    from assetforge.material.material import Material

P = TypeVar("P", bound=Params)

MapRule = Literal["every map", "every color map", "every photo"]
MapNames = frozenset[str] | MapRule
RunFunction = Callable[["Material", P, "Context"], "Material"]

_KINDS: Mapping[MapRule, frozenset[MapKind]] = {
    "every map": frozenset({"color", "data", "vector", "id"}),
    "every color map": frozenset({"color"}),
    "every photo": frozenset({"photo"}),
}
RULES: tuple[MapRule, ...] = tuple(_KINDS)
JSON = Any
"""Whatever JSON can hold: numbers that are finite, words, lists and mappings."""


def _to_nobody(*_: object) -> None:
    """Stands in for whom a step tells something where nobody listens, as in a plugin's own tests."""


def _nothing(_: Params) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Context:
    """What a step may know besides its inputs: what is in the key, and where to run."""

    seed: int
    device: str
    """Where to compute, as torch spells it; it may change a result by rounding only. Maps come and go in host memory:
    a step moves what it needs, tile by tile, as large ones do not fit a GPU."""
    progress: Callable[[float], None]
    """Tell how much is done, 0 to 1."""
    weights: Mapping[str, Path]
    """Files of the weights that the step declared, verified."""
    specs: Mapping[str, MapSpec]
    """What each map that the step reads or writes is, plugins' words included."""
    tile_divisor: int = 1
    """Divide the side of tiles by this: more than 1 after the device has run out of memory."""
    note: Callable[[str, JSON], None] = _to_nobody
    """Note what was measured of the result, under a name. It belongs to the result: reports show it, and they do where
    the result is not computed again but comes from the store."""
    flag: Callable[[str | Flag], None] = _to_nobody
    """Say why a result that is whole is doubtful: in words, or with severity, map, value and threshold as a `Flag`. It
    is kept and shown as notes are, and fails nothing."""


@dataclass(frozen=True)
class Resources:
    """What a step needs of the machine. It says when and where the step runs, and never changes a result."""

    device: Literal["any", "cpu"] = "any"
    memory: int = 0
    """Bytes of host memory beyond what any step may take; steps that would not fit together wait for each other."""
    time_limit: float = 3600.0
    """Seconds after which the step is treated as hung."""


@dataclass(frozen=True)
class Step(Generic[P]):
    """One operation that a plugin registers. It returns a whole result or raises."""

    name: str
    run: RunFunction[P]
    params: type[P]
    reads: MapNames | Callable[[P], Iterable[str]]
    writes: MapNames
    weights: Callable[[P], tuple[str, ...]]
    resources: Resources = Resources()
    version: int = 1
    summary: str = ""
    on_demand: Callable[[P], Iterable[str]] = _nothing
    """Names the maps that it writes beyond `writes`, because its parameters ask for them."""

    @property
    def writes_on_demand(self) -> bool:
        """Whether its parameters may ask for more maps."""
        return self.on_demand is not _nothing

    @property
    def only_checks(self) -> bool:
        """Whether it writes no map ever: it is there to look at maps, and to fail or flag."""
        return self.writes == frozenset() and not self.writes_on_demand

    def reads_with(self, params: Params, available: Mapping[str, MapSpec]) -> frozenset[str]:
        """Return the names of the maps that it reads with these parameters, given the material's maps."""
        if not callable(self.reads):
            return select(self.reads, available)
        with self._blamed("reads"):
            told = self.reads(cast(P, params))
            names = _names(told if isinstance(told, str) else _strings(told))
        return select(names, available)

    def writes_with(self, params: Params, available: Mapping[str, MapSpec]) -> frozenset[str]:
        """Return the names of the maps that it writes with these parameters, given the material's maps."""
        return select(self.writes, available) | frozenset(self._told("on_demand", self.on_demand, params))

    def weights_of(self, params: Params) -> tuple[str, ...]:
        """Return the names of the weights that these parameters need."""
        return self._told("weights", self.weights, params)

    def _told(self, role: str, function: Callable[[P], Iterable[str]], params: Params) -> tuple[str, ...]:
        """Return the names that a function of the plugin gives; raise PluginError where it does not."""
        with self._blamed(role):
            return _strings(function(cast(P, params)))

    def _blamed(self, role: str) -> AbstractContextManager[None]:
        return blamed_on(f"step {self.name!r}", f"its function `{role}`")


def step(  # noqa: PLR0913  as many as a step has sides
    name: str,
    params: type[P],
    *,
    reads: Iterable[str] | MapRule | Callable[[P], Iterable[str]],
    writes: Iterable[str] | MapRule,
    on_demand: Callable[[P], Iterable[str]] = _nothing,
    weights: Callable[[P], tuple[str, ...]] | Iterable[str] = (),
    resources: Resources = Resources(),
    version: int = 1,
) -> Callable[[RunFunction[P]], Step[P]]:
    """Make a `Step` of the decorated function.

    reads, writes: map names, or "every map", "every color map" or "every photo" of the material. The function is given
    the maps that it reads and no other; those that it does not write pass by untouched. Photographs that a material is
    made of are no maps of it: only "every photo" and their names mean them. `reads` may be a function of the parameters
    that returns one of these, where they tell which maps are needed. A step that writes nothing checks what it reads:
    it runs before anything is written, and what it returns is not looked at.
    on_demand: a function of the parameters that returns the names of further maps, which only these have it write.
    weights: names of files in the plugin's `weights` folder, or a function of the parameters that returns them.
    resources: what the step needs of the machine; a pipeline may say it otherwise.
    version: raise it when the output changes for a reason that the plugin's code does not show.
    """
    if not name.isidentifier():
        raise ValueError(f"step {name!r}: not an identifier; write 'bake_occlusion', for instance")
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise TypeError(f"step {name!r}: its parameters must be a class of their own, `class Params(af.Params):`")
    names = weights if callable(weights) else _always(tuple(weights))

    def decorate(run: RunFunction[P]) -> Step[P]:
        _check_signature(name, run)
        summary = (run.__doc__ or "").strip().split("\n")[0]
        read = reads if callable(reads) else _names(reads)
        return Step(name, run, params, read, _names(writes), names, resources, version, summary, on_demand)

    return decorate


def _check_signature(name: str, run: Callable[..., object]) -> None:
    try:
        inspect.signature(run).bind("material", "params", "context")
    except TypeError as error:
        what = f"its function must take three values (material, params, context): {error}"
        raise TypeError(f"step {name!r}: {what}") from error


def _always(names: tuple[str, ...]) -> Callable[[P], tuple[str, ...]]:
    return lambda _: names


def _strings(given: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a plugin gives; raise TypeError where they are none."""
    names = (given,) if isinstance(given, str) else tuple(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"it gives {given!r}; it must give names, such as ['height']")
    return names


def _names(maps: Iterable[str] | MapRule) -> MapNames:
    if not isinstance(maps, str):
        return frozenset(maps)
    if maps not in RULES:
        raise ValueError(f"maps {maps!r}: not a rule; write a set of names, or one of {', '.join(map(repr, RULES))}")
    return maps


def select(names: MapNames, available: Mapping[str, MapSpec]) -> frozenset[str]:
    """Return the map names that a rule stands for, given the material's maps."""
    if not isinstance(names, str):
        return names
    kinds = _KINDS[names]
    return frozenset(name for name, spec in available.items() if spec.kind in kinds)
