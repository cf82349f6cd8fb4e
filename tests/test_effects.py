from __future__ import annotations

import decimal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.effects import as_measure, under_convention
from metaanalysis.errors import DataWarning, ExcludedStudiesWarning

COUNTS = {
    "study": ["Aronson 1948", "Ferguson 1949", "Rosenthal 1960", "Hart 1977"],
    "events1": [4, 6, 3, 62],
    "n1": [123, 306, 231, 13598],
    "events2": [11, 29, 11, 248],
    "n2": [139, 303, 220, 12867],
    "alloc": ["random", "random", "alternate", "random"],
}
MEANS = {
    "study": ["Davis", "Florell", "Gruen"],
    "mean1": [5.0, 4.9, 22.5],
    "sd1": [4.7, 1.71, 3.44],
    "n1": [13, 30, 35],
    "mean2": [6.5, 6.1, 24.9],
    "sd2": [3.8, 2.3, 10.65],
    "n2": [13, 50, 35],
}
GIVEN = {"study": ["Davis", "Florell", "Gruen"], "y": [0.3, -0.1, 0.2], "v": [0.1, 0.2, 0.05]}
LOG_RR = [-0.8893113339202054, -1.5853886572014306, -1.3480731482996933, -1.4415511900213054]


def counts(**changed):
    return pd.DataFrame({name: list(values) for name, values in COUNTS.items()} | changed)


def means(**changed):
    return pd.DataFrame({name: list(values) for name, values in MEANS.items()} | changed)


def given(**changed):
    return pd.DataFrame({name: list(values) for name, values in GIVEN.items()} | changed)


def refused(frame, measure, error=ma.DataError, **keywords):
    """The message with which a frame is refused; the frame must be as it was."""
    before = frame.copy(deep=True)
    with pytest.raises(error) as caught:
        ma.effect_sizes(frame, measure, **keywords)
    pd.testing.assert_frame_equal(frame, before)
    return str(caught.value)


def says(message, *parts):
    for part in parts:
        assert part in message, f"{part!r} is not in: {message}"


