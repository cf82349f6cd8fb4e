"""A forest plot shows the numbers of the result: marks where they are, areas as they weigh, texts that say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.plots import Style, forest, save


@pytest.fixture(scope="module")
def bcg() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="study")


@pytest.fixture(scope="module")
def pooled(bcg: ma.Effects) -> ma.Pooled:
    return ma.pool(bcg, ci="hksj")


@pytest.fixture(scope="module")
def by_allocation(bcg: ma.Effects) -> ma.Subgroups:
    return ma.subgroups(bcg, by="alloc", tau2="DL")


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def ticks(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def collection(ax: Axes, gid: str) -> object:
    return next(c for c in ax.collections if c.get_gid() == gid)


def diamonds(ax: Axes, kind: str) -> list[np.ndarray]:
    return [patch.get_xy() for patch in ax.patches if patch.get_gid() == kind]


def row_of(ax: Axes, name: str) -> list[str]:
    """The texts on the line of a text, from left to right."""
    height = next(text.get_position()[1] for text in ax.texts if text.get_text() == name)
    line = [text for text in ax.texts if abs(text.get_position()[1] - height) < 1e-9]
    return [text.get_text() for text in sorted(line, key=lambda text: text.get_window_extent().x0)]


# Marks


def test_squares_stand_at_the_estimates_and_weigh_as_the_studies(pooled: ma.Pooled) -> None:
    ax = forest(pooled)
    squares = collection(ax, "studies")
    assert_allclose(squares.get_offsets()[:, 0], np.exp(pooled.effects.y), rtol=1e-12)
    assert_allclose(squares.get_sizes() / squares.get_sizes().max(), pooled.weights / pooled.weights.max(), rtol=1e-12)
    # On the picture a square of s points² has the area s.
    paths = squares.get_paths()[0].get_extents()
    assert paths.width * paths.height == pytest.approx(1)


def test_intervals_are_the_studies_own(pooled: ma.Pooled) -> None:
    ax = forest(pooled, xlim=(0.01, 100))
    low, high = pooled.effects.interval(pooled.level)
    segments = np.array(collection(ax, "intervals").get_segments())
    assert_allclose(segments[:, 0, 0], np.exp(low), rtol=1e-12)
    assert_allclose(segments[:, 1, 0], np.exp(high), rtol=1e-12)


def test_diamond_and_prediction_interval(pooled: ma.Pooled) -> None:
    ax = forest(pooled)
    back = pooled.back_transformed()
    (diamond,) = diamonds(ax, "overall")
    assert_allclose(diamond[:4, 0], [back.ci_low, back.estimate, back.ci_high, back.estimate], rtol=1e-12)
    (bar,) = [patch for patch in ax.patches if patch.get_gid() == "prediction"]
    assert_allclose(
        [bar.get_x(), bar.get_x() + bar.get_width()], [back.prediction_low, back.prediction_high], rtol=1e-12
    )
    assert bar.get_y() > diamond[:, 1].max()  # heights count from the top: the bar lies under the diamond
    assert_allclose(collection(ax, "pooled").get_segments()[0][:, 0], back.estimate, rtol=1e-12)
    assert_array_equal(collection(ax, "null").get_segments()[0][:, 0], 1)
    assert ax.get_xscale() == "log"


def test_correlations_are_shown_as_correlations() -> None:
    fit = ma.pool(ma.effect_sizes(ma.load_dataset("molloy2014"), "ZCOR"))
    ax = forest(fit)
    assert ax.get_xscale() == "linear"
    assert_allclose(collection(ax, "studies").get_offsets()[:, 0], np.tanh(fit.effects.y), rtol=1e-12)
    assert_array_equal(collection(ax, "null").get_segments()[0][:, 0], 0)
    assert row_of(ax, "Axelsson et al. 2009")[1:4] == ["109", "0.19", "[−0.00, 0.36]"]
    assert not any("Lower" in text for text in texts(ax))


def test_arrows_where_intervals_leave_the_axis(pooled: ma.Pooled) -> None:
    low, high = (np.exp(x) for x in pooled.effects.interval())
    ax = forest(pooled, xlim=(0.15, 1.2))
    arrows = [c for c in ax.collections if c.get_gid() == "arrows"]
    heads = np.concatenate([c.get_offsets() for c in arrows])
    back = pooled.back_transformed()
    expected_left = (low < 0.15).sum() + (back.prediction_low < 0.15)
    expected_right = (high > 1.2).sum() + (back.prediction_high > 1.2)
    assert (heads[:, 0] == 0.15).sum() == expected_left
    assert (heads[:, 0] == 1.2).sum() == expected_right
    segments = np.array(collection(ax, "intervals").get_segments())
    assert segments[:, :, 0].min() == 0.15
    assert segments[:, :, 0].max() == 1.2
    # An estimate beyond the axis has no square.
    assert len(collection(ax, "studies").get_offsets()) == (np.exp(pooled.effects.y) <= 1.2).sum()
    assert not [c for c in forest(pooled).collections if c.get_gid() == "arrows"]


def test_one_study_without_an_interval_is_a_hollow_diamond(bcg: ma.Effects) -> None:
    fit = ma.pool(bcg.subset(np.arange(13) == 4), ci="hksj")
    ax = forest(fit)
    assert not diamonds(ax, "overall")
    assert_allclose(collection(ax, "overall").get_offsets()[0, 0], np.exp(fit.estimate), rtol=1e-12)
    assert "n/a" in row_of(ax, "Random-effects model")
    assert "Heterogeneity: not applicable" in texts(ax)


# Texts


def test_the_row_of_a_study(pooled: ma.Pooled) -> None:
    ax = forest(pooled)
    weight = f"{pooled.weights[0]:.1f}%"
    assert row_of(ax, "Aronson 1948") == ["Aronson 1948", "4", "123", "11", "139", "0.41", "[0.13, 1.26]", weight]
    assert row_of(ax, "Random-effects model")[:5] == ["Random-effects model", "1065", "191064", "1510", "166283"]
    assert row_of(ax, "Random-effects model")[5:] == ["0.49", "[0.33, 0.73]", "100.0%"]
    assert row_of(ax, "Prediction interval") == ["Prediction interval", "[0.14, 1.76]"]


def test_means_and_their_groups() -> None:
    ax = forest(ma.pool(ma.effect_sizes(ma.load_dataset("normand1999"), "MD")), groups=("Special", "Usual"))
    assert row_of(ax, "Edinburgh")[:5] == ["Edinburgh", "55 (47)", "155", "75 (64)", "156"]
    assert row_of(ax, "Edinburgh")[5:7] == ["−20.00", "[−32.47, −7.53]"]
    assert {"Special", "Usual", "← Lower mean: Special", "Lower mean: Usual →"} <= set(texts(ax))
    assert row_of(ax, "Random-effects model")[1:3] == ["548", "610"]


def test_subgroups_have_their_own_rows(by_allocation: ma.Subgroups) -> None:
    ax = forest(by_allocation)
    found = texts(ax)
    assert [text for text in found if text in by_allocation.groups] == ["random", "alternate", "systematic"]
    assert found.count("Subtotal") == 3
    shapes = diamonds(ax, "pooled")
    for shape, fit in zip(shapes, by_allocation.groups.values(), strict=True):
        back = fit.back_transformed()
        assert_allclose(shape[:3, 0], [back.ci_low, back.estimate, back.ci_high], rtol=1e-12)
    heterogeneity = [text for text in found if text.startswith("Heterogeneity")]
    for line, fit in zip(heterogeneity, [*by_allocation.groups.values(), by_allocation.overall], strict=True):
        assert f"Q = {fit.q:.2f}, df = {fit.q_df:g}" in line
        assert f"I² = {fit.i2:.1f}%" in line
    assert f"Test for subgroup differences: {by_allocation.test_sentence()}" in found


def test_weights_in_subgroups_are_those_of_the_whole(by_allocation: ma.Subgroups) -> None:
    ax = forest(by_allocation)
    whole = by_allocation.overall
    for label, weight in zip(whole.effects.label, whole.weights, strict=True):
        assert row_of(ax, label)[-1] == f"{weight:.1f}%"
    names = by_allocation.groups["alternate"].effects.label
    share = sum(w for label, w in zip(whole.effects.label, whole.weights, strict=True) if label in names)
    assert f"{share:.1f}%" in texts(ax)
    # In the order of the groups, each square still stands for its own study.
    squares = collection(ax, "studies")
    order = [name for fit in by_allocation.groups.values() for name in fit.effects.label]
    y = dict(zip(whole.effects.label, whole.effects.y, strict=True))
    assert_allclose(squares.get_offsets()[:, 0], [np.exp(y[name]) for name in order], rtol=1e-12)


def test_groups_with_studies_left_out_keep_their_rows() -> None:
    frame = ma.load_dataset("bcg").assign(alloc=["b", "a"] * 6 + ["b"])
    frame.loc[[0, 5], "events1"] = np.nan
    with pytest.warns(match="2 of 13 studies left out"):
        effects = ma.effect_sizes(frame, "RR")
    ax = forest(ma.subgroups(effects, by="alloc"))
    assert row_of(ax, "Hart & Sutherland 1977")[1:5] == ["62", "13598", "248", "12867"]
    assert row_of(ax, "Comstock et al 1976")[1:5] == ["27", "16913", "29", "17854"]
    assert any(text.startswith("Left out: Aronson 1948 (events1 is missing)") for text in texts(ax))


def test_plain_arrays_in_subgroups() -> None:
    effects = ma.pool([0.1, -0.2, 0.3, 0.5], [0.02, 0.03, 0.05, 0.04], label=list("ABCD")).effects
    ax = forest(ma.subgroups(effects, by=[1, 2, 1, 2]))
    assert {"group = 1", "group = 2"} <= set(texts(ax))
    assert row_of(ax, "B")[1:3] == ["−0.20", "[−0.54, 0.14]"]


def test_a_common_effect_has_no_prediction_interval(bcg: ma.Effects) -> None:
    ax = forest(ma.pool(bcg, method="mantel-haenszel"))
    assert "Common-effect model" in texts(ax)
    assert "Prediction interval" not in texts(ax)
    assert not [patch for patch in ax.patches if patch.get_gid() == "prediction"]


def test_narrow_intervals_get_more_decimals(bcg: ma.Effects) -> None:
    fit = ma.pool(bcg.subset(np.arange(13) > 5), model="common", level=0.9)
    small = ma.pool(fit.effects.y / 1000, fit.effects.v / 1e6)
    assert any(re.fullmatch(r"−0\.\d{4,5}", text) for text in texts(forest(small)))
    assert "Risk ratio [90% CI]" in " ".join(texts(forest(fit)))


def test_counts_that_are_not_whole_and_columns_of_one_table() -> None:
    frame = pd.DataFrame(
        {
            "study": ["A", "B"],
            "y": [0.1, 0.2],
            "se": [0.1, 0.1],
            "dose": [2.5, 10.0],
            "drug": ["aspirin", None],
            "open": [True, False],
        }
    )
    ax = forest(
        ma.pool(ma.effect_sizes(frame, "SMD", y="y", se="se")), left=["dose", "drug"], right={"open": "Open label"}
    )
    assert row_of(ax, "A") == ["A", "2.5", "aspirin", "True"]
    assert row_of(ax, "B") == ["B", "10.0", "False"]
    assert "Open label" in " ".join(texts(ax))


# Options


def test_columns_are_chosen_and_named(pooled: ma.Pooled) -> None:
    ax = forest(pooled, left=["year", "study"], right={"weight": "Share", "ablat": "Latitude", "estimate": "RR"})
    row = row_of(ax, "Aronson 1948")
    assert row == ["1948", "Aronson 1948", f"{pooled.weights[0]:.1f}%", "44", "0.41", "[0.13, 1.26]"]
    assert {"year", "Share", "Latitude", "RR"} <= set(texts(ax))
    combined = forest(pooled, left=["events1/n1", "events2/n2"], right=[])
    assert row_of(combined, "Aronson 1948") == ["Aronson 1948", "4/123", "11/139"]
    assert row_of(combined, "Random-effects model")[1:] == ["1065/191064", "1510/166283"]


def test_favours(pooled: ma.Pooled) -> None:
    assert {"← Lower risk: Treatment", "Lower risk: Control →"} <= set(texts(forest(pooled)))
    named = texts(forest(pooled, favours=("vaccine", "no vaccine")))
    assert {"← Favours vaccine", "Favours no vaccine →"} <= set(named)
    assert not any("→" in text for text in texts(forest(pooled, favours=False)))
    given = ma.pool([0.1, 0.2], [0.1, 0.1], measure="HR")
    assert not any("→" in text for text in texts(forest(given)))
    assert "Lower hazard: Old →" in texts(forest(given, groups=("New", "Old")))


def test_axis_options(pooled: ma.Pooled) -> None:
    ax = forest(pooled, xlim=(0.05, 20), ticks=[0.1, 1, 10], null_line=0.8, axis_label="RR of disease", title="Title")
    assert ax.get_xlim() == (0.05, 20)
    assert ticks(ax) == ["0.1", "1", "10"]
    assert_array_equal(collection(ax, "null").get_segments()[0][:, 0], 0.8)
    assert {"RR of disease", "Title"} <= set(texts(ax))
    assert not [c for c in forest(pooled, null_line=False).collections if c.get_gid() == "null"]
    quiet = texts(forest(pooled, prediction=False, notes=False, study_heading="Trial", decimals=3))
    assert "Prediction interval" not in quiet
    assert not any(text.startswith("Heterogeneity") for text in quiet)
    assert {"Trial", "0.411", "[0.134, 1.257]"} <= set(quiet)


def test_ticks_of_ratios_by_default(pooled: ma.Pooled) -> None:
    assert ticks(forest(pooled)) == ["0.1", "0.2", "0.5", "1", "2", "5"]


@pytest.mark.parametrize(
    "options, said",
    [
        ({"favors": ("a", "b")}, "no option 'favors'. Did you mean 'favours'"),
        ({"left": ["yaer"]}, "no column 'yaer'. Did you mean 'year'"),
        ({"right": ["wieght"]}, "Did you mean 'weight'"),
        ({"left": "study"}, "must be a list of column names"),
        ({"left": ["year", "year"]}, "'year' more than once"),
        ({"left": ["year"], "right": ["year"]}, "both in left and in right"),
        ({"groups": ("a", "b", "c")}, "groups=.* must be two texts"),
        ({"favours": "treatment"}, "favours=.* must be two texts"),
        ({"decimals": 2.5}, "decimals=2.5 is not a number of decimals"),
        ({"xlim": (2, 1)}, "the lower first"),
        ({"xlim": (-1, 1)}, "logarithmic: xlim and ticks lie above 0"),
        ({"ticks": "1"}, "must be a list of numbers"),
        ({"ticks": [0, 1]}, "logarithmic"),
        ({"width_mm": 0}, "width_mm=0.0 is not a size"),
        ({"width_mm": float("nan")}, "width_mm=nan"),
        ({"font": "DejaVu Sanz"}, "not installed. Did you mean 'DejaVu Sans"),
        ({"notes": "no"}, "notes='no' is not a choice"),
        ({"title": 3}, "title=3 is not a text"),
        ({"style": "jama"}, "is not a Style"),
        ({"ax": "left"}, "not a matplotlib Axes"),
    ],
)
def test_options_are_checked(pooled: ma.Pooled, options: dict[str, object], said: str) -> None:
    with pytest.raises(ma.OptionError, match=said):
        forest(pooled, **options)


def test_what_is_no_result_is_refused(bcg: ma.Effects) -> None:
    with pytest.raises(ma.OptionError, match="not Effects"):
        forest(bcg)
    with pytest.raises(ma.OptionError, match="favours does not apply to a correlation"):
        forest(ma.pool([0.1, 0.2], [0.1, 0.1], measure="ZCOR"), favours=("a", "b"))


def test_style_and_font(pooled: ma.Pooled) -> None:
    ax = forest(pooled, style=Style(square="#ff0000"), font="DejaVu Serif", font_size=7)
    assert_allclose(collection(ax, "studies").get_facecolor()[0], [1, 0, 0, 1])
    assert {text.get_fontfamily()[0] for text in ax.texts} == {"DejaVu Serif"}
    assert max(text.get_fontsize() for text in ax.texts) == 7


def test_default_colours_stay_apart_in_grey() -> None:
    from matplotlib.colors import to_rgb

    def lightness(color: str) -> float:
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
        return 116 * (0.2126 * r + 0.7152 * g + 0.0722 * b) ** (1 / 3) - 16

    style = Style()
    found = sorted(lightness(c) for c in (style.ink, style.diamond, style.square, style.prediction, "white"))
    assert min(np.diff(found)) > 10


# Figures


def test_nothing_is_changed(bcg: ma.Effects) -> None:
    fit = ma.pool(bcg)
    before = fit.to_dict()
    table = fit.effects.table.copy()
    forest(fit)
    assert fit.to_dict() == before
    pd.testing.assert_frame_equal(fit.effects.table, table)


def test_axes_are_returned_and_given_ones_used(pooled: ma.Pooled) -> None:
    assert isinstance(forest(pooled), Axes)
    ax = Figure(figsize=(8, 5)).subplots()
    assert forest(pooled, ax=ax) is ax


def test_a_script_without_pyplot_keeps_no_figures() -> None:
    script = (
        "import sys, metaanalysis as ma\n"
        "assert 'matplotlib' not in sys.modules\n"
        "fit = ma.pool([0.1, 0.3, 0.5], [0.02, 0.03, 0.05])\n"
        "assert 'matplotlib' not in sys.modules\n"
        "ma.forest(fit)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt\n"
        "assert plt.get_fignums() == []\n"
        "ax = ma.forest(fit)\n"
        "assert plt.gcf() is ax.figure\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_saved_text_is_text(pooled: ma.Pooled, tmp_path: Path) -> None:
    ax = forest(pooled)
    drawn = save(ax, tmp_path / "forest.svg").read_text(encoding="utf-8")
    assert re.search(r"<text [^>]*>Ferguson &amp; Simes 1949</text>", drawn)
    assert re.search(r"<text [^>]*>\[0\.13, 1\.26\]</text>", drawn)
    assert drawn.count("<text") >= len(ax.texts)
    assert save(ax, tmp_path / "again.svg").read_text(encoding="utf-8") == drawn
    assert b"/FontFile2" in save(ax, tmp_path / "forest.pdf").read_bytes()  # TrueType: letters, not outlines
    assert save(ax, str(tmp_path / "forest.png"), dpi=50).read_bytes().startswith(b"\x89PNG")


def test_saving_is_checked(pooled: ma.Pooled, tmp_path: Path) -> None:
    ax = forest(pooled)
    with pytest.raises(ma.OptionError, match="does not end in a format of pictures"):
        save(ax, tmp_path / "forest.txt")
    with pytest.raises(ma.OptionError, match=r"save it as \.svg or \.pdf"):
        save(ax, tmp_path / "forest.png", dpi=100_000)
