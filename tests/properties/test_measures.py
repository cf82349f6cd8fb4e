"""What holds for a measure whatever the data: signs, units, the way back, and no number from an impossible row."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects import MEASURES
from metaanalysis.errors import MetaAnalysisWarning

Columns = dict[str, list[float]]
COMPUTED = [key for key, entry in MEASURES.items() if entry.inputs]
EVENTS_OF = {"events1": "n1", "events2": "n2", "events": "n"}
K = 4

POSITIVE = st.floats(0.1, 50.0)
VALUES: dict[str, st.SearchStrategy[float]] = {
    **dict.fromkeys(("mean1", "mean2", "mean"), POSITIVE),
    **dict.fromkeys(("sd1", "sd2", "sd"), st.floats(0.2, 5.0)),
    **dict.fromkeys(("time1", "time2", "time"), st.floats(0.5, 900.0)),
    **dict.fromkeys(("both", "only1", "only2", "neither"), st.integers(0, 60).map(float)),
    **dict.fromkeys(("n1", "n2", "n"), st.integers(12, 400).map(float)),
    "r": st.floats(-0.95, 0.95),
    "t": st.floats(-6.0, 6.0),
    "predictors": st.integers(1, 6).map(float),
    "r2": st.floats(0.01, 0.95),
    "alpha": st.floats(-0.5, 0.98),
    "items": st.integers(2, 40).map(float),
}


@st.composite
def studies(draw: st.DrawFn, measure: str) -> Columns:
    inputs = MEASURES[measure].inputs
    columns: Columns = {}
    for name in sorted(inputs, key=lambda name: name in EVENTS_OF):
        if name in EVENTS_OF:
            most = columns.get(EVENTS_OF[name], [40.0] * K)
            columns[name] = [float(draw(st.integers(0, int(n)))) for n in most]
        elif measure == "CLES" and name.startswith("sd"):
            # Groups many standard deviations apart have a probability of 1 and no variance to speak of: refused.
            columns[name] = draw(st.lists(st.floats(10.0, 50.0), min_size=K, max_size=K))
        elif name == "r2" and "t" in columns:
            # A model explains at least what its predictor alone does.
            shares = zip(columns["t"], columns["n"], columns["predictors"], strict=True)
            columns[name] = [draw(st.floats(t * t / (t * t + n - p - 1.0), 0.99)) for t, n, p in shares]
        else:
            columns[name] = draw(st.lists(VALUES[name], min_size=K, max_size=K))
    return columns


def quietly(data: Any, measure: str, **options: Any) -> ma.Effects | None:
    """The effects; None where all studies are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        try:
            return ma.effect_sizes({"study": list("ABCD"), **data}, measure, **options)
        except ma.DataError as error:
            if "no study is left" in str(error):
                return None
            raise


def by_study(effects: ma.Effects | None) -> dict[str, tuple[float, float]]:
    if effects is None:
        return {}
    return dict(zip(effects.label, zip(effects.y.tolist(), effects.v.tolist(), strict=True), strict=True))


def impossible(row: dict[str, float]) -> bool:
    """What no study can have reported, input by input; written down apart from the checks."""
    counts = {
        "events1",
        "n1",
        "events2",
        "n2",
        "events",
        "n",
        "both",
        "only1",
        "only2",
        "neither",
        "items",
        "predictors",
    }
    df = row.get("n", 9.0) - row.get("predictors", 1.0) - 1.0
    # A share of the variance is below 1.
    if {"t", "r2"} <= row.keys() and df > 0 and row["t"] ** 2 * (1.0 - row["r2"]) >= df:
        return True
    above_zero = {"sd1", "sd2", "sd", "time1", "time2", "time"}
    for name, x in row.items():
        if not math.isfinite(x) or (name in counts and x < 0) or (name in above_zero and x <= 0):
            return True
        if name in EVENTS_OF and x > row.get(EVENTS_OF[name], math.inf):
            return True
    return (
        abs(row.get("r", 0.0)) >= 1
        or not 0 <= row.get("r2", 0.5) < 1
        or row.get("alpha", 0.0) >= 1
        or row.get("items", 2.0) < 2
        or row.get("predictors", 1.0) < 1
        or (("sd1" in row or "sd" in row) and min(row.get(name, 9.0) for name in ("n1", "n2", "n")) < 2)
    )


