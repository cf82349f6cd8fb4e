"""Every measure by its name, through `effect_sizes`, against R's metafor 3.8: the numbers, and who is left out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects import MEASURES, Effects, measure_named
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.continuous import average_variance_difference_variance
from metaanalysis.formulas.gamma_correction import CORRECTIONS

HERE = Path(__file__).parent
DATASETS: dict[str, dict[str, list[float]]] = json.loads((HERE / "escalc_datasets.json").read_text())

Record = dict[str, Any]

# Rows that are refused by name (test_refusals) and the rest of metafor's answer: NA, or a correlation of 1 with variance 0.
REFUSED: dict[tuple[str, str], str] = {
    ("positive_means", "CVR"): "mean1 (-3) is not a positive mean in study '6'",
    **{("awkward_correlations", measure): "r (1) is not a correlation" for measure in ("COR", "UCOR", "ZCOR")},
}
REFUSED_ROW = 6
# metafor's hypergeometric function fails at r = 0; test_correlation.py holds ours to mpmath.
UNKNOWN_TO_R = {("awkward_correlations", "UCOR"): {1}}


def loaded(name: str) -> list[Record]:
    found: list[Record] = json.loads((HERE / name).read_text())
    assert found
    return found


def records(name: str, wanted: Callable[[Record], bool] = lambda _: True) -> list[Any]:
    return [pytest.param(r, id=f"{i}-{described(r)}") for i, r in enumerate(loaded(name)) if wanted(r)]


def described(record: Record) -> str:
    options = ",".join(f"{name}={value}" for name, value in (record.get("options") or {}).items())
    return f"{record['measure']}-{record['dataset']}-{record.get('variant', options)}"


def numbers(values: list[float | None]) -> FloatArray:
    return np.array([np.nan if x is None else x for x in values], dtype=float)


def frame_of(dataset: str) -> pd.DataFrame:
    return pd.DataFrame(DATASETS[dataset], dtype=float).reset_index(names="study")


def in_our_words(record: Record) -> dict[str, Any]:
    """metafor's options by our names."""
    measure, given = record["measure"], record.get("options") or {}
    options: dict[str, Any] = {name: given[name] for name in ("add", "to") if name in given}
    if given.get("drop00"):
        options["double_zero"] = "drop-all"
    if given.get("onlyo1"):
        options["risk_ratio_denominator"] = "events"
    if given.get("addyi") is False and measure == "RD":
        options["risk_difference"] = "variance"
    if "vtype" in given and not (measure == "PHI" and given["vtype"] == "LS"):
        options["variance"] = given["vtype"]
    if measure == "SMD1H":
        options["variance"] = "n"
    return options


def variance_of_smdh_in_38(effects: Effects) -> FloatArray:
    """metafor 3.8 put the corrected estimate where Bonett (2008) has d."""
    x = effects.inputs
    J = 1.0 + CORRECTIONS["exact"](x["n1"] + x["n2"] - 2.0)
    return np.asarray(J**2 * average_variance_difference_variance(effects.y, x["sd1"], x["n1"], x["sd2"], x["n2"]))


def variance_of_smcrh_in_38(effects: Effects) -> FloatArray:
    """metafor 3.8 put the corrected estimate where Bonett (2008) has d."""
    n, y = effects.inputs["n"], effects.y
    J = 1.0 + CORRECTIONS["exact"](n - 1.0)
    return np.asarray(effects.v + (J**2 * y**2 - y**2) / (2.0 * (n - 1.0)))


def variance_of_zpcor_in_38(effects: Effects) -> FloatArray:
    """metafor 3.8 took one degree of freedom too many."""
    return np.asarray(1.0 / (1.0 / effects.v + 1.0))


SUPERSEDED: dict[str, Callable[[Effects], FloatArray]] = {
    "SMDH": variance_of_smdh_in_38,
    "SMCRH": variance_of_smcrh_in_38,
    "ZPCOR": variance_of_zpcor_in_38,
}


def computed(record: Record, options: dict[str, Any]) -> Effects | None:
    """The effects of all rows that are not refused; None where all are left out."""
    frame = frame_of(record["dataset"])
    if (record["dataset"], record["measure"]) in REFUSED:
        frame = frame.drop(index=REFUSED_ROW)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        try:
            return ma.effect_sizes(frame, record["measure"], label="study", **options)
        except ma.DataError as error:
            assert "no study is left" in str(error)  # noqa: PT017
            return None


