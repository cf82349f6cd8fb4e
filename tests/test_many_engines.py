"""The compiled engine held to the formulas: 200,000 groups made to be difficult, the same numbers and the same statuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.moments import moments
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_iterative import score_and_step
from metaanalysis.formulas.weighted import anchor_first
from metaanalysis.many.columns import USUAL
from metaanalysis.many.ragged import Ragged
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'metaanalysis[fast]'")

from metaanalysis.many import numba_engine, numpy_engine

GROUPS = 200_000
SEED = 20_261
COLUMNS = frozenset(USUAL) - {"k"}
TOLERANCE = 1e-11
# Numbers of groups of a block of the formulas.
BLOCK = 2_000


def plain(random, m, k):
    v = random.uniform(0.02, 0.5, (m, k))
    return 0.3 + random.normal(size=(m, k)) * np.sqrt(v + random.choice([0.0, 0.02, 0.1, 1.0], (m, 1))), v


def wide_ratios(random, m, k):
    v = 10.0 ** random.uniform(-12, 0, (m, k))
    return random.normal(size=(m, k)) * np.sqrt(v + 10.0 ** random.uniform(-14, 1, (m, 1))), v


def all_equal(random, m, k):
    y, v = plain(random, m, k)
    return np.repeat(y[:, :1], k, axis=1), v


def at_the_boundary(random, m, k):
    v = random.uniform(0.02, 0.5, (m, k))
    return 0.3 + random.normal(size=(m, k)) * np.sqrt(v) * random.uniform(0.8, 1.05, (m, 1)), v


def huge_tau2(random, m, k):
    return random.normal(size=(m, k)) * 10.0 ** random.uniform(1, 6, (m, 1)), random.uniform(0.02, 0.5, (m, k))


def outlier(random, m, k):
    y, v = plain(random, m, k)
    y[:, 0] += random.choice([5.0, 20.0, 1e3], m)
    v[:, 0] *= 10.0 ** random.uniform(-4, 4, m)
    return y, v


def two_clusters(random, m, k):
    v = random.uniform(0.02, 0.5, (m, k))
    y = random.normal(size=(m, k)) * np.sqrt(v) + random.choice([-1.0, 1.0], (m, k)) * random.uniform(0.2, 3, (m, 1))
    return y, v * np.where(random.random((m, k)) < 0.5, 10.0 ** random.uniform(-3, 0, (m, 1)), 1.0)


def several_maxima(random, m, k):
    precise = random.random((m, k)) < 0.4
    v = np.where(precise, 10.0 ** random.uniform(-6, -3, (m, 1)), 1.0)
    return random.normal(size=(m, k)) * np.where(precise, np.sqrt(v), random.uniform(0.5, 3, (m, 1))), v


def tiny(random, m, k):
    y, v = plain(random, m, k)
    return 1e-20 * y, 1e-40 * v


def large(random, m, k):
    y, v = plain(random, m, k)
    return 1e20 * y, 1e40 * v


def far_from_zero(random, m, k):
    y, v = plain(random, m, k)
    return y + 1e8, v


# How each kind is made, and the sizes of its groups.
KINDS = {
    plain: (1, 2, 3, 5, 10, 26, 50),
    wide_ratios: (4, 12),
    all_equal: (2, 5),
    at_the_boundary: (6, 20),
    huge_tau2: (5, 10),
    outlier: (3, 8),
    two_clusters: (6, 10, 20),
    several_maxima: (8, 30),
    tiny: (2, 6),
    large: (3, 7),
    far_from_zero: (15,),
}


def difficult(groups, seed):
    """Ragged groups of all kinds, shuffled."""
    random = np.random.default_rng(seed)
    each = groups // len(KINDS)
    blocks = [make(random, each // len(sizes), k) for make, sizes in KINDS.items() for k in sizes]
    effects = [row for y, _ in blocks for row in y]
    variances = [row for _, v in blocks for row in v]
    order = random.permutation(len(effects))
    offsets = np.concatenate([[0], np.cumsum([effects[g].size for g in order])])
    return Ragged(np.concatenate([effects[g] for g in order]), np.concatenate([variances[g] for g in order]), offsets)


def by_formulas(ragged, options, columns):
    """What `pool` computes, by blocks of one size."""
    answer = {name: np.full(ragged.sizes.size, np.nan) for name in (*columns, "status")}
    for k in np.unique(ragged.sizes):
        of_size = np.flatnonzero(ragged.sizes == k)
        for groups in np.array_split(of_size, -(-of_size.size // BLOCK)):
            rows = ragged.offsets[groups][:, np.newaxis] + np.arange(k)
            with np.errstate(all="ignore"):
                numbers = pooled_numbers(ragged.y[rows], ragged.v[rows], options)._asdict()
                numbers["tau"] = np.sqrt(numbers["tau2"])
            for name, values in answer.items():
                values[groups] = numbers[name]
    return answer


def units(ragged):
    """What the error of a column is measured by in each group: the scale of its data."""
    first = ragged.offsets[:-1]
    top, bottom = np.maximum.reduceat(ragged.y, first), np.minimum.reduceat(ragged.y, first)
    spread = np.maximum(top - bottom, np.sqrt(np.minimum.reduceat(ragged.v, first)))
    where = np.maximum(np.maximum(np.abs(top), np.abs(bottom)), spread)
    of_mean = dict.fromkeys(("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high"), where)
    return {**of_mean, "se": spread, "tau": spread, "tau2": spread**2}


def errors(actual, expected, unit):
    with np.errstate(all="ignore"):
        error = np.abs(actual - expected) / (unit + np.abs(expected))
    return np.where(
        (actual == expected) | (np.isnan(actual) & np.isnan(expected)), 0.0, np.nan_to_num(error, nan=np.inf)
    )


@pytest.fixture(scope="module")
def groups():
    return difficult(GROUPS, SEED)


@pytest.fixture(scope="module")
def some(groups):
    last = groups.offsets.size // 10
    end = groups.offsets[last]
    return Ragged(groups.y[:end], groups.v[:end], groups.offsets[: last + 1])


def hold(ragged, options, columns, workers=2):
    """The engine's numbers are the formulas'; where they are not, the engine has found a higher maximum."""
    assert numba_engine.supports(options, columns)
    actual = numba_engine.compute(ragged, options, columns, workers=workers)
    expected = by_formulas(ragged, options, columns)
    unit = units(ragged)
    wrong = actual["status"] != expected["status"]
    for name in sorted(columns):
        error = errors(actual[name], expected[name], unit.get(name, 1.0))
        if options.ci == "kenward-roger" and name.startswith("prediction"):
            # With less than one degree of freedom a quantile of t is 1e20 and magnifies the last digits of df.
            error = np.where(expected["df"] < 2.0, 0.0, error)
        wrong |= error > TOLERANCE
    # The formulas' scan may step over two zeros of the score that lie close together; the kernel's search looks between.
    assert wrong.sum() <= 1e-4 * wrong.size, f"{wrong.sum()} groups, the first {np.flatnonzero(wrong)[:5]}"
    for group in np.flatnonzero(wrong):
        assert options.model == "random"
        assert options.tau2 in ("REML", "ML")
        part = slice(ragged.offsets[group], ragged.offsets[group + 1])
        y, v, restricted = ragged.y[part], ragged.v[part], options.tau2 == "REML"
        better = log_likelihood(y, v, actual["tau2"][group], None, restricted)
        if expected["status"][group] != Status.NOT_CONVERGED:
            assert better > log_likelihood(y, v, expected["tau2"][group], None, restricted)
        assert np.isfinite(better)


@pytest.mark.parametrize("tau2", ["DL", "PM", "REML", "ML"])
def test_difficult_groups_by_each_estimator(groups, tau2):
    hold(groups, PoolOptions(tau2=tau2), frozenset({"estimate", "se", "tau2", "i2", "q", "q_df"}))


def test_difficult_groups_by_the_common_effect(groups):
    hold(groups, PoolOptions(model="common"), frozenset({"estimate", "se", "tau2", "i2", "h2", "q", "q_df"}))


@pytest.mark.parametrize(
    "options",
    [
        {"tau2": "REML", "ci": "wald", "prediction": "hts"},
        {"tau2": "DL", "ci": "t", "prediction": "t", "i2": "q"},
        {"tau2": "PM", "ci": "hksj", "prediction": "hksj"},
        {"tau2": "REML", "ci": "hksj-adhoc", "prediction": "normal", "level": 0.9},
        {"tau2": "PMM", "ci": "hksj-wider"},
        {"tau2": "EB", "ci": "t", "prediction": "hksj"},
        {"tau2": "REML", "ci": "kenward-roger", "prediction": "kenward-roger"},
        {"tau2": "ML", "prediction": "none"},
        {"model": "common", "ci": "hksj"},
    ],
    ids=lambda options: " ".join(str(value) for value in options.values()),
)
def test_every_column_of_every_interval(some, options):
    hold(some, PoolOptions(**options), COLUMNS)


@pytest.mark.parametrize("tau2", ["REML", "ML"])
def test_one_start_ends_in_a_maximum(some, tau2):
    # In which, where there are several, hangs on the path; the NumPy engine's is another one now and then.
    options, columns = PoolOptions(tau2=tau2), frozenset({"tau2"})
    found = numba_engine.compute(some, options, columns, starts="one")
    assert_array_equal(found["status"], numpy_engine.compute(some, options, columns, starts="one")["status"])
    for k in np.unique(some.sizes):
        groups = np.flatnonzero((some.sizes == k) & (found["status"] == Status.CONVERGED))
        rows = some.offsets[groups][:, np.newaxis] + np.arange(k)
        e, v = anchor_first(some.y[rows], some.v[rows])
        x = found["tau2"][groups]
        _, step = score_and_step(moments(e, v, x, None), tau2 == "REML")
        assert_allclose(step / (x + v[:, 0]), np.zeros(groups.size), atol=1e-12)
    best = numba_engine.compute(some, options, columns)
    missed = errors(found["tau2"], best["tau2"], units(some)["tau2"]) > 1e-6
    assert 0 < missed.sum() < 0.02 * missed.size


@pytest.mark.parametrize("tau2", ["REML", "ML"])
def test_groups_that_are_left_for_a_second_round_answer_as_those_of_one_round(some, tau2, monkeypatch):
    options, columns = PoolOptions(tau2=tau2), frozenset({"estimate", "tau2"})
    later = []

    def counted(ragged, *rest):
        later.append(ragged.offsets.size - 1)
        return searched(ragged, *rest)

    searched = numpy_engine.searched
    monkeypatch.setattr(numpy_engine, "searched", counted)
    monkeypatch.setattr(numpy_engine, "ELEMENTS_AT_LEAST", some.y.size)
    at_once = numpy_engine.compute(some, options, columns)
    assert later == []
    monkeypatch.setattr(numpy_engine, "ELEMENTS_AT_LEAST", 1)
    in_two = numpy_engine.compute(some, options, columns)
    assert len(later) == 1
    assert 0.01 * some.sizes.size < later[0] < 0.5 * some.sizes.size
    assert_array_equal(in_two["status"], at_once["status"])
    unit = units(some)
    for name in columns:
        assert errors(in_two[name], at_once[name], unit[name]).max() < TOLERANCE


def test_a_group_does_not_depend_on_its_neighbours(some):
    options = PoolOptions(ci="hksj")
    straight = numba_engine.compute(some, options, COLUMNS)
    order = np.random.default_rng(1).permutation(some.sizes.size)
    rows = np.concatenate([np.arange(some.offsets[g], some.offsets[g + 1]) for g in order])
    offsets = np.concatenate([[0], np.cumsum(some.sizes[order])])
    shuffled = numba_engine.compute(Ragged(some.y[rows], some.v[rows], offsets), options, COLUMNS, workers=2)
    for name, values in straight.items():
        # Quantiles and tails are computed by lots of groups together, and lots differ.
        if name in ("estimate", "se", "tau2", "q", "status"):
            assert_array_equal(shuffled[name], values[order], err_msg=name)


@pytest.mark.parametrize(
    "options", [{"tau2": "DL"}, {"tau2": "PM"}, {"tau2": "REML"}, {"tau2": "ML"}, {"model": "common"}]
)
def test_a_study_of_infinite_variance_is_not_there(options):
    random = np.random.default_rng(3)
    y, v = random.normal(size=(500, 9)), random.uniform(0.02, 0.5, (500, 9))
    keep = random.random((500, 9)) < 0.7
    settled = PoolOptions(**options, ci="kenward-roger", prediction="hts")
    left_out = Ragged(np.where(keep, y, 1e6).ravel(), np.where(keep, v, np.inf).ravel(), 9 * np.arange(501))
    without = Ragged(y[keep], v[keep], np.concatenate([[0], np.cumsum(keep.sum(axis=1))]))
    actual = numba_engine.compute(left_out, settled, COLUMNS)
    expected = numba_engine.compute(without, settled, COLUMNS)
    # Kenward and Roger's t has hardly any degrees of freedom in some groups, and its quantiles magnify the last digit.
    steady = ~(expected["df"] < 1.0)
    for name in COLUMNS | {"status"}:
        assert_allclose(actual[name][steady], expected[name][steady], rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("tau2", ["DL", "PM", "REML", "ML"])
def test_powers_of_two_scale_to_the_last_bit(some, tau2):
    c = 2.0**60
    columns = frozenset({"tau2", "estimate", "se", "i2"})
    one = numba_engine.compute(some, PoolOptions(tau2=tau2), columns)
    other = numba_engine.compute(Ragged(some.y * c, some.v * c * c, some.offsets), PoolOptions(tau2=tau2), columns)
    # The likelihoods of several maxima are compared with a logarithm, which rounds.
    same = other["tau2"] == one["tau2"] * c * c
    assert (same | np.isnan(one["tau2"])).mean() > 0.9999
    assert_array_equal(other["status"][same], one["status"][same])
    assert_array_equal(other["estimate"][same], one["estimate"][same] * c)
    assert_array_equal(other["i2"][same], one["i2"][same])


def test_bad_groups_harm_no_other():
    y = np.array([0.1, 0.4, np.nan, 0.2, 0.3, 0.5, 0.9, 0.1, 0.2])
    v = np.array([0.1, 0.1, 0.10, 0.1, 0.2, 0.1, 0.3, 0.1, np.inf])
    # Two studies; with a NaN; none; one; three; one of whom is not there.
    ragged = Ragged(y, v, np.array([0, 2, 4, 4, 5, 7, 9]))
    for tau2 in ("DL", "PM", "ML", "REML"):
        found = numba_engine.compute(ragged, PoolOptions(tau2=tau2), COLUMNS)
        few = int(Status.TOO_FEW_STUDIES)
        assert found["status"][1:4].tolist() == [int(Status.NOT_FINITE), few, few]
        assert found["status"][5] == few
        assert np.isnan(found["estimate"][1:3]).all()
        assert found["estimate"][3] == 0.3
        assert_allclose(found["estimate"][[0, 4]], [0.25, 0.6], rtol=1e-12)
        assert np.isnan(found["tau2"][[1, 2, 3, 5]]).all()
        assert np.isfinite(found["tau2"][[0, 4]]).all()


@pytest.mark.parametrize("tau2", ["DL", "REML"])
def test_long_groups_among_short_ones(tau2):
    random = np.random.default_rng(8)
    sizes = np.array([3, 5_000, 4, 4_096, 4_097, 3])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    v = random.uniform(0.02, 0.5, offsets[-1])
    ragged = Ragged(random.normal(size=v.size) * np.sqrt(v + 0.1), v, offsets)
    options = PoolOptions(tau2=tau2, ci="hksj", prediction="kenward-roger")
    actual = numba_engine.compute(ragged, options, COLUMNS, workers=2)
    expected = numpy_engine.compute(ragged, options, COLUMNS)
    for name in COLUMNS | {"status"}:
        assert_allclose(actual[name], expected[name], rtol=1e-11, atol=1e-12, err_msg=name)


def test_no_group_at_all():
    found = numba_engine.compute(Ragged(np.empty(0), np.empty(0), np.zeros(1, dtype=np.intp)), PoolOptions(), COLUMNS)
    assert {values.size for values in found.values()} == {0}


def test_one_large_group_among_small_ones():
    random = np.random.default_rng(5)
    sizes = np.array([3, 4, 30_000, 5, 2])
    v = random.uniform(0.02, 0.5, sizes.sum())
    y = random.normal(0.2, np.sqrt(v + 0.1))
    hold(Ragged(y, v, np.concatenate([[0], np.cumsum(sizes)])), PoolOptions(ci="hksj"), COLUMNS)


def test_a_maximum_between_two_points_of_the_scan():
    # The score is negative at 0 and at the first point of the scan, and positive in between.
    y = np.array([-0.286667, -0.0811913, 0.796075, -0.12899, 0.715915, -0.792071])
    v = np.array([0.417199, 0.0474487, 0.345091, 0.291605, 0.369306, 0.128908])
    found = numba_engine.compute(Ragged(y, v, np.array([0, 6])), PoolOptions(tau2="ML"), frozenset({"tau2"}))
    at = moments(*anchor_first(y, v), found["tau2"][0], None)
    assert_allclose(at.yppy, at.trace_w, rtol=1e-12)
    assert log_likelihood(y, v, found["tau2"][0], None, False) > log_likelihood(y, v, np.array(0.0), None, False)


@pytest.mark.parametrize(
    "options",
    [
        {"tau2": "SJ"},
        {"tau2": lambda y, v, X: v.mean(axis=-1)},
        {"ci": "profile-likelihood"},
        {"ci": "henmi-copas"},
        {"prediction": "nagashima"},
        {"method": "peto"},
    ],
)
def test_it_says_what_it_does_not_have(options):
    assert not numba_engine.supports(PoolOptions(**options), frozenset({"estimate"}))


def test_intervals_of_tau2_are_left_to_numpy():
    assert not numba_engine.supports(PoolOptions(), frozenset({"tau2_low"}))
