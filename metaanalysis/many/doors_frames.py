"""Frames of any make -> studies: which columns hold keys and data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.effects import MEASURES, Measure, measure_named
from metaanalysis.effects.calculate import GIVEN_NAMES, OPTION_NAMES, inputs_wanted, split_keywords
from metaanalysis.effects.checks_of_inputs import check_variants
from metaanalysis.effects.columns import find_column, has_column, height, labels, numeric_column, open_frame
from metaanalysis.effects.effects import closed
from metaanalysis.effects.labels import Labels
from metaanalysis.effects.zero_cells import with_stata_zero_cells
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.conversions_from_tests import standard_error_from_p
from metaanalysis.many.asked import Asked
from metaanalysis.many.column_names import UNDERSTOOD, Summary, summary_columns
from metaanalysis.many.inputs import Inputs, Unusable
from metaanalysis.many.keys import Grouping, grouped_by, key_column, key_names
from metaanalysis.many.one_group import FROM_P
from metaanalysis.many.studies import KeyColumns, Studies, effect_options, studies_of_inputs
from metaanalysis.options import PoolOptions, checked_level

if TYPE_CHECKING:
    import narwhals as nw

NumbersOf: TypeAlias = "Callable[[nw.DataFrame[Any], str, Sequence[str]], FloatArray]"
LABELS = ("study", "label", "author", "slab", "Study", "Author")


class Resolved(NamedTuple):
    """Which columns are read: the measure, our names -> the user's, and options of the effect sizes."""

    entry: Measure
    columns: dict[str, str]
    options: dict[str, Any]
    summary: Summary | None


def studies_of_columns(
    frame: nw.DataFrame[Any],
    found: Resolved,
    asked: Asked,
    groups: Grouping,
    keys: KeyColumns,
    numbers: NumbersOf = numeric_column,
) -> Studies:
    """The studies of a table that has one measure; numbers: how a column becomes an array that nobody else changes."""
    inputs = inputs_of_columns(frame, found, asked, labels(frame, asked.label, asked.placed), numbers)
    notes = () if found.summary is None else (found.summary.note,)
    return studies_of_inputs(inputs, keys, groups.order, groups.offsets, frame, notes)


def groups_of_frame(frame: nw.DataFrame[Any], asked: Asked) -> tuple[Grouping, KeyColumns]:
    """The groups of a table by its key columns, and the keys, one row a group."""
    if height(frame) == 0:
        raise DataError("the table has no rows: there is no group to pool.")
    by = key_names(frame, asked.by)
    columns = {name: key_column(frame[name]) for name in by}
    groups = grouped_by(columns, height(frame), asked.sorted)
    # Numbers that NumPy holds need no frame before somebody asks for one.
    numbers = {name: values[groups.first] for name, values in columns.items() if isinstance(values, np.ndarray)}
    return groups, (numbers if len(numbers) == len(by) else frame.select(by)[groups.first])


def inputs_of_columns(
    frame: nw.DataFrame[Any], found: Resolved, asked: Asked, label: Labels, numbers: NumbersOf = numeric_column
) -> Inputs:
    """The data of all rows of a frame; numbers: how a column becomes an array that nobody else changes."""
    level = checked_level(asked.ci_level)
    convention = asked.convention or "metafor"
    options = effect_options(found.entry.corrected, convention, found.options)
    check_variants(found.entry, options)
    values = {name: closed(numbers(frame, column, label)) for name, column in found.columns.items()}
    columns = found.columns
    unusable: tuple[Unusable, ...] = ()
    if found.summary is not None and found.summary.error_is_p:
        se, unusable = errors_from_p(values, columns)
        values["se"] = closed(se)
        columns = {**columns, "se": FROM_P}
    inputs = Inputs(found.entry, values, columns, label, options, convention, level, unusable=unusable)
    if asked.tau2_weights is None:
        return inputs
    column = weights_column(frame, asked.tau2_weights)
    return replace(inputs, tau2_weights=numbers(frame, column, label), tau2_weights_column=column)


def weights_column(frame: nw.DataFrame[Any], name: Any) -> str:
    """The column of the generalised Q's weights."""
    if not isinstance(name, str):
        raise DataError(f"tau2_weights names a column of the table; it was {type(name).__name__}.")
    return find_column(frame, name, "tau2_weights")


def opened(data: Any, asked: Asked) -> tuple[nw.DataFrame[Any], Resolved | None]:
    """The frame, and what is read of it; None where a column names the measure of each row. Lazy ones are asked for the columns
    that are needed, and for no others.
    """
    import narwhals as nw

    # What can't be read is told by `open_frame`.
    with contextlib.suppress(Exception):
        data = nw.from_native(data, pass_through=True)
    lazy = data
    if not isinstance(lazy, nw.LazyFrame):
        frame = open_frame(data)
        return frame, None if has_measure_column(frame, asked) else resolved(list(frame.columns), asked, frame)
    frame = lazy.head(0).collect()
    found = None if has_measure_column(frame, asked) else resolved(list(frame.columns), asked, frame)
    label = [asked.label] if isinstance(asked.label, str) else [name for name in LABELS if name in frame.columns][:1]
    needed = [*key_names(frame, asked.by), *columns_read(found, asked, frame), *label]
    return lazy.select(*dict.fromkeys(needed)).collect(), found


def has_measure_column(frame: nw.DataFrame[Any], asked: Asked) -> bool:
    """Whether `measure` is the name of a column, and of no measure: then each row has its own."""
    name = asked.measure
    if not isinstance(name, str) or not has_column(frame, name):
        return False
    try:
        measure_named(name)
    except OptionError:
        return True
    return False


