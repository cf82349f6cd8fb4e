"""The effect sizes of a set of studies, with what was done to whom and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects.columns import find_column
from metaanalysis.effects.labels import Labels
from metaanalysis.effects.measures import MEASURES, Measure
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.back_transformation import harmonic_mean
from metaanalysis.formulas.inference import quantile
from metaanalysis.options import EffectOptions

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd


# The share of the width of an interval by which an estimate may move with the size that is put in.
MOST_SHIFT = 0.1


def frozen(array: FloatArray) -> FloatArray:
    """The array, closed to changes; a copy of one that others may still change."""
    return closed(np.array(array)) if array.flags.writeable else array


def closed(array: FloatArray) -> FloatArray:
    """The array itself, closed to changes."""
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Effects:
    """Effect sizes and their sampling variances, ready to pool.

    Made by `effect_sizes`; see there for an example.

    Attributes
    ----------
    y, v
        Effect sizes on the scale of analysis (log for ratios) and their sampling variances, shape (k,).
    measure
        Key of the measure, such as ``"RR"``.
    label
        The studies' labels.
    inputs
        The data behind the effect sizes, by our names, kept studies only; empty where effects were given.
    options, convention
        How they were computed.
    """

    y: FloatArray
    v: FloatArray
    measure: str
    label: Labels | tuple[str, ...]
    inputs: Mapping[str, FloatArray] = field(default_factory=dict)
    options: EffectOptions = field(default_factory=EffectOptions)
    convention: str = "metafor"
    given: bool = False
    source: nw.DataFrame[Any] | None = field(default=None, repr=False)
    rows: IntArray | None = field(default=None, repr=False)
    was_corrected: BoolArray | None = field(default=None, repr=False)
    left_out: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    all_data: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)
    all_labels: Labels | tuple[str, ...] = field(default=(), repr=False)
    all_rows: IntArray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", frozen(self.y))
        object.__setattr__(self, "v", frozen(self.v))

    @property
    def k(self) -> int:
        """How many studies there are."""
        return int(self.y.size)

    def __len__(self) -> int:
        return self.k

    @property
    def se(self) -> FloatArray:
        """Standard errors, on the scale of analysis."""
        return np.sqrt(self.v)

    @property
    def measure_entry(self) -> Measure:
        """The measure itself: its titles and its scales."""
        return MEASURES[self.measure]

    @property
    def table(self) -> Any:
        """The rows of the user's own frame that were kept, in its own kind; None where plain arrays were given."""
        if self.source is None:
            return None
        rows = np.arange(self.k) if self.rows is None else self.rows
        return self.source[rows.tolist()].to_native()

    def column(self, name: str) -> list[Any]:
        """A column of the user's frame, for the studies that were kept."""
        from metaanalysis.errors import DataError

        if self.source is None:
            raise DataError(f"there is no column {name!r}: these effects were given as plain arrays, without a table.")
        values = self.source[find_column(self.source, name, "by")].to_list()
        return values if self.rows is None else [values[row] for row in self.rows]

    @property
    def excluded(self) -> pd.DataFrame:
        """The studies that were left out: label, reason."""
        import pandas as pd

        return pd.DataFrame(list(self.left_out), columns=["label", "reason"], dtype="object")

    @property
    def corrected(self) -> pd.DataFrame:
        """The studies whose counts a continuity correction touched: label, what was added."""
        import pandas as pd

        from metaanalysis.effects.describe import added_to

        touched = [] if self.was_corrected is None else np.flatnonzero(self.was_corrected).tolist()
        rows = [(self.label[row], added_to(self, row)) for row in touched]
        return pd.DataFrame(rows, columns=["label", "added"], dtype="object")

    @property
    def sizes(self) -> FloatArray | None:
        """People or person-time of each study, where a back-transformation needs them and they are known; else None."""
        size = self.measure_entry.size
        if size is None or size not in self.inputs:
            return None
        n = self.inputs[size]
        if size == "n" and self.was_corrected is not None and self.was_corrected.any():
            # The addition went to the events and to the non-events.
            return np.asarray(n + 2.0 * self.options.add * self.was_corrected)
        return n

    def back_transform(self, values: FloatArray) -> FloatArray:
        """Numbers that belong to all studies together, on the scale on which the measure is read.

        For most measures that is a function of the number alone. Freeman and Tukey's transformations also take a size, which
        a pooled number has not; as Miller (1978) proposed, it is the harmonic mean of the studies' sizes. Where effects were
        given without their sizes the answer is NaN.
        """
        sizes = self.sizes
        return self.measure_entry.back_transform(values, None if sizes is None else harmonic_mean(sizes))

    def back_transform_each(self, values: FloatArray) -> FloatArray:
        """One number a study, as `y` or a limit of its interval, on the scale on which the measure is read: (k,)."""
        return self.measure_entry.back_transform(values, self.sizes)

    def misled(self, estimate: float, low: float, high: float) -> str:
        """Why a pooled estimate of Freeman and Tukey's measures should not be read on the scale of proportions; or "".

        Parameters
        ----------
        estimate, low, high
            The pooled estimate and its interval, on the scale of analysis.

        Notes
        -----
        Schwarzer, Chemaitelly, Abu-Raddad and Rücker (2019) showed how far the way back by the harmonic mean can lead astray.
        Two things give it away: the estimate lies outside the range of the studies' own proportions or rates, or it hangs on
        the size that was put in, that is, with the arithmetic mean of the sizes it would be another by more than a tenth
        of the width of its interval.
        """
        sizes = self.sizes
        if sizes is None:
            return ""
        entry = self.measure_entry
        found, lower, upper = self.back_transform(np.array([estimate, low, high])).tolist()
        other = float(entry.back_transform(np.asarray(estimate), np.asarray(np.mean(sizes))))
        own = self.inputs["events"] / self.inputs[str(entry.size)]
        least, most = float(own.min()), float(own.max())
        slack = 1e-9 * max(most, 1e-300)
        if found < least - slack or found > most + slack:
            reason = f"{found:.4g} lies outside the range of the studies' own, {least:.4g} to {most:.4g}"
        elif abs(found - other) > MOST_SHIFT * (upper - lower):
            reason = (
                f"the sizes differ from {sizes.min():g} to {sizes.max():g}, and with their arithmetic mean in place of the "
                f"harmonic it would be {other:.4g} instead of {found:.4g}"
            )
        else:
            return ""
        instead = "PLO, PAS or a generalised linear mixed model" if entry.size == "n" else "IRLN, IRS"
        return (
            f"the {entry.title} that Freeman and Tukey's transformation leads back to is misleading: {reason} "
            f"(Schwarzer et al. 2019). Use another measure ({instead})."
        )

    def describe(self) -> str:
        """What was computed, corrected and left out: a paragraph for a methods section, with its references."""
        from metaanalysis.effects.describe import describe_effects

        return describe_effects(self)

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """The studies' own confidence intervals (normal), on the scale of analysis."""
        half = quantile(level, np.asarray(np.inf)) * self.se
        return self.y - half, self.y + half

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a study: label, the data behind it, y, v, se and its interval, on the scale of analysis."""
        import pandas as pd

        low, high = self.interval(level)
        columns: dict[str, Any] = {"label": list(self.label)}
        columns.update({name: np.array(values) for name, values in self.inputs.items() if name not in ("y", "v", "se")})
        columns.update({"y": np.array(self.y), "v": np.array(self.v), "se": self.se, "ci_low": low, "ci_high": high})
        return pd.DataFrame(columns)

    def subset(self, keep: BoolArray) -> Effects:
        """The effects of some of the studies; keep: booleans (k,)."""
        at = np.flatnonzero(keep)
        rows = np.arange(self.k) if self.rows is None else self.rows
        # Rows number the user's table; all_data may already be a part of it.
        label = self.label.take(at) if isinstance(self.label, Labels) else tuple(self.label[i] for i in at)
        within = rows if self.all_rows is None else np.searchsorted(self.all_rows, rows)
        return Effects(
            y=self.y[at],
            v=self.v[at],
            measure=self.measure,
            label=label,
            inputs={name: values[at] for name, values in self.inputs.items()},
            options=self.options,
            convention=self.convention,
            given=self.given,
            source=self.source,
            rows=rows[at],
            was_corrected=None if self.was_corrected is None else self.was_corrected[at],
            columns=self.columns,
            all_data={name: values[within[at]] for name, values in self.all_data.items()},
            all_labels=label,
            all_rows=rows[at],
        )

    def __repr__(self) -> str:
        entry = self.measure_entry
        parts = [f"<Effects: {self.k} {'study' if self.k == 1 else 'studies'}, {entry.analysis_scale}"]
        if self.left_out:
            parts.append(f"{len(self.left_out)} left out")
        if self.was_corrected is not None and self.was_corrected.any():
            parts.append(f"{int(self.was_corrected.sum())} with a continuity correction")
        return ", ".join(parts) + ">"
