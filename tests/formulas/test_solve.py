from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.solve import MAX_ITERATIONS, Status, newton_in_bracket


def decreasing(a):
    """a - x^3 for each problem, with Newton's step."""

    def step(x, index):
        value = a[index] - x**3
        with np.errstate(divide="ignore"):
            return value, value / (3 * x**2)

    return step


def test_roots_to_the_last_digits_and_few_iterations():
    a = np.array([8.0, 27.0, 1e-9, 1e9, 2.0])
    found = newton_in_bracket(decreasing(a), np.full(5, 1.0), np.zeros(5), np.full(5, np.inf), np.full(5, 1e-6))
    assert_allclose(found.x, np.cbrt(a), rtol=1e-14)
    assert_array_equal(found.status, Status.CONVERGED)
    assert found.iterations.max() < 60


def test_a_step_that_leaves_the_bracket_or_points_nowhere_bisects():
    def nowhere(x, index):
        return 2.0 - x[...], np.where(index == 0, np.nan, np.where(index == 1, -1e9, np.inf))

    found = newton_in_bracket(nowhere, np.full(3, 9.0), np.zeros(3), np.full(3, 10.0), np.ones(3))
    assert_allclose(found.x, 2.0, rtol=1e-12)
    assert_array_equal(found.status, Status.CONVERGED)


def test_an_infinite_upper_end_is_walked_to_and_then_closed():
    def step(x, _index):
        return 1e6 - x, np.full(x.shape, np.nan)

    found = newton_in_bracket(step, np.array([1.0]), np.zeros(1), np.full(1, np.inf), np.ones(1))
    assert_allclose(found.x, 1e6, rtol=1e-12)


def test_converged_problems_are_dropped():
    sizes = []

    def step(x, index):
        sizes.append(index.size)
        value = np.where(index == 0, 1.0 - x, 5.0 - x)
        return value, np.where(index == 0, value, 0.3 * value)

    newton_in_bracket(step, np.zeros(2), np.zeros(2), np.full(2, 9.0), np.ones(2))
    assert sizes[0] == 2
    assert sizes[-1] == 1


def test_a_value_that_is_not_finite_ends_the_problem_as_nan_with_a_status():
    def step(x, index):
        return np.where(index == 0, np.nan, 1.0 - x), 1.0 - x

    found = newton_in_bracket(step, np.zeros(2), np.zeros(2), np.full(2, 9.0), np.ones(2))
    assert_array_equal(found.status, [Status.NOT_FINITE, Status.CONVERGED])
    assert np.isnan(found.x[0])
    assert found.x[1] == 1.0


def test_iterations_that_never_end_are_nan_not_converged():
    def step(x, _index):
        return np.ones_like(x), np.full(x.shape, np.nan)

    with np.errstate(over="ignore"):
        found = newton_in_bracket(step, np.ones(1), np.zeros(1), np.full(1, np.inf), np.ones(1))
    assert_array_equal(found.status, Status.NOT_CONVERGED)
    assert_array_equal(found.iterations, MAX_ITERATIONS)
    assert np.isnan(found.x[0])


def test_steps_that_creep_are_helped_by_halving():
    def creeping(x, _index):
        # Ever a thousandth of the way to the root at 1: alone it would need 30,000 steps.
        return 1.0 - x, 1e-3 * (1.0 - x)

    found = newton_in_bracket(creeping, np.full(1, 0.3), np.zeros(1), np.full(1, 9.0), np.ones(1))
    assert_array_equal(found.status, Status.CONVERGED)
    # A step that is small beside the solution ends the search: here the error is a thousand times the step.
    assert_allclose(found.x, 1.0, rtol=1e-9)
    assert found.iterations < 100


def test_starts_and_brackets_are_not_changed():
    start, low, high = np.ones(1), np.zeros(1), np.full(1, 9.0)
    newton_in_bracket(decreasing(np.array([8.0])), start, low, high, np.ones(1))
    assert (start[0], low[0], high[0]) == (1.0, 0.0, 9.0)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_sentence(status):
    assert status.sentence
    assert status.sentence == status.sentence.strip()


def test_a_problem_that_has_converged_keeps_its_answer_while_most_others_go_on():
    calls = []

    def step(x, index):
        calls.append(index.size)
        value = 5.0 - x
        # The first is there at once; had it not been set aside, it would be moved on by what is proposed next, and be there again.
        moved = 0.0 if len(calls) % 2 else 1.0
        return np.where(index == 0, 1.0, value), np.where(index == 0, moved, 0.5 * value)

    start = np.array([3.0, 0.0, 0.0, 0.0])
    found = newton_in_bracket(step, start, np.zeros(4), np.full(4, 9.0), np.ones(4))
    assert calls[:2] == [4, 4]
    assert_allclose(found.x, [3.0, 5.0, 5.0, 5.0], rtol=1e-12)
    assert found.iterations[0] == 1
    assert (found.iterations[1:] > 10).all()


@pytest.mark.parametrize("proposal", [0.1, -0.1, 0.0, np.nan])
def test_a_value_of_zero_is_the_answer_and_one_that_is_not_finite_is_none_whatever_is_proposed(proposal):
    def step(x, index):
        return np.array([0.0, np.nan, np.inf, -np.inf])[index], np.full(index.size, proposal)

    found = newton_in_bracket(step, np.full(4, 2.0), np.zeros(4), np.full(4, 9.0), np.ones(4))
    assert_array_equal(found.x, [2.0, np.nan, np.nan, np.nan])
    assert_array_equal(found.status, [Status.CONVERGED, *3 * [Status.NOT_FINITE]])
    assert_array_equal(found.iterations, 1)


def test_no_more_iterations_than_were_allowed():
    found = newton_in_bracket(
        decreasing(np.array([8.0])), np.ones(1), np.zeros(1), np.full(1, np.inf), np.ones(1), most=2
    )
    assert_array_equal(found.status, Status.NOT_CONVERGED)
    assert_array_equal(found.iterations, 2)
    assert np.isnan(found.x[0])
