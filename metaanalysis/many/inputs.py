"""The columns of all rows -> effect sizes and sampling variances, in one call; rows without them are left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metaanalysis.effects.calculate import (
    computed_from_data,
    computed_from_given,
    incomplete,
    looks_at_all_studies,
    usable,
    within_limits,
)
from metaanalysis.effects.checks import (
    LARGEST_EFFECT,
    LARGEST_VARIANCE,
    SMALLEST_VARIANCE,
    check_all,
    check_given,
    extremes_of,
)
from metaanalysis.effects.checks_of_inputs import check_inputs
from metaanalysis.effects.labels import Labels
from metaanalysis.effects.measure import UNDEFINED, Computed, Measure, nobody
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.many.left_out import Collecting, Reasons
from metaanalysis.options import EffectOptions


@dataclass(frozen=True)
class Inputs:
    """The data of all rows, by our names, and how their effect sizes are computed.

    `columns` says what each is called in the user's table; `level` is that of intervals that are given; `tau2_weights` are those
    of the generalised Q, where tau2 is estimated by it; `rows`: where they stand in the user's table, None where these are all.
    """

    entry: Measure
    data: Mapping[str, FloatArray]
    columns: Mapping[str, str]
    label: Labels
    options: EffectOptions
    convention: str
    level: float
    tau2_weights: FloatArray | None = None
    tau2_weights_column: str = "tau2_weights"
    rows: IntArray | None = None

    @property
    def given(self) -> bool:
        """Whether the effect sizes themselves are given, or computed from data."""
        return "y" in self.data or "estimate" in self.data


def effects_of_rows(
    inputs: Inputs, order: IntArray | None, offsets: IntArray
) -> tuple[FloatArray, FloatArray, Reasons]:
    """Y and v of all rows (NaN where left out), and who is left out; order and offsets: the groups."""
    rows = len(inputs.label)
    reasons = Reasons.none(rows)
    if rows == 0:
        # Groups may have been named, and have no study at all.
        return np.empty(0), np.empty(0), reasons
    extremes = extremes_of(inputs.data)
    for bad, why in incomplete(inputs.data, inputs.columns, extremes):
        reasons.leave_out(bad, why)
    complete = reasons.kept
    data = Collecting(
        inputs.data, inputs.columns, inputs.label, complete, inputs.rows, extremes=extremes, reasons=reasons
    )
    check_all(data, check_given if inputs.given else lambda part: check_inputs(part, inputs.entry))
    if inputs.given or not looks_at_all_studies(inputs.options):
        y, v = computed(inputs, complete, reasons)
    else:
        # What is computed of a study depends on the other studies of its meta-analysis.
        y, v = np.full((2, rows), np.nan)
        for group in range(offsets.size - 1):
            member = (
                np.arange(offsets[group], offsets[group + 1])
                if order is None
                else order[offsets[group] : offsets[group + 1]]
            )
            here = np.zeros(rows, dtype=np.bool_)
            here[member] = complete[member]
            mine = computed(inputs, here, reasons)
            y[member], v[member] = mine[0][member], mine[1][member]
    leave_out_weights(inputs, reasons)
    # What was given as it is used has been looked at already.
    as_given = y is inputs.data.get("y") and v is inputs.data.get("v")
    good = within_limits(extremes["y"], extremes["v"]) if as_given else usable(Computed(y, v, nobody(y), nobody(y), ""))
    if not good:
        kept = reasons.kept
        reasons.leave_out(kept & ~(np.isfinite(y) & np.isfinite(v) & (v > 0)), UNDEFINED)
        reasons.leave_out(~(np.abs(y) <= LARGEST_EFFECT), "its effect size is too large to compute with")
        reasons.leave_out(
            ~((v >= SMALLEST_VARIANCE) & (v <= LARGEST_VARIANCE)),
            f"its sampling variance does not lie between {SMALLEST_VARIANCE:g} and {LARGEST_VARIANCE:g}",
        )
    return y, v, reasons


def leave_out_weights(inputs: Inputs, reasons: Reasons) -> None:
    """Leave rows out of which the weight of the generalised Q is missing, infinite or not positive."""
    weights = inputs.tau2_weights
    if weights is None:
        return
    name = inputs.tau2_weights_column
    with np.errstate(invalid="ignore"):
        reasons.leave_out(np.isnan(weights), f"{name} is missing")
        reasons.leave_out(
            ~((weights > 0) & np.isfinite(weights)), lambda row: f"{name} ({weights[row]:g}) is not a positive weight"
        )


def computed(inputs: Inputs, which: BoolArray, reasons: Reasons) -> tuple[FloatArray, FloatArray]:
    """Y and v of some rows, NaN elsewhere; those that have none are left out."""
    every = bool(which.all())
    values = inputs.data if every else {name: x[which] for name, x in inputs.data.items()}
    with np.errstate(all="ignore"):
        found: Computed = (
            computed_from_given(values, inputs.level)
            if inputs.given
            else computed_from_data(inputs.entry, values, inputs.options)
        )
    if found.left_out.any():
        bad = np.zeros(which.shape, dtype=np.bool_)
        bad[which] = found.left_out
        reasons.leave_out(bad, found.reason)
    if every:
        return found.y, found.v
    y, v = np.full((2, which.size), np.nan)
    y[which], v[which] = found.y, found.v
    return y, v
