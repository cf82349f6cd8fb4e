"""What a forest plot can be asked for: order, columns, lights, further models, ways to show prediction, several pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose
from scipy import integrate, stats

import metaanalysis as ma
from metaanalysis.plots import fonts as fonts_module
from metaanalysis.plots import forest, forest_pages, save_pages
from metaanalysis.results.forest_numbers import i2_between, prediction_density

DOMAINS = ["sequence", "blinding"]


@pytest.fixture(scope="module")
def judged() -> ma.Pooled:
    frame = ma.load_dataset("bcg")
    frame["sequence"] = ["low", "High", "some concerns", "-"] + ["Low risk of bias"] * 8 + [None]
    frame["blinding"] = ["unclear", "?", "critical", "serious"] + ["NI"] * 9
    return ma.pool(ma.effect_sizes(frame, "RR", label="study"))


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def row_of(ax: Axes, name: str) -> list[str]:
    """The texts on the line of a text, from left to right."""
    height = next(text.get_position()[1] for text in ax.texts if text.get_text() == name)
    line = [text for text in ax.texts if abs(text.get_position()[1] - height) < 1e-9]
    return [text.get_text() for text in sorted(line, key=lambda text: text.get_window_extent().x0)]


def studies_of(ax: Axes, fit: ma.Pooled) -> list[str]:
    """The studies' names from the top down."""
    own = set(fit.effects.label)
    found = sorted((text for text in ax.texts if text.get_text() in own), key=lambda text: -text.get_position()[1])
    return [text.get_text() for text in found]


def collection(ax: Axes, gid: str) -> object:
    return next(c for c in ax.collections if c.get_gid() == gid)


def patches(ax: Axes, gid: str) -> list[np.ndarray]:
    return [patch.get_xy() for patch in ax.patches if patch.get_gid() == gid]


# Order


@pytest.mark.parametrize("name, values", [("estimate", "y"), ("se", "se"), ("weight", "weights")])
@pytest.mark.parametrize("sign", ["", "-"])
def test_studies_are_sorted_by_their_numbers(random_fit: ma.Pooled, name: str, values: str, sign: str) -> None:
    numbers = getattr(random_fit, values) if values == "weights" else getattr(random_fit.effects, values)
    order = np.argsort(-numbers if sign else numbers, kind="stable")
    ax = forest(random_fit, sort=f"{sign}{name}", notes=False)
    assert studies_of(ax, random_fit) == [random_fit.effects.label[i] for i in order]
    # The marks go with the names.
    assert_allclose(collection(ax, "studies").get_offsets()[:, 0], np.exp(random_fit.effects.y[order]), rtol=1e-12)


def test_sorting_by_columns_of_the_table(random_fit: ma.Pooled, bcg: ma.Effects) -> None:
    table = bcg.table
    ax = forest(random_fit, sort=["alloc", "-year"], notes=False)
    expected = table.sort_values(["alloc", "year"], ascending=[True, False], kind="stable")["study"].tolist()
    assert studies_of(ax, random_fit) == expected
    groups = forest(ma.subgroups(bcg, by="alloc"), sort="year", notes=False)
    by_group = [name for g in ("random", "alternate", "systematic")
                for name in table[table["alloc"] == g].sort_values("year", kind="stable")["study"]]  # fmt: skip
    assert studies_of(groups, random_fit) == by_group


def test_what_is_missing_comes_last() -> None:
    frame = pd.DataFrame({"study": list("ABCD"), "y": [0.1, 0.2, 0.3, 0.4], "se": 0.1, "dose": [np.nan, 3, 1, 2]})
    fit = ma.pool(ma.effect_sizes(frame, "SMD", y="y", se="se"))
    assert studies_of(forest(fit, sort="dose"), fit) == list("CDBA")
    assert studies_of(forest(fit, sort="-dose"), fit) == list("BDCA")


