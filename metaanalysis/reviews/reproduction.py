"""Printed numbers beside the engine's own: what agrees, what does not, what was not attempted, and how that is said."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.review import STATISTICS, Analysis, Review

if TYPE_CHECKING:
    import pandas as pd

PRINTED = "printed in the publication"
_WIDTH = 110


@dataclass(frozen=True)
class Row:
    """One printed number and ours, or one check of an audit.

    Parameters
    ----------
    review, analysis, statistic, part
        Which number it is; ``part`` is its subgroup, coefficient or component. In an audit the analysis is the outcome and the
        statistic the check.
    printed, ours
        As printed, and ours at the same decimals; in an audit what the other reported numbers allow.
    value
        Ours in full; NaN where there is none.
    agrees, expected
        Whether the two agree, and whether they should: a misprint of the paper should not.
    evidence, where, note
        What is known of the printed number, where it stands, and what there is to say of it.
    missing
        What the engine lacks to compute it; empty where it was computed.
    audited
        Whether the row is a check of an audit.
    """

    review: str
    analysis: str
    statistic: str
    part: str
    printed: str
    ours: str
    value: float
    agrees: bool
    expected: bool
    evidence: str
    where: str
    note: str = ""
    missing: str = ""
    audited: bool = False

    @property
    def attempted(self) -> bool:
        """Whether the engine computed the number."""
        return not self.missing

    @property
    def ok(self) -> bool:
        """Whether it agrees where it should and differs where that is on record; also where it was not attempted."""
        return not self.attempted or self.agrees == self.expected

    @property
    def verdict(self) -> str:
        """The row's verdict in words."""
        if self.missing:
            return f"not attempted: needs {self.missing}"
        if self.agrees:
            return "agrees" if self.expected else "AGREES, though recorded as a discrepancy"
        return "DIFFERS" if self.expected else "differs, as recorded"


