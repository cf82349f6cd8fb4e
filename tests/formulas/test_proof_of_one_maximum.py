"""The proof that a likelihood has one maximum, against its score on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest

from metaanalysis.formulas.moments import moments
from metaanalysis.formulas.problems import moments_at_zero, problems
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_iterative import Tangent, falls_beyond, only_maximum, step_by_two_tangents

POINTS = 600


def hard_groups(k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances of very different sizes, two clusters and outliers: many of these likelihoods have two maxima."""
    random = np.random.default_rng(k)
    v = 10.0 ** (random.uniform(-2.5, 2.5, (k, n)) * random.choice([0.3, 1.0], n))
    clusters = random.choice([0.0, 1.0, 10.0], n) * random.integers(0, 2, (k, n))
    y = clusters + random.normal(size=(k, n)) * np.sqrt(v + random.choice([0.0, 0.1, 1.0], n))
    return y.T, v.T


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("k", [3, 4, 8, 15])
def test_a_proven_maximum_is_where_the_score_changes_its_sign_and_nowhere_else(k: int, restricted: bool) -> None:
    p = problems(*hard_groups(k, 3_000), None)
    found, proven = only_maximum(p, restricted)
    high = 10.0 * ((p.y.max(axis=-1) - p.y.min(axis=-1)) ** 2 + p.v.min(axis=-1))
    # From a thousandth of the smallest variance up to where the score can't be positive any more.
    grid = p.v.min(axis=-1) * np.expm1(np.linspace(0.0, 1.0, POINTS)[:, np.newaxis] * np.log1p(high / p.v.min(axis=-1)))
    positive = np.empty(grid.shape, dtype=bool)
    for at, tau2 in enumerate(grid):
        m = moments(p.y, p.v, tau2, None)
        positive[at] = m.yppy > (m.trace_p if restricted else m.trace_w)
    below, above = grid < found.x * (1 - 1e-9), grid > found.x * (1 + 1e-9)
    wrong = ((below & ~positive) | (above & positive)).any(axis=0)
    assert not (wrong & proven).any()
    # The groups are hard enough to make the difference, and not so hard that nothing is proven.
    assert wrong.any()
    assert 0.5 < proven.mean() < 1.0


def test_more_is_proven_than_the_cheapest_proof_can_say() -> None:
    random = np.random.default_rng(1)
    v = random.uniform(0.02, 0.5, (25, 2_000)).T
    p = problems(random.normal(size=v.shape) * np.sqrt(v), v, None)
    _, proven = only_maximum(p, True)
    assert proven.mean() > 0.99
    m = moments_at_zero(p)
    boundary = m.yppy <= m.trace_p
    assert falls_beyond(p, m, np.zeros(len(v)), True)[boundary].mean() > 0.9


def test_a_step_by_two_tangents_is_exact_where_tau2_is_a_cubic_of_the_function() -> None:
    def tau2_at(g):
        return 0.7 + 0.5 * g + 0.05 * g**2 + 0.02 * g**3

    def per_rise_at(g):
        return 0.5 + 0.1 * g + 0.06 * g**2

    first, second = np.array([-1.5, -0.9, -0.4]), np.array([-0.4, 0.5, 0.3])
    before = Tangent(tau2_at(first), first, per_rise_at(first))
    here = Tangent(tau2_at(second), second, per_rise_at(second))
    step, good = step_by_two_tangents(before, here)
    np.testing.assert_allclose(here.tau2 + step, 0.7, rtol=1e-14)
    assert good.all()
    # The same point twice, or a function that falls, says nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        assert not step_by_two_tangents(here, here)[1].any()
    assert not step_by_two_tangents(before, here._replace(per_rise=-here.per_rise))[1].any()
    # Nor is a step taken that is far from Newton's, as where the slope was another one altogether.
    assert not step_by_two_tangents(before._replace(per_rise=20.0 * np.ones(3)), here)[1].any()


def test_likelihoods_that_took_too_many_steps_are_not_proven() -> None:
    p = problems(*hard_groups(8, 2_000), None)
    whole, _ = only_maximum(p, True)
    short, proven = only_maximum(p, True, most=2)
    stopped = short.status == int(Status.NOT_CONVERGED)
    assert stopped.any()
    assert not proven[stopped].any()
    np.testing.assert_array_equal(short.x[~stopped], whole.x[~stopped])
