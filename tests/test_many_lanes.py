"""The vectors of the compiled kernels: each operation is NumPy's in every lane, for what is no number and infinity too."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'metaanalysis[fast]'")

import numba

from metaanalysis.many.lanes import WIDTH, any_of, beside, load, same, size, square_root, store, unit_of, where

ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


def numbers(seed):
    """Two arrays that hold equal, infinite and missing values."""
    a, b = np.random.default_rng(seed).normal(size=(2, 4 * WIDTH))
    a[::5], b[::7], a[3], b[4], a[9] = b[::5], a[::7], np.nan, np.inf, 0.0
    return a, b


@pytest.mark.parametrize("function", ARITHMETIC, ids=lambda function: function.__name__)
def test_arithmetic(function):
    @numba.njit(error_model="numpy")
    def by_lanes(a, b, both, right, left):
        for i in range(0, a.size, WIDTH):
            x, z = load(a, i), load(b, i)
            store(both, i, function(x, z))
            store(right, i, function(x, 3.0))
            store(left, i, function(3.0, x))

    a, b = numbers(1)
    both, right, left = np.empty((3, a.size))
    by_lanes(a, b, both, right, left)
    with np.errstate(all="ignore"):
        assert_array_equal(both, function(a, b))
        assert_array_equal(right, function(a, 3.0))
        assert_array_equal(left, function(3.0, a))


@pytest.mark.parametrize("function", COMPARISONS, ids=lambda function: function.__name__)
def test_comparisons_choose(function):
    @numba.njit
    def by_lanes(a, b, out):
        for i in range(0, a.size, WIDTH):
            flags = function(load(a, i), load(b, i))
            inner = (flags & (load(a, i) > 0.0)) | (~flags & (load(b, i) < 0.5))
            store(out, i, where(inner, load(a, i), -1.0))

    a, b = numbers(2)
    out = np.empty(a.size)
    by_lanes(a, b, out)
    flags = function(a, b)
    assert_array_equal(out, np.where((flags & (a > 0.0)) | (~flags & (b < 0.5)), a, -1.0))


def test_the_other_functions():
    @numba.njit
    def by_lanes(a, starts, out):
        x = beside(a, starts, 2)
        total = same(0.0)
        total += x
        total *= x
        store(out, 0, -x)
        store(out, WIDTH, square_root(size(x)))
        store(out, 2 * WIDTH, total)
        store(out, 3 * WIDTH, 7.0)
        return any_of(x > 1e9), any_of(x == a[starts[WIDTH - 1] + 2])

    a = np.random.default_rng(3).normal(size=100)
    starts = np.array([5, 90, 0, 17, 17, 44, 3, 61])[:WIDTH]
    out = np.empty(4 * WIDTH)
    assert by_lanes(a, starts, out) == (False, True)
    x = a[starts + 2]
    assert_array_equal(out.reshape(4, WIDTH), [-x, np.sqrt(np.abs(x)), x * x, np.full(WIDTH, 7.0)])


def test_what_is_no_lane_is_refused():
    @numba.njit
    def add_whole_number(a):
        return any_of(load(a, 0) + 1 > 0.0)

    with pytest.raises(numba.TypingError, match="add"):
        add_whole_number(np.zeros(WIDTH))


def test_units_are_powers_of_two_that_bring_a_number_near_1():
    @numba.njit
    def by_lanes(a, out):
        for i in range(0, a.size, WIDTH):
            store(out, i, unit_of(load(a, i)))

    a = 10.0 ** np.random.default_rng(4).uniform(-300, 300, 16 * WIDTH)
    unit = np.empty(a.size)
    by_lanes(a, unit)
    assert_array_equal(np.frexp(unit)[0], np.full(a.size, 0.5))
    assert ((a * unit * unit >= 0.5) & (a * unit * unit < 4.0)).all()
