"""Regress effect sizes on moderators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects import Effects, under_convention
from metaanalysis.effects.design import build_design
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.heterogeneity import (
    chi2_upper_tail,
    cochran_q,
    h2_from_q,
    h2_from_tau2,
    i2_from_q,
    i2_from_tau2,
    typical_variance,
)
from metaanalysis.formulas.inference import InferenceFunction, ci_function, root_of_covariance
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.regression import information_criteria, r2, wald_test
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, Tau2Function, estimate_tau2
from metaanalysis.formulas.weighted import inverse_variance_weights, own_weights_fit, weighted_least_squares
from metaanalysis.models.location_scale import location_scale
from metaanalysis.models.numbers import ci_title
from metaanalysis.models.own_weights import INTERVALS, OWN_WEIGHTS, Weights, weights_of, with_generalised_q
from metaanalysis.options import PoolOptions
from metaanalysis.results import Regression

if TYPE_CHECKING:
    from metaanalysis.results.location_scale import LocationScale


@overload
def meta_regression(
    effects: Effects,
    formula: str,
    *,
    model: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    level: float | None = None,
    convention: str | None = None,
    weights: Weights | None = None,
    tau2_weights: Weights | None = None,
    scale: None = None,
    **others: Any,
) -> Regression: ...


@overload
def meta_regression(
    effects: Effects,
    formula: str,
    *,
    model: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    level: float | None = None,
    convention: str | None = None,
    weights: Weights | None = None,
    tau2_weights: Weights | None = None,
    scale: str,
    **others: Any,
) -> LocationScale: ...


def meta_regression(
    effects: Effects,
    formula: str,
    *,
    model: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    level: float | None = None,
    convention: str | None = None,
    weights: Weights | None = None,
    tau2_weights: Weights | None = None,
    scale: str | None = None,
    **others: Any,
) -> Regression | LocationScale:
    """Regress the effect sizes on moderators: do characteristics of the studies account for their differences?

    Parameters
    ----------
    effects
        `Effects` from `effect_sizes`; the moderators are columns of its table.
    formula
        In Wilkinson's notation, such as ``"~ ablat + C(alloc)"``; ``"~ 0 + C(alloc)"`` for one mean a level. Factors, interactions
        and splines are those of the library formulaic. A study with a missing moderator is left out with a warning.
    model
        ``random`` (default: mixed-effects) or ``common`` (no residual heterogeneity).
    tau2, ci, level, convention
        As for `pool`.
    weights, tau2_weights
        As for `pool`: a column of the table, or one value for each study that has all moderators.
    scale
        A second formula, for moderators of the between-study variance: a location-scale model (see `location_scale`).
    **others
        The other fields of `PoolOptions`; with `scale` also ``link``.

    Returns
    -------
    Regression
        On the scale of analysis (log for ratios); a `LocationScale` where `scale` is given.

    Raises
    ------
    DataError
        Where the moderators are missing, not finite, redundant, or as many as the studies.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> reg = ma.meta_regression(effects, "~ ablat", tau2="DL")
    >>> reg.coefficients[["estimate", "se"]].round(4)
               estimate      se
    term
    intercept    0.2595  0.2323
    ablat       -0.0292  0.0067

    References
    ----------
    Thompson SG, Higgins JPT (2002). How should meta-regression analyses be undertaken and interpreted? Statistics in Medicine
    21, 1559-1573.
    """
    if not isinstance(effects, Effects):
        raise DataError("meta_regression needs Effects from effect_sizes: the moderators are columns of their table.")
    if scale is not None:
        if weights is not None or tau2_weights is not None:
            raise OptionError("weights of your own do not apply to a location-scale model: leave them out.")
        return location_scale(
            effects, formula, scale, model=model, tau2=tau2, ci=ci, level=level, convention=convention, **others
        )
    name = effects.convention if convention is None else convention
    design, effects, left_out = build_design(under_convention(effects, name), formula)
    tau2 = with_generalised_q(effects, tau2, tau2_weights)
    own = None if weights is None else weights_of(effects, weights, "weights")
    given = {"model": model, "tau2": tau2, "ci": ci, "level": level, **others}
    options = override(convention_named(name).pool, given)
    if options.method != "inverse-variance":
        raise OptionError(
            f"method={options.method!r} does not apply to a meta-regression: it weights by inverse variance."
        )
    if options.ci == "kenward-roger" or options.ci in MEAN_INTERVALS:
        raise OptionError(
            f"ci={options.ci!r} is defined for the mean alone: use 'wald', 't' or 'hksj' in a meta-regression."
        )
    if own is not None and options.ci not in INTERVALS:
        raise OptionError(
            f"ci={options.ci!r} rests on inverse-variance weights; with weights of your own use wald or t."
        )
    y, v, X = np.asarray(effects.y), np.asarray(effects.v), design.X
    k, p = X.shape
    if k <= p:
        raise DataError(
            f"{k} studies can't support {p} coefficients ({', '.join(design.names)}): leave moderators out."
        )
    has_intercept = design.intercept is not None or spans_intercept(X)
    value, without = residual_tau2(y, v, X, options)
    w = inverse_variance_weights(v, np.asarray(value))
    fit = weighted_least_squares(y, w, X)
    inference = ci_function(options.ci, options.level)(fit, w, X)
    root = root_of_covariance(inference, fit, w, X)
    if own is not None:
        coefficients, covariance, root = own_weights_fit(y, v + value, own, X)
        fit = fit._replace(coefficients=coefficients)
        inference = inference._replace(covariance=covariance)
    df = float(inference.df)
    tested = [i for i in range(p) if i != design.intercept]
    omnibus = (
        wald_test(fit.coefficients[tested], inference.covariance[np.ix_(tested, tested)], inference.df)
        if tested
        else None
    )
    q, q_df = cochran_q(y, v, X)
    random = options.model == "random"
    s2 = typical_variance(v, X)
    # Under the common-effect model the mean squares take the place of the between-study variances.
    accounted = r2(np.asarray(value), np.asarray(without)) if random else r2(q / q_df, h2_from_q(*cochran_q(y, v)))
    if not has_intercept or not tested:
        accounted = np.asarray(np.nan)
    from_tau2 = random and options.i2 == "tau2"
    tau2_value = np.asarray(value)
    parameters = p + (1 if random else 0)
    return Regression(
        estimates=fit.coefficients,
        covariance=inference.covariance,
        covariance_root=root,
        df=df,
        names=design.names,
        k=k,
        tau2=value,
        i2=float(i2_from_tau2(tau2_value, s2) if from_tau2 else i2_from_q(q, q_df)),
        h2=float(h2_from_tau2(tau2_value, s2) if from_tau2 else h2_from_q(q, q_df)),
        r2=float(accounted),
        q_moderators=float(omnibus.statistic) if omnibus else float("nan"),
        q_moderators_df=(float(omnibus.df1), float(omnibus.df2)) if omnibus else (0.0, df),
        q_moderators_p_value=float(omnibus.p_value) if omnibus else float("nan"),
        q_residual=float(q),
        q_residual_df=float(q_df),
        q_residual_p_value=float(chi2_upper_tail(q, q_df)),
        level=options.level,
        formula=formula,
        measure=effects.measure,
        model=options.model,
        options=options,
        effects=effects,
        design=design,
        fit_ml=information_criteria(log_likelihood(y, v, tau2_value, X, False), parameters, np.asarray(k)),
        fit_reml=information_criteria(log_likelihood(y, v, tau2_value, X, True), parameters, np.asarray(k - p)),
        tau2_method=TAU2.entry(options.tau2).title if random else "",
        ci_method=ci_title(options.ci),
        convention=name,
        weighting="" if own is None else OWN_WEIGHTS,
        excluded=left_out,
        notes=("there are no moderators to test",) if not tested else (),
    )


def residual_tau2(y: Any, v: Any, X: Any, options: PoolOptions) -> tuple[float, float]:
    """tau2 with the moderators, and without them."""
    if options.model == "common":
        return 0.0, 0.0
    entry = TAU2.entry(options.tau2)
    values = []
    for design in (X, None):
        found = estimate_tau2(entry.function, y, v, design)
        status = Status(int(found.status))
        if status not in (Status.CONVERGED, Status.AT_ZERO):
            raise ConvergenceError(
                f"tau2 by {entry.title}: {status.sentence}. Try another estimator, such as tau2='PM' or 'DL'."
            )
        values.append(float(found.x))
    return values[0], values[1]


def spans_intercept(X: Any) -> bool:
    """Whether the columns add up to a constant in some combination, as one mean a level does."""
    ones = np.ones(X.shape[0])
    basis = np.linalg.qr(X)[0]
    return bool(np.abs(ones - basis @ (basis.T @ ones)).max() < 1e-9)
