"""Many meta-analyses at once: the numbers of `pool`, whatever the data came in."""

from __future__ import annotations

import warnings
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.many import blocks, engines, numpy_engine, pooling
from metaanalysis.many.columns import EVERY, USUAL
from metaanalysis.many.keys import grouped
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions

COCHRANE = Path(__file__).parents[2] / "shared" / "cochrane"
SIZES = (4, 1, 3, 12, 1, 5, 5, 40, 2, 7, 3, 9, 2, 6, 23, 4, 8, 2)


def studies(seed=1, sizes=SIZES, spread=1.2, tau2=0.1):
    """A table with groups g0, g1, … whose rows are mixed."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    v = np.exp(random.normal(-2, spread, group.size))
    y = random.normal(0.2, np.sqrt(v + tau2))
    frame = pd.DataFrame({"review": [f"g{i}" for i in group], "y": y, "v": v})
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def everything_of(fit):
    """What `pool_many` may be asked for, from one `Pooled`."""
    numbers = {name: getattr(fit, name) for name in USUAL}
    for name, limits in (("tau2", fit.tau2_interval()), ("tau", fit.tau_interval()), ("i2", fit.i2_interval()),
                         ("h2", fit.h2_interval())):  # fmt: skip
        numbers |= {f"{name}_low": limits.low, f"{name}_high": limits.high}
    return numbers


def assert_same_as_pool(many, key, fit, columns=EVERY):
    place = many.keys.index(key)
    expected = everything_of(fit)
    size = np.abs(fit.effects.y).max()
    atol = {"tau2": size**2, "tau": size, "estimate": size, "ci_low": size, "ci_high": size, "q": 1.0, "i2": 100.0}
    for name in columns:
        assert_allclose(
            many.columns[name][place],
            expected[name],
            rtol=1e-12,
            atol=1e-14 * atol.get(name, size),
            err_msg=f"{name} {key}",
        )


INTERVALS = ("wald", "t", "hksj", "hksj-adhoc", "hksj-wider")
CHOICES = [*((tau2, ci) for tau2 in TAU2 for ci in INTERVALS), ("REML", "kenward-roger"), ("ML", "profile-likelihood")]


@pytest.mark.parametrize("tau2, ci", CHOICES)
def test_each_group_is_that_of_pool(tau2, ci):
    frame = studies()
    many = ma.pool_many(frame, by="review", tau2=tau2, ci=ci, columns=EVERY, engine="numpy")
    for key, part in frame.groupby("review"):
        assert_same_as_pool(many, key, ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2=tau2, ci=ci))


@pytest.mark.parametrize("options", [
    {"model": "common"}, {"model": "common", "ci": "hksj"}, {"i2": "q"}, {"level": 0.9, "ci": "t"}, {"prediction": "hts"},
    {"prediction": "t"}, {"prediction": "hksj", "ci": "hksj"}, {"prediction": "kenward-roger", "ci": "kenward-roger"},
    {"prediction": "normal", "ci": "t"}, {"prediction": "none"}, {"convention": "revman5"}, {"convention": "meta"},
    {"tau2": "DL", "ci": "henmi-copas", "level": 0.9},
])  # fmt: skip
def test_options_are_those_of_pool(options):
    frame = studies(seed=2, sizes=(1, 2, 3, 5, 5, 8, 30))
    many = ma.pool_many(frame, by="review", columns=EVERY, engine="numpy", **options)
    for key, part in frame.groupby("review"):
        assert_same_as_pool(many, key, ma.pool(part.y.to_numpy(), part.v.to_numpy(), **options))


def test_the_simulated_prediction_interval():
    frame = studies(seed=3, sizes=(1, 2, 3, 4))
    many = ma.pool_many(frame, by="review", prediction="nagashima", engine="numpy")
    for key, part in frame.groupby("review"):
        assert_same_as_pool(many, key, ma.pool(part.y.to_numpy(), part.v.to_numpy(), prediction="nagashima"), USUAL)


def test_functions_of_the_users_own():
    def halved(y, v, X):
        return 0.5 * np.asarray(v.max(axis=-1))

    def doubled(fit, w, X):
        from metaanalysis.formulas.inference import Inference

        return Inference(4.0 * fit.covariance, np.full(fit.q.shape, np.inf))

    frame = studies(seed=4)
    many = ma.pool_many(frame, by="review", tau2=halved, ci=doubled)
    for key, part in frame.groupby("review"):
        fit = ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2=halved, ci=doubled)
        assert_same_as_pool(many, key, fit, USUAL)
    # Filled up by studies of infinite variance, the largest variance would be another.
    assert np.isfinite(many.tau2[many.k > 1]).all()


def test_a_group_as_an_ordinary_result():
    frame = studies()
    many = ma.pool_many(frame.assign(study=[f"s{i}" for i in range(len(frame))]), by="review", tau2="PM", ci="hksj")
    part = frame[frame.review == "g3"]
    fit, expected = many["g3"], ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2="PM", ci="hksj")
    assert isinstance(fit, ma.Pooled)
    assert_array_equal(fit.weights, expected.weights)
    assert tuple(fit.effects.label) == tuple(f"s{i}" for i in part.index)
    assert fit.estimate == expected.estimate
    assert str(fit) == str(ma.pool(part.y, part.v, tau2="PM", ci="hksj"))


def test_groups_keep_the_order_in_which_they_appear():
    frame = studies()
    many = ma.pool_many(frame, by="review", columns=["k"])
    assert list(many) == list(frame.review.drop_duplicates())
    assert_array_equal(many.k, frame.groupby("review", sort=False).size())
    assert len(many) == len(SIZES)
    assert "g3" in many
    assert "g99" not in many


# --- Every kind of data -------------------------------------------------------------------------------------------


def as_polars(frame):
    import polars as pl

    return pl.DataFrame(frame)


def as_lazy(frame):
    return as_polars(frame).lazy()


def as_arrow(frame):
    import pyarrow as pa

    return pa.table(frame)


def as_duckdb(frame):
    import duckdb

    return duckdb.connect().from_df(frame)


class Stream:
    """Nothing but an Arrow stream."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


