"""Counts pooled as counts by generalised linear mixed models; see also `beta_binomial`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.glmm import GlmmNumbers, fixed_study, one_parameter, random_study
from metaanalysis.formulas.glmm_families import Binomial, Poisson
from metaanalysis.formulas.glmm_fit import FitStatus
from metaanalysis.formulas.glmm_profile import ProfileLimits, profile_limits
from metaanalysis.formulas.heterogeneity import chi2_upper_tail, typical_variance
from metaanalysis.formulas.hypergeometric import hypergeometric
from metaanalysis.formulas.inference import Inference
from metaanalysis.formulas.solve import Status
from metaanalysis.models.numbers import Heterogeneity, PooledNumbers, assembled
from metaanalysis.options import PoolOptions
from metaanalysis.registry import Entry, Registry

GLMM_INPUTS = {
    "OR": ("events1", "n1", "events2", "n2"),
    "IRR": ("events1", "time1", "events2", "time2"),
    "PLO": ("events", "n"),
    "IRLN": ("events", "time"),
}
# The others need effect sizes with variances of their own.
CI_CHOICES = ("wald", "t")
PROFILE = "profile-likelihood"
PREDICTION_CHOICES = ("ci", "normal", "hts", "t", "none")


class Counts(NamedTuple):
    """Two groups: events and sizes, (k,) each; sizes are people, or person-time where `rates`."""

    events1: FloatArray
    size1: FloatArray
    events2: FloatArray
    size2: FloatArray
    rates: bool


# Counts, whether effects vary -> numbers
GlmmFunction: TypeAlias = Callable[[Counts, bool], GlmmNumbers]


class CountNumbers(NamedTuple):
    """The pooled numbers, and what else a model of counts answers; NaN where the model has no such thing."""

    numbers: PooledNumbers
    kept: BoolArray  # (effects.k,): the studies in the model
    title: str
    tau2_se: float
    sigma2: float  # variance of random study levels
    rho: float  # intraclass correlation of the beta-binomial model
    rho_se: float
    log_likelihood: float
    parameters: int
    observations: int  # what BIC counts: arms, or studies in a conditional model or with one group
    wald: float
    wald_df: float
    wald_p_value: float
    notes: tuple[str, ...]
    tau2_ci_low: float = np.nan  # by profile likelihood, where it was asked for
    tau2_ci_high: float = np.nan


def unconditional_fixed_study(counts: Counts, random: bool) -> GlmmNumbers:
    """The studies' levels as fixed effects."""
    return fixed_study(two_arms(counts), random)


def unconditional_random_study(counts: Counts, random: bool) -> GlmmNumbers:
    """The studies' levels normally distributed."""
    return random_study(two_arms(counts), random)


def conditional_exact(counts: Counts, random: bool) -> GlmmNumbers:
    """Group 1's events given those of both groups: noncentral hypergeometric for risks, binomial for rates."""
    if counts.rates:
        return conditional_approximate(counts, random)
    return one_parameter(hypergeometric(counts.events1, counts.size1, counts.events2, counts.size2), random)


def conditional_approximate(counts: Counts, random: bool) -> GlmmNumbers:
    """Group 1's events given those of both groups, as a binomial share: for rare events; for rates it is exact."""
    offset = np.log(counts.size1) - np.log(counts.size2)
    return one_parameter(Binomial(counts.events1, counts.events1 + counts.events2, offset), random)


GLMM: Registry[GlmmFunction] = Registry(
    "glmm",
    {
        "fixed-study": Entry(unconditional_fixed_study, "unconditional model with fixed study effects", "jackson2018"),
        "random-study": Entry(
            unconditional_random_study, "unconditional model with random study effects", "jackson2018"
        ),
        "conditional-exact": Entry(conditional_exact, "conditional model with exact likelihood", "stijnen2010"),
        "conditional-approximate": Entry(
            conditional_approximate, "conditional model with approximate likelihood", "stijnen2010"
        ),
    },
)


