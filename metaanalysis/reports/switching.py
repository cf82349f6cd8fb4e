"""What the pooled estimate would be without one or two studies: computed beforehand, so that the page can show it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from metaanalysis.diagnostics import leave_one_out
from metaanalysis.errors import MetaAnalysisError
from metaanalysis.formulas.inference import CI
from metaanalysis.models.pool import fitted
from metaanalysis.plots.axis import choose_ticks
from metaanalysis.plots.chart_layout import ticks_of
from metaanalysis.plots.scales import effect_scale, readable
from metaanalysis.plots.words import true_minus
from metaanalysis.reports.wording import Wording, has_test, plain, share
from metaanalysis.results import Pooled
from metaanalysis.results.refits import Refits
from metaanalysis.results.text import p_value

# Without any two of 30 studies there are 435 results, about as large as one plot. What is not batched takes longer; models of
# counts take too long.
LEAST_FOR_PAIRS = 4
MOST_FOR_PAIRS = {"inverse-variance": 30, "mantel-haenszel": 15, "peto": 15}
NUMBERS = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")
# Width of the strip in its own units, and of its labels' letters.
WIDTH, LETTER = 600.0, 8.0
# So far beyond its ends may a mark reach.
EDGE = 20.0
# Logarithms beyond this are those of no number that a computer holds.
FURTHEST = 700.0


def row_of(refits: Refits, i: int) -> dict[str, float]:
    """The numbers of one refit, on the scale of analysis."""
    names = (*NUMBERS, "p_value", "tau2", "i2")
    return {name: float(getattr(refits, name)[i]) for name in names}


def is_quick(fit: Pooled) -> bool:
    """Whether intervals are closed forms, and neither simulated nor searched for, nor tau2 a function that knows the studies."""
    options = fit.options
    if callable(options.tau2):
        return False
    closed = isinstance(options.ci, str) and options.ci in CI
    return closed and isinstance(options.prediction, str) and options.prediction != "nagashima"


def pairs_of(fit: Pooled) -> dict[tuple[int, int], dict[str, float]]:
    """The results without each two studies; empty where there are too many or too few, or models of counts."""
    k = fit.effects.k
    if not LEAST_FOR_PAIRS <= k <= MOST_FOR_PAIRS.get(fit.method, 0) or not is_quick(fit):
        return {}
    found: dict[tuple[int, int], dict[str, float]] = {}
    for i in range(k - 1):
        keep = np.arange(k) != i
        try:
            rest = leave_one_out(fitted(fit.effects.subset(keep), fit.options, fit.convention))
        except MetaAnalysisError:
            continue
        for j in range(i + 1, k):
            if math.isfinite(rest.estimate[j - 1]):
                found[i, j] = row_of(rest, j - 1)
    return found


def shown(fit: Pooled, numbers: Mapping[str, float], wording: Wording) -> list[str]:
    """Estimate, interval, p, tau2, I2 and prediction interval as the page prints them."""
    estimate, low, high, new_low, new_high = fit.effects.back_transform(
        np.array([numbers[name] for name in NUMBERS])
    ).tolist()
    tau2 = numbers["tau2"]
    return [
        wording.one(estimate),
        wording.between(low, high),
        true_minus(p_value(numbers["p_value"])) if has_test(fit.effects) else "",
        "" if math.isnan(tau2) else plain(tau2),
        "" if math.isnan(numbers["i2"]) else share(numbers["i2"]),
        "" if math.isnan(new_low) or math.isnan(new_high) else wording.between(new_low, new_high),
    ]


class Strip:
    """The line on which the pooled estimate moves: analysis scale, from the lowest limit to the highest.

    Parameters
    ----------
    fit
        All studies.
    refits
        The numbers without one.
    """

    def __init__(self, fit: Pooled, refits: list[Mapping[str, float]]) -> None:
        places = [x for one in refits for x in (one["ci_low"], one["ci_high"], one["estimate"])]
        places += [fit.ci_low, fit.ci_high, fit.estimate]
        finite = [x for x in places if math.isfinite(x)]
        low, high = min(finite), max(finite)
        entry = fit.effects.measure_entry
        null = entry.no_effect
        line = math.nan if null is None else (math.log(null) if entry.back == "exp" else null)
        # The line of no effect is shown where it is near; on other scales than these it has no simple place.
        if entry.back in ("exp", "identity", "tanh") and math.isfinite(line):
            reach = max(high - low, 1e-12)
            if low - reach <= line <= high + reach:
                low, high = min(low, line), max(high, line)
        else:
            line = math.nan
        half = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
        self.low, self.high = low - half, high + half
        self.fit, self.null = fit, line

    def at(self, y: float) -> float | None:
        """Where a number lies along the strip."""
        place = WIDTH * (y - self.low) / (self.high - self.low)
        return None if math.isnan(place) else round(min(max(place, -EDGE), WIDTH + EDGE), 2)

    def places(self, numbers: Mapping[str, float]) -> list[float | None]:
        """Where an estimate and its limits lie."""
        return [self.at(numbers[name]) for name in ("estimate", "ci_low", "ci_high")]

    def to_dict(self) -> dict[str, Any]:
        """Its width, its ticks and where all studies together lie."""
        whole = {"estimate": self.fit.estimate, "ci_low": self.fit.ci_low, "ci_high": self.fit.ci_high}
        return {"width": WIDTH, "ticks": self.ticks(), "null": self.at(self.null), "whole": self.places(whole)}

    def ticks(self) -> list[dict[str, Any]]:
        """Round numbers on the scale on which the measure is read, and where they lie."""
        entry = self.fit.effects.measure_entry
        if readable(entry) and entry.back != "exp":
            scale = effect_scale(entry, self.low, self.high, None, None)
            marked = ticks_of(scale, WIDTH, lambda text: LETTER * len(text), 2 * LETTER, (0.0, WIDTH))
            return [{"at": self.at(at), "text": text} for at, text in marked]
        if entry.back not in ("exp", "identity"):
            low, high = (float(self.fit.effects.back_transform(np.asarray(x))) for x in (self.low, self.high))
            return [
                {"at": self.at(end), "text": f"{value:.3g}"}
                for end, value in ((self.low, low), (self.high, high))
                if math.isfinite(value)
            ]
        log = entry.back == "exp"
        if log and not -FURTHEST < self.low < self.high < FURTHEST:
            return []
        limits = (math.exp(self.low), math.exp(self.high)) if log else (self.low, self.high)

        def place(x: float) -> float:
            return WIDTH * ((math.log(x) if log else x) - self.low) / (self.high - self.low)

        chosen = choose_ticks(*limits, log, place, lambda text: LETTER * len(text), 2 * LETTER, (0.0, WIDTH))
        return [{"at": round(place(x), 2), "text": text} for x, text in chosen]


def switching(fit: Pooled, refits: Refits, wording: Wording) -> dict[str, Any]:
    """The data of the switches: texts and places for all studies, without each, and without each two where computed."""
    ones: list[dict[str, float] | None] = [
        row_of(refits, i) if math.isfinite(refits.estimate[i]) else None for i in range(len(refits))
    ]
    twos = pairs_of(fit)
    # Intervals without two of a few studies may be endless; they run off the strip rather than shrink the others.
    strip = Strip(fit, [one for one in ones if one is not None])

    def entry(numbers: dict[str, float] | None) -> list[Any] | None:
        return None if numbers is None else [*shown(fit, numbers, wording), *strip.places(numbers)]

    whole = {name: float(getattr(fit, name)) for name in (*NUMBERS, "p_value", "tau2", "i2")}
    return {
        "all": entry(whole),
        "one": [entry(numbers) for numbers in ones],
        "why": [None if numbers is not None else status for numbers, status in zip(ones, refits.status, strict=True)],
        "two": {f"{i},{j}": entry(numbers) for (i, j), numbers in twos.items()},
        "most": 2 if twos else 1,
        "strip": strip.to_dict(),
    }
