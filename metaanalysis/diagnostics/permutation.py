"""Permutation tests of a mean or of moderators."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metaanalysis.diagnostics.given import (
    at_least,
    by_inverse_variance,
    for_many,
    inference_function,
    refits_itself,
    tau2_function,
)
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.diagnostics.seeds import Seed, generator_of
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.inference import (
    Inference,
    InferenceFunction,
    hartung_knapp,
    hartung_knapp_adhoc,
    student_t,
    wald,
)
from metaanalysis.formulas.many_designs import OVER_DESIGNS, features, fit_designs, sums_are_safe
from metaanalysis.formulas.permutation import (
    arrangement_count,
    arrangements,
    as_extreme,
    distinct_rows,
    rows_for,
    sign_patterns,
)
from metaanalysis.formulas.regression import wald_test
from metaanalysis.formulas.tau2 import estimate_tau2
from metaanalysis.formulas.weighted import (
    WeightedFit,
    inverse_variance_weights,
    weighted_least_squares,
    weighted_mean,
)
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import choose
from metaanalysis.results import Pooled, Regression
from metaanalysis.results.permutation import PermutationTest

# Elements (arrangements times studies times coefficients) of one batch.
BATCH = 262_144
# More arrangements than this are not gone through one by one.
EXACT_AT_MOST = 20_000_000
# Interval methods whose covariance is (X'WX)^-1 times a number that depends on Q alone.
FROM_Q = (wald, student_t, hartung_knapp, hartung_knapp_adhoc)


class Statistics(NamedTuple):
    """Of each arrangement: coefficients and test statistics (n, p), the omnibus statistic (n,)."""

    coefficients: FloatArray
    tests: FloatArray
    omnibus: FloatArray


class Scheme(NamedTuple):
    """What is rearranged: how many ways there are, the ways by number and at random, and what comes of each."""

    what: str
    names: tuple[str, ...]
    arrangements: int
    by_number: Callable[[int, int], FloatArray | IntArray]
    at_random: Callable[[np.random.Generator, int], FloatArray | IntArray]
    as_it_is: FloatArray | IntArray
    statistics: Callable[[FloatArray | IntArray], Statistics]
    size: int


def permutation_test(
    fit: Pooled | Regression,
    permutations: int = 10_000,
    *,
    exact: bool | None = None,
    statistic: str = "test",
    alternative: str = "two-sided",
    seed: Seed = None,
    progress: bool | None = None,
) -> PermutationTest:
    """How often would chance alone bring about a result like this one? P-values that rest on no distribution.

    Parameters
    ----------
    fit
        A `Regression`: the rows of its moderators are shuffled among the studies. Or a `Pooled` by inverse variance: the
        signs of the effects are flipped. The between-study variance is estimated anew in every arrangement.
    permutations
        How many arrangements to draw, the observed one among them, so that no p-value is below 1 / permutations.
    exact
        Whether to go through all arrangements instead; by default where there are no more than `permutations`.
    statistic
        What is compared: ``test`` statistics (default), or ``coefficient`` estimates.
    alternative
        ``two-sided`` (default: the share of arrangements whose statistic is at least as large in absolute value), ``less`` or
        ``greater``.
    seed
        For the same random arrangements on every run: a whole number, a `numpy.random.SeedSequence` or a
        `numpy.random.Generator`.
    progress
        Whether to show a progress bar; by default on a terminal.

    Returns
    -------
    PermutationTest
        A p-value a coefficient, that of the omnibus test, and the permutation distribution.

    Raises
    ------
    OptionError
        Where an exact test would go through more than 20 million arrangements.
    DataError
        Where the between-study variance can't be estimated in any.

    Notes
    -----
    Rows of the moderators that are the same are not told apart: an exact test counts distinct arrangements alone. A sign test
    of k studies has 2^k arrangements; below k = 6 its two-sided p can't be smaller than 0.05.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> found = ma.permutation_test(ma.pool(effects, tau2="DL"))
    >>> found.exact, found.arrangements, round(float(found.p_values[0]), 4)
    (True, 8192, 0.0017)

    References
    ----------
    Higgins JPT, Thompson SG (2004). Controlling the risk of spurious findings from meta-regression. Statistics in Medicine
    23, 1663-1682. Follmann DA, Proschan MA (1999). Valid inference in random effects meta-analysis. Biometrics 55, 732-737.
    """
    which = choose("statistic", statistic, ("test", "coefficient"))
    side = choose("alternative", alternative, ("two-sided", "less", "greater"))
    if isinstance(permutations, bool) or not isinstance(permutations, int) or permutations < 2:
        raise OptionError(
            f"permutations={permutations!r} is not a number of arrangements: it is a whole number from 2 upward."
        )
    if isinstance(fit, Pooled):
        scheme = signs_scheme(fit)
    elif isinstance(fit, Regression):
        scheme = rows_scheme(fit)
    else:
        raise DataError(
            f"permutation_test needs a fit from pool or meta_regression, not {type(fit).__name__}."
            f"{for_many(fit, 'permutation_test')}"
        )
    all_of_them = scheme.arrangements <= permutations if exact is None else exact
    if all_of_them and scheme.arrangements > EXACT_AT_MOST:
        raise OptionError(
            f"an exact test would go through {scheme.arrangements:.3g} arrangements, more than {EXACT_AT_MOST:,}: "
            f"leave exact out, and draw a sample of them."
        )
    n = scheme.arrangements if all_of_them else permutations
    observed = scheme.statistics(scheme.as_it_is[np.newaxis])
    estimates = fit.estimates if isinstance(fit, Regression) else np.array([fit.estimate])
    refits_itself(observed.coefficients[0], estimates, "permutation_test")
    batch = max(1, BATCH // scheme.size)
    random = generator_of(seed)
    parts = []
    with progress_bar(n, "permutations", progress) as advance:
        # Drawn at random, the observed arrangement is the first.
        if not all_of_them:
            parts.append(observed)
        for first in range(0 if all_of_them else 1, n, batch):
            last = min(first + batch, n)
            rows = scheme.by_number(first, last) if all_of_them else scheme.at_random(random, last - first)
            parts.append(scheme.statistics(rows))
            advance(last - first)
    coefficients, tests, omnibus = (np.concatenate(column) for column in zip(*parts, strict=True))
    return summed_up(fit, scheme, observed, (coefficients, tests, omnibus), all_of_them, which, side)


def summed_up(
    fit: Pooled | Regression,
    scheme: Scheme,
    observed: Statistics,
    drawn: tuple[FloatArray, FloatArray, FloatArray],
    exact: bool,
    which: str,
    side: str,
) -> PermutationTest:
    """The shares of arrangements that are as extreme as the observed one."""
    coefficients, tests, omnibus = drawn
    usable = ~np.isnan(tests).any(axis=1)
    if not np.isfinite(observed.tests).all():
        raise DataError(
            "the test statistics of this fit are not finite: the effects lie exactly on it, or there are too few studies."
        )
    distribution = tests if which == "test" else coefficients
    centre = (observed.tests if which == "test" else observed.coefficients)[0]
    shares = as_extreme(distribution[usable], centre, side).mean(axis=0)
    q = float(observed.omnibus[0])
    q_share = float("nan") if np.isnan(q) else float(as_extreme(omnibus[usable], observed.omnibus[0], "greater").mean())
    failed = int((~usable).sum())
    notes = []
    if failed:
        notes.append(
            f"in {failed:,} arrangements the between-study variance could not be estimated: they are not counted"
        )
    smallest = (2.0 if isinstance(fit, Pooled) and side == "two-sided" else 1.0) / scheme.arrangements
    if smallest > 1.0 - fit.level:
        notes.append(
            f"with {scheme.arrangements} arrangements the p-value can't be below {smallest:.2g}, whatever the data"
        )
    model = [fit.p_value] if isinstance(fit, Pooled) else fit.coefficients["p_value"].tolist()
    return PermutationTest(
        names=scheme.names,
        estimates=np.array(observed.coefficients[0]),
        statistics=np.array(observed.tests[0]),
        p_values=np.asarray(shares),
        model_p_values=np.array(model),
        q_moderators=q,
        q_moderators_p_value=q_share,
        exact=exact,
        arrangements=scheme.arrangements,
        permutations=len(tests),
        failed=failed,
        what=scheme.what,
        statistic=which,
        alternative=side,
        distribution=distribution,
        q_moderators_distribution=omnibus,
        notes=tuple(notes),
    )


def signs_scheme(fit: Pooled) -> Scheme:
    """Flip the signs of the effects, pool by the fit's own options."""
    by_inverse_variance(fit, "permutation_test")
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    k = y.size
    at_least(k, 2, "a permutation test")

    def statistics(signs: FloatArray | IntArray) -> Statistics:
        numbers = pooled_numbers(signs * y, np.broadcast_to(v, signs.shape), fit.options)
        nothing = np.full(len(signs), np.nan)
        return Statistics(numbers.estimate[:, np.newaxis], numbers.statistic[:, np.newaxis], nothing)

    def at_random(random: np.random.Generator, n: int) -> FloatArray:
        return np.where(random.integers(0, 2, (n, k)) == 1, -1.0, 1.0)

    return Scheme(
        "signs of the effects",
        ("estimate",),
        2**k,
        lambda first, last: sign_patterns(k, first, last),
        at_random,
        np.ones(k),
        statistics,
        k,
    )


