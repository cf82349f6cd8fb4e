"""Every effect size formula against R's metafor 3.8 (escalc) and against formulas computed in R from the papers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas import (
    association,
    before_after,
    binary,
    biserial,
    continuity,
    continuous,
    correlation,
    one_group,
    paired,
    rates,
    ratio_of_means,
    reliability,
    tetrachoric,
)
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.gamma_correction import CORRECTIONS

HERE = Path(__file__).parent
DATASETS: dict[str, dict[str, list[float]]] = json.loads((HERE / "escalc_datasets.json").read_text())

Columns = dict[str, FloatArray]
Estimate = tuple[FloatArray, FloatArray]


def records(name: str) -> list[Any]:
    found = json.loads((HERE / name).read_text())
    assert found
    return [pytest.param(record, id=label(record, i)) for i, record in enumerate(found)]


def label(record: dict[str, Any], i: int) -> str:
    options = ",".join(f"{k}={v}" for k, v in record.get("options", {}).items())
    return f"{i}-{record['measure']}-{record['dataset']}-{record.get('variant', options)}"


def columns_of(dataset: str) -> Columns:
    return {name: np.array(values, dtype=float) for name, values in DATASETS[dataset].items()}


def numbers(values: list[float | None]) -> FloatArray:
    return np.array([np.nan if x is None else x for x in values], dtype=float)


COUNTS = ("events1", "n1", "events2", "n2")
MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
PERSON_TIME = ("events1", "time1", "events2", "time2")
PAIRS = ("both", "only1", "only2", "neither")
CHANGE = ("mean1", "sd1", "mean2", "sd2", "r", "n")
UNCORRECTED = ("AS", "PHI", "RTET", "IRSD", "PAS", "PFT", "IRS", "IRFT")


def take(columns: Columns, names: tuple[str, ...]) -> list[FloatArray]:
    return [columns[name] for name in names]


def cohen_d_of(x: Columns) -> tuple[FloatArray, FloatArray, FloatArray]:
    return continuous.cohen_d(*take(x, MEANS)), x["n1"], x["n2"]


def metafor_38_smdh(x: Columns) -> Estimate:
    """As in 3.8, where the corrected estimate stands in the variance in place of d."""
    y, _ = continuous.standardized_mean_difference_heteroscedastic(*take(x, MEANS))
    J = 1.0 + CORRECTIONS["exact"](x["n1"] + x["n2"] - 2.0)
    v = continuous.average_variance_difference_variance(y, x["sd1"], x["n1"], x["sd2"], x["n2"])
    return y, J**2 * v


def metafor_38_smcrh(x: Columns) -> Estimate:
    """As in 3.8, where the corrected estimate stands in the variance in place of d."""
    y, v = before_after.raw_score_standardized_mean_change_heteroscedastic(*take(x, CHANGE))
    J = 1.0 + CORRECTIONS["exact"](x["n"] - 1.0)
    return y, v + (J**2 * y**2 - y**2) / (2.0 * (x["n"] - 1.0))


def metafor_38_zpcor(x: Columns) -> Estimate:
    """As in 3.8, where the variance is 1/df."""
    y, v = correlation.fisher_z_partial_correlation(x["t"], x["n"], x["predictors"])
    return y, 1.0 / (1.0 / v + 1.0)


BY_COUNTS: dict[str, Callable[..., Estimate]] = {
    "RR": binary.log_risk_ratio,
    "OR": binary.log_odds_ratio,
    "RD": binary.risk_difference,
    "PETO": binary.peto_log_odds_ratio,
    "AS": binary.arcsine_difference,
    "PHI": association.phi_coefficient,
    "YUQ": association.yule_q,
    "YUY": association.yule_y,
    "PBIT": binary.probit_difference,
    "OR2D": lambda *t: binary.log_odds_ratio_to_d_logistic(*binary.log_odds_ratio(*t)),
    "OR2DL": lambda *t: binary.log_odds_ratio_to_d_logistic(*binary.log_odds_ratio(*t)),
    "OR2DN": lambda *t: binary.log_odds_ratio_to_d_normal(*binary.log_odds_ratio(*t)),
    "RTET": tetrachoric.tetrachoric_correlation,
}
BY_PERSON_TIME: dict[str, Callable[..., Estimate]] = {
    "IRR": rates.log_rate_ratio,
    "IRD": rates.rate_difference,
    "IRSD": rates.square_root_rate_difference,
}
BY_PAIRS: dict[str, Callable[..., Estimate]] = {
    "MPRD": paired.paired_risk_difference,
    "MPRR": lambda a, b, c, _d: paired.paired_log_risk_ratio(a, b, c),
    "MPOR": paired.paired_log_odds_ratio,
    "MPORC": lambda _a, b, c, _d: paired.conditional_log_odds_ratio(b, c),
    "MPPETO": lambda _a, b, c, _d: paired.conditional_peto_log_odds_ratio(b, c),
}
BY_PROPORTION: dict[str, Callable[..., Estimate]] = {
    "PR": one_group.proportion,
    "PLN": one_group.log_proportion,
    "PLO": one_group.logit_proportion,
    "PAS": one_group.arcsine_proportion,
    "PFT": one_group.freeman_tukey_proportion,
}
BY_RATE: dict[str, Callable[..., Estimate]] = {
    "IR": one_group.rate,
    "IRLN": one_group.log_rate,
    "IRS": one_group.square_root_rate,
    "IRFT": one_group.freeman_tukey_rate,
}
BY_COLUMNS: dict[str, Callable[..., Estimate]] = {
    "MD": lambda x, **o: continuous.mean_difference(*take(x, MEANS), **o),
    "SMD": lambda x, **o: continuous.standardized_mean_difference(*take(x, MEANS), **o),
    "SMDH": metafor_38_smdh,
    "SMD1": lambda x, **o: continuous.glass_delta(x["mean1"], x["n1"], x["mean2"], x["sd2"], x["n2"], **o),
    "SMD1H": lambda x: continuous.glass_delta_heteroscedastic(*take(x, MEANS), variance="n"),
    "ROM": lambda x, **o: ratio_of_means.log_ratio_of_means(*take(x, MEANS), **o),
    "CVR": lambda x: ratio_of_means.log_coefficient_of_variation_ratio(*take(x, MEANS)),
    "VR": lambda x: ratio_of_means.log_variability_ratio(x["sd1"], x["n1"], x["sd2"], x["n2"]),
    "RPB": lambda x, **o: biserial.point_biserial_correlation(*cohen_d_of(x), **o),
    "RBIS": lambda x: biserial.biserial_correlation(*cohen_d_of(x)),
    "D2OR": lambda x: continuous.d_to_log_odds_ratio(*cohen_d_of(x), continuous.D_TO_LOG_ODDS_LOGISTIC),
    "D2ORL": lambda x: continuous.d_to_log_odds_ratio(*cohen_d_of(x), continuous.D_TO_LOG_ODDS_LOGISTIC),
    "D2ORN": lambda x: continuous.d_to_log_odds_ratio(*cohen_d_of(x), binary.COX_SNELL),
    "COR": lambda x, **o: correlation.correlation(x["r"], x["n"], **o),
    "UCOR": lambda x, **o: correlation.unbiased_correlation(x["r"], x["n"], **o),
    "ZCOR": lambda x: correlation.fisher_z(x["r"], x["n"]),
    "PCOR": lambda x, **o: correlation.partial_correlation(x["t"], x["n"], x["predictors"], **o),
    "ZPCOR": metafor_38_zpcor,
    "SPCOR": lambda x, **o: correlation.semipartial_correlation(x["t"], x["n"], x["predictors"], x["r2"], **o),
    "MN": lambda x: one_group.mean_of_group(x["mean"], x["sd"], x["n"]),
    "SMN": lambda x: one_group.standardized_mean(x["mean"], x["sd"], x["n"]),
    "MNLN": lambda x: one_group.log_mean(x["mean"], x["sd"], x["n"]),
    "CVLN": lambda x: one_group.log_coefficient_of_variation(x["mean"], x["sd"], x["n"]),
    "SDLN": lambda x: one_group.log_standard_deviation(x["sd"], x["n"]),
    "MC": lambda x: before_after.mean_change(*take(x, CHANGE)),
    "SMCC": lambda x, **o: before_after.standardized_mean_change(*take(x, CHANGE), **o),
    "SMCR": lambda x, **o: before_after.raw_score_standardized_mean_change(
        x["mean1"], x["sd1"], x["mean2"], x["r"], x["n"], **o
    ),
    "SMCRH": metafor_38_smcrh,
    "ROMC": lambda x: before_after.log_ratio_of_means_change(*take(x, CHANGE)),
    "CVRC": lambda x: before_after.log_coefficient_of_variation_ratio_change(*take(x, CHANGE)),
    "VRC": lambda x: before_after.log_variability_ratio_change(x["sd1"], x["sd2"], x["r"], x["n"]),
    "ARAW": lambda x: reliability.cronbach_alpha(x["alpha"], x["items"], x["n"]),
    "AHW": lambda x: reliability.cube_root_alpha(x["alpha"], x["items"], x["n"]),
    "ABT": lambda x: reliability.log_alpha(x["alpha"], x["items"], x["n"]),
}


def compute(measure: str, x: Columns, options: dict[str, Any]) -> Estimate:
    """The measure with metafor's rules for zero cells."""
    add = options.get("add", 0.0 if measure in UNCORRECTED else 0.5)
    to = options.get("to", "only0")
    variance = {"variance": options["vtype"]} if "vtype" in options else {}
    if measure == "PHI" and variance == {"variance": "LS"}:
        variance = {}
    with np.errstate(all="ignore"):
        if measure in BY_COUNTS:
            raw = take(x, COUNTS)
            denominator = "events" if options.get("onlyo1") else "cells"
            cells = continuity.continuity_corrected(*raw, add, to, denominator)[:4]
            y, v = BY_COUNTS[measure](*cells, **variance)
            if options.get("addyi") is False:
                y = BY_COUNTS[measure](*raw)[0]
            if options.get("addvi") is False:
                v = BY_COUNTS[measure](*raw)[1]
            if options.get("drop00"):
                y = np.where(continuity.double_zero(*raw), np.nan, y)
            return y, v
        if measure in BY_PERSON_TIME:
            (x1, x2), _ = continuity.corrected_cells(x["events1"], x["events2"], add=add, to=to)
            y, v = BY_PERSON_TIME[measure](x1, x["time1"], x2, x["time2"])
            return np.where(options.get("drop00", False) & (x["events1"] == 0) & (x["events2"] == 0), np.nan, y), v
        if measure in BY_PAIRS:
            return BY_PAIRS[measure](*continuity.corrected_cells(*take(x, PAIRS), add=add, to=to)[0])
        if measure in BY_PROPORTION:
            cells, _ = continuity.corrected_cells(x["events"], x["n"] - x["events"], add=add, to=to)
            return BY_PROPORTION[measure](cells[0], cells[0] + cells[1], **variance)
        if measure in BY_RATE:
            (events,), _ = continuity.corrected_cells(x["events"], add=add, to=to)
            return BY_RATE[measure](events, x["time"])
        return BY_COLUMNS[measure](x, **variance)