def glmm_numbers(
    effects: Effects, options: PoolOptions, glmm: str | GlmmFunction = "fixed-study", double_zero: str = "drop"
) -> CountNumbers:
    """Pool counts by a generalised linear mixed model, by maximum likelihood.

    Parameters
    ----------
    effects
        Of the measure OR, IRR, PLO or IRLN, made from counts. The counts alone enter the model; effect sizes and their
        variances serve I2 and H2, whose typical sampling variance is theirs.
    options
        ``model`` (random or common), ``ci`` (``wald``, ``t`` with k - 1 degrees of freedom, or ``profile-likelihood``, which
        gives an interval of tau2 too), ``prediction``, ``level``.
    glmm
        A key of `GLMM`, for OR and IRR; one proportion or rate a study has one model only.
    double_zero
        ``drop``, or ``keep`` studies with no events (or only events) in both groups: only the model with random study
        effects learns from them, about the level and so, a little, about the effect.

    Returns
    -------
    CountNumbers
        Estimates are a log odds ratio or log rate ratio (group 1 against group 2), a log odds or a log rate.
        ``numbers.q`` is the likelihood-ratio test of one effect for all studies against one effect a study.
        ``numbers.weights`` are NaN: the model has none.

    Raises
    ------
    DataError, OptionError, ConvergenceError
        Each says what is wrong and what to do.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis.models.glmm import glmm_numbers
    >>> from metaanalysis.options import PoolOptions
    >>> effects = ma.effect_sizes(ma.load_dataset("nielweise2007"), "OR")
    >>> found = glmm_numbers(effects, PoolOptions(), "conditional-exact")
    >>> print(f"{found.numbers.estimate:.4f} ({found.numbers.se:.4f}), tau2 = {found.numbers.tau2:.4f}")
    -1.3532 (0.3510), tau2 = 0.6935

    References
    ----------
    Stijnen T, Hamza TH, Ozdemir P (2010). Random effects meta-analysis of event outcome in the framework of the
    generalized linear mixed model with applications in sparse data. Statistics in Medicine 29, 3046-3067.
    """
    entry = GLMM.entry(glmm)
    columns = inputs_of(effects, GLMM_INPUTS, "glmm")
    check_options(options, "glmm", (*CI_CHOICES, PROFILE))
    rates = effects.measure in ("IRR", "IRLN")
    two = len(columns) == 4
    kept = np.ones(effects.k, dtype=np.bool_)
    if two and not (double_zero == "keep" and entry.function is unconditional_random_study):
        kept = informative(two_groups(columns, rates))
    if not kept.any():
        raise DataError("every study has no events, or only events, in both groups: none says anything of the effect.")
    columns = tuple(column[kept] for column in columns)
    k = int(kept.sum())
    random = options.model == "random" and k > 1
    if two:
        if entry.function is conditional_exact and not rates:
            check_whole(effects.subset(kept), GLMM_INPUTS["OR"], "the exact conditional likelihood")
        found, title = entry.function(two_groups(columns, rates), random), entry.title
    elif rates:
        found, title = one_parameter(Poisson(columns[0], columns[1]), random), "Poisson-normal model"
    else:
        found, title = one_parameter(Binomial(columns[0], columns[1], np.zeros(k)), random), "binomial-normal model"
    if not found.status.usable:
        refuse(found.status, title, effects.measure)
    arms = two and entry.function in (unconditional_fixed_study, unconditional_random_study)
    numbers, limits = around_estimate(found, effects.subset(kept), options), None
    if options.ci == PROFILE and found.model is not None and found.found is not None:
        limits = profile_limits(found.model, found.found, options.level)
        numbers = numbers._replace(ci_low=np.asarray(limits.low), ci_high=np.asarray(limits.high))
    return CountNumbers(
        numbers=numbers,
        kept=kept,
        title=title,
        tau2_se=found.tau2_se,
        sigma2=found.sigma2,
        rho=np.nan,
        rho_se=np.nan,
        log_likelihood=found.log_likelihood,
        parameters=found.parameters,
        observations=2 * k if arms else k,
        wald=found.wald,
        wald_df=found.df,
        wald_p_value=float(chi2_upper_tail(np.asarray(found.wald), np.asarray(found.df))),
        notes=(
            *left_out(effects, kept),
            *remarks(found, k, rates and entry.function is conditional_approximate),
            *said_of_limits(limits, options.level, random),
        ),
        tau2_ci_low=np.nan if limits is None else limits.tau2_low,
        tau2_ci_high=np.nan if limits is None else limits.tau2_high,
    )


def two_groups(columns: tuple[FloatArray, ...], rates: bool) -> Counts:
    """The columns by name."""
    events1, size1, events2, size2 = columns
    return Counts(events1, size1, events2, size2, rates)


def two_arms(counts: Counts) -> tuple[Binomial, Binomial] | tuple[Poisson, Poisson]:
    """The distributions of the two groups' events."""
    if counts.rates:
        return Poisson(counts.events1, counts.size1), Poisson(counts.events2, counts.size2)
    nothing = np.zeros_like(counts.size1)
    return Binomial(counts.events1, counts.size1, nothing), Binomial(counts.events2, counts.size2, nothing)


def informative(counts: Counts) -> BoolArray:
    """Studies with events, and with non-events where these are counted, in at least one group."""
    events = counts.events1 + counts.events2
    return np.asarray((events > 0) & (counts.rates | (events < counts.size1 + counts.size2)))


def inputs_of(effects: Effects, inputs: Mapping[str, tuple[str, ...]], method: str) -> tuple[FloatArray, ...]:
    """The counts of each study, as the measure needs them."""
    if effects.measure not in inputs:
        raise OptionError(
            f"method={method!r} pools counts as {', '.join(inputs)}, not {effects.measure}. Make the effects by "
            f"effect_sizes with one of these measures, or pool them with method='inverse-variance'."
        )
    names = inputs[effects.measure]
    if not all(name in effects.inputs for name in names):
        raise DataError(
            f"method={method!r} pools the counts themselves ({', '.join(names)}), and these effects "
            f"({effects.measure}) were made without them. Make them by effect_sizes from a table of counts."
        )
    return tuple(np.asarray(effects.inputs[name]) for name in names)


