"""A review as Review Manager holds it: comparisons, outcomes, subgroups and studies, its settings and its own results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metaanalysis.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.effects import Effects
    from metaanalysis.results import Pooled, Subgroups

KINDS = ("dichotomous", "continuous", "generic", "o-e", "other")
TOTALS = ("overall", "subgroups", "none")


@dataclass(frozen=True)
class RevManResult:
    """A pooled result as Review Manager holds it: of an analysis or of one of its subgroups.

    Parameters
    ----------
    estimable
        Whether there is one; None where the file does not say.
    estimate, ci_low, ci_high
        As displayed: of ratios on the ratio scale.
    statistic, p_value
        Z without its sign, and its p.
    q, q_df, q_p_value, i2, tau2
        Heterogeneity; I² in per cent.
    weight
        Of the subgroup in the analysis, in per cent.
    k
        The number of studies, those that are not estimable included.
    n1, n2, events1, events2
        Totals of the two groups.
    """

    estimable: bool | None
    estimate: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    statistic: float = math.nan
    p_value: float = math.nan
    q: float = math.nan
    q_df: float = math.nan
    q_p_value: float = math.nan
    i2: float = math.nan
    tau2: float = math.nan
    weight: float = math.nan
    k: float = math.nan
    n1: float = math.nan
    n2: float = math.nan
    events1: float = math.nan
    events2: float = math.nan


NO_RESULT = RevManResult(estimable=None)


@dataclass(frozen=True)
class SubgroupDifferences:
    """Review Manager's test for subgroup differences: Q, its degrees of freedom and p, and I² in per cent."""

    q: float = math.nan
    df: float = math.nan
    p_value: float = math.nan
    i2: float = math.nan


@dataclass(frozen=True)
class RevManSubgroup:
    """A subgroup of an analysis: its number, its name and Review Manager's result."""

    number: int
    name: str
    result: RevManResult = NO_RESULT


@dataclass(frozen=True)
class RevManAnalysis:
    """An outcome of a comparison: how its authors had it analysed, and Review Manager's results.

    Parameters
    ----------
    id
        Comparison and outcome, such as ``1.2``.
    comparison, outcome
        Their numbers.
    comparison_name, name
        Their titles.
    kind
        ``dichotomous``, ``continuous``, ``generic`` (estimates with standard errors), ``o-e`` (observed minus expected events and
        their variance) or ``other``.
    measure
        The measure by our name; ``GEN`` for a generic estimate that has no other. Empty for other data.
    effect_measure
        The measure in the words of the file.
    log_scale
        Whether it is analysed on the log scale and displayed on the ratio scale.
    method, model
        As for `pool`.
    tau2, ci
        As for `pool`; ``DL`` and ``wald`` in Review Manager 5.
    study_level, level
        Of the studies' intervals and of the pooled ones.
    totals
        What is pooled: ``overall``, ``subgroups`` alone, or ``none``.
    subgroup_test
        Whether the test for subgroup differences was asked for.
    swapped
        Whether events and non-events were swapped.
    groups
        The labels of the two groups.
    result, subgroups, differences
        Review Manager's own.
    """

    id: str
    comparison: int
    outcome: int
    comparison_name: str
    name: str
    kind: str
    measure: str = ""
    effect_measure: str = ""
    log_scale: bool = False
    method: str = "inverse-variance"
    model: str = "common"
    tau2: str = "DL"
    ci: str = "wald"
    study_level: float = 0.95
    level: float = 0.95
    totals: str = "overall"
    subgroup_test: bool = True
    swapped: bool = False
    groups: tuple[str, str] = ("", "")
    result: RevManResult = NO_RESULT
    subgroups: tuple[RevManSubgroup, ...] = ()
    differences: SubgroupDifferences = field(default_factory=SubgroupDifferences)

    @property
    def title(self) -> str:
        """Comparison and outcome in one line."""
        return f"{self.id} {self.name}"

    def settings(self) -> str:
        """How it was analysed, in words."""
        if self.kind == "other":
            return "other data, not pooled"
        from metaanalysis.effects import measure_named

        words = {"inverse-variance": "inverse variance", "mantel-haenszel": "Mantel-Haenszel", "peto": "Peto"}
        title = measure_named(self.measure).title if self.measure != "GEN" else self.effect_measure or "effect"
        parts = [title, words[self.method], f"{self.model} effect{'s' * self.random}"]
        if self.random and (self.tau2, self.ci) != ("DL", "wald"):
            parts.append(f"tau² by {self.tau2}, {self.ci} interval")
        if self.swapped:
            parts.append("events swapped")
        if self.totals != "overall":
            parts.append("no totals" if self.totals == "none" else "subgroups alone")
        return ", ".join(parts)

    @property
    def random(self) -> bool:
        """Whether the model is that of random effects."""
        return self.model == "random"


