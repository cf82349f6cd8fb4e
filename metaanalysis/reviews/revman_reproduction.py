"""Review Manager's numbers beside the engine's own: every study, every pooled result, every test between subgroups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.text import number
from metaanalysis.reviews.revman import RevManReview

if TYPE_CHECKING:
    import pandas as pd

TOTAL = "Total"


class RevManRow(NamedTuple):
    """One of Review Manager's numbers and ours.

    ``part`` is the subgroup, ``Total`` for the whole analysis; ``study`` is empty for pooled numbers. ``revman`` is NaN where
    Review Manager calls it not estimable, ``ours`` where the engine does.
    """

    analysis: str
    part: str
    study: str
    statistic: str
    revman: float
    ours: float
    agrees: bool
    note: str = ""


@dataclass(frozen=True, eq=False)
class RevManReproduction:
    """A review of Review Manager computed again. Made by `reproduce`.

    Attributes
    ----------
    review
        The review.
    rows
        One row one of Review Manager's numbers.
    results
        The result of each analysis by its number: `Pooled`, or `Subgroups` where there are several.
    failures
        Analyses that could not be computed, with the reason.
    tolerance
        What agreement means: the difference is at most this, or this share of a number above 1. Weights and I², in per cent, may
        differ by 100 times as much; p-values by 1e-6 at least, as Review Manager's own are approximations.
    """

    review: RevManReview
    rows: tuple[RevManRow, ...]
    results: Mapping[str, Pooled | Subgroups]
    failures: Mapping[str, str]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether every number agrees and every analysis was computed."""
        return not self.failures and all(row.agrees for row in self.rows)

    @property
    def differing(self) -> tuple[RevManRow, ...]:
        """The numbers that differ."""
        return tuple(row for row in self.rows if not row.agrees)

    def to_frame(self) -> pd.DataFrame:
        """One row a number: analysis, part, study, statistic, revman, ours, difference, agrees, note."""
        import pandas as pd

        frame = pd.DataFrame(list(self.rows), columns=list(RevManRow._fields))
        frame.insert(6, "difference", frame.ours - frame.revman)
        return frame

    def summary(self) -> str:
        """Every pooled number beside ours, what differs in full, and the counts."""
        review = self.review
        lines = [f"{review.title or review.name} ({review.name})"]
        if review.doi:
            lines.append(f"doi:{review.doi}")
        by_analysis: dict[str, list[RevManRow]] = {}
        for row in self.rows:
            by_analysis.setdefault(row.analysis, []).append(row)
        for analysis in review.analyses:
            lines += ["", analysis.title, f"  {analysis.settings()}"]
            if analysis.id in self.failures:
                lines.append(f"  not computed: {self.failures[analysis.id]}")
            lines += analysis_lines(by_analysis.get(analysis.id, []))
        lines += ["", self.counts()]
        return "\n".join(lines)

    def counts(self) -> str:
        """How many numbers agree, in one sentence."""
        pooled = [row for row in self.rows if not row.study]
        studies = [row for row in self.rows if row.study]
        sentence = (
            f"{sum(row.agrees for row in pooled)} of {len(pooled)} pooled numbers and {sum(row.agrees for row in studies)} of "
            f"{len(studies)} numbers of studies agree with Review Manager's to {self.tolerance:g}."
        )
        if self.failures:
            sentence += f" {len(self.failures)} analyses were not computed."
        return sentence

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<RevManReproduction of {self.review.name!r}: {self.counts()}>"


def analysis_lines(rows: list[RevManRow]) -> Iterator[str]:
    """The pooled results of an analysis beside ours, and the numbers that differ."""
    parts = list(dict.fromkeys(row.part for row in rows if not row.study))
    width = min(max((len(part) for part in parts), default=0), 40)
    for part in parts:
        found = {row.statistic: row for row in rows if row.part == part and not row.study}
        if "estimate" in found:
            theirs, ours = (shown(found, which) for which in ("revman", "ours"))
            verdict = "agrees" if all(row.agrees for row in found.values()) else "DIFFERS"
            name = part if len(part) <= width else f"{part[: width - 1]}…"
            yield f"  {name:<{width}}  {theirs:<28}  ours {ours:<28}  {verdict}"
            yield from numbers_lines(found, width)
        elif "q_between" in found:
            between = found["q_between"]
            verdict = "agrees" if all(row.agrees for row in found.values()) else "DIFFERS"
            yield f"  {part}: Q {number(between.revman, 2)}, ours {number(between.ours, 2)}  {verdict}"
    of_studies = [row for row in rows if row.study]
    if of_studies:
        studies = len({(row.part, row.study) for row in of_studies})
        agreeing = sum(row.agrees for row in of_studies)
        yield f"  studies: {studies}, {agreeing} of {len(of_studies)} numbers agree"
    for row in [row for row in rows if not row.agrees][:20]:
        place = f"{row.study} ({row.part})" if row.study else row.part
        why = f": {row.note}" if row.note else ""
        yield f"    differs: {place}, {row.statistic} {row.revman:.10g}, ours {row.ours:.10g}{why}"
    left = sum(not row.agrees for row in rows) - 20
    if left > 0:
        yield f"    and {left} more numbers differ"


def shown(found: Mapping[str, RevManRow], which: str) -> str:
    """Estimate and interval."""
    values = [getattr(found[name], which) for name in ("estimate", "ci_low", "ci_high") if name in found]
    if not values or math.isnan(values[0]):
        return "not estimable"
    limits = f" ({number(values[1])} to {number(values[2])})" if len(values) == 3 else ""
    return f"{number(values[0])}{limits}"


def numbers_lines(found: Mapping[str, RevManRow], width: int) -> Iterator[str]:
    """Heterogeneity and the test, as ours say them."""
    names = {"q": "Q", "q_df": "df", "i2": "I²", "tau2": "tau²", "statistic": "Z"}
    parts = [
        f"{title} {found[name].ours:g}" if name == "q_df" else f"{title} {number(found[name].ours, 2)}"
        for name, title in names.items()
        if name in found
    ]
    if parts:
        yield f"  {'':<{width}}  {', '.join(parts)}"
