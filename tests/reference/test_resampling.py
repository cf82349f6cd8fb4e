"""Jackknife and bootstrap against plain loops in R over metafor's fits with iterations run to the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.results.bootstrap import Bootstrap

HERE = Path(__file__).parent
EFFECTS = {(r["dataset"], r["measure"]): r["values"] for r in json.loads((HERE / "effect_sizes.json").read_text())}
RECORDS = json.loads((HERE / "jackknife.json").read_text())
CLOSED, ITERATED = 1e-11, 1e-8


def records(question: str) -> list[Any]:
    found = [r for r in RECORDS if r["question"] == question]
    assert found
    return [pytest.param(r, id=f"{r['dataset']}-{r['method']}") for r in found]


def fit_of(record: dict[str, Any]) -> ma.Pooled:
    values = EFFECTS[record["dataset"], record["measure"]]
    model = {"model": "common"} if record["method"] == "FE" else {"tau2": record["method"]}
    return ma.pool(values["y"], values["v"], **model)


@pytest.mark.parametrize("record", records("jackknife"))
def test_jackknife(record: dict[str, Any]) -> None:
    found = ma.jackknife(fit_of(record))
    tolerance = CLOSED if record["method"] in ("FE", "DL") else ITERATED
    for name, values in record["values"].items():
        unit = np.abs(values["deleted"]).max()
        assert_allclose(found.deleted[name], values["deleted"], rtol=tolerance, atol=tolerance * unit)
        assert_allclose(found.se[name], values["se"], rtol=tolerance)
        # A bias is a difference of close numbers, times k - 1.
        assert_allclose(found.bias[name], values["bias"], rtol=tolerance, atol=tolerance * len(found.label) * unit)
    if record["method"] == "FE":
        assert np.isnan(found.se["tau2"])


@pytest.mark.parametrize("record", records("bootstrap"))
def test_bootstrap_of_given_draws(record: dict[str, Any]) -> None:
    fit = fit_of(record)
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    fits = [ma.pool(y[at], v[at], tau2=record["method"]) for at in record["draws"]]
    columns = {name: np.array([getattr(one, name) for one in fits]) for name in ("estimate", "tau2", "i2")}
    found = Bootstrap("studies", **columns, resamples=199, failed=0, original=fit, deleted=ma.jackknife(fit).deleted)
    for name, values in record["values"].items():
        unit = np.abs(values["replicates"]).max()
        assert_allclose(columns[name], values["replicates"], rtol=CLOSED, atol=CLOSED * unit)
        for method in ("percentile", "bca"):
            limits = found.interval(name, values["level"], method)
            assert_allclose(limits[:2], values[method], rtol=CLOSED, atol=CLOSED * unit)
        low, high = found.interval(name, values["level"], "basic")[:2]
        # Mirrored limits may leave what tau2 and I2 can be; R's loop leaves them there.
        bounds = {"estimate": (-np.inf, np.inf), "tau2": (0.0, np.inf), "i2": (0.0, 100.0)}[name]
        assert_allclose([low, high], np.clip(values["basic"], *bounds), rtol=CLOSED, atol=CLOSED * unit)
        if name == "estimate":
            assert_allclose([found.bias, found.se], [values["bias"], values["se"]], rtol=1e-9)
