"""What a diagnostic is asked about: a fit, or effects that are pooled first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaanalysis.conventions import override
from metaanalysis.effects import Effects
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import InferenceFunction, ci_function
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.tau2 import TAU2, Tau2Function
from metaanalysis.models import pool
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions
from metaanalysis.results import Pooled, Regression
from metaanalysis.results.pooled_many import PooledMany

# The questions that have a function for many meta-analyses at once.
HAS_MANY = ("leave_one_out", "jackknife", "bootstrap", "gosh", "permutation_test")
# A fit and its refit differ by rounding alone.
REFIT_TOLERANCE = 1e-9


def fit_of(given: Pooled | Effects, what: str, **options: Any) -> Pooled:
    """The fit itself, or that of the effects under the options of `pool`."""
    if isinstance(given, Pooled):
        if options:
            raise OptionError(
                f"{what} takes the fit's own options; give {', '.join(options)} to pool, or give {what} the effects."
            )
        return given
    if isinstance(given, Effects):
        return pool(given, **options)
    raise DataError(
        f"{what} needs a fit from pool, or Effects from effect_sizes, not {type(given).__name__}.{for_many(given, what)}"
    )


def for_many(given: object, what: str) -> str:
    """Where to ask the question about many meta-analyses at once, for an error; nothing where that was not tried."""
    return f" For many at once there is {what}_many." if isinstance(given, PooledMany) and what in HAS_MANY else ""


def by_inverse_variance(fit: Pooled, what: str) -> None:
    """OptionError where the fit weights otherwise than by inverse variance."""
    if fit.method != "inverse-variance":
        raise OptionError(
            f"{what} is defined for pooling by inverse variance, not for method={fit.method!r}: "
            f"pool with method='inverse-variance' first."
        )


def refits_itself(mine: FloatArray, theirs: FloatArray, what: str) -> None:
    """OptionError where a fit does not come again from its effects and options, for then nor would its refits be its own."""
    scale = np.abs(theirs).max()
    if not np.allclose(mine, theirs, rtol=REFIT_TOLERANCE, atol=REFIT_TOLERANCE * scale, equal_nan=True):
        raise OptionError(
            f"{what} fits the model again from the effects and the options, and this fit does not come of these alone: "
            f"it has weights of its own, or a tau2 shared with other subgroups. Pool the same effects without."
        )


def pooled_again(fit: Pooled, what: str) -> None:
    """OptionError where a fit by inverse variance is not what its effects and options give."""
    again = pooled_numbers(np.asarray(fit.effects.y), np.asarray(fit.effects.v), only_estimates(fit.options))
    refits_itself(again.estimate, np.asarray(fit.estimate), what)


def only_estimates(options: PoolOptions) -> PoolOptions:
    """The options for the estimates alone: neither an interval nor a prediction is asked for."""
    brings_estimate = isinstance(options.ci, str) and options.ci in MEAN_INTERVALS
    return override(options, {"ci": None if brings_estimate else "wald", "prediction": "none"})


def named_estimator(options: PoolOptions, what: str) -> None:
    """OptionError where tau2 is estimated by a function, which may know the studies by their places."""
    if callable(options.tau2):
        raise OptionError(
            f"{what} changes which studies there are, and an estimator of tau2 that is a function, or has fixed weights, may "
            f"not follow. Use one by name: {', '.join(TAU2)}."
        )


def at_least(k: int, needed: int, what: str) -> None:
    """DataError where there are too few studies."""
    if k < needed:
        raise DataError(f"{what} needs at least {needed} studies; there {'is' if k == 1 else 'are'} {k}.")


def tau2_function(options: PoolOptions) -> Tau2Function | None:
    """The estimator of the between-study variance; None under the common-effect model."""
    return None if options.model == "common" else TAU2.entry(options.tau2).function


def inference_function(options: PoolOptions, what: str) -> InferenceFunction:
    """Covariance and degrees of freedom; OptionError where the interval is of another kind."""
    if isinstance(options.ci, str) and options.ci in MEAN_INTERVALS:
        raise OptionError(f"{what} needs a standard error, and ci={options.ci!r} has none: use 'wald', 't' or 'hksj'.")
    return ci_function(options.ci, options.level)


def data_of(fit: Pooled | Regression) -> tuple[FloatArray, FloatArray, FloatArray | None, FloatArray, tuple[str, ...]]:
    """Effects, variances, the design (None for the mean alone), tau2 and the coefficients' names."""
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    tau2 = np.asarray(0.0 if math.isnan(fit.tau2) else fit.tau2)
    if isinstance(fit, Regression):
        return y, v, fit.design.X, tau2, fit.names
    return y, v, None, tau2, ("estimate",)
