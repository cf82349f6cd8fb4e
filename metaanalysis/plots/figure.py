"""New figures for plots, and saving them."""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from metaanalysis.errors import OptionError

VECTOR_FORMATS = ("pdf", "svg", "eps")
# What matplotlib can draw in one direction.
MOST_DOTS = 2**16
FORMATS = ("pdf", "png", "svg", "eps", "jpg", "jpeg", "tif", "tiff", "webp")
# Text stays text, and the same figure gives the same file.
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "metaanalysis",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}


def shows_figures() -> bool:
    """Whether somebody may be waiting to see a figure: pyplot is loaded, or this is IPython or a notebook."""
    if "matplotlib.pyplot" in sys.modules:
        return True
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def new_axes(width: float, height: float, page: str = "#ffffff") -> Axes:
    """Axes that fill a new figure of a size in points, on a page of a colour.

    In a notebook, and wherever pyplot is in use, the figure is one of pyplot's, so that it is shown like any other. Elsewhere it
    is a figure of its own: nothing is kept that would have to be closed.
    """
    size = (width / 72.0, height / 72.0)
    if shows_figures():
        import matplotlib.pyplot as plt

        figure: Figure = plt.figure(figsize=size)
    else:
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
    figure.set_layout_engine("none")
    figure.set_facecolor(page)
    return figure.add_axes((0.0, 0.0, 1.0, 1.0))


def save(ax: Axes, path: str | PathLike[str], *, dpi: float = 300) -> Path:
    """Save the figure of some Axes with its text as text, so that a journal can edit it and a search can find it.

    Parameters
    ----------
    ax
        Axes of a plot, such as `forest` returns.
    path
        Where to; the ending says how: ``.svg``, ``.pdf``, ``.png`` and others that matplotlib knows.
    dpi
        Dots per inch of PNG and other pictures of dots.

    Returns
    -------
    Path
        The file. The same figure gives the same file: no date is written into it.

    Examples
    --------
    >>> import tempfile, metaanalysis as ma
    >>> from metaanalysis.plots import save
    >>> ax = ma.forest(ma.pool([0.1, 0.3, 0.5], [0.02, 0.03, 0.05]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save(ax, f"{folder}/forest.svg")
    ...     "Random-effects model" in file.read_text(encoding="utf-8")
    True
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise OptionError(f"{str(path)!r} does not end in a format of pictures: {', '.join('.' + f for f in FORMATS)}.")
    figure = ax.figure.figure if isinstance(ax.figure, SubFigure) else ax.figure
    size = dpi * max(figure.get_size_inches())
    if kind not in VECTOR_FORMATS and size >= MOST_DOTS:
        raise OptionError(
            f"the picture would be {size:.0f} dots long, and {MOST_DOTS - 1} is the most: save it as .svg or .pdf, or with fewer "
            f"dots an inch (dpi=)."
        )
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with mpl.rc_context(SETTINGS):
        # The page is the figure's own, whatever the settings say of saved ones: its ink is chosen for it.
        figure.savefig(path, dpi=dpi, metadata=metadata or None, facecolor="auto")
    return path