KINDS = [
    (lambda frame: frame, "pandas"), (as_polars, "polars"), (as_lazy, "polars"), (as_arrow, "pyarrow"), (as_duckdb, "pyarrow"),
    (lambda frame: Stream(as_arrow(frame)), "pyarrow"), (lambda frame: frame.to_dict("list"), "pandas"),
]  # fmt: skip


@pytest.mark.parametrize("convert, kind", KINDS)
def test_the_kind_of_frame_that_came_in_comes_out(convert, kind):
    frame = studies().assign(analysis=lambda f: f.index % 2, unused="x")
    expected = ma.pool_many(frame, by=["review", "analysis"])
    many = ma.pool_many(convert(frame), by=["review", "analysis"])
    assert many.keys == expected.keys
    for answer in (many.to_frame(), many.back_transformed(), many.failed, many.excluded):
        assert type(answer).__module__.partition(".")[0] == kind
    found = nw.from_native(many.to_frame()).to_pandas()
    assert list(found.columns) == ["review", "analysis", *USUAL, "status", "iterations"]
    # DuckDB promises no order of rows.
    by = ["review", "analysis"]
    pd.testing.assert_frame_equal(
        found.sort_values(by, ignore_index=True), expected.to_frame().sort_values(by, ignore_index=True), check_dtype=False,
        rtol=1e-13,
    )  # fmt: skip
    key = many.keys[3]
    assert_allclose(many[key].estimate, many.estimate[3], rtol=1e-13)


