"""The checked door to the conversions: printed examples, round trips, what is refused, and tables that are completed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects import conversions as convert
from metaanalysis.effects.conversions_complete_effects import complete_effects
from metaanalysis.effects.conversions_complete_means import complete_means
from metaanalysis.errors import DataError, DataWarning, ExcludedStudiesWarning, OptionError

MEANS = {"mean1": 10.2, "sd1": 3.1, "n1": 31, "mean2": 12.0, "sd2": 3.4, "n2": 28}


# Printed numbers ------------------------------------------------------------------------------------------------------


def test_cochrane_handbook_5_1_standard_error_from_a_p_value() -> None:
    # Section 7.7.3.3: a difference of 3.8 with p = 0.008 from 25 and 22 people: t = 2.78, SE = 1.37.
    se = convert.standard_error_from_p(3.8, 0.008, df=45)
    assert round(3.8 / se, 2) == 2.78
    assert round(se, 2) == 1.37


def test_cochrane_handbook_5_1_cross_over_example() -> None:
    # Section 16.4.6.4: SDs 2.38 and 2.21, correlation 0.68, 10 people: SE(MD) = 0.583.
    assert round(convert.change_sd(2.38, 2.21, 0.68) / np.sqrt(10), 3) == 0.583


@pytest.mark.parametrize(
    "measure, ratio, per_1000, number",
    [("OR", 0.73, 62, 17), ("RR", 0.92, 24, 42)],  # sections 12.5.4.3 and 12.5.4.2, assumed control risk 0.3
)
def test_cochrane_handbook_5_1_absolute_effects(measure: str, ratio: float, per_1000: int, number: int) -> None:
    difference = convert.convert_risk(ratio, 0.3, measure=measure, to="RD")
    assert round(-1000 * difference) == per_1000
    assert convert.number_needed_to_treat(difference).text[0] == f"NNTB {number}"


def test_altman_1998_interval_through_infinity() -> None:
    # A risk reduction of 10% (-5% to 25%): NNTB 10 (NNTB 4 to ∞ to NNTH 20).
    found = convert.number_needed_to_treat(-0.10, -0.25, 0.05)
    assert found.text[0] == "NNTB 10 (NNTB 4 to ∞ to NNTH 20)"
    assert found.through_infinity[0]
    same = convert.number_needed_to_treat(0.10, -0.05, 0.25, harmful_event=False)
    assert same.text[0] == found.text[0]


def test_barrowman_2002_interval_of_a_number_needed_to_treat() -> None:
    # CMAJ 166, 1676: a risk reduction of 16.6% (0.9% to 32.2%): about 6 (3.1 to 111.1).
    found = convert.number_needed_to_treat(-0.166, -0.322, -0.009).iloc[0]
    assert (round(found.number_needed), round(found.limit1, 1), round(found.limit2, 1)) == (6, 3.1, 111.1)
    assert (found.kind1, found.kind2, found.through_infinity) == ("benefit", "benefit", False)


def test_wan_2014_table_1() -> None:
    # ξ(n), the expected range in standard deviations. The table is exact; the paper's formula approximates it, by half a per
    # cent at n = 10 and less above.
    printed = {10: 3.078, 20: 3.735, 30: 4.086, 40: 4.322, 50: 4.498}
    sd = convert.mean_sd_from_quantiles(n=list(printed), minimum=0.0, median=0.5, maximum=1.0, method="wan").sd
    assert_allclose(1.0 / sd, list(printed.values()), rtol=5e-3)


def test_wan_2014_quartiles_as_computed_in_r() -> None:
    # (0.04 - 0.02) / (2 qnorm((0.75 100 - 0.125) / (100 + 0.25))) = 0.0150441
    found = convert.mean_sd_from_quantiles(n=100, q1=0.02, median=0.03, q3=0.04)
    assert f"{found.sd[0]:.7f}" == "0.0150441"


# Round trips ----------------------------------------------------------------------------------------------------------


def test_t_f_p_and_d_give_what_the_means_give() -> None:
    expected = ma.effect_sizes({name: [value] for name, value in MEANS.items()}, "SMD")
    n1, n2 = MEANS["n1"], MEANS["n2"]
    pooled = np.sqrt(((n1 - 1) * 3.1**2 + (n2 - 1) * 3.4**2) / (n1 + n2 - 2))
    d = (10.2 - 12.0) / pooled
    t = d / np.sqrt(1 / n1 + 1 / n2)
    from scipy import stats

    p = 2 * stats.t.sf(abs(t), n1 + n2 - 2)
    for found in (
        convert.smd_from_d(d, n1, n2),
        convert.smd_from_t(t, n1, n2),
        convert.smd_from_f(t * t, n1, n2, direction=-1),
        convert.smd_from_p(p, n1, n2, direction=-1),
    ):
        assert_allclose([found.y, found.v], [expected.y[0], expected.v[0]], rtol=1e-12)
    reviewers = ma.effect_sizes({name: [value] for name, value in MEANS.items()}, "SMD", convention="revman5")
    found = convert.smd_from_t(t, n1, n2, correction="approximate", variance="revman")
    assert_allclose([found.y, found.v], [reviewers.y[0], reviewers.v[0]], rtol=1e-12)


def test_correlation_from_each_of_its_tests() -> None:
    from scipy import stats

    r, n = -0.37, 40
    t = r * np.sqrt((n - 2) / (1 - r * r))
    p = 2 * stats.t.sf(abs(t), n - 2)
    found = [
        convert.r_from_t(t, n - 2),
        convert.r_from_f(t * t, n - 2, direction=-1),
        convert.r_from_p(p, n, direction=-1),
        convert.r_from_chi_square(n * r * r, n, direction=-1),
    ]
    assert_allclose(found, r, rtol=1e-12)


def test_standard_errors_from_intervals_and_tests() -> None:
    y, se = 0.4, 0.17
    z = 1.959963984540054
    low, high = y - z * se, y + z * se
    assert_allclose(convert.standard_error_from_interval(low, high), se, rtol=1e-12)
    assert_allclose(convert.standard_error_from_interval(np.exp(low), np.exp(high), ratio=True), se, rtol=1e-12)
    assert_allclose(convert.estimate_from_interval(np.exp(low), np.exp(high), ratio=True), np.exp(y), rtol=1e-12)
    assert_allclose(convert.standard_error_from_statistic(np.exp(y), y / se, ratio=True), se, rtol=1e-12)
    t = 2.0638985616280205  # of 24 degrees of freedom
    found = convert.standard_error_from_interval([y - t * se] * 2, [y + t * se] * 2, df=[24, np.nan])
    assert_allclose(found, [se, np.nan], rtol=1e-12)


@pytest.mark.parametrize("measure", ["odds_ratio", "risk_ratio", "risk_difference", "phi", "chi_square"])
def test_tables_from_margins_and_back(measure: str) -> None:
    a, n1, c, n2 = (
        np.array(x) for x in ([15.0, 7.0, 40.0], [40.0, 90.0, 55.0], [10.0, 21.0, 30.0], [50.0, 80.0, 45.0])
    )
    b, d, m = n1 - a, n2 - c, a + c
    phi = (a * d - b * c) / np.sqrt(n1 * n2 * m * (n1 + n2 - m))
    values = {
        "odds_ratio": a * d / (b * c),
        "risk_ratio": (a / n1) / (c / n2),
        "risk_difference": a / n1 - c / n2,
        "phi": phi,
        "chi_square": (n1 + n2) * phi**2,
    }
    more = {"direction": np.sign(phi)} if measure == "chi_square" else {}
    found = convert.table_from_margins(n1, n2, m, **{measure: values[measure]}, **more, whole=False)
    assert_allclose(found.to_numpy(), np.column_stack([a, n1, c, n2]), rtol=1e-10)
    assert_allclose(
        convert.table_from_margins(n1, n2, m, **{measure: values[measure]}, **more).events1, a, rtol=0, atol=0
    )


def test_table_from_an_odds_ratio_and_its_error_takes_the_nearer_risk() -> None:
    a, n1, c, n2 = 15.0, 40.0, 10.0, 50.0
    odds_ratio = a * (n2 - c) / (c * (n1 - a))
    se = np.sqrt(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n2 - c))
    few = convert.table_from_odds_ratio(odds_ratio, se, n1, n2, risk2=0.2, whole=False)
    many = convert.table_from_odds_ratio(odds_ratio, se, n1, n2, risk2=0.9, whole=False)
    assert_allclose(few.to_numpy()[0], [a, n1, c, n2], rtol=1e-10)
    assert many.events2[0] / n2 > 0.5
    for table in (few, many):
        effects = ma.effect_sizes(table.round(9), "OR", add=0, to="none") if table is few else None
        if effects is not None:
            assert_allclose([effects.y[0], effects.se[0]], [np.log(odds_ratio), se], rtol=1e-8)


def test_accuracy_by_groups_or_by_prevalence() -> None:
    one = convert.table_from_accuracy(0.9, 0.8, diseased=50, healthy=200)
    two = convert.table_from_accuracy(0.9, 0.8, prevalence=0.2, total=250)
    pd.testing.assert_frame_equal(one, two)
    assert one.sum(axis=1)[0] == 250


def test_risks_convert_into_each_other_and_keep_their_limits_in_order() -> None:
    table = convert.effects_at_baseline_risk(0.7, 0.5, 0.9, [0.05, 0.2, 0.6], measure="OR")
    for measure in ("odds_ratio", "risk_ratio", "risk_difference"):
        assert (table[f"{measure}_low"] < table[measure]).all()
        assert (table[measure] < table[f"{measure}_high"]).all()
    key = {"odds_ratio": "OR", "risk_ratio": "RR", "risk_difference": "RD"}
    for start in key:
        for end in key:
            found = convert.convert_risk(table[start], table.baseline_risk, measure=key[start], to=key[end])
            assert_allclose(found, table[end], rtol=1e-12)


def test_limits_that_a_risk_does_not_allow_are_missing_with_a_warning() -> None:
    with pytest.warns(DataWarning, match=r"baseline risk 0\.5"):
        table = convert.effects_at_baseline_risk(1.5, 1.1, 2.2, [0.1, 0.5], measure="RR")
    assert table.risk_difference_high.isna().tolist() == [False, True]
    with pytest.raises(DataError, match=r"estimate \(2\.5\) is impossible at baseline_risk \(0\.5\)"):
        convert.effects_at_baseline_risk(2.5, 1.1, 3.0, 0.5, measure="RR")


def test_combined_arms_are_the_people_themselves() -> None:
    rng = np.random.default_rng(5)
    people = [rng.normal(10 + i, 2, size) for i, size in enumerate((8, 12, 5))]
    found = convert.combine_arms(
        n=[x.size for x in people], mean=[x.mean() for x in people], sd=[x.std(ddof=1) for x in people]
    )
    everybody = np.concatenate(people)
    assert_allclose(found.to_numpy()[0], [25, everybody.mean(), everybody.std(ddof=1)], rtol=1e-12)


def test_delta_method_with_and_without_a_derivative() -> None:
    found = convert.delta_method([0.5, -1.0], [0.04, 0.01], np.exp)
    exact = convert.delta_method([0.5, -1.0], [0.04, 0.01], np.exp, np.exp)
    assert_allclose(exact.v, np.exp([1.0, -2.0]) * [0.04, 0.01], rtol=1e-14)
    assert_allclose(found.v, exact.v, rtol=1e-9)
    with pytest.raises(DataError, match="function or its slope is not defined"):
        convert.delta_method(-1.0, 0.04, np.log)


# Kinds in, kinds out --------------------------------------------------------------------------------------------------


def test_numbers_arrays_and_series_come_back_as_they_came() -> None:
    one = convert.sd_from_standard_error(0.4, 25)
    assert isinstance(one, float)
    many = convert.sd_from_standard_error([0.4, None], 25)
    assert isinstance(many, np.ndarray)
    assert_allclose(many, [2.0, np.nan])
    series = convert.sd_from_standard_error(pd.Series([0.4, 0.8], index=["A", "B"]), 25)
    assert series.to_dict() == {"A": 2.0, "B": 4.0}
    with pytest.raises(DataError, match="different indices"):
        convert.sd_from_standard_error(pd.Series([0.4], index=["A"]), pd.Series([25], index=["B"]))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: convert.smd_from_t(2.0, -5, 3), r"n1 \(-5\) is below 1 in this call"),
        (lambda: convert.smd_from_t([2.0, 2.0], [20, 1], [20, 2]), r"n1 \(1\) and n2 \(2\) are fewer .* \(row 2\)"),
        (lambda: convert.smd_from_p([0.1, 5.0], 20, 20, direction=1), r"p \(5\) is not a p-value .* \(row 2\)"),
        (lambda: convert.smd_from_f(2.0, 20, 20, direction=0), r"direction \(0\)"),
        (lambda: convert.r_from_chi_square(50, 40, direction=1), r"chi_square \(50\) exceeds n \(40\)"),
        (lambda: convert.standard_error_from_interval(1.2, 0.8), r"ci_low \(1\.2\) is not below ci_high \(0\.8\)"),
        (lambda: convert.standard_error_from_interval(-1, 0.8, ratio=True), r"ci_low \(-1\) is not positive"),
        (lambda: convert.standard_error_from_p(1.0, 0.04, ratio=True), r"estimate \(1\) shows no difference"),
        (lambda: convert.change_sd(1.0, 1.0, 1.0), r"r \(1\) is not a correlation"),
        (lambda: convert.correlation_from_change_sd(1.0, 1.0, 5.0), r"sd_change \(5\) fits no correlation"),
        (
            lambda: convert.table_from_margins(10, 10, 30, odds_ratio=1),
            r"events \(30\) exceeds n1 \(10\) and n2 \(10\)",
        ),
        (
            lambda: convert.table_from_margins(100, 100, 5, risk_difference=0.5),
            r"risk_difference \(0\.5\) would need 27\.5",
        ),
        (lambda: convert.table_from_odds_ratio(2, 0.05, 20, 20, risk2=0.3), r"se \(0\.05\) is smaller than"),
        (lambda: convert.convert_risk(3.0, 0.5, measure="RR", to="OR"), r"risk_ratio \(3\) is impossible"),
        (
            lambda: convert.convert_risk(-0.2, 0.5, measure="RR", to="OR"),
            r"risk_ratio \(-0\.2\) is not a positive ratio",
        ),
        (lambda: convert.number_needed_to_treat(-10, -25, 5), r"risk_difference \(-10\) is not between -1 and 1"),
        (lambda: convert.combine_arms(n=[5, 0], mean=[1, 2], sd=[1, 1]), r"n of arm 2 \(0\) is below 1"),
        (lambda: convert.mean_sd_from_quantiles(n=20, q1=5, median=4, q3=6), r"q1 \(5\) exceeds median \(4\)"),
        (lambda: convert.mean_sd_from_quantiles(n=20, q1=0, median=0, q3=0), r"q1 \(0\) and q3 \(0\) are equal"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, message) -> None:
    with pytest.raises(DataError, match=message):
        call()


def test_labels_of_a_series_name_the_study() -> None:
    n = pd.Series([20, 0], index=["Aho 1999", "Berg 2003"])
    with pytest.raises(DataError, match=r"n1 \(0\) is below 1 in study 'Berg 2003' \(row 2\)"):
        convert.smd_from_t(pd.Series([1.0, 2.0], index=n.index), n, 20)


def test_options_that_are_none_are_refused() -> None:
    with pytest.raises(OptionError, match="exactly one of"):
        convert.table_from_margins(10, 10, 5)
    with pytest.raises(OptionError, match="direction"):
        convert.table_from_margins(10, 10, 5, chi_square=1.0)
    with pytest.raises(OptionError, match="'luo-shi'"):
        convert.mean_sd_from_quantiles(n=5, q1=1, median=2, q3=3, method="luo-shii")


# Quantiles ------------------------------------------------------------------------------------------------------------


def test_quantiles_use_the_richest_summary_and_name_the_skewed() -> None:
    index = ["five", "quartiles", "range", "nothing"]
    frame = pd.DataFrame(
        {
            "n": [60, 60, 60, 60],
            "minimum": [1.0, np.nan, 1.0, np.nan],
            "q1": [3.0, 3.0, np.nan, 3.0],
            "median": [4.0, 4.0, 4.0, np.nan],
            "q3": [5.2, 9.0, np.nan, 5.0],
            "maximum": [7.5, np.nan, 7.5, np.nan],
        },
        index=index,
    )
    with pytest.warns(DataWarning, match=r"the quantiles of 'quartiles' look skewed"):
        found = convert.mean_sd_from_quantiles(**{name: frame[name] for name in frame})
    assert found.known.tolist() == ["five", "quartiles", "range", ""]
    assert found.skewed.tolist() == [False, True, False, False]
    assert found.loc["nothing", ["mean", "sd"]].isna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = convert.mean_sd_from_quantiles(**{name: frame[name] for name in frame}, method="mcgrath")
    assert fitted.family.tolist()[1] in {"log-normal", "gamma", "Weibull"}


def test_methods_differ_where_their_papers_do() -> None:
    five = {"n": 60, "minimum": 1.0, "q1": 3.0, "median": 4.0, "q3": 5.4, "maximum": 7.5}
    luo_shi, luo_wan, wan = (
        convert.mean_sd_from_quantiles(**five, method=method) for method in ("luo-shi", "luo-wan", "wan")
    )
    assert luo_shi["mean"][0] == luo_wan["mean"][0] != wan["mean"][0]
    assert luo_shi["sd"][0] != luo_wan["sd"][0] == wan["sd"][0]


# A messy table --------------------------------------------------------------------------------------------------------

MESSY = {
    "study": ["given", "quartiles", "p-value", "errors", "half", "mean and quartiles"],
    "mean1": [5.1, None, 4.4, 4.0, 3.9, 5.0],
    "sd1": [2.0, None, None, None, None, None],
    "n1": [30, 25, 40, 50, 22, 41],
    "mean2": [6.2, 6.6, 5.6, None, None, 6.0],
    "sd2": [2.2, 2.1, None, None, None, 1.5],
    "n2": [28, 27, 42, 50, 20, 41],
    "median1": [None, 5.0, None, None, None, None],
    "q1_1": [None, 3.8, None, None, None, 4.0],
    "q3_1": [None, 6.4, None, None, None, 6.2],
    "se1": [None, None, None, 0.3, 0.4, None],
    "ci_low2": [None, None, None, 4.4, None, None],
    "ci_high2": [None, None, None, 5.6, None, None],
    "p": [None, None, 0.01, None, None, None],
}


def test_means_are_completed_from_whatever_is_there() -> None:
    table = complete_means(MESSY)
    assert table.from1.tolist() == [
        "as given",
        "mean and SD from the quartiles (luo-shi)",
        "mean as given; SD from the p-value of the difference (p), shared by both groups",
        "mean as given; SD from the standard error (se1)",
        "mean as given; SD from the standard error (se1)",
        "mean as given; SD from the quartiles (wan)",
    ]
    assert table.from2[3] == "mean from its interval; SD from the interval of its mean"
    assert table.from2[4] == "incomplete: no mean and no SD, and nothing that it follows from"
    assert_allclose(table.sd1[3], 0.3 * np.sqrt(50), rtol=1e-14)
    assert_allclose(table.mean2[3], 5.0, rtol=1e-14)
    assert_allclose(table.sd2[3], convert.sd_from_interval(4.4, 5.6, 50), rtol=1e-14)
    # A t-test of the completed numbers has the p-value that was printed.
    from scipy import stats

    row = table.iloc[2]
    test = stats.ttest_ind_from_stats(row.mean1, row.sd1, row.n1, row.mean2, row.sd2, row.n2)
    assert_allclose(test.pvalue, 0.01, rtol=1e-10)
    with pytest.warns(ExcludedStudiesWarning, match="'half'"):
        effects = ma.effect_sizes(table, "MD")
    assert effects.k == 5


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_completed_tables_are_of_the_kind_that_was_given_and_the_given_one_stays(kind) -> None:
    frame = kind(MESSY)
    before = pd.DataFrame(MESSY).copy()
    table = complete_means(frame)
    assert type(table) is type(frame)
    with pytest.warns(ExcludedStudiesWarning):
        effects = ma.effect_sizes(table, "SMD")
    with pytest.warns(ExcludedStudiesWarning):
        expected = ma.effect_sizes(complete_means(MESSY), "SMD")
    assert_allclose(effects.y, expected.y, rtol=0, atol=0)
    if kind is pd.DataFrame:
        pd.testing.assert_frame_equal(frame, before)
    done = complete_effects(frame, "SMD")
    assert type(done) is type(frame)


def test_a_frame_keeps_its_index_and_its_other_columns() -> None:
    frame = pd.DataFrame(MESSY).set_index(pd.Index(list("uvwxyz")))
    frame["country"] = "Norway"
    table = complete_means(frame, sd1="sd1")
    assert table.index.tolist() == list("uvwxyz")
    assert (table.country == "Norway").all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"se1": [None, None, None, -0.3, 0.4, None]}, r"se1 \(-0\.3\) is not positive.* 'errors' \(row 4\)"),
        ({"p": [None, None, 1.2, None, None, None]}, r"p \(1\.2\) is not a p-value .* 'p-value' \(row 3\)"),
        ({"ci_low2": [None, None, None, 6.4, None, None]}, r"ci_low2 \(6\.4\) is not below ci_high2"),
        ({"q1_1": [None, 5.5, None, None, None, None]}, r"q1_1 \(5\.5\) exceeds median1 \(5\) in study 'quartiles'"),
        ({"n1": [0, 25, 40, 50, 22, 41]}, r"n1 \(0\) is below 1 in study 'given'"),
    ],
)
def test_a_messy_table_is_refused_by_column_and_study(change, message) -> None:
    with pytest.raises(DataError, match=message):
        complete_means(MESSY | change)


def test_quantiles_that_are_not_needed_are_not_asked_about() -> None:
    table = complete_means(
        MESSY | {"median1": [9.0, 5.0, None, None, None, None], "q3_1": [1.0, 6.4, None, None, None, 6.2]}
    )
    assert table.from1[0] == "as given"


def test_unknown_columns_and_keywords_are_refused() -> None:
    with pytest.raises(OptionError, match="no keyword 'mean3'"):
        complete_means(MESSY, mean3="mean1")
    with pytest.raises(DataError, match="no column 'SD'"):
        complete_means(MESSY, sd1="SD")
    with pytest.raises(DataError, match="no rows"):
        complete_means(pd.DataFrame({"mean1": []}))


def test_ratios_from_counts_intervals_p_values_and_given_effects() -> None:
    z = 1.959963984540054
    table = complete_effects(
        {
            "study": [
                "counts",
                "interval",
                "limits alone",
                "p",
                "given",
                "variance",
                "nothing",
                "zero cell",
                "log y and p",
            ],
            "events1": [4, None, None, None, None, None, None, 0, None],
            "n1": [123, None, None, None, None, None, 50, 30, None],
            "events2": [11, None, None, None, None, None, None, 5, None],
            "n2": [139, None, None, None, None, None, 50, 31, None],
            "estimate": [None, 0.7, None, 0.8, None, None, 0.9, None, None],
            "ci_low": [None, 0.7 * np.exp(-z * 0.2), 0.5, None, None, None, None, None, None],
            "ci_high": [None, 0.7 * np.exp(z * 0.2), 2.0, None, None, None, None, None, None],
            "p": [None, None, None, 0.04, None, None, None, None, 0.04],
            "y": [None, None, None, None, -0.1, -0.2, None, None, np.log(0.8)],
            "se": [None, None, None, None, 0.3, None, None, None, None],
            "v": [None, None, None, None, None, 0.09, None, None, None],
        },
        "RR",
    )
    assert table.effect_from.tolist() == [
        "computed from events1 n1 events2 n2",
        "estimate with its interval",
        "middle and width of its interval",
        "estimate with its p-value (normal)",
        "as given",
        "as given",
        "incomplete: nothing that a standard error follows from",
        "computed from events1 n1 events2 n2, 0.5 added to its cells",
        "estimate with its p-value (normal)",
    ]
    raw = ma.effect_sizes({"events1": [4, 0], "n1": [123, 30], "events2": [11, 5], "n2": [139, 31]}, "RR")
    assert_allclose(table.y[[0, 7]], raw.y, rtol=0, atol=0)
    assert_allclose(table.se[[0, 7]], raw.se, rtol=1e-15)
    assert_allclose([table.y[1], table.se[1], table.y[2]], [np.log(0.7), 0.2, 0.0], rtol=1e-12, atol=1e-15)
    assert_allclose(table.se[[4, 5]], 0.3, rtol=1e-15)
    assert_allclose([table.y[3], table.se[3]], [table.y[8], table.se[8]], rtol=1e-15)
    with pytest.warns(ExcludedStudiesWarning, match="'nothing'"):
        effects = ma.effect_sizes(table, "RR", y="y", se="se")
    assert effects.k == 8


def test_standardised_differences_from_tests_with_their_direction() -> None:
    table = complete_effects(
        {
            "study": ["t", "F", "F without direction", "p with means", "p with a lower mean"],
            "n1": [20] * 5,
            "n2": [22] * 5,
            "t": [2.1, None, None, None, None],
            "f": [None, 4.41, 4.41, None, None],
            "p": [None, None, None, 0.042, 0.042],
            "direction": [None, -1, None, None, None],
            "mean1": [None, None, None, 3.0, 2.0],
            "mean2": [None, None, None, 2.0, 3.0],
        },
        "SMD",
    )
    expected = convert.smd_from_t(2.1, 20, 22)
    assert_allclose(table.y[:2], [expected.y, -expected.y], rtol=1e-12)
    assert_allclose(table.se[:2] ** 2, expected.v, rtol=1e-12)
    assert table.effect_from[2].startswith("incomplete: F and p do not say in which direction")
    assert table.y[3] > 0
    assert table.y[4] == -table.y[3]
    assert_allclose(table.y[3], convert.smd_from_p(0.042, 20, 22, direction=1).y, rtol=1e-12)


def test_a_p_value_with_a_direction_alone() -> None:
    frame = {"n1": [20, 20], "n2": [22, 22], "p": [0.042, 0.042], "direction": [1, -1]}
    table = complete_effects(frame, "SMD")
    expected = convert.smd_from_p(0.042, 20, 22, direction=1)
    assert_allclose(table.y, [expected.y, -expected.y], rtol=1e-12)
    assert table.effect_from.tolist() == ["the p-value and the sizes of the groups"] * 2
    correlations = complete_effects({"n": [40, 40], "p": [0.02, 0.02], "direction": [1, -1]}, "COR")
    assert_allclose(correlations.y, convert.r_from_p(0.02, 40, direction=[1, -1]), rtol=1e-12)


def test_correlations_from_r_t_and_a_published_interval() -> None:
    z, se = 1.959963984540054, 1 / np.sqrt(37)
    table = complete_effects(
        {
            "study": ["r", "t", "interval"],
            "r": [0.3, None, None],
            "n": [40, 40, None],
            "t": [None, 0.3 * np.sqrt(38 / 0.91), None],
            "estimate": [None, None, 0.3],
            "ci_low": [None, None, np.tanh(np.arctanh(0.3) - z * se)],
            "ci_high": [None, None, np.tanh(np.arctanh(0.3) + z * se)],
        },
        "ZCOR",
    )
    assert_allclose(table.y, np.arctanh(0.3), rtol=1e-12)
    assert_allclose(table.se, se, rtol=1e-12)


def test_a_difference_uses_degrees_of_freedom_where_they_are_given() -> None:
    frame = {"estimate": [3.8, 3.8], "p": [0.008, 0.008], "df": [45, None]}
    table = complete_effects(frame, "MD")
    assert_allclose(table.se[0], convert.standard_error_from_p(3.8, 0.008, df=45), rtol=1e-14)
    assert_allclose(table.se[1], convert.standard_error_from_p(3.8, 0.008), rtol=1e-14)
    assert table.effect_from.tolist() == [
        "estimate with its p-value (t, 45 degrees of freedom)",
        "estimate with its p-value (normal)",
    ]


def test_published_numbers_of_measures_without_one_scale_are_refused() -> None:
    with pytest.raises(OptionError, match="PFT has no single way"):
        complete_effects({"estimate": [0.2], "ci_low": [0.1], "ci_high": [0.3]}, "PFT")
