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

if TYPE_CHECKING:
    from metaanalysis.options import PoolOptions
    from metaanalysis.results.pooled import Pooled
    from metaanalysis.results.regression import Regression


def interval_sentence(options: PoolOptions, ci_method: str, cite: Citations) -> str:
    """How tests and intervals were made."""
    registry = MEAN_INTERVALS if options.ci in MEAN_INTERVALS else CI
    reference = None if callable(options.ci) else registry[options.ci].reference
    return f"Confidence intervals ({per_cent(options.level)}) are {ci_method}{cite(reference)}."


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
            f"The counts of {studies} were pooled in a generalised linear mixed model ({fit.method_title}){cite(source_of_model)}."
        )
    elif fit.method == "beta-binomial":
        sentences.append(f"The counts of {studies} were pooled in a beta-binomial model{cite('kuss2015')}.")
    elif fit.method == "peto":
        sentences.append(f"The {studies} were pooled by Peto's method{cite('yusuf1985')}.")
    else:
        effect = "a random-effects" if fit.model == "random" else "a common-effect"
        sentences.append(f"The {studies} were pooled by inverse variance under {effect} model.")
    if fit.tau2_method:
        key = None if callable(options.tau2) else TAU2[options.tau2].reference
        sentences.append(f"The variance between studies was estimated by {fit.tau2_method}{cite(key)}.")
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
        sentences.append(f"The {per_cent(fit.level)} prediction interval uses the {fit.prediction_method}{cite(key)}.")
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
    if reg.tau2_method:
        key = None if callable(options.tau2) else TAU2[options.tau2].reference
        sentences.append(f"The residual variance between studies was estimated by {reg.tau2_method}{cite(key)}.")
    sentences.append(interval_sentence(options, reg.ci_method, cite))
    return with_references(sentences, cite)
