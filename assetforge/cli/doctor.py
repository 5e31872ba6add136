"""assetforge doctor."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from assetforge import weights
from assetforge.cli.output import say
from assetforge.errors import PluginError
from assetforge.plugins import load as load_plugins

PACKAGES = ("assetforge", "torch", "numpy", "opencv-python-headless", "OpenEXR", "pillow", "tifffile", "safetensors")


@click.command("doctor")
def command() -> int:
    """Tell the device, versions, weights and what is missing."""
    problems = [*_versions(), *_device()]
    registry = load_plugins(Path.cwd())
    for plugin in registry.plugins.values():
        problems += _weights(plugin.name, plugin.folder / weights.FOLDER)
    problems += _weights("assetforge", weights.SHIPPED)
    problems += _weights("user", weights.user_folder())
    problems += [str(problem) for problem in registry.broken]
    for problem in problems:
        say(f"missing: {problem}", color="red", err=True)
    say("something is missing" if problems else "all is well")
    return PluginError.exit_code if problems else 0


def _versions() -> list[str]:
    say(f"python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")
    missing = []
    for package in PACKAGES:
        try:
            say(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(f"the package {package}; install AssetForge anew")
    return missing


def _device() -> list[str]:
    try:
        import torch
    except ImportError as error:
        return [f"torch cannot be imported ({error}); install it for your machine"]
    if not torch.cuda.is_available():
        say(f"device: cpu, {torch.get_num_threads()} threads (no CUDA device is visible to torch)")
        return []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        say(f"device: cuda:{index}, {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    return []


def _weights(owner: str, folder: Path) -> list[str]:
    missing = []
    for name in weights.names_in(folder):
        path = folder / f"{name}{weights.SUFFIX}"
        say(f"weights: {owner}/{name}, sha256 {weights.sha256(path)[:16]}…")
        if not weights.card(path).is_file():
            missing.append(f"the card of {owner}/{name}; without it nobody knows its license")
        try:
            weights.load(path)
        except PluginError as error:
            missing.append(str(error))
    return missing
