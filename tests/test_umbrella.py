"""Umbrella reviews: citation matrices from lists and frames, and what is refused."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma

# Studies 1 to 5 of reviews A, B and C; counted by hand in tests/formulas/test_overlap.py.
LISTS = {"A": ["s1", "s2", "s4"], "B": ["s1", "s3"], "C": ["s1", "s2", "s3", "s5"]}
APPEARED = {"s1": 2001, "s2": 2003, "s3": 2011, "s4": 2002, "s5": 2018}
SEARCHED = {"A": 2010, "B": 2016.5, "C": 2020}


def long_frame() -> pd.DataFrame:
    rows = [
        {"sr": name, "trial": s, "appeared": APPEARED[s], "searched": SEARCHED[name]}
        for name in LISTS
        for s in LISTS[name]
    ]
    # A study listed twice in a review counts once.
    return pd.DataFrame([*rows, rows[0]])


def test_lists_and_frames_agree():
    frame = long_frame()
    names = {"review": "sr", "study": "trial", "study_years": "appeared", "search_years": "searched"}
    matrices = [
        ma.citation_matrix(LISTS, study_years=APPEARED, search_years=SEARCHED),
        ma.citation_matrix(frame, **names),
        ma.citation_matrix(pl.from_pandas(frame), **names),
        ma.citation_matrix({name: list(frame[name]) for name in frame}, **names),
    ]
    for matrix in matrices:
        assert (matrix.citations, len(matrix.studies), matrix.reviews) == (9, 5, ("A", "B", "C"))
        assert_allclose([matrix.covered_area, matrix.cca, matrix.cca_structural], [9 / 15, 4 / 10, 4 / 7], rtol=1e-15)
        assert matrix.overlap == "very high"
        pairs = matrix.pairs().set_index(["review1", "review2"])
        assert_allclose(
            pairs.loc[("A", "C"), ["shared", "missing", "cca", "cca_structural"]].tolist(), [2, 2, 2 / 5, 2 / 3]
        )
        assert pairs.index[0] == ("B", "C")


def test_the_matrix_as_a_frame():
    cells = ma.citation_matrix(LISTS, study_years=APPEARED, search_years=SEARCHED).to_frame()
    assert cells.loc["s1"].tolist() == [1, 1, 1]
    assert cells.loc["s5"].isna().tolist() == [True, True, False]
    assert cells.loc["s4"].tolist() == [1, 0, 0]


def test_years_that_are_unknown_or_odd():
    plain = ma.citation_matrix(LISTS)
    assert plain.cca_structural != plain.cca_structural
    assert "Without" not in plain.summary()
    part = ma.citation_matrix(LISTS, study_years={"s5": 2018, "of another review": 2000}, search_years={"A": 2010})
    assert_allclose(part.cca_structural, 4 / 9, rtol=1e-15)
    assert "4 of 5 studies have no year" in part.summary()
    odd = ma.citation_matrix(LISTS, study_years=APPEARED, search_years={**SEARCHED, "B": 2005})
    assert "Review 'B' (search 2005) cites 's3' (2011)" in odd.summary()
    assert_allclose(odd.cca_structural, 4 / 7, rtol=1e-15)


@pytest.mark.parametrize(
    ("lists", "options", "sentence"),
    [
        ({"A": ["s1"]}, {}, "two reviews at least, and there is 1"),
        ({}, {}, "there are none"),
        ({"A": ["s1"], "B": []}, {}, "'B' lists no studies"),
        ({"A": ["s1"], "B": "s1"}, {}, "'B' holds str"),
        ({"A": ["s1"], "B": ["s1", None]}, {}, r"study in review 'B' \(entry 2\) has no name"),
        ({"A": ["s1"], " A": ["s2"]}, {}, "two reviews are called 'A'"),
        (LISTS, {"study_years": {"s11": 2001}}, "year of 's11'.*Did you mean 's1'"),
        (LISTS, {"search_years": {"A": "2001"}}, "is not a year"),
        (LISTS, {"search_years": "year"}, "give years by name"),
        (long_frame(), {}, "no column 'review'"),
        (
            {"review": ["A", "B"], "study": ["s", "s"], "year": [1.0, 2.0]},
            {"study_years": "year"},
            r"'s' has two years, 1 and \(row 2\) 2",
        ),
    ],
)
def test_what_is_refused(lists, options, sentence):
    with pytest.raises(ma.DataError, match=sentence):
        ma.citation_matrix(lists, **options)


def test_names_that_are_almost_the_same():
    with pytest.warns(UserWarning, match="'Ito 2001' and 'ITO, 2001'"):
        matrix = ma.citation_matrix({"A": ["Ito 2001"], "B": ["ITO, 2001", "x"]})
    assert matrix.cca == 0.0
    assert ma.citation_matrix({"A": [" Ito  2001", 12.0], "B": ["Ito 2001", 12]}).cca == 1.0
