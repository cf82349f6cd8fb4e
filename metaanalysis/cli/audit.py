"""`metaanalysis audit`: can the numbers that a review reports all be true together?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.results.audit import Audit

SUMMARY = "which reported numbers cannot all be true together"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    from metaanalysis.reviews.reported import SPELLINGS
    from metaanalysis.reviews.study_table import STUDY_SPELLINGS

    command = commands.add_parser(
        "audit",
        help=SUMMARY,
        usage="metaanalysis audit FILE [--out PAGE.html] [options]",
        description="Hold the numbers of a review against each other by interval arithmetic over their rounding, and say which "
        "cannot all be true together, furthest off first. FILE is a CSV file with one row a pooled analysis (measure, estimate, "
        "ci_low, ci_high, se, z, p, k, tau2, Q, df, I2 …, as far as they were reported), a CSV file with one row a study "
        "(events1 n1 events2 n2, or mean1 sd1 n1 mean2 sd2 n2), or a file of Review Manager (.rm5, its CSV export, a data "
        "package), whose own results are also held against what its studies give.",
        epilog="Exit status: 0 where everything testable is consistent, 1 where numbers are impossible together, 2 where the "
        "file cannot be audited. What should only be looked at again (an I² that may have been computed from τ², the same study "
        "twice, a standard error typed as a standard deviation, a control group counted twice) does not change it.",
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="FILE", help="a CSV file in UTF-8, or a file or folder of Review Manager")
    command.add_argument("--out", metavar="PAGE", help="write everything as one page: .html or .md")
    command.add_argument("--level", default="0.95", help="level of the confidence intervals (default: 0.95)")
    command.add_argument("--markdown", metavar="FILE.md", help="the same as --out FILE.md, whatever the file is called")
    studies = command.add_argument_group("of a table of studies")
    studies.add_argument(
        "--items",
        type=int,
        metavar="N",
        help="scores are whole numbers (1), or means of so many items: hold means and standard deviations to that (GRIM)",
    )
    studies.add_argument(
        "--scale", type=float, nargs=2, metavar=("LOW", "HIGH"), help="the least and the greatest possible score"
    )
    columns = command.add_argument_group("columns, where the file calls them otherwise")
    fields = tuple(dict.fromkeys([*SPELLINGS, *STUDY_SPELLINGS]))
    for field in fields:
        if field != "items":
            columns.add_argument(f"--{field.replace('_', '-')}", dest=field, metavar="COLUMN")
    command.set_defaults(run=run, columns=tuple(field for field in fields if field != "items"))


def run(given: argparse.Namespace) -> int:
    """Audit and print; 1 where something is inconsistent."""
    from metaanalysis.reports import audit_report, checked_page

    if given.out:
        checked_page(given.out)
    found = audited(given)
    print(found.summary())
    if given.markdown:
        Path(given.markdown).write_text(found.to_markdown(), encoding="utf-8")
    if given.out:
        print(f"\naudit: {audit_report(found, given.out)}")
    return 0 if found.consistent else 1


def audited(given: argparse.Namespace) -> Audit:
    """The audit of whatever the file is."""
    from metaanalysis.io import read_revman
    from metaanalysis.reviews import audit

    path = Path(given.file)
    named = {field: getattr(given, field) for field in given.columns if getattr(given, field) is not None}
    scale = None if given.scale is None else tuple(given.scale)
    subject = read_revman(path) if is_of_revman(path) else path
    return audit(subject, level=given.level, items=given.items, scale=scale, **named)


def is_of_revman(path: Path) -> bool:
    """Whether a file is one of Review Manager's: XML, a package, or a CSV file that numbers comparisons."""
    if path.is_dir():
        return any("settings" in one.name.lower() for one in path.iterdir())
    with path.open("rb") as file:
        beginning = file.read(4096)
    plain = beginning.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()
    header = plain.split(b"\n", 1)[0].lower()
    return plain.startswith((b"<", b"PK\x03\x04")) or b"comparison number" in header
