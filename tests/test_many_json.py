"""Many pooled results as JSON and back."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.io import json_many


def frame(keys: Any = None) -> pd.DataFrame:
    random = np.random.default_rng(1)
    v = random.uniform(0.05, 0.5, 12)
    table = pd.DataFrame(
        {"key": np.repeat(["a", 'b"\\é', "c"], [5, 1, 6]) if keys is None else keys, "y": random.normal(0.3, 0.6, 12)}
    )
    return table.assign(v=v, study=[f"s{i}" for i in range(12)], size=random.uniform(10, 100, 12))


def same(one: Any, other: Any) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_dtype=False)


def counts() -> pd.DataFrame:
    return ma.load_dataset("bcg")


MANY = {
    "numbers": lambda: ma.pool_many(frame(), by="key", ci="hksj"),
    "few columns": lambda: ma.pool_many(frame(), by="key", tau2="DL", columns=["k", "estimate", "tau2_low"]),
    "weights": lambda: ma.pool_many(frame(), by="key", tau2="GENQ", tau2_weights="size"),
    "common": lambda: ma.pool_many(frame(), by="key", model="common"),
    "counts": lambda: ma.pool_many(counts(), by="alloc", measure="OR", convention="revman5"),
    "tables": lambda: ma.pool_many(counts(), by="alloc", measure="RR", method="mantel-haenszel"),
    "effects": lambda: ma.pool_many(ma.effect_sizes(counts(), "RR"), by="alloc"),
    "block": lambda: ma.pool_many((np.array([[0.1, np.nan], [0.2, 0.4]]), np.full((2, 2), 0.1)), tau2="DL"),
    "several keys": lambda: ma.pool_many(frame().assign(n=np.arange(12) % 2), by=["key", "n"]),
}


@pytest.mark.parametrize("name", MANY)
def test_it_comes_back_to_the_last_bit(name: str, tmp_path: Path) -> None:
    many = MANY[name]()
    document = ma.to_json(many, tmp_path / "many.json")
    for again in (ma.from_json(document), ma.from_json(tmp_path / "many.json")):
        assert isinstance(again, ma.PooledMany)
        assert again.keys == many.keys
        same(again.to_frame(), many.to_frame())
        same(again.failed, many.failed)
        same(again.excluded, many.excluded)
        assert str(again) == str(many)
        assert ma.to_json(again) == document
        for key in many.keys:
            one, other = again[key], many[key]
            assert_array_equal([one.estimate, one.se, one.tau2, one.q], [other.estimate, other.se, other.tau2, other.q])
            assert tuple(one.effects.label) == tuple(other.effects.label)
        if many.method == "inverse-variance":
            assert_array_equal(ma.jackknife_many(again).estimate_se, ma.jackknife_many(many).estimate_se)
            same(ma.leave_one_out_many(again).to_frame(), ma.leave_one_out_many(many).to_frame())


DATES = [datetime.date(2020, 1, day) for day in (2, 1)]
TIMES = pd.to_datetime(["2020-01-02T03:04:05", "2020-01-01T00:00:00"])


@pytest.mark.parametrize("keys", [[3, 1], [0.5, np.inf], [True, False], DATES, TIMES])
def test_keys_of_every_kind(keys: Any) -> None:
    many = ma.pool_many(frame(np.repeat(np.array(keys), 6)), by="key", tau2="DL")
    again = ma.from_json(ma.to_json(many))
    assert again.keys == many.keys
    assert again[many.keys[1]].estimate == many[many.keys[1]].estimate


def test_bad_groups_and_rows_come_back_with_their_reasons() -> None:
    table = frame()
    table.loc[[0, 5], "v"] = [-1.0, np.nan]
    with pytest.warns(ExcludedStudiesWarning):
        many = ma.pool_many(table, by="key")
    again = ma.from_json(ma.to_json(many))
    same(again.excluded, many.excluded)
    assert again.status == many.status
    assert again.failed.status.tolist() == ["no study is left"]
    with pytest.raises(
        ma.DataError, match="no study of this group is left: 1 were left out, the first because v is missing"
    ):
        again[many.keys[1]]


@pytest.mark.parametrize(
    "path, value, message",
    [
        (("k",), [5, 1, 7], "is not that of its effects"),
        (("codes",), [0, 0, 99], "row numbers from 0 to"),
        (("studies", "y", 0), 0.25, "SHA-256 differs"),
        (("studies", "v", 0), -1.0, "v positive"),
        (("keys", 0, "values", 0), "z", "SHA-256 differs"),
        (("keys", 0, "kind"), "list", "which this version does not know"),
        (("keys", 0, "values", 0), 7, "values of the kind text"),
        (("columns", "estimate"), [1.0], "has 1 values, but 3 are needed"),
        (("groups", 1), None, "is not that of its effects"),
        (("options", "tau2"), "XXX", "tau2='XXX' is not"),
        (("words",), 3, "has to be a list"),
    ],
)
def test_changed_documents_are_refused(path: tuple[Any, ...], value: object, message: str) -> None:
    document = json.loads(ma.to_json(MANY["numbers"]()))
    at = document["result"]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(ma.DataError, match=message):
        ma.from_json(json.dumps(document))


def test_what_no_document_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    many = ma.pool_many(frame(), by="key", tau2=lambda y, v, X: v.mean(axis=-1))
    with pytest.raises(ma.OptionError, match="function of your own"):
        ma.to_json(many)
    keys = pd.Series([("a", 1)] * 6 + [("b", 2)] * 6)
    with pytest.raises(ma.OptionError, match="holds tuple"):
        ma.to_json(ma.pool_many(frame(keys), by="key", tau2="DL"))
    monkeypatch.setattr(json_many, "GROUPS_AT_MOST", 2)
    with pytest.raises(ma.OptionError, match="Parquet file"):
        ma.to_json(MANY["numbers"]())
