"""Judgements of the risk of bias: the signs are the table's, the bars are its shares, and what is no judgement is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis import plots
from metaanalysis.plots import DARK
from metaanalysis.plots.risk_of_bias_colours import JUDGEMENTS

LONG = "Ferguson and Simes 1949, the trial among children of Saskatchewan"
ROB2: dict[str, list[Any]] = {
    "study": ["Aronson 1948", LONG, "Hart 1977"],
    "country": ["US", "Canada", "UK"],
    "Randomisation process": ["low", "+", "Low risk"],
    "D2": ["low", "some", "!"],
    "Missing outcome data": ["L", "high", "H"],
    "Overall": ["low", "high", "High risk of bias"],
    "weight": [1, 1, 2],
}
STARS = {"study": ["A", "B"], "Selection": [4, "***"], "Comparability": [0, 2], "Outcome": [3, 1]}
ROBINS = {"study": ["A", "B"], **{f"D{i}": ["low", "serious"] for i in range(1, 7)}, "D7": ["ni", "critical"]}
COCHRANE = {"author": ["A", "B"], "Allocation concealment": ["?", "-"], "Our own question": ["low", "high"]}
SIGNS = {judgement.sign for judgement in JUDGEMENTS.values()}
TABLES = [(ROB2, "RoB 2"), (STARS, "Newcastle-Ottawa"), (ROBINS, "ROBINS-I"), (COCHRANE, "Cochrane 2011")]


def words(ax: Axes, gid: str | None = None) -> list[str]:
    return [text.get_text() for text in ax.texts if gid is None or text.get_gid() == gid]


def bars(ax: Axes) -> list[Any]:
    return [patch for patch in ax.patches if patch.get_gid() != "legend"]


@pytest.mark.parametrize("width", [85, 180])
@pytest.mark.parametrize(("table", "tool"), TABLES, ids=[tool for _, tool in TABLES])
def test_pictures_are_in_order(table: Any, tool: str, width: float, in_order: Callable[..., None]) -> None:
    in_order(ma.rob_traffic_light(table, tool, width_mm=width, style=DARK, title="Risk of bias " * 9))
    in_order(ma.rob_summary(table, tool, width_mm=width, title="Risk of bias"))


def test_signs_are_those_of_the_table_within_their_lights() -> None:
    ax = ma.rob_traffic_light(ROB2, legend=False)
    assert words(ax, "sign") == list("+++++!−−+!−−")
    lights = bars(ax)
    assert [patch.get_gid() for patch in lights[4:8]] == ["low", "some concerns", "high", "high"]
    for text, patch in zip([t for t in ax.texts if t.get_gid() == "sign"], lights, strict=True):
        inner, outer = text.get_window_extent(), patch.get_window_extent()
        assert outer.x0 < inner.x0 < inner.x1 < outer.x1, text.get_text()
        assert to_hex(patch.get_facecolor()) == JUDGEMENTS[patch.get_gid()].fill
    assert {"D1", "D2", "D3", "Overall"} <= set(words(ax))
    assert "D3: Bias due to missing outcome data" in words(ax)
    assert not any("country" in word for word in words(ax))


def extents(artists: Any) -> np.ndarray:
    """Boxes in points from the top left corner of the figure: left, top, right, bottom."""
    found = []
    for artist in artists:
        box, figure = artist.get_window_extent(), artist.axes.figure
        tall = figure.bbox.height
        found.append([box.x0, tall - box.y1, box.x1, tall - box.y0])
    return np.array(found) * 72 / figure.dpi


def assert_laid_out(ax: Axes, studies: list[str], columns: int, size: float = 8.0) -> None:
    """Lights in rows beside their names and in columns under their headings, lines between them, nothing touching."""
    lights = [patch for patch in ax.patches if patch.get_gid() not in ("legend", None)]
    signs = [text for text in ax.texts if text.get_gid() == "sign"]
    names = [text for text in ax.texts if text.get_gid() == "study"]
    assert len(lights) == len(signs) == len(studies) * columns
    light, sign, name = extents(lights), extents(signs), extents(names)
    grid = light.reshape(len(studies), columns, 4)
    middles = 0.5 * (grid[..., :2] + grid[..., 2:])
    # One diameter, a column of one x, a row of one y, and a sign in the middle of each.
    assert_allclose(np.ptp(light[:, 2] - light[:, 0]), 0.0, atol=1e-6)
    assert_allclose(light[:, 2] - light[:, 0], light[:, 3] - light[:, 1], atol=1e-6)
    assert_allclose(np.ptp(middles[..., 0], axis=0), 0.0, atol=1e-6)
    assert_allclose(np.ptp(middles[..., 1], axis=1), 0.0, atol=1e-6)
    assert_allclose(0.5 * (sign[:, 0] + sign[:, 2]), middles[..., 0].ravel(), atol=0.35)
    assert_allclose(0.5 * (sign[:, 1] + sign[:, 3]), middles[..., 1].ravel(), atol=0.25 * size)
    # Neighbours keep their distance.
    assert (grid[:, 1:, 0] - grid[:, :-1, 2] > 0.15 * size).all()
    assert (grid[1:, :, 1] - grid[:-1, :, 3] > 0.15 * size).all()
    assert (light[:, 0].min() - name[:, 2] > 0.2 * size).all()
    # Lines of the body: over the first row, between two rows, under the last.
    segments = [segment for c in ax.collections for segment in c.get_segments()]
    rules = sorted(float(s[0, 1]) for s in segments if s[0, 1] == s[1, 1])
    assert len(rules) == len(studies) + 1
    at, tops = 0, np.array(rules[:-1])
    for row, (top, bottom) in enumerate(pairwise(rules)):
        assert (grid[row, :, 1] > top + 0.05 * size).all(), studies[row]
        assert (grid[row, :, 3] < bottom - 0.05 * size).all(), studies[row]
        assert_allclose(middles[row, :, 1], 0.5 * (top + bottom), atol=0.01)
        lines = []
        while at < len(names) and name[at, 3] < bottom:
            assert name[at, 1] > top
            lines.append(at)
            at += 1
        assert " ".join(names[i].get_text() for i in lines) == studies[row]
        assert_allclose(0.5 * (name[lines[0], 1] + name[lines[-1], 3]), 0.5 * (top + bottom), atol=0.25 * size)
    assert at == len(names)
    # Headings over their columns and over the first line; what is below the last line stays there.
    others = [text for text in ax.texts if text.get_gid() is None]
    place = extents(others)
    above = [i for i in range(len(others)) if place[i, 3] <= rules[0] + 0.3 * size and place[i, 1] > tops[0] - 2 * size]
    heads = [i for i in above if others[i].get_text() != "Study"]
    assert_allclose([0.5 * (place[i, 0] + place[i, 2]) for i in heads], middles[0, :, 0], atol=0.35)
    below = extents([a for a in (*ax.texts, *ax.patches) if a.get_gid() == "legend"] or others[-1:])
    assert below[:, 1].min() > rules[-1] + 0.15 * size
    # A line upright, where there is one, runs between two columns and through no text.
    every = extents([*names, *signs, *others])
    for (x, y0), (_, y1) in (s for s in segments if s[0, 0] == s[1, 0]):
        through = (every[:, 0] < x) & (every[:, 2] > x) & (every[:, 1] < max(y0, y1)) & (every[:, 3] > min(y0, y1))
        assert not through.any()
        assert ((grid[..., 2] < x) | (grid[..., 0] > x)).all()
        assert (grid[..., -1, 0] > x).all()
        assert (grid[..., -2, 2] < x).all()


@pytest.mark.parametrize(("width", "size"), [(85, 8.0), (180, 8.0), (120, 5.5)])
def test_lights_stand_in_rows_and_columns(width: float, size: float) -> None:
    for table, tool, columns in ((ROB2, "RoB 2", 4), (ROBINS, "ROBINS-I", 7), (COCHRANE, "Cochrane 2011", 2)):
        studies = [str(name) for name in table.get("study", table.get("author"))]
        ax = ma.rob_traffic_light(
            table, tool, width_mm=width, font_size=size, font="DejaVu Sans", title="A title " * 20
        )
        assert_laid_out(ax, studies, columns, size)


@pytest.mark.parametrize("tool", ["RoB 2", "ROBINS-I", "Cochrane 2011"])
@pytest.mark.parametrize("size", [4.0, 8.0, 12.0])
def test_every_light_has_its_sign(tool: str, size: float) -> None:
    table = next(table for table, own in TABLES if own == tool)
    ax = ma.rob_traffic_light(table, tool, font_size=size, width_mm=200)
    lights = [patch for patch in ax.patches if patch.get_gid() is not None]
    signs = [text for text in ax.texts if text.get_gid() in ("sign", "legend") and text.get_text() in SIGNS]
    assert len(lights) == len(signs)
    for light, sign in zip(extents(lights), extents(signs), strict=True):
        assert (light[:2] < sign[:2]).all()
        assert (sign[2:] < light[2:]).all()


def test_pages_are_alike_and_lack_no_study(in_order: Callable[..., None]) -> None:
    names = [f"Author {i}{', of the ' * (i % 7 == 3) + 'long name ' * (9 * (i % 7 == 3))}".strip() for i in range(70)]
    # The only judgement of its kind is on the last page, the longest head on all of them.
    table = {"study": names, "D1": ["low"] * 70, "D2": [*["high"] * 69, "some concerns"], "Overall": ["high"] * 70}
    pages = plots.rob_traffic_light_pages(table, width_mm=85, height_mm=160, title="Risk of bias")
    assert len(pages) >= 3
    shown: list[str] = []
    for number, ax in enumerate(pages):
        in_order(ax)
        assert ax.figure.get_size_inches()[1] * 25.4 <= 160 + 1e-9
        said = words(ax)
        assert said[0] == ("Risk of bias" if number == 0 else "Risk of bias (continued)")
        assert {
            "Low risk",
            "Some concerns",
            "High risk",
            "D2: Bias due to deviations from intended interventions",
        } <= set(said)
        assert ("Continued on the next page" in said) == (number < len(pages) - 1)
        count = len(words(ax, "sign")) // 3
        own = names[len(shown) : len(shown) + count]
        assert_laid_out(ax, own, 3)
        shown += own
    assert shown == names
    assert_allclose(*(extents([p for p in ax.patches if p.get_gid() == "low"])[0, ::2] for ax in pages[::2][:2]))
    (single,) = plots.rob_traffic_light_pages(ROB2)
    assert words(single) == words(ma.rob_traffic_light(ROB2))
    with pytest.raises(ma.OptionError, match="a page of 30 mm has no room for the headings, the notes and a study"):
        plots.rob_traffic_light_pages(table, height_mm=30)


def test_the_widest_sign_stays_in_its_light() -> None:
    ax = ma.rob_traffic_light(ROBINS, "ROBINS-I", width_mm=85)
    sign = next(text for text in ax.texts if text.get_text() == "NI")
    light = next(patch for patch in ax.patches if patch.get_gid() == "no information")
    assert sign.get_window_extent().width < 0.8 * light.get_window_extent().width


def test_bars_are_shares_of_the_studies_or_of_their_weights() -> None:
    third, quarter = [1 / 3, 2 / 3], [1 / 4, 3 / 4]
    for weights, parts in ((None, [1, *third * 3]), ("weight", [1, *quarter * 3])):
        wide = [patch.get_width() for patch in bars(ma.rob_summary(ROB2, weights=weights))]
        assert_allclose(wide, [wide[0] * part for part in parts], rtol=1e-12)
    assert words(ma.rob_summary(ROB2, weights="weight"), "share")[:3] == ["+ 100%", "+ 25%", "! 75%"]


def test_a_fit_brings_its_weights_by_name() -> None:
    fit = ma.pool([0.2, 0.1, 0.3], [0.4, 0.1, 0.2], label=["Hart 1977", "Aronson 1948", LONG], model="common")
    wide = [patch.get_width() for patch in bars(ma.rob_summary(ROB2, weights=fit))]
    # 1/v: 2.5, 10 and 5 of 17.5.
    assert_allclose(wide[1] / wide[0], 10 / 17.5, rtol=1e-12)
    assert "Share of the studies’ weights" in words(ma.rob_summary(ROB2, weights=fit))
    fewer = ma.pool([0.2, 0.1], [0.4, 0.1], label=["Hart 1977", "Aronson 1948"])
    with pytest.raises(ma.DataError, match=r"Ferguson .* has no weight"):
        ma.rob_summary(ROB2, weights=fewer)
    more = ma.pool([0.2] * 4, [0.4] * 4, label=["Hart 1977", "Aronson 1948", LONG, "Vandiviere"])
    with pytest.raises(ma.DataError, match="'Vandiviere' is in the fit, but not in the table"):
        ma.rob_summary(ROB2, weights=more)


def test_stars_are_drawn_and_added_up() -> None:
    ax = ma.rob_traffic_light(STARS, "Newcastle-Ottawa")
    assert words(ax, "sign") == ["★★★★", "☆☆", "★★★", "7/9", "★★★☆", "★★", "★☆☆", "6/9"]
    both = {**STARS, "Outcome": [3, None], "Exposure": [None, 2], "total": [7, 7]}
    assert words(ma.rob_traffic_light(both, "newcastle-ottawa"), "sign")[-2:] == ["★★☆", "7/9"]
    with pytest.raises(ma.DataError, match="neither of outcome and exposure"):
        ma.rob_traffic_light({**both, "Outcome": [None, None]}, "Newcastle-Ottawa")
    with pytest.raises(
        ma.DataError, match=r"total \(8\) in study 'A' \(row 1\) is not the sum of the stars of its domains, 7"
    ):
        ma.rob_traffic_light({**STARS, "total": [8, 6]}, "Newcastle-Ottawa")


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, pa.table, dict], ids=["pandas", "Polars", "Arrow", "dict"]
)
def test_every_frame_is_read(make: Callable[..., Any]) -> None:
    assert words(ma.rob_traffic_light(make(ROB2)), "sign") == list("+++++!−−+!−−")


def test_the_users_own_domains() -> None:
    ax = ma.rob_traffic_light(ROB2, domains={"Missing outcome data": "Dropout", "D2": "Deviations"})
    assert words(ax, "sign") == list("++−!−!")
    assert {"D1: Dropout", "D2: Deviations"} <= set(words(ax))
    ax = ma.rob_traffic_light(COCHRANE, "Cochrane 2011")
    assert {"D2: Allocation concealment (selection bias)", "D8: Our own question"} <= set(words(ax))


@pytest.mark.parametrize(
    ("tool", "change", "message"),
    [
        ("RoB 2", {"Overall": ["low", "low", "serious"]},
         r"'serious' \(study 'Hart 1977' \(row 3\), column 'Overall'\) is not a judgement .* of RoB 2.* low, some concerns, high"),
        ("RoB 2", {"Overall": ["low", None, "low"]}, r"Ferguson .* \(row 2\), column 'Overall' is empty"),
        ("RoB 2", {"D2": ["low", "hihg", "low"]}, "Did you mean 'high'"),
        ("RoB 2", {"Own": ["low", "hgh", "low"]}, "column 'Own' holds judgements of RoB 2, but also 'hgh'"),
        ("RoB 2", {"Domain 2": ["low", "low", "low"]}, "'D2' and 'Domain 2' are both"),
        ("Newcastle-Ottawa", {}, "lacks 'Selection' and 'Comparability' and 'Outcome' or 'Exposure'"),
        ("Newcastle-Ottawa", {"Selection": [1, 2, 5], "Comparability": [1, 1, 1], "Outcome": [1, 1, 1]},
         r"Selection \(5\) in study 'Hart 1977' \(row 3\) is not a number of stars: selection has 0 to 4"),
        ("Newcastle-Ottawa", {"Selection": [1, 2, 3], "Comparability": [1, 1, 1.5], "Outcome": [1, 1, 1]},
         "comparability has 0 to 2"),
    ],
)  # fmt: skip
def test_what_is_no_judgement_is_named(tool: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ma.DataError, match=message):
        ma.rob_traffic_light({**ROB2, **change}, tool)


def test_options_are_checked() -> None:
    with pytest.raises(ma.DataError, match=r"weight \(-1\) in study .* is not a weight"):
        ma.rob_summary({**ROB2, "weight": [1, -1, 2]}, weights="weight")
    with pytest.raises(ma.DataError, match="at least one weight must be above 0"):
        ma.rob_summary(ROB2, weights=[0, 0, 0])
    with pytest.raises(ma.DataError, match="there are 2 weights, and 3 studies"):
        ma.rob_summary(ROB2, weights=[1, 2])
    with pytest.raises(ma.OptionError, match=r"tool='RoB 3' is not a tool.* The tools are: RoB 2"):
        ma.rob_summary(ROB2, "RoB 3")
    with pytest.raises(ma.OptionError, match=r"no option 'weigths'. Did you mean 'weights'"):
        ma.rob_summary(ROB2, weigths="weight")  # type: ignore[call-arg]
    with pytest.raises(ma.OptionError, match="do not fit into 40 mm"):
        ma.rob_traffic_light(ROBINS, "ROBINS-I", width_mm=40)
    with pytest.raises(ma.DataError, match="has no column of judgements of RoB 2"):
        ma.rob_traffic_light({"study": ["A"], "y": [0.3]})
    with pytest.raises(ma.DataError, match="no studies"):
        ma.rob_traffic_light({"study": [], "D1": []})


def test_given_axes_hold_everything_and_many_studies_make_it_grow(in_order: Callable[..., None]) -> None:
    left, right = Figure(figsize=(12, 5)).subplots(1, 2)
    in_order(ma.rob_traffic_light(ROB2, ax=left))
    in_order(ma.rob_summary(ROB2, ax=right))
    many = {"study": [f"Study {i}" for i in range(120)], "D1": ["low", "high"] * 60}
    tall = ma.rob_traffic_light(many)
    in_order(tall)
    assert tall.figure.get_size_inches()[1] > 120 * 8 * 2 / 72
    with pytest.raises(ma.OptionError, match="mm of height at this width"):
        ma.rob_traffic_light(many, ax=Figure(figsize=(4, 4)).subplots())
