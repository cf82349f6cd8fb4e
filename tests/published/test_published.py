"""Every published review through the code behind `metaanalysis reproduce`: one test a printed number, named after the paper."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import pytest

from metaanalysis.reviews import Reproduction, load_review, reproduce, review_names

SHARED = Path(__file__).parents[2].parent / "shared" / "published" / "results.csv"
FIRST_FLOOR = (
    "hackshaw1998",
    "baskerville2012",
    "molloy2014",
    "bcg",
    "yusuf1985",
    "raudenbush1985",
    "normand1999",
    "hine1989",
    "white2020",
)


@lru_cache
def reproduced(name: str) -> Reproduction:
    return reproduce(name)


def printed_numbers() -> list[object]:
    numbers = []
    for name in review_names():
        review = load_review(name)
        flat = [(analysis, one) for analysis in review.analyses for one in analysis.printed]
        for at, (analysis, one) in enumerate(flat):
            what = " ".join(word for word in (analysis.id, one.part, one.statistic, one.number.text) if word)
            numbers.append(pytest.param(name, at, id=f"{review.paper} ({name}): {what}"))
    return numbers


def reported_outcomes() -> list[object]:
    outcomes = []
    for name in review_names():
        review = load_review(name)
        if review.kind == "reported":
            with review.table.open(encoding="utf-8", newline="") as file:
                rows = [row[review.label] for row in csv.DictReader(file)]
            outcomes += [pytest.param(name, row, id=f"{review.paper} ({name}): {row}") for row in dict.fromkeys(rows)]
    return outcomes


@pytest.mark.parametrize("name, at", printed_numbers())
def test_printed_number(name: str, at: int) -> None:
    row = reproduced(name).rows[at]
    if row.missing:
        pytest.skip(f"needs {row.missing}")
    assert row.agrees == row.expected, (
        f"printed {row.printed} ({row.where}), ours {row.ours} ({row.value!r}); {row.note}"
    )


@pytest.mark.parametrize("name, outcome", reported_outcomes())
def test_reported_result(name: str, outcome: str) -> None:
    rows = [row for row in reproduced(name).rows if row.analysis == outcome]
    assert rows
    assert [row.note or f"{row.statistic}: {row.printed}, ours {row.ours}" for row in rows if not row.ok] == []


def test_white_2020_is_consistent() -> None:
    rows = reproduced("white2020").rows
    assert len(rows) > 40
    assert all(row.agrees and row.expected for row in rows)
    between = reproduced("white2020").audits[1].verdicts
    said = between[between["check"] == "Q between from the subgroups"]["sentence"].tolist()
    assert said == ["Q between: the subgroups' estimates and intervals allow 4.39 to 5.01."]


def test_the_two_numbers_of_peer_support_reviews_that_cannot_be() -> None:
    rows = reproduced("peer-support-reviews").rows
    wrong = [(row.analysis, row.printed) for row in rows if not row.agrees]
    assert wrong == [("Fang 2022 perinatal depression", "9.42"), ("QoL equivalence", "0.56")]
    limits = [(row.printed, row.ours) for row in rows if row.statistic.endswith(("possible low", "possible high"))]
    assert limits == [("4.87", "4.87"), ("5.34", "5.34"), ("0.460", "0.460"), ("0.514", "0.514")]


@pytest.mark.parametrize("name", FIRST_FLOOR)
def test_nothing_is_left_unattempted(name: str) -> None:
    assert [row for row in reproduced(name).rows if row.missing] == []


@pytest.mark.skipif(not SHARED.exists(), reason="the folder shared/published is not beside the repository")
def test_what_was_seen_in_print_is_on_record() -> None:
    with SHARED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["evidence"] == "printed in the publication"]
    assert rows
    for row in rows:
        review = load_review(row["dataset"].removeprefix("dat."))
        recorded = [
            float(one.number.number)
            for analysis in review.analyses
            for one in analysis.printed
            if one.evidence == row["evidence"]
        ]
        assert float(row["value"]) in recorded, row
