"""The audit of a review of Review Manager: its own numbers against each other, against its studies, and the studies' data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas import consistency
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.rounding import Interval, gap
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.printed_cells import Number, number_of
from metaanalysis.reviews.reported import reported_of
from metaanalysis.reviews.reproduce_revman import DIFFERENCES, reproduce_revman
from metaanalysis.reviews.revman import RevManAnalysis, RevManResult, RevManReview
from metaanalysis.reviews.revman_analysis import convention_of, subgroup_names
from metaanalysis.reviews.revman_reproduction import TOTAL, RevManReproduction, RevManRow
from metaanalysis.reviews.study_audit import study_verdicts
from metaanalysis.reviews.study_doubts import effects_given_twice
from metaanalysis.reviews.study_table import STUDY_SPELLINGS, WORDS, StudyTable, column_of, with_options
from metaanalysis.reviews.table_audit import table_verdicts
from metaanalysis.reviews.verdicts import Verdict, frame_of

if TYPE_CHECKING:
    import pandas as pd

# Its tails are approximations: a p-value is held to so many decimals, and other numbers to so many figures.
_DECIMALS_OF_P = 5
_FIGURES = 6
_RATIO = "IRR"  # any measure whose interval is symmetric on the log scale
_NUMBERS = {"q": "Q", "i2": "I²", "tau2": "τ²", "statistic": "Z", "p_value": "p", "q_p_value": "p of Q", "q_df": "df"}
_NAMES = {
    **_NUMBERS,
    "q_between": "Q between",
    "q_between_df": "df of Q between",
    "q_between_p_value": "p of Q between",
    "i2_between": "I² between",
    "ci_low": "the lower limit",
    "ci_high": "the upper limit",
    "estimate": "the estimate",
    "effect": "the effect",
    "weight": "the weight",
}


def audit_revman(review: RevManReview, level: float, items: int | None, scale: tuple[float, float] | None) -> Audit:
    """Every check of a review, analysis by analysis."""
    again = reproduce_revman(review)
    verdicts = [*own_verdicts(review, level), *recomputed_verdicts(review, again)]
    for studies in study_tables(review):
        verdicts += study_verdicts(with_options(studies, items, scale))
    verdicts += effects_twice(review)
    analyses, rows = len(review.analyses), len(review.studies)
    return Audit(
        frame_of(verdicts),
        level,
        analyses,
        (),
        f"Audit of {review.title or review.name}",
        f"{analyses} {'analysis' if analyses == 1 else 'analyses'}, {rows} {'row' if rows == 1 else 'rows'} of studies",
        tuple(f"Analysis {key} could not be computed: {why}" for key, why in again.failures.items()),
    )


def own_verdicts(review: RevManReview, level: float) -> list[Verdict]:
    """Review Manager's pooled numbers against each other."""
    rows: list[dict[str, str]] = []
    for analysis in review.analyses:
        if analysis.kind == "other":
            continue
        names = subgroup_names(analysis)
        parts = [(TOTAL, analysis.result), *((names[group.number], group.result) for group in analysis.subgroups)]
        rows += [_cells(analysis, part, result, review.decimals) for part, result in parts if result.estimable]
        test = analysis.differences
        if test.df >= 1:
            numbers = {
                "q_between": _figures(test.q),
                "q_between_df": _figures(test.df),
                "q_between_p_value": _p(test.p_value),
            }
            rows.append({"source": analysis.title, "outcome": DIFFERENCES, **numbers})
    fields = list(dict.fromkeys(field for row in rows for field in row))
    if not rows:
        return []
    table = reported_of({field: [row.get(field, "") for row in rows] for field in fields}, {}, whole=False)
    return table_verdicts(table, level, [0] * len(table))


