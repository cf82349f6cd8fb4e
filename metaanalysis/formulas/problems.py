"""Problems laid out for the estimators of tau2: one leading axis, anchored, with what every one of them sets out from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.moments import (
    FewMoments,
    Moments,
    QMoments,
    ScoreMoments,
    score_moments,
    score_moments_of_mean,
)
from metaanalysis.formulas.weighted import anchored, inverse_variance_weights, lie_study_by_study, residual_df

# Moments of the mean from (e, w), both (..., k) with the anchor first: as many of them as are wanted.
MomentsOfMean: TypeAlias = Callable[[FloatArray, FloatArray], ScoreMoments | FewMoments | QMoments]


# Of fewer numbers, or of more studies in each problem, the most precise study is looked for at once.
MANY, MOST_STUDIES = 4096, 64
# A first study will do for an anchor with this share of the weight or more, and a trace of P that is this share of W's: sums
# about it lose two or three digits at most. Where it won't do for more than one problem in so many, every problem has its most
# precise study for an anchor.
LIGHT, DOMINATED, FEW = 2e-3, 0.1, 8


class Problems(NamedTuple):
    """Effects and variances (n, k), anchored for the mean; the design; the shape in front of the studies that was asked for."""

    y: FloatArray
    v: FloatArray
    X: FloatArray | None
    lead: tuple[int, ...]
    df: FloatArray  # (n,): k - p
    at_zero: Moments | ScoreMoments | FewMoments | QMoments  # (n,) each: at tau2 = 0
    anchor: FloatArray | None = None  # (n,): the effect from which y are counted, for the mean


def flatten(
    y: FloatArray, v: FloatArray, X: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray | None, tuple[int, ...]]:
    """One leading axis of problems, whatever came in; anchored for the mean. Returns y, v, X and the leading shape."""
    y, v, X, lead, _, _ = laid_out(y, v, X)
    return y, v, X, lead


def laid_out(
    y: FloatArray, v: FloatArray, X: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray | None, tuple[int, ...], FloatArray, FloatArray | None]:
    """As `flatten`, and the degrees of freedom (n,) and the anchors' effects (n,)."""
    if y.shape != v.shape:
        y, v = np.broadcast_arrays(y, v)
    lead, k = y.shape[:-1], y.shape[-1]
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    if X is None:
        everyone = not v.size or bool(v.max() < np.inf)
        df = np.broadcast_to(k - 1.0, len(v)) if everyone else residual_df(v != np.inf, X)
        y, v, anchor = anchored(y, v, everyone)
        return y, v, X, lead, df, anchor
    X = np.broadcast_to(X, (*lead, k, X.shape[-1])).reshape(y.shape[0], k, X.shape[-1])
    return y, v, X, lead, residual_df(v != np.inf, X), None


def problems(
    y: FloatArray, v: FloatArray, X: FloatArray | None, of_mean: MomentsOfMean = score_moments_of_mean
) -> Problems:
    """The problems with their moments at tau2 = 0. y, v: (..., k); X: (..., k, p) or None.

    of_mean: computes the moments for the mean alone (see `tau2.moments_for`); the fewer, the quicker.
    """
    # A study that can't be computed with is found by the status of its problem.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        plain = (
            problems_from_first_study(y, v, of_mean) if X is None and y.shape == v.shape and y.size >= MANY else None
        )
        if plain is not None:
            return plain
        y, v, X, lead, df, anchor = laid_out(y, v, X)
        at_zero = score_moments(y, v, 0.0, X) if X is not None else of_mean(y, inverse_variance_weights(v))
        return Problems(y, v, X, lead, df, at_zero, anchor)


def problems_from_first_study(y: FloatArray, v: FloatArray, of_mean: MomentsOfMean) -> Problems | None:
    """As `problems` of the mean, with each problem's first study for its anchor where that will do: a sixth of the time less.

    It will do where no study nearly dominates and the first is not a very light one, and so at any tau2, as the larger it is,
    the more alike the weights are. For with w_1 the first study's weight and d the mean's distance from its effect,

        w_1 d^2 <= Q,   so that   sum(w) d^2 <= Q sum(w) / w_1

    and rounding in d costs Q no more digits than the root of that ratio has, y'PPy no more than the ratio.
    None where it will not do for more than one problem in eight. y, v: (..., k).
    """
    lead, k = y.shape[:-1], y.shape[-1]
    if not 1 < k <= MOST_STUDIES:
        return None
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    n = len(v)
    everyone = bool(v.max() < np.inf)
    # Resampling leaves the first study out as often as any other: then nothing is computed in vain.
    if not everyone and np.count_nonzero(np.isinf(v[:, 0])) > n // FEW:
        return None
    anchor = y[:, 0]
    e = y - anchor[:, np.newaxis]
    if not everyone:
        np.copyto(e, 0.0, where=np.isinf(v))
    w = inverse_variance_weights(v)
    m = of_mean(e, w)
    others = np.flatnonzero(~((m.trace_p > DOMINATED * m.trace_w) & (w[:, 0] > LIGHT * m.trace_w)))
    if others.size > n // FEW:
        return None
    if others.size:
        some_e, some_v, some_anchor = anchored(rows(y, others), rows(v, others), everyone)
        v, anchor = v.copy(order="K"), anchor.copy()
        e[others], v[others], anchor[others] = some_e, some_v, some_anchor
        for values, part in zip(m, of_mean(some_e, inverse_variance_weights(some_v)), strict=True):
            values[others] = part
    df = np.broadcast_to(k - 1.0, n) if everyone else residual_df(v != np.inf, None)
    return Problems(e, v, None, lead, df, m, anchor)


def moments_at_zero(p: Problems) -> Moments | ScoreMoments:
    """The moments of likelihoods at tau2 = 0, whichever are known."""
    at_zero = p.at_zero
    return score_moments(p.y, p.v, 0.0, p.X) if isinstance(at_zero, FewMoments | QMoments) else at_zero


def rows(a: FloatArray, index: IntArray) -> FloatArray:
    """Some of the problems (n, k), in the order of the memory: blocks of many problems lie study by study."""
    if lie_study_by_study(a):
        return a.T.take(index, axis=1).T
    return a.take(index, axis=0)


def take(X: FloatArray | None, index: IntArray) -> FloatArray | None:
    """The designs of some of the problems."""
    return None if X is None else X[index]


def those(p: Problems, index: IntArray) -> Problems:
    """Some of the problems, in their order, each once; index: (m,) increasing."""
    return p if index.size == len(p.v) else gathered(p, index)


def gathered(p: Problems, index: IntArray) -> Problems:
    """Problems in any order, as often as the index names them."""
    at_zero = type(p.at_zero)(*(values[index] for values in p.at_zero))
    anchor = None if p.anchor is None else p.anchor[index]
    return Problems(rows(p.y, index), rows(p.v, index), take(p.X, index), (index.size,), p.df[index], at_zero, anchor)


def selection(p: Problems) -> Callable[[IntArray], tuple[FloatArray, FloatArray, FloatArray | None]]:
    """y, v and X of the problems of an index that only ever loses some, gathered anew when it has."""
    latest = (p.y, p.v, p.X)

    def select(index: IntArray) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        nonlocal latest
        if index.size < len(latest[1]):
            latest = (rows(p.y, index), rows(p.v, index), take(p.X, index))
        return latest

    return select
