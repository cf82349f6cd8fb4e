"""A column of measures: every group by the measure that its rows name, all of them in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metaanalysis.effects import Measure, measure_named
from metaanalysis.effects.calculate import GIVEN, GIVEN_NAMES, OPTION_NAMES
from metaanalysis.effects.columns import labels, numbers_held, numeric_column
from metaanalysis.effects.labels import Labels
from metaanalysis.effects.measures import MEASURES
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many.asked import Asked
from metaanalysis.many.doors_frames import NumbersOf, inputs_of_columns, refuse_unknown, resolved
from metaanalysis.many.inputs import Inputs, effects_of_rows
from metaanalysis.many.keys import Grouping, factorized, key_column, shown_key
from metaanalysis.many.left_out import Reasons
from metaanalysis.many.one_group import EffectsOfGroup, Members
from metaanalysis.many.studies import COUNTS, GroupMeasures, KeyColumns, Studies, arranged
from metaanalysis.options import EffectOptions

if TYPE_CHECKING:
    import narwhals as nw

# The codes of rows that name no measure.
MISSING, UNKNOWN = -1, -2
# A column with more values than this is not one of measures.
MOST_VALUES = 500


class MeasuresOfRows(NamedTuple):
    """The measures that a column names, by first appearance, and of each row which; MISSING or UNKNOWN where it names none."""

    keys: tuple[str, ...]
    codes: IntArray


def measures_of_rows(column: nw.Series[Any], name: str) -> MeasuresOfRows:
    """Which measure each row is of; DataError for a column of numbers, or of more values than there could be measures."""
    missing = np.asarray(column.is_null().to_numpy(), dtype=np.bool_)
    if column.dtype.is_float():
        missing = missing | np.asarray(column.is_nan().fill_null(True).to_numpy(), dtype=np.bool_)
    if missing.all():
        return MeasuresOfRows((), np.full(missing.size, MISSING, dtype=np.intp))
    some = column[np.flatnonzero(~missing)] if missing.any() else column
    if column.dtype.is_numeric() or column.dtype.is_nested():
        raise DataError(
            f"measure={name!r} is a column of {column.dtype}, such as {some[0]!r}: it would have to hold the measure of each row, "
            f"one of {', '.join(MEASURES)}."
        )
    which = factorized(key_column(some), name)
    # They count up by first appearance.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(which), prepend=-1))
    values = some[first[: MOST_VALUES + 1]].to_list()
    keys = [key_named(value) for value in values]
    found = {key: code for code, key in enumerate(dict.fromkeys(key for key in keys if key is not None))}
    if len(values) > MOST_VALUES:
        raise DataError(
            f"measure={name!r} is a column of more than {MOST_VALUES} different values, such as {values[0]!r}: it would have to "
            f"hold the measure of each row, one of {', '.join(MEASURES)}."
        )
    codes = np.full(missing.size, MISSING, dtype=np.intp)
    codes[~missing] = np.array([UNKNOWN if key is None else found[key] for key in keys], dtype=np.intp)[which]
    return MeasuresOfRows(tuple(found), codes)


def key_named(value: object) -> str | None:
    """The key of the measure that a value names; None where it names none, or is a NaN that its frame takes for a value."""
    try:
        return measure_named(value.strip() if isinstance(value, str) else str(value)).key
    except OptionError:
        return None


def measures_of_groups(found: MeasuresOfRows, groups: Grouping, frame: nw.DataFrame[Any], asked: Asked) -> IntArray:
    """Which measure each group is of, MISSING where no row says; DataError for a group of two."""
    codes = found.codes if groups.order is None else found.codes[groups.order]
    starts = groups.offsets[:-1]
    none = codes < 0
    highest = np.maximum.reduceat(codes, starts)
    lowest = np.minimum.reduceat(np.where(none, len(found.keys), codes), starts)
    mixed = np.flatnonzero((lowest < highest) & (highest >= 0))
    if mixed.size:
        group = int(mixed[0])
        mine = codes[groups.offsets[group] : groups.offsets[group + 1]]
        several = " and ".join(found.keys[code] for code in np.unique(mine[mine >= 0]))
        names = [asked.by] if isinstance(asked.by, str) else list(asked.by)
        first = int(groups.first[group])
        key = shown_key({name: frame[name] for name in names}, first) if names else ""
        key = key or (f"with {asked.placed(first)}" if asked.placed else "")
        more = f" ({mixed.size - 1:,} more groups are like it.)" if mixed.size > 1 else ""
        raise DataError(
            f"the group {key} has studies of more than one measure, {several}, which can't be pooled together: put the measure "
            f"among the keys, as in by=[…, {asked.measure!r}].{more}"
        )
    return np.where(highest < 0, MISSING, highest)


def asked_of_measure(asked: Asked, entry: Measure, have: Sequence[str]) -> Asked:
    """The keywords that concern one measure: its data where the table has them, else effects that are given.

    A ratio's estimate is taken as published where ``estimate`` is mapped; all else is on the scale of analysis.
    """
    given = {**asked.others, "y": asked.y, "v": asked.v, "se": asked.se}
    named = {name for name, value in given.items() if value is not None}
    there = named.union(have)
    ways = [names for names in GIVEN if names[0] != "estimate" or entry.back == "exp"]
    own = bool(entry.inputs) and (there.issuperset(entry.inputs) or not any(there.issuperset(way) for way in ways))
    ratio = entry.back == "exp" and "estimate" in named
    apart = set(GIVEN_NAMES) if own else (set() if ratio else {"estimate"})
    keep = {*OPTION_NAMES, "zerocells", *(entry.inputs if own else GIVEN_NAMES)} - apart
    others = {name: value for name, value in asked.others.items() if name in keep and concerns(entry, name, value)}
    y, v, se = (None, None, None) if own or ratio else (asked.y, asked.v, asked.se)
    return replace(asked, measure=entry.key, y=y, v=v, se=se, others=others)


def concerns(entry: Measure, option: str, value: object) -> bool:
    """Whether an option is for this measure: a variant that only others have is theirs alone, and so are Stata's zero cells."""
    if option == "zerocells":
        return entry.key in ("OR", "RR")
    own = {"variance": entry.variances, "correction": entry.corrections}.get(option)
    if own is None or value is None or value in own:
        return True
    others = (m.variances if option == "variance" else m.corrections for m in MEASURES.values())
    # A variant that nobody has is refused.
    return not any(value in variants for variants in others)


