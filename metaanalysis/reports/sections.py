"""Heterogeneity, subgroups and meta-regression as parts of the page."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from metaanalysis.plots.words import true_minus
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.citations import NumberedReferences
from metaanalysis.reports.figures import Figure, figure
from metaanalysis.reports.parts import Missing, Part, Table, attempt, missed, sentence
from metaanalysis.reports.wording import (
    NOT_AVAILABLE,
    Wording,
    capital,
    counted,
    has_test,
    listed,
    name_of,
    plain,
    share,
    shown_p,
    together,
)
from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.results.pooled import Interval
from metaanalysis.results.text import p_value, per_cent, q_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A level of a factor, as formulas name it.
LEVEL = re.compile(r"(?:C\()?([^\[\](),:]+)(?:,[^\[\]]*)?\)?\[T\.([^\[\]]*)\]")
# Where there are more numeric moderators, the first ones are drawn.
MOST_BUBBLES = 2


def in_brackets(found: Interval, unit: str = "") -> str:
    """An interval as its own text; "n/a" where there is none."""
    if found.note or math.isnan(found.low):
        return NOT_AVAILABLE
    if unit:
        return f"{found.low:.1f}{unit} to {found.high:.1f}{unit}"
    return f"{plain(found.low)} to {plain(found.high)}"


def heterogeneity(asked: Asked, wording: Wording, cite: NumberedReferences) -> Part:
    """How much the studies' effects differ beyond chance, and what a new study may show."""
    fit = asked.fit
    entry = fit.effects.measure_entry
    rows: list[tuple[str, ...]] = []
    missing: list[str] = []
    of_counts = fit.method in ("glmm", "beta-binomial")
    if fit.k == 1:
        missing.append("A single study says nothing of heterogeneity.")
        return Part("heterogeneity", "Heterogeneity and prediction", missing=tuple(missing))
    if not math.isnan(fit.tau2):
        limits = fit.tau2_interval()
        rows.append(("Between-study variance, τ²", plain(fit.tau2), in_brackets(limits)))
        rows.append(("Between-study standard deviation, τ", plain(fit.tau), in_brackets(fit.tau_interval())))
        if limits.note:
            missing.append(sentence(f"the interval of τ²: {limits.note}"))
    elif fit.model == "common":
        missing.append("The common-effect model has no variance between studies; Q and I² say how well it fits.")
    if not math.isnan(fit.i2):
        i2 = fit.i2_interval() if not math.isnan(fit.tau2) else None
        rows.append(("I²", share(fit.i2), NOT_AVAILABLE if i2 is None else in_brackets(i2, "%")))
        rows.append(("H²", f"{fit.h2:.2f}", ""))
    test = f"{q_name(fit)} = {fit.q:.2f}, df = {fit.q_df:g}, {p_value(fit.q_p_value)}"
    paragraphs: list[str | Markup] = [
        f"{'Likelihood-ratio test' if of_counts else 'Test'} of heterogeneity: {together(test)}."
    ]
    table = Table("Heterogeneity", ("", "Estimate", wording.ci), tuple(rows))
    if not math.isnan(fit.tau2) and not of_counts:
        paragraphs.append(
            f"τ² and τ are on the scale of the {entry.analysis_scale}. Their intervals are by the Q-profile method"
            + cite.mark(["viechtbauer2007"])
            + "."
        )
    if not math.isnan(fit.prediction_low):
        back = fit.back_transformed()
        paragraphs.append(
            f"The {entry.title} in a new study like these is expected between "
            f"{wording.between(back.prediction_low, back.prediction_high).replace(' to ', ' and ')} "
            f"({per_cent(fit.level)} prediction interval)" + cite.mark(["higgins2009"]) + "."
        )
    elif fit.model == "random":
        missing.append("There is no prediction interval for this result.")
    return Part("heterogeneity", "Heterogeneity and prediction", tuple(paragraphs), (table,), missing=tuple(missing))


def fit_row(name: str, fit: Pooled, wording: Wording) -> tuple[str, ...]:
    """A pooled result as a row: k, estimate, interval, p where there is a value of no effect, tau2, I2."""
    back = fit.back_transformed()
    return (
        name,
        str(fit.k),
        wording.one(back.estimate),
        wording.between(back.ci_low, back.ci_high),
        *([true_minus(shown_p(fit.p_value))] if has_test(fit.effects) else []),
        "" if math.isnan(fit.tau2) else plain(fit.tau2),
        "" if math.isnan(fit.i2) else share(fit.i2),
    )


def fit_headings(first: str, asked: Asked, wording: Wording) -> tuple[str, ...]:
    """The headings over such rows."""
    title = capital(asked.effects.measure_entry.title)
    p = ("p",) if has_test(asked.effects) else ()
    return (first, "Studies", title, wording.ci, *p, "τ²", "I²")


def subgroup_part(asked: Asked, found: Subgroups, at: int, wording: Wording, cite: NumberedReferences) -> Part:
    """One subgroup analysis."""
    rows = [fit_row(name_of(name), fit, wording) for name, fit in found.groups.items()]
    rows.append(fit_row("All studies", found.overall, wording))
    sharing = ""
    if found.overall.model == "random":
        sharing = " The subgroups share one τ²." if found.tau2_sharing == "common" else " Each subgroup has its own τ²."
    caption = f"Subgroups by {name_of(found.by)}"
    table = Table(caption, fit_headings(name_of(found.by), asked, wording), tuple(rows), strong=(len(rows) - 1,))
    test = f"Test for subgroup differences: {together(found.test_sentence())}.{sharing}"
    caution = (
        "Subgroups compare studies that differ in other ways too; a difference between them is an observation, and no "
        "randomised comparison"
    )
    paragraphs = (test, caution + cite.mark(["thompson2002"]) + ".")
    key = f"subgroups-{at}"
    drawn = (
        ()
        if at == 1
        else (
            attempt(
                lambda: figure(
                    f"figure-{key}",
                    f"Forest plot by {name_of(found.by)}",
                    f"Studies in {counted(len(found.groups), 'subgroup')}, each with its pooled result as in the table.",
                    lambda: draw_forest(asked, found),
                ),
                asked.effects.label,
            ),
        )
    )
    return Part(
        key,
        caption,
        paragraphs,
        (table,),
        tuple(one for one in drawn if not isinstance(one, Missing)),
        (*(sentence(note) for note in found.notes), *(m for one in drawn for m in missed("The plot", one))),
    )


