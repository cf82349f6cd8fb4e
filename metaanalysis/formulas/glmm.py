"""Generalised linear mixed models for counts, by maximum likelihood. One function a model:

``one_parameter``   eta_i = mu + t_i: proportions, rates, and two groups given their total
``fixed_study``     eta_ij = alpha_i +- (theta + t_i) / 2: two groups, the studies' levels as fixed effects
``random_study``    eta_ij = mu + u_i +- (theta + t_i) / 2: two groups, the studies' levels normally distributed

with t_i ~ N(0, tau2) under the random-effects model and t_i = 0 under the common-effect model, and u_i ~ N(0, sigma2).
Group 1 takes the plus, group 2 the minus, so that exchanging the groups changes the sign of theta and nothing else.
Source: Stijnen, Hamza & Ozdemir (2010); Jackson, Law, Stijnen, Viechtbauer & White (2018).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.glmm_climb import Summit
from metaanalysis.formulas.glmm_families import Binomial, Family, Poisson
from metaanalysis.formulas.glmm_fit import Fit, FitStatus, fit
from metaanalysis.formulas.glmm_heterogeneity import (
    Saturated,
    differences,
    saturated_by_study,
    saturated_with_random_level,
)
from metaanalysis.formulas.glmm_likelihood import CountModel, Point, Quadrature

# The scan looks at least this far, in standard deviations on the log or logit scale.
WIDEST = 2.0
# The plus or minus 1/2 of the two groups.
CONTRAST = np.array([[0.5], [-0.5]])
LEVEL = np.ones((2, 1))


class GlmmNumbers(NamedTuple):
    """What a fit answers; NaN where `status` says that there is no answer, or where the model has no such parameter."""

    status: FitStatus
    estimate: float
    se: float
    tau2: float
    tau2_se: float
    sigma2: float  # variance of random study levels
    log_likelihood: float
    log_likelihood_common: float
    log_likelihood_saturated: float
    parameters: int
    likelihood_ratio: float
    wald: float
    df: float
    finite: int  # studies whose own effect is finite
    quadrature: Quadrature
    change: float
    maxima: int
    iterations: int
    model: CountModel | None = None  # what was fitted, and how: for those who ask further
    found: Fit | None = None


def one_parameter(family: Family, random: bool) -> GlmmNumbers:
    """A single linear predictor a study: a proportion, a rate, or group 1's share of a total."""
    if infinite(family.at_low, family.at_high):
        return without_answer(FitStatus.INFINITE_EFFECT, 1)
    k = family.start.size
    nothing, own = np.zeros((1, 0)), np.zeros(k)
    start = Point(np.array([np.median(family.start)]), np.zeros(0), own)
    model = CountModel((family,), np.ones((1, 1)), nothing)
    common = fit(model, start, 1.0, 1.0)
    best = family.best()
    found = common
    if random and common.status.usable:
        model = CountModel((family,), np.ones((1, 1)), np.ones((1, 1)))
        smallest, widest = scan_range(common.summit, family.start)
        limit = limit_of_wide_spread(best.log_probability, family.at_low, family.at_high)
        found = fit(model, common.point._replace(spread=np.zeros(1)), smallest, widest, limit)
    return numbers(model, found, common, saturated_by_study(best), 1 + int(random), random)


def fixed_study(arms: tuple[Family, Family], random: bool) -> GlmmNumbers:
    """Two groups, with a coefficient for the level of every study: these are eliminated, each within its study.

    Source: Simmonds & Higgins (2016) for the model with +-1/2.
    """
    low, high = arms[0].at_low | arms[1].at_high, arms[0].at_high | arms[1].at_low
    if infinite(low, high):
        return without_answer(FitStatus.INFINITE_EFFECT, 1)
    first, second = arms[0].start, arms[1].start
    k = first.size
    start = Point(np.array([np.median(first - second)]), np.zeros(0), 0.5 * (first + second))
    model = CountModel(arms, CONTRAST, np.zeros((2, 0)), np.ones(2))
    common = fit(model, start, 1.0, 1.0)
    best = differences(arms)
    found = common
    if random and common.status.usable:
        model = CountModel(arms, CONTRAST, CONTRAST, np.ones(2))
        smallest, widest = scan_range(common.summit, first - second)
        limit = limit_of_wide_spread(best.log_probability, low, high)
        found = fit(model, common.point._replace(spread=np.zeros(1)), smallest, widest, limit)
    return numbers(model, found, common, saturated_by_study(best), k + 1 + int(random), random)


def random_study(arms: tuple[Family, Family], random: bool) -> GlmmNumbers:
    """Two groups, with normally distributed levels of the studies, independent of their effects.

    The saturated model keeps the random level and takes it to be group 2's, as in rma.glmm: it is not symmetric.
    Source: Turner, Omar, Yang, Goldstein & Thompson (2000); Jackson et al. (2018).
    """
    if any(infinite(arm.at_low, arm.at_high) for arm in arms):
        return without_answer(FitStatus.INFINITE_EFFECT, 1)
    first, second = arms[0].start, arms[1].start
    fixed = np.hstack([CONTRAST, LEVEL])
    middle = Point(np.array([np.median(first - second), np.median(0.5 * (first + second))]), np.zeros(1), 0.0 * first)
    unvaried = fit(CountModel(arms, fixed, np.zeros((2, 0))), middle._replace(spread=np.zeros(0)), 1.0, 1.0)
    if not unvaried.status.usable:
        return without_answer(unvaried.status, 1)
    smallest, widest = scan_range(unvaried.summit, 0.5 * (first + second))
    model = CountModel(arms, fixed, LEVEL)
    common = fit(model, unvaried.point._replace(spread=np.zeros(1)), smallest, widest)
    found = common
    if random and common.status.usable:
        model = CountModel(arms, fixed, np.hstack([CONTRAST, LEVEL]))
        widest = max(widest, scan_range(unvaried.summit, first - second)[1])
        found = fit(model, common.point._replace(spread=np.zeros(2)), smallest, widest)
    saturated = saturated_random_study(arms, common, smallest, widest)
    return numbers(model, found, common, saturated, 3 + int(random), random)


