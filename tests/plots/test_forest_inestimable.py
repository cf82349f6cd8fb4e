"""Studies without events in both groups: their counts and "Not estimable", as Review Manager prints them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import metaanalysis as ma

FRAME = pd.DataFrame({
    "study": ["Zero 1", "Aarts 2001", "Brand 2003", "Cole 2004", "Dunn 2010", "Gap 2011"],
    "events1": [0, 4, 0, 6, 3, np.nan], "n1": [30, 100, 60, 90, 80, 10],
    "events2": [0, 8, 0, 9, 4, 2], "n2": [31, 100, 55, 92, 81, 10], "arm": list("xxyyyy"),
})  # fmt: skip


@pytest.fixture
def effects() -> ma.Effects:
    with pytest.warns(UserWarning, match="3 of 6 studies left out"):
        return ma.effect_sizes(FRAME, "RR", convention="revman5")


def rows_of(ax: Axes) -> list[list[str]]:
    """The texts of the rows from the top down, each from left to right."""
    ax.figure.draw_without_rendering()
    placed: dict[float, list[tuple[float, str]]] = {}
    for text in ax.texts:
        box = text.get_window_extent()
        y = next((known for known in placed if abs(known - box.y0) < 3), box.y0)
        placed.setdefault(y, []).append((box.x0, text.get_text()))
    return [[text for _, text in sorted(placed[y])] for y in sorted(placed, reverse=True)]


@pytest.mark.parametrize("layout", ["revman5", "default", "jama"])
def test_they_stand_where_the_table_has_them(layout: str, effects: ma.Effects, in_order: Callable[..., None]) -> None:
    ax = ma.forest(ma.pool(effects, convention="revman5"), layout=layout)
    in_order(ax)
    rows = {row[0]: row[1:] for row in rows_of(ax)}
    names = [name for name in rows if name in set(FRAME["study"])]
    # A study that lacks a count is left out, and said to be in the notes alone.
    assert names == ["Zero 1", "Aarts 2001", "Brand 2003", "Cole 2004", "Dunn 2010"]
    counts = ["0/60", "0/55"] if layout == "jama" else ["0", "60", "0", "55"]
    assert rows["Brand 2003"] == [*counts, "Not estimable"]


def test_totals_are_those_of_the_rows_above_them(effects: ma.Effects) -> None:
    # Review Manager adds up all studies of a table: TOTAL_1 of an .rm5 file has those with ESTIMABLE="NO".
    rows = {row[0]: row[1:] for row in rows_of(ma.forest(ma.pool(effects, convention="revman5"), layout="revman5"))}
    assert rows["Total (95% CI)"][:3] == ["360", "359", "100.0%"]
    assert rows["Total events"] == ["13", "21"]


def test_subgroups_and_order(effects: ma.Effects, in_order: Callable[..., None]) -> None:
    ax = ma.forest(ma.subgroups(effects, by="arm", convention="revman5"))
    in_order(ax)
    rows = rows_of(ax)
    names = [row[0] for row in rows if row[0] in {*FRAME["study"], "x", "y", "Subtotal"}]
    assert names == ["x", "Zero 1", "Aarts 2001", "Subtotal", "y", "Brand 2003", "Cole 2004", "Dunn 2010", "Subtotal"]
    assert [row[1:5] for row in rows if row[0] == "Subtotal"] == [["4", "130", "8", "131"], ["9", "230", "13", "228"]]
    ax = ma.forest(ma.pool(effects), sort="-weight", risk_of_bias=None)
    names = [row[0] for row in rows_of(ax) if row[0] in set(FRAME["study"])]
    assert names[-2:] == ["Zero 1", "Brand 2003"]


def test_a_part_of_the_studies_says_nothing_of_the_others(effects: ma.Effects) -> None:
    ax = ma.forest(ma.pool(effects.subset([True, True, False])))
    assert not any("Brand" in row[0] for row in rows_of(ax) if "Left out" not in row[0])
