"""From Parquet to Parquet: every group of files that need not fit into memory, beside decoding alone and beside PLINK.

    python benchmarks/parquet.py [--rows 50000000] [--repeats 3] [--folder DIR] [--json results/parquet.json]

Groups of ten rows, by REML with intervals, p-values, Q and I2 unless a row says otherwise; every run is a process of its own,
so that its peak memory is its own. Ratios are to decoding the three columns alone, in the same run. The second part pools ten
text files of 200,000 variants by common effect and DerSimonian-Laird, whole process from files to file, beside PLINK 1.9.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20_261
ROWS_A_GROUP = 10
CHUNK = 5_000_000
COLUMNS = ["estimate", "se", "ci_low", "ci_high", "p_value", "k", "tau2", "i2", "q"]
RESULTS = Path(__file__).parent / "results" / "parquet.json"
STUDIES, VARIANTS = 10, 200_000
PLINK = ("plink1.9", "plink")


def make_files(folder: Path, rows: int) -> None:
    """The same studies sorted by key, and in random order, a chunk at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(SEED)
    groups = rows // ROWS_A_GROUP
    schema = pa.schema([("snp", pa.int64()), ("y", pa.float64()), ("v", pa.float64())])
    mixed = random.permutation(rows).astype(np.int32)
    with (
        pq.ParquetWriter(folder / "sorted.parquet", schema) as in_order,
        pq.ParquetWriter(folder / "mixed.parquet", schema) as in_disorder,
    ):
        for start in range(0, rows, CHUNK):
            size = min(CHUNK, rows - start)
            v = random.uniform(0.02, 0.5, size)
            y = random.normal(0.2, np.sqrt(v + 0.05))
            for writer, place in (
                (in_order, np.arange(start, start + size)),
                (in_disorder, mixed[start : start + size]),
            ):
                key = np.minimum(place // ROWS_A_GROUP, groups - 1)
                writer.write_table(pa.table({"snp": key.astype(np.int64), "y": y, "v": v}), row_group_size=1 << 20)


def decode(source: str) -> None:
    """Read the three columns and forget them."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(source).iter_batches(1 << 20, columns=["snp", "y", "v"]):
        assert batch.num_rows


def pool_file(source: str, target: str, engine: str, limit: str, tau2: str, ci: str) -> None:
    import metaanalysis as ma

    ma.pool_parquet(
        source,
        target,
        by="snp",
        tau2=tau2,
        ci=ci,
        columns=COLUMNS,
        engine=engine,
        memory_limit=limit,
        overwrite=True,
        progress=False,
    )


def pool_texts(folder: str) -> None:
    """Ten text files to one, as PLINK does: common effect and DerSimonian-Laird."""
    import pyarrow as pa
    from pyarrow import csv

    import metaanalysis as ma

    reading = csv.ConvertOptions(include_columns=["SNP", "BETA", "SE"])
    tables = [
        csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t"), convert_options=reading)
        for path in sorted(Path(folder).glob("study*.txt"))
    ]
    together = pa.concat_tables(tables)
    # The names become numbers once, not in each call.
    names = together["SNP"].combine_chunks().dictionary_encode()
    together = together.set_column(0, "SNP", names.indices)
    columns = ["estimate", "se", "p_value", "k", "q", "q_p_value", "i2"]
    common = ma.pool_many(together, by="SNP", model="common", columns=["estimate", "se", "p_value"]).to_frame()
    random = ma.pool_many(together, by="SNP", tau2="DL", columns=columns).to_frame()
    for name in ("estimate", "se", "p_value"):
        random = random.append_column(f"{name}_common", common[name])
    random = random.set_column(0, "SNP", names.dictionary.take(random["SNP"].combine_chunks()))
    csv.write_csv(random, f"{folder}/ours.txt", csv.WriteOptions(delimiter="\t"))


def make_texts(folder: Path) -> None:
    random = np.random.default_rng(SEED)
    names = np.char.add("rs", np.arange(1, VARIANTS + 1).astype(str))
    for study in range(STUDIES):
        se = random.uniform(0.02, 0.2, VARIANTS)
        beta = random.normal(0.02, se)
        lines = (f"{name}\t{b:.6f}\t{s:.6f}\n" for name, b, s in zip(names, beta, se, strict=True))
        (folder / f"study{study}.txt").write_text("SNP\tBETA\tSE\n" + "".join(lines))


def child(arguments: list[str]) -> dict[str, float]:
    """What a process of its own took: seconds of the work, seconds of the whole, MB at its peak."""
    started = time.perf_counter()
    # -P: files in this folder must not stand in for packages of their names.
    command = [sys.executable, "-P", __file__, "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer | {"whole": time.perf_counter() - started}


def work_as_child(arguments: list[str]) -> None:
    """Do one piece of work and print what it took."""
    what, *given = arguments
    works: dict[str, Any] = {"decode": decode, "pool": pool_file, "texts": pool_texts}
    if what == "pool":
        # Compiled kernels and libraries are loaded beforehand: a fixed cost, which the table's last column has.
        import pyarrow as pa
        import pyarrow.parquet as pq

        few = Path(given[1]).with_name("few.parquet")
        pq.write_table(pa.table({"snp": [1, 1, 2, 2], "y": [0.1, 0.5, 0.2, 0.4], "v": [0.1, 0.2, 0.1, 0.2]}), few)
        pool_file(str(few), given[1], *given[2:])
    if what == "decode":
        # The file is in the system's cache, as it is for the runs that follow.
        decode(*given)
    started = time.perf_counter()
    works[what](*given)
    print(json.dumps({"seconds": time.perf_counter() - started, "peak": peak()}))


def peak() -> float:
    """The highest resident memory of this process, in MB."""
    if sys.platform.startswith("linux"):
        # (`ru_maxrss` begins with what the parent had.)
        with open("/proc/self/status", encoding="ascii") as about:
            return next(int(line.split()[1]) / 1e3 for line in about if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    """The run of the median time, with the highest peak of all."""
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    return middle | {"peak": max(run["peak"] for run in runs)}


def parquet_rows(folder: Path, rows: int, repeats: int) -> dict[str, dict[str, float]]:
    """Decoding and pooling, each by turns, so that a busy machine slows them alike."""
    make_files(folder, rows)
    target = str(folder / "pooled.parquet")
    in_order, mixed = str(folder / "sorted.parquet"), str(folder / "mixed.parquet")
    wald, hartung_knapp = ("REML", "wald"), ("REML", "hksj")
    cases = {
        "decoding alone": ["decode", in_order],
        "sorted, numba": ["pool", in_order, target, "numba", "400MB", *wald],
        "sorted, NumPy": ["pool", in_order, target, "numpy", "400MB", *wald],
        "sorted, numba, Hartung-Knapp": ["pool", in_order, target, "numba", "400MB", *hartung_knapp],
        "sorted, numba, DL": ["pool", in_order, target, "numba", "400MB", "DL", "wald"],
        "not sorted, numba": ["pool", mixed, target, "numba", "800MB", *wald],
        "not sorted, NumPy": ["pool", mixed, target, "numpy", "800MB", *wald],
    }
    if importlib.util.find_spec("numba") is None:
        print("numba skipped: it is not installed")
        cases = {name: given for name, given in cases.items() if "numba" not in name}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, given in cases.items():
            runs[name].append(child(given))
    return {name: median(found) for name, found in runs.items()}


def beside_plink(folder: Path, repeats: int) -> dict[str, float | str]:
    """Seconds of whole processes from ten text files to one."""
    make_texts(folder)
    answer: dict[str, float | str] = {}
    answer["metaanalysis"] = statistics.median(child(["texts", str(folder)])["whole"] for _ in range(repeats))
    program = next((name for name in PLINK if shutil.which(name)), None)
    if program is None:
        return answer | {"PLINK 1.9": "skipped: it is not installed"}
    files = [str(path) for path in sorted(folder.glob("study*.txt"))]
    command = [program, "--meta-analysis", *files, "+", "qt", "no-map", "report-all", "--out", str(folder / "plink")]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - started)
        if done.returncode != 0:
            return answer | {"PLINK 1.9": f"failed: {done.stderr.strip()}"}
    return answer | {"PLINK 1.9": statistics.median(times), "largest difference": largest_difference(folder)}


def largest_difference(folder: Path) -> float:
    """Between our estimates and PLINK's, which it writes with four digits after the point."""
    import pandas as pd

    ours = pd.read_csv(folder / "ours.txt", sep="\t").set_index("SNP")
    theirs = pd.read_csv(folder / "plink.meta", sep=r"\s+").set_index("SNP").loc[ours.index]
    pairs = (("estimate_common", "BETA"), ("estimate", "BETA(R)"))
    return max(float((ours[mine] - theirs[other]).abs().max()) for mine, other in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files go for the while (default: a temporary folder)")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        work_as_child(options.child)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        found = parquet_rows(folder, options.rows, options.repeats)
        texts = beside_plink(folder, options.repeats)
    decoding = found["decoding alone"]["seconds"]
    print(f"{options.rows:,} rows, {options.rows // ROWS_A_GROUP:,} groups, Parquet to Parquet")
    print(f"{'':<28} {'seconds':>8} {'to decoding':>12} {'peak, GB':>9} {'with start-up':>14}")
    for name, run in found.items():
        ratio = run["seconds"] / decoding
        print(f"{name:<28} {run['seconds']:>8.2f} {ratio:>11.1f}x {run['peak'] / 1e3:>9.2f} {run['whole']:>14.2f}")
    for engine in ("numba", "NumPy"):
        if f"sorted, {engine}" in found:
            ratio = found[f"not sorted, {engine}"]["seconds"] / found[f"sorted, {engine}"]["seconds"]
            print(f"not sorted to sorted, {engine}: {ratio:.1f}x")
    print(f"{STUDIES} text files of {VARIANTS:,} variants, whole process:")
    for name, value in texts.items():
        print(f"  {name}: {value if isinstance(value, str) else format(value, '.3g')}")
    machine = {"python": platform.python_version(), "numpy": np.__version__, "processor": platform.machine()}
    answer = {"machine": machine, "rows": options.rows, "parquet": found, "texts": texts}
    options.json.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