def rows_scheme(fit: Regression) -> Scheme:
    """Shuffle the rows of the design, fit the regression by its own options."""
    y, v, X = np.asarray(fit.effects.y), np.asarray(fit.effects.v), fit.design.X
    k, p = X.shape
    codes = distinct_rows(X)
    count = arrangement_count(codes)
    if count == 1:
        raise DataError(
            "the moderators are the same in all studies, so that there is nothing to shuffle: test the mean by pool."
        )
    tested = [i for i in range(p) if i != fit.design.intercept]
    inference = inference_function(fit.options, "permutation_test")
    refit = fit_by_sums if sums_are_safe(v) and inference in FROM_Q else fit_one_by_one

    def statistics(rows: FloatArray | IntArray) -> Statistics:
        coefficients, covariance, df = refit(fit, y, v, X, rows.astype(np.intp), inference)
        se = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            tests = coefficients / se
        omnibus = np.full(len(rows), np.nan)
        usable = np.isfinite(tests).all(axis=1)
        if tested and usable.any():
            part = covariance[usable][:, tested][:, :, tested]
            omnibus[usable] = wald_test(coefficients[usable][:, tested], part, df[usable]).statistic
        return Statistics(coefficients, tests, omnibus)

    def at_random(random: np.random.Generator, n: int) -> IntArray:
        return random.permuted(np.tile(np.arange(k), (n, 1)), axis=1)

    return Scheme(
        "rows of the moderators",
        fit.names,
        count,
        lambda first, last: rows_for(codes, arrangements(codes, first, last)),
        at_random,
        np.arange(k),
        statistics,
        k * p,
    )


