"""One row an arm to one row a comparison and back; several arms; covariances of a shared control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects.arms import shared_control_covariances
from metaanalysis.effects.shapes import arms_to_comparisons, comparisons_to_arms
from metaanalysis.errors import DataError, DataWarning, OptionError

LONG = {
    "study": ["A", "A", "B", "B", "B"],
    "arm": ["drug", "placebo", "placebo", "low", "high"],
    "events": [4.0, 9.0, 12.0, 6.0, 5.0],
    "n": [35.0, 36.0, 50.0, 48.0, 51.0],
    "mean": [1.0, 2.0, 3.0, 4.0, 5.0],
    "sd": [1.0, 1.5, 1.2, 1.1, 0.9],
    "time": [30.0, 31.0, 45.0, 40.0, 44.0],
    "year": [1999, 1999, 2004, 2004, 2004],
    "dose": [10.0, 0.0, 0.0, 5.0, 20.0],
    "q1": [0.5, 1.5, 2.5, 3.5, 4.5],
}


def test_combined_arms_are_one_comparison() -> None:
    table = arms_to_comparisons(LONG, reference="placebo")
    assert table.comparison.tolist() == ["A", "B"]
    assert table.arm1.tolist() == ["drug", "low + high"]
    assert table.loc[1, ["events1", "n1", "time1", "events2", "n2"]].tolist() == [11.0, 99.0, 84.0, 12.0, 50.0]
    mean = (48 * 4 + 51 * 5) / 99
    squares = 47 * 1.1**2 + 50 * 0.9**2 + 48 * (4 - mean) ** 2 + 51 * (5 - mean) ** 2
    assert_allclose(table.loc[1, ["mean1", "sd1"]].astype(float), [mean, np.sqrt(squares / 98)], rtol=1e-14)
    assert table.year.tolist() == [1999, 2004]
    assert table.dose1.isna().tolist() == [False, True]
    assert {"q1_1", "q1_2"} <= set(table.columns)


def test_a_split_control_counts_nobody_twice() -> None:
    table = arms_to_comparisons(LONG, reference="placebo", multi_arm="split")
    assert table.comparison.tolist() == ["A", "B (low)", "B (high)"]
    of_b = table[table.study == "B"]
    assert of_b[["events2", "n2", "time2"]].sum().tolist() == [12.0, 50.0, 45.0]
    assert of_b.mean2.tolist() == [3.0, 3.0]
    assert of_b.sd2.tolist() == [1.2, 1.2]
    ma.effect_sizes(of_b, "RR")
    odd = LONG | {"n": [35.0, 36.0, 51.0, 48.0, 51.0]}
    with pytest.warns(DataWarning, match="not a whole number"):
        ma.effect_sizes(arms_to_comparisons(odd, reference="placebo", multi_arm="split"), "RR")


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_come_back_as_they_came(kind) -> None:
    table = arms_to_comparisons(kind(LONG), reference="placebo")
    assert type(table) is type(kind(LONG))
    assert_allclose(
        ma.effect_sizes(table, "RR").y, ma.effect_sizes(arms_to_comparisons(LONG, reference="placebo"), "RR").y
    )


def test_columns_by_other_names_and_references_by_study() -> None:
    frame = pd.DataFrame(LONG).rename(columns={"study": "trial", "arm": "group", "events": "deaths"})
    table = arms_to_comparisons(
        frame, study="trial", arm="group", events="deaths", reference={"A": "drug", "B": "high"}, multi_arm="contrasts"
    )
    assert table.arm2.tolist() == ["drug", "high", "high"]
    assert table.events1.tolist() == [9.0, 12.0, 6.0]


@pytest.mark.parametrize(
    "change, reference, message",
    [
        ({}, "none", "study 'A' has no reference arm: its arms are drug, placebo"),
        ({}, ["low", "high", "placebo"], "study 'B' has several reference arms"),
        ({}, {"A": "placebo"}, "reference names no arm of study 'B'"),
        ({"arm": ["drug", "drug", "placebo", "low", "high"]}, "placebo", "study 'A' has the arm 'drug' twice"),
        ({"study": ["A", "C", "B", "B", "B"]}, ["placebo", "drug"], "study 'A' has no arm beside 'drug'"),
        ({"study": ["A", None, "B", "B", "B"]}, "placebo", "study is missing in row 2"),
        (
            {"events": [40.0, 9.0, 12.0, 6.0, 5.0]},
            "placebo",
            r"events \(40\) exceeds n \(35\) in study 'A: drug' \(row 1\)",
        ),
        (
            {"sd": [1.0, -1.5, 1.2, 1.1, 0.9]},
            "placebo",
            r"sd \(-1\.5\) is not positive in study 'A: placebo' \(row 2\)",
        ),
        ({"n": ["35", 36.0, 50.0, 48.0, 51.0]}, "placebo", r"n \('35'\) in study 'A: drug' \(row 1\) is not a number"),
    ],
)
def test_what_cannot_be_is_refused(change, reference, message) -> None:
    with pytest.raises(DataError, match=message):
        arms_to_comparisons(LONG | change, reference=reference)


def test_unknown_ways_and_keywords_are_refused() -> None:
    with pytest.raises(OptionError, match="combine, split, contrasts"):
        arms_to_comparisons(LONG, reference="placebo", multi_arm="merge")
    with pytest.raises(OptionError, match="no keyword 'event'"):
        arms_to_comparisons(LONG, reference="placebo", event="events")


def test_a_missing_arm_leaves_the_combined_one_missing() -> None:
    table = arms_to_comparisons(LONG | {"sd": [1.0, 1.5, 1.2, np.nan, 0.9]}, reference="placebo")
    assert np.isnan(table.sd1[1])
    assert table.n1[1] == 99


def test_wide_to_long_and_back() -> None:
    wide = arms_to_comparisons(
        {name: LONG[name] for name in ("study", "arm", "events", "n", "year")}, reference="placebo"
    )
    long = comparisons_to_arms(wide.drop(columns="comparison"))
    assert long.arm.tolist() == ["drug", "placebo", "low + high", "placebo"]
    again = arms_to_comparisons(long, reference="placebo")
    pd.testing.assert_frame_equal(again[wide.columns], wide)


def test_three_groups_in_one_row() -> None:
    wide = {
        "study": ["B", "C"],
        "events1": [6, 1],
        "n1": [48, 9],
        "events2": [5, 2],
        "n2": [51, 8],
        "events3": [12, None],
        "n3": [50, None],
    }
    long = comparisons_to_arms(wide, arms={1: "low", 2: "high", 3: "placebo"})
    assert long.study.tolist() == ["B", "B", "B", "C", "C"]
    assert long.arm.tolist() == ["low", "high", "placebo", "low", "high"]
    with pytest.raises(DataError, match="no columns such as events1"):
        comparisons_to_arms({"study": ["A"], "cases": [1]})


MEASURES = ["RR", "OR", "RD", "IRR", "MD", "ROM", "SMD"]


@pytest.mark.parametrize("measure", MEASURES)
def test_covariances_agree_with_the_difference_of_two_contrasts(measure: str) -> None:
    # Var(low against high) = v1 + v2 - 2 cov: the control cancels, so that the direct comparison has the same variance.
    contrasts = ma.effect_sizes(arms_to_comparisons(LONG, reference="placebo", multi_arm="contrasts"), measure)
    found = shared_control_covariances(contrasts)
    assert found.studies == ("A", "B")
    assert [rows.tolist() for rows in found.rows] == [[0], [1, 2]]
    assert_allclose(found["A"], [[contrasts.v[0]]])
    assert list(found) == list(found.keys()) == ["A", "B"]
    assert "A" in found
    assert "C" not in found
    assert {name: matrix.shape for name, matrix in found.items()} == {"A": (1, 1), "B": (2, 2)}
    assert dict(found)["B"] is found["B"] is found.values()[1]
    block = found["B"]
    assert_allclose(np.diag(block), contrasts.v[1:], rtol=0, atol=0)
    assert np.linalg.eigvalsh(block).min() > 0
    direct = {name: np.array(values)[3:] for name, values in LONG.items()}
    expected = ma.effect_sizes(arms_to_comparisons(direct, reference="high"), measure)
    difference = block[0, 0] + block[1, 1] - 2 * block[0, 1]
    # A standardised difference has another standard deviation in each comparison, so that it agrees roughly only.
    assert_allclose(difference, expected.v[0], rtol=0.15 if measure == "SMD" else 1e-12)


def test_a_correction_in_one_contrast_keeps_the_matrix_positive_definite() -> None:
    table = arms_to_comparisons(
        LONG | {"events": [4.0, 9.0, 1.0, 0.0, 5.0]}, reference="placebo", multi_arm="contrasts"
    )
    for measure in ("RR", "OR", "RD", "IRR"):
        effects = ma.effect_sizes(table, measure)
        assert effects.corrected.label.tolist() == ["B"]
        block = shared_control_covariances(effects)["B"]
        assert np.linalg.eigvalsh(block).min() > 0
        assert_allclose(block, block.T, rtol=0, atol=0)
        if measure == "RR":
            # The control is 1 of 50 in one contrast and 1.5 of 51 in the other; the latter contributes less.
            assert_allclose(block[0, 1], 1 / 1.5 - 1 / 51, rtol=1e-14)


def test_controls_that_are_not_shared_are_refused() -> None:
    table = {"study": ["B", "B"], "events1": [6, 5], "n1": [48, 51], "events2": [12, 10], "n2": [50, 50]}
    with pytest.raises(DataError, match=r"events2 differs between comparisons of study 'B'"):
        shared_control_covariances(ma.effect_sizes(table, "RR"))
    with pytest.raises(OptionError, match="not known for ZCOR"):
        shared_control_covariances(ma.effect_sizes({"study": ["A"], "r": [0.3], "n": [30]}, "ZCOR"))
    with pytest.raises(DataError, match="given without the data"):
        shared_control_covariances(ma.effect_sizes({"study": ["A"], "y": [0.3], "se": [0.1]}, "RR"))
