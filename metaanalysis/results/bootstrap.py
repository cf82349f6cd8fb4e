"""Pooled results of resampled studies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.resampling import BOOTSTRAP_INTERVALS, bootstrap_bias_and_error, in_order
from metaanalysis.options import checked_level, choose
from metaanalysis.results.pooled import Interval, Pooled
from metaanalysis.results.text import interval, number, per_cent

if TYPE_CHECKING:
    import pandas as pd

# What is followed from resample to resample.
QUANTITIES = ("estimate", "tau2", "i2")


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
    deleted
        The same three without one study each, which the interval ``bca`` needs; only where studies were resampled.
    """

    kind: str
    estimate: FloatArray
    tau2: FloatArray
    i2: FloatArray
    resamples: int
    failed: int
    original: Pooled = field(repr=False)
    deleted: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for values in (self.estimate, self.tau2, self.i2, *self.deleted.values()):
            values.flags.writeable = False

    @property
    def se(self) -> float:
        """Bootstrap standard error of the pooled estimate."""
        return float(np.std(self.estimate, ddof=1))

    @property
    def bias(self) -> float:
        """Mean of the resamples' estimates less the original one."""
        return float(self.estimate.mean()) - self.original.estimate

    def interval(self, quantity: str = "estimate", level: float | None = None, method: str = "percentile") -> Interval:
        """Interval of the estimate, of tau2 or of I2.

        Parameters
        ----------
        quantity
            ``estimate``, ``tau2`` or ``i2``.
        level
            By default that of the fit.
        method
            ``percentile`` (default): quantiles of the resamples. ``basic``: these mirrored at the original value, cut off at 0
            for tau2 and at 0 and 100 for I2. ``bca``: percentiles that allow for bias and skewness, where studies were resampled.

        Returns
        -------
        Interval
            NaN with a note where there is none: a model without that quantity, or all resamples on one side of the original.

        Raises
        ------
        OptionError
            ``bca`` of a parametric bootstrap: its acceleration is that of resampled studies.
        """
        name = choose("quantity", quantity, QUANTITIES)
        way = choose("method", method, tuple(BOOTSTRAP_INTERVALS))
        if way == "bca" and not self.deleted:
            raise OptionError(
                "method='bca' takes its acceleration from the estimates without one study each, which belong to resampled "
                "studies: use bootstrap(…, kind='studies'), or another method."
            )
        level = self.original.level if level is None else checked_level(level)
        tail = (1.0 - level) / 2.0
        values = getattr(self, name)
        values = values[~np.isnan(values)]
        said = "BCa" if way == "bca" else way
        title = f"{said} of {values.size:,} {self.kind} resamples"
        if values.size == 0:
            return Interval(np.nan, np.nan, level, title, "there is no such quantity in this model")
        given = in_order(values, np.asarray(getattr(self.original, name)), self.deleted.get(name))
        low, high = (float(limit) for limit in BOOTSTRAP_INTERVALS[way].function(given, tail))
        if math.isnan(low):
            alone = np.isnan(self.deleted[name]).any() if way == "bca" else False
            why = (
                f"without one of the studies {name} can't be estimated"
                if alone
                else "all resamples lie on one side of the original value"
            )
            return Interval(low, high, level, title, why)
        return Interval(*within(name, low, high), level, title)

    def to_frame(self) -> pd.DataFrame:
        """One row a resample: estimate, tau2, i2."""
        import pandas as pd

        return pd.DataFrame({name: np.array(getattr(self, name)) for name in QUANTITIES})

    def summary(self) -> str:
        """Estimate, tau2 and I2 with their bias, standard error and percentile intervals."""
        title = f"Bootstrap: {self.resamples:,} resamples of the studies"
        if self.kind == "parametric":
            title = f"Bootstrap: {self.resamples:,} parametric resamples"
        lines = [title, "=" * len(title)]
        for name in QUANTITIES:
            whole = float(getattr(self.original, name))
            values = getattr(self, name)
            if math.isnan(whole) or np.isnan(values).all():
                continue
            bias, se = bootstrap_bias_and_error(values, np.asarray(whole))
            found = self.interval(name)
            lines.append(
                f"{name:<8}  {number(whole):>9}  bias {number(float(bias))}, SE {number(float(se))}, "
                f"{per_cent(found.level)} CI {interval(found.low, found.high)}"
            )
        if self.failed:
            lines.append(f"Note: in {self.failed:,} resamples tau2 could not be estimated: they are not counted.")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Bootstrap: {self.kind}, {self.resamples:,} resamples>"


def within(name: str, low: float, high: float) -> tuple[float, float]:
    """Limits within what a quantity can be: tau2 from 0 upward, I2 from 0 to 100."""
    if name == "estimate":
        return low, high
    top = 100.0 if name == "i2" else math.inf
    return min(max(low, 0.0), top), min(max(high, 0.0), top)
