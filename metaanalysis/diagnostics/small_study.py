"""Tests of small-study effects by name: which line is fitted through which numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.conventions import override
from metaanalysis.diagnostics.given import at_least, inference_function, tau2_function
from metaanalysis.effects import Effects, as_measure
from metaanalysis.errors import ConvergenceError, DataError
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.asymmetry import (
    Line,
    effective_sample_size,
    efficient_score,
    line_with_factor,
    line_with_variance,
    variance_of_events,
)
from metaanalysis.formulas.binary import arcsine_difference
from metaanalysis.formulas.hypergeometric import hypergeometric
from metaanalysis.formulas.inference import two_sided_p
from metaanalysis.formulas.rank_correlation import kendall, standardised_deviations
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tables import mantel_haenszel_log_odds_ratio
from metaanalysis.models import pool
from metaanalysis.options import PoolOptions
from metaanalysis.registry import Entry, Registry
from metaanalysis.results import Pooled
from metaanalysis.results.small_study import NO_LIMIT, Limit, SmallStudyTest, limit_of

COUNTS = ("events1", "n1", "events2", "n2")
# Below this number of studies the tests have too little power to tell chance from asymmetry.
TOO_FEW_TO_TELL = 10
# Predictors whose spread is below this share of their size are all alike.
SAME = 1e-10


class Question(NamedTuple):
    """What a test is asked."""

    effects: Effects
    options: PoolOptions
    continuity: bool
    exact: bool | None


class Answer(NamedTuple):
    """What a test answers."""

    estimate: float
    se: float
    statistic: float
    df: float
    p_value: float
    predictor: str
    limit: Limit
    tau2: float
    k: int
    notes: tuple[str, ...] = ()


TestFunction: TypeAlias = Callable[[Question], Answer]


def from_line(line: Line, predictor: str, k: int, level: float, has_limit: bool = True, *notes: str) -> Answer:
    """The test of a line's slope."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = float(np.float64(line.slope) / np.float64(line.slope_se))
    limit = limit_of(line.intercept, line.intercept_se, line.df, level) if has_limit else NO_LIMIT
    p = float(two_sided_p(np.asarray(statistic), np.asarray(line.df)))
    return Answer(line.slope, line.slope_se, statistic, line.df, p, predictor, limit, line.tau2, k, notes)


def must_vary(x: FloatArray, what: str) -> None:
    """DataError where a predictor is the same in all studies."""
    if np.ptp(x) <= SAME * np.abs(x).max():
        raise DataError(f"the {what} is the same in all {x.size} studies: small and large ones can't be told apart.")


def counts_of(effects: Effects, test: str) -> tuple[FloatArray, ...]:
    """The four counts of each study; DataError where the effects were made without them."""
    missing = [name for name in COUNTS if name not in effects.inputs]
    if missing:
        raise DataError(
            f"the test {test!r} needs the counts {', '.join(COUNTS)} of each study, and these effects "
            f"({effects.measure}) were made without {', '.join(missing)}. Make them by effect_sizes from a table of counts."
        )
    return tuple(np.asarray(effects.inputs[name]) for name in COUNTS)


def with_events(counts: tuple[FloatArray, ...]) -> BoolArray:
    """Which studies have both events and others: the rest say nothing of a ratio."""
    a, n1, c, n2 = counts
    return np.asarray((a + c > 0) & (a + c < n1 + n2))


def left_out_note(keep: BoolArray) -> tuple[str, ...]:
    """A note on studies without events, or with nothing else."""
    n = int((~keep).sum())
    if n == 0:
        return ()
    return (f"{n} {'study' if n == 1 else 'studies'} left out: no events, or nothing but events, in both groups",)


def odds_ratios(effects: Effects) -> tuple[Effects, tuple[str, ...]]:
    """The effects as log odds ratios, with a note where they were something else."""
    if effects.measure == "OR":
        return effects, ()
    return as_measure(effects, "OR"), ("tested on the log odds ratio, for which the test is defined",)


# Effect sizes that go with their own standard errors by construction, and the tests made for them.
BOUND_TO_ERROR = {
    "OR": "a log odds ratio goes with its own standard error even without bias: harbord, peters and rucker allow for it",
    "PLO": "a log odds goes with its own standard error: proportions near 0 or 1 look asymmetric even without bias",
    "PLN": "a log proportion goes with its own standard error: small proportions look asymmetric even without bias",
    "IRLN": "a log rate goes with its own standard error: small rates look asymmetric even without bias",
    "SMD": "a standardised mean difference goes with its own standard error even without bias: pustejovsky-rodgers allows for it",
}


