from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.weighted import (
    anchor_first,
    anchored,
    annihilated,
    count,
    inverse_variance_weights,
    mean_of_anchored,
    orthonormal_basis,
    residual_df,
    smallest,
    weighted_least_squares,
    weighted_mean,
)

DESIGN = np.array([[1.0, 44, 0], [1, 55, 1], [1, 42, 1], [1, 52, 0], [1, 13, 0], [1, 44, 1], [1, 19, 1]])
EFFECTS = np.array([0.3, -0.2, 0.9, 1.4, 0.1, -0.7, 0.6])


def test_weighted_mean_against_50_digits(awkward, exact):
    _, y, v = awkward
    fit, reference = weighted_mean(y, 1.0 / v), exact.Fit(y, v)
    exact.agree(fit.coefficients, reference.coefficients)
    exact.agree(fit.covariance, reference.covariance)
    exact.agree(fit.leverages, reference.leverages)
    exact.agree(fit.complements, reference.complements)
    exact.agree(fit.q, reference.q, atol=1e-30)
    exact.agree(fit.residuals, reference.residuals, atol=1e-15 * np.ptp(y))


def test_complement_of_the_dominating_study_keeps_its_digits():
    fit = weighted_mean(np.array([0.0, 1.0]), np.array([1e20, 1.0]))
    assert_allclose(fit.complements, [1e-20, 1.0], rtol=1e-15)


@pytest.mark.parametrize("ratio", [1.0, 1e3, 1e6, 1e12])
@pytest.mark.parametrize("heavy", [[0], [3, 4], [0, 3, 5]])
def test_regression_against_50_digits(ratio, heavy, exact):
    v = np.array([0.5, 0.7, 0.9, 0.6, 1.1, 0.8, 0.65])
    v[heavy] /= ratio
    fit, reference = weighted_least_squares(EFFECTS, 1.0 / v, DESIGN), exact.Fit(EFFECTS, v, 0, DESIGN)
    # Where three studies decide and share the third column, that coefficient is a difference of their sums.
    rtol = 1e-11 if len(heavy) < 3 else 1e-15 * ratio + 1e-12
    exact.agree(fit.coefficients, reference.coefficients, rtol=rtol)
    exact.agree(np.diag(fit.covariance), [reference.covariance[i, i] for i in range(3)])
    exact.agree(fit.leverages, reference.leverages, rtol=1e-11)
    exact.agree(fit.complements, reference.complements, rtol=1e-11)
    exact.agree(fit.q, reference.q)
    assert_allclose(fit.residuals, EFFECTS - DESIGN @ fit.coefficients, atol=1e-14)


def test_leverages_of_a_saturated_group_are_one_and_its_complement_is_zero():
    X = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    fit = weighted_least_squares(np.array([0.1, 0.2, 0.4, 0.9]), np.array([3.0, 1.0, 2.0, 5.0]), X)
    assert fit.leverages[3] == 1.0
    assert fit.complements[3] == 0.0
    assert_allclose(fit.residuals[3], 0.0, atol=1e-15)


def test_basis_is_orthonormal_and_spans_the_design_whatever_the_ratio_of_the_weights():
    w = np.array([1e12, 1.0, 2.0, 1e6, 3.0, 1e-6, 0.5])
    found = orthonormal_basis(DESIGN, w)
    assert_allclose(found.basis.T @ found.basis, np.eye(3), atol=1e-15)
    assert_allclose(found.basis @ found.triangle, np.sqrt(w)[:, np.newaxis] * DESIGN, rtol=1e-13, atol=1e-13)
    assert_array_equal(np.tril(found.triangle, -1), 0.0)
    z = annihilated(found.basis, EFFECTS)
    assert_allclose(found.basis.T @ z, 0.0, atol=1e-16)


def test_products_pair_each_study_with_the_heaviest_but_not_with_itself():
    w = np.array([1e9, 1.0, 2.0, 1e3, 3.0, 1e-3, 0.5])
    found = orthonormal_basis(DESIGN, w)
    expected = found.basis @ found.basis[found.heavy].T
    expected[found.heavy, np.arange(found.heavy.size)] = 0.0
    assert_allclose(found.products, expected, rtol=1e-14)
    assert set(np.flatnonzero(found.leverages > 0.75)) <= set(found.heavy)


