"""The methods sentence, with its references, in the words of a paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metaanalysis.effects import Effects, measure_named
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.references import REFERENCES
from metaanalysis.results.text import per_cent

if TYPE_CHECKING:
    from metaanalysis.options import PoolOptions
    from metaanalysis.results.pooled import Pooled
    from metaanalysis.results.regression import Regression

PROGRAMS = {
    "metafor": "the R package metafor",
    "meta": "the R package meta",
    "revman5": "Review Manager 5",
    "revman": "Review Manager since 2025",
    "stata": "Stata",
}


class Citations:
    """Cites as it goes: each call returns the short form and remembers the reference."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, key: str | None) -> str:
        """(Author year), or nothing for a key without a reference."""
        if key is None or key not in REFERENCES:
            return ""
        if key not in self.keys:
            self.keys.append(key)
        return f" ({REFERENCES[key].short})"

    def listed(self) -> str:
        """The references, sorted as in a reference list."""
        return "\n".join(sorted(str(REFERENCES[key]) for key in self.keys))


def with_references(sentences: list[str], cite: Citations) -> str:
    """The paragraph, and its reference list."""
    text = " ".join(sentence for sentence in sentences if sentence)
    return f"{text}\n\nReferences\n{cite.listed()}" if cite.keys else text


def effects_sentences(effects: Effects, cite: Citations) -> list[str]:
    """What the effect sizes are and what was done to them."""
    entry = measure_named(effects.measure)
    options = effects.options
    sentences = []
    if effects.given:
        sentences.append(f"Effect sizes were given ({entry.analysis_scale}s with their sampling variances).")
    elif effects.measure == "SMD":
        exact = {"exact": "with the exact small-sample correction", "approximate": "with the approximate correction"}
        sentences.append(
            f"Effect sizes were standardised mean differences (Hedges' g"
            f"{', ' + exact[options.smd_correction] if options.smd_correction in exact else ', not corrected'})"
            f"{cite('hedges1981')}."
        )
    else:
        on_log = f", analysed as {entry.analysis_scale}s" if entry.transformed else ""
        sentences.append(f"Effect sizes were {entry.title}s{on_log}.")
    if effects.was_corrected is not None and effects.was_corrected.any():
        n = int(effects.was_corrected.sum())
        how = (
            "each cell" if options.addition == "constant" else "the cells in proportion to the arms' sizes, on average"
        )
        where = {
            "only0": f"of the {n} {'study' if n == 1 else 'studies'} with a zero cell",
            "all": "of all studies",
            "if0all": "of all studies, as one had a zero cell",
        }.get(options.to, f"of {n} studies")
        sentences.append(f"A continuity correction of {options.add:g} was added to {how} {where}.")
    if effects.left_out:
        n = len(effects.left_out)
        reasons = "; ".join(sorted({reason for _, reason in effects.left_out}))
        sentences.append(f"{n} {'study was' if n == 1 else 'studies were'} left out ({reasons}).")
    return sentences


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
    if fit.method == "mantel-haenszel":
        variance = {
            "OR": "robins1986",
            "RR": "greenland1985",
            "RD": "sato1989" if options.risk_difference_variance == "sato" else "greenland1985",
        }[fit.measure]
        sentences.append(f"The {studies} were pooled by the method of Mantel and Haenszel{cite('mantel1959')}")
        sentences[-1] += f", with the variance of that estimate{cite(variance)}." if fit.model == "common" else "."
    elif fit.method == "peto":
        sentences.append(f"The {studies} were pooled by Peto's method{cite('yusuf1985')}.")
    else:
        effect = "a random-effects" if fit.model == "random" else "a common-effect"
        sentences.append(f"The {studies} were pooled by inverse variance under {effect} model.")
    if fit.tau2_method:
        key = None if callable(options.tau2) else TAU2[options.tau2].reference
        sentences.append(f"The variance between studies was estimated by {fit.tau2_method}{cite(key)}.")
    sentences.append(interval_sentence(options, fit.ci_method, cite))
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
