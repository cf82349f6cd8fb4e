"""The streaming of sorted files: whole groups in their order, pooled, in as little memory as wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.errors import DataError
from metaanalysis.many.parquet_groups import (
    LEAST_ROWS,
    Key,
    Options,
    OrderError,
    RowNumbers,
    batch_rows,
    bytes_a_row,
    keys_of,
    most_of_a_group,
    pooled_groups,
    too_large,
)
from metaanalysis.many.parquet_keys import direction, hashes, key_at, named_key, starts_of_groups
from metaanalysis.many.parquet_work import Plan

if TYPE_CHECKING:
    import pyarrow as pa


def pooled_stream(plan: Plan, first: int, stop: int, options: Options) -> Iterator[pa.RecordBatch]:
    """The groups that begin in stretches first to stop, pooled, in their order."""
    import pyarrow as pa

    order = 0
    before: list[pa.Array] | None = None
    for table, row in whole_groups(plan, first, stop):
        keys = [table[name].combine_chunks() for name in plan.by]
        starts = starts_of_groups(keys)
        heads = [key.take(pa.array(starts)) for key in keys]
        order = checked_order(plan, heads, before, order, row + starts)
        before = [head.slice(len(head) - 1) for head in heads]
        yield from pooled_groups(plan, table, starts, heads, row + starts, options).to_batches()


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


def whole_groups(plan: Plan, first: int, stop: int) -> Iterator[tuple[pa.Table, int]]:
    """Tables of whole groups, those that begin in stretches first to stop, each with the number of its first row.

    The last group of a batch is held until its end is seen; a task reads on beyond its own stretches for it, and leaves out
    the rows at their beginning that belong to a group of the task before.
    """
    import pyarrow as pa

    source = plan.source
    row = source.first_row(first)
    foreign = last_key_before(plan, first)
    held = Held(plan)
    for batch in source.batches(first, stop, batch_rows(plan, bytes_a_row(plan))):
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
        cut = int(starts[-1])
        if held.key == key_at(keys, 0):
            if cut == 0:
                held.add(batch)
                continue
        elif held.key is not None and cut == 0:
            yield held.table()
            held.start(batch, key_at(keys, 0), here)
            continue
        if cut:
            begin_row = here if held.key is None else held.row
            yield pa.Table.from_batches([*held.batches, batch.slice(0, cut)]), begin_row
        held.start(batch.slice(cut), key_at(keys, cut), here + cut)
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
    yield held.table()


class Held:
    """The rows of one group of which the end has not been seen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.batches: list[pa.RecordBatch] = []
        self.key: Key | None = None
        self.row = 0

    def start(self, batch: pa.RecordBatch, key: Key, row: int) -> None:
        """A new group."""
        self.batches, self.key, self.row = [batch], key, row

    def add(self, batch: pa.RecordBatch) -> None:
        """More rows of it; DataError where they are more than may be held."""
        self.batches.append(batch)
        if sum(one.num_rows for one in self.batches) > most_of_a_group(self.plan):
            assert self.key is not None
            raise too_large(self.plan, self.key)

    def table(self) -> tuple[pa.Table, int]:
        """All of it."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches), self.row


def last_key_before(plan: Plan, stretch: int) -> Key | None:
    """The key of the row before a stretch, None where it is the first row of all."""
    for before in range(stretch - 1, -1, -1):
        if plan.source.stretches[before][2]:
            key = None
            for batch in plan.source.batches(before, before + 1, 1 << 16, plan.by):
                key = key_at([batch[name] for name in plan.by], batch.num_rows - 1)
            return key
    return None
