"""The layouts of forest plots: each house's columns, words, lines and colours, and everything in order at every width."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects.risk_of_bias import TOOLS
from metaanalysis.plots import DARK, Style, forest
from metaanalysis.plots.forest_look import LOOKS
from metaanalysis.plots.forest_wording import bmj_p, jama_p, revman_p
from metaanalysis.plots.risk_of_bias_colours import JUDGEMENTS

HOUSES = [name for name in LOOKS if name != "default"]


@pytest.fixture(scope="module")
def by_allocation(bcg: ma.Effects) -> ma.Subgroups:
    return ma.subgroups(bcg, by="alloc", tau2="DL")


@pytest.fixture(scope="module")
def means() -> ma.Pooled:
    return ma.pool(ma.effect_sizes(ma.load_dataset("normand1999"), "MD"))


@pytest.fixture(scope="module")
def given() -> ma.Pooled:
    return ma.pool(ma.effect_sizes(ma.load_dataset("raudenbush1985"), "SMD"))


@pytest.fixture(scope="module")
def correlations() -> ma.Pooled:
    return ma.pool(ma.effect_sizes(ma.load_dataset("molloy2014"), "ZCOR"))


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def row_of(ax: Axes, name: str) -> list[str]:
    """The texts on the line of a text, from left to right."""
    height = next(text.get_position()[1] for text in ax.texts if text.get_text() == name)
    line = [text for text in ax.texts if abs(text.get_position()[1] - height) < 1e-9]
    return [text.get_text() for text in sorted(line, key=lambda text: text.get_window_extent().x0)]


def below(ax: Axes, name: str, count: int) -> list[str]:
    """The leftmost texts of the lines under a text."""
    found = {round(t.get_position()[1], 9): t for t in sorted(ax.texts, key=lambda t: -t.get_window_extent().x0)}
    height = round(next(t.get_position()[1] for t in ax.texts if t.get_text() == name), 9)
    return [found[y].get_text() for y in sorted(found, reverse=True) if y < height][:count]


@pytest.mark.parametrize("house", HOUSES)
@pytest.mark.parametrize(
    "data, width", [("by_allocation", 85), ("by_allocation", 180), ("means", 180), ("given", 85), ("correlations", 120)]
)
def test_everything_is_in_order(
    house: str, data: str, width: float, request: pytest.FixtureRequest, in_order: Callable[..., None]
) -> None:
    ax = forest(request.getfixturevalue(data), layout=house, width_mm=width)
    in_order(ax, f"{house}, {data}, {width} mm")
    # No word of a direction is cut.
    shown = " ".join(texts(ax))
    if data != "correlations":
        assert "ntervention" in shown or "xperimental" in shown


@pytest.mark.parametrize(
    "house, expected",
    [
        ("revman5", ["4", "123", "11", "139", "5.0%", "0.41", "[0.13, 1.26]"]),
        ("revman-web", ["4", "123", "11", "139", "5.0%", "0.41", "[0.13 , 1.26]"]),
        ("jama", ["4/123", "11/139", "0.41", "(0.13–1.26)", "5.0"]),
        ("bmj", ["4/123", "11/139", "5.0", "0.41", "(0.13 to 1.26)"]),
    ],
)
def test_the_row_of_a_study(by_allocation: ma.Subgroups, house: str, expected: list[str]) -> None:
    ax = forest(by_allocation, layout=house)
    assert row_of(ax, "Aronson 1948")[1:] == expected


def test_limits_below_zero_are_parted_by_words_in_jama(means: ma.Pooled) -> None:
    assert "(−32.47 to −7.53)" in row_of(forest(means, layout="jama"), "Edinburgh")


def test_revman_says_what_revman_says(by_allocation: ma.Subgroups) -> None:
    ax = forest(by_allocation, layout="revman5")
    said = [text.replace("\u00a0", " ") for text in texts(ax)]
    # DerSimonian and Laird: tau2 0.3088, Q 152.23 on 12 df, I2 92.12%, z = -3.995 (p 6.5e-5), Q between 1.54 on 2 df.
    assert "Heterogeneity: Tau² = 0.31; Chi² = 152.23, df = 12 (P < 0.00001); I² = 92%" in said
    assert "Test for overall effect: Z = 4.00 (P < 0.0001)" in said
    assert "Test for subgroup differences: Chi² = 1.54, df = 2 (P = 0.46), I² = 0%" in said
    assert said.count("Subtotal (95% CI)") == 3
    assert row_of(ax, "Total (95% CI)")[1:] == ["191064", "166283", "100.0%", "0.49", "[0.34, 0.70]"]
    assert below(ax, "Total (95% CI)", 1) == ["Total events"]
    assert {"Risk Ratio", "IV, Random, 95% CI", "[experimental]", "[control]"} <= {
        text.removeprefix("Favours ") for text in said
    }
    assert "Prediction interval" not in said
    # Each subgroup has its heterogeneity and its test.
    assert sum(text.startswith("Heterogeneity") for text in said) == 4
    assert sum(text.startswith("Test for overall effect") for text in said) == 4


def test_revmans_axis_is_symmetric(by_allocation: ma.Subgroups, means: ma.Pooled) -> None:
    low, high = forest(by_allocation, layout="revman5").get_xlim()
    assert low * high == pytest.approx(1, rel=1e-12)
    low, high = forest(means, layout="revman-web").get_xlim()
    assert low == pytest.approx(-high, rel=1e-12)


def test_methods_in_revmans_heading(bcg: ma.Effects) -> None:
    common = ma.pool(bcg, method="mantel-haenszel", model="common")
    assert "M-H, Fixed, 95% CI" in texts(forest(common, layout="revman5"))
    peto = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "PETO"), method="peto", level=0.9)
    assert "Peto, Fixed, 90% CI" in texts(forest(peto, layout="revman-web"))


def test_sums_of_events_go_with_their_columns(bcg: ma.Effects) -> None:
    fit = ma.pool(bcg)
    ax = forest(fit, layout="revman5")
    assert row_of(ax, "Total events") == ["Total events", "1065", "1510"]
    assert "Total events" not in texts(forest(fit, layout="revman5", left=["estimate"]))
    assert "1065/191064" in texts(forest(fit, layout="revman5", left=["events/total"]))


def test_jama_says_favors_over_the_panel(by_allocation: ma.Subgroups) -> None:
    ax = forest(by_allocation, layout="jama", groups=("BCG", "No BCG"))
    over = [text for text in ax.texts if text.get_text().startswith("Favors")]
    assert [text.get_text() for text in over] == ["Favors BCG", "Favors No BCG"]
    assert all(text.get_position()[1] > 1 for text in over)
    said = {text.replace("\u00a0", " ") for text in texts(ax)}
    assert "Heterogeneity: τ² = 0.31; χ²₁₂ = 152.23; P < .001; I² = 92%" in said
    assert "Overall effect: z = −4.00; P < .001" in said
    assert "Subgroup differences: χ²₂ = 1.54; P = .46" in said
    # Every other study of a group stands on a band.
    bands = [patch for patch in ax.patches if patch.get_gid() == "band"]
    assert len(bands) == 4 + 1 + 2
    under = [text for text in forest(by_allocation, layout="bmj").texts if text.get_text().startswith("Favours")]
    assert len(under) == 2
    assert all(text.get_position()[1] < 0 for text in under)


def test_bmj_says_its_tests(by_allocation: ma.Subgroups) -> None:
    ax = forest(by_allocation, layout="bmj")
    said = " ".join(texts(ax))
    assert "Test for heterogeneity: τ²=0.31; χ²=152.23, df=12, P<0.001; I²=92%" in said
    assert "Test for overall effect: z=4.00, P<0.001" in said
    assert "Test for subgroup differences: χ²=1.54, df=2, P=0.46" in said
    assert "No. of events/total" in said


@pytest.mark.parametrize(
    "p, revman, jama, bmj",
    [
        (3e-7, "P < 0.00001", "P < .001", "P<0.001"),
        (3e-5, "P < 0.0001", "P < .001", "P<0.001"),
        (0.0003, "P = 0.0003", "P < .001", "P<0.001"),
        (0.0049, "P = 0.005", "P = .005", "P=0.005"),
        (0.0096, "P = 0.01", "P = .010", "P=0.010"),
        (0.0496, "P = 0.05", "P = .050", "P=0.050"),
        (0.4638, "P = 0.46", "P = .46", "P=0.46"),
        (0.9999, "P = 1.00", "P > .99", "P=1.00"),
        (math.nan, "P n/a", "P n/a", "P n/a"),
    ],
)
def test_p_values(p: float, revman: str, jama: str, bmj: str) -> None:
    assert (revman_p(p), jama_p(p), bmj_p(p)) == (revman, jama, bmj)


def test_one_study_has_no_heterogeneity(bcg: ma.Effects) -> None:
    fit = ma.pool(bcg.subset(np.arange(13) == 4), ci="hksj")
    assert {"Heterogeneity: Not applicable", "Not estimable"} <= set(texts(forest(fit, layout="revman5")))
    assert "Test for heterogeneity: not applicable" in texts(forest(fit, layout="bmj"))
    assert "not estimable" in texts(forest(fit, layout="jama"))


def test_t_tests_say_their_degrees_of_freedom(random_fit: ma.Pooled) -> None:
    said = {house: " ".join(texts(forest(random_fit, layout=house))).replace("\u00a0", " ") for house in HOUSES}
    assert "T = 3.95, df = 12 (P = 0.002)" in said["revman-web"]
    assert "t₁₂ = −3.95; P = .002" in said["jama"]
    assert "t=3.95, df=12, P=0.002" in said["bmj"]


def test_names_given_go_before_the_houses(by_allocation: ma.Subgroups) -> None:
    ax = forest(
        by_allocation,
        layout="revman5",
        study_heading="Trial",
        axis_label="RR",
        favours=("BCG", "none"),
        groups=("A", "B"),
    )
    assert {"Trial", "RR", "Favours BCG", "Favours none", "A", "B"} <= set(texts(ax))
    assert "Study or Subgroup" not in texts(ax)


def test_leave_one_out_and_cumulative_in_every_house(random_fit: ma.Pooled, in_order: Callable[..., None]) -> None:
    for house in HOUSES:
        ax = forest(ma.leave_one_out(random_fit), layout=house)
        in_order(ax, house)
        assert "Left out" in texts(ax)
    ax = forest(ma.cumulative(random_fit, by="year"), layout="jama", width_mm=85)
    in_order(ax)


def lightness(color: str) -> float:
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


STYLES = {f"{name}, {kind}": style for name, look in LOOKS.items()
          for kind, style in {"usual": look.style, **look.styles}.items()}  # fmt: skip


@pytest.mark.parametrize("style", [*STYLES.values(), DARK], ids=[*STYLES, "dark"])
def test_colours_stay_apart_in_grey(style: Style) -> None:
    # Ink and diamond may both be black: a diamond is known by its shape.
    for some in (("ink", "square", "prediction", "page"), ("diamond", "square", "prediction", "page")):
        found = sorted(lightness(getattr(style, name)) for name in some)
        assert min(np.diff(found)) > 8, some
    assert abs(lightness(style.band) - lightness(style.page)) < 10 < abs(lightness(style.ink) - lightness(style.band))


@pytest.mark.parametrize("tool", [tool for tool, own in TOOLS.items() if own.judgements])
def test_judgements_stay_apart_in_grey(tool: str) -> None:
    own = [JUDGEMENTS[key] for key in TOOLS[tool].judgements]
    assert min(np.diff(sorted(lightness(j.fill) for j in own))) > 12
    low, high = (lightness(JUDGEMENTS[key].fill) for key in ("low", "high"))
    assert low - high > 25
    assert all(abs(lightness(j.fill) - lightness(j.ink)) > 40 for j in own)
    assert len({j.sign for j in JUDGEMENTS.values()}) == len(JUDGEMENTS)


def test_a_dark_page(by_allocation: ma.Subgroups, in_order: Callable[..., None]) -> None:
    ax = forest(by_allocation, style="dark", layout="jama")
    in_order(ax)
    assert_allclose(ax.figure.get_facecolor()[:3], to_rgb(DARK.page))
    page = lightness(DARK.page)
    assert all(abs(lightness(text.get_color()) - page) > 50 for text in ax.texts)


def test_more_decimals_where_many_share_the_weight() -> None:
    frame = pd.DataFrame({"y": np.linspace(-1, 1, 300), "se": 0.1 + np.arange(300) / 1000})
    fit = ma.pool(ma.effect_sizes(frame, "SMD", y="y", se="se"))
    assert f"{fit.weights[0]:.2f}%" in texts(forest(fit))


def test_an_unknown_layout_is_refused(random_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match=r"layout='JAMA' is not a layout. Did you mean 'jama'"):
        forest(random_fit, layout="JAMA")
    with pytest.raises(ma.OptionError, match="style='darc' is not a Style"):
        forest(random_fit, style="darc")
