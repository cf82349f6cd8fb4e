"""Keys -> groups: who belongs together, in the order in which the groups first appear."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.effects.columns import find_column
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.many.columns import EVERY

if TYPE_CHECKING:
    import narwhals as nw

# A column of keys: numbers that NumPy holds, or any other column.
KeyColumn: TypeAlias = "nw.Series[Any] | IntArray | FloatArray"
# Up to here NumPy sorts stably by counting.
COUNTED = 1 << 16
# The kinds of NumPy's numbers.
NUMBERS = "iuf"


class Grouping(NamedTuple):
    """Which rows make which group."""

    order: IntArray | None  # the rows, group after group; None where they lie so already
    offsets: IntArray  # (groups + 1,): group g is order[offsets[g]:offsets[g + 1]]
    first: IntArray  # (groups,): the first row of each


def key_names(frame: nw.DataFrame[Any], by: object) -> list[str]:
    """The columns that hold the keys, checked."""
    names = [by] if isinstance(by, str) else list(by) if isinstance(by, list | tuple) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(
            'by names the column, or the columns, whose values tell the meta-analyses apart, as in by="snp" or '
            f'by=["review", "analysis"]; it was {type(by).__name__}.'
        )
    names = [find_column(frame, name, "by") for name in names]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"by names the column {name!r} twice.")
    return names_beside_numbers(names)


def names_beside_numbers(names: list[str]) -> list[str]:
    """The names of keys, none of which a number of the result has."""
    for name in names:
        if name in (*EVERY, "status", "iterations"):
            raise DataError(
                f"the key column {name!r} would stand in the result beside the numbers of that name: rename it first."
            )
    return names


def grouped(frame: nw.DataFrame[Any], by: Sequence[str], declared_sorted: bool | None = None) -> Grouping:
    """The groups of a frame; DataError for missing keys, and for keys that come back though the rows were said to be sorted."""
    return grouped_by({name: key_column(frame[name]) for name in by}, frame.shape[0], declared_sorted)


def grouped_by(columns: Mapping[str, KeyColumn], rows: int, declared_sorted: bool | None = None) -> Grouping:
    """The groups of so many rows, as `grouped`, by columns of keys."""
    for name, column in columns.items():
        refuse_missing(column, name)
    starts = np.flatnonzero(np.logical_or.reduce([changes(column, name) for name, column in columns.items()]))
    every = starts.size == rows
    at_starts = {name: column if every else column[starts] for name, column in columns.items()}
    if len(columns) == 1 and ascend(*at_starts.values()):
        return Grouping(None, np.append(starts, rows), starts)
    codes = combined([factorized(column, name) for name, column in at_starts.items()])
    # Codes count up by first appearance, so that a run is a new group where its code exceeds all before it.
    most = np.maximum.accumulate(codes)
    new = np.append(True, most[1:] > most[:-1])
    if new.all():
        return Grouping(None, np.append(starts, rows), starts)
    if declared_sorted:
        back = int(starts[int(np.argmin(new))])
        raise DataError(
            f"the rows were said to be sorted, and {shown_key(columns, back)} comes back in row {back + 1}, after other keys: "
            f"sort the table by {', '.join(columns)}, or leave sorted out."
        )
    order, offsets = rows_by_group(codes, starts, rows, int(most[-1]) + 1)
    return Grouping(order, offsets, starts[new])


def key_column(series: nw.Series[Any]) -> KeyColumn:
    """A column of keys as what tells them apart most quickly: numbers as NumPy holds them, texts in Arrow's memory."""
    if series.implementation.is_pandas():
        values = series.to_native().to_numpy() if isinstance(series.to_native().dtype, np.dtype) else None
        if values is not None and values.dtype.kind in NUMBERS:
            return values  # type: ignore[no-any-return]
    return as_arrow_where_text(series)


def ascend(column: KeyColumn) -> bool:
    """Whether numbers rise from each to the next, so that each is a group of its own without more ado."""
    return isinstance(column, np.ndarray) and bool((column[1:] > column[:-1]).all())


def as_arrow_where_text(series: nw.Series[Any]) -> nw.Series[Any]:
    """A column of texts in one piece of Arrow's memory, where Arrow is installed; any other column as it is.

    Texts that are Python objects are compared and told apart several times more slowly.
    """
    if importlib.util.find_spec("pyarrow") is None:
        return series
    import narwhals as nw
    import pyarrow as pa

    native = series.to_native()
    if series.implementation.is_pandas():
        from pandas.api.types import infer_dtype

        if str(native.dtype) not in ("object", "str", "string") or infer_dtype(native, skipna=True) != "string":
            return series
        try:
            found = pa.array(native, type=pa.large_string(), from_pandas=True)
        except (pa.ArrowException, UnicodeError):
            # Texts that UTF-8 does not have: halves of surrogate pairs.
            return series
    elif series.implementation.is_polars() and series.dtype == nw.String:
        found = native.to_arrow()
    elif series.implementation.is_pyarrow() and series.dtype == nw.String:
        found = native
    else:
        return series
    # The offsets of a small string end at 2 GB.
    large = found.cast(pa.large_string())
    whole = large.combine_chunks() if isinstance(large, pa.ChunkedArray) else large
    one: nw.Series[Any] = nw.from_native(pa.chunked_array([whole]), series_only=True)
    return one.alias(series.name)


def refuse_missing(column: KeyColumn, name: str) -> None:
    """DataError at the first row without a key."""
    missing = nowhere(column)
    if missing.any():
        bad = np.flatnonzero(missing)
        more = f" ({bad.size - 1} more rows have none either.)" if bad.size > 1 else ""
        raise DataError(
            f"the key {name!r} is missing in row {int(bad[0]) + 1}, so that its study belongs to no meta-analysis: give it a "
            f"value, or leave the row out first.{more}"
        )


