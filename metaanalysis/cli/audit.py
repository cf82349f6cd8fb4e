"""`metaanalysis audit`: can the numbers that a review reports all be true together?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    from metaanalysis.reviews.reported import SPELLINGS

    command = commands.add_parser(
        "audit",
        help="hold reported results against each other",
        usage="metaanalysis audit FILE.csv [options]",
        description="Hold the reported numbers of pooled analyses against each other by interval arithmetic over their "
        "rounding: I² from Q, p from the interval, the symmetry of the interval, and more. The file has one row a pooled "
        "analysis, with columns measure, estimate, ci_low and ci_high, and others as far as they were reported. Exit "
        "status 1 where numbers are impossible together.",
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="FILE.csv", help="reported results in UTF-8, one row a pooled analysis")
    command.add_argument("--level", default="0.95", help="level of the confidence intervals (default: 0.95)")
    command.add_argument("--markdown", metavar="FILE.md", help="write every check as a page of Markdown")
    columns = command.add_argument_group("columns, where the file calls them otherwise")
    for field in SPELLINGS:
        columns.add_argument(f"--{field.replace('_', '-')}", dest=field, metavar="COLUMN")
    command.set_defaults(run=run, columns=tuple(SPELLINGS))


def run(given: argparse.Namespace) -> int:
    """Audit and print; 1 where something is inconsistent."""
    from metaanalysis.reviews import audit

    named = {field: getattr(given, field) for field in given.columns if getattr(given, field) is not None}
    found = audit(Path(given.file), level=given.level, **named)
    print(found.summary())
    if given.markdown:
        Path(given.markdown).write_text(found.to_markdown(), encoding="utf-8")
    return 0 if found.consistent else 1
