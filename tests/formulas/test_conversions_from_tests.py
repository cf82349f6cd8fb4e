from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import conversions_from_tests as convert
from metaanalysis.formulas.biserial import point_biserial_from_d
from metaanalysis.formulas.continuous import cohen_d


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def p_of_t(t: float, df: float) -> mpf:
    return mpmath.betainc(mpf(df) / 2, mpf(1) / 2, 0, mpf(df) / (mpf(df) + mpf(t) ** 2), regularized=True)


@pytest.mark.parametrize("df", [1, 2, 5, 30, 1000, 1000000])
def test_t_has_the_p_value_that_was_given(df: int) -> None:
    p = np.array([1e-100, 1e-30, 1e-5, 0.03, 0.5, 0.9, 0.999999])
    t = convert.t_from_p(p, np.array(float(df)))
    assert_allclose([float(p_of_t(float(x), df)) for x in t], p, rtol=1e-12)


def test_z_has_the_p_value_that_was_given() -> None:
    p = np.array([1e-300, 1e-10, 0.05, 0.999])
    z = convert.z_from_p(p)
    assert_allclose([float(mpmath.erfc(mpf(float(x)) / mpmath.sqrt(2))) for x in z], p, rtol=1e-12)
    assert_allclose(convert.z_from_p(np.array(0.05)), 1.959963984540054, rtol=1e-15)


def test_t_f_d_r_and_chi_square_of_one_data_set_agree() -> None:
    rng = np.random.default_rng(5)
    x1, x2 = rng.normal(0.8, 1.0, 14), rng.normal(0.0, 1.3, 22)
    n1, n2 = np.array(14.0), np.array(22.0)
    pooled = ((x1 - x1.mean()) @ (x1 - x1.mean()) + (x2 - x2.mean()) @ (x2 - x2.mean())) / 34
    t = (x1.mean() - x2.mean()) / np.sqrt(pooled * (1 / 14 + 1 / 22))
    d = cohen_d(*(np.array(x) for x in (x1.mean(), x1.std(ddof=1), n1, x2.mean(), x2.std(ddof=1), n2)))
    assert_allclose(convert.d_from_t(t, n1, n2), d, rtol=1e-13)
    assert_allclose(convert.t_from_d(d, n1, n2), t, rtol=1e-13)
    assert_allclose(convert.t_from_f(np.array(t * t)), abs(t), rtol=1e-14)
    r = convert.r_from_t(t, np.array(34.0))
    assert_allclose(r, point_biserial_from_d(d, n1, n2), rtol=1e-13)
    assert_allclose(convert.t_from_r(r, np.array(34.0)), t, rtol=1e-13)
    p = float(p_of_t(t, 34))
    assert_allclose(convert.t_from_p(np.array(p), np.array(34.0)), abs(t), rtol=1e-12)
    # Pearson's chi-square of 12 of 20 against 5 of 30
    a, n1, c, n2 = 12.0, 20.0, 5.0, 30.0
    expected = (a * 25 - 8 * c) / np.sqrt(20 * 30 * 17 * 33)
    chi2 = 50 * (a * 25 - 8 * c) ** 2 / (20 * 30 * 17 * 33)
    assert_allclose(convert.r_from_chi_square(np.array(chi2), np.array(50.0)), expected, rtol=1e-14)


def test_paired_t_is_the_mean_change_in_standard_deviations() -> None:
    change = np.array([1.0, 2.5, -0.5, 3.0, 0.0, 1.5])
    t = change.mean() / (change.std(ddof=1) / np.sqrt(6))
    assert_allclose(convert.d_from_paired_t(t, np.array(6.0)), change.mean() / change.std(ddof=1), rtol=1e-14)


def test_d_and_r_into_each_other_as_borenstein_prints_them() -> None:
    # Borenstein, Hedges, Higgins & Rothstein (2009), chapter 7: r = 0.50 with v = 0.0058 gives d = 1.1547, v = 0.0550.
    d, v = convert.d_from_r(np.array(0.50), np.array(0.0058))
    assert_allclose([d, v], [1.1547, 0.0550], atol=5e-5)
    r, v_r = convert.r_from_d(d, v, np.array(50.0), np.array(50.0))
    assert_allclose([r, v_r], [0.50, 0.0058], rtol=1e-12)


def test_intervals() -> None:
    low, high = np.log(np.array([0.5])), np.log(np.array([2.0]))
    se = convert.standard_error_from_interval(low, high)
    assert_allclose(se, np.log(4) / (2 * 1.959963984540054), rtol=1e-14)
    assert_allclose(convert.estimate_from_interval(low, high), 0.0, atol=1e-16)
    wide = convert.standard_error_from_interval(low, high, 0.99)
    assert_allclose(wide, np.log(4) / (2 * 2.5758293035489004), rtol=1e-14)
    # t with 10 degrees of freedom: 2.2281388519862735
    by_t = convert.standard_error_from_interval(low, high, df=np.array([10.0]))
    assert_allclose(by_t, np.log(4) / (2 * 2.2281388519862735), rtol=1e-13)


def test_standard_errors_from_tests() -> None:
    y = np.array([-0.5, 2.0])
    p = np.array([0.05, 0.001])
    assert_allclose(
        convert.standard_error_from_p(y, p), np.abs(y) / [1.959963984540054, 3.2905267314918945], rtol=1e-14
    )
    assert_allclose(convert.standard_error_from_statistic(y, np.array([-2.0, 4.0])), [0.25, 0.5], rtol=1e-15)
    t = convert.t_from_p(p, np.array(8.0))
    assert_allclose(convert.standard_error_from_p(y, p, np.array(8.0)), np.abs(y) / t, rtol=1e-15)
