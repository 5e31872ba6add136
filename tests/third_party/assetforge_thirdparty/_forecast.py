"""assetforge forecast."""

from __future__ import annotations

import click

import assetforge as af


@click.command()
@click.argument("height", type=float)
def forecast(height: float) -> int:
    """Tell how wet a height would be, with the exit code 4 where it stays dry."""
    if height < 0:
        raise af.AssetForgeError("height", f"is {height}", "write a number from 0")
    import torch

    wet = torch.tensor((0.4 - height) * 8).clamp(0, 1).item()
    click.echo(f"wetness {wet:.2f}")
    return 0 if wet else 4
