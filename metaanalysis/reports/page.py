"""One self-contained page about a meta-analysis."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from metaanalysis import __version__
from metaanalysis.effects import Effects
from metaanalysis.errors import MetaAnalysisWarning, OptionError
from metaanalysis.reports.asked import Asked, asked
from metaanalysis.reports.citations import NumberedReferences
from metaanalysis.reports.findings import findings, participants
from metaanalysis.reports.overview import changes_part, plots_part, result_facts
from metaanalysis.reports.parts import Missing, Part
from metaanalysis.reports.repeat import code, options_of, versions
from metaanalysis.reports.sections import heterogeneity, regression_part, subgroup_part
from metaanalysis.reports.sensitivity import (
    cumulative_part,
    estimators_part,
    leave_one_out_part,
    left_out_in_turn,
)
from metaanalysis.reports.small_study import small_study_part
from metaanalysis.reports.studies import canonical_csv, cards, sha256, study_table
from metaanalysis.reports.switching import switching
from metaanalysis.reports.wording import capital, counted, printable, wording_for
from metaanalysis.results import Pooled, Regression, Subgroups

# What JSON may not spell out within an element of a page.
ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def report(
    result: Pooled | Subgroups | Regression | Effects,
    path: str | PathLike[str],
    *,
    title: str = "",
    outcome: str = "",
    groups: tuple[str, str] | None = None,
    favours: tuple[str, str] | bool | None = None,
    subgroups: Subgroups | Sequence[Subgroups] | None = None,
    regression: Regression | Sequence[Regression] | None = None,
    cumulative_by: str | None = None,
    control_risks: float | Sequence[float] | Mapping[str, float] | None = None,
    date: str | datetime.date | None = None,
    **options: Any,
) -> Path:
    """Write everything about one meta-analysis as a page that a co-author can open, read, print and check.

    The page is one HTML file that asks nothing of a network: result, methods with numbered references, summary of findings, plots
    with text alternatives, table of studies, heterogeneity, subgroups and meta-regressions, sensitivity analyses, tests for
    small-study effects, what was corrected or left out, and what is needed to repeat it: versions, options, code, the data and
    their SHA-256. The table can be sorted, and a study be switched off to see the pooled result without it.

    Parameters
    ----------
    result
        From `pool`, `subgroups` or `meta_regression`; or `Effects`, which are pooled first.
    path
        Where to, such as ``report.html``.
    title
        Over the page; by default the measure and the number of studies.
    outcome
        What was measured, in the summary of findings, as in ``"Death within a year"``.
    groups
        What the two groups are called: ``("Treatment", "Control")`` by default.
    favours
        What an effect left and right of the line of no effect favours; as for `forest`.
    subgroups, regression
        Further results of `subgroups` and `meta_regression` of the same measure: one, or a list.
    cumulative_by
        The column by which studies are added one after the other; by default ``year`` where there is such a column.
    control_risks
        Risks without treatment (between 0 and 1) for which the summary of findings gives absolute effects, as in ``[0.05, 0.2]``
        or ``{"low risk": 0.05}``; by default quartiles and median of the studies' control groups.
    date
        The day that stands on the page, as in ``"2025-03-31"``; by default today. The same data, versions and date give the same
        bytes.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OptionError
        Where an option can't be. A part of the page that can't be made says why in its place, and is no error.

    Notes
    -----
    Absolute effects follow from the pooled effect and its interval at each risk without treatment, which is taken as known. The
    certainty of the evidence is left to the reviewers.

    References
    ----------
    Page MJ, McKenzie JE, Bossuyt PM, et al. (2021). The PRISMA 2020 statement: an updated guideline for reporting systematic
    reviews. BMJ 372, n71.

    Examples
    --------
    >>> import tempfile, metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("hine1989"), "RD")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = ma.report(ma.pool(effects), f"{folder}/report.html", title="Lidocaine", date="2025-03-31")
    ...     "<title>Lidocaine</title>" in file.read_text(encoding="utf-8")
    True
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"{str(path)!r} is no name of a page: end it in .html.")
    with collected() as said:
        found = asked(
            result,
            title=title,
            outcome=outcome,
            groups=groups,
            favours=favours,
            subgroups=subgroups,
            regression=regression,
            cumulative_by=cumulative_by,
            control_risks=control_risks,
            date=date,
            options=options,
        )
        html = page(found, said)
    path.write_text(html, encoding="utf-8", newline="\n")
    return path