def refuse_unknown_of_measures(asked: Asked) -> None:
    """OptionError for a keyword that is a column of no measure at all, and no option: a part of the rows may lack some measures."""
    inputs = dict.fromkeys(name for entry in MEASURES.values() for name in entry.inputs)
    refuse_unknown(asked.others, (*inputs, *GIVEN_NAMES, *OPTION_NAMES, "zerocells"))


def note_on_given(passed_over: Sequence[Inputs], asked: Asked) -> tuple[str, ...]:
    """What to say where effects are mapped, and some measures are computed from their data all the same."""
    given = {**asked.others, "y": asked.y, "v": asked.v, "se": asked.se}
    mapped = [str(given[name]) for name in GIVEN_NAMES if given.get(name) is not None]
    names = [inputs.entry.key for inputs in passed_over if not inputs.given]
    if not mapped or not names:
        return ()
    return (
        f"{', '.join(names)} computed from their data; {', '.join(dict.fromkeys(mapped))} are for the other measures",
    )


def studies_by_measure(
    frame: nw.DataFrame[Any],
    asked: Asked,
    groups: Grouping,
    keys: KeyColumns,
    numbers: NumbersOf = numeric_column,
) -> Studies:
    """The studies of a table in which a column names each row's measure: computed in one call a measure."""
    name = str(asked.measure)
    found = measures_of_rows(frame[name], name)
    if asked.method == "peto":
        # As with one measure: Peto's odds ratio of the counts, whatever else they might be compared by.
        found = MeasuresOfRows(("PETO",), np.where(found.codes < 0, found.codes, 0))
    entries = [measure_named(key) for key in found.keys]
    refuse_unknown_of_measures(asked)
    of_groups = measures_of_groups(found, groups, frame, asked)
    n = found.codes.size
    label = labels(frame, asked.label, asked.placed)
    order = np.arange(n) if groups.order is None else groups.order
    reasons = reasons_of_no_measure(frame[name], found.codes, name)
    y, v = np.full((2, n), np.nan)
    weights = None if asked.tau2_weights is None else np.full(n, np.nan)
    counts: dict[str, FloatArray] = {}
    local = np.empty(n, dtype=np.intp)
    held = cache(partial(numbers_held, frame))
    parts: list[Inputs] = []
    notes: list[str] = []
    looked_at = np.zeros(n, dtype=np.bool_)
    for code, entry in enumerate(entries):
        rows = np.flatnonzero(found.codes == code)
        local[rows] = np.arange(rows.size)
        mine_asked = asked_of_measure(asked, entry, frame.columns)
        inputs, note = inputs_of_rows(frame, rows, mine_asked, label.take(rows), numbers, held)
        notes += [f"{entry.key}: {note}"] if note else []
        parts.append(replace(inputs, unusable=()))
        mine = found.codes[order] == code
        offsets = np.append(0, np.cumsum(mine))[groups.offsets]
        found_of_part = effects_of_rows(inputs, local[order[mine]], offsets)
        y[rows], v[rows], looked_at[rows] = found_of_part.y, found_of_part.v, found_of_part.looked_at
        add_reasons(reasons, found_of_part.reasons, rows, local)
        if weights is not None and inputs.tau2_weights is not None:
            weights[rows] = inputs.tau2_weights
        if set(COUNTS) <= set(inputs.data):
            for count in COUNTS:
                counts.setdefault(count, np.full(n, np.nan))[rows] = inputs.data[count]
    ragged, kept = arranged(y, v, reasons, groups.order, groups.offsets, weights)

    members = Members(kept, ragged.offsets, groups.order, groups.offsets, looked_at)
    measures = GroupMeasures(found.keys, tuple(inputs.options for inputs in parts), of_groups)
    return Studies(
        ragged,
        kept,
        keys,
        measures.title,
        EffectOptions(),
        asked.convention or "metafor",
        EffectsOfGroup(tuple(parts), members, label, frame, y, v, of_groups, local),
        reasons,
        groups.order,
        groups.offsets,
        {count: x if kept is None else x[kept] for count, x in counts.items()},
        (*notes, *note_on_given(parts, asked)),
        label=label if kept is None else label.take(kept),
        measures=measures,
        all_labels=label,
    )


