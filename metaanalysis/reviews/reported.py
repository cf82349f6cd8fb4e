"""A table of reported meta-analyses: which column is which, and what each printed number can stand for."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.effects.columns import FrameLike, open_frame
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.rounding import Interval, clipped, printed

# Spellings are compared in lower case, letters and digits alone, without a leading number ("95% CI low" is "cilow").
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "source": ("source", "review", "reference", "citation", "paper"),
        "outcome": ("outcome", "analysis", "comparison", "label", "name"),
        "measure": ("measure", "effectmeasure", "effecttype", "sm"),
        "k": ("k", "studies", "nstudies", "kstudies", "numberofstudies", "trials"),
        "n_total": ("n", "ntotal", "totaln", "participants", "samplesize", "totalsamplesize"),
        "estimate": ("estimate", "est", "effect", "effectsize", "pooled", "pooledestimate", "pooledeffect"),
        "ci_low": ("cilow", "cilo", "cilower", "cilb", "lowerci", "lowci", "lower", "low", "lcl", "lowerlimit", "ll"),
        "ci_high": (
            "cihigh",
            "cihi",
            "ciupper",
            "ciub",
            "upperci",
            "highci",
            "upper",
            "high",
            "ucl",
            "upperlimit",
            "ul",
        ),
        "p_value": ("pvalue", "p", "pval", "pz"),
        "statistic": ("statistic", "z", "zvalue", "zval", "zstatistic"),
        "i2": ("i2", "isquared", "isq", "i2percent"),
        "q": ("q", "cochransq", "cochranq", "chi2", "qe"),
        "q_df": ("qdf", "df", "dfq"),
        "q_p_value": ("qpvalue", "pq", "qp", "pvalueq", "pheterogeneity", "phet", "qep"),
        "q_between": ("qbetween", "qint", "qb", "qsubgroups"),
        "q_between_df": ("qbetweendf", "dfbetween", "qintdf", "dfint", "qbdf"),
        "q_between_p_value": ("qbetweenpvalue", "pbetween", "pqbetween", "qbetweenp", "pint", "pqint", "pinteraction"),
    }
)
REQUIRED = ("measure", "estimate", "ci_low", "ci_high")
WORDS = ("source", "outcome", "measure")
EFFECT = ("estimate", "ci_low", "ci_high")
COUNTS = ("k", "n_total", "q_df", "q_between_df")
PROBABILITIES = ("p_value", "q_p_value", "q_between_p_value")
RANGES: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        **dict.fromkeys(PROBABILITIES, (0.0, 1.0, "a p-value lies between 0 and 1")),
        **dict.fromkeys(("q", "q_between"), (0.0, math.inf, "Q is never negative")),
        **dict.fromkeys(("q_df", "q_between_df"), (0.0, math.inf, "degrees of freedom are never negative")),
        **dict.fromkeys(("k", "n_total"), (1.0, math.inf, "it counts at least one")),
        "i2": (0.0, 100.0, "I² lies between 0 and 100 per cent"),
    }
)
WHOLE = ("k", "q_df", "q_between_df")

_IDENTITY = ("SMD", "MD", "WMD", "RD", "IRD", "ZCOR", "GEN")
_LOG = ("RR", "OR", "HR", "ROM", "IRR", "DOR", "PETO")
_SCALES = {**dict.fromkeys(_IDENTITY, "identity"), **dict.fromkeys(_LOG, "log"), "COR": "atanh"}
_SAME_MEASURE = {
    "hedgesg": "SMD",
    "cohensd": "SMD",
    "g": "SMD",
    "d": "SMD",
    "standardisedmeandifference": "SMD",
    "standardizedmeandifference": "SMD",
    "meandifference": "MD",
    "riskdifference": "RD",
    "riskratio": "RR",
    "relativerisk": "RR",
    "oddsratio": "OR",
    "petoor": "PETO",
    "petooddsratio": "PETO",
    "hazardratio": "HR",
    "ratioofmeans": "ROM",
    "rateratio": "IRR",
    "incidencerateratio": "IRR",
    "correlation": "COR",
    "r": "COR",
    "fishersz": "ZCOR",
    **{f"{prefix}{ratio.lower()}": "GEN" for prefix in ("log", "ln") for ratio in _LOG},
}
_MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "nr", "-", "--"})
_NUMBER = re.compile(r"(?P<sign>[<>≤≥=]?)\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*%?")
_PLAINER = str.maketrans({"−": "-", "–": "-", "—": "-", "·": ".", "\u00a0": " "})


@dataclass(frozen=True)
class Printed:
    """One column of printed numbers: as they stand, as numbers, and as the intervals that they can stand for."""

    text: tuple[str, ...]
    value: FloatArray
    decimals: FloatArray
    range: Interval


@dataclass(frozen=True)
class Reported:
    """A table of reported meta-analyses, checked; columns that it has not are NaN throughout.

    Parameters
    ----------
    source, outcome
        Words, one a row; empty where the table has none.
    measure
        The measure's key, one a row; empty in a row without effect.
    scale
        The key of the scale on which the measure's interval is symmetric, one a row.
    numbers
        The printed numbers by name.
    ignored
        Columns of the table that were not read.
    """

    source: tuple[str, ...]
    outcome: tuple[str, ...]
    measure: tuple[str, ...]
    scale: tuple[str, ...]
    numbers: Mapping[str, Printed]
    ignored: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)


def read_reported(reported: FrameLike, columns: Mapping[str, str]) -> Reported:
    """Read and check a frame or a CSV file of reported meta-analyses."""
    table = _cells(reported)
    found, ignored = _matched(table, columns)
    rows = len(next(iter(table.values()), ()))
    if rows == 0:
        raise DataError("The table of reported analyses has no rows: give it one row for each pooled result.")
    cells = {field: [_text(cell) for cell in table[name]] for field, name in found.items()}
    cells = {field: cells.get(field, [""] * rows) for field in SPELLINGS}
    labels = [_label(cells["outcome"][i], cells["source"][i], i) for i in range(rows)]
    numbers = {
        field: [_parsed(text, field, found.get(field, field), labels[i]) for i, text in enumerate(cells[field])]
        for field in SPELLINGS
        if field not in WORDS
    }
    _align_effects(numbers, rows)
    measure, scale = _measures(cells["measure"], numbers, labels, found["measure"])
    columns_of_numbers = {field: _column(field, parts) for field, parts in numbers.items()}
    _check(columns_of_numbers, scale, labels, {field: found.get(field, field) for field in SPELLINGS})
    return Reported(
        tuple(cells["source"]), tuple(cells["outcome"]), measure, scale, MappingProxyType(columns_of_numbers), ignored
    )


def printed_number(value: object, field: str, name: str, label: str) -> Printed:
    """One printed number that comes by itself, checked as a cell of that field would be."""
    return _column(field, [_parsed(_text(value), field, name, label)])


def _cells(reported: FrameLike) -> dict[str, list[Any]]:
    """The columns of a frame, or of a CSV file as text."""
    if isinstance(reported, (str, os.PathLike)):
        return _cells_of_csv(Path(reported))
    import narwhals as nw

    frame = open_frame(reported)
    names = [str(name) for name in frame.columns]
    # A 32-bit number keeps its printed digits only as long as it is not widened.
    return {
        name: list(column.to_numpy()) if column.dtype == nw.Float32 else column.to_list()
        for name, column in zip(names, frame.iter_columns(), strict=True)
    }


def _cells_of_csv(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path.name} cannot be read as CSV in UTF-8: {problem}.") from None
    if not lines:
        raise DataError(f"{path.name} is empty: give it a line of column names and one line for each pooled result.")
    header = [name.strip() for name in lines[0]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path.name} has two columns named {twice[0]!r}: rename or remove one.")
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise DataError(
                f"{path.name} has {len(line)} cells in row {number} but {len(header)} columns: quote cells that hold a comma."
            )
    return {name: [line[at].strip() for line in lines[1:]] for at, name in enumerate(header)}


def _spelling(name: str) -> str:
    plain = name.lower().replace("²", "2").replace("^2", "2")
    return re.sub(r"^\d+", "", re.sub(r"[^a-z0-9]", "", plain))


def _matched(table: Mapping[str, list[Any]], columns: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Field -> the table's column; and the columns that are no field."""
    found: dict[str, str] = {}
    for field, name in columns.items():
        if field not in SPELLINGS:
            raise OptionError(
                f"{field}={name!r}: there is no such column to map.{nearest(field, SPELLINGS)} "
                f"The columns are: {', '.join(SPELLINGS)}."
            )
        if name not in table:
            raise DataError(
                f"{field}={name!r}: the table has no such column.{nearest(name, table)} Its columns are: {', '.join(table)}."
            )
        found[field] = name
    spelled = {spelling: field for field, spellings in SPELLINGS.items() for spelling in spellings}
    for name in table:
        field = spelled.get(_spelling(name), "")
        if not field or field in columns or name in columns.values():
            continue
        if field in found:
            raise DataError(
                f"Columns {found[field]!r} and {name!r} could both be {field}: say which, as in {field}={name!r}."
            )
        found[field] = name
    for field in REQUIRED:
        if field not in found:
            unused = [name for name in table if name not in found.values()]
            near = next((hint for word in SPELLINGS[field] if (hint := nearest(word, unused))), "")
            raise DataError(
                f"The table has no column for {field}.{near} Its columns are: {', '.join(table) or 'none'}. "
                f"Rename one, or say which it is, as in {field}='name'."
            )
    return found, tuple(name for name in table if name not in found.values())


