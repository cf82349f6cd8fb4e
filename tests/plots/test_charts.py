"""Every chart, whatever the measure, the studies and the width: texts in order, Axes used, options checked, nothing changed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import metaanalysis as ma
from metaanalysis import plots
from metaanalysis.plots.chart_spec import Scale
from metaanalysis.plots.scales import inverse_of
from metaanalysis.plots.style import Style

Drawn = Callable[..., Axes]


def made_up(measure: str, k: int) -> ma.Effects:
    """Studies of a measure, the same ones every time."""
    random = np.random.default_rng(k)
    names = [f"{random.choice(['Smith', 'van der Berg', 'Okafor & Li', 'Łukasz'])} {1950 + i}" for i in range(k)]
    n1, n2 = random.integers(8, 900, k), random.integers(8, 900, k)
    frame = pd.DataFrame({"study": names, "n1": n1, "n2": n2, "group": [f"group {i % 3}" for i in range(k)]})
    frame["dose"] = random.uniform(0, 50, k)
    if measure in ("RR", "OR", "RD", "PETO", "AS"):
        frame["events1"], frame["events2"] = random.binomial(n1, 0.2), random.binomial(n2, 0.3)
    elif measure == "ZCOR":
        frame["r"], frame["n"] = random.uniform(-0.4, 0.8, k), n1
    elif measure in ("PLO", "PFT"):
        frame["events"], frame["n"] = random.binomial(n1, 0.2), n1
    else:
        frame["y"], frame["se"] = random.normal(-0.3, 0.5, k), random.uniform(0.05, 1.2, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ma.effect_sizes(frame, measure)


def every_chart(effects: ma.Effects) -> dict[str, Callable[..., Axes]]:
    """All charts that these studies allow, each with much to show."""
    group, dose = ("alloc", "ablat") if "alloc" in effects.source.columns else ("group", "dose")
    fit, common = ma.pool(effects), ma.pool(effects, model="common")
    comparable = effects.measure_entry.favours or "r" in effects.measure_entry.inputs
    found: dict[str, Callable[..., Axes]] = {
        "compare": lambda **o: plots.compare(ma.compare(effects, ["DL", "PM", "REML"]), **o),
        "leave-one-out": lambda **o: plots.forest(ma.leave_one_out(fit), **o),
        "cumulative": lambda **o: plots.forest(ma.cumulative(fit), **o),
        "funnel": lambda **o: plots.funnel(common, contours=comparable, by=group, **o),
        "radial": lambda **o: plots.radial(common, label=True, **o),
        "drapery": lambda **o: plots.drapery(fit, **o),
        "profile": lambda **o: plots.profile(fit, **o),
    }
    names = list(effects.label)
    words = ["low", "some concerns", "high", "no information"]
    judged = {"study": names} | {f"D{j}": [words[(i + j) % 4] for i in range(effects.k)] for j in range(1, 6)}
    lists = {f"Review {i} of {names[i % effects.k]}": [f"s{n}" for n in range(i, i + 6)] for i in range(4)}
    found |= {
        "traffic light": lambda **o: plots.rob_traffic_light({**judged, "Overall": judged["D5"]}, **o),
        "risk of bias": lambda **o: plots.rob_summary(judged, weights=[float(v) for v in effects.v], **o),
        "overlap": lambda **o: plots.overlap(ma.citation_matrix(lists), **o),
        "prisma": lambda **o: plots.prisma(FLOW, **o),
    }
    if effects.k > 2:
        found["baujat"] = lambda **o: plots.baujat(ma.baujat(common), **o)
        found["bubble"] = lambda **o: plots.bubble(ma.meta_regression(effects, f"~ {dose}"), label=True, by=group, **o)
        found["qq"] = lambda **o: plots.qq(ma.influence(fit), label=True, **o)
        found["influence"] = lambda **o: plots.influence(ma.influence(fit), **o)
        subsets = ma.gosh(common, subsets=60, seed=1)
        found["gosh"] = lambda **o: plots.gosh(subsets, study=0, y_axis="q", **o)
        filled, test = ma.trim_and_fill(common, side="left"), ma.small_study_test(common)
        found["full funnel"] = lambda **o: plots.funnel(common, trim_and_fill=filled, egger=test, **o)
    if "events2" in effects.inputs:
        found["labbe"] = lambda **o: plots.labbe(fit, label=True, **o)
    return found


FLOW = {"databases": 50, "screened": 50, "excluded": 30, "sought": 20, "not_retrieved": 1, "assessed": 19, "reports_excluded": 9,
        "websites": 3, "other_assessed": 3, "other_excluded": {"Wrong outcome": 2}, "included": 11}  # fmt: skip
CASES = [("RR", 13), ("ZCOR", 3)]


@pytest.mark.parametrize(
    "measure, k, width",
    [*((*case, width) for case, width in product(CASES, (85, 180))), ("PFT", 5, 180), ("GEN", 2, 85), ("HR", 40, 85)],
)
def test_texts_keep_their_distance(measure: str, k: int, width: float, in_order: Callable[..., None]) -> None:
    for name, draw in every_chart(made_up(measure, k)).items():
        ax = draw(width_mm=width)
        in_order(ax, f"{name}, {measure}, k = {k}, {width} mm")
        assert ax.figure.get_size_inches()[0] == pytest.approx(width / 25.4), name


def test_long_titles_labels_and_names_stay_inside(bcg: ma.Effects, in_order: Callable[..., None]) -> None:
    long = "a text that goes on and on about the outcome, its unit and how it was measured, "
    names = [f"The {i} collaborative randomised multicentre double-blind placebo-controlled trial" for i in range(13)]
    fit = ma.pool(bcg.y, bcg.v, label=names, measure="OR", model="common")
    for draw in (plots.funnel, plots.radial, plots.drapery):
        in_order(draw(fit, title=long * 2, x_label=long * 2, y_label=long, width_mm=85))
    in_order(plots.baujat(ma.baujat(fit), title=long, width_mm=85))
    in_order(plots.influence(ma.influence(fit), title=long, width_mm=120))
    groups = [("a long name of a group of studies " * 2) + str(i % 4) for i in range(13)]
    in_order(plots.funnel(fit, by=groups, width_mm=85))


@pytest.mark.parametrize("scale", [1e-10, 1e10])
def test_awkward_scales_are_drawn(scale: float, bcg: ma.Effects, in_order: Callable[..., None]) -> None:
    fit = ma.pool(bcg.y * scale, bcg.v * scale**2, measure="MD")
    for draw in (plots.funnel, plots.radial, plots.drapery, plots.profile):
        in_order(draw(fit, width_mm=85), f"{draw.__name__} at {scale:g}")
    in_order(plots.influence(ma.influence(fit)), f"influence at {scale:g}")
    alike = ma.pool([0.3, 0.3, 0.3], np.array([0.2, 0.2, 0.2]) * scale, measure="MD")
    for draw in (plots.funnel, plots.radial, plots.drapery, plots.profile):
        in_order(draw(alike, width_mm=85), f"{draw.__name__} of like studies")


def test_given_axes_hold_everything_and_nothing_is_changed(bcg: ma.Effects, in_order: Callable[..., None]) -> None:
    fit, y = ma.pool(bcg), bcg.y.copy()
    before = fit.to_dict()
    for name, draw in every_chart(bcg).items():
        figure = Figure(figsize=(14, 6))
        left, right = figure.subplots(1, 2)
        box, other = left.get_window_extent().extents, right.get_position().bounds
        ax = draw(ax=left)
        assert ax is left, name
        in_order(ax, name)
        assert right.get_position().bounds == other
        drawn = np.array([text.get_window_extent().extents for text in ax.texts])
        assert drawn[:, 0].min() >= box[0] - 0.5, name
        assert drawn[:, 1].min() >= box[1] - 0.5, name
        assert drawn[:, 2].max() <= box[2] + 0.5, name
        assert drawn[:, 3].max() <= box[3] + 0.5, name
    plots.funnel(fit, contours=True)
    assert fit.to_dict() == before
    np.testing.assert_array_equal(bcg.y, y)


def test_saved_text_is_text(bcg: ma.Effects, tmp_path: Path) -> None:
    charts = every_chart(bcg)
    for name in ("compare", "funnel", "radial", "influence", "traffic light", "risk of bias", "overlap", "prisma"):
        ax = charts[name]()
        drawn = plots.save(ax, tmp_path / "chart.svg").read_text(encoding="utf-8")
        shown = [text.get_text() for text in ax.texts]
        assert shown, name
        for text in shown:
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert escaped in drawn, (name, text)
        assert re.search(r"<text [^>]*>", drawn)


def lightness(colour: Any) -> float:
    """L* of the CIE, 0 to 100: what is left of a colour in grey."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def looks_of(ax: Axes) -> list[tuple[Any, ...]]:
    """What tells the samples of a legend apart in grey: kind, shape or dashes, and lightness, of points also of their edges."""
    found: list[tuple[Any, ...]] = []
    for sample in ax.collections:
        if sample.get_gid() != "legend":
            continue
        if isinstance(sample, LineCollection):
            # The frame of a filled sample has the look of none.
            if len(sample.get_segments()[0]) == 2:
                found.append(("line", str(sample.get_linestyle()), lightness(sample.get_color()[0])))
        else:
            shape = sample.get_paths()[0].vertices.shape if isinstance(sample, PathCollection) else ()
            found.append((type(sample).__name__, shape, lightness(sample.get_facecolor()[0])))
    lights = [patch for patch in ax.patches if patch.get_gid() == "legend"]
    return found + [("light", (), lightness(patch.get_facecolor())) for patch in lights]


