"""The page of evidence: what agrees with what, to how many digits, measured when the page is built."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from site_recorder import RECORD_TO
from site_words import table

import metaanalysis as ma
from metaanalysis.reviews.reproduction import Reproduction, Tally, tally

# Set: measure two files of tests in place of all; the page says so.
QUICK = "METAANALYSIS_DOCS_QUICK"
MEASURED = {
    "test_measures": "Effect sizes and sampling variances",
    "test_pooled": "Pooled estimates, intervals, heterogeneity, weights",
    "test_tables": "Mantel-Haenszel and Peto",
    "test_subgroups": "Subgroups",
    "test_regressions": "Meta-regression",
    "test_intervals": "Intervals of the between-study variance and of the mean",
    "test_diagnostics": "Influence, small-study effects, permutation, subsets",
}
IN_QUICK = ("test_measures", "test_tables")
# Not in the tests' data but what they are computed from.
INPUTS = ("datasets", "escalc_datasets", "versions")


@dataclass
class Measurement:
    """The tests against R, running in a process of their own while the other pages are written."""

    process: subprocess.Popen[str]
    target: Path
    files: tuple[str, ...]

    def found(self) -> dict[str, list[float]]:
        """The relative differences by file and test; an error where a test fails."""
        said, _ = self.process.communicate(timeout=600)
        if self.process.returncode != 0:
            raise RuntimeError(f"the tests that the page of evidence is made of fail:\n{said[-3000:]}")
        differences: dict[str, list[float]] = json.loads(self.target.read_text(encoding="utf-8"))
        return differences


def start(root: Path) -> Measurement:
    """Begin to measure."""
    files = tuple(IN_QUICK if os.environ.get(QUICK) else MEASURED)
    target = Path(tempfile.mkdtemp()) / "differences.json"
    path = os.pathsep.join(filter(None, [str(root / "docs" / "hooks"), os.environ.get("PYTHONPATH", "")]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "site_recorder", "-p", "no:cacheprovider"]
        + [f"tests/reference/{name}.py" for name in files],
        cwd=root,
        env={**kept, RECORD_TO: str(target), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Measurement(process, target, files)


def evidence_page(root: Path, measurement: Measurement) -> str:
    """The page."""
    return "\n".join(
        [
            "# Evidence",
            "",
            "What agrees with what, to how many digits. The numbers below were measured when this page was built, by the code",
            "of this version.",
            "",
            *printed_numbers(),
            *against_r(root, measurement),
            *corpus(root),
            *inventory(root),
        ]
    )


def printed_numbers() -> list[str]:
    """The published reviews computed again."""
    names = list(ma.list_datasets()["name"])
    each = {name: ma.reproduce(name) for name in names}
    whole = tally(each.values())
    rows = [[f"`{name}`", title_of(one), *counts(tally([one]))] for name, one in each.items()]
    summary = whole.summary().strip().splitlines()
    return [
        "## Published reviews",
        "",
        f"{len(names)} published reviews come with the library. A printed number agrees if ours rounds to it at its decimals.",
        "",
        *(f"{'    ' if line.startswith(' ') else ''}- {' '.join(line.split())}" for line in summary),
        "",
        table(["review", "title", "agree", "recorded discrepancies", "not attempted"], rows),
        "`metaanalysis reproduce` prints each number beside ours, with its place and how it is known. A recorded discrepancy is a",
        "number that cannot be had from the published data; its record says why.",
        "",
    ]


def title_of(one: Reproduction) -> str:
    """The title of a review."""
    return one.review.title


def counts(one: Tally) -> list[str]:
    """How many numbers of a review agree, how many are recorded as wrong in the paper, how many are not attempted."""
    rows = one.rows
    asked = [row for row in rows if row.expected and row.attempted]
    agree = sum(row.agrees for row in asked)
    apart = sum(row.attempted and not row.expected for row in rows)
    left = sum(not row.attempted for row in rows)
    return [f"{agree} of {len(asked)}" if asked else "none printed", *(str(n) if n else "" for n in (apart, left))]


def against_r(root: Path, measurement: Measurement) -> list[str]:
    """Our numbers beside those of R, with the digits to which they agree."""
    found = measurement.found()
    versions = json.loads((root / "tests" / "reference" / "versions.json").read_text(encoding="utf-8"))
    program = f"R {versions['R']} with metafor {versions['metafor']}"
    rows = []
    everything: list[float] = []
    for file in measurement.files:
        tests = {name: values for name, values in found.items() if name.startswith(f"{file}::")}
        rows.append([f"**{MEASURED[file]}**", *digits(chain.from_iterable(tests.values()))])
        for name, values in tests.items():
            rows.append([name.split("::test_")[1].replace("_", " "), *digits(values)])
            everything += values
    rows.append(["**all**", *digits(everything)])
    part = (
        ""
        if len(measurement.files) == len(MEASURED)
        else " Only a part was measured for this build: `make docs` measures all."
    )
    return [
        f"## {program}",
        "",
        f"Each value that the tests compare, ours beside that of {program} on public data sets: the number of values, and the",
        "significant digits to which they agree, of the middle value, of the worst in a thousand, and of the worst. Digits are",
        "-log10 of the relative difference, 16 at most. Where a number is a difference of others, it is measured relative to",
        f"those, as its test does.{part}",
        "",
        table(["what is compared", "values", "median", "worst in 1,000", "worst"], rows),
        "metafor stops its iterations early by default; the reference values solve the same equations to 1e-12. How they were",
        "made, and where R itself loses digits, is told in `tests/reference/README.md`. Where metafor 3.8 departs from the paper",
        "(the variances of SMDH, SMCRH and ZPCOR), our numbers are put into metafor's formula before they are compared. Published",
        "formulas that metafor lacks are written out in R; the tetrachoric correlation, an iterated one, is the least exact.",
        "",
    ]


def digits(differences: Iterable[float]) -> list[str]:
    """The number of values and the digits to which they agree."""
    values = np.sort(np.fromiter(differences, dtype=float))
    if values.size == 0:
        return ["0", "", "", ""]
    at = (values[values.size // 2], values[max(0, math.ceil(values.size * 0.999) - 1)], values[-1])
    return [f"{values.size:,}", *(f"{min(16.0, -math.log10(x)):.1f}" if x > 0 else "16.0" for x in at)]


def corpus(root: Path) -> list[str]:
    """The Cochrane corpus: what its benchmark measured and wrote down."""
    lines = ["## 247 Cochrane reviews", ""]
    path = root / "benchmarks" / "results" / "cochrane.json"
    if not path.exists():
        return [
            *lines,
            "Not measured here: `python benchmarks/cochrane.py --json benchmarks/results/cochrane.json`.",
            "",
        ]
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return [
        *lines,
        f"{found['rows']:,} rows of studies in {found['analyses']:,} analyses; {found['estimated']:,} of them give an estimate.",
        f"In {found['compared']} analyses of a sample of {found['metafor_sample']} metafor has the same rules: there the largest",
        f"difference of a pooled estimate is {found['largest_difference']:.1e}. All analyses together took",
        f"{found['seconds']:.2f} s (Python {found['python']}, NumPy {found['numpy']}, {found['machine']}).",
        "",
        "The corpus is not part of the source. `tests/published/test_cochrane_corpus.py` holds every study's effect and interval",
        "against Review Manager's where the corpus lies beside it; `python benchmarks/cochrane.py` writes the figures above.",
        "",
    ]


def inventory(root: Path) -> list[str]:
    """How many values each file of the tests' data holds."""
    rows = []
    for path in sorted((root / "tests" / "reference").glob("*.json")):
        if path.stem not in INPUTS:
            records = json.loads(path.read_text(encoding="utf-8"))
            values = [record.get("values", record) for record in records]
            rows.append([f"`{path.name}`", f"{len(records):,}", f"{sum(map(numbers_in, values)):,}"])
    return [
        "## The tests' own data",
        "",
        "Files of `tests/reference`, with the records and the numbers that they hold.",
        "",
        table(["file", "records", "numbers"], rows),
    ]


def numbers_in(value: Any) -> int:
    """How many numbers a record holds."""
    if isinstance(value, Mapping):
        return sum(map(numbers_in, value.values()))
    if isinstance(value, list):
        return sum(map(numbers_in, value))
    return int(isinstance(value, int | float) and not isinstance(value, bool))
