"""Effect sizes to results: one path through the formulas."""

from __future__ import annotations

from metaanalysis.models.likelihood_ratio import LikelihoodRatio, likelihood_ratio_test
from metaanalysis.models.location_scale import location_scale
from metaanalysis.models.meta_regression import meta_regression
from metaanalysis.models.pool import pool
from metaanalysis.models.subgroups import subgroups

__all__ = ["LikelihoodRatio", "likelihood_ratio_test", "location_scale", "meta_regression", "pool", "subgroups"]
