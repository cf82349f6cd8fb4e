"""The audit of tables of studies: what cannot be, what to look at again, and how often it looks in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import DataError, OptionError

COCHRANE = Path(__file__).parents[2] / "shared" / "cochrane"


def means(**changed: Any) -> pd.DataFrame:
    """Six studies of one outcome that are as they should be, the first changed."""
    rng = np.random.default_rng(3)
    n1, n2 = rng.integers(25, 70, (2, 6))
    table = pd.DataFrame(
        {
            "study": ["Adler 1998", "Björk 2001", "Carter 2003", "Duarte 2005", "Evans 2007", "Fonseca 2009"],
            "mean1": rng.normal(52, 2, 6).round(1), "sd1": rng.normal(9, 1, 6).round(1), "n1": n1,
            "mean2": rng.normal(50, 2, 6).round(1), "sd2": rng.normal(9, 1, 6).round(1), "n2": n2,
        }
    ).astype(object)  # fmt: skip
    for name, value in changed.items():
        table.loc[0, name] = value
    return table


def doubts(table: Any, **options: Any) -> list[tuple[str, int]]:
    """What is doubtful, and where."""
    found = ma.audit(table, **options)
    assert found.consistent
    return list(found.doubtful[["check", "row"]].itertuples(index=False, name=None))


def failed(table: Any, **options: Any) -> list[str]:
    """What is impossible."""
    return list(ma.audit(table, **options).inconsistent["check"])


def one_arm(mean: str, sd: str, n: int) -> dict[str, list[Any]]:
    return {"study": ["Adler 1998"], "mean": [mean], "sd": [sd], "n": [n]}


def test_what_is_right_is_right():
    found = ma.audit(means())
    assert found.consistent
    assert found.doubtful.empty
    assert found.about() == "6 studies"


def test_events_above_totals():
    assert failed({"events1": [11], "n1": [10], "events2": [10.0], "n2": [10]}) == ["events1 within n1"]
    table = {"study": ["a", "b"], "events1": [12, 3], "n1": [10, 10], "events2": [2, 10], "n2": [10, 10]}
    found = ma.audit(table)
    [one] = found.inconsistent.to_dict("records")
    assert one["sentence"] == "events1 = 12 is impossible: n1 = 10 allows 0 to 10."
    assert_allclose(one["how_far_off"], 2 / (0.5 * np.sqrt(10)), rtol=1e-9)
    assert (one["outcome"], one["row"]) == ("a", 1)


@pytest.mark.parametrize("column", ["n1", "n2", "events1"])
def test_counts_below_zero(column):
    table = {"events1": [1], "n1": [10], "events2": [2], "n2": [10]} | {column: [-3]}
    assert failed(table) == [f"{column.rstrip('12')}{column[-1]} below 0"]


def test_a_standard_deviation_below_zero():
    assert failed(means(sd1=-9.0)) == ["sd1 below 0"]


def test_grim():
    assert failed(one_arm("3.47", "1.1", 19), items=1) == []
    assert failed(one_arm("3.47", "1.1", 20), items=1) == ["mean of whole numbers (GRIM)"]
    assert failed(one_arm("3.47", "1.1", 20), items=3) == []  # 60 answers: 3.4667
    assert failed(one_arm("3.47", "1.1", 20)) == []
    assert failed(one_arm("3.47", "1.1", 20) | {"items": [1]}) == ["mean of whole numbers (GRIM)"]
    sentence = ma.audit(one_arm("3.47", "1.1", 20), items=1).inconsistent.sentence[0]
    assert (
        sentence == "mean = 3.47 is impossible: 20 people with whole numbers allow 3.450 or 3.500, and nothing between."
    )


def test_zeros_at_the_end_of_text_count():
    assert failed(one_arm("3.4", "1.1", 13), items=1) == []
    assert failed(one_arm("3.40", "1.1", 13), items=1) == ["mean of whole numbers (GRIM)"]


def test_means_and_deviations_on_a_scale():
    assert failed(one_arm("4.6", "0.8", 25), scale=(1, 5)) == []
    assert failed(one_arm("4.6", "1.6", 25), scale=(1, 5)) == ["sd from the scale"]
    assert set(failed(one_arm("5.6", "0.6", 25), scale=(1, 5))) == {"mean on its scale", "sd from the scale"}
    assert failed(one_arm("4.6", "1.6", 25) | {"scale_min": [0], "scale_max": [50]}) == []
    # A study's own scale counts before the one for all.
    assert failed(one_arm("4.6", "1.6", 25) | {"scale_min": [0], "scale_max": [50]}, scale=(1, 5)) == []
    assert failed(one_arm("3.5", "0.2", 20), items=1) == ["sd of whole numbers"]


@given(st.lists(st.integers(1, 7), min_size=2, max_size=60), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_true_answers_are_never_impossible(answers, of_mean, of_sd):
    x = np.array(answers)
    table = one_arm(f"{x.mean():.{of_mean}f}", f"{x.std(ddof=1):.{of_sd}f}", x.size)
    found = ma.audit(table, items=1, scale=(1, 7))
    assert found.consistent, found.summary()


def test_standard_errors_typed_as_standard_deviations():
    table = means()
    assert doubts(table) == []
    table = means(sd1=round(9 / np.sqrt(table.n1[0]), 2), sd2=round(9 / np.sqrt(table.n2[0]), 2))
    assert doubts(table) == [("SE typed as SD", 1)]
    assert "look like standard errors" in ma.audit(table).summary()


def test_the_same_data_under_two_names():
    table = means()
    table.loc[6] = ["Gruber 2012", *table.loc[2].tolist()[1:]]
    assert doubts(table) == [("same data twice", 7)]
    assert "one study under two names" in ma.audit(table).doubtful.sentence[0]


def test_the_same_name_twice():
    table = means()
    table.loc[6] = table.loc[2]
    assert doubts(table) == [("same data twice", 7)]
    table.loc[6, ["mean1", "mean2", "sd2"]] = [51.5, 49.1, 8.4]
    assert doubts(table) == [("same name twice", 7)]
    table.loc[6, "study"] = "  carter, 2003"
    assert doubts(table) == [("same name twice", 7)]
    assert doubts(table.assign(outcome=[*"aaaaaa", "b"])) == []


def test_counts_agree_by_chance_where_there_are_few():
    table = {"study": ["a", "b"], "events1": [1, 1], "n1": [20, 20], "events2": [2, 2], "n2": [20, 20]}
    assert doubts(table) == []
    assert doubts(table | {"events1": [9, 9]}) == [("same data twice", 2)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Björk 2001a", "Björk 2001b"),
        ("Björk 2001", "Björk 2001"),
        ("Björk 2001 (low)", "Björk 2001 (high)"),
        ("Björk A", "björk B"),
    ],
)
def test_control_groups_counted_twice(first, second):
    table = means()
    table.loc[6] = table.loc[1]
    table.loc[1, "study"], table.loc[6, "study"] = first, second
    table.loc[6, "mean1"] = 55.5
    assert doubts(table) == [("control group counted twice", 2)]
    assert "shared_control_covariances" in ma.audit(table).summary()
    halves = table.copy()
    halves.loc[[1, 6], "n2"] = [20, 21]
    assert "control group counted twice" not in dict(doubts(halves))


def test_a_treated_group_that_is_shared():
    table = means()
    table.loc[6] = table.loc[1]
    table.loc[6, ["study", "mean2", "n2"]] = ["Björk 2001 b", 44.5, 31]
    assert doubts(table) == [("group counted twice", 2)]


def test_columns_are_known_by_other_names_or_mapped():
    table = means(sd1=-9.0)
    metafor = table.rename(
        columns={"mean1": "m1i", "sd1": "sd1i", "n1": "n1i", "mean2": "m2i", "sd2": "sd2i", "n2": "n2i"}
    )
    meta = table.rename(
        columns={"mean1": "mean.e", "sd1": "sd.e", "n1": "n.e", "mean2": "mean.c", "sd2": "sd.c", "n2": "n.c"}
    )
    odd = table.rename(columns={"sd1": "spread", "mean1": "middle"})
    assert failed(metafor) == failed(meta) == ["sd1 below 0"]
    assert failed(odd, sd1="spread", mean1="middle") == ["sd1 below 0"]
    assert ma.audit(table.assign(author="x")).verdicts.outcome[0] == "Adler 1998"


def test_effects_beside_the_data_are_audited_too():
    table = {"study": ["a", "b"], "events": [12, 3], "n": [10, 10], "measure": ["OR"] * 2, "estimate": ["2.00"] * 2,
             "ci_low": ["1.00"] * 2, "ci_high": ["4.00"] * 2, "z": ["1.96", "9.96"]}  # fmt: skip
    found = ma.audit(table).inconsistent
    assert set(found[["check", "outcome"]].itertuples(index=False, name=None)) == {
        ("events within n", "a"),
        ("Z from the interval", "b"),
    }


def test_nothing_is_changed():
    table = means()
    before = table.copy(deep=True)
    ma.audit(table, items=1, scale=(0, 100))
    pd.testing.assert_frame_equal(table, before)


def test_refusals():
    with pytest.raises(DataError, match=r"mean1 is 'many' in 'Adler 1998' \(row 1\), which is not a number"):
        ma.audit(means(mean1="many"))
    with pytest.raises(DataError, match="a bound is no number"):
        ma.audit(means(sd1="<3"))
    with pytest.raises(DataError, match="no rows"):
        ma.audit(means().iloc[:0])
    with pytest.raises(DataError, match="its low end comes first"):
        ma.audit(means(), scale=(7, 1))
    for items in (0, 1.5, True, float("nan")):
        with pytest.raises(OptionError, match="number of items"):
            ma.audit(means(), items=items)
    for scale in ((1,), "1-7", (float("nan"), 7)):
        with pytest.raises(OptionError, match="scale"):
            ma.audit(means(), scale=scale)
    with pytest.raises(OptionError, match="no such column to map"):
        ma.audit(means(), meen1="mean1")


def test_how_often_the_cochrane_reviews_are_doubted():
    """What the documentation says of the rule for standard errors, and that nothing true is called impossible."""
    if not COCHRANE.exists():
        pytest.skip(f"the Cochrane corpus is not at {COCHRANE}")
    studies = pd.read_parquet(COCHRANE / "studies.parquet")
    analyses = pd.read_csv(COCHRANE / "analyses.csv")
    keys = ["review", "comparison", "analysis"]
    studies = studies.assign(review=studies.review.astype(str)).merge(analyses[[*keys, "measure"]], on=keys)
    used = studies[studies.measure.isin(["MD", "SMD"])].replace({"sd1": {0.0: np.nan}, "sd2": {0.0: np.nan}})
    outcome = used.review + " " + used.comparison.astype(str) + "." + used.analysis.astype(str)
    table = used[["study", "mean1", "sd1", "n1", "mean2", "sd2", "n2"]].assign(
        outcome=outcome, subgroup=used.subgroup.astype(str)
    )
    found = ma.audit(table.astype({"study": str}))
    assert found.consistent
    counts = found.doubtful["check"].value_counts()
    assert counts["SE typed as SD"] == 53
    assert counts.sum() < 0.025 * len(table)
