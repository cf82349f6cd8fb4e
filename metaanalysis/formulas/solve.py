"""Batched root finding: solutions with a status each. Once half of the problems have converged, they are dropped."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray


class Status(IntEnum):
    """How a solution ended; `sentence` says it in words."""

    CONVERGED = 0
    AT_ZERO = 1
    TOO_FEW_STUDIES = 2
    NOT_CONVERGED = 3
    NOT_FINITE = 4
    NO_SOLUTION = 5

    @property
    def sentence(self) -> str:
        """The status in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "converged",
    Status.AT_ZERO: "converged at the boundary, 0",
    Status.TOO_FEW_STUDIES: "not estimable: no more studies than coefficients",
    Status.NOT_CONVERGED: "the iterations did not converge",
    Status.NOT_FINITE: "an effect or a variance is not a finite number",
    Status.NO_SOLUTION: "no value from 0 upward solves the equation",
}


class Solution(NamedTuple):
    """Values (n,), their statuses (n,) and how many iterations each took (n,)."""

    x: FloatArray
    status: IntArray
    iterations: IntArray


# A step is small when it no longer matters beside the solution or beside the variances that the solution is added to.
RELATIVE_TOLERANCE = 1e-13
MAX_ITERATIONS = 200
# Where a step is a hundredth of the one before or less, quadratic convergence has set in: relative to x + scale, the next step
# is about the square of this one.
LEAST_SHRINKING = 1e-2
LAST_BUT_ONE = 1e-7
# From here on every other step halves the bracket, unless it is less than half of the one before: where a function only just
# crosses 0, Newton's steps creep.
PATIENCE = 12


def newton_in_bracket(
    step: Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]],
    start: FloatArray,
    low: FloatArray,
    high: FloatArray,
    scale: FloatArray,
    tolerance: float = RELATIVE_TOLERANCE,
    quadratic: bool = False,
    most: int = MAX_ITERATIONS,
) -> Solution:
    """Roots of decreasing-through-zero functions, one a problem, each kept inside its bracket.

    Parameters
    ----------
    step
        `step(x, index)` returns, for the problems `index`, the function's value and the step that Newton (or a better method)
        proposes; a proposal that is not finite asks for a bisection. Where the value is 0 the problem is solved, and where it
        is not finite it can't be. `index` is the same array until problems are dropped.
    start, low, high
        Where each problem starts, and a bracket: the function is positive at `low` and negative at `high`.
    scale
        What makes a step small: |step| <= tolerance * (x + scale). All of shape (n,).
    quadratic
        Whether the proposals converge quadratically: then a step is the last one where the one after it would be small.
    most
        How many iterations there are at most.
    """
    n = start.size
    solution, status = np.full(n, np.nan), np.full(n, int(Status.NOT_CONVERGED), dtype=np.intp)
    iterations = np.full(n, most, dtype=np.intp)
    active, x, before = np.arange(n), start, np.full(n, np.nan)
    unsettled: BoolArray | None = None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for iteration in range(1, most + 1 if n else 0):
            value, proposal = step(x, active)
            rises = value > 0
            low, high = np.where(rises, x, low), np.where(rises, high, x)
            target, size = x + proposal, np.abs(proposal)
            span = x + scale
            second = quadratic and iteration > 1
            near = size <= (LAST_BUT_ONE if second else tolerance) * span
            inside = (target > low) & (target < high) & np.isfinite(value) & (value != 0)
            if iteration > PATIENCE and iteration % 2 == 0:
                inside &= np.isinf(high) | (size <= 0.5 * before)
            outside = np.flatnonzero(~inside)
            near[outside] = False
            ended = np.flatnonzero(near)
            if second and ended.size:
                small, last = size[ended], before[ended]
                ended = ended[(small <= LEAST_SHRINKING * last) | (small <= tolerance * span[ended])]
            if outside.size:
                here, lower, upper = x[outside], low[outside], high[outside]
                room, there = tolerance * span[outside], value[outside]
                middle = 0.5 * (lower + upper)
                middle = np.where(np.isfinite(middle), middle, 2.0 * here + scale[outside])
                # A small step is accepted whatever the bracket says: rounding may put it a hair outside.
                accepted = np.where(there == 0, here, np.clip(target[outside], lower, upper))
                done = (size[outside] <= room) | (there == 0) | ~np.isfinite(there)
                target[outside], size[outside] = np.where(done, accepted, middle), np.nan
                ended = np.concatenate([ended, outside[done | (upper - lower <= room)]])
            newly = ended if unsettled is None else ended[unsettled[ended]]
            if newly.size:
                at = active[newly]
                solution[at], status[at], iterations[at] = target[newly], int(Status.CONVERGED), iteration
                bad = at[~np.isfinite(value[newly])]
                solution[bad], status[bad] = np.nan, int(Status.NOT_FINITE)
                if unsettled is None:
                    unsettled = np.ones(active.size, dtype=np.bool_)
                unsettled[newly] = False
                more = np.flatnonzero(unsettled)
                if not more.size:
                    break
                # Fewer than half are worth a copy of their own.
                if more.size <= active.size // 2:
                    unsettled = None
                    active, target, size = active[more], target[more], size[more]
                    low, high, scale = low[more], high[more], scale[more]
            x, before = target, size
    return Solution(solution, status, iterations)
