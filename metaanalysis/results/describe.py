"""The methods sentence, with its references, in the words of a paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metaanalysis.effects.describe import PROGRAMS
from metaanalysis.effects.describe import effects_sentences as effects_sentences
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.references import Citations as Citations
from metaanalysis.references import with_references as with_references
from metaanalysis.results.text import per_cent

# The title of the estimator with given weights, which is a function of these weights and no key of the registry.
GIVEN_WEIGHTS = "generalised Q with given weights"

if TYPE_CHECKING:
    from metaanalysis.options import PoolOptions
    from metaanalysis.results.pooled import Pooled
    from metaanalysis.results.regression import Regression


# What follows "Confidence intervals" and "The prediction interval" in a paper; other methods say their titles.
INTERVAL_WORDS = {
    "wald": "are Wald intervals from the normal distribution",
    "t": "are Wald intervals from the t distribution with k - p degrees of freedom",
    "hksj": "follow Hartung, Knapp, Sidik and Jonkman",
    "hksj-adhoc": "follow Hartung, Knapp, Sidik and Jonkman, with a factor of at least 1",
    "hksj-wider": "follow Hartung, Knapp, Sidik and Jonkman, or Wald where that is wider",
    "kenward-roger": "use Kenward and Roger's variance and degrees of freedom",
    "profile-likelihood": "are profile likelihood intervals",
    "henmi-copas": "follow Henmi and Copas, about the common-effect estimate",
}
PREDICTION_WORDS = {
    "ci": "uses the distribution of the confidence interval",
    "normal": "uses the normal distribution",
    "hts": "follows Higgins, Thompson and Spiegelhalter, from the t distribution with k - 2 degrees of freedom",
    "t": "uses the t distribution with k - 1 degrees of freedom",
    "hksj": "uses Hartung and Knapp's standard error and the t distribution with k - 1 degrees of freedom",
    "kenward-roger": "uses Kenward and Roger's standard error and one degree of freedom fewer than their interval of the mean",
    "nagashima": "follows Nagashima, Noma and Furukawa, by simulation",
}


def interval_sentence(options: PoolOptions, ci_method: str, cite: Citations) -> str:
    """How tests and intervals were made."""
    registry = MEAN_INTERVALS if options.ci in MEAN_INTERVALS else CI
    reference = None if callable(options.ci) else registry[options.ci].reference
    words = f"are {ci_method}" if callable(options.ci) else INTERVAL_WORDS.get(options.ci, f"are {ci_method}")
    return f"Confidence intervals ({per_cent(options.level)}) {words}{cite(reference)}."


def variance_sentence(subject: str, options: PoolOptions, tau2_method: str, cite: Citations) -> str:
    """How the variance between studies was estimated."""
    if tau2_method == GIVEN_WEIGHTS:
        reference: str | None = "dersimonian2007"
    else:
        reference = None if callable(options.tau2) else TAU2[options.tau2].reference
    named_after = "the method of " if tau2_method[:1].isupper() else ""
    return f"{subject} was estimated by {named_after}{tau2_method}{cite(reference)}."


def describe_pooled(fit: Pooled) -> str:
    """The methods of a pooled estimate, with references."""
    cite = Citations()
    options = fit.options
    studies = f"{fit.k} {'study' if fit.k == 1 else 'studies'}"
    sentences = effects_sentences(fit.effects, cite)
    if fit.method in ("glmm", "beta-binomial"):
        sentences = [f"Effects were {fit.effects.measure_entry.title}s."]
    if fit.method == "mantel-haenszel":
        variance = {
            "OR": "robins1986",
            "RR": "greenland1985",
            "RD": "sato1989" if options.risk_difference_variance == "sato" else "greenland1985",
        }[fit.measure]
        sentences.append(f"The {studies} were pooled by the method of Mantel and Haenszel{cite('mantel1959')}")
        sentences[-1] += f", with the variance of that estimate{cite(variance)}." if fit.model == "common" else "."
    elif fit.method == "glmm":
        source_of_model = "jackson2018" if fit.options.glmm.endswith("study") else "stijnen2010"
        sentences.append(
            f"The counts of {studies} were pooled in a generalised linear mixed model, the {fit.method_title}"
            f"{cite(source_of_model)}."
        )
    elif fit.method == "beta-binomial":
        sentences.append(f"The counts of {studies} were pooled in a beta-binomial model{cite('kuss2015')}.")
    elif fit.method == "peto":
        sentences.append(f"The {studies} were pooled by Peto's method{cite('yusuf1985')}.")
    else:
        effect = "a random-effects" if fit.model == "random" else "a common-effect"
        how = f"with {fit.method_title}" if fit.method_title else "by inverse variance"
        sentences.append(f"The {studies} were pooled {how} under {effect} model.")
    if fit.tau2_method:
        sentences.append(variance_sentence("The variance between studies", options, fit.tau2_method, cite))
    sentences.append(interval_sentence(options, fit.ci_method, cite))
    if fit.method in ("glmm", "beta-binomial"):
        sentences.append("Heterogeneity was tested by a likelihood-ratio test.")
        return with_references(sentences, cite)
    source = "the estimated between-study variance" if options.i2 == "tau2" and fit.tau2_method else "Cochran's Q"
    sentences.append(
        f"Heterogeneity was assessed by Cochran's Q{cite('cochran1954')} and I², computed from {source}{cite('higgins2002')}."
    )
    if not math.isnan(fit.prediction_low):
        key = None if callable(options.prediction) else PREDICTION[options.prediction].reference
        words = "" if callable(options.prediction) else PREDICTION_WORDS.get(options.prediction, "")
        words = words or f"uses the {fit.prediction_method}"
        sentences.append(f"The {per_cent(fit.level)} prediction interval {words}{cite(key)}.")
    if fit.convention != "metafor":
        sentences.append(f"The computation follows the conventions of {PROGRAMS.get(fit.convention, fit.convention)}.")
    return with_references(sentences, cite)


def describe_regression(reg: Regression) -> str:
    """The methods of a meta-regression, with references."""
    cite = Citations()
    options = reg.options
    sentences = effects_sentences(reg.effects, cite)
    model = "mixed-effects" if reg.model == "random" else "common-effect"
    sentences.append(
        f"The effect sizes of {reg.k} studies were regressed on moderators ({reg.formula.strip()}) in a {model} "
        f"meta-regression{cite('thompson2002')}."
    )
    if reg.weighting:
        sentences[-1] = sentences[-1].removesuffix(".") + f", with {reg.weighting}."
    if reg.tau2_method:
        sentences.append(variance_sentence("The residual variance between studies", options, reg.tau2_method, cite))
    sentences.append(interval_sentence(options, reg.ci_method, cite))
    return with_references(sentences, cite)