@dataclass(frozen=True, eq=False)
class RevManReview:
    """A Cochrane review as Review Manager holds it. Made by `read_revman`; `reproduce` computes it again.

    Attributes
    ----------
    name
        The file's.
    title, doi
        Of the review, where the file has them.
    source
        Which of Review Manager's formats it was read from.
    analyses
        Every outcome of every comparison, with its settings and Review Manager's results.
    studies
        One row a study in an analysis: ``analysis comparison outcome subgroup_number subgroup study year``, the data as they were
        entered (``events1 n1 events2 n2 mean1 sd1 mean2 sd2 y se o_minus_e variance``, as far as the review has them), and what
        Review Manager made of them: ``effect ci_low ci_high`` as displayed, ``weight`` in per cent, ``estimable``.
        ``in_subgroup`` and ``in_total`` tell what the row counts in. A standard deviation or standard error of 0 is a cell that
        was not filled in, and missing here.
    other
        Other data: analysis, subgroup, study and the texts of its columns.
    decimals
        The most decimals that the file has of a result: what its numbers can be held to.
    """

    name: str
    title: str
    doi: str
    source: str
    analyses: tuple[RevManAnalysis, ...]
    studies: pd.DataFrame = field(repr=False)
    other: pd.DataFrame = field(repr=False)
    decimals: int = 15
    notes: tuple[str, ...] = ()
    _rows: Mapping[str, tuple[int, int]] = field(default_factory=dict, repr=False)

    def analysis(self, name: str) -> RevManAnalysis:
        """An analysis by its number, such as ``"1.2"``.

        Parameters
        ----------
        name
            Comparison and outcome.

        Raises
        ------
        DataError
            Where there is none of that number.
        """
        for one in self.analyses:
            if one.id == name:
                return one
        known = [one.id for one in self.analyses]
        shown = f"{', '.join(known[:20])}{' …' if len(known) > 20 else ''}" or "none"
        raise DataError(f"{self.name} has no analysis {name!r}.{nearest(str(name), known)} It has: {shown}.")

    def rows(self, analysis: RevManAnalysis | str) -> pd.DataFrame:
        """The rows of `studies` that belong to an analysis, as they were entered."""
        one = self.analysis(analysis) if isinstance(analysis, str) else analysis
        start, stop = self._rows.get(one.id, (0, 0))
        return self.studies.iloc[start:stop]

    def data(self, analysis: RevManAnalysis | str) -> pd.DataFrame:
        """The studies of an analysis, ready for `effect_sizes`: events swapped where the authors had them swapped."""
        from metaanalysis.reviews.revman_analysis import data_of

        one = self.analysis(analysis) if isinstance(analysis, str) else analysis
        return data_of(one, self.rows(one))

    def effects(self, analysis: RevManAnalysis | str) -> Effects:
        """The effect sizes of an analysis in Review Manager's convention."""
        from metaanalysis.reviews.revman_analysis import effects_of

        one = self.analysis(analysis) if isinstance(analysis, str) else analysis
        return effects_of(one, self.data(one))

    def pool(self, analysis: RevManAnalysis | str) -> Pooled | Subgroups:
        """An analysis as its authors pooled it: all studies, and by subgroup where there are several."""
        from metaanalysis.reviews.revman_analysis import pooled_as_set

        one = self.analysis(analysis) if isinstance(analysis, str) else analysis
        return pooled_as_set(one, self.data(one))

    def to_frame(self) -> pd.DataFrame:
        """One row an analysis: what it is, how it was analysed, and Review Manager's overall result."""
        import pandas as pd

        names = ["id", "comparison_name", "name", "kind", "measure", "method", "model", "level", "totals", "swapped"]
        results = ["k", "estimate", "ci_low", "ci_high", "p_value", "q", "q_df", "i2", "tau2"]
        rows = [
            [getattr(one, name) for name in names] + [getattr(one.result, name) for name in results]
            for one in self.analyses
        ]
        frame = pd.DataFrame(rows, columns=names + results)
        whole = [name for name in ("k", "q_df") if (frame[name].dropna() % 1 == 0).all()]
        return frame.astype(dict.fromkeys(whole, "Int64"))

    def summary(self) -> str:
        """What the review holds, one line an analysis."""
        lines = [self.title or self.name]
        if self.doi:
            lines.append(f"doi:{self.doi}")
        lines.append(f"{len(self.analyses)} analyses, {len(self.studies)} rows of studies; read from {self.source}")
        comparison = None
        for one in self.analyses:
            if one.comparison != comparison:
                comparison = one.comparison
                lines += ["", f"Comparison {one.comparison}: {one.comparison_name}"]
            lines.append(f"  {one.title} ({one.settings()}; {len(self.rows(one))} rows)")
        lines += [f"Note: {note}." for note in self.notes]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<RevManReview {self.name!r}: {len(self.analyses)} analyses, {len(self.studies)} rows of studies>"
