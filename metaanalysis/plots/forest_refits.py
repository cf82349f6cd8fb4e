"""Results of refits -> the rows of a forest plot: one study left out or added at a time, or one estimator after another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.forest_columns import StudyColumn as TextColumn
from metaanalysis.plots.forest_columns import column_set, no_total
from metaanalysis.plots.forest_notes import forest_notes
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_order import ordered
from metaanalysis.plots.forest_rows import Rows, given_headings
from metaanalysis.plots.forest_spec import Column, ColumnSet, ForestSpec, Mark, Row
from metaanalysis.plots.words import column_texts, decimals_for, in_symbols, short_p
from metaanalysis.plots.wrapping import NO_BREAK, one_line
from metaanalysis.results import Pooled
from metaanalysis.results.refits import Refits
from metaanalysis.results.text import model_sentence, per_cent

# Squares of refits weigh nothing: all have the same area, this share of the largest.
SAME_SIZE = 0.35
HEADINGS = {"k": "Studies", "p_value": "p", "tau2": "τ²", "i2": "I²", "q": "Q", "prediction": "Prediction interval"}
SORTABLE = ("estimate", "se")
QUESTIONS = {"leave-one-out": ("Left out", "None (all studies)"), "cumulative": ("Added", "All studies")}


@dataclass(frozen=True)
class Numbers:
    """What a column of refits may hold, one value a row."""

    k: Sequence[int]
    p_value: FloatArray
    tau2: FloatArray
    i2: FloatArray
    q: FloatArray
    prediction_low: FloatArray
    prediction_high: FloatArray

    def texts(self, base: Rows) -> dict[str, tuple[str, ...]]:
        """The columns that have something to say, by name."""
        limits = zip(
            whole_scale(base.effects, self.prediction_low), whole_scale(base.effects, self.prediction_high), strict=True
        )
        intervals = [base.interval_text(float(a), float(b)) for a, b in limits]
        found = {
            "k": [str(k) for k in self.k],
            "p_value": [short_p(float(p)) for p in self.p_value],
            "tau2": column_texts(self.tau2, most=3) if np.isfinite(self.tau2).any() else [],
            "i2": ["" if math.isnan(i2) else f"{i2:.1f}%" for i2 in self.i2.tolist()],
            "q": column_texts(self.q, most=2),
            "prediction": ["" if text == base.look.wording.missing else text for text in intervals],
        }
        return {name: tuple(texts) for name, texts in found.items() if any(texts)}


def whole_scale(effects: Effects, numbers: FloatArray) -> FloatArray:
    """Pooled numbers on the scale on which the measure is read; what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return effects.back_transform(numbers)


def base_rows(fit: Pooled, options: ForestOptions, widths: FloatArray) -> Rows:
    """The forest of all studies, for its scale, its axis and its notes; decimals are those that the refits need."""
    base = Rows(fit, fit, replace(options, left=None, right=None, sort=None))
    if options.decimals is None:
        base.decimals = decimals_for(widths.tolist(), base.log)
    return base


def refits_spec(refits: Refits, options: ForestOptions) -> ForestSpec:
    """One row a study left out or added, and all studies under them."""
    fit = refits.overall
    if options.risk_of_bias:
        raise OptionError(f"risk_of_bias does not apply to a {refits.question} forest plot: its rows are not studies.")
    if options.sort and refits.question == "cumulative":
        raise OptionError(
            "sort does not apply here: the order is that of cumulative, as in cumulative(fit, by='year')."
        )
    estimate, low, high = (whole_scale(fit.effects, x) for x in (refits.estimate, refits.ci_low, refits.ci_high))
    base = base_rows(fit, options, high - low)
    heading, everyone = QUESTIONS[refits.question]
    if options.study_heading is None:
        base.options = replace(base.options, study_heading=f"{heading}{f' (by {refits.by})' if refits.by else ''}")

    def with_all(name: str) -> FloatArray:
        return np.append(getattr(refits, name), getattr(fit, name))

    names = ("p_value", "tau2", "i2", "q", "prediction_low", "prediction_high")
    numbers = Numbers([*refits.k.tolist(), fit.k], *(with_all(name) for name in names))
    texts = numbers.texts(base)
    labels = tuple(one_line(label) for label in refits.label)
    rows = []
    sortable = {"study": labels, **{name: getattr(refits, name).tolist() for name in (*SORTABLE, *names)}}
    order = range(len(labels)) if options.sort is None else ordered(range(len(labels)), options.sort, sortable)
    for i in order:
        label = labels[i]
        three = (float(estimate[i]), float(low[i]), float(high[i]))
        cells = {"study": label} | base.estimate_cells(*three) | {name: column[i] for name, column in texts.items()}
        mark = None if math.isnan(three[0]) else Mark("square", *three, share=SAME_SIZE)
        rows.append(Row("study", cells, mark=mark))
    rows.append(
        with_cells(base.pooled(fit, (), everyone, "overall"), {name: column[-1] for name, column in texts.items()})
    )
    own = ["study", "k"] if refits.question == "cumulative" else ["study"]
    has_test = fit.effects.measure_entry.no_effect is not None
    wide = [name for name in ("p_value", "tau2", "i2") if name in texts and (has_test or name != "p_value")]
    narrow = [name for name in ("i2",) if name in texts]
    choices = [(own, ["estimate", *wide]), (own, ["estimate", *narrow]), (["study"], ["estimate"])]
    sets = column_sets(base, options, texts, choices)
    notes = (*forest_notes(fit, {}, (), options), *failures(refits)) if options.notes else ()
    return ForestSpec(sets, tuple(rows), base.axis(rows), notes, options.title, base.look.manner)


