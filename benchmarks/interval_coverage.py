"""How often do the intervals cover? Of the mean, of a new effect, of tau2, over the conditions of a published simulation study.

    python benchmarks/interval_coverage.py [--replications 10000] [--slow-replications 1000] [--simulated-replications 300]
                                           [--out benchmarks/results]

Seeded; writes coverage.csv (every figure), coverage.md (one table, its findings on top) and coverage.svg (one figure).

The 180 conditions are those of Held, Hofmann & Pawel (2025), A comparison of combined p-value functions for meta-analysis, Research
Synthesis Methods 16:758-785, as their public simulation sets them (github.com/felix-hof/confMeta_simulation, whose protocol
names IntHout, Ioannidis & Borm 2014 as its model):

- mean differences of outcomes with a standard deviation of 1, 50 people in each group, mean effect 0.2;
- k = 3, 5, 10, 20, 50 studies, of which none, one or two have ten times as many people;
- tau2 = s2 I2 / (1 - I2) with I2 = 0, 30, 60, 90 %, where s2 is the mean of the sampling variances 2 / n;
- true effects normal, or skew-normal with slant 8 or -8, of the same mean and variance;
- estimates normal about the true effects, their variances estimated: chi-squared with 2 n - 2 degrees of freedom over n (n - 1).

A prediction interval's coverage is the share of the true distribution of effects that it holds, averaged over the replications:
no new effect need be drawn. Methods that take long (SLOW) have fewer replications, of normal effects alone. Nagashima's prediction
interval, a simulation of 25,000 draws and 160 exact tail probabilities each, is drawn for the first of the replications (300) in
12 of the conditions: normal effects, studies alike in size, k = 3, 5, 10. The two generalised Q intervals are not solved for:
one holds the true tau2 where the tail probability of the observed Q at it is within the level.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.quadratic_forms import orthonormal_basis, upper_tail
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS
from metaanalysis.formulas.weighted import weighted_mean
from metaanalysis.models.numbers import PooledNumbers, pooled_numbers
from metaanalysis.options import PoolOptions

SEED = 20_250_618
LEVEL = 0.95
MEAN = 0.2
PEOPLE = 50
SLANT = {"normal": 0.0, "right-skewed": 8.0, "left-skewed": -8.0}
STUDIES = (3, 5, 10, 20, 50)
HETEROGENEITY = (0, 30, 60, 90)
LARGE = (0, 1, 2)

# Title, ci, tau2 of the intervals of the mean.
CONFIDENCE = (
    ("Wald, DL", "wald", "DL"),
    ("Wald, REML", "wald", "REML"),
    ("t, REML", "t", "REML"),
    ("HKSJ, PM", "hksj", "PM"),
    ("HKSJ, REML", "hksj", "REML"),
    ("HKSJ ad hoc, REML", "hksj-adhoc", "REML"),
    ("Kenward-Roger, REML", "kenward-roger", "REML"),
    ("Profile likelihood, ML", "profile-likelihood", "ML"),
    ("Henmi-Copas, DL", "henmi-copas", "DL"),
)
# Title, prediction; all with REML, and Wald's confidence interval where the method has none of its own.
PREDICTION = (
    ("Normal, as Wald's", "ci"),
    ("t, k - 1 df", "t"),
    ("HTS, k - 2 df", "hts"),
    ("HKSJ, k - 1 df", "hksj"),
    ("Kenward-Roger, df - 1", "kenward-roger"),
    ("Nagashima", "nagashima"),
)
# Title, method, of the intervals of tau2; the last two by the tail probability alone, with the power of v in their weights.
VARIANCE = (
    ("Q-profile", "q-profile"),
    ("Profile likelihood, REML", "profile-likelihood"),
    ("Wald, REML", "wald"),
    ("Sidik-Jonkman", "sidik-jonkman"),
)
GENERALISED_Q = (("Generalised Q, 1/v", -1.0), ("Generalised Q, 1/sqrt(v)", -0.5))
SLOW = ("Profile likelihood, ML", "Henmi-Copas, DL", "Profile likelihood, REML", *(title for title, _ in GENERALISED_Q))
# Simulated, one data set at a time: the conditions that have it, with normal effects and studies alike in size.
SIMULATED, SIMULATED_STUDIES = "Nagashima", (3, 5, 10)
# Where more replications than this per cent have no interval, the others would not stand for all.
TOO_MANY_WITHOUT = 1.0
# An interval so many times wider than Wald's says next to nothing.
WIDE = 100.0


class Condition(NamedTuple):
    """One set of studies."""

    effects: str
    large: int
    i2: int
    k: int

    def people(self) -> np.ndarray:
        """In each of the two groups of a study."""
        n = np.full(self.k, float(PEOPLE))
        n[: self.large] *= 10.0
        return n

    def tau2(self) -> float:
        """The between-study variance."""
        share = self.i2 / 100
        return float(share / (1 - share) * np.mean(2.0 / self.people()))

    def scale_and_place(self) -> tuple[float, float]:
        """Of the skew-normal distribution of the effects, so that their mean and variance are the condition's (Azzalini 1985)."""
        slant = SLANT[self.effects]
        delta = slant / np.sqrt(1.0 + slant**2)
        scale = np.sqrt(self.tau2() / (1.0 - 2.0 * delta**2 / np.pi))
        return scale, MEAN - scale * delta * np.sqrt(2.0 / np.pi)

    def drawn(self, random: np.random.Generator, replications: int) -> tuple[np.ndarray, np.ndarray]:
        """Estimates and estimated sampling variances of the studies of many meta-analyses."""
        n = self.people()
        size = (replications, self.k)
        slant = SLANT[self.effects]
        delta = slant / np.sqrt(1.0 + slant**2)
        scale, place = self.scale_and_place()
        true = place + scale * (
            delta * np.abs(random.standard_normal(size)) + np.sqrt(1.0 - delta**2) * random.standard_normal(size)
        )
        y = true + np.sqrt(2.0 / n) * random.standard_normal(size)
        return y, random.chisquare(2.0 * n - 2.0, size) / (n * (n - 1.0))

    def below(self, x: np.ndarray) -> np.ndarray:
        """The share of the true effects below x."""
        if self.tau2() == 0:
            return (x > MEAN).astype(float)
        scale, place = self.scale_and_place()
        z = (x - place) / scale
        return special.ndtr(z) - 2.0 * special.owens_t(z, SLANT[self.effects])


