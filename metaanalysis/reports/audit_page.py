"""The page about an audit: which numbers cannot all be true together, ranked, in plain words."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from markupsafe import Markup

from metaanalysis import __version__
from metaanalysis.errors import OptionError
from metaanalysis.plots.words import true_minus
from metaanalysis.reports.asked import checked_date
from metaanalysis.reports.wording import capital, counted, printable
from metaanalysis.results.audit import Audit, distance, verdict, where

# Nobody reads on, and a browser would be slow.
MOST_LISTED = 300
MOST_CHECKS = 3000
# The strip that shows a number beside what is possible, in pixels.
_WIDTH, _EDGE = 416.0, 30.0


def audit_report(
    found: Audit, path: str | PathLike[str], *, title: str = "", date: str | datetime.date | None = None
) -> Path:
    """Write an audit as a page: which numbers cannot all be true together, ranked by how far off, in plain words.

    Parameters
    ----------
    found
        What `audit` returns.
    path
        Where to: ``.html`` for a page that needs nothing else, ``.md`` for Markdown.
    title
        Over the HTML page; by default what was audited.
    date
        The day that stands on the HTML page, as in ``"2025-03-31"``; by default today.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OptionError
        The name ends in neither ``.html`` nor ``.md``, or the date is none.

    Examples
    --------
    >>> import tempfile, metaanalysis as ma
    >>> found = ma.audit({"outcome": ["Pain"], "measure": ["SMD"], "est": [-0.39], "ci": ["-0.54 to -0.24"], "z": [9.42]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = ma.audit_report(found, f"{folder}/audit.html", date="2025-03-31")
    ...     "is impossible" in file.read_text(encoding="utf-8")
    True
    """
    path = checked_page(path)
    text = printable(found.to_markdown()) if path.suffix.lower() == ".md" else audit_html(found, title, date)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def checked_page(path: str | PathLike[str]) -> Path:
    """The name of a page, as it is; OptionError where its end says no format."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm", ".md"):
        raise OptionError(f"{str(path)!r} is no name of a page: end it in .html or .md.")
    return path


def audit_html(found: Audit, title: str, date: str | datetime.date | None) -> str:
    """The whole page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("metaanalysis.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    style = "".join(
        environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        for name in ("style.css", "audit.css")
    )
    html = environment.get_template("audit.html.j2").render(
        **contents_of(found, title), date=checked_date(date), version=__version__, style=Markup(style)
    )
    return printable(html)


def contents_of(found: Audit, title: str) -> dict[str, Any]:
    """What stands on the page."""
    impossible, doubtful = (frame.to_dict("records") for frame in (found.inconsistent, found.doubtful))
    every = found.verdicts.to_dict("records")
    # Where there are too many, what agrees is left out first.
    shown = every
    if len(every) > MOST_CHECKS:
        told = [one for one in every if not one["consistent"] or one["doubtful"]]
        shown = (told + [one for one in every if one["consistent"] and not one["doubtful"]])[:MOST_CHECKS]
    checks = len(every) - len(doubtful)
    return {
        "title": printable(title) or found.title,
        "about": [capital(found.about()), counted(checks, "check")],
        "lead": lead(checks, len(impossible), len(doubtful)),
        "facts": [
            ("Checks made", f"{checks:,}"),
            ("Cannot be true", f"{len(impossible):,}"),
            ("To look at again", f"{len(doubtful):,}"),
        ],
        "impossible": [entry(one) for one in impossible[:MOST_LISTED]],
        "more_impossible": max(len(impossible) - MOST_LISTED, 0),
        "doubtful": [entry(one) for one in doubtful[:MOST_LISTED]],
        "more_doubtful": max(len(doubtful) - MOST_LISTED, 0),
        "checks": [row(one) for one in shown],
        "counted_checks": f"{counted(len(shown), 'check')}, one by one",
        "more_checks": len(every) - len(shown),
        "notes": [true_minus(note) for note in found.notes()],
    }


def lead(checks: int, failed: int, doubts: int) -> str:
    """The result in a sentence or two."""
    again = f" {capital(counted(doubts, 'thing'))} should be looked at again." if doubts else ""
    if checks == 0:
        return f"There was nothing to check: no two of the numbers bear on each other.{again}"
    if failed == 0:
        return f"Everything that can be tested is consistent.{again}"
    fails = "fails: there" if failed == 1 else "fail: there"
    return f"{failed:,} of {counted(checks, 'check')} {fails} the numbers cannot all be true together.{again}"


def entry(one: Mapping[Any, Any]) -> dict[str, Any]:
    """A finding of the ranked lists."""
    return {
        "where": where(one),
        "sentence": true_minus(one["sentence"]),
        "off": "" if one["consistent"] else distance(one["how_far_off"]),
        "line": None if one["consistent"] else strip(one),
    }


def row(one: Mapping[Any, Any]) -> dict[str, str]:
    """A row of the table of all checks."""
    kind = "doubt" if one["doubtful"] else "" if one["consistent"] else "bad"
    return {
        "where": where(one),
        "check": one["check"],
        "verdict": verdict(one).strip("*"),
        "sentence": true_minus(one["sentence"]),
        "kind": kind,
    }


def strip(one: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The number beside what is possible, drawn to scale; nothing where either has no place on a line."""
    try:
        told = float(str(one["reported"]).lstrip("<>"))
    except ValueError:
        return None
    low, high = float(one["possible_low"]), float(one["possible_high"])
    if not all(math.isfinite(x) and abs(x) < 1e100 for x in (told, low, high)):
        return None
    first, last = min(told, low), max(told, high)
    # What lies within is impossible for another reason than where it lies.
    if not last > first or low <= told <= high:
        return None
    scale = (_WIDTH - 2 * _EDGE) / (last - first)
    left, right, mark = (_EDGE + (x - first) * scale for x in (low, high, told))
    width = max(right - left, 2.0)
    middle = left + width / 2
    if abs(middle - mark) < 50.0 and width < 100.0:
        # Words that would meet stand on either side.
        anchors = ("end", "start") if middle < mark else ("start", "end")
    else:
        anchors = ("middle", "middle")
    return {
        "left": f"{left:.1f}",
        "width": f"{width:.1f}",
        "middle": f"{middle:.1f}",
        "mark": f"{mark:.1f}",
        "band_anchor": anchors[0],
        "mark_anchor": anchors[1],
        "label": f"Reported {one['reported']}, possible {low:.4g} to {high:.4g}",
    }
