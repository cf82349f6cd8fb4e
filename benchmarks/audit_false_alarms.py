"""Does `audit` call a true analysis impossible? Simulated analyses, pooled, rounded as papers round them, and audited.

    python benchmarks/audit_false_alarms.py [--analyses 20000] [--seed 1]

Analyses of 2 to 60 studies, on a plain, a log and a correlation's scale, by the common effect, DL, REML and PM, with Wald's,
t and Hartung-Knapp intervals at 90, 95 or 99 per cent, I2 from Q or from tau2; one to three decimals; p exact, to a digit, or
as below or above a threshold; any of the numbers may be left out. The exit code is 1 where one of them is called impossible.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

import metaanalysis as ma

SCALES: dict[str, Callable[[float], float]] = {
    "MD": float,
    "SMD": float,
    "RR": math.exp,
    "OR": math.exp,
    "COR": math.tanh,
}
BLOCK = 1_000
LARGEST_LIMIT = 20.0


def p_as_printed(random: np.random.Generator, p: float) -> str:
    """A p-value in one of the ways in which papers print it."""
    if p < 0.001 and random.random() < 0.5:
        return "<0.001"
    if random.random() < 0.1:
        return "<0.05" if p < 0.05 else ">0.05"
    return f"{p:.1g}" if random.random() < 0.1 else f"{p:.{random.integers(2, 5)}f}"


def reported(random: np.random.Generator) -> dict[str, str] | None:
    """One analysis as a paper's table has it; None where its interval is one that no paper would print."""
    k = int(random.choice([2, 2, 3, 4, 5, 6, 8, 10, 15, 25, 60]))
    measure = str(random.choice(list(SCALES)))
    v = random.uniform(0.3, 3.0, k) / random.integers(4, 150, k)
    y = random.normal(random.choice([0, 0.02, 0.3, -0.7]), random.choice([0, 0.1, 0.3, 1.0]), k) + random.normal(
        0, np.sqrt(v)
    )
    tau2 = str(random.choice(["DL", "REML", "PM"]))
    model, level = str(random.choice(["common", "random", "random"])), float(random.choice([0.9, 0.95, 0.95, 0.99]))
    options = {"ci": str(random.choice(["wald", "wald", "t", "hksj"])), "i2": str(random.choice(["q", "tau2"]))}
    fit = ma.pool(y, v, model=model, tau2=tau2, level=level, **options)
    back, decimals = SCALES[measure], random.integers(1, 4)
    if fit.ci_high > LARGEST_LIMIT:
        return None
    row = {"measure": measure, "k": str(k), "level": f"{100 * level:g}"}
    row |= {
        name: f"{back(value):.{decimals}f}"
        for name, value in (("estimate", fit.estimate), ("ci_low", fit.ci_low), ("ci_high", fit.ci_high))
    }
    more = {
        "se": f"{fit.se:.{random.integers(2, 5)}f}",
        "z": f"{abs(fit.statistic) if random.random() < 0.5 else fit.statistic:.{random.integers(1, 4)}f}",
        "p": p_as_printed(random, fit.p_value),
        "Q": f"{fit.q:.{random.integers(1, 4)}f}",
        "df": str(k - 1),
        "p_Q": p_as_printed(random, fit.q_p_value),
        "I2": f"{fit.i2:.{random.integers(0, 3)}f}",
    }
    if model == "random":
        more["tau2"] = f"{fit.tau2:.{random.integers(2, 5)}f}"
    return row | {name: text for name, text in more.items() if random.random() < 0.7}


def main() -> int:
    """Simulate, audit and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analyses", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    analyses, checks, told, examples = 0, 0, Counter[str](), []
    for first in range(0, given.analyses, BLOCK):
        drawn = [reported(random) for _ in range(min(BLOCK, given.analyses - first))]
        rows = [row for row in drawn if row is not None]
        analyses += len(rows)
        found = ma.audit(pd.DataFrame(rows).fillna(""))
        checks += len(found.verdicts)
        for verdict in found.inconsistent.to_dict("records"):
            told[str(verdict["check"])] += 1
            examples.append(str(verdict["sentence"]))
    print(f"{analyses:,} true analyses, {checks:,} checks: {told.total()} called impossible")
    for check, count in told.most_common():
        print(f"  {check}: {count}")
    for sentence in examples[:5]:
        print(f"  {sentence}")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
