"""The columns of all rows -> effect sizes and sampling variances, in one call; rows without them are left out, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.effects import measure_named
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

# Rows that say nothing, and why: a sentence, or a function from the row to one.
Unusable: TypeAlias = tuple[BoolArray, str | Callable[[int], str]]


@dataclass(frozen=True)
class Inputs:
    """The data of all rows, by our names, and how their effect sizes are computed.

    `columns` says what each is called in the user's table; `level` is that of intervals that are given; `tau2_weights` are those
    of the generalised Q, where tau2 is estimated by it; `rows`: where they stand in the user's table, None where these are all;
    `unusable`: who is left out beforehand.
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
    unusable: tuple[Unusable, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """With the measure by its name: what computes it may be a function within a function, which can't be pickled."""
        return {**self.__dict__, "entry": self.entry.key}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was."""
        self.__dict__.update({**state, "entry": measure_named(state["entry"])})

    @property
    def given(self) -> bool:
        """Whether the effect sizes themselves are given, or computed from data."""
        return "y" in self.data or "estimate" in self.data


class RowEffects(NamedTuple):
    """Y and v of all rows (NaN where left out), who is left out, and which rows were looked at when effects were computed."""

    y: FloatArray
    v: FloatArray
    reasons: Reasons
    looked_at: BoolArray


def effects_of_rows(inputs: Inputs, order: IntArray | None, offsets: IntArray) -> RowEffects:
    """The effect sizes of all rows, in one call; order and offsets: the groups."""
    rows = len(inputs.label)
    reasons = Reasons.none(rows)
    if rows == 0:
        # Groups may have been named, and have no study at all.
        return RowEffects(np.empty(0), np.empty(0), reasons, np.empty(0, dtype=np.bool_))
    extremes = extremes_of(inputs.data)
    for bad, why in (*inputs.unusable, *incomplete(inputs.data, inputs.columns, extremes)):
        reasons.leave_out(bad, why)
    complete = reasons.kept
    data = Collecting(
        inputs.data, inputs.columns, inputs.label, complete, inputs.rows, extremes=extremes, reasons=reasons
    )
    check_all(data, check_given if inputs.given else lambda part: check_inputs(part, inputs.entry))
    looked_at = complete.copy()
    if inputs.given or not looks_at_all_studies(inputs.options):
        y, v = computed(inputs, complete, reasons)
    else:
        y, v = computed_group_by_group(inputs, complete, reasons, order, offsets)
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
    return RowEffects(y, v, reasons, looked_at)


def computed_group_by_group(
    inputs: Inputs, complete: BoolArray, reasons: Reasons, order: IntArray | None, offsets: IntArray
) -> tuple[FloatArray, FloatArray]:
    """As `computed`, where what is computed of a study depends on the other studies of its meta-analysis."""
    y, v = np.full((2, complete.size), np.nan)
    bad, reason = np.zeros(complete.size, dtype=np.bool_), ""
    rows = np.flatnonzero(complete) if order is None else order[complete[order]]
    kept = np.append(0, np.cumsum(complete if order is None else complete[order]))[offsets]
    with np.errstate(all="ignore"):
        for first, last in zip(kept[:-1].tolist(), kept[1:].tolist(), strict=True):
            if first == last:
                continue
            at = rows[first:last]
            found = computed_from_data(inputs.entry, {name: x[at] for name, x in inputs.data.items()}, inputs.options)
            y[at], v[at] = np.where(found.left_out, np.nan, found.y), np.where(found.left_out, np.nan, found.v)
            if found.left_out.any():
                bad[at], reason = found.left_out, found.reason
    if reason:
        reasons.leave_out(bad, reason)
    return y, v


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
