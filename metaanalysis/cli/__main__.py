"""`python -m metaanalysis.cli`: the command line without an installed script."""

from __future__ import annotations

import sys

from metaanalysis.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
