"""Arrays -> studies: with keys, with offsets, as 2-D blocks, or effects that were made before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metaanalysis.effects import Effects, as_measure, measure_named, under_convention
from metaanalysis.effects.columns import find_column, numbers_held, open_frame, plain_array, to_floats
from metaanalysis.effects.effects import closed
from metaanalysis.effects.labels import Labels
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.many.asked import Asked
from metaanalysis.many.inputs import Inputs
from metaanalysis.many.keys import NUMBERS, Grouping, grouped, grouped_by, key_names, names_beside_numbers
from metaanalysis.many.studies import (
    KeyColumns,
    Studies,
    effect_options,
    keys_of_offsets,
    studies_of_effects,
    studies_of_inputs,
)
from metaanalysis.models.own_weights import weights_of


def is_array(value: object) -> bool:
    """Whether something holds one value a study, as arrays, lists and columns do."""
    if isinstance(value, str | bytes | Mapping):
        return False
    if isinstance(value, list | tuple | np.ndarray):
        return True
    # A number of NumPy's has a type too, and no length.
    return hasattr(value, "__len__") and (hasattr(value, "dtype") or hasattr(value, "__array__"))


def as_array(values: Any, name: str) -> Any:
    """An array of whatever holds one value a study, or a value for each study of each group; NaN where one is masked."""
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind in "biuf":
            return np.where(np.ma.getmaskarray(values), np.nan, np.asarray(values.data, dtype=np.float64))
        values = np.array(values.tolist(), dtype=object)
    try:
        found = np.asarray(values)
    except ValueError:
        raise DataError(f"{name} holds rows of several lengths: fill them up by NaN, or give offsets.") from None
    if found.ndim == 2 and found.dtype.kind not in "biuf":
        # Missing values of other kinds than NaN, and what is no number at all.
        held = np.asarray(values, dtype=object)
        label = Labels(
            None, held.size, lambda place: f"row {place // held.shape[1] + 1}, column {place % held.shape[1] + 1}"
        )
        return to_floats(held.ravel().tolist(), name, label).reshape(held.shape)
    return found


def studies_of_arrays(y: Any, v: Any, asked: Asked) -> Studies:
    """The studies of arrays: y with v or se; by keys, by offsets, or 2-D (groups, k)."""
    second, name = (v, "v") if v is not None else (asked.se, "se")
    if v is not None and asked.se is not None:
        raise DataError("v and se were both given: leave one of them out.")
    if y is None or second is None:
        raise DataError("pool_many needs effect sizes and either v or se, as in pool_many(y=y, v=v, by=keys).")
    if not (is_array(y) and is_array(second)):
        raise DataError("y and v are names of columns only where a table is given: pool_many(table, y=…, v=…).")
    if asked.others:
        raise OptionError(f"there is no keyword {', '.join(map(repr, asked.others))} for arrays of effect sizes.")
    y, second = as_array(y, "y"), as_array(second, name)
    if y.shape != second.shape:
        raise DataError(f"y has the shape {y.shape} and {name} {second.shape}: each study needs one of both.")
    weights = checked_weights(asked.tau2_weights, y.shape)
    order: IntArray | None = None
    places: IntArray | None = None
    offsets: IntArray
    if y.ndim == 2:
        asked.refuse(("offsets", "label"), "in a 2-D block the rows are the groups")
        groups = y.shape[0]
        keys = keys_of_offsets(groups) if asked.by is None else distinct_keys(asked.by, groups)
        weights = None if weights is None else weights[there_in(y, second)]
        y, second, offsets, places = from_block(y, second)
    else:
        y, second = plain_array(y, "y"), plain_array(second, name)
        if asked.offsets is not None:
            offsets = checked_offsets(asked.offsets, y.size)
            groups = offsets.size - 1
            keys = keys_of_offsets(groups) if asked.by is None else distinct_keys(asked.by, groups)
        else:
            by = columns_of_keys(asked.by, y.size, "studies")
            if y.size == 0:
                raise DataError("y and v are empty: there is no group to pool.")
            (order, offsets, _), keys = groups_and_keys(by, y.size, asked.sorted)
    entry = measure_named("GEN" if asked.measure is None else asked.measure)
    if asked.label is not None and len(asked.label) != y.size:
        raise DataError(f"label has {len(asked.label)} values for {y.size} studies.")
    label = Labels(None if asked.label is None else tuple(map(str, asked.label)), y.size)
    convention = asked.convention or "metafor"
    data = {"y": closed(y), name: closed(second)}
    columns = {"y": "y", name: name}
    options = effect_options(True, convention, {})
    inputs = Inputs(entry, data, columns, label, options, convention, 0.95, weights)
    return replace(studies_of_inputs(inputs, keys, order, offsets, None), places=places)


def from_block(y: Any, second: Any) -> tuple[FloatArray, FloatArray, IntArray, IntArray | None]:
    """A 2-D block (groups, k), NaN where there is no study -> studies group after group, and their places in the block."""
    y, second = np.asarray(y, dtype=np.float64), np.asarray(second, dtype=np.float64)
    there = there_in(y, second)
    offsets = np.append(0, np.cumsum(there.sum(axis=1)))
    if there.all():
        return y.reshape(-1).copy(), second.reshape(-1).copy(), offsets, None
    return y[there], second[there], offsets, np.flatnonzero(there)


def there_in(y: Any, second: Any) -> BoolArray:
    """Where a block has a study."""
    return np.asarray(~(np.isnan(np.asarray(y, dtype=np.float64)) | np.isnan(np.asarray(second, dtype=np.float64))))


def checked_weights(weights: Any, shape: tuple[int, ...]) -> FloatArray | None:
    """The weights of the generalised Q, in the shape of the effects."""
    if weights is None:
        return None
    if isinstance(weights, str):
        raise DataError(
            "tau2_weights names a column only where a table is given; with arrays, give one weight a study."
        )
    found = np.array(as_array(weights, "tau2_weights"), dtype=np.float64)
    if found.shape != shape:
        raise DataError(f"tau2_weights has the shape {found.shape} and y {shape}: each study needs one.")
    return found


def checked_offsets(offsets: Any, rows: int) -> IntArray:
    """Offsets (groups + 1,) that rise from 0 to the number of rows."""
    raw = np.asarray(offsets)
    if raw.ndim != 1 or raw.size == 0 or raw.dtype.kind not in "iu":
        raise DataError(
            "offsets are whole numbers, one more than there are groups: group g is offsets[g] to offsets[g + 1]."
        )
    found = raw.astype(np.intp)
    if found[0] != 0 or found[-1] != rows:
        raise DataError(
            f"offsets run from {found[0]} to {found[-1]}, and the data from 0 to {rows}: some studies would belong to no group."
        )
    falls = np.flatnonzero(np.diff(found) < 0)
    if falls.size:
        at = int(falls[0])
        raise DataError(f"offsets fall from {found[at]} to {found[at + 1]} at place {at + 1}: they never decrease.")
    return found


def columns_of_keys(by: Any, n: int, each: str) -> dict[str, Any]:
    """Keys that are arrays, one or several, by name; n of each, one for each of the studies or of the groups."""
    if by is None:
        raise DataError("by tells which group each study belongs to: one key a study, as in by=keys, or give offsets=.")
    if isinstance(by, Mapping):
        columns = {str(name): values for name, values in by.items()}
    elif hasattr(by, "collect_schema") or hasattr(by, "columns"):
        frame = open_frame(by)
        columns = {name: frame[name].to_native() for name in frame.columns}
    elif several(by):
        columns = {f"key{i + 1}": values for i, values in enumerate(by)}
    elif is_array(by):
        columns = {str(getattr(by, "name", None) or "key"): by}
    else:
        raise DataError("by names a column only where a table is given; with arrays, give one key a study.")
    for name, values in columns.items():
        if len(values) != n:
            raise DataError(f"the key {name!r} has {len(values):,} values, and there are {n:,} {each}: each needs one.")
    found = {name: column(values) for name, values in columns.items()}
    for name, values in found.items():
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise DataError(
                f"the key {name!r} has {values.ndim} dimensions: give one key in one dimension, and several in a list, as in "
                f"by=[review, analysis], or by name, as in by={{'review': review, 'analysis': analysis}}."
            )
    return found


def groups_and_keys(columns: Mapping[str, Any], n: int, declared_sorted: bool | None) -> tuple[Grouping, KeyColumns]:
    """The groups by columns of keys, and the keys themselves, one row a group."""
    if all(is_column_of_numbers(values) for values in columns.values()):
        names_beside_numbers(list(columns))
        found = grouped_by(columns, n, declared_sorted)
        return found, {name: values[found.first] for name, values in columns.items()}
    import narwhals as nw
    import pandas as pd

    frame = nw.from_native(pd.DataFrame(dict(columns)), eager_only=True)
    found = grouped(frame, key_names(frame, frame.columns), declared_sorted)
    return found, frame[found.first]


def is_column_of_numbers(values: Any) -> bool:
    """Whether these are numbers that NumPy holds, one after the other."""
    return isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in NUMBERS


def column(values: Any) -> Any:
    """An array of one dimension, whatever held it."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        return [
            None if masked else value for value, masked in zip(values.tolist(), np.ma.getmaskarray(values), strict=True)
        ]
    return values if isinstance(values, list | tuple) else np.asarray(values)


