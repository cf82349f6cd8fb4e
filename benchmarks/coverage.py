"""How often do the intervals cover? Confidence intervals of the mean, prediction intervals, over 50 conditions.

    python benchmarks/coverage.py [--replications 10000] [--slow-replications 1000] [--out benchmarks/results]

Seeded; writes coverage.csv (every figure), coverage.md (one table, its findings on top) and coverage.svg (one figure).

The conditions follow the abstract of IntHout, Ioannidis & Borm (2014), BMC Medical Research Methodology 14:25: meta-analyses of
2 to 20 trials, with varying heterogeneity, of equal sizes or with 25 % of the trials ten times larger than the others. The
abstract does not list more: which numbers of trials between 2 and 20, which amounts of heterogeneity (I2 of 0, 25, 50, 75 and
90 %) and how many large trials there are among 2 or 3 (one) are chosen here. Effects are normal and the sampling variances known,
so that what is measured is the intervals and not the estimation of variances within trials.

A prediction interval's coverage is the share of the true distribution of effects, N(mean, tau2), that it holds, averaged over the
replications: no new effect need be drawn.
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

from metaanalysis.formulas.heterogeneity import typical_variance
from metaanalysis.models.numbers import PooledNumbers, pooled_numbers
from metaanalysis.options import PoolOptions

SEED = 20_140_218
LEVEL = 0.95
MEAN = 0.0
TRIALS = (2, 3, 5, 10, 20)
HETEROGENEITY = (0, 25, 50, 75, 90)
SIZES = ("equal", "25 % ten times larger")

# Title, ci, tau2 of the intervals of the mean; the last is slow, and has fewer replications.
CONFIDENCE = (
    ("Wald, DL", "wald", "DL"),
    ("Wald, PM", "wald", "PM"),
    ("Wald, REML", "wald", "REML"),
    ("t, REML", "t", "REML"),
    ("HKSJ, REML", "hksj", "REML"),
    ("HKSJ ad hoc, REML", "hksj-adhoc", "REML"),
    ("Kenward-Roger, REML", "kenward-roger", "REML"),
    ("Profile likelihood, ML", "profile-likelihood", "ML"),
)
SLOW = "profile-likelihood"
# Where more replications than this per cent have no interval, the others would not stand for all.
TOO_MANY_WITHOUT = 1.0
# An interval so many times wider than Wald's says next to nothing.
WIDE = 100.0
# Title, prediction; all with REML, and Wald's confidence interval where the method has none of its own.
PREDICTION = (
    ("Normal, as Wald's", "ci"),
    ("t, k - 1 df", "t"),
    ("HTS, k - 2 df", "hts"),
    ("HKSJ, k - 1 df", "hksj"),
    ("Kenward-Roger, df - 1", "kenward-roger"),
)


class Condition(NamedTuple):
    """One set of trials."""

    k: int
    i2: int
    sizes: str

    def variances(self) -> np.ndarray:
        """Sampling variances: 1 for a small trial, 0.1 for one ten times larger."""
        v = np.ones(self.k)
        if self.sizes != "equal":
            v[: max(1, round(self.k / 4))] = 0.1
        return v

    def tau2(self) -> float:
        """The between-study variance that has this I2 with the typical sampling variance (Higgins & Thompson 2002)."""
        share = self.i2 / 100
        return float(share / (1 - share) * typical_variance(self.variances()))


class Row(NamedTuple):
    """One interval in one condition."""

    k: int
    i2: int
    sizes: str
    kind: str
    method: str
    replications: int
    without: float  # per cent of the replications that have no such interval, for want of degrees of freedom
    coverage: float  # per cent of the others; NaN where they are too few
    monte_carlo_se: float  # per cent
    median_width: float  # in units of a small trial's standard error
    relative_width: float  # to the first REML interval of its kind


def conditions() -> Iterator[Condition]:
    for sizes in SIZES:
        for i2 in HETEROGENEITY:
            for k in TRIALS:
                yield Condition(k, i2, sizes)


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


def of_mean(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """1 where an interval covers the mean."""
    return ((low <= MEAN) & (high >= MEAN)).astype(float)


def of_effects(low: np.ndarray, high: np.ndarray, tau2: float) -> np.ndarray:
    """The share of the true effects that an interval holds."""
    if tau2 == 0:
        return of_mean(low, high)
    tau = np.sqrt(tau2)
    return special.ndtr((high - MEAN) / tau) - special.ndtr((low - MEAN) / tau)


def measured(at: Condition, replications: int, slow_replications: int, seed: np.random.SeedSequence) -> list[Row]:
    """All intervals in one condition, from the same replications."""
    random = np.random.default_rng(seed)
    v = np.broadcast_to(at.variances(), (replications, at.k)).copy()
    y = MEAN + np.sqrt(v + at.tau2()) * random.standard_normal((replications, at.k))
    tau2: dict[str, np.ndarray] = {}
    found: dict[str, PooledNumbers] = {}
    for title, ci, estimator in CONFIDENCE:
        n = slow_replications if ci == SLOW else replications
        options = PoolOptions(tau2=estimator, ci=ci, prediction="none", level=LEVEL)
        found[title] = pooled_numbers(y[:n], v[:n], options, tau2.get(estimator))
        tau2.setdefault(estimator, found[title].tau2)
    wald = found["Wald, REML"]
    unit = float(np.median(wald.ci_high - wald.ci_low))
    rows = [
        row_of(at, "confidence", title, x.ci_low, x.ci_high, of_mean(x.ci_low, x.ci_high), unit)
        for title, x in found.items()
    ]
    unit = 0.0
    for title, prediction in PREDICTION:
        options = PoolOptions(tau2="REML", ci="wald", prediction=prediction, level=LEVEL)
        x = pooled_numbers(y, v, options, tau2["REML"])
        low, high = x.prediction_low, x.prediction_high
        rows.append(row_of(at, "prediction", title, low, high, of_effects(low, high, at.tau2()), unit))
        unit = unit or rows[-1].median_width
    return rows


def write_csv(rows: list[Row], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            figures = [f"{x:.6g}" if isinstance(x, float) else x for x in row]
            writer.writerow(["" if x == "nan" else x for x in figures])


def extremes(rows: list[Row], kind: str) -> str:
    """As "61.2 to 97.0 % (Wald, DL), ...": the range over the conditions, method by method."""
    parts = []
    for method in dict.fromkeys(row.method for row in rows if row.kind == kind):
        values = [row.coverage for row in rows if row.method == method and row.kind == kind and row.coverage >= 0]
        parts.append(f"{min(values):.1f} to {max(values):.1f} % ({method})")
    return "; ".join(parts)


def findings(rows: list[Row]) -> tuple[str, str]:
    """Two sentences, of what was measured alone."""
    count = len({row[:3] for row in rows})
    first = f"Over {count} conditions, nominal 95 % confidence intervals of the mean covered it in {extremes(rows, 'confidence')}."
    wide = {row.method: 0 for row in rows if row.relative_width > WIDE}
    for method in wide:
        wide[method] = sum(row.relative_width > WIDE for row in rows if row.method == method)
    if wide:
        counts = ", ".join(f"{method} (in {number} conditions)" for method, number in wide.items())
        first = f"{first[:-1]}, and the median width was more than {WIDE:g} times that of Wald with REML for {counts}."
    second = f"Nominal 95 % prediction intervals held, of the true effects, {extremes(rows, 'prediction')}."
    return first, second


def write_table(rows: list[Row], path: Path, replications: int, slow_replications: int) -> None:
    """One table: a row a condition, a column an interval."""
    methods = list(dict.fromkeys((row.kind, row.method) for row in rows))
    cells = {(row[:3], row.kind, row.method): row for row in rows}
    widest = {True: max(row.monte_carlo_se for row in rows if row.method == CONFIDENCE[-1][0])}
    widest[False] = max(row.monte_carlo_se for row in rows if row.method != CONFIDENCE[-1][0] and row.coverage >= 0)
    first, second = findings(rows)
    lines = ["# Coverage of the intervals", "", f"{first} {second}", ""]
    lines += [
        f"{replications:,} replications a condition ({slow_replications:,} for the profile likelihood), the same for all methods; "
        f"Monte Carlo standard errors at most {widest[False]:.2f} (profile likelihood {widest[True]:.2f}) percentage points.",
        "",
        "Cells: coverage in per cent and, in brackets, the median width relative to the Wald interval with REML (confidence) or to "
        "the normal prediction interval (prediction); – where more than 1 % of the replications leave no degrees of freedom. k "
        "trials; I² of the true tau² with the typical sampling variance; effects normal, sampling variances known. C: confidence "
        "interval of the mean. P: prediction interval, with REML (HTS: Higgins, Thompson and Spiegelhalter); its coverage is the "
        "share of the true effects that it holds. Every figure, with Monte Carlo errors: `coverage.csv`.",
        "",
        "Conditions: IntHout, Ioannidis & Borm (2014), BMC Med Res Methodol 14:25, as far as its abstract gives them: 2 to 20 "
        "trials, of equal sizes or 25 % of them ten times larger, with varying heterogeneity. The numbers of trials within that "
        "range, the values of I², and one large trial where there are only 2 or 3, are chosen here.",
        "",
        "| sizes | I² % | k | " + " | ".join(f"{kind[0].upper()}: {method}" for kind, method in methods) + " |",
        "|---|--:|--:|" + "--:|" * len(methods),
    ]
    for at in dict.fromkeys(row[:3] for row in rows):
        k, i2, sizes = at
        values = []
        for kind, method in methods:
            row = cells[at, kind, method]
            width = f"{row.relative_width:.2f}" if row.relative_width < WIDE else f"{row.relative_width:.0e}"
            values.append(f"{row.coverage:.1f} ({width})" if row.coverage >= 0 else "–")
        lines.append(f"| {sizes} | {i2} | {k} | " + " | ".join(values) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


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
)
PANELS = (("confidence", "confidence interval"), ("prediction", "prediction interval"))


def draw(rows: list[Row], path: Path) -> None:
    """Coverage against the number of trials: a column an I2, a row a kind of interval and the trials' sizes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "coverage", "font.size": 8, "axes.linewidth": 0.6}):
        figure, axes = plt.subplots(4, len(HETEROGENEITY), figsize=(9.6, 9.2), sharex=True, sharey=True)
        for line, (kind, sizes) in enumerate([(kind, sizes) for kind, _ in PANELS for sizes in SIZES]):
            methods = list(dict.fromkeys(row.method for row in rows if row.kind == kind))
            for column, i2 in enumerate(HETEROGENEITY):
                ax = axes[line, column]
                ax.axhline(100 * LEVEL, color="#000000", linewidth=0.5)
                for order, (method, (colour, dash, marker)) in enumerate(zip(methods, LOOKS, strict=False)):
                    points = [
                        row
                        for row in rows
                        if (row.kind, row.method, row.sizes, row.i2) == (kind, method, sizes, i2) and row.coverage >= 0
                    ]
                    # Side by side, so that equal coverages do not hide one another.
                    aside = 0.06 * (order - (len(methods) - 1) / 2)
                    places = [TRIALS.index(row.k) + aside for row in points]
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
                ax.set_xticks(range(len(TRIALS)), [str(k) for k in TRIALS])
                ax.grid(axis="y", color="#e0e0e0", linewidth=0.4)
                ax.set_axisbelow(True)
                ax.spines[["top", "right"]].set_visible(False)
                if line == 0:
                    ax.set_title(f"I² = {i2} %", fontsize=8)
                if line == 3:
                    ax.set_xlabel("trials, k")
            words = dict(PANELS)[kind]
            axes[line, 0].set_ylabel(f"{words}s,\nsizes {sizes}\ncoverage (%)")
        figure.subplots_adjust(left=0.085, right=0.795, top=0.965, bottom=0.055, wspace=0.1, hspace=0.14)
        for line, title in ((0, "Confidence interval"), (2, "Prediction interval, REML")):
            handles, labels = axes[line, 0].get_legend_handles_labels()
            corner = axes[line, -1].get_position()
            figure.legend(
                handles,
                [
                    label.replace("Higgins-Thompson-Spiegelhalter", "Higgins-Thompson-\nSpiegelhalter")
                    for label in labels
                ],
                title=title,
                loc="upper left",
                bbox_to_anchor=(corner.x1 + 0.01, corner.y1 + 0.012),
                frameon=False,
                handlelength=3.2,
                alignment="left",
            )
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=10_000)
    parser.add_argument("--slow-replications", type=int, default=1_000, help="of the profile likelihood")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    slow = min(options.slow_replications, options.replications)
    started = time.perf_counter()
    all_conditions = list(conditions())
    seeds = np.random.SeedSequence(SEED).spawn(len(all_conditions))
    rows = [
        row
        for at, seed in zip(all_conditions, seeds, strict=True)
        for row in measured(at, options.replications, slow, seed)
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, options.out / "coverage.csv")
    write_table(rows, options.out / "coverage.md", options.replications, slow)
    draw(rows, options.out / "coverage.svg")
    for sentence in findings(rows):
        print(sentence)
    print(f"{len(all_conditions)} conditions in {time.perf_counter() - started:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
