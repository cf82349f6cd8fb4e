"""Millions of meta-analyses: the two engines and `pool_many` beside the memory floor, PyMARE and metafor, in one run.

    python benchmarks/many.py [--quick] [--groups 1000000] [--repeats 5] [--pymare PYTHON] [--json FILE] [--scaling FILE]

Seeded data: groups of 10 rows, and ragged ones of 2 to 50. The floor is what any program must do: read y and v once and write
four columns, compiled and in as many threads. `compute` is an engine's function, from arrays to the columns estimate, se,
tau2 and q; `pool_many` is the public function on the same arrays, with the same columns and with all its usual ones. Each
figure is the median of repeats, after one to warm up; the floor, the engines and PyMARE are asked in turn within each round,
so that a busy machine slows all of them. PyMARE pools 2-D arrays (groups of one size alone) in a process of its own, its REML
a share of them; metafor is called in a loop over 500 groups through Rscript; both are taken in proportion. A peer that is not
installed is skipped and named: --pymare names another Python that has PyMARE. Each run is added to the JSON file.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import metaanalysis as ma
from metaanalysis.many import engines
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions

SEED = 20_260
COLUMNS = ("estimate", "se", "tau2", "q")
METHODS = {"common": {"model": "common"}, "DL": {"tau2": "DL"}, "PM": {"tau2": "PM"}, "REML": {"tau2": "REML"}}
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
RESULTS = Path(__file__).parent / "results"
METAFOR_GROUPS = 500
PYMARE_REML_GROUPS = 2_000
SUBSETS_OF = 15
SUBSETS_SHARE = 0.02

METAFOR = """
suppressMessages(library(metafor))
folder <- commandArgs(trailingOnly = TRUE)[1]
d <- read.csv(file.path(folder, "studies.csv"))
groups <- split(d, d$g)
for (method in c("DL", "PM", "REML")) {
  started <- Sys.time()
  for (one in groups) try(rma(y, v, data = one, method = method, control = list(maxiter = 1000)), silent = TRUE)
  cat(method, as.numeric(Sys.time() - started, units = "secs") / length(groups), "\\n")
}
d <- read.csv(file.path(folder, "subsets.csv"))
n <- round(2^nrow(d) * SHARE)
set.seed(1)
started <- Sys.time()
invisible(gosh(rma(y, v, data = d), subsets = n, progbar = FALSE))
cat("subsets", as.numeric(Sys.time() - started, units = "secs") / n, "\\n")
"""

# A process that fits once for each line it reads, a method, and says when it is done.
PYMARE = """
import sys, warnings
import numpy as np
from pymare import Dataset
from pymare.estimators import DerSimonianLaird, VarianceBasedLikelihoodEstimator
warnings.simplefilter("ignore")
y, v = np.load(sys.argv[1])
estimators = {"DL": DerSimonianLaird(), "REML": VarianceBasedLikelihoodEstimator(method="REML")}
groups = {"DL": y.shape[1], "REML": int(sys.argv[2])}
data = {
    name: Dataset(y=y[:, :n], v=v[:, :n], X=np.ones((y.shape[0], 1)), add_intercept=False) for name, n in groups.items()
}
print("ready", flush=True)
for line in sys.stdin:
    estimators[line.strip()].fit_dataset(data[line.strip()])
    print("done", flush=True)
