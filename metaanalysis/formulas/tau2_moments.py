"""Between-study variance by the method of moments: closed forms, none truncated at 0 here."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.problems import Problems, problems
from metaanalysis.formulas.weighted import (
    count,
    inverse_variance_weights,
    residual_df,
    weighted_least_squares,
)


def generalised_moments(y: FloatArray, v: FloatArray, X: FloatArray | None, a: FloatArray) -> FloatArray:
    """Between-study variance from a Q with any fixed weights a (..., k).

        tau2 = (y'Ay - tr[AV]) / tr A   with   A = diag(a) - aX (X'aX)^-1 X'a

    y, v: (..., k); X: (..., k, p) or None. Returns (...).
    Source: DerSimonian & Kacker (2007).
    """
    fit = weighted_least_squares(y, a, X)
    diagonal = a * fit.complements
    expected = (diagonal * np.where(a > 0, v, 0.0)).sum(axis=-1)
    return np.asarray((fit.q - expected) / diagonal.sum(axis=-1))


def dersimonian_laird(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> FloatArray:
    """Between-study variance by DerSimonian and Laird's method of moments.

        tau2 = (Q - (k - p)) / (tr W - tr[(X'WX)^-1 X'W^2 X]),   w = 1 / v

    y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them, where it is known. Returns (...).
    Source: DerSimonian & Laird (1986); with moderators DerSimonian & Kacker (2007).
    """
    p = problems(y, v, X) if given is None else given
    return np.asarray((p.at_zero.q - p.df) / p.at_zero.trace_p).reshape(p.lead)


def hedges(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """Between-study variance by Hedges' unweighted method of moments: generalised moments with equal weights.

    y, v: (..., k); X: (..., k, p) or None. Returns (...). Source: Hedges & Olkin (1985).
    """
    return generalised_moments(y, v, X, np.where(np.isfinite(v), 1.0, 0.0))


def two_step_dersimonian_laird(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """Between-study variance by generalised moments with weights 1 / (v + tau2), tau2 of the first step being DL's.

    y, v: (..., k); X: (..., k, p) or None. Returns (...). Source: DerSimonian & Kacker (2007).
    """
    first = np.maximum(dersimonian_laird(y, v, X), 0.0)
    return generalised_moments(y, v, X, inverse_variance_weights(v, first))


def hunter_schmidt(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """Between-study variance by Hunter and Schmidt.

        tau2 = (Q - k) / sum(w),   w = 1 / v

    y, v: (..., k); X: (..., k, p) or None. Returns (...). Source: Hunter & Schmidt (1990); Viechtbauer (2005).
    """
    w = 1.0 / v
    fit = weighted_least_squares(y, w, X)
    return np.asarray((fit.q - count(w)) / w.sum(axis=-1))


def hunter_schmidt_corrected(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """Between-study variance by Hunter and Schmidt, corrected for small k.

        tau2 = (Q k / (k - p) - k) / sum(w),   w = 1 / v

    y, v: (..., k); X: (..., k, p) or None. Returns (...). Source: Brannick, Potter, Benitez & Morris (2019).
    """
    w = 1.0 / v
    k = count(w)
    fit = weighted_least_squares(y, w, X)
    return np.asarray((fit.q * k / residual_df(w, X) - k) / w.sum(axis=-1))


def sidik_jonkman(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """Between-study variance by Sidik and Jonkman: never negative, and never 0 where effects differ.

        tau2 = t0 Q(t0) / (k - p),   t0 = sum (y - mean y)^2 / k

    y, v: (..., k); X: (..., k, p) or None. Returns (...). Source: Sidik & Jonkman (2005a); (2005b) with moderators.
    """
    w = np.where(np.isfinite(v), 1.0, 0.0)
    start = weighted_least_squares(y, w, None).q / count(w)
    fit = weighted_least_squares(y, inverse_variance_weights(v, start), X)
    return np.asarray(start * fit.q / residual_df(w, X))