@contextmanager
def collected() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings of the library go on the page, each once; others go their way afterwards."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", MetaAnalysisWarning)
        yield said
    for one in said:
        if not issubclass(one.category, MetaAnalysisWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def page(found: Asked, said: Sequence[warnings.WarningMessage]) -> str:
    """The whole page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("metaanalysis.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    texts = {name: environment.loader.get_source(environment, name)[0] for name in ("style.css", "page.js")}  # type: ignore[union-attr]
    digest = hashlib.sha256(texts["page.js"].encode("utf-8")).digest()
    # Limits beyond what a number can hold are infinite on the page; that is no news for a log.
    with np.errstate(all="ignore"):
        content = contents_of(found, said)
    html = environment.get_template("page.html.j2").render(
        **content,
        version=__version__,
        style=Markup(texts["style.css"]),
        script=Markup(texts["page.js"]),
        script_hash="sha256-" + base64.b64encode(digest).decode("ascii"),
    )
    return printable(html)


def contents_of(found: Asked, said: Sequence[warnings.WarningMessage]) -> dict[str, Any]:
    """Everything that the template shows, by name; references are numbered in the order of the page."""
    fit, effects, cite = found.fit, found.effects, NumberedReferences()
    entry = effects.measure_entry
    back = fit.back_transformed()
    wording = wording_for(effects, fit.level, back.ci_low, back.ci_high)
    methods = methods_of(found, cite)
    summary = findings(found, wording)
    findings_cited = cite.mark(["skoetz2020"] if fit.measure == "HR" else [])
    plots = plots_part(found)
    refits = left_out_in_turn(found)
    switches = None if isinstance(refits, Missing) else switching(fit, refits, wording)
    table = study_table(found, wording)
    results = [heterogeneity(found, wording, cite)]
    results += [subgroup_part(found, one, at, wording, cite) for at, one in enumerate(found.subgroups, start=1)]
    results += [regression_part(found, one, at, cite) for at, one in enumerate(found.regressions, start=1)]
    sensitivity = [leave_one_out_part(found, refits, wording, cite), estimators_part(found, wording, cite)]
    in_time = cumulative_part(found, wording)
    sensitivity += [] if in_time is None else [in_time]
    small = small_study_part(found, wording, cite)
    csv = canonical_csv(found)
    changes = changes_part(found, said)
    people = participants(effects)
    return {
        "title": found.title or f"Meta-analysis of {counted(fit.k, 'study')}: {entry.title}",
        "about": [counted(fit.k, "study"), *([f"{people} participants"] if people else []), entry.title],
        "date": found.date,
        "contents": contents(results, small),
        "result": result_facts(found, wording),
        "methods": methods,
        "findings": summary,
        "findings_cited": findings_cited,
        "groups": found.groups,
        "ci": wording.ci,
        "measure": entry.title,
        "measure_heading": capital(entry.title),
        "plots": plots,
        "table_of_studies": table,
        "switches": switches,
        "no_switches": refits.why if isinstance(refits, Missing) else "",
        "results": results,
        "sensitivity": sensitivity,
        "small": small,
        "changes": changes,
        "references": cite.listed(),
        "code": code(found),
        "data": csv,
        "data_hash": sha256(csv),
        "versions": versions(),
        "options": options_of(fit),
        "json": as_json({"switches": switches, "cards": cards(found, wording, table), "ci": wording.ci}),
    }


def contents(results: Sequence[Part], small: Part) -> list[tuple[str, str]]:
    """The sections, as the list of contents names them."""
    return [
        ("result", "Result"),
        ("methods", "Methods"),
        ("findings", "Summary of findings"),
        ("plots", "Plots"),
        ("studies", "Studies"),
        *((part.key, part.title.removesuffix(" and prediction")) for part in results),
        ("sensitivity", "Sensitivity"),
        (small.key, small.title),
        ("changes", "Corrected or left out"),
        ("references", "References"),
        ("repeat", "To repeat it"),
    ]


def methods_of(found: Asked, cite: NumberedReferences) -> list[str | Markup]:
    """The methods paragraph, and what was done for this page alone."""
    told = "".join(f"{one}. " for one in found.told)
    return [
        cite.paragraph(found.fit.describe(), found.effects.label),
        f"{told}The analysis was made with metaanalysis {__version__}.",
    ]


def as_json(document: Any) -> Markup:
    """A document as JSON that may stand within a script element, whatever the studies are called."""
    text = json.dumps(plain_json(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(ESCAPED))


def plain_json(value: Any) -> Any:
    """The document with null for numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
