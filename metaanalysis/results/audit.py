"""The verdicts of an audit: which reported numbers agree with each other, and how far off the others are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Audit:
    """Whether the numbers of a table of reported meta-analyses can all be true together.

    Parameters
    ----------
    verdicts
        One row a check: ``row`` (of the table, from 1; 0 for what concerns the whole table), ``source``, ``outcome``,
        ``check``, ``reported`` (as printed), ``possible_low`` and ``possible_high`` (what the other numbers allow, on the
        scale on which the number is printed; for ``smallest standard error`` the standard errors that are possible),
        ``consistent``, ``how_far_off`` (in standard errors: by how many normal deviates a number would have to move to
        be possible; 0 where it is) and ``sentence``.
    level
        The level of the confidence intervals.
    analyses
        How many reported analyses were audited.
    ignored
        Columns of the table that were not read.
    """

    verdicts: pd.DataFrame
    level: float
    analyses: int
    ignored: tuple[str, ...] = ()

    @property
    def consistent(self) -> bool:
        """Whether all numbers can be true together."""
        return bool(self.verdicts["consistent"].all())

    @property
    def inconsistent(self) -> pd.DataFrame:
        """The verdicts on numbers that cannot be true together with the others, furthest off first."""
        failed = self.verdicts[~self.verdicts["consistent"].astype(bool)]
        return failed.sort_values("how_far_off", ascending=False, kind="stable").reset_index(drop=True)

    def summary(self) -> str:
        """The audit in words: what was checked, and what cannot be true, furthest off first."""
        lines = [f"Audit of {self._subject()}: {self._outcome()}."]
        for rank, one in enumerate(self.inconsistent.to_dict("records"), start=1):
            lines += [
                "",
                f"{rank}. {_where(one)}",
                f"   {one['sentence']}",
                f"   Off by {_distance(one['how_far_off'])}.",
            ]
        lines += ["", *self._notes()]
        return "\n".join(lines).rstrip()

    def to_markdown(self) -> str:
        """One page of Markdown: what cannot be true, ranked, and then every check."""
        lines = ["# Audit of reported meta-analyses", "", f"{self._subject().capitalize()}: {self._outcome()}.", ""]
        failed = self.inconsistent.to_dict("records")
        if failed:
            lines += ["## What cannot be true", "", "| | Analysis | Why | Off by |", "|---|---|---|---|"]
            lines += [
                f"| {rank} | {_cell(_where(one))} | {_cell(one['sentence'])} | {_distance(one['how_far_off'])} |"
                for rank, one in enumerate(failed, start=1)
            ]
            lines += [""]
        lines += ["## Every check", "", "| Analysis | Check | Verdict | In words |", "|---|---|---|---|"]
        lines += [
            f"| {_cell(_where(one))} | {_cell(one['check'])} | {'consistent' if one['consistent'] else '**impossible**'} "
            f"| {_cell(one['sentence'])} |"
            for one in self.verdicts.to_dict("records")
        ]
        lines += ["", *(f"- {note}" for note in self._notes())]
        return "\n".join(lines).rstrip() + "\n"

    def to_frame(self) -> pd.DataFrame:
        """A copy of the verdicts."""
        return self.verdicts.copy()

    def __str__(self) -> str:
        return self.summary()

    def _subject(self) -> str:
        return f"{self.analyses} reported {'analysis' if self.analyses == 1 else 'analyses'}"

    def _outcome(self) -> str:
        checks, failed = len(self.verdicts), len(self.inconsistent)
        if checks == 0:
            return "nothing to check, as no two of the numbers bear on each other"
        made = f"{checks} {'check' if checks == 1 else 'checks'}"
        if failed == 0:
            return f"{made}, everything testable is consistent"
        rows = self.inconsistent["row"].nunique()
        fails = "1 of which fails" if failed == 1 else f"{failed} of which fail"
        return f"{made}, {fails} (in {rows} {'analysis' if rows == 1 else 'analyses'})"

    def _notes(self) -> list[str]:
        notes = [
            f"Intervals are read at {100 * self.level:g} %, symmetric on the scale of the analysis; every number may lie "
            "anywhere within its rounding. How far off a number is counts standard errors (normal deviates)."
        ]
        if self.ignored:
            notes.append(f"Columns not read: {', '.join(self.ignored)}.")
        return notes


def _where(one: Mapping[Any, Any]) -> str:
    """The analysis that a verdict is about: its outcome, row and source, as far as they are known."""
    row = f"row {one['row']}" if one["row"] else ""
    name = str(one["outcome"] or "")
    inside = "; ".join(part for part in (row, str(one["source"] or "")) if part)
    if not name:
        return inside or "the table as a whole"
    return f"{name} ({inside})" if inside else name


def _distance(value: float) -> str:
    if math.isinf(value):
        return "any number of standard errors"
    return f"{value:.2g} standard errors"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
