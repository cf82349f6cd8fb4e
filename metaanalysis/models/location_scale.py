"""Regress effect sizes, and the variance between studies itself, on moderators."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects import Effects, under_convention
from metaanalysis.effects.design import Design, build_design
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import chi2_upper_tail, cochran_q
from metaanalysis.formulas.inference import Inference, InferenceFunction, ci_function, root_of_covariance
from metaanalysis.formulas.location_scale import LINKS, log_likelihood_of_variances
from metaanalysis.formulas.location_scale_climb import Ending
from metaanalysis.formulas.location_scale_fit import FAILED, LocationScaleFit, fit_location_scale
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.regression import WaldTest, information_criteria, wald_test
from metaanalysis.formulas.tau2 import TAU2, Tau2Function
from metaanalysis.formulas.tau2_iterative import maximise_likelihood
from metaanalysis.formulas.weighted import weighted_least_squares
from metaanalysis.models.numbers import ci_title
from metaanalysis.options import PoolOptions
from metaanalysis.results.location_scale import LocationScale

LIKELIHOODS = ("REML", "ML")
# A second maximum that is lower by no more than this, a likelihood ratio of 20, is worth a note.
NOTEWORTHY = 3.0


def location_scale(
    effects: Effects,
    formula: str,
    scale: str,
    *,
    link: str = "log",
    model: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    level: float | None = None,
    convention: str | None = None,
    **others: Any,
) -> LocationScale:
    """Regress the effect sizes (location) and the between-study variance (scale) on moderators.

    Parameters
    ----------
    effects
        `Effects` from `effect_sizes`; the moderators are columns of its table.
    formula, scale
        Moderators of the mean effect and of the between-study variance, in Wilkinson's notation: ``"~ ablat"``. A study with a
        missing moderator in either is left out with a warning.
    link
        ``log`` (default): tau2 = exp(z'a), always positive. ``identity``: tau2 = z'a, bounded so that no study has a negative one.
    model
        ``random``, the only one: without variance between studies there is no scale.
    tau2
        ``REML`` (default) or ``ML``.
    ci, level, convention
        As for `meta_regression`. The scale coefficients have Wald tests: normal with ``ci="wald"``, else t with k - q degrees
        of freedom.
    **others
        The other fields of `PoolOptions`.

    Returns
    -------
    LocationScale
        Location on the scale of analysis (log for ratios); scale coefficients on that of log tau2 or, with the identity link,
        tau2.

    Raises
    ------
    DataError
        Where moderators are missing, not finite, redundant, or more coefficients than studies.
    OptionError
        Where an option does not apply.
    ConvergenceError
        Where the likelihood does not determine the scale coefficients.

    Notes
    -----
    The likelihood may have several maxima: it is scanned, and the highest is taken. Where it keeps rising as tau2 of some or all
    studies falls to 0, `tau2` holds these zeros, the coefficients concerned are infinite or NaN without standard errors, and
    `notes` says so.

    References
    ----------
    Viechtbauer W, López-López JA (2022). Location-scale models for meta-analysis. Research Synthesis Methods 13, 697-715.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis.models.location_scale import location_scale
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> fit = location_scale(effects, "~ ablat", "~ ablat", tau2="ML")
    >>> fit.scale_coefficients[["estimate", "se"]].round(4)
               estimate      se
    term
    intercept   -4.9575  3.2676
    ablat        0.0386  0.0730
    """
    name = effects.convention if convention is None else convention
    options = settled(override(convention_named(name).pool, {"model": model, "ci": ci, "level": level, **others}), tau2)
    link = LINKS.key(link)
    effects = under_convention(effects, name)
    design, scale_design, effects, left_out = both_designs(effects, formula, scale)
    y, v, X, Z = np.asarray(effects.y), np.asarray(effects.v), design.X, scale_design.X
    k, p, q = y.size, X.shape[1], Z.shape[1]
    if k <= p or k < p + q:
        raise DataError(
            f"{k} studies can't support {p} location coefficients ({', '.join(design.names)}) and {q} scale coefficients "
            f"({', '.join(scale_design.names)}): leave moderators out."
        )
    restricted = options.tau2 == "REML"
    found = fit_location_scale(y, v, X, Z, link, restricted)
    if found.ending in FAILED:
        raise ConvergenceError(
            f"location-scale model by {TAU2.entry(options.tau2).title}: {found.ending.sentence}. Leave scale moderators out, "
            f"join the levels that too few studies have, or try {'ML' if restricted else 'REML'}."
        )
    w = 1.0 / (v + found.tau2)
    fit = weighted_least_squares(y, w, X)
    inference = ci_function(options.ci, options.level)(fit, w, X)
    scale_df = float("inf") if np.isinf(inference.df) else float(k - q)
    scale_inference = Inference(found.covariance, np.asarray(scale_df))
    location = omnibus(fit.coefficients, inference, design.intercept)
    spread = omnibus(found.coefficients, scale_inference, scale_design.intercept)
    ratio = against_one_tau2(y, v, X, Z, found, restricted)
    residual, residual_df = cochran_q(y, v, X)
    return LocationScale(
        estimates=fit.coefficients,
        covariance=inference.covariance,
        covariance_root=root_of_covariance(inference, fit, w, X),
        df=float(inference.df),
        names=design.names,
        scale_estimates=found.coefficients,
        scale_covariance=found.covariance,
        scale_df=scale_df,
        scale_names=scale_design.names,
        tau2=found.tau2,
        predictor=found.predictor,
        link=link,
        k=k,
        q_moderators=float(location.statistic),
        q_moderators_df=(float(location.df1), float(location.df2)),
        q_moderators_p_value=float(location.p_value),
        q_scale=float(spread.statistic),
        q_scale_df=(float(spread.df1), float(spread.df2)),
        q_scale_p_value=float(spread.p_value),
        likelihood_ratio_scale=float(ratio.statistic),
        likelihood_ratio_scale_df=float(ratio.df1),
        likelihood_ratio_scale_p_value=float(ratio.p_value),
        q_residual=float(residual),
        q_residual_df=float(residual_df),
        q_residual_p_value=float(chi2_upper_tail(residual, residual_df)),
        level=options.level,
        formula=formula,
        scale=scale,
        measure=effects.measure,
        options=options,
        effects=effects,
        design=design,
        scale_design=scale_design,
        fit_ml=information_criteria(log_likelihood_of_variances(y, v, X, found.tau2, False), p + q, np.asarray(k)),
        fit_reml=information_criteria(log_likelihood_of_variances(y, v, X, found.tau2, True), p + q, np.asarray(k - p)),
        status=found.ending.sentence,
        tau2_method=TAU2.entry(options.tau2).title,
        ci_method=ci_title(options.ci),
        convention=name,
        excluded=left_out,
        notes=notes_on(found, effects),
    )


def settled(options: PoolOptions, tau2: str | Tau2Function | None) -> PoolOptions:
    """The options that a location-scale model has; OptionError for those that do not apply."""
    if options.model == "common":
        raise OptionError("model='common' has no variance between studies to put moderators on: leave scale out.")
    if options.method != "inverse-variance":
        raise OptionError(f"method={options.method!r} does not apply to a location-scale model.")
    if options.ci == "kenward-roger" or options.ci in MEAN_INTERVALS:
        raise OptionError(f"ci={options.ci!r} is defined for the mean alone: use 'wald', 't' or 'hksj' here.")
    if tau2 is None:
        return override(options, {"tau2": "REML"})
    options = override(options, {"tau2": tau2})
    if options.tau2 not in LIKELIHOODS:
        raise OptionError(f"tau2={tau2!r} does not apply to a location-scale model: it is fitted by 'REML' or 'ML'.")
    return options


def both_designs(
    effects: Effects, formula: str, scale: str
) -> tuple[Design, Design, Effects, tuple[tuple[str, str], ...]]:
    """The designs of the mean and of the variance over the studies that have the moderators of both."""
    design, effects, left_out = build_design(effects, formula)
    scale_design, effects, also_left_out = build_design(effects, scale)
    if also_left_out:
        design, effects, _ = build_design(effects, formula)
    return design, scale_design, effects, (*left_out, *also_left_out)


def omnibus(coefficients: FloatArray, inference: Inference, intercept: int | None) -> WaldTest:
    """The test of all coefficients but the intercept; NaN where there are none, or where they have no covariance."""
    tested = [i for i in range(coefficients.size) if i != intercept]
    covariance = inference.covariance[np.ix_(tested, tested)]
    if not tested or not np.isfinite(covariance).all():
        nothing = np.asarray(np.nan)
        return WaldTest(nothing, np.asarray(float(len(tested))), inference.df, nothing)
    return wald_test(coefficients[tested], covariance, inference.df)


def against_one_tau2(
    y: FloatArray, v: FloatArray, X: FloatArray, Z: FloatArray, found: LocationScaleFit, restricted: bool
) -> WaldTest:
    """The likelihood-ratio test of the scale moderators: against the model with one tau2 for all studies."""
    q = Z.shape[1]
    one = np.ones(y.size)
    nothing = np.asarray(np.nan)
    size = np.sqrt((Z * Z).sum(axis=0))
    basis = np.linalg.qr(Z / size)[0]
    if q == 1 or np.abs(one - basis @ (basis.T @ one)).max() > 1e-9:
        return WaldTest(nothing, np.asarray(q - 1.0), np.asarray(np.inf), nothing)
    common = maximise_likelihood(y, v, X, restricted).x
    height = float(log_likelihood_of_variances(y, v, X, np.full(y.size, common), restricted))
    statistic = np.asarray(max(2.0 * (found.log_likelihood - height), 0.0))
    return WaldTest(statistic, np.asarray(q - 1.0), np.asarray(np.inf), np.asarray(special.chdtrc(q - 1.0, statistic)))


def notes_on(found: LocationScaleFit, effects: Effects) -> tuple[str, ...]:
    """What is special about the maximum, in words."""
    notes = []
    at_zero = np.flatnonzero(found.tau2 == 0)
    if found.ending is Ending.ALL_AT_ZERO:
        notes.append(
            f"{found.ending.sentence}: there is no variance between studies for the scale moderators to explain, and the scale "
            f"coefficients have no standard errors"
        )
    elif found.ending is Ending.SOME_AT_ZERO:
        shown = ", ".join(effects.label[i] for i in at_zero[:5])
        more = f" and {at_zero.size - 5} more" if at_zero.size > 5 else ""
        notes.append(
            f"{found.ending.sentence} ({at_zero.size} of {effects.k}: {shown}{more}): the scale coefficients concerned have no "
            f"standard errors"
        )
    lower = found.maxima[0] - found.maxima[1:]
    if (lower < NOTEWORTHY).any():
        notes.append(
            f"the likelihood has {1 + np.count_nonzero(lower < NOTEWORTHY)} maxima; the highest is given, and the next has a "
            f"log-likelihood {lower[0]:.2g} lower"
        )
    return tuple(notes)
