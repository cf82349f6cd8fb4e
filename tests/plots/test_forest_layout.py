"""No text of a forest plot lies over another, over a mark, or outside the figure, whatever the studies and the width."""

from __future__ import annotations

import warnings
from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import metaanalysis as ma
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.plots import forest
from metaanalysis.plots.forest_layout import MM

LONG = "The {} collaborative randomised multicentre double-blind placebo-controlled trial group"
# Two letters of text may share a point of their boxes, which are a little larger than the ink.
TOLERANCE = 0.3


def studies(measure: str, k: int) -> ma.Effects:
    """Made-up studies of a measure, the same ones every time."""
    random = np.random.default_rng(k)
    names = [f"{random.choice(['Smith', 'van der Berg', 'Okafor & Li', 'Z'])} {1950 + i}" for i in range(k)]
    n1, n2 = random.integers(8, 9000, k), random.integers(8, 9000, k)
    frame = pd.DataFrame({"study": names, "n1": n1, "n2": n2, "group": [f"group {i % 3}" for i in range(k)]})
    if measure in ("RR", "OR", "RD", "PETO"):
        frame["events1"] = random.binomial(n1, 0.2)
        frame["events2"] = random.binomial(n2, 0.3)
    elif measure in ("MD", "SMD"):
        for group in (1, 2):
            frame[f"mean{group}"] = random.normal(120, 15, k).round(1)
            frame[f"sd{group}"] = random.uniform(8, 20, k).round(2)
    elif measure == "ZCOR":
        frame["r"], frame["n"] = random.uniform(-0.4, 0.8, k), n1
    else:
        frame["y"], frame["se"] = random.normal(-0.3, 0.5, k), random.uniform(0.05, 1.2, k)
    return ma.effect_sizes(frame, measure)


def boxes(ax: Axes) -> tuple[list[str], np.ndarray]:
    """Every text that is drawn, and its box in points: left, bottom, right, top."""
    figure = ax.figure
    texts = [text for text in [*ax.texts, *ax.get_xticklabels()] if text.get_text()]
    extents = [text.get_window_extent().extents * 72 / figure.dpi for text in texts]
    return [text.get_text() for text in texts], np.array(extents)


def assert_in_order(ax: Axes, what: str) -> None:
    """No text outside the figure, over another text, or over the marks."""
    names, box = boxes(ax)
    wide, tall = ax.figure.get_size_inches() * 72
    outside = (box[:, 0] < -0.1) | (box[:, 1] < -0.1) | (box[:, 2] > wide + 0.1) | (box[:, 3] > tall + 0.1)
    assert not outside.any(), f"{what}: outside the figure: {[n for n, bad in zip(names, outside, strict=True) if bad]}"
    low, high = box[:, np.newaxis, :2], box[:, np.newaxis, 2:]
    over = (np.minimum(high, box[:, 2:]) - np.maximum(low, box[:, :2]) > TOLERANCE).all(axis=-1)
    np.fill_diagonal(over, val=False)
    assert not over.any(), f"{what}: over each other: {[(names[i], names[j]) for i, j in np.argwhere(over)[:3]]}"
    panel = ax.get_window_extent().extents * 72 / ax.figure.dpi
    for mark in marks(ax):
        height = ax.transData.transform((ax.get_xlim()[0], mark))[1] * 72 / ax.figure.dpi
        beside = (box[:, 1] < height) & (box[:, 3] > height) & (box[:, 0] < panel[2]) & (box[:, 2] > panel[0])
        assert not beside.any(), f"{what}: over a mark: {[n for n, bad in zip(names, beside, strict=True) if bad]}"
    assert_lines_make_room(ax, names, box)


def assert_lines_make_room(ax: Axes, names: list[str], box: np.ndarray) -> None:
    """The lines of no effect and of the pooled estimate run through no text."""
    for line in (c for c in ax.collections if c.get_gid() in ("null", "pooled")):
        for segment in line.get_segments():
            (x, y0), (_, y1) = ax.transData.transform(segment) * 72 / ax.figure.dpi
            crossed = (
                (box[:, 0] < x) & (box[:, 2] > x) & (box[:, 1] < max(y0, y1) - 0.1) & (box[:, 3] > min(y0, y1) + 0.1)
            )
            assert not crossed.any(), f"a line through {[n for n, bad in zip(names, crossed, strict=True) if bad]}"


def marks(ax: Axes) -> list[float]:
    """The heights of all squares and diamonds."""
    squares = next(c for c in ax.collections if c.get_gid() == "studies")
    diamonds = [patch.get_xy()[0, 1] for patch in ax.patches if patch.get_gid() in ("pooled", "overall")]
    return [*squares.get_offsets()[:, 1].tolist(), *diamonds]


