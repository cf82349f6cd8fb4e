"""A plugin of pytest: how far apart the two sides of every `assert_allclose` lie, written to the file of RECORD_TO."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing

RECORD_TO = "METAANALYSIS_RECORD_TO"
ORIGINAL = numpy.testing.assert_allclose
found: dict[str, list[float]] = defaultdict(list)


def recorded(actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0.0, **others: Any) -> None:
    """`assert_allclose`, and a note of each relative difference.

    Where a test gives an absolute tolerance beside the relative one, a number may be a difference of others: it is then
    measured relative to the size of those, that is atol / rtol, if that is larger than itself.
    """
    ORIGINAL(actual, desired, rtol=rtol, atol=atol, **others)
    ours, theirs = np.broadcast_arrays(np.asarray(actual, dtype=float), np.asarray(desired, dtype=float))
    known = np.isfinite(ours) & np.isfinite(theirs)
    size = np.abs(theirs) + (np.asarray(atol) / rtol if rtol > 0 else 0.0)
    known &= np.broadcast_to(size > 0, known.shape)
    relative = np.abs(ours - theirs)[known] / np.broadcast_to(size, known.shape)[known]
    if relative.size:
        found[name_of_test()] += [float(x) for x in np.ravel(relative)]


def name_of_test() -> str:
    """The file and the function of the test that asks."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name.startswith("test_"):
            return f"{Path(frame.f_code.co_filename).stem}::{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"


numpy.testing.assert_allclose = recorded


def pytest_sessionfinish() -> None:
    """Write what was found."""
    Path(os.environ[RECORD_TO]).write_text(json.dumps(found), encoding="utf-8")
