"""Values of results <-> what JSON has: every float to its last bit, NaN and infinity as words."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from metaanalysis.effects.labels import is_missing
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MOST = 100_000_000


def number_out(value: float) -> float | str:
    """A float as JSON has it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def numbers_out(values: FloatArray) -> list[float | str]:
    """An array of floats."""
    return [number_out(value) for value in np.asarray(values, dtype=np.float64).ravel().tolist()]


def cell_out(value: object) -> Any:
    """A cell of a user's table; what JSON has no kind for becomes text."""
    if is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating | decimal.Decimal):
        return number_out(float(value))
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


class Found:
    """A table of a document, read key by key: what is missing or of another kind is refused with its place.

    Parameters
    ----------
    content
        The table.
    place
        For messages.
    """

    def __init__(self, content: object, place: str) -> None:
        if not isinstance(content, dict):
            raise DataError(
                f"{place} is not a table of names and values, so that this is no result that to_json has written."
            )
        self.content: Mapping[str, Any] = content
        self.place = place

    def error(self, key: str, what: str) -> DataError:
        """An error about a key."""
        return DataError(f"{self.place}: {key} {what}.")

    def take(self, key: str) -> Any:
        """A value of any kind."""
        if key not in self.content:
            raise self.error(key, "is missing")
        return self.content[key]

    def table(self, key: str) -> Found:
        """A table of its own."""
        return Found(self.take(key), f"{self.place}, {key}")

    def text(self, key: str) -> str:
        """A text."""
        value = self.take(key)
        if not isinstance(value, str):
            raise self.error(key, "has to be a text")
        return value

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self.take(key)
        if not isinstance(value, bool):
            raise self.error(key, "has to be true or false")
        return value

    def whole(self, key: str) -> int:
        """A whole number."""
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, "has to be a whole number")
        return value

    def number(self, key: str) -> float:
        """A float."""
        return self._number(key, self.take(key))

    def _number(self, key: str, value: object) -> float:
        if isinstance(value, str) and value in WORDS:
            return WORDS[value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, "has to be a number")
        try:
            return float(value)
        except OverflowError:
            raise self.error(key, "is too large") from None

    def numbers(self, key: str, size: int | None = None) -> FloatArray:
        """An array of floats."""
        values = self.list(key, size)
        return np.array([self._number(key, value) for value in values], dtype=np.float64)

    def list(self, key: str, size: int | None = None) -> Sequence[Any]:
        """A list, of so many values where that is known."""
        values = self.take(key)
        if not isinstance(values, list):
            raise self.error(key, "has to be a list")
        if size is not None and len(values) != size:
            raise self.error(key, f"has {len(values)} values, but {size} are needed")
        return cast("Sequence[Any]", values)

    def texts(self, key: str, size: int | None = None) -> tuple[str, ...]:
        """A list of texts."""
        values = self.list(key, size)
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "has to be a list of texts")
        return tuple(values)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A list of pairs of texts."""
        values = self.list(key)
        if not all(isinstance(one, list) and len(one) == 2 and all(isinstance(t, str) for t in one) for one in values):
            raise self.error(key, "has to be a list of pairs of texts")
        return tuple((one[0], one[1]) for one in values)

    def rows(self, key: str, size: int | None, below: int) -> IntArray | None:
        """Numbers of rows; None where there are none."""
        if self.take(key) is None:
            return None
        values = self.list(key, size)
        if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < below for one in values):
            raise self.error(key, f"has to be a list of row numbers from 0 to {below - 1}")
        return np.array(values, dtype=np.intp)

    def truths(self, key: str, size: int) -> BoolArray | None:
        """A list of true and false; None where there is none."""
        if self.take(key) is None:
            return None
        values = self.list(key, size)
        if not all(isinstance(one, bool) for one in values):
            raise self.error(key, "has to be a list of true and false")
        return np.array(values, dtype=np.bool_)
