from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas.tetrachoric import bivariate_normal_cdf, tetrachoric_correlation


@pytest.fixture(autouse=True)
def _thirty_digits() -> Iterator[None]:
    with mpmath.workdps(30):
        yield


def exact_cdf(h: mpf, k: mpf, rho: mpf) -> mpf:
    def slope(theta: mpf) -> mpf:
        return mpmath.exp(-(h * h + k * k - 2 * h * k * mpmath.sin(theta)) / (2 * mpmath.cos(theta) ** 2))

    top = mpmath.asin(rho)
    return mpmath.ncdf(h) * mpmath.ncdf(k) + mpmath.quad(slope, mpmath.linspace(0, top, 5)) / (2 * mpmath.pi)


@pytest.mark.parametrize("rho", [-0.999, -0.6, 0.0, 1e-6, 0.3, 0.95])
@pytest.mark.parametrize(("h", "k"), [(0.0, 0.0), (0.0, 1.3), (-1.2, 0.0), (0.4, -0.7), (2.5, 2.4), (-3.0, -2.0)])
def test_bivariate_normal_probability(h: float, k: float, rho: float) -> None:
    expected = float(exact_cdf(mpf(h), mpf(k), mpf(rho)))
    assert_allclose(bivariate_normal_cdf(np.array(h), np.array(k), np.array(rho)), expected, rtol=1e-12, atol=3e-16)


def test_correlation_reproduces_the_table() -> None:
    tables = np.array(
        [[40.0, 60.0, 15.0, 70.0], [1.0, 30.0, 29.0, 31.0], [7.0, 30.0, 12.0, 28.0], [90.0, 95.0, 3.0, 80.0]]
    )
    y, _ = tetrachoric_correlation(*tables.T)
    for rho, (a, n1, c, n2) in zip(y, tables, strict=True):
        total = mpf(n1 + n2)
        h, k = (mpmath.findroot(lambda z, p=p: mpmath.ncdf(z) - p, 0) for p in (n1 / total, (a + c) / total))
        assert_allclose(float(exact_cdf(h, k, mpf(float(rho)))), a / float(total), rtol=1e-13)


def test_known_answers() -> None:
    # With both variables cut at their medians the correlation is sin[2π (a/N - 1/4)].
    a = np.array([30.0, 25.0, 12.0])
    y, _ = tetrachoric_correlation(a, np.full(3, 50.0), 50.0 - a, np.full(3, 50.0))
    assert_allclose(y, np.sin(2 * np.pi * (a / 100 - 0.25)), rtol=1e-13, atol=1e-15)


def test_swapped_rows_change_the_sign_and_a_transposed_table_nothing() -> None:
    rng = np.random.default_rng(4)
    n1, n2 = rng.integers(5, 300, 200).astype(float), rng.integers(5, 300, 200).astype(float)
    a, c = rng.integers(1, n1).astype(float), rng.integers(1, n2).astype(float)
    y, v = tetrachoric_correlation(a, n1, c, n2)
    assert np.isfinite(y).all()
    assert (v > 0).all()
    swapped_y, swapped_v = tetrachoric_correlation(c, n2, a, n1)
    transposed_y, transposed_v = tetrachoric_correlation(a, a + c, n1 - a, n1 + n2 - a - c)
    assert_allclose(swapped_y, -y, rtol=1e-10, atol=1e-13)
    assert_allclose(swapped_v, v, rtol=1e-8)
    assert_allclose(transposed_y, y, rtol=1e-10, atol=1e-13)
    assert_allclose(transposed_v, v, rtol=1e-8)


def test_variance_is_that_of_many_samples() -> None:
    rng = np.random.default_rng(11)
    rho, n, samples = 0.5, 2000, 4000
    h, k = 0.4, -0.2
    both = bivariate_normal_cdf(np.array(h), np.array(k), np.array(rho))
    p1, p2 = float(mpmath.ncdf(h)), float(mpmath.ncdf(k))
    table = rng.multinomial(n, [both, p1 - both, p2 - both, 1 - p1 - p2 + both], size=samples).astype(float)
    y, v = tetrachoric_correlation(table[:, 0], table[:, 0] + table[:, 1], table[:, 2], table[:, 2] + table[:, 3])
    # A sample variance of 4,000 draws has a relative standard error of 2.2 per cent.
    assert_allclose(y.var(), v.mean(), rtol=0.08)
    assert_allclose(y.mean(), rho, atol=4 * np.sqrt(v.mean() / samples) + 1e-3)


def test_zero_cells_and_empty_margins() -> None:
    a, n1, c, n2 = (
        np.array(x)
        for x in ([0.0, 10.0, 0.0, 5.0], [10.0, 10.0, 9.0, 5.0], [3.0, 4.0, 0.0, 7.0], [12.0, 9.0, 8.0, 7.0])
    )
    y, v = tetrachoric_correlation(a, n1, c, n2)
    assert_allclose(y[:2], [-1.0, 1.0], rtol=0)
    assert np.isnan(y[2:]).all()
    assert np.isnan(v).all()