@pytest.mark.parametrize("convert", [as_polars, as_arrow, lambda frame: frame])
@pytest.mark.parametrize("keys", [
    pd.Series(["b", "a", "b", "c"], dtype="category"), pd.Series(["b", "a", "b", "c"], dtype=object), pd.Series([2, 1, 2, 3]),
    pd.Series(pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-02", "2020-01-03"])), pd.Series([True, False, True, True]),
    pd.Series([0.5, -1.0, 0.5, 2.0]), pd.Series([2, 1, 2, 3], dtype="Int64"), pd.Series(["b", "a", "b", "c"]),
])  # fmt: skip
def test_keys_of_any_type(convert, keys):
    frame = convert(pd.DataFrame({"key": keys, "y": [1.0, 2.0, 3.0, 4.0], "v": 1.0}))
    many = ma.pool_many(frame, by="key", columns=["k", "estimate"], model="common")
    assert list(many.keys) == keys.drop_duplicates().tolist()
    assert many.k.tolist() == keys.groupby(keys, sort=False, observed=True).size().tolist()
    assert many[keys[1]].estimate == 2.0
    assert nw.from_native(many.to_frame()).schema["key"] == nw.from_native(frame).schema["key"]


def test_keys_that_are_lists_and_structures():
    import polars as pl

    frame = pl.DataFrame({"key": [{"a": 1}, {"a": 2}, {"a": 1}], "y": [1.0, 2.0, 3.0], "v": [1.0] * 3})
    with pytest.raises(ma.DataError, match="the key 'key' can't tell meta-analyses apart"):
        ma.pool_many(frame, by="key")


def test_arrays_with_keys_offsets_and_blocks():
    frame = studies(sizes=(3, 3, 3, 3)).sort_values("review", kind="stable", ignore_index=True)
    y, v = frame.y.to_numpy(), frame.v.to_numpy()
    expected = ma.pool_many(frame, by="review").to_frame().drop(columns="review")
    second = np.arange(12) // 3 % 2
    both = (("g0", 0), ("g1", 1), ("g2", 0), ("g3", 1))
    for many, names, keys in (
        (ma.pool_many((y, v), by=frame.review.to_numpy()), ("key",), ("g0", "g1", "g2", "g3")),
        (ma.pool_many(y=y, v=v, by=frame.review), ("review",), ("g0", "g1", "g2", "g3")),
        (ma.pool_many(y=y, se=np.sqrt(v), by=[frame.review.to_numpy(), second]), ("key1", "key2"), both),
        (ma.pool_many(y=list(y), v=list(v), by={"a": list(frame.review), "b": second}), ("a", "b"), both),
        (ma.pool_many((y, v), offsets=[0, 3, 6, 9, 12]), ("group",), (0, 1, 2, 3)),
        (ma.pool_many((y, v), offsets=[0, 3, 6, 9, 12], by=list("abcd")), ("key",), tuple("abcd")),
        (ma.pool_many((y.reshape(4, 3), v.reshape(4, 3))), ("group",), (0, 1, 2, 3)),
        (ma.pool_many(y=y.reshape(4, 3), v=v.reshape(4, 3), by=list("abcd")), ("key",), tuple("abcd")),
    ):  # fmt: skip
        assert many.names == names
        assert many.keys == keys
        numbers = many.to_frame().drop(columns=list(names))
        pd.testing.assert_frame_equal(numbers, expected, rtol=1e-12)
        assert_allclose(many[keys[2]].estimate, expected.estimate[2], rtol=1e-13)


def test_a_block_with_holes_and_an_empty_group():
    y = np.array([[0.1, np.nan, 0.4], [np.nan, np.nan, np.nan], [0.3, 0.2, 0.9]])
    v = np.array([[0.1, 0.1, 0.2], [0.1, 0.2, 0.3], [0.2, -1.0, 0.2]])
    with pytest.warns(ExcludedStudiesWarning, match=r"1 of 5 studies left out \(row 8: v \(-1\) is not a positive"):
        many = ma.pool_many((y, v), tau2="DL")
    assert many.k.tolist() == [2, 0, 2]
    assert_allclose(many.estimate[0], ma.pool([0.1, 0.4], [0.1, 0.2], tau2="DL").estimate, rtol=1e-13)
    assert_allclose(many[2].estimate, many.estimate[2], rtol=1e-13)
    assert many.excluded.to_dict("list") == {
        "row": [8],
        "group": [2],
        "reason": ["v (-1) is not a positive sampling variance"],
    }
    assert many.failed.to_dict("list") == {"group": [1], "k": [0], "status": ["no study is left"]}


def test_effects_that_were_made_before():
    effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")
    bcg = ma.load_dataset("bcg")
    for by, names in (("alloc", ("alloc",)), (["alloc"], ("alloc",)), (bcg["alloc"].to_numpy(), ("key",))):
        many = ma.pool_many(effects, by=by)
        assert many.names == names
        assert many.measure == "RR"
        apart = ma.subgroups(effects, by="alloc").groups
        assert_allclose(many.estimate, [apart[key].estimate for key in many], rtol=1e-12)
        assert many["random"].effects.label[0] == bcg.loc[bcg["alloc"] == "random", "author"].iloc[0]
    back = ma.pool_many(effects, by="alloc").back_transformed()
    assert_allclose(back.estimate, np.exp(many.estimate), rtol=1e-15)


def test_effects_by_a_column_of_numbers_keep_to_the_studies_that_are_left():
    table = {"review": [7, 3, 7, 7, 3], "y": [0.1, 0.2, np.nan, 0.5, 0.4], "v": [1.0, 1.0, 1.0, 1.0, 1.0]}
    for frame in (pd.DataFrame(table, index=list("abcde")), pd.DataFrame(table).astype({"review": str})):
        with pytest.warns(ExcludedStudiesWarning):
            effects = ma.effect_sizes(frame, "GEN")
        many = ma.pool_many(effects, by="review", model="common", columns=["estimate", "k"])
        assert list(map(int, many.keys)) == [7, 3]
        assert many.k.tolist() == [2, 2]
        assert_allclose(many.estimate, [0.3, 0.3], rtol=1e-15)
        assert many.studies.label == ("Study 1", "Study 4", "Study 2", "Study 5")


# --- Effect sizes of a whole table --------------------------------------------------------------------------------


def counts(seed=5, groups=30):
    random = np.random.default_rng(seed)
    n = groups * 6
    n1, n2 = random.integers(5, 60, n), random.integers(5, 60, n)
    events1, events2 = random.binomial(n1, 0.15), random.binomial(n2, 0.2)
    return pd.DataFrame(
        {"review": random.integers(0, groups, n), "tpos": events1, "n1": n1, "events2": events2, "n2": n2}
    )


@pytest.mark.parametrize("measure", ["RR", "OR", "RD"])
@pytest.mark.parametrize("convention", ["metafor", "meta", "revman5"])
@pytest.mark.parametrize(
    "options",
    [{}, {"method": "mantel-haenszel"}, {"method": "mantel-haenszel", "model": "random"}, {"method": "peto"}],
)
def test_counts_in_one_call(measure, convention, options):
    frame = counts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        many = ma.pool_many(frame, by="review", measure=measure, events1="tpos", convention=convention, columns=EVERY,
                            engine="numpy" if not options else None, **options)  # fmt: skip
        for key, part in frame.groupby("review"):
            try:
                effects = ma.effect_sizes(part, measure, events1="tpos", convention=convention)
                fit = ma.pool(effects, **options)
            except ma.DataError:
                assert np.isnan(many.estimate[many.keys.index(key)])
                assert many.status[many.keys.index(key)].startswith(("no study is left", "not defined"))
                continue
            assert_same_as_pool(many, key, fit)
            assert_allclose(many[key].estimate, fit.estimate, rtol=1e-13)


def test_what_depends_on_the_other_studies_depends_on_those_of_the_group():
    frame = counts(groups=4)
    frame.loc[frame.review == 2, ["tpos", "events2"]] += 1
    options = {"events1": "tpos", "to": "if0all"}
    many = ma.pool_many(frame, by="review", measure="OR", **options)
    for key, part in frame.groupby("review"):
        assert_allclose(
            many.estimate[many.keys.index(key)], ma.pool(ma.effect_sizes(part, "OR", **options)).estimate, rtol=1e-12
        )


def test_impossible_rows_are_left_out_and_the_others_stay():
    frame = counts(groups=3)
    frame.loc[4, "tpos"] = frame.loc[4, "n1"] + 2
    frame.loc[9, "events2"] = -1
    with pytest.warns(ExcludedStudiesWarning, match="2 of 18 studies left out"):
        many = ma.pool_many(frame, by="review", measure="OR", events1="tpos")
    rows = many.excluded
    assert rows.row.tolist() == [5, 10]
    assert rows.review.tolist() == frame.review[[4, 9]].tolist()
    assert rows.reason[0] == f"tpos ({frame.tpos[4]}) exceeds n1 ({frame.n1[4]})"
    assert rows.reason[1] == "events2 (-1) is negative"
    good = frame.drop(index=[4, 9])
    for key, part in good.groupby("review"):
        fit = ma.pool(ma.effect_sizes(part, "OR", events1="tpos"))
        assert_allclose(many.estimate[many.keys.index(key)], fit.estimate, rtol=1e-12)


def test_given_estimates_of_every_kind():
    frame = studies(sizes=(3, 4))
    expected = ma.pool_many(frame, by="review").to_frame()
    half = 1.959963984540054 * np.sqrt(frame.v)
    others = pd.DataFrame({"review": frame.review, "b": frame.y, "w": frame.v, "s": np.sqrt(frame.v), "low": frame.y - half, "high":
                           frame.y + half, "ratio": np.exp(frame.y)})  # fmt: skip
    for names in ({"y": "b", "v": "w"}, {"y": "b", "se": "s"}, {"y": "b", "ci_low": "low", "ci_high": "high"}):
        found = ma.pool_many(others, by="review", **names).to_frame()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    ratios = others.assign(low=np.exp(others.low), high=np.exp(others.high))
    found = ma.pool_many(ratios, by="review", measure="HR", estimate="ratio", ci_low="low", ci_high="high").to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


@pytest.mark.parametrize("names, note", [
    ({"y": "BETA", "se": "SE"}, "y is BETA, and SE its standard error"),
    ({"y": "b", "se": "se"}, "y is b, and se its standard error"),
    ({"y": "Effect", "se": "StdErr"}, "y is Effect, and StdErr its standard error"),
    ({"or": "OR", "se": "SE"}, "y is ln(OR), and SE its standard error"),
    ({"or": "OR", "se": "LOG(OR)_SE"}, "y is ln(OR), and LOG(OR)_SE its standard error"),
    ({"y": "BETA", "p": "P"}, "y is BETA; its standard error is that of a normal test with the p-value P"),
    ({"or": "OR", "p": "P-value"}, "y is ln(OR); its standard error is that of a normal test with the p-value P-value"),
])  # fmt: skip
def test_names_of_genomics_are_understood(names, note):
    from scipy import special

    frame = studies(sizes=(3, 4, 2))
    p = 2.0 * special.ndtr(-np.abs(frame.y) / np.sqrt(frame.v))
    values = {"y": frame.y, "or": np.exp(frame.y), "se": np.sqrt(frame.v), "p": p}
    table = pd.DataFrame({"SNP": frame.review, **{name: values[role] for role, name in names.items()}})
    many = ma.pool_many(table, by="SNP")
    assert many.notes == (note,)
    assert many.measure == ("OR" if "or" in names else "GEN")
    expected = ma.pool_many(frame, by="review")
    assert_allclose(many.estimate, expected.estimate, rtol=1e-10)
    assert_allclose(many["g1"].se, expected["g1"].se, rtol=1e-10)


def test_our_own_names_come_before_those_of_genomics():
    frame = studies(sizes=(3, 4)).assign(BETA=9.0, SE=1.0)
    many = ma.pool_many(frame, by="review")
    assert not many.notes
    assert_allclose(many.estimate, ma.pool_many(frame.drop(columns=["BETA", "SE"]), by="review").estimate)


def test_an_effect_without_a_standard_error_of_its_own_is_not_guessed():
    table = pd.DataFrame({"id": ["a", "a"], "effect": [1.1, 1.2], "p": [0.1, 0.2]})
    with pytest.raises(ma.DataError, match="needs given estimates"):
        ma.pool_many(table, by="id")


# --- Bad input ----------------------------------------------------------------------------------------------------


def test_one_bad_group_harms_no_other():
    frame = studies()
    bad = frame.copy()
    at = {key: bad.index[bad.review == key] for key in ("g0", "g3", "g7", "g4")}
    bad.loc[at["g0"], "v"] = [np.nan, np.inf, -1.0, 0.0]
    bad.loc[at["g3"][0], "y"] = np.inf
    bad.loc[at["g7"][:2], "y"] = np.nan
    bad.loc[at["g4"], "y"] = 1e200
    with pytest.warns(ExcludedStudiesWarning, match="8 of 137 studies left out") as caught:
        many = ma.pool_many(bad, by="review", columns=EVERY)
    assert caught[0].filename == __file__
    expected = ma.pool_many(frame, by="review", columns=EVERY)
    touched = np.isin(many.keys, list(at))
    for name in EVERY:
        assert_allclose(
            many.columns[name][~touched], expected.columns[name][~touched], rtol=1e-12, atol=1e-15, err_msg=name
        )
    assert dict(zip(many.failed.review, many.failed.status, strict=True)) == {
        "g0": "no study is left",
        "g4": "no study is left",
    }
    assert np.isnan(many.estimate[many.keys.index("g0")])
    reasons = many.excluded.set_index("row").reason
    assert reasons[at["g0"][0] + 1] == "v is missing"
    assert reasons[at["g0"][1] + 1] == "v (inf) is infinite"
    assert reasons[at["g0"][2] + 1] == "v (-1) is not a positive sampling variance"
    assert reasons[at["g4"][0] + 1] == "its effect size is too large to compute with"
    kept = frame[frame.review == "g7"].drop(index=at["g7"][:2])
    assert_same_as_pool(many, "g7", ma.pool(kept.y.to_numpy(), kept.v.to_numpy()))
    assert many["g7"].k == 38
    with pytest.raises(ma.DataError, match="no study of this group is left: 4 were left out, the first because"):
        many["g0"]


def test_missing_keys_are_refused():
    frame = studies()
    frame.loc[[6, 8], "review"] = None
    with pytest.raises(ma.DataError, match=r"the key 'review' is missing in row 7.*1 more rows"):
        ma.pool_many(frame, by="review")
    numbers = frame.assign(review=np.where(frame.index == 3, np.nan, 1.0))
    for convert in (lambda f: f, as_polars, as_arrow):
        with pytest.raises(ma.DataError, match="the key 'review' is missing in row 4"):
            ma.pool_many(convert(numbers), by="review")


def test_rows_said_to_be_sorted_are_held_to_it():
    frame = pd.DataFrame({"snp": ["b", "b", "a", "a", "b"], "chip": [1, 1, 2, 2, 1], "y": 1.0, "v": 1.0})
    with pytest.raises(ma.DataError, match=r"said to be sorted, and snp = 'b', chip = 1 comes back in row 5"):
        ma.pool_many(frame, by=["snp", "chip"], sorted=True)
    assert list(ma.pool_many(frame[:4], by=["snp", "chip"], sorted=True)) == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("call, message", [
    (lambda f: ma.pool_many(f), "by names the column"),
    (lambda f: ma.pool_many(f, by="reviews"), "there is no column 'reviews' for by. Did you mean 'review'"),
    (lambda f: ma.pool_many(f, by=["review", "review"]), "twice"),
    (lambda f: ma.pool_many(f, by=3), "by names the column"),
    (lambda f: ma.pool_many(f[:0], by="review"), "has no rows"),
    (lambda f: ma.pool_many(f.rename(columns={"review": "k"}), by="k"), "rename it first"),
    (lambda f: ma.pool_many((f.y, f.v)), "one key a study"),
    (lambda f: ma.pool_many((f.y, f.v), by=["a", "b"]), "2 values"),
    (lambda f: ma.pool_many((f.y, f.v[:-1]), by=f.review), "shape"),
    (lambda f: ma.pool_many((f.y, f.v), by="review"), "only where a table is given"),
    (lambda f: ma.pool_many(f.y, by="review"), "one array alone"),
    (lambda f: ma.pool_many(y="y", v="v", by="review"), "only where a table is given"),
    (lambda f: ma.pool_many((f.y, f.v), offsets=[0, 5]), "from 0 to 5"),
    (lambda f: ma.pool_many((f.y, f.v), offsets=[0, 9, 3, len(f)]), "offsets fall from 9 to 3"),
    (lambda f: ma.pool_many((f.y, f.v), offsets=[0.0, len(f)]), "whole numbers"),
    (lambda f: ma.pool_many((f.y, f.v), offsets=[0, 3, len(f)], by=["a", "a"]), "same key"),
    (lambda f: ma.pool_many((np.empty((0, 3)), np.empty((0, 3)))), "no group"),
    (lambda f: ma.pool_many((np.empty(0), np.empty(0)), by=[]), "no group"),
    (lambda f: ma.pool_many(f, by="review", offsets=[0, 1]), "leave offsets out"),
    (lambda f: ma.pool_many(f, by="review", method="mantel-haenszel"), "pools the counts themselves"),
    (lambda f: ma.pool_many(f.assign(y="x"), by="review"), "is not a number"),
    (lambda f: ma.pool_many(object(), by="review"), "a table of studies was expected"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, message):
    with pytest.raises(ma.DataError, match=message.replace("(", r"\(")):
        call(studies())


@pytest.mark.parametrize("options, message", [
    ({"columns": ["estimat"]}, "Did you mean 'estimate'"),
    ({"columns": "estimate"}, "give a list"),
    ({"columns": ["status"]}, "always there"),
    ({"tau2": "REMLX"}, "is not a choice"),
    ({"tau2": "GENQ"}, "needs fixed weights"),
    ({"tau2_weights": "v"}, "belong to tau2='GENQ' alone"),
    ({"method": "glmm"}, "use pool"),
    ({"engine": "fortran"}, "engine='fortran' is not a choice"),
    ({"starts": "two"}, "starts='two' is not a choice"),
    ({"workers": 0}, "workers=0"),
    ({"tau": "DL"}, "pool_many has no keyword 'tau'"),
    ({"level": 95}, "Did you mean 0.95"),
])  # fmt: skip
def test_options_are_checked(options, message):
    with pytest.raises(ma.OptionError, match=message):
        ma.pool_many(studies(), by="review", **options)


def test_an_unknown_group_and_an_unknown_number():
    many = ma.pool_many(studies(), by="review", columns=["estimate"])
    with pytest.raises(KeyError, match=r"there is no group 'g33' by review. Did you mean"):
        many["g33"]
    with pytest.raises(AttributeError, match="this result has no 'tau2'"):
        many.tau2  # noqa: B018
    with pytest.raises(ValueError, match="read-only"):
        many.estimate[0] = 1.0


def test_nothing_that_was_given_is_changed():
    frame = studies()
    before = frame.copy()
    ma.pool_many(frame, by="review")
    frame.loc[0, "y"] += 1
    frame.loc[0, "y"] -= 1
    pd.testing.assert_frame_equal(frame, before)
    y, v, keys = frame.y.to_numpy().copy(), frame.v.to_numpy().copy(), frame.review.to_numpy()
    many = ma.pool_many((y, v), by=keys)
    y[:] = 0.0
    assert_allclose(many["g3"].estimate, many.estimate[many.keys.index("g3")], rtol=1e-13)


# --- What results say ---------------------------------------------------------------------------------------------


def test_status_in_words():
    frame = pd.DataFrame({"g": [1, 1, 2, 3, 3, 3], "y": [0.1, 0.1, 0.5, 0.0, 2.0, 4.0], "v": 0.1})
    many = ma.pool_many(frame, by="g")
    assert many.status == ["converged at the boundary, 0", "k = 1: the result is that of the one study", "converged"]
    assert many.iterations[2] > 0
    assert many.failed.empty
    assert ma.pool_many(frame, by="g", model="common").status == ["converged"] * 3


def test_a_group_that_does_not_converge_is_nan_with_its_status():
    def fails(y, v, X):
        return np.where(y.max(axis=-1) > 3, np.nan, 0.1)

    frame = pd.DataFrame({"g": [1, 1, 2, 3, 3, 3], "y": [0.1, 0.1, 0.5, 0.0, 2.0, 4.0], "v": 0.1})
    many = ma.pool_many(frame, by="g", tau2=fails)
    assert many.failed.to_dict("list") == {"g": [3], "k": [3], "status": ["the iterations did not converge"]}
    assert np.isnan(many.estimate).tolist() == [False, False, True]
    with pytest.raises(ma.ConvergenceError):
        many[3]


def test_the_summary():
    with pytest.warns(ExcludedStudiesWarning):
        many = ma.pool_many(
            studies().assign(v=lambda f: np.where(f.review == "g4", 0.0, f.v)), by="review", measure="OR"
        )
    text = str(many)
    assert text.startswith("18 meta-analyses by review: log odds ratio\n")
    assert "137 studies" not in text
    assert "136 studies, 0 to 40 a group" in text
    assert "tau2 by restricted maximum likelihood" in text
    assert "Without an answer: 1; the first is 'g4' (no study is left)" in text
    assert "Studies left out: 1" in text
    assert "… and 8 more" in text
    assert repr(many) == "<PooledMany: 18 groups by review; log odds ratio; 1 without an answer; 1 studies left out>"


def test_the_way_back_by_sizes_is_group_by_group():
    frame = pd.DataFrame({"g": [1, 1, 2, 2], "events": [3, 5, 6, 9], "n": [30, 40, 50, 70]})
    many = ma.pool_many(frame, by="g", measure="PFT")
    with pytest.raises(ma.OptionError, match="group by group"):
        many.back_transformed()
    assert 0.05 < many[1].back_transformed().estimate < 0.2


# --- Blocks and engines -------------------------------------------------------------------------------------------


def test_one_large_group_among_small_ones():
    random = np.random.default_rng(6)
    sizes = np.array([3, 200_000, 2, 5])
    v = random.uniform(0.1, 1.0, sizes.sum())
    y = random.normal(0.0, np.sqrt(v + 0.2))
    many = ma.pool_many(
        (y, v), offsets=np.append(0, np.cumsum(sizes)), columns=["estimate", "tau2", "q"], engine="numpy"
    )
    expected = ma.pool(y[3:200_003], v[3:200_003])
    assert_allclose(
        [many.estimate[1], many.tau2[1], many.q[1]], [expected.estimate, expected.tau2, expected.q], rtol=1e-11
    )
    assert_allclose(many.tau2[3], ma.pool(y[-5:], v[-5:]).tau2, rtol=1e-12)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_blocks_on_threads_are_put_back_in_order(workers, monkeypatch):
    monkeypatch.setattr(blocks, "ELEMENTS", 40)
    monkeypatch.setattr(blocks, "FILLED_AT_MOST", 12)
    random = np.random.default_rng(7)
    sizes = random.integers(0, 9, 300)
    v = random.uniform(0.1, 1.0, sizes.sum())
    y = random.normal(0.0, np.sqrt(v + 0.2))
    offsets = np.append(0, np.cumsum(sizes))
    done = []
    wanted = frozenset(["estimate", "k"])
    given = Ragged(y, v, offsets)
    found = numpy_engine.compute(given, PoolOptions(tau2="DL"), wanted, workers=workers, advance=done.append)
    assert sum(done) == sizes.sum()
    assert_array_equal(found["k"], sizes)
    assert_array_equal(np.isnan(found["estimate"]), sizes == 0)
    for group in np.flatnonzero(sizes)[:40]:
        part = slice(offsets[group], offsets[group + 1])
        assert_allclose(found["estimate"][group], ma.pool(y[part], v[part], tau2="DL").estimate, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("fill", [True, False])
def test_classes_of_sizes_hold_each_group_once(fill):
    random = np.random.default_rng(8)
    for top, n in ((1, 5), (60, 500), (300, 200), (70_000, 3)):
        sizes = random.integers(0, top + 1, n)
        order, classes = blocks.size_classes(sizes, fill)
        every = np.concatenate([np.empty(0, dtype=int), *(one.groups for one in classes)])
        assert_array_equal(np.sort(every), np.flatnonzero(sizes))
        for one in classes:
            assert sizes[one.groups].max() == one.length
            assert (one.length - sizes[one.groups]).sum() <= (blocks.FILLED_AT_MOST if fill else 0)
            assert one.filled == bool((sizes[one.groups] < one.length).any())
            assert_array_equal(order[one.first : one.first + one.groups.size], one.groups)
            parts = list(blocks.pieces(one, 40))
            assert_array_equal(np.concatenate([part.groups for part in parts]), one.groups)
            assert all(order[part.first] == part.groups[0] for part in parts)


def test_groups_without_a_study_keep_what_was_there():
    sizes = np.tile([3, 0, 5, 2, 0, 4], 40)
    offsets = np.append(0, np.cumsum(sizes))
    rows = np.arange(offsets[-1], dtype=float)
    into = {"first": np.full(sizes.size, -7.0), "never": np.arange(240.0)}

    def first(block):
        return {"first": block.arrays["y"][0]}

    for workers in (1, 2):
        blocks.over_blocks({"y": rows, "v": rows}, offsets, first, into, workers)
        assert_array_equal(into["first"], np.where(sizes == 0, -7.0, offsets[:-1]))
        assert_array_equal(into["never"], np.arange(240.0))


def test_an_error_in_a_block_comes_out():
    def wrong(y, v, X):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        ma.pool_many(studies(), by="review", tau2=wrong)


def test_a_solver_that_raises_costs_its_own_group_alone(monkeypatch):
    from metaanalysis.formulas import mean_intervals
    from metaanalysis.registry import Entry, Registry

    real = mean_intervals.henmi_copas

    def raising(y, v, level):
        if (np.isclose(y, 7.0)).any():
            raise ValueError("f(a) and f(b) must have different signs")
        return real(y, v, level)

    entries = {**mean_intervals.MEAN_INTERVALS, "henmi-copas": Entry(raising, "Henmi-Copas")}
    monkeypatch.setattr("metaanalysis.models.numbers.MEAN_INTERVALS", Registry("ci", entries))
    frame = studies(sizes=(3, 3, 3, 4))
    frame.loc[frame.index[frame.review == "g1"][0], "y"] = 7.0
    many = ma.pool_many(frame, by="review", ci="henmi-copas", engine="numpy")
    assert many.failed.review.tolist() == ["g1"]
    assert many.failed.status.tolist() == ["the iterations did not converge"]
    assert np.isfinite(many.ci_low[np.array(many.keys) != "g1"]).all()


def test_reml_from_one_start_is_that_of_the_scan_where_there_is_one_maximum():
    frame = studies()
    for tau2 in ("REML", "ML"):
        scan, one = (
            ma.pool_many(frame, by="review", tau2=tau2, starts=starts, engine="numpy") for starts in ("scan", "one")
        )
        assert_allclose(one.tau2, scan.tau2, rtol=1e-10, atol=1e-13)
        assert one.status == scan.status


def test_reml_by_the_scan_finds_the_higher_of_two_maxima():
    # Two clusters and one very precise study: the restricted likelihood has a maximum at 0 and a higher one far from it.
    y, v = [0.0, 0.001, 4.0, 4.2, -3.9], [1e-6, 1.0, 1.0, 1.0, 1.0]
    scan, one = (ma.pool_many((y, v), by=[1] * 5, starts=starts, engine="numpy") for starts in ("scan", "one"))
    assert scan.tau2[0] == ma.pool(y, v).tau2
    assert scan.tau2[0] > 0
    assert np.isfinite(one.tau2[0])


def test_engines_are_chosen_by_name(monkeypatch):
    monkeypatch.setattr(engines, "numba_engine", lambda: None)
    assert engines.chosen_engine(None, PoolOptions(), frozenset(["estimate"])) == "numpy"
    with pytest.raises(ma.OptionError, match="pip install"):
        engines.chosen_engine("numba", PoolOptions(), frozenset(["estimate"]))
    assert ma.pool_many(studies(), by="review", engine="numpy").engine == "numpy"


def test_compiled_code_is_loaded_for_many_studies_alone(monkeypatch):
    pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'metaanalysis[fast]'")
    y, v, by = np.tile([0.1, 0.4, 0.3], 4), np.full(12, 0.05), np.repeat(np.arange(4), 3)
    assert ma.pool_many((y, v), by=by, tau2="DL").engine == "numpy"
    assert ma.pool_many((y, v), by=by, tau2="DL", engine="numba").engine == "numba"
    monkeypatch.setattr(pooling, "WORTH_COMPILED_ITERATED", 12)
    assert ma.pool_many((y, v), by=by, tau2="REML").engine == "numba"
    assert ma.pool_many((y, v), by=by, model="common").engine == "numpy"
    assert ma.pool_many((y, v), by=by, tau2="DL").engine == "numpy"
    monkeypatch.setattr(pooling, "WORTH_COMPILED", 12)
    assert ma.pool_many((y, v), by=by, tau2="DL").engine == "numba"


def test_grouping_of_many_keys_counts_and_keeps_order():
    random = np.random.default_rng(9)
    keys = random.integers(0, 90_000, 200_000)
    frame = nw.from_native(pd.DataFrame({"key": keys}), eager_only=True)
    found = grouped(frame, ["key"])
    assert_array_equal(keys[found.order], np.repeat(keys[found.first], np.diff(found.offsets)))
    assert (np.diff(found.first) > 0).all()
    inside = np.ones(keys.size - 1, dtype=bool)
    inside[found.offsets[1:-1] - 1] = False
    assert (np.diff(found.order)[inside] > 0).all()


# --- A corpus -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (COCHRANE / "studies.parquet").exists(), reason="the Cochrane corpus is not in ../shared")
def test_a_corpus_of_reviews_in_one_call_a_measure():
    by = ["review", "comparison", "analysis"]
    rows = pd.read_parquet(COCHRANE / "studies.parquet").astype({"review": str})
    known = pd.read_csv(COCHRANE / "analyses.csv")
    rows = rows.merge(known[[*by, "measure", "models"]], on=by).drop(
        columns=["effect", "ci_low", "ci_high", "variance"]
    )
    pooled = 0
    for measure in ("RR", "OR", "RD", "MD", "SMD"):
        part = rows[rows.measure == measure]
        method = "inverse-variance" if measure in ("MD", "SMD") else "mantel-haenszel"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ma.errors.MetaAnalysisWarning if hasattr(ma, "errors") else UserWarning)
            many = ma.pool_many(part, by=by, measure=measure, method=method, model="common", convention="revman5")
            for key in many.keys[::150]:
                fit = many[key]
                place = many.keys.index(key)
                assert_allclose(
                    [many.estimate[place], many.se[place], many.q[place]],
                    [fit.estimate, fit.se, fit.q],
                    rtol=1e-11,
                    atol=1e-13,
                )
        pooled += int(np.isfinite(many.estimate).sum())
    assert pooled > 3000
