"""`metaanalysis reproduce`: every printed number of the published reviews beside the engine's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.reviews import Reproduction


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "reproduce",
        help="compute published reviews again and compare every printed number",
        description="Print every printed number of published reviews beside the engine's own at the same decimals, and "
        "draw a forest plot a review. Exit status 1 where one differs that should agree.",
        allow_abbrev=False,
    )
    command.add_argument(
        "reviews", nargs="*", metavar="REVIEW", help="names as in `metaanalysis datasets` (default: all)"
    )
    command.add_argument(
        "--out", default="reproduced", metavar="DIR", help="where the forest plots go, as SVG (default: ./reproduced)"
    )
    command.add_argument("--no-plots", action="store_true", help="draw no forest plots")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Reproduce, print, draw; 1 where a number differs that should agree."""
    from metaanalysis.reviews import load_review, reproduce, review_names, tally

    reviews = [load_review(name) for name in dict.fromkeys(given.reviews or review_names())]
    folder = Path(given.out)
    if not given.no_plots:
        folder.mkdir(parents=True, exist_ok=True)
    done = []
    for review in reviews:
        one = reproduce(review)
        done.append(one)
        print(one.summary())
        if not given.no_plots:
            print(f"  {drawn(one, folder)}")
        print(flush=True)
    counts = tally(done)
    print(counts.summary())
    return 0 if counts.ok else 1


def drawn(one: Reproduction, folder: Path) -> str:
    """Draw the review's first pooled analysis; a sentence that says where it is, or why there is none."""
    from metaanalysis.results import Pooled, Subgroups

    for analysis in one.review.analyses:
        result = one.results.get(analysis.id)
        if isinstance(result, Pooled | Subgroups):
            from metaanalysis.plots import forest, save

            path = save(forest(result, title=analysis.title), folder / f"{one.review.name}.svg")
            return f"forest plot of {analysis.id}: {path}"
    why = "none of its analyses pools studies yet"
    return f"no forest plot: {'there are no data of studies' if one.review.kind == 'reported' else why}"
