"""Trains the networks that the plugin ships: `assetforge train svbrdf -p network=features --data DATA`."""
