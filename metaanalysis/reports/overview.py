"""The result in a sentence and a few numbers, the main plots, and what was done to the data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metaanalysis.reports.asked import Asked
from metaanalysis.reports.figures import Figure, figure
from metaanalysis.reports.findings import participants
from metaanalysis.reports.parts import Missing, Part, Table, attempt, missed, sentence
from metaanalysis.reports.sections import draw_forest
from metaanalysis.reports.wording import Wording, capital, counted, has_test, name_of, plain, printable, share, together
from metaanalysis.results.text import model_sentence, p_value, per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COUNTS = ("events1", "n1", "events2", "n2")
# Measures on whose plot of risks a pooled curve can be drawn.
RISKS = ("RR", "OR", "RD", "PETO", "AS")
# So many studies are named; of more, the number.
MOST_LISTED = 200


def result_facts(asked: Asked, wording: Wording) -> dict[str, Any]:
    """The pooled result in one sentence, and the numbers that are looked for first."""
    fit, entry = asked.fit, asked.effects.measure_entry
    back = fit.back_transformed()
    estimate, ci = wording.one(back.estimate), wording.between(back.ci_low, back.ci_high)
    has_interval = not math.isnan(back.ci_low)
    interval = f"{wording.ci} {ci}; " if has_interval else ""
    test = p_value(fit.p_value) if has_test(fit.effects) and not math.isnan(fit.p_value) else ""
    inside = together("; ".join(part for part in (interval.removesuffix("; "), test) if part))
    words = (
        f"The pooled {entry.title} of {counted(fit.k, 'study')} is {estimate}"
        if fit.k > 1
        else (f"The {entry.title} of the one study is {estimate}")
    )
    words += f" ({inside})." if inside else "."
    facts: list[tuple[str, str, str]] = [(capital(entry.title), estimate, f"{wording.ci} {ci}" if has_interval else "")]
    if not math.isnan(fit.prediction_low):
        new = wording.between(back.prediction_low, back.prediction_high)
        words += f" In a new study the {entry.title} is expected between {new.replace(' to ', ' and ')}."
        facts.append(("Prediction interval", new, f"{per_cent(fit.level)}, in a new study"))
    if not math.isnan(fit.i2):
        more = "" if math.isnan(fit.tau2) else f"τ² {plain(fit.tau2)}"
        facts.append(("Heterogeneity", f"I² {share(fit.i2)}", more))
    people = participants(asked.effects)
    facts.append(("Studies", f"{fit.k:,}", f"{people} participants" if people else ""))
    return {
        "sentence": words,
        "facts": facts,
        "estimate": estimate,
        "ci": ci if has_interval else "",
        "notes": [sentence(note) for note in fit.notes],
    }


def plots_part(asked: Asked) -> Part:
    """The forest plot, by subgroups where there are any, and the risks in both groups."""
    fit, labels = asked.fit, asked.effects.label
    shown = asked.subgroups[0] if asked.subgroups else fit
    by = f" by {name_of(asked.subgroups[0].by)}" if asked.subgroups else ""
    title = f"Forest plot{by}: {asked.effects.measure_entry.title}"
    forest = attempt(
        lambda: figure(
            "figure-forest",
            title,
            f"Forest plot{by} of {counted(fit.k, 'study')}, {model_sentence(fit)}: a square a study with its confidence "
            f"interval, a diamond for the pooled result. The table of studies gives these numbers.",
            lambda: draw_forest(asked, shown),
        ),
        labels,
    )
    found: list[Figure | Missing] = [forest]
    missing = list(missed("The forest plot", forest))
    if fit.measure in RISKS and set(COUNTS) <= set(asked.effects.inputs) and fit.k > 1:
        risks = attempt(
            lambda: figure(
                "figure-risks",
                "L'Abbé plot: risks in both groups",
                f"L'Abbé plot: the risk in {asked.groups[0]} against that in {asked.groups[1]}, a circle a study; the line is "
                f"the pooled {asked.effects.measure_entry.title}.",
                lambda: draw_risks(asked),
            ),
            labels,
        )
        found.append(risks)
        missing += missed("The L'Abbé plot", risks)
    figures = tuple(one for one in found if isinstance(one, Figure))
    return Part("plots", "Studies and pooled result", figures=figures, missing=tuple(missing))


def draw_risks(asked: Asked) -> Axes:
    """The risks in both groups."""
    from metaanalysis.plots import labbe

    return labbe(asked.fit, groups=asked.groups)


def changes_part(asked: Asked, said: Sequence[warnings.WarningMessage]) -> Part:
    """Who was left out and why, what was added to whom, and what the library warned of."""
    effects = asked.effects
    tables, paragraphs = [], []
    excluded = [(name_of(label), sentence(reason, [label])) for label, reason in effects.left_out]
    corrected = [(name_of(label), str(added)) for label, added in effects.corrected.itertuples(index=False)]
    for rows, caption, heading in (
        (excluded, "Left out", "Reason"),
        (corrected, "Continuity correction", "Added"),
    ):
        if rows:
            tables.append(Table(caption, ("Study", heading), tuple(rows[:MOST_LISTED]), texts=(heading,)))
        if len(rows) > MOST_LISTED:
            paragraphs.append(f"{caption}: the first {MOST_LISTED} of {counted(len(rows), 'study')} are listed.")
    if corrected and asked.fit.method != "inverse-variance" and not asked.fit.options.corrected_tables:
        paragraphs.append("The correction is of the studies' own effects; what was pooled are the counts as they are.")
    if not excluded and not corrected:
        paragraphs.append("No study was left out, and nothing was corrected.")
    labels = [*effects.label, *(label for label, _ in effects.left_out)]
    heard = dict.fromkeys(sentence(str(one.message).removesuffix(" See .excluded."), labels) for one in said
                          if not str(one.message).startswith("no installed font"))  # fmt: skip
    return Part(
        "changes",
        "What was corrected or left out",
        tuple(paragraphs),
        tuple(tables),
        missing=tuple(printable(one) for one in heard),
    )