class TestImpossibleData:
    """Each message names the study, the column, the value and the remedy."""

    @pytest.mark.parametrize("measure", ["RR", "OR", "RD", "PETO"])
    def test_events_above_n(self, measure):
        message = refused(counts(events1=[4, 400, 3, 62]), measure)
        says(message, "events1 (400) exceeds n1 (306)", "study 'Ferguson 1949' (row 2)", "swapped", 'events1="…"')

    def test_events_of_nobody(self):
        says(refused(counts(n1=[0, 306, 231, 13598]), "RR"), "events1 (4) exceeds n1 (0)", "'Aronson 1948' (row 1)")

    @pytest.mark.parametrize("column", ["events1", "n1", "events2", "n2"])
    def test_negative_counts(self, column):
        message = refused(counts(**{column: [4, 6, -3, 62]}), "OR")
        says(message, f"{column} (-3) is negative in study 'Rosenthal 1960' (row 3)", "correct it")

    def test_how_many_other_rows_are_wrong(self):
        says(refused(counts(events1=[-4, -6, 3, 62]), "OR"), "events1 (-4)", "1 more rows have the same problem")

    @pytest.mark.parametrize("column", ["events1", "n1", "events2", "n2"])
    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinite_counts(self, column, value):
        message = refused(counts(**{column: [4, 6, 3, value]}), "RR")
        says(message, f"{column} ({value})", "is infinite in study 'Hart 1977' (row 4)", "leave the study out")

    @pytest.mark.parametrize("measure", ["MD", "SMD"])
    def test_standard_deviations(self, measure):
        says(refused(means(sd1=[4.7, -1.71, 3.44]), measure), "sd1 (-1.71) is negative in study 'Florell' (row 2)")
        message = refused(means(sd2=[3.8, 2.3, 0]), measure)
        says(message, "sd2 (0) is zero in study 'Gruen' (row 3)", "leave the study out")

    @pytest.mark.parametrize("measure", ["MD", "SMD"])
    def test_groups_of_one_have_no_standard_deviation(self, measure):
        message = refused(means(n2=[13, 1, 35]), measure)
        says(message, "n2 (1) is below 2 in study 'Florell' (row 2)", "at least 2 participants")

    @pytest.mark.parametrize("column", ["mean1", "sd1", "n1", "mean2", "sd2", "n2"])
    def test_infinite_means_and_the_like(self, column):
        says(refused(means(**{column: [9.0, np.inf, 8.0]}), "MD"), f"{column} (inf) is infinite in study 'Florell'")

    @pytest.mark.parametrize("r", [1.0, -1.0, 1.2])
    def test_correlations(self, r):
        message = refused(pd.DataFrame({"study": ["A", "B"], "r": [0.3, r], "n": [30, 40]}), "ZCOR")
        says(message, f"r ({r:.10g})", "strictly between -1 and 1 in study 'B' (row 2)")

    def test_correlations_of_three(self):
        message = refused(pd.DataFrame({"study": ["A", "B"], "r": [0.3, 0.2], "n": [30, 3]}), "ZCOR")
        says(message, "n (3) is below 4 in study 'B' (row 2)")

    @pytest.mark.parametrize("value, shown", [(-0.2, "-0.2"), (0.0, "0")])
    def test_variances_that_are_not_positive(self, value, shown):
        message = refused(given(v=[0.1, value, 0.05]), "GEN")
        says(message, f"v ({shown}) is not a positive sampling variance in study 'Florell' (row 2)", "correct it")

    def test_infinite_variances_and_effects(self):
        says(refused(given(v=[0.1, np.inf, 0.05]), "GEN"), "v (inf) is infinite in study 'Florell' (row 2)")
        says(refused(given(y=[-np.inf, 0.1, 0.2]), "GEN"), "y (-inf) is infinite in study 'Davis' (row 1)")

    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_standard_errors_that_are_not_positive(self, value):
        frame = given(se=[0.1, 0.2, value]).drop(columns="v")
        says(refused(frame, "GEN"), f"se ({value:g}) is not a positive standard error in study 'Gruen' (row 3)")

    @pytest.mark.parametrize("value", [1e-200, 1e-31, 1e31, 1e200])
    def test_standard_errors_whose_squares_leave_the_range_of_doubles(self, value):
        frame = given(se=[0.1, value, 0.2]).drop(columns="v")
        says(refused(frame, "GEN"), "sampling variance (", "in study 'Florell' (row 2)", "other units")

    def test_effects_that_leave_the_range_of_doubles(self):
        says(refused(given(y=[0.1, 1e61, 0.2]), "GEN"), "effect size (1e+61)", "'Florell' (row 2)", "larger units")

    def test_intervals(self):
        frame = given(ci_low=[0.1, -0.3, 0.4], ci_high=[0.5, 0.1, -0.1]).drop(columns="v")
        says(refused(frame, "GEN"), "ci_low (0.4) is not below ci_high (-0.1) in study 'Gruen' (row 3)", "swapped")
        frame = given(ci_low=[0.1, -0.3, 0.3], ci_high=[0.5, 0.1, 0.4]).drop(columns="v")
        says(refused(frame, "GEN"), "y (0.2) lies outside its interval, ci_low (0.3) to ci_high (0.4)", "'Gruen'")

    def test_ratios_that_are_not_positive(self):
        frame = pd.DataFrame({"study": ["A"], "estimate": [1.2], "ci_low": [-0.1], "ci_high": [1.5]})
        says(refused(frame, "HR"), "ci_low (-0.1) is not positive", "study 'A' (row 1)", "log ratios")

    def test_estimates_far_from_the_middle_of_their_interval(self):
        # 1.5 (0.6 to 3.9) was printed; the second row is as it should be, the third is left out for its missing estimate.
        frame = pd.DataFrame({"estimate": [1.5, 0.43, None], "ci_low": [1.4, 0.28, -1.0], "ci_high": [3.9, 0.67, 2.0]})
        with (
            pytest.warns(
                DataWarning, match=r"estimate \(1.5\) in study 'Study 1' \(row 1\) lies far from the middle of the log"
            ),
            pytest.warns(ExcludedStudiesWarning),
        ):
            ma.effect_sizes(frame, "HR")
        frame = given(ci_low=[0.2, -0.3, 0.1], ci_high=[1.5, 0.1, 0.3]).drop(columns="v")
        with pytest.warns(
            DataWarning, match=r"y \(0.3\) in study 'Davis' \(row 1\) lies far from the middle of ci_low \(0.2\)"
        ):
            ma.effect_sizes(frame, "GEN")

    def test_a_predictor_that_explains_more_than_the_model(self):
        frame = pd.DataFrame(
            {"study": ["A", "B"], "t": [2.0, 3.0], "n": [20, 20], "predictors": [1, 2], "r2": [0.18, 0.1]}
        )
        says(
            refused(frame, "SPCOR"), "t (3) is too large for r2 (0.1) in study 'B' (row 2)", "all predictors", "Correct"
        )
        # With one predictor t and R² say the same, but for rounding: t = 2, n = 20 gives 0.1818.
        assert ma.effect_sizes(frame.head(1), "SPCOR").k == 1

    def test_columns_are_named_as_the_user_names_them(self):
        frame = counts(events1=[4, 400, 3, 62]).rename(columns={"events1": "tpos", "n1": "treated"})
        message = refused(frame, "RR", events1="tpos", n1="treated")
        says(message, "tpos (400) exceeds treated (306) in study 'Ferguson 1949' (row 2)")


