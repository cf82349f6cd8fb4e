"""Subgroups against values from R (see generate.R): a between-study variance each, and one that all share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma

HERE = Path(__file__).parent
INTERVALS = {"z": "wald", "knha": "hksj"}


@cache
def read(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def studies(row: dict[str, Any]) -> pd.DataFrame:
    effects = next(
        e for e in read("effect_sizes.json") if (e["dataset"], e["measure"]) == (row["dataset"], row["measure"])
    )
    group = read("datasets.json")[row["dataset"]]["columns"][row["by"]]
    frame = pd.DataFrame({"y": effects["values"]["y"], "v": effects["values"]["v"], "group": group})
    return frame.dropna().reset_index(drop=True)


def found(row: dict[str, Any], sharing: str) -> ma.Subgroups:
    effects = ma.effect_sizes(studies(row), "GEN")
    model = {"model": "common"} if row["method"] == "FE" else {"tau2": row["method"]}
    return ma.subgroups(effects, by="group", tau2_sharing=sharing, ci=INTERVALS[row["test"]], **model)


def named(row: dict[str, Any]) -> str:
    return f"{row['dataset']}-{row['measure']}-{row['by']}-{row['method']}-{row['test']}"


def rows(shared: bool) -> list[dict[str, Any]]:
    return [row for row in read("subgroups.json") if row["tau2_shared"] is shared]


def assert_number(actual: float, expected: object, name: str, rtol: float = 1e-12, atol: float = 0.0) -> None:
    assert_allclose(actual, np.nan if expected is None else float(expected), rtol=rtol, atol=atol, err_msg=name)


def assert_pooled(fit: ma.Pooled, values: dict[str, Any], where: str) -> None:
    assert fit.k == values["k"]
    for name in ("estimate", "se", "statistic"):
        assert_number(getattr(fit, name), values[name], f"{where} {name}")
    assert_number(fit.p_value, values["p_value"], f"{where} p", rtol=1e-12 * max(1, values["statistic"] ** 2 / 10))
    for name in ("ci_low", "ci_high"):
        atol = 1e-13 * (abs(values["estimate"]) + 20 * values["se"])
        assert_number(getattr(fit, name), values[name], f"{where} {name}", atol=atol)
    if fit.model == "random" and "tau2" in values:
        assert_number(fit.tau2, values["tau2"], f"{where} tau2")
        assert_number(fit.i2, values["i2"], f"{where} I2")
    if "q" in values:
        assert_number(fit.q, values["q"], f"{where} Q")


@pytest.mark.parametrize("row", rows(shared=False), ids=named)
def test_a_between_study_variance_each(row):
    result, values = found(row, "separate"), row["values"]
    assert set(result.groups) == set(values["groups"])
    for group, fit in result.groups.items():
        assert_pooled(fit, values["groups"][group], group)
    assert_pooled(result.overall, values["overall"], "overall")
    assert result.q_between_df == values["q_between_df"]
    # A difference of nearly equal estimates is as good as the estimates.
    assert_number(result.q_between, values["q_between"], "Q between", rtol=1e-11, atol=1e-13)
    assert_number(result.q_between_p_value, values["q_between_p_value"], "p", rtol=1e-11 * max(1, values["q_between"]))


@pytest.mark.parametrize(
    "row", [row for row in rows(shared=True) if row["test"] == "z" and row["method"] != "FE"], ids=named
)
def test_one_between_study_variance_for_all(row):
    result, values = found(row, "common"), row["values"]
    for group, fit in result.groups.items():
        # With a group's own Q there is nothing shared but tau2: the reference has one I2 for all.
        assert_number(fit.tau2, values["tau2"], "tau2", atol=1e-14)
        assert_pooled(fit, {k: v for k, v in values["groups"][group].items() if k not in ("tau2", "i2")}, group)
    assert result.q_between_df == values["q_between_df"]
    assert_number(result.q_between, values["q_between"], "Q between", rtol=1e-10, atol=1e-12)
    assert_number(result.q_between_p_value, values["q_between_p_value"], "p", rtol=1e-10 * max(1, values["q_between"]))


def test_the_common_effect_splits_q():
    for row in rows(shared=False):
        if row["method"] == "FE" and row["test"] == "z":
            result = found(row, "separate")
            within = sum(fit.q for fit in result.groups.values())
            assert_allclose(result.q_between + within, result.overall.q, rtol=1e-12)
