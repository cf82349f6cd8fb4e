"""Frames of any make -> arrays of numbers and labels: what is a number, what is missing, what is neither."""

from __future__ import annotations

import decimal
import numbers
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from metaanalysis.effects.labels import Labels
from metaanalysis.effects.labels import is_missing as is_missing
from metaanalysis.errors import DataError, nearest
from metaanalysis.formulas.arrays import FloatArray

if TYPE_CHECKING:
    import narwhals as nw

# A frame of any library that narwhals or Arrow understands, or a mapping of columns.
FrameLike: TypeAlias = Any

NUMBERS: tuple[type, ...] = (numbers.Real, decimal.Decimal)
NOT_NUMBERS: tuple[type, ...] = (bool, np.bool_)


def open_frame(data: FrameLike) -> nw.DataFrame[Any]:
    """The frame behind one face, whatever library made it.

    Accepts pandas, Polars, PyArrow and other eager frames, anything with ``__arrow_c_stream__``, and a mapping of columns.
    """
    import narwhals as nw

    if isinstance(data, nw.DataFrame):
        return without_views(data)
    if isinstance(data, Mapping):
        import pandas as pd

        lengths = {str(name): len(column) for name, column in data.items() if hasattr(column, "__len__")}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns differ in length: {lengths}. Each study needs a value in every column.")
        data = pd.DataFrame(dict(data))
    records = isinstance(data, np.ndarray) and data.dtype.names is not None
    if records or (isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data)):
        import pandas as pd

        data = pd.DataFrame.from_records(data)
    try:
        frame = nw.from_native(data)
    except TypeError:
        if hasattr(data, "__arrow_c_stream__"):
            import pyarrow as pa

            return nw.from_native(pa.table(data), eager_only=True)
        raise DataError(
            f"a table of studies was expected (a pandas, Polars or Arrow frame, or a dict of columns), "
            f"not {type(data).__name__}."
        ) from None
    except Exception as error:
        twice = repeated(getattr(data, "columns", ()))
        if twice:
            raise DataError(
                f"the names of columns have to be unique, and more than one is called {' or '.join(map(repr, twice[:3]))}: "
                f"rename or drop the others first."
            ) from None
        raise DataError(f"this frame can't be read: {error}.") from error
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return without_views(cast("nw.DataFrame[Any]", frame))


