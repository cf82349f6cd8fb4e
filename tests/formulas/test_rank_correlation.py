"""Kendall's correlation against every order of the ranks, and against pairs counted one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.rank_correlation import (
    exact_p_value,
    kendall,
    kendall_score,
    kendall_variance,
    standardised_deviations,
)


def score_of(x: list[float], y: list[float]) -> int:
    sign = [(a > b) - (a < b) for a, b in itertools.combinations(x, 2)]
    other = [(a > b) - (a < b) for a, b in itertools.combinations(y, 2)]
    return sum(a * b for a, b in zip(sign, other, strict=True))


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_exact_tails_count_the_orders(k: int) -> None:
    scores = [score_of(list(range(k)), list(order)) for order in itertools.permutations(range(k))]
    for score in set(scores):
        upper = sum(s >= score for s in scores) / math.factorial(k)
        lower = sum(s <= score for s in scores) / math.factorial(k)
        assert_allclose(exact_p_value(k, score), min(1.0, 2 * min(upper, lower)), rtol=1e-13)


@pytest.mark.parametrize(
    "x, y", [([1, 2, 2, 3, 3], [1, 1, 2, 3, 3]), ([1, 2, 3, 4, 5], [2, 2, 1, 1, 5]), ([1, 1, 1, 2, 3], [1, 2, 2, 2, 3])]
)
def test_variance_with_ties_is_that_of_every_order(x: list[float], y: list[float]) -> None:
    scores = [score_of(x, list(order)) for order in itertools.permutations(y)]
    assert_allclose(kendall_variance(np.array(x, float), np.array(y, float)), np.var(scores), rtol=1e-13)
    assert kendall_score(np.array(x, float), np.array(y, float)) == score_of(x, y)


def test_ties_leave_no_exact_p_value() -> None:
    found = kendall(np.array([1.0, 2.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0]))
    assert math.isnan(found.p_exact)
    assert 0 < found.p_normal < 1


def test_a_far_tail_keeps_its_digits() -> None:
    # All concordant: two orders in k!.
    assert_allclose(exact_p_value(60, 60 * 59 / 2), 2.0 / math.factorial(60), rtol=1e-12)


def test_continuity_goes_no_further_than_0() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert kendall(x, np.array([2.0, 4.0, 1.0, 3.0]), continuity=True).statistic == 0


def test_deviations_do_not_cancel_where_one_study_dominates(exact) -> None:
    y, v = np.array([0.3, 0.5, -0.2]), np.array([1e-14, 1.0, 2.0])
    fit = exact.Fit(y, v)
    total = sum(fit.w)
    expected = []
    for i in range(3):
        others = sum(w for j, w in enumerate(fit.w) if j != i)
        expected.append(fit.residuals[i] / exact.mp.sqrt(fit.v[i] * others / total))
    exact.agree(standardised_deviations(y, v), expected, rtol=1e-11)
