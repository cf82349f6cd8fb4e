"""The analyses of 247 Cochrane reviews, all pooled at once, beside metafor's loop over them.

    python benchmarks/cochrane.py [--corpus ../shared/cochrane] [--repeats 5] [--sample 200] [--json results.json]

The corpus (`studies.parquet`, `analyses.csv`) is not part of this repository: 27,945 rows in 3,867 analyses. Three tasks; of each
the median of repeats from the frames in memory to estimate, standard error, interval, p, Q, I2 and tau2 of every analysis, beside
a loop of metafor over a seeded sample of the analyses, extrapolated by their number. They take turns, so that both meet the
machine at its quick and at its slow times:

1. one model: the whole frame in one call of `pool_many`, whose column names the measure of each row, DerSimonian-Laird; and the
   same with effect sizes by one call of `effect_sizes` a measure; metafor: `escalc` and `rma(method = "DL")`;
2. its own model for each analysis, the first that its weights agree with (common effect, DerSimonian-Laird or REML by inverse
   variance, Mantel-Haenszel, or Mantel-Haenszel's random-effects form), by one `pool_many` a model, and a measure of tables;
   metafor: `escalc` and `rma`, `rma.mh` or `rma.peto`. Where both have the same rules (mean differences and given estimates by
   inverse variance) the estimates are compared;
3. pooling alone: DerSimonian-Laird for all analyses from effect sizes and variances; metafor: `rma(y, v, method = "DL")`.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import metaanalysis as ma
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.results.pooled_many import PooledMany

SEED = 20_260
# How often ours and metafor's loop take turns.
TURNS = 4
KEY = ["review", "comparison", "analysis"]
COLUMNS = ["estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "q", "i2"]
INVERSE_VARIANCE = {"IV_FE": {"model": "common"}, "IV_DL": {"tau2": "DL"}, "IV_REML": {"tau2": "REML"}}
TABLES = {"MH_FE": {"model": "common"}, "MH_DL": {"model": "random"}}
CODES = {name: code for code, name in enumerate((*INVERSE_VARIANCE, *TABLES))}
GIVEN = ("GEN", "GENexp")

METAFOR = """
suppressMessages(library(metafor))
arguments <- commandArgs(trailingOnly = TRUE)
task <- arguments[3]
d <- read.csv(arguments[1])
parts <- split(d, d$group)
estimates <- rep(NA_real_, length(parts))
method <- c(IV_FE = "FE", IV_DL = "DL", IV_REML = "REML", MH_DL = "DL")
one <- function(p) {
  if (task == "pooling alone") return(rma(y, v, data = p, method = "DL"))
  measure <- p$measure[1]; model <- if (task == "one model") "IV_DL" else p$model[1]
  if (task == "own models" && measure == "PETO") return(rma.peto(ai = events1, n1i = n1, ci = events2, n2i = n2, data = p))
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
    answers["group"] = np.concatenate([np.array(many.keys) for many in results])
    return answers, len(results)


def effect_sizes_of(parts: dict[str, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, v and group of every study."""
    y, v, group = [], [], []
    for measure, rows in parts.items():
        if measure in GIVEN:
            effects = ma.effect_sizes(rows, "GEN", y="giv_estimate", se="giv_se", convention="revman5")
        else:
            effects = ma.effect_sizes(rows, measure, convention="revman5")
        y.append(effects.y)
        v.append(effects.v)
        every = rows.group.to_numpy()
        group.append(every if effects.rows is None else every[effects.rows])
    return np.concatenate(y), np.concatenate(v), np.concatenate(group)


def pooled_in_one_call(frame: pd.DataFrame) -> PooledMany:
    """Every analysis by DerSimonian and Laird's random-effects model, from the whole frame."""
    return ma.pool_many(
        frame, by="group", measure="measure", y="giv_estimate", se="giv_se", tau2="DL", convention="revman5",
        columns=COLUMNS, workers=1,
    )  # fmt: skip


def pooled_by_one_model(parts: dict[str, pd.DataFrame]) -> PooledMany:
    """Every analysis by DerSimonian and Laird's random-effects model."""
    y, v, group = effect_sizes_of(parts)
    return ma.pool_many((y, v), by={"group": group}, tau2="DL", convention="revman5", columns=COLUMNS, workers=1)


def seconds_of(function: Callable[[], object], repeats: int) -> list[float]:
    """The seconds of each repeat, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return times


def metafor(frame: pd.DataFrame, task: str, groups: np.ndarray) -> tuple[float, pd.DataFrame]:
    """Seconds of metafor's loop over some of the groups, and its estimates."""
    with tempfile.TemporaryDirectory() as folder:
        script, data, answers = (Path(folder) / name for name in ("loop.R", "rows.csv", "answers.csv"))
        script.write_text(METAFOR)
        frame[frame.group.isin(groups)].to_csv(data, index=False)
        run = subprocess.run(
            ["Rscript", str(script), str(data), str(answers), task], capture_output=True, text=True, check=True
        )
        return float(run.stdout.split()[-1]), pd.read_csv(answers)


def in_turns(
    task: str, ours: Callable[[], object], frame: pd.DataFrame, given: argparse.Namespace, title: str = ""
) -> tuple[dict[str, object], pd.DataFrame]:
    """Seconds of ours, and of metafor's loop over all analyses where there is R; metafor's estimates of the sample."""
    groups = frame.group.unique()
    sample = np.random.default_rng(SEED).choice(groups, size=given.sample, replace=False)
    times, loop, estimates = [], 0.0, [pd.DataFrame({"group": [], "estimate": []})]
    for part in np.array_split(sample, TURNS):
        times += seconds_of(ours, given.repeats)
        if shutil.which("Rscript"):
            seconds, found = metafor(frame, task, part)
            loop += seconds
            estimates.append(found)
    median = statistics.median(times)
    report: dict[str, object] = {"seconds": median, "seconds_each": times}
    print(f"{title or task}: {1e3 * median:.1f} ms ({1e3 * min(times):.1f} to {1e3 * max(times):.1f})", end="")
    if loop:
        whole = loop / given.sample * groups.size
        report |= {"metafor_seconds": whole, "metafor_sample": given.sample, "ratio": whole / median}
        print(f"; metafor's loop {whole:.1f} s, ratio {whole / median:.0f}", end="")
    print()
    return report, pd.concat(estimates, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "shared" / "cochrane")
    parser.add_argument("--repeats", type=int, default=5, help="of each turn")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not (given.corpus / "studies.parquet").exists():
        raise SystemExit(f"there is no corpus in {given.corpus}: it is not part of this repository")
    frame = read_corpus(given.corpus)
    coded = frame.assign(model=frame.model.map(CODES))
    parts = {str(measure): rows.drop(columns="measure") for measure, rows in coded.groupby("measure")}
    warnings.simplefilter("ignore", MetaAnalysisWarning)
    numbers, calls = pooled(parts)
    answers = pd.DataFrame(numbers)
    analyses, estimated = int(frame.group.nunique()), int(answers.estimate.notna().sum())
    print(
        f"{len(frame):,} rows, {analyses:,} analyses, {estimated:,} estimated by their own models in {calls} calls of pool_many"
    )
    report: dict[str, object] = {
        "rows": len(frame),
        "analyses": analyses,
        "estimated": estimated,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    whole = frame.assign(measure=frame.measure.replace("GENexp", "GEN"))
    together, apart = pooled_in_one_call(whole), pooled_by_one_model(parts)
    alike = pd.DataFrame({"group": together.keys, "a": together.estimate}).merge(
        pd.DataFrame({"group": apart.keys, "b": apart.estimate}), on="group"
    )
    assert np.allclose(alike.a, alike.b, rtol=1e-12, atol=1e-13, equal_nan=True)
    report["one_call"], _ = in_turns(
        "one model", lambda: pooled_in_one_call(whole), frame, given, "one model, one call"
    )
    report["one_model"], _ = in_turns("one model", lambda: pooled_by_one_model(parts), frame, given)
    own_models, theirs = in_turns("own models", lambda: pooled(parts), frame, given)
    report |= own_models
    by_the_same_rules = frame.measure.isin(["MD", *GIVEN]) & frame.model.isin(INVERSE_VARIANCE)
    both = theirs.merge(answers, on="group", suffixes=("_metafor", "")).dropna(subset=["estimate", "estimate_metafor"])
    both = both[both.group.isin(frame.group[by_the_same_rules])]
    if len(both):
        difference = float((both.estimate - both.estimate_metafor).abs().max())
        print(f"largest difference of {len(both)} estimates by the same rules: {difference:.1e}")
        report |= {"compared": len(both), "largest_difference": difference}
    y, v, group = effect_sizes_of(parts)
    alone = pd.DataFrame({"group": group, "y": y, "v": v})
    report["pooling_alone"], _ = in_turns(
        "pooling alone", lambda: ma.pool_many((y, v), by=group, tau2="DL", columns=COLUMNS, workers=1), alone, given
    )
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
