"""Trains the networks that the plugin ships: `python -m assetforge_upscale.training --help`."""
