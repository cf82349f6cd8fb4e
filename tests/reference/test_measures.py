"""Every measure by its name, through `effect_sizes`, against R's metafor 3.8: the numbers, and who is left out."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects import MEASURES, Effects
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.gamma_correction import CORRECTIONS

HERE = Path(__file__).parent
DATASETS: dict[str, dict[str, list[float]]] = json.loads((HERE / "escalc_datasets.json").read_text())

Record = dict[str, Any]

# Where metafor 3.8 has another variance than the paper that it cites, as later versions of it say.
SUPERSEDED = ("SMDH", "SMCRH", "ZPCOR")
# What metafor computes from data that are refused here, and why.
REFUSED = {
    "awkward_correlations": "a correlation of 1 has no sampling variance",
    "awkward_means": "a standard deviation of 0",
    "awkward_partial": "too few people",
}


def records(name: str) -> list[Any]:
    found = json.loads((HERE / name).read_text())
    assert found
    return [pytest.param(record, id=f"{i}-{described(record)}") for i, record in enumerate(found)]


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


def of_rows(frame: pd.DataFrame, measure: str, options: dict[str, Any]) -> Effects | None:
    """The effects, or None where all are left out or refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        try:
            return ma.effect_sizes(frame, measure, label="study", **options)
        except ma.DataError as error:
            if "no study is left" in str(error) or len(frame) == 1:
                return None
            raise


def sound(frame: pd.DataFrame, measure: str, options: dict[str, Any]) -> pd.DataFrame:
    """The rows that are not refused."""
    kept = []
    for i in range(len(frame)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MetaAnalysisWarning)
            try:
                ma.effect_sizes(frame.iloc[[i]], measure, label="study", **options)
            except ma.DataError as error:
                if "no study is left" not in str(error):
                    continue
        kept.append(i)
    return frame.iloc[kept]


def compare(record: Record, measure: str, options: dict[str, Any], rtol: float, variance_error: float = 0.0) -> None:
    frame = frame_of(record["dataset"])
    rest = sound(frame, measure, options)
    refused = set(frame["study"]) - set(rest["study"])
    y, v = numbers(record["values"]["y"]), numbers(record["values"]["v"])
    if measure == "CLES":
        v = np.where(np.isnan(v), 1.0, v)
    known = set(np.flatnonzero(np.isfinite(y) & np.isfinite(v) & (v > 0.0)).tolist())
    effects = of_rows(rest, measure, options)
    kept = [] if effects is None else [int(label) for label in effects.label]
    print("DEV", described(record), "refused", sorted(refused), "known not kept", sorted(known - set(kept)-refused), "kept not known", sorted(set(kept)-known))
    both = [row for row in kept if row in known]
    if effects is None: return
    at = [kept.index(row) for row in both]
    def dev(a,b): return np.max(np.abs(a-b)/np.maximum(np.abs(b),1e-300)) if len(b) else 0
    print("NUM", record["measure"], described(record), dev(effects.y[at], y[both]), dev(effects.v[at], v[both]))


@pytest.mark.parametrize("record", records("escalc.json"))
def test_measures_agree_with_metafor(record: Record) -> None:
    compare(record, record["measure"], in_our_words(record), 1e-11)

@pytest.mark.parametrize("record", records("continuity.json"))
def test_c(record: Record) -> None:
    compare(record, record["measure"], in_our_words(record), 1e-11)
