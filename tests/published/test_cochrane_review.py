"""A whole review in the format of Review Manager 5 (CD000023), and two analyses in its CSV form, against its own results."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

import metaanalysis as ma

COCHRANE = Path(__file__).parents[2].parent / "shared" / "cochrane"
REVIEW, POOLED, EXPORT = (COCHRANE / name for name in ("CD000023.rm5", "CD000023_pooled.csv", "Fleiss1993_CR.csv"))

pytestmark = pytest.mark.skipif(
    not REVIEW.exists(), reason="the review of Review Manager 5 is not beside this repository"
)

# Their columns and ours; p-values apart, of which Review Manager's own are approximations.
NUMBERS = {
    "effect_size": "estimate",
    "ci_start": "ci_low",
    "ci_end": "ci_high",
    "z": "statistic",
    "chi2": "q",
    "df": "q_df",
    "i2": "i2",
    "tau2": "tau2",
}
BETWEEN = {"q": "q_between", "i2_q": "i2_between"}


@pytest.fixture(scope="module")
def found() -> ma.reviews.RevManReproduction:
    return ma.reproduce(ma.read_revman(REVIEW), tolerance=1e-9)


def test_every_number_agrees(found):
    assert found.ok, found.differing[:5]
    assert len(found.rows) == 1084
    assert not found.failures
    frame = found.to_frame()
    exact = frame[~frame.statistic.str.endswith("p_value")]
    assert (exact.difference.abs() <= 1e-9 * np.maximum(1.0, exact.revman.abs())).all()


def test_all_41_pooled_results_to_1e_9(found):
    expected = pd.read_csv(POOLED)[lambda frame: frame.file.str.startswith("CD000023") & (frame.effect_size > 0)]
    assert len(expected) == 41
    ours = {(row.analysis, row.part, row.statistic): row.ours for row in found.rows if not row.study}
    compared = 0
    for row in expected.itertuples():
        analysis = f"{row.comparison}.{row.outcome}"
        part = "Total" if row.level == "overall" else " ".join(row.subgroup.split())
        for theirs, name in NUMBERS.items():
            if row.df == 0 and name in ("q", "q_df", "i2", "tau2"):
                continue
            assert ours[analysis, part, name] == pytest.approx(getattr(row, theirs), rel=1e-9, abs=1e-12), (
                analysis,
                part,
                name,
            )
            compared += 1
        if row.level == "overall" and row.subgroups == "YES" and row.p_q < 1:
            for theirs, name in BETWEEN.items():
                value = ours[analysis, "Test for subgroup differences", name]
                assert value == pytest.approx(getattr(row, theirs), rel=1e-9, abs=1e-12), (analysis, name)
                compared += 1
    assert compared > 300


def test_review_managers_p_values_are_approximations(found):
    frame = found.to_frame()
    normal = frame[frame.statistic == "p_value"]
    tail = frame[frame.statistic.isin(["q_p_value", "q_between_p_value"])]
    assert normal.difference.abs().max() < 5e-8
    assert tail.difference.abs().max() < 5e-7
    # Ours are those of the same statistics at 50 digits.
    mpmath.mp.dps = 50
    statistics = frame[frame.statistic == "statistic"].set_index(["analysis", "part"]).ours
    for row in normal.itertuples():
        exact = mpmath.erfc(mpmath.mpf(float(statistics[row.analysis, row.part])) / mpmath.sqrt(2))
        assert row.ours == pytest.approx(float(exact), rel=1e-12)


def test_the_settings_are_read():
    review = ma.read_revman(REVIEW)
    assert review.doi == "10.1002/14651858.CD000023.pub4"
    assert review.title == "Antibiotics for sore throat"
    assert len(review.analyses) == 21
    assert len(review.studies) == 217
    assert {(one.measure, one.method, one.model, one.totals, one.level) for one in review.analyses} == {
        ("RR", "mantel-haenszel", "random", "overall", 0.95)
    }
    assert set(review.studies.estimable) == {True, False}
    study = review.rows("1.1").iloc[0]
    assert (study.study, study.year, study.events1, study.n2) == ("Brink 1951", 1951, 119, 198)


def test_the_csv_form_has_the_printed_digits():
    found = ma.reproduce(ma.read_revman(EXPORT))
    assert found.ok, found.differing
    assert len(found.rows) == 66
    # Eight decimals were printed; its tail of chi-squared is right to about 1e-7.
    frame = found.to_frame()
    exact = frame[frame.statistic != "q_p_value"]
    assert (exact.difference.abs() <= 0.5001e-8).all()


def test_the_csv_form_in_other_encodings_and_orders(tmp_path):
    text = EXPORT.read_text(encoding="utf-8-sig")
    whole = ma.read_revman(EXPORT)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        again = ma.read_revman(path)
        pd.testing.assert_frame_equal(again.studies, whole.studies)
        assert bool(again.notes) == (encoding == "cp1252")
    shuffled = pd.read_csv(EXPORT, dtype=str)[lambda frame: frame.columns[::-1]]
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    pd.testing.assert_frame_equal(ma.read_revman(tmp_path / "shuffled.csv").studies, whole.studies)
