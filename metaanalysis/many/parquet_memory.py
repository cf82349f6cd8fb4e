"""How much memory rows and results take in a run from Parquet to Parquet, and how many of them its limit allows.

The constants were measured: the peak of a process above what it had before, with the NumPy engine, groups of 1 to 8 studies,
numbers and texts of 150 and 2,000 bytes for keys, sorted and not (`benchmarks/parquet_memory.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.many.parquet_work import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from metaanalysis.many.parquet_source import Source

# What a run takes whatever its limit: threads, buffers of files, what allocators keep.
FIXED = 50_000_000
# With less for its rows and results a task does little but begin and end: rather fewer of them run at once.
LEAST_OF_A_TASK = 25_000_000
# Copies of the columns of a batch, and of its results, that there are while it is pooled; and the share of a task's memory that a
# batch may take. The rest is for what is written, for what is read ahead, and for what allocators keep.
COPIES, RESULT_COPIES, SHARE_OF_BATCH = 5, 2.5, 0.4
# Rows of a batch at most: enough that a call's fixed cost vanishes, few enough that its arrays stay small.
MOST_ROWS = 1 << 20
LEAST_ROWS = 1 << 12
# Bytes a row that pooling one large group takes beside its columns.
WORK_OF_ONE_GROUP = 80
# Bytes a row that grouping a partition takes beside its columns and their copy in one piece: codes, the order and what makes it,
# places in the source; and the share of a task's memory that a partition may take beside the batches that are pooled of it.
BYTES_TO_GROUP, SHARE_OF_PARTITION = 48, 0.2
# Groups that are written at a time: four copies of their results there are then, in a share of all memory.
MOST_GROUPS_WRITTEN, LEAST_GROUPS_WRITTEN, SHARE_OF_WRITTEN = 1 << 17, 1 << 10, 0.05
# While parts are merged, some groups of each that is open are in memory, five times over with what becomes of them, in a share of
# all memory; systems allow a process a thousand open files or so.
GROUPS_MERGED, COPIES_MERGED, SHARE_OF_MERGED = 1 << 8, 5, 0.15
MOST_OPEN, LEAST_OPEN = 200, 4
# Stretches of a source, and rows of each, that are looked at for the length of texts.
STRETCHES_SEEN, ROWS_SEEN = 12, 1 << 10


def row_bytes(source: Source) -> float:
    """What a row of the columns that are read takes: of texts the longest average among stretches that are looked at."""
    fixed = [field for field in source.schema if has_fixed_width(field.type)]
    total = float(sum(field.type.byte_width for field in fixed))
    varying = [field.name for field in source.schema if not has_fixed_width(field.type)]
    if not varying:
        return total
    there = [at for at, (_, _, rows) in enumerate(source.stretches) if rows]
    most = source.bytes_of_texts
    for place in sorted({there[int(at)] for at in np.linspace(0, len(there) - 1, STRETCHES_SEEN)} if there else ()):
        for batch in source.batches(place, place + 1, ROWS_SEEN, varying):
            most = max(most, sum(column.nbytes for column in batch.columns) / batch.num_rows)
            break
    return total + most


def has_fixed_width(kind: pa.DataType) -> bool:
    """Whether values of a type all have the same width in whole bytes."""
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind) and not pa.types.is_boolean(kind))


def result_bytes(plan: Plan) -> float:
    """What a row of the results takes."""
    return sum(
        field.type.byte_width if has_fixed_width(field.type) else plan.row_bytes if field.name in plan.by else 4.0
        for field in plan.result_schema
    )


def batch_rows(plan: Plan) -> int:
    """How many rows are pooled at a time, if each of them were a group of its own."""
    each = COPIES * plan.row_bytes + RESULT_COPIES * result_bytes(plan)
    return int(min(MOST_ROWS, max(LEAST_ROWS, SHARE_OF_BATCH * plan.budget / each)))


def most_of_a_group(plan: Plan) -> float:
    """How many rows a group may have."""
    return plan.budget / bytes_of_a_group(plan, 1)


def bytes_of_a_group(plan: Plan, rows: int) -> float:
    """What a group of so many rows takes while it is pooled."""
    return rows * (COPIES * plan.row_bytes + WORK_OF_ONE_GROUP)


def rows_to_divide(plan: Plan) -> int:
    """How many rows are held while they are divided among partitions: themselves, arranged, and in pieces."""
    return int(plan.budget // (7 * (plan.row_bytes + 4)))


def rows_of_a_partition(plan: Plan) -> int:
    """How many rows of a partition are grouped at a time."""
    return int(SHARE_OF_PARTITION * plan.budget / (2 * plan.row_bytes + BYTES_TO_GROUP))


def groups_written(plan: Plan) -> int:
    """How many groups are written at a time."""
    fitting = SHARE_OF_WRITTEN * plan.budget * plan.at_once / result_bytes(plan)
    return int(min(MOST_GROUPS_WRITTEN, max(LEAST_GROUPS_WRITTEN, fitting)))


def groups_merged(plan: Plan) -> int:
    """How many groups a record batch of a part holds, of which some parts are merged: one of each that is open is in memory."""
    fitting = share_of_merging(plan) / max(1, min(plan.partitions, parts_open(plan)))
    return int(min(groups_written(plan), max(GROUPS_MERGED, fitting)))


def parts_open(plan: Plan) -> int:
    """How many parts are merged at a time."""
    return int(min(MOST_OPEN, max(LEAST_OPEN, share_of_merging(plan) / GROUPS_MERGED)))


def share_of_merging(plan: Plan) -> float:
    """How many groups of all parts may be in memory while they are merged."""
    return SHARE_OF_MERGED * plan.budget * plan.at_once / (COPIES_MERGED * result_bytes(plan))


def tasks_at_once(limit: int, threads: int, tasks: int) -> int:
    """How many tasks run at once: no more than there are threads, nor than may each have memory worth the while."""
    return max(1, min(threads, tasks, (limit - FIXED) // LEAST_OF_A_TASK))


def budget_of(limit: int, at_once: int) -> int:
    """What each of the tasks that run at once may take for rows and results."""
    return (limit - FIXED) // at_once


def limit_for(budget: float, at_once: int) -> str:
    """The limit under which each of so many tasks may take so much, as `memory_limit` understands it."""
    return megabytes(budget * at_once + FIXED)


def megabytes(number: float) -> str:
    """A number of bytes as `memory_limit` understands it, rounded up."""
    return f"{math.floor(number / 1e6) + 1}MB"


def give_back() -> None:
    """Have Arrow return what it keeps of memory that is no longer used: half a millisecond, and up to half of the peak."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
