"""What `pool_many` takes for data and keys, and what it says of what it does not take."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.errors import DataError, ExcludedStudiesWarning, OptionError

Y, V = np.array([0.1, 0.2, 99.0, 0.5]), np.array([0.1, 0.1, 0.1, 0.2])
MASK = [False, False, True, False]


def masked(values, mask=MASK):
    return np.ma.masked_array(values, mask=mask)


class TestMasked:
    """What lies under a mask is missing, whichever way it comes."""

    @pytest.mark.parametrize("both", [True, False])
    def test_with_keys(self, both):
        y, v = masked(Y), masked(V) if both else V
        with pytest.warns(ExcludedStudiesWarning, match="1 of 4 studies left out"):
            many = ma.pool_many((y, v), by=[1, 1, 1, 2], tau2="DL")
        assert_array_equal(many.k, [2, 1])
        assert_allclose(many.estimate, [0.15, 0.5])
        assert many.excluded["reason"].tolist() == ["y is missing"]

    def test_with_offsets(self):
        with pytest.warns(ExcludedStudiesWarning):
            many = ma.pool_many(y=masked(Y), v=masked(V), offsets=[0, 3, 4])
        assert_allclose(many.estimate, [0.15, 0.5])

    @pytest.mark.parametrize("which", ["y", "v"])
    def test_in_a_block(self, which):
        y, v = Y.reshape(2, 2), V.reshape(2, 2)
        hidden = masked(y if which == "y" else v, np.reshape(MASK, (2, 2)))
        many = ma.pool_many((hidden, v) if which == "y" else (y, hidden))
        assert_array_equal(many.k, [2, 1])
        assert_allclose(many.estimate, [0.15, 0.5])

    def test_weights(self):
        with pytest.warns(ExcludedStudiesWarning, match="tau2_weights is missing"):
            many = ma.pool_many((Y, V), by=[1, 1, 1, 1], tau2="GENQ", tau2_weights=masked(np.ones(4)))
        assert_array_equal(many.k, [3])

    @pytest.mark.parametrize("keys", [[1, 1, 2, 2], [1.0, 1.0, 2.0, 2.0], ["a", "a", "b", "b"]])
    def test_a_masked_key_is_missing(self, keys):
        with pytest.raises(DataError, match="is missing in row 3"):
            ma.pool_many((Y, V), by=masked(keys))
        assert len(ma.pool_many((Y, V), by=masked(keys, [False] * 4))) == 2


@pytest.mark.parametrize(
    "make",
    [pa.array, lambda x: pa.chunked_array([x[:1], x[1:]]), pl.Series, pd.Series, list, tuple],
    ids=["arrow", "chunked", "polars", "pandas", "list", "tuple"],
)
def test_columns_of_any_make(make):
    many = ma.pool_many((make(Y), make(V)), by=make(np.array([1, 1, 2, 2])), tau2="DL")
    assert_allclose(many.estimate, ma.pool_many((Y, V), by=[1, 1, 2, 2], tau2="DL").estimate, rtol=0)


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, lambda x: pd.DataFrame(x).convert_dtypes(), lambda x: pl.DataFrame(x.tolist(), orient="row")],
    ids=["pandas", "nullable", "polars"],
)
def test_blocks_in_frames(make):
    y = np.array([[0.1, 0.4, 0.2], [0.3, np.nan, 0.9]])
    v = np.array([[0.1, 0.1, 0.2], [0.2, 0.1, 0.1]])
    many = ma.pool_many((make(y), make(v)))
    assert_array_equal(many.k, [3, 2])
    assert_allclose(many.estimate, ma.pool_many((y, v)).estimate, rtol=0)


def test_records():
    rows = [{"g": 1, "y": 0.1, "v": 0.1}, {"g": 1, "y": 0.3, "v": 0.1}]
    assert_allclose(ma.pool_many(rows, by="g").estimate, [0.2])
    table = np.array([(1, 0.1, 0.1), (1, 0.3, 0.1)], dtype=[("g", int), ("y", float), ("v", float)])
    assert_allclose(ma.pool_many(table, by="g").estimate, [0.2])
    assert_allclose(ma.effect_sizes(table, "GEN").y, [0.1, 0.3])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table])
def test_keys_in_a_frame(make):
    keys = make({"review": [1, 1, 2, 2], "analysis": [1, 2, 1, 2]})
    many = ma.pool_many((Y, V), by=keys)
    assert many.names == ("review", "analysis")
    assert many.keys == ((1, 1), (1, 2), (2, 1), (2, 2))


def test_numbers_of_128_bits():
    frame = pl.DataFrame(
        {"g": [2**100, 3, 2**100], "y": [0.1, 0.2, 0.3], "v": [0.1] * 3}, schema_overrides={"g": pl.Int128}
    )
    many = ma.pool_many(frame, by="g")
    assert many.keys == (2**100, 3)
    assert_allclose(many.estimate, [0.2, 0.2])


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: ma.pool_many((Y, V), by=np.ones((4, 2))),
            "the key 'key' has 2 dimensions: give one key in one dimension",
        ),
        (lambda: ma.pool_many((Y, V), offsets=[0, 2, 4], by=[1, 2, 3]), "has 3 values, and there are 2 groups"),
        (
            lambda: ma.pool_many((Y.reshape(2, 2), V.reshape(2, 2)), by=[1, 1, 2, 2]),
            "has 4 values, and there are 2 groups",
        ),
        (lambda: ma.pool_many((Y, V), by=[1, 2]), "has 2 values, and there are 4 studies"),
        (lambda: ma.pool_many(y=Y, v=V, se=V, by=[1] * 4), "v and se were both given"),
        (lambda: ma.pool_many({"g": [1], "y": [1.0], "v": [1.0], "se": [1.0]}, by="g", v="v", se="se"), "both named"),
        (
            lambda: ma.pool_many(([[0.1, "x"], [0.2, 0.3]], [[0.1, 0.1], [0.1, 0.1]])),
            r"^y \('x'\) in row 1, column 2 is not a number",
        ),
        (lambda: ma.pool_many(([[0.1], [0.2, 0.3]], [[0.1], [0.1, 0.1]])), "y holds rows of several lengths"),
        (lambda: ma.pool_many(pd.Series(Y), by="g"), "one array alone can't be pooled"),
        (
            lambda: ma.pool_many(pd.DataFrame([[1, 0.1, 0.1, 3]], columns=["g", "y", "v", "v"]), by="g"),
            "have to be unique, and more than one is called 'v': rename or drop",
        ),
    ],
)
def test_what_it_says(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"engine": "cuda"}, "engine='cuda' is not a choice"),
        ({"engine": "numba"}, "engine='numba' has no kernel"),
        ({"starts": "two"}, "starts='two' is not a choice"),
        ({"sorted": "no"}, "sorted='no' is no answer"),
        ({"workers": 1.5}, "workers=1.5 is not a number of threads"),
    ],
)
def test_options_are_checked_where_counts_are_pooled_too(given, message):
    with pytest.raises(OptionError, match=message):
        ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", method="mantel-haenszel", **given)


def test_threads_may_be_a_number_of_numpys():
    assert len(ma.pool_many((Y, V), by=[1, 1, 2, 2], workers=np.int64(2))) == 2


class TestGenomics:
    """Names of columns in tables of summary statistics, and p-values in the place of standard errors."""

    def test_what_a_p_value_does_not_tell_is_said_of_it(self):
        frame = pd.DataFrame({"SNP": "rs1", "BETA": [0.5, 0.1, 0.1, 0.1, 0.1, 0.0], "P": [0, 0.3, 1, 1.5, np.nan, 0.5]})
        with pytest.warns(
            ExcludedStudiesWarning, match=r"row 1: P \(0\) is too small to tell a standard error: name a column"
        ):
            many = ma.pool_many(frame, by="SNP")
        assert_array_equal(many.k, [1])
        assert many.excluded["row"].tolist() == [1, 3, 4, 5, 6]
        said = many.excluded["reason"].tolist()
        begin = [
            "P (0) is too small",
            "P (1) tells no",
            "P (1.5) is not a prob",
            "P is missing",
            "BETA (0) is no effect",
        ]
        for words, reason in zip(begin, said, strict=True):
            assert reason.startswith(words)

    def test_a_ratio_that_is_none(self):
        frame = pd.DataFrame({"SNP": "rs1", "OR": [-1, 0, np.inf, 1.0, 1.2, np.nan], "P": 0.1})
        with pytest.warns(ExcludedStudiesWarning):
            many = ma.pool_many(frame, by="SNP")
        said = many.excluded["reason"].tolist()
        assert said[:3] == [f"OR ({value}) is not a positive ratio" for value in ("-1", "0", "inf")]
        assert said[3] == "OR (1) is no effect, whose p-value tells no standard error"
        assert said[4] == "OR is missing"

    @pytest.mark.parametrize("name", ["SE", "standard_error", "SEBETA", "StdErr", "std_err"])
    def test_a_standard_error_goes_before_a_p_value(self, name):
        frame = pd.DataFrame({"SNP": "rs1", "beta": [0.1, 0.3], name: [0.1, 0.2], "p_value": [0.3, 0.1]})
        many = ma.pool_many(frame, by="SNP", model="common")
        assert_allclose(many.estimate, [(0.1 / 0.01 + 0.3 / 0.04) / (1 / 0.01 + 1 / 0.04)])
        assert many.notes == (f"y is beta, and {name} its standard error",)

    def test_an_odds_ratio_is_no_risk_ratio(self):
        frame = pd.DataFrame({"SNP": "rs1", "OR": [1.2, 1.3], "SE": [0.1, 0.1]})
        assert ma.pool_many(frame, by="SNP", measure="OR").measure == "OR"
        with pytest.raises(DataError, match="there is no column 'events1'"):
            ma.pool_many(frame, by="SNP", measure="RR")

    def test_which_names_are_understood_is_said(self):
        with pytest.raises(DataError, match=r"Of tables of summary statistics BETA \(or B\) with SE"):
            ma.pool_many({"SNP": ["rs1"], "effct": [0.1], "SE": [0.1]}, by="SNP")


class TestExcluded:
    """The table of studies that were left out."""

    def test_it_names_the_study(self):
        frame = pd.DataFrame(
            {"g": [1, 1, 2], "study": ["Smith", "Jones", None], "y": [0.1, np.nan, 0.3], "v": [0.1, 0.1, -1]}
        )
        with pytest.warns(ExcludedStudiesWarning, match=r"row 2 \('Jones'\): y is missing; row 3 \('Study 3'\)"):
            many = ma.pool_many(frame, by="g")
        assert many.excluded["label"].tolist() == ["Jones", "Study 3"]

    def test_a_key_with_an_underscore_keeps_it_too(self):
        data = {"row": [1, 1], "row_": ["a", "a"], "y": [0.1, None], "v": [0.1, 0.1]}
        for make in (pd.DataFrame, pl.DataFrame):
            with pytest.warns(ExcludedStudiesWarning):
                found = ma.pool_many(make(data), by=["row", "row_"]).excluded
            assert list(found.columns) == ["row__", "row", "row_", "reason"]

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda x: pl.DataFrame(x).to_arrow()])
    @pytest.mark.parametrize("key", ["row", "reason", "label"])
    def test_a_key_of_the_same_name_keeps_it(self, make, key):
        data = {key: ["a", "a"], "study": ["Smith", "Jones"], "y": [0.1, 0.2], "v": [0.1, None]}
        with pytest.warns(ExcludedStudiesWarning):
            many = ma.pool_many(make(data), by=key)
        found = many.excluded
        found = found.to_pandas() if hasattr(found, "to_pandas") else found
        assert found[key].tolist() == ["a"]
        other = {"row": 2, "reason": "v is missing", "label": "Jones"}
        for name, value in other.items():
            assert found[f"{name}_" if name == key else name].tolist() == [value]


class TestFunctionsOfTheUser:
    """A tau2 of one's own has to answer one number a meta-analysis, whatever lies in front of the studies' axis."""

    @pytest.mark.parametrize("function", [lambda y, v, X: float(np.var(y, ddof=1)), lambda y, v, X: [0.1, 0.2, 0.3]])
    def test_what_would_mix_groups_is_refused(self, function):
        with pytest.raises(OptionError, match=r"one value a meta-analysis was expected, of shape \(2,\)"):
            ma.pool_many((Y, V), by=[1, 1, 2, 2], tau2=function)

    def test_along_the_last_axis(self):
        many = ma.pool_many((Y, V), by=[1, 1, 2, 2], tau2=lambda y, v, X: np.var(y, ddof=1, axis=-1))
        assert_allclose(many.tau2, [np.var(Y[:2], ddof=1), np.var(Y[2:], ddof=1)])

    def test_for_one_meta_analysis(self):
        assert ma.pool(Y, V, tau2=lambda y, v, X: 0.25).tau2 == 0.25
        with pytest.raises(OptionError, match=r"answered an array of shape \(2,\)"):
            ma.pool(Y, V, tau2=lambda y, v, X: [0.1, 0.2])

    @pytest.mark.parametrize("value", [np.inf, np.nan, -np.inf])
    def test_what_is_no_number_is_no_answer(self, value):
        many = ma.pool_many((Y, V), by=[1, 1, 2, 2], tau2=lambda y, v, X: np.where(y[:, 0] < 1, value, 0.1))
        assert many.status == ["the iterations did not converge", "converged"]
        assert len(many.failed) == 1
        assert np.isnan(many.estimate[0])
        with pytest.raises(ma.ConvergenceError):
            ma.pool(Y, V, tau2=lambda y, v, X: value)


def test_keys_of_arrow_that_it_does_not_compute_with():
    keys = pa.array(["b", "a", "b", "c"], type=pa.string_view())
    many = ma.pool_many(pa.table({"g": keys, "y": Y, "v": V}), by="g")
    assert many.keys == ("b", "a", "c")


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame, pd.DataFrame])
def test_zeros_of_both_signs_are_one_key(make):
    frame = make({"g": np.array([0.0, 1.0, -0.0, 1.0]), "y": Y, "v": V})
    assert ma.pool_many(frame, by="g").k.tolist() == [2, 2]


class TestOneGroup:
    """`many[key]`, and results that travel."""

    TABLES = pd.DataFrame(
        {"g": 1, "events1": [0, 4, 3, 10], "n1": [20, 40, 30, 50], "events2": [0, 6, 5, 4], "n2": [20, 40, 30, 50]}
    )

    @pytest.mark.parametrize("convention", ["metafor", "meta", "revman5", "stata"])
    @pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
    @pytest.mark.parametrize("method", ["inverse-variance", "mantel-haenszel"])
    def test_a_study_that_is_left_out_has_its_say_in_the_correction_of_the_others(self, convention, measure, method):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            many = ma.pool_many(self.TABLES, by="g", measure=measure, to="if0all", convention=convention, method=method)
            effects = ma.effect_sizes(self.TABLES, measure, to="if0all", convention=convention)
            fit, one = ma.pool(effects, method=method), many[1]
        for name in ("estimate", "se", "q", "tau2", "i2", "k"):
            assert_allclose(getattr(one, name), getattr(fit, name), rtol=1e-12, err_msg=name)
            assert_allclose(many.columns[name][0], getattr(fit, name), rtol=1e-12, err_msg=name)

    def test_an_impossible_study_is_not_brought_back(self):
        frame = self.TABLES.assign(events1=[0, 41, 3, 10])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            many = ma.pool_many(frame, by="g", measure="OR", to="if0all", convention="meta")
            assert many[1].k == many.k[0] == 2
            assert_allclose(many[1].estimate, many.estimate[0], rtol=1e-12)

    def test_a_study_without_a_weight_is_not_brought_back(self):
        frame = self.TABLES.assign(w=[1, np.nan, 2, 3.0], events2=[2, 6, 5, 4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            many = ma.pool_many(frame, by="g", measure="OR", to="if0all", tau2="GENQ", tau2_weights="w")
            one = many[1]
            again = ma.from_json(ma.to_json(many))[1]
        assert one.k == many.k[0] == again.k == 3
        assert_allclose([one.estimate, again.estimate], many.estimate[0], rtol=1e-12)

    def test_average_variances_are_those_of_the_whole_group(self):
        # (In the third study no effect size is defined, and it has its say in the average all the same.)
        frame = pd.DataFrame({"g": [1, 1, 1, 2, 2], "r": [0.3, 0.5, 0.1, 0.6, 0.7], "n": [20, 30, 3, 25, 40]})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExcludedStudiesWarning)
            many = ma.pool_many(frame, by="g", measure="COR", variance="AV")
            fit = ma.pool(ma.effect_sizes(frame[:3], "COR", variance="AV"))
        assert_allclose([many.estimate[0], many[1].estimate], fit.estimate, rtol=1e-12)

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda x: pl.DataFrame(x).to_arrow()])
    def test_a_pickled_result_is_whole(self, make):
        import pickle

        data = {**self.TABLES.to_dict("list"), "study": ["a", "b", "c", "d"]}
        with pytest.warns(ExcludedStudiesWarning):
            many = ma.pool_many(make(data), by="g", measure="OR", convention="meta")
        again = pickle.loads(pickle.dumps(many))
        assert again[1].estimate == many[1].estimate
        assert again[1].measure == "OR"
        assert str(again) == str(many)
        assert str(again.excluded) == str(many.excluded)
        with pytest.raises(ValueError, match="read-only"):
            again.estimate[0] = 1.0
        left = pickle.loads(pickle.dumps(ma.leave_one_out_many(many)))
        assert_allclose(left.estimate, ma.leave_one_out_many(many).estimate, rtol=0)

    def test_a_result_of_a_document_can_be_pickled_too(self):
        import pickle

        many = ma.from_json(ma.to_json(ma.pool_many((Y, V), by=[1, 1, 2, 2])))
        assert pickle.loads(pickle.dumps(many))[1].estimate == many.estimate[0]
