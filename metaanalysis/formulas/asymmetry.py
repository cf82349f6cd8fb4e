"""Do small studies show other effects than large ones? The regressions behind the tests of small-study effects.

Each test is a line fitted through the studies; its slope is tested, and where the predictor vanishes for an infinitely
large study, the intercept is the effect that such a study would show. Shapes: all (k,) in, () out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import InferenceFunction
from metaanalysis.formulas.solve import Solution
from metaanalysis.formulas.tau2 import Tau2Function, estimate_tau2
from metaanalysis.formulas.weighted import inverse_variance_weights, residual_df, weighted_least_squares


class Line(NamedTuple):
    """A straight line through the studies."""

    intercept: float
    intercept_se: float
    slope: float
    slope_se: float
    df: float  # infinite: normal
    tau2: float  # NaN where the variation beyond chance is a factor and not a variance


def straight(x: FloatArray) -> FloatArray:
    """The design of a line: a constant and x. Returns (k, 2)."""
    return np.stack([np.ones_like(x), x], axis=-1)


def line_with_factor(y: FloatArray, x: FloatArray, w: FloatArray) -> Line:
    """Weighted least squares with variances known up to a factor, which is estimated; t with k - 2 degrees of freedom.

        var(y_i) = phi / w_i,   phi = sum w (y - a - b x)^2 / (k - 2)

    Studies of weight 0 take no part. Source: Thompson & Sharp (1999).
    """
    X = straight(x)
    fit = weighted_least_squares(y, w, X)
    df = residual_df(w, X)
    se = np.sqrt(np.diagonal(fit.covariance) * (fit.q / df))
    a, b = fit.coefficients
    return Line(float(a), float(se[0]), float(b), float(se[1]), float(df), float("nan"))


def line_with_variance(
    y: FloatArray, v: FloatArray, x: FloatArray, tau2: Tau2Function | None, inference: InferenceFunction
) -> tuple[Line, Solution | None]:
    """A mixed-effects meta-regression on x, the variation beyond chance being a variance tau2; None is common effect.

    Returns the line, and how tau2 was found. Source: Thompson & Sharp (1999).
    """
    X = straight(x)
    found = None if tau2 is None else estimate_tau2(tau2, y, v, X)
    value = np.zeros(()) if found is None else found.x
    w = inverse_variance_weights(v, value)
    fit = weighted_least_squares(y, w, X)
    answer = inference(fit, w, X)
    se = np.sqrt(np.diagonal(answer.covariance))
    a, b = fit.coefficients
    return Line(float(a), float(se[0]), float(b), float(se[1]), float(answer.df), float(value)), found


def efficient_score(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Score Z of the log odds ratio at 0 and its variance V, given all margins.

        Z = a - m n1 / N,   V = n1 n2 m (N - m) / [N^2 (N - 1)],   m = a + c, N = n1 + n2

    Source: Harbord, Egger & Sterne (2006).
    """
    m, total = a + c, n1 + n2
    return a - m * n1 / total, n1 * n2 * m * (total - m) / (total * total * (total - 1.0))


def variance_of_events(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> FloatArray:
    """m (N - m) / N, with m = a + c events among N = n1 + n2: the weights of Peters' and Macaskill's tests."""
    m, total = a + c, n1 + n2
    return m * (total - m) / total


def effective_sample_size(n1: FloatArray, n2: FloatArray) -> FloatArray:
    """4 n1 n2 / (n1 + n2). Source: Deeks, Macaskill & Irwig (2005)."""
    return 4.0 * n1 * n2 / (n1 + n2)
