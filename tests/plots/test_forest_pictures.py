"""Two key forest plots look as they did: coarse grey pictures, so that another version's letters make no difference.

Where the look was changed on purpose, delete the pictures in `pictures/` and run these tests once with REWRITE_PICTURES=1.
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


CASES = {"bcg-default": subgroups_by_default, "normand-revman5": means_in_revman}


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
