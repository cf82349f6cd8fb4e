"""Arrangements, numbered."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from metaanalysis.formulas.permutation import (
    arrangement_count,
    arrangements,
    as_extreme,
    distinct_rows,
    rows_for,
    sign_patterns,
)


@pytest.mark.parametrize("codes", [[0], [0, 0, 0], [0, 1], [1, 0, 1, 0], [0, 1, 2, 3, 4], [2, 0, 1, 0, 2, 2, 1]])
def test_every_distinct_order_comes_once(codes: list[int]) -> None:
    array = np.array(codes)
    expected = sorted(set(itertools.permutations(codes)))
    assert arrangement_count(array) == len(expected)
    found = arrangements(array, 0, len(expected))
    assert [tuple(row) for row in found.tolist()] == expected


def test_orders_are_the_same_whatever_the_batch() -> None:
    codes = np.array([0, 1, 1, 2, 2, 2, 3, 3])
    whole = arrangements(codes, 0, arrangement_count(codes))
    assert (np.concatenate([arrangements(codes, first, first + 7) for first in range(0, 700, 7)]) == whole[:700]).all()


def test_large_numbers_of_orders_are_spelled_exactly() -> None:
    codes = np.arange(13)
    count = arrangement_count(codes)
    assert arrangements(codes, count - 1, count)[0].tolist() == list(range(12, -1, -1))


def test_rows_that_are_the_same_share_a_code() -> None:
    X = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])
    codes = distinct_rows(X)
    assert codes.tolist() == [0, 1, 0]
    assert X[rows_for(codes, np.array([[1, 0, 0]]))][0].tolist() == [[1.0, 3.0], [1.0, 2.0], [1.0, 2.0]]


def test_signs() -> None:
    assert sorted(map(tuple, sign_patterns(3, 0, 8).tolist())) == sorted(itertools.product([-1.0, 1.0], repeat=3))
    assert sign_patterns(3, 0, 1).tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    "alternative, expected",
    [("two-sided", [True, True, False]), ("greater", [True, False, False]), ("less", [True, True, True])],
)
def test_as_extreme(alternative: str, expected: list[bool]) -> None:
    found = as_extreme(np.array([2.0 * (1 + 1e-12), -3.0, 1.9]), np.array(2.0), alternative)
    assert found.tolist() == expected