class TestImpossibleTables:
    def test_missing_columns_offer_the_nearest_names(self):
        message = refused(counts().rename(columns={"events1": "event1"}), "RR")
        says(message, "no column 'events1'", "Did you mean 'event1'", "The columns are: study, event1", 'events1="…"')

    def test_mapped_columns_that_are_not_there(self):
        says(refused(counts(), "RR", events1="tpos"), "no column 'tpos' for events1", "The columns are")

    def test_mapping_one_column_asks_for_all_and_ignores_given_effects(self):
        frame = counts(y=[0.0] * 4, v=[1.0] * 4).drop(columns="n1")
        says(refused(frame, "RR", events1="events1"), "no column 'n1'")

    @pytest.mark.parametrize("name", [3, None, ["events1"], pd.Series([1, 2])])
    def test_a_mapping_is_a_name(self, name):
        if name is None:
            assert_allclose(ma.effect_sizes(counts(), "RR", events1=name).y, LOG_RR, rtol=1e-13)
        else:
            says(refused(counts(), "RR", events1=name), "events1 must be given as the name of a column")

    def test_no_estimates_where_only_estimates_will_do(self):
        says(refused(counts(), "GEN"), "needs given estimates", "y v; y se; y ci_low ci_high", "The columns are")

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
    def test_empty(self, make):
        for data in ({}, {name: [] for name in COUNTS}):
            with pytest.raises(ma.DataError, match="no rows"):
                ma.effect_sizes(make(data), "RR")

    def test_text_in_a_number_column(self):
        message = refused(counts(events1=[4, "six", 3, 62]), "RR")
        says(message, "events1 ('six') in study 'Ferguson 1949' (row 2) is not a number", "pandas.to_numeric")

    def test_numbers_written_as_text_are_not_guessed(self):
        says(refused(counts(events1=["4", "6", "3", "62"]), "RR"), "events1 ('4') in study 'Aronson 1948' (row 1)")

    def test_truth_values_are_no_counts(self):
        says(refused(counts(events1=[True, False, True, True]), "RR"), "events1 (True)", "is not a number")

    def test_dates_are_no_counts(self):
        says(refused(counts(events1=pd.to_datetime(["2020-01-01"] * 4)), "RR"), "events1 (", "is not a number")

    def test_duplicated_columns(self):
        frame = pd.concat([counts(), counts()[["events1"]]], axis=1)
        says(refused(frame, "RR"), "unique", "events1")

    def test_columns_of_different_lengths(self):
        with pytest.raises(ma.DataError, match=r"differ in length.*'n1': 2"):
            ma.effect_sizes(COUNTS | {"n1": [1, 2]}, "RR")

    @pytest.mark.parametrize("data", ["studies.csv", None, 3, np.ones((4, 4))])
    def test_what_is_no_table(self, data):
        with pytest.raises(ma.DataError, match=f"a table of studies was expected.*{type(data).__name__}"):
            ma.effect_sizes(data, "RR")


