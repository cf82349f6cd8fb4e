from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from metaanalysis.formulas import quantile_estimation as estimation

NAMES = list(estimation.QUANTILE_FAMILIES)

TRUE: dict[str, stats.distributions.rv_frozen] = {
    "normal": stats.norm(12.0, 3.0),
    "log-normal": stats.lognorm(0.7, scale=5.0),
    "gamma": stats.gamma(2.5, scale=4.0),
    "beta": stats.beta(2.0, 5.0),
    "Weibull": stats.weibull_min(1.4, scale=7.0),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("known", ["range", "quartiles", "five"])
def test_a_distributions_own_quantiles_give_its_mean_and_standard_deviation(name: str, known: str) -> None:
    p = estimation.quantile_probabilities(np.array([80.0]), known)
    q = TRUE[name].ppf(p)
    fit = estimation.QUANTILE_FAMILIES[name](p, q)
    assert_allclose(fit.mean, TRUE[name].mean(), rtol=1e-8)
    assert_allclose(fit.sd, TRUE[name].std(), rtol=1e-8)
    mean, sd, family = estimation.estimate_from_quantiles(p, q)
    assert NAMES[family[0]] == name
    assert_allclose([mean[0], sd[0]], [TRUE[name].mean(), TRUE[name].std()], rtol=1e-8)


def frozen(name: str, x: np.ndarray) -> stats.distributions.rv_frozen:
    a, b = np.exp(x)
    makers: dict[str, Callable[[], stats.distributions.rv_frozen]] = {
        "log-normal": lambda: stats.lognorm(a, scale=b),
        "gamma": lambda: stats.gamma(a, scale=b),
        "beta": lambda: stats.beta(a, b),
        "Weibull": lambda: stats.weibull_min(a, scale=b),
    }
    return makers[name]()


@pytest.mark.parametrize("name", ["log-normal", "gamma", "beta", "Weibull"])
def test_the_least_squares_are_least(name: str) -> None:
    # Quantiles of no family: a general optimizer must not find a better fit, and finds the same mean.
    p = estimation.quantile_probabilities(np.array([60.0]), "five")
    q = np.array([[0.02, 0.10, 0.17, 0.31, 0.60]])
    fit = estimation.QUANTILE_FAMILIES[name](p, q)
    start = np.log([2.0, 5.0]) if name == "beta" else np.log([0.9, 0.2])
    found = optimize.least_squares(
        lambda x: frozen(name, x).ppf(p[0]) - q[0], start, jac="3-point", xtol=1e-14, ftol=1e-15, gtol=1e-15
    )
    assert fit.squares[0] <= 2 * found.cost * (1 + 1e-9)
    assert_allclose(fit.mean, frozen(name, found.x).mean(), rtol=1e-6)
    assert_allclose(fit.sd, frozen(name, found.x).std(), rtol=1e-6)


def test_the_unit_changes_nothing_but_the_unit() -> None:
    p = estimation.quantile_probabilities(np.array([60.0]), "five")
    q = np.array([[2.0, 10.0, 17.0, 31.0, 60.0]])
    mean, sd, family = estimation.estimate_from_quantiles(p, q)
    for c in (10.0, 1e6):
        scaled_mean, scaled_sd, scaled_family = estimation.estimate_from_quantiles(p, c * q)
        assert_allclose([scaled_mean, scaled_sd], [c * mean, c * sd], rtol=1e-9)
        assert scaled_family == family


def test_negative_quantiles_leave_the_normal_alone() -> None:
    p = estimation.quantile_probabilities(np.array([60.0, 60.0]), "quartiles")
    q = np.array([[-1.0, 0.0, 3.0], [1.0, 2.0, 4.5]])
    mean, sd, family = estimation.estimate_from_quantiles(p, q)
    assert NAMES[family[0]] == "normal"
    assert_allclose(mean[0], 2 / 3, rtol=1e-14)
    assert_allclose(sd[0], 4.0 / (2 * 0.6744897501960817), rtol=1e-14)
    assert NAMES[family[1]] != "normal"


def test_many_studies_are_each_as_if_alone() -> None:
    rng = np.random.default_rng(4)
    n = rng.integers(20, 300, 30).astype(float)
    p = estimation.quantile_probabilities(n, "five")
    q = np.sort(rng.gamma(2.0, 3.0, (30, 5)), axis=1)
    mean, sd, family = estimation.estimate_from_quantiles(p, q)
    for i in range(0, 30, 7):
        alone = estimation.estimate_from_quantiles(p[i : i + 1], q[i : i + 1])
        assert_allclose([mean[i], sd[i]], [alone[0][0], alone[1][0]], rtol=1e-12)
        assert family[i] == alone[2][0]
    shaped, _, _ = estimation.estimate_from_quantiles(p.reshape(5, 6, 5), q.reshape(5, 6, 5))
    assert_allclose(shaped.ravel(), mean, rtol=1e-12)
