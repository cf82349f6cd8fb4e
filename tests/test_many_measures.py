"""A column of measures: every group by its own, with the numbers of one call a measure and of `pool`."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import DataError, DataWarning, ExcludedStudiesWarning, OptionError
from metaanalysis.many import several_measures

COUNTS, MEANS = ("events1", "n1", "events2", "n2"), ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
OF_COUNTS, OF_MEANS, GIVEN = ("RR", "OR", "RD", "PETO"), ("SMD", "MD", "ROM"), ("HR", "GEN")
BY, GIVEN_NAMES = ["review", "analysis"], {"y": "effect", "se": "error"}


def mixed(seed=3, groups=60):
    """A table like an export of reviews: rows of all groups in disorder, each with what its measure is computed from."""
    random = np.random.default_rng(seed)
    measures = random.choice([*OF_COUNTS, *OF_MEANS, *GIVEN], groups)
    sizes = random.integers(1, 9, groups)
    frame = pd.DataFrame(
        {
            "review": np.repeat([f"CD{g // 4}" for g in range(groups)], sizes),
            "analysis": np.repeat(np.arange(groups), sizes),
            "measure": np.repeat(measures, sizes),
            "study": [f"s{i}" for i in range(sizes.sum())],
        }
    )
    n = len(frame)
    n1, n2 = random.integers(10, 80, (2, n)).astype(float)
    numbers = {
        "n1": n1, "n2": n2,
        "events1": random.binomial(n1.astype(int), 0.2), "events2": random.binomial(n2.astype(int), 0.3),
        "mean1": random.normal(10, 2, n), "sd1": random.uniform(1, 4, n),
        "mean2": random.normal(11, 2, n), "sd2": random.uniform(1, 4, n),
        "effect": random.normal(0, 1, n), "error": random.uniform(0.1, 0.5, n),
    }  # fmt: skip
    for name, values in numbers.items():
        mine = set(OF_COUNTS if name in COUNTS else ()) | set(OF_MEANS if name in MEANS else ())
        frame[name] = np.where(frame["measure"].isin(mine or GIVEN), np.asarray(values, dtype=float), np.nan)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def pooled(frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        return ma.pool_many(frame, by=BY, measure="measure", **GIVEN_NAMES, **options)


def named(measure):
    """The keywords of one call for one measure."""
    return GIVEN_NAMES if measure in GIVEN else {}


def as_pandas(frame):
    return frame.to_pandas() if hasattr(frame, "to_pandas") else frame


@pytest.mark.parametrize("convention", ["metafor", "revman5"])
def test_each_group_is_pooled_as_by_one_call_of_its_measure(convention):
    frame = mixed()
    many = pooled(frame, convention=convention)
    table = many.to_frame()
    assert list(table.columns[:3]) == ["review", "analysis", "measure"]
    assert set(table["measure"]) == {*OF_COUNTS, *OF_MEANS, *GIVEN}
    for measure, mine in table.groupby("measure"):
        rows = frame[frame["measure"] == measure]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            alone = ma.pool_many(rows, by=BY, measure=measure, convention=convention, **named(measure)).to_frame()
        pd.testing.assert_frame_equal(
            mine.drop(columns="measure").reset_index(drop=True), alone, rtol=1e-12, atol=1e-13, check_exact=False
        )


def test_each_group_is_pooled_as_by_pool():
    frame = mixed(seed=8)
    many = pooled(frame)
    for (review, analysis), measure, estimate, k in zip(many.keys, many.measures, many.estimate, many.k, strict=True):
        rows = frame[(frame["review"] == review) & (frame["analysis"] == analysis)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            fit = ma.pool(ma.effect_sizes(rows, measure, **named(measure)))
            one = many[review, analysis]
        assert (one.measure, one.k) == (measure, k) == (fit.measure, fit.k)
        assert list(one.effects.label) == list(fit.effects.label)
        assert_allclose([estimate, one.estimate], fit.estimate, rtol=1e-12, atol=1e-13)
        assert_allclose(one.back_transformed().estimate, fit.back_transformed().estimate, rtol=1e-12)


@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow", "categorical", "dask", "parquet"])
def test_whatever_the_data_come_in(kind, tmp_path):
    frame = mixed(seed=5)
    expected = pooled(frame, tau2="DL").to_frame()
    table = pl.from_pandas(frame)
    if kind == "dask":
        dask_frame = pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=3)
        answer = pooled(dask_frame, tau2="DL").compute()
    elif kind == "parquet":
        table.write_parquet(tmp_path / "rows.parquet")
        options = {"by": BY, "measure": "measure", "tau2": "DL", "progress": False, **GIVEN_NAMES}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            done = ma.pool_parquet(tmp_path / "rows.parquet", tmp_path / "pooled.parquet", **options)
        assert done.partitioned
        answer = pd.read_parquet(done.target)
    else:
        data = {"polars": table, "lazy": table.lazy(), "arrow": table.to_arrow()}.get(
            kind, frame.assign(measure=frame["measure"].astype("category"))
        )
        answer = as_pandas(pooled(data, tau2="DL").to_frame())
    answer = answer.set_index(BY).loc[list(zip(*(expected[name] for name in BY), strict=True))].reset_index()
    assert answer["measure"].tolist() == expected["measure"].tolist()
    assert answer["status"].tolist() == expected["status"].tolist()
    names = [name for name in expected.columns if name not in (*BY, "measure", "status")]
    assert_allclose(answer[names].to_numpy(float), expected[names].to_numpy(float), rtol=1e-12, atol=1e-13)


def test_rows_without_a_measure_are_left_out_and_harm_no_other_group():
    frame = mixed(seed=2, groups=12).sort_values("analysis").reset_index(drop=True)
    before = pooled(frame)
    first = frame.index[frame["analysis"] == 0]
    frame["measure"] = frame["measure"].astype(object)
    frame.loc[first, "measure"] = None
    frame.loc[first[0], "measure"] = "Risk of bias"
    with pytest.warns(ExcludedStudiesWarning, match=r"measure \('Risk of bias'\) is not a measure"):
        many = ma.pool_many(frame, by=BY, measure="measure", **GIVEN_NAMES)
    assert many.measures[0] is None
    assert many.status[0] == "no study is left"
    assert many.failed["analysis"].tolist() == [0]
    assert np.isnan(many.estimate[0])
    assert_allclose(many.estimate[1:], before.estimate[1:], rtol=0)
    reasons = many.excluded.set_index("row")["reason"]
    assert reasons[first[0] + 1] == "measure ('Risk of bias') is not a measure"
    assert all(reasons[row + 1] == "measure is missing" for row in first[1:])
    with pytest.raises(DataError, match="no study of this group is left"):
        many[many.keys[0]]


def test_a_bad_row_is_named_by_its_place_in_the_table():
    frame = mixed(seed=4, groups=20)
    row = int(np.flatnonzero(frame["measure"] == "OR")[-1])
    frame.loc[row, "events1"] = frame.loc[row, "n1"] + 1
    other = int(np.flatnonzero(frame["measure"] == "SMD")[0])
    frame.loc[other, "sd1"] = -1.0
    nameless = int(np.flatnonzero(frame["measure"] == "HR")[0])
    frame.loc[nameless, "measure"] = None
    reasons = pooled(frame).excluded.set_index("row")["reason"]
    assert reasons[row + 1].startswith("events1 (")
    assert reasons[other + 1].startswith("sd1 (-1)")
    assert reasons[nameless + 1] == "measure is missing"
    frame.loc[row, "events1"] = 1.5
    with pytest.warns(DataWarning, match=rf"in study '{frame.loc[row, 'study']}' \(row {row + 1}\)"):
        pooled(frame)


def test_a_group_of_two_measures_is_refused_by_its_name():
    frame = mixed(seed=2, groups=12)
    sizes = frame.groupby("analysis").size()
    analysis = int(sizes.index[sizes > 2][0])
    rows = frame.index[frame["analysis"] == analysis]
    have = frame.loc[rows[0], "measure"]
    frame.loc[rows[1], "measure"] = "COR"
    frame[["r", "n"]] = 0.5, 20
    with pytest.raises(
        DataError, match=rf"analysis = {analysis} has studies of more than one measure, .*{have}.*among the keys"
    ):
        pooled(frame)
    apart = ma.pool_many(frame, by=[*BY, "measure"], measure="measure", **GIVEN_NAMES)
    assert len(apart) == frame.groupby([*BY, "measure"]).ngroups
    assert list(apart.to_frame().columns).count("measure") == 1


def test_a_column_of_something_else_is_refused():
    frame = mixed().assign(snp=lambda d: [f"rs{i}" for i in range(len(d))])
    frame = pd.concat([frame] * 3, ignore_index=True).assign(snp=lambda d: [f"rs{i}" for i in range(len(d))])
    assert len(frame) > several_measures.MOST_VALUES
    with pytest.raises(DataError, match=r"measure='snp' is a column of more than 500 different values, such as 'rs0'"):
        ma.pool_many(frame, by=BY, measure="snp", **GIVEN_NAMES)
    with pytest.raises(OptionError, match="measure='nothing' is not a measure"):
        ma.pool_many(frame, by=BY, measure="nothing", **GIVEN_NAMES)


def test_the_name_of_a_measure_is_that_measure_though_a_column_has_it():
    frame = pd.DataFrame({"snp": ["a", "a", "b"], "OR": [1.2, 1.4, 0.9], "SE": [0.1, 0.2, 0.1]})
    many = ma.pool_many(frame, by="snp", measure="OR")
    assert many.measure == "OR"
    assert not many.measures
    assert_allclose(many.estimate[1], np.log(0.9))


def test_what_a_column_holds_in_other_rows_does_not_matter():
    frame = mixed(seed=6)
    expected = pooled(frame)
    for name in ("mean1", "sd1", "effect"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "not applicable")
    assert_allclose(pooled(frame).estimate, expected.estimate, rtol=0)


def test_a_word_among_the_numbers_is_named_by_its_place_in_the_table():
    frame = mixed(seed=6)
    row = int(np.flatnonzero(frame["measure"] == "SMD")[2])
    frame["mean1"] = frame["mean1"].astype(object)
    frame.loc[row, "mean1"] = "see text"
    with pytest.raises(
        DataError, match=rf"mean1 \('see text'\) in study '{frame.loc[row, 'study']}' \(row {row + 1}\)"
    ):
        pooled(frame)


def test_ratios_are_taken_as_published_where_the_estimate_is_mapped():
    """An umbrella review: the same columns hold hazard ratios with their limits, and mean differences with theirs."""
    frame = pd.DataFrame(
        {
            "review": ["a", "a", "b", "b"], "measure": ["HR", "HR", "MD", "MD"],
            "value": [0.8, 0.7, -1.5, 0.5], "low": [0.6, 0.5, -3.0, -1.0], "high": [1.1, 1.0, 0.0, 2.0],
        }
    )  # fmt: skip
    many = ma.pool_many(
        frame, by="review", measure="measure", estimate="value", y="value", ci_low="low", ci_high="high", tau2="DL"
    )
    alone = ma.pool_many(
        frame[:2], by="review", measure="HR", estimate="value", ci_low="low", ci_high="high", tau2="DL"
    )
    other = ma.pool_many(frame[2:], by="review", measure="MD", y="value", ci_low="low", ci_high="high", tau2="DL")
    assert_allclose(many.estimate, [alone.estimate[0], other.estimate[0]], rtol=1e-14)
    assert -0.4 < many.estimate[0] < -0.2
    back = many.back_transformed()["estimate"]
    assert_allclose(back, [np.exp(alone.estimate[0]), other.estimate[0]], rtol=1e-14)


def test_mantel_haenszel_by_measure():
    frame = mixed(seed=9)
    counts = frame[frame["measure"].isin(["RR", "OR", "RD"])]
    many = pooled(counts, method="mantel-haenszel", convention="revman5")
    for measure in ("RR", "OR", "RD"):
        at = np.flatnonzero(np.array(many.measures) == measure)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            alone = ma.pool_many(
                counts[counts["measure"] == measure],
                by=BY,
                measure=measure,
                method="mantel-haenszel",
                convention="revman5",
            )
        for name in ("estimate", "se", "q", "k", "p_value"):
            assert_allclose(many.columns[name][at], alone.columns[name], rtol=1e-13, err_msg=name)
        assert [many.status[place] for place in at] == alone.status
    with pytest.raises(OptionError, match="not SMD"):
        pooled(frame[frame["measure"].isin(["RR", "SMD"])], method="mantel-haenszel")
    peto = pooled(counts, method="peto", convention="revman5")
    assert set(peto.measures) == {"PETO"}


def test_an_unknown_keyword_is_refused_with_the_measures_columns():
    frame = mixed()
    with pytest.raises(OptionError, match=r"no keyword 'evnts1'.*Did you mean 'events1'"):
        pooled(frame, evnts1="a")
    with pytest.raises(DataError, match="there is no column 'gone' for events1"):
        pooled(frame, events1="gone")
    with pytest.raises(DataError, match="there is no column 'sd2' for sd2"):
        ma.pool_many(frame[frame["measure"].isin(OF_MEANS)].drop(columns="sd2"), by=BY, measure="measure")


def test_the_result_tells_its_measures():
    many = pooled(mixed(seed=7, groups=9))
    assert many.measure == ", ".join(dict.fromkeys(m for m in pooled_order(many) if m))
    text = str(many)
    assert "measure" in text
    for measure in set(many.measures):
        assert measure in text
    again = ma.from_json(ma.to_json(many))
    assert again.measures == many.measures
    assert again.to_frame()["measure"].tolist() == list(many.measures)
    left = ma.leave_one_out_many(many)
    assert "meta-analyses" in str(left)
    rows = left.of(many.keys[0])
    assert len(rows) == many.k[0]


def pooled_order(many):
    """The measures in the order in which the rows name them."""
    order = np.argsort(many.studies.place)
    return [many.measures[group] for group in many.studies.group[order]]


def test_weights_of_the_generalised_q():
    frame = mixed(seed=11).assign(weight=lambda d: np.linspace(1, 2, len(d)))
    many = pooled(frame, tau2="GENQ", tau2_weights="weight")
    rows = frame[frame["measure"] == "SMD"]
    alone = ma.pool_many(rows, by=BY, measure="SMD", tau2="GENQ", tau2_weights="weight")
    at = np.flatnonzero(np.array(many.measures) == "SMD")
    assert_allclose(many.tau2[at], alone.tau2, rtol=1e-12)
    assert_allclose(many[many.keys[int(at[0])]].estimate, many.estimate[at[0]], rtol=1e-12)


def test_a_correction_of_all_cells_looks_at_the_group_alone():
    """``to="if0all"`` adds to every study of a meta-analysis in which one has an empty cell."""
    frame = mixed(seed=13)
    frame.loc[frame.index[frame["measure"] == "OR"][:1], "events1"] = 0.0
    many = pooled(frame, to="if0all")
    rows = frame[frame["measure"] == "OR"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        alone = ma.pool_many(rows, by=BY, measure="OR", to="if0all")
    at = np.flatnonzero(np.array(many.measures) == "OR")
    assert_allclose(many.estimate[at], alone.estimate, rtol=1e-12)
    assert not np.allclose(many.estimate[at], pooled(frame).estimate[at], rtol=1e-6)


def in_parts(measures=("MD", "RR"), groups=100, k=2):
    """A table whose first half is all of one measure, so that parts of it lack the other; counts by another name."""
    n = groups * k
    each = np.repeat(np.arange(groups), k)
    names = np.array(measures)[(each >= groups // 2).astype(int)]
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "g": each, "m": names, "tpos": random.integers(1, 5, n).astype(float), "n1": 20.0, "events2": 4.0, "n2": 20.0,
            "mean1": random.normal(size=n), "sd1": 1.0, "mean2": 0.0, "sd2": 1.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["dask", "parquet", "half"])
def test_a_column_may_be_mapped_that_a_part_of_the_rows_has_no_use_for(kind, tmp_path):
    frame = in_parts()
    options = {"by": "g", "measure": "m", "events1": "tpos", "tau2": "DL"}
    expected = ma.pool_many(frame, **options).to_frame()
    if kind == "dask":
        dd = pytest.importorskip("dask.dataframe")
        found = ma.pool_many(dd.from_pandas(frame.set_index("g"), npartitions=2), **options).compute()
    elif kind == "parquet":
        frame.to_parquet(tmp_path / "in.parquet", row_group_size=40)
        found = pd.read_parquet(ma.pool_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", **options).target)
    else:
        found, expected = ma.pool_many(frame[:100], **options).to_frame(), expected[:50]
    assert_allclose(found["estimate"], expected["estimate"], rtol=1e-12)
    assert found["measure"].tolist() == expected["measure"].tolist()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda x: pl.DataFrame(x).to_arrow()])
def test_a_column_without_any_measure(make):
    data = {"g": [1, 1, 2], "m": [None, None, None], "y": [0.1, 0.2, 0.3], "v": [0.1, 0.1, 0.1]}
    with pytest.warns(ExcludedStudiesWarning, match="3 of 3 studies left out"):
        many = ma.pool_many(make(data), by="g", measure="m")
    assert many.status == ["no study is left"] * 2
    assert many.measures == (None, None)


def test_leading_rows_of_a_file_without_a_measure(tmp_path):
    frame = in_parts()
    frame["m"] = frame["m"].where(frame["g"] >= 80)
    frame.to_parquet(tmp_path / "in.parquet", row_group_size=30)
    with pytest.warns(ExcludedStudiesWarning):
        done = ma.pool_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", by="g", measure="m", events1="tpos")
    assert (done.groups, done.failed) == (100, 80)


@pytest.mark.parametrize("column", [[1, 1, 2], [1.5, np.nan, 2.0]])
def test_a_column_of_numbers_is_refused(column):
    with pytest.raises(DataError, match="measure='m' is a column of"):
        ma.pool_many({"g": [1, 1, 2], "m": column, "y": [0.1, 0.2, 0.3], "v": [0.1] * 3}, by="g", measure="m")


def test_effects_that_are_passed_over_are_told():
    data = {
        "g": [1, 1],
        "m": ["RR", " rr "],
        "events1": [1, 2],
        "n1": 20,
        "events2": [2, 3],
        "n2": 20,
        "lrr": 0.1,
        "se": 0.1,
    }
    many = ma.pool_many(pd.DataFrame(data), by="g", measure="m", y="lrr", se="se")
    assert many.notes == ("RR computed from their data; lrr, se are for the other measures",)
    assert many.measures == ("RR",)


@pytest.mark.parametrize("kind", ["pandas", "lazy", "parquet"])
def test_summary_statistics_among_the_measures(kind, tmp_path):
    frame = pd.DataFrame(
        {"snp": [1, 1, 2, 2], "m": ["GEN", "GEN", "OR", "OR"], "BETA": [0.1, 0.2, 0.3, 0.4], "SE": 0.1}
    )
    if kind == "parquet":
        frame.to_parquet(tmp_path / "in.parquet")
        done = ma.pool_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", by="snp", measure="m")
        estimates = pd.read_parquet(done.target)["estimate"]
    else:
        many = ma.pool_many(pl.from_pandas(frame).lazy() if kind == "lazy" else frame, by="snp", measure="m")
        estimates = many.estimate
        assert many.notes[0] == "GEN: y is BETA, and SE its standard error"
    assert_allclose(estimates, [0.15, 0.35], rtol=1e-12)


def test_options_of_some_measures_alone():
    frame = mixed(seed=15)
    frame = frame[frame["measure"].isin(["SMD", "RR", "OR"])]
    many = pooled(frame, variance="UB", zerocells="none")
    for measure, given in (("SMD", {"variance": "UB"}), ("OR", {"zerocells": "none"})):
        rows = frame[frame["measure"] == measure]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            alone = ma.pool_many(rows, by=BY, measure=measure, **given)
        at = np.flatnonzero(np.array(many.measures) == measure)
        assert_allclose(many.estimate[at], alone.estimate, rtol=1e-12, err_msg=measure)
    with pytest.raises(OptionError, match="variance='nothing'"):
        pooled(frame, variance="nothing")


def test_the_way_back_of_some_groups_takes_their_studies():
    frame = pd.DataFrame(
        {
            "g": [1, 1, 2, 2], "m": ["PFT", "PFT", "RR", "RR"], "events": [3, 4, None, None], "n": [20, 30, None, None],
            "events1": [None, None, 3, 5], "n1": 20, "events2": [None, None, 6, 7], "n2": 20,
        }
    )  # fmt: skip
    many = ma.pool_many(frame, by="g", measure="m", tau2="DL")
    back = many.back_transformed()["estimate"]
    assert np.isnan(back[0])
    assert_allclose(back[1], np.exp(many.estimate[1]))
    assert 0 < many[1].back_transformed().estimate < 1


def test_peto_of_rows_without_a_measure():
    frame = pd.DataFrame(
        {"g": [1, 1, 2], "m": ["OR", None, None], "events1": [3, 5, 4], "n1": 20, "events2": [6, 7, 8], "n2": 20}
    )
    with pytest.warns(ExcludedStudiesWarning, match="2 of 3 studies left out"):
        many = ma.pool_many(frame, by="g", measure="m", method="peto")
    assert many.k.tolist() == [1, 0]
    assert many.measures == ("PETO", None)
