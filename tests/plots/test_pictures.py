"""Key plots look as they did: coarse grey pictures, so that another version's letters make no difference.

Where the look was changed on purpose, run these tests once with REWRITE_PICTURES=1, and look at what is in `pictures/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

import metaanalysis as ma
from metaanalysis import plots
from metaanalysis.plots import forest

PICTURES = Path(__file__).with_name("pictures")
DPI = 72
BLOCK = 6
# Of grey from 0 (black) to 1 (white): how much blocks may differ on average, and any one. Letters a fiftieth larger make a
# tenth in a block, a diamond that has moved by its own height a third.
ON_AVERAGE, AT_WORST = 0.012, 0.2


def coarse(ax: Axes) -> np.ndarray:
    """The picture as the mean grey of blocks."""
    ax.figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(ax.figure)
    with mpl.rc_context({"savefig.dpi": DPI}):
        canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., :3] @ np.array([0.299, 0.587, 0.114]) / 255
    tall, wide = (n // BLOCK * BLOCK for n in grey.shape)
    return grey[:tall, :wide].reshape(tall // BLOCK, BLOCK, wide // BLOCK, BLOCK).mean(axis=(1, 3))


def differences(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The mean difference, and the largest."""
    apart = np.abs(one - other)
    return float(apart.mean()), float(apart.max())


def kept(name: str, found: np.ndarray) -> np.ndarray:
    """The picture as it was."""
    path = PICTURES / f"{name}.png"
    if os.environ.get("REWRITE_PICTURES") and found.size:
        PICTURES.mkdir(exist_ok=True)
        image.imsave(path, found, cmap="gray", vmin=0, vmax=1, metadata={"Software": None})
    assert path.exists(), f"{path.name} is missing: run the test once with REWRITE_PICTURES=1 and look at it"
    return np.asarray(image.imread(path))[..., 0]


def subgroups_by_default() -> Axes:
    effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="study")
    found = ma.subgroups(effects, by="alloc", tau2="DL")
    return forest(found, groups=("Vaccinated", "Not vaccinated"), font="DejaVu Sans")


def means_in_revman() -> Axes:
    fit = ma.pool(ma.effect_sizes(ma.load_dataset("normand1999"), "MD"))
    return forest(fit, layout="revman5", font="DejaVu Sans", prediction="density")


def trials(measure: str = "RR") -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), measure, label="study")


def full_funnel() -> Axes:
    fit = ma.pool(trials())
    filled, egger = ma.trim_and_fill(fit), ma.small_study_test(fit)
    assert filled.filled_y.size
    return plots.funnel(fit, contours=True, trim_and_fill=filled, egger=egger, font=FONT)


def bubbles() -> Axes:
    return plots.bubble(ma.meta_regression(trials(), "~ ablat"), label=True, font=FONT, width_mm=85)


def radial() -> Axes:
    return plots.radial(ma.pool(trials(), model="common"), label=True, font=FONT)


def labbe() -> Axes:
    return plots.labbe(ma.pool(trials()), font=FONT, width_mm=85)


def draperies() -> Axes:
    return plots.drapery(ma.pool(trials(), prediction="hts"), font=FONT)


def subsets() -> Axes:
    some = trials().subset(np.arange(13) < 8)
    return plots.gosh(ma.gosh(some, tau2="DL"), study="Aronson 1948", font=FONT, width_mm=85)


def influences() -> Axes:
    return plots.influence(ma.influence(ma.pool(trials())), font=FONT)


JUDGED = {
    "study": ["Aronson 1948", "Ferguson & Simes 1949", "Rosenthal 1960", "Hart & Sutherland 1977"],
    "D1": ["low", "some concerns", "high", "low"],
    "D2": ["low", "low", "some concerns", "no information"],
    "D3": ["low", "high", "low", "low"],
    "Overall": ["low", "high", "high", "some concerns"],
}