Refit = tuple[FloatArray, FloatArray, FloatArray]


def fit_by_sums(
    fit: Regression, y: FloatArray, v: FloatArray, X: FloatArray, rows: IntArray, inference: InferenceFunction
) -> Refit:
    """Coefficients, covariance and degrees of freedom of each arrangement, from shared sums."""
    # Orthonormal columns, and effects about their mean where there is a constant, keep the sums far from cancelling.
    basis, triangle = np.linalg.qr(X)
    w = 1.0 / v
    centre = float(weighted_mean(y, w).coefficients[0]) if fit.design.intercept is not None else 0.0
    sums = features(basis[rows], y - centre, v)
    n, (k, p) = len(rows), X.shape
    function = tau2_function(fit.options)
    if function is None:
        tau2 = np.zeros(n)
    elif function in OVER_DESIGNS:
        tau2 = OVER_DESIGNS[function](sums).x
    else:
        tau2 = estimate_tau2(function, np.broadcast_to(y, (n, k)), np.broadcast_to(v, (n, k)), basis[rows]).x
    found = fit_designs(sums, tau2)
    inverse = np.linalg.solve(triangle, np.eye(p))
    coefficients = found.coefficients @ inverse.T
    if fit.design.intercept is not None:
        coefficients[:, fit.design.intercept] += centre
    covariance = inverse @ found.covariance @ inverse.T
    nothing = np.empty((n, 0))
    stand_in = WeightedFit(coefficients, covariance, nothing, nothing, nothing, found.q)
    answer = inference(stand_in, np.ones((n, k)), np.broadcast_to(X, (n, k, p)))
    return coefficients, answer.covariance, answer.df


def fit_one_by_one(
    fit: Regression, y: FloatArray, v: FloatArray, X: FloatArray, rows: IntArray, inference: InferenceFunction
) -> Refit:
    """The same by the formulas that serve any weights and any interval."""
    designs = X[rows]
    n, k = rows.shape
    y, v = np.broadcast_to(y, (n, k)), np.broadcast_to(v, (n, k))
    function = tau2_function(fit.options)
    tau2 = np.zeros(n) if function is None else estimate_tau2(function, y, v, designs).x
    w = inverse_variance_weights(v, tau2)
    found = weighted_least_squares(y, w, designs)
    answer: Inference = inference(found, w, designs)
    return found.coefficients, answer.covariance, answer.df