@pytest.mark.parametrize("style", [plots.Style(), plots.DARK], ids=["light", "dark"])
def test_what_a_legend_tells_apart_stays_apart_in_grey(style: Style, bcg: ma.Effects) -> None:
    seen, page = 0, lightness(style.page)
    for name, draw in every_chart(bcg).items():
        ax = draw(style=style)
        assert to_rgb(ax.figure.get_facecolor()) == to_rgb(style.page), name
        on_page = [text for text in ax.texts if text.get_gid() not in ("number", "sign", "share", "legend")]
        assert on_page, name
        assert all(abs(lightness(text.get_color()) - page) > 40 for text in on_page), name
        looks = looks_of(ax)
        seen += len(looks)
        for one, other in combinations(looks, 2):
            assert one[:2] != other[:2] or abs(one[2] - other[2]) > 8, (name, one, other)
    assert seen > 20


def test_the_page_is_saved_as_it_is_drawn(common_fit: ma.Pooled, tmp_path: Path) -> None:
    import matplotlib as mpl
    from matplotlib import image

    for style, page in (("default", 1.0), ("dark", 0.1)):
        ax = plots.funnel(common_fit, style=style)
        with mpl.rc_context({"savefig.facecolor": "white" if style == "dark" else "black"}):
            drawn = image.imread(plots.save(ax, tmp_path / "page.png", dpi=50))
        np.testing.assert_allclose(drawn[0, 0, :3], page, atol=0.06)


