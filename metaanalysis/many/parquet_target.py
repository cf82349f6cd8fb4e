"""From finished parts to the target: one file, written beside it and put in its place when it is whole."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import IntArray
from metaanalysis.many.parquet_groups import ROW, Key, OrderError
from metaanalysis.many.parquet_keys import Hashes, direction, hashes, key_at
from metaanalysis.many.parquet_memory import give_back, groups_merged, groups_written, parts_open
from metaanalysis.many.parquet_stream import came_back
from metaanalysis.many.parquet_work import Plan, write_arrow

if TYPE_CHECKING:
    import pyarrow as pa


def target_schema(parts: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """That of the target: some columns of the parts, statuses as texts."""
    import pyarrow as pa

    fields = [parts.field(name) for name in columns]
    return pa.schema(
        [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in fields]
    )


class Writer:
    """A Parquet file written by a thread of its own, so many groups at a time, while the next ones are pooled."""

    def __init__(self, path: Path, schema: pa.Schema, by: Sequence[str], groups: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Estimates hardly repeat, nor does the one key of each group: dictionaries of them, and the compression of digits
        # that look random, would take a third of the time to write and save a twentieth of the space.
        numbers = [field.name for field in schema if pa.types.is_floating(field.type) and field.name not in by]
        repeating = [name for name in schema.names if name not in (*numbers, *(by if len(by) == 1 else ()))]
        compression = {name: "none" if name in numbers else "snappy" for name in schema.names}
        self._writer = pq.ParquetWriter(str(path), schema, use_dictionary=repeating, compression=compression)
        self._file = os.open(path, os.O_RDWR)
        self._threads = ThreadPoolExecutor(2)
        self._under_way: Future[Any] | None = None
        self._flushed: Future[Any] | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._groups = groups
        self._schema = schema

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch; groups are written some at a time."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= self._groups:
            self._pass_on()

    def _pass_on(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._waiting)
        self._waiting, self._rows = [], 0
        if self._under_way is not None:
            self._under_way.result()
        self._under_way = self._threads.submit(self._write, table)

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))
        del table
        give_back()
        # What is written goes to the disk by and by: at the end there is little left to wait for.
        if self._flushed is None or self._flushed.done():
            if self._flushed is not None:
                self._flushed.result()
            self._flushed = self._threads.submit(os.fsync, self._file)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """Write what is left and the footer, unless something went wrong."""
        try:
            if kind is None:
                if self._rows:
                    self._pass_on()
                if self._under_way is not None:
                    self._under_way.result()
        finally:
            self._threads.shutdown()
            os.close(self._file)
            if kind is None:
                self._writer.close()
            else:
                with suppress(OSError):
                    self._writer.close()
        if kind is None and self._flushed is not None:
            self._flushed.result()


def batches_of(path: Path) -> Generator[pa.RecordBatch, None, None]:
    """The record batches of a part, one at a time."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        try:
            reader = pa.ipc.open_file(file)
        except pa.ArrowInvalid as problem:
            raise DataError(
                f"{path}, a part of this run that was done before, is damaged ({str(problem).strip().rstrip('.')}): give "
                f"resume=False to begin anew."
            ) from None
        for at in range(reader.num_record_batches):
            batch = reader.get_batch(at)
            if batch.num_rows:
                yield batch


def numbers_of(batch: pa.RecordBatch, name: str) -> IntArray:
    """A column of whole numbers."""
    return np.asarray(batch[name].to_numpy(), dtype=np.int64)


def merged(parts: list[Path], aside: Path, plan: Plan) -> Iterator[pa.RecordBatch]:
    """The groups of partitions in the order in which they first appear in the source.

    aside: a folder for what is merged before, where there are more parts than a process may have open.
    """
    level, most, groups = 0, parts_open(plan), groups_merged(plan)
    while len(parts) > most:
        fewer = []
        for at in range(0, len(parts), most):
            fewer.append(aside / f"merged-{level}-{at:05d}.arrow")
            some = merged_at_once(parts[at : at + most], groups)
            write_arrow(fewer[-1], plan.result_schema, some, settled=False)
        parts, level = fewer, level + 1
    yield from merged_at_once(parts, groups_written(plan))


