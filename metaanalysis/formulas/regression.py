"""Tests and summaries of a regression's coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


class WaldTest(NamedTuple):
    """A test of several coefficients at once: chi2 where df2 is infinite, F otherwise. Each (...)."""

    statistic: FloatArray
    df1: FloatArray
    df2: FloatArray
    p_value: FloatArray


def wald_test(coefficients: FloatArray, covariance: FloatArray, df: FloatArray) -> WaldTest:
    """Are these coefficients all 0?

        Q = b' C^-1 b, chi2 with m degrees of freedom;   F = Q / m with (m, df) where df is finite

    coefficients: (..., m); covariance: (..., m, m); df: (...).
    """
    m = coefficients.shape[-1]
    df = np.asarray(df, dtype=np.float64)
    # Effects that lie on the fit exactly leave Hartung and Knapp's covariance 0: there is no test then.
    singular = np.asarray((np.diagonal(covariance, axis1=-2, axis2=-1) <= 0).any(axis=-1))
    usual = np.where(singular[..., np.newaxis, np.newaxis], np.eye(m), covariance)
    q = (coefficients * np.linalg.solve(usual, coefficients[..., np.newaxis])[..., 0]).sum(axis=-1)
    q = np.where(singular, np.nan, q)
    finite = np.isfinite(df)
    usable = np.where(finite & (df > 0), df, 1.0)
    f_p = special.fdtrc(m, usable, np.maximum(q / m, 0.0))
    p = np.where(finite, np.where(df > 0, f_p, np.nan), special.chdtrc(m, np.maximum(q, 0.0)))
    return WaldTest(np.where(finite, q / m, q), np.full(np.shape(q), float(m)), df, p)


def r2(tau2: FloatArray, tau2_without: FloatArray) -> FloatArray:
    """The share of the between-study variance that the moderators account for, in per cent, not below 0.

        R2 = 100 (tau2_without - tau2) / tau2_without

    NaN where there was no variance to account for. Source: Raudenbush (1994).
    """
    positive = tau2_without > 0
    share = 100.0 * (tau2_without - tau2) / np.where(positive, tau2_without, 1.0)
    return np.where(positive, np.maximum(share, 0.0), np.nan)


def variance_inflation(covariance: FloatArray) -> FloatArray:
    """By how much the variance of each coefficient is larger than if its moderator were uncorrelated with the others.

    The diagonal of the inverse of the coefficients' correlation matrix; covariance: (m, m), without the intercept.
    Source: Fox & Monette (1992).
    """
    scale = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(scale, scale)
    return np.asarray(np.diagonal(np.linalg.solve(correlation, np.eye(len(scale)))))


class InformationCriteria(NamedTuple):
    """Measures of fit, each (...)."""

    log_likelihood: FloatArray
    deviance_criterion: FloatArray  # -2 log-likelihood
    aic: FloatArray
    bic: FloatArray
    aicc: FloatArray


def information_criteria(log_likelihood: FloatArray, parameters: int, n: FloatArray) -> InformationCriteria:
    """AIC = -2l + 2m, BIC = -2l + m ln n, AICc = -2l + 2m n/(n - m - 1), with n at least m + 2 in the last.

    parameters: m, coefficients and variances; n: k, or k - p for a restricted likelihood. Source: Burnham & Anderson (2002).
    """
    n = np.asarray(n, dtype=np.float64)
    enough = np.maximum(n, parameters + 2.0)
    base = -2.0 * log_likelihood
    return InformationCriteria(
        log_likelihood,
        base,
        base + 2.0 * parameters,
        base + parameters * np.log(n),
        base + 2.0 * parameters * enough / (enough - parameters - 1.0),
    )