def _cells(analysis: RevManAnalysis, part: str, result: RevManResult, most: int) -> dict[str, str]:
    """A result as a row of a table of reported analyses."""
    heterogeneity = result.q_df > 0
    people = result.n1 + result.n2 if analysis.kind == "continuous" and analysis.measure == "SMD" else math.nan
    ordered = result.ci_low <= result.ci_high and (not analysis.log_scale or result.ci_low > 0)
    row = {
        "source": analysis.title,
        "outcome": part,
        "measure": _RATIO if analysis.log_scale else "SMD" if people > 0 else "GEN",
        "ci_level": _figures(100.0 * analysis.level),
        "statistic": _figures(result.statistic),
        "p_value": _p(result.p_value),
        "n_total": _figures(people) if people >= 1 else "",
    }
    if ordered:
        effect = {name: float(getattr(result, name)) for name in ("estimate", "ci_low", "ci_high")}
        row |= _aligned(effect, most)
    if heterogeneity:
        row |= {"k": _figures(result.q_df + 1.0), "q": _figures(result.q), "q_p_value": _p(result.q_p_value)}
        if convention_of(analysis) == "revman5":
            row |= {"i2": _figures(result.i2), "tau2_method": "DL"}
            if analysis.random:
                row["tau2"] = _figures(result.tau2)
    return row


def _aligned(effect: dict[str, float], most: int) -> dict[str, str]:
    """Estimate and limits at the same decimals, as they stand for numbers of one precision."""
    largest = max(abs(value) for value in effect.values())
    if not math.isfinite(largest):
        return {}
    before = math.floor(math.log10(largest)) + 1 if largest > 0 else 0
    decimals = min(max(_FIGURES - before, 0), most)
    # Beside numbers that are so large a limit of a ratio can have nothing left of it.
    if decimals == 0 and min(abs(value) for value in effect.values()) < 1.0:
        return {}
    return {name: f"{value:.{decimals}f}" for name, value in effect.items()}


def _figures(value: float) -> str:
    return f"{value:.{_FIGURES}g}" if math.isfinite(value) else ""


def _p(value: float) -> str:
    return f"{round(value, _DECIMALS_OF_P):.{_DECIMALS_OF_P}g}" if 0 <= value <= 1 else ""


def recomputed_verdicts(review: RevManReview, again: RevManReproduction) -> Iterator[Verdict]:
    """Review Manager's numbers against what its studies give: every pooled one, and of the studies those that differ."""
    by_id = {analysis.id: analysis for analysis in review.analyses}
    ours: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in again.rows:
        ours.setdefault((row.analysis, row.part, row.study), {})[row.statistic] = row.ours
    for row in again.rows:
        if row.study and row.agrees:
            continue
        analysis = by_id[row.analysis]
        name = _NAMES.get(row.statistic, row.statistic)
        unit = " %" if row.statistic in {"i2", "i2_between", "weight"} else ""
        where = f"{row.study} ({row.part})" if row.study and analysis.subgroups else row.study or row.part
        known = not (math.isnan(row.revman) or math.isnan(row.ours))
        what = "its data" if row.study and row.statistic != "weight" else "the studies"
        give = "give" if what == "the studies" else "allow"
        mine, theirs = (f"{_figures(x)}{unit}" if math.isfinite(x) else "not estimable" for x in (row.ours, row.revman))
        subject = f"{name} = {theirs}" if row.statistic in _NUMBERS else f"{name[:1].upper()}{name[1:]} {theirs}"
        if row.agrees:
            sentence = f"{subject} agrees with {what}, which {give} {mine}."
        elif known:
            sentence = f"{subject} is impossible: {what} {give} {mine} by the settings of the analysis."
        else:
            sentence = f"{subject} in the file; {what} {give} {mine}{f': {row.note}' if row.note else ''}."
        yield Verdict(
            0,
            analysis.title,
            where,
            f"{name} recomputed",
            "" if math.isnan(row.revman) else _figures(row.revman),
            row.ours,
            row.ours,
            row.agrees or not known,
            0.0 if row.agrees else _off(row, ours[row.analysis, row.part, row.study], analysis),
            sentence,
            doubtful=not row.agrees and not known,
        )


