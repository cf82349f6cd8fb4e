"""From finished parts to the target: one file, written beside it and put in its place when it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.formulas.arrays import IntArray
from metaanalysis.many.parquet_groups import ROW, Key, OrderError
from metaanalysis.many.parquet_keys import Hashes, direction, hashes, key_at
from metaanalysis.many.parquet_stream import came_back
from metaanalysis.many.parquet_work import Plan

if TYPE_CHECKING:
    import pyarrow as pa

# Groups of a row group of the target.
ROW_GROUP = 1 << 18


class Writer:
    """A Parquet file written by a thread of its own, while the next groups are pooled."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Numbers hardly repeat; keys and statuses do.
        repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
        self._writer = pq.ParquetWriter(str(path), schema, use_dictionary=repeating)
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[Any] | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._schema = schema

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch; groups are written some at a time."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._pass_on()

    def _pass_on(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._waiting, schema=self._schema)
        self._waiting, self._rows = [], 0
        if self._under_way is not None:
            self._under_way.result()
        self._under_way = self._thread.submit(self._writer.write_table, table)

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
            self._thread.shutdown()
            if kind is None:
                self._writer.close()
            else:
                with suppress(OSError):
                    self._writer.close()


def batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of a part, one at a time."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        reader = pa.ipc.open_file(file)
        for at in range(reader.num_record_batches):
            batch = reader.get_batch(at)
            if batch.num_rows:
                yield batch


def numbers_of(batch: pa.RecordBatch, name: str) -> IntArray:
    """A column of whole numbers."""
    return np.asarray(batch[name].to_numpy(), dtype=np.int64)


def merged(parts: list[Path]) -> Iterator[pa.RecordBatch]:
    """The groups of partitions in the order in which they first appear in the source."""
    import pyarrow as pa

    with ExitStack() as stack:
        readers = [batches_of(path) for path in parts]
        for reader in readers:
            stack.callback(reader.close)  # type: ignore[attr-defined]
        ahead: list[tuple[pa.RecordBatch, IntArray] | None] = [_next(reader) for reader in readers]
        while any(ahead):
            # No part has more to come below the least of the last rows that are in memory.
            upto = min(int(rows[-1]) for _, rows in filter(None, ahead))
            taken, numbers = [], []
            for at, one in enumerate(ahead):
                if one is None:
                    continue
                batch, rows = one
                count = int(np.searchsorted(rows, upto, side="right"))
                if count:
                    taken.append(batch.slice(0, count))
                    numbers.append(rows[:count])
                    ahead[at] = (batch.slice(count), rows[count:]) if count < rows.size else _next(readers[at])
            order = np.argsort(np.concatenate(numbers))
            yield from pa.Table.from_batches(taken).take(pa.array(order)).combine_chunks().to_batches()


def _next(reader: Iterator[pa.RecordBatch]) -> tuple[pa.RecordBatch, IntArray] | None:
    batch = next(reader, None)
    return None if batch is None else (batch, numbers_of(batch, ROW))


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
