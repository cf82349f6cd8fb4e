"""Meta-regression with three moderators: `meta_regression` beside metafor's rma, in one run.

    python benchmarks/regression.py [--sizes 100 2000] [--repeats 5]

Seeded data; REML and Hartung-Knapp on both sides; medians of repeats. metafor is skipped, and named, where Rscript or the
package is not installed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import metaanalysis as ma

SEED = 41

METAFOR = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
d <- read.csv(arguments[1])
for (i in seq_len(as.integer(arguments[2]))) {
  started <- Sys.time()
  fit <- rma(y, v, mods = ~ a + b + g, data = d, test = "knha")
  cat(as.numeric(Sys.time() - started, units = "secs"), "\\n")
}
"""


def simulated(k: int) -> pd.DataFrame:
    """Effects, variances and three moderators, one of them a factor of two levels."""
    random = np.random.default_rng(SEED + k)
    v = random.uniform(0.02, 0.5, k)
    frame = pd.DataFrame({"a": random.normal(size=k), "b": random.uniform(size=k), "g": random.choice(["x", "z"], k)})
    mean = 0.1 + 0.2 * frame["a"] - 0.3 * frame["b"] + 0.15 * (frame["g"] == "z")
    return frame.assign(y=mean + random.normal(0, np.sqrt(v + 0.05)), v=v)


def ours(frame: pd.DataFrame, repeats: int) -> float:
    """Median seconds of the whole call, from effects to a result."""
    effects = ma.effect_sizes(frame, "GEN")
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        ma.meta_regression(effects, "~ a + b + g", ci="hksj")
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def metafor(frame: pd.DataFrame, repeats: int) -> float | str:
    """Median seconds of rma, or why there are none."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder, "studies.csv"), Path(folder, "time.R")
        frame.to_csv(table, index=False)
        script.write_text(METAFOR, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", str(script), str(table), str(repeats)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        return f"metafor failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    return statistics.median(float(line) for line in done.stdout.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 2_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for k in options.sizes:
        frame = simulated(k)
        here = ours(frame, options.repeats)
        there = metafor(frame, 1 if k > 1_000 else options.repeats)
        if isinstance(there, str):
            print(f"k = {k:>6,}: metaanalysis {1e3 * here:9.1f} ms; metafor skipped: {there}")
        else:
            print(
                f"k = {k:>6,}: metaanalysis {1e3 * here:9.1f} ms; metafor {1e3 * there:11.1f} ms, {there / here:.0f} times"
            )


if __name__ == "__main__":
    main()
