"""Runs the evaluation `upscale` on the files of a folder, without a command around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import torch
from assetforge_upscale._comparison import Comparison, evaluate_upscale

import assetforge as af
from assetforge.codecs.decode import decode
from assetforge.plan.candidates import of_pictures

Found = dict[tuple[str, str], dict[str, dict[str, float]]]
"""Figures by map and method, and then by material."""


def context(flags: list[str] | None = None) -> af.Context:
    told = [] if flags is None else flags
    return af.Context(0, "cpu", lambda _: None, {}, af.MAPS, flag=lambda flag: told.append(str(flag)))


def scores(material: af.Material, flags: list[str] | None = None, **params: object) -> list[af.Score]:
    with torch.no_grad():
        return list(evaluate_upscale.score(material, Comparison(**params), context(flags)))  # type: ignore[arg-type]


def materials(folder: Path, only: Collection[str], maps: Collection[str]) -> Iterator[af.Material]:
    for one in of_pictures(folder):
        if not only or one.name in only:
            files = {name: file for name, file in one.files.items() if not maps or name in maps}
            decoded = {name: decode(file.path, file.spec, file.reading).texture for name, file in files.items()}
            yield af.Material(one.name, decoded)


def evaluated(folder: Path, only: Collection[str] = (), maps: Collection[str] = (), **params: object) -> Found:
    found: Found = {}
    for material in materials(folder, only, maps):
        for score in scores(material, **params):
            found.setdefault((score.map, score.method), {})[material.name] = dict(score.figures)
    return found
