"""PET-PEESE: the effect that large studies would show, by one of two lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaanalysis.diagnostics.given import at_least, inference_function, tau2_function
from metaanalysis.diagnostics.small_study import asked, from_line, must_vary
from metaanalysis.effects import Effects
from metaanalysis.errors import ConvergenceError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.asymmetry import line_with_factor, line_with_variance
from metaanalysis.formulas.inference import lower_tail
from metaanalysis.formulas.solve import Status
from metaanalysis.options import PoolOptions, choose
from metaanalysis.results import Pooled
from metaanalysis.results.small_study import PetPeese, SmallStudyTest


def pet_peese(
    fit: Pooled | Effects,
    *,
    dispersion: str = "factor",
    alpha: float = 0.05,
    direction: str = "weighted-mean",
    **options: Any,
) -> PetPeese:
    """What effect would very large studies show? The precision-effect test and estimate.

    Parameters
    ----------
    fit
        A result of `pool`, or `Effects`.
    dispersion
        How variation beyond chance enters: ``factor`` (default, as Stanley and Doucouliagos have it: weighted least squares)
        or ``variance`` (an additive tau2, by the estimator and the interval of the fit).
    alpha
        PEESE is chosen where PET's estimate differs from 0 in the expected direction at this one-sided level. Others test both
        sides at 0.10: the same choice, unless PET points the other way.
    direction
        The expected direction: ``positive`` or ``negative``, on the scale of analysis, where it was known beforehand; by default
        (``weighted-mean``) that of the mean with weights 1/v, the common-effect estimate, whatever the model of the fit.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    PetPeese
        PET (the intercept of a line on the standard error), PEESE (of one on the sampling variance), and the chosen one.

    Raises
    ------
    DataError
        Where there are fewer than 3 studies, or all have the same standard error.

    Notes
    -----
    Stanley and Doucouliagos take PEESE where PET's own test of its intercept rejects an effect of 0, else PET: PET is biased
    towards 0 where there is an effect, PEESE away from 0 where there is none. An extrapolation: it goes astray where studies
    are few, all small, or differ for other reasons than their size.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> found = ma.pet_peese(ma.effect_sizes(ma.load_dataset("bcg"), "RR"))
    >>> print(found.chosen, round(found.estimate, 4), round(found.ci_low, 4), round(found.ci_high, 4))
    PET -0.1909 -0.6753 0.2935

    References
    ----------
    Stanley TD, Doucouliagos H (2014). Meta-regression approximations to reduce publication selection bias. Research
    Synthesis Methods 5, 60-78.
    """
    kind = choose("dispersion", dispersion, ("factor", "variance"))
    way = choose("direction", direction, ("weighted-mean", "positive", "negative"))
    if not 0.0 < alpha < 1.0:
        raise OptionError(f"alpha={alpha!r} is not a level of significance: it lies between 0 and 1, as in 0.05.")
    effects, pool_options = asked(fit, options)
    at_least(effects.k, 3, "pet_peese")
    v = np.asarray(effects.v)
    must_vary(np.sqrt(v), "standard error")
    pet = line_on(effects, np.sqrt(v), "standard error", "PET", kind, pool_options)
    peese = line_on(effects, v, "sampling variance", "PEESE", kind, pool_options)
    mean = float((np.asarray(effects.y) / v).sum())
    sign = math.copysign(1.0, mean) if way == "weighted-mean" else 1.0 if way == "positive" else -1.0
    statistic = sign * pet.limit.statistic
    p = float(lower_tail(np.asarray(-statistic), np.asarray(pet.df)))
    return PetPeese(pet, peese, "PEESE" if p < alpha else "PET", alpha, p)


def line_on(
    effects: Effects, x: FloatArray, predictor: str, title: str, kind: str, options: PoolOptions
) -> SmallStudyTest:
    """One of the two lines."""
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    if kind == "factor":
        line = line_with_factor(y, x, 1.0 / v)
    else:
        inference = inference_function(options, "pet_peese")
        line, found = line_with_variance(y, v, x, tau2_function(options), inference)
        if found is not None and int(found.status) not in (Status.CONVERGED, Status.AT_ZERO):
            raise ConvergenceError(
                f"the residual tau2 of {title}: {Status(int(found.status)).sentence}. Try tau2='DL'."
            )
    answer = from_line(line, predictor, y.size, options.level)
    notes = (f"k = {y.size}: an extrapolation from fewer than 10 studies",) if y.size < 10 else ()
    fields = answer._asdict() | {"notes": notes}
    return SmallStudyTest(
        method=title.lower(), title=title, level=options.level, measure=effects.measure, effects=effects, **fields
    )
