"""A table of reported meta-analyses: which column is which, and what each printed number can stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.effects.columns import FrameLike
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.rounding import Interval, clipped, printed
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.reviews.printed_cells import (
    NUMBER,
    PLAINER,
    Number,
    Printed,
    cells_of,
    joined,
    number_of,
    row_label,
    shortened,
    spelling,
    text_of,
)

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
        "ci": ("ci", "interval", "confidenceinterval", "ci95"),
        "ci_level": ("cilevel", "level", "confidencelevel", "conflevel"),
        "se": ("se", "stderr", "standarderror", "sepooled"),
        "p_value": ("pvalue", "p", "pval", "pz"),
        "statistic": ("statistic", "z", "zvalue", "zval", "zstatistic"),
        "tau2": ("tau2", "tausquared", "tausq"),
        "tau2_method": (
            "tau2method",
            "tau2estimator",
            "tausquaredmethod",
            "tausquaredestimator",
            "methodtau",
            "heterogeneityestimator",
            "estimator",
        ),
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
WORDS = ("source", "outcome", "measure", "ci", "tau2_method")
EFFECT = ("estimate", "ci_low", "ci_high")
COUNTS = ("k", "n_total", "q_df", "q_between_df")
PROBABILITIES = ("p_value", "q_p_value", "q_between_p_value")
RANGES: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        **dict.fromkeys(PROBABILITIES, (0.0, 1.0, "a p-value lies between 0 and 1")),
        **dict.fromkeys(("q", "q_between"), (0.0, math.inf, "Q is never negative")),
        "se": (0.0, math.inf, "a standard error is never negative"),
        "tau2": (0.0, math.inf, "a variance is never negative"),
        **dict.fromkeys(("q_df", "q_between_df"), (0.0, math.inf, "degrees of freedom are never negative")),
        **dict.fromkeys(("k", "n_total"), (1.0, math.inf, "it counts at least one")),
        "i2": (0.0, 100.0, "I² lies between 0 and 100 per cent"),
    }
)
WHOLE = ("k", "q_df", "q_between_df")
_NEVER_NEGATIVE = ("q", "q_between", "se", "tau2")

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
# By these I² from τ² is I² from Q; by the second group there is no variance between studies in the interval.
_DERSIMONIAN_LAIRD = ("dl", "dersimonianlaird", "dersimonianandlaird", "dersimonian", "mhdl", "revman5")
_COMMON = ("common", "commoneffect", "fixed", "fixedeffect", "fixedeffects", "fe", "ee", "none")
# As in "0.13 to 0.45", "[0.13, 0.45]", "95% CI 0.13-0.45".
_LIMITS = re.compile(
    rf"(?:\d+\s*%\s*)?(?:c\.?i\.?)?\s*[:=]?\s*[\[(]?\s*(?P<low>{NUMBER})\s*(?:to|,|;|:|\.\.|-)\s*(?P<high>{NUMBER})\s*[\])]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reported:
    """A table of reported meta-analyses, checked; columns that it has not are NaN throughout.

    Parameters
    ----------
    source, outcome
        Words, one a row; empty where the table has none.
    measure
        The measure's key, one a row; empty in a row without effect.
    tau2_method
        How the variance between studies was estimated, one a row: "DL", "common" where the interval has none, "other", or
        empty where nothing is said of it.
    scale
        The key of the scale on which the measure's interval is symmetric, one a row.
    numbers
        The printed numbers by name.
    ignored
        Columns of the table that were not read.
    others
        What stands in these, as it was given.
    """

    source: tuple[str, ...]
    outcome: tuple[str, ...]
    measure: tuple[str, ...]
    tau2_method: tuple[str, ...]
    scale: tuple[str, ...]
    numbers: Mapping[str, Printed]
    ignored: tuple[str, ...]
    others: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.source)


def read_reported(reported: FrameLike, columns: Mapping[str, str], whole: bool = True) -> Reported:
    """Read and check a frame or a CSV file of reported meta-analyses; `whole` demands an effect and its interval."""
    return reported_of(cells_of(reported), columns, whole)


def reported_of(table: Mapping[str, list[Any]], columns: Mapping[str, str], whole: bool = True) -> Reported:
    """The same from columns of cells."""
    rows = len(next(iter(table.values()), ()))
    named, constants = _constants_of(table, columns)
    found, ignored = matched(table, named)
    _demand(found, table, whole, "measure" in constants)
    if rows == 0:
        raise DataError("The table of reported analyses has no rows: give it one row for each pooled result.")
    cells = {field: [text_of(cell) for cell in table[name]] for field, name in found.items()}
    cells |= {field: [word] * rows for field, word in constants.items()}
    cells = {field: cells.get(field, [""] * rows) for field in SPELLINGS}
    labels = [row_label(cells["outcome"][i] or cells["source"][i], i) for i in range(rows)]
    _split_intervals(cells, labels, found)
    numbers = {
        field: [_parsed(text, field, found.get(field, field), labels[i]) for i, text in enumerate(cells[field])]
        for field in SPELLINGS
        if field not in WORDS
    }
    _align_effects(numbers, rows)
    measure, scale = _measures(cells["measure"], numbers, labels, found.get("measure", "measure"))
    columns_of_numbers = {field: _column(field, parts) for field, parts in numbers.items()}
    _check(columns_of_numbers, scale, labels, {field: found.get(field, field) for field in SPELLINGS})
    return Reported(
        tuple(cells["source"]),
        tuple(cells["outcome"]),
        measure,
        tuple(_tau2_method_key(text) for text in cells["tau2_method"]),
        scale,
        MappingProxyType(columns_of_numbers),
        ignored,
        MappingProxyType({name: tuple(table[name]) for name in ignored}),
    )


def printed_number(value: object, field: str, name: str, label: str) -> Printed:
    """One printed number that comes by itself, checked as a cell of that field would be."""
    return _column(field, [_parsed(text_of(value), field, name, label)])


def matched(
    table: Mapping[str, Sequence[Any]],
    columns: Mapping[str, str],
    spellings: Mapping[str, tuple[str, ...]] = SPELLINGS,
    names: Sequence[str] = (),
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Field -> the table's column; and the columns that are no field. Of several for one of `names` the best known is taken."""
    found: dict[str, str] = {}
    for field, name in columns.items():
        if field not in spellings:
            raise OptionError(
                f"{field}={name!r}: there is no such column to map.{nearest(field, spellings)} "
                f"The columns are: {', '.join(spellings)}."
            )
        if name not in table:
            raise DataError(
                f"{field}={name!r}: the table has no such column.{nearest(str(name), table)} Its columns are: {_names(table)}."
            )
        found[field] = name
    spelled = {spelling: field for field, several in spellings.items() for spelling in several}
    for name in table:
        field = spelled.get(spelling(name), "")
        if not field or field in columns or name in columns.values():
            continue
        if field in names and field in found:
            both = (found[field], name)
            found[field] = min(both, key=lambda one: spellings[field].index(spelling(one)))
            continue
        if field in found:
            raise DataError(
                f"Columns {found[field]!r} and {name!r} could both be {field}: say which, as in {field}={name!r}."
            )
        found[field] = name
    return found, tuple(name for name in table if name not in found.values())


