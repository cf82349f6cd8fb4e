"""The heat map of overlap: its numbers, its shades, and texts in order at every width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes

import metaanalysis as ma
from metaanalysis import plots

LISTS = {"A": ["s1", "s2", "s4"], "B": ["s1", "s3"], "C": ["s1", "s2", "s3", "s5"]}
YEARS = {"study_years": {"s3": 2011, "s5": 2018}, "search_years": {"A": 2010, "B": 2016, "C": 2020}}


def numbers(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() == "number"]


def test_numbers() -> None:
    # Row by row; pairs counted by hand in tests/formulas/test_overlap.py.
    assert numbers(ma.overlap(ma.citation_matrix(LISTS))) == ["3", "25", "2", "40", "50", "4"]
    dated = ma.citation_matrix(LISTS, **YEARS)
    assert numbers(ma.overlap(dated)) == ["3", "33", "2", "67", "67", "4"]
    assert numbers(ma.overlap(dated, structural=False)) == ["3", "25", "2", "40", "50", "4"]


@pytest.mark.parametrize("c", [2, 9, 30, 70])
@pytest.mark.parametrize("width", [85, 180])
def test_texts_are_in_order(c: int, width: float, in_order: Callable[..., None]) -> None:
    lists = {f"Review {i} of a long name": [f"s{k}" for k in range(3 * i, 3 * i + 8)] for i in range(c)}
    in_order(ma.overlap(ma.citation_matrix(lists), width_mm=width, style=plots.DARK))


@pytest.mark.parametrize("c", [2, 6, 30])
def test_every_square_is_framed_within_the_panel(c: int, lines_of: Callable[..., list[np.ndarray]]) -> None:
    ax = ma.overlap(ma.citation_matrix({f"R{i}": [f"s{k}" for k in range(i, i + 4)] for i in range(c)}), width_mm=85)
    frames = np.array(lines_of(ax, "square"))
    assert len(frames) == c * (c + 1) // 2
    # Half of a line is outside its square: on the free sides, on the right and at the top, the panel has room for it.
    half = 0.5 * max(line.get_linewidths()[0] for line in ax.collections if line.get_gid() == "square")
    box = ax.get_window_extent()
    point = ax.figure.dpi / 72
    right, top = ax.transData.transform([frames[..., 0].max(), frames[..., 1].min()])
    assert box.x1 - right >= 0.9 * half * point
    assert box.y1 - top >= 0.9 * half * point


def test_what_is_refused() -> None:
    matrix = ma.citation_matrix(LISTS)
    with pytest.raises(ma.OptionError, match="needs years"):
        ma.overlap(matrix, structural=True)
    with pytest.raises(ma.OptionError, match="not dict"):
        ma.overlap(LISTS)  # type: ignore[arg-type]