def test_sort_is_checked(random_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match=r"sort='yaer' is not a column. Did you mean 'year'"):
        forest(random_fit, sort="yaer")
    with pytest.raises(ma.OptionError, match="must be the name of a column"):
        forest(random_fit, sort=3)
    with pytest.raises(ma.OptionError, match="the order is that of cumulative"):
        forest(ma.cumulative(random_fit), sort="year")
    left_out = ma.leave_one_out(random_fit)
    names = [left_out.label[i] for i in np.argsort(left_out.i2, kind="stable")]
    assert studies_of(forest(left_out, sort="i2", notes=False), random_fit) == names


# Columns


def test_names_that_stand_for_both_groups(random_fit: ma.Pooled) -> None:
    ax = forest(random_fit, left=["events/total"], right=["n", "estimate"])
    assert row_of(ax, "Aronson 1948") == ["Aronson 1948", "4/123", "11/139", "123", "139", "0.41", "[0.13, 1.26]"]
    means = ma.pool(ma.effect_sizes(ma.load_dataset("normand1999"), "MD"))
    assert row_of(forest(means, left=["mean (SD)"], right=[]), "Edinburgh")[1:] == ["55 (47)", "75 (64)"]
    with pytest.raises(ma.OptionError, match="no column 'events/total'"):
        forest(means, left=["events/total"])


def test_the_interval_may_stand_apart(random_fit: ma.Pooled) -> None:
    ax = forest(random_fit, left=["estimate", "year"], right=["interval", "y", "v"])
    y, v = random_fit.effects.y[0], random_fit.effects.v[0]
    expected = ["Aronson 1948", "0.41", "1948", "[0.13, 1.26]", f"−{-y:.3f}", f"{v:.4f}"]
    assert row_of(ax, "Aronson 1948") == expected
    assert {"95%\u00a0CI".replace("\u00a0", " "), "Log", "Variance"} <= set(" ".join(texts(ax)).split()) | set(
        texts(ax)
    )


def test_columns_that_are_computed(random_fit: ma.Pooled) -> None:
    def percentage(study: dict[str, float]) -> str:
        return f"{100 * study['events1'] / study['n1']:.1f}%"

    ax = forest(random_fit, left=[percentage, lambda study: study["year"] + 0.5], right={lambda s: s["low"]: "Low"})
    row = row_of(ax, "Aronson 1948")
    assert row[:3] == ["Aronson 1948", "3.3%", "1948.5"]
    assert float(row[3]) == pytest.approx(0.134, abs=5e-4)
    assert {"Percentage", "Low"} <= set(texts(ax))
    with pytest.raises(ma.OptionError, match=r"failed for study 'Aronson 1948': KeyError: 'weigth'.*given .*weight"):
        forest(random_fit, left=[lambda study: study["weigth"]])


# Risk of bias


def test_lights_show_the_judgements(judged: ma.Pooled, in_order: Callable[..., None]) -> None:
    ax = forest(judged, risk_of_bias=DOMAINS)
    in_order(ax)
    lights = [patch for patch in ax.patches if str(patch.get_gid()).startswith("risk of bias")]
    # Two domains of 13 studies, and one judgement that is missing.
    assert len(lights) == 25
    heights = {t.get_text(): t.get_position()[1] for t in ax.texts}
    found: dict[str, list[str]] = {}
    for name in judged.effects.label:
        close = [p for p in lights if abs(p.center[1] - heights[name]) < 0.02]
        found[name] = [p.get_gid().split(": ")[1] for p in sorted(close, key=lambda p: p.center[0])]
    assert found["Aronson 1948"] == ["low", "unclear"]
    assert found["Rosenthal et al 1960"] == ["some concerns", "critical"]
    assert found["Hart & Sutherland 1977"] == ["high", "serious"]
    assert found["Comstock et al 1976"] == ["no information"]
    assert len({to_hex(p.get_facecolor()) for p in lights}) == 5
    assert row_of(ax, "Aronson 1948")[-2:] != ["low", "unclear"]
    said = [text.replace("\u00a0", " ") for text in texts(ax)]
    assert "Risk of bias: A, sequence; B, blinding" in said
    assert {"A", "B"} <= set(said)
    assert "Risk of bias" in " ".join(said)
    assert any(text.startswith("Signs: + low risk; ! some concerns") for text in said)
    named = texts(forest(judged, risk_of_bias={"sequence": "Sequence"}, layout="revman-web"))
    assert "Sequence" in named
    assert not any(text.startswith("Risk of bias: A") for text in named)


