"""Tests of small-study effects, and what large studies would show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metaanalysis.effects import Effects, measure_named
from metaanalysis.formulas.inference import quantile, two_sided_p
from metaanalysis.results.text import interval, number, per_cent, test_statistic

if TYPE_CHECKING:
    import pandas as pd


class Limit(NamedTuple):
    """The effect that an infinitely large study would show, with its confidence interval; NaN where a test has none."""

    estimate: float
    se: float
    ci_low: float
    ci_high: float

    @property
    def statistic(self) -> float:
        """The estimate over its standard error; infinite where the studies lie exactly on a line."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.float64(self.estimate) / np.float64(self.se))


@dataclass(frozen=True, eq=False)
class SmallStudyTest:
    """Whether small studies show other effects than large ones. Made by `small_study_test`.

    Attributes
    ----------
    method, title
        The test's key and its name.
    estimate, se, statistic, df, p_value
        The slope (or, of rank tests, Kendall's tau) and its test; z where `df` is infinite, t otherwise; two-sided p.
    predictor
        What the effects are regressed on, or correlated with.
    limit
        The intercept: the effect as the predictor comes to that of an infinitely large study.
    tau2
        Residual between-study variance; NaN where variation beyond chance is a factor.
    k
        How many studies took part.
    notes
        What is special, in sentences.
    """

    method: str
    title: str
    estimate: float
    se: float
    statistic: float
    df: float
    p_value: float
    predictor: str
    limit: Limit
    tau2: float
    k: int
    level: float
    measure: str
    effects: Effects = field(repr=False)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Every number by name."""
        names = "method title estimate se statistic df p_value predictor tau2 k level measure".split()
        answer: dict[str, Any] = {name: getattr(self, name) for name in names}
        answer.update({f"limit_{name}": value for name, value in self.limit._asdict().items()})
        answer["notes"] = list(self.notes)
        return answer

    def to_frame(self) -> pd.DataFrame:
        """One row with the columns of `to_dict`, without the notes."""
        import pandas as pd

        return pd.DataFrame([{name: value for name, value in self.to_dict().items() if name != "notes"}])

    def summary(self) -> str:
        """The test in a few lines."""
        entry = measure_named(self.measure)
        what = "Kendall's tau" if math.isnan(self.se) else f"slope on {self.predictor}"
        lines = [
            f"{self.title}: {what} {number(self.estimate)}"
            + ("" if math.isnan(self.se) else f" (SE {number(self.se)})")
            + f", {test_statistic(self.statistic, self.df, self.p_value)}; k = {self.k}"
        ]
        if not math.isnan(self.limit.estimate):
            low, high = self.limit.ci_low, self.limit.ci_high
            lines.append(
                f"Limit in large studies ({entry.analysis_scale}): {number(self.limit.estimate)} "
                f"({per_cent(self.level)} CI {interval(low, high)})"
            )
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<SmallStudyTest: {self.title}, p = {self.p_value:.4g}, k = {self.k}>"


@dataclass(frozen=True, eq=False)
class PetPeese:
    """The effect in large studies by PET and by PEESE. Made by `pet_peese`.

    Attributes
    ----------
    pet, peese
        The lines on the standard error and on the sampling variance; `limit` is the estimate of each.
    chosen
        ``PEESE`` where PET's estimate differs from 0 in the expected direction at `alpha` one-sided, else ``PET``.
    estimate, se, ci_low, ci_high, statistic, df, p_value
        Of the chosen one, on the scale of analysis; p two-sided.
    """

    pet: SmallStudyTest
    peese: SmallStudyTest
    chosen: str
    alpha: float
    pet_one_sided_p: float

    @property
    def chosen_line(self) -> SmallStudyTest:
        """The line of the chosen estimate."""
        return self.peese if self.chosen == "PEESE" else self.pet

    @property
    def estimate(self) -> float:
        """The effect in large studies, on the scale of analysis."""
        return self.chosen_line.limit.estimate

    @property
    def se(self) -> float:
        """Its standard error."""
        return self.chosen_line.limit.se

    @property
    def ci_low(self) -> float:
        """Its lower confidence limit."""
        return self.chosen_line.limit.ci_low

    @property
    def ci_high(self) -> float:
        """Its upper confidence limit."""
        return self.chosen_line.limit.ci_high

    @property
    def df(self) -> float:
        """Degrees of freedom of its test."""
        return self.chosen_line.df

    @property
    def statistic(self) -> float:
        """Its test statistic."""
        return self.chosen_line.limit.statistic

    @property
    def p_value(self) -> float:
        """Two-sided p of no effect in large studies."""
        return float(two_sided_p(np.asarray(self.statistic), np.asarray(self.df)))

    def to_frame(self) -> pd.DataFrame:
        """One row for PET and one for PEESE: the limit with its interval and test, and which was chosen."""
        import pandas as pd

        rows = []
        for name, line in (("PET", self.pet), ("PEESE", self.peese)):
            statistic = line.limit.statistic
            p = float(two_sided_p(np.asarray(statistic), np.asarray(line.df)))
            row = {"estimate": line.limit.estimate, "se": line.limit.se}
            row |= {"ci_low": line.limit.ci_low, "ci_high": line.limit.ci_high}
            rows.append({"method": name, **row, "statistic": statistic, "df": line.df, "p_value": p})
        frame = pd.DataFrame(rows)
        frame["chosen"] = frame["method"] == self.chosen
        return frame

    def summary(self) -> str:
        """Both estimates, and which was chosen."""
        entry = measure_named(self.pet.measure)
        lines = [f"Effect in large studies ({entry.analysis_scale})"]
        for name, line in (("PET", self.pet), ("PEESE", self.peese)):
            limits = interval(line.limit.ci_low, line.limit.ci_high)
            mark = "  *" if name == self.chosen else ""
            lines.append(f"{name:<5}  {number(line.limit.estimate):>9}  {per_cent(line.level)} CI {limits}{mark}")
        lines.append(f"* chosen: PET's one-sided p = {number(self.pet_one_sided_p)} against {self.alpha:g}")
        return "\n".join([*lines, *(f"Note: {note}." for note in self.pet.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<PetPeese: {self.chosen} {self.estimate:.4g} ({self.ci_low:.4g} to {self.ci_high:.4g})>"


def limit_of(estimate: float, se: float, df: float, level: float) -> Limit:
    """An intercept with its confidence interval."""
    half = float(quantile(level, np.asarray(df))) * se
    return Limit(estimate, se, estimate - half, estimate + half)


NO_LIMIT = Limit(math.nan, math.nan, math.nan, math.nan)