def bound_to_error(effects: Effects) -> tuple[str, ...]:
    """A note where an effect size and its standard error go together by construction."""
    return (BOUND_TO_ERROR[effects.measure],) if effects.measure in BOUND_TO_ERROR else ()


def egger(question: Question) -> Answer:
    """Effects on their standard errors, weights 1 / v, variances known up to a factor. Source: Egger et al. (1997)."""
    y, v = np.asarray(question.effects.y), np.asarray(question.effects.v)
    se = np.sqrt(v)
    must_vary(se, "standard error")
    line = line_with_factor(y, se, 1.0 / v)
    return from_line(line, "standard error", y.size, question.options.level, True, *bound_to_error(question.effects))


def thompson_sharp(question: Question) -> Answer:
    """Effects on their standard errors with an additive tau2. Source: Thompson & Sharp (1999)."""
    effects = question.effects
    return additive(question, np.asarray(effects.y), np.asarray(effects.v), *bound_to_error(effects))


def additive(question: Question, y: FloatArray, v: FloatArray, *notes: str) -> Answer:
    """A mixed-effects line on the standard error, by the estimator and the interval of the fit."""
    se = np.sqrt(v)
    must_vary(se, "standard error")
    inference = inference_function(question.options, "this test")
    line, found = line_with_variance(y, v, se, tau2_function(question.options), inference)
    if found is not None and int(found.status) not in (Status.CONVERGED, Status.AT_ZERO):
        raise ConvergenceError(
            f"the residual tau2 of the test: {Status(int(found.status)).sentence}. Try tau2='DL' or 'PM'."
        )
    return from_line(line, "standard error", y.size, question.options.level, True, *notes)


def rank_answer(x: FloatArray, y: FloatArray, predictor: str, question: Question, *notes: str) -> Answer:
    """Kendall's tau of x and y, with an exact p-value where there are no ties."""
    found = kendall(x, y, question.continuity)
    if np.isnan(found.tau):
        raise DataError(
            f"the {predictor} is the same in all {x.size} studies: small and large ones can't be told apart."
        )
    possible = not np.isnan(found.p_exact)
    if question.exact and not possible:
        why = "there are ties" if x.size <= 200 else "there are more than 200 studies"
        raise DataError(f"there is no exact p-value: {why}. Leave exact out for the normal approximation.")
    exact = possible if question.exact is None else question.exact
    p = found.p_exact if exact else found.p_normal
    how = (
        "the p-value is exact, by all orders of the studies"
        if exact
        else "the p-value is that of the normal distribution"
    )
    nan = float("nan")
    return Answer(found.tau, nan, found.statistic, np.inf, p, predictor, NO_LIMIT, nan, x.size, (*notes, how))


def begg(question: Question) -> Answer:
    """Kendall's tau of standardised effects and sampling variances. Source: Begg & Mazumdar (1994)."""
    y, v = np.asarray(question.effects.y), np.asarray(question.effects.v)
    notes = bound_to_error(question.effects)
    return rank_answer(standardised_deviations(y, v), v, "sampling variance", question, *notes)


def schwarzer(question: Question) -> Answer:
    """Kendall's tau of standardised event counts and their precision. Source: Schwarzer, Antes & Schumacher (2007).

    Counts of group 1 are standardised by mean and variance of the noncentral hypergeometric distribution given the margins,
    at the Mantel-Haenszel odds ratio; the p-value is that of the normal distribution.
    """
    counts = counts_of(question.effects, "schwarzer")
    keep = with_events(counts)
    at_least(int(keep.sum()), 3, "the test 'schwarzer'")
    a, n1, c, n2 = (values[keep] for values in counts)
    if any((values != np.round(values)).any() for values in (a, n1, c, n2)):
        raise DataError("the test 'schwarzer' needs counts that are whole numbers: its distribution is one of counts.")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = float(mantel_haenszel_log_odds_ratio(a, n1, c, n2).estimate)
    if not np.isfinite(log_odds):
        raise DataError("the Mantel-Haenszel odds ratio that the test 'schwarzer' starts from is 0 or infinite.")
    terms = hypergeometric(a, n1, c, n2).terms(np.full((a.size, 1), log_odds))
    variance = terms.variance[:, 0]
    z = terms.residual[:, 0] / np.sqrt(variance)
    asked = question._replace(exact=False if question.exact is None else question.exact)
    return rank_answer(z, 1.0 / variance, "precision of the event count", asked, *left_out_note(keep))