class TestOptions:
    def test_unknown_measures(self):
        with pytest.raises(ma.OptionError, match=r"measure='ORR' is not a measure.*'OR'"):
            ma.effect_sizes(counts(), "ORR")

    def test_unknown_keywords(self):
        message = refused(counts(), "RR", ma.OptionError, event1="tpos")
        says(message, "no keyword 'event1'", "Did you mean 'events1'", "Columns:", "Options:")

    @pytest.mark.parametrize(
        "option, value",
        [("to", "only"), ("addition", "arm"), ("double_zero", "keeps"), ("smd_correction", "exakt"), ("peto", "row")],
    )
    def test_unknown_values_list_the_choices(self, option, value):
        says(refused(counts(), "RR", ma.OptionError, **{option: value}), f"{option}={value!r}", "The choices are")

    @pytest.mark.parametrize("add", [-1, np.nan, np.inf, "half"])
    def test_additions_are_numbers_from_0_upward(self, add):
        says(refused(counts(), "RR", ma.OptionError, add=add), "add=", "from 0 upward")

    def test_level_in_per_cent(self):
        frame = given(ci_low=[0.1, -0.3, 0.1], ci_high=[0.5, 0.1, 0.4]).drop(columns="v")
        says(refused(frame, "GEN", ma.OptionError, ci_level=95), "level=95", "Did you mean 0.95?")

    def test_unknown_conventions(self):
        says(refused(counts(), "RR", ma.OptionError, convention="revmann"), "convention='revmann'", "'revman'")

    def test_case_does_not_matter(self):
        assert ma.effect_sizes(counts(), "rr").measure == "RR"
        assert ma.effect_sizes(means(), "SMD", smd_variance="ls").options.smd_variance == "LS"


class TestMissingValues:
    """A study with missing values is left out, listed with the reason, and warned of."""

    MISSING = (
        [4, None, 3, 62],
        [4, np.nan, 3, 62],
        pd.array([4, None, 3, 62], dtype="Int64"),
        pd.array([4, None, 3, 62], dtype="Float64"),
        pd.array([4, None, 3, 62], dtype="int64[pyarrow]"),
        pd.Series([4, pd.NA, 3, 62], dtype=object),
        pd.Series([4, pd.NaT, 3, 62], dtype=object),
        pd.Series([4, None, decimal.Decimal(3), 62], dtype=object),
    )

    @pytest.mark.parametrize("column", MISSING, ids=lambda column: str(getattr(column, "dtype", "list")))
    def test_in_pandas(self, column):
        with pytest.warns(ExcludedStudiesWarning, match=r"1 of 4 studies left out: 'Ferguson 1949' \(events1 is miss"):
            effects = ma.effect_sizes(counts(events1=column), "RR")
        assert_allclose(effects.y, np.delete(LOG_RR, 1), rtol=1e-13)
        assert effects.label == ("Aronson 1948", "Rosenthal 1960", "Hart 1977")
        assert effects.excluded.to_dict("records") == [{"label": "Ferguson 1949", "reason": "events1 is missing"}]
        assert list(effects.table["study"]) == list(effects.label)

    @pytest.mark.parametrize("make", [pl.DataFrame, pa.table, dict])
    def test_elsewhere(self, make):
        with pytest.warns(ExcludedStudiesWarning, match="'Ferguson 1949'"):
            effects = ma.effect_sizes(make(COUNTS | {"events1": [4, None, 3, 62]}), "RR")
        assert_allclose(effects.y, np.delete(LOG_RR, 1), rtol=1e-13)

    def test_other_columns_may_be_missing(self):
        assert ma.effect_sizes(counts(alloc=[None] * 4), "RR").k == 4

    def test_a_bad_value_in_a_row_that_is_left_out_anyway_does_no_harm(self):
        with pytest.warns(ExcludedStudiesWarning):
            assert ma.effect_sizes(counts(events1=[4, None, 3, 62], n1=[123, -1, 231, 13598]), "RR").k == 3

    def test_groups_of_nobody(self):
        with pytest.warns(ExcludedStudiesWarning, match="n2 is 0: nobody was observed"):
            effects = ma.effect_sizes(counts(events2=[11, 0, 11, 248], n2=[139, 0, 220, 12867]), "RR")
        assert effects.k == 3

    def test_nobody_left(self):
        with (
            pytest.warns(ExcludedStudiesWarning),
            pytest.raises(ma.DataError, match=r"no study is left: all 4.*'Aronson 1948'.*events1 is missing"),
        ):
            ma.effect_sizes(counts(events1=[np.nan] * 4), "RR")

    def test_the_warning_points_at_the_users_line(self):
        with pytest.warns(ExcludedStudiesWarning) as caught:
            ma.effect_sizes(counts(events1=[4, None, 3, 62]), "RR")
        assert caught[0].filename == __file__

    def test_many_are_counted(self):
        frame = pd.DataFrame({"y": [np.nan] * 20 + [0.1], "v": [0.1] * 21})
        with pytest.warns(ExcludedStudiesWarning, match=r"20 of 21 studies left out: .*; and 15 more"):
            effects = ma.effect_sizes(frame, "GEN")
        assert len(effects.excluded) == 20


