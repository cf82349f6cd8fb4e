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
