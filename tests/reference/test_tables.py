"""Mantel-Haenszel and Peto against values from R (see generate.R), over all data sets with counts in two groups."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.formulas.binary import peto_components

HERE = Path(__file__).parent
COUNTS = ["events1", "n1", "events2", "n2"]
MEASURES = ("RR", "OR", "RD")
NUMBERS = ("estimate", "se", "statistic", "ci_low", "ci_high")
HETEROGENEITY = ("q", "q_df", "h2", "tau2")


@cache
def read(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def table(name: str) -> pd.DataFrame:
    columns = read("datasets.json")[name]["columns"]
    return pd.DataFrame({column: columns[column] for column in COUNTS})


def double_zeros(frame: pd.DataFrame) -> pd.Series:
    nobody = (frame.events1 == 0) & (frame.events2 == 0)
    return nobody | ((frame.events1 == frame.n1) & (frame.events2 == frame.n2))


def rows(name: str, **wanted: object) -> list[dict[str, Any]]:
    return [
        row
        for row in read(name)
        if all(row[key] == value for key, value in wanted.items()) and row["measure"] in (*MEASURES, "PETO")
    ]


def random_rows() -> list[dict[str, Any]]:
    """Without risk differences of tables without events: the reference leaves these out in one step and not in the other."""
    found = rows("mantel_haenszel.json", option="random, q about mantel-haenszel")
    return [row for row in found if row["measure"] != "RD" or not double_zeros(table(row["dataset"])).any()]


def corrected_rows() -> list[dict[str, Any]]:
    """Without risk differences, whose tables no convention corrects."""
    return [row for row in rows("mantel_haenszel.json", option="correct_cells_keep") if row["measure"] != "RD"]


def named(row: dict[str, Any]) -> str:
    return f"{row['dataset']}-{row['measure']}-{row.get('variance', '')}".rstrip("-")


def pooled(
    frame: pd.DataFrame, measure: str, method: str, double_zero: str | None = None, **options: object
) -> ma.Pooled:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        own = {} if double_zero is None else {"double_zero": double_zero}
        return ma.pool(ma.effect_sizes(frame, measure, **own), method=method, **options)


def assert_agree(fit: ma.Pooled, values: dict[str, Any], names: tuple[str, ...], rtol: float = 1e-12) -> None:
    for name in names:
        if values.get(name) is not None:
            assert_allclose(getattr(fit, name), values[name], rtol=rtol, err_msg=name)
    if "p_value" in values:
        # Where p is tiny, a rounding of the statistic is worth its square times as much.
        assert_allclose(fit.p_value, values["p_value"], rtol=1e-12 * max(1, values["statistic"] ** 2 / 10))


def sato_or_not(row: dict[str, Any]) -> dict[str, str]:
    return (
        {"risk_difference_variance": "greenland-robins"}
        if (row["measure"], row["variance"]) == ("RD", "greenland-robins")
        else {}
    )


@pytest.mark.parametrize("row", rows("mantel_haenszel.json", option="default"), ids=named)
def test_as_metafor_pools_by_default(row):
    fit = pooled(table(row["dataset"]), row["measure"], "mantel-haenszel", **sato_or_not(row))
    values = row["values"]
    assert_agree(fit, values, (*NUMBERS, *HETEROGENEITY))
    if "q_p_value" in values:
        assert_allclose(fit.q_p_value, values["q_p_value"], rtol=1e-12 * max(1, values["q"] / 10))
        # Q - df may cancel: I2 is then as good as Q.
        assert_allclose(fit.i2, values["i2"], rtol=1e-12, atol=1e-11)
    if values.get("weights"):
        assert_allclose(fit.weights, np.array(values["weights"], dtype=float), rtol=1e-12)


@pytest.mark.parametrize(
    "row",
    [row for row in rows("mantel_haenszel.json", option="correct_cells_keep") if row["measure"] != "RD"],
    ids=named,
)
def test_with_corrected_cells(row):
    frame = table(row["dataset"])
    fit = pooled(frame, row["measure"], "mantel-haenszel", corrected_tables=True)
    names = NUMBERS if double_zeros(frame).any() else (*NUMBERS, *HETEROGENEITY)
    assert_agree(fit, row["values"], names)


@pytest.mark.parametrize("row", random_rows(), ids=named)
def test_random_effects_with_q_about_the_mantel_haenszel_estimate(row):
    fit = pooled(table(row["dataset"]), row["measure"], "mantel-haenszel", double_zero="drop", model="random")
    assert_agree(fit, row["values"], (*NUMBERS, "q", "q_df", "tau2"))


@pytest.mark.parametrize("row", rows("peto.json", drop00=True), ids=named)
@pytest.mark.parametrize("convention", ["metafor", "meta", "revman5"])
def test_peto(row, convention):
    frame = table(row["dataset"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        fit = ma.pool(ma.effect_sizes(frame, "PETO", convention=convention), method="peto")
    values = row["values"]
    assert_agree(fit, values, (*NUMBERS, *HETEROGENEITY))
    assert_allclose(fit.q_p_value, values["q_p_value"], rtol=1e-12 * max(1, values["q"] / 10))
    assert_allclose(fit.i2, values["i2"], rtol=1e-12, atol=1e-11)
    weights = np.array(values["weights"], dtype=float)
    assert_allclose(fit.weights, weights if convention == "metafor" else weights[weights > 0], rtol=1e-12, atol=1e-300)
    o_minus_e, variance = peto_components(*(frame[name].to_numpy(dtype=float) for name in COUNTS))
    assert_allclose(variance, values["variance"], rtol=1e-12)
    # The reference's O - E is a difference of counts: it is good to the rounding of those.
    assert_allclose(o_minus_e, values["o_minus_e"], rtol=1e-12, atol=1e-15 * frame["n1"].max())


def test_every_data_set_of_counts_is_here():
    assert len({row["dataset"] for row in rows("mantel_haenszel.json")}) >= 10
    assert any(double_zeros(table(row["dataset"])).any() for row in rows("mantel_haenszel.json"))
