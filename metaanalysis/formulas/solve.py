"""Batched root finding: solutions with a status each. Problems that have converged are dropped from the loop."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray


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


def newton_in_bracket(
    step: Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]],
    start: FloatArray,
    low: FloatArray,
    high: FloatArray,
    scale: FloatArray,
    tolerance: float = RELATIVE_TOLERANCE,
) -> Solution:
    """Roots of decreasing-through-zero functions, one a problem, each kept inside its bracket.

    Parameters
    ----------
    step
        `step(x, index)` returns, for the problems `index`, the function's value and the step that Newton (or a better method)
        proposes; a proposal that is not finite asks for a bisection.
    start, low, high
        Where each problem starts, and a bracket: the function is positive at `low` and negative at `high`.
    scale
        What makes a step small: |step| <= tolerance * (x + scale). All of shape (n,).
    """
    x, low, high = start.copy(), low.copy(), high.copy()
    status = np.full(x.shape, int(Status.NOT_CONVERGED), dtype=np.intp)
    iterations = np.zeros(x.shape, dtype=np.intp)
    active = np.arange(x.size)
    for _ in range(MAX_ITERATIONS):
        if active.size == 0:
            break
        value, proposal = step(x[active], active)
        here = x[active]
        left, right = low[active], high[active]
        left = np.where(value > 0, here, left)
        right = np.where(value < 0, here, right)
        low[active], high[active] = left, right
        target = here + proposal
        # A small step is accepted before the bracket is asked: rounding may put it a hair outside.
        small = np.abs(proposal) <= tolerance * (here + scale[active])
        with np.errstate(invalid="ignore"):
            inside = (target > left) & (target < right)
            middle = 0.5 * (left + right)
            narrow = np.isfinite(right) & ((right - left) <= tolerance * (middle + scale[active]))
        moved = np.where(inside, target, np.where(np.isfinite(middle), middle, 2.0 * here + scale[active]))
        exact = value == 0
        moved = np.where(exact, here, np.where(small, np.clip(target, left, right), moved))
        x[active] = moved
        iterations[active] += 1
        bad = ~np.isfinite(value)
        done = small | narrow | exact | bad
        status[active[done]] = np.where(bad[done], int(Status.NOT_FINITE), int(Status.CONVERGED))
        active = active[~done]
    x[(status == Status.NOT_FINITE) | (status == Status.NOT_CONVERGED)] = np.nan
    return Solution(x, status, iterations)
