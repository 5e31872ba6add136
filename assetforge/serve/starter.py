"""What is served where no pipeline is named: a folder with a few pipelines to begin with, each in a folder."""

from __future__ import annotations

from pathlib import Path

from assetforge.codecs.atomic import create_atomically
from assetforge.serve.project import Place

_SHIPPED = Path(__file__).parent / "starters"


def starter_places(folder: Path) -> list[Place]:
    """Write the pipelines that are not there yet, and return all of them; those that were changed stay as they are."""
    places = []
    for shipped in sorted(_SHIPPED.glob("*.yaml")):
        file = folder / shipped.stem / "pipeline.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            create_atomically(file, shipped.read_bytes())
        place = Place(shipped.stem, file)
        place.sources.mkdir(exist_ok=True)  # to be watched from the beginning
        places.append(place)
    return places