def columns_read(found: Resolved | None, asked: Asked, frame: nw.DataFrame[Any]) -> list[str]:
    """The columns of numbers that are read, and that of the measures."""
    return list(roles_of_columns(found, asked, frame))


def roles_of_columns(found: Resolved | None, asked: Asked, frame: nw.DataFrame[Any]) -> dict[str, str]:
    """The columns of numbers that are read, with what each is for, and that of the measures (found is None): then those that
    some measure may need are read, which are mapped or have our names.
    """
    weights = {} if asked.tau2_weights is None else {weights_column(frame, asked.tau2_weights): "tau2_weights"}
    if isinstance(asked.label, str):
        weights |= {find_column(frame, asked.label, "label"): "label"}
    if found is not None:
        return weights | {column: name for name, column in found.columns.items()}
    names = dict.fromkeys([*GIVEN_NAMES, *(name for entry in MEASURES.values() for name in entry.inputs)])
    given = {**asked.others, "y": asked.y, "v": asked.v, "se": asked.se}
    mapped = {name: given[name] for name in names if given.get(name) is not None}
    for name, column in mapped.items():
        find_column(frame, column, name)
    have = {name: mapped.get(name, name) for name in names if name in mapped or has_column(frame, name)}
    summary = summary_columns(list(frame.columns))
    others = {} if summary is None else {summary.effect: "y", summary.error: "se"}
    return {str(asked.measure): "measure"} | weights | others | {column: name for name, column in have.items()}


def resolved(have: Sequence[str], asked: Asked, frame: nw.DataFrame[Any]) -> Resolved:
    """Which columns are read: those that were named, or have our names, or those of a table of summary statistics."""
    entry = measure_named("GEN" if asked.measure is None else asked.measure)
    if asked.method == "peto" and asked.measure is not None:
        entry = measure_named("PETO")
    if asked.v is not None and asked.se is not None:
        raise DataError("v and se were both named: leave one of them out.")
    given = {**asked.others, "y": asked.y, "v": asked.v, "se": asked.se}
    refuse_unknown(asked.others, (*entry.inputs, *GIVEN_NAMES, *OPTION_NAMES, "zerocells"))
    mapped, options = split_keywords(given, entry)
    options = with_stata_zero_cells(options, entry)
    summary = None if mapped or has_inputs(entry, have) else summary_columns(have)
    if summary is not None and (not summary.is_ratio or asked.measure is None or entry.key == "OR"):
        if summary.is_ratio and asked.measure is None:
            entry = measure_named("OR")
        names = {"estimate" if summary.is_ratio else "y": summary.effect, "se": summary.error}
        return Resolved(entry, names, options, summary)
    try:
        wanted = inputs_wanted(entry, have, mapped)
    except DataError as problem:
        if asked.measure is not None:
            raise
        raise DataError(f"{problem} Of tables of summary statistics {UNDERSTOOD} are understood.") from None
    names = {name: mapped.get(name, name) for name in wanted}
    return Resolved(entry, {name: find_column(frame, column, name) for name, column in names.items()}, options, None)


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """OptionError for a keyword that is no column and no option."""
    every = (*known, *(entry.name for entry in fields(PoolOptions)))
    for name in given:
        if name not in known:
            raise OptionError(
                f"pool_many has no keyword {name!r}.{nearest(name, every)} Beside its own: columns ({', '.join(known)}) by our "
                f"names, and the options of pool."
            )


def has_inputs(entry: Measure, have: Sequence[str]) -> bool:
    """Whether the columns have the names that the measure's data, or given effects, go by."""
    own = bool(entry.inputs) and set(entry.inputs) <= set(have)
    return own or ("y" in have and bool({"v", "se", "ci_low"} & set(have)))


def errors_from_p(
    values: Mapping[str, FloatArray], columns: Mapping[str, str]
) -> tuple[FloatArray, tuple[Unusable, ...]]:
    """Standard errors from the p-values in the place of `se`, NaN where a p-value is none or says nothing; and who says nothing."""
    p, name = values["se"], "estimate" if "estimate" in values else "y"
    effect = values[name]
    with np.errstate(all="ignore"):
        y = np.log(effect) if name == "estimate" else effect
        se = standard_error_from_p(y, np.where((p > 0) & (p < 1), p, np.nan))

    def shown(column: str, value: float) -> str:
        return f"{column} ({value:.10g})"

    def says(what: str) -> Callable[[int], str]:
        return lambda row: f"{shown(columns['se'], p[row])} {what}"

    no_ratio = (name == "estimate") & ~((effect > 0) & np.isfinite(effect)) & ~np.isnan(effect)
    unusable: list[Unusable] = [
        (np.isnan(p), f"{columns['se']} is missing"),
        (no_ratio, lambda row: f"{shown(columns[name], effect[row])} is not a positive ratio"),
        (p == 0, says("is too small to tell a standard error: name a column of standard errors, as in se=…")),
        ((p < 0) | (p > 1), says("is not a probability")),
        (p == 1, says("tells no standard error: the test statistic is 0, whatever it is")),
        (
            (y == 0) & (p < 1),
            lambda row: f"{shown(columns[name], effect[row])} is no effect, whose p-value tells no standard error",
        ),
    ]
    return np.where(np.isfinite(se) & (se > 0), se, np.nan), tuple(unusable)
