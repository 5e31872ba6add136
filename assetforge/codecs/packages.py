"""Optional packages, and what to install where one is missing. Imports nothing heavy: pipelines are checked with it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from assetforge.codecs.formats import Format, unsuited
from assetforge.material.map_spec import MapSpec

_PACKAGES = {
    "pillow_heif": ("pillow-heif", "photos"),
    "rawpy": ("rawpy", "photos"),
    "astc_encoder": ("astc-encoder-py", "mobile"),
    "etcpak": ("etcpak", "mobile"),
    "texture2ddecoder": ("texture2ddecoder", "mobile"),
}
"""The package that has each module, and the extra that installs it."""


def library(module: str) -> Any:
    """Import a module of these; raise ImportError, which says what to install, where that fails."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(_needed(module)) from error


def not_written(spec: MapSpec, output_format: Format) -> str:
    """Say why a map is not written in a format here, and what to do; "" where it is. See `unsuited`."""
    missing = [_needed(module) for module in output_format.modules if find_spec(module) is None]
    return unsuited(spec, output_format) or next((f"{output_format.name} {needed}" for needed in missing), "")


def _needed(module: str) -> str:
    package, extra = _PACKAGES[module]
    return f"needs the package {package}; run `pip install 'assetforge[{extra}]'`"
