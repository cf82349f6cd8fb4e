"""Resampling of many meta-analyses at once: each group as if it were alone, and each set as pool has it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.many import resamples, sets_of_studies
from metaanalysis.results.bootstrap import QUANTITIES

SIZES = (4, 1, 7, 2, 12, 3, 5, 3, 2, 9)


def studies(seed: int = 1, sizes: tuple[int, ...] = SIZES) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    v = np.exp(random.normal(-2, 1, group.size))
    frame = pd.DataFrame({"review": [f"g{i}" for i in group], "y": random.normal(0.4, np.sqrt(v + 0.1)), "v": v})
    frame["study"] = [f"s{i}" for i in frame.index]
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


@pytest.fixture(params=["numpy", "numba"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "numba":
        pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'metaanalysis[fast]'")
    return str(request.param)


@pytest.fixture(params=[None, 60], ids=["at once", "in small pieces"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is not None:
        monkeypatch.setattr(sets_of_studies, "ELEMENTS", request.param)
        monkeypatch.setattr(resamples, "ELEMENTS", request.param)


def pooled(frame: pd.DataFrame, engine: str | None = None, **options: Any) -> ma.PooledMany:
    return ma.pool_many(frame, by="review", engine=engine, **options)


def sequence(seed: int, group: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(group,))


# --- Leave one out, jackknife, all subsets ----------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"tau2": "DL", "ci": "hksj"}, {"tau2": "REML"}, {"model": "common"}])
@pytest.mark.usefixtures("small")
def test_each_study_left_out_is_pooled_anew(engine: str, options: dict[str, Any]) -> None:
    frame = studies()
    many = pooled(frame, engine, **options)
    found = ma.leave_one_out_many(many)
    rows = found.to_frame()
    assert len(found) == len(frame)
    assert_array_equal(rows["label"], frame["study"].to_numpy()[rows["row"] - 1])
    for place, row in rows.iterrows():
        rest = frame[(frame.review == row.review) & (frame.study != row.label)]
        if rest.empty:
            assert row.status == "no study is left"
            assert np.isnan(row.estimate)
            continue
        fit = ma.pool(rest.y.to_numpy(), rest.v.to_numpy(), **options)
        assert row.k == fit.k
        for name in many.columns:
            scale = 1.0 if name not in ("i2",) else 100.0
            assert_allclose(
                found.columns[name][place], getattr(fit, name), rtol=1e-12, atol=1e-13 * scale, err_msg=name
            )
    one = ma.leave_one_out(many["g4"])
    mine = found.of("g4")
    assert mine["label"].tolist() == list(one.label)
    assert_allclose(mine["ci_low"], one.ci_low, rtol=1e-11)


@pytest.mark.usefixtures("small")
def test_the_jackknife_is_that_of_each_group(engine: str) -> None:
    many = pooled(studies(), engine, tau2="DL")
    found = ma.jackknife_many(many)
    status = dict(zip(many.keys, found.status, strict=True))
    for place, key in enumerate(many.keys):
        if many.k[place] == 1:
            assert status[key] == "there are too few studies for this question"
            assert np.isnan(found.estimate_se[place])
            continue
        one = ma.jackknife(many[key])
        for name in QUANTITIES:
            assert_allclose(found.columns[f"{name}_se"][place], one.se[name], rtol=1e-11)
            assert_allclose(found.columns[f"{name}_bias"][place], one.bias[name], rtol=1e-10, atol=1e-11)
        assert status[key].startswith("computed")
    pairs = np.asarray(many.k) == 2
    assert np.isfinite(found.estimate_se[pairs]).all()
    assert np.isnan(found.tau2_se[pairs]).all()
    assert [found.status[place] for place in np.flatnonzero(pairs)] == [
        "computed, but not of all sets: in some tau2 could not be estimated"
    ] * pairs.sum()


@pytest.mark.usefixtures("small")
def test_every_subset_is_pooled(engine: str) -> None:
    many = pooled(studies(), engine, tau2="DL")
    found = ma.gosh_many(many, largest=7)
    frame = found.to_frame()
    for place, key in enumerate(many.keys):
        mine = frame[frame.review == key]
        k = int(many.k[place])
        if k > 7:
            assert len(mine) == 1
            assert mine.status.tolist() == ["there are more studies than asked for: see the limit of the call"]
            continue
        assert mine.subset.tolist() == list(range(1, 2**k))
        effects = many[key].effects
        y, v = np.asarray(effects.y), np.asarray(effects.v)
        for row in mine.itertuples():
            at = [i for i in range(k) if row.subset >> i & 1]
            fit = ma.pool(y[at], v[at], tau2="DL")
            assert row.k == fit.k
            assert_allclose(
                [row.estimate, row.tau2, row.h2, row.q],
                [fit.estimate, fit.tau2, fit.h2, fit.q],
                rtol=1e-12,
                atol=1e-13,
            )
    one = ma.gosh(many["g2"])
    assert_allclose(np.sort(found.of("g2")["i2"]), np.sort(one.i2), rtol=1e-11, atol=1e-11)


def test_too_many_subsets_are_refused_before_any_is_pooled() -> None:
    y, v = np.ones((700, 15)), np.ones((700, 15))
    with pytest.raises(ma.OptionError, match="these groups have 22,936,900 subsets together"):
        ma.gosh_many(ma.pool_many((y, v), tau2="DL"), largest=15)


# --- Bootstrap --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, interval",
    [("studies", "bca"), ("studies", "basic"), ("studies", "percentile"), ("parametric", "percentile")],
)
@pytest.mark.usefixtures("small")
def test_the_bootstrap_is_that_of_each_group(engine: str, kind: str, interval: str) -> None:
    many = pooled(studies(), engine, tau2="DL", level=0.9)
    found = ma.bootstrap_many(many, 99, kind=kind, interval=interval, seed=7)
    for place, key in enumerate(many.keys):
        if many.k[place] < 3:
            assert found.status[place] == "there are too few studies for this question"
            assert np.isnan(found.estimate_low[place])
            continue
        assert found.status[place] == "computed"
        one = ma.bootstrap(many[key], 99, kind=kind, seed=sequence(7, place))
        assert_allclose(found.estimate_se[place], one.se, rtol=1e-11)
        assert_allclose(found.estimate_bias[place], one.bias, rtol=1e-9, atol=1e-13)
        for name in QUANTITIES:
            limits = one.interval(name, method=interval)
            mine = [found.columns[f"{name}_low"][place], found.columns[f"{name}_high"][place]]
            assert_allclose(mine, limits[:2], rtol=1e-11, atol=1e-12)


def test_every_resample_of_three_studies_by_enumeration() -> None:
    # 27 equally likely resamples: the bootstrap's mean and standard deviation tend to theirs.
    y, v = np.array([0.1, 0.5, 1.4]), np.array([0.1, 0.2, 0.05])
    every = [ma.pool(y[list(at)], v[list(at)], tau2="DL").estimate for at in itertools.product(range(3), repeat=3)]
    many = ma.pool_many((y, v), by=["a"] * 3, tau2="DL")
    n = 40_000
    found = ma.bootstrap_many(many, n, kind="studies", seed=3)
    sd = np.std(every)
    assert_allclose(found.estimate_bias[0], np.mean(every) - many.estimate[0], atol=4 * sd / np.sqrt(n))
    assert_allclose(found.estimate_se[0], sd, rtol=0.02)
    assert np.isclose(every, found.estimate_low[0], rtol=1e-12).any()


def test_a_seed_is_of_any_of_numpys_kinds_and_repeats() -> None:
    many = pooled(studies(), tau2="DL")
    first = ma.bootstrap_many(many, 50, seed=5).estimate_se
    assert_array_equal(ma.bootstrap_many(many, 50, seed=np.random.SeedSequence(5)).estimate_se, first)
    assert_array_equal(
        ma.bootstrap_many(many, 50, seed=np.random.default_rng(5)).estimate_se,
        ma.bootstrap_many(many, 50, seed=np.random.default_rng(5)).estimate_se,
    )
    assert (ma.bootstrap_many(many, 50, seed=6).estimate_se != first).any()
    for call in (ma.bootstrap_many, ma.permutation_test_many):
        with pytest.raises(ma.OptionError, match="seed='one' is no seed"):
            call(many, seed="one")
    with pytest.raises(ma.OptionError, match="seed=-1 is no seed"):
        ma.bootstrap(many["g4"], 50, seed=-1)


# --- Permutation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"alternative": "less"}, {"statistic": "coefficient"}, {"exact": False}, {"exact": True}]
)
@pytest.mark.usefixtures("small")
def test_the_permutation_test_is_that_of_each_group(engine: str, options: dict[str, Any]) -> None:
    many = pooled(studies(), engine, tau2="DL", ci="hksj")
    found = ma.permutation_test_many(many, 100, seed=9, **options)
    for place, key in enumerate(many.keys):
        if many.k[place] == 1:
            assert found.status[place] == "there are too few studies for this question"
            assert np.isnan(found.p_value[place])
            continue
        one = ma.permutation_test(many[key], 100, seed=sequence(9, place), **options)
        assert found.p_value[place] == one.p_values[0], key
        assert found.exact[place] == one.exact
        assert found.permutations[place] == one.permutations
        assert_allclose(found.model_p_value[place], one.model_p_values[0], rtol=1e-11)


def test_signs_by_hand() -> None:
    y, v = np.array([0.5, 0.4, 0.9, -0.1]), np.array([0.1, 0.2, 0.1, 0.3])
    z = [ma.pool(np.array(s) * y, v, tau2="DL").statistic for s in itertools.product((1, -1), repeat=4)]
    p = np.mean(np.abs(z) >= abs(z[0]) - 1e-9)
    found = ma.permutation_test_many(ma.pool_many((y, v), by=["a"] * 4, tau2="DL"))
    assert found.p_value.tolist() == [p]


def test_too_many_patterns_to_go_through() -> None:
    many = ma.pool_many(studies(sizes=(30, 4)), by="review", tau2="DL")
    found = ma.permutation_test_many(many, exact=True)
    frame = found.to_frame().set_index("review")
    assert frame.status["g0"] == "there are more studies than asked for: see the limit of the call"
    assert np.isnan(frame.p_value["g0"])
    assert frame.p_value["g1"] >= 1 / 16


# --- What all of them do ----------------------------------------------------------------------------------------

CALLS = [
    ma.leave_one_out_many,
    ma.jackknife_many,
    ma.gosh_many,
    lambda many, **more: ma.bootstrap_many(many, 40, kind="studies", seed=1, **more),
    lambda many, **more: ma.permutation_test_many(many, 40, seed=1, **more),
]
IDS = ["leave one out", "jackknife", "subsets", "bootstrap", "permutation"]


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_a_bad_group_harms_no_other(call: Any) -> None:
    frame = studies()
    bad = frame.copy()
    bad.loc[bad.review == "g6", "v"] = np.nan
    bad.loc[bad.index[bad.review == "g9"][0], "y"] = np.inf
    with pytest.warns(ExcludedStudiesWarning):
        many = pooled(bad, tau2="REML")
    found, expected = call(many), call(pooled(frame, tau2="REML"))
    mine, theirs = found.to_frame(), expected.to_frame()
    untouched = ~mine.review.isin(["g6", "g9"]).to_numpy(), ~theirs.review.isin(["g6", "g9"]).to_numpy()
    drop = ["row"] if "row" in mine else []
    pd.testing.assert_frame_equal(
        mine[untouched[0]].drop(columns=drop).reset_index(drop=True),
        theirs[untouched[1]].drop(columns=drop).reset_index(drop=True),
        rtol=1e-11,
    )
    gone = mine[mine.review == "g6"]
    assert gone.empty or gone.status.tolist() == ["no study is left"]
    assert gone.empty or found.failed.review.tolist().count("g6") == 1


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_the_order_and_the_scale_of_the_groups_do_not_matter(call: Any) -> None:
    frame = studies(sizes=(4, 6, 3))
    c = 2.0**-40
    many, scaled = pooled(frame, tau2="DL"), pooled(frame.assign(y=c * frame.y, v=c * c * frame.v), tau2="DL")
    one, other = call(many), call(scaled)
    for name, values in one.columns.items():
        unit = c * c if name.startswith("tau2") else c if name.startswith("estimate") or name in LINEAR else 1.0
        assert_allclose(other.columns[name], unit * values, rtol=1e-9, atol=1e-9 * unit, err_msg=name)


LINEAR = ("se", "ci_low", "ci_high", "tau", "prediction_low", "prediction_high")


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_what_is_no_result_of_many_is_refused(call: Any) -> None:
    with pytest.raises(ma.DataError, match="needs a result of pool_many, not Pooled"):
        call(ma.pool([0.1, 0.2], [0.1, 0.1]))
    counts = pd.DataFrame({"g": [1, 1], "events1": [3, 4], "n1": 20, "events2": [5, 6], "n2": 20})
    with pytest.raises(ma.OptionError, match="not for method='peto'"):
        call(ma.pool_many(counts, by="g", measure="OR", method="peto"))
    with pytest.raises(ma.OptionError, match="workers=0"):
        call(pooled(studies()), workers=0)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_the_frame_that_came_in_comes_out(call: Any) -> None:
    import polars as pl

    frame = studies(sizes=(3, 4))
    found = call(ma.pool_many(pl.DataFrame(frame), by="review", tau2="DL"))
    answer = found.to_frame()
    assert isinstance(answer, pl.DataFrame)
    assert answer.columns[0] == "review"
    assert answer.columns[-1] == "status"
    assert len(str(found).splitlines()) >= 5
    assert repr(found).startswith("<ResampledMany: ")


def test_numbers_are_attributes_and_closed_to_changes() -> None:
    found = ma.jackknife_many(pooled(studies()))
    with pytest.raises(ValueError, match="read-only"):
        found.estimate_se[0] = 1.0
    with pytest.raises(AttributeError, match=r"this result has no 'se'\. Of the numbers there are: k, estimate"):
        found.se  # noqa: B018
    with pytest.raises(KeyError, match="there is no group 'g77'"):
        found.of("g77")


def test_the_single_ones_say_where_many_are() -> None:
    many = pooled(studies())
    for question in (ma.leave_one_out, ma.jackknife, ma.bootstrap, ma.gosh, ma.permutation_test):
        with pytest.raises(ma.DataError, match=f"For many at once there is {question.__name__}_many"):
            question(many)


def test_a_large_group_is_left_alone_and_said_so() -> None:
    random = np.random.default_rng(4)
    sizes = np.array([3, 4_000, 5])
    v = random.uniform(0.1, 1.0, sizes.sum())
    y = random.normal(0.0, np.sqrt(v))
    many = ma.pool_many((y, v), offsets=np.append(0, np.cumsum(sizes)), tau2="DL", columns=["estimate"])
    for found in (ma.leave_one_out_many(many), ma.jackknife_many(many), ma.bootstrap_many(many, 20, seed=1)):
        large = found.group == 1
        assert set(np.array(found.status)[large]) == {
            "there are more studies than asked for: see the limit of the call"
        }
        assert np.isfinite(found.columns["estimate"][~large]).all()
        assert set(np.flatnonzero(large)) == set(found.failures)
    assert np.isfinite(ma.bootstrap_many(many, 20, seed=1, largest=4_000).estimate_se[1])


def test_progress_is_shown_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    many = pooled(studies(), tau2="DL")
    for call, what in zip(CALLS, ("leave-one-out", "jackknife", "subsets", "resamples", "permutations"), strict=True):
        call(many, progress=True)
        assert what in capsys.readouterr().err
        call(many)
        assert capsys.readouterr().err == ""


def test_a_key_that_is_named_like_a_column_of_ours() -> None:
    frame = studies(sizes=(3, 4)).rename(columns={"review": "row"})
    found = ma.leave_one_out_many(ma.pool_many(frame, by="row", tau2="DL", columns=["estimate"]))
    answer = found.to_frame()
    assert list(answer.columns) == ["row", "label", "row_", "k", "estimate", "status"]
    assert set(answer["row"]) == {"g0", "g1"}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda many: ma.leave_one_out_many(many, largest=0), "largest=0 is not a number of studies from 1"),
        (lambda many: ma.jackknife_many(many, largest=2.5), "largest=2.5"),
        (lambda many: ma.gosh_many(many, largest=21), "largest=21 is not a number of studies from 1 to 20"),
        (lambda many: ma.bootstrap_many(many, 1), "resamples=1 is not a number of resamples"),
        (lambda many: ma.bootstrap_many(many, True), "resamples=True"),
        (lambda many: ma.bootstrap_many(many, 10, kind="cases"), "parametric, studies"),
        (lambda many: ma.bootstrap_many(many, 10, interval="student"), "percentile, basic, bca"),
        (lambda many: ma.bootstrap_many(many, 10, interval="bca"), "belongs to resampled studies"),
        (lambda many: ma.permutation_test_many(many, 1), "permutations=1 is not a number of arrangements"),
        (lambda many: ma.permutation_test_many(many, statistic="mean"), "test, coefficient"),
        (lambda many: ma.permutation_test_many(many, alternative="up"), "two-sided, less, greater"),
    ],
)
def test_options_are_checked(call: Any, message: str) -> None:
    with pytest.raises(ma.OptionError, match=message):
        call(pooled(studies(sizes=(3, 4))))
