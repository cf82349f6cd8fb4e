"""The plot that belongs to a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.baujat_plot import baujat
from metaanalysis.plots.bubble_plot import bubble
from metaanalysis.plots.compare_plot import compare
from metaanalysis.plots.forest import forest
from metaanalysis.plots.funnel_plot import funnel
from metaanalysis.plots.gosh_plot import gosh
from metaanalysis.plots.influence_plot import influence
from metaanalysis.plots.overlap_plot import overlap
from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.results.citation_matrix import CitationMatrix
from metaanalysis.results.comparison import Comparison
from metaanalysis.results.gosh import Gosh
from metaanalysis.results.influence import Baujat, Influence
from metaanalysis.results.refits import Refits
from metaanalysis.results.trim_and_fill import TrimAndFill
from metaanalysis.results.umbrella_review import UmbrellaReview


def filled_funnel(result: TrimAndFill, **options: Any) -> Axes:
    """The funnel plot with the studies filled in."""
    return funnel(result.original, trim_and_fill=result, **options)


# What each result is drawn by.
PLOTS: dict[type, Callable[..., Axes]] = {
    Pooled: forest,
    Subgroups: forest,
    Refits: forest,
    UmbrellaReview: forest,
    Regression: bubble,
    Baujat: baujat,
    Influence: influence,
    Gosh: gosh,
    Comparison: compare,
    TrimAndFill: filled_funnel,
    CitationMatrix: overlap,
}


def plot(result: Any, *, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a result, whatever it is, in the plot that belongs to it.

    Parameters
    ----------
    result
        From `pool`, `subgroups`, `leave_one_out`, `cumulative` or `umbrella` (`forest`); `meta_regression` (`bubble`);
        `baujat`, `influence`, `gosh` or `compare` (the plots of the same names in `metaanalysis.plots`); `trim_and_fill`
        (`funnel`); `citation_matrix` (`overlap`).
    ax
        Axes to draw on; by default a new figure.
    **options
        Those of that plot.

    Returns
    -------
    matplotlib.axes.Axes
        The panel. `metaanalysis.plots.save` saves it.

    Raises
    ------
    OptionError
        Where the result has no plot of its own, or an option can't be.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), model="common")
    >>> ax = ma.plot(ma.baujat(fit), label=["TPT Madras"])
    >>> [text.get_text() for text in ax.texts if "Madras" in text.get_text()]
    ['TPT Madras']
    """
    for kind, draw in PLOTS.items():
        if isinstance(result, kind):
            return draw(result, ax=ax, **options)
    raise OptionError(
        f"plot draws the results of pool, subgroups, leave_one_out, cumulative, umbrella, meta_regression, baujat, influence, "
        f"gosh, compare, trim_and_fill and citation_matrix, not {type(result).__name__}."
    )
