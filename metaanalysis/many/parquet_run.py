"""A run from Parquet to Parquet: its plan, its parts one after the other or on an executor, and the target that they become."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metaanalysis.errors import DataError, OptionError
from metaanalysis.many.parquet_groups import KEPT, ROW, Options, OrderError, asked_of, keys_of, pooled_groups
from metaanalysis.many.parquet_memory import FIXED, budget_of, groups_written, row_bytes, tasks_at_once
from metaanalysis.many.parquet_source import Source, empty_table, limits_of, schema_text, source_of
from metaanalysis.many.parquet_target import (
    Order,
    Writer,
    batches_of,
    check_each_once,
    merged,
    target_schema,
)
from metaanalysis.many.parquet_tasks import Task, run_task
from metaanalysis.many.parquet_work import HALF_WRITTEN, Plan, Work, boot, check_same, settle
from metaanalysis.many.partition import partitions_for
from metaanalysis.options import PoolOptions

if TYPE_CHECKING:
    import pyarrow as pa

# Rows of a part: what is done again at most after a run was killed. Few parts, or many small ones, both cost.
ROWS_OF_A_PART = 1 << 21
LEAST_ROWS_OF_A_PART = 1 << 18
PARTS_WISHED = 16
MOST_PARTS = 1 << 12
LEAST_MEMORY = 2 * FIXED
# How many rows are pooled beforehand to see whether the options exist.
ROWS_TO_TRY = 256
# Options of `pool_many` that are neither those of `pool` nor name columns.
OF_POOL_MANY = ("convention", "columns", "engine", "starts", "workers")
POOL_OPTIONS = tuple(field.name for field in fields(PoolOptions))

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
UNITS |= {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def first_plan(
    paths: Sequence[str],
    by: tuple[str, ...],
    memory_limit: str | int,
    options: Mapping[str, Any],
    is_sorted: bool | None,
    threads: int,
) -> Plan:
    """What is to be done, with options and columns checked; threads: how many tasks this process may do at a time."""
    by, data = needed_columns(paths[0], by, options)
    source = source_of(paths, dict.fromkeys(by, "by") | data)
    check_kinds_of_keys(source, by)
    spans = spans_of(source)
    limit = memory_in_bytes(memory_limit)
    at_once = tasks_at_once(limit, threads, len(spans))
    plan = Plan(
        source=source,
        by=by,
        data=tuple(data),
        spans=spans,
        partitions=0,
        any_order=is_sorted is True,
        budget=budget_of(limit, at_once),
        at_once=at_once,
        boot=boot(),
        row_bytes=row_bytes(source),
    )
    plan = replace(plan, result=schema_text(first_result(plan, tuple(options.items())).schema))
    return with_partitions(plan) if is_sorted is False or (is_sorted is None and overlap(source, by[0])) else plan


def needed_columns(path: str, by: Sequence[str], options: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns of the key, and those of the numbers with what each is for; DataError where one is missing."""
    from metaanalysis.effects.columns import open_frame
    from metaanalysis.many.doors_frames import has_measure_column, resolved, roles_of_columns
    from metaanalysis.many.keys import key_names

    frame = open_frame(empty_table(path))
    given = {name: value for name, value in options.items() if name not in (*POOL_OPTIONS, *OF_POOL_MANY)}
    asked = asked_of(by, str(options.get("method") or "inverse-variance"), options.get("convention"), given)
    with naming(path):
        found = None if has_measure_column(frame, asked) else resolved(list(frame.columns), asked, frame)
        return tuple(key_names(frame, list(by))), roles_of_columns(found, asked, frame)


