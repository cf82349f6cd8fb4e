"""Files that are not sorted: divide the rows by their keys among partitions on disk, then pool each partition in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metaanalysis.formulas.arrays import IntArray
from metaanalysis.many.keys import stable_order
from metaanalysis.many.parquet_groups import (
    Options,
    keys_of,
    pooled_groups,
    too_large,
    unused,
)
from metaanalysis.many.parquet_keys import hashes, key_at, numbered
from metaanalysis.many.parquet_memory import (
    batch_rows,
    give_back,
    groups_merged,
    most_of_a_group,
    rows_of_a_partition,
    rows_to_divide,
)
from metaanalysis.many.parquet_work import Plan, Work, atomically, boot, write_arrow

if TYPE_CHECKING:
    import pyarrow as pa

RowNumbers = NDArray[np.int64]
# Into how many buckets a partition that is too large is divided once more.
BUCKETS = 1 << 12
MOST_PARTITIONS = 1 << 16
# Rows of a partition that are grouped within the processor's cache, and how many partitions are worth that.
WORTH_A_PARTITION = 1 << 19
ENOUGH_PARTITIONS = 64
# Rows that are divided at a time, within the cache too.
ROWS_TO_DIVIDE = 1 << 18


def partitions_for(plan: Plan) -> int:
    """How many partitions keep each well within the memory limit."""
    rows = plan.source.rows
    # Partitions differ in size, and one that is too large is divided once more, which costs another reading.
    needed = math.ceil(1.5 * rows / rows_of_a_partition(plan))
    spread = min(ENOUGH_PARTITIONS, math.ceil(rows / WORTH_A_PARTITION))
    return max(1, min(MOST_PARTITIONS, max(needed, spread)))


def split_span(work: Work, plan: Plan, number: int) -> None:
    """Write the rows of a span, divided: round by round one piece a partition, in the order of the source.

    A piece is a record batch; after the last stand the place at which each ends and its rows, and how many there are.
    """
    import pyarrow as pa

    # As long as the machine runs, what was written is there; after a restart the run divides anew (`taken_up`).
    lasting = plan.boot == "" or plan.boot != boot()
    with atomically(work.split_file(number), settled=lasting) as half, pa.OSFile(str(half), "wb") as sink:
        with pa.ipc.new_stream(sink, split_schema(plan)) as writer:
            # Arrow writes the schema with the first batch: before it, so that every piece begins where another ends.
            writer.write_batch(pa.RecordBatch.from_pylist([], schema=split_schema(plan)))
            ends = [(sink.tell(), 0)]
            for piece in divided_rows(plan, number):
                if piece.num_rows:
                    writer.write_batch(piece)
                ends.append((sink.tell(), piece.num_rows))
        sink.write(np.array(ends, dtype=np.int64).tobytes())
        sink.write(np.array([len(ends)], dtype=np.int64).tobytes())


def pieces_of(path: Path) -> RowNumbers:
    """Where each piece of a split file ends, after where the first begins, and its rows: (1 + pieces, 2)."""
    with path.open("rb", buffering=0) as file:
        file.seek(-8, os.SEEK_END)
        count = int(np.frombuffer(file.read(8), dtype=np.int64)[0])
        file.seek(-8 - 16 * count, os.SEEK_END)
        return np.frombuffer(file.read(16 * count), dtype=np.int64).reshape(-1, 2)


def divided_rows(plan: Plan, number: int) -> Iterator[pa.RecordBatch]:
    """The pieces of a span, round by round as many rows as memory may hold, one a partition."""
    first, stop = plan.spans[number]
    begin = row = plan.source.first_row(first)
    most = rows_to_divide(plan)
    held: list[tuple[pa.RecordBatch, RowNumbers]] = []
    rows = 0
    for batch in plan.source.batches(first, stop, min(ROWS_TO_DIVIDE, batch_rows(plan))):
        held.append(by_partition(plan, batch, row, begin))
        rows += batch.num_rows
        row += batch.num_rows
        if rows >= most:
            yield from pieces(plan, held)
            held, rows = [], 0
            give_back()
    if held:
        yield from pieces(plan, held)


def by_partition(plan: Plan, batch: pa.RecordBatch, row: int, begin: int) -> tuple[pa.RecordBatch, RowNumbers]:
    """The rows of a batch partition after partition, with their rows in the span, and where each partition begins and ends."""
    import pyarrow as pa

    keys, _ = keys_of(plan, batch, row)
    # The leading 32 bits choose the partition: a product instead of a division, which takes longer.
    partition = (hashes(keys) >> np.uint64(32)) * np.uint64(plan.partitions) >> np.uint64(32)
    partition = partition.astype(np.min_scalar_type(plan.partitions))
    order = np.argsort(partition, kind="stable")
    bounds = np.append(0, np.cumsum(np.bincount(partition, minlength=plan.partitions)))
    inside = pa.array((order + (row - begin)).astype(np.uint32))
    columns = [batch[name].take(pa.array(order)) for name in plan.source.columns]
    return pa.RecordBatch.from_arrays([*columns, inside], schema=split_schema(plan)), bounds


def pieces(plan: Plan, held: list[tuple[pa.RecordBatch, RowNumbers]]) -> Iterator[pa.RecordBatch]:
    """One record batch a partition out of some that were arranged by partition."""
    import pyarrow as pa

    for number in range(plan.partitions):
        parts = [batch.slice(bounds[number], bounds[number + 1] - bounds[number]) for batch, bounds in held]
        whole = parts if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()
        yield whole[0] if whole else parts[0]


def split_schema(plan: Plan) -> pa.Schema:
    """The columns that are read, and the row within the span."""
    import pyarrow as pa

    schema = plan.source.schema
    return schema.append(pa.field(unused("row", schema.names), pa.uint32()))


def pool_partition(work: Work, plan: Plan, number: int, options: Options) -> None:
    """Pool the groups of a partition and write them in the order in which they first appear in the source."""
    shares = shares_of(work, plan, number)
    # The first share last: where its file is there, so are the others.
    for share in range(len(shares) - 1, -1, -1):
        if not work.part(number, share).exists():
            table, rows = rows_of_share(work, plan, number, shares[share])
            batches = pooled_batches(plan, table, rows, options)
            write_arrow(work.part(number, share), plan.result_schema, batches)


def pooled_batches(plan: Plan, table: pa.Table, rows: RowNumbers, options: Options) -> Iterator[pa.RecordBatch]:
    """Pool the groups of a table; rows: where each of its rows stood in the source."""
    import pyarrow as pa

    if table.num_rows == 0:
        return
    keys = [table[name].combine_chunks() for name in plan.by]
    order, bounds = grouped(keys)
    sizes = np.diff(bounds)
    heads = order[bounds[:-1]]
    largest = int(np.argmax(sizes))
    if sizes[largest] > most_of_a_group(plan):
        raise too_large(plan, key_at(keys, int(heads[largest])))
    data = table.select(plan.data)
    most = groups_merged(plan)
    for first, stop in slices(sizes, batch_rows(plan)):
        members = order[bounds[first] : bounds[stop]]
        chosen = data.take(pa.array(members))
        places = heads[first:stop]
        starts = bounds[first:stop] - bounds[first]
        own_keys = [key.take(pa.array(places)) for key in keys]
        pooled = pooled_groups(plan, chosen, starts, own_keys, rows[places], options, rows[members])
        for at in range(0, pooled.num_rows, most):
            yield pooled.slice(at, most)


def grouped(keys: list[pa.Array]) -> tuple[IntArray, IntArray]:
    """An order in which the rows of a group stand together, groups as they first appear, rows as they come; and their bounds."""
    codes = numbered(keys)
    groups = int(codes.max()) + 1
    bounds = np.append(0, np.cumsum(np.bincount(codes, minlength=groups)))
    return stable_order(codes, groups), bounds


def slices(sizes: IntArray, most_rows: int) -> Iterator[tuple[int, int]]:
    """Successive groups of so many rows at most; a larger group goes alone."""
    ends = np.cumsum(sizes)
    first = 0
    while first < sizes.size:
        before = int(ends[first - 1]) if first else 0
        stop = max(int(np.searchsorted(ends, before + most_rows, side="right")), first + 1)
        yield first, stop
        first = stop


def shares_of(work: Work, plan: Plan, number: int) -> list[tuple[int, int]]:
    """Ranges of buckets of hashes that divide a partition into what fits into memory: mostly one, with all of it."""
    rows = rows_of_partition(work, plan, number)
    most = rows_of_a_partition(plan)
    if rows <= most:
        return [(0, BUCKETS)]
    sizes = np.zeros(BUCKETS, dtype=np.int64)
    for batch, _ in divided(work, plan, number):
        sizes += np.bincount(buckets([batch[name] for name in plan.by]), minlength=BUCKETS)
    largest = int(np.argmax(sizes))
    if sizes[largest] > most_of_a_group(plan):
        raise too_large(plan, commonest_key(work, plan, number, largest))
    return list(slices(sizes, most))


def rows_of_partition(work: Work, plan: Plan, number: int) -> int:
    """How many rows were divided into a partition."""
    spans = range(len(plan.spans))
    return sum(int(pieces_of(work.split_file(span))[1 + number :: plan.partitions, 1].sum()) for span in spans)


def commonest_key(work: Work, plan: Plan, number: int, bucket: int) -> tuple[object, ...]:
    """The key of most rows of a bucket that a single group fills, as good as: the first that holds half of a batch."""
    key: tuple[object, ...] = ()
    for batch, _ in divided(work, plan, number):
        keys = [batch[name] for name in plan.by]
        inside = np.flatnonzero(buckets(keys) == bucket)
        if inside.size:
            hashed = hashes(keys)[inside]
            _, first, counts = np.unique(hashed, return_index=True, return_counts=True)
            key = key_at(keys, int(inside[first[np.argmax(counts)]]))
            if 2 * int(counts.max()) >= inside.size:
                break
    return key


def buckets(keys: list[pa.Array]) -> IntArray:
    """Into which bucket of its partition a key falls: the last bits of its hash, where the first chose the partition."""
    return (hashes(keys) % np.uint64(BUCKETS)).astype(np.intp)


def divided(work: Work, plan: Plan, number: int) -> Iterator[tuple[pa.RecordBatch, RowNumbers]]:
    """The rows of a partition in the order of the source, and their numbers there, piece by piece."""
    import pyarrow as pa

    schema, names = split_schema(plan), plan.source.schema.names
    first_rows = np.append(0, np.cumsum([rows for _, _, rows in plan.source.stretches]))
    for span, (first, _) in enumerate(plan.spans):
        path = work.split_file(span)
        ends = pieces_of(path)
        with pa.OSFile(str(path), "rb") as file:
            for at in range(1 + number, len(ends), plan.partitions):
                if ends[at, 1]:
                    file.seek(int(ends[at - 1, 0]))
                    piece = pa.ipc.read_record_batch(pa.ipc.read_message(file), schema)
                    rows = piece.column(len(names)).to_numpy().astype(np.int64)
                    rows += first_rows[first]
                    yield piece.select(names), rows


def rows_of_share(work: Work, plan: Plan, number: int, share: tuple[int, int]) -> tuple[pa.Table, RowNumbers]:
    """The rows of a partition of which the hashes fall into some buckets, and their numbers in the source."""
    import pyarrow as pa

    batches, numbers = [], [np.empty(0, dtype=np.int64)]
    for whole, rows in divided(work, plan, number):
        batch = whole
        if share != (0, BUCKETS):
            bucket = buckets([batch[name] for name in plan.by])
            inside = np.flatnonzero((bucket >= share[0]) & (bucket < share[1]))
            batch, rows = batch.take(pa.array(inside)), rows[inside]
        batches.append(batch)
        numbers.append(rows)
    return pa.Table.from_batches(batches, schema=plan.source.schema).combine_chunks(), np.concatenate(numbers)
