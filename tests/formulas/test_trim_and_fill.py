"""Trimming by hand, and what the estimators do on ranks that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.trim_and_fill import (
    MISSING,
    Missing,
    missing_l0,
    missing_q0,
    missing_r0,
    signed_ranks,
    trim,
)


def mean(y: np.ndarray, v: np.ndarray) -> float:
    return float(y.mean())


def test_estimators_on_known_ranks() -> None:
    # k = 5, negative 1 and 2, positive 3, 4, 5: T = 12.
    ranks = np.array([-1.0, -2.0, 3.0, 4.0, 5.0])
    assert_allclose(missing_l0(ranks).number, (48 - 30) / 9)
    assert_allclose(missing_q0(ranks).number, 4.5 - math.sqrt(50 - 48 + 0.25))
    found = missing_r0(ranks)
    assert (found.number, found.p_value) == (2.0, 0.5**3)
    assert_allclose(found.se, math.sqrt(6.0))


def test_no_study_on_the_other_side() -> None:
    ranks = np.arange(1.0, 6.0)
    assert missing_r0(ranks).number == 4.0
    assert math.isnan(missing_q0(ranks).number)


@pytest.mark.parametrize("shared, expected", [(False, [1.0, -2.0, 3.0, -4.0]), (True, [1.0, -2.5, 2.5, -4.0])])
def test_ties(shared: bool, expected: list[float]) -> None:
    assert signed_ranks(np.array([0.1, -0.5, 0.5, -2.0]), shared).tolist() == expected


@pytest.mark.parametrize("estimator", list(MISSING))
def test_an_even_funnel_lacks_nothing(estimator: str) -> None:
    y = np.array([-3.1, -1.5, -0.4, 0.0, 0.45, 1.4, 3.0])
    found = trim(y, np.ones(7), mean, MISSING[estimator].function)
    assert found.settled
    assert found.k0 == 0
    assert found.trimmed.size == 0


def test_the_studies_that_stick_out_are_trimmed() -> None:
    y = np.array([5.0, 0.2, -0.3, 0.1, 4.0, -0.2, 6.0, 0.05, -0.1, 0.0])
    found = trim(y, np.ones(10), mean, MISSING["R0"].function)
    # A run of three on the right, less one; by rising effect.
    assert found.k0 == 2
    assert found.trimmed.tolist() == [0, 6]
    assert_allclose(found.centre, np.delete(y, [0, 6]).mean())


def test_trimming_goes_back_where_it_went_too_far() -> None:
    numbers = iter([3.0, 1.0, 1.0])

    def estimator(ranks: np.ndarray) -> Missing:
        return Missing(next(numbers), 0.0, 0.0)

    found = trim(np.arange(6.0), np.ones(6), mean, estimator)
    assert (found.k0, found.settled, found.trimmed.tolist()) == (1, True, [5])


def test_trimming_that_goes_round_in_circles_does_not_settle() -> None:
    found = trim(
        np.arange(6.0), np.ones(6), lambda y, v: float(y.size), lambda ranks: Missing(3.0 * (ranks[-1] < 0), 0.0, 0.0)
    )
    assert not found.settled
