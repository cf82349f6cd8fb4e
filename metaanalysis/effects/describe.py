"""What was computed from the studies' data, in the words of a methods section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.formulas.continuity import ADDITIONS
from metaanalysis.references import Citations, with_references

if TYPE_CHECKING:
    from metaanalysis.effects.effects import Effects
    from metaanalysis.effects.measure import Measure
    from metaanalysis.options import EffectOptions

PROGRAMS = {
    "metafor": "the R package metafor",
    "meta": "the R package meta",
    "revman5": "Review Manager 5",
    "revman": "Review Manager since 2025",
    "stata": "Stata",
}

VARIANCES = {
    "LS": "the large-sample formula",
    "LS2": "the second large-sample formula (LS2)",
    "LS3": "the third large-sample formula (LS3)",
    "UB": "the unbiased estimate",
    "meta": "the unbiased estimate",
    "AV": "the average over the studies in place of each study's own estimate",
    "AVHO": "the average over studies and groups in place of each study's own estimate",
    "H0": "the formula under no effect",
    "HO": "one standard deviation for both groups",
    "CS": "the formula for a fixed total",
    "ST": "the formula for groups of fixed sizes",
    "second-order": "the second-order formula",
    "revman": "Review Manager's formula",
    "n": "the large-sample formula in n instead of n - 1",
}
BIAS = {
    "exact": "with the exact small-sample correction",
    "approximate": "with the approximate small-sample correction",
    "none": "without small-sample correction",
    "yes": "with correction of its small-sample bias",
    "no": "without correction of its small-sample bias",
}
WHERE = {
    "only0": "the {n} {studies} with a zero cell",
    "all": "all studies",
    "if0all": "all studies, as one had a zero cell",
}
MOST_NAMES = 10


def variants(entry: Measure, options: EffectOptions) -> tuple[str | None, str | None]:
    """The variance and the bias correction that a measure was computed with; None where it has only one."""
    variance = options.variance or (entry.variances[0] if entry.variances else None)
    correction = options.correction or (entry.corrections[0] if entry.corrections else None)
    if entry.key == "SMD":
        variance, correction = options.variance or options.smd_variance, options.correction or options.smd_correction
    if entry.key == "MD":
        variance = options.variance or options.md_variance
    return variance, None if correction is None else str(correction)


def added_in_words(effects: Effects) -> str:
    """What a continuity correction added to the studies that it touched."""
    entry, options = effects.measure_entry, effects.options
    if options.addition == "treatment-arm" and entry.inputs == effects_of_two_groups(effects):
        words = f"{2 * options.add:g} in all to each outcome, shared in proportion to the sizes of the groups"
    elif entry.key == "RR" and options.risk_ratio_denominator != "cells":
        sizes = " and to the size" if options.risk_ratio_denominator == "events" else ""
        words = f"{options.add:g} to the events{sizes} of each group"
    else:
        words = f"{options.add:g} to {entry.cells or 'each cell'}"
    variance_alone = entry.key == "RD" and options.risk_difference == "variance"
    return f"{words}, for the sampling variance alone" if variance_alone else words


def effects_of_two_groups(effects: Effects) -> tuple[str, ...]:
    """The four counts, where the effects were made of them; else nothing."""
    counts = ("events1", "n1", "events2", "n2")
    return counts if set(counts) <= set(effects.inputs) else ()


def added_to(effects: Effects, row: int) -> str:
    """What a continuity correction added to one study."""
    if effects.options.addition == "treatment-arm" and effects_of_two_groups(effects):
        n1, n2 = (effects.inputs[name][row : row + 1] for name in ("n1", "n2"))
        add1, add2 = (float(add[0]) for add in ADDITIONS["treatment-arm"](effects.options.add, n1, n2))
        return f"{add1:.4g} to each cell of group 1, {add2:.4g} to each cell of group 2"
    return added_in_words(effects)


def measure_sentence(effects: Effects, cite: Citations) -> str:
    """What the effect sizes are."""
    entry = effects.measure_entry
    if effects.given:
        return f"Effect sizes were given ({entry.analysis_scale}s with their sampling variances)."
    variance, correction = variants(entry, effects.options)
    title = f"{entry.title} (Hedges' g)" if entry.key == "SMD" and correction != "none" else entry.title
    scale = f", analysed as {entry.analysis_scale}" if entry.transformed else ""
    bias = "" if correction is None else f", {BIAS[correction]}"
    spread = "" if variance is None else f"; its sampling variance is from {VARIANCES.get(variance, variance)}"
    return f"The effect size was the {title}{scale}{bias}{cite(entry.reference)}{spread}."


def correction_sentence(effects: Effects, cite: Citations) -> str:
    """What was added to whom; empty where nothing was."""
    touched = np.flatnonzero(effects.was_corrected) if effects.was_corrected is not None else np.empty(0, dtype=np.intp)
    if touched.size == 0:
        return ""
    n = touched.size
    where = WHERE.get(effects.options.to, "{n} {studies}").format(n=n, studies="study" if n == 1 else "studies")
    reference = cite("sweeting2004" if effects.options.addition == "treatment-arm" else "gart1967")
    return (
        f"A continuity correction was made in {where}{reference}: {added_in_words(effects)}"
        f"{named(effects, touched.tolist())}."
    )


def named(effects: Effects, rows: Sequence[int]) -> str:
    """The names of a few studies."""
    return f" ({', '.join(effects.label[row] for row in rows)})" if 0 < len(rows) <= MOST_NAMES else ""


def exclusion_sentence(effects: Effects) -> str:
    """Who was left out and why; the names of a few, the number of many."""
    if not effects.left_out:
        return ""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for label, reason in effects.left_out:
        by_reason[reason].append(label)
    few = len(effects.left_out) <= MOST_NAMES
    parts = [f"{reason}: {', '.join(who) if few else len(who)}" for reason, who in by_reason.items()]
    n = len(effects.left_out)
    return f"{n} {'study was' if n == 1 else 'studies were'} left out ({'; '.join(parts)})."


def effects_sentences(effects: Effects, cite: Citations) -> list[str]:
    """What the effect sizes are, what was added to whom, and who was left out."""
    return [measure_sentence(effects, cite), correction_sentence(effects, cite), exclusion_sentence(effects)]


def describe_effects(effects: Effects) -> str:
    """The methods of the effect sizes, with references."""
    cite = Citations()
    k = f"Effect sizes of {effects.k} {'study' if effects.k == 1 else 'studies'} were analysed."
    sentences = [k, *effects_sentences(effects, cite)]
    if effects.convention != "metafor" and not effects.given:
        sentences.append(f"The computation follows the conventions of {PROGRAMS[effects.convention]}.")
    return with_references(sentences, cite)
