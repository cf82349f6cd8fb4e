"""Whatever the user brings -> studies: which door it goes through."""

from __future__ import annotations

from typing import Any

from metaanalysis.effects import Effects
from metaanalysis.errors import DataError
from metaanalysis.many.asked import Asked
from metaanalysis.many.doors_arrays import is_array, studies_of_arrays, studies_of_effects_by
from metaanalysis.many.doors_frames import studies_of_frame
from metaanalysis.many.studies import Studies


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
    if is_array(data) and not hasattr(data, "columns"):
        raise DataError("one array alone can't be pooled: give both, as in pool_many((y, v), by=keys) or y=…, v=….")
    asked.refuse(("offsets",), "a table's groups are named by its key columns")
    return studies_of_frame(data, asked)
