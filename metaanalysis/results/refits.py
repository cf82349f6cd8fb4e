"""One pooled result after another: leave-one-out and cumulative meta-analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import measure_named
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.results.pooled import Pooled
from metaanalysis.results.text import interval, number, p_value, per_cent

if TYPE_CHECKING:
    import pandas as pd

# The numbers of a pooled result that stand in a row of refits.
COLUMNS = (
    "estimate se ci_low ci_high statistic df p_value tau2 i2 h2 q q_df q_p_value prediction_low prediction_high"
).split()
ON_ANALYSIS_SCALE = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")


@dataclass(frozen=True, eq=False)
class Refits:
    """The same model fitted to other sets of the same studies. Made by `leave_one_out` and `cumulative`.

    Attributes
    ----------
    question
        ``leave-one-out`` or ``cumulative``.
    label
        A refit each: the study left out, or the study that was added.
    k
        How many studies each refit has.
    estimate, se, ci_low, ci_high, statistic, df, p_value, tau2, i2, h2, q, q_df, q_p_value, prediction_low, prediction_high
        As in `Pooled`, one value a refit, on the scale of analysis; NaN where a refit has none.
    status
        Of each refit, in words.
    order
        Cumulative: which study comes when, as indices into the effects. Leave-one-out: the studies as they are.
    overall
        The fit to all studies.
    by
        Cumulative: what the studies are ordered by.
    """

    question: str
    label: tuple[str, ...]
    k: IntArray
    estimate: FloatArray
    se: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray
    tau2: FloatArray
    i2: FloatArray
    h2: FloatArray
    q: FloatArray
    q_df: FloatArray
    q_p_value: FloatArray
    prediction_low: FloatArray
    prediction_high: FloatArray
    status: tuple[str, ...]
    order: IntArray
    overall: Pooled = field(repr=False)
    by: str = ""

    def __post_init__(self) -> None:
        for name in ("k", "order", *COLUMNS):
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return len(self.label)

    @property
    def tau(self) -> FloatArray:
        """Between-study standard deviation of each refit."""
        return np.sqrt(self.tau2)

    def to_frame(self, *, transform: bool = False) -> pd.DataFrame:
        """One row a refit: label, k, the numbers by the names of `Pooled`, and status.

        Parameters
        ----------
        transform
            Whether estimates and limits are given on the scale on which the measure is read (such as risk ratios) instead of
            the scale of analysis; the standard error stays on the scale of analysis.
        """
        import pandas as pd

        columns: dict[str, Any] = {"label": list(self.label), "k": np.array(self.k)}
        for name in COLUMNS:
            values = np.array(getattr(self, name))
            columns[name] = (
                self.overall.effects.back_transform(values) if transform and name in ON_ANALYSIS_SCALE else values
            )
            if name == "tau2":
                columns["tau"] = self.tau
        columns["status"] = list(self.status)
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """One line a refit, on the scale on which the measure is read."""
        entry = measure_named(self.overall.measure)
        what = "Without one study" if self.question == "leave-one-out" else "Cumulative meta-analysis"
        title = what + (f" by {self.by}" if self.by else "") + f": {entry.title}"
        width = max(len(name) for name in (*self.label, "All studies"))
        ci = f"{per_cent(self.overall.level)} CI"
        back = {name: self.overall.effects.back_transform(getattr(self, name)) for name in ON_ANALYSIS_SCALE[:3]}
        lines = [title, "=" * len(title)]
        for i, name in enumerate(self.label):
            estimate, low, high = (float(back[column][i]) for column in ON_ANALYSIS_SCALE[:3])
            lines.append(line_of(name, width, ci, estimate, low, high, float(self.p_value[i]), float(self.i2[i])))
        estimate, low, high = self.overall.back_transformed()[:3]
        lines.append(line_of("All studies", width, ci, estimate, low, high, self.overall.p_value, self.overall.i2))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Refits: {self.question} of {len(self)} studies>"


def line_of(name: str, width: int, ci: str, estimate: float, low: float, high: float, p: float, i2: float) -> str:
    """One refit in one line."""
    heterogeneity = "" if np.isnan(i2) else f", I² {i2:.1f}%"
    return f"{name:<{width}}  {number(estimate):>9}  {ci} {interval(low, high)}, {p_value(p)}{heterogeneity}"
