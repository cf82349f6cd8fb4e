"""Groups of many sizes -> blocks of one size, which the formulas take, and their answers back in the groups' order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray

# Elements (groups times studies) of one block. Threads wait for each other between NumPy's calls, some tens of microseconds
# each time, and the larger the blocks the fewer calls there are: two threads took 700 ms for a million groups of 10 by REML
# with 131,072, 450 with 524,288; larger ones gained nothing. A thread's temporaries are about ten arrays of a block.
ELEMENTS = 524_288
# The largest piece of memory, in bytes, that raises what the GNU C library keeps of memory that was given back.
KEPT = 31 * 2**20
# No block is smaller for the sake of an even load: so many, if the data suffice, for each thread.
ELEMENTS_AT_LEAST, BLOCKS_A_THREAD = 65_536, 4
# Data of fewer whole blocks are not worth another thread: 30,000 groups of 10 took two thirds longer in two than in one.
BLOCKS_WORTH_A_THREAD = 2
# Groups of several sizes share a block, filled up by studies of infinite variance, which carry no weight, as long as no more
# than so many elements are filled up in all: they cost less than NumPy's calls for one more block, 0.3 to 1.3 ms.
FILLED_AT_MOST = 8_192


class Block(NamedTuple):
    """Some groups side by side: arrays (k, groups), a study a row, in the order of `groups`; `k` of each group, or of all."""

    arrays: Mapping[str, FloatArray]
    groups: IntArray
    k: FloatArray


# Block -> one value a group, by name.
BlockFunction: TypeAlias = Callable[[Block], Mapping[str, FloatArray | IntArray]]


def size_classes(
    sizes: IntArray, fill: bool, filled_at_most: int = FILLED_AT_MOST
) -> Iterator[tuple[int, IntArray | range]]:
    """A length, and the groups that are brought to it; groups without a study are left out."""
    top = int(sizes.max(initial=0))
    if top and int(sizes.min()) == top:
        yield top, range(sizes.size)
        return
    # NumPy sorts 16-bit integers by counting.
    small = sizes.astype(np.uint16) if top < 1 << 16 else sizes
    order = np.argsort(small, kind="stable")
    in_order = sizes[order]
    ends = [*np.flatnonzero(np.diff(in_order)) + 1, in_order.size]
    last, length, filled = in_order.size, 0, 0
    # From the largest groups to the smallest: the next smaller size joins, if that fills not too much up.
    for begin, end in zip(reversed([0, *ends[:-1]]), reversed(ends), strict=True):
        size = int(in_order[begin]) if end > begin else 0
        filled += (length - size) * (end - begin)
        if end < last and not (fill and size and filled <= filled_at_most):
            yield length, order[end:last]
            last = end
        if size == 0:
            return
        if end == last:
            length, filled = size, 0
    yield length, order[:last]


def gathered(arrays: Mapping[str, FloatArray], offsets: IntArray, groups: IntArray, length: int) -> Block:
    """The groups' studies, each array (length, groups) and contiguous."""
    where = run_of(groups)
    starts = offsets[where]
    n = offsets[1:][where] - starts
    if bool((n == length).all()):
        size = np.asarray(float(length))
        if isinstance(where, slice):
            rows = slice(int(starts[0]), int(starts[0]) + groups.size * length)
            return Block({name: study_by_study(x[rows], length) for name, x in arrays.items()}, groups, size)
        side = {name: study_by_study(runs(x, starts, length), length) for name, x in arrays.items()}
        return Block(side, groups, size)
    place = np.arange(length)[:, np.newaxis]
    there = place < n
    index = np.where(there, starts + place, starts)
    side = {name: x.take(index) for name, x in arrays.items()}
    side["v"] = np.where(there, side["v"], np.inf)
    return Block(side, groups, n.astype(np.float64))


def run_of(groups: IntArray) -> slice | IntArray:
    """Groups that follow one another, as a slice; where sizes were put together, groups do not ascend."""
    first, last = int(groups[0]), int(groups[-1]) + 1
    return slice(first, last) if last - first == groups.size and bool((groups[1:] > groups[:-1]).all()) else groups


