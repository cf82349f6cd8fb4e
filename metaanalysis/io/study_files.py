"""Tables of studies from CSV and Excel files, with the columns named as `effect_sizes` expects them."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from metaanalysis.errors import DataError, nearest
from metaanalysis.io.text import LARGEST, encoding_of
from metaanalysis.reviews.tables import read_csv_exactly

if TYPE_CHECKING:
    import pandas as pd

# Names that other programs give, and ours: a set is renamed only where it is there as a whole.
SETS: tuple[Mapping[str, str], ...] = (
    {"yi": "y", "vi": "v"},
    {"yi": "y", "sei": "se"},
    {"effect size": "y", "effect size standard error": "se"},
    {"effect size": "y", "standard error": "se"},
    {"es": "y", "se": "se"},
    {"te": "y", "sete": "se"},
    {"ai": "events1", "n1i": "n1", "ci": "events2", "n2i": "n2"},
    {"event.e": "events1", "n.e": "n1", "event.c": "events2", "n.c": "n2"},
    {"m1i": "mean1", "sd1i": "sd1", "n1i": "n1", "m2i": "mean2", "sd2i": "sd2", "n2i": "n2"},
    {"mean.e": "mean1", "sd.e": "sd1", "n.e": "n1", "mean.c": "mean2", "sd.c": "sd2", "n.c": "n2"},
    {"x1i": "events1", "t1i": "time1", "x2i": "events2", "t2i": "time2"},
    {"xi": "events", "ni": "n"},
    {"ri": "r", "ni": "n"},
)
# No table of studies is larger; a workbook that is one small file can unpack to thousands of times its size.
LARGEST_UNPACKED, MOST_ROWS, MOST_COLUMNS = 1 << 26, 100_000, 2_000
LABELS = ("slab", "studlab", "study label", "study name", "study_name")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+\s*")
_SEPARATORS = ((",", "commas"), (";", "semicolons"), ("\t", "tabs"))


def read_studies(path: str | os.PathLike[str], sheet: str | int | None = None) -> pd.DataFrame:
    r"""Read a table of studies from a CSV or Excel file, its columns named as `effect_sizes` expects them.

    Parameters
    ----------
    path
        A file with one row a study: CSV (commas, semicolons or tabs; with semicolons or tabs decimals may be commas) in UTF-8,
        UTF-16 or Windows-1252, or an Excel workbook (``.xlsx``, ``.xlsm``; needs the extra ``excel``).
    sheet
        Of a workbook: its name, or its number from 0; the first by default.

    Returns
    -------
    pandas.DataFrame
        Columns that other programs name otherwise are renamed: metafor's and JASP's ``yi`` with ``vi`` or ``sei`` to ``y`` with
        ``v`` or ``se``, metafor's ``ai n1i ci n2i`` and meta's ``event.e n.e event.c n.c`` to ``events1 n1 events2 n2``, means
        likewise, ``slab`` and ``studlab`` to ``study``. A set is renamed only where it is complete and the new names are free;
        ``attrs["renamed"]`` tells which were. Rows without any cell are left out.

    Raises
    ------
    DataError
        The file is no table: the message names the row, the cell or the column.
    OptionError
        A workbook is given and the extra ``excel`` is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import metaanalysis as ma
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "table.csv")
    ...     _ = file.write_text("slab;yi;vi\nAdler 1998;0,1;0,02\nBjörk 2001;0,3;0,03\n", encoding="utf-8")
    ...     studies = ma.read_studies(file)
    >>> print(f"{ma.pool(ma.effect_sizes(studies, 'GEN'), model='common').estimate:.2f}", studies.attrs["renamed"])
    0.18 {'slab': 'study', 'yi': 'y', 'vi': 'v'}
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path.name} has {size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} MB are read.")
        workbook = zipfile.is_zipfile(path)
        with path.open("rb") as stream:
            beginning = stream.read(8)
    except DataError:
        raise
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{path.name or path} can't be read: {getattr(problem, 'strerror', None) or problem}."
        ) from None
    if beginning.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path.name} is a workbook of Excel 97 to 2003: save it as .xlsx or CSV.")
    if workbook:
        return renamed(workbook_table(path, sheet))
    if sheet is not None:
        raise DataError(f"{path.name} is no Excel workbook, so that it has no sheet {sheet!r}.")
    return renamed(csv_table(path))


def renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with other programs' names replaced by ours, where that is clear."""
    lowered = {str(column).strip().lower(): str(column) for column in frame.columns}
    mapping: dict[str, str] = {}
    taken = {str(column) for column in frame.columns}
    label = next((name for name in LABELS if name in lowered), None)
    if label is not None and not {"study", "label", "author"} & lowered.keys():
        mapping[lowered[label]] = "study"
    for names in SETS:
        ours = {mine for theirs, mine in names.items() if lowered.get(theirs) != mine}
        free = not (taken - {lowered.get(theirs, "") for theirs in names}) & ours
        if all(theirs in lowered for theirs in names) and free and not set(mapping.values()) & ours:
            mapping.update({lowered[theirs]: mine for theirs, mine in names.items() if lowered[theirs] != mine})
    found = frame.rename(columns=mapping)
    found.attrs["renamed"] = mapping
    return found


