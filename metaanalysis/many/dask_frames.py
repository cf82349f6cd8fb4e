"""Dask frames in, lazy Dask frames out: the groups brought together, then pooled partition by partition."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from metaanalysis.errors import DataError, MetaAnalysisWarning, OptionError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.results.pooled_many import PooledMany

PoolMany: TypeAlias = Callable[..., "PooledMany"]


def is_dask_frame(data: object) -> bool:
    """Whether data are a Dask frame, without importing Dask."""
    kind = type(data)
    return kind.__module__.partition(".")[0] == "dask" and hasattr(data, "map_partitions") and hasattr(data, "columns")


def pool_dask(
    frame: Any,
    by: str | Sequence[str],
    pool_many: PoolMany,
    *,
    sorted: bool | None = None,  # noqa: A002 - the word that pool_many uses
    **options: Any,
) -> Any:
    """Pool every group of a `dask.dataframe`; nothing is computed before the answer is asked for.

    Groups are pooled by `pool_many` inside the partitions, so that all rows of a group must be in one. Where the frame's
    index is the key and its divisions are known, they say so, and each partition is held to them when it is computed: Dask takes
    them from files without looking whether a group was cut. Other frames are shuffled by key.

    Parameters
    ----------
    frame
        A `dask.dataframe.DataFrame`, one row a study.
    by
        Column or columns that name the group; the index where it has that name.
    sorted
        True, with a single key: the partitions hold ascending keys, and only the rows at their edges are moved. The least and
        greatest key of each partition are computed at once, and frames that are not so are refused. False shuffles, whatever the
        divisions say.
    pool_many
        The function of that name, which pools the groups of a pandas frame.
    **options
        Those of `pool_many`; ``workers`` is 1 unless given, since Dask works on several partitions at a time.

    Returns
    -------
    dask.dataframe.DataFrame
        Lazy, one row a group with the columns of ``pool_many(...).to_frame()``; in the order of the keys' partitions, which
        is that of the source only where nothing was shuffled.
    """
    if not isinstance(by, str | list | tuple):
        raise DataError(
            f'by names the key column of a Dask frame, or the columns, as in by="snp"; it was {type(by).__name__}.'
        )
    keys = [by] if isinstance(by, str) else list(by)
    options["workers"] = options.get("workers") or 1
    together, divisions = brought_together(frame, keys, sorted)
    pooled = Pooling(pool_many, keys, options, divisions)
    meta = columns_of_result(together, pooled)
    if not divisions:
        return together.map_partitions(pooled_partition, pooled, meta, meta=meta, clear_divisions=True)
    # Each partition is told its number, by a frame of them with as many partitions.
    return together.map_partitions(
        pooled_within, numbers_of_partitions(len(divisions) - 1), pooled, meta,
        meta=meta, align_dataframes=False, clear_divisions=True,
    )  # fmt: skip


def brought_together(frame: Any, keys: list[str], is_sorted: bool | None) -> tuple[Any, tuple[Any, ...]]:
    """The frame with all rows of a group in one partition, and the keys as columns; and the divisions that promise it, if any."""
    index = frame.index.name
    if index in keys:
        if index in frame.columns:
            raise DataError(f"the index and a column are both called {index!r}: rename one of them.")
        divisions = frame.divisions
        # Where two are equal, a key begins two partitions.
        distinct = frame.known_divisions and len(set(divisions[:-1])) == len(divisions) - 1
        if keys == [index] and distinct and is_sorted is None and can_be_compared(frame.index.dtype, divisions):
            return frame.reset_index(), tuple(divisions)
        frame = frame.reset_index()
    for name in keys:
        if name not in frame.columns:
            raise DataError(
                f"there is no column {name!r} for by.{nearest(name, map(str, frame.columns))} "
                f"The columns are: {', '.join(map(str, frame.columns))}."
            )
    if not is_sorted:
        return (frame if frame.npartitions == 1 else frame.shuffle(keys)), ()
    if len(keys) > 1:
        raise OptionError(
            f"sorted=True needs a single key in a Dask frame, and there are {len(keys)}: leave sorted out, and it is shuffled."
        )
    check_partitions_ascend(frame, keys[0])
    return frame.set_index(keys[0], sorted=True).reset_index(), ()


def can_be_compared(kind: Any, divisions: tuple[Any, ...]) -> bool:
    """Whether keys of a type can be held to divisions: numbers, times, and texts whose divisions are texts."""
    if getattr(kind, "kind", "O") in "iufMm":
        return True
    return kind.name in ("str", "string", "object") and all(isinstance(one, str) for one in divisions)


def numbers_of_partitions(count: int) -> Any:
    """A Dask frame whose partitions hold their own numbers, counted from 0."""
    import dask.dataframe as dd
    import pandas as pd

    return dd.from_pandas(pd.DataFrame({"number": range(count)}), npartitions=count, sort=False)  # type: ignore[no-untyped-call]


def pooled_within(part: pd.DataFrame, number: pd.DataFrame, pooled: Pooling, meta: pd.DataFrame) -> pd.DataFrame:
    """As `pooled_partition`, of a partition whose keys lie between its divisions."""
    if len(part) and len(number):
        check_within(part[pooled.keys[0]], pooled.divisions, int(number["number"].iloc[0]))
    return pooled_partition(part, pooled, meta)


def check_within(key: pd.Series, divisions: tuple[Any, ...], number: int) -> None:
    """DataError where the keys of a partition do not lie between its divisions.

    The one above belongs to the next partition, the last of all to the last one.
    """
    least, greatest = key.min(), key.max()
    below, above = divisions[number], divisions[number + 1]
    last = number == len(divisions) - 2
    if least >= below and (greatest < above or (last and greatest <= above)):
        return
    raise DataError(
        f"the divisions of the frame promise that all rows of a key are in one partition, but one with {key.name} from {least} to "
        f"{greatest} does not lie between its own, {below} and {above}: the frame was cut within a group. With sorted=True the "
        f"rows at the edges are brought together, with sorted=False all rows are shuffled."
    )


def check_partitions_ascend(frame: Any, key: str) -> None:
    """DataError where a partition holds keys below those of one before it: Dask's own check overlooks some of these."""
    empty = least_and_greatest(frame._meta[[key]])
    limits = frame[[key]].map_partitions(least_and_greatest, meta=empty).compute()
    for number in range(1, len(limits)):
        before, after = limits["greatest"].iloc[number - 1], limits["least"].iloc[number]
        if after < before:
            raise DataError(
                f"sorted=True, but a partition with {key} = {after!r} follows one with {key} = {before!r}: leave sorted out, and "
                f"the frame is shuffled."
            )


