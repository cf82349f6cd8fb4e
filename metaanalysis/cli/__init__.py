"""The command line: `metaanalysis reproduce`, `audit`, `pool`, `pool-many`, `report`, `new` and `datasets`."""

from __future__ import annotations

from metaanalysis.cli.command import main

__all__ = ["main"]
