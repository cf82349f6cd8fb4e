"""Effects as JSON: the numbers, the data behind them, and the user's table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.io.json_values import Found, cell_out, numbers_out
from metaanalysis.options import EffectOptions


def options_out(options: Any) -> dict[str, Any]:
    """Options by name; OptionError where one is a function of the user's."""
    found = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(options)}
    for name, value in found.items():
        if callable(value):
            raise OptionError(
                f"{name} is a function of your own ({getattr(value, '__name__', 'without a name')}), which no JSON document can "
                f"hold: keep the numbers by to_dict(), or use one of the estimators that have a name."
            )
    return found


def options_in(kind: Any, found: Found) -> Any:
    """Options again; the options themselves say what they do not allow."""
    known = [entry.name for entry in dataclasses.fields(kind)]
    for name in found.content:
        if name not in known:
            raise found.error(name, "is not an option of this version")
    try:
        return kind(**found.content)
    except TypeError as problem:
        raise found.error("one of the options", f"is of a wrong kind ({problem})") from None


def effects_out(effects: Effects) -> dict[str, Any]:
    """All that `effects_in` needs."""
    table = None
    if effects.source is not None:
        columns = effects.source.columns
        table = {
            "columns": list(columns),
            "values": [[cell_out(value) for value in effects.source[name].to_list()] for name in columns],
        }
    return {
        "measure": effects.measure,
        "label": list(effects.label),
        "y": numbers_out(effects.y),
        "v": numbers_out(effects.v),
        "inputs": {name: numbers_out(values) for name, values in effects.inputs.items()},
        "options": options_out(effects.options),
        "convention": effects.convention,
        "given": bool(effects.given),
        "rows": None if effects.rows is None else [int(row) for row in effects.rows],
        "was_corrected": None if effects.was_corrected is None else [bool(one) for one in effects.was_corrected],
        "left_out": [list(pair) for pair in effects.left_out],
        "columns": dict(effects.columns),
        "all_data": {name: numbers_out(values) for name, values in effects.all_data.items()},
        "all_labels": list(effects.all_labels),
        "all_rows": None if effects.all_rows is None else [int(row) for row in effects.all_rows],
        "table": table,
    }


def effects_in(found: Found) -> Effects:
    """Effects again."""
    from metaanalysis.conventions import convention_named
    from metaanalysis.effects import measure_named

    k = len(found.list("y"))
    all_labels = found.texts("all_labels")
    source, height = table_in(found)
    convention = found.text("convention")
    convention_named(convention)
    effects = Effects(
        y=found.numbers("y"),
        v=found.numbers("v", k),
        measure=measure_named(found.text("measure")).key,
        label=found.texts("label", k),
        inputs=arrays_in(found.table("inputs"), k),
        options=options_in(EffectOptions, found.table("options")),
        convention=convention,
        given=found.truth("given"),
        source=source,
        rows=found.rows("rows", k, height),
        was_corrected=found.truths("was_corrected", k),
        left_out=found.pairs("left_out"),
        columns={name: found.table("columns").text(name) for name in found.table("columns").content},
        all_data=arrays_in(found.table("all_data"), len(all_labels)),
        all_labels=all_labels,
        all_rows=found.rows("all_rows", len(all_labels), height),
    )
    if not (np.isfinite(effects.y).all() and np.isfinite(effects.v).all() and (np.asarray(effects.v) > 0).all()):
        raise found.error("y and v", "have to be finite numbers, and v positive")
    return effects


def arrays_in(found: Found, size: int) -> Mapping[str, FloatArray]:
    """Arrays by name."""
    return {name: found.numbers(name, size) for name in found.content}


def table_in(found: Found) -> tuple[Any, int]:
    """The user's table, in a frame, and its height; None where there was none."""
    if found.take("table") is None:
        return None, max(len(found.list("all_labels")), 1)
    import pandas as pd

    from metaanalysis.effects.columns import open_frame

    table = found.table("table")
    names = table.texts("columns")
    values = table.list("values", len(names))
    if len(set(names)) < len(names):
        raise table.error("columns", "has the same name twice")
    height = len(values[0]) if values else 0
    columns: dict[str, Any] = {}
    for name, column in zip(names, values, strict=True):
        if not isinstance(column, list) or len(column) != height:
            raise table.error("values", "has to hold one list a column, all of one length")
        if not all(one is None or isinstance(one, str | int | float) for one in column):
            raise table.error("values", f"holds something in {name!r} that is neither number nor text")
        columns[name] = pd.Series(column_in(column))
    return open_frame(pd.DataFrame(columns)), height


def column_in(column: list[Any]) -> Any:
    """A column of a table: numbers where all are, with NaN for what is missing."""
    numbers = [one for one in column if one is not None]
    if numbers and all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        if len(numbers) == len(column) and all(isinstance(one, int) and abs(one) < 2**53 for one in numbers):
            return np.array(column, dtype=np.int64)
        return np.array([np.nan if one is None else one for one in column], dtype=np.float64)
    return np.array(column, dtype=object)
