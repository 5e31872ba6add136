"""Materials to try the steps on, and a short way to run one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.errors import StepError
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.plugins import load

NAMES = {"albedo": "base_color", "ao": "ambient_occlusion", "metallic": "metalness"}


@dataclass
class Told:
    """What a step notes and flags."""

    notes: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def flag(self, flag: str | af.Flag) -> None:
        self.flags.append(str(flag))


def run(step_name: str, material: Material, told: Told | None = None, **params: object) -> Material:
    """Run a step as its plugin registers it."""
    registry, told = load(), told or Told()
    step = registry.steps[step_name]
    specs, note = registry.maps, told.notes.__setitem__
    context = af.Context(0, "cpu", lambda _: None, {}, specs, note=note, flag=told.flag)
    with torch.no_grad():
        return step.run(material, step.params.model_validate(params), context)


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """Expect an error that has all of these words."""
    with pytest.raises(StepError) as caught:
        yield
    for word in words:
        assert word in str(caught.value)


def numbers(
    data: torch.Tensor, name: str = "height", wrap: str = "clamp", alpha: torch.Tensor | None = None
) -> Texture:
    return Texture(data.float().contiguous(), af.MAPS[name].color_space, wrap, alpha)  # type: ignore[arg-type]


def real(data: Path, name: str, only: Collection[str] = ()) -> Material:
    """One of the real materials of the shared data, or only some of its maps."""
    folder = data / "materials" / name
    card = json.loads((folder / "material.json").read_text())
    reading = Reading(green="down" if "DirectX" in card["normal_convention"] else "up")
    maps = {NAMES.get(key, key): folder / file for key, file in card["maps"].items()}
    wanted = {key: file for key, file in maps.items() if not only or key in only}
    return Material(name, {key: decode(file, af.MAPS[key], reading).texture for key, file in wanted.items()})


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    pair = torch.stack([first.double().flatten(), second.double().flatten()])
    return torch.corrcoef(pair)[0, 1].item()
