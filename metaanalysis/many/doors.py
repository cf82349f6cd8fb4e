"""Whatever the user brings -> studies: which door it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import numeric_column
from metaanalysis.errors import DataError
from metaanalysis.many.asked import Asked
from metaanalysis.many.doors_arrays import is_array, studies_of_arrays, studies_of_effects_by
from metaanalysis.many.doors_frames import NumbersOf, Resolved, groups_of_frame, opened, studies_of_columns
from metaanalysis.many.keys import Grouping
from metaanalysis.many.several_measures import studies_by_measure
from metaanalysis.many.studies import KeyColumns, Studies

if TYPE_CHECKING:
    import narwhals as nw


def studies_of(data: Any, asked: Asked) -> Studies:
    """The studies behind the data, checked and group after group."""
    if isinstance(data, Effects):
        asked.refuse(("y", "v", "se", "offsets", "measure", "label"), "these effects carry their own data")
        return studies_of_effects_by(data, asked)
    pair = isinstance(data, list | tuple) and len(data) == 2 and all(is_array(part) for part in data)
    if pair:
        asked.refuse(("y", "v", "se"), "the data are y and v already")
        return studies_of_arrays(data[0], data[1], asked)
    if data is None:
        return studies_of_arrays(asked.y, asked.v, asked)
    if is_array(data) and not is_table(data):
        raise DataError("one array alone can't be pooled: give both, as in pool_many((y, v), by=keys) or y=…, v=….")
    asked.refuse(("offsets",), "a table's groups are named by its key columns")
    if asked.by is None:
        raise DataError(
            "by names the column, or the columns, whose values tell the meta-analyses apart, as in "
            'by=["review", "analysis"]. For one meta-analysis use pool.'
        )
    frame, found = opened(data, asked)
    return studies_of_table(frame, found, asked, *groups_of_frame(frame, asked))


def is_table(data: Any) -> bool:
    """Whether an object that holds several values has columns: a frame, a record array, a list of records."""
    if hasattr(data, "columns") or (isinstance(data, np.ndarray) and data.dtype.names is not None):
        return True
    return isinstance(data, list) and bool(data) and all(isinstance(row, Mapping) for row in data)


def studies_of_table(
    frame: nw.DataFrame[Any],
    found: Resolved | None,
    asked: Asked,
    groups: Grouping,
    keys: KeyColumns,
    numbers: NumbersOf = numeric_column,
) -> Studies:
    """The studies of a table, by one measure or by that which a column names (found is None)."""
    if found is None:
        return studies_by_measure(frame, asked, groups, keys, numbers)
    return studies_of_columns(frame, found, asked, groups, keys, numbers)
