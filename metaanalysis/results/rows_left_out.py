"""Which rows of a table of many meta-analyses were left out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaanalysis.formulas.arrays import IntArray


@dataclass(frozen=True)
class RowsLeftOut:
    """The rows that were left out, in their order: which (from 0), the group of each, why (a function of the row), their labels."""

    rows: IntArray
    groups: IntArray
    reason: Callable[[int], str] = field(repr=False)
    shown_rows: IntArray | None = None
    label: Sequence[str] = field(default=(), repr=False)

    def __len__(self) -> int:
        return int(self.rows.size)

    def __reduce__(self) -> tuple[Any, ...]:
        """The reasons as sentences: the functions that make them know the whole table, and can't be pickled."""
        said = Said({row: self.reason(row) for row in self.rows.tolist()})
        return RowsLeftOut, (self.rows, self.groups, said, self.shown_rows, tuple(self.label))


@dataclass(frozen=True)
class Said:
    """Reasons by row."""

    reasons: Mapping[int, str]

    def __call__(self, row: int) -> str:
        """The reason of a row."""
        return self.reasons[row]
