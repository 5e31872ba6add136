"""Run one step as a pipeline does, without plan, store and worker processes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch

from assetforge import weights
from assetforge.flags import Flag
from assetforge.hookspecs import RegisterMap
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.params import Params
from assetforge.samples import make_sample
from assetforge.steps import JSON, Context, Step


@dataclass(frozen=True)
class StepResult:
    """What a step made of a material, and what it told of that."""

    material: Material
    """The material after the step: maps that the step does not write are those from before it."""
    written: frozenset[str]
    """Names of the maps that the step wrote."""
    notes: Mapping[str, JSON]
    flags: tuple[Flag, ...]
    specs: Mapping[str, MapSpec]
    """What each map is that the step read or wrote."""


def sample(name: str = "brick", size: int = 64) -> Material:
    """Make a procedural material, `size` pixels to a side, all of whose maps tile.

    name: brick, fabric, metal, stone or wood. Raises UsageError where there is none of that name.
    """
    return make_sample(name, size)


def run_step(
    step: Step[Any],
    material: Material,
    params: Params | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    tile_divisor: int = 1,
) -> StepResult:
    """Run a step as a pipeline does: it is given the maps that it reads, and gives those that it declares to write.

    Words that its plugin adds to the vocabulary are known, and its weights are found. params: the defaults if None.
    What the step raises is raised here. Raises AssertionError where a map that it reads is not in the material, where
    it changes its input in place, or where what it returns is not what it declares.
    """
    params = step.params() if params is None else params
    plugin = _plugin_of(step)
    specs = {**MAPS, **_added_maps(plugin)}
    there = {name: specs[name] for name in material}
    reads, writes = step.reads_with(params, there), step.writes_with(params, there)
    for names, does in ((reads - material.keys(), "reads"), (writes - specs.keys(), "writes")):
        assert not names, f"step {step.name!r} {does} {sorted(names)}, which nothing gives and no plugin registers"
    notes: dict[str, JSON] = {}
    flags: list[Flag] = []
    context = Context(
        seed=seed,
        device=device,
        progress=lambda _: None,
        weights={name: weights.find(name, _folder(plugin)) for name in step.weights_of(params)},
        specs={name: specs[name] for name in reads | writes},
        tile_divisor=tile_divisor,
        note=notes.__setitem__,
        flag=lambda flag: flags.append(flag if isinstance(flag, Flag) else Flag(flag)),
    )
    given = material.only(*sorted(reads))
    before = {name: _copy(texture) for name, texture in given.items()}
    with torch.no_grad():
        result: object = step.run(given, params, context)
    assert isinstance(result, Material), f"step {step.name!r} returned a {type(result).__name__}, not a Material"
    for name, texture in before.items():
        assert same_pixels(texture, given[name]), f"step {step.name!r} changed its input {name!r} in place"
    written = {name: _written(step, result, specs[name]) for name in sorted(writes)}
    _check_undeclared(step, given, result, writes)
    return StepResult(material.replace(**written), writes, notes, tuple(flags), context.specs)


def same_pixels(one: Texture, other: Texture) -> bool:
    """Tell whether two textures have the same pixels and alpha, to the bit."""
    if (one.alpha is None) != (other.alpha is None) or one.data.shape != other.data.shape:
        return False
    alike = one.alpha is None or other.alpha is None or torch.equal(one.alpha, other.alpha)
    return alike and torch.equal(one.data, other.data)


def _copy(texture: Texture) -> Texture:
    alpha = None if texture.alpha is None else texture.alpha.clone()
    return Texture(texture.data.clone(), texture.color_space, texture.wrap, alpha, texture.camera)


def _written(step: Step[Any], result: Material, spec: MapSpec) -> Texture:
    """Return one map of a result; raise AssertionError where it is missing, or not what its word says."""
    assert spec.name in result, f"step {step.name!r} declares to write {spec.name!r}, and returned {sorted(result)}"
    texture = result[spec.name].to("cpu")
    try:
        check_map(texture, spec)
    except ValueError as error:
        raise AssertionError(f"step {step.name!r}: {error}") from error
    for pixels in (texture.data, texture.alpha):
        finite = pixels is None or bool(pixels.isfinite().all())
        assert finite, f"step {step.name!r} wrote values into {spec.name!r} that are not finite"
    return texture


def _check_undeclared(step: Step[Any], given: Material, result: Material, writes: frozenset[str]) -> None:
    """Refuse work that a pipeline would throw away: maps that are new or changed, and that nobody declared."""
    lost = [
        name
        for name, texture in result.items()
        if name not in writes and not (name in given and same_pixels(texture, given[name]))
    ]
    assert not lost, f"step {step.name!r} wrote {sorted(lost)}, which it does not declare; pipelines drop that"


def _plugin_of(step: Step[Any]) -> ModuleType:
    """Return the module, or the top package, that a step's function stands in."""
    return sys.modules[step.run.__module__.split(".")[0]]


def _folder(plugin: ModuleType) -> Path:
    return Path(cast("str", plugin.__file__)).parent


def _added_maps(plugin: ModuleType) -> dict[str, MapSpec]:
    """Return the words that a plugin adds to the vocabulary of maps."""
    added: dict[str, MapSpec] = {}
    hook = getattr(plugin, "register_maps", None)
    if hook is not None:
        register: RegisterMap = lambda spec: added.__setitem__(spec.name, spec)  # noqa: E731  typed
        hook(register=register)
    return added
