"""What resamples tell of an estimate: the jackknife's bias and standard error, and the bootstrap's, with its intervals.

Shapes: replicates (..., n), of which NaN are not there; estimates (...). All answers (...).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.registry import Entry, Registry

# Values that differ by less than this share of the largest are the same but for rounding.
ALIKE = 1e-12


class BiasAndError(NamedTuple):
    """Of an estimate, by resampling."""

    bias: FloatArray
    se: FloatArray


def jackknife(deleted: FloatArray, estimate: FloatArray) -> BiasAndError:
    """Bias and standard error from the n estimates without one study each; NaN where one of these is.

        bias = (n - 1) (m - t),   se^2 = (n - 1) / n sum (t(i) - m)^2,   m = mean t(i)

    deleted: (..., n). Source: Quenouille (1956), Tukey (1958); Efron & Tibshirani (1993), chapter 11.
    """
    n = deleted.shape[-1]
    # About the estimate itself, so that what lies far from 0 loses no digits.
    change = deleted - estimate[..., np.newaxis]
    centre = change.mean(axis=-1)
    squares = ((change - centre[..., np.newaxis]) ** 2).sum(axis=-1)
    return BiasAndError((n - 1) * centre, np.sqrt((n - 1) / n * squares))


def acceleration(deleted: FloatArray) -> FloatArray:
    """How fast the standard error changes with the estimate, from the estimates without one study each.

        a = sum (m - t(i))^3 / (6 [sum (m - t(i))^2]^1.5),   m = mean t(i)

    0 where all are alike, as where no study matters. deleted: (..., n). Source: Efron & Tibshirani (1993), chapter 14.
    """
    first = deleted[..., :1]
    change = deleted - first
    fall = change.mean(axis=-1, keepdims=True) - change
    size = np.abs(fall).max(axis=-1, keepdims=True)
    differ = size > ALIKE * np.abs(deleted).max(axis=-1, keepdims=True)
    unit = fall / np.where(differ, size, 1.0)
    squares = (unit**2).sum(axis=-1)
    value = (unit**3).sum(axis=-1) / (6.0 * np.where(squares > 0, squares, 1.0) ** 1.5)
    return np.where(np.isnan(deleted).any(axis=-1), np.nan, np.where(differ[..., 0], value, 0.0))


def bootstrap_bias_and_error(replicates: FloatArray, estimate: FloatArray) -> BiasAndError:
    """Mean of the replicates less the estimate, and their standard deviation with n - 1. Source: Efron & Tibshirani (1993)."""
    there = ~np.isnan(replicates)
    n = there.sum(axis=-1)
    change = np.where(there, replicates - estimate[..., np.newaxis], 0.0)
    bias = change.sum(axis=-1) / np.where(n > 0, n, 1)
    squares = np.where(there, change - bias[..., np.newaxis], 0.0)
    se = np.sqrt((squares**2).sum(axis=-1) / np.where(n > 1, n - 1, 1))
    return BiasAndError(np.where(n > 0, bias, np.nan), np.where(n > 1, se, np.nan))


class Replicates(NamedTuple):
    """What an interval is made of, each (...) but the first."""

    ordered: FloatArray  # (..., n): ascending, NaN last
    how_many: FloatArray  # of those that are not NaN
    estimate: FloatArray
    acceleration: FloatArray


# Replicates and one minus the level, halved -> low, high
BootstrapInterval: TypeAlias = Callable[[Replicates, float], tuple[FloatArray, FloatArray]]


def in_order(replicates: FloatArray, estimate: FloatArray, deleted: FloatArray | None = None) -> Replicates:
    """The replicates put in order; deleted (..., k): the estimates without one study each, where they are known."""
    ordered = np.sort(replicates, axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1).astype(np.float64)
    change = np.full(count.shape, np.nan) if deleted is None else acceleration(deleted)
    return Replicates(ordered, count, np.asarray(estimate, dtype=np.float64), change)


def quantiles(given: Replicates, share: FloatArray) -> FloatArray:
    """The value below which a share (...) of the replicates lie, linear between neighbours: (n - 1) share from the first.

    Source: Hyndman & Fan (1996), definition 7.
    """
    usable = (given.how_many > 0) & np.isfinite(share)
    place = np.where(usable, np.clip(share, 0.0, 1.0) * (given.how_many - 1.0), 0.0)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(given.how_many - 1.0, 0.0).astype(np.intp))
    low = np.take_along_axis(given.ordered, below[..., np.newaxis], axis=-1)[..., 0]
    high = np.take_along_axis(given.ordered, above[..., np.newaxis], axis=-1)[..., 0]
    return np.where(usable, low + (place - below) * (high - low), np.nan)


def percentile(given: Replicates, tail: float) -> tuple[FloatArray, FloatArray]:
    """The quantiles of the replicates themselves. Source: Efron & Tibshirani (1993), chapter 13."""
    share = np.full(given.how_many.shape, tail)
    return quantiles(given, share), quantiles(given, 1.0 - share)


def basic(given: Replicates, tail: float) -> tuple[FloatArray, FloatArray]:
    """The quantiles mirrored at the estimate: 2 t - t*(1 - tail), 2 t - t*(tail). Source: Davison & Hinkley (1997)."""
    low, high = percentile(given, tail)
    return 2.0 * given.estimate - high, 2.0 * given.estimate - low


def bias_corrected_and_accelerated(given: Replicates, tail: float) -> tuple[FloatArray, FloatArray]:
    """The quantiles at shares that allow for bias and for a standard error that changes with the estimate.

        share = Phi(z0 + (z0 + z) / (1 - a (z0 + z))),   z = Phi^-1(tail), Phi^-1(1 - tail),   Phi(z0) = share of t* < t

    Replicates that equal the estimate count by half, since tau2 is often 0 in many. NaN where all lie on one side.
    Source: Efron (1987); Efron & Tibshirani (1993), chapter 14.
    """
    t = given.estimate[..., np.newaxis]
    slack = ALIKE * np.abs(t)
    with np.errstate(invalid="ignore", divide="ignore"):
        below, upto = (given.ordered < t - slack).sum(axis=-1), (given.ordered <= t + slack).sum(axis=-1)
        z0 = special.ndtri((below + upto) / (2.0 * given.how_many))
        shares = []
        for z in (special.ndtri(tail), -special.ndtri(tail)):
            share = special.ndtr(z0 + (z0 + z) / (1.0 - given.acceleration * (z0 + z)))
            shares.append(np.where(np.isfinite(z0), share, np.nan))
    return quantiles(given, shares[0]), quantiles(given, shares[1])


BOOTSTRAP_INTERVALS: Registry[BootstrapInterval] = Registry(
    "interval",
    {
        "percentile": Entry(percentile, "percentile", "efron1993"),
        "basic": Entry(basic, "basic", "davison1997"),
        "bca": Entry(bias_corrected_and_accelerated, "bias-corrected and accelerated", "efron1987"),
    },
)
