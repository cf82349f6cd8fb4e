"""One meta-analysis: `pool` beside its peers, at k = 13, 1,000 and 100,000 studies, in one run.

    python benchmarks/single.py [--repeats 7] [--sizes 13 1000 100000] [--json results.json]

Seeded data; each figure is the median of repeats of the whole call, from arrays to an object with estimate, interval, tau2,
Q and I2; a short call is repeated within a measurement until that lasts 0.05 s, in R as in Python. A peer that gives fewer
outputs is starred; one that is not installed is skipped and named. metafor builds k x k matrices and is asked up to
k = 1,000 only.
The last part measures peak memory of `pool` at several k: it grows in proportion to k.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import metaanalysis as ma

SEED = 20_260
TAU2 = 0.09
METHODS = ("DL", "PM", "REML")
# metafor's matrices are k x k: 8 GB each at 32,000 studies.
METAFOR_MOST = 1_000

METAFOR = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
d <- read.csv(arguments[1])
repeats <- as.integer(arguments[2])
method <- arguments[3]
seconds <- function(times) {
  started <- Sys.time()
  for (i in seq_len(times)) rma(y, v, data = d, method = method)
  as.numeric(Sys.time() - started, units = "secs") / times
}
warm <- seconds(1)
inner <- max(1, floor(0.05 / seconds(1)))
for (i in seq_len(repeats)) cat(seconds(inner), "\\n")
"""


def simulated(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Effect sizes and variances of k studies."""
    random = np.random.default_rng(SEED + k)
    v = random.uniform(0.02, 0.5, k)
    return 0.3 + random.normal(0, np.sqrt(v + TAU2)), v


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """The median time of a call after one to warm up; short calls are repeated within a measurement."""
    call()
    started = time.perf_counter()
    call()
    inner = max(1, int(0.05 / max(time.perf_counter() - started, 1e-9)))
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(inner):
            call()
        times.append((time.perf_counter() - started) / inner)
    return statistics.median(times)


def pymare_call(method: str, y: np.ndarray, v: np.ndarray) -> Callable[[], object] | None:
    if method == "PM":
        return None  # PyMARE has no Paule-Mandel
    from pymare import Dataset
    from pymare.estimators import DerSimonianLaird, VarianceBasedLikelihoodEstimator

    def call() -> object:
        dataset = Dataset(y=y[:, np.newaxis], v=v[:, np.newaxis], add_intercept=True)
        estimator = DerSimonianLaird() if method == "DL" else VarianceBasedLikelihoodEstimator(method="REML")
        results = estimator.fit_dataset(dataset).summary()
        return results.get_fe_stats(), results.get_heterogeneity_stats()

    return call


def statsmodels_call(method: str, y: np.ndarray, v: np.ndarray) -> Callable[[], object] | None:
    if method == "REML":
        return None  # statsmodels has DL and PM
    from statsmodels.stats.meta_analysis import combine_effects

    return lambda: combine_effects(y, v, method_re={"DL": "chi2", "PM": "iterated"}[method]).summary_frame()


def pymetaanalysis_call(method: str, y: np.ndarray, v: np.ndarray) -> Callable[[], object] | None:
    from meta_analyze import meta_analysis

    return lambda: meta_analysis(effect=y, variance=v, tau2_method=method)


# Who answers less than `pool` in the call that is timed, and what is missing.
FEWER_OUTPUTS = {
    "statsmodels": "no test of the estimate, no p-value of Q, no prediction interval, no names of studies, no check of the data"
}

PYTHON_PEERS = {
    "PyMARE": ("pymare", pymare_call),
    "statsmodels": ("statsmodels", statsmodels_call),
    "PyMetaAnalysis": ("meta_analyze", pymetaanalysis_call),
}


def metafor_seconds(method: str, y: np.ndarray, v: np.ndarray, repeats: int) -> float | str:
    """The median, or why there is none."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    if y.size > METAFOR_MOST:
        return f"not asked above k = {METAFOR_MOST:,}: its matrices are k x k"
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder, "studies.csv"), Path(folder, "time.R")
        np.savetxt(table, np.column_stack([y, v]), delimiter=",", header="y,v", comments="", fmt="%.17g")
        script.write_text(METAFOR, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", str(script), str(table), str(repeats), method], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        return f"metafor failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}"
    return statistics.median(float(line) for line in done.stdout.splitlines())


def measure(k: int, repeats: int) -> list[dict[str, object]]:
    """One row a method and program."""
    y, v = simulated(k)
    rows: list[dict[str, object]] = []
    for method in METHODS:
        ours = median_seconds(lambda method=method: ma.pool(y, v, tau2=method), repeats)
        rows.append({"k": k, "method": method, "program": "metaanalysis", "seconds": ours, "ratio": 1.0})
        found: dict[str, float | str] = {"metafor": metafor_seconds(method, y, v, repeats)}
        for name, (module, make) in PYTHON_PEERS.items():
            if importlib.util.find_spec(module) is None:
                found[name] = "not installed"
                continue
            call = make(method, y, v)
            if call is None:
                found[name] = f"has no {method}"
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found[name] = median_seconds(call, repeats)
            except Exception as error:
                found[name] = f"failed: {type(error).__name__}: {error}"
        for name, seconds in found.items():
            if isinstance(seconds, str):
                rows.append({"k": k, "method": method, "program": name, "skipped": seconds})
            else:
                rows.append({"k": k, "method": method, "program": name, "seconds": seconds, "ratio": seconds / ours})
    return rows


def peak_megabytes(k: int) -> float:
    """Peak memory that one REML fit allocates."""
    y, v = simulated(k)
    ma.pool(y[:10], v[:10])
    tracemalloc.start()
    ma.pool(y, v)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[13, 1_000, 100_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [row for k in options.sizes for row in measure(k, options.repeats)]
    print(f"{'k':>7}  {'tau2':<5} {'program':<15} {'median':>12}  time relative to metaanalysis")
    for row in rows:
        name = f"{row['program']}{'*' if row['program'] in FEWER_OUTPUTS else ''}"
        if "skipped" in row:
            print(f"{row['k']:>7,}  {row['method']:<5} {name:<15} {'-':>12}  skipped: {row['skipped']}")
        else:
            print(f"{row['k']:>7,}  {row['method']:<5} {name:<15} {1e3 * row['seconds']:>9.3f} ms  {row['ratio']:.2f}")
    print("\n".join(f"* {name} gives fewer outputs: {what}" for name, what in FEWER_OUTPUTS.items()))
    memory = {k: peak_megabytes(k) for k in (1_000, 10_000, 100_000)}
    print("\npeak memory of one REML fit: " + ", ".join(f"k = {k:,}: {mb:.1f} MB" for k, mb in memory.items()))
    if options.json:
        machine = {"python": platform.python_version(), "numpy": np.__version__, "processor": platform.machine()}
        options.json.write_text(json.dumps({"machine": machine, "rows": rows, "memory": memory}, indent=1) + "\n")


if __name__ == "__main__":
    main()
