from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.gamma_correction import CORRECTIONS, approximate_correction, exact_correction


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def exact(m: float) -> mpmath.mpf:
    m = mpmath.mpf(m)
    return mpmath.exp(mpmath.loggamma(m / 2) - mpmath.loggamma((m - 1) / 2)) / mpmath.sqrt(m / 2)


DEGREES = [*range(2, 60), 99, 100, 343, 1000, 12345, 1e5, 1e6, 1e7, 1e9, 1e12, 1.5, 2.5, 7.3, 23.5, 24.5, 77.7]


def test_exact_correction_is_the_gamma_ratio_from_2_to_a_billion() -> None:
    m = np.array(DEGREES, dtype=float)
    expected = np.array([float(exact(x)) for x in m])
    assert_allclose(exact_correction(m), expected, rtol=5e-16)


def test_one_less_the_correction_keeps_its_digits_where_the_correction_is_nearly_one() -> None:
    m = np.array(DEGREES, dtype=float)
    expected = np.array([float(exact(x) - 1) for x in m])
    assert_allclose(CORRECTIONS["exact"](m), expected, rtol=2e-14)


def test_whole_and_fractional_degrees_of_freedom_agree() -> None:
    whole = np.arange(2.0, 24.0)
    among_fractions = exact_correction(np.append(whole, 2.25))[:-1]
    assert_allclose(exact_correction(whole), among_fractions, rtol=2e-16)


def test_any_shape_and_scalars() -> None:
    m = np.array([[5.0, 40.0], [3.0, 2.0]])
    assert exact_correction(m).shape == (2, 2)
    assert_allclose(exact_correction(np.array(10.0)), float(exact(10)), rtol=5e-16)
    assert_allclose(exact_correction(m)[0, 1], float(exact(40)), rtol=5e-16)


@pytest.mark.parametrize("m", [1.0, 0.5, 0.0, -3.0, np.nan])
def test_no_correction_exists_at_one_degree_of_freedom_or_fewer(m: float) -> None:
    assert np.isnan(exact_correction(np.array([m, 10.0]))[0])


def test_infinitely_many_degrees_of_freedom_need_no_correction() -> None:
    assert exact_correction(np.array([np.inf]))[0] == 1.0


def test_approximation_is_within_its_known_error() -> None:
    m = np.arange(2.0, 500.0)
    error = np.abs(approximate_correction(m) / exact_correction(m) - 1.0)
    assert np.argmax(error) == 0
    assert error[3] == pytest.approx(1.6e-3, abs=0.05e-3)
    assert_allclose(approximate_correction(np.array([18.0])), 1 - 3 / (4 * 20 - 9), rtol=1e-15)


def test_the_argument_is_left_alone() -> None:
    m = np.array([3.0, 100.0])
    exact_correction(m)
    assert_allclose(m, [3.0, 100.0], rtol=0)
