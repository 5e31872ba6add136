"""`python -m assetforge`."""

from __future__ import annotations

from assetforge.cli import main

main()
