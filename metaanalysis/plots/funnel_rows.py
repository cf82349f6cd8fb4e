"""A pooled result -> its funnel plot. Limits and contours are geometry: critical values times standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dots, Entry, Scale
from metaanalysis.plots.grouped import study_dots
from metaanalysis.plots.scales import effect_scale, null_place, spread, with_limits
from metaanalysis.plots.words import with_thousands
from metaanalysis.results import Pooled
from metaanalysis.results.small_study import SmallStudyTest
from metaanalysis.results.text import per_cent
from metaanalysis.results.trim_and_fill import TrimAndFill

Y_AXES = ("se", "variance", "precision", "n")
Y_LABELS = {
    "se": "Standard error",
    "variance": "Sampling variance",
    "precision": "Precision (1 / standard error)",
    "n": "Number of participants",
}
# Levels of significance and the shades beyond each, from the middle outwards; the middle stays white.
CONTOURS = (
    (0.10, "quiet@0.40", "0.05 < p < 0.10"),
    (0.05, "quiet@0.22", "0.01 < p < 0.05"),
    (0.01, "quiet@0.07", "p < 0.01"),
)
POINTS = 200
# Darker than the shades that it crosses.
EGGER_TONE = "#a8481a"
# Predictors of small-study tests that a standard error tells, and the line's predictor from it.
LINES = {"standard error": 1.0, "sampling variance": 2.0}


def height_of(se: FloatArray, y_axis: str) -> FloatArray:
    """Where a standard error stands on the y axis."""
    return {"se": se, "variance": se**2, "precision": 1.0 / np.maximum(se, 1e-300)}[y_axis]


def participants(effects: Effects) -> FloatArray:
    """How many took part in each study."""
    known = effects.inputs
    if {"n1", "n2"} <= set(known):
        return np.asarray(known["n1"] + known["n2"], dtype=np.float64)
    if "n" in known:
        return np.asarray(known["n"], dtype=np.float64)
    raise OptionError(
        f"y_axis='n' needs the studies' sizes (n1 and n2, or n), and these effects ({effects.measure}) were made without: "
        f"use y_axis='se'."
    )


def funnel_spec(
    fit: Pooled,
    y_axis: str,
    contours: bool,
    limits: bool,
    filled: TrimAndFill | None,
    egger: SmallStudyTest | None,
    by: str | Sequence[Any] | None,
    options: ChartOptions,
) -> ChartSpec:
    """The funnel plot of a fit."""
    effects, entry = fit.effects, fit.effects.measure_entry
    y, se = np.asarray(effects.y), effects.se
    null = null_place(entry)
    if y_axis == "n" and (contours or filled is not None or egger is not None):
        raise OptionError(
            "y_axis='n' shows no contours, filled studies or lines, which take a standard error: use y_axis='se'."
        )
    if contours and null is None:
        raise OptionError(
            f"contours show where an effect differs from none, and a {entry.title} has no value of no effect."
        )
    at = participants(effects) if y_axis == "n" else height_of(se, y_axis)
    all_y, all_se = y, se
    if filled is not None:
        checked_same(fit, filled.original, "trim_and_fill")
        all_y, all_se = np.append(y, filled.filled_y), np.append(se, filled.filled_v**0.5)
    scale = y_scale(at, y_axis, options)
    ends = np.array([scale.low, scale.high]) if y_axis == "n" else standard_errors_at(scale, y_axis, se)
    z = float(quantile(fit.level, np.asarray(np.inf)))
    widest = float(np.max(all_se)) * z if limits and y_axis != "n" else 0.0
    places = [*all_y.tolist(), fit.estimate, fit.estimate - widest, fit.estimate + widest]
    low, high = spread(places if null is None or not contours else [*places, null])
    x = effect_scale(entry, low, high, options.x_label, options.xlim)
    dots, entries = study_dots(effects, y, at, by)
    legend = list(entries) if by is not None else []
    areas: list[Area] = []
    middle = np.array([scale.low, scale.high])
    curves = [Curve("estimate", np.full(2, fit.estimate), middle, "ink", weight=0.9)]
    if contours and null is not None:
        areas = contour_areas(null, ends, y_axis, x)
        legend += [Entry(text, area) for (_, _, text), area in zip(CONTOURS, areas, strict=True)]
        curves.append(Curve("null", np.full(2, null), middle, "quiet", "dotted", 0.8))
    if limits and y_axis != "n":
        sides = [
            Curve("limits", fit.estimate + sign * z * ends, height_of(ends, y_axis), "ink", "dashed", 0.8)
            for sign in (-1, 1)
        ]
        curves += sides
        legend.append(Entry(f"Pseudo {per_cent(fit.level)} limits", sides[0]))
    notes: list[str] = []
    if filled is not None and not np.size(filled.filled_y):
        notes.append("Trim and fill: no study filled in.")
    elif filled is not None:
        added = Dots("filled", filled.filled_y, height_of(filled.filled_v**0.5, y_axis), None, "diamond")
        legend.insert(0 if by is None else len(entries), Entry("Filled in", added))
        dots = (*dots, added)
        moved = Curve("filled estimate", np.full(2, filled.filled.estimate), middle, "ink", "dash-dot", 0.8)
        curves.append(moved)
        legend.append(Entry("Estimate with those filled in", moved))
    if by is None and filled is not None:
        legend.insert(0, entries[0])
    if egger is not None:
        line = egger_line(fit, egger, ends, y_axis)
        curves.append(line)
        legend.append(Entry("Egger’s line" if egger.method == "egger" else egger.title, line))
    return ChartSpec(
        x=x,
        y=scale,
        areas=tuple(areas),
        curves=tuple(curves),
        dots=dots,
        legend=tuple(legend) if options.legend else (),
        notes=tuple(notes) if options.notes else (),
        title=options.title,
        aspect=0.78,
    )


def y_scale(at: FloatArray, y_axis: str, options: ChartOptions) -> Scale:
    """The y axis: from 0 downwards for errors and variances, upwards for precision and size."""
    label = Y_LABELS[y_axis] if options.y_label is None else options.y_label
    largest = float(np.max(at))
    if y_axis in ("se", "variance"):
        scale = Scale(0.0, 1.06 * largest, label, down=True)
    else:
        least = float(np.min(at))
        pad = 0.06 * (largest - least or largest)
        scale = Scale(least - pad, largest + pad, label, text=with_thousands if y_axis == "n" else None)
        if least < pad:
            scale = replace(scale, low=-0.03 * largest if y_axis == "n" else 0.0)
    return with_limits(scale, options.ylim, "ylim")


def standard_errors_at(scale: Scale, y_axis: str, se: FloatArray) -> FloatArray:
    """Standard errors from one end of the y axis to the other."""
    if y_axis == "precision":
        return np.asarray(1.0 / np.linspace(max(scale.low, 0.02 / float(np.max(se))), scale.high, POINTS))
    heights = np.linspace(max(scale.low, 0.0), scale.high, POINTS)
    return heights if y_axis == "se" else np.sqrt(heights)


def contour_areas(null: float, se: FloatArray, y_axis: str, x: Scale) -> list[Area]:
    """Where p is below 0.10, 0.05 and 0.01: each shade covers the one before, both sides in one polygon."""
    at = height_of(se, y_axis)
    areas = []
    for level, shade, text in CONTOURS:
        z = float(quantile(1.0 - level, np.asarray(np.inf)))
        reach = max(abs(x.low - null), abs(x.high - null), float(np.max(z * se))) * 2.0
        left = np.concatenate([null - z * se, np.full(se.size, null - reach)])
        right = np.concatenate([np.full(se.size, null + reach), null + z * se[::-1]])
        heights = np.concatenate([at, at[::-1]])
        areas.append(Area(f"contour: {text}", np.append(left, right), np.append(heights, heights), shade))
    return areas


def egger_line(fit: Pooled, egger: SmallStudyTest, se: FloatArray, y_axis: str) -> Curve:
    """The effects that a test's line expects at each standard error."""
    if egger.predictor not in LINES or np.isnan(egger.limit.estimate):
        raise OptionError(
            f"{egger.title} is no line of effects on standard errors: a funnel can show the lines of 'egger', "
            f"'thompson-sharp' and their like."
        )
    if egger.effects.measure != fit.measure or egger.k != fit.k:
        raise OptionError(
            f"egger was made from other studies ({egger.measure}, k = {egger.k}) than the fit ({fit.measure}, k = {fit.k})."
        )
    expected = egger.limit.estimate + egger.estimate * se ** LINES[egger.predictor]
    return Curve("egger", expected, height_of(se, y_axis), EGGER_TONE, "solid", 1.5)


def checked_same(fit: Pooled, other: Pooled, option: str) -> None:
    """OptionError where a result was made from other studies."""
    if fit.k != other.k or not np.array_equal(np.asarray(fit.effects.y), np.asarray(other.effects.y)):
        raise OptionError(f"{option} was made from other studies than the fit: make it from the same.")
