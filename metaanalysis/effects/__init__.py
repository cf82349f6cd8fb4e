"""From a table of studies to effect sizes: the measures, and the only checking of data."""

from __future__ import annotations

from metaanalysis.effects.calculate import as_measure, effect_sizes, effects_from_arrays, under_convention
from metaanalysis.effects.effects import Effects
from metaanalysis.effects.measures import MEASURES, Measure, measure_named, measures

__all__ = [
    "MEASURES",
    "Effects",
    "Measure",
    "as_measure",
    "effect_sizes",
    "effects_from_arrays",
    "measure_named",
    "measures",
    "under_convention",
]
