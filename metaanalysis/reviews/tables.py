"""CSV text -> frame, every number to its last digit."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_csv_exactly(source: Path | IO[str] | IO[bytes], **others: Any) -> pd.DataFrame:
    """Read CSV in UTF-8 with numbers to their last digit; `others` as for `pandas.read_csv`."""
    import pandas as pd

    # pandas reads so by default from 3.1 on, and then objects to being asked.
    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    if (major, minor) < (3, 1):
        others = {"float_precision": "round_trip", **others}
    frame: pd.DataFrame = pd.read_csv(source, encoding="utf-8", **others)
    return frame
