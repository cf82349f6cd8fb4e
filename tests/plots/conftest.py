"""What the tests of charts share: results to draw, and a check that a picture is in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.text import Text

import metaanalysis as ma

# Two letters of text may share a point of their boxes, which are a little larger than the ink.
TOLERANCE = 0.3


@pytest.fixture(scope="session")
def bcg() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="study")


@pytest.fixture(scope="session")
def random_fit(bcg: ma.Effects) -> ma.Pooled:
    return ma.pool(bcg, ci="hksj", prediction="hts")


@pytest.fixture(scope="session")
def common_fit(bcg: ma.Effects) -> ma.Pooled:
    return ma.pool(bcg, model="common")


def axes_of(ax: Axes) -> Iterator[Axes]:
    """The Axes and those that belong to them, such as a second axis on the right."""
    yield ax
    for child in ax.child_axes:
        yield from axes_of(child)


def texts_of(ax: Axes) -> list[Text]:
    """Every text that is drawn."""
    found = []
    for own in axes_of(ax):
        found += own.texts
        if own.axison:
            found += [*own.get_xticklabels(), *own.get_yticklabels()]
    return [text for text in found if text.get_text() and text.get_visible()]


def dots_of(ax: Axes) -> np.ndarray:
    """The boxes of all points, in points: left, bottom, right, top."""
    boxes = [np.empty((0, 4))]
    for own in axes_of(ax):
        for points in own.collections:
            if isinstance(points, PathCollection) and not points.get_rasterized():
                half = 0.5 * np.sqrt(np.resize(points.get_sizes(), len(points.get_offsets())))
                at = points.get_offset_transform().transform(points.get_offsets()) * 72 / ax.figure.dpi
                boxes.append(np.column_stack([at - half[:, np.newaxis], at + half[:, np.newaxis]]))
    return np.concatenate(boxes)


def over_each_other(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which boxes share a part with which."""
    low, high = some[:, np.newaxis, :2], some[:, np.newaxis, 2:]
    return (np.minimum(high, others[:, 2:]) - np.maximum(low, others[:, :2]) > TOLERANCE).all(axis=-1)


def check(ax: Axes, what: str = "") -> None:
    """No text outside the figure, over another text, or over a point."""
    if ax.child_axes:
        # Only a drawing tells them where they are.
        ax.figure.draw_without_rendering()
    texts = texts_of(ax)
    names = [text.get_text() for text in texts]
    box = np.array([text.get_window_extent().extents for text in texts]) * 72 / ax.figure.dpi
    wide, tall = ax.figure.get_size_inches() * 72
    outside = (box[:, 0] < -0.1) | (box[:, 1] < -0.1) | (box[:, 2] > wide + 0.1) | (box[:, 3] > tall + 0.1)
    assert not outside.any(), f"{what}: outside the figure: {[n for n, bad in zip(names, outside, strict=True) if bad]}"
    over = over_each_other(box, box)
    np.fill_diagonal(over, val=False)
    assert not over.any(), f"{what}: over each other: {[(names[i], names[j]) for i, j in np.argwhere(over)[:3]]}"
    hit = over_each_other(box, dots_of(ax)).any(axis=1)
    # A point on an axis may reach a little over it: numbers keep their distance, so that none is ever hit.
    assert not hit.any(), f"{what}: over a point: {[n for n, bad in zip(names, hit, strict=True) if bad]}"


@pytest.fixture(scope="session")
def in_order() -> Callable[..., None]:
    return check


def points(ax: Axes, gid: str) -> np.ndarray:
    """The places of the points of a name."""
    return np.asarray(next(c for c in ax.collections if c.get_gid() == gid).get_offsets())


@pytest.fixture(scope="session")
def points_of() -> Callable[[Axes, str], np.ndarray]:
    return points


def line(ax: Axes, gid: str) -> list[np.ndarray]:
    """The curves of a name."""
    return [c.get_segments()[0] for c in ax.collections if c.get_gid() == gid and isinstance(c, LineCollection)]


@pytest.fixture(scope="session")
def lines_of() -> Callable[[Axes, str], list[np.ndarray]]:
    return line