def csv_table(path: Path) -> pd.DataFrame:
    """A CSV file as a frame, every number to its last digit."""
    with path.open("rb") as stream:
        # What is neither UTF-8 nor has a sign of its own is taken for Windows-1252, in which few bytes mean nothing.
        encoding = encoding_of(stream)
    plain = io.BytesIO()
    try:
        with path.open(encoding=encoding, newline="") as text:
            comma = copied(text, plain, path.name)
    except UnicodeDecodeError as problem:
        raise DataError(
            f"{path.name} is not text in UTF-8 (byte {problem.start + 1}): save it as CSV in UTF-8."
        ) from None
    except csv.Error as problem:
        raise DataError(f"{path.name} can't be read as CSV: {problem}.") from None
    plain.seek(0)
    options: dict[str, Any] = {"decimal": ","} if comma else {}
    frame = read_csv_exactly(plain, index_col=False, skipinitialspace=True, low_memory=False, **options)
    empty = frame.isna().all(axis=1)
    return frame[~empty].reset_index(drop=True) if empty.any() else frame


def copied(text: IO[str], plain: IO[bytes], name: str) -> bool:
    """Copy a table as plain CSV, checked line by line; whether its decimals are commas."""
    first = next((line for line in text_lines(text, name) if line.strip()), "")
    separator = max((separator for separator, _ in _SEPARATORS), key=lambda one: first.count(one))
    text.seek(0)
    out = io.TextIOWrapper(plain, encoding="utf-8", newline="", write_through=True)
    writer, header, row, comma = csv.writer(out), [""] * 0, 0, False
    for line in csv.reader(text_lines(text, name), delimiter=separator):
        if not any(cell.strip() for cell in line):
            continue
        if not header:
            header = checked_header([cell.strip() for cell in line], name)
            writer.writerow(header)
            continue
        row += 1
        if len(line) != len(header):
            raise DataError(
                f"{name} has {len(line)} cells in row {row} but {len(header)} columns: quote cells that hold a comma, "
                f"and leave missing ones empty."
            )
        comma = comma or (separator != "," and any(_DECIMAL_COMMA.fullmatch(cell) for cell in line))
        writer.writerow(line)
    out.detach()
    if row == 0:
        raise DataError(f"{name} has no rows: give it a line of column names and one line for each study.")
    return comma


def text_lines(text: IO[str], name: str) -> Iterator[str]:
    """The lines of a text; DataError where it is none."""
    for line in text:
        if "\0" in line:
            raise DataError(f"{name} is not a CSV file: it holds bytes that are no text.")
        yield line


def checked_header(header: list[str], name: str) -> list[str]:
    """Column names, each there once; those without a name get a number."""
    twice = sorted(cell for cell, count in Counter(header).items() if cell and count > 1)
    if twice:
        raise DataError(f"{name} has two columns named {twice[0]!r}: rename or remove one.")
    return [cell or f"column {at}" for at, cell in enumerate(header, start=1)]


def workbook_table(path: Path, sheet: str | int | None) -> pd.DataFrame:
    """A sheet of a workbook as a frame."""
    import pandas as pd

    from metaanalysis.io.workbooks import excel_library

    openpyxl = excel_library()
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            raise DataError(
                f"{path.name} has {unpacked / 1e6:.0f} MB when unpacked; at most {LARGEST_UNPACKED / 1e6:.0f} MB are read: save "
                f"the sheet as CSV."
            )
        rows, formulas = (
            sheet_rows(openpyxl.load_workbook(path, read_only=True, data_only=values), sheet, path.name)
            for values in (True, False)
        )
    except DataError:
        raise
    except Exception as problem:
        # What a broken workbook makes its library raise has no limit.
        raise DataError(
            f"{path.name} can't be read as an Excel workbook: {type(problem).__name__}: "
            f"{str(problem).partition(chr(10))[0].rstrip('.').replace(str(path), path.name)}."
        ) from None
    for at, (values, texts) in enumerate(zip(rows, formulas, strict=False), start=1):
        for column, (value, text) in enumerate(zip(values, texts, strict=False), start=1):
            if value is None and isinstance(text, str) and text.startswith("="):
                raise DataError(
                    f"{path.name}, row {at}, column {column} holds a formula without its value: open the workbook in Excel and "
                    f"save it, or replace formulas by values."
                )
    filled = [row for row in rows if any(value not in (None, "") for value in row)]
    if len(filled) < 2:
        raise DataError(f"{path.name} has no rows: give the sheet a row of column names and one row for each study.")
    width = max(at + 1 for row in filled for at, value in enumerate(row) if value not in (None, ""))
    header = checked_header(
        ["" if value is None else str(value).strip() for value in padded(filled[0], width)], path.name
    )
    return pd.DataFrame([padded(row, width) for row in filled[1:]], columns=header).infer_objects()


def padded(row: tuple[Any, ...], width: int) -> list[Any]:
    """A row of so many cells."""
    return [*row[:width], *[None] * (width - len(row))]


def sheet_rows(workbook: Any, sheet: str | int | None, name: str) -> list[tuple[Any, ...]]:
    """The rows of a sheet."""
    names = list(workbook.sheetnames)
    if isinstance(sheet, str) and sheet not in names:
        raise DataError(f"{name} has no sheet {sheet!r}.{nearest(sheet, names)} It has: {', '.join(names)}.")
    at = sheet if sheet is not None else 0
    if not isinstance(at, str) and not 0 <= at < len(names):
        raise DataError(f"{name} has no sheet number {at}: it has {len(names)}, from 0.")
    try:
        chosen = workbook[at if isinstance(at, str) else names[at]]
        # What a sheet says of its own size may be far from true.
        chosen.reset_dimensions()
        rows: list[tuple[Any, ...]] = []
        for row in chosen.iter_rows(values_only=True):
            if len(rows) == MOST_ROWS or len(row) > MOST_COLUMNS:
                raise DataError(
                    f"{name} has a sheet with more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns, which no table of studies "
                    f"has: look for cells far below or to the right of it, and delete them."
                )
            rows.append(row)
        return rows
    finally:
        workbook.close()