def harbord(question: Question) -> Answer:
    """Z / V on 1 / sqrt(V), weights V, of the score of the log odds ratio. Source: Harbord, Egger & Sterne (2006)."""
    counts = counts_of(question.effects, "harbord")
    keep = with_events(counts)
    at_least(int(keep.sum()), 3, "the test 'harbord'")
    score, variance = efficient_score(*(values[keep] for values in counts))
    x = 1.0 / np.sqrt(variance)
    must_vary(x, "variance of the score")
    line = line_with_factor(score / variance, x, variance)
    name = "standard error of the score"
    return from_line(line, name, score.size, question.options.level, True, *left_out_note(keep))


def on_sample_size(
    question: Question,
    test: str,
    predictor: str,
    x_and_w: Callable[..., tuple[FloatArray, FloatArray]],
    has_limit: bool,
) -> Answer:
    """Log odds ratios on a function of the sample sizes."""
    effects, notes = odds_ratios_with_counts(question.effects, test)
    counts = counts_of(effects, test)
    keep = with_events(counts)
    at_least(int(keep.sum()), 3, f"the test {test!r}")
    x, w = x_and_w(*(values[keep] for values in counts))
    must_vary(x, predictor)
    line = line_with_factor(np.asarray(effects.y)[keep], x, w)
    return from_line(line, predictor, x.size, question.options.level, has_limit, *notes, *left_out_note(keep))


def odds_ratios_with_counts(effects: Effects, test: str) -> tuple[Effects, tuple[str, ...]]:
    """Log odds ratios, the counts being there."""
    counts_of(effects, test)
    return odds_ratios(effects)


