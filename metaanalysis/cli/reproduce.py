"""`metaanalysis reproduce`: every printed number of the published reviews beside the engine's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.results import Pooled, Regression, Subgroups
    from metaanalysis.reviews import Reproduction, Review, RevManReproduction, RevManReview

SUMMARY = "compute published reviews again and compare every printed number"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "reproduce",
        help=SUMMARY,
        description="Print every printed number of published reviews beside the engine's own at the same decimals, and "
        "draw a forest plot a review. Exit status 1 where one differs that should agree. Files of Review Manager (.rm5, its "
        "CSV, a data package) are pooled as their authors did, and its own numbers stand beside ours.",
        allow_abbrev=False,
    )
    command.add_argument(
        "reviews",
        nargs="*",
        metavar="REVIEW",
        help="names as in `metaanalysis datasets`, or files of Review Manager (default: all that come with the library)",
    )
    command.add_argument(
        "--out", default="reproduced", metavar="DIR", help="where the forest plots go, as SVG (default: ./reproduced)"
    )
    command.add_argument("--no-plots", action="store_true", help="draw no forest plots")
    command.add_argument(
        "--tolerance", type=float, metavar="NUMBER", help="for files: how far numbers may lie apart (default: 1e-6)"
    )
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Reproduce, print, draw; 1 where a number differs that should agree."""
    from metaanalysis.reviews import RevManReview, reproduce, review_names, tally

    reviews = [opened(name) for name in dict.fromkeys(given.reviews or review_names())]
    folder = Path(given.out)
    if not given.no_plots:
        folder.mkdir(parents=True, exist_ok=True)
    done: list[Reproduction] = []
    ok = True
    for review in reviews:
        one: Reproduction | RevManReproduction
        if isinstance(review, RevManReview):
            one = reproduce(review, tolerance=given.tolerance)
        else:
            one = reproduce(review)
            done.append(one)
        ok = ok and one.ok
        print(one.summary())
        if not given.no_plots:
            print(f"  {drawn(one, folder)}")
        print(flush=True)
    if done:
        print(tally(done).summary())
    return 0 if ok else 1


def opened(name: str) -> Review | RevManReview:
    """A review that comes with the library, or one in a file."""
    from metaanalysis.reviews import load_review, review_names

    path = Path(name)
    if name.lower() not in review_names() and (path.suffix or path.exists()):
        from metaanalysis.io import read_revman

        return read_revman(path)
    return load_review(name)


def drawn(one: Reproduction | RevManReproduction, folder: Path) -> str:
    """Draw the review's first pooled analysis; a sentence that says where it is, or why there is none."""
    from metaanalysis.results import Pooled, Subgroups
    from metaanalysis.reviews import RevManReproduction

    titles = {analysis.id: analysis.title for analysis in one.review.analyses}
    results: dict[str, Pooled | Subgroups | Regression] = dict(one.results)
    for key, title in titles.items():
        result = results.get(key)
        if isinstance(result, Pooled | Subgroups):
            from metaanalysis.plots import forest, save

            path = save(forest(result, title=title), folder / f"{Path(one.review.name).stem}.svg")
            return f"forest plot of {key}: {path}"
    reported = not isinstance(one, RevManReproduction) and one.review.kind == "reported"
    return f"no forest plot: {'there are no data of studies' if reported else 'none of its analyses pools studies yet'}"
