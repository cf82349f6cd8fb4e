"""Covered areas against small matrices that were counted by hand."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.overlap import (
    corrected_covered_area,
    covered_area,
    pairwise_corrected_covered_area,
    shared_studies,
    structurally_missing_between,
)

# Five studies, three reviews: N = 9, r = 5, c = 3.
CITED = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=bool)
# The first review could not have cited studies 3 and 5, the second not study 5.
MISSING = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]], dtype=bool)
NOTHING = np.zeros_like(CITED)


def test_whole_matrix():
    assert_allclose(covered_area(CITED), 9 / 15, rtol=1e-15)
    assert_allclose(corrected_covered_area(CITED, NOTHING), 4 / 10, rtol=1e-15)
    assert_allclose(corrected_covered_area(CITED, MISSING), 4 / 7, rtol=1e-15)


def test_pairs():
    assert_array_equal(shared_studies(CITED), [[3, 1, 2], [1, 2, 2], [2, 2, 4]])
    # Reviews 1 and 2 cite studies 1 to 4: only study 3 is out of reach of the first. 1 and 3: studies 3 and 5.
    assert_array_equal(structurally_missing_between(CITED, MISSING), [[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    assert_allclose(
        pairwise_corrected_covered_area(CITED, NOTHING),
        [[1, 1 / 4, 2 / 5], [1 / 4, 1, 1 / 2], [2 / 5, 1 / 2, 1]],
        rtol=1e-15,
    )
    assert_allclose(
        pairwise_corrected_covered_area(CITED, MISSING),
        [[1, 1 / 3, 2 / 3], [1 / 3, 1, 2 / 3], [2 / 3, 2 / 3, 1]],
        rtol=1e-15,
    )


def test_a_pair_is_the_matrix_of_its_two_columns():
    pairwise = pairwise_corrected_covered_area(CITED, MISSING)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rows = CITED[:, [i, j]].any(axis=1)
        own = corrected_covered_area(CITED[rows][:, [i, j]], MISSING[rows][:, [i, j]])
        assert_allclose(pairwise[i, j], own, rtol=1e-15)


def test_nothing_and_everything():
    same = np.ones((4, 3), dtype=bool)
    assert corrected_covered_area(same, np.zeros_like(same)) == 1.0
    apart = np.eye(3, dtype=bool)
    assert corrected_covered_area(apart, np.zeros_like(apart)) == 0.0
    # Where nobody could have cited another's study there is nothing to share.
    assert np.isnan(corrected_covered_area(apart, ~apart))
