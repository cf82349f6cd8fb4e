from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.log_ratio import log_ratio


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def test_full_precision_near_one_and_far_from_it() -> None:
    p = np.array([1000001.0, 1.0, 3e11, 7.0, 1e-9, 2.0, 5.0, 1249999.0])
    q = np.array([1000000.0, 1e15, 1.0, 7.0000000000001, 3.0, 1.5, 4.0, 1000000.0])
    expected = [float(mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))) for a, b in zip(p, q, strict=True)]
    assert_allclose(log_ratio(p, q), expected, rtol=4e-16)


def test_swapping_changes_the_sign() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.5, 2.0, 1000), rng.uniform(0.5, 2.0, 1000)
    np.testing.assert_array_equal(log_ratio(p, q), -log_ratio(q, p))


def test_two_negative_numbers_have_a_ratio_and_two_of_different_signs_none() -> None:
    p, q = np.array([-2.0, -3.0, 2.0, -2.0]), np.array([-3.0, -2.0, -1.0, 1.0])
    assert_allclose(log_ratio(p, q), [np.log(2 / 3), np.log(1.5), np.nan, np.nan], rtol=1e-15)


def test_what_is_infinite_or_too_large() -> None:
    p, q = np.array([1e300, np.inf, 5.0, np.inf, 0.0]), np.array([1e-300, 1.0, np.inf, np.inf, 0.0])
    np.testing.assert_array_equal(log_ratio(p, q), [np.inf, np.inf, -np.inf, np.nan, np.nan])


def test_zero_is_infinite_and_scalars_work() -> None:
    assert log_ratio(np.array(0.0), np.array(2.0)) == -np.inf
    assert log_ratio(np.array([3.0]), np.array([0.0]))[0] == np.inf
    assert log_ratio(np.array(5.0), np.array(5.0)) == 0.0
