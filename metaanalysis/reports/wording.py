"""Numbers and names as the page prints them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from metaanalysis.effects import Effects
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.words import decimals_for, fixed, true_minus
from metaanalysis.results.text import number, p_value, per_cent

# Names longer than this are cut in tables; nobody reads on.
LONGEST_NAME = 120
# What no HTML document may hold: controls other than blanks, halves of characters, noncharacters.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Characters that turn the direction of all text that follows.
DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
NOT_AVAILABLE = "n/a"
NO_BREAK = "\u00a0"
RELATION = re.compile(r" ([=<]) ")


def printable(text: str) -> str:
    """The text with the replacement character for what no document may hold."""
    return UNPRINTABLE.sub("\ufffd", text)


def name_of(label: str) -> str:
    """A study's name on one line, cut where it is endless, that leaves the text around it as it is."""
    text = " ".join(printable(DIRECTIONS.sub("", str(label))).split()) or "(no name)"
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"


def with_short_names(text: str, labels: Iterable[str]) -> str:
    """A sentence of the library with endless names cut."""
    for label in sorted({str(label) for label in labels}, key=len, reverse=True):
        if len(label) > LONGEST_NAME:
            text = text.replace(label, name_of(label))
    return printable(text)


def counted(n: int, singular: str, plural: str = "") -> str:
    """As in "1 study", "13 studies"."""
    many = plural or (singular[:-1] + "ies" if singular.endswith("y") else singular + "s")
    return f"{n:,} {singular if n == 1 else many}"


def capital(text: str) -> str:
    """The sentence with its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def listed(names: Iterable[str]) -> str:
    """As in "a, b and c"."""
    several = list(names)
    return several[0] if len(several) == 1 else f"{', '.join(several[:-1])} and {several[-1]}"


def shown_p(p: float) -> str:
    """As "0.012" and "< 0.0001", for a column that is headed p."""
    return p_value(p).removeprefix("p ").removeprefix("= ")


def has_test(effects: Effects) -> bool:
    """Whether p says something: of one group's mean or proportion it would ask whether it is 0, or 0.5."""
    return effects.measure_entry.no_effect is not None


def share(x: float) -> str:
    """A percentage at one decimal."""
    return NOT_AVAILABLE if math.isnan(x) else f"{x:.1f}%"


def together(text: str) -> str:
    """A sentence in which no line ends within "p = 0.02", with true minus signs."""
    return true_minus(RELATION.sub(f"{NO_BREAK}\\1{NO_BREAK}", text))


def plain(x: float) -> str:
    """A number at four decimals, with a true minus."""
    return true_minus(number(x))


@dataclass(frozen=True)
class Wording:
    """How the estimates of one report are printed: all at the same decimals."""

    decimals: int
    ratio: bool
    level: float

    @property
    def ci(self) -> str:
        """As in "95% CI", on one line."""
        return f"{per_cent(self.level)}{NO_BREAK}CI"

    def one(self, x: float) -> str:
        """An estimate."""
        return fixed(x, self.decimals, self.ratio)

    def between(self, low: float, high: float) -> str:
        """An interval."""
        return NOT_AVAILABLE if math.isnan(low) or math.isnan(high) else f"{self.one(low)} to {self.one(high)}"

    def with_interval(self, estimate: float, low: float, high: float) -> str:
        """As in "0.49 (0.34 to 0.70)"."""
        if math.isnan(low) or math.isnan(high):
            return self.one(estimate)
        return f"{self.one(estimate)} ({self.between(low, high)})"


def wording_for(effects: Effects, level: float, pooled_low: float, pooled_high: float) -> Wording:
    """Decimals at which the pooled interval still shows two digits that count."""
    low, high = (effects.back_transform_each(x) for x in effects.interval(level))
    spans: FloatArray = high - low
    own = pooled_high - pooled_low
    width = own if math.isfinite(own) and own > 0 else math.nan
    decimals = decimals_for([width] if math.isfinite(width) else spans.tolist(), ratio=False)
    return Wording(decimals, effects.measure_entry.back == "exp", level)
