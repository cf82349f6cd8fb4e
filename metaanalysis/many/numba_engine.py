"""The compiled engine: fused numba kernels for the common effect, DL, PM, ML and REML; the extra `fast`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many import numpy_engine
from metaanalysis.many.columns import USUAL
from metaanalysis.many.kernel_columns import INTERVALS, OF_RESIDUALS, PREDICTIONS, Sums, columns_of
from metaanalysis.many.numpy_engine import some_groups
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions

# The estimators that have a kernel.
MOMENTS, GENERALISED_Q, LIKELIHOOD = ("DL",), ("PM", "EB", "PMM"), ("ML", "REML")
# Groups that a kernel takes together: few enough that their studies and answers stay in cache. And those of one call: so many
# that threads seldom wait for each other between NumPy's calls.
TASK_GROUPS, TASK_ROWS, CALL_GROUPS = 8_192, 65_536, 65_536
# Fewer rows than so many are not worth another thread; and no task is smaller for the sake of an even load.
THREAD_ROWS, TASK_ROWS_AT_LEAST = 262_144, 16_384


def supports(options: PoolOptions, columns: frozenset[str]) -> bool:
    """Whether there are kernels for these options and columns."""
    if options.method != "inverse-variance" or options.ci not in INTERVALS or not columns <= set(USUAL):
        return False
    if options.model == "common":
        return True
    return options.tau2 in (*MOMENTS, *GENERALISED_Q, *LIKELIHOOD) and options.prediction in (*PREDICTIONS, "none")


def compute(
    ragged: Ragged, options: PoolOptions, columns: frozenset[str], *, starts: str = "scan", workers: int = 1
) -> dict[str, FloatArray]:
    """The columns that are asked for, (groups,) each, with ``status`` and ``iterations``.

    A group without a study is NaN, with the status of too few studies.
    """
    from metaanalysis.many import kernels
    from metaanalysis.many.lanes import WIDTH

    groups = ragged.offsets.size - 1
    # One piece of memory for all columns: fresh memory is handed out, and cleared, by large pages where it is long enough.
    into: dict[str, FloatArray] = dict(zip(sorted(columns), np.empty((len(columns), groups)), strict=True))
    status, steps = np.empty(groups, dtype=np.int16), np.empty(groups, dtype=np.int16)
    method = method_code(options)
    targets = goals(options, kernels.LONGEST) if method == kernels.GENERALISED_Q else np.empty(0)
    intervals = {options.ci, options.prediction if options.model == "random" else None}
    residuals, spreads = not intervals.isdisjoint(OF_RESIDUALS), "kenward-roger" in intervals
    y, v = np.ascontiguousarray(ragged.y), np.ascontiguousarray(ragged.v)
    offsets = np.ascontiguousarray(ragged.offsets, dtype=np.intp)

    own, longest = threading.local(), [0]

    def task(edges: IntArray) -> None:
        n, part = int(edges[-1] - edges[0]), slice(int(edges[0]), int(edges[-1]))
        # Each thread writes its answers where it wrote those of its last task: fresh memory took as long as the kernel.
        if not hasattr(own, "answers") or own.answers.size < kernels.ROWS * (n + WIDTH):
            own.answers = np.empty(kernels.ROWS * (n + WIDTH))
        answers = own.answers[: kernels.ROWS * (n + WIDTH)]
        scan = starts == "scan"
        longest.append(kernels.pool_groups(y, v, offsets, edges, method, scan, residuals, spreads, targets, answers))
        # Division by zero is NaN or infinity here, as in `pool`; each thread has a state of its own.
        with np.errstate(all="ignore"):
            rows = answers.reshape(kernels.ROWS, -1)[:, :n]
            for name, values in columns_of(Sums(*rows[: kernels.STATUS]), options, columns).items():
                into[name][part] = values
            status[part], steps[part] = rows[kernels.STATUS], rows[kernels.ITERATIONS]

    run(task, offsets, workers)
    answer: dict[str, Any] = {**into, "status": status, "iterations": steps}
    # Long groups fill the processor's vectors by themselves: they are NumPy's.
    if max(longest) > kernels.LONGEST:
        long = np.flatnonzero(ragged.sizes > kernels.LONGEST)
        for name, values in numpy_engine.compute(some_groups(ragged, long), options, columns, starts=starts).items():
            answer[name][long] = values
    return answer


def method_code(options: PoolOptions) -> int:
    """The kernels' code of what is to be estimated."""
    from metaanalysis.many import kernels

    if options.model == "common":
        return kernels.COMMON
    if options.tau2 in GENERALISED_Q:
        return kernels.GENERALISED_Q
    codes = {"DL": kernels.DERSIMONIAN_LAIRD, "ML": kernels.MAXIMUM_LIKELIHOOD, "REML": kernels.RESTRICTED_LIKELIHOOD}
    return codes[str(options.tau2)]


def goals(options: PoolOptions, longest: int) -> FloatArray:
    """What Q is to be equal to, by the number of studies: its mean, or its median (PMM)."""
    df = np.arange(longest + 1.0) - 1.0
    if options.tau2 != "PMM":
        return df
    return np.asarray(2.0 * special.gammaincinv(np.where(df > 0, df, 1.0) / 2.0, 0.5))


def tasks(offsets: IntArray, workers: int = 1) -> Iterator[IntArray]:
    """Edges between runs of groups of about as many rows, for each call of the kernels: two calls a thread, if they are enough."""
    groups, first = offsets.size - 1, 0
    share = -(-groups // (2 * workers))
    rows = TASK_ROWS if workers == 1 else min(TASK_ROWS, max(TASK_ROWS_AT_LEAST, int(offsets[-1]) // (2 * workers)))
    edges = [0]
    while first < groups:
        last = int(np.searchsorted(offsets, offsets[first] + rows, side="right")) - 1
        first = min(max(last, first + 1), first + TASK_GROUPS, groups)
        edges.append(first)
        if first == groups or first - edges[0] >= min(share, CALL_GROUPS):
            yield np.array(edges, dtype=np.intp)
            edges = [first]


def run(task: Callable[[IntArray], None], offsets: IntArray, workers: int) -> None:
    """Do all tasks, in threads where there are several of both."""
    workers = min(workers, int(offsets[-1]) // THREAD_ROWS + 1)
    parts = list(tasks(offsets, workers))
    if workers <= 1 or len(parts) <= 1:
        for edges in parts:
            task(edges)
        return
    threads = ThreadPoolExecutor(min(workers, len(parts)), thread_name_prefix="pool_many")
    try:
        for future in [threads.submit(task, edges) for edges in parts]:
            future.result()
    finally:
        # An error, or the user's interruption, waits for the tasks at hand alone.
        threads.shutdown(wait=True, cancel_futures=True)
