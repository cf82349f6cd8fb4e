"""Frozen results: they hold numbers and say them, and never refit."""

from __future__ import annotations

from metaanalysis.results.pooled import BackTransformed, Interval, Pooled
from metaanalysis.results.regression import Regression
from metaanalysis.results.subgroups import Subgroups

__all__ = ["BackTransformed", "Interval", "Pooled", "Regression", "Subgroups"]