# McGraw and Wong give the probability alone.
WITHOUT_VARIANCE = ("CLES",)


def known_to_r(record: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    y, v = numbers(record["values"]["y"]), numbers(record["values"]["v"])
    known = np.isfinite(y) & (np.isfinite(v) | (record["measure"] in WITHOUT_VARIANCE))
    assert known.any()
    return known


def compare(y: FloatArray, v: FloatArray, record: dict[str, Any], rtol: float, variance_error: float = 0.0) -> None:
    known = known_to_r(record)
    y, v = np.broadcast_arrays(y, v)
    expected_y, expected_v = (numbers(record["values"][name])[known] for name in ("y", "v"))
    assert_allclose(y[known], expected_y, rtol=rtol, atol=1e-15 * np.abs(expected_y).max())
    if record["measure"] not in WITHOUT_VARIANCE:
        assert_allclose(v[known], expected_v, rtol=rtol, atol=variance_error)


@pytest.mark.parametrize("record", records("escalc.json"))
def test_measure_agrees_with_metafor(record: dict[str, Any]) -> None:
    x, options = columns_of(record["dataset"]), record["options"]
    y, v = compute(record["measure"], x, options)
    if options.get("vtype", "").startswith("AV"):
        # The average is over the studies that metafor could compute, which at r = 0 and n = 5 it could not.
        known = known_to_r(record)
        averaged = compute(record["measure"], {name: values[known] for name, values in x.items()}, options)[1]
        v = np.full(known.shape, np.nan)
        v[known] = averaged
    # metafor subtracts two numbers near 1 for UCOR's variances, so that theirs is good to about 1e-15 and no better;
    # test_correlation.py holds ours to mpmath.
    compare(y, v, record, 1e-12, 2e-15 if record["measure"] == "UCOR" else 0.0)


@pytest.mark.parametrize("record", records("continuity.json"))
def test_zero_cells_agree_with_metafor(record: dict[str, Any]) -> None:
    y, v = compute(record["measure"], columns_of(record["dataset"]), record["options"])
    compare(y, v, record, 1e-12)
    undefined = ~np.isfinite(numbers(record["values"]["y"]))
    with np.errstate(invalid="ignore"):
        defined = np.isfinite(y) & np.isfinite(v) & (v > 0.0)
    assert not (undefined & defined).any()


FORMULAS: dict[tuple[str, str], Callable[[Columns], Estimate]] = {
    ("RTET", "exact"): lambda x: tetrachoric.tetrachoric_correlation(*take(x, COUNTS)),
    ("SMD", "uncorrected"): lambda x: continuous.standardized_mean_difference(*take(x, MEANS), correction="none"),
    ("SMD", "approximate"): lambda x: continuous.standardized_mean_difference(
        *take(x, MEANS), correction="approximate"
    ),
    ("SMD", "revman5"): lambda x: continuous.standardized_mean_difference(
        *take(x, MEANS), correction="approximate", variance="revman"
    ),
    ("SMDH", "bonett2008-uncorrected"): lambda x: continuous.standardized_mean_difference_heteroscedastic(
        *take(x, MEANS), correction="none"
    ),
    ("SMDH", "bonett2008-j2"): lambda x: continuous.standardized_mean_difference_heteroscedastic(*take(x, MEANS)),
    ("ZPB", "atanh"): lambda x: correlation.fisher_z_of_estimate(*biserial.point_biserial_correlation(*cohen_d_of(x))),
    ("ZBIS", "jacobs2017"): lambda x: biserial.stabilized_biserial_correlation(*cohen_d_of(x)),
    ("CLES", "mcgraw1992"): lambda x: continuous.common_language_effect_size(*take(x, MEANS)),
    ("ROM", "lajeunesse2015"): lambda x: ratio_of_means.log_ratio_of_means(
        *take(x, MEANS), corrected=True, variance="second-order"
    ),
    ("R2", "olkin1995"): lambda x: correlation.explained_variance(x["r2"], x["n"]),
    ("ZR2", "olkin1995"): lambda x: correlation.fisher_z_explained_variance(x["r2"], x["n"]),
}


@pytest.mark.parametrize("record", records("formulas.json"))
def test_published_formula_agrees_with_r(record: dict[str, Any]) -> None:
    with np.errstate(all="ignore"):
        y, v = FORMULAS[record["measure"], record["variant"]](columns_of(record["dataset"]))
    compare(y, v, record, 1e-8 if record["measure"] == "RTET" else 1e-12)
