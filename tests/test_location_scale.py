"""Location-scale models: the call, the result, and the numbers against R's (see reference/r/location_scale.R)."""

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
from metaanalysis.models.location_scale import location_scale
from metaanalysis.results.location_scale import LocationScale

REFERENCE = Path(__file__).parent / "reference"
RECORDS = json.loads((REFERENCE / "location_scale.json").read_text(encoding="utf-8"))
CI = {"z": "wald", "t": "t", "knha": "hksj"}


@cache
def table(dataset: str, measure: str) -> pd.DataFrame:
    columns = json.loads((REFERENCE / "datasets.json").read_text(encoding="utf-8"))[dataset]["columns"]
    frame = pd.DataFrame({name: values for name, values in columns.items() if name not in ("y", "v")})
    effects = json.loads((REFERENCE / "effect_sizes.json").read_text(encoding="utf-8"))
    values = next(row["values"] for row in effects if (row["dataset"], row["measure"]) == (dataset, measure))
    return frame.assign(y=np.array(values["y"], dtype=float), v=np.array(values["v"], dtype=float))


@cache
def effects_of(dataset: str, measure: str, moderators: str) -> ma.Effects:
    frame = table(dataset, measure)
    needed = [name for name in frame.columns if name in moderators]
    return ma.effect_sizes(frame[frame[["y", "v", *needed]].notna().all(axis=1)], "GEN", y="y", v="v")


def fitted(row: dict[str, Any]) -> LocationScale:
    effects = effects_of(row["dataset"], row["measure"], row["formula"] + row["scale"])
    return location_scale(
        effects, row["formula"], row["scale"], link=row["link"], tau2=row["method"], ci=CI[row["test"]]
    )


def case_id(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("dataset", "formula", "scale", "link", "method", "test"))


@pytest.mark.parametrize("row", RECORDS, ids=case_id)
def test_against_r(row: dict[str, Any]) -> None:
    fit, values = fitted(row), row["values"]
    assert fit.k == values["k"]
    location, scale = fit.coefficients, fit.scale_coefficients
    se, scale_se = np.array(values["se"]), np.array(values["scale_se"])
    assert_allclose(location["estimate"] / se, np.array(values["estimate"]) / se, rtol=1e-8, atol=1e-9)
    assert_allclose(location["se"], se, rtol=1e-8)
    assert_allclose(location["ci_low"] / se, np.array(values["ci_low"]) / se, rtol=1e-8, atol=1e-9)
    assert_allclose(location["p_value"], values["p_value"], rtol=1e-7)
    assert_allclose(scale["estimate"] / scale_se, np.array(values["scale_estimate"]) / scale_se, rtol=1e-8, atol=1e-9)
    assert_allclose(scale["se"], scale_se, rtol=1e-9)
    assert_allclose(scale["p_value"], values["scale_p_value"], rtol=1e-8)
    # metafor's Hessian is numerical.
    assert_allclose(scale["se"], values["scale_se_numerical"], rtol=2e-4)
    assert_allclose([fit.tau2.min(), fit.tau2.max()], values["tau2_range"], rtol=1e-9)
    if row["test"] == "z":
        assert np.isinf(location["df"]).all()
        assert np.isinf(scale["df"]).all()
    else:
        assert (location["df"] == values["df"]).all()
        assert (scale["df"] == values["scale_df"]).all()
    for name, rtol in (
        ("q_residual", 1e-9),
        ("q_residual_p_value", 1e-8),
        ("q_moderators", 1e-8),
        ("q_moderators_p_value", 1e-7),
        ("q_scale", 1e-8),
        ("q_scale_p_value", 1e-8),
    ):
        expected = np.nan if values[name] is None else values[name]
        assert_allclose(getattr(fit, name), expected, rtol=rtol, atol=1e-9, err_msg=name)
    information = fit.information().loc[row["method"]]
    for name in ("log_likelihood", "aic", "bic", "aicc"):
        assert_allclose(information[name], values[name], rtol=1e-9, err_msg=name)
