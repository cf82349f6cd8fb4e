"""Which rows are left out of millions, and why: kept as codes, said in words when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from metaanalysis.effects.checks import StudyData
from metaanalysis.formulas.arrays import BoolArray, IntArray


@dataclass
class Reasons:
    """Why rows are left out: 0 in `codes` for those that are kept, else the place of the reason, counted from 1.

    A reason is a sentence, or a function from the row to one.
    """

    codes: IntArray
    reasons: list[str | Callable[[int], str]] = field(default_factory=list)

    @staticmethod
    def none(rows: int) -> Reasons:
        """Nobody left out of so many rows."""
        return Reasons(np.zeros(rows, dtype=np.intp))

    def leave_out(self, bad: BoolArray, why: str | Callable[[int], str]) -> None:
        """Leave rows out that are not yet."""
        also = bad & (self.codes == 0)
        if also.any():
            self.reasons.append(why)
            self.codes[also] = len(self.reasons)

    def sentence(self, row: int) -> str:
        """Why a row is left out."""
        why = self.reasons[int(self.codes[row]) - 1]
        return why if isinstance(why, str) else why(row)

    @property
    def any(self) -> bool:
        """Whether any row is left out."""
        return bool(self.reasons)

    @property
    def kept(self) -> BoolArray:
        """The rows that are not."""
        return np.asarray(self.codes == 0)

    @property
    def rows(self) -> IntArray:
        """Those that are, in their order."""
        return np.flatnonzero(self.codes) if self.any else np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Collecting(StudyData):
    """Data whose impossible rows are left out with the reason, where one meta-analysis alone would be refused."""

    reasons: Reasons = field(default_factory=lambda: Reasons.none(0))

    def refuse(self, bad: BoolArray, sentence: Callable[[int], str], remedy: str) -> None:
        """Leave the rows out instead."""
        del remedy
        rows = self.rows_of(bad)
        if rows.size:
            this = np.zeros(bad.shape, dtype=np.bool_)
            this[rows] = True
            self.reasons.leave_out(this, sentence)
            np.logical_and(self.complete, ~this, out=self.complete)


def shown_reasons(reasons: Reasons, named: Callable[[int], str], most: int = 3) -> str:
    """The first few rows that were left out, for a warning."""
    rows: Sequence[int] = reasons.rows[:most].tolist()
    return "; ".join(f"{named(row)}: {reasons.sentence(row)}" for row in rows)
