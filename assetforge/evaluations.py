"""The contract of an evaluation: how a plugin measures what it does, on pictures that a user has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from assetforge.params import Params

if TYPE_CHECKING:
    from assetforge.material.material import Material
    from assetforge.steps import Context

P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Figure:
    """One number that is measured: a column of the table."""

    name: str
    meaning: str
    digits: int = 2
    """Behind the point, where it is printed."""
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    """Of all pictures. Ratios, of which less is better, have a geometric one, and the greatest of them is shown."""


@dataclass(frozen=True)
class Score:
    """What was measured of one method on one map of a material."""

    map: str
    method: str
    """Such as the name of a network, or of what it is compared with."""
    figures: Mapping[str, float]
    """By their names; those that say nothing of such a map are left out."""


ScoreMaterial = Callable[["Material", P, "Context"], Iterable[Score]]
"""Of a material, the parameters, and where to compute."""


@dataclass(frozen=True)
class Evaluation(Generic[P]):
    """What `assetforge eval NAME` does."""

    name: str
    params: type[P]
    figures: tuple[Figure, ...]
    score: ScoreMaterial[P]
    summary: str = ""


def evaluation(name: str, params: type[P], figures: Iterable[Figure]) -> Callable[[ScoreMaterial[P]], Evaluation[P]]:
    """Make an `Evaluation` of the decorated function of (material, params, context); its docstring says what it does.

    The function is called with one material after the other, without gradients, and gives a `Score` for each method and
    map. A map that cannot be measured is left out, and `context.flag` told why. Import what is heavy inside it.
    """
    if not name.isidentifier():
        raise ValueError(f"evaluation {name!r}: not an identifier; write 'upscale', for instance")
    if not (isinstance(params, type) and issubclass(params, Params)):
        what = "its parameters must be a class of their own, `class Measured(af.Params):`"
        raise TypeError(f"evaluation {name!r}: {what}")

    def decorate(score: ScoreMaterial[P]) -> Evaluation[P]:
        return Evaluation(name, params, tuple(figures), score, (score.__doc__ or "").strip().split("\n")[0])

    return decorate
