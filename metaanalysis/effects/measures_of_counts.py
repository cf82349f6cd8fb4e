"""The measures of counts: two groups, person-time, matched pairs, one group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from metaanalysis.effects.measure import UNDEFINED, Compute, Computed, Inputs, Measure, defined, nobody, take
from metaanalysis.formulas import association, binary, one_group, paired, rates, tetrachoric
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.continuity import (
    all_events,
    continuity_corrected,
    corrected_cells,
    double_zero,
    estimated_with_correction,
    no_events,
)
from metaanalysis.options import EffectOptions

TWO_GROUP_COUNTS = ("events1", "n1", "events2", "n2")
PERSON_TIME = ("events1", "time1", "events2", "time2")
MATCHED_PAIRS = ("both", "only1", "only2", "neither")
ONE_PROPORTION = ("events", "n")
ONE_RATE = ("events", "time")
EVENTS = ("events1", "events2")

DOUBLE_ZERO = "no events, or only events, in both groups"
NO_EVENTS = "no events in both groups"

Estimate: TypeAlias = tuple[FloatArray, FloatArray]


def four_counts(inputs: Inputs) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The counts of two groups."""
    return inputs["events1"], inputs["n1"], inputs["events2"], inputs["n2"]


def chosen(options: EffectOptions) -> dict[str, Any]:
    """The variance variant, where one was asked for."""
    return {} if options.variance is None else {"variance": options.variance}


def ratio(
    formula: Callable[..., Estimate],
    denominator: Callable[[EffectOptions], str],
    says_something_of_all_events: bool = False,
) -> Compute:
    """A ratio of risks or odds from four counts, with the continuity correction and the rule for double zeros.

    says_something_of_all_events: whether the ratio is 1, and not undefined, where everybody in both groups had the event.
    """

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        raw = four_counts(inputs)
        with np.errstate(divide="ignore", invalid="ignore"):
            y, v, touched = estimated_with_correction(
                formula, raw, options.add, options.to, denominator(options), options.addition
            )
        if options.double_zero == "drop-no-events" and says_something_of_all_events:
            # The variance alone is that of corrected counts: one of unequal groups would make the ratio another than 1.
            y = np.where(all_events(*raw), 0.0, y)
            left_out, reason = no_events(*raw), NO_EVENTS
        elif options.double_zero != "keep":
            left_out, reason = double_zero(*raw), DOUBLE_ZERO
        else:
            left_out = ~(np.isfinite(y) & np.isfinite(v))
            reason = "a cell is zero and no continuity correction was asked for: the ratio is not defined"
        return Computed(y, v, touched & ~left_out, left_out, reason)

    return compute


def risk_difference(inputs: Inputs, options: EffectOptions) -> Computed:
    """From four counts; a convention may correct the variance alone."""
    raw = four_counts(inputs)
    add = 0.0 if options.risk_difference == "neither" else options.add
    a, n1, c, n2, touched = continuity_corrected(*raw, add, options.to, "cells", options.addition)
    y, v = binary.risk_difference(a, n1, c, n2, **chosen(options))
    if options.risk_difference == "variance":
        y = binary.risk_difference(*raw)[0]
    left_out, reason = v <= 0, "the sampling variance is zero without a continuity correction"
    if options.double_zero == "drop-all":
        left_out, reason = left_out | double_zero(*raw), f"{DOUBLE_ZERO}, or {reason}"
    return Computed(y, v, touched & ~left_out, left_out, reason)


def peto(inputs: Inputs, options: EffectOptions) -> Computed:
    """Peto's odds ratio of a study; a convention may leave the counts as they are."""
    raw = four_counts(inputs)
    a, n1, c, n2 = raw
    touched = nobody(a)
    if options.peto == "corrected":
        a, n1, c, n2, touched = continuity_corrected(*raw, options.add, options.to, "cells", options.addition)
    with np.errstate(divide="ignore", invalid="ignore"):
        y, v = binary.peto_log_odds_ratio(a, n1, c, n2)
    left_out = ~(np.isfinite(y) & np.isfinite(v))
    if options.double_zero == "drop-all":
        left_out = left_out | double_zero(*raw)
    return Computed(y, v, touched & ~left_out, left_out, DOUBLE_ZERO)


def of_table(formula: Callable[..., Estimate], variants: bool = False, a_ratio: bool = False) -> Compute:
    """Any other measure of a 2 x 2 table; `a_ratio`: whether it is made of a ratio, which double zeros say nothing of."""
    dropped = ("drop", "drop-no-events", "drop-all") if a_ratio else ("drop-all",)

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        raw = four_counts(inputs)
        a, n1, c, n2, touched = continuity_corrected(*raw, options.add, options.to, "cells", options.addition)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y, v = formula(a, n1, c, n2, **(chosen(options) if variants else {}))
        left_out, reason = ~defined(y, v), UNDEFINED
        if options.double_zero in dropped:
            none = double_zero(*raw)
            left_out, reason = left_out | none, f"{DOUBLE_ZERO}, or {UNDEFINED}"
        return Computed(y, v, touched & ~left_out, left_out, reason)

    return compute


