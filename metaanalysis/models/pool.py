"""Pool one set of effect sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects import Effects, effects_from_arrays, under_convention
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import InferenceFunction
from metaanalysis.formulas.mean_intervals import IMPLIED_TAU2
from metaanalysis.formulas.prediction import PREDICTION, PredictionFunction
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, Tau2Function
from metaanalysis.models.beta_binomial import beta_binomial_numbers
from metaanalysis.models.glmm import glmm_numbers
from metaanalysis.models.numbers import PooledNumbers, ci_title, pooled_numbers
from metaanalysis.models.own_weights import OWN_WEIGHTS, Weights, own_weight_numbers, weights_of, with_generalised_q
from metaanalysis.models.tables import mantel_haenszel_numbers, peto_numbers
from metaanalysis.options import PoolOptions
from metaanalysis.results import Pooled


def pool(
    effects: Effects | Sequence[float] | FloatArray,
    v: Sequence[float] | FloatArray | None = None,
    *,
    model: str | None = None,
    method: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    prediction: str | PredictionFunction | None = None,
    convention: str | None = None,
    level: float | None = None,
    measure: str = "GEN",
    label: Sequence[str] | None = None,
    weights: Weights | None = None,
    tau2_weights: Weights | None = None,
    **others: Any,
) -> Pooled:
    """Pool the effect sizes of a set of studies.

    Parameters
    ----------
    effects
        `Effects`, or effect sizes as a plain array with their sampling variances in `v`.
    v
        Sampling variances, where `effects` is a plain array.
    model
        ``random`` (default) or ``common``. Mantel-Haenszel and Peto are ``common`` unless asked otherwise.
    method
        ``inverse-variance`` (default), ``mantel-haenszel`` (RR, OR, RD), ``peto``, ``glmm`` (OR, IRR, PLO, IRLN; see `glmm` of
        `PoolOptions`) or ``beta-binomial`` (OR, RR, RD, PLO, PLN, PR); all but the first need counts.
    tau2
        Estimator of the between-study variance: ``REML`` (default), ``DL``, ``PM``, ``ML``, ``EB``, ``HE``, ``HS``,
        ``HSk``, ``SJ``, ``DL2``, ``PMM``, ``GENQ`` (with `tau2_weights`), or a function of y, v and X.
    ci
        Confidence interval: ``wald`` (default), ``t``, ``hksj``, ``hksj-adhoc`` (its factor is 1 at least), ``hksj-wider`` (or Wald
        where that is wider), ``kenward-roger`` (with REML),
        ``profile-likelihood`` (with ML, or with ``glmm``, for which it gives an interval of tau2 too), ``henmi-copas`` (with
        DL), or a function.
    prediction
        Prediction interval: ``ci`` (default: the distribution of the confidence interval), ``normal``, ``hts`` (t with k - 2
        degrees of freedom), ``t`` (k - 1), ``hksj``, ``kenward-roger``, ``nagashima`` (simulated), ``none``, or a function.
    convention
        The program whose numbers to reproduce: ``metafor``, ``meta``, ``revman5``, ``revman`` or ``stata``; by default
        that of the effects. Effects computed under another are computed anew under this one.
    level
        Of the intervals; 0.95 by default.
    measure, label
        What plain arrays are and what their studies are called.
    weights
        Weights of your own instead of inverse variances: a column, or one value a study. The standard error allows for them.
    tau2_weights
        Fixed weights of the generalised Q statistic for ``tau2="GENQ"``.
    **others
        The other fields of `PoolOptions`: ``i2``, ``corrected_tables``, ``risk_difference_variance``.

    Returns
    -------
    Pooled
        All numbers are on the scale of analysis (log for ratios); `Pooled.back_transformed` gives the other.

    Raises
    ------
    DataError, OptionError, ConvergenceError
        Each says what is wrong and what to do.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool([0.1, 0.3, 0.5], [0.02, 0.03, 0.05])
    >>> print(f"{fit.estimate:.4f} ({fit.ci_low:.4f} to {fit.ci_high:.4f}), tau2 = {fit.tau2:.4f}")
    0.2525 (0.0349 to 0.4700), tau2 = 0.0072

    References
    ----------
    DerSimonian R, Laird N (1986). Meta-analysis in clinical trials. Controlled Clinical Trials 7, 177-188.
    """
    if not isinstance(effects, Effects):
        if v is None:
            raise DataError("pool needs the sampling variances too, as in pool(y, v), or Effects from effect_sizes.")
        effects = effects_from_arrays(effects, v, measure, label)
    elif v is not None:
        raise DataError("these effects carry their own sampling variances: leave v out.")
    name = effects.convention if convention is None else convention
    effects = under_convention(effects, name, "PETO" if method == "peto" else None)
    given = {
        "model": model,
        "method": method,
        "tau2": with_generalised_q(effects, tau2, tau2_weights),
        "ci": ci,
        "prediction": prediction,
        "level": level,
        **others,
    }
    options = override(convention_named(name).pool, given)
    options = settled(options, given)
    own = None if weights is None else weights_of(effects, weights, "weights")
    if own is not None and options.method != "inverse-variance":
        raise OptionError(f"weights of your own do not apply to method={options.method!r}.")
    return fitted(effects, options, name, weights=own)


def settled(options: PoolOptions, given: dict[str, Any]) -> PoolOptions:
    """The options with what the method and the interval imply; OptionError where they contradict what was given."""
    return settled_for_counts(settled_for_interval(settled_for_tables(options, given), given), given)


def settled_for_tables(options: PoolOptions, given: dict[str, Any]) -> PoolOptions:
    """What Mantel-Haenszel and Peto imply: a common effect unless asked otherwise, Wald, DerSimonian-Laird."""
    if options.method not in ("mantel-haenszel", "peto"):
        return options
    chosen = override(options, {"model": given["model"] or "common"})
    if chosen.method == "peto" and chosen.model == "random":
        raise OptionError(
            "Peto's method is a common-effect method. For a random-effects model of Peto odds ratios pool the measure PETO "
            "by inverse variance."
        )
    if given["ci"] is not None and chosen.ci != "wald" and chosen.model == "common":
        raise OptionError(f"ci={given['ci']!r} does not apply to method={chosen.method!r}: its intervals are Wald's.")
    if chosen.model == "random":
        if given["tau2"] is not None and chosen.tau2 != "DL":
            raise OptionError(
                f"tau2={given['tau2']!r} does not apply to Mantel-Haenszel with random effects, which is defined with "
                f"DerSimonian-Laird's tau2 (DL). Use method='inverse-variance' for other estimators."
            )
        chosen = override(chosen, {"tau2": "DL"})
    return chosen


def settled_for_interval(options: PoolOptions, given: dict[str, Any]) -> PoolOptions:
    """What an interval implies: profile likelihood goes with ML, Henmi-Copas with DL, Kenward-Roger with REML."""
    implied = IMPLIED_TAU2.get(options.ci) if isinstance(options.ci, str) else None
    if implied is None:
        return options
    if options.model == "common":
        raise OptionError(f"ci={options.ci!r} belongs to the random-effects model; with model='common' use 'wald'.")
    if given["tau2"] is not None and options.tau2 != implied:
        raise OptionError(
            f"ci={options.ci!r} is defined with tau2={implied!r}, not {given['tau2']!r}: leave tau2 out, or choose another ci."
        )
    # Henmi and Copas' estimate is the common-effect one: it is not the centre of the effects of new studies.
    prediction = "none" if options.ci == "henmi-copas" and given["prediction"] is None else None
    return override(options, {"tau2": implied, "prediction": prediction})


def fitted(
    effects: Effects,
    options: PoolOptions,
    convention: str,
    tau2: float | None = None,
    weights: FloatArray | None = None,
) -> Pooled:
    """The result for checked effects and settled options; tau2 as given where several groups share one."""
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    if options.method == "mantel-haenszel":
        numbers = mantel_haenszel_numbers(effects, options)
    elif options.method == "peto":
        numbers = peto_numbers(effects, options)
    elif options.method in ("glmm", "beta-binomial"):
        return fitted_counts(effects, options, convention)
    elif weights is not None:
        numbers = own_weight_numbers(y, v, options, weights)
    else:
        numbers = pooled_numbers(y, v, options, None if tau2 is None else np.asarray(tau2))
    status = Status(int(numbers.status))
    if status in (Status.NOT_CONVERGED, Status.NOT_FINITE, Status.NO_SOLUTION):
        raise ConvergenceError(
            f"tau2 by {TAU2.entry(options.tau2).title}: {status.sentence}, after {int(numbers.iterations)} iterations. "
            f'Try another estimator (tau2="PM" or "DL"), and look for a study whose variance is far from the others\'.'
        )
    random = options.model == "random"
    return Pooled(
        **scalars_of(numbers),
        k=effects.k,
        weights=np.array(numbers.weights),
        level=options.level,
        measure=effects.measure,
        model=options.model,
        method=options.method,
        options=options,
        effects=effects,
        convention=convention,
        tau2_method=TAU2.entry(options.tau2).title if random else "",
        ci_method=ci_title(options.ci),
        prediction_method=PREDICTION.entry(options.prediction).title if random else "",
        notes=notes_on(numbers, effects.k, options),
        method_title="" if weights is None else OWN_WEIGHTS,
    )


def scalars_of(numbers: PooledNumbers) -> dict[str, Any]:
    """The numbers of one meta-analysis as plain floats."""
    apart = ("weights", "status", "iterations")
    return {name: float(value) for name, value in numbers._asdict().items() if name not in apart}


def fitted_counts(effects: Effects, options: PoolOptions, convention: str) -> Pooled:
    """The result of a model of the counts themselves."""
    by_glmm = options.method == "glmm"
    found = glmm_numbers(effects, options, options.glmm) if by_glmm else beta_binomial_numbers(effects, options)
    kept = effects.subset(found.kept)
    random = options.model == "random"
    details = found._asdict()
    names = "tau2_se tau2_ci_low tau2_ci_high sigma2 rho rho_se log_likelihood wald wald_df wald_p_value".split()
    prediction = "" if np.isnan(found.numbers.prediction_low) else PREDICTION.entry(options.prediction).title
    return Pooled(
        **scalars_of(found.numbers),
        k=kept.k,
        weights=np.array(found.numbers.weights),
        level=options.level,
        measure=kept.measure,
        model=options.model,
        method=options.method,
        options=options,
        effects=kept,
        convention=convention,
        tau2_method="maximum likelihood" if random and by_glmm else "",
        ci_method=ci_title(options.ci),
        prediction_method=prediction,
        notes=found.notes,
        method_title=found.title,
        details={name: float(details[name]) for name in names},
    )


def settled_for_counts(options: PoolOptions, given: dict[str, Any]) -> PoolOptions:
    """Models of counts are fitted by maximum likelihood."""
    if options.method not in ("glmm", "beta-binomial"):
        if given.get("glmm") is not None:
            raise OptionError(f"glmm={given['glmm']!r} belongs to method='glmm', not to method={options.method!r}.")
        return options
    if given["tau2"] is not None and options.tau2 != "ML":
        raise OptionError(
            f"tau2={given['tau2']!r} does not apply to method={options.method!r}, which is fitted by maximum likelihood."
        )
    return override(options, {"tau2": "ML"})


def notes_on(numbers: PooledNumbers, k: int, options: PoolOptions) -> tuple[str, ...]:
    """What is not applicable, and why."""
    notes = []
    random = options.model == "random"
    if k == 1:
        notes.append("k = 1: the result is that of the one study; the variance between studies can't be estimated")
    if math.isnan(float(numbers.ci_low)):
        df = float(numbers.df)
        wanting = f"with {df:g} degrees of freedom" if math.isfinite(df) else "of this kind"
        notes.append(f"k = {k}: there is no confidence interval {wanting}")
    if random and k > 1 and options.prediction != "none" and math.isnan(float(numbers.prediction_low)):
        notes.append(f"k = {k}: too few studies for this prediction interval")
    if options.ci == "kenward-roger" and float(numbers.df) < 1.0:
        notes.append(
            f"Kenward-Roger's degrees of freedom are {float(numbers.df):.2g}: its interval means nothing below 1, which happens "
            f"with few studies of unequal precision that hardly differ; use ci='hksj'"
        )
    if k > 1 and float(numbers.se) == 0.0:
        notes.append("all effects are equal, so that the Hartung-Knapp variance is 0: use ci='wald' or 'hksj-adhoc'")
    return tuple(notes)
