from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.delta_method import delta_method, numerical_derivative


def normal_density(y: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi))


def expit_slope(y: FloatArray) -> FloatArray:
    return np.asarray(special.expit(y) * special.expit(-y))


CASES = {
    "exp": (np.exp, np.exp, np.array([-3.0, 0.2, 4.0])),
    "log": (np.log, lambda y: 1 / y, np.array([1e-9, 0.2, 5e8])),
    "tanh": (np.tanh, lambda y: 1 / np.cosh(y) ** 2, np.array([-2.0, 0.0, 1.5])),
    "expit": (special.expit, expit_slope, np.array([-5.0, 0.3, 2.0])),
    "normal": (special.ndtr, normal_density, np.array([-3.0, 0.0, 1.0])),
    "square": (np.square, lambda y: 2 * y, np.array([-3.0, 0.5, 1e10])),
    "root": (np.sqrt, lambda y: 0.5 / np.sqrt(y), np.array([1e-12, 0.5, 1e10])),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("relative_error", [1e-3, 0.1, 0.5])
def test_numerical_and_given_derivative_agree(name: str, relative_error: float) -> None:
    function, derivative, y = CASES[name]
    v = (relative_error * np.maximum(np.abs(y), 1e-12 if name in ("log", "root") else 0.5)) ** 2
    transformed, numerical = delta_method(y, v, function)
    given_y, given = delta_method(y, v, function, derivative)
    assert_allclose(transformed, function(y), rtol=0)
    assert_allclose(given_y, function(y), rtol=0)
    assert_allclose(given, derivative(y) ** 2 * v, rtol=1e-14)
    assert_allclose(numerical, given, rtol=1e-8)


def test_steps_out_of_the_domain_are_passed_over() -> None:
    # A standard error five times the estimate: most steps ask for the log of a negative number.
    _, v = delta_method(np.array([0.2]), np.array([1.0]), np.log)
    assert_allclose(v, 25.0, rtol=1e-8)


def test_scale_free() -> None:
    y, step = np.array([0.3, 2.0]), np.array([0.1, 0.2])
    slope = numerical_derivative(np.sin, y, step)
    for c in (1e-8, 1e8):
        scaled = numerical_derivative(lambda x, c=c: np.sin(x / c), c * y, c * step)
        assert_allclose(c * scaled, slope, rtol=1e-9)


def test_shapes_broadcast() -> None:
    y, v = delta_method(np.array([[0.1], [0.2]]), np.array([0.01, 0.02, 0.03]), np.exp)
    assert v.shape == (2, 3)
    assert y.shape == (2, 3)
