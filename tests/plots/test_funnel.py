"""A funnel plot shows each study at its effect and standard error; limits and contours are where p says they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import metaanalysis as ma
from metaanalysis.plots import funnel

Points = Callable[..., np.ndarray]
Lines = Callable[..., list[np.ndarray]]


@pytest.mark.parametrize("y_axis", ["se", "variance", "precision", "n"])
def test_studies_stand_where_they_are(common_fit: ma.Pooled, y_axis: str, points_of: Points) -> None:
    ax = funnel(common_fit, y_axis=y_axis)
    effects = common_fit.effects
    heights = {
        "se": effects.se,
        "variance": effects.v,
        "precision": 1 / effects.se,
        "n": effects.inputs["n1"] + effects.inputs["n2"],
    }
    assert_allclose(points_of(ax, "studies"), np.column_stack([effects.y, heights[y_axis]]), rtol=1e-12)
    assert ax.yaxis_inverted() == (y_axis in ("se", "variance"))


@pytest.mark.parametrize("y_axis", ["se", "variance", "precision"])
def test_limits_are_quantiles_about_the_estimate(common_fit: ma.Pooled, y_axis: str, lines_of: Lines) -> None:
    ax = funnel(common_fit, y_axis=y_axis)
    left, right = lines_of(ax, "limits")
    for side, sign in ((left, -1), (right, 1)):
        x, h = side[5:].T
        se = {"se": h, "variance": np.sqrt(h), "precision": 1 / h}[y_axis]
        assert_allclose(x, common_fit.estimate + sign * stats.norm.ppf(0.975) * se, rtol=1e-12)
    assert_allclose(lines_of(ax, "estimate")[0][:, 0], common_fit.estimate, rtol=1e-12)
    assert not lines_of(funnel(common_fit, limits=False), "limits")


def test_contours_are_where_p_is_so_small(common_fit: ma.Pooled) -> None:
    from matplotlib.path import Path

    ax = funnel(common_fit, contours=True)
    found = {c.get_gid(): c.get_paths()[0] for c in ax.collections if str(c.get_gid()).startswith("contour")}
    levels = {"contour: 0.05 < p < 0.10": 0.10, "contour: 0.01 < p < 0.05": 0.05, "contour: p < 0.01": 0.01}
    assert set(found) == set(levels)
    se = 0.4
    for gid, level in levels.items():
        z = stats.norm.isf(level / 2)
        left, right = (Path(part) for part in np.split(found[gid].vertices[:800], 2))
        for sign, part in ((-1, left), (1, right)):
            assert part.contains_point((sign * (z * se + 0.01), se))
            assert not part.contains_point((sign * (z * se - 0.01), se))


def test_studies_filled_in_are_open(common_fit: ma.Pooled, points_of: Points, lines_of: Lines) -> None:
    filled = ma.trim_and_fill(common_fit)
    ax = funnel(common_fit, trim_and_fill=filled)
    expected = np.column_stack([filled.filled_y, np.sqrt(filled.filled_v)])
    assert_allclose(points_of(ax, "filled"), expected, rtol=1e-12)
    dots = next(c for c in ax.collections if c.get_gid() == "filled")
    assert_allclose(dots.get_facecolor()[0], 1)
    assert_allclose(lines_of(ax, "filled estimate")[0][:, 0], filled.filled.estimate, rtol=1e-12)
    assert {"Study", "Filled in"} <= {text.get_text() for text in ax.texts}


@pytest.mark.parametrize("y_axis", ["se", "variance"])
def test_eggers_line(common_fit: ma.Pooled, y_axis: str, lines_of: Lines) -> None:
    test = ma.small_study_test(common_fit)
    (line,) = lines_of(funnel(common_fit, y_axis=y_axis, egger=test), "egger")
    se = line[:, 1] if y_axis == "se" else np.sqrt(line[:, 1])
    assert_allclose(line[:, 0], test.limit.estimate + test.estimate * se, rtol=1e-12)


def test_groups_by_colour_and_shape(common_fit: ma.Pooled, points_of: Points) -> None:
    ax = funnel(common_fit, by="alloc")
    effects = common_fit.effects
    alloc = np.array(effects.column("alloc"))
    for name in ("random", "alternate", "systematic"):
        assert_allclose(points_of(ax, f"studies: {name}")[:, 0], effects.y[alloc == name], rtol=1e-12)
        assert name in {text.get_text() for text in ax.texts}
    dots = [c for c in ax.collections if str(c.get_gid()).startswith("studies: ")]
    assert len({tuple(c.get_facecolor()[0]) for c in dots}) == 3
    assert len({len(c.get_paths()[0]) for c in dots}) == 3


def test_groups_stay_apart_in_grey() -> None:
    from matplotlib.colors import to_rgb

    from metaanalysis.plots.draw_chart import tone
    from metaanalysis.plots.grouped import GROUPS
    from metaanalysis.plots.style import DEFAULT

    def lightness(color: str) -> float:
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
        return 116 * (0.2126 * r + 0.7152 * g + 0.0722 * b) ** (1 / 3) - 16

    found = sorted(lightness(tone(color, DEFAULT)) for color, _ in GROUPS[:4])
    assert min(np.diff(found)) > 8
    assert len({shape for _, shape in GROUPS}) == len(GROUPS)


def test_options_are_checked(common_fit: ma.Pooled, random_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match=r"y_axis='varience' is not a choice. Did you mean 'variance'"):
        funnel(common_fit, y_axis="varience")
    with pytest.raises(ma.OptionError, match=r"has no option 'contour'. Did you mean 'contours'"):
        funnel(common_fit, contour=True)
    with pytest.raises(ma.OptionError, match="y_axis='n' shows no contours"):
        funnel(common_fit, y_axis="n", contours=True)
    with pytest.raises(ma.OptionError, match="it comes from trim_and_fill"):
        funnel(common_fit, trim_and_fill=True)
    with pytest.raises(ma.OptionError, match="no line of effects on standard errors"):
        funnel(common_fit, egger=ma.small_study_test(common_fit, "begg"))
    few = ma.pool(common_fit.effects.subset(np.arange(13) < 12), model="common")
    with pytest.raises(ma.OptionError, match="trim_and_fill was made from other studies"):
        funnel(few, trim_and_fill=ma.trim_and_fill(common_fit))
    with pytest.raises(ma.OptionError, match=r"other studies .* k = 13"):
        funnel(few, egger=ma.small_study_test(common_fit))
    with pytest.raises(ma.OptionError, match="has 13 groups, and no more than 6"):
        funnel(random_fit, by="study")
    with pytest.raises(ma.DataError, match="2 values for 13 studies"):
        funnel(random_fit, by=[1, 2])
    proportions = ma.pool([-1.0, -2.0], [0.1, 0.2], measure="PLO")
    with pytest.raises(ma.OptionError, match="a proportion has no value of no effect"):
        funnel(proportions, contours=True)
    with pytest.raises(ma.OptionError, match="y_axis='n' needs the studies' sizes"):
        funnel(proportions, y_axis="n")


def test_where_nothing_is_filled_in_the_plot_says_so(common_fit: ma.Pooled) -> None:
    filled = ma.trim_and_fill(common_fit, side="left")
    assert filled.filled_y.size == 0
    shown = {text.get_text() for text in funnel(common_fit, trim_and_fill=filled).texts}
    assert "Trim and fill: no study filled in." in shown
    assert "Filled in" not in shown
