"""The engine that is always there: NumPy, over the formulas of `pool` themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.solve import Status
from metaanalysis.many.blocks import Block, over_blocks
from metaanalysis.many.columns import Answers, block_columns
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions


def compute(
    ragged: Ragged,
    options: PoolOptions,
    columns: frozenset[str],
    *,
    starts: str = "scan",
    workers: int = 1,
    advance: Callable[[int], object] | None = None,
) -> dict[str, FloatArray]:
    """The columns that are asked for, (groups,) each, with ``status`` and ``iterations``.

    A group without a study is NaN, with the status of too few studies. An error in a function of the user's own is the
    user's; in one of ours it costs its own group alone, which is NaN and did not converge.
    """
    sizes = ragged.sizes
    names = columns - {"k"}
    into: dict[str, FloatArray | IntArray] = {name: np.full(sizes.size, np.nan) for name in sorted(names)}
    into["status"] = np.full(sizes.size, int(Status.TOO_FEW_STUDIES), dtype=np.intp)
    into["iterations"] = np.zeros(sizes.size, dtype=np.intp)
    own = any(callable(option) for option in (options.tau2, options.ci, options.prediction))

    def numbers(block: Block) -> Answers:
        # Division by zero is NaN or infinity here, as in `pool`; each thread has a state of its own.
        with np.errstate(all="ignore"):
            return block_columns(block.arrays["y"].T, block.arrays["v"].T, block.k, options, names, starts)

    def one_by_one(block: Block) -> Answers:
        if own or not may_fail(options):
            return numbers(block)
        try:
            return numbers(block)
        except (ArithmeticError, ValueError, RuntimeError):
            return bisected(block, one_by_one, names)

    # A function of the user's own may know the studies by their places, and nothing of infinite variances.
    over_blocks({"y": ragged.y, "v": ragged.v}, ragged.offsets, one_by_one, into, workers, not own, advance)
    if "k" in columns:
        into["k"] = sizes
    return into  # type: ignore[return-value]


def may_fail(options: PoolOptions) -> bool:
    """Whether a formula works group by group, by SciPy's scalar solvers, which raise."""
    return options.ci in MEAN_INTERVALS or options.prediction == "nagashima"


def bisected(block: Block, function: Callable[[Block], Answers], names: frozenset[str]) -> Answers:
    """The answers of the two halves of a block, put together; NaN and not converged for a group that fails alone."""
    n = block.groups.size
    if n == 1:
        nothing: Answers = {name: np.full(1, np.nan) for name in names}
        code = np.full(1, int(Status.NOT_CONVERGED), dtype=np.intp)
        return {**nothing, "status": code, "iterations": np.zeros(1, dtype=np.intp)}
    halves = []
    for part in (slice(0, n // 2), slice(n // 2, n)):
        k = block.k if block.k.ndim == 0 else block.k[part]
        halves.append(function(Block({name: x[:, part] for name, x in block.arrays.items()}, block.groups[part], k)))
    return {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
