"""Umbrella reviews: what reviews report, read and checked, and never pooled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

import metaanalysis as ma
from metaanalysis.results import CitationMatrix, UmbrellaReview

PUBLISHED = Path(__file__).parents[1].parent / "shared" / "published" / "peer_support_reviews_reported.csv"


def table() -> pd.DataFrame:
    """Rows of Tables 2 and 4 of Cooper et al. (2024), with a judgement a row."""
    return pd.DataFrame(
        {
            "Review": ["Fang 2022", "Huang 2020", "Huang 2020", "Lyons 2021"],
            "outcome": ["Depressive symptoms", "Depressive symptoms", "Depression", "Hope"],
            "measure": ["SMD", "Hedges' g", "RR", "WMD"],
            "est": [-0.39, -0.37, 0.69, 0.18],
            "95% CI lower": [-0.54, -0.66, 0.49, -0.34],
            "95% CI upper": [-0.24, -0.08, 0.96, 0.69],
            "k": [21, 9, 7, 3],
            "N": [3154, 1617, 1644, 1029],
            "I²": [78, 84, 70, None],
            "p": ["<0.001", "0.01", "0.03", "0.50"],
            "amstar2": ["Critically low", "Low", "Low", None],
        }
    )


def test_a_table_is_read_as_it_is_printed():
    found = ma.umbrella(table())
    assert found.review == ("Fang 2022", "Huang 2020", "Huang 2020", "Lyons 2021")
    assert found.measure == ("SMD", "SMD", "RR", "MD")
    assert found.measures == ("SMD", "RR", "MD")
    assert found.outcomes == ("Depressive symptoms", "Depression", "Hope")
    assert_array_equal(found.estimate, [-0.39, -0.37, 0.69, 0.18])
    assert_array_equal(found.ci_low, [-0.54, -0.66, 0.49, -0.34])
    assert_array_equal(found.ci_high, [-0.24, -0.08, 0.96, 0.69])
    assert_array_equal(found.decimals, 2)
    assert found.reported["i2"] == ("78", "84", "70", "")
    assert found.reported["p_value"] == ("<0.001", "0.01", "0.03", "0.50")
    assert found.others["amstar2"][:3] == ("Critically low", "Low", "Low")
    frame = found.to_frame()
    assert frame.columns.tolist() == [
        "review", "outcome", "measure", "estimate", "ci_low", "ci_high", "k", "n_total", "p_value", "i2", "amstar2",
    ]  # fmt: skip
    assert frame.k.tolist() == [21, 9, 7, 3]
    assert np.isnan(frame.i2[3])
    assert str(found).startswith("4 pooled results of 3 reviews on 3 outcomes, not pooled over reviews.")


def test_frames_of_any_make_and_columns_of_any_name():
    renamed = table().rename(columns={"Review": "who", "outcome": "of what"})
    names = {"review": "who", "outcome": "of what"}
    expected = ma.umbrella(table()).to_frame()
    for made in (renamed, pl.from_pandas(renamed), {name: list(renamed[name]) for name in renamed}):
        found = ma.umbrella(made, **names).to_frame()
        pd.testing.assert_frame_equal(
            found.drop(columns="amstar2"), expected.drop(columns="amstar2"), check_dtype=False
        )


def test_results_are_frozen():
    found = ma.umbrella(table())
    with pytest.raises(ValueError, match="read-only"):
        found.estimate[0] = 1.0
    assert isinstance(found, UmbrellaReview)
    assert CitationMatrix.__name__ == "CitationMatrix"


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        (
            "est",
            0,
            0.39,
            r"estimate \(0\.39\) of 'Fang 2022', 'Depressive symptoms' \(row 1\) lies above .* ci_high -0\.24",
        ),
        ("est", 3, -0.35, r"estimate \(-0\.35\) of 'Lyons 2021', 'Hope' \(row 4\) lies below .* ci_low -0\.34"),
        ("95% CI lower", 1, 0.66, r"95% CI lower \(0\.66\) exceeds 95% CI upper \(-0\.08\).*row 2"),
        ("95% CI lower", 2, -0.71, r"95% CI lower is -0\.71 in .*row 3.* a ratio is above 0"),
        ("95% CI upper", 1, None, r"ci_high of 'Huang 2020'.*row 2.* is missing"),
        ("est", 2, None, r"estimate of 'Huang 2020', 'Depression' \(row 3\) is missing"),
        ("measure", 2, "risk", r"measure is 'risk' in 'Depression' \(row 3\)"),
        ("Review", 1, None, r"the review in row 2 has no name"),
        ("I²", 0, 178, r"I² is '178' .*row 1.* lies between 0 and 100"),
        ("k", 0, 2.5, r"k is '2\.5' .*row 1.* whole number"),
    ],
)
def test_what_cannot_be_true_is_refused(column, row, value, said):
    frame = table().astype({column: object})
    frame.loc[row, column] = value
    with pytest.raises(ma.DataError, match=said):
        ma.umbrella(frame)


def test_what_else_is_refused():
    with pytest.raises(ma.DataError, match="no column for ci_low"):
        ma.umbrella(table().drop(columns="95% CI lower"))
    with pytest.raises(ma.OptionError, match="level"):
        ma.umbrella(table(), level=95)
    with pytest.raises(ma.DataError, match="no rows"):
        ma.umbrella(table().iloc[:0])


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not beside this repository")
def test_the_tables_of_cooper_2024():
    found = ma.umbrella(PUBLISHED, review="source")
    assert len(found) == 25
    assert found.measures == ("SMD", "RR", "MD")
    ma.forest(found, left=["outcome", "k"], right=["estimate"])
