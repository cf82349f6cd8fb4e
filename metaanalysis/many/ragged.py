"""What the engines are given: many groups of studies, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Ragged:
    """Groups laid end to end; group g is rows offsets[g] to offsets[g + 1] (that one excluded).

    y, v: (rows,) finite effect sizes and sampling variances > 0, bad rows already left out; offsets: (groups + 1,), from 0 to
    the number of rows, never decreasing. A group may be empty. tau2_weights: (rows,) > 0, the fixed weights of the generalised Q
    by which tau2 is estimated; else None.
    """

    y: FloatArray
    v: FloatArray
    offsets: IntArray
    tau2_weights: FloatArray | None = None

    @property
    def sizes(self) -> IntArray:
        """The number of studies of each group: (groups,)."""
        return np.diff(self.offsets)
