"""What a measure is: its inputs, its formula, its scales and what an axis calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.back_transformation import (
    BACK_TRANSFORMATIONS,
    inverse_freeman_tukey_proportion,
    inverse_freeman_tukey_rate,
)
from metaanalysis.options import EffectOptions

Inputs: TypeAlias = Mapping[str, FloatArray]


class Computed(NamedTuple):
    """Effect sizes of all studies, which had counts added to, and which cannot be estimated (with the reason)."""

    y: FloatArray
    v: FloatArray
    corrected: BoolArray
    left_out: BoolArray
    reason: str


Compute: TypeAlias = Callable[[Inputs, EffectOptions], Computed]

BY_SIZE: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "freeman-tukey proportion": inverse_freeman_tukey_proportion,
    "freeman-tukey rate": inverse_freeman_tukey_rate,
}

UNDEFINED = "its effect size or its sampling variance is not defined"


@dataclass(frozen=True)
class Measure:
    """One measure.

    Parameters
    ----------
    key
        Its name in calls, such as ``RR``.
    title
        What it measures, on the scale that it is read on.
    inputs
        The study data that it is computed from; empty where only given estimates make sense.
    compute
        Inputs and options to effect sizes.
    analysis_scale
        What the pooled numbers are, such as ``log risk ratio``.
    back
        Key of the transformation to the scale on which it is read; ``identity`` where the scales are the same.
    favours
        Whether an axis may say which group an effect favours.
    variances
        The variants of its sampling variance, the default first; empty where there is one.
    corrections
        The variants of its bias correction, the default first; empty where there is none.
    checks
        Names of the checks of data that it needs beyond those of its inputs (see ``checks.py``).
    cells
        What a continuity correction adds to, in words; empty where it has no place.
    corrected
        Whether zero cells are corrected unless the user says otherwise; a measure that is defined with zeros is corrected
        only where ``add`` is given.
    smallest
        How many people a group needs.
    neutral
        The value of no effect, on the scale on which the measure is read, where it is not the usual one.
    size
        The input that a back-transformation needs beside the effect (Freeman-Tukey); None for the others.
    kind
        What kind of data it is for, as tables of measures group them.
    reference
        Citation key.
    """

    key: str
    title: str
    inputs: tuple[str, ...]
    compute: Compute | None
    analysis_scale: str
    back: str = "identity"
    favours: bool = True
    variances: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    cells: str = ""
    corrected: bool = True
    smallest: int = 1
    neutral: float | None = None
    size: str | None = None
    kind: str = "given estimates"
    reference: str | None = None

    @property
    def transformed(self) -> bool:
        """Whether studies are pooled on another scale than the one on which the measure is read."""
        return self.back != "identity"

    @property
    def no_effect(self) -> float | None:
        """The value of no effect on the scale on which the measure is read; None where none stands out (one group)."""
        if self.neutral is not None:
            return self.neutral
        if not self.favours and not {"r", "t"} & set(self.inputs):
            return None
        return 1.0 if self.back == "exp" else 0.0

    def back_transform(self, y: FloatArray, size: FloatArray | None = None) -> FloatArray:
        """Numbers on the scale on which the measure is read.

        size: people or person-time behind each number, where `size` names them (Freeman-Tukey); without them there is no
        way back, and the answer is NaN. `Effects.back_transform` knows them.
        """
        if self.size is not None:
            if size is None:
                return np.full(np.shape(y), np.nan)
            return BY_SIZE[self.back](np.asarray(y, dtype=np.float64), np.asarray(size, dtype=np.float64))
        return np.asarray(BACK_TRANSFORMATIONS[self.back](np.asarray(y, dtype=np.float64)))


def nobody(like: FloatArray) -> BoolArray:
    """No study at all."""
    return np.zeros(np.shape(like), dtype=np.bool_)


def defined(y: FloatArray, v: FloatArray) -> BoolArray:
    """Studies with a finite effect and a positive, finite variance."""
    return np.asarray(np.isfinite(y) & np.isfinite(v) & (v > 0))


def take(inputs: Inputs, names: tuple[str, ...]) -> list[FloatArray]:
    """The inputs in a formula's order."""
    return [inputs[name] for name in names]