class TestFractions:
    def test_counts_that_are_not_whole_are_used_with_a_warning(self):
        with pytest.warns(
            DataWarning, match=r"events1 \(6.5\) in study 'Ferguson 1949' \(row 2\) is not a whole"
        ) as caught:
            effects = ma.effect_sizes(counts(events1=[4, 6.5, 3, 62]), "RR")
        assert_allclose(effects.y[1], np.log(6.5 / 306 / (29 / 303)), rtol=1e-14)
        assert caught[0].filename == __file__

    def test_whole_numbers_in_any_dtype_are_not(self):
        for dtype in ("float64", "float32", "int16", "uint16", "Int64", "object"):
            frame = counts()
            frame["n1"] = frame["n1"].astype(dtype)
            assert_allclose(ma.effect_sizes(frame, "RR").y, LOG_RR, rtol=1e-13)


class TestFrames:
    """The same numbers from any frame, whatever its index."""

    @pytest.mark.parametrize(
        "frame",
        [
            counts(),
            counts().set_index(pd.Index(["x", "x", "y", "z"])),
            counts().set_index(["study", "n1"], drop=False),
            counts().iloc[::-1].iloc[::-1],
            counts(events1=pd.Categorical([4, 6, 3, 62])),
            counts(events1=pd.Series([4, 6, 3, 62], dtype=object)),
            counts().convert_dtypes(),
            counts().convert_dtypes(dtype_backend="pyarrow"),
            pl.DataFrame(COUNTS),
            pl.LazyFrame(COUNTS),
            pa.table(COUNTS),
            pa.RecordBatch.from_pydict(COUNTS),
            dict(COUNTS),
            counts().to_dict("records"),
        ],
        ids=["pandas", "repeated index", "multi-index", "reversed twice", "categorical", "object", "nullable", "arrow-backed",
             "polars", "lazy", "arrow", "record batch", "dict", "records"],
    )  # fmt: skip
    def test_the_same_effects(self, frame):
        effects = ma.effect_sizes(frame, "RR")
        assert_allclose(effects.y, LOG_RR, rtol=1e-13)
        assert effects.label == tuple(COUNTS["study"])
        assert effects.column("alloc") == COUNTS["alloc"]

    def test_rows_out_of_order_keep_their_labels_and_columns(self):
        frame = counts().sample(frac=1, random_state=1)
        effects = ma.effect_sizes(frame, "RR")
        expected = dict(zip(COUNTS["study"], LOG_RR, strict=True))
        assert_allclose(effects.y, [expected[label] for label in effects.label], rtol=1e-13)
        assert effects.column("alloc") == frame["alloc"].tolist()

    def test_one_row(self):
        assert_allclose(ma.effect_sizes(counts().iloc[:1], "RR").y, LOG_RR[:1], rtol=1e-13)

    def test_the_frame_is_not_changed_and_the_effects_do_not_hang_on_it(self):
        frame = counts()
        before = frame.copy(deep=True)
        effects = ma.effect_sizes(frame, "RR")
        pd.testing.assert_frame_equal(frame, before)
        y = effects.y.copy()
        frame.loc[:, "events1"] = 1
        assert_array_equal(effects.y, y)
        assert_array_equal(effects.inputs["events1"], COUNTS["events1"])

    def test_effects_are_closed_to_changes(self):
        effects = ma.effect_sizes(counts(), "RR")
        for array in (effects.y, effects.v, effects.inputs["events1"]):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0

    def test_labels(self):
        assert ma.effect_sizes(counts(), "RR", label="alloc").label == tuple(COUNTS["alloc"])
        assert ma.effect_sizes(counts().drop(columns="study"), "RR").label[1] == "Study 2"
        assert ma.effect_sizes(counts(study=["A", None, "C", "D"]), "RR").label[1] == "Study 2"
        says(refused(counts(), "RR", label="author"), "no column 'author' for label")

    def test_to_frame_holds_data_and_effects(self):
        frame = ma.effect_sizes(counts(), "RR").to_frame()
        assert list(frame.columns) == ["label", "events1", "n1", "events2", "n2", "y", "v", "se", "ci_low", "ci_high"]
        assert_allclose(frame["se"] ** 2, frame["v"], rtol=1e-15)
        assert_allclose(frame["ci_high"] - frame["ci_low"], 2 * 1.959963984540054 * frame["se"], rtol=1e-14)


