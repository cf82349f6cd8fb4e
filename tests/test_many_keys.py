"""Keys of text: told apart in Arrow's memory, as Python itself tells them apart."""

from __future__ import annotations

import importlib.util
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import metaanalysis as ma
from metaanalysis.many import keys as keys_module
from metaanalysis.many.keys import as_arrow_where_text, grouped

pytest.importorskip("pyarrow", reason="texts are compared in Arrow's memory where pyarrow is installed")


def by_hand(values: list[Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(value, []).append(row)
    return list(groups.values())


def rows_of(found: Any, n: int) -> list[list[int]]:
    order = np.arange(n) if found.order is None else found.order
    return [part.tolist() for part in np.split(order, found.offsets[1:-1])]


def series_of(values: list[Any], kind: str) -> Any:
    import polars as pl
    import pyarrow as pa

    if kind == "polars":
        return pl.DataFrame({"key": values})
    if kind == "arrow":
        half = len(values) // 2
        return pa.table({"key": pa.chunked_array([values[:half], values[half:]], type=pa.string())})
    return pd.DataFrame({"key": pd.Series(values, dtype=kind)})


KINDS = ("object", "str", "string", "polars", "arrow")


@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_texts_are_those_of_a_dict(kind: str) -> None:
    random = np.random.default_rng(1)
    # Composed and decomposed accents, trailing blanks, a NUL, another case and the empty text are all different keys.
    words = ["rs1", "rs1 ", "RS1", "", "é", "e\u0301", "a\0", "a", "\U0001f9ec", "rs10"]
    values = [words[i] for i in random.integers(0, len(words), 400)]
    frame = nw.from_native(series_of(values, kind), eager_only=True)
    found = grouped(frame, ["key"])
    assert rows_of(found, 400) == by_hand(values)
    assert as_arrow_where_text(frame["key"]).implementation.is_pyarrow()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_text_is_named_by_its_row(kind: str) -> None:
    frame = nw.from_native(series_of(["a", "b", None, "a", None], kind), eager_only=True)
    with pytest.raises(ma.DataError, match=r"the key 'key' is missing in row 3.*\(1 more rows have none either"):
        grouped(frame, ["key"])


@pytest.mark.parametrize(
    "values",
    [
        ["a", b"a", "a", b"a", "b"],
        ["1", 1, "1", 1, 2],
        ["\ud800", "a", "\ud800", "\udfff", "a"],
        [("a", 1), ("b", 1), ("a", 1), ("b", 1), ("a", 2)],
    ],
    ids=["bytes", "numbers", "half a pair", "tuples"],
)
def test_what_is_not_text_alone_stays_as_it_is(values: list[Any]) -> None:
    column = pd.Series(np.empty(len(values), dtype=object))
    for row, value in enumerate(values):
        column[row] = value
    frame = nw.from_native(pd.DataFrame({"key": column}), eager_only=True)
    assert rows_of(grouped(frame, ["key"]), len(values)) == by_hand(values)
    assert as_arrow_where_text(frame["key"]).implementation.is_pandas()


def test_without_arrow_the_groups_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"rs{i}" for i in np.random.default_rng(2).integers(0, 50, 500)]
    frame = nw.from_native(pd.DataFrame({"key": pd.Series(values, dtype=object)}), eager_only=True)
    expected = grouped(frame, ["key"])
    monkeypatch.setattr(keys_module.importlib.util, "find_spec", lambda name: None)
    assert importlib.util.find_spec("pyarrow") is None
    found = grouped(frame, ["key"])
    assert_array_equal(found.order, expected.order)
    assert_array_equal(found.offsets, expected.offsets)
    assert_array_equal(found.first, expected.first)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float64"])
@pytest.mark.parametrize("way", ["rising", "falling", "mixed"])
def test_groups_of_numbers_are_those_of_a_dict(dtype: str, way: str) -> None:
    values = np.repeat([1, 3, 4, 90], [2, 1, 3, 1]).astype(dtype)
    values = {"rising": values, "falling": values[::-1], "mixed": values[[0, 6, 2, 1, 3, 4, 5]]}[way]
    frame = nw.from_native(pd.DataFrame({"key": values}), eager_only=True)
    assert rows_of(grouped(frame, ["key"]), values.size) == by_hand(values.tolist())
    y, v = np.arange(7.0), np.ones(7)
    many = ma.pool_many((y, v), by={"key": values}, model="common", columns=["estimate"])
    assert many.names == ("key",)
    assert many.keys == tuple(dict.fromkeys(values.tolist()))
    assert many.to_frame().key.dtype == values.dtype
    assert_array_equal(many.estimate, [np.mean(rows) for rows in by_hand(values.tolist())])


def test_several_keys_of_numbers_and_texts_are_told_apart() -> None:
    first, second = np.array([2, 2, 1, 2, 1]), np.array([0.5, 1.5, 0.5, 0.5, 0.5])
    for keys in ((first, second), (first, second.astype(str))):
        many = ma.pool_many((np.arange(5.0), np.ones(5)), by=list(keys), model="common", columns=["estimate"])
        kind = type(keys[1][0].item())
        assert many.keys == ((2, kind("0.5")), (2, kind("1.5")), (1, kind("0.5")))
        assert_array_equal(many.estimate, [1.5, 1.0, 3.0])


def test_a_missing_number_and_a_number_that_comes_back_are_named_by_their_rows() -> None:
    y, v = np.zeros(4), np.ones(4)
    with pytest.raises(ma.DataError, match=r"the key 'key' is missing in row 2.*\(1 more rows have none either"):
        ma.pool_many((y, v), by={"key": np.array([1.0, np.nan, 2.0, np.nan])})
    with pytest.raises(ma.DataError, match=r"key = 1, part = 'a' comes back in row 4"):
        ma.pool_many((y, v), by={"key": np.array([1, 1, 2, 1]), "part": np.array(["a", "b", "a", "a"])}, sorted=True)
    with pytest.raises(ma.DataError, match=r"key = 1 comes back in row 3"):
        ma.pool_many((y, v), by={"key": np.array([1, 2, 1, 2])}, sorted=True)
    with pytest.raises(ma.DataError, match="'tau2' would stand in the result beside the numbers of that name"):
        ma.pool_many((y, v), by={"tau2": np.array([1, 1, 2, 2])})


def test_keys_are_those_of_the_arrays_as_they_were() -> None:
    keys = np.array([1, 1, 2, 3])
    many = ma.pool_many((np.zeros(4), np.ones(4)), by=keys, model="common", columns=["k"])
    keys[:] = 9
    assert many.keys == (1, 2, 3)
    assert many.to_frame().key.tolist() == [1, 2, 3]
