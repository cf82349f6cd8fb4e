"""The tasks of a run: what is handed to a process, a thread or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from metaanalysis.many.parquet_groups import Options
from metaanalysis.many.parquet_stream import pooled_stream
from metaanalysis.many.parquet_work import Work, write_arrow
from metaanalysis.many.partition import pool_partition, rows_of_partition, split_span


@dataclass(frozen=True)
class Task:
    """One part of a run. It says only which: the plan lies in the folder, and so does the answer.

    kind: "stream" sorted rows, "split" rows among partitions, or pool a "partition".
    """

    folder: str
    run: str
    kind: str
    number: int
    options: Options


def run_task(task: Task) -> int:
    """Do a task unless it is done; the number of source rows that it dealt with. Doing it twice changes nothing."""
    work = Work(Path(task.folder), task.run)
    plan = work.plan()
    if task.kind == "split":
        first, stop = plan.spans[task.number]
        if not work.split_file(task.number).exists():
            split_span(work, plan, task.number)
        return plan.source.first_row(stop) - plan.source.first_row(first)
    if task.kind == "stream":
        first, stop = plan.spans[task.number]
        if not work.part(task.number).exists():
            write_arrow(work.part(task.number), plan.result_schema, pooled_stream(plan, first, stop, task.options))
        return plan.source.first_row(stop) - plan.source.first_row(first)
    rows = rows_of_partition(work, plan, task.number)
    if not work.part(task.number).exists():
        pool_partition(work, plan, task.number, task.options)
    return rows
