"""The streaming of sorted files: whole groups in their order, pooled, in as little memory as wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import IntArray
from metaanalysis.many.parquet_groups import (
    Key,
    Options,
    OrderError,
    RowNumbers,
    keys_of,
    pooled_groups,
    too_large,
)
from metaanalysis.many.parquet_keys import direction, hashes, key_at, named_key
from metaanalysis.many.parquet_memory import LEAST_ROWS, batch_rows, groups_written, most_of_a_group
from metaanalysis.many.parquet_work import Plan

if TYPE_CHECKING:
    import pyarrow as pa


class Groups(NamedTuple):
    """Whole groups that stand one after the other: their rows, where each begins in them, its key, and the row of the first."""

    batches: list[pa.RecordBatch]
    starts: IntArray
    heads: list[pa.Array]
    row: int


def pooled_stream(plan: Plan, first: int, stop: int, options: Options) -> Iterator[pa.RecordBatch]:
    """The groups that begin in stretches first to stop, pooled, in their order."""
    import pyarrow as pa

    order, most = 0, groups_written(plan)
    before: list[pa.Array] | None = None
    for batches, starts, heads, row in whole_groups(plan, first, stop):
        order = checked_order(plan, heads, before, order, row + starts)
        before = [head.slice(len(head) - 1) for head in heads]
        pooled = pooled_groups(plan, pa.Table.from_batches(batches), starts, heads, row + starts, options, row)
        for at in range(0, pooled.num_rows, most):
            yield pooled.slice(at, most)


def checked_order(
    plan: Plan, heads: list[pa.Array], before: list[pa.Array] | None, order: int, rows: RowNumbers
) -> int:
    """The direction of the keys so far; OrderError or DataError where a group comes back."""
    import pyarrow as pa

    joined = heads if before is None else [pa.concat_arrays(pair) for pair in zip(before, heads, strict=True)]
    found = direction(joined)
    if found is not None and found * order >= 0:
        return found or order
    if not plan.any_order:
        raise OrderError
    again = repeated(heads)
    if again is not None:
        raise came_back(plan, key_at(heads, again), int(rows[again]))
    return 0


def repeated(heads: list[pa.Array]) -> int | None:
    """The first place where a key stands that stood before, if there is one."""
    hashed = hashes(heads)
    order = np.argsort(hashed, kind="stable")
    same = np.flatnonzero(hashed[order][1:] == hashed[order][:-1])
    places = sorted((int(order[at + 1]), int(order[at])) for at in same)
    return next((later for later, earlier in places if key_at(heads, later) == key_at(heads, earlier)), None)


def came_back(plan: Plan, key: Key, row: int) -> DataError:
    """What to say of a group that comes back."""
    return DataError(
        f"sorted=True, but {named_key(plan.by, key)} comes back in {plan.source.place(row)} after other groups: leave out sorted, "
        f"and files that are not sorted are partitioned first."
    )


def whole_groups(plan: Plan, first: int, stop: int) -> Iterator[Groups]:
    """The groups that begin in stretches first to stop, as many at a time as a batch has.

    The last group of a batch is held until its end is seen; a task reads on beyond its own stretches for it, and leaves out
    the rows at their beginning that belong to a group of the task before.
    """
    import pyarrow as pa

    source = plan.source
    row = source.first_row(first)
    foreign = last_key_before(plan, first)
    held = Held(plan)
    for batch in source.batches(first, stop, batch_rows(plan)):
        here, row = row, row + batch.num_rows
        keys, starts = keys_of(plan, batch, here)
        if foreign is not None:
            begin = 0
            if key_at(keys, 0) == foreign:
                if len(starts) == 1:
                    continue
                begin = int(starts[1])
            foreign = None
            batch, keys, starts = (
                batch.slice(begin),
                [key.slice(begin) for key in keys],
                starts[starts >= begin] - begin,
            )
            here += begin
        if held.key == key_at(keys, 0):
            end = int(starts[1]) if len(starts) > 1 else batch.num_rows
            held.add(batch.slice(0, end))
            if len(starts) == 1:
                continue
            starts = starts[1:]
        cut = int(starts[-1])
        inside = starts[:-1]
        heads = [key.take(pa.array(inside)) for key in keys]
        whole = batch.slice(int(starts[0]), cut - int(starts[0]))
        if held.key is not None:
            heads = [pa.concat_arrays(pair) for pair in zip(held.head, heads, strict=True)]
            inside = np.append(0, inside - starts[0] + held.rows)
            yield Groups([*held.batches, whole], inside, heads, held.row)
        elif cut:
            yield Groups([whole], inside, heads, here)
        held.start(batch.slice(cut), [key.slice(cut, 1) for key in keys], here + cut)
    if held.key is None:
        return
    for batch in source.batches(stop, len(source.stretches), LEAST_ROWS):
        keys, starts = keys_of(plan, batch, row)
        row += batch.num_rows
        if key_at(keys, 0) != held.key:
            break
        held.add(batch if len(starts) == 1 else batch.slice(0, int(starts[1])))
        if len(starts) > 1:
            break
    yield Groups(held.batches, np.zeros(1, dtype=np.intp), held.head, held.row)


class Held:
    """The rows of one group of which the end has not been seen; head: its key as columns of one row."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.batches: list[pa.RecordBatch] = []
        self.head: list[pa.Array] = []
        self.key: Key | None = None
        self.row = self.rows = 0

    def start(self, batch: pa.RecordBatch, head: list[pa.Array], row: int) -> None:
        """A new group."""
        self.batches, self.head, self.key = [batch], head, key_at(head, 0)
        self.row, self.rows = row, batch.num_rows

    def add(self, batch: pa.RecordBatch) -> None:
        """More rows of it; DataError where they are more than may be held."""
        self.batches.append(batch)
        self.rows += batch.num_rows
        if self.rows > most_of_a_group(self.plan):
            assert self.key is not None
            raise too_large(self.plan, self.key)


def last_key_before(plan: Plan, stretch: int) -> Key | None:
    """The key of the row before a stretch, None where it is the first row of all."""
    for before in range(stretch - 1, -1, -1):
        if plan.source.stretches[before][2]:
            key = None
            for batch in plan.source.batches(before, before + 1, 1 << 16, plan.by):
                key = key_at([batch[name] for name in plan.by], batch.num_rows - 1)
            return key
    return None
