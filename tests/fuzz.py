"""Fuzz all that is read of files: pictures of every format, and every kind of text.

    PYTHONPATH=tests python tests/fuzz.py --inputs 200000 --processes 2

Inputs are small whole files that were changed: bits, numbers, pieces taken out, doubled, or taken from others. Each
input follows from its number, so that a finding can be repeated (`--first NUMBER --inputs 1`). A process reads one
after the other under the limits of a worker; that it dies, hangs, takes too long, or raises what no caller expects
is a finding.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import multiprocessing
import os
import random
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import tifffile
import torch
from odd_files import Bmp, Psd, bmp_rows, matrix_profile
from PIL import Image, ImageCms
from safetensors.numpy import save as save_safetensors

import assetforge.plugins
from assetforge.codecs import exif, icc
from assetforge.codecs.allowance import Limits
from assetforge.codecs.completeness import end_of
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import COMPRESSED, GPU, HOLDS, Format
from assetforge.codecs.raster import FormatError
from assetforge.codecs.reading import Reading
from assetforge.codecs.transparency import has_transparency
from assetforge.errors import AssetForgeError
from assetforge.execute import map_io
from assetforge.execute.memory import reading
from assetforge.execute.publish import RefusedError, recover
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.pipeline.load import load as load_pipeline
from assetforge.pipeline.load import read_document, special_variants
from assetforge.store.json_text import parse
from assetforge.weights import files as weight_files

SLOW = 5.0
"""Seconds that an input may take."""
_PIPELINE = """\
version: 1
sources: textures
inputs:
  base_color: "{name}_d.png"
  normal: {files: "{name}_n.png?", green: down}
steps:
  - use: upscale
    with: {scale: 2, method: lanczos}
    resources: {memory: 2 GiB, time_limit: 10}
