"""Fleiss (1993), two analyses as Review Manager exports them, with its own results to eight digits."""

from __future__ import annotations

import csv
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

import metaanalysis as ma

EXPORT = Path(__file__).parents[2].parent / "shared" / "cochrane" / "Fleiss1993_CR.csv"

pytestmark = pytest.mark.skipif(
    not EXPORT.exists(), reason="the export of Review Manager is not beside this repository"
)

COUNTS = {"events1": "Events 1", "n1": "Total 1", "events2": "Events 2", "n2": "Total 2"}
MEANS = {"mean1": "Mean 1", "sd1": "SD 1", "n1": "Total 1", "mean2": "Mean 2", "sd2": "SD 2", "n2": "Total 2"}


def analysis(number: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The line of the pooled result and those of its studies, as text, so that printed digits are known."""
    with EXPORT.open(encoding="utf-8-sig") as lines:
        rows = [row for row in csv.DictReader(lines) if row["Outcome Number"] == number]
    return rows[0], rows[1:]


def studies(number: str, columns: dict[str, str]) -> pd.DataFrame:
    rows = analysis(number)[1]
    data = {ours: [float(row[theirs]) for row in rows] for ours, theirs in columns.items()}
    return pd.DataFrame({"study": [row["Name"] for row in rows]} | data)


def prints_as(value: float, printed: str) -> bool:
    """Whether a number has the printed digits; trailing zeros are not printed."""
    decimals = len(printed.partition(".")[2])
    # Shortened zeros: eight decimals were meant.
    return f"{value:.{decimals}f}" == printed or f"{value:.8f}".rstrip("0").rstrip(".") == printed


def assert_prints(found: dict[str, float], row: dict[str, str]) -> None:
    wrong = [
        f"{name}: {row[name]} printed, {value!r} found"
        for name, value in found.items()
        if not prints_as(value, row[name])
    ]
    assert not wrong, "; ".join(wrong)


def pooled_line(fit: ma.Pooled) -> dict[str, float]:
    back = fit.back_transformed()
    return {
        "Effect Estimate": back.estimate,
        "CI Start": back.ci_low,
        "CI End": back.ci_high,
        "Q": fit.q,
        "I²(Q)": fit.i2,
        "Z": abs(fit.statistic),
        "P(Z)": fit.p_value,
        "df": fit.q_df,
    }


def study_lines(fit: ma.Pooled) -> list[dict[str, float]]:
    low, high = fit.effects.interval()
    back = fit.effects.measure_entry.back_transform
    columns = (back(fit.effects.y), fit.effects.se, back(low), back(high), fit.weights)
    names = ("Effect Estimate", "SE", "CI Start", "CI End", "Weight")
    return [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def aspirin(**options: object) -> ma.Pooled:
    effects = ma.effect_sizes(studies("1", COUNTS), "OR", convention="revman5")
    return ma.pool(effects, method="mantel-haenszel", **options)


def mental_health(**options: object) -> ma.Pooled:
    effects = ma.effect_sizes(studies("2", MEANS), "MD", convention="revman5")
    return ma.pool(effects, model="common", **options)


@pytest.mark.parametrize("number, fit", [("1", aspirin), ("2", mental_health)], ids=["aspirin", "mental health"])
def test_pooled_results_have_the_printed_digits(number, fit):
    assert_prints(pooled_line(fit()), analysis(number)[0])


@pytest.mark.parametrize("number, fit", [("1", aspirin), ("2", mental_health)], ids=["aspirin", "mental health"])
def test_studies_have_the_printed_digits(number, fit):
    rows = analysis(number)[1]
    lines = study_lines(fit())
    assert [row["Name"] for row in rows] == list(fit().effects.label)
    for line, row in zip(lines, rows, strict=True):
        assert_prints(line, row)


@pytest.mark.parametrize("number, fit", [("1", aspirin), ("2", mental_health)], ids=["aspirin", "mental health"])
def test_review_managers_tail_of_chi_squared_is_right_to_six_digits_alone(number, fit):
    header = analysis(number)[0]
    # With even degrees of freedom the tail is a sum of Poisson probabilities, exact to the last digit.
    half, terms = mpmath.mpf(header["Q"]) / 2, int(header["df"]) // 2
    exact = mpmath.exp(-half) * sum(half**i / mpmath.factorial(i) for i in range(terms))
    assert 5e-8 < abs(exact - mpmath.mpf(header["P(Q)"])) < 1e-7
    # Q is printed to eight decimals, which leaves its p at most 5e-9 open.
    assert abs(fit().q_p_value - exact) < 5e-9


def test_the_exports_own_totals_are_those_of_its_studies():
    frame = studies("1", COUNTS)
    header = analysis("1")[0]
    assert np.array_equal(frame[["events1", "n1", "events2", "n2"]].sum(), [float(header[c]) for c in COUNTS.values()])
