from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import before_after
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


# mean1, sd1, mean2, sd2, r, n; the second with equal spreads and a correlation of nearly 1.
STUDIES = np.array(
    [
        [10.0, 2.0, 8.0, 3.0, 0.5, 3.0],
        [5.0, 1.25, 4.5, 1.25, 0.9999999, 12.0],
        [3.0, 1.0, 7.0, 0.4, -0.3, 250000.0],
        [1e-9, 2e-10, 2e-9, 3e-10, 0.95, 8.0],
    ]
)
COLUMNS = tuple(STUDIES.T)


def correction(m: mpf) -> mpf:
    return mpmath.exp(mpmath.loggamma(m / 2) - mpmath.loggamma((m - 1) / 2)) / mpmath.sqrt(m / 2)


def without_sd2(formula: Callable[..., tuple[FloatArray, FloatArray]]) -> Callable[..., tuple[FloatArray, FloatArray]]:
    return lambda m1, s1, m2, s2, r, n, **options: formula(m1, s1, m2, r, n, **options)


MEASURES: dict[str, Callable[..., tuple[FloatArray, FloatArray]]] = {
    "MC": before_after.mean_change,
    "SMCC": before_after.standardized_mean_change,
    "SMCC-LS2": lambda *x: before_after.standardized_mean_change(*x, variance="LS2"),
    "SMCR": without_sd2(before_after.raw_score_standardized_mean_change),
    "SMCR-LS2": lambda *x: without_sd2(before_after.raw_score_standardized_mean_change)(*x, variance="LS2"),
    "SMCR-Borenstein": lambda *x: without_sd2(before_after.raw_score_standardized_mean_change)(
        *x, variance="Borenstein"
    ),
    "SMCRH": before_after.raw_score_standardized_mean_change_heteroscedastic,
    "ROMC": before_after.log_ratio_of_means_change,
    "CVRC": before_after.log_coefficient_of_variation_ratio_change,
    "VRC": lambda _m1, s1, _m2, s2, r, n: before_after.log_variability_ratio_change(s1, s2, r, n),
}


def exact_measures(m1: mpf, s1: mpf, m2: mpf, s2: mpf, r: mpf, n: mpf) -> dict[str, tuple[mpf, mpf]]:
    change = s1**2 + s2**2 - 2 * r * s1 * s2
    J = correction(n - 1)
    dc, dr = (m1 - m2) / mpmath.sqrt(change), (m1 - m2) / s1
    c1, c2 = s1 / m1, s2 / m2
    cv = (c1**2 + c2**2 - 2 * r * c1 * c2) / n
    null = 2 * (1 - r)
    return {
        "MC": (m1 - m2, change / n),
        "SMCC": (J * dc, 1 / n + (J * dc) ** 2 / (2 * n)),
        "SMCC-LS2": (J * dc, J**2 * (1 / n + dc**2 / (2 * n))),
        "SMCR": (J * dr, null / n + (J * dr) ** 2 / (2 * n)),
        "SMCR-LS2": (J * dr, J**2 * (null / n + dr**2 / (2 * n))),
        "SMCR-Borenstein": (J * dr, J**2 * null * (1 / n + dr**2 / (2 * n))),
        "SMCRH": (J * dr, J**2 * (change / (s1**2 * (n - 1)) + dr**2 / (2 * (n - 1)))),
        "ROMC": (mpmath.log(m1 / m2), cv),
        "CVRC": (mpmath.log(c1 / c2), (1 - r**2) / (n - 1) + cv),
        "VRC": (mpmath.log(s1 / s2), (1 - r**2) / (n - 1)),
    }


@pytest.mark.parametrize("measure", MEASURES)
def test_no_digits_are_lost_at_awkward_studies(measure: str) -> None:
    y, v = MEASURES[measure](*COLUMNS)
    for i, row in enumerate(STUDIES):
        exact_y, exact_v = exact_measures(*(mpf(float(x)) for x in row))[measure]
        assert_allclose(y[i], float(exact_y), rtol=4e-15)
        assert_allclose(v[i], float(exact_v), rtol=4e-15)


@pytest.mark.parametrize("measure", ["MC", "SMCC", "ROMC", "CVRC", "VRC"])
def test_swapped_occasions_change_the_sign_alone(measure: str) -> None:
    m1, s1, m2, s2, r, n = COLUMNS
    y, v = MEASURES[measure](m1, s1, m2, s2, r, n)
    swapped_y, swapped_v = MEASURES[measure](m2, s2, m1, s1, r, n)
    assert_allclose(swapped_y, -y, rtol=1e-14)
    assert_allclose(swapped_v, v, rtol=1e-13)


@pytest.mark.parametrize("measure", [m for m in MEASURES if m != "MC"])
def test_units_do_not_matter(measure: str) -> None:
    m1, s1, m2, s2, r, n = COLUMNS
    y, v = MEASURES[measure](m1, s1, m2, s2, r, n)
    scaled_y, scaled_v = MEASURES[measure](60.0 * m1, 60.0 * s1, 60.0 * m2, 60.0 * s2, r, n)
    assert_allclose(scaled_y, y, rtol=1e-14)
    assert_allclose(scaled_v, v, rtol=1e-13)


def test_a_correlation_of_a_half_and_equal_spreads_make_change_and_raw_scores_one_unit() -> None:
    n = np.array([30.0])
    change, _ = before_after.standardized_mean_change(5.0, 2.0, 4.0, 2.0, 0.5, n)
    raw, _ = before_after.raw_score_standardized_mean_change(5.0, 2.0, 4.0, 0.5, n)
    assert_allclose(change, raw, rtol=1e-15)


@pytest.mark.parametrize("measure", ["MC", "SMCC", "SMCR", "SMCRH", "ROMC", "CVRC", "VRC"])
def test_variance_is_that_of_many_samples(measure: str) -> None:
    rng = np.random.default_rng(17)
    samples, n, r = 20_000, 100, 0.6
    sd2 = 1.0 if measure == "SMCR" else 1.5
    first = rng.normal(size=(samples, n))
    second = r * first + np.sqrt(1 - r**2) * rng.normal(size=(samples, n))
    first, second = 5.0 + first, 4.5 + sd2 * second
    m1, m2, s1, s2 = first.mean(axis=1), second.mean(axis=1), first.std(axis=1, ddof=1), second.std(axis=1, ddof=1)
    sampled_r = ((first - m1[:, None]) * (second - m2[:, None])).sum(axis=1) / ((n - 1) * s1 * s2)
    y, v = MEASURES[measure](m1, s1, m2, s2, sampled_r, np.full(samples, float(n)))
    assert_allclose(v.mean(), y.var(), rtol=0.06)
