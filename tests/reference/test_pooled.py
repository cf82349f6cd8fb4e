"""Pooled estimates and heterogeneity against values from R (see generate.R), over all data sets and measures.

Closed forms agree to 1e-12 and iterated ones to 1e-8 at the least; both are held to 1e-12 here, for the reference solves the
same equations to the last digit. A limit is a difference, and as good as the numbers that it is the difference of.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.heterogeneity import h2_from_q, i2_from_q, typical_variance
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.tau2_moments import generalised_moments
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

HERE = Path(__file__).parent
INTERVALS = {"z": "wald", "t": "t", "knha": "hksj", "adhoc": "hksj-adhoc"}
FIXED_WEIGHTS = {"1/v": lambda v: 1 / v, "1/sqrt(v)": lambda v: 1 / np.sqrt(v), "1": np.ones_like}

Problem = tuple[str, str]


@cache
def read(name: str) -> list[dict[str, Any]]:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


@cache
def effects() -> dict[Problem, tuple[np.ndarray, np.ndarray]]:
    found = {}
    for row in read("effect_sizes.json"):
        y, v = (np.array(row["values"][name], dtype=float) for name in ("y", "v"))
        known = ~(np.isnan(y) | np.isnan(v))
        found[row["dataset"], row["measure"]] = y[known], v[known]
    return found


@cache
def by_problem(name: str) -> dict[Problem, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in read(name):
        found[row["dataset"], row["measure"]].append(row)
    return dict(found)


every_problem = pytest.mark.parametrize("problem", list(by_problem("pooled.json")), ids="-".join)


def number(value: object) -> float:
    return np.nan if value is None else float(value)


def options(row: dict[str, Any], **others: Any) -> PoolOptions:
    if row["method"] == "FE":
        return PoolOptions(model="common", **others)
    return PoolOptions(tau2=row["method"], **others)


def estimator(row: dict[str, Any], v: np.ndarray) -> Any:
    weights = FIXED_WEIGHTS[row["moment_weights"]](v)
    return lambda y, v, X: generalised_moments(y, v, X, weights)


def pooled(row: dict[str, Any], y: np.ndarray, v: np.ndarray, **others: Any) -> Any:
    if row["method"] == "GENQ":
        return pooled_numbers(y, v, PoolOptions(tau2=estimator(row, v), **others))
    return pooled_numbers(y, v, options(row, **others))


def assert_reference(found: object, expected: object, what: str, rtol: float = 1e-12, atol: float = 0.0) -> None:
    assert_allclose(float(found), number(expected), rtol=rtol, atol=atol, err_msg=what)


@every_problem
def test_estimates_tests_and_intervals(problem):
    y, v = effects()[problem]
    for row in by_problem("pooled.json")[problem]:
        what = f"{row['method']} {row['test']}"
        values = row["values"]
        found = pooled(row, y, v, ci=INTERVALS[row["test"]])
        for name in ("estimate", "se", "statistic"):
            assert_reference(getattr(found, name), values[name], f"{what} {name}")
        assert found.df == (np.inf if values["df"] is None else values["df"]), what
        # Where p is tiny, a rounding of the statistic is worth its square times as much.
        assert_reference(
            found.p_value, values["p_value"], f"{what} p", rtol=1e-12 * max(1, number(values["statistic"]) ** 2 / 10)
        )
        if row["method"] != "FE":
            assert_reference(found.tau2, values["tau2"], f"{what} tau2")
        for name in ("ci_low", "ci_high", "prediction_low", "prediction_high"):
            if name in values:
                atol = 1e-13 * (abs(number(values["estimate"])) + 5 * np.sqrt(values["se"] ** 2 + values["tau2"]))
                assert_reference(getattr(found, name), values[name], f"{what} {name}", atol=atol)
        if "prediction_hts_low" in values:
            hts = pooled(row, y, v, ci=INTERVALS[row["test"]], prediction="hts")
            assert np.isnan(hts.prediction_low) == (y.size < 3)
            for name in ("low", "high"):
                expected = values[f"prediction_hts_{name}"]
                atol = 1e-13 * (abs(values["estimate"]) + 50 * np.sqrt(values["se"] ** 2 + values["tau2"]))
                assert_reference(getattr(hts, f"prediction_{name}"), expected, f"{what} hts {name}", atol=atol)


@every_problem
def test_heterogeneity_and_weights(problem):
    y, v = effects()[problem]
    for row in by_problem("tau2.json").get(problem, []):
        values = row["values"]
        what = row["method"]
        found = pooled(row, y, v)
        if row["method"] != "FE":
            assert_reference(found.tau2, values["tau2"], f"{what} tau2")
            for name in ("i2", "h2"):
                assert_reference(getattr(found, name), values[name], f"{what} {name}")
        if "q" not in values:
            continue
        assert_reference(found.q, values["q"], f"{what} q")
        assert found.q_df == values["q_df"]
        assert_reference(found.q_p_value, values["q_p_value"], f"{what} p of q", rtol=1e-12 * max(1, values["q"] / 10))
        assert_reference(typical_variance(v), values["typical_variance"], f"{what} typical variance")
        # Q - df may cancel: I2 is then as good as Q.
        assert_reference(i2_from_q(found.q, found.q_df), values["i2_from_q"], f"{what} I2 from Q", atol=1e-11)
        assert_reference(h2_from_q(found.q, found.q_df), values["h2_from_q"], f"{what} H2 from Q")
        if "weights" in values:
            assert_allclose(found.weights, values["weights"], rtol=1e-12, err_msg=what)


@every_problem
def test_likelihoods_and_the_number_of_their_maxima(problem):
    y, v = effects()[problem]
    for row in by_problem("tau2.json").get(problem, []):
        values = row["values"]
        if "ll_reml" not in values:
            continue
        tau2 = np.asarray(0.0 if row["method"] == "FE" else values["tau2"])
        # Logarithms of either sign add up: they are good to the sum of their sizes.
        size = np.abs(np.log(v + tau2)).sum() + y.size
        for restricted, name in ((True, "ll_reml"), (False, "ll_ml")):
            found = log_likelihood(y, v, tau2, None, restricted)
            assert_reference(found, values[name], f"{row['method']} {name}", atol=1e-14 * size)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_data_with_several_maxima_end_at_the_best(method):
    several = [row for row in read("tau2.json") if row["method"] == method and row["values"].get("maxima", 1) > 1]
    if method == "REML":
        assert several
    for row in several:
        y, v = effects()[row["dataset"], row["measure"]]
        found = estimate_tau2(TAU2[method].function, y, v)
        assert_reference(found.x, row["values"]["tau2"], row["dataset"])


def test_there_are_enough_data_sets_of_enough_sizes():
    sizes = {problem[0]: effects()[problem][0].size for problem in by_problem("pooled.json")}
    assert len(sizes) >= 12
    assert min(sizes.values()) == 2
    assert max(sizes.values()) >= 100
