from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import ratio_of_means
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


STUDIES = np.array(
    [
        [10.0, 2.0, 2.0, 8.0, 3.0, 2.0],
        [1000001.0, 0.5, 20.0, 1000000.0, 1.5, 40.0],
        [1e-9, 2e-10, 12.0, 3e-9, 4e-10, 15.0],
        [-3.0, 1.0, 14.0, -5.0, 1.5, 1600000.0],
    ]
)
COLUMNS = tuple(STUDIES.T)


def random_studies(k: int = 200) -> tuple[FloatArray, ...]:
    rng = np.random.default_rng(8)
    return (
        rng.uniform(1, 9, k),
        rng.uniform(0.5, 3, k),
        rng.integers(3, 200, k).astype(float),
        rng.uniform(1, 9, k),
        rng.uniform(0.5, 3, k),
        rng.integers(3, 200, k).astype(float),
    )


def test_no_digits_are_lost_at_awkward_studies() -> None:
    rom = ratio_of_means.log_ratio_of_means(*COLUMNS)
    lajeunesse = ratio_of_means.log_ratio_of_means(*COLUMNS, corrected=True, variance="second-order")
    cvr = ratio_of_means.log_coefficient_of_variation_ratio(*COLUMNS)
    vr = ratio_of_means.log_variability_ratio(COLUMNS[1], COLUMNS[2], COLUMNS[4], COLUMNS[5])
    for i, row in enumerate(STUDIES):
        m1, s1, n1, m2, s2, n2 = (mpf(float(x)) for x in row)
        c1, c2 = (s1 / m1) ** 2 / n1, (s2 / m2) ** 2 / n2
        e1, e2 = 1 / (2 * (n1 - 1)), 1 / (2 * (n2 - 1))
        y = mpmath.log(m1 / m2)
        expected = {
            "ROM": (y, c1 + c2, rom),
            "Lajeunesse": (y + (c1 - c2) / 2, c1 + c2 + (c1**2 + c2**2) / 2, lajeunesse),
            "CVR": (mpmath.log((s1 / m1) / (s2 / m2)) + e1 - e2, c1 + c2 + e1 + e2, cvr),
            "VR": (mpmath.log(s1 / s2) + e1 - e2, e1 + e2, vr),
        }
        for name, (exact_y, exact_v, (found_y, found_v)) in expected.items():
            assert_allclose(found_y[i], float(exact_y), rtol=2e-15, err_msg=name)
            assert_allclose(found_v[i], float(exact_v), rtol=2e-15, err_msg=name)


@pytest.mark.parametrize("variance", list(ratio_of_means.RATIO_OF_MEANS_VARIANCES))
def test_units_do_not_matter_and_swapped_groups_change_the_sign(variance: str) -> None:
    m1, s1, n1, m2, s2, n2 = random_studies()
    y, v = ratio_of_means.log_ratio_of_means(m1, s1, n1, m2, s2, n2, variance=variance)
    scaled = ratio_of_means.log_ratio_of_means(1e6 * m1, 1e6 * s1, n1, 1e6 * m2, 1e6 * s2, n2, variance=variance)
    swapped = ratio_of_means.log_ratio_of_means(m2, s2, n2, m1, s1, n1, variance=variance)
    assert_allclose(scaled[0], y, rtol=1e-12, atol=1e-15)
    assert_allclose(scaled[1], v, rtol=1e-13)
    assert_allclose(swapped[0], -y, rtol=1e-12, atol=1e-15)
    assert_allclose(swapped[1], v, rtol=1e-13)


def test_averaged_variances_use_each_meta_analysis_alone() -> None:
    one, two = random_studies(6), tuple(x[::-1] * 1.0 for x in random_studies(6))
    both = [np.stack(pair) for pair in zip(one, two, strict=True)]
    both[2][1] += 5.0
    for variance in ("AV", "AVHO"):
        _, v = ratio_of_means.log_ratio_of_means(*both, variance=variance)
        for i in range(2):
            _, alone = ratio_of_means.log_ratio_of_means(*(x[i] for x in both), variance=variance)
            assert_allclose(v[i], alone, rtol=1e-14)


def test_homoscedastic_variance_with_equal_spreads_is_the_usual_one() -> None:
    m1, s1, n1, m2, _, n2 = random_studies()
    usual = ratio_of_means.log_ratio_of_means(m1, s1, n1, m2, s1, n2)[1]
    assert_allclose(ratio_of_means.log_ratio_of_means(m1, s1, n1, m2, s1, n2, variance="HO")[1], usual, rtol=1e-13)


def test_corrections_may_be_left_out() -> None:
    m1, s1, n1, m2, s2, n2 = random_studies()
    cvr = ratio_of_means.log_coefficient_of_variation_ratio(m1, s1, n1, m2, s2, n2, corrected=False)
    vr = ratio_of_means.log_variability_ratio(s1, n1, s2, n2, corrected=False)
    assert_allclose(cvr[0], np.log(s1 / m1 / (s2 / m2)), rtol=1e-12, atol=1e-15)
    assert_allclose(vr[0], np.log(s1 / s2), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("measure", ["ROM", "Lajeunesse", "CVR", "VR"])
def test_estimate_and_variance_are_those_of_many_samples(measure: str) -> None:
    rng = np.random.default_rng(21)
    samples, n1, n2 = 40_000, 60, 80
    mean1, mean2 = rng.normal(5.0, 1.0 / np.sqrt(n1), samples), rng.normal(4.0, 1.5 / np.sqrt(n2), samples)
    s1 = np.sqrt(rng.chisquare(n1 - 1, samples) / (n1 - 1))
    s2 = 1.5 * np.sqrt(rng.chisquare(n2 - 1, samples) / (n2 - 1))
    k1, k2 = np.full(samples, float(n1)), np.full(samples, float(n2))
    if measure == "VR":
        y, v = ratio_of_means.log_variability_ratio(s1, k1, s2, k2)
        truth = np.log(1 / 1.5)
    elif measure == "CVR":
        y, v = ratio_of_means.log_coefficient_of_variation_ratio(mean1, s1, k1, mean2, s2, k2)
        truth = np.log((1 / 5) / (1.5 / 4))
    else:
        options = {"corrected": True, "variance": "second-order"} if measure == "Lajeunesse" else {}
        y, v = ratio_of_means.log_ratio_of_means(mean1, s1, k1, mean2, s2, k2, **options)
        truth = np.log(5 / 4)
    assert_allclose(v.mean(), y.var(), rtol=0.04)
    assert_allclose(y.mean(), truth, atol=4 * y.std() / np.sqrt(samples) + 5e-4)
