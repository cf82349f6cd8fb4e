"""Forest plots of leave-one-out and cumulative meta-analyses show the numbers of each refit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.plots import forest


def row_of(ax: Axes, name: str) -> list[str]:
    """The texts on the line of a text, from left to right."""
    height = next(text.get_position()[1] for text in ax.texts if text.get_text() == name)
    line = [text for text in ax.texts if abs(text.get_position()[1] - height) < 1e-9]
    return [text.get_text() for text in sorted(line, key=lambda text: text.get_window_extent().x0)]


def test_leave_one_out(bcg: ma.Effects, in_order: Callable[..., None], points_of: Callable[..., np.ndarray]) -> None:
    refits = ma.leave_one_out(ma.pool(bcg))
    ax = forest(refits)
    in_order(ax)
    assert_allclose(points_of(ax, "studies")[:, 0], np.exp(refits.estimate), rtol=1e-12)
    intervals = np.array(next(c for c in ax.collections if c.get_gid() == "intervals").get_segments())
    assert_allclose(intervals[:, :, 0], np.exp(np.column_stack([refits.ci_low, refits.ci_high])), rtol=1e-12)
    (diamond,) = [patch.get_xy() for patch in ax.patches if patch.get_gid() == "overall"]
    assert_allclose(diamond[1, 0], np.exp(refits.overall.estimate), rtol=1e-12)
    i = refits.label.index("TPT Madras 1980")
    low, mid, high = np.exp([refits.ci_low[i], refits.estimate[i], refits.ci_high[i]])
    expected = [f"{mid:.2f}", f"[{low:.2f}, {high:.2f}]", "<0.001", f"{refits.tau2[i]:.3f}", f"{refits.i2[i]:.1f}%"]
    assert row_of(ax, "TPT Madras 1980")[1:] == expected
    assert row_of(ax, "None (all studies)")[-1] == "92.2%"


def test_cumulative(bcg: ma.Effects, in_order: Callable[..., None], points_of: Callable[..., np.ndarray]) -> None:
    refits = ma.cumulative(ma.pool(bcg), by="year")
    ax = forest(refits)
    in_order(ax)
    assert_allclose(points_of(ax, "studies")[:, 0], np.exp(refits.estimate), rtol=1e-12)
    assert row_of(ax, "Aronson 1948")[1] == "1"
    # A single study has neither tau2 nor I2: its row ends with p.
    assert row_of(ax, "Aronson 1948")[-1] == "0.119"
    assert row_of(ax, "TPT Madras 1980")[1] == "13"
    assert "Added (by year)" in [text.get_text() for text in ax.texts]


def test_a_refit_without_an_answer_has_no_mark(bcg: ma.Effects) -> None:
    refits = ma.cumulative(ma.pool(bcg, ci="hksj"))
    ax = forest(refits)
    # One study alone has an estimate, but by Hartung and Knapp no interval.
    intervals = next(c for c in ax.collections if c.get_gid() == "intervals").get_segments()
    assert len(intervals) == 12
    assert "n/a" in row_of(ax, "Aronson 1948")


def test_columns_and_texts_are_chosen(bcg: ma.Effects) -> None:
    refits = ma.leave_one_out(ma.pool(bcg, model="common"))
    ax = forest(refits, left=["k"], right=["estimate", "q"], study_heading="Without", title="A title", notes=False)
    assert row_of(ax, "Aronson 1948")[1] == "12"
    shown = {text.get_text() for text in ax.texts}
    assert {"Without", "A title", "Q", "Studies"} <= shown
    assert not {"τ²", "p"} & {text.get_text() for text in forest(refits, width_mm=85).texts}
    with pytest.raises(ma.OptionError, match="no column 'weight'"):
        forest(refits, right=["weight"])