def lights() -> Axes:
    return plots.rob_traffic_light(JUDGED, font=FONT, width_mm=85)


def judged_bars() -> Axes:
    return plots.rob_summary(JUDGED, weights=[4, 3, 2, 1], font=FONT, width_mm=120, style=plots.DARK)


def stars() -> Axes:
    given = {"study": ["A", "B"], "Selection": [4, 2], "Comparability": [1, 2], "Outcome": [0, 3]}
    return plots.rob_traffic_light(given, "Newcastle-Ottawa", font=FONT, width_mm=85)


def flow() -> Axes:
    counts = {
        "databases": {"MEDLINE": 900, "Embase": 600}, "registers": 30, "removed": {"Duplicate records": 430},
        "screened": 1100, "excluded": 1000, "sought": 100, "not_retrieved": 5, "assessed": 95,
        "reports_excluded": {"Not randomised": 50, "Wrong outcome": 25}, "websites": 4, "citation_searching": 20,
        "other_assessed": 24, "other_excluded": 18, "included": 18, "included_reports": 26, "previous_studies": 11,
    }  # fmt: skip
    return plots.prisma(counts, font=FONT, width_mm=180)


def heat_map() -> Axes:
    lists = {f"Review {i}": [f"s{k}" for k in range(3 * i, 3 * i + 6 + i)] for i in range(5)}
    return plots.overlap(ma.citation_matrix(lists), font=FONT, width_mm=85)


FONT = "DejaVu Sans"
CASES = {
    "bcg-default": subgroups_by_default,
    "normand-revman5": means_in_revman,
    "funnel": full_funnel,
    "bubble": bubbles,
    "radial": radial,
    "labbe": labbe,
    "drapery": draperies,
    "gosh": subsets,
    "influence": influences,
    "rob-traffic-light": lights,
    "rob-summary-dark": judged_bars,
    "newcastle-ottawa": stars,
    "prisma-updated": flow,
    "overlap": heat_map,
}


@pytest.mark.parametrize("name, made", CASES.items(), ids=CASES)
def test_the_picture_is_as_it_was(name: str, made: Callable[[], Axes]) -> None:
    found = coarse(made())
    before = kept(name, found)
    # Another version's letters may be a hair wider: a block more or less is no other picture.
    assert np.abs(np.subtract(found.shape, before.shape)).max() <= 1, "the picture has another size"
    tall, wide = np.minimum(found.shape, before.shape)
    average, worst = differences(found[:tall, :wide], before[:tall, :wide])
    assert average < ON_AVERAGE
    assert worst < AT_WORST


def test_the_comparison_sees_a_mark_that_moved() -> None:
    before, ax = kept("normand-revman5", np.empty(0)), means_in_revman()
    for text in ax.texts:
        text.set_fontsize(1.02 * text.get_fontsize())
    assert differences(coarse(ax), before)[1] < AT_WORST
    diamond = next(patch for patch in ax.patches if patch.get_gid() == "overall")
    diamond.set_xy(diamond.get_xy() + np.array([10.0, 0.0]))
    assert differences(coarse(ax), before)[1] > AT_WORST


def test_the_comparison_sees_a_point_that_moved_and_a_judgement_that_changed() -> None:
    before, ax = kept("funnel", np.empty(0)), full_funnel()
    assert differences(coarse(ax), before)[1] < AT_WORST
    dots = next(points for points in ax.collections if points.get_gid() == "studies")
    at = np.asarray(dots.get_offsets()).copy()
    at[np.argmin(at[:, 0]), 0] += 0.3
    dots.set_offsets(at)
    assert differences(coarse(ax), before)[1] > AT_WORST
    before, ax = kept("rob-traffic-light", np.empty(0)), lights()
    light = next(patch for patch in ax.patches if patch.get_gid() == "high")
    light.set_facecolor("#f2cd5c")
    assert differences(coarse(ax), before)[1] > AT_WORST
