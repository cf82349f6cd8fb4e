"""Keys -> groups: who belongs together, in the order in which the groups first appear."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metaanalysis.effects.columns import find_column
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import BoolArray, IntArray
from metaanalysis.many.columns import EVERY

if TYPE_CHECKING:
    import narwhals as nw

# Up to here NumPy sorts stably by counting.
COUNTED = 1 << 16


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
        if name in (*EVERY, "status", "iterations"):
            raise DataError(
                f"the key column {name!r} would stand in the result beside the numbers of that name: rename it first."
            )
    return names


def grouped(frame: nw.DataFrame[Any], by: Sequence[str], declared_sorted: bool | None = None) -> Grouping:
    """The groups of a frame; DataError for missing keys, and for keys that come back though the rows were said to be sorted."""
    columns = [as_arrow_where_text(frame[name]) for name in by]
    for column, name in zip(columns, by, strict=True):
        refuse_missing(column, name)
    starts = np.flatnonzero(np.logical_or.reduce([changes(column) for column in columns]))
    every = starts.size == frame.shape[0]
    codes = combined([factorized(column if every else column[starts]) for column in columns])
    # Codes count up by first appearance, so that a run is a new group where its code exceeds all before it.
    most = np.maximum.accumulate(codes)
    new = np.append(True, most[1:] > most[:-1])
    if new.all():
        return Grouping(None, np.append(starts, frame.shape[0]), starts)
    if declared_sorted:
        back = int(starts[int(np.argmin(new))])
        raise DataError(
            f"the rows were said to be sorted, and {shown_key(frame, by, back)} comes back in row {back + 1}, after other keys: "
            f"sort the table by {', '.join(by)}, or leave sorted out."
        )
    order, offsets = rows_by_group(codes, starts, frame.shape[0], int(most[-1]) + 1)
    return Grouping(order, offsets, starts[new])


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


def refuse_missing(series: nw.Series[Any], name: str) -> None:
    """DataError at the first row without a key."""
    missing = series.is_null()
    if series.dtype.is_float():
        missing = missing | series.is_nan()
    if missing.any():
        bad = np.flatnonzero(missing.to_numpy())
        more = f" ({bad.size - 1} more rows have none either.)" if bad.size > 1 else ""
        raise DataError(
            f"the key {name!r} is missing in row {int(bad[0]) + 1}, so that its study belongs to no meta-analysis: give it a "
            f"value, or leave the row out first.{more}"
        )


def changes(series: nw.Series[Any]) -> BoolArray:
    """Where a value differs from the one before; the first does."""
    if series.dtype.is_numeric():
        values = series.to_numpy()
        return np.append(True, np.asarray(values[1:] != values[:-1], dtype=np.bool_))
    try:
        differs = np.asarray(codes_if_coded(series), dtype=np.int64)
    except TypeError:
        later, before = series[1:], series[:-1]
        try:
            return np.append(True, np.asarray((later != before).to_numpy(), dtype=np.bool_))
        except Exception:
            # Lists, structures and objects that their library does not compare.
            differs = factorized_objects(series.to_list(), str(series.name))
    return np.append(True, differs[1:] != differs[:-1])


def codes_if_coded(series: nw.Series[Any]) -> IntArray:
    """The codes of a categorical column; TypeError for others."""
    native = series.to_native()
    if hasattr(native, "cat") and hasattr(native.cat, "codes"):
        return np.asarray(native.cat.codes, dtype=np.intp)
    raise TypeError


def factorized(series: nw.Series[Any]) -> IntArray:
    """Whole numbers, one a value, counted up by first appearance."""
    import pandas as pd

    native = series.to_native()
    if series.implementation.is_pandas_like() or series.dtype.is_numeric():
        values = native if series.implementation.is_pandas() else series.to_numpy()
        try:
            return np.asarray(pd.factorize(values)[0], dtype=np.intp)
        except TypeError:
            return factorized_objects(series.to_list(), str(series.name))
    if series.implementation.is_pyarrow():
        try:
            chunks = native.dictionary_encode().unify_dictionaries().chunks
        except NotImplementedError:
            return factorized_objects(series.to_list(), str(series.name))
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
    elif series.implementation.is_polars() and str(series.dtype) in ("String", "Categorical"):
        import polars as pl

        codes = native.cast(pl.Categorical).to_physical().to_numpy()
    else:
        return factorized_objects(series.to_list(), str(series.name))
    return np.asarray(pd.factorize(codes)[0], dtype=np.intp)


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
    import pandas as pd

    together = codes[0]
    for further in codes[1:]:
        # Below the square of the number of rows, which a 64-bit integer holds.
        together = pd.factorize(together * (int(further.max()) + 1) + further)[0].astype(np.intp)
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


def shown_key(frame: nw.DataFrame[Any], by: Sequence[str], row: int) -> str:
    """A row's key, for a message."""
    return ", ".join(f"{name} = {frame[name][row : row + 1].to_list()[0]!r}" for name in by)
