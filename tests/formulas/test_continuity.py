from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.continuity import continuity_corrected, corrected_cells, double_zero, zero_cell

A = np.array([0.0, 4.0, 10.0, 3.0, 0.0, 6.0])
N1 = np.array([10.0, 20.0, 10.0, 15.0, 8.0, 6.0])
C = np.array([2.0, 5.0, 1.0, 0.0, 0.0, 9.0])
N2 = np.array([12.0, 22.0, 11.0, 45.0, 9.0, 9.0])


def test_which_tables_have_zeros() -> None:
    assert_array_equal(zero_cell(A, N1, C, N2), [True, False, True, True, True, True])
    assert_array_equal(double_zero(A, N1, C, N2), [False, False, False, False, True, True])


def test_half_to_every_cell_of_a_study_with_a_zero() -> None:
    a, n1, c, n2, touched = continuity_corrected(A, N1, C, N2)
    assert_array_equal(touched, [True, False, True, True, True, True])
    assert_allclose(a, A + 0.5 * touched, rtol=0)
    assert_allclose(n1, N1 + touched, rtol=0)
    assert_allclose(c, C + 0.5 * touched, rtol=0)
    assert_allclose(n2, N2 + touched, rtol=0)


def test_all_none_and_all_if_any() -> None:
    assert continuity_corrected(A, N1, C, N2, to="all")[4].all()
    assert not continuity_corrected(A, N1, C, N2, to="none")[4].any()
    assert not continuity_corrected(A, N1, C, N2, add=0.0)[4].any()
    assert continuity_corrected(A, N1, C, N2, to="if0all")[4].all()
    clean = slice(1, 2)
    assert not continuity_corrected(A[clean], N1[clean], C[clean], N2[clean], to="if0all")[4].any()


def test_all_if_any_looks_at_each_meta_analysis_alone() -> None:
    a, n1, c, n2 = (
        np.stack([x[1:4], np.array([4.0, 5.0, 6.0]) + shift]) for x, shift in ((A, 0), (N1, 9), (C, 1), (N2, 9))
    )
    assert_array_equal(continuity_corrected(a, n1, c, n2, to="if0all")[4], [[True] * 3, [False] * 3])


def test_denominators() -> None:
    _, once, _, _, _ = continuity_corrected(A, N1, C, N2, denominator="events")
    _, never, _, _, _ = continuity_corrected(A, N1, C, N2, denominator="none")
    assert once[0] == 10.5
    assert never[0] == 10.0


def test_treatment_arm_correction_is_in_proportion_to_the_reciprocal_of_the_other_arm() -> None:
    # Sweeting, Sutton & Lambert (2004): R = n2/n1 = 3; the treated cells get 1/(R + 1), the control's R/(R + 1).
    a, n1, c, n2, _ = continuity_corrected(A, N1, C, N2, addition="treatment-arm")
    assert_allclose([a[3] - A[3], c[3] - C[3]], [0.25, 0.75], rtol=1e-15)
    assert_allclose([n1[3] - N1[3], n2[3] - N2[3]], [0.5, 1.5], rtol=1e-15)
    equal = continuity_corrected(np.zeros(1), np.array([7.0]), np.ones(1), np.array([7.0]), addition="treatment-arm")
    assert_allclose(equal[0], 0.5, rtol=1e-15)


@pytest.mark.parametrize("to", ["only0", "all", "none"])
def test_inputs_stay(to: str) -> None:
    before = A.copy()
    a = continuity_corrected(A, N1, C, N2, to=to)[0]
    a = a + 1.0
    assert_array_equal(A, before)


def test_cells_of_other_designs() -> None:
    (x, others), touched = corrected_cells(np.array([0.0, 3.0, 5.0]), np.array([10.0, 4.0, 0.0]))
    assert_array_equal(touched, [True, False, True])
    assert_allclose(x, [0.5, 3.0, 5.5], rtol=0)
    assert_allclose(others, [10.5, 4.0, 0.5], rtol=0)
    (alone,), _ = corrected_cells(np.array([0.0, 2.0]), add=0.1, to="if0all")
    assert_allclose(alone, [0.1, 2.1], rtol=0)