def runs(x: FloatArray, starts: IntArray, length: int) -> FloatArray:
    """The runs of so many numbers from each start, one after the other; they may overlap."""
    x = np.ascontiguousarray(x)
    # Each run is taken as one item of that many bytes: 1.5 ns a number for runs of 26, where an index of each takes 3.8.
    items: Any = np.ndarray((x.size - length + 1,), f"V{x.itemsize * length}", x, 0, (x.itemsize,))
    return np.asarray(items[starts].view(x.dtype))


def study_by_study(x: FloatArray, length: int) -> FloatArray:
    """Groups end to end -> (length, groups), contiguous."""
    return np.ascontiguousarray(x.reshape(-1, length).T)


def keep_memory() -> None:
    """Have the C library keep what temporaries give back, rather than return it and ask for it again.

    The GNU library keeps twice as much as the largest piece that was ever given back, of those up to 32 MB. Blocks without it
    took 220,000 page faults a million groups. The piece is never touched, and so costs nothing.
    """
    np.empty(KEPT, dtype=np.uint8)


def cores() -> int:
    """How many cores this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def over_blocks(
    arrays: Mapping[str, FloatArray],
    offsets: IntArray,
    function: BlockFunction,
    into: Mapping[str, FloatArray | IntArray],
    workers: int,
    fill: bool = True,
    advance: Callable[[int], object] | None = None,
    search: bool = False,
) -> None:
    """Call a function with each block and write what it answers into arrays (groups,).

    Parameters
    ----------
    arrays
        (rows,) each, groups laid end to end.
    offsets
        (groups + 1,).
    function
        Called by several threads at once.
    into
        Where the answers go; groups without a study are left as they are.
    fill
        Whether groups of rare sizes may be filled up by studies of infinite variance; `arrays` then has a ``v``.
    advance
        Called with the number of rows that were done.
    search
        Whether the function takes far longer than to pass over its elements: then there are few blocks, however small.
    """

    def one(length: int, some: IntArray | range) -> int:
        groups = np.arange(some.start, some.stop) if isinstance(some, range) else some
        block = gathered(arrays, offsets, groups, length)
        where = run_of(groups)
        for name, values in function(block).items():
            into[name][where] = values
        return groups.size * length if block.k.ndim == 0 else int(block.k.sum())

    if not search:
        workers = min(workers, int(offsets[-1]) // (BLOCKS_WORTH_A_THREAD * ELEMENTS) + 1)
    even = int(offsets[-1]) // (workers * (1 if search else BLOCKS_A_THREAD)) + 1
    filled, least = (ELEMENTS_AT_LEAST, FILLED_AT_MOST) if search else (FILLED_AT_MOST, ELEMENTS_AT_LEAST)
    elements = min(ELEMENTS, max(least, even))
    # Pieces of about one size: a small rest would cost as many calls as a whole block.
    parts = [
        (length, groups[first : first + step])
        for length, groups in size_classes(np.diff(offsets), fill, filled)
        for pieces in (max(1, round(len(groups) * length / elements)),)
        for step in (-(-len(groups) // pieces),)
        for first in range(0, len(groups), step)
    ]
    keep_memory()
    if workers <= 1 or len(parts) <= 1:
        for length, groups in parts:
            done = one(length, groups)
            if advance is not None:
                advance(done)
        return
    threads = ThreadPoolExecutor(min(workers, len(parts)), thread_name_prefix="pool_many")
    try:
        open_: set[Future[int]] = {threads.submit(one, length, groups) for length, groups in parts}
        while open_:
            done_now, open_ = wait(open_, return_when=FIRST_COMPLETED)
            for future in done_now:
                rows = future.result()
                if advance is not None:
                    advance(rows)
    finally:
        # An error, or the user's interruption, waits for the blocks at hand alone.
        threads.shutdown(wait=True, cancel_futures=True)
