"""The summary of findings: what the pooled effect means for people whose risk without treatment is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.formulas.absolute_risks import risk_difference_from_hazard_ratio
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.risk_conversions import risk_difference_from_odds_ratio, risk_difference_from_risk_ratio
from metaanalysis.plots.words import fixed, true_minus
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.wording import NOT_AVAILABLE, Wording, capital, counted

# Below so many studies the quartiles of their control risks are hardly more than the studies themselves.
LEAST_FOR_QUARTILES = 4
PAIRS = ("both", "only1", "only2", "neither")


def same(difference: FloatArray, base: FloatArray) -> FloatArray:
    """A difference is one already; NaN where it leads to a risk below 0 or above 1."""
    risk = base + difference
    return np.where((risk >= 0.0) & (risk <= 1.0), difference, np.nan)


def rate_difference(ratio: FloatArray, base: FloatArray) -> FloatArray:
    """What a rate ratio adds to a rate."""
    return np.asarray(base * (ratio - 1.0))


def same_rate(difference: FloatArray, base: FloatArray) -> FloatArray:
    """A difference of rates, NaN where it leads to a rate below 0."""
    return np.where(base + difference >= 0.0, difference, np.nan)


@dataclass(frozen=True)
class Absolute:
    """How a measure becomes a difference of risks (or rates) at a given risk without treatment."""

    difference: Callable[[FloatArray, FloatArray], FloatArray]
    of_rates: bool = False


ABSOLUTE = {
    "RR": Absolute(risk_difference_from_risk_ratio),
    "MPRR": Absolute(risk_difference_from_risk_ratio),
    "OR": Absolute(risk_difference_from_odds_ratio),
    "PETO": Absolute(risk_difference_from_odds_ratio),
    "MPOR": Absolute(risk_difference_from_odds_ratio),
    "RD": Absolute(same),
    "MPRD": Absolute(same),
    "HR": Absolute(risk_difference_from_hazard_ratio),
    "IRR": Absolute(rate_difference, of_rates=True),
    "IRD": Absolute(same_rate, of_rates=True),
}


def control_levels(effects: Effects) -> FloatArray | None:
    """The risk (or rate) of each study's control group; None where the data do not say."""
    data = {name: np.asarray(values) for name, values in effects.inputs.items()}
    if "events2" in data and ("n2" in data or "time2" in data):
        return np.asarray(data["events2"] / data["n2" if "n2" in data else "time2"])
    if set(PAIRS) <= set(data):
        return np.asarray((data["both"] + data["only2"]) / sum(data[name] for name in PAIRS))
    return None


def assumed(asked: Asked) -> tuple[list[tuple[str, float]], str]:
    """The risks without treatment for which the table is made, and where they come from."""
    if asked.control_risks:
        return [(name or "given", risk) for name, risk in asked.control_risks], "as given for this report"
    levels = control_levels(asked.effects)
    if levels is None:
        return [], ""
    middle = float(np.median(levels))
    what = "rate" if ABSOLUTE[asked.fit.measure].of_rates else "risk"
    if levels.size < LEAST_FOR_QUARTILES:
        return [(f"median {what} of the studies", middle)], f"the median {what} of the studies' control groups"
    low, high = (float(np.quantile(levels, q)) for q in (0.25, 0.75))
    named = [(f"low {what}", low), (f"median {what}", middle), (f"high {what}", high)]
    distinct = {value: name for name, value in reversed(named)}
    rows = [(name, value) for name, value in named if distinct.get(value) == name and value > 0]
    return rows or [
        named[1]
    ], f"lower quartile, median and upper quartile of the {what}s of the studies' control groups"


def thousand(x: float) -> str:
    """A number of people in 1,000: whole from 10 on, with more digits where events are rare."""
    if math.isnan(x):
        return NOT_AVAILABLE
    size = abs(1000.0 * x)
    decimals = 0 if size >= 10 or size == 0 else 1 if size >= 1 else 2
    return true_minus(fixed(1000.0 * x, decimals, ratio=True)) if size < 1000 else fixed(1000.0 * x, 0)


def direction(difference: float) -> str:
    """As in "66 fewer"; "no difference"."""
    if math.isnan(difference):
        return NOT_AVAILABLE
    if difference == 0:
        return "0 fewer"
    return f"{thousand(abs(difference))} {'fewer' if difference < 0 else 'more'}"


def row(name: str, base: float, how: Absolute, effect: FloatArray) -> dict[str, Any]:
    """One assumed risk: people with the event without and with treatment, and the difference, per 1,000."""
    with np.errstate(all="ignore"):
        difference = np.asarray(how.difference(effect, np.asarray(base)), dtype=np.float64)
    middle, low, high = difference.tolist()
    interval = "" if math.isnan(low) or math.isnan(high) else f"{thousand(base + low)} to {thousand(base + high)}"
    return {
        "name": name,
        "control": thousand(base),
        "treated": thousand(base + middle),
        "treated_ci": interval,
        "difference": direction(middle),
        "difference_ci": f"{direction(low)} to {direction(high)}" if interval else "",
        "impossible": bool(np.isnan(difference).any()),
    }


def participants(effects: Effects) -> str:
    """How many people took part, as far as the data say."""
    for names in (("n1", "n2"), ("n",), PAIRS):
        if set(names) <= set(effects.inputs):
            return f"{float(sum(np.asarray(effects.inputs[name]).sum() for name in names)):,.0f}"
    return ""


def findings(asked: Asked, wording: Wording) -> dict[str, Any]:
    """The table: a row an assumed risk where the measure leads to absolute effects, else one row with the estimate."""
    fit, effects = asked.fit, asked.effects
    entry = effects.measure_entry
    back = fit.back_transformed()
    how = ABSOLUTE.get(fit.measure)
    risks, source = assumed(asked) if how is not None else ([], "")
    numbers = np.array([back.estimate, back.ci_low, back.ci_high])
    rows = [] if how is None else [row(name, risk, how, numbers) for name, risk in risks]
    if how is None:
        why = (
            f"There are no absolute effects for the measure {entry.title}: the table gives the estimate."
            if entry.no_effect is not None
            else f"There is one group, and no control risk to compare with: the table gives the {entry.title}."
        )
        if asked.control_risks:
            why += " The control risks given were not used."
    elif not rows:
        why = (
            "The data do not hold the risks of the control groups: give them as control_risks, and the table will show the "
            "absolute effects."
        )
    else:
        why = ""
    return {
        "absolute": rows,
        "rates": how is not None and how.of_rates,
        "source": source,
        "impossible": any(one["impossible"] for one in rows),
        "outcome": asked.outcome or capital(entry.title),
        "relative": wording.with_interval(*back[:3]),
        "estimate": wording.one(back.estimate),
        "interval": "" if math.isnan(back.ci_low) else wording.between(back.ci_low, back.ci_high),
        "measure": entry.title,
        "participants": participants(effects),
        "studies": counted(fit.k, "study"),
        "why": why,
    }