def nowhere(column: KeyColumn) -> BoolArray:
    """Where there is no key."""
    if isinstance(column, np.ndarray):
        # Whole numbers are never missing: there is nothing to look at.
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(1, dtype=np.bool_)
    if column.implementation.is_pyarrow() and not column.dtype.is_float() and not column.to_native().null_count:
        # (A column of truths as an array would have Arrow load pandas.)
        return np.zeros(1, dtype=np.bool_)
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan()
    return np.asarray(missing.to_numpy(), dtype=np.bool_)


def changes(column: KeyColumn, name: str) -> BoolArray:
    """Where a value differs from the one before; the first does."""
    if isinstance(column, np.ndarray) or numpy_holds(column):
        values = column if isinstance(column, np.ndarray) else column.to_numpy()
        return np.append(True, np.asarray(values[1:] != values[:-1], dtype=np.bool_))
    try:
        differs = np.asarray(codes_if_coded(column), dtype=np.int64)
    except TypeError:
        later, before = column[1:], column[:-1]
        try:
            return np.append(True, np.asarray((later != before).to_numpy(), dtype=np.bool_))
        except Exception:
            # Lists, structures and objects that their library does not compare.
            differs = factorized_objects(column.to_list(), name)
    return np.append(True, differs[1:] != differs[:-1])


def numpy_holds(series: nw.Series[Any]) -> bool:
    """Whether these are numbers that NumPy has a type for."""
    return bool(series.dtype.is_numeric()) and str(series.dtype) not in ("Int128", "UInt128")


def codes_if_coded(series: nw.Series[Any]) -> IntArray:
    """The codes of a categorical column; TypeError for others."""
    native = series.to_native()
    if hasattr(native, "cat") and hasattr(native.cat, "codes"):
        return np.asarray(native.cat.codes, dtype=np.intp)
    raise TypeError


def factorized(series: KeyColumn, name: str) -> IntArray:
    """Whole numbers, one a value, counted up by first appearance."""
    if isinstance(series, np.ndarray):
        return counted_up(series)
    native = series.to_native()
    if series.implementation.is_pandas_like() or (numpy_holds(series) and not series.implementation.is_pyarrow()):
        try:
            return counted_up(native if series.implementation.is_pandas() else series.to_numpy())
        except TypeError:
            return factorized_objects(series.to_list(), name)
    if series.implementation.is_pyarrow():
        import pyarrow as pa

        if pa.types.is_floating(native.type):
            # (Arrow tells 0.0 from -0.0.)
            return counted_up(series.to_numpy())
        try:
            chunks = native.dictionary_encode().unify_dictionaries().chunks
        except NotImplementedError:
            return factorized_objects(series.to_list(), name)
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
        if not pa.types.is_dictionary(native.type):
            # Arrow counts up by first appearance, from chunk to chunk.
            return np.asarray(codes, dtype=np.intp)
    elif series.implementation.is_polars() and str(series.dtype) in ("String", "Categorical"):
        import polars as pl

        codes = native.cast(pl.Categorical).to_physical().to_numpy()
    else:
        return factorized_objects(series.to_list(), name)
    return counted_up(codes)


def counted_up(values: Any) -> IntArray:
    """Whole numbers, one a value of an array or a pandas column, counted up by first appearance."""
    import pandas as pd

    return np.asarray(pd.factorize(values)[0], dtype=np.intp)


def factorized_objects(values: list[Any], name: str) -> IntArray:
    """The same, of Python objects."""
    codes: dict[Any, int] = {}
    try:
        return np.fromiter((codes.setdefault(value, len(codes)) for value in values), dtype=np.intp, count=len(values))
    except TypeError as error:
        raise DataError(
            f"the key {name!r} can't tell meta-analyses apart: {error}. Use numbers, text or dates."
        ) from None


def combined(codes: Sequence[IntArray]) -> IntArray:
    """Several keys as one, counted up by first appearance."""
    together = codes[0]
    for further in codes[1:]:
        # Below the square of the number of rows, which a 64-bit integer holds.
        together = counted_up(together * (int(further.max()) + 1) + further)
    return together


def rows_by_group(codes: IntArray, starts: IntArray, n: int, groups: int) -> tuple[IntArray, IntArray]:
    """The rows group after group, those of a group in their order, and the groups' offsets; codes: of each run of rows."""
    lengths = np.diff(starts, append=n)
    runs = stable_order(codes, groups)
    begin = np.append(0, np.cumsum(lengths[runs])[:-1])
    order = np.repeat(starts[runs] - begin, lengths[runs]) + np.arange(n)
    sizes = np.zeros(groups, dtype=np.intp)
    np.add.at(sizes, codes, lengths)
    return order, np.append(0, np.cumsum(sizes))


def stable_order(codes: IntArray, groups: int) -> IntArray:
    """The order of the codes, equal ones as they come."""
    if groups <= COUNTED:
        return np.argsort(codes.astype(np.uint16), kind="stable")
    # A sparse matrix with one entry a row is put into rows by counting, which is several times quicker than sorting.
    from scipy import sparse

    n = codes.size
    ones = np.ones(n, dtype=np.int8)
    return np.asarray(sparse.csr_array((ones, (codes, np.arange(n))), shape=(groups, n)).indices, dtype=np.intp)


def shown_key(columns: Mapping[str, KeyColumn], row: int) -> str:
    """A row's key, for a message."""
    parts = {name: column[row : row + 1] for name, column in columns.items()}
    values = {
        name: (part.tolist() if isinstance(part, np.ndarray) else part.to_list())[0] for name, part in parts.items()
    }
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())