def _text(cell: Any) -> str:
    """What a cell holds, as it would be printed; nothing for a missing value."""
    if cell is None or (isinstance(cell, (float, np.floating)) and math.isnan(cell)):
        return ""
    text = str(cell).strip()
    if isinstance(cell, (float, np.floating)):
        text = text.removesuffix(".0")  # a float shows it whether or not it was printed
    return "" if text == "<NA>" or text.translate(_PLAINER).lower() in _MISSING else text


def _label(outcome: str, source: str, i: int) -> str:
    name = outcome or source
    return f"{name!r} (row {i + 1})" if name else f"row {i + 1}"


@dataclass(frozen=True)
class _Number:
    """One printed number: its text, its value, its decimals, and "<" or ">" where it is only a bound."""

    text: str = ""
    value: float = math.nan
    decimals: int = 0
    bound: str = ""


def _parsed(text: str, field: str, column: str, label: str) -> _Number:
    if not text:
        return _Number()
    match = _NUMBER.fullmatch(text.translate(_PLAINER))
    if match is None or ("%" in text and field != "i2"):
        raise DataError(
            f"{column} is {text!r} in {label}, which is not a number: write it with a point for the decimals, "
            "or leave the cell empty where nothing is reported."
        )
    bound = match["sign"].replace("≤", "<").replace("≥", ">").replace("=", "")
    if bound and field not in PROBABILITIES:
        raise DataError(f"{column} is {text!r} in {label}: only p-values may be reported as bounds; leave it empty.")
    number = match["number"]
    if (field in COUNTS or field == "i2") and re.fullmatch(r"[+-]?\d+\.0", number):
        number = number[:-2]
    try:
        exact = Decimal(number)
    except InvalidOperation:
        raise DataError(f"{column} is {text!r} in {label}, which is beyond all numbers: correct it.") from None
    value = float(exact)
    if not math.isfinite(value):
        raise DataError(f"{column} is {text!r} in {label}, which is beyond all numbers: correct it.")
    lowest, highest, rule = RANGES.get(field, (-math.inf, math.inf, ""))
    if not lowest <= value <= highest:
        raise DataError(f"{column} is {text!r} in {label}, but {rule}: correct it, or leave the cell empty.")
    if field in WHOLE and value != math.floor(value):
        raise DataError(f"{column} is {text!r} in {label}, but it is a whole number: correct it.")
    return _Number(bound + number, value, max(0, -int(exact.as_tuple().exponent)), bound)


