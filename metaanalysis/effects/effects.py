"""The effect sizes of a set of studies, with what was done to whom and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects.columns import find_column
from metaanalysis.effects.measures import MEASURES, Measure
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.options import EffectOptions

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd


def frozen(array: FloatArray) -> FloatArray:
    """The array, closed to changes."""
    array = np.array(array)
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
    label: tuple[str, ...]
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
    all_labels: tuple[str, ...] = field(default=(), repr=False)
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

        touched = [] if self.was_corrected is None else np.flatnonzero(self.was_corrected).tolist()
        how = f"{self.options.add:g} to each cell"
        if self.options.addition == "treatment-arm":
            how = f"{2 * self.options.add:g} in all to each outcome, shared in proportion to the arms' sizes"
        rows = [(self.label[row], how) for row in touched]
        return pd.DataFrame(rows, columns=["label", "added"], dtype="object")

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
        within = rows if self.all_rows is None else np.searchsorted(self.all_rows, rows)
        return Effects(
            y=self.y[at],
            v=self.v[at],
            measure=self.measure,
            label=tuple(self.label[i] for i in at),
            inputs={name: values[at] for name, values in self.inputs.items()},
            options=self.options,
            convention=self.convention,
            given=self.given,
            source=self.source,
            rows=rows[at],
            was_corrected=None if self.was_corrected is None else self.was_corrected[at],
            columns=self.columns,
            all_data={name: values[within[at]] for name, values in self.all_data.items()},
            all_labels=tuple(self.label[i] for i in at),
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