BAD = [math.nan, math.inf, -math.inf, -1.0, -0.3, 0.0, 1.0, 1.5, 1e3, 1e9, 1e155, 1e300, -1e300, 1e-300]


@pytest.mark.parametrize("measure", COMPUTED)
@settings(max_examples=8)
@given(data=st.data())
def test_no_number_from_an_impossible_row(measure: str, data: st.DataObject) -> None:
    columns = data.draw(studies(measure))
    clean = by_study(quietly(columns, measure))
    name = data.draw(st.sampled_from(sorted(columns)))
    columns[name][2] = data.draw(st.sampled_from(BAD))
    bad = impossible({name: values[2] for name, values in columns.items()})
    try:
        found = by_study(quietly(columns, measure))
    except ma.DataError as error:
        assert "'C' (row 3)" in str(error)  # noqa: PT017
        return
    assert not (bad and "C" in found)
    for study, (y, v) in found.items():
        assert math.isfinite(y)
        assert math.isfinite(v)
        assert v > 0
        if study != "C":
            assert_allclose((y, v), clean[study], rtol=1e-14)
    assert {study for study in clean if study != "C"} == {study for study in found if study != "C"}


SWAPS: dict[str, str] = {
    "events1": "events2", "n1": "n2", "time1": "time2", "mean1": "mean2", "sd1": "sd2", "only1": "only2"
}  # fmt: skip
SWAPS |= {two: one for one, two in SWAPS.items()}
# Group 2 alone scales these, or the first measurement; their mirror image is another measure.
ONE_SIDED = {"SMD1", "SMD1H", "SMCR", "SMCRH"}
TWO_SIDED = [key for key in COMPUTED if set(MEASURES[key].inputs) & set(SWAPS) and key not in ONE_SIDED]


@pytest.mark.parametrize("measure", TWO_SIDED)
@settings(max_examples=5)
@given(data=st.data())
def test_groups_that_change_places_change_the_sign(measure: str, data: st.DataObject) -> None:
    columns = data.draw(studies(measure))
    there, back = (
        by_study(quietly(columns, measure)),
        by_study(quietly({SWAPS.get(name, name): values for name, values in columns.items()}, measure)),
    )
    assert there.keys() == back.keys()
    mirror = (lambda y: 1.0 - y) if measure == "CLES" else (lambda y: -y)
    for study, (y, v) in there.items():
        assert_allclose(back[study][0], mirror(y), rtol=1e-9, atol=1e-12)
        assert_allclose(back[study][1], v, rtol=1e-9)


CELLS = st.lists(st.integers(0, 60).map(float), min_size=K, max_size=K)


@pytest.mark.parametrize("measure", ["OR", "PETO", "PHI", "YUQ", "YUY", "RTET", "OR2DL", "OR2DN"])
@settings(max_examples=12)
@given(a=CELLS, b=CELLS, c=CELLS, d=CELLS)
def test_a_table_that_is_transposed_is_as_associated(
    measure: str, a: list[float], b: list[float], c: list[float], d: list[float]
) -> None:
    def table(a: list[float], b: list[float], c: list[float], d: list[float]) -> Columns:
        n1, n2 = ([x + y for x, y in zip(*cells, strict=True)] for cells in ((a, b), (c, d)))
        return {"events1": a, "n1": n1, "events2": c, "n2": n2}

    there, back = (by_study(quietly(table(*cells), measure)) for cells in ((a, b, c, d), (a, c, b, d)))
    # A group of nobody is left out; an outcome that nobody had is not.
    for study in there.keys() & back.keys():
        assert_allclose(back[study], there[study], rtol=1e-11, atol=1e-13)
    full = {s for s, *cells in zip("ABCD", a, b, c, d, strict=True) if min(cells) > 0}
    assert full <= there.keys() & back.keys()


