from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import continuous
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


# Two people a group, spreads a thousandfold apart, a million people, a tiny unit, equal means.
STUDIES = np.array(
    [
        [10.0, 2.0, 2.0, 8.0, 3.0, 2.0],
        [5.5, 0.001, 20.0, 5.25, 1.5, 40.0],
        [101.5, 14.25, 1000000.0, 101.25, 15.125, 1500000.0],
        [1e-9, 2e-10, 12.0, 3e-9, 4e-10, 15.0],
        [3.0, 1.0, 8.0, 3.0, 2.0, 9.0],
        [-4.0, 0.5, 10.0, 9.0, 6.0, 30.0],
    ]
)
COLUMNS = tuple(STUDIES.T)

Study = tuple[mpf, mpf, mpf, mpf, mpf, mpf]
Estimate = tuple[mpf, mpf]


def correction(m: mpf) -> mpf:
    return mpmath.gamma(m / 2) / (mpmath.sqrt(m / 2) * mpmath.gamma((m - 1) / 2))


def pooled(s1: mpf, n1: mpf, s2: mpf, n2: mpf) -> mpf:
    return ((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / (n1 + n2 - 2)


def md(m1: mpf, s1: mpf, n1: mpf, m2: mpf, s2: mpf, n2: mpf) -> Estimate:
    return m1 - m2, s1**2 / n1 + s2**2 / n2


def md_shared(m1: mpf, s1: mpf, n1: mpf, m2: mpf, s2: mpf, n2: mpf) -> Estimate:
    return m1 - m2, pooled(s1, n1, s2, n2) * (1 / n1 + 1 / n2)


def smd_parts(m1: mpf, s1: mpf, n1: mpf, m2: mpf, s2: mpf, n2: mpf) -> tuple[mpf, mpf, mpf, mpf]:
    m = n1 + n2 - 2
    d = (m1 - m2) / mpmath.sqrt(pooled(s1, n1, s2, n2))
    J = mpmath.exp(mpmath.loggamma(m / 2) - mpmath.loggamma((m - 1) / 2)) / mpmath.sqrt(m / 2)
    return d, J, m, 1 / n1 + 1 / n2


def smd(*study: mpf) -> Estimate:
    d, J, m, A = smd_parts(*study)
    return J * d, A + (J * d) ** 2 / (2 * (m + 2))


def smd_ls2(*study: mpf) -> Estimate:
    d, J, m, A = smd_parts(*study)
    return J * d, J**2 * (A + d**2 / (2 * (m + 2)))


def smd_ub(*study: mpf) -> Estimate:
    d, J, m, A = smd_parts(*study)
    return J * d, A + (1 - (m - 2) / (m * J**2)) * (J * d) ** 2


def smd_revman(*study: mpf) -> Estimate:
    d, _, m, A = smd_parts(*study)
    total = m + 2
    g = (1 - 3 / (4 * total - 9)) * d
    return g, A + g**2 / (2 * (total - mpf("3.94")))


def smdh(m1: mpf, s1: mpf, n1: mpf, m2: mpf, s2: mpf, n2: mpf) -> Estimate:
    s = mpmath.sqrt((s1**2 + s2**2) / 2)
    d, f1, f2 = (m1 - m2) / s, n1 - 1, n2 - 1
    _, J, _, _ = smd_parts(m1, s1, n1, m2, s2, n2)
    v = d**2 * (s1**4 / f1 + s2**4 / f2) / (8 * s**4) + (s1**2 / f1 + s2**2 / f2) / s**2
    return J * d, J**2 * v


Formula = Callable[..., tuple[FloatArray, FloatArray]]
EXACT: dict[str, tuple[Formula, Callable[..., Estimate], dict[str, str]]] = {
    "MD": (continuous.mean_difference, md, {}),
    "MD-HO": (continuous.mean_difference, md_shared, {"variance": "HO"}),
    "SMD": (continuous.standardized_mean_difference, smd, {}),
    "SMD-LS2": (continuous.standardized_mean_difference, smd_ls2, {"variance": "LS2"}),
    "SMD-UB": (continuous.standardized_mean_difference, smd_ub, {"variance": "UB"}),
    "SMD-meta": (continuous.standardized_mean_difference, smd_ub, {"variance": "meta"}),
    "SMD-revman": (
        continuous.standardized_mean_difference,
        smd_revman,
        {"correction": "approximate", "variance": "revman"},
    ),
    "SMDH": (continuous.standardized_mean_difference_heteroscedastic, smdh, {}),
}


@pytest.mark.parametrize("measure", EXACT)
def test_no_digits_are_lost_at_awkward_studies(measure: str) -> None:
    formula, exact, options = EXACT[measure]
    y, v = formula(*COLUMNS, **options)
    expected = [exact(*(mpf(float(x)) for x in row)) for row in STUDIES]
    assert_allclose(y, [float(e[0]) for e in expected], rtol=1e-14)
    assert_allclose(v, [float(e[1]) for e in expected], rtol=1e-14)


STANDARDIZED: dict[str, Formula] = {
    "SMD": continuous.standardized_mean_difference,
    "SMDH": continuous.standardized_mean_difference_heteroscedastic,
    "SMD1H": continuous.glass_delta_heteroscedastic,
    "CLES": continuous.common_language_effect_size,
}


def random_studies(k: int = 300) -> tuple[FloatArray, ...]:
    rng = np.random.default_rng(3)
    return (
        rng.normal(5, 2, k),
        rng.uniform(0.5, 3, k),
        rng.integers(3, 200, k).astype(float),
        rng.normal(4, 2, k),
        rng.uniform(0.5, 3, k),
        rng.integers(3, 200, k).astype(float),
    )


@pytest.mark.parametrize("measure", STANDARDIZED)
def test_units_and_origin_do_not_matter(measure: str) -> None:
    m1, s1, n1, m2, s2, n2 = random_studies()
    y, v = STANDARDIZED[measure](m1, s1, n1, m2, s2, n2)
    for c in (1e-8, 0.3048, 1e8):
        scaled_y, scaled_v = STANDARDIZED[measure](c * m1 + 7 * c, c * s1, n1, c * m2 + 7 * c, c * s2, n2)
        assert_allclose(scaled_y, y, rtol=1e-12, atol=1e-14)
        assert_allclose(scaled_v, v, rtol=1e-12)


@pytest.mark.parametrize("measure", ["SMD", "SMDH"])
def test_swapped_groups_change_the_sign_alone(measure: str) -> None:
    m1, s1, n1, m2, s2, n2 = random_studies()
    y, v = STANDARDIZED[measure](m1, s1, n1, m2, s2, n2)
    swapped_y, swapped_v = STANDARDIZED[measure](m2, s2, n2, m1, s1, n1)
    assert_allclose(swapped_y, -y, rtol=1e-13)
    assert_allclose(swapped_v, v, rtol=1e-13)


def test_swapped_groups_give_the_complementary_probability() -> None:
    m1, s1, n1, m2, s2, n2 = random_studies()
    y, v = continuous.common_language_effect_size(m1, s1, n1, m2, s2, n2)
    swapped_y, swapped_v = continuous.common_language_effect_size(m2, s2, n2, m1, s1, n1)
    assert_allclose(y + swapped_y, 1.0, rtol=1e-14)
    assert_allclose(swapped_v, v, rtol=1e-13)


def test_equal_spreads_make_the_two_standardizers_one() -> None:
    m1, s1, n1, m2, _, n2 = random_studies()
    y, _ = continuous.standardized_mean_difference(m1, s1, n1, m2, s1, n2)
    heteroscedastic_y, _ = continuous.standardized_mean_difference_heteroscedastic(m1, s1, n1, m2, s1, n2)
    assert_allclose(heteroscedastic_y, y, rtol=1e-13)


def test_glass_delta_uses_group_two_alone() -> None:
    m1, s1, n1, m2, s2, n2 = (mpf(x) for x in (10, 2, 12, 8, 3, 15))
    d, J = (m1 - m2) / s2, correction(n2 - 1)
    arrays = [np.array(float(x)) for x in (m1, n1, m2, s2, n2)]
    y, v = continuous.glass_delta(*arrays)
    assert_allclose(y, float(J * d), rtol=1e-15)
    assert_allclose(v, float(1 / n1 + 1 / n2 + (J * d) ** 2 / (2 * n2)), rtol=1e-15)
    _, v = continuous.glass_delta(*arrays, variance="UB")
    m = n2 - 1
    assert_allclose(v, float(1 / n1 + 1 / n2 + (1 - (m - 2) / (m * J**2)) * (J * d) ** 2), rtol=1e-14)
    arrays = [np.array(float(x)) for x in (m1, s1, n1, m2, s2, n2)]
    y, v = continuous.glass_delta_heteroscedastic(*arrays)
    expected = J**2 * (s1**2 / (s2**2 * (n1 - 1)) + 1 / (n2 - 1) + d**2 / (2 * (n2 - 1)))
    assert_allclose(y, float(J * d), rtol=1e-15)
    assert_allclose(v, float(expected), rtol=1e-15)


def test_variances_at_the_null_and_at_the_average() -> None:
    m1, s1, n1, m2, s2, n2 = random_studies(4)
    y, v = continuous.standardized_mean_difference(m1, s1, n1, m2, s2, n2, variance="AV")
    total = n1 + n2
    average = (total * y).sum() / total.sum()
    assert_allclose(v, 1 / n1 + 1 / n2 + average**2 / (2 * total), rtol=1e-14)
    _, v = continuous.standardized_mean_difference(m1, s1, n1, m2, s2, n2, variance="H0")
    assert_allclose(v, 1 / n1 + 1 / n2, rtol=1e-15)


def test_no_correction_gives_cohens_d() -> None:
    y, _ = continuous.standardized_mean_difference(*random_studies(), correction="none")
    assert_allclose(y, continuous.cohen_d(*random_studies()), rtol=0)


def test_log_odds_ratio_of_a_standardized_mean_difference_and_back() -> None:
    d, n1, n2 = np.array([0.5, -1.2]), np.array([20.0, 8.0]), np.array([25.0, 9.0])
    y, v = continuous.d_to_log_odds_ratio(d, n1, n2, continuous.D_TO_LOG_ODDS_LOGISTIC)
    assert_allclose(y * np.sqrt(3) / np.pi, d, rtol=1e-15)
    assert_allclose(v * 3 / np.pi**2, 1 / n1 + 1 / n2 + d**2 / (2 * (n1 + n2)), rtol=1e-15)


def sampled_estimates(
    rng: np.random.Generator, formula: Formula, sd1: float, sd2: float, **options: str
) -> tuple[FloatArray, FloatArray]:
    """Estimates and variances of 40,000 studies of 30 and 45 people of a normal measurement, whose means differ by 0.6."""
    samples, n1, n2 = 40_000, 30, 45
    mean1, mean2 = rng.normal(0.6, sd1 / np.sqrt(n1), samples), rng.normal(0.0, sd2 / np.sqrt(n2), samples)
    s1 = sd1 * np.sqrt(rng.chisquare(n1 - 1, samples) / (n1 - 1))
    s2 = sd2 * np.sqrt(rng.chisquare(n2 - 1, samples) / (n2 - 1))
    return formula(mean1, s1, np.full(samples, float(n1)), mean2, s2, np.full(samples, float(n2)), **options)


# The standard error of a variance from 40,000 draws is 0.7 per cent; large-sample formulas are a few per cent off.
@pytest.mark.parametrize(
    ("formula", "sd2", "options", "tolerance"),
    [
        (continuous.mean_difference, 1.0, {}, 0.03),
        (continuous.mean_difference, 2.0, {}, 0.03),
        (continuous.mean_difference, 1.0, {"variance": "HO"}, 0.03),
        (continuous.standardized_mean_difference, 1.0, {}, 0.04),
        (continuous.standardized_mean_difference, 1.0, {"variance": "LS2"}, 0.04),
        (continuous.standardized_mean_difference, 1.0, {"variance": "UB"}, 0.03),
        (continuous.standardized_mean_difference, 1.0, {"variance": "revman"}, 0.04),
        (continuous.standardized_mean_difference_heteroscedastic, 2.0, {}, 0.05),
        (continuous.standardized_mean_difference_heteroscedastic, 2.0, {"variance": "LS3"}, 0.05),
        (continuous.glass_delta_heteroscedastic, 2.0, {}, 0.06),
        (continuous.common_language_effect_size, 2.0, {}, 0.04),
        (continuous.common_language_effect_size, 1.0, {"variance": "HO"}, 0.04),
    ],
)
def test_variance_is_that_of_many_samples(
    formula: Formula, sd2: float, options: dict[str, str], tolerance: float
) -> None:
    y, v = sampled_estimates(np.random.default_rng(12), formula, 1.0, sd2, **options)
    assert_allclose(v.mean(), y.var(), rtol=tolerance)


def test_the_exact_correction_removes_the_bias() -> None:
    y, _ = sampled_estimates(np.random.default_rng(5), continuous.standardized_mean_difference, 1.0, 1.0)
    assert_allclose(y.mean(), 0.6, atol=4 * y.std() / np.sqrt(y.size))


def test_shapes_broadcast() -> None:
    for formula in (*STANDARDIZED.values(), continuous.mean_difference):
        y, v = formula(
            np.array([[3.0], [5.0]]),
            np.array(1.5),
            np.array([10.0, 20.0, 30.0]),
            np.array(4.0),
            np.array(1.0),
            np.array([9.0]),
        )
        assert y.shape == v.shape == (2, 3)
