"""Many meta-analyses without each of their studies in turn, and of all subsets of their studies."""

from __future__ import annotations

import numpy as np

from metaanalysis.diagnostics.given import only_estimates
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.errors import OptionError
from metaanalysis.formulas import resampling as formulas
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many.pooling import LONG, NO_STUDY, codes_of
from metaanalysis.many.sets_of_studies import (
    COMPUTED,
    NONE_OF_THEM,
    PARTLY,
    TOO_FEW,
    TOO_LARGE,
    Refit,
    checked_largest,
    checked_many,
    each_range,
    pieces,
    refit_of,
    resampled,
    without_each,
)
from metaanalysis.results.bootstrap import QUANTITIES
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.resampled_many import ResampledMany

# So many subsets in all are a table of some 1 GB.
SUBSETS_AT_MOST = 20_000_000
NUMBERS = ("estimate", "tau2", "i2", "h2", "q")


def leave_one_out_many(
    many: PooledMany, *, largest: int = 2_000, workers: int | None = None, progress: bool | None = None
) -> ResampledMany:
    """Do the results hang on one study? Pool every group anew without each of its studies in turn.

    Parameters
    ----------
    many
        A result of `pool_many` by inverse variance; its options and columns are used throughout.
    largest
        The number of studies up to which a group is looked at: its refits take the square of it. Larger ones are NaN and say so.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.

    Returns
    -------
    ResampledMany
        One row a study left out, group after group: ``label``, ``row`` (of the study in the data that were pooled, counted from 1),
        ``k``, the columns of `many` and the status.

    Raises
    ------
    DataError
        Where `many` is no result of `pool_many`.
    OptionError
        Where the groups were not pooled by inverse variance.

    See Also
    --------
    leave_one_out : for one meta-analysis.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> many = ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", tau2="DL", columns=["estimate", "tau2"])
    >>> found = ma.leave_one_out_many(many)
    >>> found.of("alternate")[["alloc", "row", "k", "estimate", "status"]].round(3)
           alloc  row  k  estimate                                    status
    0  alternate    5  1    -0.786  k = 1: the result is that of the one study
    1  alternate    6  1    -0.218  k = 1: the result is that of the one study

    References
    ----------
    Viechtbauer W, Cheung MWL (2010). Outlier and influence diagnostics for meta-analysis. Research Synthesis Methods 1,
    112-125.
    """
    many = checked_many(many, "leave_one_out_many", "leave_one_out")
    checked_largest(largest, 1, 1_000_000)
    names = [name for name in many.columns if name != "k"]
    refit = refit_of(many, many.options, names, workers)
    group = many.studies.group
    k = refit.sizes[group] - 1
    found, codes = deleted_of(refit, largest, progress, "leave-one-out")
    return resampled(
        many,
        "leave-one-out",
        f"Each of {group.size:,} studies left out in turn",
        {"row": many.studies.place + 1, "k": k, **{name: found[name] for name in names}},
        codes,
        group,
        many.studies.label or None,
    )


def jackknife_many(
    many: PooledMany, *, largest: int = 2_000, workers: int | None = None, progress: bool | None = None
) -> ResampledMany:
    """How biased and how uncertain are the results, judged by leaving each study out in turn?

    Parameters
    ----------
    many
        A result of `pool_many` by inverse variance, whose options are used throughout.
    largest
        The number of studies up to which a group is looked at: its refits take the square of it. Larger ones are NaN and say so.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.

    Returns
    -------
    ResampledMany
        One row a group: ``k``, and ``estimate``, ``tau2`` and ``i2`` of all its studies, each with ``_bias`` and ``_se``. Of two
        studies tau2 and I2 have none, as a single study is left each time.

    Raises
    ------
    DataError
        Where `many` is no result of `pool_many`.
    OptionError
        Where the groups were not pooled by inverse variance.

    See Also
    --------
    jackknife : for one meta-analysis.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> many = ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", tau2="DL")
    >>> ma.jackknife_many(many).to_frame()[["alloc", "k", "estimate", "estimate_bias", "estimate_se"]].round(3)
            alloc  k  estimate  estimate_bias  estimate_se
    0      random  7    -1.004          0.035        0.265
    1   alternate  2    -0.541          0.039        0.284
    2  systematic  4    -0.439         -0.028        0.225

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap. Chapman & Hall.
    """
    many = checked_many(many, "jackknife_many", "jackknife")
    checked_largest(largest, 2, 1_000_000)
    refit = refit_of(many, only_estimates(many.options), QUANTITIES, workers)
    sizes = refit.sizes
    whole = whole_groups(refit)
    deleted, _ = deleted_of(refit, largest, progress, "jackknife")
    columns: dict[str, FloatArray | IntArray] = {"k": sizes}
    errors: dict[str, FloatArray] = {}
    for name in QUANTITIES:
        bias, se = np.full((2, sizes.size), np.nan)
        for k, groups in groups_by_size(sizes, 2, largest):
            values = deleted[name][refit.starts[groups][:, np.newaxis] + np.arange(k)]
            bias[groups], se[groups] = formulas.jackknife(values, whole[name][groups])
        columns |= {name: whole[name], f"{name}_bias": bias, f"{name}_se": se}
        errors[name] = se
    codes = summed_up(sizes, 2, largest, whole, errors)
    return resampled(many, "jackknife", "Bias and standard error from the fits without each study", columns, codes)