def test_what_is_no_judgement_is_an_error(judged: ma.Pooled) -> None:
    frame = judged.effects.table.assign(sequence=["lwo"] + ["low"] * 12)
    fit = ma.pool(ma.effect_sizes(frame, "RR", label="study"))
    said = r"'lwo' \(study 'Aronson 1948', column 'sequence'\) is not a judgement.*Did you mean 'low'"
    with pytest.raises(ma.DataError, match=said):
        forest(fit, risk_of_bias=["sequence"])
    with pytest.raises(ma.OptionError, match=r"risk_of_bias names 'blindin'.*Did you mean 'blinding'"):
        forest(judged, risk_of_bias=["blindin"])
    with pytest.raises(ma.OptionError, match="does not apply to a leave-one-out forest plot"):
        forest(ma.leave_one_out(judged), risk_of_bias=DOMAINS)


# Further models


def test_several_models_have_a_diamond_each(bcg: ma.Effects, in_order: Callable[..., None]) -> None:
    fits = [ma.pool(bcg), ma.pool(bcg, model="common"), ma.pool(bcg, method="mantel-haenszel", model="common")]
    expected = [np.exp([fit.ci_low, fit.estimate, fit.ci_high]) for fit in fits]
    for ax in (forest(fits[0], also=fits[1:]), forest(fits)):
        in_order(ax)
        found = sorted(patches(ax, "overall"), key=lambda xy: xy[0, 1])
        assert_allclose([xy[:3, 0] for xy in found], expected, rtol=1e-12)
        names = [
            "Random-effects model",
            "Common-effect model, inverse variance",
            "Common-effect model, Mantel-Haenszel",
        ]
        assert [text for text in texts(ax) if text in names] == names
        # The dotted line is that of the first model, whose weights are shown.
        assert_allclose(collection(ax, "pooled").get_segments()[0][:, 0], np.exp(fits[0].estimate), rtol=1e-12)
    named = texts(forest({"A": fits[0], "B": fits[1]}))
    assert [text for text in named if text in ("A", "B")] == ["A", "B"]
    estimators = [ma.pool(bcg, tau2=tau2) for tau2 in ("DL", "REML")]
    assert {"Random-effects model, τ² by DL", "Random-effects model, τ² by REML"} <= set(texts(forest(estimators)))
    assert "Common-effect model" in texts(forest(ma.subgroups(bcg, by="alloc"), also=fits[1]))


def test_results_of_other_studies_have_a_diamond_alone(bcg: ma.Effects, in_order: Callable[..., None]) -> None:
    whole, part = ma.pool(bcg), ma.pool(bcg.subset(np.arange(13) < 6))
    ax = forest({"All trials": whole, "Early trials": part})
    in_order(ax)
    assert not studies_of(ax, whole)
    assert row_of(ax, "Early trials")[1] == f"{np.exp(part.estimate):.3f}"
    with pytest.raises(ma.OptionError, match=r"also is of other studies .*k = 6 and 13"):
        forest(whole, also=part)
    with pytest.raises(ma.OptionError, match="also is of the measure OR"):
        forest(whole, also=ma.pool([0.1, 0.2], [0.1, 0.1], measure="OR"))
    with pytest.raises(ma.OptionError, match="are of OR and RR: one axis shows one measure"):
        forest([whole, ma.pool([0.1, 0.2], [0.1, 0.1], measure="OR")])
    with pytest.raises(ma.OptionError, match="two of the models are called 'Random-effects model'"):
        forest(whole, also=whole)
    with pytest.raises(ma.OptionError, match="also holds a str"):
        forest(whole, also=["common"])
    with pytest.raises(ma.OptionError, match="the list of results is empty"):
        forest([])


