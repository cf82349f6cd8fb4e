"""An effect size on another scale: its variance by the delta method, for any smooth function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate

_STEP_SHRINKAGE = 1.6
_STEPS = 14


def delta_method(
    y: FloatArray,
    v: FloatArray,
    function: Callable[[FloatArray], FloatArray],
    derivative: Callable[[FloatArray], FloatArray] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """A function of an effect size and its large-sample variance.

        y' = f(y),   v' = f'(y)² v

    y, v: broadcastable. Returns (y', v') of that shape. Without a derivative one is computed from f itself
    (numerical_derivative), with steps that start at half a standard error.
    """
    slope = numerical_derivative(function, y, 0.5 * np.sqrt(v)) if derivative is None else derivative(y)
    return estimate(function(y), slope * slope * v)


def numerical_derivative(function: Callable[[FloatArray], FloatArray], x: FloatArray, step: FloatArray) -> FloatArray:
    """Derivative of a function at each x by central differences of shrinking steps, extrapolated to a step of zero.

        D_0(h) = [f(x + h) - f(x - h)]/(2h),   D_j = (s^(2j) D_(j-1)(h/s) - D_(j-1)(h))/(s^(2j) - 1)

    and of all D the one that agrees best with its neighbours. function: elementwise; x, step (> 0): broadcastable.
    Steps that leave the domain of the function (NaN) are passed over. Returns that shape. Source: Ridders (1982).
    """
    x, step = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(step, dtype=np.float64))
    best, error = np.full(x.shape, np.nan), np.full(x.shape, np.inf)
    previous: list[FloatArray] = []
    for i in range(_STEPS):
        # The step that was really taken, after rounding.
        high, low = x + step / _STEP_SHRINKAGE**i, x - step / _STEP_SHRINKAGE**i
        with np.errstate(all="ignore"):
            row = [np.asarray((function(high) - function(low)) / (high - low))]
            for j, older in enumerate(previous):
                weight = _STEP_SHRINKAGE ** (2 * (j + 1))
                row.append(np.asarray((weight * row[j] - older) / (weight - 1.0)))
                disagreement = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - older))
                better = disagreement < error
                best, error = np.where(better, row[-1], best), np.where(better, disagreement, error)
        previous = row
    return best