def test_a_dark_page_of_the_users_has_light_ink(bcg: ma.Effects) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    settings = {"figure.facecolor": "black", "axes.facecolor": "black", "text.color": "white"}
    fit = ma.pool(bcg)
    draws = {**every_chart(bcg), "forest": lambda **o: plots.forest(fit, layout="jama", **o)}
    for name, draw in draws.items():
        figure = Figure(figsize=(9, 8), facecolor="#0a0a20")
        inner = Figure(figsize=(9, 8), facecolor="#0a0a20").subfigures(1, 1).subplots()
        with mpl.rc_context(settings):
            free = draw()
        for ax, page in ((draw(ax=figure.subplots()), "#0a0a20"), (draw(ax=inner), "#0a0a20"), (free, "#000000")):
            text = [t for t in ax.texts if t.get_gid() not in ("number", "sign", "share", "legend")]
            assert text, name
            assert all(lightness(t.get_color()) - lightness(page) > 40 for t in text), name
        assert to_rgb(free.figure.get_facecolor()) == (0, 0, 0), name
        # A style that is asked for is taken as it is.
        asked = draw(ax=Figure(figsize=(9, 8), facecolor="black").subplots(), style=Style(ink="#ff0000"))
        assert "#ff0000" in {t.get_color() for t in asked.texts}, name
        assert to_rgb(draw(style="dark").figure.get_facecolor()) == to_rgb(plots.DARK.page), name
        # matplotlib warns of more than twenty open figures.
        plt.close("all")
    with pytest.raises(ma.OptionError, match="style='darc' is not a Style"):
        plots.funnel(fit, style="darc")


def test_the_users_settings_do_no_harm(common_fit: ma.Pooled, in_order: Callable[..., None]) -> None:
    import matplotlib as mpl

    unruly = {
        "axes.grid": True,
        "font.size": 24,
        "font.weight": "bold",
        "text.color": "red",
        "xtick.minor.visible": True,
    }
    with mpl.rc_context(unruly):
        ax = plots.funnel(common_fit, contours=True)
        in_order(ax)
    assert all(text.get_color() != "red" for text in ax.texts)


def test_size_font_and_style(common_fit: ma.Pooled, points_of: Callable[..., np.ndarray]) -> None:
    ax = plots.funnel(
        common_fit, width_mm=100, height_mm=80, font="DejaVu Serif", font_size=7, style=Style(diamond="#ff0000")
    )
    np.testing.assert_allclose(ax.figure.get_size_inches() * 25.4, [100, 80], rtol=1e-12)
    assert {text.get_fontfamily()[0] for text in ax.texts} == {"DejaVu Serif"}
    dots = next(c for c in ax.collections if c.get_gid() == "studies")
    np.testing.assert_allclose(dots.get_facecolor()[0], [1, 0, 0, 1])
    bare = plots.funnel(common_fit, contours=True, legend=False, title="A title")
    assert {text.get_text() for text in bare.texts} == {"A title", "Standard error", "Risk ratio (log scale)"}