class TestGivenEstimates:
    def test_standard_errors(self):
        effects = ma.effect_sizes(given(se=[0.1, 0.2, 0.3]).drop(columns="v"), "GEN")
        assert_allclose(effects.v, [0.01, 0.04, 0.09], rtol=1e-15)

    def test_intervals_at_any_level(self):
        for level, z in ((0.95, 1.959963984540054), (0.99, 2.5758293035489004)):
            y, se = np.array([0.3, -0.1, 0.2]), np.array([0.1, 0.2, 0.3])
            frame = given(ci_low=y - z * se, ci_high=y + z * se).drop(columns="v")
            assert_allclose(ma.effect_sizes(frame, "GEN", ci_level=level).se, se, rtol=1e-14)

    def test_published_ratios(self):
        frame = pd.DataFrame({"estimate": [2.0], "ci_low": [1.0], "ci_high": [4.0]})
        effects = ma.effect_sizes(frame, "HR")
        assert_allclose(effects.y, np.log(2), rtol=1e-15)
        assert_allclose(effects.se, np.log(4) / (2 * 1.959963984540054), rtol=1e-14)

    def test_any_measure_may_be_given(self):
        effects = ma.effect_sizes(given(), "OR")
        assert effects.given
        assert effects.measure == "OR"
        assert_array_equal(effects.y, GIVEN["y"])

    def test_mapped_names(self):
        frame = given().rename(columns={"y": "yi", "v": "vi"})
        assert_array_equal(ma.effect_sizes(frame, "GEN", y="yi", v="vi").v, GIVEN["v"])

    def test_study_data_come_first_where_both_are_there(self):
        assert not ma.effect_sizes(counts(y=[0.0] * 4, v=[1.0] * 4), "RR").given


class TestZeroCells:
    ZEROS = counts(events1=[0, 6, 0, 62], events2=[11, 29, 0, 248])

    def test_one_half_is_added_to_studies_with_a_zero_alone(self):
        effects = ma.effect_sizes(self.ZEROS, "RR")
        assert effects.corrected["label"].tolist() == ["Aronson 1948", "Rosenthal 1960"]
        assert_allclose(effects.y[0], np.log((0.5 / 124) / (11.5 / 140)), rtol=1e-14)
        assert_allclose(effects.y[1], LOG_RR[1], rtol=1e-13)

    @pytest.mark.parametrize("convention", ["meta", "revman5", "revman"])
    def test_double_zeros_are_dropped_with_a_warning_by_other_programs(self, convention):
        with pytest.warns(
            ExcludedStudiesWarning, match=r"'Rosenthal 1960' \(no events(, or only events,)? in both groups"
        ):
            effects = ma.effect_sizes(self.ZEROS, "RR", convention=convention)
        assert effects.k == 3
        assert effects.corrected["label"].tolist() == ["Aronson 1948"]

    @pytest.mark.parametrize("convention", ["metafor", "revman5"])
    def test_no_correction_leaves_undefined_ratios_out(self, convention):
        for measure in ("RR", "OR"):
            with pytest.warns(ExcludedStudiesWarning, match="2 of 4 studies left out"):
                effects = ma.effect_sizes(self.ZEROS, measure, to="none", convention=convention)
            assert np.isfinite(effects.y).all()
            assert (effects.v > 0).all()

    def test_everybody_in_both_groups_has_no_variance_without_a_correction(self):
        frame = counts(events1=[123, 6, 3, 62], events2=[139, 29, 11, 248])
        with pytest.warns(ExcludedStudiesWarning, match="'Aronson 1948'"):
            effects = ma.effect_sizes(frame, "RR", to="none")
        assert (effects.v > 0).all()

    def test_risk_differences_of_double_zeros_are_kept(self):
        for convention in ("metafor", "meta", "revman5"):
            assert ma.effect_sizes(self.ZEROS, "RD", convention=convention).k == 4


