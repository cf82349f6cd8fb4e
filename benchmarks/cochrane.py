"""The analyses of 247 Cochrane reviews, all pooled at once, beside metafor's loop over them.

    python benchmarks/cochrane.py [--corpus ../shared/cochrane] [--repeats 5] [--sample 200] [--json results.json]

The corpus (`studies.parquet`, `analyses.csv`) is not part of this repository. 27,945 rows in 3,867 analyses, each pooled under the
first model that its weights agree with: common effect, DerSimonian-Laird or REML by inverse variance, Mantel-Haenszel, or
Mantel-Haenszel's random-effects form. Ours: from the frames in memory to estimate, standard error, interval, Q, I2 and tau2 of
every analysis, effect sizes by one call a measure, pooling by one `pool_many` a model; the median of repeats. metafor: `escalc`
and `rma`, `rma.mh` or `rma.peto` in a loop over a seeded sample of the analyses, extrapolated by their number. Where both have
the same rules (mean differences and given estimates by inverse variance) the estimates are compared. The last line is pooling
alone: DerSimonian-Laird for all analyses from effect sizes and variances, beside a loop of `rma(y, v, method = "DL")`.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import metaanalysis as ma
from metaanalysis.errors import MetaAnalysisWarning

SEED = 20_260
KEY = ["review", "comparison", "analysis"]
COLUMNS = ["estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "q", "i2"]
INVERSE_VARIANCE = {"IV_FE": {"model": "common"}, "IV_DL": {"tau2": "DL"}, "IV_REML": {"tau2": "REML"}}
TABLES = {"MH_FE": {"model": "common"}, "MH_DL": {"model": "random"}}
CODES = {name: code for code, name in enumerate((*INVERSE_VARIANCE, *TABLES))}
GIVEN = ("GEN", "GENexp")

METAFOR = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
d <- read.csv(arguments[1])
parts <- split(d, d$group)
estimates <- rep(NA_real_, length(parts))
method <- c(IV_FE = "FE", IV_DL = "DL", IV_REML = "REML", MH_DL = "DL")
one <- function(p) {
  measure <- p$measure[1]; model <- p$model[1]
  if (measure == "PETO") return(rma.peto(ai = events1, n1i = n1, ci = events2, n2i = n2, data = p))
  if (model == "MH_FE") return(rma.mh(measure = measure, ai = events1, n1i = n1, ci = events2, n2i = n2, data = p))
  if (measure %in% c("GEN", "GENexp")) return(rma(yi = giv_estimate, sei = giv_se, data = p, method = method[model]))
  e <- if (measure %in% c("MD", "SMD"))
    escalc(measure = measure, m1i = mean1, sd1i = sd1, n1i = n1, m2i = mean2, sd2i = sd2, n2i = n2, data = p)
  else escalc(measure = measure, ai = events1, n1i = n1, ci = events2, n2i = n2, data = p, drop00 = TRUE)
  rma(yi, vi, data = e, method = method[model])
}
invisible(suppressWarnings(try(one(parts[[1]]), silent = TRUE)))
started <- Sys.time()
for (i in seq_along(parts)) {
  fit <- suppressWarnings(try(one(parts[[i]]), silent = TRUE))
  if (!inherits(fit, "try-error")) estimates[i] <- fit$beta[1]
}
cat(as.numeric(Sys.time() - started, units = "secs"), "\\n")
write.csv(data.frame(group = names(parts), estimate = estimates), arguments[2], row.names = FALSE)
"""