def _names(table: Mapping[str, Any]) -> str:
    names = [shortened(name) for name in table]
    return f"{', '.join(names[:40])}{', …' if len(names) > 40 else ''}" or "none"


def _constants_of(table: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The mapped columns, and what was named for all rows instead of a column: measure="SMD", tau2_method="DL"."""
    constants = {
        field: name
        for field, name in columns.items()
        if isinstance(name, str)
        and name not in table
        and (
            (field == "measure" and _measure_key(name) in _SCALES)
            or (field == "tau2_method" and (_tau2_method_key(name) != "other" or name.upper() in TAU2))
        )
    }
    return {field: column for field, column in columns.items() if field not in constants}, constants


def _demand(found: Mapping[str, str], table: Mapping[str, Any], whole: bool, constant: bool) -> None:
    """DataError where a column is missing without which the others say nothing."""
    effect = whole or any(field in found for field in (*EFFECT, "ci", "se"))
    limits = whole or any(field in found for field in ("ci_low", "ci_high", "ci"))
    for field in REQUIRED:
        known = field in found or (field == "measure" and constant) or ("ci" in found and field.startswith("ci_"))
        if known or not (effect and (limits or not field.startswith("ci_"))):
            continue
        unused = [name for name in table if name not in found.values()]
        near = next((hint for word in SPELLINGS[field] if (hint := nearest(word, unused))), "")
        raise DataError(
            f"The table has no column for {field}.{near} Its columns are: {_names(table)}. "
            f"Rename one, or say which it is, as in {field}='name'."
        )
    if not any(field in found for field in SPELLINGS if field not in WORDS):
        raise DataError(
            f"The table has no column that an audit knows. Its columns are: {_names(table)}. Known are: {', '.join(SPELLINGS)}."
        )


def _split_intervals(cells: dict[str, list[str]], labels: Sequence[str], found: Mapping[str, str]) -> None:
    """Both limits from one cell, where they have no cells of their own."""
    for i, text in enumerate(cells["ci"]):
        if not text or (cells["ci_low"][i] and cells["ci_high"][i]):
            continue
        match = _LIMITS.fullmatch(text.translate(PLAINER)) if len(text) <= 100 else None
        if match is None:
            raise DataError(
                f"{found['ci']} is {shortened(text)!r} in {labels[i]}, which is not an interval: write it as 0.13 to 0.45."
            )
        cells["ci_low"][i], cells["ci_high"][i] = match["low"], match["high"]


def _parsed(text: str, field: str, column: str, label: str) -> Number:
    per_cent = field in {"i2", "ci_level"}
    one = number_of(text, column, label, per_cent=per_cent, count=field in COUNTS or per_cent)
    if not one.text:
        return one
    if one.bound and field not in PROBABILITIES:
        raise DataError(f"{column} is {text!r} in {label}: only p-values may be reported as bounds; leave it empty.")
    if field == "ci_level":
        value = one.value / 100.0 if one.value > 1 else one.value
        if not 0 < value < 1:
            raise DataError(f"{column} is {text!r} in {label}, but a level lies between 0 and 100 %: correct it.")
        return Number(one.text, value, one.decimals)
    lowest, highest, rule = RANGES.get(field, (-math.inf, math.inf, ""))
    if not lowest <= one.value <= highest:
        raise DataError(f"{column} is {text!r} in {label}, but {rule}: correct it, or leave the cell empty.")
    if field in WHOLE and one.value != math.floor(one.value):
        raise DataError(f"{column} is {text!r} in {label}, but it is a whole number: correct it.")
    return one


def _align_effects(numbers: dict[str, list[Number]], rows: int) -> None:
    """Give estimate and limits of a row the decimals of the widest: -0.1 beside -0.34 was printed as -0.10."""
    for i in range(rows):
        widest = max(numbers[field][i].decimals for field in EFFECT)
        for field in EFFECT:
            one = numbers[field][i]
            if one.text:
                text = f"{Decimal(one.text):.{widest}f}" if widest <= 15 else one.text
                numbers[field][i] = Number(text, one.value, widest)


def _measures(
    texts: Sequence[str], numbers: Mapping[str, list[Number]], labels: Sequence[str], column: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    keys = []
    for i, text in enumerate(texts):
        key = _measure_key(text)
        if key not in _SCALES and (text or any(numbers[field][i].text for field in EFFECT)):
            choices = f"{', '.join(_SCALES)}; GEN for any effect whose interval is symmetric as printed"
            raise DataError(
                f"{column} is {shortened(text)!r} in {labels[i]}.{nearest(text[:100], _SCALES)} It has to be one of: {choices}."
            )
        keys.append(key)
    return tuple(keys), tuple(_SCALES.get(key, "identity") for key in keys)


def _measure_key(text: str) -> str:
    return _SAME_MEASURE.get(re.sub(r"[^a-z]", "", text.lower()), text.upper())


def _tau2_method_key(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    return "DL" if plain in _DERSIMONIAN_LAIRD else "common" if plain in _COMMON else "other" if plain else ""


def _column(field: str, parts: Sequence[Number]) -> Printed:
    value = np.array([part.value for part in parts])
    decimals = np.array([float(part.decimals) for part in parts])
    if field in COUNTS or field == "ci_level":
        return joined(parts, Interval(value, value))
    low, high = printed(value, decimals)
    below, above = (np.array([part.bound == sign for part in parts]) for sign in "<>")
    low = np.where(below, 0.0, np.where(above, value, low))
    high = np.where(below, value, np.where(above, 1.0, high))
    possible = Interval(low, high)
    if field in PROBABILITIES:
        possible = clipped(possible, 0.0, 1.0)
    elif field in _NEVER_NEGATIVE:
        possible = clipped(possible, 0.0, np.inf)
    return joined(parts, possible)


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
