"""A check of an audit: one reported number held against what the others allow, row by row, and said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.rounding import Interval

Words = Callable[[int], str]


@dataclass(frozen=True)
class Check:
    """One check of every row.

    Parameters
    ----------
    key
        Its name.
    reported
        The number held against the others, as printed.
    possible
        What the others allow, on the scale on which the number is printed.
    apart
        How far the two lie apart: 0 where they agree, NaN where the row does not report what the check needs.
    distance
        The same in standard errors.
    subject, witness, reach
        Row to words: the number, what it is held against, and what that allows.
    unless
        What else could explain a number that does not fit, as it follows "look whether".
    excusable
        Where that cannot be ruled out, so that a number which does not fit is a doubt and no impossibility.
    allow
        The verb, as the witness has it.
    """

    key: str
    reported: Sequence[str]
    possible: Interval
    apart: FloatArray
    distance: FloatArray
    subject: Words
    witness: Words
    reach: Words
    unless: str = ""
    excusable: BoolArray | None = None
    allow: str = "allows"

    def doubtful(self, i: int) -> bool:
        """Whether a row's number does not fit, and may yet be right."""
        return bool(self.excusable is not None and self.apart[i] > 0 and self.excusable[i])

    def sentence(self, i: int) -> str:
        """The verdict on a row in words."""
        if self.apart[i] == 0:
            return f"{self.subject(i)} agrees with {self.witness(i).removesuffix(',')}, which {self.allow} {self.reach(i)}."
        if self.doubtful(i):
            held = f"{self.subject(i)} does not fit {self.witness(i).removesuffix(',')}, which {self.allow} {self.reach(i)}"
            return f"{held}: look whether {self.unless}."
        return f"{self.subject(i)} is impossible: {self.witness(i)} {self.allow} {self.reach(i)}."


def in_units(x: FloatArray, unit: FloatArray) -> FloatArray:
    """Counted in standard errors; 0 stays 0 where the standard error is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, x, x / unit)


def equals(name: str, text: str) -> str:
    """A number with its name: p = 0.03, or p < 0.001 where only a bound was printed."""
    return f"{name} {text[0]} {text[1:]}" if text[:1] in {"<", ">"} else f"{name} = {text}"


def spread(x: Interval, i: int, decimals: int) -> str:
    """One interval as text."""
    low, high = float(x.low[i]), float(x.high[i])
    if np.isinf(low) and np.isinf(high):
        return "anything"
    if np.isinf(high):
        return f"{_number(low, decimals)} or more"
    if np.isinf(low):
        return f"{_number(high, decimals)} or less"
    first, last = _number(low, decimals), _number(high, decimals)
    return first if first == last else f"{first} to {last}"


def _number(x: float, decimals: int) -> str:
    text = f"{x:.{min(decimals, 15)}f}"
    if float(text) != 0.0:
        return text
    return f"{x:.1g}" if 0.0 < x < 1e-4 else text.removeprefix("-")