POOLING_ALONE = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
parts <- split(read.csv(arguments[1]), read.csv(arguments[1])$group)
invisible(rma(y, v, data = parts[[1]], method = "DL"))
started <- Sys.time()
for (p in parts) fit <- rma(y, v, data = p, method = "DL")
cat(as.numeric(Sys.time() - started, units = "secs"), "\\n")
"""


def read_corpus(folder: Path) -> pd.DataFrame:
    """The rows of the listed analyses with the measure and the first model of each."""
    studies = pd.read_parquet(folder / "studies.parquet")
    analyses = pd.read_csv(folder / "analyses.csv")
    studies["review"] = studies["review"].astype(str)
    frame = studies.merge(analyses[[*KEY, "measure", "models"]], on=KEY, how="inner")
    frame["model"] = frame.models.str.split("|").str[0]
    for column in ("sd1", "sd2", "giv_se"):
        frame[column] = frame[column].where(frame[column] > 0)
    frame["group"] = frame.groupby(KEY, sort=False).ngroup()
    return frame[["group", "measure", "model", "events1", "n1", "events2", "n2", "mean1", "sd1", "mean2", "sd2",
                  "giv_estimate", "giv_se"]]  # fmt: skip


def pooled(parts: dict[str, pd.DataFrame]) -> tuple[dict[str, np.ndarray], int]:
    """Every analysis pooled; parts: the rows of each measure. Also how many calls of pool_many it took.

    One thread: the analyses are too few to share out.
    """
    y, v, group, model, results = [], [], [], [], []
    settings = {"convention": "revman5", "columns": COLUMNS, "workers": 1}
    for measure, rows in parts.items():
        if measure in GIVEN:
            effects = ma.effect_sizes(rows, "GEN", y="giv_estimate", se="giv_se", convention="revman5")
        else:
            effects = ma.effect_sizes(rows, measure, convention="revman5")
        at = slice(None) if effects.rows is None else effects.rows
        y.append(effects.y)
        v.append(effects.v)
        group.append(rows.group.to_numpy()[at])
        model.append(rows.model.to_numpy()[at])
        for name, options in TABLES.items():
            mask = model[-1] == CODES[name]
            if mask.any():
                keys = {"group": group[-1][mask]}
                results.append(
                    ma.pool_many(effects.subset(mask), by=keys, method="mantel-haenszel", **options, **settings)
                )
    y_all, v_all, groups, models = (np.concatenate(one) for one in (y, v, group, model))
    for name, options in INVERSE_VARIANCE.items():
        mask = models == CODES[name]
        results.append(ma.pool_many((y_all[mask], v_all[mask]), by={"group": groups[mask]}, **options, **settings))
    answers = {name: np.concatenate([getattr(many, name) for many in results]) for name in COLUMNS}
    answers["group"] = np.concatenate([np.asarray(many.key_frame["group"].to_numpy()) for many in results])
    return answers, len(results)


def effect_sizes_of(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """y, v and group of every study."""
    found = []
    for measure, rows in parts.items():
        if measure in GIVEN:
            effects = ma.effect_sizes(rows, "GEN", y="giv_estimate", se="giv_se", convention="revman5")
        else:
            effects = ma.effect_sizes(rows, measure, convention="revman5")
        found.append(pd.DataFrame({"group": effects.column("group"), "y": effects.y, "v": effects.v}))
    return pd.concat(found, ignore_index=True)


def pooling_alone(parts: dict[str, pd.DataFrame], repeats: int, sample: int) -> dict[str, float]:
    """Seconds of DerSimonian-Laird for every analysis from y and v, ours and metafor's (extrapolated; 0 without R)."""
    frame = effect_sizes_of(parts)
    y, v, group = (frame[name].to_numpy() for name in ("y", "v", "group"))
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        ma.pool_many((y, v), by=group, tau2="DL", columns=COLUMNS)
        times.append(time.perf_counter() - started)
    answer = {"pooling_seconds": statistics.median(times[1:]), "pooling_metafor_seconds": 0.0}
    if shutil.which("Rscript"):
        chosen = np.random.default_rng(SEED).choice(np.unique(group), size=sample, replace=False)
        with tempfile.TemporaryDirectory() as folder:
            script, data = Path(folder) / "loop.R", Path(folder) / "rows.csv"
            script.write_text(POOLING_ALONE)
            frame[frame.group.isin(chosen)].to_csv(data, index=False)
            run = subprocess.run(["Rscript", str(script), str(data)], capture_output=True, text=True, check=True)
        answer["pooling_metafor_seconds"] = float(run.stdout.split()[-1]) / sample * np.unique(group).size
    return answer


