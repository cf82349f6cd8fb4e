"""Problems of the mean by the thousand, against the same ones by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas import problems as module
from metaanalysis.formulas.moments import few_moments_of_mean, q_moments_of_mean, score_moments_of_mean
from metaanalysis.formulas.problems import problems

N, K = 2_000, 8


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Studies of like precision and, among them, groups that a first study is a bad anchor for."""
    random = np.random.default_rng(20)
    v = random.uniform(0.02, 0.5, (N, K))
    y = 0.3 + random.normal(size=(N, K)) * np.sqrt(v)
    y[:40] += 1e8
    v[40:80, 0], y[40:80, 0] = 1e9, 1e6
    v[80:120, 3] = 1e-12
    v[120:140, 5:] = np.inf
    v[140:160, 0] = np.inf
    y[160:170] = 0.25
    v[170:200, 0], v[170:200, 3] = 0.03, 1e-4
    return y, v


def in_columns(*arrays: np.ndarray) -> list[np.ndarray]:
    """Study by study, as blocks lie."""
    return [np.ascontiguousarray(a.T).T for a in arrays]


@pytest.mark.parametrize("of_mean", [q_moments_of_mean, few_moments_of_mean, score_moments_of_mean])
@pytest.mark.parametrize("lay", [in_columns, lambda *arrays: list(arrays)])
def test_a_first_study_for_an_anchor_gives_the_same_numbers(groups, of_mean, lay) -> None:
    y, v = lay(*groups)
    kept = y.copy(), v.copy()
    many = problems(y, v, None, of_mean)
    assert_array_equal(y, kept[0])
    assert_array_equal(v, kept[1])
    # The first study was the anchor, or nothing is tested.
    assert (many.y[200:, 0] == 0).all()
    assert (many.v[200:, 0] > many.v[200:, 1:].min(axis=-1)).any()
    for group in range(0, N, 7):
        alone = problems(y[group : group + 1], v[group : group + 1], None, of_mean)
        assert many.df[group] == alone.df[0]
        for name in many.at_zero._fields:
            found, wanted = getattr(many.at_zero, name)[group], getattr(alone.at_zero, name)[0]
            assert_allclose(found, wanted, rtol=1e-13, atol=1e-300, err_msg=f"{name} of group {group}")
        counted = np.isfinite(many.v[group])
        assert_allclose(
            np.sort((many.y[group] + many.anchor[group])[counted]),
            np.sort(y[group][np.isfinite(v[group])]),
            rtol=1e-13,
            atol=1e-15,
        )


def test_where_first_studies_are_light_the_most_precise_ones_are_taken(groups) -> None:
    y, v = in_columns(*groups)
    v = v.copy(order="K")
    v[: N // 4, 0] = 1e6
    assert module.problems_from_first_study(y, v, q_moments_of_mean) is None
    p = problems(y, v, None, q_moments_of_mean)
    assert_array_equal(p.v[:, 0], v.min(axis=-1))


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0])
def test_a_bad_variance_harms_its_own_problem_alone(groups, bad) -> None:
    y, v = in_columns(*groups)
    spoiled = v.copy(order="K")
    spoiled[500, 2] = bad
    q, clean = problems(y, spoiled, None).at_zero.q, problems(y, v, None).at_zero.q
    assert_array_equal(np.delete(q, 500), np.delete(clean, 500))
