"""The CSV form of Review Manager: comparisons, outcomes, subgroups and studies in one table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from metaanalysis.errors import DataError
from metaanalysis.io.revman_rows import ReviewRows, decimals_of
from metaanalysis.io.revman_words import count_in, kind_named, measure_named, method_named, model_named, number_in
from metaanalysis.io.text import Line, encoding_of, lines_of
from metaanalysis.reviews.revman import (
    NO_RESULT,
    RevManAnalysis,
    RevManResult,
    RevManReview,
    RevManSubgroup,
    SubgroupDifferences,
)

SOURCE = "Review Manager (CSV)"
NEEDED = ("comparisonnumber", "outcomenumber", "subgroupnumber", "name", "datatype")
_VALUES = {
    "events1": "events1",
    "total1": "n1",
    "events2": "events2",
    "total2": "n2",
    "mean1": "mean1",
    "sd1": "sd1",
    "mean2": "mean2",
    "sd2": "sd2",
    "oe": "o_minus_e",
    "variance": "variance",
    "effectestimate": "effect",
    "se": "se",
    "cistart": "ci_low",
    "ciend": "ci_high",
    "weight": "weight",
}
_RESULTS = {
    "estimate": ("effectestimate",),
    "ci_low": ("cistart",),
    "ci_high": ("ciend",),
    "statistic": ("z",),
    "p_value": ("pz",),
    "q": ("q",),
    "q_df": ("df",),
    "q_p_value": ("pq",),
    "i2": ("i2q", "i2"),
    "tau2": ("tau2",),
    "weight": ("weight",),
    "n1": ("total1",),
    "n2": ("total2",),
    "events1": ("events1",),
    "events2": ("events2",),
}


@dataclass
class Open:
    """The outcome whose lines are being read."""

    at: int
    key: tuple[int, int]
    kind: str
    log_scale: bool
    subgroups: list[RevManSubgroup] = field(default_factory=list)
    differences: SubgroupDifferences = field(default_factory=SubgroupDifferences)


def read_csv_export(path: Path) -> RevManReview:
    """Read the CSV form; DataError names the line and the column."""
    rows = ReviewRows(path.name)
    with path.open("rb") as stream:
        encoding = encoding_of(stream)
    if encoding == "cp1252":
        rows.notes.append("the file is no UTF-8 and was read as Windows-1252: look at names with accents")
    comparisons: dict[int, str] = {}
    now: Open | None = None
    with path.open("rb") as stream:
        for line in lines_of(stream, encoding, path.name, NEEDED):
            comparison, outcome, subgroup = (
                count_in(line.get(column), f"{line.place}: {title}")
                for column, title in (
                    ("comparisonnumber", "Comparison Number"),
                    ("outcomenumber", "Outcome Number"),
                    ("subgroupnumber", "Subgroup Number"),
                )
            )
            if outcome == 0:
                comparisons[comparison] = line.get("name")
            elif now is None or now.key != (comparison, outcome):
                close(rows, now)
                now = opened(rows, line, comparison, outcome, comparisons.get(comparison, ""))
            elif now.kind != "other" and is_subgroup(line, subgroup, now):
                now.subgroups.append(RevManSubgroup(subgroup, line.get("name"), result_of(line)))
            else:
                add_study(rows, line, subgroup, now)
    close(rows, now)
    return rows.review("", "", SOURCE)


def opened(rows: ReviewRows, line: Line, comparison: int, outcome: int, comparison_name: str) -> Open:
    """Begin an outcome with its own line."""
    place = line.place
    if not line.get("datatype"):
        raise DataError(
            f"{place}: the first line of outcome {comparison}.{outcome} has no Data Type. Outcomes have a line of their own "
            f"before their studies; is the file sorted otherwise?"
        )
    kind = kind_named(line.get("datatype"), place)
    one = RevManAnalysis(f"{comparison}.{outcome}", comparison, outcome, comparison_name, line.get("name"), kind)
    log_scale = False
    differences = SubgroupDifferences()
    if kind != "other":
        method = method_named(line.get("statisticalmethod"), kind, place)
        found = measure_named(line.get("effectmeasure"), kind, method, None, place)
        result = result_of(line)
        log_scale = found.log_scale
        differences = SubgroupDifferences(
            number_of(line, "qint"), math.nan, number_of(line, "pqint"), number_of(line, "i2qint")
        )
        one = replace(
            one,
            measure=found.measure,
            effect_measure=line.get("effectmeasure"),
            log_scale=log_scale,
            method=method,
            model=model_named(line.get("analysismodel"), place),
            totals="overall" if result.estimable else "none",
            groups=(line.get("grouplabel1"), line.get("grouplabel2")),
            result=result,
        )
    try:
        at = rows.add_analysis(one)
    except DataError as problem:
        raise DataError(f"{place}: {problem}") from None
    return Open(at, (comparison, outcome), kind, log_scale, differences=differences)


def close(rows: ReviewRows, now: Open | None) -> None:
    """End an outcome: its subgroups are known now, and what its totals are."""
    if now is None:
        return
    one = rows.analyses[now.at]
    estimable = [group.result.estimable for group in now.subgroups]
    totals = "subgroups" if one.totals == "none" and any(estimable) else one.totals
    rows.replace_analysis(
        now.at,
        subgroups=tuple(now.subgroups),
        totals=totals,
        differences=replace(now.differences, df=float(max(sum(map(bool, estimable)) - 1, 0))),
    )


def is_subgroup(line: Line, subgroup: int, now: Open) -> bool:
    """Whether a line is a subgroup's own."""
    first = subgroup > 0 and all(group.number != subgroup for group in now.subgroups)
    return first and not any(line.get(column) for column in ("yearofstudy", "userdefinedorder", "se"))


def add_study(rows: ReviewRows, line: Line, subgroup: int, now: Open) -> None:
    """Add a study's line."""
    name = line.get("name")
    if not name:
        raise DataError(f"{line.place}: the study has no name.")
    if now.kind == "other":
        rows.add_other(rows.analyses[now.at].id, str(subgroup or ""), name, [])
        return
    if subgroup > 0 and all(group.number != subgroup for group in now.subgroups):
        now.subgroups.append(RevManSubgroup(subgroup, "", NO_RESULT))
    values = {ours: number_of(line, theirs) for theirs, ours in _VALUES.items()}
    for column in ("effectestimate", "weight"):
        rows.decimals = max(rows.decimals, decimals_of(line.get(column)))
    effect = values["effect"]
    # A ratio of 0, and an effect without a width, is what stands for "not estimable".
    estimable = not math.isnan(effect) and not (effect <= 0 and now.log_scale) and values["se"] != 0
    if now.kind == "generic" and estimable:
        values["y"] = math.log(effect) if now.log_scale else effect
    rows.add(
        now.at,
        now.kind,
        name,
        values,
        year=line.get("yearofstudy"),
        subgroup_number=subgroup,
        estimable=estimable,
    )


def result_of(line: Line) -> RevManResult:
    """The pooled result of a line."""
    values = {ours: number_of(line, *theirs) for ours, theirs in _RESULTS.items()}
    if math.isnan(values["estimate"]):
        return NO_RESULT
    return RevManResult(estimable=True, **values)


def number_of(line: Line, *columns: str) -> float:
    """A number of a line."""
    text = line.get(*columns)
    return number_in(text, lambda: f"{line.place}: {columns[0]}") if text else math.nan
