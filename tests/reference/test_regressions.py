"""Meta-regressions against values from R (see generate.R)."""

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
RECORDS = json.loads((HERE / "regressions.json").read_text(encoding="utf-8"))


@cache
def table(dataset: str, measure: str) -> pd.DataFrame:
    columns = json.loads((HERE / "datasets.json").read_text(encoding="utf-8"))[dataset]["columns"]
    frame = pd.DataFrame({name: values for name, values in columns.items() if name not in ("y", "v")})
    effects = json.loads((HERE / "effect_sizes.json").read_text(encoding="utf-8"))
    values = next(row["values"] for row in effects if (row["dataset"], row["measure"]) == (dataset, measure))
    return frame.assign(y=np.array(values["y"], dtype=float), v=np.array(values["v"], dtype=float))


def fitted(row: dict[str, Any]) -> ma.Regression:
    frame = table(row["dataset"], row["measure"])
    needed = [name for name in frame.columns if name in row["formula"]]
    complete = frame[["y", "v", *needed]].notna().all(axis=1)
    effects = ma.effect_sizes(frame[complete], "GEN", y="y", v="v")
    options: dict[str, Any] = {"model": "common"} if row["method"] == "FE" else {"tau2": row["method"]}
    return ma.meta_regression(effects, row["formula"], ci={"z": "wald", "knha": "hksj"}[row["test"]], **options)


def case_id(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("dataset", "measure", "formula", "method", "test"))


@pytest.mark.parametrize("row", RECORDS, ids=case_id)
def test_regression(row: dict[str, Any]) -> None:
    reg = fitted(row)
    values = row["values"]
    rtol = 1e-8 if row["method"] in ("PM", "EB", "REML", "ML") else 1e-9
    assert reg.k == values["k"]
    se = np.array(values["se"])
    assert_allclose(reg.tau2, values["tau2"], rtol=rtol, atol=1e-15)
    table_ = reg.coefficients
    # A coefficient next to zero is as certain as its standard error allows.
    assert_allclose(table_["estimate"] / se, np.array(values["estimate"]) / se, rtol=rtol, atol=1e-9)
    assert_allclose(table_["se"], se, rtol=rtol)
    assert_allclose(table_["ci_low"] / se, np.array(values["ci_low"]) / se, rtol=rtol, atol=1e-9)
    assert_allclose(table_["p_value"], values["p_value"], rtol=1e-6)
    for name in ("i2", "h2", "q_residual", "q_residual_p_value", "q_moderators", "q_moderators_p_value"):
        if values.get(name) is not None:
            assert_allclose(getattr(reg, name), values[name], rtol=1e-7, atol=1e-12, err_msg=name)
    assert reg.q_moderators_df[0] == values["q_moderators_df1"]
    if values.get("r2") is not None and not np.isnan(reg.r2):
        assert_allclose(reg.r2, values["r2"], rtol=1e-7, atol=1e-9)
    information = reg.information()
    for likelihood, name in (("ML", "ml"), ("REML", "reml")):
        for ours, theirs in (("log_likelihood", "ll"), ("aic", "aic"), ("bic", "bic"), ("aicc", "aicc")):
            expected = values.get(f"{theirs}_{name}")
            if expected is not None:
                assert_allclose(information.loc[likelihood, ours], expected, rtol=1e-8, err_msg=f"{ours} {likelihood}")


@pytest.mark.parametrize("row", [row for row in RECORDS if row.get("new")], ids=case_id)
def test_prediction(row: dict[str, Any]) -> None:
    reg = fitted(row)
    values = row["values"]
    new = pd.DataFrame(row["new"])
    found = reg.predict(new)
    se = np.array(values["predicted_se"])
    pairs = {"estimate": "predicted", "ci_low": "predicted_ci_low", "ci_high": "predicted_ci_high"}
    for ours, theirs in pairs.items():
        assert_allclose(found[ours] / se, np.array(values[theirs]) / se, rtol=1e-8, atol=1e-8, err_msg=ours)
    for name in ("prediction_low", "prediction_high"):
        if values.get(name) is not None and all(x is not None for x in values[name]):
            assert_allclose(found[name], values[name], rtol=1e-7, atol=1e-10, err_msg=name)
