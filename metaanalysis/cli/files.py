"""Tables in, documents out, with sentences for what can go wrong."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaanalysis.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str) -> pd.DataFrame:
    """A CSV file as a frame, one row a study; ``-`` is standard input. DataError says what is wrong and where."""
    name = "standard input" if path == "-" else Path(path).name
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise DataError(
            f"{name} is not text in UTF-8 (byte {problem.start + 1} is 0x{content[problem.start]:02x}): save it as CSV in UTF-8."
        ) from None
    check_rectangle(text, name)
    return parsed(text)


def check_rectangle(text: str, name: str) -> None:
    """A line of distinct column names, and as many cells in every row."""
    if "\0" in text:
        raise DataError(f"{name} is not a CSV file: it holds bytes that are no text.")
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in line)]
    except csv.Error as problem:
        raise DataError(f"{name} can't be read as CSV: {problem}.") from None
    if not lines:
        raise DataError(f"{name} is empty: give it a line of column names and one line for each study.")
    header = [cell.strip() for cell in lines[0]]
    if len(header) == 1:
        for separator, what in ((";", "semicolons"), ("\t", "tabs")):
            if separator in header[0]:
                raise DataError(
                    f"{name} separates its columns by {what}: save it with commas, and points for the decimals."
                )
    twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
    if twice:
        raise DataError(f"{name} has two columns named {twice[0]!r}: rename or remove one.")
    for row, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise DataError(
                f"{name} has {len(line)} cells in row {row} but {len(header)} columns: quote cells that hold a comma, and "
                f"leave missing ones empty."
            )


def parsed(text: str) -> pd.DataFrame:
    """CSV text as a frame: every number to its last digit, rows without any cell left out."""
    from metaanalysis.reviews.tables import read_csv_exactly

    # index_col=False: a first column without a name is a column and no index.
    frame = read_csv_exactly(io.StringIO(text), index_col=False, skipinitialspace=True)
    frame.columns = frame.columns.str.strip()
    return frame.dropna(how="all").reset_index(drop=True)


def write_json(document: Any, path: str) -> None:
    """Write a document as JSON; what is not applicable or infinite is null."""
    text = json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """The same document without what JSON lacks: NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
