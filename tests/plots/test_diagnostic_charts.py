"""Baujat, radial, L'Abbé, drapery, GOSH, normal quantile, influence and profile plots show the numbers of their results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

import metaanalysis as ma
from metaanalysis import plots
from metaanalysis.formulas.order_statistics import normal_order_limits, normal_scores

Points = Callable[..., np.ndarray]
Lines = Callable[..., list[np.ndarray]]


def test_baujat(common_fit: ma.Pooled, points_of: Points) -> None:
    found = ma.baujat(common_fit)
    ax = plots.baujat(found, label=["TPT Madras 1980", "Hart & Sutherland 1977"])
    assert_allclose(points_of(ax, "studies"), np.column_stack([found.contribution, found.influence]), rtol=1e-12)
    assert {"TPT Madras 1980", "Hart & Sutherland 1977"} <= {text.get_text() for text in ax.texts}
    with pytest.raises(ma.DataError, match="no study 'Hart'"):
        plots.baujat(found, label=["Hart"])


@pytest.mark.parametrize("which", ["common", "random"])
def test_radial(which: str, common_fit: ma.Pooled, random_fit: ma.Pooled, points_of: Points, lines_of: Lines) -> None:
    fit = common_fit if which == "common" else random_fit
    ax = plots.radial(fit)
    spread = np.sqrt(fit.effects.v + (fit.tau2 if which == "random" else 0.0))
    assert_allclose(points_of(ax, "studies"), np.column_stack([1 / spread, fit.effects.y / spread]), rtol=1e-12)
    (ray,) = lines_of(ax, "estimate")
    assert_allclose(ray[:, 1], fit.estimate * ray[:, 0], rtol=1e-12)
    low, high = lines_of(ax, "limits")
    assert_allclose(high[:, 1] - low[:, 1], 2 * stats.norm.ppf(0.975), rtol=1e-12)
    # Where a ray meets the axis on the right stands its effect.
    (other,) = ax.child_axes
    end = ax.get_xlim()[1]
    for place, label in zip(other.get_yticks(), other.get_yticklabels(), strict=True):
        assert np.exp(place / end) == pytest.approx(float(label.get_text()), rel=1e-12)


@pytest.mark.parametrize("measure", ["RR", "OR", "RD", "AS", "PETO"])
def test_labbe(measure: str, points_of: Points, lines_of: Lines) -> None:
    frame = ma.load_dataset("bcg")
    fit = ma.pool(ma.effect_sizes(frame, measure))
    ax = plots.labbe(fit, groups=("Vaccinated", "Not"))
    risks = np.column_stack([frame["events2"] / frame["n2"], frame["events1"] / frame["n1"]])
    order = np.argsort(-fit.weights, kind="stable")
    assert_allclose(points_of(ax, "studies"), risks[order], rtol=1e-12)
    (curve,) = lines_of(ax, "estimate")
    p2, p1 = curve[(curve[:, 0] > 0) & (curve[:, 0] < 1) & (curve[:, 1] > 0) & (curve[:, 1] < 1)].T
    same = {
        "RR": np.log(p1 / p2),
        "OR": np.log(p1 / (1 - p1)) - np.log(p2 / (1 - p2)),
        "RD": p1 - p2,
        "AS": np.arcsin(np.sqrt(p1)) - np.arcsin(np.sqrt(p2)),
    }
    assert_allclose(same["OR" if measure == "PETO" else measure], fit.estimate, rtol=1e-11)
    assert {"Risk: Vaccinated", "Risk: Not"} <= {text.get_text() for text in ax.texts}
    box = ax.get_window_extent()
    across, up = np.ptp(ax.get_xlim()) / box.width, np.ptp(ax.get_ylim()) / box.height
    assert across == pytest.approx(up, rel=1e-6)


def test_labbe_needs_counts(common_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match="made without events1, n1, events2, n2"):
        plots.labbe(ma.pool([0.1, 0.2], [0.1, 0.1], measure="RR"))
    assert plots.labbe(common_fit.effects, legend=False)


def test_drapery(random_fit: ma.Pooled, lines_of: Lines) -> None:
    ax = plots.drapery(random_fit)
    (curve,) = lines_of(ax, "estimate")
    t = (curve[:, 0] - random_fit.estimate) / random_fit.se
    inner = np.abs(t) > 1e-6
    assert_allclose(curve[inner, 1], 2 * stats.t.sf(np.abs(t[inner]), random_fit.df), rtol=1e-9)
    # At p = 0.05 the curve is as wide as the confidence interval.
    half = len(curve) // 2
    ends = np.interp(0.05, curve[: half + 1, 1], curve[: half + 1, 0])
    assert ends == pytest.approx(random_fit.ci_low, abs=2e-3)
    (study,) = lines_of(ax, "study: Aronson 1948")
    z = (study[:, 0] - random_fit.effects.y[0]) / random_fit.effects.se[0]
    assert_allclose(study[:, 1], 2 * stats.norm.sf(np.abs(z)), rtol=1e-9)
    region = next(c for c in ax.collections if c.get_gid() == "prediction").get_paths()[0].vertices
    low = region[: len(region) // 2]
    at = np.argsort(low[:, 1])
    assert np.interp(0.05, low[at, 1], low[at, 0]) == pytest.approx(random_fit.prediction_low, abs=1e-2)
    assert "95%" in [label.get_text() for label in ax.child_axes[0].get_yticklabels()]
    without = plots.drapery(random_fit, prediction=False)
    assert not [c for c in without.collections if c.get_gid() == "prediction"]


def test_gosh(bcg: ma.Effects, points_of: Points) -> None:
    found = ma.gosh(bcg.subset(np.arange(13) < 6), tau2="DL")
    ax = plots.gosh(found, study="Aronson 1948")
    more = found.k > 1
    has = found.contains("Aronson 1948")
    for gid, rows in (("with", more & has), ("without", more & ~has)):
        assert_allclose(points_of(ax, gid), np.column_stack([found.estimate, found.i2])[rows], rtol=1e-12)
    assert "All 57 subsets of two studies and more, of 6 studies." in [text.get_text() for text in ax.texts]
    assert all(c.get_rasterized() for c in ax.collections if c.get_gid() in ("with", "without"))
    with pytest.raises(ma.OptionError, match="y_axis='I2' is not a choice"):
        plots.gosh(found, y_axis="I2")
    with pytest.raises(ma.DataError, match="there is no study 'Aronson'"):
        plots.gosh(found, study="Aronson")


def test_gosh_densities(bcg: ma.Effects, lines_of: Lines, in_order: Callable[..., None]) -> None:
    found = ma.gosh(bcg.subset(np.arange(13) < 9), tau2="DL")
    ax = plots.gosh(found, study="Aronson 1948", title="A title", width_mm=85)
    in_order(ax)
    has, more = found.contains("Aronson 1948"), found.k > 1
    tops = {}
    for gid, rows in (("density with", has & more), ("density without", ~has & more)):
        over, beside = lines_of(ax, gid)
        # Over the panel, at the places of the x axis: the peak is that of SciPy's density with the same bandwidth.
        low, high = ax.get_xlim()
        x = found.estimate[rows]
        h = 0.9 * min(np.std(x, ddof=1), (np.quantile(x, 0.75) - np.quantile(x, 0.25)) / 1.34) * x.size**-0.2
        at = low + over[:, 0] * (high - low)
        expected = stats.norm.pdf((at[:, np.newaxis] - x) / h).mean(axis=1) / h
        tops[gid] = (over[:, 1].max(), expected.max())
        heights = over[:, 1] - over[:, 1].min()
        assert_allclose(heights / heights.max(), (expected - expected.min()) / np.ptp(expected), rtol=0, atol=1e-4)
        assert over[:, 1].min() > 1
        assert beside[:, 0].min() > 1
        # I² has nothing below 0 and above 100.
        bottom, top = ax.get_ylim()
        assert bottom + beside[:, 1].min() * (top - bottom) > -1e-9
        assert bottom + beside[:, 1].max() * (top - bottom) < 100 + 1e-9
    (one, its), (other, others) = tops.values()
    # Both groups are on one scale; the strip begins half a letter above the panel.
    base = min(lines_of(ax, "density with")[0][:, 1].min(), lines_of(ax, "density without")[0][:, 1].min())
    assert (one - base) / (other - base) == pytest.approx(its / others, rel=1e-2)
    assert not lines_of(plots.gosh(found, densities=False), "density")
    assert lines_of(plots.gosh(found), "density")
    single = ma.gosh(ma.pool([0.3, 0.3, 0.3], [0.1, 0.1, 0.1], measure="MD"))
    in_order(plots.gosh(single))
    assert np.isnan(single.density("i2").bandwidth)
    with pytest.raises(ma.OptionError, match="quantity='I2' is not a number of a subset"):
        found.density("I2")


def test_qq(random_fit: ma.Pooled, points_of: Points) -> None:
    found = ma.influence(random_fit)
    ax = plots.qq(found)
    assert_allclose(points_of(ax, "studies")[:, 1], np.sort(found.rstudent), rtol=1e-12)
    assert_allclose(points_of(ax, "studies")[:, 0], normal_scores(13), rtol=1e-12)
    with pytest.raises(ma.OptionError, match="level"):
        plots.qq(found, level=95)


def test_order_statistics_of_normal_values() -> None:
    assert_allclose(normal_scores(10), stats.norm.ppf((np.arange(1, 11) - 3 / 8) / 10.25), rtol=1e-13)
    assert_allclose(normal_scores(11), stats.norm.ppf((np.arange(1, 12) - 1 / 2) / 11), rtol=1e-13, atol=1e-15)
    low, high = normal_order_limits(7, 0.9)
    for i in (1, 4, 7):
        # The density of the i-th of 7 normal values, from its definition.
        def density(x: float, i: int = i) -> float:
            share, rest = stats.norm.cdf(x) ** (i - 1), stats.norm.sf(x) ** (7 - i)
            return float(stats.beta(i, 8 - i).pdf(0.5) / 0.5**6 * share * rest * stats.norm.pdf(x))

        assert integrate.quad(density, -10, low[i - 1])[0] == pytest.approx(0.05, abs=1e-9)
        assert integrate.quad(density, high[i - 1], 10)[0] == pytest.approx(0.05, abs=1e-9)


def test_influence(random_fit: ma.Pooled, points_of: Points, in_order: Callable[..., None]) -> None:
    found = ma.influence(random_fit)
    ax = plots.influence(found, measures=["rstudent", "tau2_deleted", "dfbetas"])
    in_order(ax)
    for panel, values in zip(ax.child_axes, (found.rstudent, found.tau2_deleted, found.dfbetas[:, 0]), strict=True):
        assert_allclose(points_of(panel, "studies")[:, 0], values, rtol=1e-12)
    lines = [c.get_segments()[0][0, 0] for c in ax.child_axes[1].collections if c.get_gid() == "reference"]
    assert_allclose(lines, [random_fit.tau2], rtol=1e-12)
    names = [text.get_text() for text in ax.texts]
    assert [name for name in names if name in found.label] == list(found.label)
    assert len(plots.influence(found, width_mm=85).child_axes) >= 2
    with pytest.raises(ma.OptionError, match=r"no measure 'cooks_distance' of influence. Did you mean 'cook_distance'"):
        plots.influence(found, measures=["cooks_distance"])
    with pytest.raises(ma.OptionError, match="don't fit into a width of 60 mm"):
        plots.influence(found, measures=["rstudent", "dffits", "hat"], width_mm=60)
    with pytest.raises(ma.OptionError, match="xlim does not apply"):
        plots.influence(found, xlim=(0, 1))


def test_influential_studies_stand_out() -> None:
    y = np.array([0.1, 0.15, 0.2, 0.12, 0.18, 0.05, 0.3, 0.22, 0.16, 0.11, 0.9])
    found = ma.influence(ma.pool(y, np.full(11, 0.02), label=list("ABCDEFGHIJK"), measure="MD"))
    assert found.flagged == ("K",)
    ax = plots.influence(found, measures=["rstudent"])
    bold = {text.get_text() for text in ax.texts if text.get_fontweight() == "bold"}
    assert "K" in bold
    assert "A" not in bold
    marked = next(c for c in ax.child_axes[0].collections if c.get_gid() == "influential")
    assert_allclose(marked.get_offsets()[:, 0], found.rstudent[10:], rtol=1e-12)


@pytest.mark.parametrize("restricted", [True, False])
def test_profile(restricted: bool, bcg: ma.Effects, lines_of: Lines, points_of: Points) -> None:
    fit = ma.pool(bcg, tau2="REML" if restricted else "ML")
    ax = plots.profile(fit, restricted=restricted)
    (curve,) = lines_of(ax, "likelihood")
    (level,) = lines_of(ax, "level")
    point = points_of(ax, "estimate")[0]
    assert point[0] == pytest.approx(fit.tau2, rel=1e-12)
    # The estimate is the top, and the dashed line lies half the chi-squared quantile below.
    assert curve[:, 1].max() <= point[1]
    assert point[1] - level[0, 1] == pytest.approx(stats.chi2.isf(0.05, 1) / 2, rel=1e-8)
    limits = fit.tau2_interval(method="profile-likelihood" if restricted else "profile-likelihood-ml")
    shade = next(c for c in ax.collections if c.get_gid() == "interval").get_paths()[0].vertices[:, 0]
    assert_allclose([shade.min(), shade.max()], [limits.low, limits.high], rtol=1e-12)
    assert_allclose(np.interp([limits.low, limits.high], *curve.T), level[0, 1], rtol=1e-3)


def test_profile_needs_a_variance(common_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match="which this fit does not have"):
        plots.profile(common_fit)