def summed_up(
    sizes: IntArray, least: int, largest: int, whole: dict[str, FloatArray], found: dict[str, FloatArray]
) -> IntArray:
    """What each group ended in, as places in `MORE_WORDS`; found: what is NaN where a set has no answer."""
    codes = np.full(sizes.size, COMPUTED, dtype=np.intp)
    missing = [np.isnan(values) & ~np.isnan(whole[name]) for name, values in found.items()]
    codes[np.logical_or.reduce(missing)] = PARTLY
    codes[np.isnan(found["estimate"])] = NONE_OF_THEM
    codes[sizes > largest] = TOO_LARGE
    codes[sizes < least] = TOO_FEW
    codes[sizes == 0] = NO_STUDY
    return codes


def whole_groups(refit: Refit) -> dict[str, FloatArray]:
    """The columns of the groups as they are."""
    return refit.pooled(np.arange(refit.many.studies.y.size), refit.sizes)


def deleted_of(refit: Refit, largest: int, progress: bool | None, what: str) -> tuple[dict[str, FloatArray], IntArray]:
    """The columns without each study, (studies,) each, and what each refit ended in; NaN in groups too small or too large."""
    k = refit.sizes[refit.many.studies.group] - 1
    columns = {name: np.full(k.size, np.nan) for name in refit.names}
    codes = np.full(k.size, TOO_LARGE, dtype=np.intp)
    codes[k == 0] = NO_STUDY
    todo = np.flatnonzero((k > 0) & (k < largest))
    show = progress if progress is not None or k[todo].sum() >= LONG else False
    with progress_bar(todo.size, what, show) as advance:
        for at, found in without_each(refit, todo):
            for name, values in columns.items():
                values[at] = found[name]
            codes[at] = codes_of(found["status"], k[at])
            advance(at.size)
    return columns, codes


def groups_by_size(sizes: IntArray, least: int, largest: int) -> list[tuple[int, IntArray]]:
    """The groups of each number of studies from the least to the largest."""
    return [(int(k), np.flatnonzero(sizes == k)) for k in np.unique(sizes) if least <= k <= largest]


def gosh_many(
    many: PooledMany, *, largest: int = 12, workers: int | None = None, progress: bool | None = None
) -> ResampledMany:
    """Are there clusters or outliers behind the heterogeneity? Pool every subset of every group's studies.

    Parameters
    ----------
    many
        A result of `pool_many` by inverse variance, whose options are used throughout.
    largest
        The number of studies up to which a group is looked at (20 at most): k studies have 2^k - 1 subsets. Larger groups have one
        row, which is NaN and says so.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.

    Returns
    -------
    ResampledMany
        One row a subset, group after group: ``subset`` (a number whose binary digits say who is in it, the last digit for the first
        study of ``many[key]``), ``k``, ``estimate``, ``tau2``, ``i2``, ``h2``, ``q`` and the status.

    Raises
    ------
    DataError
        Where `many` is no result of `pool_many`.
    OptionError
        Where the groups were not pooled by inverse variance, or have more than 20 million subsets together.

    See Also
    --------
    gosh : for one meta-analysis, with a sample of the subsets where there are too many.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> many = ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", tau2="DL")
    >>> found = ma.gosh_many(many)
    >>> found
    <ResampledMany: all subsets of 3 groups, 145 rows>
    >>> frame = found.of("random")
    >>> frame["i2"].groupby(frame["subset"] & 1).median().round(1).to_dict()
    {0: 84.8, 1: 76.4}

    References
    ----------
    Olkin I, Dahabreh IJ, Trikalinos TA (2012). GOSH: a graphical display of study heterogeneity. Research Synthesis Methods
    3, 214-223.
    """
    many = checked_many(many, "gosh_many", "gosh")
    checked_largest(largest, 1, 20)
    refit = refit_of(many, only_estimates(many.options), NUMBERS, workers)
    sizes = refit.sizes
    todo = (sizes > 0) & (sizes <= largest)
    rows = np.where(todo, 2 ** np.where(todo, sizes, 0) - 1, 1)
    total = int(rows.sum())
    if total > SUBSETS_AT_MOST:
        raise OptionError(
            f"these groups have {total:,} subsets together, more than {SUBSETS_AT_MOST:,}: lower largest (it is {largest}), or "
            f"take fewer groups at a time."
        )
    begin = np.cumsum(rows) - rows
    group = np.repeat(np.arange(sizes.size), rows)
    subset, k = np.zeros((2, total), dtype=np.intp)
    columns = {name: np.full(total, np.nan) for name in NUMBERS}
    codes = np.where(sizes == 0, NO_STUDY, TOO_LARGE)[group]
    show = progress if progress is not None or total >= LONG else False
    with progress_bar(int(rows[todo].sum()), "subsets", show) as advance:
        for size, groups in groups_by_size(sizes, 1, largest):
            # Of a size all groups have the same subsets; on average half of the studies are in one.
            every = 2**size - 1
            where = each_range(begin[groups], np.full(groups.size, every))
            for first, last in pieces(np.full(where.size, (size + 1) // 2)):
                at = where[first:last]
                number = np.arange(first, last) % every + 1
                included = (number[:, np.newaxis] >> np.arange(size)) & 1 == 1
                members = (refit.starts[group[at]][:, np.newaxis] + np.arange(size))[included]
                subset[at], k[at] = number, included.sum(axis=1)
                found = refit.pooled(members, k[at])
                for name, values in columns.items():
                    values[at] = found[name]
                codes[at] = codes_of(found["status"], k[at])
                advance(at.size)
    how = f"Every subset of the studies of the groups of up to {largest}"
    return resampled(many, "all subsets", how, {"subset": subset, "k": k, **columns}, codes, group)
