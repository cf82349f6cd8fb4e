"""`metaanalysis datasets`: the published reviews that come with the library."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.reviews import Review

SUMMARY = "list the published reviews, or print the data of one"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "datasets",
        help=SUMMARY,
        description="List the published reviews that come with the library, or print the data of one as CSV.",
        allow_abbrev=False,
    )
    command.add_argument("name", nargs="?", metavar="NAME", help="print the data of this review as CSV")
    command.add_argument("--about", action="store_true", help="print what NAME and its columns are instead of the data")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """List all, or print one."""
    from metaanalysis.errors import OptionError
    from metaanalysis.reviews import list_datasets, load_review

    if given.name is not None:
        review = load_review(given.name)
        print(about(review) if given.about else review.table.read_text(encoding="utf-8").rstrip("\n"))
        return 0
    if given.about:
        raise OptionError("--about needs the name of a review, as in: metaanalysis datasets bcg --about.")
    listed = list_datasets()[["name", "k", "measure", "title"]]
    rows = [tuple(listed.columns), *(tuple(map(str, row)) for row in listed.to_numpy())]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for name, k, measure, title in rows:
        print(f"{name:<{widths[0]}}  {k:>{widths[1]}}  {measure:<{widths[2]}}  {title}")
    return 0


def about(review: Review) -> str:
    """What a review and its columns are."""
    lines = [review.title, *textwrap.wrap(f"{review.citation}. doi:{review.doi}", 100), ""]
    width = max(len(name) for name in review.columns)
    for name, what in review.columns.items():
        lines += textwrap.wrap(
            what, 98 - width, initial_indent=f"{name:<{width}}  ", subsequent_indent=" " * (width + 2)
        )
    return "\n".join(lines)