def _align_effects(numbers: dict[str, list[_Number]], rows: int) -> None:
    """Give estimate and limits of a row the decimals of the widest: -0.1 beside -0.34 was printed as -0.10."""
    for i in range(rows):
        widest = max(numbers[field][i].decimals for field in EFFECT)
        for field in EFFECT:
            one = numbers[field][i]
            if one.text:
                text = f"{Decimal(one.text):.{widest}f}" if widest <= 15 else one.text
                numbers[field][i] = _Number(text, one.value, widest)


def _measures(
    texts: Sequence[str], numbers: Mapping[str, list[_Number]], labels: Sequence[str], column: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    keys = []
    for i, text in enumerate(texts):
        key = _SAME_MEASURE.get(re.sub(r"[^a-z]", "", text.lower()), text.upper())
        if key not in _SCALES and (text or any(numbers[field][i].text for field in EFFECT)):
            choices = f"{', '.join(_SCALES)}; GEN for any effect whose interval is symmetric as printed"
            raise DataError(
                f"{column} is {text!r} in {labels[i]}.{nearest(text, _SCALES)} It has to be one of: {choices}."
            )
        keys.append(key)
    return tuple(keys), tuple(_SCALES.get(key, "identity") for key in keys)


def _column(field: str, parts: Sequence[_Number]) -> Printed:
    value = np.array([part.value for part in parts])
    decimals = np.array([float(part.decimals) for part in parts])
    if field in COUNTS:
        return Printed(tuple(part.text for part in parts), value, decimals, Interval(value, value))
    low, high = printed(value, decimals)
    below, above = (np.array([part.bound == sign for part in parts]) for sign in "<>")
    low = np.where(below, 0.0, np.where(above, value, low))
    high = np.where(below, value, np.where(above, 1.0, high))
    possible = Interval(low, high)
    if field in PROBABILITIES:
        possible = clipped(possible, 0.0, 1.0)
    elif field in {"q", "q_between"}:
        possible = clipped(possible, 0.0, np.inf)
    return Printed(tuple(part.text for part in parts), value, decimals, possible)


def _check(
    numbers: Mapping[str, Printed], scale: Sequence[str], labels: Sequence[str], names: Mapping[str, str]
) -> None:
    """Limits in order, and no effect that its measure cannot have."""
    low, high = numbers["ci_low"], numbers["ci_high"]
    for i, label in enumerate(labels):
        if low.value[i] > high.value[i]:
            raise DataError(
                f"{names['ci_low']} ({low.text[i]}) exceeds {names['ci_high']} ({high.text[i]}) in {label}: "
                "swap the limits or correct them."
            )
        for field in EFFECT:
            value, decimals = numbers[field].value[i], numbers[field].decimals[i]
            if scale[i] == "log" and (value < 0 or (value == 0 and decimals == 0)):
                raise DataError(
                    f"{names[field]} is {numbers[field].text[i]} in {label}, but a ratio is above 0: give ratios and not "
                    "their logarithms (the measure of a log ratio is GEN), and a small one that was printed as zero with "
                    "its decimals (0.00)."
                )
            if scale[i] == "atanh" and abs(value) > 1:
                raise DataError(
                    f"{names[field]} is {numbers[field].text[i]} in {label}, but a correlation lies between -1 and 1: "
                    "correct it, or name the measure ZCOR if it is Fisher's z."
                )