def merged_at_once(parts: list[Path], groups: int) -> Iterator[pa.RecordBatch]:
    """As `merged`, with all parts open; groups: how many go into a record batch."""
    import pyarrow as pa

    with ExitStack() as stack:
        readers = [Ahead(path) for path in parts]
        for reader in readers:
            stack.callback(reader.close)
        while True:
            for reader in readers:
                reader.read()
            # No part has more to come below the least of the last rows that are in memory.
            upto = min((int(reader.rows[-1]) for reader in readers if not reader.ended), default=None)
            taken = [reader.take(upto) for reader in readers if reader.rows.size]
            if not taken:
                return
            order = np.argsort(np.concatenate([rows for _, rows in taken]))
            together = pa.concat_tables([table for table, _ in taken])
            yield from together.take(pa.array(order)).combine_chunks().to_batches(groups)
            del taken, together
            give_back()


class Ahead:
    """The next groups of a part: at least a good half of a record batch, until there are no more."""

    def __init__(self, path: Path) -> None:
        self._batches = batches_of(path)
        self._table: pa.Table | None = None
        self._last = 0
        self.rows: IntArray = np.empty(0, dtype=np.int64)
        self.ended = False

    def read(self) -> None:
        """Read on where few are left."""
        import pyarrow as pa

        if self.ended or 2 * self.rows.size > self._last:
            return
        batch = next(self._batches, None)
        if batch is None:
            self.ended = True
            return
        self._last = batch.num_rows
        more = pa.Table.from_batches([batch])
        self._table = more if self._table is None else pa.concat_tables([self._table, more])
        self.rows = np.concatenate([self.rows, numbers_of(batch, ROW)])

    def take(self, upto: int | None) -> tuple[pa.Table, IntArray]:
        """The groups that first appear up to a row, None for all, and the rows at which they do."""
        count = self.rows.size if upto is None else int(np.searchsorted(self.rows, upto, side="right"))
        assert self._table is not None
        taken, rows = self._table.slice(0, count), self.rows[:count]
        self._table, self.rows = self._table.slice(count), self.rows[count:]
        return taken, rows

    def close(self) -> None:
        """Leave the file."""
        self._batches.close()


class Order:
    """Whether the groups of sorted files, seen part after part, are in order; each key once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._before: list[pa.Array] | None = None
        self._direction = 0
        self.certain = True

    def see(self, batch: pa.RecordBatch) -> None:
        """The next groups; OrderError where their keys neither ascend nor descend and must."""
        import pyarrow as pa

        keys = [batch[name] for name in self._plan.by]
        before, self._before = self._before, [key.slice(len(key) - 1) for key in keys]
        if not self.certain:
            return
        found = direction(
            keys if before is None else [pa.concat_arrays(pair) for pair in zip(before, keys, strict=True)]
        )
        if found is None or found * self._direction < 0:
            if not self._plan.any_order:
                raise OrderError
            self.certain = False
        else:
            self._direction = found or self._direction


def check_each_once(plan: Plan, parts: list[Path], groups: int) -> None:
    """Whether each key has one group; DataError names one that comes back.

    Groups may be too many to hold the hashes of all their keys: those of a share of them are looked at, share by share.
    """
    shares = 1 + groups * 32 // plan.budget
    for share in range(shares):
        kept = [hashed[hashed % np.uint64(shares) == share] for _, _, hashed in keys_of_parts(plan, parts)]
        together: Hashes = np.concatenate([*kept, np.empty(0, dtype=np.uint64)])
        together.sort()
        twice = np.unique(together[1:][together[1:] == together[:-1]])
        if twice.size:
            # Two keys may have the same hash; the keys themselves decide.
            seen: set[Key] = set()
            for keys, rows, hashed in keys_of_parts(plan, parts):
                for at in np.flatnonzero(np.isin(hashed, twice)).tolist():
                    key = key_at(keys, at)
                    if key in seen:
                        raise came_back(plan, key, int(rows[at]))
                    seen.add(key)


def keys_of_parts(plan: Plan, parts: list[Path]) -> Iterator[tuple[list[pa.Array], IntArray, Hashes]]:
    """The keys of results, the rows at which their groups begin, and the keys' hashes."""
    for path in parts:
        for batch in batches_of(path):
            keys = [batch[name] for name in plan.by]
            yield keys, numbers_of(batch, ROW), hashes(keys)
