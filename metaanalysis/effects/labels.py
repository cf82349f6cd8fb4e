"""The studies' labels, read from the user's column only when somebody asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np

from metaanalysis.formulas.arrays import IntArray

if TYPE_CHECKING:
    import narwhals as nw


def is_missing(value: object) -> bool:
    """None, NaN, NaT, pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        # pandas' NA refuses to be a truth value, and is the only scalar that does.
        return True


def label_of(value: object, row: int) -> str:
    """A label as text; "Study 3" where row 2 (counted from 0) has none."""
    return f"Study {row + 1}" if is_missing(value) else str(value)


class Labels(Sequence[str]):
    """Labels of studies: reads like a tuple of texts, without a text a study being made.

    Parameters
    ----------
    source
        The column that holds them, or the texts themselves; None for "Study 1", "Study 2", ….
    rows
        Which rows of the table they belong to; a number for that many from the first.
    placed
        Says where a row of the table stands, as in "row 3 of scores.parquet", where its number says nothing.
    """

    __slots__ = ("_placed", "_rows", "_source", "_texts")

    def __init__(
        self,
        source: nw.Series[Any] | Sequence[str] | None,
        rows: IntArray | int,
        placed: Callable[[int], str] | None = None,
    ) -> None:
        self._source = source
        self._placed = placed
        self._rows: range | IntArray = rows if isinstance(rows, np.ndarray) else range(rows)
        self._texts: tuple[str, ...] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them."""
        if self._texts is None:
            rows = self._rows.tolist() if isinstance(self._rows, np.ndarray) else self._rows
            if self._source is None:
                self._texts = tuple(f"Study {row + 1}" for row in rows)
            else:
                self._texts = tuple(map(label_of, self._values(self._source), rows))
        return self._texts

    def _values(self, source: nw.Series[Any] | Sequence[str]) -> list[Any]:
        """What the column holds in the rows, in one look: one by one, a column of a frame takes long."""
        if isinstance(source, tuple | list):
            return [source[row] for row in self._rows]
        column: Any = source
        return list(column.to_list() if isinstance(self._rows, range) else column[self._rows].to_list())

    @property
    def are_given(self) -> bool:
        """Whether they are the user's, and not "Study 1", "Study 2", …."""
        return self._source is not None

    def take(self, at: IntArray) -> Labels:
        """Those at some places, in that order."""
        return Labels(self._source, np.asarray(at) if isinstance(self._rows, range) else self._rows[at], self._placed)

    def row(self, at: int) -> int:
        """The row of the table that the study at a place comes from, counted from 0."""
        return int(self._rows[at])

    def place(self, row: int) -> str | None:
        """Where a study's row stands, for a message; None where its number says it."""
        if self._placed is None:
            return None
        who = f"study '{self[row]}' ({{}})" if self.are_given else "{}"
        return f"in {who.format(self._placed(int(self._rows[row])))}"

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[str, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice) -> str | tuple[str, ...]:
        if isinstance(key, slice):
            return self.texts[key]
        if self._texts is not None:
            return self._texts[key]
        row = int(self._rows[key])
        return label_of(None if self._source is None else self._source[row], row)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __contains__(self, value: object) -> bool:
        return value in self.texts

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels | tuple):
            return len(self) == len(other) and self.texts == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.texts)

    def __add__(self, other: tuple[str, ...] | Labels) -> tuple[str, ...]:
        return self.texts + tuple(other)

    def __radd__(self, other: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(other) + self.texts

    def __repr__(self) -> str:
        shown = ", ".join(repr(self[place]) for place in range(min(len(self), 5)))
        return f"<Labels: {shown}{', …' if len(self) > 5 else ''} ({len(self)} in all)>"
