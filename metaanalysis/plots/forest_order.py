"""In which order the studies of a forest plot stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import OptionError, nearest

DOWN = "-"


def ordered(rows: Sequence[int], by: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[int]:
    """The rows by one column after another, "-" for descending; equals keep their order, and what is missing comes last.

    OptionError for a column that there isn't.
    """
    order = list(rows)
    for given in reversed(by):
        down = given not in columns and given.startswith(DOWN)
        name = given.removeprefix(DOWN) if down else given
        if name not in columns:
            raise OptionError(
                f"sort={given!r} is not a column.{nearest(name, columns)} The columns are: {', '.join(columns)}."
            )
        values = columns[name]
        numbers = all(isinstance(value, Real | np.number) or is_missing(value) for value in values)
        known = [row for row in order if not is_missing(values[row])]
        missing = [row for row in order if is_missing(values[row])]

        def key(row: int, values: Sequence[Any] = values, numbers: bool = numbers) -> Any:
            return float(values[row]) if numbers else str(values[row]).casefold()

        order = [*sorted(known, key=key, reverse=down), *missing]
    return order
