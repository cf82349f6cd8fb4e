"""Prediction intervals: where the effect in a new study may lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import InferenceFunction, hartung_knapp, kenward_roger, quantile
from metaanalysis.formulas.prediction_bootstrap import nagashima
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean
from metaanalysis.registry import Entry, Registry

# Degrees of freedom nearer than this to 0 are 0 but for rounding, and a t distribution has none.
NO_DF = 1e-9


class PredictionInput(NamedTuple):
    """What a prediction interval is made of, each (...)."""

    estimate: FloatArray
    se: FloatArray  # as the confidence interval uses it
    tau2: FloatArray
    k: FloatArray
    df: FloatArray  # of the confidence interval
    level: float
    y: FloatArray  # (..., k)
    v: FloatArray  # (..., k)


# PredictionInput -> low, high
PredictionFunction: TypeAlias = Callable[[PredictionInput], tuple[FloatArray, FloatArray]]


def around(given: PredictionInput, df: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Estimate -+ quantile(df) * sqrt(se^2 + tau2)."""
    half = quantile(given.level, df) * np.sqrt(given.se**2 + given.tau2)
    return given.estimate - half, given.estimate + half


def as_confidence_interval(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With the reference distribution of the confidence interval: normal for Wald's, t for the others."""
    return around(given, given.df)


def normal(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With the normal distribution."""
    return around(given, np.full(np.shape(given.k), np.inf))


def higgins_thompson_spiegelhalter(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With t and k - 2 degrees of freedom. Source: Higgins, Thompson & Spiegelhalter (2009)."""
    return around(given, given.k - 2.0)


def one_df_fewer(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With t and k - 1 degrees of freedom. Source: Veroniki, Jackson, Bender et al. (2019)."""
    return around(given, given.k - 1.0)


def one_fewer(df: FloatArray) -> FloatArray:
    """Degrees of freedom less one; NaN where none are left, as with two studies of equal variance."""
    left = np.asarray(df) - 1.0
    return np.where(left > NO_DF, left, np.nan)


def from_inference(given: PredictionInput, function: InferenceFunction) -> tuple[PredictionInput, FloatArray]:
    """The same with the standard error of an interval method, and the degrees of freedom of that method."""
    w = inverse_variance_weights(given.v, given.tau2)
    inference = function(weighted_mean(given.y, w), w, None)
    return given._replace(se=np.sqrt(inference.covariance[..., 0, 0])), inference.df


def hartung_knapp_prediction(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With Hartung-Knapp's standard error and t with k - 1 degrees of freedom. Source: Partlett & Riley (2017)."""
    return around(*from_inference(given, hartung_knapp))


def kenward_roger_prediction(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """With Kenward-Roger's standard error and t with one degree of freedom fewer. Source: Partlett & Riley (2017)."""
    given, df = from_inference(given, kenward_roger)
    return around(given, one_fewer(df))


def nagashima_prediction(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """From the confidence distribution of tau2, by simulation. Source: Nagashima, Noma & Furukawa (2019)."""
    k = given.y.shape[-1]
    lead = given.y.shape[:-1]
    y, v = given.y.reshape(-1, k), given.v.reshape(-1, k)
    limits = np.array([nagashima(y[i][np.isfinite(v[i])], v[i][np.isfinite(v[i])], given.level) for i in range(len(y))])
    return limits[:, 0].reshape(lead), limits[:, 1].reshape(lead)


def none(given: PredictionInput) -> tuple[FloatArray, FloatArray]:
    """No prediction interval."""
    nothing = np.full(np.shape(given.estimate), np.nan)
    return nothing, nothing


PREDICTION: Registry[PredictionFunction] = Registry(
    "prediction",
    {
        "ci": Entry(as_confidence_interval, "distribution of the confidence interval"),
        "normal": Entry(normal, "normal distribution"),
        "hts": Entry(higgins_thompson_spiegelhalter, "Higgins-Thompson-Spiegelhalter, t with k - 2 df", "higgins2009"),
        "t": Entry(one_df_fewer, "t with k - 1 df", "veroniki2019"),
        "hksj": Entry(hartung_knapp_prediction, "Hartung-Knapp, t with k - 1 df", "partlett2017"),
        "kenward-roger": Entry(kenward_roger_prediction, "Kenward-Roger, one df fewer", "partlett2017"),
        "nagashima": Entry(nagashima_prediction, "Nagashima-Noma-Furukawa, by simulation", "nagashima2019"),
        "none": Entry(none, "none"),
    },
)
