"""Diagnostics against R's metafor 3.8 with iterations run to the end, and against formulas computed in R from the papers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.diagnostics import (
    baujat,
    cumulative,
    fail_safe_n,
    gosh,
    influence,
    leave_one_out,
    permutation_test,
    pet_peese,
    small_study_test,
    trim_and_fill,
)

HERE = Path(__file__).parent
EFFECTS = {(r["dataset"], r["measure"]): r["values"] for r in json.loads((HERE / "effect_sizes.json").read_text())}
DATASETS: dict[str, Any] = json.loads((HERE / "datasets.json").read_text())
CLOSED, ITERATED = 1e-11, 1e-8
TESTS = {"z": "wald", "knha": "hksj"}


def records(name: str, **wanted: Any) -> list[Any]:
    found = [r for r in json.loads((HERE / name).read_text()) if all(r.get(k) == v for k, v in wanted.items())]
    assert found
    return [pytest.param(r, id="-".join(str(r[k]) for k in r if isinstance(r[k], str | bool))) for r in found]


def numbers(values: Any) -> np.ndarray:
    return np.array([np.nan if x is None else x for x in values], dtype=float)


def fit_of(record: dict[str, Any], **more: Any) -> ma.Pooled:
    values = EFFECTS[record["dataset"], record["measure"]]
    y, v = numbers(values["y"]), numbers(values["v"])
    keep = np.isfinite(y) & np.isfinite(v)
    method = record.get("method", "FE")
    model = {"model": "common"} if method == "FE" else {"tau2": method}
    return ma.pool(y[keep], v[keep], ci=TESTS[record.get("test", "z")], **model, **more)


def tolerance(record: dict[str, Any]) -> float:
    return ITERATED if record.get("method") == "REML" else CLOSED


REFIT_COLUMNS = "estimate se statistic p_value ci_low ci_high q q_p_value tau2 i2 h2".split()


def hold_refits(found: Any, record: dict[str, Any], from_row: int = 0) -> None:
    values, rtol = record["values"], tolerance(record)
    several = found.k > 1
    for name in REFIT_COLUMNS:
        mine, theirs = getattr(found, name), numbers(values[name])
        if name in ("tau2", "i2", "h2", "q", "q_p_value"):
            # Of a single study metafor says 0 (and H2 = 1), we say "not estimable".
            mine, theirs = mine[several], theirs[several]
        if name == "tau2" and record["method"] == "FE":
            assert np.isnan(mine).all()
            continue
        assert_allclose(mine, theirs, rtol=rtol, atol=1e-13, err_msg=name)
    assert found.k[from_row] >= 1


@pytest.mark.parametrize("record", records("influence.json", question="leave-one-out"))
def test_leave_one_out(record: dict[str, Any]) -> None:
    hold_refits(leave_one_out(fit_of(record)), record)


@pytest.mark.parametrize("record", records("influence.json", question="cumulative"))
def test_cumulative(record: dict[str, Any]) -> None:
    fit = fit_of(record)
    found = cumulative(fit, by=np.argsort(record["order"]).tolist())
    assert found.order.tolist() == record["order"]
    assert found.k.tolist() == list(range(1, fit.k + 1))
    hold_refits(found, record)


@pytest.mark.parametrize("record", records("influence.json", question="influence"))
def test_influence(record: dict[str, Any]) -> None:
    if "formula" in record:
        columns = DATASETS[record["dataset"]]["columns"]
        effects = ma.effect_sizes(columns, record["measure"])
        model = {"model": "common"} if record["method"] == "FE" else {"tau2": record["method"]}
        fit: Any = ma.meta_regression(effects, record["formula"], **model)
    else:
        fit = fit_of(record)
    found, values, rtol = influence(fit), record["values"], tolerance(record)
    columns = (
        "residual residual_se rstudent dffits cook_distance covariance_ratio tau2_deleted q_deleted hat weight".split()
    )
    for name in columns:
        theirs = numbers(values[{"residual": "rstudent_residual", "residual_se": "rstudent_se"}.get(name, name)])
        assert_allclose(getattr(found, name), theirs, rtol=rtol, atol=1e-13, err_msg=name)
    assert_allclose(found.dfbetas, np.array(values["dfbetas"]), rtol=rtol, atol=1e-13)
    assert found.influential.tolist() == values["influential"]


@pytest.mark.parametrize("record", records("asymmetry.json", question="regression", model="mixed", predictor="se"))
def test_thompson_and_sharp(record: dict[str, Any]) -> None:
    found, values = small_study_test(fit_of(record), "thompson-sharp"), record["values"]
    hold_line(found, values, tolerance(record))
    assert_allclose(found.tau2, values["tau2"], rtol=tolerance(record))


def hold_line(found: Any, values: dict[str, Any], rtol: float, limits: bool = True) -> None:
    assert_allclose(found.estimate, values["slope"], rtol=rtol)
    assert_allclose(found.se, values["slope_se"], rtol=rtol)
    assert_allclose(found.statistic, values["statistic"], rtol=rtol)
    assert_allclose(found.p_value, values["p_value"], rtol=rtol)
    assert found.df == (np.inf if values["df"] is None else values["df"])
    if limits:
        limit = found.limit
        expected = [values[name] for name in ("intercept", "intercept_se", "limit_ci_low", "limit_ci_high")]
        assert_allclose([limit.estimate, limit.se, limit.ci_low, limit.ci_high], expected, rtol=rtol)


def least_squares(predictor: str) -> list[Any]:
    return records("asymmetry.json", question="regression", model="weighted-least-squares", predictor=predictor)


@pytest.mark.parametrize("record", least_squares("se"))
def test_egger_and_pet(record: dict[str, Any]) -> None:
    fit = fit_of(record)
    hold_line(small_study_test(fit, "egger"), record["values"], CLOSED)
    hold_line(pet_peese(fit).pet, record["values"], CLOSED)


@pytest.mark.parametrize("record", least_squares("variance"))
def test_peese(record: dict[str, Any]) -> None:
    hold_line(pet_peese(fit_of(record)).peese, record["values"], CLOSED)


@pytest.mark.parametrize(
    "record", [r for test in ("harbord", "peters", "macaskill", "deeks") for r in records("asymmetry.json", test=test)]
)
def test_of_counts(record: dict[str, Any]) -> None:
    columns = DATASETS[record["dataset"]]["columns"]
    counts = {name: columns[name] for name in ("events1", "n1", "events2", "n2")}
    found = small_study_test(ma.effect_sizes(counts, "OR"), record["test"])
    if record["test"] == "macaskill":
        hold_line(found, record["values"], CLOSED, limits=False)
        assert np.isnan(found.limit.estimate)
    else:
        hold_line(found, record["values"], CLOSED)


@pytest.mark.parametrize("record", records("asymmetry.json", question="rank"))
def test_begg(record: dict[str, Any]) -> None:
    fit, values = fit_of(record), record["values"]
    y, v = fit.effects.y, fit.effects.v
    ties = len(set(v)) < len(v)
    if record["exact"] and ties:
        with pytest.raises(ma.DataError, match="ties"):
            small_study_test(fit, "begg", exact=True)
        record = {**record, "exact": False}
    found = small_study_test(fit, "begg", exact=record["exact"], continuity=record["continuity"])
    assert_allclose(found.estimate, values["kendall_tau"], rtol=CLOSED)
    assert_allclose(found.p_value, values["p_value"], rtol=CLOSED)
    if not record["exact"]:
        assert_allclose(found.statistic, values["statistic"], rtol=CLOSED)
    assert y.size == found.k


@pytest.mark.parametrize("record", records("asymmetry.json", question="trim-and-fill"))
def test_trim_and_fill(record: dict[str, Any]) -> None:
    fit, values = fit_of(record), record["values"]
    asked = {"estimator": record["estimator"], "side": record["side"]}
    if values["missing"] is None:
        with pytest.raises(ma.DataError, match="Use L0 or R0"):
            trim_and_fill(fit, **asked)
        return
    found, rtol = trim_and_fill(fit, **asked), tolerance(record)
    assert found.missing == values["missing"]
    assert found.side == values["side"]
    assert_allclose(found.missing_se, numbers([values["missing_se"]])[0], rtol=CLOSED)
    assert_allclose(found.missing_p_value, numbers([values["missing_p_value"]])[0], rtol=CLOSED)
    assert_allclose(np.sort(found.filled_y), np.sort(values["filled_y"]), rtol=rtol)
    assert_allclose(np.sort(found.filled_v), np.sort(values["filled_v"]), rtol=CLOSED)
    for name in "estimate se ci_low ci_high p_value q i2".split():
        assert_allclose(getattr(found.filled, name), values[name], rtol=rtol, atol=1e-13, err_msg=name)
    if record["method"] != "FE":
        assert_allclose(found.filled.tau2, values["tau2"], rtol=rtol)


@pytest.mark.parametrize("record", records("asymmetry.json", question="fail-safe-n"))
def test_fail_safe_n(record: dict[str, Any]) -> None:
    found, values = fail_safe_n(fit_of(record), record["type"], weighted=record["weighted"]), record["values"]
    assert found.number == values["fail_safe_n"]
    for mine, theirs in ((found.p_value, "p_value"), (found.mean, "mean_effect"), (found.target, "target")):
        assert_allclose(mine, numbers([values[theirs]])[0], rtol=CLOSED)


# The rest: diagnostics.json.

BCG = EFFECTS["bcg", "RR"]


def bcg_fit(record: dict[str, Any]) -> Any:
    """The fit that a record speaks of: all the studies or some, the mean or a design."""
    rows = record.get("rows", list(range(13)))
    y, v = numbers(BCG["y"])[rows], numbers(BCG["v"])[rows]
    common = record["method"] == "FE"
    model = {"model": "common"} if common else {"tau2": record["method"]}
    model["ci"] = TESTS[record.get("test", "z")]
    if "X" not in record or np.shape(record["X"])[1] == 1:
        return ma.pool(y, v, **model)
    X = np.array(record["X"], dtype=float)
    table = {"y": y, "v": v, **{f"x{j}": X[:, j] for j in range(1, X.shape[1])}}
    formula = "~ " + " + ".join(f"x{j}" for j in range(1, X.shape[1]))
    return ma.meta_regression(ma.effect_sizes(table, "GEN"), formula, **model)


@pytest.mark.parametrize("record", records("diagnostics.json", question="permutation"))
def test_exact_permutations(record: dict[str, Any]) -> None:
    values, fit = record["values"], bcg_fit(record)
    found = permutation_test(fit, exact=True)
    assert found.exact
    assert found.arrangements == found.permutations == values["arrangements"]
    assert found.failed == 0
    n = found.arrangements
    assert_allclose(found.statistics, values["statistic"], rtol=ITERATED)
    assert_allclose(found.p_values * n, np.array(values["p_value"]) * n, rtol=CLOSED)
    assert_allclose(found.q_moderators_p_value, numbers([values["q_moderators_p_value"]])[0], rtol=CLOSED)
    if "sorted_statistics" in values:
        # Flipping all signs flips the statistic: those next to 0 come in pairs that rounding may swap.
        mine, theirs = np.sort(found.distribution, axis=0), np.array(values["sorted_statistics"])
        assert_allclose(mine, theirs, rtol=ITERATED, atol=1e-9)
        estimates = permutation_test(fit, exact=True, statistic="coefficient").distribution
        assert_allclose(np.sort(estimates, axis=0), np.array(values["sorted_estimates"]), rtol=ITERATED, atol=1e-9)


@pytest.mark.parametrize("record", records("diagnostics.json", question="gosh"))
def test_gosh(record: dict[str, Any]) -> None:
    found, values = gosh(bcg_fit(record)), record["values"]
    assert found.every
    assert len(found) == 63
    place = {tuple(row): i for i, row in enumerate(found.included.astype(int).tolist())}
    at = np.array([place[tuple(row)] for row in values["included"]])
    rtol, several = tolerance(record), np.array(values["k"]) > 1
    assert found.k[at].tolist() == values["k"]
    assert_allclose(found.estimate[at], values["estimate"], rtol=rtol)
    # By DL metafor takes a subset's H2 from Q, elsewhere from tau2; under FE there is no tau2.
    for name in {"FE": ("q", "i2", "h2"), "DL": ("q", "i2", "tau2")}.get(record["method"], ("q", "i2", "h2", "tau2")):
        mine, theirs = getattr(found, name)[at], numbers(values[name])
        assert_allclose(mine[several], theirs[several], rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("record", records("diagnostics.json", question="baujat"))
def test_baujat(record: dict[str, Any]) -> None:
    found = baujat(bcg_fit(record))
    for name in ("contribution", "influence"):
        assert_allclose(getattr(found, name), record["values"][name], rtol=tolerance(record), err_msg=name)


@pytest.mark.parametrize("record", records("diagnostics.json", question="influence"))
def test_influence_with_hartung_and_knapp(record: dict[str, Any]) -> None:
    found = influence(bcg_fit(record))
    for name, theirs in record["values"].items():
        # The reference's own inverses limit it.
        assert_allclose(getattr(found, name), np.array(theirs), rtol=1e-9, atol=1e-13, err_msg=name)


def test_pustejovsky_and_rodgers() -> None:
    (parameter,) = records("diagnostics.json", question="pustejovsky-rodgers")
    (record,) = parameter.values
    effects = ma.effect_sizes(DATASETS["normand1999"]["columns"], "SMD")
    hold_line(small_study_test(effects, "pustejovsky-rodgers"), record["values"], CLOSED)


def counts_of(record: dict[str, Any]) -> ma.Effects:
    columns = DATASETS[record["dataset"]]["columns"]
    return ma.effect_sizes({name: columns[name] for name in ("events1", "n1", "events2", "n2")}, "OR")


@pytest.mark.parametrize("record", records("diagnostics.json", question="rucker"))
def test_rucker(record: dict[str, Any]) -> None:
    values, test = record["values"], {"z": "wald", "t": "t"}[record["test"]]
    found = small_study_test(counts_of(record), "rucker", tau2=record["method"], ci=test)
    mine = [found.estimate, found.se, found.statistic, found.p_value, found.limit.estimate, found.tau2]
    theirs = [values[name] for name in "slope slope_se statistic p_value intercept tau2".split()]
    assert_allclose(mine, theirs, rtol=tolerance(record))


@pytest.mark.parametrize("record", records("diagnostics.json", question="schwarzer"))
def test_schwarzer(record: dict[str, Any]) -> None:
    values = record["values"]
    found = small_study_test(counts_of(record), "schwarzer", continuity=record["continuity"])
    mine = [found.estimate, found.statistic, found.p_value]
    assert_allclose(mine, [values[name] for name in ("kendall_tau", "statistic", "p_value")], rtol=CLOSED)


@pytest.mark.parametrize("record", records("diagnostics.json", question="trim-and-fill"))
def test_trim_and_fill_about_the_common_effect(record: dict[str, Any]) -> None:
    values = record["values"]
    found = trim_and_fill(fit_of(record), record["estimator"], convention="meta")
    assert (found.missing, found.side) == (values["missing"], values["side"])
    mine = [found.filled.estimate, found.filled.se, found.filled.tau2]
    assert_allclose(mine, [values[name] for name in ("estimate", "se", "tau2")], rtol=tolerance(record))
