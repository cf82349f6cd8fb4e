from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from metaanalysis.formulas import arms


def test_combined_arms_are_what_the_people_themselves_give() -> None:
    rng = np.random.default_rng(4)
    people = [
        rng.normal(1e6 + shift, spread, size) for shift, spread, size in ((0.0, 1.0, 7), (2.0, 0.5, 12), (-1.0, 2.0, 2))
    ]
    everybody = np.concatenate(people) - 1e6
    n = np.array([float(x.size) for x in people])
    total, mean, sd = arms.combine_arms(
        n, np.array([x.mean() for x in people]), np.array([x.std(ddof=1) for x in people])
    )
    assert total == 21.0
    assert_allclose(mean - 1e6, everybody.mean(), rtol=1e-8)
    assert_allclose(sd, everybody.std(ddof=1), rtol=1e-9)


def test_the_handbooks_formula_for_two_arms() -> None:
    n1, m1, s1, n2, m2, s2 = 20.0, 5.0, 2.0, 35.0, 6.5, 3.0
    handbook = np.sqrt(
        ((n1 - 1) * s1**2 + (n2 - 1) * s2**2 + n1 * n2 / (n1 + n2) * (m1**2 + m2**2 - 2 * m1 * m2)) / (n1 + n2 - 1)
    )
    total, mean, sd = arms.combine_arms(np.array([n1, n2]), np.array([m1, m2]), np.array([s1, s2]))
    assert total == 55.0
    assert_allclose(mean, (n1 * m1 + n2 * m2) / 55, rtol=1e-15)
    assert_allclose(sd, handbook, rtol=1e-14)


def test_missing_arms_and_many_studies_at_once() -> None:
    n = np.array([[20.0, 35.0, 0.0], [0.0, 10.0, 10.0]])
    mean = np.array([[5.0, 6.5, np.nan], [np.nan, 2.0, 2.0]])
    sd = np.array([[2.0, 3.0, np.nan], [np.nan, 1.0, 1.0]])
    total, centre, spread = arms.combine_arms(n, mean, sd)
    two = arms.combine_arms(n[0, :2], mean[0, :2], sd[0, :2])
    assert_allclose([total[0], centre[0], spread[0]], two, rtol=1e-15)
    assert_allclose([total[1], centre[1], spread[1]], [20.0, 2.0, np.sqrt(18 / 19)], rtol=1e-15)


def test_standard_deviations_from_whatever_is_printed() -> None:
    n = np.array(25.0)
    assert_allclose(arms.sd_from_standard_error(np.array(0.4), n), 2.0, rtol=1e-15)
    # The 95 per cent interval of a mean of 25 people: t with 24 degrees of freedom, 2.0638985616280205
    low, high = np.array(10 - 2.0638985616280205 * 0.4), np.array(10 + 2.0638985616280205 * 0.4)
    assert_allclose(arms.sd_from_interval(low, high, n), 2.0, rtol=1e-12)
    low, high = np.array(10 - 1.959963984540054 * 0.4), np.array(10 + 1.959963984540054 * 0.4)
    assert_allclose(arms.sd_from_interval(low, high, n, t_distribution=False), 2.0, rtol=1e-12)
    se = 2.0 * np.sqrt(1 / 25 + 1 / 30)
    assert_allclose(arms.sd_from_mean_difference_error(np.array(se), n, np.array(30.0)), 2.0, rtol=1e-15)


def test_change_from_baseline_there_and_back() -> None:
    sd1, sd2, r = np.array([2.0, 3.0, 1.0]), np.array([2.5, 3.0, 9.0]), np.array([0.5, 0.999999, -0.7])
    sd = arms.change_sd(sd1, sd2, r)
    assert_allclose(sd**2, sd1**2 + sd2**2 - 2 * r * sd1 * sd2, rtol=1e-9)
    assert_allclose(arms.correlation_from_change_sd(sd1, sd2, sd), r, rtol=1e-13)
