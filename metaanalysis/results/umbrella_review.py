"""The pooled results that several reviews report, side by side and never pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metaanalysis.effects import measure_named
from metaanalysis.formulas.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

# Measures that reviews report and no study data are turned into.
TITLES = MappingProxyType({"DOR": "diagnostic odds ratio"})
RATIOS = frozenset({"DOR"})


def measure_title(key: str) -> str:
    """As in "risk ratio", on the scale on which reviews report it."""
    return TITLES.get(key) or measure_named(key).title


def is_ratio(key: str) -> bool:
    """Whether the measure is reported as a ratio, which a logarithmic axis shows."""
    return key in RATIOS or measure_named(key).back == "exp"


@dataclass(frozen=True, eq=False)
class UmbrellaReview:
    """What several reviews report of several outcomes, a row a pooled result. Made by `umbrella`; drawn by `forest`.

    There is no pooled estimate: reviews of one question rest on the same studies (see `citation_matrix`), and pooling them would
    count these twice.

    Attributes
    ----------
    review, outcome, measure
        One a row; outcome is "" where none was given. The measure is a key, such as ``RR``.
    estimate, ci_low, ci_high
        As reported: ratios as ratios, not as their logarithms.
    decimals
        At which a row was reported.
    numbers
        What else the table says of each row, by name: ``k`` (studies), ``n_total`` (participants), ``i2``, ``q``, ``p_value`` and
        so on; only what the table has, NaN where a cell is empty. A p-value reported as a bound, such as "<0.001", is the bound.
    reported
        The same as they were printed, "" where a cell is empty.
    others
        The table's other columns as they were given, such as a judgement by AMSTAR 2.
    level
        Of the intervals.
    """

    review: tuple[str, ...]
    outcome: tuple[str, ...]
    measure: tuple[str, ...]
    estimate: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    decimals: IntArray
    numbers: Mapping[str, FloatArray] = field(repr=False)
    reported: Mapping[str, tuple[str, ...]] = field(repr=False)
    others: Mapping[str, tuple[Any, ...]] = field(repr=False)
    level: float = 0.95

    def __post_init__(self) -> None:
        for values in (self.estimate, self.ci_low, self.ci_high, self.decimals, *self.numbers.values()):
            values.flags.writeable = False

    def __len__(self) -> int:
        return len(self.review)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures in the order in which they come."""
        return tuple(dict.fromkeys(self.measure))

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes in the order in which they come; none where the table has none."""
        return tuple(name for name in dict.fromkeys(self.outcome) if name)

    def to_frame(self) -> pd.DataFrame:
        """A row a pooled result: review, outcome, measure, estimate and limits, and what else was reported."""
        import pandas as pd

        own: dict[str, Any] = {"review": self.review, "outcome": self.outcome, "measure": self.measure}
        own |= {name: getattr(self, name) for name in ("estimate", "ci_low", "ci_high")}
        own |= dict(self.numbers)
        return pd.DataFrame(own | {name: list(values) for name, values in self.others.items() if name not in own})

    def summary(self) -> str:
        """How many results of how many reviews there are, and what they are of."""
        counts = [f"{len(self)} pooled {'result' if len(self) == 1 else 'results'}"]
        counts.append(f"of {len(set(self.review))} {'review' if len(set(self.review)) == 1 else 'reviews'}")
        if self.outcomes:
            counts.append(f"on {len(self.outcomes)} {'outcome' if len(self.outcomes) == 1 else 'outcomes'}")
        named = [f"{self.measure.count(key)} {measure_title(key)}" for key in self.measures]
        return f"{' '.join(counts)}, not pooled over reviews. Measures: {', '.join(named)}."

    def __str__(self) -> str:
        return self.summary()