def several(by: Any) -> bool:
    """Whether there are several keys: a list of arrays."""
    return isinstance(by, list | tuple) and bool(by) and all(isinstance(part, list) or is_series(part) for part in by)


def is_series(value: object) -> bool:
    """An array or a column, not a value and not a tuple, which may be one key."""
    return is_array(value) and not isinstance(value, list | tuple)


def distinct_keys(by: Any, groups: int) -> KeyColumns:
    """One key a group; DataError where one comes twice."""
    found, keys = groups_and_keys(columns_of_keys(by, groups, "groups"), groups, None)
    if found.first.size != groups:
        raise DataError(
            "two groups have the same key: with offsets, or a 2-D block, by has one key of its own a group."
        )
    return keys


def keys_in(effects: Effects, name: str) -> Any:
    """A column of the table that the effects were made from, for the studies that were kept."""
    source = effects.source
    numbers = None if source is None else numbers_held(source, find_column(source, name, "by"))
    if numbers is None:
        return effects.column(name)
    return numbers if effects.rows is None else numbers[effects.rows]


def studies_of_effects_by(effects: Effects, asked: Asked) -> Studies:
    """The studies of `Effects`, by keys or by columns of the table that they were made from."""
    name = effects.convention if asked.convention is None else asked.convention
    effects = under_convention(effects, name)
    if asked.method == "peto":
        effects = as_measure(effects, "PETO")
    if asked.others:
        raise OptionError(f"these effects are computed already: leave {', '.join(asked.others)} out.")
    by = asked.by
    names: Sequence[str] | None = [by] if isinstance(by, str) else None
    if isinstance(by, list | tuple) and by and effects.source is not None and set(by) <= set(effects.source.columns):
        names = list(by)
    if names is not None:
        by = {column_name: keys_in(effects, column_name) for column_name in names}
    found, keys = groups_and_keys(columns_of_keys(by, effects.k, "studies"), effects.k, asked.sorted)
    weights = None if asked.tau2_weights is None else weights_of(effects, asked.tau2_weights, "tau2_weights")
    return studies_of_effects(effects, keys, found.order, found.offsets, weights)