# Prediction


def test_ways_to_show_the_prediction_interval(random_fit: ma.Pooled, in_order: Callable[..., None]) -> None:
    back = random_fit.back_transformed()
    limits = [back.prediction_low, back.prediction_high]
    ax = forest(random_fit, prediction="polygon")
    (polygon,) = patches(ax, "prediction")
    assert_allclose(polygon[:3, 0], [limits[0], back.estimate, limits[1]], rtol=1e-12)
    ax = forest(random_fit, prediction="density", layout="revman5")
    in_order(ax)
    (curve,) = collection(ax, "density").get_segments()
    df = random_fit.k - 2
    spread = np.sqrt(random_fit.se**2 + random_fit.tau2)
    expected = stats.t.pdf((np.log(curve[:, 0]) - random_fit.estimate) / spread, df)
    height = curve[:, 1].max() - curve[:, 1]
    # Heights are a density's: the same multiple of it everywhere.
    own = expected / expected.max() - expected.min() / expected.max()
    assert_allclose(height / height.max(), own / own.max(), atol=0.004)
    (area,) = patches(ax, "prediction")
    assert_allclose([area[:, 0].min(), area[:, 0].max()], limits, rtol=0.03)
    assert "Prediction interval" in texts(ax)
    assert "Prediction interval" in texts(forest(random_fit, layout="revman5", prediction=True))
    with pytest.raises(ma.OptionError, match=r"prediction='densty' is not a choice. Did you mean 'density'"):
        forest(random_fit, prediction="densty")


@pytest.mark.parametrize("method", ["ci", "normal", "hts", "hksj", "kenward-roger"])
def test_the_predictive_density_is_one(bcg: ma.Effects, method: str) -> None:
    fit = ma.pool(bcg, ci="hksj", prediction=method)
    found = prediction_density(fit)
    u = np.log(found.x)
    assert integrate.trapezoid(found.density, u) == pytest.approx(1, abs=0.01)
    inside = (u >= fit.prediction_low) & (u <= fit.prediction_high)
    assert integrate.trapezoid(found.density[inside], u[inside]) == pytest.approx(0.95, abs=0.02)
    assert u[np.argmax(found.density)] == pytest.approx(fit.estimate, rel=1e-9)


def test_the_predictive_density_on_another_scale() -> None:
    fit = ma.pool(ma.effect_sizes(ma.load_dataset("molloy2014"), "ZCOR"), prediction="hts")
    found = prediction_density(fit)
    spread = np.sqrt(fit.se**2 + fit.tau2)
    expected = stats.t.pdf((np.arctanh(found.x) - fit.estimate) / spread, fit.k - 2) / spread / (1 - found.x**2)
    middle = (found.x > -0.1) & (found.x < 0.4)
    assert_allclose(found.density[middle], expected[middle], rtol=2e-3)
    with pytest.raises(ma.OptionError, match="no prediction interval"):
        prediction_density(ma.pool(fit.effects, model="common"))
    with pytest.raises(ma.OptionError, match="which is simulated"):
        prediction_density(ma.pool(fit.effects, prediction="nagashima"))


def test_i2_between_subgroups(bcg: ma.Effects) -> None:
    found = ma.subgroups(bcg, by="alloc", tau2="DL")
    q, df = found.q_between, found.q_between_df
    assert i2_between(found) == pytest.approx(max(0.0, 100 * (q - df) / q), abs=1e-12)


def test_an_end_beyond_the_axis_is_pointed_there(bcg: ma.Effects) -> None:
    ax = forest(ma.pool(bcg.subset(np.arange(13) < 2), ci="hksj"), xlim=(0.01, 10))
    (diamond,) = patches(ax, "overall")
    assert diamond[:, 0].min() == 0.01
    assert diamond[:, 0].max() == 10


# Pages


