"""Plots: a result becomes rows and marks, and these are drawn on given matplotlib Axes. Nothing is computed here."""

from __future__ import annotations

from metaanalysis.plots.any_plot import plot
from metaanalysis.plots.baujat_plot import baujat
from metaanalysis.plots.bubble_plot import bubble
from metaanalysis.plots.chart_options import Look
from metaanalysis.plots.compare_plot import compare
from metaanalysis.plots.drapery_plot import drapery
from metaanalysis.plots.figure import save
from metaanalysis.plots.forest import forest
from metaanalysis.plots.forest_pages import forest_pages, save_pages
from metaanalysis.plots.funnel_plot import funnel
from metaanalysis.plots.gosh_plot import gosh
from metaanalysis.plots.influence_plot import influence
from metaanalysis.plots.labbe_plot import labbe
from metaanalysis.plots.overlap_plot import overlap
from metaanalysis.plots.prisma_plot import prisma
from metaanalysis.plots.profile_plot import profile
from metaanalysis.plots.qq_plot import qq
from metaanalysis.plots.radial_plot import radial
from metaanalysis.plots.risk_of_bias_bars import rob_summary
from metaanalysis.plots.risk_of_bias_lights import rob_traffic_light
from metaanalysis.plots.risk_of_bias_pages import rob_traffic_light_pages
from metaanalysis.plots.style import DARK, Style

__all__ = [
    "DARK",
    "Look",
    "Style",
    "baujat",
    "bubble",
    "compare",
    "drapery",
    "forest",
    "forest_pages",
    "funnel",
    "gosh",
    "influence",
    "labbe",
    "overlap",
    "plot",
    "prisma",
    "profile",
    "qq",
    "radial",
    "rob_summary",
    "rob_traffic_light",
    "rob_traffic_light_pages",
    "save",
    "save_pages",
]