@pytest.mark.parametrize("p", [1, 2, 4, 9])
def test_every_leverage_above_three_quarters_is_among_the_heavy(p, exact):
    rng = np.random.default_rng(p)
    X = np.column_stack([np.ones(14), rng.normal(size=(14, p - 1))]) if p > 1 else np.ones((14, 1))
    v = np.where(np.arange(14) < p, 1e-9, 1.0)
    found = orthonormal_basis(X, 1.0 / v)
    assert set(np.flatnonzero(found.leverages > 0.75)) <= set(found.heavy)
    exact.agree(found.complements, exact.Fit(np.zeros(14), v, 0, X).complements, rtol=1e-9)


def test_infinite_variance_takes_part_in_nothing():
    y, v = np.array([0.1, 7.0, 0.4, 0.2]), np.array([0.2, np.inf, 0.3, 0.1])
    X = np.array([[1.0, 3], [1, 99], [1, 5], [1, 4]])
    rest = np.array([True, False, True, True])
    assert_array_equal(inverse_variance_weights(v, 0.3)[1], 0.0)
    assert count(1.0 / v) == 3
    assert residual_df(1.0 / v, None) == 2
    assert residual_df(1.0 / v, X) == 1
    for missing in (7.0, np.nan, np.inf):
        y[1] = missing
        for design, part in ((None, None), (X, X[rest])):
            fit = weighted_least_squares(y, 1.0 / v, design)
            alone = weighted_least_squares(y[rest], 1.0 / v[rest], part)
            assert_allclose(fit.coefficients, alone.coefficients, rtol=1e-14)
            assert_allclose(fit.covariance, alone.covariance, rtol=1e-14)
            assert_allclose(fit.q, alone.q, rtol=1e-13)
            assert fit.leverages[1] == 0.0
            assert fit.complements[1] == 1.0


def test_anchor_is_the_most_precise_study_and_moves_to_the_front():
    y = np.array([[5.0, 1e8, 2.0], [1.0, 2.0, 3.0]])
    v = np.array([[1.0, 0.5, 3.0], [0.1, 9.0, np.inf]])
    e, moved = anchor_first(y, v)
    assert_array_equal(e, [[0.0, 5.0 - 1e8, 2.0 - 1e8], [0.0, 1.0, 0.0]])
    assert_array_equal(moved, [[0.5, 1.0, 3.0], [0.1, 9.0, np.inf]])
    assert_array_equal(y[0], [5.0, 1e8, 2.0])


def test_nothing_given_is_changed():
    y, w, X = EFFECTS.copy(), np.arange(1.0, 8.0), DESIGN.copy()
    for array in (y, w, X):
        array.flags.writeable = False
    weighted_least_squares(y, w)
    weighted_least_squares(y, w, X)
    anchor_first(y, w)


@pytest.mark.parametrize("k", [2, 10, 300])
def test_blocks_that_lie_study_by_study_give_the_same_as_groups_one_after_the_other(k: int) -> None:
    random = np.random.default_rng(k)
    y, v = random.normal(size=(6_000, k)), random.uniform(0.01, 1.0, (6_000, k))
    # Ties, a missing number and studies that carry nothing.
    v[5, 1], v[7], y[9, 0], v[11, 1] = v[5, 0], 0.5, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        for few in (slice(12, None), slice(None)):
            in_order = anchored(y[few], v[few])
            in_block = anchored(np.asfortranarray(y[few]), np.asfortranarray(v[few]))
            for one, other in zip(in_order, in_block, strict=True):
                assert_array_equal(one, other)
    assert (smallest(np.asfortranarray(v[12:])) == v[12:].argmin(axis=-1)).all()


def test_the_mean_of_what_is_anchored_is_the_weighted_mean() -> None:
    random = np.random.default_rng(3)
    y, v = 1e6 + random.normal(size=(50, 7)), 10.0 ** random.uniform(-6, 2, (50, 7))
    tau2 = random.uniform(0.0, 1.0, (50, 1))
    e, moved, anchor = anchored(y, v)
    found, full = mean_of_anchored(e, 1.0 / (moved + tau2), anchor, True), weighted_mean(y, 1.0 / (v + tau2))
    for field in ("coefficients", "covariance", "q"):
        assert_allclose(getattr(found, field), getattr(full, field), rtol=1e-12)