@pytest.fixture(scope="module")
def many() -> ma.Subgroups:
    random = np.random.default_rng(4)
    names = [f"Study {i}" for i in range(70)]
    frame = pd.DataFrame({"study": names, "y": random.normal(0, 0.4, 70), "se": random.uniform(0.1, 0.4, 70)})
    frame["site"] = ["North"] * 55 + ["South"] * 15
    return ma.subgroups(ma.effect_sizes(frame, "HR", y="y", se="se"), by="site")


def test_pages_hold_every_study_once(many: ma.Subgroups, in_order: Callable[..., None]) -> None:
    pages = forest_pages(many, height_mm=120, width_mm=150, title="Everything")
    assert len(pages) == 5
    whole = many.overall
    shown = [name for ax in pages for name in studies_of(ax, whole)]
    assert shown == list(whole.effects.label)
    places = np.concatenate([collection(ax, "studies").get_offsets()[:, 0] for ax in pages])
    assert_allclose(places, np.exp(whole.effects.y), rtol=1e-12)
    for i, ax in enumerate(pages):
        in_order(ax, f"page {i + 1}")
        last = i == len(pages) - 1
        assert ax.figure.get_size_inches()[1] * 25.4 <= 120 + 1e-9
        assert {"Study", "Weight"} <= set(texts(ax))
        assert ("Everything" if i == 0 else "Everything (continued)") in texts(ax)
        assert ("Continued on the next page" in texts(ax)) is not last
        assert bool(patches(ax, "overall")) is last
        assert ax.get_xlim() == pages[0].get_xlim()
        assert_allclose(ax.get_position().extents[::2], pages[0].get_position().extents[::2], rtol=1e-12)
        # The dotted line runs on to the foot of the page, or to the diamond.
        dotted = collection(ax, "pooled").get_segments()
        assert (max(s[:, 1].max() for s in dotted) == ax.get_ylim()[0]) is not last
    assert "North (continued)" in texts(pages[1])
    assert "North" not in texts(pages[1])


def test_pages_are_saved_as_one_file(many: ma.Subgroups, tmp_path: Path) -> None:
    pages = forest_pages(many.groups["South"], height_mm=45, notes=False)
    assert len(pages) > 1
    (file,) = save_pages(pages, tmp_path / "forest.pdf")
    assert len(re.findall(rb"/Type /Page\b", file.read_bytes())) == len(pages)
    assert file.read_bytes() == save_pages(pages, tmp_path / "again.pdf")[0].read_bytes()
    files = save_pages(pages, tmp_path / "forest.svg")
    assert [f.name for f in files] == [f"forest-{i + 1}.svg" for i in range(len(pages))]
    assert "Study 55" in files[0].read_text(encoding="utf-8")


def test_pages_are_checked(many: ma.Subgroups) -> None:
    assert len(forest_pages(many.groups["South"])) == 1
    with pytest.raises(ma.OptionError, match=r"a page of 20 mm has no room .* which need \d+ mm"):
        forest_pages(many, height_mm=20)
    with pytest.raises(ma.OptionError, match="ax does not apply"):
        forest_pages(many, ax=None)
    with pytest.raises(ma.OptionError, match=r"forest_pages has no option 'hight_mm'"):
        forest_pages(many, hight_mm=20)
    with pytest.raises(ma.OptionError, match="height_mm=0 is not a size"):
        forest_pages(many, height_mm=0)


# Scripts


def test_an_older_matplotlib_warns_of_scripts_from_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = ma.pool([0.1, 0.2], [0.1, 0.1], label=["דני כהן 1999", "Smith"])
    monkeypatch.setattr(fonts_module, "shapes_text", lambda: False)
    with pytest.warns(match=r"letters from left to right .* save as \.svg"):
        forest(fit)
    monkeypatch.setattr(fonts_module, "shapes_text", lambda: True)
    forest(fit)


def test_names_without_a_font_are_said_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = ma.pool([0.1, 0.2], [0.1, 0.1], label=["\U00013000 1999", "Smith"])
    with pytest.warns(match=r"no installed font has the characters '𓀀'.*Install a font"):
        ax = forest(fit)
    assert "\U00013000 1999" in texts(ax)
