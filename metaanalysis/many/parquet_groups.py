"""Groups of rows from files: their keys, how many rows fit into memory, and pooling those that stand one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaanalysis.errors import DataError, MetaAnalysisError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many.parquet_keys import named_key, starts_of_groups
from metaanalysis.many.parquet_memory import bytes_of_a_group, give_back, limit_for
from metaanalysis.many.parquet_work import Plan

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa

    from metaanalysis.many.asked import Asked
    from metaanalysis.results.pooled_many import PooledMany

Options = tuple[tuple[str, Any], ...]
Key = tuple[Any, ...]
RowNumbers = NDArray[np.int64]
# Columns of the parts that the target does not have: the source row at which a group first appears, and how many of its rows
# were pooled.
ROW, KEPT = "of this run: first row", "of this run: rows pooled"


class OrderError(MetaAnalysisError):
    """Keys do not ascend or descend: the files are partitioned then."""


class TooLargeError(DataError):
    """A group does not fit into memory: what is done is kept, for a call with more."""


def too_large(plan: Plan, key: Key) -> DataError:
    """What to say of a group that does not fit into memory, after counting its rows."""
    rows = sum(int(matches.sum()) for _, matches in matching(plan, key))
    needed = bytes_of_a_group(plan, rows)
    threads = "" if plan.at_once == 1 else f", or workers=1, to which {limit_for(needed, 1)!r} is enough"
    return TooLargeError(
        f"the group {named_key(plan.by, key)} has {rows:,} rows, too many for the memory limit: a group is pooled in one piece. "
        f"Give memory_limit={limit_for(needed, plan.at_once)!r} or more{threads}."
    )


def matching(plan: Plan, key: Key) -> Iterator[tuple[int, Any]]:
    """For every batch of the source its first row and which rows have a key."""
    row = 0
    for batch in plan.source.batches(0, len(plan.source.stretches), 1 << 16, plan.by):
        yield row, equals([batch[name] for name in plan.by], key)
        row += batch.num_rows


def equals(keys: list[pa.Array], key: Key) -> Any:
    """Which rows have a key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = np.ones(len(keys[0]), dtype=np.bool_)
    for column, value in zip(keys, key, strict=True):
        found &= pc.equal(column, pa.scalar(value, column.type)).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def keys_of(plan: Plan, batch: pa.RecordBatch, row: int) -> tuple[list[pa.Array], IntArray]:
    """The keys of a batch and where its groups begin; DataError where a key is missing."""
    import pyarrow as pa

    keys = [batch[name] for name in plan.by]
    for name, key in zip(plan.by, keys, strict=True):
        bad = np.zeros(0, dtype=np.bool_)
        if key.null_count:
            bad = key.is_null().to_numpy(zero_copy_only=False)
        elif pa.types.is_floating(key.type):
            bad = np.isnan(key.to_numpy(zero_copy_only=False))
        if bad.any():
            raise DataError(
                f"the key {name!r} is missing in {plan.source.place(row + int(np.argmax(bad)))}: name the group or remove the row."
            )
    return keys, starts_of_groups(keys)


def pooled_groups(
    plan: Plan,
    table: pa.Table,
    starts: IntArray,
    heads: list[pa.Array],
    rows: RowNumbers,
    options: Options,
    every: RowNumbers | int,
) -> pa.RecordBatch:
    """Pool groups that stand one after the other: keys, numbers, and for the run itself ROW and KEPT.

    starts: where each begins in the table; heads: its key; rows: the source row at which it first appears; every: the source row
    of each row of the table, or of the first where the others follow.
    """
    import pyarrow as pa

    give_back()
    offsets = np.append(starts, table.num_rows)

    def placed(row: int) -> str:
        return plan.source.place(every + row if isinstance(every, int) else int(every[row]))

    many = pooled_quietly(table.select(plan.data), offsets, options, plan.source.rows, placed)
    numbers = {name: many.k if name == "k" else values for name, values in many.columns.items()}
    # The sentences are few: each group has the number of its own.
    words = pa.array(many.words, type=pa.string())
    status = pa.DictionaryArray.from_arrays(pa.array(many.codes.astype(np.int8)), words)
    columns = dict(zip(plan.by, heads, strict=True))
    if many.measures and "measure" not in columns:
        columns["measure"] = pa.array(many.measures, type=pa.string())
    columns |= {name: pa.array(values) for name, values in numbers.items()}
    columns |= {"status": status, "iterations": pa.array(many.iterations)}
    columns |= {ROW: pa.array(rows, type=pa.int64()), KEPT: pa.array(many.k, type=pa.int64())}
    return pa.RecordBatch.from_pydict(columns)


def pooled_quietly(
    table: pa.Table, offsets: IntArray, options: Options, all_rows: int, placed: Callable[[int], str]
) -> PooledMany:
    """Pool groups that lie end to end as `pool_many` does; the studies that are left out are told at the end of the run.

    all_rows: those of all files together, by which the engine is chosen: the same for every part of them; placed: says where a
    row of the table stands in the files.
    """
    from metaanalysis.many.columns import chosen_columns
    from metaanalysis.many.doors import studies_of_table
    from metaanalysis.many.doors_frames import opened
    from metaanalysis.many.keys import Grouping
    from metaanalysis.many.pooling import POOL_OPTIONS, pool_options, pooled_many, worthwhile_engine
    from metaanalysis.many.studies import keys_of_offsets

    given = dict(options)
    convention = given.pop("convention", None)
    columns = chosen_columns(given.pop("columns", None))
    engine, starts, workers = given.pop("engine", None), given.pop("starts", "scan"), given.pop("workers", None)
    chosen = {name: given.pop(name, None) for name in POOL_OPTIONS}
    settled, convention_name = pool_options(table, convention, chosen, "tau2_weights" in given)
    engine = worthwhile_engine(engine, settled, all_rows)
    asked = replace(asked_of((), settled.method, convention, given), placed=placed)
    frame, found = opened(table, asked)
    groups = Grouping(None, offsets, offsets[:-1])
    studies = studies_of_table(frame, found, asked, groups, keys_of_offsets(len(offsets) - 1), floats_of_file)
    return pooled_many(studies, settled, convention_name, columns, engine, starts, workers, progress=False)


def floats_of_file(frame: nw.DataFrame[Any], column: str, label: Sequence[str]) -> FloatArray:
    """A column as `numeric_column` has it, without a second copy where it holds floats: nobody else has the memory."""
    import pyarrow as pa

    from metaanalysis.effects.columns import numeric_column

    chunks = frame.to_native()[column]
    if chunks.type != pa.float64():
        return numeric_column(frame, column, label)
    if chunks.null_count:
        missing: FloatArray = chunks.to_numpy()
        return missing
    arrays = [chunk.to_numpy() for chunk in chunks.chunks]
    floats: FloatArray = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return floats


def asked_of(by: Any, method: str, convention: str | None, given: dict[str, Any]) -> Asked:
    """What is asked of the table's columns; DataError where something else than a column is named."""
    from metaanalysis.many.asked import Asked

    others = dict(given)
    named = {name: others.pop(name, None) for name in ("y", "v", "se", "measure", "label", "offsets", "tau2_weights")}
    for name, value in named.items():
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"{name} names a column of the files, as in {name}='{name}'; it was {type(value).__name__}."
            )
    return Asked(
        by=by,
        method=method,
        convention=convention,
        sorted=True,
        ci_level=others.pop("ci_level", 0.95),
        others=others,
        **named,
    )


def unused(name: str, names: list[str]) -> str:
    """A name that no column has."""
    while name in names:
        name += "_"
    return name