def draw_forest(asked: Asked, result: Pooled | Subgroups) -> Axes:
    """The forest plot in the words of the report."""
    from metaanalysis.plots import forest

    return forest(result, groups=asked.groups, favours=asked.favours)


def regression_part(asked: Asked, reg: Regression, at: int, cite: NumberedReferences) -> Part:
    """One meta-regression."""
    entry = asked.effects.measure_entry
    letter = "z" if math.isinf(reg.df) else "t"
    rows = []
    for name, row in reg.coefficients.iterrows():
        numbers = {key: float(value) for key, value in row.items()}
        rows.append(
            (
                name_of(in_words(str(name))),
                plain(numbers["estimate"]),
                plain(numbers["se"]),
                true_minus(f"{numbers['statistic']:.2f}"),
                shown_p(numbers["p_value"]),
                f"{plain(numbers['ci_low'])} to {plain(numbers['ci_high'])}",
            )
        )
    ci = f"{per_cent(reg.level)} CI"
    formula = name_of(in_words(reg.formula))
    table = Table(
        f"Coefficients of {formula}, on the scale of the {entry.analysis_scale}",
        ("Term", "Coefficient", "SE", letter, "p", ci),
        tuple(rows),
        note=reference_levels(reg),
    )
    described = reg.describe().replace(reg.formula.strip(), in_words(reg.formula))
    said = [cite.paragraph(described, reg.effects.label), regression_tests(reg)]
    key = f"regression-{at}"
    numeric = [name for name in reg.design.variables if is_numeric(reg, name)]
    drawn = [bubble_figure(f"figure-{key}-{i}", reg, name) for i, name in enumerate(numeric[:MOST_BUBBLES], start=1)]
    missing = [sentence(note) for note in reg.notes]
    missing += [f"Left out: {name_of(label)} ({reason})." for label, reason in reg.excluded]
    if reg.k < 10:
        missing.append(
            f"There are {counted(reg.k, 'study')}: a meta-regression of fewer than 10 says little, and its result may be "
            f"that of chance."
        )
    for one in drawn:
        missing += missed("The plot", one)
    figures = tuple(one for one in drawn if not isinstance(one, Missing))
    return Part(key, f"Meta-regression on {moderators(reg)}", tuple(said), (table,), figures, tuple(missing))


def bubble_figure(key: str, reg: Regression, name: str) -> Figure | Missing:
    """The bubble plot of one moderator, or why there is none."""
    words = (
        f"Bubble plot: a circle a study, larger with more weight, against {name_of(name)}; the line is the regression's, "
        f"with the bands of its confidence and prediction intervals."
    )
    title = f"Effects by {name_of(name)}"
    return attempt(lambda: figure(key, title, words, lambda: draw_bubble(reg, name)), reg.effects.label)


def in_words(formula: str) -> str:
    """A formula or a term without the marks that Python needs: "alloc = random" for ``C(alloc)[T.random]``."""
    return LEVEL.sub(r"\1 = \2", formula.strip().replace("`", ""))


def reference_levels(reg: Regression) -> str:
    """With which level each factor's others are compared."""
    found = []
    for factor, levels in reg.design.levels().items():
        own = {in_words(name) for name in reg.names}
        left = [level for level in levels if in_words(f"{factor}[T.{level}]") not in own]
        if len(left) == 1 and len(levels) > 1:
            found.append(f"{name_of(left[0])} ({name_of(in_words(factor))})")
    return f"Compared with: {listed(found)}." if found else ""


def moderators(reg: Regression) -> str:
    """What the effects were regressed on."""
    return listed(name_of(name) for name in reg.design.variables) if reg.design.variables else "nothing"


def is_numeric(reg: Regression, name: str) -> bool:
    """Whether a moderator is a number that is not taken as a factor."""
    values = reg.effects.column(name)
    return name not in reg.design.levels() and all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values
    )


def draw_bubble(reg: Regression, name: str) -> Axes:
    """The bubble plot of one moderator."""
    from metaanalysis.plots import bubble

    return bubble(reg, name, width_mm=140.0)


def regression_tests(reg: Regression) -> str:
    """The tests of a regression in words."""
    words = []
    df1, df2 = reg.q_moderators_df
    if not math.isnan(reg.q_moderators):
        test = (
            f"χ² = {reg.q_moderators:.2f}, df = {df1:g}"
            if math.isinf(df2)
            else f"F = {reg.q_moderators:.2f}, df = {df1:g} and {df2:g}"
        )
        words.append(f"Test of moderators: {test}, {p_value(reg.q_moderators_p_value)}.")
    words.append(
        f"Residual heterogeneity: Q = {reg.q_residual:.2f}, df = {reg.q_residual_df:g}, {p_value(reg.q_residual_p_value)}."
    )
    if reg.tau2_method:
        accounted = "" if math.isnan(reg.q_moderators) else f"; R² {share(reg.r2)}"
        words.append(f"Residual τ² {plain(reg.tau2)}, I² {share(reg.i2)}{accounted}.")
    return together(" ".join(words))
