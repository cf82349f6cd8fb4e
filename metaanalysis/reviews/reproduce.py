"""Compute a published review again, and hold every printed number against ours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from metaanalysis.effects import Effects, effect_sizes, measure_named
from metaanalysis.errors import DataError, ExcludedStudiesWarning, MetaAnalysisError, OptionError, nearest
from metaanalysis.models import meta_regression, pool, subgroups
from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.reviews.datasets import load_review, table_of
from metaanalysis.reviews.reproduce_audit import audited
from metaanalysis.reviews.reproduce_revman import reproduce_revman
from metaanalysis.reviews.reproduction import Reproduction, Row
from metaanalysis.reviews.review import Analysis, Printed, Review
from metaanalysis.reviews.revman import RevManReview
from metaanalysis.reviews.revman_reproduction import RevManReproduction

if TYPE_CHECKING:
    import pandas as pd

Result: TypeAlias = Pooled | Subgroups | Regression

# What published reviews use and the engine has not got yet: such numbers are told apart, not passed over.
_MODELS_TO_COME = {"multilevel": "a multilevel model"}
# The record's names of intervals where ours differ: both follow the likelihood that tau2 was estimated by, and papers let
# Wald's lower limit fall below 0.
_INTERVALS = {
    ("profile-likelihood", "ML"): "profile-likelihood-ml",
    ("wald", "ML"): "wald-untruncated-ml",
    ("wald", "REML"): "wald-untruncated",
}

_READ_ON_A_SCALE = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")
# The powers of the unit in which they are measured; all others have none.
_POWERS = {**dict.fromkeys(_READ_ON_A_SCALE, 1), "se": 1, "tau": 1, "tau2": 2, "tau2_ci_low": 2, "tau2_ci_high": 2}
_OF_POOLED = ("k", "se", "statistic", "df", "p_value", "tau2", "tau", "i2", "h2", "q", "q_df", "q_p_value")
_OF_SUBGROUPS = ("q_between", "q_between_df", "q_between_p_value")
_OF_COEFFICIENTS = ("estimate", "se", "statistic", "df", "p_value", "ci_low", "ci_high")
_OF_REGRESSION = (
    "k",
    "tau2",
    "tau",
    "i2",
    "h2",
    "r2",
    "q_moderators",
    "q_moderators_p_value",
    "q_residual",
    "q_residual_df",
    "q_residual_p_value",
)


@overload
def reproduce(review: RevManReview, *, tolerance: float | None = None) -> RevManReproduction: ...
@overload
def reproduce(review: Review | str, *, tolerance: None = None) -> Reproduction: ...
def reproduce(
    review: Review | RevManReview | str, *, tolerance: float | None = None
) -> Reproduction | RevManReproduction:
    """Compute a published review again, and hold every printed number against ours.

    Parameters
    ----------
    review
        A review, or the name of one that comes with the library; or a file of Review Manager, as `read_revman` reads it, whose
        analyses are pooled as their authors did.
    tolerance
        For a file of Review Manager: how far its numbers and ours may lie apart to agree, absolutely or, above 1, relatively.
        By default 1e-6, or half a unit of the last decimal where the file has fewer.

    Returns
    -------
    Reproduction
        ``rows`` (one a printed number: printed, ours at the same decimals, whether they agree and whether they should),
        ``results``, ``summary()``, ``to_frame()``. Where only summaries were published, the rows are the checks of an audit.
        For a file of Review Manager `RevManReproduction`, with the same names.

    Raises
    ------
    DataError
        Where the record of the review is wrong; the message names the review, the analysis and the key.
    OptionError
        Where there is no review of that name, or the tolerance is given for a review that is held to its printed decimals.

    Notes
    -----
    A printed number agrees if ours rounds to it; one half-way between two agrees with both. Estimates and limits are on the
    scale that the record names; standard errors and tau² are always on the scale of analysis (log for ratios). The scale
    per-cent is that of analysis times 100, and tau² times 10,000.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> for row in ma.reproduce("hackshaw1998").rows:
    ...     print(row.statistic, row.printed, row.ours, row.verdict)
    k 37 37 agrees
    estimate 1.24 1.24 agrees
    ci_low 1.13 1.13 agrees
    ci_high 1.36 1.36 agrees

    >>> ma.reproduce(ma.read_revman(ma.example_file("invented-review.rm5"))).ok
    True
    """
    if isinstance(review, RevManReview):
        return reproduce_revman(review, tolerance)
    if tolerance is not None:
        raise OptionError(
            "tolerance is for files of Review Manager: the reviews that come with the library are held to their printed decimals."
        )
    review = load_review(review) if isinstance(review, str) else review
    if review.kind == "reported":
        return audited(review)
    table = table_of(review)
    rows: list[Row] = []
    results: dict[str, Result] = {}
    for analysis in review.analyses:
        missing = lacking(analysis)
        if not missing:
            results[analysis.id] = result_of(analysis, table, review)
        rows += [
            compared(review, analysis, printed, missing or number_of(results[analysis.id], printed, analysis, review))
            for printed in analysis.printed
        ]
    return Reproduction(review, tuple(rows), MappingProxyType(results))


def lacking(analysis: Analysis) -> str:
    """What the engine has not got yet and the analysis needs, in words; empty where it can be attempted."""
    return _MODELS_TO_COME.get(analysis.kind, "")


def result_of(analysis: Analysis, table: pd.DataFrame, review: Review) -> Result:
    """The result of an analysis of a review."""
    place = f"{review.name}/review.toml, analysis {analysis.id!r}"
    try:
        studies = chosen(table, analysis)
        with warnings.catch_warnings():
            # Who was left out stands in the result, and is printed with it.
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            effects = effect_sizes(
                studies, analysis.measure, label=review.label, **{**analysis.inputs, **analysis.effects}
            )
            return _RUNS[analysis.kind](effects, analysis)
    except MetaAnalysisError as problem:
        raise DataError(f"{place}: {problem}") from problem


def chosen(table: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    """The studies of an analysis."""
    for column, value in analysis.where.items():
        if column not in table.columns:
            raise DataError(f"where names {column!r}, which is no column.{nearest(column, table.columns)}")
        table = table[[str(cell) == value for cell in table[column]]]
        if table.empty:
            raise DataError(f"where = {{ {column} = {value!r} }} leaves no study: correct the value.")
    return table


def _pool(effects: Effects, analysis: Analysis) -> Result:
    if analysis.subgroup:
        return subgroups(effects, by=analysis.subgroup, **analysis.pool)
    return pool(effects, **analysis.pool)


def _count(effects: Effects, analysis: Analysis) -> Result:
    model: dict[str, Any] = {"glmm": analysis.glmm} if analysis.glmm else {}
    return pool(effects, method="glmm", **model, **analysis.pool)


def _regress(effects: Effects, analysis: Analysis) -> Result:
    result: Regression = meta_regression(effects, analysis.moderators, **analysis.pool)
    return result


_RUNS: Mapping[str, Callable[[Effects, Analysis], Result]] = MappingProxyType(
    {"pool": _pool, "subgroups": _pool, "meta-regression": _regress, "glmm": _count}
)


def compared(review: Review, analysis: Analysis, printed: Printed, ours: float | str) -> Row:
    """A printed number beside ours, or beside what ours needs."""
    missing = ours if isinstance(ours, str) else ""
    value = math.nan if isinstance(ours, str) else ours
    return Row(
        review=review.name,
        analysis=analysis.id,
        statistic=printed.statistic,
        part=printed.part,
        printed=printed.number.text,
        ours="" if missing else printed.number.shown(value),
        value=value,
        agrees=printed.number.agrees(value),
        expected=printed.agrees,
        evidence=printed.evidence,
        where=printed.where,
        note=printed.note,
        missing=missing,
    )


def number_of(result: Result, printed: Printed, analysis: Analysis, review: Review) -> float | str:
    """Our number for a printed one, on its scale; or, as text, what the engine lacks for it."""
    statistic = printed.statistic
    found: float | str | None
    if isinstance(result, Regression):
        found = _of_regression(result, statistic, printed.part)
    else:
        found = _of_pooled(result, statistic, printed.part, analysis)
    if found is None:
        of = f" of {printed.part!r}" if printed.part else ""
        raise DataError(
            f"{review.name}/review.toml, analysis {analysis.id!r}: the result has no {statistic}{of}: correct the record."
        )
    if isinstance(found, str):
        return found
    if statistic in _READ_ON_A_SCALE and printed.scale == "back-transformed":
        found = float(measure_named(analysis.measure).back_transform(np.asarray(found)))
    return found * 100.0 ** _POWERS.get(statistic, 0) if printed.scale == "per-cent" else found


def _of_pooled(result: Pooled | Subgroups, statistic: str, part: str, analysis: Analysis) -> float | str | None:
    """A number of a pooled result on the scale of analysis; None where it has none of that name."""
    if isinstance(result, Subgroups):
        if statistic in _OF_SUBGROUPS:
            return None if part else float(getattr(result, statistic))
        if part and part not in result.groups:
            return None
        fit = result.groups[part] if part else result.overall
    elif part:
        return None
    else:
        fit = result
    if statistic in (*_READ_ON_A_SCALE, *_OF_POOLED):
        return float(getattr(fit, statistic))
    if statistic in fit.details:
        return float(fit.details[statistic])
    if statistic == "n":
        return participants(fit.effects)
    if statistic.startswith(("tau2_ci", "i2_ci")):
        method = _INTERVALS.get((analysis.tau2_interval, str(fit.options.tau2)), analysis.tau2_interval) or "q-profile"
        interval = fit.i2_interval(method=method) if statistic.startswith("i2") else fit.tau2_interval(method=method)
        return interval.low if statistic.endswith("low") else interval.high
    return None


def _of_regression(result: Regression, statistic: str, part: str) -> float | None:
    """A number of a meta-regression on the scale of analysis; None where it has none of that name."""
    if part:
        at = {name.lower(): name for name in result.names}.get(part.lower())
        if at is None or statistic not in _OF_COEFFICIENTS:
            return None
        return float(result.coefficients[statistic][at])
    if statistic in _OF_REGRESSION:
        return float(getattr(result, statistic))
    if statistic == "n":
        return participants(result.effects)
    return None


def participants(effects: Effects) -> float:
    """How many people the studies have; NaN where the data do not say."""
    for names in (("n1", "n2"), ("n",)):
        if all(name in effects.inputs for name in names):
            return float(sum(effects.inputs[name].sum() for name in names))
    columns: tuple[Any, ...] = () if effects.table is None else tuple(effects.table.columns)
    for names in (("n1", "n2"), ("n",)):
        if all(name in columns for name in names):
            return float(sum(sum(effects.column(name)) for name in names))
    return math.nan
