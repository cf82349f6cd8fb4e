"""The cells of a table as they were printed: text, number, decimals, and all values that the number can stand for."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from metaanalysis.effects.columns import FrameLike, open_frame
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.rounding import Interval

PLAINER = str.maketrans({"−": "-", "–": "-", "—": "-", "·": ".", "\u00a0": " "})
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "nr", "-", "--"})
_CELL = re.compile(rf"(?P<sign>[<>≤≥=]?)\s*(?P<number>{NUMBER})\s*(?P<unit>%?)")
# A message is a sentence: cells and names longer than this are cut in it.
_LONGEST = 60
# Longer than any number that was ever printed; Decimal and float would read on.
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Printed:
    """One column of printed numbers: as they stand, as numbers, and as the intervals that they can stand for."""

    text: tuple[str, ...]
    value: FloatArray
    decimals: FloatArray
    range: Interval


@dataclass(frozen=True)
class Number:
    """One printed number: its text, its value, its decimals, and "<" or ">" where it is only a bound."""

    text: str = ""
    value: float = math.nan
    decimals: int = 0
    bound: str = ""


def cells_of(table: FrameLike, row: str = "pooled result") -> dict[str, list[Any]]:
    """The columns of a frame, or of a CSV file as text; `row` says what a row of it is."""
    if isinstance(table, (str, os.PathLike)):
        return cells_of_csv(Path(table), row)
    if isinstance(table, Mapping) and table and all(isinstance(column, list | tuple) for column in table.values()):
        # Lists are what they are: no frame has to guess what they hold.
        lengths = {shortened(str(name)): len(column) for name, column in table.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns differ in length: {lengths}. Each {row} needs a value in every column.")
        return {str(name): list(column) for name, column in table.items()}
    import narwhals as nw

    frame = open_frame(table)
    names = [str(name) for name in frame.columns]
    # A 32-bit number keeps its printed digits only as long as it is not widened.
    return {
        name: list(column.to_numpy()) if column.dtype == nw.Float32 else column.to_list()
        for name, column in zip(names, frame.iter_columns(), strict=True)
    }


def cells_of_csv(path: Path, row: str = "pooled result") -> dict[str, list[Any]]:
    """A CSV file as text, column by column; DataError where it is no rectangle of text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path.name} cannot be read as CSV in UTF-8: {problem}.") from None
    if not lines:
        raise DataError(f"{path.name} is empty: give it a line of column names and one line for each {row}.")
    header = [name.strip() for name in lines[0]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path.name} has two columns named {shortened(twice[0])!r}: rename or remove one.")
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise DataError(
                f"{path.name} has {len(line)} cells in row {number} but {len(header)} columns: quote cells that hold a comma."
            )
    return {name: [line[at].strip() for line in lines[1:]] for at, name in enumerate(header)}


def spelling(name: str) -> str:
    """A column's name as spellings are compared: lower case, letters and digits alone, without a leading number."""
    plain = name.lower().replace("²", "2").replace("^2", "2").replace("τ", "tau").replace("τ", "tau")
    return re.sub(r"^\d+", "", re.sub(r"[^a-z0-9]", "", plain))


def text_of(cell: Any) -> str:
    """What a cell holds, as it would be printed; nothing for a missing value."""
    if cell is None or (isinstance(cell, (float, np.floating)) and math.isnan(cell)):
        return ""
    text = str(cell).strip()
    if isinstance(cell, (float, np.floating)):
        text = text.removesuffix(".0")  # a float shows it whether or not it was printed
    return "" if text in {"<NA>", "NaT"} or text.translate(PLAINER).lower() in _MISSING else text


def shortened(text: str) -> str:
    """A text on one line, cut where it is endless."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def row_label(name: str, i: int) -> str:
    """A row as messages name it."""
    return f"{shortened(name)!r} (row {i + 1})" if name else f"row {i + 1}"


def number_of(text: str, column: str, label: str, *, per_cent: bool = False, count: bool = False) -> Number:
    """One printed number; DataError says what it is instead. `count`: a zero after the point was not printed."""
    if not text:
        return Number()
    match = _CELL.fullmatch(text.translate(PLAINER)) if len(text) <= _LONGEST_NUMBER else None
    if match is None or (match["unit"] and not per_cent):
        raise DataError(
            f"{column} is {shortened(text)!r} in {label}, which is not a number: write it with a point for the decimals, "
            "or leave the cell empty where nothing is reported."
        )
    bound = match["sign"].replace("≤", "<").replace("≥", ">").replace("=", "")
    number = match["number"]
    if count and re.fullmatch(r"[+-]?\d+\.0", number):
        number = number[:-2]
    beyond = f"{column} is {shortened(text)!r} in {label}, which is beyond all numbers: correct it."
    try:
        exact = Decimal(number)
    except InvalidOperation:
        raise DataError(beyond) from None
    value = float(exact)
    decimals = max(0, -int(exact.as_tuple().exponent))
    if not math.isfinite(value) or decimals > 300:
        raise DataError(beyond)
    return Number(bound + number, value, decimals, bound)


def joined(parts: Sequence[Number], possible: Interval) -> Printed:
    """Numbers one a row as a column, with what they can stand for."""
    return Printed(
        tuple(part.text for part in parts),
        np.array([part.value for part in parts]),
        np.array([float(part.decimals) for part in parts]),
        possible,
    )
