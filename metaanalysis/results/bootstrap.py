"""Pooled results of resampled studies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.options import checked_level
from metaanalysis.results.pooled import Interval, Pooled
from metaanalysis.results.text import interval, number, per_cent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """How estimates vary over resampled studies. Made by `bootstrap`.

    Attributes
    ----------
    kind
        ``parametric`` or ``studies``.
    estimate, tau2, i2
        Of each resample, on the scale of analysis; resamples in which tau2 could not be estimated are left out.
    resamples, failed
        How many there were, and how many are left out.
    original
        The fit to the studies themselves.
    """

    kind: str
    estimate: FloatArray
    tau2: FloatArray
    i2: FloatArray
    resamples: int
    failed: int
    original: Pooled = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("estimate", "tau2", "i2"):
            getattr(self, name).flags.writeable = False

    @property
    def se(self) -> float:
        """Bootstrap standard error of the pooled estimate."""
        return float(np.std(self.estimate, ddof=1))

    @property
    def bias(self) -> float:
        """Mean of the resamples' estimates less the original one."""
        return float(self.estimate.mean()) - self.original.estimate

    def interval(self, quantity: str = "estimate", level: float | None = None) -> Interval:
        """Percentile interval of ``estimate``, ``tau2`` or ``i2``; by default at the level of the fit."""
        from metaanalysis.options import choose

        name = choose("quantity", quantity, ("estimate", "tau2", "i2"))
        level = self.original.level if level is None else checked_level(level)
        tail = (1.0 - level) / 2.0
        values = getattr(self, name)
        values = values[~np.isnan(values)]
        method = f"percentile of {values.size:,} {self.kind} resamples"
        if values.size == 0:
            return Interval(np.nan, np.nan, level, method, "there is no such quantity in this model")
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return Interval(float(low), float(high), level, method)

    def to_frame(self) -> pd.DataFrame:
        """One row a resample: estimate, tau2, i2."""
        import pandas as pd

        return pd.DataFrame({name: np.array(getattr(self, name)) for name in ("estimate", "tau2", "i2")})

    def summary(self) -> str:
        """Estimate, bootstrap standard error and percentile interval."""
        found = self.interval()
        return (
            f"Bootstrap ({self.kind}, {self.resamples:,} resamples): estimate {number(self.original.estimate)}, "
            f"SE {number(self.se)}, {per_cent(found.level)} CI {interval(found.low, found.high)}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Bootstrap: {self.kind}, {self.resamples:,} resamples>"
