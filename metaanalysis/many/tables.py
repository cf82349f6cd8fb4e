"""Mantel-Haenszel and Peto for many groups: the formulas of `pool`, over blocks of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metaanalysis.effects.measures import four_counts
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.binary import peto_components
from metaanalysis.formulas.continuity import all_events, continuity_corrected, double_zero
from metaanalysis.formulas.heterogeneity import q_and_typical_variance
from metaanalysis.formulas.inference import Inference
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tables import (
    Pooled2x2,
    mantel_haenszel_log_odds_ratio,
    mantel_haenszel_log_risk_ratio,
    mantel_haenszel_risk_difference,
    mantel_haenszel_risk_difference_sato,
    peto_pooled,
    with_ratios_of_one,
)
from metaanalysis.formulas.weighted import weighted_mean
from metaanalysis.many.blocks import Block, over_blocks
from metaanalysis.many.columns import OF_I2, Answers, profiled
from metaanalysis.many.ragged import Ragged
from metaanalysis.models.numbers import Heterogeneity, PooledNumbers, assembled, pooled_numbers
from metaanalysis.models.tables import COUNTS, MantelHaenszel, takes_all_events_for_one
from metaanalysis.options import EffectOptions, PoolOptions

FORMULAS: Mapping[str, MantelHaenszel] = {
    "OR": mantel_haenszel_log_odds_ratio,
    "RR": mantel_haenszel_log_risk_ratio,
    "RD": mantel_haenszel_risk_difference,
}


def compute_tables(
    ragged: Ragged,
    counts: Mapping[str, FloatArray],
    measure: str,
    effect_options: EffectOptions,
    options: PoolOptions,
    columns: frozenset[str],
    workers: int,
    advance: Callable[[int], object] | None = None,
) -> dict[str, FloatArray]:
    """As an engine's `compute`, from the counts; a group whose estimate is not defined is NaN, with NOT_FINITE."""
    if not counts:
        raise DataError(
            f"method={options.method!r} pools the counts themselves ({', '.join(COUNTS)}), and these effects ({measure}) are "
            f"given without them: give the columns of counts and measure=, or pool by inverse variance."
        )
    if options.method == "mantel-haenszel" and measure not in FORMULAS:
        raise OptionError(
            f"method='mantel-haenszel' pools risk ratios, odds ratios and risk differences (RR, OR, RD), not {measure}. "
            f"For {measure} use method='inverse-variance'."
        )
    sizes = ragged.sizes
    names = columns - {"k"}
    into: dict[str, FloatArray | IntArray] = {name: np.full(sizes.size, np.nan) for name in sorted(names)}
    into["status"] = np.full(sizes.size, int(Status.TOO_FEW_STUDIES), dtype=np.intp)
    into["iterations"] = np.zeros(sizes.size, dtype=np.intp)

    def numbers(block: Block) -> Answers:
        y, v = block.arrays["y"].T, block.arrays["v"].T
        four = four_counts({name: block.arrays[name].T for name in COUNTS})
        with np.errstate(all="ignore"):
            found = (
                peto(y, v, four, options)
                if options.method == "peto"
                else mantel_haenszel(y, v, four, FORMULAS[measure], effect_options, options, measure)
            )
            undefined = ~(np.isfinite(found.estimate) & (found.se > 0))
            answer: Answers = {name: value for name, value in found._asdict().items() if name != "weights"}
            answer["tau"] = np.sqrt(found.tau2)
            s2 = q_and_typical_variance(y, v)[2] if names & set(OF_I2) else None
            answer |= profiled(y, v, options.level, s2, names)
        kept = {name: np.where(undefined, np.nan, value) for name, value in answer.items() if name in names}
        status = np.where(undefined, int(Status.NOT_FINITE), found.status)
        return {**kept, "status": status, "iterations": found.iterations}

    over_blocks(
        {"y": ragged.y, "v": ragged.v, **counts}, ragged.offsets, numbers, into, workers, fill=False, advance=advance
    )
    if "k" in columns:
        into["k"] = sizes
    return into  # type: ignore[return-value]


def mantel_haenszel(
    y: FloatArray,
    v: FloatArray,
    counts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    formula: MantelHaenszel,
    effect_options: EffectOptions,
    options: PoolOptions,
    measure: str,
) -> PooledNumbers:
    """Mantel-Haenszel's estimates, or the random-effects form with Q about them; all arrays (groups, k)."""
    if measure == "RD" and options.risk_difference_variance == "sato":
        formula = mantel_haenszel_risk_difference_sato
    # Where the convention keeps studies without events, they still have no say in Q.
    counted = ~double_zero(*counts) | (effect_options.double_zero != "keep")
    raw = counts
    if options.corrected_tables and measure != "RD":
        a, n1, c, n2, _ = continuity_corrected(*counts, effect_options.add, effect_options.to, "cells")
        counts = (a, n1, c, n2)
    pooled = formula(*counts)
    if takes_all_events_for_one(measure, effect_options, options):
        pooled = with_ratios_of_one(pooled, *counts, all_events(*raw))
    w = np.where(counted, 1.0 / v, 0.0)
    q = np.asarray((w * (y - pooled.estimate[..., np.newaxis]) ** 2).sum(axis=-1))
    df = np.asarray(counted.sum(axis=-1) - 1.0)
    if options.model == "common":
        return around(pooled, y, v, q, df, options)
    if y.shape[-1] == 1:
        return pooled_numbers(y, v, options)
    trace = (w * weighted_mean(y, w).complements).sum(axis=-1)
    tau2 = np.where(df > 0, np.maximum((q - df) / trace, 0.0), 0.0)
    found = pooled_numbers(y, v, options, tau2=tau2, q=q, q_df=df)
    # Where the Mantel-Haenszel estimate is not defined, neither is the Q about it.
    defined = np.isfinite(pooled.estimate) & np.isfinite(pooled.variance) & (pooled.variance > 0)
    return found._replace(estimate=np.where(defined, found.estimate, np.nan))


def peto(
    y: FloatArray,
    v: FloatArray,
    counts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    options: PoolOptions,
) -> PooledNumbers:
    """Peto's odds ratios; a study in which nobody or everybody had the event has no say. All arrays (groups, k)."""
    o_minus_e, variance = peto_components(*counts)
    pooled = peto_pooled(o_minus_e, variance)
    counted = variance > 0
    deviations = o_minus_e / np.where(counted, variance, 1.0) - pooled.estimate[..., np.newaxis]
    q = np.where(counted, variance * deviations**2, 0.0).sum(axis=-1)
    return around(pooled, y, v, q, np.asarray(counted.sum(axis=-1) - 1.0), options)


def around(
    pooled: Pooled2x2, y: FloatArray, v: FloatArray, q: FloatArray, df: FloatArray, options: PoolOptions
) -> PooledNumbers:
    """The common-effect numbers round estimates from tables."""
    lead = pooled.estimate.shape
    none, zero = np.full(lead, np.nan), np.zeros(lead, dtype=np.intp)
    inference = Inference(pooled.variance[..., np.newaxis, np.newaxis], np.full(lead, np.inf))
    found = Heterogeneity(none, q, df, none, zero, zero)
    return assembled(pooled.estimate, inference, np.asarray(pooled.weights), y, v, found, options)
