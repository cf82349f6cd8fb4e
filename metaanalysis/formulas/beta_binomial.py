"""The beta-binomial model: counts whose probabilities vary between arms by a beta distribution; no random effect, no quadrature.

Arm i of group g has x of n events, with probability P ~ Beta of mean mu_g and intraclass correlation rho. With
gamma = rho / (1 - rho) and rising products its likelihood is

    C(n, x) prod_{r<x} (mu + r gamma) prod_{r<n-x} (1 - mu + r gamma) / prod_{r<n} (1 + r gamma)

a polynomial that stays as it is at rho = 0, where it is binomial. Summed over arms the products need only how many arms have
more than r events, more than r non-events and more than r people. Long sums over r are done by Gauss's rule for sums.
For given gamma the log-likelihood is concave in mu, so that one number alone, gamma, is sought by a scan.
Source: Kuss (2015) for its use in meta-analysis of sparse counts; Griffiths (1973) for the likelihood as products.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.glmm_families import best_binomial_log_probability
from metaanalysis.formulas.glmm_fit import FitStatus
from metaanalysis.formulas.solve import Status, newton_in_bracket

# Between these intraclass correlations (as gamma) the scan looks, denser than any likelihood can turn.
SCAN = np.concatenate([[0.0], np.geomspace(1e-7, 1e4, 45)])
# Sums up to this length are summed term by term; longer runs take as many points.
SHORT_RUN = 16
# Logits are sought between minus and plus this.
LARGEST_LOGIT = 60.0

# The scale on which groups are compared, or one is told: logit, log or the probability itself.
SCALES = {"OR": "logit", "RR": "log", "RD": "plain", "PLO": "logit", "PLN": "log", "PR": "plain"}


class Tally(NamedTuple):
    """Sums over r of how many arms have more than r: sum of count(r) f(r) = sum of weight f(r), over few r. Empty without any."""

    r: FloatArray
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class Group:
    """Arms of one group: how many have more than r events, non-events and people."""

    events: Tally
    others: Tally
    people: Tally
    constant: float
    start: float

    def derivatives(self, logit: float, gamma: float) -> tuple[float, FloatArray, FloatArray]:
        """Log-likelihood, gradient (2,) and Hessian (2, 2) in (logit mu, gamma)."""
        mu, nu = float(special.expit(logit)), float(special.expit(-logit))
        value, gradient, hessian = self.constant, np.zeros(2), np.zeros((2, 2))
        for tally, base, slope in ((self.events, mu, 1.0), (self.others, nu, -1.0), (self.people, 1.0, 0.0)):
            sign = -1.0 if slope == 0.0 else 1.0
            counts = tally.weight
            term = base + tally.r * gamma
            share, lean = counts / term, tally.r / term
            # The base moves with the logit at the rate +-mu nu; the logs of 1 + r gamma are subtracted.
            first, second = slope * mu * nu, slope * mu * nu * (nu - mu)
            value += sign * float(counts @ np.log(term))
            total, squares, cross = share.sum(), (share / term).sum(), -first * (share @ lean)
            gradient += sign * np.array([first * total, counts @ lean])
            hessian += sign * np.array([[second * total - first**2 * squares, cross], [cross, -(counts @ lean**2)]])
        return value, gradient, hessian


class BetaBinomialNumbers(NamedTuple):
    """What a fit answers; NaN where `status` says that there is no answer."""

    status: FitStatus
    estimate: float
    se: float
    probabilities: tuple[float, ...]  # of the groups, at the mean
    rho: float
    rho_se: float  # NaN where rho is 0
    log_likelihood: float
    log_likelihood_common: float  # binomial: rho = 0
    maxima: int


class Profile(NamedTuple):
    """The best logits for a given gamma: log-likelihood, slope and curvature in gamma along them."""

    logits: FloatArray
    value: float
    slope: float
    curvature: float


def beta_binomial(groups: tuple[Group, ...], measure: str, overdispersed: bool = True) -> BetaBinomialNumbers:
    """Maximum likelihood with one intraclass correlation for all arms, or with none: binomial.

    measure: ``OR``, ``RR``, ``RD`` of two groups, ``PLO``, ``PLN``, ``PR`` of one: each a function of the same means.
    """
    if any(group.events.r.size == 0 or group.others.r.size == 0 for group in groups):
        return without_answer(FitStatus.INFINITE_EFFECT)
    if not overdispersed:
        binomial = profile(groups, 0.0, None)
        return numbers(groups, measure, 0.0, binomial, binomial.value, 1)
    trials = [profile(groups, 0.0, None)]
    for gamma in SCAN[1:]:
        trials.append(profile(groups, gamma, trials[-1].logits))
    slopes = np.array([trial.slope for trial in trials])
    candidates = [(0.0, trials[0])] if slopes[0] <= 0.0 else []
    for i in np.flatnonzero((slopes[:-1] > 0.0) & (slopes[1:] <= 0.0)):
        gamma = summit(groups, float(SCAN[i]), float(SCAN[i + 1]), trials[i].logits)
        if gamma is None:
            return without_answer(FitStatus.NOT_CONVERGED)
        candidates.append((gamma, profile(groups, gamma, trials[i].logits)))
    best = max(candidates, key=lambda pair: pair[1].value, default=None)
    if best is None or best[1].value < limit_of_wide_spread(groups) + 1e-9:
        return without_answer(FitStatus.INFINITE_SPREAD)
    return numbers(groups, measure, *best, trials[0].value, len(candidates))


def group_of(x: FloatArray, n: FloatArray) -> Group:
    """The arms of one group, x events of n each, (k,); whole numbers, n > 0."""
    # log C(n, x) = the largest binomial probability - x log(x / n) - (n - x) log(1 - x / n), exact for large n too.
    y = n - x
    constant = best_binomial_log_probability(x, n) - special.xlogy(x, x / n) - special.xlogy(y, y / n)
    start = np.log((x.sum() + 0.5) / (y.sum() + 0.5))
    return Group(above(x), above(y), above(n), float(constant.sum()), float(start))


def above(counts: FloatArray) -> Tally:
    """How many of the counts (k,) exceed r = 0, 1, ..., largest - 1, as a rule for sums.

    Between two counts that number does not change. Terms such as log(mu + r gamma) are analytic for r > 0, so that on a run
    no longer than its distance from 0 a rule of a few points is exact to the last bit.
    """
    largest = counts.max()
    doublings = SHORT_RUN * 2.0 ** np.arange(max(0.0, np.ceil(np.log2(max(largest, 1.0) / SHORT_RUN))) + 1.0)
    edges = np.unique(np.concatenate([[0.0], counts, doublings[doublings < largest]]))
    places, weights = [np.empty(0)], [np.empty(0)]
    for low, high in itertools.pairwise(edges):
        r, weight = rule_for_sums(int(high - low))
        places.append(low + r)
        weights.append(np.count_nonzero(counts > low) * weight)
    return Tally(np.concatenate(places), np.concatenate(weights))


def rule_for_sums(size: int) -> tuple[FloatArray, FloatArray]:
    """Gauss's rule for the sum over r = 0, ..., size - 1: few r and weights, all positive; each r itself if they are few.

    Nodes and weights come from the Jacobi matrix of the discrete Chebyshev polynomials, with a = (M - 1) / 2 and
    b_n = n^2 (M^2 - n^2) / (4 (4 n^2 - 1)). Source: Golub & Welsch (1969); Gautschi (2004) for the coefficients.
    """
    if size <= SHORT_RUN:
        return np.arange(float(size)), np.ones(size)
    n = np.arange(1.0, SHORT_RUN)
    off = np.sqrt(n**2 * (float(size) ** 2 - n**2) / (4.0 * (4.0 * n**2 - 1.0)))
    nodes, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
    return 0.5 * (size - 1.0) + nodes, size * vectors[0] ** 2


def profile(groups: tuple[Group, ...], gamma: float, near: FloatArray | None) -> Profile:
    """The logits that are best for gamma, each group by itself, and what they make of the likelihood."""
    logits = np.empty(len(groups))
    value = slope = curvature = 0.0
    for g, group in enumerate(groups):
        start = group.start if near is None else float(near[g])
        logits[g] = best_logit(group, gamma, start)
        own, gradient, hessian = group.derivatives(float(logits[g]), gamma)
        value += own
        slope += float(gradient[1])
        curvature += float(hessian[1, 1] - hessian[0, 1] ** 2 / hessian[0, 0])
    return Profile(logits, value, slope, curvature)


def best_logit(group: Group, gamma: float, start: float) -> float:
    """The root of the score in the logit, which has the sign of that in mu: decreasing."""

    def step(x: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG001
        _, gradient, hessian = group.derivatives(float(x[0]) - LARGEST_LOGIT, gamma)
        newton = -gradient[0] / hessian[0, 0] if hessian[0, 0] < 0.0 else np.nan
        return gradient[:1], np.array([newton])

    low, high = np.zeros(1), np.full(1, 2.0 * LARGEST_LOGIT)
    found = newton_in_bracket(step, np.array([start + LARGEST_LOGIT]), low, high, np.ones(1))
    return float(found.x[0]) - LARGEST_LOGIT


def summit(groups: tuple[Group, ...], low: float, high: float, near: FloatArray) -> float | None:
    """The gamma between low and high at which the profile likelihood stops rising; None where it was not found."""

    def step(x: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG001
        here = profile(groups, float(x[0]), near)
        newton = -here.slope / here.curvature if here.curvature < 0.0 else np.nan
        return np.array([here.slope]), np.array([newton])

    middle = np.array([0.5 * (low + high)])
    found = newton_in_bracket(step, middle, np.array([low]), np.array([high]), np.zeros(1))
    return float(found.x[0]) if found.status[0] == Status.CONVERGED else None


def limit_of_wide_spread(groups: tuple[Group, ...]) -> float:
    """What the log-likelihood tends to as rho tends to 1: -infinity where an arm has both events and non-events.

    Otherwise each arm is all or nothing, with probabilities mu and 1 - mu, at best their shares among the arms.
    """
    total = 0.0
    for group in groups:
        eventful, uneventful, arms = group.events.weight[0], group.others.weight[0], group.people.weight[0]
        if eventful + uneventful > arms:
            return -np.inf
        total += float(special.xlogy(eventful, eventful / arms) + special.xlogy(uneventful, uneventful / arms))
    return total


def numbers(
    groups: tuple[Group, ...], measure: str, gamma: float, found: Profile, common: float, maxima: int
) -> BetaBinomialNumbers:
    """Estimate and standard error by the delta method from the joint information of logits and gamma."""
    size = len(groups)
    information = np.zeros((size + 1, size + 1))
    for g, group in enumerate(groups):
        _, _, hessian = group.derivatives(float(found.logits[g]), gamma)
        index = np.array([g, size])
        information[np.ix_(index, index)] -= hessian
    free = size + int(gamma > 0.0)
    covariance = np.linalg.solve(information[:free, :free], np.eye(free))
    mu, nu = special.expit(found.logits), special.expit(-found.logits)
    values, slopes = {"logit": (found.logits, np.ones(size)), "log": (np.log(mu), nu), "plain": (mu, mu * nu)}[
        SCALES[measure]
    ]
    sign = np.array([1.0, -1.0])[:size]
    weights = sign * slopes
    variance = weights @ covariance[:size, :size] @ weights
    rho_se = float(np.sqrt(covariance[size, size]) / (1.0 + gamma) ** 2) if gamma > 0.0 else np.nan
    status = FitStatus.CONVERGED if gamma > 0.0 else FitStatus.AT_ZERO
    if not (np.isfinite(variance) and variance > 0.0):
        return without_answer(FitStatus.NOT_CONVERGED)
    return BetaBinomialNumbers(
        status,
        float(sign @ values),
        float(np.sqrt(variance)),
        tuple(float(p) for p in mu),
        gamma / (1.0 + gamma),
        rho_se,
        found.value,
        common,
        maxima,
    )


def without_answer(status: FitStatus) -> BetaBinomialNumbers:
    """NaN for everything, and why."""
    return BetaBinomialNumbers(status, np.nan, np.nan, (), np.nan, np.nan, np.nan, np.nan, 0)
