"""Each measure's sampling variance, held against the variance of its estimates over many simulated studies.

    python benchmarks/variances.py [--replicates 20000] [--measures RR SMD ...] [--csv table.csv]

Seeded. One row a measure and variant: the conditions, the mean of v over the studies, the variance of y over them, and their
ratio with the standard error that the simulation leaves. The formulas are for large samples, so that a ratio is near 1 and
not 1; a variant for a special case (no effect, equal variances, fixed or random group sizes) is simulated in its case.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

import metaanalysis as ma

SEED = 1986
Columns = dict[str, np.ndarray]
Simulate = Callable[[np.random.Generator, int], Columns]


class Conditions(NamedTuple):
    """What is simulated, in words, and the function that does it."""

    words: str
    simulate: Simulate


def counts(random: np.random.Generator, size: int) -> Columns:
    return {
        "events1": random.binomial(200, 0.35, size),
        "n1": np.full(size, 200),
        "events2": random.binomial(160, 0.25, size),
        "n2": np.full(size, 160),
    }


def counts_without_effect(random: np.random.Generator, size: int) -> Columns:
    return counts(random, size) | {"events1": random.binomial(200, 0.25, size)}


def crossed_counts(random: np.random.Generator, size: int) -> Columns:
    cells = random.multinomial(360, [0.2, 0.35, 0.12, 0.33], size)
    return {
        "events1": cells[:, 0],
        "n1": cells[:, 0] + cells[:, 1],
        "events2": cells[:, 2],
        "n2": cells[:, 2] + cells[:, 3],
    }


def dichotomised_pairs(random: np.random.Generator, size: int) -> Columns:
    x, z = correlated(random, size, 300, 0.4)
    group, event = x > -0.2, z > 0.5
    return {
        "events1": (group & event).sum(axis=1),
        "n1": group.sum(axis=1),
        "events2": (~group & event).sum(axis=1),
        "n2": (~group).sum(axis=1),
    }


def person_time(random: np.random.Generator, size: int) -> Columns:
    time1, time2 = np.full(size, 900.0), np.full(size, 700.0)
    return {
        "events1": random.poisson(0.08 * time1),
        "time1": time1,
        "events2": random.poisson(0.06 * time2),
        "time2": time2,
    }


def matched_pairs(random: np.random.Generator, size: int) -> Columns:
    cells = random.multinomial(250, [0.25, 0.2, 0.12, 0.43], size)
    return dict(zip(("both", "only1", "only2", "neither"), cells.T, strict=True))


def matched_pairs_without_effect(random: np.random.Generator, size: int) -> Columns:
    cells = random.multinomial(250, [0.25, 0.16, 0.16, 0.43], size)
    return dict(zip(("both", "only1", "only2", "neither"), cells.T, strict=True))


def proportion(random: np.random.Generator, size: int) -> Columns:
    return {"events": random.binomial(150, 0.3, size), "n": np.full(size, 150)}


def rate(random: np.random.Generator, size: int) -> Columns:
    time = np.full(size, 800.0)
    return {"events": random.poisson(0.08 * time), "time": time}


def normal_group(random: np.random.Generator, size: int, mean: float, sd: float, n: int) -> tuple[np.ndarray, ...]:
    """Sample means and standard deviations of n normal people, without the people."""
    means = random.normal(mean, sd / np.sqrt(n), size)
    return means, sd * np.sqrt(random.chisquare(n - 1, size) / (n - 1)), np.full(size, n)


def means(mean1: float, sd1: float, n1: int, mean2: float, sd2: float, n2: int) -> Simulate:
    def simulate(random: np.random.Generator, size: int) -> Columns:
        one, two = normal_group(random, size, mean1, sd1, n1), normal_group(random, size, mean2, sd2, n2)
        names = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
        return dict(zip(names, (*one, *two), strict=True))

    return simulate


def split_by_threshold(random: np.random.Generator, size: int) -> Columns:
    """Group 1 is above a threshold of one of two correlated measurements."""
    x, z = correlated(random, size, 200, 0.4)
    group = x > 0.3
    return summaries(z, group)


def drawn_groups(random: np.random.Generator, size: int) -> Columns:
    """Each person falls into group 1 with probability 0.4; the measurement is normal within groups."""
    group = random.random((size, 200)) < 0.4
    return summaries(random.normal(np.where(group, 0.5, 0.0), 1.0), group)


def summaries(z: np.ndarray, group: np.ndarray) -> Columns:
    out: Columns = {}
    for number, inside in ((1, group), (2, ~group)):
        n = inside.sum(axis=1)
        mean = np.where(inside, z, 0.0).sum(axis=1) / n
        squares = np.where(inside, (z - mean[:, None]) ** 2, 0.0).sum(axis=1)
        out |= {f"mean{number}": mean, f"sd{number}": np.sqrt(squares / (n - 1)), f"n{number}": n}
    return out


def correlated(random: np.random.Generator, size: int, n: int, r: float) -> tuple[np.ndarray, np.ndarray]:
    x = random.standard_normal((size, n))
    return x, r * x + np.sqrt(1 - r * r) * random.standard_normal((size, n))


def correlation_of(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    x, z = x - x.mean(axis=1, keepdims=True), z - z.mean(axis=1, keepdims=True)
    return (x * z).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (z * z).sum(axis=1))


def before_after(sd1: float, sd2: float) -> Simulate:
    def simulate(random: np.random.Generator, size: int) -> Columns:
        x, z = correlated(random, size, 120, 0.6)
        x, z = 10.0 + sd1 * x, 9.2 + sd2 * z
        return {
            "mean1": x.mean(axis=1),
            "sd1": x.std(axis=1, ddof=1),
            "mean2": z.mean(axis=1),
            "sd2": z.std(axis=1, ddof=1),
            "r": correlation_of(x, z),
            "n": np.full(size, 120),
        }

    return simulate


def one_mean(random: np.random.Generator, size: int) -> Columns:
    mean, sd, n = normal_group(random, size, 10.0, 2.5, 80)
    return {"mean": mean, "sd": sd, "n": n}


def pairs(random: np.random.Generator, size: int) -> Columns:
    return {"r": correlation_of(*correlated(random, size, 120, 0.4)), "n": np.full(size, 120)}


def regression(random: np.random.Generator, size: int) -> Columns:
    """Three correlated random predictors; the test of the first, and the explained variance."""
    n = 200
    shared = random.standard_normal((size, n, 1))
    X = 0.6 * shared + 0.8 * random.standard_normal((size, n, 3))
    z = X @ np.array([0.35, 0.25, 0.2]) + random.standard_normal((size, n))
    X, z = X - X.mean(axis=1, keepdims=True), z - z.mean(axis=1, keepdims=True)
    XtX, Xtz = np.einsum("sni,snj->sij", X, X), np.einsum("sni,sn->si", X, z)
    b = np.linalg.solve(XtX, Xtz[..., None])[..., 0]
    rest = (z * z).sum(axis=1) - (b * Xtz).sum(axis=1)
    variance = rest / (n - 4) * np.linalg.inv(XtX)[:, 0, 0]
    return {
        "t": b[:, 0] / np.sqrt(variance),
        "n": np.full(size, n),
        "predictors": np.full(size, 3),
        "r2": 1 - rest / (z * z).sum(axis=1),
    }


def items(random: np.random.Generator, size: int) -> Columns:
    """Five parallel items of 150 people."""
    m, n = 5, 150
    x = random.standard_normal((size, n, 1)) + 1.1 * random.standard_normal((size, n, m))
    within, total = x.var(axis=1, ddof=1).sum(axis=1), x.sum(axis=2).var(axis=1, ddof=1)
    return {"alpha": m / (m - 1) * (1 - within / total), "items": np.full(size, m), "n": np.full(size, n)}


OF_KIND: dict[str, Conditions] = {
    "two groups, counts": Conditions("200 at risk 0.35, 160 at risk 0.25", counts),
    "two groups, person-time": Conditions("900 years at rate 0.08, 700 at 0.06", person_time),
    "matched pairs": Conditions("250 pairs, shares 0.25 0.20 0.12 0.43", matched_pairs),
    "one group, proportion": Conditions("150 at risk 0.3", proportion),
    "one group, rate": Conditions("800 years at rate 0.08", rate),
    "two groups, means": Conditions("n 60 and 80, means 10.5 and 9, SD 2.5", means(10.5, 2.5, 60, 9.0, 2.5, 80)),
    "before and after": Conditions("n 120, means 10 and 9.2, SD 2.5, r 0.6", before_after(2.5, 2.5)),
    "one group, mean": Conditions("n 80, mean 10, SD 2.5", one_mean),
    "association": Conditions("n 120, r 0.4", pairs),
    "reliability": Conditions("n 150, 5 parallel items", items),
}

UNEQUAL = Conditions("n 60 and 80, means 10.5 and 9, SD 3 and 2", means(10.5, 3.0, 60, 9.0, 2.0, 80))
NOTHING = Conditions("n 60 and 80, means 9, SD 2.5", means(9.0, 2.5, 60, 9.0, 2.5, 80))
CROSSED = Conditions("360 people, shares 0.20 0.35 0.12 0.33", crossed_counts)
LATENT = Conditions("300 people, two thresholds, latent r 0.4", dichotomised_pairs)
SPLIT = Conditions("200 people split by a threshold, latent r 0.4", split_by_threshold)
DRAWN = Conditions("200 people, 40% in group 1, d 0.5", drawn_groups)
REGRESSION = Conditions("n 200, 3 predictors", regression)
ONE_CV = Conditions("n 60 and 80, means 10.5 and 9, CV 0.25", means(10.5, 2.625, 60, 9.0, 2.25, 80))
PAIRS_WITHOUT_EFFECT = Conditions("250 pairs, shares 0.25 0.16 0.16 0.43", matched_pairs_without_effect)
COUNTS_WITHOUT_EFFECT = Conditions("200 and 160 at risk 0.25", counts_without_effect)
BEFORE_UNEQUAL = Conditions("n 120, means 10 and 9.2, SD 2.5 and 3, r 0.6", before_after(2.5, 3.0))

# Where a measure, or a variant of its variance, supposes something else than its kind's conditions.
SPECIAL: dict[tuple[str, str], Conditions] = {
    ("MD", "LS"): UNEQUAL,
    ("SMD", "H0"): NOTHING,
    ("SMD1", "H0"): NOTHING,
    ("SMDH", "LS"): UNEQUAL,
    ("SMDH", "LS2"): UNEQUAL,
    ("SMDH", "LS3"): UNEQUAL,
    ("SMD1H", ""): UNEQUAL,
    ("SMD1H", "LS"): UNEQUAL,
    ("SMD1H", "n"): UNEQUAL,
    ("ROM", "LS"): UNEQUAL,
    ("ROM", "second-order"): UNEQUAL,
    ("ROM", "AV"): UNEQUAL,
    ("CVR", ""): UNEQUAL,
    ("VR", ""): UNEQUAL,
    ("CLES", "LS"): UNEQUAL,
    ("CLES", "LS2"): UNEQUAL,
    ("CLES", "LS3"): UNEQUAL,
    ("ROM", "AVHO"): ONE_CV,
    ("PETO", ""): COUNTS_WITHOUT_EFFECT,
    ("MPPETO", ""): PAIRS_WITHOUT_EFFECT,
    ("PHI", "CS"): CROSSED,
    ("RTET", ""): LATENT,
    ("RPB", "CS"): DRAWN,
    ("ZPB", "CS"): DRAWN,
    ("RBIS", ""): SPLIT,
    ("ZBIS", ""): SPLIT,
    ("SMCRH", ""): BEFORE_UNEQUAL,
    ("CVRC", ""): BEFORE_UNEQUAL,
    ("VRC", ""): BEFORE_UNEQUAL,
    **{(measure, variant): REGRESSION for measure in ("PCOR", "SPCOR") for variant in ("LS", "AV")},
    **{(measure, ""): REGRESSION for measure in ("ZPCOR", "R2", "ZR2")},
}


def variance_table(replicates: int, wanted: list[str] | None = None) -> pd.DataFrame:
    """One row a measure and variant."""
    rows = []
    for measure, entry in ma.measures().iterrows():
        if not entry["inputs"] or (wanted and measure not in wanted):
            continue
        for variant in entry["variances"].split() or [""]:
            conditions = SPECIAL.get((measure, variant), OF_KIND[entry["kind"]])
            data = conditions.simulate(np.random.default_rng(SEED), replicates)
            options = {"variance": variant} if variant else {}
            with warnings.catch_warnings():
                # Studies without an effect size are counted below.
                warnings.simplefilter("ignore")
                effects = ma.effect_sizes(pd.DataFrame(data), measure, **options)
            y, v = effects.y, effects.v
            centred = (y - y.mean()) ** 2
            variance = y.var(ddof=1)
            error = np.sqrt(
                (np.mean(centred**2) / np.mean(centred) ** 2 - 1) / y.size + (v.std() / v.mean()) ** 2 / y.size
            )
            rows.append(
                {
                    "measure": measure,
                    "variance": variant,
                    "conditions": conditions.words,
                    "studies": y.size,
                    "mean_v": v.mean(),
                    "variance_of_y": variance,
                    "ratio": v.mean() / variance,
                    "error": v.mean() / variance * error,
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Monte Carlo check of the sampling variances")
    parser.add_argument("--replicates", type=int, default=20_000)
    parser.add_argument("--measures", nargs="*")
    parser.add_argument("--csv")
    arguments = parser.parse_args()
    table = variance_table(arguments.replicates, arguments.measures)
    with pd.option_context("display.max_rows", None, "display.width", 160):
        print(table.round({"ratio": 3, "error": 3, "mean_v": 6, "variance_of_y": 6}).to_string(index=False))
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)


if __name__ == "__main__":
    main()