class Row(NamedTuple):
    """One interval in one condition."""

    effects: str
    large: int
    i2: int
    k: int
    kind: str
    method: str
    replications: int
    without: float  # per cent of the replications that have no such interval, for want of degrees of freedom
    coverage: float  # per cent of the others; NaN where they are too few
    monte_carlo_se: float  # per cent
    median_width: float  # on the scale of the effects; NaN where the limits were not solved for
    relative_width: float  # to the first REML interval of its kind, or the first of tau2


def conditions() -> Iterator[Condition]:
    for effects in SLANT:
        for large in LARGE:
            for i2 in HETEROGENEITY:
                for k in STUDIES:
                    yield Condition(effects, large, i2, k)


def row_of(
    at: Condition, kind: str, title: str, low: np.ndarray, high: np.ndarray, held: np.ndarray, unit: float
) -> Row:
    """Coverage and width of an interval; unit: the width that counts 1, or 0 where this is the first."""
    there = ~np.isnan(low)
    without = 100 * float(1 - there.mean())
    if without > TOO_MANY_WITHOUT:
        return Row(*at, kind, title, low.size, without, *(float("nan"),) * 4)
    held, width = held[there], float(np.median((high - low)[there]))
    coverage, error = 100 * float(held.mean()), 100 * float(held.std() / np.sqrt(held.size))
    return Row(*at, kind, title, low.size, without, coverage, error, width, width / (unit or width))


