"""The verdicts of an audit: one row a check, as a frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from metaanalysis.reviews.checks import Check

if TYPE_CHECKING:
    import pandas as pd


class Verdict(NamedTuple):
    """One check of one row; see `Audit` for the columns."""

    row: int
    source: str
    outcome: str
    check: str
    reported: str
    possible_low: float
    possible_high: float
    consistent: bool
    how_far_off: float
    sentence: str
    doubtful: bool = False


_TYPES = {
    "row": "int64",
    "possible_low": "float64",
    "possible_high": "float64",
    "consistent": "bool",
    "how_far_off": "float64",
    "doubtful": "bool",
}


def verdicts_of(
    checks: Sequence[Check], rows: Sequence[int], source: Sequence[str], outcome: Sequence[str]
) -> list[Verdict]:
    """One verdict a check that could be made, row by row."""
    return [
        Verdict(
            row,
            source[i],
            outcome[i],
            check.key,
            check.reported[i],
            float(check.possible.low[i]),
            float(check.possible.high[i]),
            bool(check.apart[i] == 0) or check.doubtful(i),
            float(check.distance[i]) if check.apart[i] > 0 else 0.0,
            check.sentence(i),
            check.doubtful(i),
        )
        for i, row in enumerate(rows)
        for check in checks
        if not math.isnan(check.apart[i])
    ]


def frame_of(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Verdicts as a frame."""
    import pandas as pd

    columns = list(zip(*verdicts, strict=True)) or [()] * len(Verdict._fields)
    return pd.DataFrame(
        {
            name: pd.Series(column, dtype=_TYPES.get(name, "object"))
            for name, column in zip(Verdict._fields, columns, strict=True)
        }
    )
