"""The only checking of data: what cannot be is refused with the study, the column, the value and the remedy."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metaanalysis.effects.labels import Labels
from metaanalysis.errors import DataError, DataWarning
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray

# So many studies are looked at, and computed, at a time: small enough to stay in cache, whatever the number in all.
# Threads over the blocks were measured and gain nothing: what NumPy does in one step is too little to let another thread in.
BLOCK = 1 << 16


MOST = float(np.finfo(np.float64).max)
SMALLEST_POSITIVE = float(np.nextafter(0.0, 1.0))


def blocks(k: int) -> Iterator[slice]:
    """Parts of k studies."""
    for start in range(0, k, BLOCK):
        yield slice(start, min(start + BLOCK, k))


def extremes_of(arrays: Mapping[str, FloatArray]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each array; both missing where a value is."""
    return {name: extremes_of_one(values) for name, values in arrays.items()}


def extremes_of_one(values: FloatArray) -> tuple[float, float]:
    """The least and the greatest value, block by block: the second look finds the block still in cache."""
    if values.size <= BLOCK:
        return float(values.min()), float(values.max())
    parts = np.array([(np.min(values[part]), np.max(values[part])) for part in blocks(values.size)])
    return float(np.min(parts[:, 0])), float(np.max(parts[:, 1]))