def _off(row: RevManRow, ours: dict[str, float], analysis: RevManAnalysis) -> float:
    """How far Review Manager's number lies from ours in standard errors; of weights as a share of the whole."""
    a, b = row.revman, row.ours
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if row.statistic == "weight":
        return abs(a - b) / 100.0
    if row.statistic == "statistic":
        return abs(abs(a) - abs(b))
    with np.errstate(all="ignore"):
        if row.statistic in ("p_value", "q_p_value", "q_between_p_value"):
            ends = [consistency.statistic_of_p(_point(x), np.array(np.inf)) for x in (a, b)]
            return float(gap(*ends))
        if row.statistic in ("q", "q_between", "q_df", "q_between_df"):
            return float(gap(*(consistency.normal_deviate_of_q(_point(x)) for x in (a, b))))
        if row.statistic in ("i2", "i2_between"):
            df = np.array(max(ours.get("q_df", ours.get("q_between_df", 1.0)), 1.0))
            ends = [consistency.normal_deviate_of_q(_point(float(df) / (1.0 - min(x, 99.999) / 100.0))) for x in (a, b)]
            return float(gap(*ends))
        own_level = analysis.study_level if row.study else analysis.level
        back = np.log if analysis.log_scale and row.statistic != "tau2" else np.asarray
        limits = [
            float(np.log(x) if analysis.log_scale else x)
            for x in (ours.get("ci_low", math.nan), ours.get("ci_high", math.nan))
        ]
        se = (limits[1] - limits[0]) / (2.0 * float(quantile(own_level, np.array(np.inf))))
        size = (
            abs(math.sqrt(max(a, 0.0)) - math.sqrt(max(b, 0.0)))
            if row.statistic == "tau2"
            else abs(float(back(a) - back(b)))
        )
    return size / se if se > 0 else math.inf


def _point(x: float) -> Interval:
    return Interval(np.array(x), np.array(x))


def study_tables(review: RevManReview) -> Iterator[StudyTable]:
    """The studies, one table what is pooled together: an analysis, or each of its subgroups where they alone are pooled."""
    row = 0
    for analysis in review.analyses:
        rows = review.rows(analysis)
        start, row = row, row + len(rows)
        if analysis.kind in ("dichotomous", "continuous") and len(rows):
            yield _study_table(analysis, rows, start)


def effects_twice(review: RevManReview) -> Iterator[Verdict]:
    """Of effects that were given as such: which stand in two rows of what is pooled together."""
    row = 0
    for analysis in review.analyses:
        rows = review.rows(analysis)
        start, row = row, row + len(rows)
        if analysis.kind not in ("generic", "o-e") or not len(rows):
            continue
        fields = ("y", "se") if analysis.kind == "generic" else ("o_minus_e", "variance")
        if not set(fields) <= set(rows.columns):
            continue
        names = [" ".join(f"{name}".split()) for name in rows.study]
        strata = rows.subgroup_number.to_numpy() if analysis.totals != "overall" else np.zeros(len(rows))
        for stratum in np.unique(strata):
            at = np.flatnonzero(strata == stratum).tolist()
            values = (rows[field].to_numpy(dtype=np.float64)[at].tolist() for field in fields)
            yield from effects_given_twice([start + 1 + i for i in at], analysis.title, [names[i] for i in at], *values)


def _study_table(analysis: RevManAnalysis, rows: pd.DataFrame, start: int) -> StudyTable:
    apart = analysis.totals != "overall"
    subgroups = tuple(str(name or "") for name in rows.subgroup)
    numbers = {}
    for field in STUDY_SPELLINGS:
        if field in WORDS:
            continue
        values = rows[field].to_numpy(dtype=np.float64) if field in rows else np.full(len(rows), math.nan)
        numbers[field] = column_of(field, [_number(float(value), field) for value in values])
    return StudyTable(
        np.arange(start + 1, start + 1 + len(rows)),
        tuple(" ".join(f"{name}".split()) for name in rows.study),
        tuple(f"{analysis.title}: {name}" if apart and name else analysis.title for name in subgroups),
        subgroups,
        MappingProxyType(numbers),
    )


def _number(value: float, field: str) -> Number:
    if not math.isfinite(value):
        return Number()
    text = f"{value:.10g}"
    return number_of(text, field, "")
