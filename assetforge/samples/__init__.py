"""Procedural sample materials: small, tileable, ours to ship. They stand in for a studio's textures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from assetforge.codecs.atomic import write_atomically
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import Format
from assetforge.errors import UsageError, did_you_mean
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.threads import one_thread
from assetforge.samples.brick import brick
from assetforge.samples.downloads import downloaded
from assetforge.samples.fabric import fabric
from assetforge.samples.metal import metal
from assetforge.samples.painting import painting
from assetforge.samples.photographs import FLASH, GUIDE, as_jpeg, photographs
from assetforge.samples.stone import stone
from assetforge.samples.wood import wood

SAMPLES: Mapping[str, Callable[[int], Material]] = {
    "brick": brick,
    "fabric": fabric,
    "metal": metal,
    "stone": stone,
    "wood": wood,
}
PAINTING = "painting"
DOWNLOADS = "downloads"
DEEP = ("normal", "height")
"""Maps that are written with 16 bits."""


def make_sample(name: str, size: int = 256) -> Material:
    """Make a sample, `size` pixels to a side; raise UsageError where there is none of that name."""
    if name not in SAMPLES:
        raise UsageError("samples", f"there is no sample {name!r}", did_you_mean(name, (*SAMPLES, PAINTING, DOWNLOADS)))
    with one_thread():
        return SAMPLES[name](size)


def write_painting(folder: Path, size: int = 256) -> Path:
    """Write a painting to take a style from, FOLDER/painting/painting.png, and return the file."""
    with one_thread():
        texture = Texture(painting(size), ColorSpace.LIN_REC709, "repeat")
    file = folder / PAINTING / f"{PAINTING}.png"
    write_atomically(file, encode({"base_color": (texture, MAPS["base_color"])}, Format("png", "8")))
    return file


def write_downloads(folder: Path, size: int = 256) -> list[Path]:
    """Write all samples as several libraries would, FOLDER/downloads/NAME/FILE.png, and return the files."""
    files = []
    for name in SAMPLES:
        for file, content in downloaded(name, make_sample(name, size)):
            files.append(folder / DOWNLOADS / name / file)
            write_atomically(files[-1], content)
    return files


def write_sample(name: str, folder: Path, size: int = 256) -> list[Path]:
    """Write the maps of a sample as FOLDER/NAME/NAME_MAP.png, and two photographs of it, and return the files.

    The photographs, NAME_flash.jpg and NAME_guide.jpg, are as high as the maps and half as wide again.
    """
    files = []
    sample = make_sample(name, size)
    for map_name, texture in sample.items():
        spec = MAPS[map_name]
        content = encode({map_name: (texture, spec)}, Format("png", "16" if map_name in DEEP else "8"))
        files.append(folder / name / f"{name}_{map_name}.png")
        write_atomically(files[-1], content)
    taken = photographs(sample, (size, size * 3 // 2), sum(name.encode()))
    for which, photo, camera in (("flash", taken.flash, FLASH), ("guide", taken.guide, GUIDE)):
        files.append(folder / name / f"{name}_{which}.jpg")
        write_atomically(files[-1], as_jpeg(photo, camera))
    return files
