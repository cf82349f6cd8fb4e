"""The flow diagram: sums are checked, and every text stays in its box."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import metaanalysis as ma
from metaanalysis.plots import DARK
from metaanalysis.plots.prisma_plot import prisma

COUNTS = {"databases": 12000, "registers": 30, "removed": {"Duplicate records": 4000, "Automation tools": 30},
          "screened": 8000, "excluded": 7900, "sought": 100, "not_retrieved": 5, "assessed": 95,
          "reports_excluded": {"Not randomised at the level of the individual participant": 50,
                               "Pneumonoultramicroscopicsilicovolcanoconiosis": 25}, "included": 18,
          "included_reports": 20}  # fmt: skip


@pytest.mark.parametrize("width", [85, 170])
def test_texts_stay_in_their_boxes(width: float, in_order: Callable[..., None]) -> None:
    ax = prisma(COUNTS, width_mm=width, style=DARK)
    in_order(ax)
    boxes = [p.get_window_extent() for p in ax.patches if hasattr(p, "get_xy") and hasattr(p, "get_width")]
    assert len(boxes) == 9
    for text in ax.texts:
        own = text.get_window_extent()
        held = [b.x0 <= own.x0 and own.x1 <= b.x1 and b.y0 <= own.y0 and own.y1 <= b.y1 for b in boxes]
        assert sum(held) == 1, text.get_text()


@pytest.mark.parametrize(
    ("box", "value", "message"),
    [
        ("screened", 8007, r"removed \(4030\) is 8000, but screened is 8007, 7 too many; screened \(8007\)"),
        ("included_reports", 19, r"is 20, but included_reports is 19, 1 too few"),
        ("included", 21, "exceeds included_reports"),
        ("excluded", 1.5, "not a count"),
        ("excluded", float("nan"), "not a count"),
        ("excluded", True, "not a count"),
        ("screend", 3, "Did you mean 'screened'"),
    ],
)
def test_what_does_not_add_up_is_named(box: str, value: object, message: str) -> None:
    with pytest.raises(ma.DataError, match=message):
        prisma({**COUNTS, box: value})


def test_boxes_that_are_lacking_are_named() -> None:
    with pytest.raises(ma.DataError, match="lack 'screened'"):
        prisma({k: v for k, v in COUNTS.items() if k != "screened"})