def least_and_greatest(part: pd.DataFrame) -> pd.DataFrame:
    """The limits of a partition's keys, in one row; in none where it has no rows."""
    import pandas as pd

    key = part.iloc[:, 0]
    limits = {"least": key.min(), "greatest": key.max()} if len(key) else {"least": key, "greatest": key}
    return pd.DataFrame(limits, index=range(min(1, len(key)))).astype(key.dtype)


@dataclass(frozen=True)
class Pooling:
    """Pools the groups of a pandas frame; it travels to the workers."""

    pool_many: PoolMany
    keys: list[str]
    options: Mapping[str, Any]
    divisions: tuple[Any, ...] = ()

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """One row a group."""
        answer: pd.DataFrame = self.pool_many(part, by=self.keys, **self.options).to_frame()
        return answer


def columns_of_result(frame: Any, pooled: Pooling) -> pd.DataFrame:
    """The result's columns and their types, without a row: those of a made-up study."""
    from dask.dataframe.utils import meta_nonempty  # type: ignore[attr-defined]

    # Of the two rows that Dask makes up, the second has missing texts; and what it makes up for texts is no number.
    made_up = meta_nonempty(frame._meta).iloc[:1].copy()
    for name in made_up.columns:
        if name not in pooled.keys and made_up[name].dtype.kind not in "biuf":
            made_up[name] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        return pooled(made_up).iloc[:0]


def pooled_partition(part: pd.DataFrame, pooled: Pooling, meta: pd.DataFrame) -> pd.DataFrame:
    """Pool the groups of a partition, which may have none."""
    if not len(part):
        return meta
    try:
        return pooled(part)
    except DataError as problem:
        problem.add_note("Rows are counted within one partition of the Dask frame, as it was divided for pooling.")
        raise