class TestConventions:
    ZEROS = counts(events1=[0, 6, 0, 62], events2=[11, 29, 0, 248])

    def test_recomputed_effects_are_those_computed_at_once(self):
        for start in ("metafor", "meta", "revman5"):
            for end in ("metafor", "meta", "revman5"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ExcludedStudiesWarning)
                    moved = under_convention(ma.effect_sizes(self.ZEROS, "RR", convention=start), end)
                    direct = ma.effect_sizes(self.ZEROS, "RR", convention=end)
                assert_array_equal(moved.y, direct.y)
                assert_array_equal(moved.v, direct.v)
                assert moved.label == direct.label
                assert moved.options == direct.options
                assert moved.left_out == direct.left_out
                assert moved.column("alloc") == direct.column("alloc")

    def test_the_users_own_options_are_kept(self):
        effects = ma.effect_sizes(self.ZEROS, "RR", add=0.25, double_zero="keep")
        with pytest.warns(ExcludedStudiesWarning):
            moved = under_convention(effects, "revman5")
        assert moved.options.add == 0.25
        # "keep" was the convention's own, said aloud: it goes with the convention.
        assert moved.options.double_zero == "drop-no-events"
        kept = under_convention(ma.effect_sizes(means(), "SMD", smd_variance="UB"), "revman5")
        assert kept.options.smd_variance == "UB"
        assert kept.options.smd_correction == "approximate"

    def test_given_effects_stay_as_they_are(self):
        effects = ma.effect_sizes(given(), "OR")
        assert under_convention(effects, "revman5") is effects

    def test_parts_of_parts_keep_their_rows(self):
        whole = ma.effect_sizes(counts(), "RR")
        part = whole.subset(np.array([False, True, True, True])).subset(np.array([False, True, True]))
        assert part.label == ("Rosenthal 1960", "Hart 1977")
        assert part.column("alloc") == ["alternate", "random"]
        moved = under_convention(part, "revman5")
        assert moved.label == part.label
        assert moved.column("alloc") == ["alternate", "random"]
        assert_array_equal(moved.inputs["events1"], [3, 62])
        assert list(moved.table["study"]) == list(part.label)

    def test_parts_keep_their_rows_through_conventions_that_drop_studies(self):
        frame = counts(events1=[4, 0, 3, 62], events2=[11, 0, 11, 248])
        part = ma.effect_sizes(frame, "RR").subset(np.array([False, True, True, True]))
        with pytest.warns(ExcludedStudiesWarning):
            dropped = under_convention(part, "revman5")
        assert dropped.label == ("Rosenthal 1960", "Hart 1977")
        back = under_convention(dropped, "metafor")
        assert back.label == ("Ferguson 1949", "Rosenthal 1960", "Hart 1977")
        assert back.column("alloc") == ["random", "alternate", "random"]
        assert back.subset(np.array([True, False, True])).column("study") == ["Ferguson 1949", "Hart 1977"]

    def test_excluded_studies_do_not_shift_the_others(self):
        with pytest.warns(ExcludedStudiesWarning):
            effects = ma.effect_sizes(counts(events1=[np.nan, 6, 3, 62]), "RR")
        part = effects.subset(np.array([False, True, True]))
        assert part.column("alloc") == ["alternate", "random"]
        assert_array_equal(part.all_data["events1"], [3, 62])
        with pytest.warns(ExcludedStudiesWarning):
            fit = ma.pool([np.nan, 0.1, 0.2], [0.1, 0.2, 0.3])
        assert fit.effects.subset(np.array([False, True])).label == ("Study 3",)

    def test_another_measure_of_the_same_data(self):
        peto = as_measure(ma.effect_sizes(counts(), "RR"), "PETO")
        assert_array_equal(peto.y, ma.effect_sizes(counts(), "PETO").y)
        with pytest.raises(ma.DataError, match="needs events1 n1 events2 n2"):
            as_measure(ma.effect_sizes(given(), "OR"), "PETO")
        with pytest.raises(ma.DataError, match="needs mean1"):
            as_measure(ma.effect_sizes(counts(), "RR"), "SMD")


