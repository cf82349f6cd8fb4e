"""A table of studies as it was printed: which column is which, and what each number can stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import IntArray
from metaanalysis.formulas.rounding import Interval, printed
from metaanalysis.reviews.printed_cells import Number, Printed, joined, number_of, row_label, spelling, text_of
from metaanalysis.reviews.reported import matched

# Compared as those of a table of reported analyses are; metafor's, meta's and our own names among them.
STUDY_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "study": ("study", "label", "author", "slab", "studlab", "studyname", "studylabel", "trial", "name"),
        "outcome": ("outcome", "analysis", "comparison", "endpoint", "table"),
        "subgroup": ("subgroup", "stratum"),
        **{
            f"{field}{arm}": (f"{field}{arm}", *(form.format(field=short, arm=arm, letter=letter) for form in forms))
            for arm, letter in (("1", "e"), ("2", "c"))
            for field, short, forms in (
                ("events", "event", ("{field}{arm}", "{field}{letter}")),
                ("n", "n", ("{field}{arm}i", "{field}{letter}")),
                ("mean", "mean", ("m{arm}i", "m{arm}", "{field}{letter}")),
                ("sd", "sd", ("sd{arm}i", "{field}{letter}")),
            )
        },
        "events": ("events", "xi"),
        "n": ("n", "ni", "participants"),
        "mean": ("mean", "mi"),
        "sd": ("sd", "sdi", "standarddeviation"),
        "items": ("items", "nitems", "numberofitems"),
        "scale_low": ("scalelow", "scalemin", "minimum", "scaleminimum"),
        "scale_high": ("scalehigh", "scalemax", "maximum", "scalemaximum"),
    }
)
WORDS = ("study", "outcome", "subgroup")
ARMS = ("1", "2", "")
# What makes a table one of studies.
_SETS = (("events1", "n1"), ("mean1", "sd1"), ("events", "n"), ("mean", "sd"))
_COUNTS = ("items", *(f"{field}{arm}" for field in ("events", "n") for arm in ARMS))


@dataclass(frozen=True)
class StudyTable:
    """Studies one a row: names, what they belong to, and the printed numbers by name, NaN where there are none."""

    rows: IntArray
    study: tuple[str, ...]
    outcome: tuple[str, ...]
    subgroup: tuple[str, ...]
    numbers: Mapping[str, Printed]
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.study)

    def has(self, field: str) -> bool:
        """Whether any row has this number."""
        return any(self.numbers[field].text)

    def named(self, i: int) -> str:
        """A study as sentences name it."""
        return row_label(self.study[i], int(self.rows[i]) - 1)


def is_study_table(names: Sequence[str]) -> bool:
    """Whether columns of these names are data of studies."""
    known = {spelling(name) for name in names}
    return any(all(known & set(STUDY_SPELLINGS[field]) for field in fields) for fields in _SETS)


def study_table_of(
    table: Mapping[str, list[Any]],
    columns: Mapping[str, str],
    items: float | None = None,
    scale: tuple[float, float] | None = None,
) -> StudyTable:
    """Read columns of cells; `items` and `scale` hold for every study that has none of its own."""
    found, ignored = matched(table, columns, STUDY_SPELLINGS, WORDS)
    if not any(all(field in found for field in fields) for fields in _SETS):
        raise DataError(
            "The table has no data of studies: it needs events1 and n1, or mean1 and sd1, and the same of group 2; or events and "
            f"n, or mean and sd, of one group. Its columns are: {', '.join(list(table)[:40]) or 'none'}. Rename them, or say which "
            "they are, as in mean1='name'."
        )
    rows = len(next(iter(table.values()), ()))
    if rows == 0:
        raise DataError("The table of studies has no rows: give it one row for each study.")
    words = {
        field: tuple(text_of(cell) for cell in table[found[field]]) if field in found else ("",) * rows
        for field in WORDS
    }
    labels = [row_label(words["study"][i], i) for i in range(rows)]
    numbers = {}
    for field in STUDY_SPELLINGS:
        if field in WORDS:
            continue
        texts = [text_of(cell) for cell in table[found[field]]] if field in found else [""] * rows
        numbers[field] = column_of(
            field, [_number(text, field, found.get(field, field), labels[i]) for i, text in enumerate(texts)]
        )
    read = StudyTable(
        np.arange(1, rows + 1), words["study"], words["outcome"], words["subgroup"], MappingProxyType(numbers), ignored
    )
    return with_options(read, items, scale)


def with_options(table: StudyTable, items: float | None, scale: tuple[float, float] | None) -> StudyTable:
    """The table with `items` and `scale` for every study that has none of its own."""
    if scale is not None and not (isinstance(scale, tuple | list) and len(scale) == 2):
        raise OptionError(f"scale={scale!r} is not the two ends of a scale: write scale=(0, 10).")
    numbers = dict(table.numbers)
    given = {"items": items, **dict(zip(("scale_low", "scale_high"), scale or (None, None), strict=True))}
    for field, value in given.items():
        if value is not None:
            numbers[field] = _filled(numbers[field], _option(field, value))
    _check_scales(numbers, table)
    return replace(table, numbers=MappingProxyType(numbers))


def column_of(field: str, parts: Sequence[Number]) -> Printed:
    """Numbers one a study as a column; each stands for all that round to it, and a count for itself."""
    if field in _COUNTS or field.startswith("scale"):
        exact = np.array([part.value for part in parts])
        return joined(parts, Interval(exact, exact))
    value, decimals = np.array([part.value for part in parts]), np.array([float(part.decimals) for part in parts])
    return joined(parts, printed(value, decimals))


def _number(text: str, field: str, column: str, label: str) -> Number:
    one = number_of(text, column, label, count=field in _COUNTS)
    if one.bound:
        raise DataError(f"{column} is {text!r} in {label}: a bound is no number; leave the cell empty.")
    if field == "items" and one.text and not (one.value >= 1 and one.value == math.floor(one.value)):
        raise DataError(f"{column} is {text!r} in {label}, but it is the number of items of a scale: 1, 2, 3 …")
    return one


def _option(field: str, value: float) -> Number:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (field == "items" and not (value >= 1 and value == math.floor(value))):
        wanted = (
            "the number of items of a scale: 1, 2, 3 …"
            if field == "items"
            else "an end of a scale, as in scale=(0, 10)"
        )
        raise OptionError(f"{field}={value!r} is not {wanted}.")
    return Number(f"{value:g}", float(value))


def _filled(column: Printed, other: Number) -> Printed:
    empty = np.array([not text for text in column.text])
    return Printed(
        tuple(text or other.text for text in column.text),
        np.where(empty, other.value, column.value),
        np.where(empty, 0.0, column.decimals),
        Interval(*(np.where(empty, other.value, end) for end in column.range)),
    )


def _check_scales(numbers: Mapping[str, Printed], table: StudyTable) -> None:
    low, high = numbers["scale_low"].value, numbers["scale_high"].value
    for i in np.flatnonzero(low >= high):
        raise DataError(
            f"The scale goes from {low[i]:g} to {high[i]:g} in {table.named(int(i))}: its low end comes first."
        )
