"""Do the studies differ? Likelihood-ratio and Wald tests of a common-effect model against one effect a study.

The saturated model gives every study an effect of its own. A study whose counts lie at an end of their range has an
infinite effect of its own: that is no obstacle to the likelihood, and Wald's statistic it leaves as it is (weight 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.glmm_families import Best, Family
from metaanalysis.formulas.glmm_fit import Fit


class Saturated(NamedTuple):
    """Every study with its own effect: the log-likelihood, Wald's statistic, and how many of the effects are finite."""

    log_likelihood: float
    wald: float
    finite: int


def saturated_by_study(best: Best) -> Saturated:
    """From studies that share nothing: log-likelihoods add up, and Wald's statistic is Cochran's Q of the own effects.

    Q = sum w (eta - mean)^2,   w: the information of each study at its own best
    """
    finite = np.isfinite(best.eta) & (best.information > 0)
    eta, w = best.eta[finite], best.information[finite]
    if not finite.any():
        return Saturated(float(best.log_probability.sum()), 0.0, 0)
    centred = eta - eta[0]
    mean = (w * centred).sum() / w.sum()
    return Saturated(float(best.log_probability.sum()), float((w * (centred - mean) ** 2).sum()), int(finite.sum()))


def differences(arms: tuple[Family, Family]) -> Best:
    """Each study's own difference between two arms with their own levels: estimates subtract, variances add."""
    first, second = arms[0].best(), arms[1].best()
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = first.eta - second.eta
        information = 1.0 / (1.0 / first.information + 1.0 / second.information)
    return Best(eta, first.log_probability + second.log_probability, information)


def saturated_with_random_level(fit: Fit, finite: BoolArray) -> Saturated:
    """From a fit with the effects as the studies' own coefficients and a level that varies at random.

    The precision matrix of the own effects, common parameters eliminated, is P = diag(h) - C M^-1 C' with M the information
    of the common parameters; Q = (theta - c)' P (theta - c) at its least over c. finite: studies (k,) whose effect is finite.
    """
    own = fit.point.local[finite]
    reduced = fit.summit.reduced
    h, coupling = reduced.own_curvature[finite], -reduced.coupling[finite]
    free = np.isfinite(np.diag(fit.covariance))
    # The Hessian of the common parameters before own coefficients were eliminated.
    size = free.size
    information = -fit.summit.studies.hessian[:, :size, :size].sum(axis=0)[np.ix_(free, free)]
    coupling = coupling[:, free]

    def precision(x: FloatArray) -> FloatArray:
        return np.asarray(h * x - coupling @ np.linalg.solve(information, coupling.T @ x))

    if own.size == 0:
        return Saturated(fit.log_likelihood, 0.0, 0)
    one = np.ones(own.size)
    centred = own - own[0]
    p_one = precision(one)
    centred = centred - (p_one @ centred) / (p_one @ one)
    return Saturated(fit.log_likelihood, float(centred @ precision(centred)), int(own.size))
