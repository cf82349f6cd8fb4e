"""Numbers that a forest plot prints or draws beside those of the result itself; the models are not fitted anew."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import i2_from_q
from metaanalysis.formulas.prediction import PREDICTION, PredictionInput
from metaanalysis.results.pooled import Pooled
from metaanalysis.results.subgroups import Subgroups

# Levels whose intervals the density is made of: close together in the tails, where the quantiles lie far apart.
LEAST_TAIL = 5e-4
STEPS = 120


def i2_between(found: Subgroups) -> float:
    """I2 of the differences between subgroups, in per cent, from their Q; NaN where there is none."""
    return float(i2_from_q(np.asarray(found.q_between), np.asarray(float(found.q_between_df))))


class PredictionDensity(NamedTuple):
    """Where the effect in a new study may lie: places and densities, on the scale on which the measure is read.

    For ratios the density is that of the logarithm, as a logarithmic axis shows it.
    """

    x: FloatArray
    density: FloatArray


def prediction_density(fit: Pooled) -> PredictionDensity:
    """The predictive density whose intervals are the fit's prediction intervals.

    The ends of the interval of each level are quantiles of the distribution; between two neighbouring quantiles the density is
    the share of probability over the distance. OptionError where the fit has no prediction interval, or one that is simulated
    anew at every level.
    """
    if math.isnan(fit.prediction_low):
        raise OptionError("there is no predictive density: the fit has no prediction interval.")
    if fit.options.prediction == "nagashima":
        raise OptionError(
            "there is no predictive density of Nagashima's interval, which is simulated: choose prediction='bar' or 'polygon'."
        )
    function = PREDICTION.entry(fit.options.prediction).function
    numbers = (np.asarray(float(x)) for x in (fit.estimate, fit.se, fit.tau2, fit.k, fit.df))
    estimate, se, tau2, k, df = numbers
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    # Logits of the tail, evenly spaced.
    logits = np.linspace(math.log(LEAST_TAIL), 0.0, STEPS // 2, endpoint=False)
    tails = np.exp(logits) / (1.0 + np.exp(logits))
    ends = [function(PredictionInput(estimate, se, tau2, k, df, 1.0 - 2.0 * float(t), y, v)) for t in tails]
    low, high = np.array([float(a) for a, _ in ends]), np.array([float(b) for _, b in ends])
    quantiles = np.concatenate([low, high[::-1]])
    probabilities = np.concatenate([tails, 1.0 - tails[::-1]])
    with np.errstate(over="ignore"):
        places = fit.effects.back_transform(quantiles)
    # A logarithmic axis shows the density of the logarithm, which is that of the scale of analysis.
    along = quantiles if fit.effects.measure_entry.back == "exp" else places
    with np.errstate(invalid="ignore"):
        distance = np.diff(along)
    # Far out in the tails of few degrees of freedom a ratio overflows and a correlation is 1: these have no place on an axis.
    shown = np.isfinite(distance) & (distance > 0) & np.isfinite(places[1:]) & np.isfinite(places[:-1])
    if shown.sum() < 3:
        raise OptionError("there is no predictive density to draw: its quantiles lie too far apart, or in one place.")
    middles = 0.5 * (quantiles[1:] + quantiles[:-1])[shown]
    return PredictionDensity(fit.effects.back_transform(middles), np.diff(probabilities)[shown] / distance[shown])
