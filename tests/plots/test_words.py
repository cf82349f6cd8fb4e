"""Numbers and names as plots print them."""

from __future__ import annotations

import math

import pytest

from metaanalysis.plots.words import bracketed, column_texts, decimals_for, fixed, in_symbols, true_minus
from metaanalysis.plots.wrapping import in_lines, unbroken, wrap


@pytest.mark.parametrize(
    "x, decimals, ratio, expected",
    [
        (-0.5, 2, False, "−0.50"),
        (-0.001, 2, False, "−0.00"),
        (0.0, 2, False, "0.00"),
        (10000.0, 2, False, "10000.00"),
        (0.004, 2, True, "0.004"),
        (0.0049, 2, True, "0.005"),
        (0.0002, 2, True, "2.0×10⁻⁴"),
        (0.0, 2, True, "0.00"),
        (2.5e9, 2, True, "2.5×10⁹"),
        (math.inf, 2, True, "∞"),
        (-math.inf, 2, False, "−∞"),
        (math.nan, 2, False, "n/a"),
        (3e-11, 6, False, "3.0×10⁻¹¹"),
        (-3e15, 2, False, "−3.0×10¹⁵"),
    ],
)
def test_fixed(x: float, decimals: int, ratio: bool, expected: str) -> None:
    assert fixed(x, decimals, ratio) == expected


def test_intervals() -> None:
    assert bracketed(-0.3, 0.06, 2) == "[−0.30, 0.06]"
    assert bracketed(math.nan, 0.06, 2) == "n/a"


@pytest.mark.parametrize(
    "widths, expected", [([20.0], 2), ([0.8], 2), ([0.02, 0.03], 3), ([0.006], 4), ([], 2), ([1e-9], 6)]
)
def test_decimals(widths: list[float], expected: int) -> None:
    assert decimals_for(widths, ratio=False) == expected


@pytest.mark.parametrize(
    "values, expected",
    [
        ([4.0, 12.0], ["4", "12"]),
        ([4.5, 12.0], ["4.5", "12.0"]),
        ([1 / 3, 2.0], ["0.33", "2.00"]),
        ([-1.0, math.nan], ["−1", ""]),
        ([0.00012, 0.0003], ["0.00012", "0.00030"]),
        ([88391.0], ["88391"]),
        ([0.0], ["0"]),
        ([], []),
    ],
)
def test_columns_share_their_decimals(values: list[float], expected: list[str]) -> None:
    assert column_texts(values) == expected


def test_minus_signs_are_not_hyphens_of_words() -> None:
    assert (
        true_minus("z = -4.00, Random-effects, 1997-2001, COVID-19") == "z = −4.00, Random-effects, 1997-2001, COVID-19"
    )
    said = in_symbols("tau² = 9.94e+07; Q = 1.20, df = 3 (p < 0.0001)").replace("\u00a0", " ")
    assert said == "τ² = 9.94×10⁷; Q = 1.20, df = 3 (p < 0.0001)"


def wide(text: str) -> float:
    return float(len(text))


def test_wrapping() -> None:
    assert wrap("one two three", 7, wide) == ("one two", "three")
    assert wrap("Frimodt-Moller 1973", 9, wide) == ("Frimodt-", "Moller", "1973")
    assert wrap("  blanks \n and   lines ", 99, wide) == ("blanks and lines",)
    assert wrap("abcdefghij", 4, wide) == ("abcd", "efgh", "ij")
    assert wrap("one two three four", 6, wide, most=2) == ("one", "two t…")
    assert wrap(f"tau = 0.3; {unbroken('Q = 12.20')}", 10, wide) == ("tau = 0.3;", "Q = 12.20")
    assert wrap("", 4, wide) == ("",)
    # An accent stays with its letter.
    assert wrap("e\u0301" * 4, 4, wide) == ("e\u0301e\u0301", "e\u0301e\u0301")


def test_wrapping_into_a_number_of_lines() -> None:
    assert in_lines("Favours no vaccination", 2, wide) == ("Favours no", "vaccination")
    assert in_lines("Favours no vaccination", 1, wide) == ("Favours no vaccination",)
