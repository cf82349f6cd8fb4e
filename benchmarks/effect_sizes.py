"""How long effect sizes take, a row: the bare NumPy formula, `effect_sizes` with all its checks, and metafor's escalc.

    python benchmarks/effect_sizes.py              # ten million rows; metafor at as many as it does in seconds
    python benchmarks/effect_sizes.py 1e6

One run, one seed, best of three, in processor time, so that what else runs on the machine counts less; all three work in one
thread. What is not installed is skipped. The bare formula is what a user would write: no checks,
no zero cells, and Hedges' correction by its approximation; ours has the exact one. escalc is timed inside R, without R's start.

The floor is what NumPy takes for a part of the work: each input read once, y and v written, and for risk ratios one logarithm a
row, in blocks that stay in cache. A multiple of escalc's speed that asks for less than the floor cannot be reached.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd

import metaanalysis as ma
from metaanalysis.effects.checks import blocks

SEED = 20261
ESCALC_ROWS = 200_000
REPEATS = 3


def counts(k: int) -> pd.DataFrame:
    """Trials of 20 to 500 people an arm, with a fifth to a quarter of events; a few have a zero cell."""
    rng = np.random.default_rng(SEED)
    n1, n2 = rng.integers(20, 500, k), rng.integers(20, 500, k)
    return pd.DataFrame({"events1": rng.binomial(n1, 0.2), "n1": n1, "events2": rng.binomial(n2, 0.25), "n2": n2})


def means(k: int) -> pd.DataFrame:
    """Trials of 20 to 500 people an arm with a small difference of means."""
    rng = np.random.default_rng(SEED)
    columns = {}
    for group, mean in ((1, 10.0), (2, 9.0)):
        columns[f"mean{group}"] = rng.normal(mean, 1.0, k)
        columns[f"sd{group}"] = rng.uniform(1.0, 3.0, k)
        columns[f"n{group}"] = rng.integers(20, 500, k)
    return pd.DataFrame(columns)


def bare_risk_ratio(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Log risk ratio and its variance."""
    a, n1, c, n2 = (frame[name].to_numpy() for name in ("events1", "n1", "events2", "n2"))
    return np.log((a / n1) / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2


def bare_smd(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Hedges' g and its variance."""
    m1, s1, n1, m2, s2, n2 = (frame[name].to_numpy() for name in ("mean1", "sd1", "n1", "mean2", "sd2", "n2"))
    m = n1 + n2 - 2
    g = (1 - 3 / (4 * m - 1)) * (m1 - m2) / np.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / m)
    return g, 1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2))


def floor(frame: pd.DataFrame, logarithms: int) -> None:
    """Read every input, take so many logarithms a row, write two results."""
    inputs = [frame[name].to_numpy() for name in frame.columns]
    y, v = np.empty(len(frame)), np.empty(len(frame))

    for which in blocks(len(frame)):
        for values in inputs:
            values[which].max()
        v[which] = inputs[1][which]
        if logarithms:
            np.log(v[which], out=y[which])
        else:
            y[which] = inputs[0][which]


ESCALC = """
if (!suppressMessages(suppressWarnings(require(metafor, quietly = TRUE)))) quit(status = 3)
set.seed(1); k <- %d; n1 <- sample(20:499, k, TRUE); n2 <- sample(20:499, k, TRUE)
a <- rbinom(k, n1, 0.2); c <- rbinom(k, n2, 0.25); m1 <- rnorm(k, 10); m2 <- rnorm(k, 9); s1 <- runif(k, 1, 3); s2 <- runif(k, 1, 3)
best <- function(f) min(sapply(1:3, function(i) sum(system.time(suppressWarnings(f()))[c("user.self", "sys.self")])))
cat(best(function() escalc("RR", ai = a, n1i = n1, ci = c, n2i = n2)),
    best(function() escalc("SMD", m1i = m1, sd1i = s1, n1i = n1, m2i = m2, sd2i = s2, n2i = n2)))
"""


def best(run: Callable[[], object]) -> float:
    """Seconds of the processor in the best of some runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def escalc_seconds() -> dict[str, float]:
    """Seconds of the processor a row of metafor's escalc; empty where it is not installed."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    done = subprocess.run([rscript, "-e", ESCALC % ESCALC_ROWS], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {}
    return {m: float(x) / ESCALC_ROWS for m, x in zip(("RR", "SMD"), done.stdout.split()[-2:], strict=True)}


def peak(frame: pd.DataFrame, measure: str) -> float:
    """The most memory that was in use at once, beside the inputs themselves, in sizes of the inputs."""
    tracemalloc.start()
    effects = ma.effect_sizes(frame, measure)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert effects.k == len(frame)
    return float(most / frame.memory_usage(index=False).sum())


def line(
    measure: str, frame: pd.DataFrame, bare: Callable[[pd.DataFrame], object], theirs: float | None, logarithms: int
) -> str:
    """One measure's numbers."""
    k = len(frame)
    plain, ours = best(lambda: bare(frame)), best(lambda: ma.effect_sizes(frame, measure))
    least = best(lambda: floor(frame, logarithms))
    text = f"{measure:<8}{1e9 * plain / k:>12.1f}{1e9 * ours / k:>8.1f}{ours / plain:>7.2f}"
    text += f"{'–':>9}{'–':>14}" if theirs is None else f"{1e9 * theirs:>9.0f}{theirs / (ours / k):>14.0f}"
    most = f"{'–':>15}" if theirs is None else f"{theirs / (least / k):>15.0f}"
    return f"{text}{peak(frame, measure):>8.2f}{1e9 * least / k:>8.1f}{most}"


def main() -> None:
    """Print one line a measure."""
    k = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    np.seterr(all="ignore")
    peer = escalc_seconds()
    print(f"{k:,} rows; nanoseconds a row; memory in sizes of the inputs")
    print(
        f"{'measure':<8}{'bare NumPy':>12}{'ours':>8}{'ratio':>7}{'escalc':>9}{'times faster':>14}{'memory':>8}{'floor':>8}"
        f"{'faster at most':>15}"
    )
    for measure, make, bare, logarithms in (("RR", counts, bare_risk_ratio, 1), ("SMD", means, bare_smd, 0)):
        print(line(measure, make(k), bare, peer.get(measure), logarithms))


if __name__ == "__main__":
    main()