def peters(question: Question) -> Answer:
    """Log odds ratios on 1 / N, weights m (N - m) / N for m events among N. Source: Peters et al. (2006)."""

    def x_and_w(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
        return 1.0 / (n1 + n2), variance_of_events(a, n1, c, n2)

    return on_sample_size(question, "peters", "1 / sample size", x_and_w, True)


def macaskill(question: Question) -> Answer:
    """Log odds ratios on N, weights m (N - m) / N. Source: Macaskill, Walter & Irwig (2001)."""

    def x_and_w(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
        return n1 + n2, variance_of_events(a, n1, c, n2)

    return on_sample_size(question, "macaskill", "sample size", x_and_w, False)


def deeks(question: Question) -> Answer:
    """Log odds ratios on 1 / sqrt(ESS), weights ESS, the effective sample size. Source: Deeks, Macaskill & Irwig (2005)."""

    def x_and_w(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG001
        size = effective_sample_size(n1, n2)
        return 1.0 / np.sqrt(size), size

    return on_sample_size(question, "deeks", "1 / sqrt(effective sample size)", x_and_w, True)


def pustejovsky_rodgers(question: Question) -> Answer:
    """Egger's line with sqrt(1/n1 + 1/n2) for the standard error. Source: Pustejovsky & Rodgers (2019)."""
    effects = question.effects
    if not all(name in effects.inputs for name in ("n1", "n2")):
        raise DataError(
            f"the test 'pustejovsky-rodgers' needs the group sizes n1 and n2 of each study, and these effects "
            f"({effects.measure}) were made without them. Make them by effect_sizes from a table that has them."
        )
    v = 1.0 / np.asarray(effects.inputs["n1"]) + 1.0 / np.asarray(effects.inputs["n2"])
    must_vary(v, "group size")
    line = line_with_factor(np.asarray(effects.y), np.sqrt(v), 1.0 / v)
    return from_line(line, "sqrt(1/n1 + 1/n2)", v.size, question.options.level)


def rucker(question: Question) -> Answer:
    """Arcsine differences on their standard errors with an additive tau2. Source: Rücker, Schwarzer & Carpenter (2008)."""
    y, v = arcsine_difference(*counts_of(question.effects, "rucker"))
    return additive(question, y, v, "the limit is an arcsine difference")


TESTS: Registry[TestFunction] = Registry(
    "method",
    {
        "egger": Entry(egger, "Egger's regression test", "egger1997"),
        "thompson-sharp": Entry(thompson_sharp, "Thompson and Sharp's regression test", "thompson1999"),
        "begg": Entry(begg, "Begg and Mazumdar's rank correlation test", "begg1994"),
        "harbord": Entry(harbord, "Harbord's score test", "harbord2006"),
        "peters": Entry(peters, "Peters' regression test", "peters2006"),
        "deeks": Entry(deeks, "Deeks' regression test", "deeks2005"),
        "macaskill": Entry(macaskill, "Macaskill's regression test", "macaskill2001"),
        "pustejovsky-rodgers": Entry(
            pustejovsky_rodgers, "Pustejovsky and Rodgers' regression test", "pustejovsky2019"
        ),
        "schwarzer": Entry(schwarzer, "Schwarzer's rank correlation test of counts", "schwarzer2007"),
        "rucker": Entry(rucker, "Rücker's arcsine test", "rucker2008"),
    },
)


def small_study_test(
    fit: Pooled | Effects,
    method: str | TestFunction = "egger",
    *,
    continuity: bool = False,
    exact: bool | None = None,
    **options: Any,
) -> SmallStudyTest:
    """Do small studies show other effects than large ones? A test of the funnel's asymmetry.

    Parameters
    ----------
    fit
        A result of `pool`, or `Effects`.
    method
        ``egger`` (default) regresses effects on their standard errors, with variances known up to a factor;
        ``thompson-sharp`` the same with an additive tau2, by the estimator and the interval of the fit; ``begg`` correlates
        ranks. For counts: ``harbord`` (score), ``peters`` (1/N), ``macaskill`` (N), ``deeks`` (effective sample size; for
        diagnostic odds ratios), ``schwarzer`` (ranks of counts), ``rucker`` (arcsine, additive tau2). For standardised mean
        differences: ``pustejovsky-rodgers``.
    continuity
        Of rank tests: whether the normal approximation is corrected for continuity.
    exact
        Of rank tests: whether the p-value comes from all orders of the studies; by default where there are no ties and no
        more than 200 studies (``schwarzer``: normal).
    **options
        Those of `pool`, where effects are given; ``tau2`` and ``ci`` matter to ``thompson-sharp`` and ``rucker``.

    Returns
    -------
    SmallStudyTest
        Slope (or Kendall's tau), its test, and where there is one the limit that large studies come to.

    Raises
    ------
    DataError
        Where there are fewer than 3 studies, the counts are missing, or all studies are of the same size.

    Notes
    -----
    An asymmetric funnel has other causes than unpublished studies: heterogeneity that goes with size, poor small studies,
    chance. The tests are not recommended with fewer than 10 studies.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> print(ma.small_study_test(effects, "egger"))
    Egger's regression test: slope on standard error -2.1120 (SE 1.5072), t = -1.40 (df 11), p = 0.1887; k = 13
    Limit in large studies (log risk ratio): -0.1909 (95% CI -0.6753 to 0.2935)

    References
    ----------
    Egger M, Davey Smith G, Schneider M, Minder C (1997). Bias in meta-analysis detected by a simple, graphical test. BMJ
    315, 629-634. Sterne JAC, Sutton AJ, Ioannidis JPA, et al. (2011). Recommendations for examining and interpreting funnel
    plot asymmetry in meta-analyses of randomised controlled trials. BMJ 343, d4002.
    """
    effects, pool_options = asked(fit, options)
    key, entry = TESTS.key(method), TESTS.entry(method)
    at_least(effects.k, 3, "a test of small-study effects")
    answer = entry.function(Question(effects, pool_options, continuity, exact))
    notes = list(answer.notes)
    if answer.k < TOO_FEW_TO_TELL:
        notes.append(f"k = {answer.k}: with fewer than {TOO_FEW_TO_TELL} studies asymmetry is hard to tell from chance")
    return SmallStudyTest(
        method=key,
        title=entry.title,
        estimate=answer.estimate,
        se=answer.se,
        statistic=answer.statistic,
        df=answer.df,
        p_value=answer.p_value,
        predictor=answer.predictor,
        limit=answer.limit,
        tau2=answer.tau2,
        k=answer.k,
        level=pool_options.level,
        measure=effects.measure,
        effects=effects,
        notes=tuple(notes),
    )


def asked(fit: Pooled | Effects, options: dict[str, Any]) -> tuple[Effects, PoolOptions]:
    """The effects and the options of pooling that a test goes by; options given override those of a fit."""
    if isinstance(fit, Pooled):
        return fit.effects, override(fit.options, options)
    if isinstance(fit, Effects):
        found = pool(fit, **options)
        return found.effects, found.options
    raise DataError(f"small_study_test needs a fit from pool, or Effects from effect_sizes, not {type(fit).__name__}.")
