"""Plots: a result becomes rows and marks, and these are drawn on given matplotlib Axes. Nothing is computed here."""

from __future__ import annotations

from metaanalysis.plots.figure import save
from metaanalysis.plots.forest import forest
from metaanalysis.plots.style import Style

__all__ = ["Style", "forest", "save"]