def saturated_random_study(arms: tuple[Family, Family], common: Fit, smallest: float, widest: float) -> Saturated:
    """One effect a study beside a random level: eta_i1 = mu + u_i + theta_i, eta_i2 = mu + u_i.

    Where group 1 lies at an end of its range the own effect is infinite and its probability 1: the arm says no more.
    """
    nothing = Saturated(np.nan, np.nan, 0)
    if not common.status.usable:
        return nothing
    at_end = arms[0].at_low | arms[0].at_high
    model = CountModel((silenced(arms[0], at_end), arms[1]), LEVEL, LEVEL, np.array([1.0, 0.0]))
    effect, level = common.point.fixed
    own = np.where(at_end, 0.0, arms[0].start - arms[1].start)
    start = Point(np.array([level - 0.5 * effect]), np.zeros(1), own)
    found = fit(model, start, smallest, widest)
    return saturated_with_random_level(found, ~at_end) if found.status.usable else nothing


def silenced(arm: Family, at: BoolArray) -> Family:
    """The arm without the studies `at`, (k,): nobody in them."""
    if isinstance(arm, Binomial):
        return Binomial(np.where(at, 0.0, arm.x), np.where(at, 0.0, arm.n), arm.offset)
    if isinstance(arm, Poisson):
        return Poisson(np.where(at, 0.0, arm.x), np.where(at, 0.0, arm.t))
    raise TypeError(f"an arm of {type(arm).__name__} can't be left out of a study")


def infinite(low: BoolArray, high: BoolArray) -> bool:
    """Whether all studies pull the effect to the same end."""
    return bool(low.all() or high.all())


def scan_range(common: Summit, rough: FloatArray) -> tuple[float, float]:
    """The smallest standard error of a study's own effect, and the range of the studies' rough effects, at least."""
    hessian = common.studies.hessian
    information = -hessian[:, 0, 0]
    if hessian.shape[1] > 1 and common.reduced.own_curvature.any():
        own = common.reduced.own_curvature
        information = information - np.where(own > 0, hessian[:, 0, -1] ** 2 / np.where(own > 0, own, 1.0), 0.0)
    largest = max(float(information.max()), 1e-4)
    widest = max(WIDEST, float(rough.max() - rough.min()))
    return min(1.0 / np.sqrt(largest), 0.25 * widest), widest


def limit_of_wide_spread(saturated: FloatArray, low: BoolArray, high: BoolArray) -> float:
    """What the log-likelihood tends to as tau grows beyond all bounds.

    A study with a finite effect of its own becomes ever less likely: -infinity. If there is none, each study's likelihood
    tends to its saturated value times the probability of its end of the scale, at best the share of studies at that end.
    """
    says = low ^ high
    if not (low | high).all() or not says.any():
        return -np.inf
    lower = float((low & says).sum())
    upper = float(says.sum()) - lower
    ends = special.xlogy(lower, lower / (lower + upper)) + special.xlogy(upper, upper / (lower + upper))
    return float(saturated.sum() + ends)


def numbers(
    model: CountModel, found: Fit, common: Fit, saturated: Saturated, parameters: int, random: bool
) -> GlmmNumbers:
    """The answers of a fit."""
    if not (found.status.usable and common.status.usable):
        status = common.status if not common.status.usable else found.status
        return without_answer(status, parameters)
    p = found.point.fixed.size
    tau2 = tau2_se = sigma2 = np.nan
    spread = found.point.spread
    if random:
        tau2 = float(spread[0] ** 2)
        tau2_se = float(2.0 * spread[0] * np.sqrt(found.covariance[p, p]))
    if spread.size > int(random):
        sigma2 = float(spread[-1] ** 2)
    return GlmmNumbers(
        status=found.status,
        estimate=float(found.point.fixed[0]),
        se=float(np.sqrt(found.covariance[0, 0])),
        tau2=tau2,
        tau2_se=tau2_se,
        sigma2=sigma2,
        log_likelihood=found.log_likelihood,
        log_likelihood_common=common.log_likelihood,
        log_likelihood_saturated=saturated.log_likelihood,
        parameters=parameters,
        likelihood_ratio=max(0.0, 2.0 * (saturated.log_likelihood - common.log_likelihood)),
        wald=saturated.wald,
        df=float(common.summit.studies.value.size - 1),
        finite=saturated.finite,
        quadrature=found.quadrature,
        change=found.change,
        maxima=found.maxima,
        iterations=found.iterations,
        model=model,
        found=found,
    )


def without_answer(status: FitStatus, parameters: int) -> GlmmNumbers:
    """NaN for everything, and why."""
    nan = np.nan
    return GlmmNumbers(
        status, nan, nan, nan, nan, nan, nan, nan, nan, parameters, nan, nan, nan, 0, Quadrature("none", 0), nan, 0, 0
    )