class TestPlainArrays:
    """`pool(y, v)` checks as `effect_sizes` does."""

    def refused(self, y, v, **keywords):
        with pytest.raises(ma.DataError) as caught:
            ma.pool(y, v, **keywords)
        return str(caught.value)

    def test_impossible_values(self):
        says(self.refused([1, 2], [1, -1]), "v (-1) is not a positive sampling variance in study 'Study 2' (row 2)")
        says(self.refused([1, 2], [1, 0]), "v (0) is not a positive")
        says(self.refused([1, 2], [1, np.inf]), "v (inf) is infinite")
        says(self.refused([1, -np.inf], [1, 1]), "y (-inf) is infinite")
        says(self.refused(["a", 1], [1, 1]), "y ('a') in study 'Study 1' (row 1) is not a number")
        says(self.refused([1, "a"], [1, 1]), "y ('a') in study 'Study 2' (row 2) is not a number")
        says(self.refused([True, False], [1, 1]), "y (True)")
        says(self.refused([1j, 1], [1, 1]), "y (1j)")

    def test_impossible_shapes(self):
        says(self.refused([1, 2], [1, 1, 3]), "y has 2 values and v has 3")
        says(self.refused([], []), "empty")
        says(self.refused(1.0, 1.0), "0 dimensions")
        says(self.refused(np.ones((2, 2)), np.ones((2, 2))), "2 dimensions")
        says(self.refused([[1, 2], [3]], [1, 1]), "several lengths")
        says(self.refused([1, 2], [1, 1], label=["a"]), "label has 1 values for 2 studies")
        says(self.refused([1, 2], None), "sampling variances")

    def test_labels_are_named(self):
        says(self.refused([1, 2], [1, -1], label=["Aronson", "Ferguson"]), "in study 'Ferguson' (row 2)")

    @pytest.mark.parametrize(
        "missing",
        [
            [0.1, None, 0.3],
            [0.1, np.nan, 0.3],
            np.ma.masked_array([0.1, 99.0, 0.3], [0, 1, 0]),
            np.ma.masked_array([0.1, 99.0, 0.3], [0, 1, 0], dtype="float32"),
            pd.Series([0.1, None, 0.3]),
            pd.array([0.1, None, 0.3], dtype="Float64"),
            pl.Series([0.1, None, 0.3]),
            pa.array([0.1, None, 0.3]),
        ],
        ids=["None", "nan", "masked", "masked32", "series", "nullable", "polars", "arrow"],
    )
    def test_missing_values_are_left_out(self, missing):
        with pytest.warns(ExcludedStudiesWarning, match=r"1 of 3 studies left out: 'Study 2' \(y is missing\)"):
            fit = ma.pool(missing, [0.1, 0.2, 0.3])
        assert fit.k == 2
        assert_allclose(fit.estimate, ma.pool([0.1, 0.3], [0.1, 0.3]).estimate, rtol=1e-6)

    def test_numbers_of_many_kinds(self):
        expected = ma.pool([1.0, 2.0, 4.0], [0.5, 0.25, 1.0]).estimate
        for y in (
            (1, 2, 4),
            np.array([1, 2, 4], dtype="int8"),
            [decimal.Decimal(1), 2, 4.0],
            pd.Series([1, 2, 4], index=[9, 9, 7]),
        ):
            assert ma.pool(y, [0.5, 0.25, 1.0]).estimate == expected

    def test_arrays_are_not_changed(self):
        y, v = np.array([1.0, np.nan, 3.0]), np.array([1.0, 1.0, 1.0])
        with pytest.warns(ExcludedStudiesWarning):
            ma.pool(y, v)
        assert_array_equal(y, [1.0, np.nan, 3.0])
        assert y.flags.writeable
