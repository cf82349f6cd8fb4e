"""`metaanalysis report`: from a CSV file of studies to one page that can be sent to a co-author."""

from __future__ import annotations

import argparse
from typing import Any

SUMMARY = "write a report on the studies of a CSV file as one HTML page"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    from metaanalysis.cli.pool import add_analysis
    from metaanalysis.effects import MEASURES

    command = commands.add_parser(
        "report",
        help=SUMMARY,
        usage="metaanalysis report STUDIES.csv --measure RR --out report.html [options]",
        description="Compute the effect sizes of the studies in a CSV file, one row a study, pool them, and write everything "
        "about the result as one HTML page that needs no network.",
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="STUDIES.csv", help="data in UTF-8, one row a study; - reads standard input")
    command.add_argument("--measure", required=True, help=f"one of: {', '.join(MEASURES)}")
    command.add_argument("--out", default="report.html", metavar="FILE.html", help="the page (default: report.html)")
    command.add_argument(
        "--label", metavar="COLUMN", help="column that names the studies (default: study, label or author)"
    )
    command.add_argument("--by", metavar="COLUMN", action="append", help="column of subgroups; may be repeated")
    command.add_argument("--tau2-sharing", help="tau² of subgroups: separate (default) or common")
    command.add_argument(
        "--moderators", metavar="FORMULA", action="append", help="a meta-regression, as in '~ year'; may be repeated"
    )
    page = command.add_argument_group("page")
    page.add_argument("--title", default="", help="over the page")
    page.add_argument("--outcome", default="", help="what was measured, in the summary of findings")
    page.add_argument("--groups", nargs=2, metavar=("GROUP1", "GROUP2"), help="what the two groups are called")
    page.add_argument("--favours", nargs=2, metavar=("LEFT", "RIGHT"), help="what effects left and right favour")
    page.add_argument("--cumulative-by", metavar="COLUMN", help="order of the cumulative meta-analysis (default: year)")
    page.add_argument(
        "--control-risk",
        type=float,
        action="append",
        metavar="RISK",
        help="risk without treatment for the summary of findings, such as 0.05; may be repeated",
    )
    page.add_argument("--date", help="the day that stands on the page, such as 2025-03-31 (default: today)")
    add_analysis(command)
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Read, compute, pool and write."""
    from metaanalysis.cli.files import read_table
    from metaanalysis.cli.pool import refuse_weights_of_subgroups
    from metaanalysis.effects import effect_sizes
    from metaanalysis.errors import OptionError
    from metaanalysis.models import meta_regression, pool, subgroups
    from metaanalysis.reports import report

    def chosen(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(given, name) for name in names if getattr(given, name) is not None}

    if given.tau2_sharing is not None and given.by is None:
        raise OptionError("--tau2-sharing is about subgroups: name their column too, as in --by alloc.")
    refuse_weights_of_subgroups(given)
    effects = effect_sizes(read_table(given.file), given.measure, **chosen(given.for_effects))
    options = chosen(given.for_pool)
    fit = pool(effects, **options)
    grouped = [subgroups(effects, by=by, **chosen((*given.for_pool, "tau2_sharing"))) for by in given.by or ()]
    regressions = [meta_regression(effects, formula, **options) for formula in given.moderators or ()]
    path = report(
        fit,
        given.out,
        title=given.title,
        outcome=given.outcome,
        groups=None if given.groups is None else tuple(given.groups),
        favours=None if given.favours is None else tuple(given.favours),
        subgroups=grouped,
        regression=regressions,
        cumulative_by=given.cumulative_by,
        control_risks=given.control_risk,
        date=given.date,
    )
    print(f"report: {path}")
    return 0
