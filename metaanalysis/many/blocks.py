"""Groups of many sizes -> blocks of one size, which the formulas take, and their answers back in the groups' order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metaanalysis.formulas.arrays import FloatArray, IntArray

# Elements (groups times studies) of one block. Threads wait for each other between NumPy's calls, some tens of microseconds
# each time, and the larger the blocks the fewer calls there are: two threads took 700 ms for a million groups of 10 by REML
# with 131,072, 450 with 524,288; larger ones gained nothing. A thread's temporaries are about ten arrays of a block.
ELEMENTS = 524_288
# Elements of a piece that is gathered and turned round at a time.
PIECE = 65_536
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


class SizeClass(NamedTuple):
    """Groups that are brought to one length; they follow one another when all groups are taken by size, from `first` on."""

    length: int
    groups: IntArray | range
    first: int
    filled: bool  # whether a group is shorter


def size_classes(
    sizes: IntArray, fill: bool, filled_at_most: int = FILLED_AT_MOST
) -> tuple[IntArray | None, list[SizeClass]]:
    """All groups by size, None where there is one size only; and the classes, the largest first, without those of size 0."""
    top = int(sizes.max(initial=0))
    if int(sizes.min(initial=top)) == top:
        return None, [SizeClass(top, range(sizes.size), 0, False)] if top else []
    # NumPy sorts 16-bit integers by counting.
    small: NDArray[Any] = sizes.astype(np.uint16) if top < 1 << 16 else sizes
    order = np.argsort(small, kind="stable")
    present, ends = ends_of_sizes(small, order)
    classes: list[SizeClass] = []
    last = order.size
    length = least = filled = 0
    # From the largest groups to the smallest: the next smaller size joins, if that fills not too much up.
    for size, begin, end in zip(reversed(present), reversed([0, *ends[:-1]]), reversed(ends), strict=True):
        filled += (length - size) * (end - begin)
        if end < last and not (fill and size and filled <= filled_at_most):
            classes.append(SizeClass(length, order[end:last], end, least < length))
            last = end
        if size == 0:
            return order, classes
        if end == last:
            length, filled = size, 0
        least = size
    classes.append(SizeClass(length, order[:last], 0, least < length))
    return order, classes


def ends_of_sizes(sizes: NDArray[Any], order: IntArray) -> tuple[list[int], list[int]]:
    """The sizes that there are, and where each ends in the order; increasing."""
    if sizes.dtype == np.uint16:
        counts = np.bincount(sizes)
        present = np.flatnonzero(counts)
        return present.tolist(), np.cumsum(counts)[present].tolist()
    present, counts = np.unique(sizes[order], return_counts=True)
    return present.tolist(), np.cumsum(counts).tolist()


def gathered(
    arrays: Mapping[str, FloatArray], offsets: IntArray, groups: IntArray, length: int, filled: bool = True
) -> Block:
    """The groups' studies, each array (length, groups) and contiguous; filled: whether a group may be shorter."""
    where = run_of(groups)
    starts = offsets[where]
    if not filled:
        size = np.asarray(float(length))
        rows = slice(int(starts[0]), int(starts[0]) + groups.size * length) if isinstance(where, slice) else starts
        return Block({name: study_by_study(x, rows, length) for name, x in arrays.items()}, groups, size)
    n = offsets[1:][where] - starts
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


def study_by_study(x: FloatArray, rows: slice | IntArray, length: int) -> FloatArray:
    """Groups of one length -> (length, groups), contiguous; rows: where they lie end to end, or where each starts."""
    groups = (rows.stop - rows.start) // length if isinstance(rows, slice) else rows.size
    laid = np.empty((length, groups))
    # Piece by piece, for a core's own cache: a fifth to a third less time.
    step = PIECE // length + 1
    for first in range(0, groups, step):
        last = min(first + step, groups)
        if isinstance(rows, slice):
            piece = x[rows.start + first * length : rows.start + last * length]
        else:
            piece = runs(x, rows[first:last], length)
        laid[:, first:last] = piece.reshape(-1, length).T
    return laid


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
        Where the answers go: all blocks answer the same columns. Groups without a study, and columns that no block answers,
        are left as they are. After an error the answers are not in the groups' order.
    fill
        Whether groups of rare sizes may be filled up by studies of infinite variance; `arrays` then has a ``v``.
    advance
        Called with the number of rows that were done.
    search
        Whether the function takes far longer than to pass over its elements: then there are few blocks, however small.
    """
    if not search:
        workers = min(workers, int(offsets[-1]) // (BLOCKS_WORTH_A_THREAD * ELEMENTS) + 1)
    filled, least = (ELEMENTS_AT_LEAST, FILLED_AT_MOST) if search else (FILLED_AT_MOST, ELEMENTS_AT_LEAST)
    order, classes = size_classes(np.diff(offsets), fill, filled)
    # One thread alone has no load to share evenly.
    even = int(offsets[-1]) // (workers * (BLOCKS_A_THREAD if workers > 1 and not search else 1)) + 1
    parts = [part for one_class in classes for part in pieces(one_class, min(ELEMENTS, max(least, even)))]
    answered: set[str] = set()

    def one(part: SizeClass) -> int:
        groups = np.arange(part.groups.start, part.groups.stop) if isinstance(part.groups, range) else part.groups
        block = gathered(arrays, offsets, groups, part.length, part.filled)
        for name, values in function(block).items():
            # In the order in which they are computed: to write each where it belongs took six times as long.
            into[name][part.first : part.first + groups.size] = values
            answered.add(name)
        return groups.size * part.length if block.k.ndim == 0 else int(block.k.sum())

    keep_memory()
    tasks = [partial(one, part) for part in parts]
    if order is None or not parts:
        in_threads(tasks, workers, advance)
        return
    nothing = order[: classes[-1].first]
    kept = {name: values[nothing] for name, values in into.items()}
    place = np.empty_like(order)

    def find_places() -> int:
        place[order] = np.arange(order.size)
        return 0

    def put_back(name: str) -> int:
        values = into[name]
        values[:] = values.take(place)
        values[nothing] = kept[name]
        return 0

    in_threads([find_places, *tasks], workers, advance)
    in_threads([partial(put_back, name) for name in sorted(answered)], workers)


def pieces(whole: SizeClass, elements: int) -> Iterator[SizeClass]:
    """A class in pieces of about one size, of about so many elements: a small rest would cost as many calls as a whole block."""
    groups = len(whole.groups)
    step = -(-groups // max(1, round(groups * whole.length / elements)))
    for first in range(0, groups, step):
        yield whole._replace(groups=whole.groups[first : first + step], first=whole.first + first)


def in_threads(
    tasks: Sequence[Callable[[], int]], workers: int, advance: Callable[[int], object] | None = None
) -> None:
    """Call the tasks, and `advance` with what each returns."""
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            done = task()
            if advance is not None:
                advance(done)
        return
    threads = ThreadPoolExecutor(min(workers, len(tasks)), thread_name_prefix="pool_many")
    try:
        open_: set[Future[int]] = {threads.submit(task) for task in tasks}
        while open_:
            done_now, open_ = wait(open_, return_when=FIRST_COMPLETED)
            for future in done_now:
                rows = future.result()
                if advance is not None:
                    advance(rows)
    finally:
        # An error, or the user's interruption, waits for the tasks at hand alone.
        threads.shutdown(wait=True, cancel_futures=True)
