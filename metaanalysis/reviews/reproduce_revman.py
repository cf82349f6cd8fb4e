"""Compute a review of Review Manager again, and lay every number of ours beside its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import MetaAnalysisError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.heterogeneity import i2_from_q
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.reviews.revman import RevManAnalysis, RevManResult, RevManReview
from metaanalysis.reviews.revman_analysis import (
    NO_SUBGROUP,
    compared_subgroups,
    data_of,
    effects_of,
    pooled,
    subgroup_names,
)
from metaanalysis.reviews.revman_reproduction import TOTAL, RevManReproduction, RevManRow

DIFFERENCES = "Test for subgroup differences"
# Review Manager's tails are approximations: the normal one right to about 3e-8, that of chi-squared to about 3e-7.
TAILS = 1e-6
_P_VALUES = ("p_value", "q_p_value", "q_between_p_value")
_PER_CENT = ("weight", "i2", "i2_between")
_OF_POOLED = ("estimate", "ci_low", "ci_high", "statistic", "p_value", "q", "q_df", "q_p_value", "i2", "tau2")
_HETEROGENEITY = ("q", "q_df", "q_p_value", "i2", "tau2")


def reproduce_revman(review: RevManReview, tolerance: float | None = None) -> RevManReproduction:
    """Every number of a review of Review Manager beside ours; see `reproduce`."""
    if tolerance is None:
        # What is printed to few decimals can only be held to those.
        tolerance = max(1e-6, 0.51 * 10.0**-review.decimals)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise OptionError(
            f"tolerance={tolerance!r} is not a difference to allow: it is a number from 0 upward, as in 1e-6."
        )
    rows: list[RevManRow] = []
    results: dict[str, Pooled | Subgroups] = {}
    failures: dict[str, str] = {}
    for analysis in review.analyses:
        if analysis.kind == "other":
            continue
        comparison = AnalysisComparison(analysis, review, tolerance)
        try:
            rows += comparison.rows()
        except MetaAnalysisError as problem:
            if comparison.expects_nothing():
                continue
            failures[analysis.id] = str(problem)
        if comparison.result is not None:
            results[analysis.id] = comparison.result
    return RevManReproduction(review, tuple(rows), MappingProxyType(results), MappingProxyType(failures), tolerance)


class AnalysisComparison:
    """One analysis: Review Manager's rows and results, and ours."""

    def __init__(self, analysis: RevManAnalysis, review: RevManReview, tolerance: float) -> None:
        self.analysis = analysis
        self.tolerance = tolerance
        self.data = data_of(analysis, review.rows(analysis))
        self.result: Pooled | Subgroups | None = None

    def expects_nothing(self) -> bool:
        """Whether Review Manager has no result either."""
        return not self.analysis.result.estimable and not self.data.estimable.any()

    def rows(self) -> list[RevManRow]:
        """All comparisons of the analysis, the pooled ones first."""
        analysis, data = self.analysis, self.data
        effects = effects_of(analysis, data)
        at = np.arange(len(data)) if effects.rows is None else effects.rows
        weights = np.full(len(data), math.nan)
        names = subgroup_names(analysis)
        in_total, in_subgroup = data.in_total.to_numpy()[at], data.in_subgroup.to_numpy()[at]
        rows: list[RevManRow] = []
        if analysis.totals == "overall":
            fit = self.fitted(effects, in_total)
            rows += self.pooled_rows(TOTAL, analysis.result, fit)
            if fit is not None:
                weights[at[in_total]] = fit.weights
                self.result = fit
        if analysis.totals != "none" and names:
            rows += self.subgroup_rows(effects, at, in_subgroup, names, weights)
        return [*rows, *self.study_rows(effects, at, weights)]

    def fitted(self, effects: Effects, keep: BoolArray) -> Pooled | None:
        """The chosen studies pooled; None where there are none."""
        if not keep.any():
            return None
        return pooled(self.analysis, effects if keep.all() else effects.subset(keep))

    def subgroup_rows(
        self, effects: Effects, at: Any, keep: BoolArray, names: dict[int, str], weights: FloatArray
    ) -> Iterator[RevManRow]:
        """The subgroups' results and the test between them; where they alone are pooled, also the studies' weights."""
        groups = np.array(effects.column("subgroup"))
        keep = keep & (groups != NO_SUBGROUP)
        fits: dict[str, Pooled] = {}
        if keep.any():
            found = compared_subgroups(self.analysis, effects if keep.all() else effects.subset(keep))
            fits = dict(found.groups)
            self.result = found
            if self.analysis.totals == "subgroups":
                for name, fit in fits.items():
                    weights[at[keep & (groups == name)]] = fit.weights
        for group in self.analysis.subgroups:
            name = names[group.number]
            yield from self.pooled_rows(name, group.result, fits.get(name))
        theirs = self.analysis.differences
        if self.analysis.subgroup_test and theirs.df >= 1 and keep.any() and len(fits) > 1:
            df = float(found.q_between_df)
            ours = {
                "q_between": (theirs.q, found.q_between),
                "q_between_df": (theirs.df, df),
                "q_between_p_value": (theirs.p_value, found.q_between_p_value),
                "i2_between": (theirs.i2, float(i2_from_q(np.asarray(found.q_between), np.asarray(df)))),
            }
            for statistic, (revman, own) in ours.items():
                if not math.isnan(revman):
                    yield self.row(DIFFERENCES, "", statistic, revman, own)

    def pooled_rows(self, part: str, theirs: RevManResult, fit: Pooled | None) -> Iterator[RevManRow]:
        """A pooled result of Review Manager beside ours."""
        if not theirs.estimable:
            if fit is not None and theirs.estimable is False:
                yield self.row(part, "", "estimate", math.nan, self.numbers(fit)["estimate"], "not estimable there")
            return
        ours = {} if fit is None else self.numbers(fit)
        for statistic in _OF_POOLED:
            revman = getattr(theirs, statistic)
            # A single study has no heterogeneity, which the file shows as zeros; and one effect for all has no tau².
            if statistic in _HETEROGENEITY and (theirs.q_df == 0 or math.isnan(theirs.q_df)):
                continue
            if math.isnan(revman) or (statistic == "tau2" and not self.analysis.random):
                continue
            note = "" if fit is not None else "no study is left"
            yield self.row(part, "", statistic, revman, ours.get(statistic, math.nan), note)

    def numbers(self, fit: Pooled) -> dict[str, float]:
        """Our numbers as Review Manager shows them: ratios as ratios, Z without its sign."""
        back = np.exp if self.analysis.log_scale else np.positive
        found = {name: float(getattr(fit, name)) for name in _OF_POOLED}
        found.update({name: float(back(found[name])) for name in ("estimate", "ci_low", "ci_high")})
        found["statistic"] = abs(found["statistic"])
        return found

    def study_rows(self, effects: Effects, at: Any, weights: FloatArray) -> Iterator[RevManRow]:
        """Each study's effect, interval and weight beside ours."""
        back = np.exp if self.analysis.log_scale else np.positive
        low, high = effects.interval(self.analysis.study_level)
        ours = {name: np.full(len(self.data), math.nan) for name in ("effect", "ci_low", "ci_high")}
        for name, values in (("effect", np.asarray(effects.y)), ("ci_low", low), ("ci_high", high)):
            ours[name][at] = back(values)
        reasons = dict(effects.left_out)
        data = self.data
        theirs = {name: data[name].to_numpy() for name in ("effect", "ci_low", "ci_high", "weight")}
        ours["weight"] = weights
        columns = zip(data.study, data.subgroup, data.estimable, strict=True)
        several = bool(self.analysis.subgroups)
        for row, (study, subgroup, estimable) in enumerate(columns):
            part = subgroup if several else TOTAL
            if not estimable:
                if not math.isnan(ours["effect"][row]):
                    yield self.row(part, study, "effect", math.nan, ours["effect"][row], "not estimable there")
                continue
            for statistic, values in theirs.items():
                revman, own = float(values[row]), float(ours[statistic][row])
                if math.isnan(revman) or (statistic == "weight" and (math.isnan(own) and revman == 0)):
                    continue
                if statistic == "weight" and self.analysis.totals == "none":
                    continue
                yield self.row(part, study, statistic, revman, own, reasons.get(study, "") if math.isnan(own) else "")

    def row(self, part: str, study: str, statistic: str, revman: float, ours: float, note: str = "") -> RevManRow:
        """A comparison with its verdict."""
        allowed = max(self.tolerance, TAILS) if statistic in _P_VALUES else self.tolerance
        if statistic in _PER_CENT:
            allowed *= 100.0
        else:
            allowed *= max(1.0, abs(revman))
        agrees = bool(revman == ours or abs(revman - ours) <= allowed)
        return RevManRow(self.analysis.id, part, study, statistic, float(revman), float(ours), agrees, note)