def inputs_of_rows(
    frame: nw.DataFrame[Any],
    rows: IntArray,
    asked: Asked,
    label: Labels,
    numbers: NumbersOf,
    held: Callable[[str], Any],
) -> tuple[Inputs, str]:
    """The data of the rows of one measure, and what columns were taken for; in other rows a column may hold anything.

    held: the numbers that NumPy holds.
    """

    def numbers_there(whole: nw.DataFrame[Any], column: str, names: Sequence[str]) -> FloatArray:
        known = held(column)
        if known is not None:
            return np.array(known[rows], dtype=np.float64)
        return numbers(whole.select(column)[rows], column, names)

    every = rows.size == frame.shape[0]
    found = resolved(list(frame.columns), asked, frame)
    inputs = inputs_of_columns(frame, found, asked, label, numbers if every else numbers_there)
    return replace(inputs, rows=rows), "" if found.summary is None else found.summary.note


def reasons_of_no_measure(column: nw.Series[Any], codes: IntArray, name: str) -> Reasons:
    """Who is left out because no measure is named."""
    reasons = Reasons.none(codes.size)
    reasons.leave_out(codes == MISSING, f"{name} is missing")
    reasons.leave_out(codes == UNKNOWN, lambda row: f"{name} ({column[row]!r}) is not a measure")
    return reasons


def add_reasons(reasons: Reasons, of_part: Reasons, rows: IntArray, local: IntArray) -> None:
    """Add who is left out of some rows; local: the place of each row of the table among them."""
    if not of_part.any:
        return
    before = len(reasons.reasons)
    reasons.codes[rows] = np.where(of_part.codes > 0, of_part.codes + before, 0)
    reasons.reasons.extend(of_table(why, local) for why in of_part.reasons)


def of_table(why: str | Callable[[int], str], local: IntArray) -> str | Callable[[int], str]:
    """A reason of a part's row as one of the table's."""
    return why if isinstance(why, str) else lambda row: why(int(local[row]))