def without_views(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """An Arrow table's texts and bytes in a layout that Arrow computes with: it takes no rows of views."""
    if not frame.implementation.is_pyarrow():
        return frame
    import narwhals as nw

    table = frame.to_native()
    plain = {"string_view": "large_string", "binary_view": "large_binary"}
    kinds = {
        name: plain[str(kind)]
        for name, kind in zip(table.schema.names, table.schema.types, strict=True)
        if str(kind) in plain
    }
    for name, kind in kinds.items():
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
    return nw.from_native(table, eager_only=True) if kinds else frame


def repeated(names: Iterable[object]) -> list[object]:
    """The names that come more than once."""
    counted = Counter(names)
    return [name for name, times in counted.items() if times > 1]


def height(frame: nw.DataFrame[Any]) -> int:
    """How many rows the frame has."""
    return int(frame.shape[0])


def has_column(frame: nw.DataFrame[Any], name: str) -> bool:
    """Whether the frame has a column of that name."""
    # A list of all names takes thirty times as long to make as a pandas index takes to look one up.
    if frame.implementation.is_pandas():
        return name in frame.to_native().columns
    return name in frame.columns


def find_column(frame: nw.DataFrame[Any], name: str, role: str) -> str:
    """The name of a column that must be there; DataError offers the nearest ones and says how to map another."""
    if not isinstance(name, str):
        raise DataError(f"{role} must be given as the name of a column, not as {type(name).__name__}.")
    if has_column(frame, name):
        return name
    have = ", ".join(map(str, frame.columns)) or "none"
    how = f' Name the column that holds it, as in {role}="…".' if name == role else ""
    raise DataError(
        f"there is no column {name!r} for {role}.{nearest(name, [str(c) for c in frame.columns])} "
        f"The columns are: {have}.{how}"
    )


def labels(frame: nw.DataFrame[Any], name: str | None, placed: Callable[[int], str] | None = None) -> Labels:
    """The studies' labels: the column named, else one called study, label or author, else "Study 1", "Study 2", ….

    placed: says where a row of the table stands, where its number says nothing.
    """
    if name is None:
        name = next((c for c in ("study", "label", "author", "slab", "Study", "Author") if has_column(frame, c)), None)
    if name is None:
        return Labels(None, height(frame), placed)
    return Labels(kept_as_it_is(frame[find_column(frame, name, "label")]), height(frame), placed)


def kept_as_it_is(series: nw.Series[Any]) -> nw.Series[Any]:
    """The column, safe from later changes of the frame; only pandas' columns can be changed in place."""
    import narwhals as nw

    if not series.implementation.is_pandas_like():
        return series
    return nw.from_native(series.to_native().copy(), series_only=True)


def to_floats(values: Sequence[object] | Iterable[object], column: str, label: Sequence[str]) -> FloatArray:
    """Python objects -> floats, NaN where missing; DataError at the first that is no number."""
    out: list[float] = []
    for row, value in enumerate(values):
        if is_missing(value):
            out.append(np.nan)
        elif isinstance(value, NUMBERS) and not isinstance(value, NOT_NUMBERS):
            out.append(float(cast("float", value)))
        else:
            shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "…"
            known = label if isinstance(label, Labels) else Labels(label, len(label))
            place = known.place(row) or f"in study '{known[row]}' (row {known.row(row) + 1})"
            raise DataError(
                f"{column} ({shown}) {place} is not a number: correct it, make it missing, "
                f"or convert the column first (pandas.to_numeric)."
            )
    return np.array(out, dtype=np.float64)


def plain_array(values: Sequence[object] | FloatArray, name: str) -> FloatArray:
    """Values one a study -> a new array of floats, NaN where missing (or masked); DataError where they are no numbers."""
    try:
        raw = np.asarray(values)
    except ValueError:
        raise DataError(f"{name} holds values of several lengths; one number a study was expected.") from None
    if raw.ndim != 1:
        raise DataError(f"{name} has {raw.ndim} dimensions; one value a study, in one dimension, was expected.")
    if raw.dtype.kind in "fiu":
        found = np.array(raw, dtype=np.float64)
        # A masked value is a missing one, and np.asarray has brought it back.
        if isinstance(values, np.ma.MaskedArray):
            found[np.ma.getmaskarray(values)] = np.nan
        return found
    # NumPy may have turned a list of numbers and words into words: the list itself knows better.
    given = list(values) if isinstance(values, list | tuple) else raw.tolist()
    return to_floats(given, name, Labels(None, raw.size))


def numbers_held(frame: nw.DataFrame[Any], column: str) -> Any:
    """The numbers of a pandas column that NumPy holds, as they lie there; None for any other column."""
    if not frame.implementation.is_pandas():
        return None
    series = frame.to_native()[column]
    return series.to_numpy() if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf" else None


def numeric_column(frame: nw.DataFrame[Any], column: str, label: Sequence[str]) -> FloatArray:
    """A column as a new array of floats, NaN where a value is missing; DataError names the first cell that is no number."""
    return numbers_of(frame, column, label)[0]


def numbers_of(frame: nw.DataFrame[Any], column: str, label: Sequence[str]) -> tuple[FloatArray, bool]:
    """As `numeric_column`, and whether the column's type has no fractions, so that none has to be looked for."""
    import narwhals as nw

    raw = numbers_held(frame, column)
    if raw is not None:
        return np.array(raw, dtype=np.float64), raw.dtype.kind != "f"
    series = frame[column]
    whole = bool(series.dtype.is_integer())
    if series.dtype.is_numeric() and series.dtype != nw.Decimal:
        # A cast makes a new array of its own; what is a column of floats already is copied once.
        copied = series.dtype != nw.Float64
        values = series.cast(nw.Float64).to_numpy()
        return (np.asarray(values, dtype=np.float64) if copied else np.array(values, dtype=np.float64)), whole
    return to_floats(series.to_list(), column, label), whole
