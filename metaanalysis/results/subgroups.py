"""The result of a subgroup analysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaanalysis.results.pooled import Pooled
from metaanalysis.results.text import p_value, subgroups_summary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Subgroups:
    """Pooled results of subgroups and the test for differences between them. Made by `subgroups`.

    Attributes
    ----------
    groups
        A `Pooled` a group, in the order in which the groups come in the table.
    overall
        All studies together.
    q_between, q_between_df, q_between_p_value
        Test for subgroup differences.
    by
        What the groups are.
    tau2_sharing
        ``separate`` or ``common``.
    """

    groups: Mapping[str, Pooled]
    overall: Pooled
    q_between: float
    q_between_df: int
    q_between_p_value: float
    by: str
    tau2_sharing: str
    notes: tuple[str, ...] = ()

    def test_sentence(self) -> str:
        """The test for subgroup differences in one line."""
        if math.isnan(self.q_between):
            return "not available"
        return f"Q = {self.q_between:.2f}, df = {self.q_between_df} ({p_value(self.q_between_p_value)})"

    def to_frame(self) -> pd.DataFrame:
        """One row a group, and one for all studies, with the columns of `Pooled.to_frame`."""
        import pandas as pd

        frames = [fit.to_frame() for fit in (*self.groups.values(), self.overall)]
        frame = pd.concat(frames, ignore_index=True)
        frame.insert(0, self.by if self.by not in frame.columns else "group", [*self.groups, "Overall"])
        return frame

    def summary(self) -> str:
        """The groups, the whole and the test between them."""
        return subgroups_summary(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Subgroups by {self.by}: {len(self.groups)} groups, {self.test_sentence()}>"
