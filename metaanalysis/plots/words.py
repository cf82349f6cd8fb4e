"""Numbers as a plot prints them: fixed decimals, a true minus sign, nothing that shows as zero but is not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.wrapping import NO_BREAK

MINUS = "\u2212"
MOST_DECIMALS = 6
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# A hyphen that is the sign of a number, and not one within a word or a range.
_SIGN = re.compile(r"(?<![\w.)\]])-(?=\.?\d|infinite)")


def true_minus(text: str) -> str:
    """The text with the hyphens before numbers as minus signs."""
    return _SIGN.sub(MINUS, text)


def power_of_ten(x: float, digits: int = 1) -> str:
    """As in "1.2×10⁷"; "10⁷" where the factor is 1 and no digits are asked for."""
    mantissa, exponent = f"{x:.{digits}e}".split("e")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return true_minus(power if digits == 0 and mantissa == "1" else f"{mantissa}×{power}")


def fixed(x: float, decimals: int, ratio: bool = False) -> str:
    """A number at fixed decimals. Ratios that would show as zero, and numbers too long to read, keep a digit that counts."""
    if math.isnan(x):
        return "n/a"
    if math.isinf(x):
        return "∞" if x > 0 else MINUS + "∞"
    smallest = 0.5 * 10.0**-decimals
    if abs(x) >= 10.0 ** ((8 if ratio else 12) - decimals):
        return power_of_ten(x)
    if 0.0 < abs(x) < smallest and (ratio or decimals >= MOST_DECIMALS):
        return f"{x:.{decimals + 1}f}" if ratio and x >= 0.1 * smallest else power_of_ten(x)
    return true_minus(f"{x:.{decimals}f}")


def bracketed(low: float, high: float, decimals: int, ratio: bool = False) -> str:
    """As in "[0.13, 1.26]"."""
    if math.isnan(low) or math.isnan(high):
        return "n/a"
    return f"[{fixed(low, decimals, ratio)}, {fixed(high, decimals, ratio)}]"


def decimals_for(widths: Iterable[float], ratio: bool) -> int:
    """Decimals at which an interval of the typical width shows two digits that count: 2, or more where it is narrow."""
    finite = [w for w in widths if math.isfinite(w) and w > 0]
    if ratio or not finite:
        return 2
    typical = float(np.median(np.array(finite)))
    return min(max(2, 1 - math.floor(math.log10(typical))), MOST_DECIMALS)


def column_texts(values: Sequence[float] | FloatArray, most: int = 2) -> list[str]:
    """A column of numbers with the same decimals throughout: as many as the data have, `most` at most; "" where missing."""
    numbers = [float(value) for value in values]
    finite = [x for x in numbers if math.isfinite(x)]
    decimals = next((d for d in range(most) if all(round(x, d) == x for x in finite)), most)
    if decimals == most and 0 < max(abs(x) for x in finite) < 10.0 ** (1 - most):
        decimals = decimals_for([max(abs(x) for x in finite)], ratio=False)
    return ["" if math.isnan(x) else fixed(x, decimals) for x in numbers]


def in_symbols(sentence: str) -> str:
    """A sentence of a summary as a figure prints it; no line ends within "p = 0.02"."""
    sentence = re.sub(r"\d+(\.\d+)?e[+-]\d+", lambda found: power_of_ten(float(found[0]), 2), sentence)
    sentence = true_minus(re.sub(r"\btau²", "τ²", sentence))
    return re.sub(r" ([=<]) ", f"{NO_BREAK}\\1{NO_BREAK}", sentence)


def short_p(p: float) -> str:
    """As in "0.012" and "<0.001"; "" where there is none."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def with_thousands(x: float) -> str:
    """As in "12 000": a count with thin blanks between thousands."""
    return true_minus(f"{x:,.10g}".replace(",", "\u2009") if abs(x) >= 1e4 else f"{x:.10g}")


def per_cent_text(share: float) -> str:
    """A share in whole per cent; what is not zero does not show as zero, nor what is not everything as everything."""
    if math.isnan(share):
        return "–"
    percent = 100.0 * share
    if 0.0 < percent < 0.5:
        return "<1"
    return ">99" if 99.5 <= percent < 100.0 else f"{percent:.0f}"
