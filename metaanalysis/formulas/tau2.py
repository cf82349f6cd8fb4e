"""The estimators of the between-study variance by name, and the one place where an estimate is cut off at 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.moments import few_moments_of_mean, q_moments_of_mean, score_moments_of_mean
from metaanalysis.formulas.problems import MomentsOfMean, Problems
from metaanalysis.formulas.solve import Solution, Status
from metaanalysis.formulas.tau2_iterative import (
    empirical_bayes,
    maximum_likelihood,
    median_unbiased_paule_mandel,
    paule_mandel,
    restricted_maximum_likelihood,
    status_of,
    unsolvable,
)
from metaanalysis.formulas.tau2_moments import (
    dersimonian_laird,
    hedges,
    hunter_schmidt,
    hunter_schmidt_corrected,
    sidik_jonkman,
    two_step_dersimonian_laird,
)
from metaanalysis.formulas.weighted import residual_df
from metaanalysis.registry import Entry, Registry

# (y, v, X) -> tau2 (...), or a Solution where it was iterated.
Tau2Function: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray | None], FloatArray | Solution]

TAU2: Registry[Tau2Function] = Registry(
    "tau2",
    {
        "REML": Entry(restricted_maximum_likelihood, "restricted maximum likelihood", "viechtbauer2005"),
        "DL": Entry(dersimonian_laird, "DerSimonian-Laird", "dersimonian1986"),
        "PM": Entry(paule_mandel, "Paule-Mandel", "paule1982"),
        "ML": Entry(maximum_likelihood, "maximum likelihood", "hardy1996"),
        "EB": Entry(empirical_bayes, "empirical Bayes", "morris1983"),
        "HE": Entry(hedges, "Hedges", "hedges1985"),
        "HS": Entry(hunter_schmidt, "Hunter-Schmidt", "hunter1990"),
        "HSk": Entry(hunter_schmidt_corrected, "Hunter-Schmidt, corrected for small k", "brannick2019"),
        "SJ": Entry(sidik_jonkman, "Sidik-Jonkman", "sidik2005"),
        "DL2": Entry(two_step_dersimonian_laird, "two-step DerSimonian-Laird", "dersimonian2007"),
        "PMM": Entry(median_unbiased_paule_mandel, "median-unbiased Paule-Mandel", "viechtbauer2021"),
    },
)


# Those that set out from the common-effect fit, and take it as a fourth argument where it is known.
FROM_COMMON_EFFECT = (
    restricted_maximum_likelihood,
    dersimonian_laird,
    paule_mandel,
    maximum_likelihood,
    empirical_bayes,
    median_unbiased_paule_mandel,
)


def moments_for(estimator: str | Tau2Function | None) -> MomentsOfMean:
    """What `problems` is to compute for the mean: no more than Q, I2 and this estimator set out from."""
    if estimator in ("REML", "ML"):
        return score_moments_of_mean
    return few_moments_of_mean if estimator in ("PM", "EB", "PMM") else q_moments_of_mean


def one_value_a_problem(answer: object, lead: tuple[int, ...], option: str) -> FloatArray:
    """What a function answered, as one number a problem (lead); OptionError for anything else, which would mix problems up."""
    found = np.asarray(answer, dtype=np.float64)
    if found.shape != lead:
        raise OptionError(
            f"the function that was given for {option} answered an array of shape {found.shape}, where one value a "
            f"meta-analysis was expected, of shape {lead}: y and v have the studies along their last axis and may have others "
            f"in front, so that it has to work along the last axis alone, as y.var(axis=-1, ddof=1) does."
        )
    return found


def estimate_tau2(
    function: Tau2Function,
    y: FloatArray,
    v: FloatArray,
    X: FloatArray | None = None,
    given: Problems | None = None,
) -> Solution:
    """The between-study variance, 0 where its estimate is negative, with a status a problem.

    y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them, where it is known. NaN where there are no
    more studies than coefficients.
    """
    lead = v.shape[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = None if given is None else next((own for own in FROM_COMMON_EFFECT if own is function), None)
        answer = function(y, v, X) if ours is None else ours(y, v, X, given)
    if isinstance(answer, Solution):
        return answer
    raw = one_value_a_problem(answer, lead, "tau2")
    known = status_of(given).reshape(lead) if given is not None and ours is not None else None
    status = unsolvable(y, v, residual_df(v != np.inf, X)) if known is None else known
    value, lost = np.maximum(raw, 0.0), ~np.isfinite(raw)
    zero = value == 0
    # (CONVERGED is 0.)
    if status.any() or lost.any():
        status = np.where((status == int(Status.CONVERGED)) & lost, int(Status.NOT_CONVERGED), status)
        value = np.where(status == int(Status.CONVERGED), value, np.nan)
        status = np.where((status == int(Status.CONVERGED)) & zero, int(Status.AT_ZERO), status)
    else:
        status = int(Status.AT_ZERO) * zero
    return Solution(value, np.asarray(status, dtype=np.intp), np.zeros(lead, dtype=np.intp))
