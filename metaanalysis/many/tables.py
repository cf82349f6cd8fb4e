"""Mantel-Haenszel and Peto for many groups: the formulas of `pool`, over blocks of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from metaanalysis.effects.measures import four_counts
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.binary import peto_components
from metaanalysis.formulas.continuity import all_events, continuity_corrected, double_zero
from metaanalysis.formulas.heterogeneity import q_and_typical_variance
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.moments import q_moments_of_mean
from metaanalysis.formulas.problems import Problems, problems
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tables import (
    HeterogeneityAbout,
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
from metaanalysis.many.blocks import Block, over_blocks
from metaanalysis.many.columns import OF_I2, PREDICTED, Answers, averaged, of_estimate, of_heterogeneity, profiled
from metaanalysis.many.ragged import Ragged
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.models.tables import COUNTS, MantelHaenszel, takes_all_events_for_one
from metaanalysis.options import EffectOptions, PoolOptions

# The size of either group of a study that fills a block up: its table adds to no sum, and divides no zero by zero.
NOBODY = 1e-60

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
    if options.method == "mantel-haenszel" and measure not in (*FORMULAS, "GEN"):
        raise OptionError(
            f"method='mantel-haenszel' pools risk ratios, odds ratios and risk differences (RR, OR, RD), not {measure}. "
            f"For {measure} use method='inverse-variance'."
        )
    if not counts:
        raise DataError(
            f"method={options.method!r} pools the counts themselves ({', '.join(COUNTS)}), and these effects ({measure}) are "
            f"given without them: give the columns of counts and measure=, or pool by inverse variance."
        )
    sizes = ragged.sizes
    names = columns - {"k"}
    into: dict[str, FloatArray | IntArray] = {name: np.full(sizes.size, np.nan) for name in sorted(names)}
    into["status"] = np.full(sizes.size, int(Status.TOO_FEW_STUDIES), dtype=np.intp)
    into["iterations"] = np.zeros(sizes.size, dtype=np.intp)
    corrects = options.method == "mantel-haenszel" and options.corrected_tables and measure != "RD"
    # Where one study's correction depends on the others' cells, each group is corrected by itself.
    at_once = corrects and effect_options.to != "if0all"
    tables = Tables(measure, effect_options, options, names, corrects and not at_once)
    arrays = {"y": ragged.y, "v": ragged.v, **counts}
    raw = four_counts(counts)
    if options.method == "mantel-haenszel":
        # Where the convention keeps studies without events, they still have no say in Q.
        if effect_options.double_zero == "keep" and (no_say := double_zero(*raw)).any():
            arrays["no_say"] = no_say.astype(np.float64)
        if takes_all_events_for_one(measure, effect_options, options) and (everybody := all_events(*raw)).any():
            arrays["everybody"] = everybody.astype(np.float64)
    if at_once:
        a, n1, c, n2, _ = continuity_corrected(*raw, effect_options.add, effect_options.to, "cells")
        arrays |= dict(zip(COUNTS, (a, n1, c, n2), strict=True))

    def numbers(block: Block) -> Answers:
        with np.errstate(all="ignore"):
            answer = peto(block, tables) if options.method == "peto" else mantel_haenszel(block, tables)
            y, v = block.arrays["y"].T, block.arrays["v"].T
            s2 = q_and_typical_variance(y, v)[2] if names & set(OF_I2) else None
            answer |= profiled(y, v, options.level, s2, names)
            undefined = ~np.isfinite(answer["estimate"])
            if options.model == "common":
                # The random-effects form needs the estimate alone, as in `pool`.
                undefined |= ~(np.isfinite(answer["se"]) & (answer["se"] > 0))
        if undefined.any():
            answer = {
                name: np.where(undefined, int(Status.NOT_FINITE) if name == "status" else np.nan, value)
                for name, value in answer.items()
                if name != "iterations"
            }
        return {name: value for name, value in answer.items() if name in names or name == "status"}

    # A function of the user's own may know the studies by their places, and nothing of infinite variances.
    fill = not any(callable(option) for option in (options.tau2, options.ci, options.prediction))
    over_blocks(arrays, ragged.offsets, numbers, into, workers, fill=fill, advance=advance)
    if "k" in columns:
        into["k"] = sizes
    return into  # type: ignore[return-value]


class Tables(NamedTuple):
    """What is asked of each block of tables; `corrects`: whether its counts are still to be corrected."""

    measure: str
    effect_options: EffectOptions
    options: PoolOptions
    wanted: frozenset[str]
    corrects: bool


def counts_of(block: Block) -> tuple[BoolArray | None, tuple[FloatArray, FloatArray, FloatArray, FloatArray]]:
    """Where there is a study and no filling, None where everywhere, and the four counts; (groups, k) each."""
    four = four_counts({name: block.arrays[name].T for name in COUNTS})
    there = np.arange(four[0].shape[-1]) < block.k[:, np.newaxis] if block.k.ndim else None
    return there, four


def mantel_haenszel(block: Block, tables: Tables) -> Answers:
    """Mantel-Haenszel's estimates, or the random-effects form with Q about them.

    What fills a group up repeats its first study, with an infinite variance.
    """
    measure, effect_options, options, wanted, corrects = tables
    y, v = block.arrays["y"].T, block.arrays["v"].T
    there, (a, n1, c, n2) = counts_of(block)
    if corrects:
        a, n1, c, n2, _ = continuity_corrected(a, n1, c, n2, effect_options.add, effect_options.to, "cells")
    if there is not None:
        a, c = np.where(there, a, 0.0), np.where(there, c, 0.0)
        n1, n2 = np.where(there, n1, NOBODY), np.where(there, n2, NOBODY)
    formula = FORMULAS[measure]
    if measure == "RD" and options.risk_difference_variance == "sato":
        formula = mantel_haenszel_risk_difference_sato
    pooled = formula(a, n1, c, n2)
    if "everybody" in block.arrays:
        everybody = np.asarray(block.arrays["everybody"].T > 0)
        at = everybody if there is None else everybody & there
        pooled = with_ratios_of_one(pooled, a, n1, c, n2, at)
    counted = np.ones(y.shape, dtype=np.bool_) if there is None else there
    if "no_say" in block.arrays:
        counted = counted & (block.arrays["no_say"].T == 0)
    if options.model == "common":
        q, q_df = cochran_q_about(y, v, pooled.estimate, counted)
        return around(pooled, q, q_df, options, wanted)
    given = problems(y, v, None, q_moments_of_mean)
    # Of all studies the trace is known from the common-effect fit.
    trace = None if "no_say" in block.arrays else given.at_zero.trace_p
    about = dersimonian_laird_about(y, v, pooled.estimate, counted, trace)
    alone = np.broadcast_to(block.k == 1.0, about.q.shape)
    answer = by_inverse_variance_about(y, v, alone, about, given, options, wanted)
    # Where the Mantel-Haenszel estimate is not defined, neither is the Q about it, and `pool` refuses a single study too.
    answer["estimate"] = np.where(np.isfinite(pooled.estimate), answer["estimate"], np.nan)
    return answer


def by_inverse_variance_about(
    y: FloatArray,
    v: FloatArray,
    alone: BoolArray,
    about: HeterogeneityAbout,
    given: Problems,
    options: PoolOptions,
    wanted: frozenset[str],
) -> Answers:
    """The studies pooled by inverse variance with the tau2 of Q about another estimate.

    alone: the groups of one study; given: what `problems` makes of y and v.
    """
    tau2 = np.where(alone, np.nan, about.tau2)
    q, q_df = np.where(alone, 0.0, about.q), np.where(alone, 0.0, about.q_df)
    status = np.where(alone, int(Status.TOO_FEW_STUDIES), int(Status.CONVERGED))
    if isinstance(options.ci, str) and options.ci in MEAN_INTERVALS:
        found = pooled_numbers(y, v, options, tau2=tau2, q=q, q_df=q_df)
        answer: Answers = {name: value for name, value in found._asdict().items() if name != "weights"}
    else:
        s2 = q_and_typical_variance(y, v, None, given)[2] if options.i2 == "tau2" else None
        answer = {"tau2": tau2, "q_df": q_df, **of_heterogeneity(tau2, q, q_df, s2, options, wanted)}
        answer |= averaged(y, v, q_df + 1.0, tau2, np.where(alone, 0.0, tau2), options, wanted, given)
    return {**answer, "tau": np.sqrt(tau2), "status": status}


def peto(block: Block, tables: Tables) -> Answers:
    """Peto's odds ratios; a study in which nobody or everybody had the event has no say."""
    there, counts = counts_of(block)
    o_minus_e, variance = peto_components(*counts)
    if there is not None:
        o_minus_e, variance = np.where(there, o_minus_e, 0.0), np.where(there, variance, 0.0)
    pooled = peto_pooled(o_minus_e, variance)
    counted = variance > 0
    deviations = o_minus_e / np.where(counted, variance, 1.0) - pooled.estimate[..., np.newaxis]
    q = np.where(counted, variance * deviations**2, 0.0).sum(axis=-1)
    return around(pooled, q, np.asarray(counted.sum(axis=-1) - 1.0), tables.options, tables.wanted)


def around(pooled: Pooled2x2, q: FloatArray, q_df: FloatArray, options: PoolOptions, wanted: frozenset[str]) -> Answers:
    """The common-effect numbers round estimates from tables."""
    none, infinite = np.full(pooled.estimate.shape, np.nan), np.full(pooled.estimate.shape, np.inf)
    answer = of_estimate(pooled.estimate, np.sqrt(pooled.variance), infinite[:1], options, wanted)
    answer |= of_heterogeneity(none, q, q_df, None, options, wanted)
    answer |= dict.fromkeys(("tau2", "tau", *PREDICTED), none)
    return {**answer, "q_df": q_df, "df": infinite, "status": np.zeros(none.shape, dtype=np.intp)}