"""


def simulated(kind: str, groups: int) -> Ragged:
    """Groups with and without heterogeneity."""
    random = np.random.default_rng(SEED)
    sizes = np.full(groups, 10) if kind == "equal" else random.integers(2, 51, groups)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    v = random.uniform(0.02, 0.5, offsets[-1])
    tau = np.sqrt(np.repeat(random.choice([0.0, 0.02, 0.1, 0.5], groups), sizes))
    return Ragged(0.3 + random.normal(size=v.size) * np.sqrt(v) + random.normal(size=v.size) * tau, v, offsets)


def floor_call(ragged: Ragged) -> Callable[[], object] | str:
    """Read y and v once and write four columns, compiled, in threads; or why not."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    import numba

    @numba.njit(nogil=True, error_model="numpy")
    def read_and_write(y, v, offsets, first, last, out):
        a = b = c = d = 0.0
        for row in range(offsets[first], offsets[last] - 1, 2):
            a += y[row]
            b += y[row + 1]
            c += v[row]
            d += v[row + 1]
        for column in range(out.shape[0]):
            for group in range(first, last):
                out[column, group] = a
        return a + b + c + d

    groups = ragged.offsets.size - 1
    out = np.empty((len(COLUMNS), groups))
    edges = np.linspace(0, groups, 8 * THREADS + 1).astype(np.intp)
    threads = ThreadPoolExecutor(THREADS)

    def call() -> object:
        tasks = [
            threads.submit(read_and_write, ragged.y, ragged.v, ragged.offsets, first, last, out)
            for first, last in itertools.pairwise(edges)
        ]
        return [task.result() for task in tasks]

    return call


def our_calls(ragged: Ragged) -> dict[str, Callable[[], object]]:
    """Engine and public function by method."""
    calls: dict[str, Callable[[], object]] = {}
    names = [name for name in ("numba", "numpy") if name == "numpy" or engines.numba_engine() is not None]
    for engine in names:
        for method, given in METHODS.items():
            options = PoolOptions(**given)
            calls[f"{engine} compute {method}"] = lambda engine=engine, options=options: engines.compute(
                ragged, options, frozenset(COLUMNS), engine=engine, workers=THREADS
            )
        options = PoolOptions(tau2="REML")
        calls[f"{engine} compute REML, one start"] = lambda engine=engine, options=options: engines.compute(
            ragged, options, frozenset(COLUMNS), engine=engine, workers=THREADS, starts="one"
        )
        for method in ("DL", "REML"):
            for title, columns in (("", list(COLUMNS)), (", usual columns", None)):
                calls[f"{engine} pool_many {method}{title}"] = (
                    lambda engine=engine, method=method, columns=columns: ma.pool_many(
                        (ragged.y, ragged.v), offsets=ragged.offsets, tau2=method, columns=columns, engine=engine,
                        workers=THREADS, progress=False,
                    )
                )  # fmt: skip
    return calls