CASES = [
    *product(("RR", "MD", "GEN"), (1, 3, 13), (75, 120, 180)),
    *product(("OR", "RD", "SMD", "ZCOR"), (2,), (86, 180)),
    ("RR", 60, 180),
    ("ZCOR", 60, 86),
]


@pytest.mark.parametrize("measure, k, width", CASES)
def test_texts_keep_their_distance(measure: str, k: int, width: float) -> None:
    ax = forest(ma.pool(studies(measure, k)), width_mm=width)
    assert_in_order(ax, f"{measure}, k = {k}, {width} mm")
    assert ax.figure.get_size_inches()[0] == pytest.approx(width / 25.4)


@pytest.mark.parametrize("measure, width", [*product(("RR", "SMD", "GEN"), (86, 180))])
def test_subgroups_keep_their_distance(measure: str, width: float) -> None:
    ax = forest(ma.subgroups(studies(measure, 13), by="group"), width_mm=width, title="A title over it all " * 4)
    assert_in_order(ax, f"{measure} in subgroups, {width} mm")


@pytest.mark.parametrize("shift, width", [*product((-2.0, 2.0), (86, 180))])
def test_long_directions_stay_inside(shift: float, width: float) -> None:
    fit = ma.pool([shift, shift + 0.3], [0.2, 0.3], measure="OR")
    favours = ("the experimental treatment of the first week", "the treatment that is usual elsewhere")
    ax = forest(fit, favours=favours, width_mm=width, axis_label="Odds ratio of a long and winding outcome " * 2)
    assert_in_order(ax, "long directions")
    assert "experimental" in " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("dpi", [72, 96, 150, 300])
def test_the_distance_does_not_depend_on_the_resolution(dpi: float) -> None:
    ax = forest(ma.subgroups(studies("RR", 13), by="group"))
    ax.figure.set_dpi(dpi)
    assert_in_order(ax, f"{dpi} dots an inch")


AWKWARD = {
    "huge": ([10000.0, 9500.0, -12000.0, 11000.0], [300.0, 400.0, 200.0, 1000.0]),
    "outlier and a vague study": ([0.1, 0.3, 30.0, 0.2, 0.15], [0.2, 60.0, 2.0, 0.1, 0.05]),
    "tiny scale": ([3e-11, -2e-11, 9e-11, 5e-11], [1e-10, 2e-10, 1.4e-10, 1.7e-10]),
    "huge scale": ([3e11, -2e11, 9e11, 5e11], [1e10, 2e10, 1.4e10, 1.7e10]),
    "far from zero": ([1e8 + 0.25, 1e8 + 0.5, 1e8 - 0.75], [0.3, 0.4, 0.5]),
    "all equal": ([0.3, 0.3, 0.3], [0.2, 0.2, 0.2]),
    "at zero": ([0.0, 0.0], [0.1, 0.1]),
    "beyond floating point as a ratio": ([700.0, 800.0, -900.0], [10.0, 20.0, 30.0]),
}


@pytest.mark.parametrize("name, measure", [*product(AWKWARD, ("MD", "HR", "ZCOR"))])
def test_awkward_numbers_are_drawn(name: str, measure: str) -> None:
    y, se = AWKWARD[name]
    ax = forest(ma.pool(y, np.square(se), measure=measure, model="common"))
    assert_in_order(ax, f"{name}, {measure}")
    low, high = ax.get_xlim()
    assert np.isfinite([low, high]).all()
    assert low < high


@pytest.mark.parametrize("width", [86, 180])
def test_long_names_are_broken_and_shortened(width: float) -> None:
    effects = studies("RR", 13)
    frame = effects.to_frame().assign(label=[LONG.format(i) if i % 2 else "Donaudampfschiff" * 6 for i in range(13)])
    ax = forest(ma.pool(ma.effect_sizes(frame[["label", "events1", "n1", "events2", "n2"]], "RR")), width_mm=width)
    assert_in_order(ax, "long names")
    names, _ = boxes(ax)
    assert any(name.startswith("The 1 collaborative") for name in names)
    # Every name is there to its end; only what would fill the page is cut, and says so.
    whole = "".join("".join(names).split())
    assert all("".join(name.split()) in whole for name in frame["label"])
    assert not any(name.endswith("…") for name in names)
    endless = ma.pool([0.1, 0.2], [0.04, 0.09], label=["A name without end " * 90, "B"])
    ax = forest(endless, width_mm=width)
    assert_in_order(ax, "an endless name")
    assert sum(name.endswith("…") for name in boxes(ax)[0]) == 1


