"""Frozen results: they hold numbers and say them, and never refit."""

from __future__ import annotations

from metaanalysis.results.bootstrap import Bootstrap
from metaanalysis.results.citation_matrix import CitationMatrix
from metaanalysis.results.comparison import Comparison
from metaanalysis.results.fail_safe import FailSafeN
from metaanalysis.results.gosh import Gosh
from metaanalysis.results.influence import Baujat, Influence
from metaanalysis.results.location_scale import LocationScale
from metaanalysis.results.permutation import PermutationTest
from metaanalysis.results.pooled import BackTransformed, Interval, Pooled
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.refits import Refits
from metaanalysis.results.regression import Regression
from metaanalysis.results.small_study import PetPeese, SmallStudyTest
from metaanalysis.results.subgroups import Subgroups
from metaanalysis.results.trim_and_fill import TrimAndFill
from metaanalysis.results.umbrella_review import UmbrellaReview

__all__ = [
    "BackTransformed",
    "Baujat",
    "Bootstrap",
    "CitationMatrix",
    "Comparison",
    "FailSafeN",
    "Gosh",
    "Influence",
    "Interval",
    "LocationScale",
    "PermutationTest",
    "PetPeese",
    "Pooled",
    "PooledMany",
    "Refits",
    "Regression",
    "SmallStudyTest",
    "Subgroups",
    "TrimAndFill",
    "UmbrellaReview",
]
