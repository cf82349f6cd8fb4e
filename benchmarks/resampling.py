"""Refits by the hundred and by the ten thousand, beside R's metafor: leave-one-out, permutation tests, all subsets.

    python benchmarks/resampling.py [--repeats N] [--share S] [--groups N] [--json out.json]

Data are simulated with a fixed seed. Ours are medians of whole runs; metafor's leave-one-out is run whole, its permutations and
subsets on a share (a tenth, unless said otherwise), the time being taken as proportional, since each of its
refits costs the same. Without Rscript and metafor these columns are skipped with a message.

Then every group of many without each of its studies in turn (100,000 groups of 3 to 15 studies, unless said otherwise), beside
`leave_one_out` group by group and metafor's loop, each on a few groups and taken as proportional to their refits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import metaanalysis as ma
from metaanalysis.diagnostics import gosh, leave_one_out, permutation_test
from metaanalysis.many.engines import numba_engine

SEED = 20260101
TAU2 = 0.05
PERMUTATIONS = 10_000
SUBSETS_OF = 15
# Of the groups that are asked one by one.
FEW, METAFOR_FEW = 500, 150

METAFOR = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
share <- as.numeric(arguments[2])
read <- function(k) read.csv(file.path(arguments[1], paste0(k, ".csv")))
time <- function(name, expression, fraction) {
  started <- Sys.time()
  force(expression)
  cat(name, as.numeric(Sys.time() - started, units = "secs") / fraction, "\\n")
}
set.seed(1)
d <- read(100)
time("leave-one-out", leave1out(rma(y, v, data = d)), 1)
d <- read(50)
n <- round(10000 * share)
time("permutation-moderator", permutest(rma(y, v, mods = ~ x, data = d), iter = n, progbar = FALSE), n / 10000)
time("permutation-mean", permutest(rma(y, v, data = d), iter = n, progbar = FALSE), n / 10000)
d <- read(15)
n <- round(2^15 * share)
time("all-subsets", gosh(rma(y, v, data = d), subsets = n, progbar = FALSE), n / 2^15)
groups <- split(read("few"), read("few")$g)
time("many", for (one in groups) try(leave1out(rma(y, v, data = one, control = list(maxiter = 1000))), silent = TRUE), 1)
"""


def simulated(k: int) -> dict[str, np.ndarray]:
    """Effects, variances and a moderator of k studies."""
    random = np.random.default_rng(SEED + k)
    v = random.uniform(0.02, 0.5, k)
    x = random.normal(size=k)
    return {"y": 0.3 + 0.1 * x + random.normal(0, np.sqrt(v + TAU2)), "v": v, "x": x}


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """The median time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def ours(repeats: int) -> dict[str, float]:
    """Seconds by question, all by REML."""
    large, middle, small = (simulated(k) for k in (100, 50, SUBSETS_OF))
    fit = ma.pool(large["y"], large["v"])
    reg = ma.meta_regression(ma.effect_sizes(middle, "GEN"), "~ x")
    mean = ma.pool(middle["y"], middle["v"])
    few = ma.pool(small["y"], small["v"])
    calls: dict[str, Callable[[], object]] = {
        "leave-one-out": lambda: leave_one_out(fit),
        "permutation-moderator": lambda: permutation_test(reg, PERMUTATIONS, seed=1, progress=False),
        "permutation-mean": lambda: permutation_test(mean, PERMUTATIONS, seed=1, progress=False),
        "all-subsets": lambda: gosh(few, progress=False),
    }
    return {name: median_seconds(call, repeats) for name, call in calls.items()}


def groups_of_studies(groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances and offsets of groups of 3 to 15 studies."""
    random = np.random.default_rng(SEED)
    sizes = random.integers(3, 16, groups)
    v = random.uniform(0.02, 0.5, sizes.sum())
    return random.normal(0.3, np.sqrt(v + TAU2)), v, np.append(0, np.cumsum(sizes))


