"""The iterated estimators against what defines them: likelihoods and estimating equations written out again, plainly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.tau2_interval import q_profile

GRID = 1500
# Extended precision, so that the check is finer than what it checks.
LONG = np.longdouble


def estimate(key, y, v):
    return estimate_tau2(TAU2[key].function, y, v)


def plain_log_likelihood(y, v, tau2, restricted):
    """Up to a constant; y, v: (n, k); tau2: (points, n)."""
    nearest = np.take_along_axis(y, v.argmin(axis=1)[:, np.newaxis], axis=1)
    total = v + tau2[..., np.newaxis]
    weight = 1 / total
    whole = weight.sum(axis=-1)
    mean = (weight * (y - nearest)).sum(axis=-1) / whole
    twice = np.log(total).sum(axis=-1) + (weight * (y - nearest - mean[..., np.newaxis]) ** 2).sum(axis=-1)
    return -0.5 * (twice + (np.log(whole) if restricted else 0.0))


def plain_sums(y, v, tau2):
    """Q, y'PPy, tr P and tr W of the mean in extended precision; y, v: (n, k); tau2: (n,)."""
    y, v, tau2 = (np.asarray(x, dtype=LONG) for x in (y, v, tau2))
    nearest = np.take_along_axis(y, v.argmin(axis=1)[:, np.newaxis], axis=1)
    w = 1 / (v + tau2[:, np.newaxis])
    whole = w.sum(axis=1, keepdims=True)
    e = y - nearest
    r = e - (w * e).sum(axis=1, keepdims=True) / whole
    trace_w = w.sum(axis=1)
    return (w * r * r).sum(axis=1), ((w * r) ** 2).sum(axis=1), trace_w - (w * w).sum(axis=1) / whole[:, 0], trace_w


def ordinary(rng, n, k):
    v = rng.uniform(0.01, 1, (n, k))
    return rng.normal(0, np.sqrt(v + 10.0 ** rng.uniform(-4, 1, (n, 1)))), v


def wide_variances(rng, n, k):
    v = 10.0 ** rng.uniform(-12, 0, (n, k))
    return rng.normal(0, np.sqrt(v + 10.0 ** rng.uniform(-8, 1, (n, 1)))), v


def at_the_boundary(rng, n, k):
    v = 10.0 ** rng.uniform(-3, 0, (n, k))
    return rng.normal(0, np.sqrt(v)) * rng.uniform(0.3, 1.2, (n, 1)), v


def two_clusters(rng, n, k):
    v = 10.0 ** rng.uniform(-4, 0, (n, k))
    return rng.normal(0, 0.1 * np.sqrt(v)) + np.where(
        rng.random((n, k)) < 0.5, 0, 10.0 ** rng.uniform(-3, 2, (n, 1))
    ), v


def one_outlier(rng, n, k):
    v = 10.0 ** rng.uniform(-6, 0, (n, k))
    y = rng.normal(0, np.sqrt(v))
    y[np.arange(n), rng.integers(0, k, n)] += 10.0 ** rng.uniform(-2, 3, n)
    return y, v


def ties(rng, n, k):
    return np.round(rng.normal(0, 1, (n, k)) * 2) / 2, 10.0 ** rng.integers(-6, 1, (n, k))


def a_precise_few(rng, n, k):
    few = rng.random((n, k)) < 0.3
    v = np.where(few, 10.0 ** rng.uniform(-12, -4, (n, 1)), rng.uniform(0.01, 1, (n, k)))
    return rng.normal(0, np.sqrt(v + 10.0 ** rng.uniform(-6, 0, (n, 1)))), v


def disagreement_at_every_scale(rng, n, k):
    """The more precise a study, the nearer: many maxima."""
    v = 10.0 ** rng.uniform(-8, 0, (n, k))
    return np.sign(rng.normal(size=(n, k))) * np.sqrt(v) * 10.0 ** rng.uniform(-0.5, 0.8, (n, k)), v


KINDS = (ordinary, wide_variances, at_the_boundary, two_clusters, one_outlier, ties, a_precise_few,
         disagreement_at_every_scale)  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
K = st.sampled_from([2, 3, 4, 5, 7, 10, 13, 25, 60])
SEED = st.integers(0, 2**32 - 1)


@every_kind
@pytest.mark.parametrize("key", ["REML", "ML"])
@given(seed=SEED, k=K)
def test_no_point_of_a_fine_grid_is_more_likely(key, kind, seed, k):
    y, v = kind(np.random.default_rng(seed), 4, k)
    found = estimate(key, y, v)
    smallest = v.min(axis=1)
    span = np.log1p(np.ptp(y, axis=1) ** 2 / smallest)
    grid = smallest * np.expm1(np.linspace(0, 1.02, GRID)[:, np.newaxis] * span)
    best = plain_log_likelihood(y, v, grid, key == "REML").max(axis=0)
    reached = plain_log_likelihood(y, v, found.x[np.newaxis], key == "REML")[0]
    assert (best - reached <= 1e-9 * (1 + np.abs(best))).all()


@every_kind
@pytest.mark.parametrize("key", ["REML", "ML"])
@given(seed=SEED, k=K)
def test_inner_solutions_satisfy_the_score_equation(key, kind, seed, k):
    y, v = kind(np.random.default_rng(seed), 4, k)
    found = estimate(key, y, v)
    inner = found.x > 0
    _, yppy, trace_p, trace_w = plain_sums(y[inner], v[inner], found.x[inner])
    trace = trace_p if key == "REML" else trace_w
    assert (np.abs(yppy / trace - 1) < 1e-10).all()
    # At 0 the likelihood may only fall.
    _, yppy, trace_p, trace_w = plain_sums(y[~inner], v[~inner], found.x[~inner])
    trace = trace_p if key == "REML" else trace_w
    assert (yppy <= trace * (1 + 1e-10)).all()
    assert (found.status[~inner] == Status.AT_ZERO).all()
    assert (found.status[inner] == Status.CONVERGED).all()


@every_kind
@given(seed=SEED, k=K)
def test_paule_mandel_satisfies_its_equation(kind, seed, k):
    y, v = kind(np.random.default_rng(seed), 4, k)
    found = estimate("PM", y, v)
    inner = found.x > 0
    assert (np.abs(plain_sums(y[inner], v[inner], found.x[inner])[0] / (k - 1) - 1) < 1e-10).all()
    assert (plain_sums(y[~inner], v[~inner], found.x[~inner])[0] <= (k - 1) * (1 + 1e-12)).all()
    assert (found.iterations <= 30).all()


@every_kind
@given(seed=SEED, k=K, level=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_q_profile_limits_satisfy_their_equations(kind, seed, k, level):
    from scipy import special

    y, v = kind(np.random.default_rng(seed), 4, k)
    found = q_profile(y, v, None, level)
    for limit, status, target in (
        (found.low, found.low_status, special.chdtri(k - 1, (1 - level) / 2)),
        (found.high, found.high_status, special.chdtri(k - 1, (1 + level) / 2)),
    ):
        reached = plain_sums(y, v, limit)[0]
        solved = status == Status.CONVERGED
        assert (np.abs(reached[solved] / target - 1) < 1e-10).all()
        assert (limit[~solved] == 0).all()
        assert (reached[~solved] <= target * (1 + 1e-12)).all()
