"""Pooling by the counts themselves: Mantel-Haenszel and Peto, in the conventions of the programs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.measures import four_counts
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.binary import peto_components
from metaanalysis.formulas.continuity import all_events, continuity_corrected, double_zero
from metaanalysis.formulas.inference import Inference
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tables import (
    Pooled2x2,
    cochran_q_about,
    dersimonian_laird_about,
    mantel_haenszel_log_odds_ratio,
    mantel_haenszel_log_risk_ratio,
    mantel_haenszel_risk_difference,
    mantel_haenszel_risk_difference_sato,
    peto_pooled,
    with_ratios_of_one,
)
from metaanalysis.models.numbers import Heterogeneity, PooledNumbers, assembled, pooled_numbers
from metaanalysis.options import EffectOptions, PoolOptions

COUNTS = ("events1", "n1", "events2", "n2")

MantelHaenszel = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], Pooled2x2]


def counts_of(effects: Effects, method: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The four counts of each study; DataError where the effects were made without them."""
    if not all(name in effects.inputs for name in COUNTS):
        raise DataError(
            f"method={method!r} pools the counts themselves ({', '.join(COUNTS)}), and these effects "
            f"({effects.measure}) were made without them. Make them by effect_sizes from a table of counts."
        )
    return four_counts(effects.inputs)


def mantel_haenszel_formula(effects: Effects, options: PoolOptions) -> MantelHaenszel:
    """The formula of the measure; OptionError for measures that have none."""
    sato = options.risk_difference_variance == "sato"
    formulas: dict[str, MantelHaenszel] = {
        "OR": mantel_haenszel_log_odds_ratio,
        "RR": mantel_haenszel_log_risk_ratio,
        "RD": mantel_haenszel_risk_difference_sato if sato else mantel_haenszel_risk_difference,
    }
    if effects.measure not in formulas:
        raise OptionError(
            f"method='mantel-haenszel' pools risk ratios, odds ratios and risk differences (RR, OR, RD), "
            f"not {effects.measure}. For {effects.measure} use method='inverse-variance'."
        )
    return formulas[effects.measure]


def takes_all_events_for_one(measure: str, effect_options: EffectOptions, options: PoolOptions) -> bool:
    """Whether the risk ratio of a study in which everybody had the event is 1, as in Review Manager."""
    return measure == "RR" and options.corrected_tables and effect_options.double_zero == "drop-no-events"


def mantel_haenszel_numbers(effects: Effects, options: PoolOptions) -> PooledNumbers:
    """Mantel-Haenszel's estimate; under the random-effects model its Q makes DerSimonian and Laird's tau2.

    The random-effects form is Review Manager's: Q is taken about the Mantel-Haenszel estimate, and the studies are then
    pooled by inverse variance with that tau2.
    """
    formula = mantel_haenszel_formula(effects, options)
    counts = raw = counts_of(effects, "mantel-haenszel")
    # Where the convention keeps studies without events, as metafor does, they still have no say in Q.
    counted = ~double_zero(*counts) | (effects.options.double_zero != "keep")
    if options.corrected_tables and effects.measure != "RD":
        a, n1, c, n2, _ = continuity_corrected(*counts, effects.options.add, effects.options.to, "cells")
        counts = (a, n1, c, n2)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = formula(*counts)
        if takes_all_events_for_one(effects.measure, effects.options, options):
            pooled = with_ratios_of_one(pooled, *counts, all_events(*raw))
    refuse_undefined(pooled, effects.measure, options)
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    if options.model == "random":
        if effects.k == 1:
            return pooled_numbers(y, v, options)
        found = dersimonian_laird_about(y, v, pooled.estimate, counted)
        return pooled_numbers(y, v, options, tau2=found.tau2, q=found.q, q_df=found.q_df)
    q, df = cochran_q_about(y, v, pooled.estimate, counted)
    inference = Inference(np.reshape(pooled.variance, (1, 1)), np.asarray(np.inf))
    return around_estimate(pooled, inference, y, v, q, df, options)


def refuse_undefined(pooled: Pooled2x2, measure: str, options: PoolOptions) -> None:
    """DataError where there is no Mantel-Haenszel estimate or, for a common effect, no variance of it.

    The random-effects form needs the estimate alone.
    """
    remedy = 'Pool by inverse variance, or correct the tables, as in convention="revman5".'
    if not np.isfinite(pooled.estimate):
        raise DataError(
            f"the Mantel-Haenszel estimate is not defined: one group has no events (or nothing but events) in all studies "
            f"together. {remedy}"
        )
    if options.model == "common" and not (np.isfinite(pooled.variance) and pooled.variance > 0):
        raise DataError(
            f"the Mantel-Haenszel estimate is {float(pooled.estimate):g} with a variance of {float(pooled.variance):g}, so that it "
            f"has no interval: no study has both events and non-events within a group. "
            f"{'Pool by inverse variance, whose variances are corrected.' if measure == 'RD' else remedy}"
        )


def peto_numbers(effects: Effects, options: PoolOptions) -> PooledNumbers:
    """Peto's odds ratio, and Q about it from the studies' own, all of the counts as they are.

    A study in which nobody or everybody had the event has no variance, and no say.
    """
    o_minus_e, variance = peto_components(*counts_of(effects, "peto"))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = peto_pooled(o_minus_e, variance)
    if not np.isfinite(pooled.estimate):
        raise DataError("Peto's odds ratio is not defined: no study has both events and non-events.")
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    counted = variance > 0
    deviations = o_minus_e[counted] / variance[counted] - pooled.estimate
    q = np.asarray((variance[counted] * deviations**2).sum())
    df = np.asarray(float(counted.sum() - 1))
    inference = Inference(np.reshape(pooled.variance, (1, 1)), np.asarray(np.inf))
    return around_estimate(pooled, inference, y, v, q, df, options)


def around_estimate(
    pooled: Pooled2x2,
    inference: Inference,
    y: FloatArray,
    v: FloatArray,
    q: FloatArray,
    df: FloatArray,
    options: PoolOptions,
) -> PooledNumbers:
    """The common-effect numbers round an estimate from tables."""
    none = np.asarray(np.nan)
    found = Heterogeneity(none, q, df, none, np.asarray(int(Status.CONVERGED)), np.asarray(0))
    weights = 100.0 * pooled.weights / pooled.weights.sum()
    return assembled(pooled.estimate, inference, weights, y, v, found, options)
