"""Results as Excel workbooks: numbers as numbers, texts as texts whatever they begin with."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.errors import DataError, OptionError
from metaanalysis.io.json_effects import options_out
from metaanalysis.io.provenance import provenance
from metaanalysis.results import Pooled, Regression, Subgroups

if TYPE_CHECKING:
    import pandas as pd

# What a cell of a workbook can't hold.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
LONGEST_TEXT, MOST_ROWS = 32_767, 1_048_575


def to_excel(result: Any, path: str | os.PathLike[str]) -> Path:
    """Write a result to an Excel workbook, with its studies and where it comes from.

    Parameters
    ----------
    result
        A `Pooled`, `Subgroups` or `Regression`, any other result with ``to_frame()``, or a pandas frame.
    path
        The file to write, ending in ``.xlsx``.

    Returns
    -------
    pathlib.Path
        The file. Its sheets are ``Result`` (every number in full), ``Studies``, and ``Provenance`` (a SHA-256 of the data,
        versions, options); numbers that are not applicable are empty. Names that begin with =, +, - or @ are texts and no formulas.

    Raises
    ------
    OptionError
        There is no table of such an object, the name does not end in .xlsx, or the extra ``excel`` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import metaanalysis as ma
    >>> fit = ma.pool([0.1, 0.3, 0.5], [0.02, 0.03, 0.05])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ma.to_excel(fit, f"{folder}/result.xlsx").name
    'result.xlsx'
    """
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise OptionError(f"{target.name!r} does not end in .xlsx, which is what is written.")
    openpyxl = excel_library()
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, frame in sheets_of(result).items():
        if len(frame) > MOST_ROWS:
            raise DataError(
                f"the table has {len(frame)} rows, but a sheet of Excel at most {MOST_ROWS}: write it as CSV or Parquet."
            )
        sheet = workbook.create_sheet(title)
        write_row(sheet, 1, frame.columns, bold=True)
        for at, row in enumerate(frame.itertuples(index=False, name=None), start=2):
            write_row(sheet, at, row)
        sheet.freeze_panes = "A2"
    workbook.save(target)
    return target


def excel_library() -> Any:
    """The library that reads and writes workbooks; OptionError where it is not installed."""
    try:
        import openpyxl
    except ImportError:
        raise OptionError(
            "Excel workbooks need openpyxl, which is not installed: pip install 'metaanalysis[excel]', or use CSV."
        ) from None
    return openpyxl


def sheets_of(result: Any) -> dict[str, pd.DataFrame]:
    """The sheets of a workbook by title."""
    import pandas as pd

    if isinstance(result, Pooled | Subgroups | Regression):
        overall = result.overall if isinstance(result, Subgroups) else result
        frame = result.coefficients.reset_index() if isinstance(result, Regression) else result.to_frame()
        facts = {**provenance(overall.effects), **{f"option: {k}": v for k, v in options_out(overall.options).items()}}
        if isinstance(result, Regression):
            numbers = ("formula", "tau2", "i2", "h2", "r2", "q_moderators", "q_moderators_p_value", "q_residual")
            facts.update({name: getattr(result, name) for name in numbers})
        if isinstance(result, Subgroups):
            facts.update({name: getattr(result, name) for name in ("q_between", "q_between_df", "q_between_p_value")})
        studies = overall.effects.to_frame(overall.level)
        if isinstance(overall, Pooled):
            studies["weight"] = np.array(overall.weights)
        return {
            "Result": frame,
            "Studies": studies,
            "Provenance": pd.DataFrame({"what": list(facts), "value": pd.Series(list(facts.values()), dtype="object")}),
        }
    frame = result.to_frame() if hasattr(result, "to_frame") and not isinstance(result, pd.DataFrame) else result
    if not isinstance(frame, pd.DataFrame):
        raise OptionError(f"{type(result).__name__} has no table: give a result, or a pandas frame.")
    return {"Result": frame}


def write_row(sheet: Any, at: int, values: Iterable[Any], bold: bool = False) -> None:
    """A row of cells."""
    from openpyxl.styles import Font

    for column, value in enumerate(values, start=1):
        kept = cell_value(value)
        if kept is None:
            continue
        cell = sheet.cell(row=at, column=column)
        if isinstance(kept, str):
            # Set apart from openpyxl's guess, which takes "=…" for a formula; the quote prefix keeps Excel from guessing again.
            cell.value = kept
            cell.data_type = "s"
            cell.quotePrefix = kept[:1] in ("=", "+", "-", "@")
        else:
            cell.value = kept
        if bold:
            cell.font = Font(bold=True)


def cell_value(value: Any) -> str | float | int | bool | None:
    """What a cell holds: numbers and texts; None where there is nothing to hold."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        # Excel's numbers are floats: what they can't hold is text.
        return int(value) if abs(int(value)) < 10**15 else str(int(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        return number if math.isfinite(number) else ("infinite" if number > 0 else "-infinite")
    text = str(value)
    return None if text in ("<NA>", "NaT", "nan") else _ILLEGAL.sub("�", text)[:LONGEST_TEXT]
