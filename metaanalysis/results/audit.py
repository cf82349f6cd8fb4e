"""The verdicts of an audit: which reported numbers agree with each other, and how far off the others are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What Markdown would take for markup, and what cannot be seen.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~]|&(?=#|\w+;))")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]+")
# Names longer than this are cut; nobody reads on.
_LONGEST = 120


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
        be possible; 0 where it is; for a mean without a standard deviation in steps between possible means, for weights in
        shares of the whole), ``sentence``, and ``doubtful`` for what can be true and should be looked at again (with
        ``how_far_off`` NaN where nothing is measured).
    level
        The level of the confidence intervals.
    analyses
        How many reported analyses were audited.
    ignored
        Columns of the table that were not read.
    title
        Over the page.
    subject
        What was audited, as in ``13 studies``; empty for reported analyses.
    remarks
        What else is to be said.
    """

    verdicts: pd.DataFrame
    level: float
    analyses: int
    ignored: tuple[str, ...] = ()
    title: str = "Audit of reported meta-analyses"
    subject: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def consistent(self) -> bool:
        """Whether all numbers can be true together."""
        return bool(self.verdicts["consistent"].all())

    @property
    def inconsistent(self) -> pd.DataFrame:
        """The verdicts on numbers that cannot be true together with the others, furthest off first."""
        failed = self.verdicts[~self.verdicts["consistent"].astype(bool)]
        return failed.sort_values("how_far_off", ascending=False, kind="stable").reset_index(drop=True)

    @property
    def doubtful(self) -> pd.DataFrame:
        """What can be true and should be looked at again, the least likely first."""
        found = self.verdicts[self.verdicts["doubtful"].astype(bool)]
        return found.sort_values("how_far_off", ascending=False, kind="stable").reset_index(drop=True)

    def summary(self) -> str:
        """The audit in words: what was checked, and what cannot be true, furthest off first."""
        lines = [f"Audit of {self.about()}: {self.outcome()}."]
        for rank, one in enumerate(self.inconsistent.to_dict("records"), start=1):
            lines += [
                "",
                f"{rank}. {where(one)}",
                f"   {one['sentence']}",
                f"   Off by {distance(one['how_far_off'])}.",
            ]
        doubtful = self.doubtful.to_dict("records")
        if doubtful:
            lines += ["", "To look at again:"]
            lines += [f"- {where(one)}: {one['sentence']}" for one in doubtful]
        lines += ["", *self.notes()]
        return "\n".join(lines).rstrip()

    def to_markdown(self) -> str:
        """One page of Markdown: what cannot be true, ranked, and then every check."""
        lines = [f"# {_cell(self.title)}", "", f"{_cell(capital(self.about()))}: {self.outcome()}.", ""]
        failed, doubtful = (found.to_dict("records") for found in (self.inconsistent, self.doubtful))
        if failed:
            lines += ["## What cannot be true", "", "| | Where | Why | Off by |", "|---|---|---|---|"]
            lines += [
                f"| {rank} | {_cell(where(one))} | {_cell(one['sentence'])} | {distance(one['how_far_off'])} |"
                for rank, one in enumerate(failed, start=1)
            ]
            lines += [""]
        if doubtful:
            lines += ["## To look at again", "", "| Where | What | Why |", "|---|---|---|"]
            lines += [f"| {_cell(where(one))} | {_cell(one['check'])} | {_cell(one['sentence'])} |" for one in doubtful]
            lines += [""]
        lines += ["## Every check", "", "| Where | Check | Verdict | In words |", "|---|---|---|---|"]
        lines += [
            f"| {_cell(where(one))} | {_cell(one['check'])} | {verdict(one)} | {_cell(one['sentence'])} |"
            for one in self.verdicts.to_dict("records")
        ]
        lines += ["", *(f"- {_cell(note)}" for note in self.notes())]
        return "\n".join(lines).rstrip() + "\n"

    def to_frame(self) -> pd.DataFrame:
        """A copy of the verdicts."""
        return self.verdicts.copy()

    def __str__(self) -> str:
        return self.summary()

    def about(self) -> str:
        """What was audited."""
        return self.subject or f"{self.analyses} reported {'analysis' if self.analyses == 1 else 'analyses'}"

    def outcome(self) -> str:
        """How many checks were made and failed."""
        checks, failed, doubts = len(self.verdicts), len(self.inconsistent), len(self.doubtful)
        if checks == 0:
            return "nothing to check, as no two of the numbers bear on each other"
        checks -= doubts
        made = f"{checks} {'check' if checks == 1 else 'checks'}"
        again = f"; {doubts} {'thing' if doubts == 1 else 'things'} to look at again" if doubts else ""
        if failed == 0:
            return f"{made}, everything testable is consistent{again}"
        rows = len(self.inconsistent[["row", "source", "outcome"]].drop_duplicates())
        one, several = ("study", "studies") if self.subject else ("analysis", "analyses")
        places = (
            ""
            if self.subject and not self.subject.endswith(several)
            else f" (in {rows} {one if rows == 1 else several})"
        )
        fails = "1 of which fails" if failed == 1 else f"{failed} of which fail"
        return f"{made}, {fails}{places}{again}"

    def notes(self) -> list[str]:
        """How it was read, and what was not."""
        notes = [
            "Every number may lie anywhere within its rounding. How far off a number is counts standard errors (normal deviates)."
        ]
        if not self.subject:
            notes[0] = (
                f"Intervals are read at {100 * self.level:g} %, symmetric on the scale of the analysis; every number may lie "
                "anywhere within its rounding. How far off a number is counts standard errors (normal deviates)."
            )
        notes += self.remarks
        if self.ignored:
            names = [name if len(name) <= 60 else f"{name[:59]}…" for name in self.ignored]
            notes.append(f"Columns not read: {', '.join(names)}.")
        return notes


def capital(text: str) -> str:
    """The first letter large."""
    return text[:1].upper() + text[1:]


def verdict(one: Mapping[Any, Any]) -> str:
    """A verdict in one word."""
    if one["doubtful"]:
        return "look again"
    return "consistent" if one["consistent"] else "**impossible**"


def where(one: Mapping[Any, Any]) -> str:
    """What a verdict is about: its outcome or study, row and source, as far as they are known."""
    row = f"row {one['row']}" if one["row"] else ""
    name, source = (_short(one[field]) for field in ("outcome", "source"))
    inside = "; ".join(part for part in (row, source) if part)
    if not name:
        return inside or "the table as a whole"
    return f"{name} ({inside})" if inside else name


def distance(value: float) -> str:
    """How far off, in words."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "any number of standard errors"
    return f"{value:.2g} standard errors"


def _short(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _cell(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(_INVISIBLE.sub(" ", text).split()))
