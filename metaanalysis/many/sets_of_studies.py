"""Sets of a group's studies pooled by the engine that pooled the group: many sets at once, in as little memory as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many import engines
from metaanalysis.many.pooling import FAILING, WORDS, checked_workers
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.resampled_many import ResampledMany

# Elements (sets times studies) that are pooled at a time: some 100 MB with what the engines need.
ELEMENTS = 2_097_152
# What a row may end in, beside what a group may.
COMPUTED, TOO_FEW, TOO_LARGE, PARTLY, NONE_OF_THEM = (len(WORDS) + i for i in range(5))
MORE_WORDS = (
    *WORDS,
    "computed",
    "there are too few studies for this question",
    "there are more studies than asked for: see the limit of the call",
    "computed, but not of all sets: in some tau2 could not be estimated",
    "tau2 could not be estimated in any of the sets",
)
MORE_FAILING = FAILING | {TOO_FEW, TOO_LARGE, NONE_OF_THEM}


@dataclass(frozen=True)
class Refit:
    """Pools sets of studies as the groups themselves were pooled.

    `options` are those of the refits, `names` the columns that are wanted of them.
    """

    many: PooledMany
    options: PoolOptions
    names: frozenset[str]
    workers: int

    @property
    def sizes(self) -> IntArray:
        """Of the groups."""
        return np.diff(self.many.studies.offsets)

    @property
    def starts(self) -> IntArray:
        """The first study of each group."""
        return self.many.studies.offsets[:-1]

    def pooled(self, rows: IntArray, sizes: IntArray) -> dict[str, FloatArray]:
        """The columns of sets of studies laid end to end: rows (sum of sizes,), sizes (sets,)."""
        studies = self.many.studies
        return self.computed(studies.y[rows], studies.v[rows], rows, sizes)

    def computed(self, y: FloatArray, v: FloatArray, rows: IntArray, sizes: IntArray) -> dict[str, FloatArray]:
        """The same where effects or variances are others than the studies' own."""
        weights = self.many.studies.tau2_weights
        ragged = Ragged(y, v, np.append(0, np.cumsum(sizes)), None if weights is None else weights[rows])
        engine = "numpy" if self.many.engine == "numpy" else None
        return engines.compute(
            ragged, self.options, self.names, engine=engine, starts=self.many.starts, workers=self.workers
        )


def refit_of(many: PooledMany, options: PoolOptions, names: Sequence[str], workers: int | None) -> Refit:
    """What pools sets of studies by these options."""
    return Refit(many, options, frozenset(names), checked_workers(workers))


def checked_many(many: object, what: str, single: str) -> PooledMany:
    """The result of `pool_many` by inverse variance; an error for anything else."""
    if not isinstance(many, PooledMany):
        raise DataError(
            f"{what} needs a result of pool_many, not {type(many).__name__}. For one meta-analysis use {single}."
        )
    if many.method != "inverse-variance":
        raise OptionError(
            f"{what} is defined for pooling by inverse variance, not for method={many.method!r}: "
            f"use {single} group by group, or pool by method='inverse-variance' first."
        )
    return many


def checked_largest(largest: int, least: int, most: int) -> int:
    """The number of studies up to which a group is looked at."""
    if isinstance(largest, bool) or not isinstance(largest, int) or not least <= largest <= most:
        raise OptionError(f"largest={largest!r} is not a number of studies from {least} to {most:,}.")
    return largest


def pieces(elements: IntArray, most: int | None = None) -> Iterator[tuple[int, int]]:
    """Ranges of neighbours that have no more elements together than may be pooled at a time, but one at least."""
    limit = ELEMENTS if most is None else most
    upto = np.cumsum(elements)
    first = 0
    while first < elements.size:
        before = int(upto[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(upto, before + limit, side="right")))
        yield first, last
        first = last


def each_range(starts: IntArray, sizes: IntArray) -> IntArray:
    """The numbers from starts to starts + sizes, one range after the other."""
    total = int(sizes.sum())
    begin = np.cumsum(sizes) - sizes
    return np.asarray(np.arange(total) + np.repeat(starts - begin, sizes))


def resampled(
    many: PooledMany,
    question: str,
    how: str,
    columns: Mapping[str, FloatArray | IntArray],
    codes: IntArray,
    group: IntArray | None = None,
    label: Sequence[str] | None = None,
) -> ResampledMany:
    """The result; codes: what each row ended in, as places in `MORE_WORDS`; group: of each row, where there is not one a group."""
    rows = np.arange(len(many)) if group is None else group
    return ResampledMany(question, how, columns, rows, codes, MORE_WORDS, MORE_FAILING, many, label)


def without_each(refit: Refit, studies: IntArray) -> Iterator[tuple[IntArray, dict[str, FloatArray]]]:
    """The fits to the groups of some studies without that study: the studies of each piece, and the columns."""
    group = refit.many.studies.group[studies]
    left = refit.sizes[group] - 1
    for first, last in pieces(left):
        at, k = studies[first:last], left[first:last]
        rows = each_range(refit.starts[group[first:last]], k)
        # From the study that is left out on, everyone comes one place later.
        rows += rows >= np.repeat(at, k)
        yield at, refit.pooled(rows, k)
