"""The variance of the coefficients and its reference distribution, chosen together so that they cannot disagree.

Infinite degrees of freedom mean the normal distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.weighted import MeanFit, WeightedFit, count, covariance_root, residual_df
from metaanalysis.registry import Entry, Registry

# Beyond this SciPy's quantiles of t are where its search stopped.
END_OF_SEARCH = 1e140
# Of more quantiles of t than these, those of the same degrees of freedom are computed once.
FEW_QUANTILES = 128


class Inference(NamedTuple):
    """What tests and intervals are made of."""

    covariance: FloatArray  # (..., p, p)
    df: FloatArray  # (...)


def root_of_covariance(inference: Inference, fit: WeightedFit, w: FloatArray, X: FloatArray) -> FloatArray:
    """L (..., p, p) with LL' the covariance: the root of (X'WX)^-1, lengthened as the method widens it."""
    factor = inference.covariance[..., 0, 0] / fit.covariance[..., 0, 0]
    return covariance_root(X, w) * np.sqrt(factor)[..., np.newaxis, np.newaxis]


# (fit, w, X) -> Inference, where fit is the weighted fit at w = 1 / (v + tau2).
InferenceFunction: TypeAlias = Callable[[WeightedFit, FloatArray, FloatArray | None], Inference]


def wald(fit: WeightedFit | MeanFit, w: FloatArray, X: FloatArray | None) -> Inference:  # noqa: ARG001
    """Covariance (X'WX)^-1 and the normal distribution."""
    return Inference(fit.covariance, np.full(fit.q.shape, np.inf))


def student_t(fit: WeightedFit | MeanFit, w: FloatArray, X: FloatArray | None) -> Inference:
    """Covariance (X'WX)^-1 and the t distribution with k - p degrees of freedom. Source: Follmann & Proschan (1999)."""
    return Inference(fit.covariance, residual_df(w, X))


def hartung_knapp_scale(fit: WeightedFit | MeanFit, df: FloatArray) -> FloatArray:
    """The mean weighted squared residual, sum w (y - X b)^2 / (k - p); NaN where k = p."""
    return np.where(df > 0, fit.q / np.where(df > 0, df, 1.0), np.nan)


def hartung_knapp(fit: WeightedFit | MeanFit, w: FloatArray, X: FloatArray | None) -> Inference:
    """Covariance (X'WX)^-1 times the mean weighted squared residual, t with k - p degrees of freedom.

    Source: Hartung & Knapp (2001); Sidik & Jonkman (2002); with moderators Knapp & Hartung (2003).
    """
    df = residual_df(w, X)
    return Inference(fit.covariance * hartung_knapp_scale(fit, df)[..., np.newaxis, np.newaxis], df)


def hartung_knapp_adhoc(fit: WeightedFit | MeanFit, w: FloatArray, X: FloatArray | None) -> Inference:
    """Hartung-Knapp's covariance with a factor of at least 1: never smaller than Wald's. Source: Knapp & Hartung (2003)."""
    df = residual_df(w, X)
    scale = np.maximum(hartung_knapp_scale(fit, df), 1.0)
    return Inference(fit.covariance * scale[..., np.newaxis, np.newaxis], df)


def hartung_knapp_or_wald(fit: WeightedFit, w: FloatArray, X: FloatArray | None, level: float = 0.95) -> Inference:
    """Hartung-Knapp's inference, or Wald's where that interval of a coefficient is the wider one at the level.

    With moderators the first coefficient for which Wald's is wider decides for all: covariance and degrees of freedom belong
    together. Source: Wiksten, Rücker & Schwarzer (2016).
    """
    knapp, usual = hartung_knapp(fit, w, X), wald(fit, w, X)

    def half_widths(inference: Inference) -> FloatArray:
        spread = np.sqrt(np.diagonal(inference.covariance, axis1=-2, axis2=-1))
        return np.asarray(quantile(level, inference.df)[..., np.newaxis] * spread)

    wider = np.asarray((half_widths(usual) > half_widths(knapp)).any(axis=-1))
    return Inference(
        np.where(wider[..., np.newaxis, np.newaxis], usual.covariance, knapp.covariance),
        np.where(wider, usual.df, knapp.df),
    )


def kenward_roger(fit: WeightedFit, w: FloatArray, X: FloatArray | None) -> Inference:
    """Variance of the mean that allows for the estimation of tau2 by REML, and Satterthwaite's degrees of freedom.

        w_p = sum w^p,   IE = w_2/2 - w_3/w_1 + (w_2/w_1)^2/2
        V = [1 + 2 (w_3/w_1 - (w_2/w_1)^2)/IE] / w_1,   df = 2 IE / (V w_2)^2

    For the mean alone; NaN with moderators. Both differences are sums over the spread of the weights, so that nothing cancels.
    Source: Kenward & Roger (1997); for meta-analysis Partlett & Riley (2017).
    """
    if X is not None:
        return Inference(np.full_like(fit.covariance, np.nan), np.full(fit.q.shape, np.nan))
    # w_3/w_1 - (w_2/w_1)^2 is the variance of w when drawn in proportion to w; likewise IE = tr(PP)/2 of the mean.
    mean_weight = (fit.leverages * w).sum(axis=-1)
    spread = (fit.leverages * (w - mean_weight[..., np.newaxis]) ** 2).sum(axis=-1)
    w2 = (w * w).sum(axis=-1)
    total = w.sum(axis=-1)
    at = np.argmax(w, axis=-1, keepdims=True)
    first = np.take_along_axis(w, at, axis=-1)[..., 0]
    others = w.copy()
    np.put_along_axis(others, at, 0.0, axis=-1)
    rest2, rest4 = (others**2).sum(axis=-1), (others**4).sum(axis=-1)
    crossed = (2.0 * first**2 * rest2 + np.maximum(rest2**2 - rest4, 0.0)) / total**2
    information = 0.5 * (((w * fit.complements) ** 2).sum(axis=-1) + crossed)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (1.0 + 2.0 * spread / information) / total
        df = np.where(count(w) > 1, 2.0 * information / (variance * w2) ** 2, np.nan)
    return Inference(variance[..., np.newaxis, np.newaxis], df)


CI: Registry[InferenceFunction] = Registry(
    "ci",
    {
        "wald": Entry(wald, "Wald, normal distribution"),
        "t": Entry(student_t, "Wald, t distribution with k - p degrees of freedom", "follmann1999"),
        "hksj": Entry(hartung_knapp, "Hartung-Knapp-Sidik-Jonkman", "hartung2001"),
        "hksj-adhoc": Entry(
            hartung_knapp_adhoc, "Hartung-Knapp-Sidik-Jonkman with a factor of at least 1", "knapp2003"
        ),
        "hksj-wider": Entry(
            hartung_knapp_or_wald, "Hartung-Knapp-Sidik-Jonkman, or Wald where that is wider", "wiksten2016"
        ),
        "kenward-roger": Entry(kenward_roger, "Kenward-Roger", "partlett2017"),
    },
)


# Those that take no number of single studies, and whether they take the weighted sum of squared residuals.
FROM_SUMS: Mapping[str, tuple[Callable[[MeanFit, FloatArray, None], Inference], bool]] = {
    "wald": (wald, False),
    "t": (student_t, False),
    "hksj": (hartung_knapp, True),
    "hksj-adhoc": (hartung_knapp_adhoc, True),
}


def ci_function(ci: str | InferenceFunction, level: float) -> InferenceFunction:
    """The function of an interval, told the level where its choice depends on it."""
    function = CI.entry(ci).function
    return partial(hartung_knapp_or_wald, level=level) if function is hartung_knapp_or_wald else function


def is_normal(df: FloatArray) -> bool:
    """Whether one normal distribution is that of all: nothing needs to be told apart."""
    return df.ndim == 0 and bool(df == np.inf)


def quantile(level: float, df: FloatArray) -> FloatArray:
    """The two-sided critical value at a level; df (...), infinite for the normal. NaN where df is not positive."""
    df = np.asarray(df, dtype=np.float64)
    tail = (1.0 - level) / 2.0
    # Below 0.5, near the centre, where tails are all alike, by the central probability.
    normal = np.sqrt(2.0) * special.erfinv(level) if level < 0.5 else -special.ndtri(tail)
    if is_normal(df):
        return np.asarray(normal)
    finite = np.isfinite(df) & (df > 0)
    if not finite.any():
        return np.where(df > 0, normal, np.nan)
    usable = np.where(finite, df, 1.0)
    if usable.size > FEW_QUANTILES:
        # Most have the same whole numbers of degrees of freedom: to sort them takes a tenth of the time of so many quantiles.
        distinct, place = np.unique(usable, return_inverse=True)
        t = quantile_of_t(level, distinct)[place].reshape(df.shape)
    else:
        t = quantile_of_t(level, usable)
    return np.where(finite, t, np.where(df > 0, normal, np.nan))


def quantile_of_t(level: float, df: FloatArray) -> FloatArray:
    """The two-sided critical value of t at a level; df (...), finite and positive."""
    if level < 0.5:
        # T^2 / (df + T^2) is a beta variable.
        share, rest = special.betaincinv(0.5, df / 2.0, level), special.betaincinv(df / 2.0, 0.5, 1.0 - level)
        return np.asarray(np.sqrt(df * share / rest))
    t = -special.stdtrit(df, (1.0 - level) / 2.0)
    # Of very few degrees of freedom SciPy's search ends at a bound of its own, wherever the quantile is.
    return np.where(t > END_OF_SEARCH, np.inf, t)


def lower_tail(x: FloatArray, df: FloatArray) -> FloatArray:
    """P(T < x); df (...), infinite for the normal. NaN where df is not positive."""
    df = np.asarray(df, dtype=np.float64)
    finite = np.isfinite(df) & (df > 0)
    return np.where(finite, special.stdtr(np.where(finite, df, 1.0), x), np.where(df > 0, special.ndtr(x), np.nan))


def two_sided_p(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """P(|T| > |statistic|); df (...), infinite for the normal. NaN where df is not positive."""
    df = np.asarray(df, dtype=np.float64)
    size = np.abs(statistic)
    if is_normal(df):
        return np.asarray(2.0 * special.ndtr(-size))
    finite = np.isfinite(df) & (df > 0)
    if not finite.any():
        return np.where(df > 0, 2.0 * special.ndtr(-size), np.nan)
    t = 2.0 * special.stdtr(np.where(finite, df, 1.0), -size)
    # With 1 degree of freedom, near 0, SciPy's is off by 3e-9; there T is Cauchy's.
    t = np.where(df == 1, np.arctan2(1.0, size) * (2.0 / np.pi), t)
    return np.where(finite, t, np.where(df > 0, 2.0 * special.ndtr(-size), np.nan))
