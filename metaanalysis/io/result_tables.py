"""Results as plain tables of texts, before any markup: what a paper prints of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaanalysis.effects import measure_named
from metaanalysis.errors import OptionError
from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.results.text import heterogeneity_line, model_sentence, number, p_value, per_cent, test_statistic

MOST_DECIMALS = 15


@dataclass(frozen=True)
class ResultTable:
    """A table of texts: `texts` tells for each column whether it holds words, which stand to the left, or numbers."""

    title: str
    header: tuple[str, ...]
    texts: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def checked_decimals(decimals: int) -> int:
    """How many decimals to show."""
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= MOST_DECIMALS:
        raise OptionError(
            f"decimals={decimals!r} is not a number of decimals: it is a whole number from 0 to {MOST_DECIMALS}."
        )
    return decimals


def table_of(result: Any, decimals: int) -> ResultTable:
    """The table of a result; OptionError for what has none."""
    decimals = checked_decimals(decimals)
    if isinstance(result, Pooled):
        return pooled_table(result, decimals)
    if isinstance(result, Subgroups):
        return subgroups_table(result, decimals)
    if isinstance(result, Regression):
        return regression_table(result, decimals)
    frame = result.to_frame() if hasattr(result, "to_frame") else result
    if hasattr(frame, "columns") and hasattr(frame, "itertuples"):
        return frame_table(frame, decimals)
    raise OptionError(
        f"{type(result).__name__} has no table: give what pool, subgroups or meta_regression return, another result with "
        f"to_frame(), or a pandas frame."
    )


def pooled_table(fit: Pooled, decimals: int) -> ResultTable:
    """One row a study, and the pooled result."""
    entry = measure_named(fit.measure)
    effects = fit.effects
    low, high = effects.interval(fit.level)
    estimate, ends = (
        effects.back_transform_each(np.asarray(effects.y)),
        [effects.back_transform_each(x) for x in (low, high)],
    )
    rows = [
        (str(label), fixed(float(y), decimals), limits(float(a), float(b), decimals), number(float(weight), 1))
        for label, y, a, b, weight in zip(effects.label, estimate, *ends, fit.weights, strict=True)
    ]
    back = fit.back_transformed()
    rows.append(
        ("Pooled", fixed(back.estimate, decimals), limits(back.ci_low, back.ci_high, decimals), number(100.0, 1))
    )
    if not math.isnan(back.prediction_low):
        between = limits(back.prediction_low, back.prediction_high, decimals)
        rows.append(("Prediction interval", "", between, ""))
    return ResultTable(
        f"{model_sentence(fit)}, k = {fit.k}",
        (
            "Study",
            entry.title.capitalize() if entry.title.islower() else entry.title,
            f"{per_cent(fit.level)} CI",
            "Weight (%)",
        ),
        (True, False, False, False),
        tuple(rows),
        (test_statistic(fit.statistic, fit.df, fit.p_value), heterogeneity_line(fit), *fit.notes),
    )


def subgroups_table(found: Subgroups, decimals: int) -> ResultTable:
    """One row a subgroup, and the whole."""
    entry = measure_named(found.overall.measure)
    rows = []
    for name, fit in [*found.groups.items(), ("Overall", found.overall)]:
        back = fit.back_transformed()
        rows.append(
            (
                str(name),
                str(fit.k),
                fixed(back.estimate, decimals),
                limits(back.ci_low, back.ci_high, decimals),
                number(fit.tau2, 4),
                number(fit.i2, 1),
            )
        )
    return ResultTable(
        f"Subgroups by {found.by}: {model_sentence(found.overall)}",
        ("Subgroup", "k", entry.title.capitalize(), f"{per_cent(found.overall.level)} CI", "τ²", "I² (%)"),
        (True, False, False, False, False, False),
        tuple(rows),
        (f"Test for subgroup differences: {found.test_sentence()}", *found.notes),
    )


def regression_table(reg: Regression, decimals: int) -> ResultTable:
    """One row a coefficient."""
    entry = measure_named(reg.measure)
    rows = tuple(
        (
            str(name),
            fixed(float(row["estimate"]), decimals),
            fixed(float(row["se"]), decimals),
            limits(float(row["ci_low"]), float(row["ci_high"]), decimals),
            p_value(float(row["p_value"])).removeprefix("p ").removeprefix("= "),
        )
        for name, row in reg.coefficients.iterrows()
    )
    residual = f"Residual heterogeneity: Q = {reg.q_residual:.2f}, df = {reg.q_residual_df:g} ({p_value(reg.q_residual_p_value)})"
    more = f"; τ² = {number(reg.tau2)}; R² = {number(reg.r2, 1)}%" if reg.tau2_method else ""
    return ResultTable(
        f"Meta-regression of {reg.k} studies: {reg.formula} ({entry.analysis_scale})",
        ("Term", "Coefficient", "SE", f"{per_cent(reg.level)} CI", "p"),
        (True, False, False, False, False),
        rows,
        (residual + more, *reg.notes),
    )


def frame_table(frame: Any, decimals: int) -> ResultTable:
    """A pandas frame, cell by cell."""
    columns = [str(name) for name in frame.columns]
    numeric = [getattr(frame.iloc[:, at].dtype, "kind", "O") in "fiu" for at in range(len(columns))]
    rows = tuple(tuple(cell(value, decimals) for value in row) for row in frame.itertuples(index=False, name=None))
    return ResultTable("", tuple(columns), tuple(not one for one in numeric), rows)


def cell(value: object, decimals: int) -> str:
    """A value as text."""
    if isinstance(value, float | np.floating):
        return fixed(float(value), decimals)
    return "" if value is None else str(value)


def fixed(value: float, decimals: int) -> str:
    """A number at fixed decimals, as a column of a paper has them; more where it would show as 0 and is none."""
    if not math.isfinite(value) or abs(value) >= 1e7 or (value != 0 and abs(value) < 0.5 * 10.0**-decimals):
        return number(value, decimals)
    return f"{value:.{decimals}f}"


def limits(low: float, high: float, decimals: int) -> str:
    """An interval in a cell."""
    if math.isnan(low) and math.isnan(high):
        return "n/a"
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"