def metafor(frame: pd.DataFrame, sample: int) -> tuple[float, pd.DataFrame, int]:
    """Seconds of metafor's loop over a sample of the analyses, and its estimates."""
    chosen = np.random.default_rng(SEED).choice(frame.group.nunique(), size=sample, replace=False)
    with tempfile.TemporaryDirectory() as folder:
        script, data, answers = (Path(folder) / name for name in ("loop.R", "rows.csv", "answers.csv"))
        script.write_text(METAFOR)
        frame[frame.group.isin(chosen)].to_csv(data, index=False)
        run = subprocess.run(
            ["Rscript", str(script), str(data), str(answers)], capture_output=True, text=True, check=True
        )
        return float(run.stdout.split()[-1]), pd.read_csv(answers), len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "shared" / "cochrane")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not (given.corpus / "studies.parquet").exists():
        raise SystemExit(f"there is no corpus in {given.corpus}: it is not part of this repository")
    frame = read_corpus(given.corpus)
    coded = frame.assign(model=frame.model.map(CODES))
    parts = {str(measure): rows.drop(columns="measure") for measure, rows in coded.groupby("measure")}
    warnings.simplefilter("ignore", MetaAnalysisWarning)
    pooled(parts)
    times = []
    for _ in range(given.repeats):
        started = time.perf_counter()
        numbers, calls = pooled(parts)
        times.append(time.perf_counter() - started)
    ours = statistics.median(times)
    analyses = int(frame.group.nunique())
    answers = pd.DataFrame(numbers)
    estimated = int(answers.estimate.notna().sum())
    print(f"{len(frame):,} rows, {analyses:,} analyses, {estimated:,} estimated, by {calls} calls of pool_many")
    print(f"metaanalysis  {ours:8.3f} s   (median of {given.repeats}; {min(times):.3f} to {max(times):.3f})")
    report = {
        "rows": len(frame),
        "analyses": analyses,
        "estimated": estimated,
        "seconds": ours,
        "seconds_each": times,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if shutil.which("Rscript"):
        seconds, theirs, sampled = metafor(frame, given.sample)
        whole = seconds / sampled * analyses
        same = {
            int(row.group)
            for row in frame.itertuples()
            if row.measure in ("MD", *GIVEN) and row.model in INVERSE_VARIANCE
        }
        both = theirs.merge(answers, on="group", suffixes=("_metafor", "")).dropna(
            subset=["estimate", "estimate_metafor"]
        )
        both = both[both.group.isin(same)]
        difference = float((both.estimate - both.estimate_metafor).abs().max())
        print(f"metafor's loop {whole:7.1f} s   (extrapolated from {sampled} analyses in {seconds:.2f} s)")
        print(
            f"ratio {whole / ours:.0f}; largest difference of {len(both)} estimates by the same rules: {difference:.1e}"
        )
        report.update(
            metafor_seconds=whole,
            metafor_sample=sampled,
            ratio=whole / ours,
            compared=len(both),
            largest_difference=difference,
        )
    alone = pooling_alone(parts, given.repeats, given.sample)
    report.update(alone)
    print(f"pooling alone (DL, from y and v): {1e3 * alone['pooling_seconds']:.1f} ms", end="")
    if alone["pooling_metafor_seconds"]:
        report["pooling_ratio"] = alone["pooling_metafor_seconds"] / alone["pooling_seconds"]
        print(f"; metafor's loop {alone['pooling_metafor_seconds']:.1f} s, ratio {report['pooling_ratio']:.0f}", end="")
    print()
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
