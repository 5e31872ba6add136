"""assetforge inspect."""

from __future__ import annotations

import glob
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assetforge.cli.options import check_writable
from assetforge.cli.output import reserved_stdout, say, write_json
from assetforge.errors import FAILED, OK, UsageError, count_of, is_text, printable_name

if TYPE_CHECKING:
    from assetforge.plan.inspection import Found, Inspection

_NEVER = 2**31
"""Characters after which a name is broken into lines."""
_DIRECTIONS = {"up": "up (OpenGL)", "down": "down (DirectX)", None: "unknown"}


@click.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Write a pipeline that reads it all.")
def command(path: Path, as_json: bool, write: Path | None) -> int:
    """Tell what materials a folder holds, by the names of its files, and what is ambiguous.

    Where no name says whether the green of a normal map points up (OpenGL) or down (DirectX), that is measured. Leaves
    with 1 where something is ambiguous or cannot be read.
    """
    from assetforge.plan.inspection import inspect

    if not path.is_dir():
        raise UsageError(str(path), "is not a folder", "name the folder that holds the textures")
    if write is not None and write.exists():
        raise UsageError("--write", f"{write} is already there", "choose another name")
    check_writable("--write", write)
    with reserved_stdout() as out:
        found = inspect(path)
        if as_json:
            write_json(_data(found), out)
    if not as_json:
        _print(found)
    if write is not None:
        _write(write, path, found)
    return OK if found.is_clear else FAILED


def _data(found: Inspection) -> dict[str, Any]:
    return {"materials": [asdict(one) for one in found.materials], "unknown": dict(found.unknown)}


def _print(found: Inspection) -> None:
    for one in found.materials:
        _print_material(one)
    for path, why in found.unknown.items():
        say(f"unknown   {printable_name(path)}: {why}", color="yellow")
    doubtful = sum(bool(one.problems) for one in found.materials)
    many = count_of(len(found.materials), "material")
    say(f"{many}, {doubtful} of them ambiguous or broken, {count_of(len(found.unknown), 'unknown file')}")


def _print_material(one: Found) -> None:
    say(f"material  {printable_name(one.name)}: {', '.join(one.maps)}")
    for file in one.files:
        shown = f"{file.size}, {file.bits} bits" if file.size else "cannot be read"
        say(f"  {printable_name(file.path)}: {file.gives} (by the word {file.word!r}; {shown})")
    if one.normal is not None:
        say(f"  green points {_DIRECTIONS[one.normal.green]}: {one.normal.why}")
    for problem in one.problems:
        say(f"  ambiguous: {problem}", color="yellow")


def _write(file: Path, folder: Path, found: Inspection) -> None:
    from assetforge.codecs.atomic import write_atomically

    write_atomically(file, pipeline_text(file, folder, found).encode())
    say(f"wrote {file}; `assetforge check {file}` checks it", err=True)


def pipeline_text(file: Path, folder: Path, found: Inspection) -> str:
    """Return a pipeline that reads a folder, with what was measured written out, and what could not be as comments."""
    from assetforge.plan.inspection import unmeasured

    lines = [
        "version: 1",
        f"sources: {_quoted(_relative(folder, file.absolute().parent))}",
        "inputs:",
        "  auto:",
        '    files: "**"',
    ]
    known = {name: green for name, green in found.greens.items() if is_text(name)}
    open_ones = list(filter(is_text, unmeasured(found)))
    if known or open_ones:
        lines.append("    green:" if known else "    # green:")
        lines += [f"      {_quoted(glob.escape(name))}: {green}   # measured" for name, green in known.items()]
        lines += [f"      # {_quoted(glob.escape(name))}: up   # or down: could not be told" for name in open_ones]
    lines += ["steps: []   # `assetforge steps` lists them", "outputs:", '  dir: "build/{folder}"']
    return "\n".join(lines) + "\n"


def _relative(folder: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(folder, start)).as_posix()
    except ValueError:  # another drive
        return folder.absolute().as_posix()


def _quoted(text: str) -> str:
    import yaml

    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=_NEVER).strip()