def ours_many(groups: int, repeats: int) -> dict[str, float]:
    """Seconds of the leave-one-out of all groups by each engine, and of `leave_one_out` of a few, one by one."""
    y, v, offsets = groups_of_studies(groups)
    found: dict[str, float] = {}
    for engine in ("numba", "numpy"):
        if engine == "numba" and numba_engine() is None:
            continue
        many = ma.pool_many((y, v), offsets=offsets, engine=engine, progress=False)
        found[engine] = median_seconds(lambda many=many: ma.leave_one_out_many(many, progress=False), repeats)
    pairs = list(itertools.pairwise(offsets[: FEW + 1].tolist()))
    fits = [ma.pool(y[first:last], v[first:last]) for first, last in pairs]
    found["one by one"] = median_seconds(lambda: [leave_one_out(fit) for fit in fits], min(repeats, 3))
    return found


def say_many(groups: int, mine: dict[str, float], theirs: dict[str, float] | str) -> dict[str, float]:
    """The table of the groups; what the others would take for all of them."""
    _, _, offsets = groups_of_studies(groups)
    refits, few = int(offsets[-1]), int(offsets[FEW])
    others = {"leave_one_out, one by one": mine["one by one"] * refits / few}
    if isinstance(theirs, dict):
        others["metafor's loop"] = theirs["many"] * refits / int(groups_of_studies(METAFOR_FEW)[2][-1])
    print(f"\nleave-one-out of {groups:,} groups of 3 to 15 studies, {refits:,} refits by REML")
    for engine in ("numba", "numpy"):
        if engine in mine:
            against = "".join(f"   {name} ({s:,.0f} s) {s / mine[engine]:,.0f}x" for name, s in others.items())
            print(f"{engine:<8}{mine[engine]:>7.2f} s{against}")
    return others


def metafor(share: float) -> dict[str, float] | str:
    """Seconds by question, or why there are none."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    with tempfile.TemporaryDirectory() as folder:
        for k in (100, 50, SUBSETS_OF):
            data = simulated(k)
            rows = np.column_stack([data["y"], data["v"], data["x"]])
            np.savetxt(Path(folder, f"{k}.csv"), rows, delimiter=",", header="y,v,x", comments="", fmt="%.17g")
        y, v, offsets = groups_of_studies(METAFOR_FEW)
        rows = np.column_stack([y, v, np.repeat(np.arange(METAFOR_FEW), np.diff(offsets))])
        np.savetxt(Path(folder, "few.csv"), rows, delimiter=",", header="y,v,g", comments="", fmt="%.17g")
        script = Path(folder, "time.R")
        script.write_text(METAFOR, encoding="utf-8")
        done = subprocess.run(["Rscript", str(script), folder, str(share)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"metafor failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}"
    return {name: float(seconds) for name, seconds in (line.split() for line in done.stdout.splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--share", type=float, default=0.1, help="of the permutations and subsets that metafor is given"
    )
    parser.add_argument("--groups", type=int, default=100_000, help="of the leave-one-out of many")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    titles = {
        "leave-one-out": "leave-one-out, k = 100",
        "permutation-moderator": "10,000 permutations of a moderator, k = 50",
        "permutation-mean": "10,000 sign flips of a mean, k = 50",
        "all-subsets": "all 32,767 subsets of k = 15",
    }
    mine, theirs = ours(options.repeats), metafor(options.share)
    if isinstance(theirs, str):
        print(f"metafor skipped: {theirs}")
    print(f"{'all by REML':<44} {'metaanalysis':>13} {'metafor':>12}  ratio")
    for name, title in titles.items():
        row = f"{title:<44} {1e3 * mine[name]:>10.1f} ms"
        if isinstance(theirs, dict):
            row += f" {theirs[name]:>10.2f} s  {theirs[name] / mine[name]:.0f}"
        print(row)
    many = ours_many(options.groups, options.repeats)
    others = say_many(options.groups, many, theirs)
    if options.json:
        machine = {"python": platform.python_version(), "numpy": np.__version__, "processor": platform.machine()}
        answer = {"machine": machine, "metaanalysis": mine, "metafor": theirs, "share": options.share}
        answer["many"] = {"groups": options.groups, "metaanalysis": many, "others, all groups": others}
        options.json.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