def test_names_of_all_scripts() -> None:
    names = [
        "王伟 2001",
        "דני כהן 1999",
        "محمد علي 2005",
        "Ångström & Łukasz",
        "$x^2$ and $1",
        "하늘",
        "e\u0301\u200bclair",
    ]
    fit = ma.pool(np.linspace(-1, 1, 7), np.full(7, 0.2), label=names, measure="SMD")
    # Which of them have a font depends on the machine; where one has none, a sentence says so, and once.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ax = forest(fit)
        ax.figure.canvas.draw()
    said = [str(w.message) for w in caught if issubclass(w.category, MetaAnalysisWarning)]
    assert len(said) <= 1
    assert len(caught) == len(said)
    assert_in_order(ax, "scripts")
    assert {text.get_text() for text in ax.texts} >= set(names)


def test_the_users_settings_do_no_harm() -> None:
    unruly = {
        "axes.grid": True,
        "xtick.direction": "in",
        "axes.spines.bottom": False,
        "font.size": 24,
        "font.weight": "bold",
        "text.color": "red",
        "figure.dpi": 61,
        "xtick.minor.visible": True,
        "figure.autolayout": True,
    }
    with mpl.rc_context(unruly):
        ax = forest(ma.pool(studies("RR", 3)))
        assert_in_order(ax, "unruly settings")
    assert all(text.get_color() != "red" for text in ax.texts)


def test_given_axes_hold_everything() -> None:
    figure = Figure(figsize=(12, 6))
    left, right = figure.subplots(1, 2)
    box = left.get_window_extent().extents
    other = right.get_position().bounds
    ax = forest(ma.pool(studies("RR", 13)), ax=left)
    assert ax is left
    assert_in_order(ax, "given axes")
    _, found = boxes(ax)
    point = figure.dpi / 72
    assert found[:, 0].min() * point >= box[0] - 0.5
    assert found[:, 1].min() * point >= box[1] - 0.5
    assert found[:, 2].max() * point <= box[2] + 0.5
    assert found[:, 3].max() * point <= box[3] + 0.5
    assert right.get_position().bounds == other


def test_given_axes_in_a_subfigure() -> None:
    figure = Figure(figsize=(14, 6), layout="constrained")
    first, second = figure.subfigures(1, 2)
    first.subplots().plot([1, 2])
    ax = forest(ma.pool(studies("MD", 3)), ax=second.subplots())
    _, box = boxes(ax)
    assert (box[:, 0] * figure.dpi / 72).min() >= second.bbox.x0
    assert (box[:, 2] * figure.dpi / 72).max() <= second.bbox.x1


def test_rows_spread_over_taller_axes() -> None:
    def distance(height: float) -> float:
        ax = Figure(figsize=(8, height)).add_axes((0, 0, 1, 1))
        forest(ma.pool(studies("RR", 3)), ax=ax)
        assert_in_order(ax, f"{height} inches")
        heights = sorted(marks(ax))
        return float(heights[1] - heights[0])

    assert distance(2.2) < distance(2.7) < distance(6)
    assert distance(6) == pytest.approx(1.6 * 1.5 * 8, rel=0.02)


def test_axes_that_are_too_small_are_refused() -> None:
    fit = ma.pool(studies("RR", 13))
    with pytest.raises(ma.OptionError, match=r"needs \d\.\d inches of height and these Axes have 1\.0"):
        forest(fit, ax=Figure(figsize=(8, 1)).add_axes((0, 0, 1, 1)))
    with pytest.raises(ma.OptionError, match="don't fit into a width of 30 mm"):
        forest(fit, width_mm=30)
    with pytest.raises(ma.OptionError, match="leave out a column"):
        forest(fit, width_mm=86, left=["study", "events1", "n1", "events2", "n2", "group"])


def test_narrow_figures_drop_columns_but_never_those_asked_for() -> None:
    fit = ma.pool(studies("RR", 3))

    def heads(**options: object) -> set[str]:
        ax = forest(fit, **options)
        return {text.get_text() for text in ax.texts if text.get_fontweight() == "bold"}

    assert {"Events", "Total", "Weight", "Treatment"} <= heads()
    assert "Events/" in heads(width_mm=140)
    assert not {"Weight", "Events", "Events/", "Events/total"} & heads(width_mm=70)
    assert "Weight" in heads(width_mm=86, right=["weight", "estimate"])


def test_the_figure_grows_with_the_rows() -> None:
    heights = [forest(ma.pool(studies("GEN", k))).figure.get_size_inches()[1] * 72 for k in (3, 13)]
    assert heights[1] - heights[0] == pytest.approx(10 * 1.5 * 8, abs=1e-6)
    assert forest(ma.pool(studies("GEN", 3)), width_mm=100).figure.get_size_inches()[0] * 72 == pytest.approx(100 * MM)