def users_line() -> int:
    """The stack level of the user's own line, for a warning that is given where this is called."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "metaanalysis":
        frame, level = frame.f_back, level + 1
    return level


class SomethingToSayError(Exception):
    """A check would refuse, or warn of, a study in the part that it looks at."""


@dataclass(frozen=True)
class StudyData:
    """The inputs of all rows, the column that each came from, the rows' labels, and which rows are complete.

    `rows` numbers them in the user's table, where they are not all of it. `extremes` are each input's least and greatest
    value where they are known, and `whole` the inputs whose columns hold whole numbers alone: they spare a look at every
    value of a long table.
    """

    inputs: Mapping[str, FloatArray]
    columns: Mapping[str, str]
    label: Sequence[str]
    complete: BoolArray
    rows: IntArray | None = None
    extremes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    def within(self, name: str, low: float, high: float = np.inf) -> bool:
        """Whether all values of an input surely lie from low to high, as its extremes say."""
        least, most = self.extremes.get(name, (np.nan, np.nan))
        return low <= least and most <= high

    def beyond(self, names: Sequence[str], low: float, high: float = np.inf) -> list[str]:
        """The inputs that have to be looked at, one value after the other."""
        return [name for name in names if not self.within(name, low, high)]

    def place(self, row: int) -> str:
        """Where a row is, for a message. Rows are counted from 1."""
        placed = self.label.place(row) if isinstance(self.label, Labels) else None
        if placed is not None:
            return placed
        return f"in study '{self.label[row]}' (row {(row if self.rows is None else int(self.rows[row])) + 1})"

    def shown(self, name: str, row: int) -> str:
        """A column and its value in a row, for a message."""
        return f"{self.columns[name]} ({self.inputs[name][row]:.10g})"

    def refuse(self, bad: BoolArray, sentence: Callable[[int], str], remedy: str) -> None:
        """Raise DataError for the first complete row among the bad ones, saying how many others there are."""
        rows = self.rows_of(bad)
        if rows.size == 0:
            return
        row = int(rows[0])
        more = f" ({rows.size - 1} more rows have the same problem.)" if rows.size > 1 else ""
        raise DataError(f"{sentence(row)} {self.place(row)}: {remedy}.{more}")

    def rows_of(self, bad: BoolArray) -> IntArray:
        """The complete rows among the bad ones."""
        return np.flatnonzero(bad & self.complete) if bad.any() else np.empty(0, dtype=np.intp)

    def part(self, which: slice) -> Part:
        """Some of the rows, to see whether there is anything to say of them."""
        return Part(
            {name: values[which] for name, values in self.inputs.items()},
            self.columns,
            self.label,
            self.complete[which],
            extremes=self.extremes,
            whole=self.whole,
        )

    def refuse_each(self, names: Sequence[str], bad: Callable[[FloatArray], BoolArray], what: str, remedy: str) -> None:
        """Refuse a property of single values, column by column."""
        for name in names:
            self.refuse(bad(self.inputs[name]), lambda row, name=name: f"{self.shown(name, row)} {what}", remedy)  # type: ignore[misc]


@dataclass(frozen=True)
class Part(StudyData):
    """A part of the rows; checks stop at the first thing that they have to say of it."""

    def rows_of(self, bad: BoolArray) -> IntArray:
        """None, or SomethingToSayError."""
        if bad.any() and (bad & self.complete).any():
            raise SomethingToSayError
        return np.empty(0, dtype=np.intp)


def check_all(data: StudyData, check: Callable[[StudyData], None]) -> None:
    """A check of all rows: of many part by part, and as a whole only where there is something to say."""
    if data.complete.size > BLOCK:
        try:
            for which in blocks(data.complete.size):
                check(data.part(which))
        except SomethingToSayError:
            pass
        else:
            return
    check(data)


def check_finite(data: StudyData) -> None:
    """No infinite value anywhere."""
    data.refuse_each(
        data.beyond(list(data.inputs), -MOST, MOST),
        lambda x: np.isinf(x),
        "is infinite",
        "correct it, or make it missing to leave the study out",
    )


def check_sizes(data: StudyData, names: Sequence[str], at_least: float) -> None:
    """Group sizes: not below what the measure needs."""
    data.refuse_each(
        data.beyond(names, at_least),
        lambda n: n < at_least,
        f"is below {at_least:g}",
        f"a group needs at least {at_least:g} participants here; correct it, or make it missing to leave the study out",
    )


def warn_of_fractions(data: StudyData, names: Sequence[str]) -> None:
    """Counts that are not whole numbers are used, with a warning."""
    for name in names:
        if name in data.whole:
            continue
        x = data.inputs[name]
        rows = data.rows_of(x != np.rint(x))
        if rows.size:
            row = int(rows[0])
            more = f" and {rows.size - 1} more" if rows.size > 1 else ""
            warnings.warn(
                f"{data.shown(name, row)} {data.place(row)}{more} is not a whole number, though it counts people or "
                f"events. It is used as it is.",
                DataWarning,
                stacklevel=users_line(),
            )


def check_given(data: StudyData) -> None:
    """Given effects are finite, their variances, standard errors or intervals positive and finite."""
    check_finite(data)
    for name, what in (("v", "sampling variance"), ("se", "standard error")):
        if name in data.inputs:
            data.refuse_each(
                data.beyond((name,), SMALLEST_POSITIVE),
                lambda x: x <= 0,
                f"is not a positive {what}",
                "correct it, or make it missing to leave the study out",
            )
    if "estimate" in data.inputs:
        data.refuse_each(
            [name for name in ("estimate", "ci_low", "ci_high") if name in data.inputs],
            lambda x: x <= 0,
            "is not positive, though the measure is a ratio",
            "give ratios and their limits as published, or log ratios as y",
        )
    if "ci_low" in data.inputs:
        centre = "estimate" if "estimate" in data.inputs else "y"
        data.refuse(
            data.inputs["ci_low"] >= data.inputs["ci_high"],
            lambda row: f"{data.shown('ci_low', row)} is not below {data.shown('ci_high', row)}",
            "are the limits swapped? Correct them",
        )
        outside = (data.inputs[centre] < data.inputs["ci_low"]) | (data.inputs[centre] > data.inputs["ci_high"])
        data.refuse(
            outside,
            lambda row: (
                f"{data.shown(centre, row)} lies outside its interval, {data.shown('ci_low', row)} to "
                f"{data.shown('ci_high', row)}"
            ),
            "correct the estimate or the limits, and see that all are on the same scale",
        )
        warn_of_estimates_off_centre(data, centre)


# An estimate so much of half the width from the middle of its interval is not there by rounding.
OFF_CENTRE = 0.5


def warn_of_estimates_off_centre(data: StudyData, centre: str) -> None:
    """An interval is used by its width, with a warning where the estimate lies far from its middle.

    A misprinted limit, or limits of a ratio with the estimate's logarithm, show themselves so; so do exact intervals.
    """
    names = (centre, "ci_low", "ci_high")
    # Rows that are left out for a missing value may hold anything in their other columns.
    with np.errstate(all="ignore"):
        y, low, high = (np.log(data.inputs[name]) if centre == "estimate" else data.inputs[name] for name in names)
        rows = data.rows_of(np.abs((y - low) - (high - y)) > OFF_CENTRE * (high - low))
    if rows.size:
        row = int(rows[0])
        more = f" and {rows.size - 1} more" if rows.size > 1 else ""
        scale = " of the logarithms" if centre == "estimate" else ""
        warnings.warn(
            f"{data.shown(centre, row)} {data.place(row)}{more} lies far from the middle{scale} of {data.shown('ci_low', row)} "
            f"and {data.shown('ci_high', row)}. The standard error is taken from the interval's width: see that all three "
            f"are as printed and on one scale.",
            DataWarning,
            stacklevel=users_line(),
        )


# Beyond these, products of weights and squared effects leave the range of double precision.
SMALLEST_VARIANCE, LARGEST_VARIANCE, LARGEST_EFFECT = 1e-60, 1e60, 1e60


def check_effects(y: FloatArray, v: FloatArray, label: Sequence[str], row: IntArray) -> None:
    """Effects and variances that can be computed with; y, v: (k,), with their labels and rows of the table."""
    columns = {"y": "effect size", "v": "sampling variance"}
    given = StudyData({"y": y, "v": v}, columns, label, np.ones(y.shape, dtype=np.bool_), row)
    given.refuse_each(
        ("y",), lambda x: ~(np.abs(x) <= LARGEST_EFFECT), "is too large to compute with", "measure it in larger units"
    )
    given.refuse_each(
        ("v",),
        lambda x: ~((x >= SMALLEST_VARIANCE) & (x <= LARGEST_VARIANCE)),
        f"does not lie between {SMALLEST_VARIANCE:g} and {LARGEST_VARIANCE:g}",
        "correct what it was computed from, or measure in other units",
    )
