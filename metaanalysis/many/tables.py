"""Mantel-Haenszel and Peto for many groups: the formulas of `pool`, over blocks of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metaanalysis.effects.measures import four_counts
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.binary import peto_components
from metaanalysis.formulas.continuity import all_events, continuity_corrected, double_zero
from metaanalysis.formulas.heterogeneity import q_and_typical_variance
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
from metaanalysis.many.blocks import Block, over_blocks
from metaanalysis.many.columns import OF_I2, Answers, profiled
from metaanalysis.many.ragged import Ragged
from metaanalysis.models.numbers import Heterogeneity, PooledNumbers, assembled, pooled_numbers
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
        # Single studies are pooled in a way of their own.
        alone = block.k == 1.0
        if block.k.ndim and alone.any() and not alone.all():
            return put_together(alone, numbers(part_of(block, alone, 1)), numbers(part_of(block, ~alone)))
        y, v = block.arrays["y"].T, block.arrays["v"].T
        four = four_counts({name: block.arrays[name].T for name in COUNTS})
        there = np.arange(y.shape[-1]) < np.reshape(block.k, (-1, 1))
        with np.errstate(all="ignore"):
            found = (
                peto(y, v, four, there, options)
                if options.method == "peto"
                else mantel_haenszel(y, v, four, there, FORMULAS[measure], effect_options, options, measure)
            )
            undefined = ~np.isfinite(found.estimate)
            if options.model == "common":
                # The random-effects form needs the estimate alone, as in `pool`.
                undefined |= ~(np.isfinite(found.se) & (found.se > 0))
            answer: Answers = {name: value for name, value in found._asdict().items() if name != "weights"}
            answer["tau"] = np.sqrt(found.tau2)
            s2 = q_and_typical_variance(y, v)[2] if names & set(OF_I2) else None
            answer |= profiled(y, v, options.level, s2, names)
        kept = {name: np.where(undefined, np.nan, value) for name, value in answer.items() if name in names}
        status = np.where(undefined, int(Status.NOT_FINITE), found.status)
        return {**kept, "status": status, "iterations": found.iterations}

    # A function of the user's own may know the studies by their places, and nothing of infinite variances.
    fill = not any(callable(option) for option in (options.tau2, options.ci, options.prediction))
    over_blocks(
        {"y": ragged.y, "v": ragged.v, **counts}, ragged.offsets, numbers, into, workers, fill=fill, advance=advance
    )
    if "k" in columns:
        into["k"] = sizes
    return into  # type: ignore[return-value]


def part_of(block: Block, chosen: BoolArray, length: int | None = None) -> Block:
    """Some of the groups of a block, with their first studies alone where a length is given."""
    arrays = {name: np.ascontiguousarray(x[:length, chosen]) for name, x in block.arrays.items()}
    return Block(arrays, block.groups[chosen], block.k[chosen])


def put_together(first: BoolArray, some: Answers, others: Answers) -> Answers:
    """The answers of two parts of a block in its order; first: which groups are of the one part."""
    answer: Answers = {}
    for name in some:
        values = np.empty_like(some[name], shape=first.size)
        values[first], values[~first] = some[name], others[name]
        answer[name] = values
    return answer


def mantel_haenszel(
    y: FloatArray,
    v: FloatArray,
    counts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    there: BoolArray,
    formula: MantelHaenszel,
    effect_options: EffectOptions,
    options: PoolOptions,
    measure: str,
) -> PooledNumbers:
    """Mantel-Haenszel's estimates, or the random-effects form with Q about them; all arrays (groups, k).

    there: false at what fills a group up to k, which repeats its first study.
    """
    if measure == "RD" and options.risk_difference_variance == "sato":
        formula = mantel_haenszel_risk_difference_sato
    # Where the convention keeps studies without events, they still have no say in Q.
    counted = there & (~double_zero(*counts) | (effect_options.double_zero != "keep"))
    everybody = there & all_events(*counts)
    if options.corrected_tables and measure != "RD":
        a, n1, c, n2, _ = continuity_corrected(*counts, effect_options.add, effect_options.to, "cells")
        counts = (a, n1, c, n2)
    a, n1, c, n2 = (np.where(there, x, filled) for x, filled in zip(counts, (0.0, NOBODY) * 2, strict=True))
    pooled = formula(a, n1, c, n2)
    if takes_all_events_for_one(measure, effect_options, options):
        pooled = with_ratios_of_one(pooled, a, n1, c, n2, everybody)
    if options.model == "common":
        q, df = cochran_q_about(y, v, pooled.estimate, counted)
        return around(pooled, y, v, q, df, options)
    if y.shape[-1] == 1:
        found = pooled_numbers(y, v, options)
    else:
        about = dersimonian_laird_about(y, v, pooled.estimate, counted)
        found = pooled_numbers(y, v, options, tau2=about.tau2, q=about.q, q_df=about.q_df)
    # Where the Mantel-Haenszel estimate is not defined, neither is the Q about it, and `pool` refuses a single study too.
    return found._replace(estimate=np.where(np.isfinite(pooled.estimate), found.estimate, np.nan))


def peto(
    y: FloatArray,
    v: FloatArray,
    counts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    there: BoolArray,
    options: PoolOptions,
) -> PooledNumbers:
    """Peto's odds ratios; a study in which nobody or everybody had the event has no say. All arrays (groups, k)."""
    o_minus_e, variance = (np.where(there, x, 0.0) for x in peto_components(*counts))
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