IN_UNITS = {"MD": 1, "MC": 1, "MN": 1}
LOG_OF_UNITS = {"MNLN", "SDLN"}
OF_MEASUREMENTS = [key for key in COMPUTED if {"sd1", "sd2", "sd"} & set(MEASURES[key].inputs)]


@pytest.mark.parametrize("measure", OF_MEASUREMENTS)
@settings(max_examples=5)
@given(data=st.data(), unit=st.sampled_from([1e-6, 0.4536, 2.54, 1000.0]))
def test_units_of_measurement(measure: str, data: st.DataObject, unit: float) -> None:
    columns = data.draw(studies(measure))
    scaled = {
        name: [unit * x for x in values] if name.startswith(("mean", "sd")) else values
        for name, values in columns.items()
    }
    here, there = by_study(quietly(columns, measure)), by_study(quietly(scaled, measure))
    assert here.keys() == there.keys()
    for study, (y, v) in here.items():
        factor = unit if measure in IN_UNITS else 1.0
        shift = math.log(unit) if measure in LOG_OF_UNITS else 0.0
        assert_allclose(there[study][0], factor * y + shift, rtol=1e-9, atol=1e-12 * factor)
        assert_allclose(there[study][1], factor**2 * v, rtol=1e-9)


OWN: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {
    **dict.fromkeys(("PR", "PLN", "PLO", "PAS", "PFT"), lambda x: x["events"] / x["n"]),
    **dict.fromkeys(("IR", "IRLN", "IRS", "IRFT"), lambda x: x["events"] / x["time"]),
    **dict.fromkeys(("COR", "ZCOR"), lambda x: x["r"]),
    **dict.fromkeys(("R2", "ZR2"), lambda x: x["r2"]),
    **dict.fromkeys(("ARAW", "AHW", "ABT"), lambda x: x["alpha"]),
    **dict.fromkeys(("MN", "MNLN"), lambda x: x["mean"]),
    "RR": lambda x: (x["events1"] / x["n1"]) / (x["events2"] / x["n2"]),
    "IRR": lambda x: (x["events1"] / x["time1"]) / (x["events2"] / x["time2"]),
    "ROM": lambda x: x["mean1"] / x["mean2"],
}


@pytest.mark.parametrize("measure", list(OWN))
@settings(max_examples=8)
@given(data=st.data())
def test_the_way_back_leads_to_the_studies_own_numbers(measure: str, data: st.DataObject) -> None:
    effects = quietly(data.draw(studies(measure)), measure, to="none")
    if effects is None:
        return
    own = OWN[measure]({name: np.array(values) for name, values in effects.inputs.items()})
    assert_allclose(effects.back_transform_each(effects.y), own, rtol=1e-9, atol=1e-12)
    # And keeps the order, so that limits may be sent back one by one.
    low, high = effects.interval()
    for less, more in ((low, effects.y), (effects.y, high)):
        assert (effects.back_transform_each(less) <= effects.back_transform_each(more)).all()


@pytest.mark.parametrize("measure", COMPUTED)
@settings(max_examples=3)
@given(data=st.data(), order=st.permutations(range(K)))
def test_the_order_of_the_rows_is_nothing(measure: str, data: st.DataObject, order: list[int]) -> None:
    columns = data.draw(studies(measure))
    straight = by_study(quietly(columns, measure))
    shuffled = by_study(
        quietly(
            {name: [values[i] for i in order] for name, values in {"study": list("ABCD"), **columns}.items()}, measure
        )
    )
    assert straight == shuffled
