"""What refits or asks further: leave-one-out, cumulative, influence, small-study effects, permutations, subsets."""

from __future__ import annotations

from metaanalysis.diagnostics.comparison import compare
from metaanalysis.diagnostics.fail_safe import fail_safe_n
from metaanalysis.diagnostics.influential import baujat, influence
from metaanalysis.diagnostics.permutation import permutation_test
from metaanalysis.diagnostics.pet_peese import pet_peese
from metaanalysis.diagnostics.refits import cumulative, leave_one_out
from metaanalysis.diagnostics.resampling import bootstrap, jackknife
from metaanalysis.diagnostics.small_study import small_study_test
from metaanalysis.diagnostics.subsets import gosh
from metaanalysis.diagnostics.trim_and_fill import trim_and_fill

__all__ = [
    "baujat",
    "bootstrap",
    "compare",
    "cumulative",
    "fail_safe_n",
    "gosh",
    "influence",
    "jackknife",
    "leave_one_out",
    "permutation_test",
    "pet_peese",
    "small_study_test",
    "trim_and_fill",
]
