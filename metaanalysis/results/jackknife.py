"""An estimate's bias and standard error from the estimates without one study each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.options import checked_level, choose
from metaanalysis.results.bootstrap import QUANTITIES
from metaanalysis.results.pooled import Interval, Pooled
from metaanalysis.results.text import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Jackknife:
    """Bias and standard error of the pooled estimate, of tau2 and of I2. Made by `jackknife`.

    Attributes
    ----------
    deleted
        ``estimate``, ``tau2`` and ``i2`` without each study, on the scale of analysis, in the order of the studies.
    bias, se
        Of the three, by name; NaN where one of the sets has no such estimate (`notes` says so).
    label
        The study left out.
    original
        The fit to all studies.
    notes
        What is not there, and why.
    """

    deleted: Mapping[str, FloatArray]
    bias: Mapping[str, float]
    se: Mapping[str, float]
    label: tuple[str, ...]
    original: Pooled = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for values in self.deleted.values():
            values.flags.writeable = False

    def corrected(self, quantity: str = "estimate") -> float:
        """The original value less its bias; it may lie where the quantity can't be, below 0 for tau2."""
        name = choose("quantity", quantity, QUANTITIES)
        return float(getattr(self.original, name)) - self.bias[name]

    def interval(self, quantity: str = "estimate", level: float | None = None) -> Interval:
        """The original value -+ t with k - 1 degrees of freedom times the jackknife's standard error; by default the fit's level.

        For the estimate: tau2 and I2 are far from normal, and the jackknife's intervals for them are poor.
        """
        name = choose("quantity", quantity, QUANTITIES)
        level = self.original.level if level is None else checked_level(level)
        value, se, df = float(getattr(self.original, name)), self.se[name], len(self.label) - 1
        half = float(quantile(level, np.asarray(float(df)))) * se
        note = "without one of the studies it can't be estimated" if math.isnan(half) else ""
        return Interval(value - half, value + half, level, f"jackknife, t with {df} df", note)

    def pseudo_values(self, quantity: str = "estimate") -> FloatArray:
        """k times the original value less k - 1 times that without each study: one a study."""
        name = choose("quantity", quantity, QUANTITIES)
        whole = float(getattr(self.original, name))
        return whole + (len(self.label) - 1) * (whole - self.deleted[name])

    def to_frame(self) -> pd.DataFrame:
        """One row a study left out: label, estimate, tau2, i2."""
        import pandas as pd

        return pd.DataFrame({"label": list(self.label), **{name: np.array(x) for name, x in self.deleted.items()}})

    def summary(self) -> str:
        """Value, bias and standard error of each of the three, beside the model's standard error."""
        title = f"Jackknife over {len(self.label)} studies"
        lines = [title, "=" * len(title)]
        for name in QUANTITIES:
            value = float(getattr(self.original, name))
            if math.isnan(value):
                continue
            text = f"{name:<8}  {number(value):>9}  bias {number(self.bias[name])}, SE {number(self.se[name])}"
            lines.append(text + (f" (by the model {number(self.original.se)})" if name == "estimate" else ""))
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Jackknife: {len(self.label)} studies, SE {number(self.se['estimate'])}>"
