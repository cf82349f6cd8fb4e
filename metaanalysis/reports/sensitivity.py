"""What else the studies might have said: without one of them, by other estimators, in the order of time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from metaanalysis.diagnostics import compare, cumulative, influence, leave_one_out
from metaanalysis.errors import DataError
from metaanalysis.models import pool
from metaanalysis.plots.words import true_minus
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.citations import NumberedReferences
from metaanalysis.reports.figures import Figure, figure
from metaanalysis.reports.parts import Missing, Part, Table, attempt, missed, sentence
from metaanalysis.reports.sections import fit_headings, fit_row
from metaanalysis.reports.wording import Wording, counted, has_test, listed, name_of, plain, share, shown_p
from metaanalysis.results import Comparison, Pooled
from metaanalysis.results.refits import Refits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Plots with more rows than these are no easier to read than the table.
MOST_ROWS = 60
# Models of counts take long to fit; so many refits are made for a page.
MOST_MODELS_OF_COUNTS = 40
MOST_NAMES = 10
POOLED_BY = {
    "mantel-haenszel": "Mantel and Haenszel's method",
    "peto": "Peto's method",
    "glmm": "a generalised linear mixed model of the counts",
    "beta-binomial": "a beta-binomial model of the counts",
}


def left_out_in_turn(asked: Asked) -> Refits | Missing:
    """The results without each study."""
    fit = asked.fit

    def make() -> Refits:
        if fit.k < 2:
            raise DataError("with a single study there is none to leave out")
        if fit.method in ("glmm", "beta-binomial") and fit.k > MOST_MODELS_OF_COUNTS:
            raise DataError(
                f"a model of counts of {fit.k} studies takes long to fit, and was not fitted {fit.k} times for this "
                f"page; leave_one_out does it"
            )
        return leave_one_out(fit)

    return attempt(make, asked.effects.label)


def refit_rows(refits: Refits, wording: Wording) -> list[tuple[str, ...]]:
    """One row a refit, on the scale on which the measure is read."""
    effects = refits.overall.effects
    names = ("estimate", "ci_low", "ci_high")
    columns = [effects.back_transform(np.asarray(getattr(refits, name))) for name in names]
    rows: list[tuple[str, ...]] = []
    for i, label in enumerate(refits.label):
        estimate, low, high = (float(column[i]) for column in columns)
        tau2, i2 = float(refits.tau2[i]), float(refits.i2[i])
        rows.append(
            (
                name_of(label),
                str(int(refits.k[i])),
                wording.one(estimate),
                wording.between(low, high),
                *([true_minus(shown_p(float(refits.p_value[i])))] if has_test(effects) else []),
                "" if math.isnan(tau2) else plain(tau2),
                "" if math.isnan(i2) else share(i2),
            )
        )
    return rows


def range_sentence(refits: Refits, wording: Wording) -> str:
    """Between which values the estimate moves, and whether the verdict on no effect does."""
    fit = refits.overall
    estimates = np.asarray(refits.estimate)
    usable = np.flatnonzero(np.isfinite(estimates))
    if usable.size == 0:
        return "Without a study there is no estimate left to compare."
    back = fit.effects.back_transform(estimates)
    least, most = (int(usable[at]) for at in (np.argmin(back[usable]), np.argmax(back[usable])))
    words = (
        f"Without one study the estimate lies between {wording.one(float(back[least]))} (without "
        f"{name_of(refits.label[least])}) and {wording.one(float(back[most]))} (without {name_of(refits.label[most])}); "
        f"with all it is {wording.one(fit.back_transformed().estimate)}."
    )
    null = fit.effects.measure_entry.no_effect
    if null is None or math.isnan(fit.ci_low):
        return words
    low, high = (fit.effects.back_transform(np.asarray(getattr(refits, name))) for name in ("ci_low", "ci_high"))
    beyond = (low > null) | (high < null)
    whole = fit.back_transformed()
    excluded = bool(whole.ci_low > null or whole.ci_high < null)
    known = np.isfinite(low) & np.isfinite(high)
    turned = int(((beyond != excluded) & known).sum())
    now = "excludes" if excluded else "includes"
    # One study left alone has no Hartung-Knapp interval, a fit that fails has none either: of these nothing is claimed.
    if not known.any():
        return f"{words} The {wording.ci} {now} no effect; without one study there is no interval."
    if turned == 0:
        where = (
            ""
            if known.all()
            else f", as far as there is an interval ({counted(int(known.sum()), 'set')} of {known.size})"
        )
        return f"{words} The {wording.ci} {now} no effect, and does so without any one of the studies{where}."
    return f"{words} The {wording.ci} {now} no effect; without {counted(turned, 'of the studies', 'of the studies')} it does not."


def draw_refits(asked: Asked, refits: Refits) -> Axes:
    """The forest plot of refits."""
    from metaanalysis.plots import forest

    return forest(refits, groups=asked.groups, favours=asked.favours)


def leave_one_out_part(asked: Asked, refits: Refits | Missing, wording: Wording, cite: NumberedReferences) -> Part:
    """Without each study in turn."""
    key, title = "leave-one-out", "Without one study at a time"
    if isinstance(refits, Missing):
        return Part(key, title, missing=(refits.why,))
    rows = [*refit_rows(refits, wording), fit_row("None", asked.fit, wording)]
    table = Table(
        "Results without one study",
        fit_headings("Left out", asked, wording),
        tuple(rows),
        strong=(len(rows) - 1,),
    )
    paragraphs: list[str | Markup] = [range_sentence(refits, wording)]
    found = attempt(lambda: influence(asked.fit), asked.effects.label)
    if not isinstance(found, Missing):
        flagged = [name_of(name) for name in found.flagged]
        more = f" and {len(flagged) - MOST_NAMES} more" if len(flagged) > MOST_NAMES else ""
        words = listed(flagged[:MOST_NAMES]) + more if flagged else "no study"
        by = "By the usual thresholds of influence" + cite.mark(["viechtbauer2010"])
        paragraphs.append(by + f" the result hangs markedly on {words}.")
    drawn = figure_of_refits("figure-leave-one-out", asked, refits, "Pooled results without one study at a time")
    figures = () if drawn is None or isinstance(drawn, Missing) else (drawn,)
    shown = (table,) if not figures else ()
    return Part(key, title, tuple(paragraphs), shown, figures, missed("The plot", drawn), (table,) if figures else ())


def figure_of_refits(key: str, asked: Asked, refits: Refits, title: str) -> Figure | Missing | None:
    """The plot of refits; None where the table is easier to read."""
    if not 2 <= len(refits) <= MOST_ROWS:
        return None
    return attempt(
        lambda: figure(
            key,
            title,
            "Forest plot: each row is the pooled result of a set of the studies, with its confidence interval; the table "
            "below gives its numbers.",
            lambda: draw_refits(asked, refits),
        ),
        asked.effects.label,
    )


def common_effect(fit: Pooled) -> Pooled:
    """The same studies under the common-effect model."""
    return pool(fit.effects, model="common", ci="wald", level=fit.level, convention=fit.convention)


def estimators_part(asked: Asked, wording: Wording, cite: NumberedReferences) -> Part:
    """By each estimator of the between-study variance, and under the common-effect model."""
    key, title, fit = "estimators", "Other estimators of the variance between studies", asked.fit

    def make() -> Comparison:
        if fit.k < 2:
            raise DataError("a single study says nothing of the variance between studies")
        if fit.method != "inverse-variance":
            raise DataError(
                f"the estimators are compared where studies are pooled by inverse variance; here it was by "
                f"{POOLED_BY.get(fit.method, fit.method)}"
            )
        if fit.model == "common":
            raise DataError("the common-effect model has no variance between studies that could be estimated otherwise")
        return compare(fit)

    found = attempt(make, asked.effects.label)
    if isinstance(found, Missing):
        return Part(key, title, missing=(found.why,))
    own = fit.options.tau2
    rows, strong = [], []
    for at, (name, one) in enumerate(found.fits.items()):
        rows.append((name, one.tau2_method, *fit_row(name, one, wording)[2:]))
        strong += [at] if name == own else []
    same = attempt(lambda: common_effect(fit))
    if not isinstance(same, Missing):
        rows.append(("–", "common-effect model", *fit_row("", same, wording)[2:]))
    headings = fit_headings("Key", asked, wording)
    table = Table(
        "The same studies by other estimators",
        (headings[0], "Estimator", *headings[2:]),
        tuple(rows),
        texts=("Estimator",),
        strong=tuple(strong),
        note="The estimator of this report stands in bold." if strong else "",
    )
    low, high = sorted(float(fit.effects.back_transform(np.asarray(x))) for x in found.range)
    ends = list(dict.fromkeys((wording.one(low), wording.one(high))))
    text = "By these estimators of the variance between studies the pooled result "
    text += f"is {ends[0]} throughout" if len(ends) == 1 else f"lies between {ends[0]} and {ends[1]}"
    paragraphs = (text + cite.mark(["veroniki2016"]) + ".",)
    missing = tuple(f"{name}: {sentence(why)}" for name, why in found.failed.items())
    return Part(key, title, paragraphs, (table,), missing=missing)


def cumulative_part(asked: Asked, wording: Wording) -> Part | None:
    """Study after study; None where nothing says in which order."""
    by = asked.cumulative_by
    if by is None or asked.fit.k < 2:
        return None
    key, title = "cumulative", f"As the evidence built up, by {name_of(by)}"
    if asked.fit.method in ("glmm", "beta-binomial") and asked.fit.k > MOST_MODELS_OF_COUNTS:
        return Part(key, title, missing=("A model of counts takes long to fit, and was not fitted study after study.",))
    found = attempt(lambda: cumulative(asked.fit, by=by), asked.effects.label)
    if isinstance(found, Missing):
        return Part(key, title, missing=(found.why,))
    table = Table(
        "Results as studies were added",
        fit_headings("Added", asked, wording),
        tuple(refit_rows(found, wording)),
    )
    drawn = figure_of_refits("figure-cumulative", asked, found, f"Cumulative meta-analysis by {name_of(by)}")
    figures = () if drawn is None or isinstance(drawn, Missing) else (drawn,)
    shown = () if figures else (table,)
    return Part(key, title, (), shown, figures, missed("The plot", drawn), (table,) if figures else ())