def of_cells(formula: Callable[..., Estimate], names: tuple[str, ...], counted: tuple[str, ...]) -> Compute:
    """A measure of counts that a correction adds to cell by cell: `counted` are the cells among the inputs `names`."""

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        raw = tuple(take(inputs, counted))
        cells, touched = corrected_cells(*raw, add=options.add, to=options.to)
        changed = {**inputs, **dict(zip(counted, cells, strict=True))}
        with np.errstate(divide="ignore", invalid="ignore"):
            y, v = formula(*take(changed, names))
        left_out, reason = ~defined(y, v), UNDEFINED
        if options.double_zero == "drop-all" and counted == EVENTS:
            none = (raw[0] == 0) & (raw[1] == 0)
            left_out, reason = left_out | none, f"no events in both groups, or {UNDEFINED}"
        return Computed(y, v, touched & ~left_out, left_out, reason)

    return compute


def of_proportion(formula: Callable[..., Estimate], variants: bool = False) -> Compute:
    """A measure of one proportion: a correction adds to the events and to the non-events."""

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        (events, others), touched = corrected_cells(
            inputs["events"], inputs["n"] - inputs["events"], add=options.add, to=options.to
        )
        # The size as it is where nothing was added: events + (n - events) has rounding that n does not.
        n = np.where(touched, events + others, inputs["n"])
        with np.errstate(divide="ignore", invalid="ignore"):
            y, v = formula(events, n, **(chosen(options) if variants else {}))
        left_out = ~defined(y, v)
        return Computed(y, v, touched & ~left_out, left_out, UNDEFINED)

    return compute