@dataclass(frozen=True, eq=False)
class Reproduction:
    """A published review computed again. Made by `reproduce`.

    Attributes
    ----------
    review
        The review.
    rows
        One row a printed number, or, where only summaries were published, one row a check of the audit.
    results
        The result of each analysis by its id; analyses that were not attempted are not in it.
    audits
        The audit of reported results, and those of tests for subgroup differences; empty where studies were pooled.
    """

    review: Review
    rows: tuple[Row, ...]
    results: Mapping[str, Pooled | Subgroups | Regression]
    audits: tuple[Audit, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every number agrees that should."""
        return all(row.ok for row in self.rows)

    def to_frame(self) -> pd.DataFrame:
        """One row a printed number or check, with the fields of `Row` and its verdict."""
        import pandas as pd

        names = list(Row.__dataclass_fields__)
        frame = pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)
        return frame.assign(verdict=[row.verdict for row in self.rows])

    def summary(self) -> str:
        """Every printed number beside ours."""
        review = self.review
        lines = [f"{review.title} ({review.name})", *_wrapped(f"{review.citation}. doi:{review.doi}", "")]
        if review.kind == "reported":
            lines += self._audit_lines()
        else:
            for analysis in review.analyses:
                lines += self._analysis_lines(analysis)
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def _analysis_lines(self, analysis: Analysis) -> list[str]:
        lines = ["", *_wrapped(f"{analysis.id}: {analysis.title}", "  ")]
        result = self.results.get(analysis.id)
        if result is not None:
            left_out = result.overall.effects.left_out if isinstance(result, Subgroups) else result.effects.left_out
            if left_out:
                named = "; ".join(f"{label} ({reason})" for label, reason in left_out)
                lines += _wrapped(f"left out: {named}", "    ")
        rows = [row for row in self.rows if row.analysis == analysis.id]
        if not rows:
            lines += _wrapped(f"no printed number on record; ours: {_in_short(result)}", "    ")
        width = max((len(_name(row)) for row in rows), default=0)
        for (where, evidence, note), block in groupby(rows, lambda row: (row.where, row.evidence, row.note)):
            lines += _wrapped(f"{where} [{evidence}]", "    ")
            for row in block:
                ours = f"ours {row.ours:>10}   " if row.attempted else ""
                lines.append(f"      {_name(row):<{width}}  printed {row.printed:>10}   {ours}{row.verdict}")
            lines += _wrapped(f"note: {note}", "      ") if note else []
        return lines

    def _audit_lines(self) -> list[str]:
        record = self.review.audit
        lines = ["", *_wrapped("The data of the studies were never published: the reported numbers are audited.", "  ")]
        lines += _wrapped(f"note: {record.note}", "  ") if record.note else []
        for outcome, block in groupby(self.rows, lambda row: row.analysis):
            checks = list(block)
            odd = [row for row in checks if not (row.agrees and row.expected)]
            made = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}"
            lines += _wrapped(f"{outcome}: {made}{'' if odd else ', consistent'}", "    ")
            for row in odd:
                lines += _wrapped(
                    f"{row.note or f'{row.statistic} {row.printed}, ours {row.ours}:'} {row.verdict}.", "      "
                )
        for test, answer in zip(record.subgroups, self.audits[1:], strict=True):
            lines += _wrapped(f"test for subgroup differences, {test.outcome} by {test.by}:", "    ")
            for one in answer.verdicts[answer.verdicts["row"] == 0].to_dict("records"):
                lines += _wrapped(str(one["sentence"]), "      ")
        return lines


@dataclass(frozen=True)
class Tally:
    """How many of the printed numbers agree, over any number of reviews."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether every number agrees that should."""
        return all(row.ok for row in self.rows)

    def summary(self) -> str:
        """Agreement by evidence, what was not attempted, the audits, and the closing line."""
        numbers = [row for row in self.rows if not row.audited]
        checks = [row for row in self.rows if row.audited]
        missing = Counter(row.missing for row in numbers if row.missing)
        lines = []
        if numbers:
            lines.append("Agreement by evidence:")
            # What was seen in print comes first.
            for evidence in sorted({row.evidence for row in numbers}, key=lambda name: (name != PRINTED, name)):
                of = [row for row in numbers if row.evidence == evidence]
                lines.append(f"  {_agreeing(of) + ' agree':<20} {evidence}")
        if missing:
            needs = "; ".join(f"{count} need {what}" for what, count in missing.most_common())
            lines += _wrapped(f"Not attempted, for lack of a method: {missing.total()} printed numbers ({needs}).", "")
        if checks:
            apart = _apart(checks, "recorded inconsistency", "recorded inconsistencies")
            lines.append(f"Audit: {_agreeing(checks)} checks of reported numbers are consistent{apart}.")
        if numbers:
            apart = _apart(
                numbers, "recorded discrepancy of a paper", "recorded discrepancies of the papers", evidence=True
            )
            lines.append(f"{_agreeing(numbers)} printed numbers agree{apart}")
        return "\n".join(lines)


def tally(reproductions: Iterable[Reproduction]) -> Tally:
    """The rows of several reviews together."""
    return Tally(tuple(row for one in reproductions for row in one.rows))


def _agreeing(rows: Iterable[Row]) -> str:
    due = [row for row in rows if row.attempted and row.expected]
    return f"{sum(row.agrees for row in due)} of {len(due)}"


def _apart(rows: Sequence[Row], one: str, many: str, evidence: bool = False) -> str:
    """How many were seen in print, and what does not enter the count, in brackets."""
    seen = sum(row.ok and row.attempted and row.expected and row.evidence == PRINTED for row in rows)
    recorded = sum(row.attempted and not row.expected and not row.agrees for row in rows)
    surprises = sum(row.attempted and not row.expected and row.agrees for row in rows)
    missing = sum(not row.attempted for row in rows)
    parts = [
        f"{seen} of them seen in print, the others as stated above" if evidence else "",
        f"{recorded} {one if recorded == 1 else many} apart" if recorded else "",
        f"{surprises} ON RECORD AS DIFFERENT THAT ARE NOT" if surprises else "",
        f"{missing} not attempted" if missing else "",
    ]
    said = "; ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _name(row: Row) -> str:
    """What the number is, in words."""
    return STATISTICS[row.statistic] + (f" of {row.part}" if row.part else "")


def _in_short(result: Pooled | Subgroups | Regression | None) -> str:
    if result is None:
        return "not attempted"
    if isinstance(result, Regression):
        return f"{len(result.names)} coefficients, k = {result.k}"
    fit = result.overall if isinstance(result, Subgroups) else result
    estimate, low, high, *_ = fit.back_transformed()
    return f"{fit.measure} {estimate:.2f} ({100 * fit.level:g}% CI {low:.2f} to {high:.2f}), k = {fit.k}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or [indent]
