"""Fail-safe numbers: how many studies without an effect would take the result away."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from metaanalysis.diagnostics.given import fit_of
from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas import fail_safe
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.fail_safe import FailSafe
from metaanalysis.registry import Entry, Registry
from metaanalysis.results import Pooled
from metaanalysis.results.fail_safe import FailSafeN

# (y, v, alpha, target, weighted) -> FailSafe
FailSafeFunction: TypeAlias = Callable[[FloatArray, FloatArray, float, float | None, bool], FailSafe]

FAIL_SAFE: Registry[FailSafeFunction] = Registry(
    "method",
    {
        "rosenthal": Entry(
            lambda y, v, alpha, target, weighted: fail_safe.rosenthal(y, v, alpha),  # noqa: ARG005
            "Rosenthal's fail-safe N",
            "rosenthal1979",
        ),
        "orwin": Entry(
            lambda y, v, alpha, target, weighted: fail_safe.orwin(y, v, target, weighted),  # noqa: ARG005
            "Orwin's fail-safe N",
            "orwin1983",
        ),
        "rosenberg": Entry(
            lambda y, v, alpha, target, weighted: fail_safe.rosenberg(y, v, alpha),  # noqa: ARG005
            "Rosenberg's fail-safe N",
            "rosenberg2005",
        ),
    },
)
# What rounding may add to a number that is whole.
ROUNDING = 1e-9


def fail_safe_n(
    fit: Pooled | Effects,
    method: str = "rosenthal",
    *,
    alpha: float = 0.05,
    target: float | None = None,
    weighted: bool = False,
) -> FailSafeN:
    """How many unpublished studies without an effect would take the result away?

    Parameters
    ----------
    fit
        A result of `pool`, or `Effects`; the number depends on effects and variances alone.
    method
        ``rosenthal`` (until Stouffer's one-sided p reaches alpha; default), ``orwin`` (until the mean effect falls to the
        target) or ``rosenberg`` (until the common-effect two-sided p reaches alpha).
    alpha
        Level of significance.
    target
        Orwin: the effect that is negligible, on the scale of analysis; by default half the mean.
    weighted
        Orwin: whether the mean is weighted by inverse variance.

    Returns
    -------
    FailSafeN
        ``number``, rounded up, and ``exact``.

    Raises
    ------
    OptionError
        Where alpha is no level, or the target is 0 or on the other side of 0.

    Notes
    -----
    Kept for comparison with older reviews; the Cochrane Handbook advises against fail-safe numbers.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> ma.fail_safe_n(ma.effect_sizes(ma.load_dataset("bcg"), "RR")).number
    598

    References
    ----------
    Rosenthal R (1979). The file drawer problem and tolerance for null results. Psychological Bulletin 86, 638-641.
    """
    effects = fit_of(fit, "fail_safe_n").effects
    key, entry = FAIL_SAFE.key(method), FAIL_SAFE.entry(method)
    if not 0.0 < alpha < 1.0:
        raise OptionError(f"alpha={alpha!r} is not a level of significance: it lies between 0 and 1, as in 0.05.")
    if target is not None and key != "orwin":
        raise OptionError(f"target belongs to method='orwin', not to {key!r}.")
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    found = entry.function(y, v, alpha, target, weighted)
    if target is not None and (target == 0 or math.copysign(1.0, target) != math.copysign(1.0, found.mean)):
        raise OptionError(
            f"target={target:g} can't be reached: adding studies without an effect brings the mean, {found.mean:g}, "
            f"towards 0 and never to it. Name a small effect of the same sign."
        )
    number = math.ceil(found.number * (1.0 - ROUNDING)) if math.isfinite(found.number) else 0
    return FailSafeN(number, found.number, key, entry.title, found.p_value, found.mean, found.target, alpha, effects.k)
