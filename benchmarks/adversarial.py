"""100,000 sets of effects made to break an estimator, by every estimator: does one fail, or a grid find a higher likelihood?

    python benchmarks/adversarial.py [--sets 100000] [--seed 1]

Sets of k = 2 to 60 studies of eight kinds: ordinary, sampling variances over twelve orders of magnitude, effects at the
boundary, two clusters, one outlier, ties, a precise few, and disagreement at every scale (many maxima). Warnings are errors. Every
estimate is finite and not negative, and every status says that it was found. REML and ML are held against the best of a grid of
1,500 points, written out again here; inner solutions against their estimating equations in extended precision. The exit code is 1
where anything fails.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, Tau2Function, estimate_tau2
from metaanalysis.formulas.tau2_moments import generalised_moments
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

GRID = 1_500
STUDIES = (2, 3, 4, 5, 7, 10, 13, 25, 40, 60)
BLOCK = 250
# A likelihood is beaten where the grid's is above it by more than its rounding.
ROUNDING = 1e-9

Sets = tuple[np.ndarray, np.ndarray]


def generalised_q(y: np.ndarray, v: np.ndarray, X: np.ndarray | None) -> np.ndarray:
    """The generalised Q with weights 1 / sqrt(v)."""
    return generalised_moments(y, v, X, v**-0.5)


ESTIMATORS: dict[str, Tau2Function] = {**{key: TAU2[key].function for key in TAU2}, "GENQ": generalised_q}


def ordinary(random: np.random.Generator, n: int, k: int) -> Sets:
    v = random.uniform(0.01, 1, (n, k))
    return random.normal(0, np.sqrt(v + 10.0 ** random.uniform(-4, 1, (n, 1)))), v


def wide_variances(random: np.random.Generator, n: int, k: int) -> Sets:
    v = 10.0 ** random.uniform(-12, 0, (n, k))
    return random.normal(0, np.sqrt(v + 10.0 ** random.uniform(-8, 1, (n, 1)))), v


def at_the_boundary(random: np.random.Generator, n: int, k: int) -> Sets:
    v = 10.0 ** random.uniform(-3, 0, (n, k))
    return random.normal(0, np.sqrt(v)) * random.uniform(0.3, 1.2, (n, 1)), v


def two_clusters(random: np.random.Generator, n: int, k: int) -> Sets:
    v = 10.0 ** random.uniform(-4, 0, (n, k))
    apart = np.where(random.random((n, k)) < 0.5, 0, 10.0 ** random.uniform(-3, 2, (n, 1)))
    return random.normal(0, 0.1 * np.sqrt(v)) + apart, v


def one_outlier(random: np.random.Generator, n: int, k: int) -> Sets:
    v = 10.0 ** random.uniform(-6, 0, (n, k))
    y = random.normal(0, np.sqrt(v))
    y[np.arange(n), random.integers(0, k, n)] += 10.0 ** random.uniform(-2, 3, n)
    return y, v


def ties(random: np.random.Generator, n: int, k: int) -> Sets:
    return np.round(random.normal(0, 1, (n, k)) * 2) / 2, 10.0 ** random.integers(-6, 1, (n, k))


def a_precise_few(random: np.random.Generator, n: int, k: int) -> Sets:
    few = random.random((n, k)) < 0.3
    v = np.where(few, 10.0 ** random.uniform(-12, -4, (n, 1)), random.uniform(0.01, 1, (n, k)))
    return random.normal(0, np.sqrt(v + 10.0 ** random.uniform(-6, 0, (n, 1)))), v


def disagreement_at_every_scale(random: np.random.Generator, n: int, k: int) -> Sets:
    v = 10.0 ** random.uniform(-8, 0, (n, k))
    return np.sign(random.normal(size=(n, k))) * np.sqrt(v) * 10.0 ** random.uniform(-0.5, 0.8, (n, k)), v


KINDS: tuple[Callable[[np.random.Generator, int, int], Sets], ...] = (
    ordinary,
    wide_variances,
    at_the_boundary,
    two_clusters,
    one_outlier,
    ties,
    a_precise_few,
    disagreement_at_every_scale,
)


def blocks_of_sets(sets: int, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Blocks of one kind and one k until there are so many sets; each block has its own stream of random numbers."""
    done = number = 0
    while done < sets:
        kind, k = KINDS[number % len(KINDS)], STUDIES[number // len(KINDS) % len(STUDIES)]
        n = min(BLOCK, sets - done)
        y, v = kind(np.random.default_rng([seed, number]), n, k)
        yield kind.__name__, y, v
        done, number = done + n, number + 1


def log_likelihood(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, restricted: bool) -> np.ndarray:
    """Up to a constant, about the most precise study's effect; y, v: (n, k); tau2: (n,)."""
    e = y - np.take_along_axis(y, v.argmin(axis=1)[:, np.newaxis], axis=1)
    total = v + tau2[:, np.newaxis]
    w = 1.0 / total
    whole = w.sum(axis=1)
    mean = (w * e).sum(axis=1) / whole
    twice = np.log(total).sum(axis=1) + (w * (e - mean[:, np.newaxis]) ** 2).sum(axis=1)
    return -0.5 * (twice + (np.log(whole) if restricted else 0.0))


def best_of_a_grid(y: np.ndarray, v: np.ndarray, restricted: bool, points: int) -> np.ndarray:
    """The highest likelihood from tau2 = 0 to the square of the range; even steps of log(1 + tau2 / least variance)."""
    smallest = v.min(axis=1)
    span = np.log1p(np.ptp(y, axis=1) ** 2 / smallest)
    best = np.full(len(y), -np.inf)
    for share in np.linspace(0.0, 1.02, points):
        np.maximum(best, log_likelihood(y, v, smallest * np.expm1(share * span), restricted), out=best)
    return best


def score(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, key: str) -> np.ndarray:
    """What the estimating equation of an inner solution says should be 0, in extended precision; relative."""
    y, v, tau2 = (np.asarray(x, dtype=np.longdouble) for x in (y, v, tau2))
    e = y - np.take_along_axis(y, v.argmin(axis=1)[:, np.newaxis], axis=1)
    w = 1.0 / (v + tau2[:, np.newaxis])
    whole = w.sum(axis=1)
    r = e - ((w * e).sum(axis=1) / whole)[:, np.newaxis]
    if key == "PM":
        return (w * r * r).sum(axis=1) / (y.shape[1] - 1) - 1.0
    trace = whole - (w * w).sum(axis=1) / whole if key == "REML" else whole
    return ((w * r) ** 2).sum(axis=1) / trace - 1.0


def faults_of(y: np.ndarray, v: np.ndarray, points: int) -> Counter[str]:
    """What is wrong with a block, by estimator."""
    wrong: Counter[str] = Counter()
    for key, function in ESTIMATORS.items():
        found = estimate_tau2(function, y, v)
        status = np.asarray(found.status)
        bad = ~(np.isfinite(found.x) & (found.x >= 0)) | ~np.isin(status, (Status.CONVERGED, Status.AT_ZERO))
        wrong[f"{key} has no estimate"] += int(bad.sum())
        numbers = pooled_numbers(y, v, PoolOptions(tau2=function, ci="hksj-adhoc"), found.x)
        finite = [np.isfinite(numbers.estimate), np.isfinite(numbers.ci_low), np.isfinite(numbers.ci_high)]
        wrong[f"{key} pools to no number"] += int((~np.all(finite, axis=0)).sum())
        if key in ("REML", "ML", "PM"):
            inner = found.x > 0
            off = np.abs(score(y[inner], v[inner], found.x[inner], key)) > 1e-9
            wrong[f"{key} does not solve its equation"] += int(off.sum())
        if key in ("REML", "ML"):
            best = best_of_a_grid(y, v, key == "REML", points)
            reached = log_likelihood(y, v, np.asarray(found.x), key == "REML")
            beaten = best - reached > ROUNDING * (1.0 + np.abs(best))
            wrong[f"{key} is less likely than a point of the grid"] += int(beaten.sum())
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100_000)
    parser.add_argument("--grid", type=int, default=GRID, help="points")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("error")
    started = time.perf_counter()
    wrong: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for kind, y, v in blocks_of_sets(options.sets, options.seed):
        found = faults_of(y, v, options.grid)
        wrong += found
        kinds[kind] += len(y)
        for what, number in (+found).items():
            print(f"{kind}, k = {y.shape[1]}: {what} in {number} of {len(y)}", flush=True)
    print(f"{sum(kinds.values()):,} sets by {len(ESTIMATORS)} estimators in {time.perf_counter() - started:.0f} s")
    print(", ".join(f"{kind.replace('_', ' ')} {number:,}" for kind, number in kinds.items()))
    print(f"{sum(wrong.values())} faults" if wrong else "no fault, no warning, no likelihood below the grid's")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