def holds(low: np.ndarray, high: np.ndarray, value: float) -> np.ndarray:
    """1 where an interval covers a value."""
    return ((low <= value) & (high >= value)).astype(float)


def of_effects(at: Condition, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The share of the true effects that an interval holds."""
    return holds(low, high, MEAN) if at.tau2() == 0 else at.below(high) - at.below(low)


def of_the_mean(at: Condition, y: np.ndarray, v: np.ndarray, slow: int, tau2: dict[str, np.ndarray]) -> list[Row]:
    """Confidence intervals of the mean; tau2 takes the estimates, for those who need them next."""
    found: dict[str, PooledNumbers] = {}
    for title, ci, estimator in CONFIDENCE:
        options = PoolOptions(tau2=estimator, ci=ci, prediction="none", level=LEVEL)
        if title not in SLOW:
            found[title] = pooled_numbers(y, v, options, tau2.get(estimator))
            tau2.setdefault(estimator, found[title].tau2)
        elif slow:
            found[title] = pooled_numbers(y[:slow], v[:slow], options)
    wald = found["Wald, REML"]
    unit = float(np.median(wald.ci_high - wald.ci_low))
    return [
        row_of(at, "confidence", title, x.ci_low, x.ci_high, holds(x.ci_low, x.ci_high, MEAN), unit)
        for title, x in found.items()
    ]


def has_simulated(at: Condition) -> bool:
    """Whether a condition is one of those of the simulated interval."""
    return at.effects == "normal" and at.large == 0 and at.k in SIMULATED_STUDIES


def of_a_new_effect(at: Condition, y: np.ndarray, v: np.ndarray, tau2: np.ndarray, simulated: int) -> list[Row]:
    """Prediction intervals."""
    rows: list[Row] = []
    for title, prediction in PREDICTION:
        n = len(y)
        if title == SIMULATED:
            n = simulated if has_simulated(at) else 0
        if n == 0:
            continue
        options = PoolOptions(tau2="REML", ci="wald", prediction=prediction, level=LEVEL)
        x = pooled_numbers(y[:n], v[:n], options, tau2[:n])
        low, high = x.prediction_low, x.prediction_high
        unit = rows[0].median_width if rows else 0.0
        rows.append(row_of(at, "prediction", title, low, high, of_effects(at, low, high), unit))
    return rows


def of_tau2(at: Condition, y: np.ndarray, v: np.ndarray, slow: int) -> list[Row]:
    """Intervals of the between-study variance."""
    rows: list[Row] = []
    truth = at.tau2()
    for title, method in VARIANCE:
        n = slow if title in SLOW else len(y)
        if n:
            x = TAU2_INTERVALS.entry(method).function(y[:n], v[:n], None, LEVEL)
            # An empty interval holds nothing, though its limits are given as 0.
            held = holds(x.low, x.high, truth) * (np.asarray(x.high_status) != Status.NO_SOLUTION)
            unit = rows[0].median_width if rows else 0.0
            rows.append(row_of(at, "tau2", title, x.low, x.high, held, unit))
    half = (1 - LEVEL) / 2
    for title, power in GENERALISED_Q if slow else ():
        w = v[:slow] ** power
        q = weighted_mean(y[:slow], w).q
        tail = [upper_tail(float(q[i]), (v[i] + truth) * w[i], orthonormal_basis(w[i], None)) for i in range(slow)]
        held = ((np.array(tail) >= half) & (np.array(tail) <= 1 - half)).astype(float)
        limits = np.zeros(slow)
        row = row_of(at, "tau2", title, limits, limits, held, 1.0)
        rows.append(row._replace(median_width=float("nan"), relative_width=float("nan")))
    return rows


def simulated_again(rows: list[Row], replications: int, simulated: int) -> list[Row]:
    """The rows with those of the simulated interval made anew, from the same replications as the others."""
    rows = [row for row in rows if row.method != SIMULATED]
    all_conditions = list(conditions())
    seeds = np.random.SeedSequence(SEED).spawn(len(all_conditions))
    for at, seed in zip(all_conditions, seeds, strict=True):
        if has_simulated(at) and simulated:
            y, v = at.drawn(np.random.default_rng(seed), replications)
            options = PoolOptions(tau2="DL", prediction="nagashima", level=LEVEL)
            x = pooled_numbers(y[:simulated], v[:simulated], options)
            others = [i for i, row in enumerate(rows) if row[:4] == at and row.kind == "prediction"]
            low, high = x.prediction_low, x.prediction_high
            unit = rows[others[0]].median_width
            row = row_of(at, "prediction", SIMULATED, low, high, of_effects(at, low, high), unit)
            rows.insert(others[-1] + 1, row)
            print(
                f"I2 {at.i2} %, k = {at.k}: {row.coverage:.1f} % (Monte Carlo SE {row.monte_carlo_se:.2f})", flush=True
            )
    return rows


def measured(
    at: Condition, replications: int, slow_replications: int, simulated: int, seed: np.random.SeedSequence
) -> list[Row]:
    """All intervals in one condition, from the same replications."""
    y, v = at.drawn(np.random.default_rng(seed), replications)
    slow = slow_replications if at.effects == "normal" else 0
    tau2: dict[str, np.ndarray] = {}
    rows = of_the_mean(at, y, v, slow, tau2)
    return rows + of_a_new_effect(at, y, v, tau2["REML"], simulated) + of_tau2(at, y, v, slow)


def write_csv(rows: list[Row], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            figures = [f"{x:.6g}" if isinstance(x, float) else x for x in row]
            writer.writerow(["" if x == "nan" else x for x in figures])


def read_csv(path: Path) -> list[Row]:
    """The rows that were written."""
    kinds = (str, int, int, int, str, str, int, *[float] * 5)
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    return [Row(*(kind(x or "nan") for kind, x in zip(kinds, line, strict=True))) for line in lines]


def extremes(rows: list[Row], kind: str) -> str:
    """As "61.2 to 97.0 % (Wald, DL), ...": the range over the conditions, method by method."""
    parts = []
    for method in methods_of(rows, kind):
        values = [row.coverage for row in rows if row.method == method and row.kind == kind and row.coverage >= 0]
        those = f" (in its {len(values)} conditions)" if method == SIMULATED else ""
        parts.append(f"{method} {min(values):.1f} to {max(values):.1f} %{those}")
    return "; ".join(parts)


def methods_of(rows: list[Row], kind: str) -> list[str]:
    """In the order of the columns."""
    return list(dict.fromkeys(row.method for row in rows if row.kind == kind))


def short_of(rows: list[Row], kind: str, method: str, **where: object) -> str:
    """In how many of a method's conditions the coverage is more than two points short of the level."""
    chosen = [
        row
        for row in rows
        if (row.kind, row.method) == (kind, method)
        and row.coverage >= 0
        and all(getattr(row, name) == value for name, value in where.items())
    ]
    short = sum(row.coverage < 100 * LEVEL - 2 for row in chosen)
    widths = [row.relative_width for row in chosen]
    return f"{method}: {short} of {len(chosen)} (median width {np.median(widths):.2f} times)"


def findings(rows: list[Row]) -> list[str]:
    """Sentences of what was measured alone."""
    count = len({row[:4] for row in rows})
    first = f"Over {count} conditions nominal 95 % intervals of the mean covered it in: {extremes(rows, 'confidence')}."
    wide: dict[str, int] = {}
    for row in rows:
        if row.relative_width > WIDE:
            wide[f"{row.method} ({row.kind})"] = wide.get(f"{row.method} ({row.kind})", 0) + 1
    if wide:
        counts = ", ".join(f"{method} in {number} conditions" for method, number in wide.items())
        first += f" The median width was more than {WIDE:g} times that of the first of the kind for {counts}."
    short = "; ".join(short_of(rows, "confidence", method) for method in methods_of(rows, "confidence"))
    second = f"More than two points short of 95 % were, in how many conditions: {short}."
    third = f"Nominal 95 % prediction intervals held, of the true effects: {extremes(rows, 'prediction')}."
    fourth = f"Nominal 95 % intervals of tau2 covered it in: {extremes(rows, 'tau2')}."
    return [first, second, third, fourth]


def recommendation(rows: list[Row]) -> str:
    """What to use, with the figures that say so."""
    kinds = {"tau2": ("Q-profile",), "prediction": ("HTS, k - 2 df",)}
    of = {
        title: [row for row in rows if (row.kind, row.method) == (kind, title)]
        for kind, titles in {"confidence": methods_of(rows, "confidence"), **kinds}.items()
        for title in titles
    }

    def short(method: str) -> list[Row]:
        return [row for row in of[method] if row.coverage < 100 * LEVEL - 2]

    hksj, floored, wald = "HKSJ, REML", "HKSJ ad hoc, REML", "Wald, REML"
    unequal = [row for row in of[hksj] if row.large > 0]
    alike = min(row.coverage for row in of[hksj] if row.large == 0)
    wide = [row for row in of["Kenward-Roger, REML"] if row.relative_width > WIDE]
    profile = [row.coverage for row in of["Q-profile"]]
    predicted = [
        row.coverage
        for row in of["HTS, k - 2 df"]
        if row.effects == "normal" and row.i2 in (30, 60) and 5 <= row.k <= 20
    ]
    return (
        f'Recommended: for the mean `tau2="REML", ci="hksj"` where studies are alike in size (never below {alike:.1f} %), and '
        f'`ci="hksj-adhoc"` where a few are far larger: there HKSJ is more than two points short in '
        f"{sum(row.large > 0 for row in short(hksj))} of {len(unequal)} conditions, with the floor in {len(short(floored))}, "
        f"none of more than {max(row.k for row in short(floored))} studies. Wald's interval is short in {len(short(wald))} of "
        f"{len(of[wald])}. Kenward-Roger's is short in {len(short('Kenward-Roger, REML')) or 'none'}, but in {len(wide)} "
        f"conditions of at most {max(row.k for row in wide)} studies it is too wide to say anything. For tau2 the "
        f"Q-profile interval ({min(profile):.1f} to {max(profile):.1f} %). Prediction intervals fall short with 5 to 20 studies "
        f"and an I2 of 30 or "
        f"60 % (Higgins, Thompson and Spiegelhalter's hold {min(predicted):.0f} to {max(predicted):.0f} %): read them as rough."
        + of_the_simulated(rows)
    )


def of_the_simulated(rows: list[Row]) -> str:
    """What the simulated prediction interval holds beside Higgins, Thompson and Spiegelhalter's, where there is one."""
    theirs = {row[:4]: row for row in rows if row.method == SIMULATED and row.i2 > 0}
    others = [row for row in rows if row.method == "HTS, k - 2 df" and row[:4] in theirs]
    if not theirs:
        return ""
    held = [row.coverage for row in theirs.values()]
    wider = [theirs[row[:4]].median_width / row.median_width for row in others]
    return (
        f' `prediction="nagashima"`, simulated, holds {min(held):.1f} to {max(held):.1f} % in the {len(held)} heterogeneous '
        f"conditions where it was measured (at most {max(row.k for row in theirs.values())} studies), where HTS holds "
        f"{min(row.coverage for row in others):.1f} to {max(row.coverage for row in others):.1f} %; its median width is "
        f"{min(wider):.2f} to {max(wider):.2f} times that of HTS."
    )


def write_table(rows: list[Row], path: Path, replications: int, slow_replications: int) -> None:
    """One table: a row a condition, a column an interval."""
    methods = list(dict.fromkeys((row.kind, row.method) for row in rows))
    cells = {(row[:4], row.kind, row.method): row for row in rows}
    runs = {row.replications for row in rows if row.method == SIMULATED}
    worst = {
        speed: max((row.monte_carlo_se for row in rows if speed_of(row) == speed and row.coverage >= 0), default=0.0)
        for speed in ("usual", "slow", "simulated")
    }
    letters = {"confidence": "C", "prediction": "P", "tau2": "V"}
    lines = ["# Coverage of the intervals", ""]
    for sentence in findings(rows):
        lines += [sentence, ""]
    lines += [recommendation(rows), ""]
    lines += [
        f"{replications:,} replications a condition ({slow_replications:,} for {', '.join(SLOW)}, of normal effects alone), the "
        f"same for all methods; Monte Carlo standard errors at most {worst['usual']:.2f} ({worst['slow']:.2f}) percentage points. "
        f"{SIMULATED}: the first {max(runs, default=0):,} of them, with normal effects, studies alike in size and k = "
        f"{', '.join(map(str, SIMULATED_STUDIES))}; Monte Carlo standard error at most {worst['simulated']:.2f} points.",
        "",
        "Conditions: those of Held, Hofmann & Pawel (2025), Research Synthesis Methods 16:758-785, from their public simulation; "
        "`interval_coverage.py` lists them.",
        "",
        "Cells: coverage in per cent of normal effects / the lower of right- and left-skewed ones and, in brackets, the median "
        "width relative to the Wald interval with REML (C), to the normal prediction interval (P) or to the Q-profile "
        "interval (V); – where more than 1 % of the replications leave no degrees of freedom. large: studies ten times as large; "
        "k studies. C: confidence interval of the mean. P: prediction interval, with REML (HTS: Higgins, Thompson and "
        "Spiegelhalter); its coverage is the share of the true effects that it holds. V: interval of tau2. Every figure, with "
        "Monte Carlo errors: `coverage.csv`.",
        "",
        "| large | I² % | k | " + " | ".join(f"{letters[kind]}: {method}" for kind, method in methods) + " |",
        "|--:|--:|--:|" + "--:|" * len(methods),
    ]
    for large in LARGE:
        for i2 in HETEROGENEITY:
            for k in STUDIES:
                values = [cell_of([cells.get(((e, large, i2, k), *method)) for e in SLANT]) for method in methods]
                lines.append(f"| {large} | {i2} | {k} | " + " | ".join(values) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def speed_of(row: Row) -> str:
    """Which number of replications a row has."""
    return "simulated" if row.method == SIMULATED else "slow" if row.method in SLOW else "usual"


def cell_of(found: list[Row | None]) -> str:
    """Coverage of normal effects / the lower of the skewed ones (relative width)."""
    normal = found[0]
    if normal is None or not normal.coverage >= 0:
        return "–"
    skewed = [row.coverage for row in found[1:] if row is not None and row.coverage >= 0]
    text = f"{normal.coverage:.1f}" + (f" / {min(skewed):.1f}" if skewed else "")
    width = normal.relative_width
    return text if np.isnan(width) else f"{text} ({width:.2f})" if width < WIDE else f"{text} ({width:.0e})"


# Line, marker and grey of each method: they stay apart without colour.
LOOKS = (
    ("#9a9a9a", "-", "o"),
    ("#9a9a9a", "--", "s"),
    ("#000000", ":", "^"),
    ("#606060", "-.", "v"),
    ("#000000", "-", "D"),
    ("#000000", "--", "x"),
    ("#606060", "-", "+"),
    ("#9a9a9a", ":", "*"),
    ("#606060", "--", "P"),
)
PANELS = (("confidence", "mean"), ("prediction", "new effect"), ("tau2", "tau²"))


def draw(rows: list[Row], path: Path) -> None:
    """Coverage against the number of studies, normal effects: a column an I2, a row a kind of interval and how many are large."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = [(kind, words, large) for kind, words in PANELS for large in (LARGE[0], LARGE[-1])]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "coverage", "font.size": 8, "axes.linewidth": 0.6}):
        figure, axes = plt.subplots(len(lines), len(HETEROGENEITY), figsize=(9.6, 12.6), sharex=True, sharey=True)
        for line, (kind, words, large) in enumerate(lines):
            methods = methods_of(rows, kind)
            for column, i2 in enumerate(HETEROGENEITY):
                ax = axes[line, column]
                ax.axhline(100 * LEVEL, color="#000000", linewidth=0.5)
                for order, (method, (colour, dash, marker)) in enumerate(zip(methods, LOOKS, strict=False)):
                    wanted = ("normal", large, i2, kind, method)
                    points = [
                        row
                        for row in rows
                        if (row.effects, row.large, row.i2, row.kind, row.method) == wanted and row.coverage >= 0
                    ]
                    # Side by side, so that equal coverages do not hide one another.
                    aside = 0.06 * (order - (len(methods) - 1) / 2)
                    places = [STUDIES.index(row.k) + aside for row in points]
                    ax.plot(
                        places,
                        [row.coverage for row in points],
                        color=colour,
                        linestyle=dash,
                        linewidth=1.0,
                        marker=marker,
                        markersize=4,
                        markerfacecolor="white",
                        markeredgewidth=0.8,
                        label=method,
                    )
                ax.set_xticks(range(len(STUDIES)), [str(k) for k in STUDIES])
                ax.grid(axis="y", color="#e0e0e0", linewidth=0.4)
                ax.set_axisbelow(True)
                ax.spines[["top", "right"]].set_visible(False)
                if line == 0:
                    ax.set_title(f"I² = {i2} %", fontsize=8)
                if line == len(lines) - 1:
                    ax.set_xlabel("studies, k")
            axes[line, 0].set_ylabel(f"{words}, {large or 'no'} large\ncoverage (%)")
        axes[0, 0].set_ylim(75, 100.5)
        figure.subplots_adjust(left=0.085, right=0.785, top=0.975, bottom=0.04, wspace=0.1, hspace=0.14)
        titles = ("Confidence interval", "Prediction interval", "Interval of tau²")
        for line, title in zip((0, 2, 4), titles, strict=True):
            handles, labels = axes[line, 0].get_legend_handles_labels()
            corner = axes[line, -1].get_position()
            figure.legend(
                handles,
                labels,
                title=title,
                loc="upper left",
                bbox_to_anchor=(corner.x1 + 0.01, corner.y1 + 0.008),
                frameon=False,
                handlelength=3.2,
                alignment="left",
            )
        figure.text(0.80, 0.045, "Coverages below 75 % lie\noutside the panels.", va="bottom")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=10_000)
    parser.add_argument("--slow-replications", type=int, default=1_000, help="of the profile likelihood")
    parser.add_argument("--simulated-replications", type=int, default=300, help="of Nagashima's interval; 0 for none")
    parser.add_argument(
        "--again", action="store_true", help="the table and the figure from the coverage.csv that is there"
    )
    parser.add_argument(
        "--simulated-again",
        action="store_true",
        help="Nagashima's interval anew, the others from the coverage.csv there",
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    slow = min(options.slow_replications, options.replications)
    simulated = min(options.simulated_replications, options.replications)
    started = time.perf_counter()
    if options.again:
        rows = read_csv(options.out / "coverage.csv")
    elif options.simulated_again:
        rows = simulated_again(read_csv(options.out / "coverage.csv"), options.replications, simulated)
        write_csv(rows, options.out / "coverage.csv")
    else:
        all_conditions = list(conditions())
        seeds = np.random.SeedSequence(SEED).spawn(len(all_conditions))
        rows = [
            row
            for at, seed in zip(all_conditions, seeds, strict=True)
            for row in measured(at, options.replications, slow, simulated, seed)
        ]
        options.out.mkdir(parents=True, exist_ok=True)
        write_csv(rows, options.out / "coverage.csv")
    write_table(rows, options.out / "coverage.md", options.replications, slow)
    draw(rows, options.out / "coverage.svg")
    for sentence in [*findings(rows), recommendation(rows)]:
        print(sentence)
    print(
        f"{len({row[:4] for row in rows})} conditions in {time.perf_counter() - started:.0f} s; written to {options.out}"
    )


if __name__ == "__main__":
    main()
