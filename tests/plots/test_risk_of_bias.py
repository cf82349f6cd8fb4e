"""Judgements of the risk of bias: the signs are the table's, the bars are its shares, and what is no judgement is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import metaanalysis as ma
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