def failures(refits: Refits) -> tuple[str, ...]:
    """Which refits have no answer, and why."""
    failed = [
        (name, why) for name, why, x in zip(refits.label, refits.status, refits.estimate, strict=True) if math.isnan(x)
    ]
    return tuple(f"{name}: {why}" for name, why in failed)


def models_spec(
    fits: Mapping[str, Pooled], failed: Mapping[str, str], heading: str, options: ForestOptions
) -> ForestSpec:
    """One row an estimator or a model, each with its diamond."""
    found = list(fits.values())
    with np.errstate(over="ignore"):
        back = [fit.back_transformed() for fit in found]
    base = base_rows(found[0], options, np.array([b.ci_high - b.ci_low for b in back]))
    if options.decimals is None:
        # What differs between estimators is small beside the intervals.
        base.decimals += 1

    def of(name: str) -> FloatArray:
        return np.array([getattr(fit, name) for fit in found])

    names = ("p_value", "tau2", "i2", "q", "prediction_low", "prediction_high")
    texts = Numbers([fit.k for fit in found], *(of(name) for name in names)).texts(base)
    titles = [full_name(key, fit, heading) for key, fit in fits.items()]
    rows = []
    for i, key in enumerate(fits):
        three = (back[i].estimate, back[i].ci_low, back[i].ci_high)
        cells = {"study": titles[i], "key": key} | base.estimate_cells(*three)
        cells |= {name: column[i] for name, column in texts.items()}
        rows.append(Row("study", cells, mark=Mark("diamond", *three)))
    if options.study_heading is None:
        base.options = replace(base.options, study_heading=heading)
    some = [name for name in ("tau2", "i2") if name in texts]
    all_of = ["prediction", *some] if "prediction" in texts and options.prediction is not False else some
    one_name = [["study"]] if titles == list(fits) else [["study"], ["key"]]
    choices = [(left, ["estimate", *right]) for left in one_name for right in (all_of, some)]
    choices += [(one_name[-1], ["estimate", *some[:1]]), (one_name[-1], ["estimate"])]
    sets = column_sets(base, options, texts, choices)
    axis = base.axis([*rows, Row("overall", mark=rows[0].mark)])
    notes = [shared_method(found)] if options.notes else []
    notes += [f"{key}: {why}" for key, why in failed.items()] if options.notes else []
    return ForestSpec(sets, tuple(rows), axis, tuple(note for note in notes if note), options.title, base.look.manner)


def full_name(key: str, fit: Pooled, heading: str) -> str:
    """As in "Restricted maximum likelihood (REML)"; a model keeps the name that it was given."""
    title = fit.tau2_method
    if heading != ESTIMATOR or not title:
        return key
    title = title[:1].upper() + title[1:]
    return title if f"({key})" in title else f"{title} ({key})"


ESTIMATOR = "Estimator of τ²"


def shared_method(fits: Sequence[Pooled]) -> str:
    """How all of them were pooled, in one sentence; "" where they differ."""
    sentences = {model_sentence(replace(fit, tau2_method="")) for fit in fits}
    intervals = {fit.ci_method for fit in fits}
    if len(sentences) > 1 or len(intervals) > 1 or len({fit.k for fit in fits}) > 1:
        return ""
    interval = f"; confidence interval: {fits[0].ci_method}" if fits[0].ci_method else ""
    return in_symbols(f"{fits[0].k} studies. {sentences.pop()}{interval}")


def with_cells(row: Row, cells: Mapping[str, str]) -> Row:
    """The row with other texts beside its own."""
    return replace(row, cells=dict(row.cells) | dict(cells))


def column_sets(
    base: Rows,
    options: ForestOptions,
    texts: Mapping[str, tuple[str, ...]],
    choices: Sequence[tuple[list[str], list[str]]],
) -> tuple[ColumnSet, ...]:
    """The columns that the user chose, or those by default."""
    known = ["study", "estimate", "interval", *HEADINGS]
    left_given, right_given = options.names("left"), options.names("right")
    for name in (*(left_given or ()), *(right_given or ())):
        if name not in known:
            raise OptionError(
                f"there is no column {name!r}.{nearest(name, known)} The columns are: {', '.join(known)}."
            )
    if left_given is not None or right_given is not None:
        first = choices[0]
        left = [c for c in first[0] if c not in (right_given or ())] if left_given is None else left_given
        right = [c for c in first[1] if c not in left] if right_given is None else right_given
        choices = [(left if "study" in (*left, *right) else ["study", *left], right)]
    heading = base.options.study_heading or ""
    headings = {
        "key": heading,
        **{name: base.headings()[name] for name in ("estimate", "measure", "interval")},
        **HEADINGS,
    }
    headings |= {"study": heading, "prediction": f"{per_cent(base.whole.level)}{NO_BREAK}prediction interval"}
    headings |= given_headings(options)
    names = dict.fromkeys(name for choice in choices for side in choice for name in side)
    columns = {
        name: TextColumn(
            Column(name, "left" if name in ("study", "key") else "right", wraps=name == "study"),
            headings[name],
            texts.get(name, ()),
            no_total,
        )
        for name in names
        if name not in ("estimate", "interval")
    }
    panel = base.titled(base.look.panel_heading)
    return tuple(column_set(choice, columns, headings, ("", ""), panel=panel) for choice in choices)