variants: {seed: [1, 2], upscale.scale: [2, 4]}
outputs: {dir: "build/{name}", format: {default: png16, normal: exr}, effort: 3}
limits: {pixels: 1000000, memory: 2 GiB}
profiles: {preview: {scale: 2}}
watch: {order: newest, on_done: {run: [python, tell.py]}}
"""


@dataclass(frozen=True)
class Seed:
    """A whole file, and what is done with the likes of it."""

    name: str
    content: bytes
    look: Callable[[Path, random.Random], None]


def corpus() -> list[Seed]:
    """Make the files that inputs are made of."""
    pictures = [Seed(name, content, look_at_picture) for name, content in _pictures()]
    return [*pictures, *_texts()]


def _pictures() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    for container, depths in HOLDS.items():
        for depth in depths:
            for name in ("base_color", "height"):
                spec = MAPS[name]
                data = torch.from_numpy(rng.random((spec.channels, 20, 28), np.float32))
                texture = Texture(data, spec.color_space)
                with suppress(ValueError):  # HDR has no gray
                    yield f"{name}.{container}", encode({name: (texture, spec)}, Format(container, depth), "up")
    yield from _compressed(rng)
    rgba = rng.integers(0, 256, (24, 32, 4), np.uint8)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
        picture = _in_mode(rgba, mode)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        tags = Image.Exif()
        tags[0x0112], tags[0x010F] = 6, "maker"
        for kind, options in _WRITERS:
            if mode not in _OF_TIFF.get(str(options.get("compression")), (mode,)):
                continue
            with suppress(OSError, KeyError, ValueError):
                file = io.BytesIO()
                picture.save(file, kind, **options)
                yield f"{mode} {options}.{kind.lower()}", file.getvalue()
            with suppress(OSError, KeyError, ValueError):
                file = io.BytesIO()
                picture.save(file, kind, icc_profile=profile, exif=tags, **options)
                yield f"{mode} {options} with more.{kind.lower()}", file.getvalue()
    yield from _tiffs(rng)
    yield from _exrs(rng)
    yield from _by_hand(rng)
    for kind in (".hdr", ".exr", ".jpg", ".png"):
        pixels = rgba[:, :, :3]
        with suppress(cv2.error):  # not every OpenCV writes OpenEXR
            light = pixels.astype(np.float32) / 255
            yield f"opencv{kind}", cv2.imencode(kind, light if kind in (".hdr", ".exr") else pixels)[1].tobytes()


def _compressed(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for container in GPU:
        for compression in COMPRESSED:
            for name in ("base_color", "normal", "height"):
                spec = MAPS[name]
                texture = Texture(torch.from_numpy(rng.random((spec.channels, 18, 22), np.float32)), spec.color_space)
                output_format = Format(container, compression=compression).resolve(None, spec)
                with suppress(ValueError):  # each compression holds some maps
                    yield f"{compression}.{container}", encode({name: (texture, spec)}, output_format, "up")


_WRITERS: tuple[tuple[str, dict[str, object]], ...] = (
    ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"subsampling": 2, "quality": 30}),
    ("WebP", {"lossless": True}), ("WebP", {"quality": 40}),
    ("WebP", {"save_all": True, "append_images": [Image.new("RGB", (32, 24))]}),
    ("PNG", {"save_all": True, "append_images": [Image.new("RGB", (32, 24))]}),
    ("DDS", {}), ("DDS", {"pixel_format": "DXT1"}), ("DDS", {"pixel_format": "DXT5"}),
    ("TGA", {}), ("TGA", {"compression": "tga_rle"}), ("BMP", {}), ("GIF", {}),
    ("TIFF", {"compression": "group4"}), ("TIFF", {"compression": "jpeg"}), ("TIFF", {"compression": "packbits"}),
)  # fmt: skip


_OF_TIFF = {"group4": ("1",), "jpeg": ("L", "RGB", "CMYK")}


def _in_mode(rgba: np.ndarray, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(rgba[:, :, 0].astype(np.uint16) * 257)
    return Image.fromarray(rgba).convert("RGB" if mode in ("CMYK", "P") else "RGBA").convert(mode)


def _tiffs(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for compression in ("none", "zlib", "lzw", "zstd", "lzma", "packbits", "jpeg"):
        for kind in (np.uint8, np.uint16, np.float32):
            for tile in (None, (16, 16)):
                for channels in (1, 3, 4):
                    pixels = rng.integers(0, 255, (32, 32, channels)).astype(kind)
                    file = io.BytesIO()
                    with suppress(ValueError, TypeError):
                        tifffile.imwrite(
                            file, pixels[:, :, 0] if channels == 1 else pixels, compression=compression, tile=tile,
                            photometric="rgb" if channels > 1 else "minisblack", metadata=None,
                        )  # fmt: skip
                        yield f"{compression} {pixels.dtype} {tile} {channels}.tif", file.getvalue()


def _exrs(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "a.exr")
        for compression in ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB"):
            for kind in (np.float16, np.float32):
                for names in ("RGB", "RGBA", "Y", ("left.R", "left.G", "left.B", "Z")):
                    channels = {name: rng.random((20, 28)).astype(kind) for name in names}
                    header = {
                        "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"),
                        "type": OpenEXR.scanlineimage,
                    }
                    OpenEXR.File(header, channels).write(file)
                    yield f"{compression} {np.dtype(kind)} {len(names)}.exr", Path(file).read_bytes()


def _by_hand(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    rows = rng.integers(0, 256, (12, 48), np.uint8)
    yield "24 bits.bmp", Bmp((16, 12), 24, bmp_rows(rows)).content
    yield "masks.bmp", Bmp((12, 12), 32, bmp_rows(rows), 3, 108, masks=(255 << 16, 255 << 8, 255, 255 << 24)).content
    yield "palette.bmp", Bmp((48, 12), 8, bmp_rows(rows), palette=bytes(1024), colors=256).content
    profile = matrix_profile(2.2, [(0.43, 0.22, 0.01), (0.38, 0.71, 0.09), (0.14, 0.06, 0.71)])
    yield "profile.bmp", Bmp((16, 12), 24, bmp_rows(rows), header=124, profile=profile).content
    for depth in (np.uint8, np.uint16, np.float32):
        for packed in (True, False):
            for large in (True, False):
                planes = rng.integers(0, 255, (3, 12, 16)).astype(depth)
                yield f"{planes.dtype} {packed} {large}.psd", Psd(planes, packed=packed, large=large).content


def _texts() -> Iterator[Seed]:
    texture = {"height": Texture(torch.rand(1, 4, 4), ColorSpace.NONE)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.safetensors"
        map_io.save_maps(file, texture, "16")
        maps = file.read_bytes()
    weights = save_safetensors({"one.weight": np.ones((2, 3), np.float32), "one.bias": np.ones(2, np.float32)})
    matrix = matrix_profile(2.2, [(0.43, 0.22, 0.01), (0.38, 0.71, 0.09), (0.14, 0.06, 0.71)])
    table = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = Image.Exif()
    tags[0x829A], tags[0x9202], tags[0x0112] = 0.01, 4.0, 3
    journal = {"root": "build", "moves": [["a.png", "b.png"]], "renaming": True}
    notes = {"notes": {"cut": {"height": 0.5}, "upscale": [1, None, "x"]}, "flags": ["a", "b"]}
    for _ in range(6):  # as many of each as there are of a format of pictures
        yield Seed("pipeline", _PIPELINE.encode(), look_at_pipeline)
        yield Seed("override", b"scale: 4\nupscale: {method: lanczos}\nseed: 7\n", look_at_override)
        yield Seed("journal", json.dumps(journal).encode(), look_at_journal)
        yield Seed("notes", json.dumps(notes).encode(), look_at_json)
        yield Seed("maps", maps, look_at_maps)
        yield Seed("weights", weights, look_at_weights)
        yield Seed("matrix profile", matrix, look_at_profile)
        yield Seed("Lab profile", table, look_at_profile)
        yield Seed("sRGB profile", srgb, look_at_profile)
        yield Seed("EXIF", tags.tobytes(), look_at_exif)


def look_at_picture(path: Path, draw: random.Random) -> None:
    name = draw.choice(("base_color", "base_color", "normal", "height", "id", "photo", "opacity"))
    how = Reading(
        draw.choice(("up", "down")),
        draw.choice((None, None, None, "r", "a", "rgb")),
        profile=draw.choice(("embedded", "srgb")),
    )
    with suppress(OSError):
        end_of(path)
    with suppress(AssetForgeError):
        decode(path, MAPS.get(name, MAPS["height"]), how)
    with suppress(AssetForgeError):
        has_transparency(path)


_REGISTRY: list[assetforge.plugins.Registry] = []


def _registry() -> assetforge.plugins.Registry:
    if not _REGISTRY:
        _REGISTRY.append(assetforge.plugins.load())
    return _REGISTRY[0]


def look_at_pipeline(path: Path, draw: random.Random) -> None:
    definitions = draw.choice(((), ("scale=4",), ("outputs.dir=out", "seed=3"), ("upscale.scale=x",)))
    with suppress(AssetForgeError):
        load_pipeline(read_document(path), _registry(), definitions, draw.choice(("", "", "preview")))


def look_at_override(path: Path, _: random.Random) -> None:
    whole = path.with_name("pipeline.yaml")
    whole.write_text(_PIPELINE)
    with suppress(AssetForgeError):
        special_variants(load_pipeline(read_document(whole), _registry()), _registry(), [path])


def look_at_journal(path: Path, _: random.Random) -> None:
    with suppress(RefusedError, OSError):
        recover(path, path.parent / "build")


def look_at_json(path: Path, _: random.Random) -> None:
    with suppress(ValueError):
        parse(dict[str, object], path.read_bytes())


def look_at_maps(path: Path, _: random.Random) -> None:
    map_io.load_maps(path)


def look_at_weights(path: Path, _: random.Random) -> None:
    for ask in (weight_files.shapes, weight_files.load, weight_files.license_of):
        with suppress(AssetForgeError):
            ask(path)


def look_at_profile(path: Path, draw: random.Random) -> None:
    profile = path.read_bytes()
    with suppress(FormatError):
        icc.parse(profile)
    with suppress(FormatError):
        icc.through_tables(np.zeros((2, 2, 3), np.uint8), profile)
    with suppress(FormatError):
        icc.inks_to_srgb(np.zeros((2, 2, 4), np.uint8), profile, draw.choice(("embedded", "srgb")))


def look_at_exif(path: Path, _: random.Random) -> None:
    tags = exif.load(path.read_bytes())
    exif.orientation_in(tags)
    exif.camera_of(exif.shot_in(tags))


_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)
_WORDS = (
    b"[" * 50, b"&a [*a]", b"1e999", b"nan", b"0x" + b"f" * 60, b"\0", b"\xff\xfe", b"..", b"/etc/passwd", b"{", b"~",
    b": ", b"- ", b"!!python/object:os.system", b"{name}{name}", b"\n\n", b"999999999999999999999",
)  # fmt: skip
Change = Callable[[bytearray, int, Sequence[bytes], random.Random], None]


def _other_byte(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    made[at : at + 1] = bytes([draw.randrange(256)])


def _other_bit(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    if made:
        made[at % len(made)] ^= 1 << draw.randrange(8)


def _number(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    size, value = draw.choice((1, 2, 4, 8)), draw.choice(_NUMBERS)
    content = (value % 256**size).to_bytes(size, "little")
    made[at : at + size] = draw.choice((content, content[::-1]))


def _cut_off(made: bytearray, at: int, _: Sequence[bytes], __: random.Random) -> None:
    del made[at:]


def _taken_out(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    del made[at : at + draw.randrange(1, 64)]


def _repeated(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    made[at:at] = made[at : at + draw.randrange(1, 200)] * draw.choice((1, 1, 2, 50))


def _of_another(made: bytearray, at: int, others: Sequence[bytes], draw: random.Random) -> None:
    other = draw.choice(others)
    start = draw.randrange(len(other) or 1)
    made[at : at + draw.choice((0, 64))] = other[start : start + draw.randrange(1, 256)]


def _emptied(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    made[at : at + draw.randrange(1, 64)] = bytes(draw.randrange(1, 64))


def _word(made: bytearray, at: int, _: Sequence[bytes], draw: random.Random) -> None:
    made[at:at] = draw.choice(_WORDS)


_CHANGES: tuple[Change, ...] = (
    _other_byte, _other_bit, _number, _cut_off, _taken_out, _repeated, _of_another, _emptied, _word,
)  # fmt: skip


def changed(content: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """Return a file with some changes; what stands at its beginning decides most."""
    made = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 1, 2, 5))):
        at = draw.randrange(min(len(made), draw.choice((64, 256, 1 << 20, 1 << 20))) or 1)
        draw.choice(_CHANGES)(made, at, others, draw)
    return _summed(bytes(made)) if made.startswith(b"\x89PNG") and draw.random() < 0.7 else bytes(made)


def _summed(content: bytes) -> bytes:
    """Return a PNG with the check sums that it should have, so that what was changed is looked at."""
    made, at = bytearray(content), 8
    while at + 12 <= len(made):
        (size,) = struct.unpack(">I", made[at : at + 4])
        if at + 12 + size > len(made):
            break
        made[at + 8 + size : at + 12 + size] = struct.pack(">I", zlib.crc32(made[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(made)


def input_of(number: int, seeds: Sequence[Seed]) -> tuple[Seed, bytes, random.Random]:
    """Return the seed and the content of an input, and what else is drawn for it."""
    draw = random.Random(number)
    seed = seeds[number % len(seeds)]
    return seed, changed(seed.content, [one.content for one in seeds], draw), draw


def _read(numbers: range, answers: Connection, seeds_of: Callable[[], list[Seed]]) -> None:
    """Read inputs one after the other; tell the number of each before, and what was wrong after."""
    faulthandler.enable()
    torch.set_num_threads(1)
    seeds = seeds_of()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for number in numbers:
            seed, content, draw = input_of(number, seeds)
            path = Path(folder) / f"a_d.{seed.name.rsplit('.', 1)[-1] if '.' in seed.name else 'yaml'}"
            path.write_bytes(content)
            answers.send((number, None))
            began = time.process_time()  # a busy machine is no finding; what waits for ever is found by the other end
            try:
                with reading(Limits(), path) if seed.look is look_at_picture else nullcontext():
                    seed.look(path, draw)
            except BaseException:  # noqa: BLE001  whatever it is, it is a finding
                answers.send((number, f"{seed.name}: {traceback.format_exc()}"))
            if (took := time.process_time() - began) > SLOW:
                answers.send((number, f"{seed.name}: took {took:.1f} s"))
    answers.send((None, None))


def fuzz(numbers: range, seeds_of: Callable[[], list[Seed]] = corpus) -> Iterator[tuple[int, str]]:
    """Read inputs in a process of its own, which is begun anew where it ends or hangs; give what was found."""
    context = multiprocessing.get_context("spawn")
    while numbers:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_read, args=(numbers, theirs, seeds_of))
        process.start()
        theirs.close()
        number: int | None = numbers.start
        first = True
        try:
            while number is not None:
                if not ours.poll(60 if first else 4 * SLOW):
                    yield number, "hung"
                    break
                told, finding = ours.recv()
                first = False
                number = told
                if finding is not None and number is not None:
                    yield number, finding
        except EOFError:
            process.join()
            if number is not None:
                yield number, f"ended by {process.exitcode}"
        process.kill()
        process.join()
        if number is None:
            return
        numbers = range(number + 1, numbers.stop)


def _found(numbers: range) -> list[tuple[int, str]]:
    found = []
    for finding in fuzz(numbers):
        print(*finding, sep=": ", flush=True)
        found.append(finding)
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began, share = time.monotonic(), -(-options.inputs // options.processes)
    end = options.first + options.inputs
    parts = [range(at, min(at + share, end)) for at in range(options.first, end, share)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(options.processes) as pool:
        found = [one for some in pool.map(_found, parts) for one in some]
    print(f"{options.inputs} inputs of {len(corpus())} files, {len(found)} findings, {time.monotonic() - began:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
