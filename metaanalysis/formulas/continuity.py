"""Zero cells: what is added to which study's counts before a ratio is taken.

A table is ``events1`` of ``n1`` and ``events2`` of ``n2``; its four cells are events and non-events in both groups.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray


def zero_cell(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> BoolArray:
    """Tables with a zero in at least one of the four cells.

    All arguments broadcast; returns booleans of that shape.
    """
    return np.asarray((events1 == 0) | (events2 == 0) | (events1 == n1) | (events2 == n2))


def double_zero(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> BoolArray:
    """Tables that say nothing of a ratio: no events in either group, or nothing but events in both.

    All arguments broadcast; returns booleans of that shape.
    """
    return np.asarray(((events1 == 0) & (events2 == 0)) | ((events1 == n1) & (events2 == n2)))


def no_events(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> BoolArray:  # noqa: ARG001
    """Tables without events in either group.

    All arguments broadcast; returns booleans of that shape.
    """
    return np.asarray((events1 == 0) & (events2 == 0))


def all_events(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> BoolArray:
    """Tables with nothing but events in both groups.

    All arguments broadcast; returns booleans of that shape.
    """
    return np.asarray((events1 == n1) & (events2 == n2))


def only_zero(zero: BoolArray) -> BoolArray:
    """Correct only the studies with a zero cell.

    zero: (..., k). Returns the same shape.
    """
    return zero


def all_studies(zero: BoolArray) -> BoolArray:
    """Correct every study.

    zero: (..., k). Returns the same shape.
    """
    return np.ones_like(zero)


def all_if_any_zero(zero: BoolArray) -> BoolArray:
    """Correct every study of a meta-analysis (the last axis) in which at least one has a zero cell.

    zero: (..., k). Returns the same shape.
    """
    return np.asarray(np.broadcast_to(np.any(zero, axis=-1, keepdims=True), zero.shape))


def no_study(zero: BoolArray) -> BoolArray:
    """Correct nothing.

    zero: (..., k). Returns the same shape.
    """
    return np.zeros_like(zero)


def constant_addition(add: float, n1: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same addition to every cell, usually one half.

    n1, n2: broadcastable. Returns what each cell of group 1 and of group 2 gets, in that shape.
    Source: Gart & Zweifel (1967).
    """
    shape = np.broadcast_shapes(np.shape(n1), np.shape(n2))
    each = np.broadcast_to(np.float64(add), shape)
    return each, each


def treatment_arm_addition(add: float, n1: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """An addition in proportion to the arm's own size, that is, to the reciprocal of the other arm's.

        cells of group g get 2 add n_g / (n1 + n2),   which sum to 2 add

    n1, n2: broadcastable. Returns what each cell of group 1 and of group 2 gets, in that shape.
    Source: Sweeting, Sutton & Lambert (2004).
    """
    scale = 2.0 * add / (n1 + n2)
    return n1 * scale, n2 * scale


Selection = Callable[[BoolArray], BoolArray]
Addition = Callable[[float, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]

SELECTIONS: MappingProxyType[str, Selection] = MappingProxyType(
    {"only0": only_zero, "all": all_studies, "if0all": all_if_any_zero, "none": no_study}
)
ADDITIONS: MappingProxyType[str, Addition] = MappingProxyType(
    {"constant": constant_addition, "treatment-arm": treatment_arm_addition}
)
# How many times a group's addition enters its size: "cells" adds to events and non-events alike, so twice;
# "events" is the R package meta's risk ratio, (a + 1/2)/(n1 + 1/2); "none" leaves the size as it is.
DENOMINATORS: MappingProxyType[str, float] = MappingProxyType({"cells": 2.0, "events": 1.0, "none": 0.0})

# What Stata's meta esize (16 and later, its help) calls them in zerocells(): there -> (selection, addition) here.
STATA_ZERO_CELLS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "only0": ("only0", "constant"),
        "allif0": ("if0all", "constant"),
        "none": ("none", "constant"),
        "tacc": ("only0", "treatment-arm"),
    }
)


def continuity_corrected(
    events1: FloatArray,
    n1: FloatArray,
    events2: FloatArray,
    n2: FloatArray,
    add: float = 0.5,
    to: str = "only0",
    denominator: str = "cells",
    addition: str = "constant",
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, BoolArray]:
    """The four counts after a continuity correction, and which studies it touched.

        events_g + add_g,   n_g + f add_g      with f = 2 for "cells", 1 for "events", 0 for "none"

    events1, n1, events2, n2: broadcastable to (..., k); the last axis is a meta-analysis' studies (it matters to
    to="if0all" alone). Returns the four counts and a boolean mask, each of that shape.
    Source: Gart & Zweifel (1967); Sweeting, Sutton & Lambert (2004).
    """
    a, m1, c, m2 = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(events1, n1, events2, n2))
    touched = SELECTIONS[to](zero_cell(a, m1, c, m2)) & (add != 0)
    if not touched.any():
        return a, m1, c, m2, touched
    factor = DENOMINATORS[denominator]
    a, m1, c, m2 = (x.copy() for x in (a, m1, c, m2))
    at = np.nonzero(touched)
    add1, add2 = ADDITIONS[addition](add, m1[at], m2[at])
    a[at] += add1
    m1[at] += factor * add1
    c[at] += add2
    m2[at] += factor * add2
    return a, m1, c, m2, touched


def estimated_with_correction(
    formula: Callable[..., tuple[FloatArray, FloatArray]],
    counts: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    add: float,
    to: str,
    denominator: str,
    addition: str,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """What a formula of four counts gives after the correction of `continuity_corrected`, and which studies it touched.

    Few studies are touched: the formula sees all counts as they are, and then those of the touched ones again.
    counts: (k,) each. Returns y, v and a boolean mask (k,).
    """
    touched = np.asarray(SELECTIONS[to](zero_cell(*counts)) & (add != 0))
    y, v = formula(*counts)
    at = np.flatnonzero(touched)
    if at.size:
        events1, n1, events2, n2 = (x.take(at) for x in counts)
        corrected = continuity_corrected(events1, n1, events2, n2, add, "all", denominator, addition)
        y[at], v[at] = formula(*corrected[:4])
    return y, v, touched


def corrected_cells(
    *cells: FloatArray, add: float = 0.5, to: str = "only0"
) -> tuple[tuple[FloatArray, ...], BoolArray]:
    """Cells of one table a study after a constant has been added to each, by the same rules.

    For one proportion the cells are events and non-events, for rates the counts alone, for matched pairs all four.
    cells: broadcastable to (..., k). Returns the cells and a boolean mask of the studies touched, each of that shape.
    """
    counts = tuple(np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(*cells))
    zero = np.any([x == 0 for x in counts], axis=0)
    touched = np.asarray(SELECTIONS[to](zero) & (add != 0))
    return tuple(x + np.where(touched, add, 0.0) for x in counts), touched
