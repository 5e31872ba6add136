"""How well the shipped networks upscale what none of them was trained on, beside bicubic, RLFN and EFDN, in one run.

    PYTHONPATH=tests:plugins python tests/benchmarks/bench_upscale.py [SET ...] [--scale 4] [--network FILE ...]

Sets: `set5`, `set14`; `albedo`, of all shared materials; `game`, every eighth diffuse texture of the shared games, by
name; `data`, the data maps and normals of the materials that training does not see. Materials are halved first, which
removes the noise of their JPEG files. `ratio` is the geometric mean of errors over those of bicubic: of mean angles of
normals, of root mean squared errors of other maps; `greatest` is the worst. RLFN and EFDN are for 4 times and color.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assetforge_upscale import SHIPPED
from assetforge_upscale._comparison import FIGURES
from assetforge_upscale.training import dataset
from upscale.evaluated import materials, scores

from assetforge.cli.scores import Measured, summaries, tables
from assetforge.plan.candidates import of_pictures

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PEERS = ("team01_efdn.pth", "team04_rlfn.pth")
EVERY = 8
"""Of the textures of games, in the order of their names, the first of so many is kept out of training."""
DATA_MAPS = ("normal", "roughness", "height", "ambient_occlusion")


@dataclass(frozen=True)
class PictureSet:
    """Which maps of which materials of a folder are measured."""

    folder: str
    maps: Collection[str] = ("base_color",)
    only: Collection[str] = ()
    shrink: int = 1


def sets(data: Path) -> Mapping[str, PictureSet]:
    """Return all that is measured, by name."""
    return {
        "set5": PictureSet("sr/set5"),
        "set14": PictureSet("sr/set14"),
        "albedo": PictureSet("materials", shrink=2),
        "game": PictureSet("train", only=game_textures(data)),
        "data": PictureSet("materials", DATA_MAPS, dataset.held_out(data / "materials"), shrink=2),
    }


def game_textures(data: Path) -> frozenset[str]:
    """Name the textures of games that are kept out of training."""
    kept = set(dataset.color_files(data)[::EVERY])
    return frozenset(
        one.name for one in of_pictures(data / "train") if {file.path for file in one.files.values()} & kept
    )


def measured(data: Path, chosen: PictureSet, scale: int, networks: Mapping[str, list[str]]) -> Iterator[Measured]:
    """Measure one set."""
    for material in materials(data / chosen.folder, chosen.only, chosen.maps):
        for score in scores(material, scale=scale, shrink=chosen.shrink, **networks):
            yield Measured(material.name, score)


def networks_for(scale: int, data: Path, more: list[str]) -> Mapping[str, list[str]]:
    """Name the networks to compare for color and for data maps: what is shipped, the peers, and files of one's own."""
    peers = [str(data / "weights" / "sr" / name) for name in PEERS] if scale == 4 else []
    return {"network": [*SHIPPED["color"], *peers, *more], "data_network": [*SHIPPED["data"], *more]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", help="by default all")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--network", action="append", default=[], metavar="FILE", help="one more network")
    options = parser.parse_args()
    networks = networks_for(options.scale, options.data, options.network)
    for name, chosen in sets(options.data).items():
        if not options.sets or name in options.sets:
            print(f"{name}, x{options.scale}", flush=True)
            found = summaries(measured(options.data, chosen, options.scale, networks), FIGURES)
            print("\n".join(tables(found, FIGURES)), flush=True)


if __name__ == "__main__":
    main()
