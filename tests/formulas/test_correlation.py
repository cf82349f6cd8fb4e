from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import correlation


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def hypergeometric(a: float, c: float, x: mpf) -> mpf:
    if c < 30:
        return mpmath.hyp2f1(a, a, c, x)
    term = total = mpf(1)
    for k in range(200):
        term *= (a + mpf(k)) ** 2 / ((c + mpf(k)) * (k + 1)) * x
        total += term
    return total


def test_hypergeometric_terms() -> None:
    for a in (0.5, 1.0):
        for c in (2.5, 3.0, 7.5, 29.5, 30.0, 999.0, 5e5):
            x = np.array([0.0, 1e-12, 1e-3, 0.3, 0.5, 0.51, 0.9, 0.9975, 1.0])
            first, rest = correlation.hypergeometric_terms(a, np.array(c), x)
            exact = [hypergeometric(a, c, mpf(float(z))) - 1 for z in x]
            assert_allclose(first + rest, [float(e) for e in exact], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("n", [5, 6, 10, 50, 63, 64, 200, 2000, 1000000])
def test_unbiased_correlation_and_its_variance(n: int) -> None:
    r = np.array([0.01, -0.3, 0.72, -0.9, 0.99, 0.9999])
    y, v = correlation.unbiased_correlation(r, np.array(float(n)), "UB")
    for i, value in enumerate(r):
        exact_r = mpf(float(value))
        x = 1 - exact_r**2
        exact_y = exact_r * hypergeometric(0.5, (n - 2) / 2, x)
        exact_v = exact_y**2 - 1 + mpf(n - 3) / (n - 2) * x * hypergeometric(1.0, n / 2, x)
        assert_allclose(y[i], float(exact_y), rtol=2e-15)
        assert_allclose(v[i], float(exact_v), rtol=1e-12)


def test_perfect_and_absent_correlation() -> None:
    y, v = correlation.unbiased_correlation(np.array([1.0, -1.0, 0.0]), np.array([20.0, 20.0, 5.0]), "UB")
    assert_allclose(y, [1.0, -1.0, 0.0], rtol=0)
    assert_allclose(v, [0.0, 0.0, 1.0], rtol=1e-13)


def test_fisher_z() -> None:
    r = np.array([1e-9, 0.3, -0.999999, 0.5])
    y, v = correlation.fisher_z(r, np.array([10.0, 4.0, 1e6, 103.0]))
    assert_allclose(y, [float(mpmath.atanh(mpf(float(x)))) for x in r], rtol=4e-16)
    assert_allclose(v, [1 / 7, 1.0, 1 / 999997, 0.01], rtol=1e-15)


def test_fisher_z_of_another_correlation_is_the_delta_method() -> None:
    z, v = correlation.fisher_z_of_estimate(np.array([0.6]), np.array([0.02]))
    assert_allclose(z, np.arctanh(0.6), rtol=1e-15)
    assert_allclose(v, 0.02 / 0.64**2, rtol=1e-14)


def test_average_over_the_last_axis() -> None:
    r, n = np.array([[0.1, 0.5], [0.3, 0.3]]), np.array([[10.0, 30.0], [20.0, 90.0]])
    _, v = correlation.correlation(r, n, "AV")
    average = np.array([[0.4], [0.3]])
    assert_allclose(v, (1 - average**2) ** 2 / (n - 1), rtol=1e-14)
    assert_allclose(correlation.size_weighted_average(np.array([0.2, np.nan]), np.array([3.0, 4.0])), [0.2], rtol=1e-15)


def regression_sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    return X, X @ [0.5, -0.2, 0.3] + rng.normal(size=40)


def fitted(X: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """t statistic of the first slope, and R²."""
    design = np.column_stack([X, np.ones(len(y))])
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ beta
    s2 = residual @ residual / (len(y) - design.shape[1])
    se = np.sqrt(s2 * np.linalg.inv(design.T @ design)[0, 0])
    return beta[0] / se, 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))


def test_partial_and_semipartial_correlations_are_those_of_residuals() -> None:
    X, y = regression_sample(1)
    t, r2 = fitted(X, y)
    others = np.column_stack([X[:, 1:], np.ones(40)])

    def residual(z: np.ndarray) -> np.ndarray:
        return z - others @ np.linalg.lstsq(others, z, rcond=None)[0]

    arrays = np.array(t), np.array(40.0), np.array(3.0)
    partial = np.corrcoef(residual(X[:, 0]), residual(y))[0, 1]
    semipartial = np.corrcoef(residual(X[:, 0]), y)[0, 1]
    assert_allclose(correlation.partial_correlation(*arrays)[0], partial, rtol=1e-12)
    assert_allclose(correlation.fisher_z_partial_correlation(*arrays)[0], np.arctanh(partial), rtol=1e-12)
    assert_allclose(correlation.semipartial_correlation(*arrays, np.array(r2))[0], semipartial, rtol=1e-12)


def test_partial_correlation_variances() -> None:
    t, n, m = np.array([2.0, -7.0]), np.array([30.0, 52.0]), np.array([4.0, 1.0])
    y, v = correlation.partial_correlation(t, n, m)
    df = n - m - 1
    assert_allclose(v, (1 - y**2) ** 2 / df, rtol=1e-13)
    # One predictor partials nothing out: a plain correlation, whose z has variance 1/(n - 3).
    assert_allclose(correlation.fisher_z_partial_correlation(t, n, m)[1], [1 / 24, 1 / 49], rtol=1e-15)


@pytest.mark.parametrize("measure", ["COR", "UCOR", "ZCOR", "ZPCOR", "R2", "ZR2"])
def test_variance_is_that_of_many_samples(measure: str) -> None:
    rng = np.random.default_rng(31)
    samples, n, rho = 20_000, 80, 0.5
    x, e = rng.normal(size=(samples, n)), rng.normal(size=(samples, n))
    y = rho * x + np.sqrt(1 - rho**2) * e
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    r = (x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    size = np.full(samples, float(n))
    t = r * np.sqrt((n - 2) / (1 - r * r))
    estimate, v = {
        "COR": lambda: correlation.correlation(r, size),
        "UCOR": lambda: correlation.unbiased_correlation(r, size, "UB"),
        "ZCOR": lambda: correlation.fisher_z(r, size),
        "ZPCOR": lambda: correlation.fisher_z_partial_correlation(t, size, np.ones(samples)),
        "R2": lambda: correlation.explained_variance(r * r, size),
        "ZR2": lambda: correlation.fisher_z_explained_variance(r * r, size),
    }[measure]()
    assert_allclose(v.mean(), estimate.var(), rtol=0.05)
    if measure == "UCOR":
        assert_allclose(estimate.mean(), rho, atol=4 * estimate.std() / np.sqrt(samples))