def check_kinds_of_keys(source: Source, by: Sequence[str]) -> None:
    """DataError for lists and structures, which Arrow does not compare."""
    import pyarrow as pa

    for name in by:
        kind = source.schema.field(name).type
        if pa.types.is_nested(kind):
            raise DataError(
                f"the key {name!r} is {kind} in the files, whose values can't be compared: use numbers, text or dates, or name the "
                f"parts of the key as columns of their own."
            )


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Say of which file an error is."""
    try:
        yield
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def first_result(plan: Plan, options: Options) -> pa.RecordBatch:
    """The first rows pooled: whether the options exist, and which columns come of them."""
    import pyarrow as pa

    for batch in plan.source.batches(0, len(plan.source.stretches), ROWS_TO_TRY):
        table = pa.Table.from_batches([batch])
        keys, starts = keys_of(plan, batch, 0)
        heads = [key.take(pa.array(starts)) for key in keys]
        return pooled_groups(plan, table, starts, heads, starts, options, 0)
    raise DataError("the files have no rows: there is no group to pool.")


def with_partitions(plan: Plan) -> Plan:
    """The same for files that are partitioned."""
    return replace(plan, partitions=partitions_for(plan))


def spans_of(source: Source) -> tuple[tuple[int, int], ...]:
    """Stretches put together until there are rows enough for a part."""
    rows = source.rows
    wanted = max(LEAST_ROWS_OF_A_PART, min(ROWS_OF_A_PART, rows // PARTS_WISHED), rows // MOST_PARTS)
    spans, first, count = [], 0, 0
    for at, (_, _, more) in enumerate(source.stretches):
        count += more
        if count >= wanted:
            spans.append((first, at + 1))
            first, count = at + 1, 0
    if count:
        spans.append((first, len(source.stretches)))
    return tuple(spans)


def overlap(source: Source, key: str) -> bool:
    """Whether what the files say of the least and greatest keys of their row groups already shows that they are not sorted."""
    limits = limits_of(source, key)
    if limits is None:
        return False
    pairs = list(itertools.pairwise(limits))
    try:
        ascending = all(before[1] <= after[0] for before, after in pairs)
        descending = all(before[0] >= after[1] for before, after in pairs)
    except TypeError:
        # Texts in one file and bytes in another: what they are when they are read is looked at then.
        return False
    return not (ascending or descending)


def memory_in_bytes(limit: str | int) -> int:
    """A number of bytes from words such as 500MB."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", str(limit).lower())
    if isinstance(limit, bool) or found is None or found[2] not in UNITS:
        raise OptionError(f"memory_limit={limit!r} is not an amount of memory: write it as in '500MB' or '2GB'.")
    number = int(float(found[1]) * UNITS[found[2]])
    if number < LEAST_MEMORY:
        raise OptionError(f"memory_limit={limit!r} is too small to work in: give at least '{LEAST_MEMORY // 10**6}MB'.")
    return number


def checked_executor(executor: Any) -> Executor:
    """Something with a method `submit`; of a Dask client its executor."""
    if hasattr(executor, "get_executor"):
        executor = executor.get_executor()
    if not callable(getattr(executor, "submit", None)):
        raise OptionError(
            f"executor is a {type(executor).__name__}: give a concurrent.futures.Executor, such as ProcessPoolExecutor(), or "
            f"that of a Dask cluster, client.get_executor()."
        )
    checked: Executor = executor
    return checked


def taken_up(work: Work, plan: Plan, asked: Mapping[str, str], *, resume: bool) -> tuple[Work, Plan]:
    """The run that is taken up, with its plan, or a new one."""
    if work.begun() and resume:
        check_same(work, asked)
        work = work.kept()
        work.sweep()
        before = work.plan()
        if before.boot not in ("", plan.boot):
            work.forget_split_files()
        # The parts stay as they were divided; memory and threads are those of now.
        plan = replace(before, budget=plan.budget, at_once=plan.at_once, boot=plan.boot)
        work.note(asked, plan)
        return work, plan
    return work.begin(asked, plan), plan


class Counts(NamedTuple):
    """What a run found."""

    groups: int
    failed: int
    left_out: int


