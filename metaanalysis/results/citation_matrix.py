"""The citation matrix of an umbrella review, and how far its reviews overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

# Pieper et al. (2014): in per cent, up to which an overlap is called so.
OVERLAPS = ((5.0, "slight"), (10.0, "moderate"), (15.0, "high"), (math.inf, "very high"))


def overlap_in_words(cca: float) -> str:
    """What a corrected covered area is called: slight, moderate, high or very high; "" where there is none."""
    return next((word for most, word in OVERLAPS if 100.0 * cca <= most), "")


@dataclass(frozen=True, eq=False)
class CitationMatrix:
    """Which review cites which study, and how far the reviews overlap. Made by `citation_matrix`.

    Attributes
    ----------
    reviews, studies
        Names: reviews in the order given, studies in the order in which they were first met.
    cited
        Whether a review has a study, shape (studies, reviews).
    missing
        Chronological structural missingness, of the same shape: whether the study appeared after the review's search. False
        where a year is unknown.
    study_years, search_years
        As given; NaN where unknown.
    covered_area, cca, cca_structural
        The covered area N / (r c); the corrected covered area (N - r) / (r c - r); and the same with the structurally missing
        cells taken out of the denominator, NaN where no years are known or no study could have been cited twice. Shares: 0.05
        is 5 %.
    shared
        How many studies every two reviews share, shape (reviews, reviews); on the diagonal how many a review has.
    pairwise, pairwise_structural
        The corrected covered area of every two reviews, of the same shape, without and with structural missingness.
    missing_between
        How many structurally missing cells were taken out of each pair's denominator.
    notes
        Sentences on what is odd in the lists, or could not be computed.
    """

    reviews: tuple[str, ...]
    studies: tuple[str, ...]
    cited: BoolArray
    missing: BoolArray
    study_years: FloatArray
    search_years: FloatArray
    covered_area: float
    cca: float
    cca_structural: float
    shared: IntArray
    pairwise: FloatArray
    pairwise_structural: FloatArray
    missing_between: IntArray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        arrays = "cited missing study_years search_years shared pairwise pairwise_structural missing_between"
        for name in arrays.split():
            getattr(self, name).flags.writeable = False

    @property
    def citations(self) -> int:
        """N: how often studies are cited, each at most once a review."""
        return int(self.cited.sum())

    @property
    def overlap(self) -> str:
        """What the corrected covered area is called: slight (up to 5 %), moderate (10 %), high (15 %) or very high."""
        return overlap_in_words(self.cca)

    def to_frame(self) -> pd.DataFrame:
        """A row a study, a column a review: 1 cited, 0 not cited, missing where the study appeared after the search."""
        import pandas as pd

        cells = pd.DataFrame(
            self.cited.astype(np.int64), index=pd.Index(self.studies, name="study"), columns=list(self.reviews)
        )
        return cells.astype("Int64").mask(self.missing)

    def pairs(self) -> pd.DataFrame:
        """A row a pair of reviews: studies of each, shared studies, corrected covered areas; most overlap first."""
        import pandas as pd

        rows = [
            {
                "review1": self.reviews[i],
                "review2": self.reviews[j],
                "studies1": int(self.shared[i, i]),
                "studies2": int(self.shared[j, j]),
                "shared": int(self.shared[i, j]),
                "cca": float(self.pairwise[i, j]),
                "missing": int(self.missing_between[i, j]),
                "cca_structural": float(self.pairwise_structural[i, j]),
                "overlap": overlap_in_words(float(self.pairwise[i, j])),
            }
            for i, j in combinations(range(len(self.reviews)), 2)
        ]
        return pd.DataFrame(rows).sort_values("cca", ascending=False, kind="stable").reset_index(drop=True)

    def summary(self) -> str:
        """The overlap in sentences."""
        r, c = self.cited.shape
        lines = [
            f"{c} reviews cite {r} {'study' if r == 1 else 'studies'} {self.citations} times.",
            f"Corrected covered area: {100 * self.cca:.1f} % ({self.overlap} overlap).",
            f"Covered area: {100 * self.covered_area:.1f} %.",
        ]
        if not math.isnan(self.cca_structural):
            cells = int(self.missing.sum())
            lines.append(
                f"Without the {cells} {'cell' if cells == 1 else 'cells'} whose study appeared after the review's search: "
                f"{100 * self.cca_structural:.1f} % ({overlap_in_words(self.cca_structural)} overlap)."
            )
        return "\n".join([*lines, *self.notes])

    def __str__(self) -> str:
        return self.summary()