def test_limits_are_given_in_the_numbers_of_the_axis(common_fit: ma.Pooled) -> None:
    ax = plots.funnel(common_fit, xlim=(0.1, 10), ylim=(0, 1))
    np.testing.assert_allclose(ax.get_xlim(), np.log([0.1, 10]), rtol=1e-12)
    np.testing.assert_allclose(ax.get_ylim(), [1, 0], rtol=1e-12)
    assert "0.1" in [label.get_text() for label in ax.get_xticklabels()]


@pytest.mark.parametrize("measure", ["ZCOR", "PLO", "RR"])
def test_numbers_stand_where_they_are_on_the_scale_of_analysis(measure: str) -> None:
    effects = made_up(measure, 13)
    ax = plots.funnel(ma.pool(effects))
    labels = [float(label.get_text().replace("\u2212", "-")) for label in ax.get_xticklabels()]
    assert len(labels) >= 3
    expected = {"ZCOR": np.arctanh, "RR": np.log, "PLO": lambda p: np.log(p / (1 - p))}[measure](np.array(labels))
    np.testing.assert_allclose(ax.get_xticks(), expected, rtol=1e-12, atol=1e-13)


def test_an_inverse_is_found_by_halving() -> None:
    inverse = inverse_of(np.tanh, -1.0, 2.0)
    assert inverse(0.5) == pytest.approx(np.arctanh(0.5), rel=1e-14)
    assert inverse(1.5) == np.inf
    assert inverse(-1.5) == -np.inf
    assert Scale(0.0, 1.0, "").to_place(0.3) == 0.3


BAD: list[tuple[dict[str, Any], str]] = [
    ({"widht_mm": 85}, "has no option 'widht_mm'. Did you mean 'width_mm'"),
    ({"title": 3}, "title=3 is not a text"),
    ({"xlim": (2, 1)}, "the lower first"),
    ({"xlim": (-1, 1)}, "ratios, which lie above 0"),
    ({"ylim": "all"}, "ylim='all' is not an axis"),
    ({"width_mm": 0}, "width_mm=0.0 is not a size"),
    ({"width_mm": 20}, "does not fit into 20 mm of width"),
    ({"height_mm": 10}, "does not fit into 120 mm of width and 10 mm of height"),
    ({"legend": "top"}, "legend='top' is not a choice"),
    ({"style": "jama"}, "is not a Style"),
    ({"font": "DejaVu Sanz"}, "not installed. Did you mean 'DejaVu Sans"),
    ({"ax": "left"}, "not a matplotlib Axes"),
]


@pytest.mark.parametrize("options, said", BAD)
def test_options_are_checked(common_fit: ma.Pooled, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ma.OptionError, match=re.escape(said)):
        plots.funnel(common_fit, **options)


def test_plot_finds_the_plot_of_a_result(bcg: ma.Effects, common_fit: ma.Pooled) -> None:
    filled = ma.trim_and_fill(common_fit)
    gids = {
        "studies": [ma.baujat(common_fit), ma.meta_regression(bcg, "~ ablat"), filled],
        "subsets": [ma.gosh(common_fit, subsets=40, seed=1)],
    }
    for gid, results in gids.items():
        for result in results:
            assert gid in {points.get_gid() for points in ma.plot(result).collections}
    drawn = [ma.plot(result, width_mm=150) for result in (common_fit, ma.leave_one_out(common_fit), ma.compare(bcg))]
    assert {ax.get_xscale() for ax in drawn} == {"log"}
    assert ma.plot(ma.influence(common_fit)).child_axes
    assert "number" in {text.get_gid() for text in ma.plot(ma.citation_matrix({"A": ["s"], "B": ["s", "t"]})).texts}
    with pytest.raises(ma.OptionError, match="not list"):
        ma.plot([1, 2, 3])


def test_every_chart_refuses_what_it_cannot_draw() -> None:
    for draw in (
        plots.funnel,
        plots.radial,
        plots.drapery,
        plots.profile,
        plots.bubble,
        plots.baujat,
        plots.labbe,
        plots.gosh,
    ):
        with pytest.raises(ma.OptionError, match=r"draws the result of .* not list"):
            draw([1, 2, 3])
    for draw in (plots.qq, plots.influence):
        with pytest.raises(ma.OptionError, match=r"draws the result of metaanalysis.influence, not list"):
            draw([1, 2, 3])
    with pytest.raises(ma.OptionError, match=r"draws the result of metaanalysis.compare, or results of pool by name"):
        plots.compare([1, 2, 3])
