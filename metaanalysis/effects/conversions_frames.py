"""Tables that are completed: columns by our names where they are, and new columns in the kind of frame that was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects.checks import StudyData, check_finite
from metaanalysis.effects.columns import FrameLike, find_column, height, labels, numeric_column, open_frame
from metaanalysis.effects.conversions_inputs import Given
from metaanalysis.errors import DataError, OptionError, nearest

if TYPE_CHECKING:
    import narwhals as nw


def opened(data: FrameLike) -> nw.DataFrame[Any]:
    """A frame with rows."""
    frame = open_frame(data)
    if height(frame) == 0:
        raise DataError("the table has no rows: there is no study to complete.")
    return frame


def found_columns(
    frame: nw.DataFrame[Any], names: Iterable[str], mapped: Mapping[str, Any], function: str
) -> dict[str, str]:
    """Which of the names are columns, by themselves or as mapped; a mapping that leads nowhere is refused."""
    names = tuple(names)
    for name in mapped:
        if name not in names:
            raise OptionError(
                f"{function} has no keyword {name!r}.{nearest(name, names)} The columns it reads are: {', '.join(names)}."
            )
    return {
        name: find_column(frame, mapped.get(name) or name, name)
        for name in names
        if mapped.get(name) is not None or name in frame.columns
    }


def numbers_in(frame: nw.DataFrame[Any], columns: Mapping[str, str], label: str | None) -> Given:
    """The columns as numbers, NaN where missing; no row needs all of them."""
    names = labels(frame, label)
    inputs = {name: numeric_column(frame, column, names) for name, column in columns.items()}
    data = StudyData(inputs, dict(columns), names, np.ones(height(frame), dtype=np.bool_))
    check_finite(data)
    return Given(data, single=False, index=None)


def with_columns(frame: nw.DataFrame[Any], columns: Mapping[str, Any]) -> Any:
    """The frame with columns added or replaced: pandas, Polars and Arrow as they came, any other as pandas."""
    values = {name: as_plain(column) for name, column in columns.items()}
    kind = str(frame.implementation).split(".")[-1].lower()
    native = frame.to_native()
    if kind == "polars":
        import polars as pl

        return native.with_columns(**{name: pl.Series(name, column) for name, column in values.items()})
    if kind == "pyarrow":
        import pyarrow as pa

        for name, column in values.items():
            # Arrow keeps NaN apart from missing; missing is what is meant.
            array = pa.array(column, from_pandas=True)
            at = native.schema.get_field_index(name)
            native = native.append_column(name, array) if at < 0 else native.set_column(at, name, array)
        return native
    table = native.copy() if kind == "pandas" else frame.to_pandas()
    for name, column in values.items():
        table[name] = column
    return table


def new_frame(like: nw.DataFrame[Any], columns: Mapping[str, Sequence[Any]]) -> Any:
    """A new frame of the kind of another."""
    values = {name: as_plain(column) for name, column in columns.items()}
    kind = str(like.implementation).split(".")[-1].lower()
    if kind == "polars":
        import polars as pl

        return pl.DataFrame({name: pl.Series(name, column, strict=False) for name, column in values.items()})
    if kind == "pyarrow":
        import pyarrow as pa

        return pa.table({name: pa.array(column, from_pandas=True) for name, column in values.items()})
    import pandas as pd

    return pd.DataFrame(values)


def as_plain(column: Any) -> Any:
    """Numbers as an array, anything else as a list."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column
    return list(column)
