"""The result of trim and fill."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects import measure_named
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.results.pooled import Pooled
from metaanalysis.results.text import interval, number, per_cent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TrimAndFill:
    """The studies that seem to be missing from a funnel, and the result with them. Made by `trim_and_fill`.

    Attributes
    ----------
    missing, missing_se
        How many studies are missing, and the standard error of the unrounded number; NaN where it is not defined.
    missing_p_value
        Of no missing study on that side; R0 alone has one, else NaN.
    side
        ``left`` or ``right``: where they are missing.
    estimator, convention
        How their number was estimated.
    centre
        The effect about which the funnel is even, on the scale of analysis.
    filled_y, filled_v
        The studies filled in, mirror images of those trimmed, by falling distance from the centre.
    mirrored
        Which study each is the mirror image of, as indices into the effects.
    original, filled
        The fit to the studies at hand, and to these and the filled.
    """

    missing: int
    missing_se: float
    missing_p_value: float
    side: str
    estimator: str
    convention: str
    centre: float
    filled_y: FloatArray
    filled_v: FloatArray
    mirrored: IntArray
    original: Pooled = field(repr=False)
    filled: Pooled = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("filled_y", "filled_v", "mirrored"):
            getattr(self, name).flags.writeable = False

    def to_frame(self) -> pd.DataFrame:
        """Two rows, ``original`` and ``filled``, with the columns of `Pooled.to_frame`."""
        import pandas as pd

        frame = pd.concat([self.original.to_frame(), self.filled.to_frame()], ignore_index=True)
        frame.insert(0, "studies", ["original", "filled"])
        return frame

    def studies(self) -> pd.DataFrame:
        """One row a study, those filled in last: label, y, v, filled."""
        import pandas as pd

        effects = self.filled.effects
        filled = np.arange(effects.k) >= effects.k - self.missing
        return pd.DataFrame(
            {"label": list(effects.label), "y": np.array(effects.y), "v": np.array(effects.v), "filled": filled}
        )

    def summary(self) -> str:
        """How many are missing, and both results."""
        entry = measure_named(self.original.measure)
        se = "" if math.isnan(self.missing_se) else f" (SE {number(self.missing_se, 2)})"
        studies = "study" if self.missing == 1 else "studies"
        lines = [f"Trim and fill ({self.estimator}): {self.missing} {studies}{se} missing on the {self.side}"]
        for name, fit in (("Original", self.original), ("Filled", self.filled)):
            estimate, low, high, *_ = fit.back_transformed()
            ci = f"{per_cent(fit.level)} CI {interval(low, high)}"
            lines.append(f"{name:<8}  k = {fit.k:<3d} {entry.title} {number(estimate)}, {ci}")
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<TrimAndFill: {self.missing} missing on the {self.side} ({self.estimator})>"