def logistic_d(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Estimate:
    """A standardised mean difference from an odds ratio, by the logistic distribution."""
    return binary.log_odds_ratio_to_d_logistic(*binary.log_odds_ratio(a, n1, c, n2))


def normal_d(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Estimate:
    """A standardised mean difference from an odds ratio, by Cox and Snell's constant."""
    return binary.log_odds_ratio_to_d_normal(*binary.log_odds_ratio(a, n1, c, n2))


TABLE: dict[str, Any] = {"inputs": TWO_GROUP_COUNTS, "kind": "two groups, counts", "cells": "each cell"}
TIME: dict[str, Any] = {"inputs": PERSON_TIME, "kind": "two groups, person-time", "cells": "the events of each group"}
PAIRS: dict[str, Any] = {"inputs": MATCHED_PAIRS, "kind": "matched pairs", "cells": "each cell"}
PROPORTION: dict[str, Any] = {
    "inputs": ONE_PROPORTION,
    "kind": "one group, proportion",
    "favours": False,
    "cells": "the events and the non-events",
}
RATE: dict[str, Any] = {"inputs": ONE_RATE, "kind": "one group, rate", "favours": False, "cells": "the events"}


def of_time(formula: Callable[..., Estimate]) -> Compute:
    """A measure of two groups' rates: a correction adds to the events alone."""
    return of_cells(formula, PERSON_TIME, EVENTS)


def of_rate(formula: Callable[..., Estimate]) -> Compute:
    """A measure of one rate: a correction adds to the events alone."""
    return of_cells(formula, ONE_RATE, ("events",))


def of_pairs(formula: Callable[..., Estimate], *unused: str) -> Compute:
    """A measure of matched pairs: a correction adds to all four cells; `unused` are those that it does not take."""
    names = tuple(name for name in MATCHED_PAIRS if name not in unused)
    return of_cells(formula, names, MATCHED_PAIRS)


MEASURES_OF_COUNTS: tuple[Measure, ...] = (
    Measure(
        "RR",
        "risk ratio",
        compute=ratio(binary.log_risk_ratio, lambda options: options.risk_ratio_denominator, True),
        analysis_scale="log risk ratio",
        back="exp",
        **TABLE,
    ),
    Measure(
        "OR",
        "odds ratio",
        compute=ratio(binary.log_odds_ratio, lambda _: "cells"),
        analysis_scale="log odds ratio",
        back="exp",
        **TABLE,
    ),
    Measure(
        "RD",
        "risk difference",
        compute=risk_difference,
        analysis_scale="risk difference",
        variances=tuple(one_group.PROPORTION_VARIANCES),
        **TABLE,
    ),
    Measure(
        "PETO",
        "Peto odds ratio",
        compute=peto,
        analysis_scale="log Peto odds ratio",
        back="exp",
        reference="yusuf1985",
        **TABLE,
    ),
    Measure(
        "AS",
        "arcsine difference",
        compute=of_table(binary.arcsine_difference),
        analysis_scale="arcsine difference",
        corrected=False,
        **TABLE,
    ),
    Measure(
        "PHI",
        "phi coefficient",
        compute=of_table(association.phi_coefficient, variants=True),
        analysis_scale="phi coefficient",
        variances=("CS", "ST"),
        corrected=False,
        **TABLE,
    ),
    Measure("YUQ", "Yule's Q", compute=of_table(association.yule_q, a_ratio=True), analysis_scale="Yule's Q", **TABLE),
    Measure("YUY", "Yule's Y", compute=of_table(association.yule_y, a_ratio=True), analysis_scale="Yule's Y", **TABLE),
    Measure(
        "RTET",
        "tetrachoric correlation",
        compute=of_table(tetrachoric.tetrachoric_correlation),
        analysis_scale="tetrachoric correlation",
        corrected=False,
        **TABLE,
    ),
    Measure(
        "PBIT",
        "probit difference",
        compute=of_table(binary.probit_difference, a_ratio=True),
        analysis_scale="probit difference",
        **TABLE,
    ),
    Measure(
        "OR2DL",
        "standardised mean difference from an odds ratio, logistic",
        compute=of_table(logistic_d, a_ratio=True),
        analysis_scale="standardised mean difference",
        **TABLE,
    ),
    Measure(
        "OR2DN",
        "standardised mean difference from an odds ratio, normal",
        compute=of_table(normal_d, a_ratio=True),
        analysis_scale="standardised mean difference",
        **TABLE,
    ),
    Measure(
        "IRR",
        "rate ratio",
        compute=of_time(rates.log_rate_ratio),
        analysis_scale="log rate ratio",
        back="exp",
        **TIME,
    ),
    Measure("IRD", "rate difference", compute=of_time(rates.rate_difference), analysis_scale="rate difference", **TIME),
    Measure(
        "IRSD",
        "difference of square-root rates",
        compute=of_time(rates.square_root_rate_difference),
        analysis_scale="difference of square-root rates",
        corrected=False,
        **TIME,
    ),
    Measure(
        "MPRD",
        "risk difference, matched pairs",
        compute=of_pairs(paired.paired_risk_difference),
        analysis_scale="risk difference",
        **PAIRS,
    ),
    Measure(
        "MPRR",
        "risk ratio, matched pairs",
        compute=of_pairs(paired.paired_log_risk_ratio, "neither"),
        analysis_scale="log risk ratio",
        back="exp",
        **PAIRS,
    ),
    Measure(
        "MPOR",
        "marginal odds ratio, matched pairs",
        compute=of_pairs(paired.paired_log_odds_ratio),
        analysis_scale="log odds ratio",
        back="exp",
        **PAIRS,
    ),
    Measure(
        "MPORC",
        "conditional odds ratio, matched pairs",
        compute=of_pairs(paired.conditional_log_odds_ratio, "both", "neither"),
        analysis_scale="log odds ratio",
        back="exp",
        **PAIRS,
    ),
    Measure(
        "MPPETO",
        "conditional Peto odds ratio, matched pairs",
        compute=of_pairs(paired.conditional_peto_log_odds_ratio, "both", "neither"),
        analysis_scale="log Peto odds ratio",
        back="exp",
        **PAIRS,
    ),
    Measure(
        "PR",
        "proportion",
        compute=of_proportion(one_group.proportion, variants=True),
        analysis_scale="proportion",
        variances=tuple(one_group.PROPORTION_VARIANCES),
        **PROPORTION,
    ),
    Measure(
        "PLN",
        "proportion",
        compute=of_proportion(one_group.log_proportion, variants=True),
        analysis_scale="log proportion",
        back="exp",
        variances=("LS", "AV"),
        **PROPORTION,
    ),
    Measure(
        "PLO",
        "proportion",
        compute=of_proportion(one_group.logit_proportion, variants=True),
        analysis_scale="log odds",
        back="expit",
        variances=("LS", "AV"),
        **PROPORTION,
    ),
    Measure(
        "PAS",
        "proportion",
        compute=of_proportion(one_group.arcsine_proportion),
        analysis_scale="arcsine square root of the proportion",
        back="arcsine",
        corrected=False,
        **PROPORTION,
    ),
    Measure(
        "PFT",
        "proportion",
        compute=of_proportion(one_group.freeman_tukey_proportion),
        analysis_scale="Freeman-Tukey double arcsine of the proportion",
        back="freeman-tukey proportion",
        size="n",
        corrected=False,
        **PROPORTION,
    ),
    Measure("IR", "rate", compute=of_rate(one_group.rate), analysis_scale="rate", **RATE),
    Measure("IRLN", "rate", compute=of_rate(one_group.log_rate), analysis_scale="log rate", back="exp", **RATE),
    Measure(
        "IRS",
        "rate",
        compute=of_rate(one_group.square_root_rate),
        analysis_scale="square root of the rate",
        back="square",
        corrected=False,
        **RATE,
    ),
    Measure(
        "IRFT",
        "rate",
        compute=of_rate(one_group.freeman_tukey_rate),
        analysis_scale="Freeman-Tukey transformed rate",
        back="freeman-tukey rate",
        size="time",
        corrected=False,
        **RATE,
    ),
)
