"""The engine that is always there: NumPy, over the formulas of `pool` themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.solve import Status
from metaanalysis.many.blocks import ELEMENTS, ELEMENTS_AT_LEAST, Block, over_blocks
from metaanalysis.many.columns import DOUBTFUL, PROVEN, Answers, block_columns
from metaanalysis.many.ragged import Ragged
from metaanalysis.models.own_weights import generalised_q_function
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
    names = columns - {"k"}
    into = no_answers(ragged, names)
    weighted = ragged.tau2_weights is not None
    own = any(callable(option) for option in (None if weighted else options.tau2, options.ci, options.prediction))
    # Few groups may have a second maximum: searched for block by block, the searches' small steps took a third of the time.
    first_round = PROVEN if starts == "scan" and not own and not fits_few_blocks(ragged) else starts

    def numbers(block: Block) -> Answers:
        chosen = options
        if weighted:
            chosen = replace(options, tau2=generalised_q_function(block.arrays["tau2_weights"].T))
        # Division by zero is NaN or infinity here, as in `pool`; each thread has a state of its own.
        with np.errstate(all="ignore"):
            return block_columns(block.arrays["y"].T, block.arrays["v"].T, block.k, chosen, names, first_round)

    def one_by_one(block: Block) -> Answers:
        if own or not may_fail(options):
            return numbers(block)
        try:
            return numbers(block)
        except (ArithmeticError, ValueError, RuntimeError):
            return bisected(block, one_by_one, names)

    # A function of the user's own may know the studies by their places, and nothing of infinite variances.
    arrays = {"y": ragged.y, "v": ragged.v}
    if ragged.tau2_weights is not None:
        arrays["tau2_weights"] = ragged.tau2_weights
    over_blocks(arrays, ragged.offsets, one_by_one, into, workers, not own, advance)
    doubtful = np.flatnonzero(into["status"] == DOUBTFUL)
    if doubtful.size:
        again = searched(some_groups(ragged, doubtful), options, names, workers)
        for name, values in again.items():
            into[name][doubtful] = values
    if "k" in columns:
        into["k"] = ragged.sizes
    return into  # type: ignore[return-value]


def searched(
    ragged: Ragged, options: PoolOptions, names: frozenset[str], workers: int
) -> dict[str, FloatArray | IntArray]:
    """The columns of groups whose likelihoods are searched for all their maxima."""
    into = no_answers(ragged, names)

    def numbers(block: Block) -> Answers:
        with np.errstate(all="ignore"):
            return block_columns(block.arrays["y"].T, block.arrays["v"].T, block.k, options, names, "scan")

    over_blocks({"y": ragged.y, "v": ragged.v}, ragged.offsets, numbers, into, workers, search=True)
    return into


def fits_few_blocks(ragged: Ragged) -> bool:
    """Whether there are so few blocks that a second round over the rest of all of them would take longer than it saves."""
    if not ELEMENTS_AT_LEAST < ragged.y.size <= ELEMENTS:
        return ragged.y.size <= ELEMENTS_AT_LEAST
    sizes = ragged.sizes
    return int(sizes.min()) == int(sizes.max())


def no_answers(ragged: Ragged, names: frozenset[str]) -> dict[str, FloatArray | IntArray]:
    """Where answers go: those of groups without a study are there, all others are yet to be written, by the threads."""
    groups = ragged.offsets.size - 1
    # One piece of memory for all: fresh memory is handed out, and cleared, by large pages where it is long enough.
    into: dict[str, Any] = dict(zip(sorted(names), np.empty((len(names), groups)), strict=True))
    into |= {name: np.empty(groups, dtype=np.int16) for name in ("status", "iterations")}
    nothing = np.flatnonzero(ragged.offsets[1:] == ragged.offsets[:-1])
    for name, values in into.items():
        values[nothing] = {"status": int(Status.TOO_FEW_STUDIES), "iterations": 0}.get(name, np.nan)
    return into


def some_groups(ragged: Ragged, groups: IntArray) -> Ragged:
    """The studies of some of the groups, end to end."""
    rows = rows_of_groups(ragged, groups)
    return Ragged(ragged.y[rows], ragged.v[rows], np.concatenate([[0], np.cumsum(ragged.sizes[groups])]))


def rows_of_groups(ragged: Ragged, groups: IntArray) -> IntArray:
    """The places of the studies of some of the groups, group after group."""
    starts, sizes = ragged.offsets[groups], ragged.sizes[groups]
    ends = np.cumsum(sizes)
    return np.repeat(starts - ends + sizes, sizes) + np.arange(int(sizes.sum()))


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
