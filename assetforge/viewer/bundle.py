"""Makes one classic script of our ES modules: a page that is opened from a file cannot import modules."""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r"^import (?:\{([\w\s,]+)\} from )?\"\./([\w-]+)\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE)


def classic_script(entry: str, folder: Path = STATIC) -> str:
    """Return a script that does what the module `entry`.js does, with all that it imports.

    Each module becomes a function that returns what it exports. Modules write `import { a, b } from "./name.js"`, or
    `import "./name.js"`, and `export` before a declaration, and nothing else of modules; they do not import each other
    in a circle.
    """
    done: dict[str, str] = {}
    _add(entry, folder, done, ())
    return "\n".join(['"use strict";', *done.values(), ""])


def _add(name: str, folder: Path, done: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"{name}.js: imports itself by way of {', '.join(above)}")
    if name in done:
        return
    text = (folder / f"{name}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        _add(imported[1], folder, done, (*above, name))
    done[name] = _wrapped(name, text)


def _wrapped(name: str, text: str) -> str:
    exported = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(_taken, text))
    if re.search(r"^(?:import|export)\b|\bimport\.meta\b", body, re.MULTILINE):
        raise ValueError(f"{name}.js: uses a kind of import or export that cannot be made a classic script")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();"


def _taken(found: re.Match[str]) -> str:
    """Return what takes the place of an import."""
    return f"const {{{found[1]}}} = {_variable(found[2])};\n" if found[1] else ""


def _variable(name: str) -> str:
    return f"module_{name.replace('-', '_')}"
