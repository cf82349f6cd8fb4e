"""From Parquet to Parquet: pool every group of files that need not fit into memory, on one machine or on many."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaanalysis.effects.checks import users_line
from metaanalysis.errors import DataError, ExcludedStudiesWarning
from metaanalysis.many.parquet_groups import TooLargeError
from metaanalysis.many.parquet_run import Run, checked_executor, first_plan, taken_up
from metaanalysis.many.parquet_source import check_target, files_of, needs_pyarrow
from metaanalysis.many.parquet_work import Work, alone, asked_for, room_on_disk


@dataclass(frozen=True)
class PooledParquet:
    """What `pool_parquet` did.

    Attributes
    ----------
    target
        The file with one row a group.
    groups, failed
        How many groups there are, and how many have no answer; why stands in the column ``status``.
    rows, left_out
        How many rows the source has, and how many of them were left out because their numbers are missing or impossible.
    parts, taken_over
        In how many parts the groups were pooled, and how many were there from a run that was interrupted.
    partitioned
        Whether the files were not sorted and had to be partitioned.
    """

    target: Path
    groups: int
    failed: int
    rows: int
    left_out: int
    parts: int
    taken_over: int
    partitioned: bool

    def __str__(self) -> str:
        how = "partitioned by key" if self.partitioned else "streamed in order"
        failed = f"; {self.failed:,} without an answer, see status" if self.failed else ""
        return f"{self.groups:,} groups from {self.rows:,} rows, {how}, in {self.target}{failed}"


def pool_parquet(
    source: Any,
    target: str | os.PathLike[str],
    *,
    by: str | Sequence[str],
    executor: Executor | None = None,
    memory_limit: str | int = "1GB",
    sorted: bool | None = None,  # noqa: A002 - the word that pool_many uses
    resume: bool = True,
    overwrite: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> PooledParquet:
    """Pool every group of Parquet files and write one row a group to a Parquet file.

    The files need not fit into memory. Files of which the keys ascend or descend are streamed; others are first divided by
    key among partitions on the disk, beside the target, which takes the space of the columns that are read. Finished parts
    are kept until the target is written, so that a run that was killed is taken up where it stopped by the same call.

    Parameters
    ----------
    source
        A Parquet file, a folder of them, a pattern such as ``"scores/chr*.parquet"``, or a list of these; files are read in
        the order of their names, those of a list in the order of the list.
    target
        The file to write. It appears when it is whole: written beside its place, flushed to the disk, and renamed.
    by
        Column or columns that name the group.
    executor
        Any `concurrent.futures.Executor`, such as a `ProcessPoolExecutor` or that of a Dask cluster
        (``client.get_executor()``), gets one small task a part; by default parts are done here, by as many threads as there
        are cores (``workers``). Its workers must see source and target under the same paths. They get ``workers=1`` unless
        another number is given.
    memory_limit
        What the run may take beside the libraries themselves, as in ``"500MB"`` or a number of bytes; with an executor, what
        each of its tasks may.
    sorted
        None finds out. True says that the rows of a group stand together, in any order of the groups (a group that comes back
        is an error); False partitions at once.
    resume
        Take up a run of the same target that was interrupted; it must have had the same sources and options. False removes
        its parts and starts anew.
    overwrite
        Whether to replace a target that exists.
    progress
        Show a bar on standard error: None does on a terminal.
    **options
        Those of `pool_many`: ``y``, ``v`` or ``measure``, ``tau2``, ``ci``, ``model``, ``columns``, ``engine``, ``workers`` ...

    Returns
    -------
    PooledParquet
        How many groups were pooled, and how. The target has the key columns and those of ``pool_many(...).to_frame()``, one
        row a group in the order in which groups first appear in the source, however they were pooled.

    Raises
    ------
    DataError
        Where a file is damaged or ends early, a column or a key is missing, a group comes back although ``sorted=True``, or
        a group is too large for ``memory_limit`` (the message names the group and what it needs).
    OptionError
        For options that do not exist, or that differ from those of the run that is taken up.
    OSError
        Where the disk is full: the message says what to free; nothing that was done is lost. FileExistsError where the target
        exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> import metaanalysis as ma
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores = pa.table({"snp": ["rs1", "rs1", "rs2", "rs2"], "y": [0.1, 0.3, 0.2, 0.2], "v": [0.02, 0.02, 0.01, 0.03]})
    ...     pq.write_table(scores, Path(folder, "scores.parquet"))
    ...     done = ma.pool_parquet(f"{folder}/scores.parquet", f"{folder}/pooled.parquet", by="snp", tau2="DL")
    ...     pooled = pq.read_table(done.target).to_pandas()
    >>> pooled[["snp", "estimate", "se", "k"]].round(3)
       snp  estimate     se  k
    0  rs1       0.2  0.100  2
    1  rs2       0.2  0.087  2
    """
    from metaanalysis.many.pooling import checked_sorted, checked_workers

    needs_pyarrow()
    if not isinstance(by, str | list | tuple):
        raise DataError(
            f'by names the key column of the files, or the columns, as in by="snp"; it was {type(by).__name__}.'
        )
    whole, names = Path(target).absolute(), (by,) if isinstance(by, str) else tuple(by)
    sorted = checked_sorted(sorted)  # noqa: A001 - as above
    paths = files_of(source)
    check_target(whole, paths, overwrite=overwrite)
    threads = 1
    if executor is not None:
        executor = checked_executor(executor)
        options.setdefault("workers", 1)
    else:
        # One thread a part: reading, pooling and writing run side by side.
        threads = checked_workers(options.get("workers"))
    plan = first_plan(paths, names, memory_limit, options, sorted, threads)
    if executor is None:
        options["workers"] = max(1, threads // plan.at_once)
    work = Work(whole.with_name(f"{whole.name}.parts"))
    with alone(work), room_on_disk(work):
        # Another run may have ended meanwhile.
        check_target(whole, paths, overwrite=overwrite)
        own, plan = taken_up(work, plan, asked_for(paths, names, options, sorted), resume=resume)
        before = len(own.parts())
        run = Run(own, plan, tuple(options.items()), executor, progress)
        try:
            counts = run.to(whole)
        except TooLargeError:
            raise
        except DataError:
            # Whatever is made right, the parts would not fit it.
            work.clear()
            raise
        work.clear()
    warn_of_left_out(counts.left_out, plan.source.rows)
    return PooledParquet(
        target=whole,
        groups=counts.groups,
        failed=counts.failed,
        left_out=counts.left_out,
        rows=plan.source.rows,
        parts=run.plan.tasks,
        taken_over=min(before, run.plan.tasks) if run.plan == plan else 0,
        partitioned=run.plan.partitions > 0,
    )


def warn_of_left_out(count: int, rows: int) -> None:
    """One warning for all studies that were left out."""
    if count:
        warnings.warn(
            f"{count:,} of {rows:,} studies left out: their numbers are missing or impossible. The column k says how many of each "
            f"group were pooled; pool_many of a group's rows lists the reasons.",
            ExcludedStudiesWarning,
            stacklevel=users_line(),
        )