def rounds(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Medians of the calls, which are asked in turn; each is warmed up first."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if number:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"


@contextlib.contextmanager
def pymare_calls(ragged: Ragged, python: str) -> Iterator[dict[str, Callable[[], object]] | str]:
    """PyMARE by method, in a process of its own that waits to be asked; or why not. Groups of 10."""
    if python == sys.executable and importlib.util.find_spec("pymare") is None:
        yield "PyMARE is not installed (--pymare names a Python that has it)"
        return
    with tempfile.TemporaryDirectory() as folder:
        studies = Path(folder, "studies.npy")
        np.save(studies, np.stack([ragged.y.reshape(-1, 10).T, ragged.v.reshape(-1, 10).T]))
        command = [python, "-c", PYMARE, str(studies), str(PYMARE_REML_GROUPS)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

            def answer() -> str:
                return process.stdout.readline().strip() if process.stdout else ""

            def ask(method: str) -> None:
                assert process.stdin is not None
                process.stdin.write(method + "\n")
                process.stdin.flush()
                if answer() != "done":
                    raise RuntimeError(f"PyMARE failed at {method}")

            if answer() == "ready":
                yield {f"PyMARE {method}": lambda method=method: ask(method) for method in ("DL", "REML")}
            else:
                yield "PyMARE failed to start"
            if process.stdin is not None:
                process.stdin.close()


def few_studies() -> tuple[np.ndarray, np.ndarray]:
    """The studies all of whose subsets are pooled."""
    random = np.random.default_rng(SEED)
    v = random.uniform(0.02, 0.5, SUBSETS_OF)
    return 0.3 + random.normal(size=SUBSETS_OF) * np.sqrt(v + 0.05), v


def metafor_seconds(ragged: Ragged) -> dict[str, float] | str:
    """Seconds a group by method, and a subset by gosh."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    end = ragged.offsets[METAFOR_GROUPS]
    keys = np.repeat(np.arange(METAFOR_GROUPS), ragged.sizes[:METAFOR_GROUPS])
    with tempfile.TemporaryDirectory() as folder:
        table = np.column_stack([keys, ragged.y[:end], ragged.v[:end]])
        np.savetxt(Path(folder, "studies.csv"), table, delimiter=",", header="g,y,v", comments="", fmt="%.17g")
        pairs = np.column_stack(few_studies())
        np.savetxt(Path(folder, "subsets.csv"), pairs, delimiter=",", header="y,v", comments="", fmt="%.17g")
        script = Path(folder, "time.R")
        script.write_text(METAFOR.replace("SHARE", str(SUBSETS_SHARE)), encoding="utf-8")
        done = subprocess.run(["Rscript", str(script), folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"metafor failed: {last_line(done)}"
    return {name: float(seconds) for name, seconds in (line.split() for line in done.stdout.splitlines() if line)}


def subset_calls() -> dict[str, Callable[[], object]]:
    """All subsets of 15 studies by REML: laid end to end for an engine, and by `gosh`."""
    y, v = few_studies()
    fit = ma.pool(y, v)

    def by_engine(engine: str) -> object:
        numbers = np.arange(1, 2**SUBSETS_OF)
        included = (numbers[:, np.newaxis] >> np.arange(SUBSETS_OF)) & 1
        members = np.nonzero(included)[1]
        offsets = np.concatenate([[0], np.cumsum(included.sum(axis=1))])
        ragged = Ragged(y[members], v[members], offsets)
        wanted = frozenset(("estimate", "tau2", "i2", "h2", "q"))
        return engines.compute(ragged, PoolOptions(), wanted, engine=engine, workers=THREADS)

    calls: dict[str, Callable[[], object]] = {"gosh": lambda: ma.gosh(fit, progress=False)}
    for engine in ("numba", "numpy"):
        if engine == "numpy" or engines.numba_engine() is not None:
            calls[f"{engine} compute"] = lambda engine=engine: by_engine(engine)
    return calls


def scaling(largest: int, repeats: int, target: Path) -> dict[str, dict[int, float]]:
    """Seconds a group against the number of groups, by one thread and by all, drawn."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [10**power for power in range(4, 8) if 10**power <= largest]
    whole = simulated("equal", sizes[-1])
    found: dict[str, dict[int, float]] = {}
    names = [name for name in ("numba", "numpy") if name == "numpy" or engines.numba_engine() is not None]
    for threads in sorted({1, THREADS}):
        for groups in sizes:
            part = Ragged(whole.y[: 10 * groups], whole.v[: 10 * groups], whole.offsets[: groups + 1])
            calls: dict[str, Callable[[], object]] = {
                f"{engine} {method}, {threads}": lambda part=part, method=method, engine=engine: engines.compute(
                    part,
                    PoolOptions(tau2=method),
                    frozenset(COLUMNS),
                    engine=engine,
                    workers=threads,  # noqa: B023
                )
                for engine in names
                for method in ("DL", "REML")
            }
            # A few milliseconds want more repeats than seconds do.
            for name, seconds in rounds(
                calls, 2 if groups > 1_000_000 else repeats * (5 if groups < 100_000 else 1)
            ).items():
                found.setdefault(name, {})[groups] = seconds / groups
    panels = plt.figure(figsize=(7.2, 3.4), layout="constrained").subplots(
        1, 2 if THREADS > 1 else 1, squeeze=False, sharey=True
    )[0]
    for axes, threads in zip(panels, sorted({1, THREADS}), strict=True):
        mine = {name: curve for name, curve in found.items() if name.endswith(f", {threads}")}
        for (name, curve), marker in zip(mine.items(), "osD^", strict=False):
            line = "-" if name.startswith("numba") else "--"
            axes.loglog(
                list(curve),
                [1e9 * x for x in curve.values()],
                line,
                marker=marker,
                label=name.split(",")[0],
                color="0.2",
            )
        axes.set_ylim(10, 2000)
        axes.set_xlabel("groups of 10 studies")
        axes.set_title("one thread" if threads == 1 else f"{threads} threads, from where they pay", fontsize=9)
        axes.grid(visible=True, which="major", color="0.9")
    panels[0].set_ylabel("time a group, ns")
    panels[0].legend(frameon=False, fontsize=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(target, metadata={"Date": None})
    return found


def add_run(path: Path, run: dict[str, object]) -> None:
    """Add a run to the file, which holds a list of them."""
    runs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*runs, run], indent=1) + "\n", encoding="utf-8")


