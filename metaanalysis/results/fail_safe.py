"""The result of a fail-safe number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FailSafeN:
    """How many studies without an effect would take the result away. Made by `fail_safe_n`.

    Attributes
    ----------
    number
        Rounded up to a whole number; 0 where the result is not there to be taken away.
    exact
        Not rounded.
    method, title
        ``rosenthal``, ``orwin`` or ``rosenberg``, and what it asks.
    p_value
        Of the studies at hand: Rosenthal's one-sided, Rosenberg's two-sided; NaN for Orwin.
    mean, target
        The mean effect of the studies, and the effect called negligible; NaN where the method has none.
    k
        How many studies there are.
    """

    number: int
    exact: float
    method: str
    title: str
    p_value: float
    mean: float
    target: float
    alpha: float
    k: int

    @property
    def tolerance(self) -> int:
        """Rosenthal's rule of thumb: a number above 5 k + 10 is called robust."""
        return 5 * self.k + 10

    def to_dict(self) -> dict[str, Any]:
        """Every number by name."""
        names = "number exact method title p_value mean target alpha k tolerance".split()
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """The number in a sentence."""
        if math.isnan(self.target):
            goal = f"to bring p up to {self.alpha:g}"
        else:
            goal = f"to bring the mean effect from {self.mean:.4g} to {self.target:.4g}"
        return f"{self.title}: {self.number} studies without an effect {goal} (k = {self.k})"

    def __str__(self) -> str:
        return self.summary()
