"""The result of a permutation test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.results.text import number, p_value

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """P-values from rearranged data. Made by `permutation_test`.

    Attributes
    ----------
    names, estimates, statistics
        The coefficients, their estimates and test statistics as observed.
    p_values
        The share of arrangements whose statistic is as extreme as the one observed.
    model_p_values
        Those of the model, for comparison.
    q_moderators, q_moderators_p_value
        The omnibus test as observed, and its p-value by permutation; NaN without moderators.
    exact
        Whether all arrangements were gone through.
    arrangements
        How many there are in all.
    permutations
        How many were gone through, the observed one among them.
    failed
        In how many the variance between studies could not be estimated; they count in no p-value.
    what
        What was rearranged: ``signs of the effects`` or ``rows of the moderators``.
    distribution, q_moderators_distribution
        The statistics of each arrangement, shape (permutations, p) and (permutations,), the observed one first.
    """

    names: tuple[str, ...]
    estimates: FloatArray
    statistics: FloatArray
    p_values: FloatArray
    model_p_values: FloatArray
    q_moderators: float
    q_moderators_p_value: float
    exact: bool
    arrangements: int
    permutations: int
    failed: int
    what: str
    statistic: str
    alternative: str
    distribution: FloatArray
    q_moderators_distribution: FloatArray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in "estimates statistics p_values model_p_values distribution q_moderators_distribution".split():
            getattr(self, name).flags.writeable = False

    def to_frame(self) -> pd.DataFrame:
        """One row a coefficient: estimate, statistic, p_value (by permutation), model_p_value."""
        import pandas as pd

        return pd.DataFrame(
            {
                "estimate": np.array(self.estimates),
                "statistic": np.array(self.statistics),
                "p_value": np.array(self.p_values),
                "model_p_value": np.array(self.model_p_values),
            },
            index=pd.Index(self.names, name="term"),
        )

    def summary(self) -> str:
        """The p-values, and whether they are exact."""
        how = "all" if self.exact else "a random sample"
        title = f"Permutation test: {how} of the {self.arrangements:.6g} arrangements of the {self.what}"
        if not self.exact:
            title += f", {self.permutations:,} drawn"
        width = max(len(name) for name in (*self.names, "term"))
        lines = [title, f"{'term':<{width}}  {'estimate':>10}  {'statistic':>9}  by permutation, by the model"]
        for i, name in enumerate(self.names):
            pair = f"{p_value(float(self.p_values[i]))}, {p_value(float(self.model_p_values[i]))}"
            lines.append(
                f"{name:<{width}}  {number(float(self.estimates[i])):>10}  {float(self.statistics[i]):>9.2f}  {pair}"
            )
        if not math.isnan(self.q_moderators):
            lines.append(f"Test of moderators: {self.q_moderators:.2f}, {p_value(self.q_moderators_p_value)}")
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "random"
        return f"<PermutationTest: {kind}, {self.permutations:,} of {self.arrangements:.6g} arrangements>"