def check_options(options: PoolOptions, method: str, intervals: tuple[str, ...] = CI_CHOICES) -> None:
    """Intervals that need effect sizes with variances do not apply."""
    for option, value, choices in (
        ("ci", options.ci, intervals),
        ("prediction", options.prediction, PREDICTION_CHOICES),
    ):
        if value not in choices:
            raise OptionError(
                f"{option}={value!r} does not apply to method={method!r}, which has no effect sizes with variances of "
                f"their own. The choices are: {', '.join(choices)}."
            )


def check_whole(effects: Effects, names: tuple[str, ...], what: str) -> None:
    """Counts must be whole numbers where terms of a sum are counted by them."""
    for name in names:
        values = np.asarray(effects.inputs[name])
        for row in np.flatnonzero(values != np.rint(values)):
            raise DataError(
                f"{effects.columns.get(name, name)} ({values[row]:.10g}) in study '{effects.label[row]}' is not a whole "
                f"number: {what} needs counts as they were observed. The unconditional models take fractions."
            )


def refuse(status: FitStatus, title: str, measure: str) -> NoReturn:
    """Why there is no estimate, and what to do."""
    start = f"the {title} has no estimate: {status.sentence}."
    if status == FitStatus.INFINITE_EFFECT:
        where = "one group has no events, or nothing but events, wherever the studies say anything of the effect"
        if measure not in ("OR", "IRR", "RR", "RD"):
            where = "no study has an event, or none has a non-event"
        raise DataError(
            f"{start} In these data {where}. Report the counts themselves, or correct them and pool by inverse variance."
        )
    if status == FitStatus.INFINITE_SPREAD:
        raise ConvergenceError(
            f"{start} In these data no study has a finite effect of its own. Use model='common', or the beta-binomial model."
        )
    raise ConvergenceError(f"{start} Try another of the models ({', '.join(GLMM)}), or method='inverse-variance'.")


def left_out(effects: Effects, kept: BoolArray) -> tuple[str, ...]:
    """Who is not in the model."""
    gone = [f"'{effects.label[row]}'" for row in np.flatnonzero(~kept)]
    if not gone:
        return ()
    shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    return (f"left out, as no events (or only events) in both groups say nothing of the effect: {shown}",)


def remarks(found: GlmmNumbers, k: int, exact: bool) -> tuple[str, ...]:
    """What is special about a fit."""
    notes = ["a generalised linear mixed model has no study weights"]
    if exact:
        notes.append("for rates the conditional likelihood is binomial, so that the exact and the approximate are one")
    if found.quadrature.rule != "none":
        rule = {"gauss-hermite": "adaptive Gauss-Hermite quadrature", "trapezoid": "the trapezoidal rule"}
        notes.append(
            f"{rule[found.quadrature.rule]} with {found.quadrature.points} points an axis; the last refinement moved the "
            f"log-likelihood by {found.change:.0e}"
        )
    if found.status == FitStatus.AT_ZERO:
        zero = [name for name, value in (("tau2", found.tau2), ("sigma2", found.sigma2)) if value == 0.0]
        notes += [f"{name} is estimated as 0, the boundary: it has no standard error" for name in zero]
    if found.maxima > 1:
        notes.append(f"the likelihood has {found.maxima} maxima; this is the highest")
    if found.finite < k:
        notes.append(
            f"{k - found.finite} of {k} studies have an infinite effect of their own and weigh nothing in Wald's test of "
            f"heterogeneity, whose p-value is too large for that; the likelihood-ratio test uses them"
        )
    return tuple(notes)


def said_of_limits(limits: ProfileLimits | None, level: float, random: bool) -> tuple[str, ...]:
    """The interval of tau2 that comes with the profile likelihood, and what could not be had."""
    if limits is None:
        return ()
    notes = []
    if random:
        notes.append(
            f"tau2: {100 * level:g}% profile-likelihood interval {limits.tau2_low:.4g} to {limits.tau2_high:.4g}; the test is "
            f"Wald's"
        )
    if np.isnan([limits.low, limits.high]).any() or (random and np.isnan([limits.tau2_low, limits.tau2_high]).any()):
        notes.append(
            "a climb along the profile likelihood did not converge: the limit that is not a number is not known"
        )
    return tuple(notes)


def around_estimate(found: GlmmNumbers, effects: Effects, options: PoolOptions) -> PooledNumbers:
    """Tests, intervals and I2 round the estimate of a generalised linear mixed model."""
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    status = Status.AT_ZERO if found.tau2 == 0.0 else Status.CONVERGED
    if options.model == "random" and effects.k == 1:
        status = Status.TOO_FEW_STUDIES
    heterogeneity = Heterogeneity(
        np.asarray(found.tau2),
        np.asarray(found.likelihood_ratio),
        np.asarray(found.df),
        typical_variance(v),
        np.asarray(int(status)),
        np.asarray(found.iterations),
    )
    df = np.asarray(effects.k - 1.0 if options.ci == "t" else np.inf)
    inference = Inference(np.full((1, 1), found.se**2), df)
    weights = np.full(effects.k, np.nan)
    return assembled(np.asarray(found.estimate), inference, weights, y, v, heterogeneity, options)
