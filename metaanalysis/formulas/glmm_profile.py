"""Profile-likelihood intervals of a generalised linear mixed model: the effect, and the variance between studies."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.glmm_climb import LARGEST_SPREAD, Summit, all_free, climb
from metaanalysis.formulas.glmm_fit import Fit
from metaanalysis.formulas.glmm_likelihood import CountModel, Point

# A standard deviation to begin with where the best is 0, whose slope says nothing.
LITTLE = 0.05
# How near, relative to the distance between estimate and limit.
NEAR = 1e-10
DOUBLINGS = 60


class ProfileLimits(NamedTuple):
    """Of the effect and of tau2; an upper limit is infinite where no value is rejected, NaN where a climb failed."""

    low: float
    high: float
    tau2_low: float
    tau2_high: float


def profile_limits(model: CountModel, found: Fit, level: float) -> ProfileLimits:
    """The values that a likelihood-ratio test does not reject, all other parameters at their best for each.

        2 [l(best) - max l(. | value)] <= chi2 quantile with 1 degree of freedom

    The lower limit of tau2 is 0 where 0 itself is not rejected; NaN for tau2 under the common-effect model.
    Source: Hardy & Thompson (1996) for the principle; Stijnen, Hamza & Ozdemir (2010) for the models.
    """
    critical = float(special.chdtri(1.0, 1.0 - level))
    se = float(np.sqrt(found.covariance[0, 0]))
    profiled = Profile(model, found, critical)
    effect = float(found.point.fixed[0])
    low = reached(lambda x: profiled.excess(0, effect - x), se)
    high = reached(lambda x: profiled.excess(0, effect + x), se)
    if not model.dimensions:
        return ProfileLimits(effect - low, effect + high, np.nan, np.nan)
    at = model.fixed.shape[1]
    tau = float(found.point.spread[0])
    tau_low = 0.0
    if tau > 0.0 and profiled.excess(at, 0.0) > 0.0:
        tau_low = tau - between(lambda x: profiled.excess(at, tau - x), 0.0, tau)
    tau_high = tau + reached(lambda x: profiled.excess(at, tau + x), max(tau, LITTLE), LARGEST_SPREAD)
    return ProfileLimits(effect - low, effect + high, tau_low**2, tau_high**2)


class Profile:
    """The likelihood with one common parameter held: how far it is below what the test allows."""

    def __init__(self, model: CountModel, found: Fit, critical: float) -> None:
        self.model, self.found, self.critical = model, found, critical
        self.near = found.summit

    def excess(self, held: int, value: float) -> float:
        """Twice the fall of the log-likelihood, less what is allowed; NaN where no climb converged."""
        p = self.model.fixed.shape[1]
        free = all_free(self.model)
        free[held] = False
        best: Summit | None = None
        for seed in (self.near, self.found.summit):
            point = seed.point
            fixed, spread = point.fixed.copy(), np.maximum(point.spread, LITTLE)
            if held < p:
                fixed[held] = value
            else:
                spread[held - p] = value
            summit = climb(self.model, Point(fixed, spread, point.local), self.found.quadrature, free, seed.modes)
            if summit.converged and (best is None or summit.value > best.value):
                best = summit
        if best is None:
            return float("nan")
        self.near = best
        return 2.0 * (self.found.log_likelihood - best.value) - self.critical


def reached(excess: Callable[[float], float], step: float, farthest: float = np.inf) -> float:
    """The distance from the estimate at which the excess turns positive; infinite where it does not, NaN where it fails."""
    inside, outside = 0.0, step
    for _ in range(DOUBLINGS):
        value = excess(outside)
        if np.isnan(value):
            return float("nan")
        if value > 0.0:
            return between(excess, inside, outside)
        if outside > farthest:
            break
        inside, outside = outside, 2.0 * outside
    return float("inf")


def between(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """The root between two distances, negative at the first and positive at the second."""
    from scipy import optimize

    return float(optimize.brentq(excess, inside, outside, xtol=NEAR * outside, rtol=1e-12, maxiter=200))
