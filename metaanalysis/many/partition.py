"""Files that are not sorted: divide the rows by their keys among partitions on disk, then pool each partition in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metaanalysis.formulas.arrays import IntArray
from metaanalysis.many.parquet_groups import (
    BYTES_A_ROW,
    Options,
    batch_rows,
    bytes_a_row,
    keys_of,
    most_of_a_group,
    pooled_groups,
    too_large,
    unused,
)
from metaanalysis.many.parquet_keys import Hashes, hashes, key_at, starts_of_groups
from metaanalysis.many.parquet_work import Plan, Work, atomically, write_arrow

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes a row that sorting a partition takes beside its columns: hashes, packed hashes and places, the order.
BYTES_TO_SORT = 48
# Into how many buckets a partition that is too large is divided once more.
BUCKETS = 1 << 12
MOST_PARTITIONS = 1 << 16
LEAST_PARTITIONS = 16
# Below this a partition is not worth a file of its own.
WORTH_A_PARTITION = 1 << 18


def partitions_for(plan: Plan) -> int:
    """How many partitions keep each well within the memory limit."""
    rows = plan.source.rows
    needed = math.ceil(rows * (2 * bytes_a_row(plan) + BYTES_TO_SORT) / (0.5 * plan.budget))
    spread = min(LEAST_PARTITIONS, math.ceil(rows / WORTH_A_PARTITION))
    return max(1, min(MOST_PARTITIONS, max(needed, spread)))


def split_span(work: Work, plan: Plan, number: int) -> None:
    """Write the rows of a span, divided: round by round one record batch a partition, in the order of the source."""
    counts = np.zeros(plan.partitions, dtype=np.int64)

    def rounds() -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        first, stop = plan.spans[number]
        begin = row = plan.source.first_row(first)
        for batch in plan.source.batches(first, stop, batch_rows(plan, bytes_a_row(plan))):
            keys, _ = keys_of(plan, batch, row)
            partition = (hashes(keys) % np.uint64(plan.partitions)).astype(np.uint16)
            order = np.argsort(partition, kind="stable")
            sizes = np.bincount(partition, minlength=plan.partitions)
            counts[:] += sizes
            inside = pa.array((order + (row - begin)).astype(np.uint32))
            columns = [batch[name].take(pa.array(order)) for name in plan.source.columns]
            divided = pa.RecordBatch.from_arrays([*columns, inside], schema=split_schema(plan))
            for start, size in zip((np.cumsum(sizes) - sizes).tolist(), sizes.tolist(), strict=True):
                yield divided.slice(start, size)
            row += batch.num_rows

    def counted() -> Iterator[pa.RecordBatch]:
        yield from rounds()
        # Written before the rows get their name: where they are there, so are the counts.
        with atomically(work.counts(number)) as half, half.open("wb") as file:
            np.save(file, counts)

    write_arrow(work.split_file(number), split_schema(plan), counted())


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


def pooled_batches(plan: Plan, table: pa.Table, rows: NDArray[np.int64], options: Options) -> Iterator[pa.RecordBatch]:
    """Pool the groups of a table; rows: where each of its rows stood in the source."""
    if table.num_rows == 0:
        return
    keys = [table[name].combine_chunks() for name in plan.by]
    order, starts = grouped(keys)
    sizes = np.diff(np.append(starts, order.size))
    largest = int(np.argmax(sizes))
    if sizes[largest] > most_of_a_group(plan):
        raise too_large(plan, key_at(keys, int(order[starts[largest]])))
    appeared = np.argsort(rows[order[starts]])
    starts, sizes = starts[appeared], sizes[appeared]
    for first, stop in slices(sizes, batch_rows(plan, bytes_a_row(plan)), groups_a_batch(plan)):
        yield from pooled_slice(plan, table, rows, order, starts[first:stop], sizes[first:stop], options)


def pooled_slice(
    plan: Plan,
    table: pa.Table,
    rows: NDArray[np.int64],
    order: IntArray,
    starts: IntArray,
    sizes: IntArray,
    options: Options,
) -> Iterator[pa.RecordBatch]:
    """Pool some groups, given by where they lie in the order and how long they are."""
    import pyarrow as pa

    begins = np.cumsum(sizes) - sizes
    # Place by place: where its group lies in the order, and how far inside the group it is.
    places = order[np.arange(int(sizes.sum())) + np.repeat(starts - begins, sizes)]
    chosen = table.select(plan.data).take(pa.array(places))
    heads = [table[name].take(pa.array(places[begins])).combine_chunks() for name in plan.by]
    yield from pooled_groups(plan, chosen, begins, heads, rows[places[begins]], options).to_batches()


def groups_a_batch(plan: Plan) -> int:
    """How many groups a record batch of results holds: one batch of every partition is in memory while they are merged."""
    return int(min(1 << 16, max(1 << 8, plan.budget / (4 * plan.partitions * BYTES_A_ROW))))


def slices(sizes: IntArray, most_rows: int, most_groups: int) -> Iterator[tuple[int, int]]:
    """Successive groups of so many rows at most (a larger group goes alone), and so many groups."""
    ends = np.cumsum(sizes)
    first = 0
    while first < sizes.size:
        before = int(ends[first - 1]) if first else 0
        stop = int(np.searchsorted(ends, before + most_rows, side="right"))
        stop = min(max(stop, first + 1), first + most_groups)
        yield first, stop
        first = stop


def shares_of(work: Work, plan: Plan, number: int) -> list[tuple[int, int]]:
    """Ranges of buckets of hashes that divide a partition into what fits into memory: mostly one, with all of it."""
    rows = sum(int(np.load(work.counts(span))[number]) for span in range(len(plan.spans)))
    most = int(plan.budget / (2 * bytes_a_row(plan) + BYTES_TO_SORT))
    if rows <= most:
        return [(0, BUCKETS)]
    sizes = np.zeros(BUCKETS, dtype=np.int64)
    for batch, _ in divided(work, plan, number):
        sizes += np.bincount(buckets(plan, [batch[name] for name in plan.by]), minlength=BUCKETS)
    largest = int(np.argmax(sizes))
    if sizes[largest] > most_of_a_group(plan):
        raise too_large(plan, commonest_key(work, plan, number, largest))
    return list(slices(sizes, most, BUCKETS))


def commonest_key(work: Work, plan: Plan, number: int, bucket: int) -> tuple[object, ...]:
    """The key of most rows of a bucket that a single group fills, as good as: the first that holds half of a batch."""
    key: tuple[object, ...] = ()
    for batch, _ in divided(work, plan, number):
        keys = [batch[name] for name in plan.by]
        inside = np.flatnonzero(buckets(plan, keys) == bucket)
        if inside.size:
            hashed = hashes(keys)[inside]
            _, first, counts = np.unique(hashed, return_index=True, return_counts=True)
            key = key_at(keys, int(inside[first[np.argmax(counts)]]))
            if 2 * int(counts.max()) >= inside.size:
                break
    return key


def buckets(plan: Plan, keys: list[pa.Array]) -> IntArray:
    """Into which bucket of its partition a key falls."""
    return (hashes(keys) // np.uint64(plan.partitions) % np.uint64(BUCKETS)).astype(np.intp)


def divided(work: Work, plan: Plan, number: int) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    """The rows of a partition in the order of the source, and their numbers there, batch by batch."""
    import pyarrow as pa

    for span, (first, _) in enumerate(plan.spans):
        begin = plan.source.first_row(first)
        with pa.OSFile(str(work.split_file(span)), "rb") as file:
            reader = pa.ipc.open_file(file)
            for at in range(number, reader.num_record_batches, plan.partitions):
                batch = reader.get_batch(at)
                rows = batch.column(batch.num_columns - 1).to_numpy().astype(np.int64) + begin
                yield batch.select(plan.source.schema.names), rows


def rows_of_share(work: Work, plan: Plan, number: int, share: tuple[int, int]) -> tuple[pa.Table, NDArray[np.int64]]:
    """The rows of a partition of which the hashes fall into some buckets, and their numbers in the source."""
    import pyarrow as pa

    batches, numbers = [], [np.empty(0, dtype=np.int64)]
    for whole, rows in divided(work, plan, number):
        batch = whole
        if share != (0, BUCKETS):
            bucket = buckets(plan, [batch[name] for name in plan.by])
            inside = np.flatnonzero((bucket >= share[0]) & (bucket < share[1]))
            batch, rows = batch.take(pa.array(inside)), rows[inside]
        batches.append(batch)
        numbers.append(rows)
    return pa.Table.from_batches(batches, schema=plan.source.schema), np.concatenate(numbers)


def grouped(keys: list[pa.Array]) -> tuple[IntArray, IntArray]:
    """An order in which the rows of a group stand together, in their own order, and where each group begins in it."""
    import pyarrow as pa

    hashed = hashes(keys)
    order = order_by_hash(hashed)
    starts = starts_of_groups([key.take(pa.array(order)) for key in keys])
    # Different keys with the same beginning of their hashes lie mixed, a rarity that leaves more groups than there are.
    return separate_mixed(keys, hashed, order, starts)


def bits_for(rows: int) -> int:
    """How many bits number the rows."""
    return max(1, (rows - 1).bit_length())


def order_by_hash(hashed: Hashes) -> IntArray:
    """Sort rows by the leading bits of their hashes, ties by row: one plain sort of numbers, much faster than an argsort."""
    bits = np.uint64(bits_for(hashed.size))
    packed = (hashed >> bits << bits) | np.arange(hashed.size, dtype=np.uint64)
    packed.sort()
    return (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.intp)


def separate_mixed(
    keys: list[pa.Array], hashed: Hashes, order: IntArray, starts: IntArray
) -> tuple[IntArray, IntArray]:
    """Take apart groups of which the hashes begin alike."""
    bits = np.uint64(bits_for(hashed.size))
    leading = hashed[order[starts]] >> bits
    alike = np.flatnonzero(leading[1:] == leading[:-1])
    if not alike.size:
        return order, starts
    order = order.copy()
    ends = np.append(starts[1:], order.size)
    keep = np.ones(starts.size, dtype=np.bool_)
    at = 0
    more: list[int] = []
    while at < alike.size:
        first = int(alike[at])
        last = first + 1
        while at + 1 < alike.size and alike[at + 1] == last:
            at, last = at + 1, last + 1
        at += 1
        begin, end = int(starts[first]), int(ends[last])
        by_key: dict[tuple[object, ...], list[int]] = {}
        for row in order[begin:end].tolist():
            by_key.setdefault(key_at(keys, row), []).append(row)
        order[begin:end] = [row for members in by_key.values() for row in members]
        keep[first : last + 1] = False
        for members in by_key.values():
            more.append(begin)
            begin += len(members)
    return order, np.sort(np.concatenate([starts[keep], np.array(more, dtype=starts.dtype)]))
