from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import back_transformation as back
from metaanalysis.formulas import correlation, one_group


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def test_freeman_tukey_goes_there_and_back_exactly() -> None:
    for n in (1.0, 2.0, 20.0, 1e6):
        x = np.unique(np.floor(np.linspace(0.0, n, 50)))
        y, _ = one_group.freeman_tukey_proportion(x, np.full_like(x, n))
        assert_allclose(back.inverse_freeman_tukey_proportion(y, np.array(n)), x / n, rtol=2e-13, atol=1e-16)
    t = np.array([0.5, 10.0, 1e6])
    for events in (0.0, 1.0, 3.0, 4e5):
        y, _ = one_group.freeman_tukey_rate(np.full(3, events), t)
        assert_allclose(back.inverse_freeman_tukey_rate(y, t), events / t, rtol=1e-12, atol=1e-30)


def test_freeman_tukey_is_millers_inverse() -> None:
    for y, n in ((0.35, 20.0), (0.9, 7.5), (1.2, 300.0), (0.02, 5000.0)):
        t = 2 * mpf(y)
        inner = mpmath.sin(t) + (mpmath.sin(t) - 1 / mpmath.sin(t)) / mpf(n)
        miller = (1 - mpmath.sign(mpmath.cos(t)) * mpmath.sqrt(1 - inner**2)) / 2
        assert_allclose(back.inverse_freeman_tukey_proportion(np.array(y), np.array(n)), float(miller), rtol=1e-12)


def test_beyond_the_ends_lie_zero_and_one() -> None:
    y = np.array([-0.5, 0.0, 0.01, 1.56, np.pi / 2, 3.0])
    assert_allclose(back.inverse_freeman_tukey_proportion(y, np.array(20.0)), [0, 0, 0, 1, 1, 1], rtol=0)
    assert_allclose(back.inverse_freeman_tukey_rate(np.array([-1.0, 0.0, 0.1]), np.array(10.0)), 0.0, atol=1e-30)
    assert_allclose(back.inverse_arcsine(np.array([-0.1, 2.0])), [0.0, 1.0], rtol=0)
    assert_allclose(back.inverse_square_root(np.array([-0.1, 2.0])), [0.0, 4.0], rtol=0)


def test_all_rise() -> None:
    y = np.linspace(-3.0, 3.0, 601)
    for name, function in back.BACK_TRANSFORMATIONS.items():
        assert (np.diff(function(y)) >= 0.0).all(), name
    assert (np.diff(back.inverse_freeman_tukey_proportion(y, np.array(12.0))) >= 0.0).all()
    assert (np.diff(back.inverse_freeman_tukey_rate(y, np.array(12.0))) >= 0.0).all()


def test_round_trips() -> None:
    p = np.array([0.001, 0.3, 0.97])
    n = np.full(3, 1000.0)
    named = back.BACK_TRANSFORMATIONS
    assert_allclose(named["expit"](one_group.logit_proportion(p * n, n)[0]), p, rtol=1e-13)
    assert_allclose(named["exp"](one_group.log_proportion(p * n, n)[0]), p, rtol=1e-13)
    assert_allclose(named["arcsine"](one_group.arcsine_proportion(p * n, n)[0]), p, rtol=1e-13)
    assert_allclose(named["square"](one_group.square_root_rate(p, n)[0]), p / n, rtol=1e-13)
    assert_allclose(named["tanh"](correlation.fisher_z(p, n)[0]), p, rtol=1e-13)
    assert_allclose(named["square of tanh"](correlation.fisher_z_explained_variance(p, n)[0]), p, rtol=1e-13)


def test_harmonic_mean_is_taken_of_each_meta_analysis() -> None:
    assert_allclose(back.harmonic_mean(np.array([[10.0, 40.0], [5.0, 5.0]])), [16.0, 5.0], rtol=1e-15)
