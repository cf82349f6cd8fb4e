"""Whether small studies show other effects than large ones: the funnel, the tests, trim and fill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from metaanalysis.diagnostics import small_study_test, trim_and_fill
from metaanalysis.diagnostics.small_study import TESTS, TOO_FEW_TO_TELL
from metaanalysis.errors import DataError
from metaanalysis.plots.words import true_minus
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.citations import NumberedReferences
from metaanalysis.reports.figures import figure
from metaanalysis.reports.parts import Missing, Part, Table, attempt, missed, sentence
from metaanalysis.reports.wording import Wording, counted, plain, shown_p
from metaanalysis.results import Pooled, SmallStudyTest, TrimAndFill

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The tests made for a measure come first; those that a measure goes with by construction say so themselves.
USUAL = ("egger", "begg")
MADE_FOR = {
    "OR": ("harbord", "peters", *USUAL),
    "PETO": ("harbord", "peters", *USUAL),
    "SMD": ("pustejovsky-rodgers", *USUAL),
}
LEAST = 3
# As a rank test says of its p: its normal statistic would give another.
EXACT = "the p-value is exact"


def small_study_part(asked: Asked, wording: Wording, cite: NumberedReferences) -> Part:
    """The part of the page."""
    key, title, fit = "small-study", "Small-study effects", asked.fit
    labels = asked.effects.label
    if fit.effects.k < LEAST:
        why = f"Tests for small-study effects need at least {LEAST} studies; there {'is' if fit.k == 1 else 'are'} {fit.k}."
        return Part(key, title, missing=(why,))
    paragraphs: list[str | Markup] = []
    if fit.effects.k < TOO_FEW_TO_TELL:
        paragraphs.append(
            f"There are {counted(fit.effects.k, 'study')}. With fewer than {TOO_FEW_TO_TELL} studies the tests have too little "
            f"power to tell chance from real asymmetry, and their use is not recommended"
            + cite.mark(["sterne2011"])
            + "; they are given for completeness."
        )
    else:
        paragraphs.append(
            "An asymmetric funnel has more causes than unpublished studies: heterogeneity that goes with size, poor small "
            "studies, chance" + cite.mark(["sterne2011"]) + "."
        )
    if fit.effects.measure_entry.no_effect is None:
        paragraphs.append(
            f"A {fit.effects.measure_entry.title} has no value of no effect towards which results could be selected; asymmetry "
            f"here says little about publication."
        )
    tests = {name: attempt(lambda name=name: small_study_test(fit, name), labels) for name in tests_for(fit.measure)}  # type: ignore[misc]
    done = {name: test for name, test in tests.items() if isinstance(test, SmallStudyTest)}
    missing = [f"{TESTS.entry(name).title}: {one.why}" for name, one in tests.items() if isinstance(one, Missing)]
    notes = dict.fromkeys(
        sentence(note)
        for one in done.values()
        for note in one.notes
        if not note.startswith("k = ") and "p-value" not in note
    )
    tables = []
    if done:
        rows = tuple(test_row(one) for one in done.values())
        headings = ("Test", "Of", "Estimate", "Statistic", "p")
        tables.append(Table("Tests for small-study effects", headings, rows, texts=("Of",), note=" ".join(notes)))
        entries = [TESTS.entry(name) for name in done]
        named = Markup(", ").join(Markup("{}{}").format(one.title, cite.mark([one.reference])) for one in entries)
        paragraphs.append("Tests: " + named + ".")
    filled = attempt(lambda: filled_in(fit), labels)
    if isinstance(filled, TrimAndFill):
        paragraphs.append(filled_sentence(filled, wording) + cite.mark(["duval2000"]) + ".")
    missing += missed("Trim and fill", filled)
    egger = done.get("egger")
    drawn = attempt(
        lambda: figure(
            "figure-funnel",
            "Funnel plot",
            f"Funnel plot of {counted(fit.effects.k, 'study')}: effects against their standard errors, large studies at the top; "
            f"lines where studies would lie without heterogeneity"
            + ("." if egger is None else f". Egger's test: {shown_p_in_words(egger.p_value)}."),
            lambda: draw_funnel(asked, egger),
        ),
        labels,
    )
    missing += missed("The funnel plot", drawn)
    figures = () if isinstance(drawn, Missing) else (drawn,)
    return Part(key, title, tuple(paragraphs), tuple(tables), figures, tuple(missing))


def tests_for(measure: str) -> tuple[str, ...]:
    """The tests that go with a measure."""
    return MADE_FOR.get(measure, USUAL)


def test_row(test: SmallStudyTest) -> tuple[str, ...]:
    """One test: what it asks, its estimate, its statistic and p."""
    rank = math.isnan(test.se)
    letter = "z" if math.isinf(test.df) else f"t ({test.df:g} df)"
    return (
        test.title,
        f"Kendall's τ with the {test.predictor}" if rank else f"slope on {test.predictor}",
        plain(test.estimate),
        "p is exact"
        if any(note.startswith(EXACT) for note in test.notes)
        else true_minus(f"{letter} = {test.statistic:.2f}"),
        shown_p(test.p_value),
    )


def shown_p_in_words(p: float) -> str:
    """As in "p = 0.19"."""
    text = shown_p(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def filled_sentence(found: TrimAndFill, wording: Wording) -> str:
    """What trim and fill finds."""
    if found.missing == 0:
        return "Trim and fill adds no study"
    back = found.filled.back_transformed()
    return (
        f"Trim and fill adds {counted(found.missing, 'study')} on the {found.side}; with "
        f"{'it' if found.missing == 1 else 'them'} the {found.filled.effects.measure_entry.title} would be "
        f"{wording.with_interval(back.estimate, back.ci_low, back.ci_high)}"
    )


def filled_in(fit: Pooled) -> TrimAndFill:
    """Trim and fill; DataError, in words for a reader, where studies were not pooled by inverse variance."""
    if fit.method != "inverse-variance":
        raise DataError("it is defined where studies are pooled by inverse variance, and was not made")
    return trim_and_fill(fit)


def draw_funnel(asked: Asked, egger: SmallStudyTest | None) -> Axes:
    """The funnel, with Egger's line where there is one."""
    from metaanalysis.plots import funnel

    return funnel(asked.fit, egger=egger, width_mm=140.0)
