"""Intervals of tau2 and of the mean against values from R (see generate.R), over all data sets."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.inference import kenward_roger
from metaanalysis.formulas.mean_intervals import profile_likelihood
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_interval import q_profile
from metaanalysis.formulas.tau2_interval_generalised_q import generalised_q
from metaanalysis.formulas.tau2_interval_likelihood import profile_likelihood_of_tau2, wald_of_tau2
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean

HERE = Path(__file__).parent


@cache
def effects() -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    rows = json.loads((HERE / "effect_sizes.json").read_text(encoding="utf-8"))
    return {
        (row["dataset"], row["measure"]): (
            np.array(row["values"]["y"], dtype=float),
            np.array(row["values"]["v"], dtype=float),
        )
        for row in rows
    }


@cache
def records(interval: str) -> list[dict[str, Any]]:
    rows = json.loads((HERE / "intervals.json").read_text(encoding="utf-8"))
    return [row for row in rows if row["interval"] == interval]


def cases(interval: str) -> list[Any]:
    return [
        pytest.param(
            row,
            id="-".join(
                str(row[key]) for key in ("dataset", "measure", "method", "moment_weights", "level") if key in row
            ),
        )
        for row in records(interval)
    ]


def data(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    y, v = effects()[row["dataset"], row["measure"]]
    known = np.isfinite(y) & np.isfinite(v)
    return y[known], v[known]


def assert_limits(found: Any, row: dict[str, Any], rtol: float) -> None:
    for name in ("low", "high"):
        expected = row["values"][f"tau2_{name}"]
        actual = float(getattr(found, name))
        if expected == 0:
            assert actual == 0
        elif expected is not None:
            assert_allclose(actual, expected, rtol=rtol)


@pytest.mark.parametrize("row", cases("q-profile"))
def test_q_profile(row: dict[str, Any]) -> None:
    y, v = data(row)
    found = q_profile(y, v, None, row["level"])
    if row["values"]["empty"]:
        assert int(found.high_status) == Status.NO_SOLUTION
        return
    assert_limits(found, row, 1e-11)


@pytest.mark.parametrize("row", cases("profile-likelihood"))
def test_profile_likelihood_of_tau2(row: dict[str, Any]) -> None:
    y, v = data(row)
    assert_limits(profile_likelihood_of_tau2(y, v, None, row["level"], row["method"] == "REML"), row, 1e-10)


@pytest.mark.parametrize("row", cases("generalised-q"))
def test_generalised_q(row: dict[str, Any]) -> None:
    # The reference is the looser one: at its lower limit for riley2003_os with weights 1/v (5e-10 from ours) a 30-digit
    # inversion of the distribution is 6e-11 off 0.025, at ours 2e-17.
    y, v = data(row)
    weights = {"1/v": 1 / v, "1/sqrt(v)": v**-0.5, "1": np.ones_like(v)}[row["moment_weights"]]
    assert_limits(generalised_q(y, v, None, row["level"], weights), row, 1e-9)


@pytest.mark.parametrize("row", [case for case in cases("wald") if case.values[0]["method"] in ("REML", "ML")])
def test_wald_of_tau2(row: dict[str, Any]) -> None:
    y, v = data(row)
    assert_limits(wald_of_tau2(y, v, None, row["level"], row["method"] == "REML"), row, 1e-10)


@pytest.mark.parametrize("row", cases("mean-kenward-roger"))
def test_kenward_roger(row: dict[str, Any]) -> None:
    y, v = data(row)
    values = row["values"]
    w = inverse_variance_weights(v, values["tau2"])
    found = kenward_roger(weighted_mean(y, w), w, None)
    assert_allclose(np.sqrt(found.covariance[0, 0]), values["se"], rtol=1e-12)
    # The degrees of freedom take the adjusted variance, as the R package meta does.
    assert_allclose(found.df, values["df_adjusted_variance"], rtol=1e-12)


@pytest.mark.parametrize("row", cases("mean-profile-likelihood"))
def test_profile_likelihood_of_the_mean(row: dict[str, Any]) -> None:
    y, v = data(row)
    found = profile_likelihood(y, v, row["level"])
    assert_allclose(found.estimate, row["values"]["estimate"], rtol=1e-10, atol=1e-14 * np.sqrt(v.min()))
    assert_allclose(found.low, row["values"]["ci_low"], rtol=1e-9)
    assert_allclose(found.high, row["values"]["ci_high"], rtol=1e-9)
