"""assetforge samples."""

from __future__ import annotations

from pathlib import Path

import click

from assetforge.cli.output import say


@click.command("samples")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--size", default=256, show_default=True, type=click.IntRange(32, 4096), help="Pixels to a side.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these samples.")
def command(folder: Path, size: int, only: tuple[str, ...]) -> None:
    """Write procedural sample textures.

    Each is a small tileable PBR set, DIR/NAME/NAME_MAP.png, and two photographs of it as a telephone takes them: by its
    flash, NAME_flash.jpg, and in daylight, NAME_guide.jpg. And there is a painting to take a style from,
    DIR/painting/painting.png, and DIR/downloads: the same materials as if they came from several libraries, each with
    its own names, packed files and normals.
    """
    from assetforge.samples import DOWNLOADS, PAINTING, SAMPLES, write_downloads, write_painting, write_sample

    for name in only or (*SAMPLES, PAINTING, DOWNLOADS):
        if name == PAINTING:
            files = [write_painting(folder, size)]
        else:
            files = write_downloads(folder, size) if name == DOWNLOADS else write_sample(name, folder, size)
        say(f"{folder / name}: {', '.join(file.name for file in files)}")