def compare(record: Record, options: dict[str, Any], rtol: float) -> None:
    effects = computed(record, options)
    key = (record["dataset"], record["measure"])
    y, v = numbers(record["values"]["y"]), numbers(record["values"]["v"])
    without_variance = key[1] == "CLES"  # McGraw and Wong give the probability alone
    known = np.isfinite(y) & (without_variance | (np.isfinite(v) & (v > 0.0)))
    if key in REFUSED:
        known[REFUSED_ROW] = False
    kept = [] if effects is None else [int(label) for label in effects.label]
    assert set(kept) - UNKNOWN_TO_R.get(key, set()) == set(np.flatnonzero(known).tolist())
    if effects is None:
        return
    mine = np.array([row in set(np.flatnonzero(known).tolist()) for row in kept])
    assert_allclose(effects.y[mine], y[known], rtol=rtol, atol=1e-15 * np.abs(y[known]).max())
    # The average of metafor's is over the refused correlation too.
    averaged_over_others = options.get("variance") == "AV" and key in REFUSED
    if not without_variance and not averaged_over_others:
        ours = SUPERSEDED[key[1]](effects) if key[1] in SUPERSEDED and "values" in record else effects.v
        # metafor subtracts two numbers near 1 for UCOR's variances.
        assert_allclose(ours[mine], v[known], rtol=rtol, atol=2e-15 if key[1] == "UCOR" else 0.0)


@pytest.mark.parametrize("record", records("escalc.json"))
def test_every_measure_agrees_with_metafor(record: Record) -> None:
    compare(record, in_our_words(record), 1e-12)


# To correct the estimate of a risk difference and not its variance is nobody's convention.
ONLY_METAFOR = {"addvi": False}


@pytest.mark.parametrize(
    "record", records("continuity.json", lambda r: not ONLY_METAFOR.items() <= r["options"].items())
)
def test_every_treatment_of_zeros_agrees_with_metafor(record: Record) -> None:
    compare(record, in_our_words(record), 1e-12)


FORMULAS: dict[tuple[str, str], dict[str, Any]] = {
    ("RTET", "exact"): {},
    ("SMD", "uncorrected"): {"correction": "none"},
    ("SMD", "approximate"): {"correction": "approximate"},
    ("SMD", "revman5"): {"convention": "revman5"},
    ("ZPB", "atanh"): {},
    ("ZBIS", "jacobs2017"): {},
    ("CLES", "mcgraw1992"): {},
    ("ROM", "lajeunesse2015"): {"correction": True, "variance": "second-order"},
    ("R2", "olkin1995"): {},
    ("ZR2", "olkin1995"): {},
}


@pytest.mark.parametrize("record", records("formulas.json", lambda r: r["measure"] != "SMDH"))
def test_every_published_formula_agrees_with_r(record: Record) -> None:
    compare(record, FORMULAS[record["measure"], record["variant"]], 1e-8 if record["measure"] == "RTET" else 1e-12)


@pytest.mark.parametrize("record", records("formulas.json", lambda r: r["measure"] == "SMDH"))
def test_unequal_variances_follow_the_paper(record: Record) -> None:
    effects = computed(record, {"correction": "none"} if record["variant"].endswith("uncorrected") else {})
    assert effects is not None
    assert_allclose(effects.y, numbers(record["values"]["y"]), rtol=1e-12)
    assert_allclose(effects.v, numbers(record["values"]["v"]), rtol=1e-12)


def test_every_measure_has_its_reference() -> None:
    tested = {record["measure"] for name in ("escalc.json", "formulas.json") for record in loaded(name)}
    assert {measure_named(measure).key for measure in tested} == {key for key in MEASURES if MEASURES[key].inputs}


@pytest.mark.parametrize(("dataset", "measure"), list(REFUSED))
def test_refusals(dataset: str, measure: str) -> None:
    with pytest.raises(ma.DataError) as caught:
        ma.effect_sizes(frame_of(dataset), measure, label="study")
    assert REFUSED[dataset, measure] in str(caught.value)