@dataclass
class Run:
    """The parts of a run, and the target that they become."""

    work: Work
    plan: Plan
    options: Options
    executor: Executor | None
    progress: bool | None

    def to(self, target: Path) -> Counts:
        """Do what is not done yet and write the target."""
        half = self.work.folder / f"target{HALF_WRITTEN}"
        try:
            counts = self.written(half)
        except OrderError:
            self.plan = with_partitions(self.plan)
            self.work = self.work.begin(self.work.asked(), self.plan)
            counts = self.written(half)
        with half.open("rb+") as file:
            os.fsync(file.fileno())
        self.work.check_sources(self.plan.source.paths)
        os.replace(half, target)
        settle(target.parent)
        return counts

    def written(self, half: Path) -> Counts:
        """Write all results."""
        from metaanalysis.many.pooling import FAILING

        failing = sorted(FAILING)
        groups = failed = pooled = 0
        columns = [name for name in self.plan.result_schema.names if name not in (ROW, KEPT)]
        results = self.divided() if self.plan.partitions else self.streamed()
        # Closed at once where the disk is full: no task goes on behind the error.
        with (
            Writer(
                half, target_schema(self.plan.result_schema, columns), self.plan.by, groups_written(self.plan)
            ) as writer,
            closing(results) as batches,
        ):
            for batch in batches:
                groups += batch.num_rows
                failed += int(np.isin(batch["status"].indices.to_numpy(), failing).sum())
                pooled += int(batch[KEPT].to_numpy().sum())
                writer.write(batch.select(columns))
        return Counts(groups, failed, self.plan.source.rows - pooled)

    def streamed(self) -> Generator[pa.RecordBatch, None, None]:
        """The groups of sorted files, part after part."""
        order = Order(self.plan)
        groups = 0
        with closing(self.done("stream", "pooled", len(self.plan.spans))) as numbers:
            for number in numbers:
                for batch in batches_of(self.work.part(number)):
                    order.see(batch)
                    groups += batch.num_rows
                    yield batch
        if not order.certain:
            check_each_once(self.plan, self.work.parts(), groups)

    def divided(self) -> Generator[pa.RecordBatch, None, None]:
        """The groups of files that were partitioned, in the order in which they first appear."""
        if not all(self.work.is_done("partition", number) for number in range(self.plan.partitions)):
            for _ in self.done("split", "divided", len(self.plan.spans)):
                pass
            for _ in self.done("partition", "pooled", self.plan.partitions):
                pass
        # Large files take their time to go.
        with ThreadPoolExecutor(1) as aside:
            aside.submit(self.work.forget_split_files)
            yield from merged(self.work.parts(), self.work.here, self.plan)

    def done(self, kind: str, what: str, count: int) -> Generator[int, None, None]:
        """Have the tasks of a kind done; their numbers in order, each as soon as it and those before it are done."""
        tasks = [Task(str(self.work.folder), self.work.run, kind, number, self.options) for number in range(count)]
        with bar(self.plan.source.rows, what, self.progress) as advance, closing(self.results(tasks)) as results:
            for task, rows in zip(tasks, results, strict=True):
                advance(rows)
                if not self.work.is_done(kind, task.number):
                    raise DataError(
                        f"a worker did part {task.number}, but it is not in {self.work.folder}: the workers of an executor "
                        f"must see that folder and the source under the same paths."
                    )
                yield task.number

    def results(self, tasks: list[Task]) -> Generator[int, None, None]:
        """What the tasks return, in order."""
        with nullcontext(self.executor) if self.executor else ThreadPoolExecutor(self.plan.at_once) as executor:
            yield from self.results_of(executor, tasks)

    def results_of(self, executor: Executor, tasks: list[Task]) -> Iterator[int]:
        """What an executor returns, in the order of the tasks; those not begun are withdrawn where one fails."""
        futures = [executor.submit(run_task, task) for task in tasks]
        try:
            for future in futures:
                yield future.result()
        except BrokenExecutor as problem:
            problem.add_note(
                f"The parts that are done are kept in {self.work.folder}; the same call goes on from there."
            )
            raise
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def bar(total: int, what: str, wanted: bool | None) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of rows done; a bar on a terminal (wanted None), always or never."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda done: None  # noqa: ARG005
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="row", unit_scale=True) as shown:
        yield shown.update
