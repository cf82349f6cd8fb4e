"""Does `pool_parquet` keep to its memory limit, whatever the file holds?

    python benchmarks/parquet_memory.py [--json results/parquet_memory.json]

Files of groups of one study and of eight, sorted and not, with numbers and with texts of 150 and 2,000 bytes for keys, each pooled
in a process of its own by REML with all usual columns and the NumPy engine, two threads. What is measured is the highest resident
memory during the run above that before it, after two small runs that load the libraries (Linux: VmHWM, which begins with the
process; `ru_maxrss` begins with that of its parent).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SEED = 20_262
RESULTS = Path(__file__).parent / "results" / "parquet_memory.json"
CHUNK = 50_000
# Rows, rows of a group, bytes of a key (0: numbers), whether rows are in order, limits.
CASES = {
    "groups of one, sorted": (3_000_000, 1, 0, True, ("100MB", "200MB", "500MB", "1GB")),
    "groups of one": (3_000_000, 1, 0, False, ("100MB", "200MB", "500MB", "1GB")),
    "groups of eight, sorted": (4_000_000, 8, 0, True, ("100MB", "1GB")),
    "groups of eight": (12_000_000, 8, 0, False, ("100MB", "300MB", "1GB")),
    "keys of 150 bytes": (3_000_000, 8, 150, False, ("100MB", "200MB")),
    "keys of 2,000 bytes, sorted": (300_000, 8, 2_000, True, ("100MB",)),
    "keys of 2,000 bytes": (300_000, 8, 2_000, False, ("100MB", "300MB")),
}


def make_file(path: Path, rows: int, size: int, bytes_of_key: int, in_order: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(SEED)
    key = np.repeat(np.arange(rows // size), size)
    if not in_order:
        random.shuffle(key)
    kind = pa.large_string() if bytes_of_key else pa.int64()
    step = CHUNK if bytes_of_key else 1 << 20
    with pq.ParquetWriter(path, pa.schema([("snp", kind), ("y", pa.float64()), ("v", pa.float64())])) as writer:
        for at in range(0, rows, step):
            mine = key[at : at + step]
            names = pa.array([f"{one:0{bytes_of_key}d}" for one in mine] if bytes_of_key else mine, type=kind)
            numbers = {"y": random.normal(size=mine.size), "v": random.uniform(0.1, 1.0, mine.size)}
            writer.write_table(pa.table({"snp": names, **numbers}))


def in_megabytes(name: str) -> float:
    """A line of what the system says of this process."""
    with open("/proc/self/status", encoding="ascii") as about:
        return next(int(line.split()[1]) / 1e3 for line in about if line.startswith(name))


def measure(source: str, limit: str) -> None:
    """Pool a file in this process, and print seconds and MB."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import metaanalysis as ma

    def pool(path: str, **options: object) -> None:
        ma.pool_parquet(path, f"{source}.pooled", by="snp", engine="numpy", overwrite=True, progress=False, **options)

    kind = pq.read_schema(source).field("snp").type
    few = pa.table({"snp": pa.array(range(50)).cast(kind), "y": np.ones(50), "v": np.ones(50)})
    pq.write_table(few, f"{source}.few")
    for in_order in (None, False):
        pool(f"{source}.few", sorted=in_order)
    before = in_megabytes("VmRSS")
    # The highest so far is forgotten.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    started = time.perf_counter()
    pool(source, memory_limit=limit)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "MB": in_megabytes("VmHWM") - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(*given.child)
        return
    found: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'':<30}{'limit':>8}{'MB':>8}{'seconds':>9}")
    for name, (*shape, limits) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "rows.parquet"
            make_file(source, *shape)
            for limit in limits:
                command = [sys.executable, "-P", __file__, "--child", str(source), limit]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                answer = json.loads(done.stdout.splitlines()[-1])
                found.setdefault(name, {})[limit] = answer
                print(f"{name:<30}{limit:>8}{answer['MB']:>8.0f}{answer['seconds']:>9.1f}")
    given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
