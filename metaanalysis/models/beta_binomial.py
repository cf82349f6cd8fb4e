"""Counts pooled as counts by the beta-binomial model."""

from __future__ import annotations

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.formulas.beta_binomial import BetaBinomialNumbers, beta_binomial, group_of
from metaanalysis.formulas.glmm_fit import FitStatus
from metaanalysis.formulas.inference import Inference
from metaanalysis.formulas.solve import Status
from metaanalysis.models.glmm import CountNumbers, check_options, check_whole, inputs_of, refuse
from metaanalysis.models.numbers import Heterogeneity, PooledNumbers, assembled
from metaanalysis.options import PoolOptions

BETA_BINOMIAL_INPUTS = {
    **dict.fromkeys(("OR", "RR", "RD"), ("events1", "n1", "events2", "n2")),
    **dict.fromkeys(("PLO", "PLN", "PR"), ("events", "n")),
}


def beta_binomial_numbers(effects: Effects, options: PoolOptions) -> CountNumbers:
    """Pool counts by the beta-binomial model: one intraclass correlation for all arms, by maximum likelihood.

    Studies without events count. Arms are taken as they come: which of them belong to one study is not used.

    Parameters
    ----------
    effects
        Of the measure OR, RR or RD (two groups), or PLO, PLN or PR (one), made from counts.
    options
        ``model`` (``common`` is the binomial model, without overdispersion), ``ci`` (``wald``, or ``t`` with k - 1
        degrees of freedom), ``level``.

    Returns
    -------
    CountNumbers
        ``numbers.q`` is the likelihood-ratio statistic of the model without overdispersion, with its p-value at the
        boundary (half that of chi2 with 1 degree of freedom). tau2, I2 and prediction intervals are NaN: the model has
        none; ``rho`` tells the overdispersion.

    Raises
    ------
    DataError, OptionError, ConvergenceError
        Each says what is wrong and what to do.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis.models.beta_binomial import beta_binomial_numbers
    >>> from metaanalysis.options import PoolOptions
    >>> effects = ma.effect_sizes(ma.load_dataset("nielweise2007"), "OR")
    >>> found = beta_binomial_numbers(effects, PoolOptions())
    >>> print(f"{found.numbers.estimate:.4f} ({found.numbers.se:.4f}), rho = {found.rho:.4f}")
    -1.0121 (0.3433), rho = 0.0214

    References
    ----------
    Kuss O (2015). Statistical methods for meta-analyses including information from studies without any events.
    Statistics in Medicine 34, 1097-1116.
    """
    columns = inputs_of(effects, BETA_BINOMIAL_INPUTS, "beta-binomial")
    check_options(options, "beta-binomial")
    check_whole(effects, BETA_BINOMIAL_INPUTS[effects.measure], "the beta-binomial model")
    groups = tuple(group_of(*columns[i : i + 2]) for i in range(0, len(columns), 2))
    overdispersed = options.model == "random" and effects.k > 1
    found = beta_binomial(groups, effects.measure, overdispersed)
    if not found.status.usable:
        refuse(found.status, "beta-binomial model", effects.measure)
    notes = ["the beta-binomial model has no study weights, no tau2 and no prediction interval"]
    if found.status == FitStatus.AT_ZERO:
        notes.append("the intraclass correlation is estimated as 0: the model is binomial")
    if found.maxima > 1:
        notes.append(f"the likelihood has {found.maxima} maxima; this is the highest")
    return CountNumbers(
        numbers=around_beta_binomial(found, effects, options),
        kept=np.ones(effects.k, dtype=np.bool_),
        title="beta-binomial model" if overdispersed else "binomial model",
        tau2_se=np.nan,
        sigma2=np.nan,
        rho=found.rho,
        rho_se=found.rho_se,
        log_likelihood=found.log_likelihood,
        parameters=len(groups) + int(overdispersed),
        observations=effects.k * len(groups),
        wald=np.nan,
        wald_df=np.nan,
        wald_p_value=np.nan,
        notes=tuple(notes),
    )


def around_beta_binomial(found: BetaBinomialNumbers, effects: Effects, options: PoolOptions) -> PooledNumbers:
    """Tests and intervals round the estimate of the beta-binomial model."""
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    none = np.asarray(np.nan)
    statistic = np.asarray(max(0.0, 2.0 * (found.log_likelihood - found.log_likelihood_common)))
    status = np.asarray(int(Status.CONVERGED))
    heterogeneity = Heterogeneity(none, statistic, np.asarray(1.0), none, status, np.asarray(0))
    df = np.asarray(np.inf if options.ci == "wald" else effects.k - 1.0)
    inference = Inference(np.full((1, 1), found.se**2), df)
    numbers = assembled(np.asarray(found.estimate), inference, np.full(effects.k, np.nan), y, v, heterogeneity, options)
    # rho = 0 lies at the boundary: half the time the statistic is 0 (Self & Liang 1987).
    p = np.where(statistic > 0.0, 0.5 * numbers.q_p_value, 1.0)
    if options.model == "common":
        return numbers._replace(i2=none, h2=none, q=none, q_df=none, q_p_value=none)
    return numbers._replace(i2=none, h2=none, q_p_value=p, prediction_low=none, prediction_high=none)
