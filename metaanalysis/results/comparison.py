"""The same studies pooled by several estimators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaanalysis.effects import measure_named
from metaanalysis.results.pooled import Pooled
from metaanalysis.results.text import interval, number, p_value, per_cent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Comparison:
    """How much the answer depends on the estimator of the between-study variance. Made by `compare`.

    Attributes
    ----------
    fits
        A `Pooled` an estimator, by its key.
    failed
        The estimators that found no answer, and why.
    """

    fits: Mapping[str, Pooled]
    failed: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """One row an estimator, with the columns of `Pooled.to_frame`."""
        import pandas as pd

        frame = pd.concat([fit.to_frame() for fit in self.fits.values()], ignore_index=True)
        frame.insert(0, "estimator", list(self.fits))
        return frame

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest estimate, on the scale of analysis."""
        estimates = [fit.estimate for fit in self.fits.values()]
        return min(estimates), max(estimates)

    def summary(self) -> str:
        """One line an estimator, on the scale on which the measure is read."""
        first = next(iter(self.fits.values()))
        entry = measure_named(first.measure)
        title = f"Estimators of the between-study variance: {entry.title}"
        width = max(len(name) for name in self.fits)
        lines = [title, "=" * len(title)]
        for name, fit in self.fits.items():
            estimate, low, high, *_ = fit.back_transformed()
            ci = f"{per_cent(fit.level)} CI {interval(low, high)}"
            tau2 = "" if math.isnan(fit.tau2) else f", tau² {number(fit.tau2)}"
            lines.append(
                f"{name:<{width}}  {number(estimate):>9}  {ci}, {p_value(fit.p_value)}{tau2}, I² {fit.i2:.1f}%"
            )
        return "\n".join([*lines, *(f"{name}: {why}" for name, why in self.failed.items())])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Comparison: {', '.join(self.fits)}>"