def say(
    kind: str, groups: int, floor: float | None, ours: dict[str, float], peers: dict[str, dict[str, float]]
) -> None:
    """The table of one kind of data."""
    against = "".join(f"{name:>12}" for name in peers)
    print(f"\n{groups:,} groups, {'10 studies each' if kind == 'equal' else 'ragged, 2 to 50 studies'}")
    if floor is not None:
        print(f"memory floor: {1e3 * floor:.1f} ms")
    print(f"{'':<38}{'ms':>9}{'x floor':>9}{against}")
    for name, seconds in ours.items():
        method = "DL" if " DL" in name else "REML" if " REML" in name else "PM" if " PM" in name else ""
        row = f"{name:<38}{1e3 * seconds:>9.1f}{seconds / floor if floor else float('nan'):>9.1f}"
        for peer in peers.values():
            row += f"{peer[method] * groups / seconds:>11,.0f}x" if method in peer else f"{'':>12}"
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 groups, two repeats, no file written")
    parser.add_argument("--groups", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=10_000_000, help="groups of the last point of the scaling plot")
    parser.add_argument("--pymare", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--json", type=Path, default=RESULTS / "many.json")
    parser.add_argument("--scaling", type=Path, default=RESULTS / "scaling.svg")
    options = parser.parse_args()
    groups, repeats = (20_000, 2) if options.quick else (options.groups, options.repeats)
    run: dict[str, object] = {
        "command": "python benchmarks/many.py "
        + " ".join("PYTHON" if word == options.pymare else word for word in sys.argv[1:]),
        "machine": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "processor": platform.machine(),
            "threads": THREADS,
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        "groups": groups,
    }
    for kind in ("equal", "ragged"):
        ragged = simulated(kind, groups)
        floor = floor_call(ragged)
        calls = our_calls(ragged)
        if not isinstance(floor, str):
            calls = {"floor": floor, **calls}
        else:
            print(f"memory floor skipped: {floor}")
        asked: dict[str, dict[str, float] | str] = {"metafor": metafor_seconds(ragged)}
        with pymare_calls(ragged, options.pymare) if kind == "equal" else contextlib.nullcontext({}) as pymare:
            ours = rounds(calls | ({} if isinstance(pymare, str) else pymare), repeats)
        if isinstance(pymare, str):
            asked["PyMARE"] = pymare
        elif pymare:
            shares = {"DL": groups, "REML": PYMARE_REML_GROUPS}
            asked["PyMARE"] = {method: ours.pop(f"PyMARE {method}") / n for method, n in shares.items()}
        lowest = ours.pop("floor", None)
        peers: dict[str, dict[str, float]] = {}
        for name, answer in asked.items():
            if isinstance(answer, str):
                print(f"{name} skipped: {answer}")
            else:
                peers[name] = answer
        say(kind, groups, lowest, ours, peers)
        run[kind] = {"floor": lowest, "metaanalysis": ours, "peers per group": peers}
        if kind == "equal":
            subsets = rounds(subset_calls(), repeats)
            count = 2**SUBSETS_OF - 1
            print(f"\nall {count:,} subsets of {SUBSETS_OF} studies by REML")
            for name, seconds in subsets.items():
                ratio = peers["metafor"]["subsets"] * count / seconds if "metafor" in peers else float("nan")
                print(f"{name:<38}{1e3 * seconds:>9.1f}   metafor's gosh {ratio:,.0f}x")
            run["subsets"] = subsets
    if options.quick:
        return
    run["scaling, seconds a group"] = scaling(options.largest, repeats, options.scaling)
    add_run(options.json, run)


if __name__ == "__main__":
    main()
