"""Quadrature rules against integrals that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas.glmm_families import Binomial, Poisson
from metaanalysis.formulas.glmm_likelihood import CountModel, Point, Quadrature, study_likelihoods
from metaanalysis.formulas.quadrature import adaptive_nodes, gauss_hermite, trapezoidal_nodes

EVERY = [Quadrature("gauss-hermite", 63), Quadrature("trapezoid", 129)]


def one_study(x, n, mean, spread, quadrature):
    model = CountModel((Binomial(*(np.array([float(v)]) for v in (x, n, 0.0))),), np.ones((1, 1)), np.ones((1, 1)))
    point = Point(np.array([mean]), np.array([spread]), np.zeros(1))
    return study_likelihoods(model, point, quadrature, np.zeros((1, 1)))[0]


def test_one_gauss_hermite_rule_is_exact_for_polynomials():
    rule = gauss_hermite(5, 2)
    weight = np.exp(rule.log_weights) / (2 * np.pi)
    x, y = rule.nodes.T
    assert_allclose([weight.sum(), weight @ (x**2 * y**4), weight @ x**8], [1.0, 3.0, 105.0], rtol=1e-13)


def test_any_centre_and_scale_leave_the_integral_of_a_normal_density_alone():
    mode, root = np.array([[0.3, -1.0]]), np.array([[[0.8, 0.0], [0.3, 0.7]]])
    nodes = adaptive_nodes(gauss_hermite(63, 2), mode, root)
    assert_allclose(np.exp(nodes.log_weights).sum(), 1.0, rtol=1e-10)
    line = trapezoidal_nodes(65, np.array([-9.0]), np.array([9.5]))
    assert_allclose(np.exp(line.log_weights).sum(), 1.0, rtol=1e-14)


@pytest.mark.parametrize("quadrature", EVERY, ids=lambda q: q.rule)
def test_symmetry_gives_one_half(quadrature):
    # One person, a symmetric distribution of the logit: the probability of an event is 1/2, whatever tau is.
    for spread in (0.0, 0.5, 2.0):
        found = one_study(1, 1, 0.0, spread, quadrature)
        assert_allclose(np.exp(found.value), 0.5, rtol=1e-9 if spread > 1 else 1e-12)


def test_events_of_a_study_add_up_to_one():
    total = sum(np.exp(one_study(x, 6, -1.0, 1.5, Quadrature("trapezoid", 129)).value[0]) for x in range(7))
    assert_allclose(total, 1.0, rtol=1e-13)


def test_the_trapezoidal_rule_holds_where_gauss_hermite_is_slow():
    # No event among 1,000 with tau = 6: a step, not a bell. The integral by 24,001 equally spaced points.
    z = np.linspace(-12, 12, 24_001)
    integrand = special.expit(-(-5 + 6 * z)) ** 1000 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    truth = np.log(integrand.sum() / 1000)
    assert_allclose(one_study(0, 1000, -5.0, 6.0, Quadrature("trapezoid", 257)).value, truth, rtol=1e-13)
    assert abs(one_study(0, 1000, -5.0, 6.0, Quadrature("gauss-hermite", 31)).value[0] - truth) > 1e-4


@pytest.mark.parametrize("local", [False, True])
def test_gradient_and_hessian_are_those_of_the_log_likelihood(local):
    x1, x2 = np.array([3.0, 0.0, 14.0]), np.array([5.0, 2.0, 9.0])
    n1, n2 = np.array([20.0, 15.0, 40.0]), np.array([22.0, 11.0, 37.0])
    half = np.array([[0.5, 1.0], [-0.5, 1.0]])
    if local:
        arms = (Binomial(x1, n1, 0 * x1), Binomial(x2, n2, 0 * x1))
        model = CountModel(arms, half[:, :1], half[:, :1], np.ones(2))
    else:
        model = CountModel((Poisson(x1, n1), Poisson(x2, n2)), half, half)
    p, d = model.fixed.shape[1], model.dimensions

    def at(values):
        point = Point(values[:p], values[p : p + d], np.full(3, values[-1]) if local else np.zeros(3))
        return study_likelihoods(model, point, Quadrature("gauss-hermite", 41), np.zeros((3, d)))[0]

    centre = np.array([-0.4, 0.6, -1.0]) if local else np.array([-0.4, -1.0, 0.6, 0.5])
    here = at(centre)
    for i in range(centre.size):
        step = np.zeros(centre.size)
        step[i] = 1e-5
        up, down = at(centre + step), at(centre - step)
        assert_allclose((up.value - down.value) / 2e-5, here.gradient[:, i], rtol=1e-8, atol=1e-8)
        assert_allclose((up.gradient - down.gradient) / 2e-5, here.hessian[:, i], rtol=1e-7, atol=1e-7)
