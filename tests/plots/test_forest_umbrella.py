"""The forest plot of an umbrella review: a panel a measure, a group an outcome, everything as reported, nothing pooled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis import plots
from metaanalysis.plots.forest_look import LOOKS

# Of Tables 2 to 4 of Cooper et al. (2024).
ROWS = [
    ("Fang 2022", "Depressive symptoms", "SMD", -0.39, -0.54, -0.24, 21, 3154, 78, "Critically low"),
    ("Huang 2020", "Depressive symptoms", "SMD", -0.37, -0.66, -0.08, 9, 1617, 84, "Low"),
    ("Huang 2020", "Depression", "RR", 0.69, 0.49, 0.96, 7, 1644, 70, "Low"),
    ("Lyons 2021", "Recovery", "SMD", 0.18, 0.07, 0.29, 5, 1265, 0, "Critically low"),
    ("Peck 2023", "Recovery", "SMD", 0.29, 0.12, 0.46, 6, 1254, 48, "Low"),
    ("Fuhr 2014", "Hope", "SMD", 0.24, 0.02, 0.46, 3, 967, 65, "High"),
    ("Lyons 2021", "Hope", "MD", 0.18, -0.34, 0.69, 3, 1029, 0, "Critically low"),
]
NAMES = ["review", "outcome", "measure", "estimate", "ci_low", "ci_high", "k", "N", "I2", "amstar2"]


def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=NAMES)


def one_measure() -> ma.results.UmbrellaReview:
    return ma.umbrella(table()[lambda frame: frame.measure == "SMD"])


def squares(ax: Axes) -> np.ndarray:
    return np.asarray(next(c for c in ax.collections if c.get_gid() == "studies").get_offsets())


def intervals(ax: Axes) -> np.ndarray:
    lines = next(c for c in ax.collections if c.get_gid() == "intervals" and isinstance(c, LineCollection))
    return np.array([segment[:, 0] for segment in lines.get_segments()])


def texts(ax: Axes) -> list[str]:
    return [text.get_text().replace("\u00a0", " ") for text in ax.texts]


def test_a_panel_a_measure_on_its_own_scale() -> None:
    ax = ma.forest(ma.umbrella(table()))
    assert not ax.axison
    assert [panel.get_xscale() for panel in ax.child_axes] == ["linear", "log", "linear"]
    smd, rr, md = ax.child_axes
    assert_allclose(squares(smd)[:, 0], [-0.39, -0.37, 0.18, 0.29, 0.24], rtol=1e-15)
    assert_allclose(squares(rr)[:, 0], [0.69], rtol=1e-15)
    assert_allclose(intervals(rr), [[0.49, 0.96]], rtol=1e-15)
    assert_allclose(intervals(md), [[-0.34, 0.69]], rtol=1e-15)
    # The line of no effect is that of each measure.
    for panel, null in ((smd, 0.0), (rr, 1.0), (md, 0.0)):
        lines = next(c for c in panel.collections if c.get_gid() == "null")
        assert {float(x) for segment in lines.get_segments() for x in segment[:, 0]} == {null}


def test_each_panel_names_its_own_reviews_beside_its_own_numbers() -> None:
    for panel, measure in zip(ma.forest(ma.umbrella(table())).child_axes, ("SMD", "RR", "MD"), strict=True):
        rows = table()[lambda frame, measure=measure: frame.measure == measure]
        shown = [text.get_text() for text in panel.texts]
        heights = {round(text.get_position()[1], 6): [] for text in panel.texts}
        for text in panel.texts:
            heights[round(text.get_position()[1], 6)].append(text.get_text())
        lines = [set(line) for line in heights.values()]
        for row in rows.itertuples():
            expected = {row.review, f"{row.k}", f"{row.N}", f"{row.I2}%", f"{row.estimate:.2f}".replace("-", "−")}
            assert any(expected <= line for line in lines), (measure, row)
        assert sum(text in set(table().review) for text in shown) == len(rows)


def test_panels_have_the_same_columns() -> None:
    ax = ma.forest(ma.umbrella(table()))
    ax.figure.draw_without_rendering()
    edges = np.array([panel.get_window_extent().intervalx for panel in ax.child_axes])
    assert_allclose(edges, np.broadcast_to(edges[0], edges.shape), rtol=1e-12)
    heads = [{t.get_text(): t.get_window_extent().x1 for t in panel.texts} for panel in ax.child_axes]
    for name in ("Review", "Studies", "I²"):
        assert_allclose([head[name] for head in heads], heads[0][name], rtol=1e-12)
    tops = [panel.get_window_extent().y1 for panel in ax.child_axes]
    assert tops == sorted(tops, reverse=True)


def test_nothing_is_pooled() -> None:
    for ax in (ma.forest(one_measure()), *ma.forest(ma.umbrella(table())).child_axes):
        assert not [patch for patch in ax.patches if patch.get_gid() in ("overall", "pooled", "prediction")]
        assert not [c for c in ax.collections if c.get_gid() == "pooled"]
        sizes = next(c for c in ax.collections if c.get_gid() == "studies").get_sizes()
        assert np.ptp(sizes) == 0.0
    shown = " ".join(texts(ma.forest(one_measure())))
    assert "not pooled" in shown
    assert "not pooled" not in " ".join(texts(ma.forest(one_measure(), notes=False)))


def test_groups_and_numbers_are_as_reported() -> None:
    shown = texts(ma.forest(one_measure()))
    for text in ("Depressive symptoms", "Recovery", "Hope", "Fang 2022", "−0.39", "[−0.54, −0.24]", "3154", "78%",
                 "Critically low", "AMSTAR 2"):  # fmt: skip
        assert text in shown, text
    # The outcome is a column where no two reviews share one, and where the user asks for it.
    apart = table().drop_duplicates("outcome")
    assert "Outcome" in texts(ma.forest(ma.umbrella(apart[apart.measure == "SMD"])))
    asked = ma.forest(one_measure(), left=["review", "outcome"], right={"estimate": "SMD"})
    assert texts(asked).count("Depressive symptoms") == 2


def test_decimals_are_those_of_the_report_and_those_of_a_program_are_cut() -> None:
    frame = table().iloc[[0, 1]].copy()
    frame[["estimate", "ci_low", "ci_high"]] = frame[["estimate", "ci_low", "ci_high"]].astype(object)
    frame.loc[0, ["estimate", "ci_low", "ci_high"]] = ["-0.390", "-0.540", "-0.240"]
    frame.loc[1, ["estimate", "ci_low", "ci_high"]] = [-1 / 3, -2 / 3, -0.01]
    shown = texts(ma.forest(ma.umbrella(frame)))
    assert "[−0.540, −0.240]" in shown
    assert "[−0.67, −0.01]" in shown
    assert "[−0.5, −0.2]" in texts(ma.forest(ma.umbrella(frame), decimals=1))


def test_columns_of_the_users_own() -> None:
    def precise(row: dict[str, object]) -> str:
        return "yes" if row["n_total"] > 1200 else "no"

    ax = ma.forest(one_measure(), left=["study"], right=["amstar2", precise, "estimate"], sort="-k")
    shown = texts(ax)
    assert {"Precise", "yes", "no"} <= set(shown)
    # Within groups, the most studies first.
    assert shown.index("Peck 2023") < shown.index("Lyons 2021")
    with pytest.raises(ma.OptionError, match=r"no column 'amstar'.*Did you mean 'amstar2'"):
        ma.forest(one_measure(), right=["estimate", "amstar"])


@pytest.mark.parametrize("layout", LOOKS)
@pytest.mark.parametrize("width", [85, 120, 180])
def test_texts_are_in_order(layout: str, width: float, in_order: Callable[..., None]) -> None:
    frame = table()
    frame["review"] = [f"{name} and the collaboration of many reviewers" for name in frame.review]
    options = {"layout": layout, "width_mm": width, "favours": ("control", "peer support")}
    in_order(ma.forest(ma.umbrella(frame), title="What reviews report", **options), f"{layout}, {width} mm")
    in_order(ma.forest(one_measure(), style="dark", **options), f"{layout}, {width} mm, one measure")


def test_on_axes_that_are_given(in_order: Callable[..., None]) -> None:
    figure = Figure(figsize=(7, 9))
    ax = figure.subplots()
    assert ma.forest(ma.umbrella(table()), ax=ax) is ax
    in_order(ax)
    box = ax.get_window_extent()
    figure.draw_without_rendering()
    for panel in ax.child_axes:
        own = panel.get_window_extent()
        assert box.x0 < own.x0 < own.x1 <= box.x1
        assert box.y0 < own.y0 < own.y1 <= box.y1
    with pytest.raises(ma.OptionError, match="inches of height"):
        ma.forest(ma.umbrella(table()), ax=Figure(figsize=(7, 2)).subplots())


def test_many_reviews_on_pages() -> None:
    rows = [(f"Review {i}", "Hope", "SMD", 0.1, -0.1, 0.3, 3, 200, 10, "Low") for i in range(60)]
    found = ma.umbrella(pd.DataFrame(rows, columns=NAMES))
    assert len(plots.forest_pages(found, height_mm=120)) > 1
    with pytest.raises(ma.OptionError, match="pages show one"):
        plots.forest_pages(ma.umbrella(table()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"risk_of_bias": ["amstar2"]}, "risk_of_bias does not apply"),
        ({"groups": ("A", "B")}, "groups does not apply"),
        ({"prediction": True}, "prediction does not apply"),
        ({"xlim": (0.1, 10)}, "xlim is of one axis, and SMD and RR and MD have one each"),
        ({"null_line": 0.5}, "null_line is of one axis"),
        ({"sort": "year"}, "not a column"),
    ],
)
def test_what_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ma.OptionError, match=said):
        ma.forest(ma.umbrella(table()), **options)


def test_no_other_models_beside_it() -> None:
    with pytest.raises(ma.OptionError, match="also does not apply"):
        ma.forest(one_measure(), also=ma.pool([0.1, 0.2], [0.1, 0.1]))


def test_a_ratio_printed_as_zero_ends_in_an_arrow() -> None:
    frame = table()[lambda f: f.measure == "RR"].copy()
    frame[["estimate", "ci_low", "ci_high"]] = [["0.02", "0.00", "0.40"]]
    ax = ma.forest(ma.umbrella(frame))
    assert ax.get_xlim()[0] > 0
    assert [c for c in ax.collections if c.get_gid() == "arrows"]
    assert "[0.00, 0.40]" in texts(ax)
