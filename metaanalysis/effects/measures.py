"""The measures: for each its inputs, its formula, its scales and what an axis calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.back_transformation import BACK_TRANSFORMATIONS
from metaanalysis.formulas.binary import log_odds_ratio, log_risk_ratio, peto_log_odds_ratio, risk_difference
from metaanalysis.formulas.continuity import continuity_corrected, double_zero
from metaanalysis.formulas.continuous import mean_difference, standardized_mean_difference
from metaanalysis.formulas.correlation import fisher_z
from metaanalysis.options import EffectOptions

Inputs: TypeAlias = Mapping[str, FloatArray]

TWO_GROUP_COUNTS = ("events1", "n1", "events2", "n2")
TWO_GROUP_MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
CORRELATION = ("r", "n")


class Computed(NamedTuple):
    """Effect sizes of all studies, which had counts added to, and which cannot be estimated (with the reason)."""

    y: FloatArray
    v: FloatArray
    corrected: BoolArray
    left_out: BoolArray
    reason: str


Compute: TypeAlias = Callable[[Inputs, EffectOptions], Computed]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Parameters
    ----------
    key
        Its name in calls, such as ``RR``.
    title
        What it measures, on the scale that it is read on.
    inputs
        The study data that it is computed from; empty where only given estimates make sense.
    compute
        Inputs and options to effect sizes.
    analysis_scale
        What the pooled numbers are, such as ``log risk ratio``.
    back
        Key of the transformation to the scale on which it is read; ``identity`` where the scales are the same.
    favours
        Whether an axis may say which group an effect favours.
    """

    key: str
    title: str
    inputs: tuple[str, ...]
    compute: Compute | None
    analysis_scale: str
    back: str = "identity"
    favours: bool = True

    @property
    def transformed(self) -> bool:
        """Whether studies are pooled on another scale than the one on which the measure is read."""
        return self.back != "identity"

    def back_transform(self, y: FloatArray) -> FloatArray:
        """Numbers on the scale on which the measure is read."""
        return np.asarray(BACK_TRANSFORMATIONS[self.back](np.asarray(y, dtype=np.float64)))


def four_counts(inputs: Inputs) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The counts of two groups."""
    return inputs["events1"], inputs["n1"], inputs["events2"], inputs["n2"]


def two_means(inputs: Inputs) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Means, standard deviations and sizes of two groups."""
    return inputs["mean1"], inputs["sd1"], inputs["n1"], inputs["mean2"], inputs["sd2"], inputs["n2"]


def _nothing(like: FloatArray) -> BoolArray:
    return np.zeros(like.shape, dtype=np.bool_)


def _ratio(
    formula: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
    denominator: Callable[[EffectOptions], str],
) -> Compute:
    """A ratio of risks or odds from four counts, with the continuity correction and the rule for double zeros."""

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        raw = four_counts(inputs)
        a, n1, c, n2, touched = continuity_corrected(
            *raw, options.add, options.to, denominator(options), options.addition
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            y, v = formula(a, n1, c, n2)
        left_out = double_zero(*raw) if options.double_zero == "drop" else ~(np.isfinite(y) & np.isfinite(v))
        reason = "no events, or only events, in both groups"
        if options.double_zero != "drop":
            reason = "a cell is zero and no continuity correction was asked for: the ratio is not defined"
        return Computed(y, v, touched & ~left_out, left_out, reason)

    return compute


def _risk_difference(inputs: Inputs, options: EffectOptions) -> Computed:
    raw = four_counts(inputs)
    a, n1, c, n2, touched = continuity_corrected(*raw, options.add, options.to, "cells", options.addition)
    y, v = risk_difference(a, n1, c, n2)
    if options.risk_difference == "variance":
        y = risk_difference(*raw)[0]
    left_out = v <= 0
    return Computed(
        y, v, touched & ~left_out, left_out, "the sampling variance is zero without a continuity correction"
    )


def _peto(inputs: Inputs, options: EffectOptions) -> Computed:
    raw = four_counts(inputs)
    a, n1, c, n2 = raw
    touched = _nothing(a)
    if options.peto == "corrected":
        a, n1, c, n2, touched = continuity_corrected(*raw, options.add, options.to, "cells", options.addition)
    with np.errstate(divide="ignore", invalid="ignore"):
        y, v = peto_log_odds_ratio(a, n1, c, n2)
    left_out = ~(np.isfinite(y) & np.isfinite(v))
    return Computed(y, v, touched & ~left_out, left_out, "no events, or only events, in both groups")


def _mean_difference(inputs: Inputs, options: EffectOptions) -> Computed:
    y, v = mean_difference(*two_means(inputs), variance=options.md_variance)
    return Computed(y, v, _nothing(y), _nothing(y), "")


def _standardized_mean_difference(inputs: Inputs, options: EffectOptions) -> Computed:
    y, v = standardized_mean_difference(
        *two_means(inputs),
        correction=options.smd_correction,
        variance=options.smd_variance,
    )
    return Computed(y, v, _nothing(y), _nothing(y), "")


def _fisher_z(inputs: Inputs, options: EffectOptions) -> Computed:  # noqa: ARG001
    y, v = fisher_z(inputs["r"], inputs["n"])
    return Computed(y, v, _nothing(y), _nothing(y), "")


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.key: measure
        for measure in (
            Measure(
                "RR",
                "risk ratio",
                TWO_GROUP_COUNTS,
                _ratio(log_risk_ratio, lambda options: options.risk_ratio_denominator),
                "log risk ratio",
                "exp",
            ),
            Measure(
                "OR", "odds ratio", TWO_GROUP_COUNTS, _ratio(log_odds_ratio, lambda _: "cells"), "log odds ratio", "exp"
            ),
            Measure("RD", "risk difference", TWO_GROUP_COUNTS, _risk_difference, "risk difference"),
            Measure("PETO", "Peto odds ratio", TWO_GROUP_COUNTS, _peto, "log Peto odds ratio", "exp"),
            Measure("MD", "mean difference", TWO_GROUP_MEANS, _mean_difference, "mean difference"),
            Measure(
                "SMD",
                "standardised mean difference",
                TWO_GROUP_MEANS,
                _standardized_mean_difference,
                "standardised mean difference",
            ),
            Measure(
                "ZCOR",
                "correlation",
                CORRELATION,
                _fisher_z,
                "Fisher's z-transformed correlation",
                "tanh",
                favours=False,
            ),
            Measure("HR", "hazard ratio", (), None, "log hazard ratio", "exp"),
            Measure("GEN", "effect size", (), None, "effect size"),
        )
    }
)


def measure_named(key: str) -> Measure:
    """The measure of a key (case does not matter); OptionError lists them."""
    if isinstance(key, str) and key.upper() in MEASURES:
        return MEASURES[key.upper()]
    raise OptionError(
        f"measure={key!r} is not a measure.{nearest(str(key), MEASURES)} The measures are: {', '.join(MEASURES)}."
    )
