"""The same model fitted again: without each study in turn, and study after study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from metaanalysis.diagnostics.given import at_least, fit_of, pooled_again
from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.solve import Status
from metaanalysis.models.numbers import PooledNumbers, pooled_numbers
from metaanalysis.models.pool import fitted
from metaanalysis.options import METHODS
from metaanalysis.results import Pooled
from metaanalysis.results.refits import COLUMNS, Refits

# Elements (refits times studies) of one batch: small enough to stay in cache.
BATCH = 65_536


def leave_one_out(fit: Pooled | Effects, **options: Any) -> Refits:
    """Does the result hang on one study? Pool anew without each study in turn.

    Parameters
    ----------
    fit
        A result of `pool`, whose options are used throughout; or `Effects`.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Refits
        One row a study left out, in the order of the studies, on the scale of analysis.

    Raises
    ------
    DataError
        Where there is only one study.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), tau2="DL")
    >>> ma.leave_one_out(fit).to_frame()[["label", "estimate", "i2"]].head(3).round(4)
                  label  estimate       i2
    0           Aronson   -0.7051  92.7432
    1  Ferguson & Simes   -0.6545  92.4304
    2   Rosenthal et al   -0.6848  92.6763

    References
    ----------
    Viechtbauer W, Cheung MWL (2010). Outlier and influence diagnostics for meta-analysis. Research Synthesis Methods 1,
    112-125.
    """
    fit = fit_of(fit, "leave_one_out", **options)
    k = fit.effects.k
    at_least(k, 2, "leave_one_out")

    def all_but(first: int, last: int) -> BoolArray:
        keep = np.ones((last - first, k), dtype=np.bool_)
        keep[np.arange(last - first), np.arange(first, last)] = False
        return keep

    return refits("leave-one-out", fit, np.arange(k), k, all_but)


def cumulative(
    fit: Pooled | Effects, by: str | Sequence[Any] | None = None, *, ascending: bool = True, **options: Any
) -> Refits:
    """How did the evidence build up? Pool the first study, the first two, and so on to all.

    Parameters
    ----------
    fit
        A result of `pool`, whose options are used throughout; or `Effects`.
    by
        What the studies are ordered by: a column of their table, or one value a study; by default they stay as they are.
    ascending
        Whether the smallest value comes first. Studies with the same value stay in their order.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Refits
        One row a study added; `order` says which. The first row is a single study, with tau2, I2 and H2 not estimable.

    Raises
    ------
    DataError
        Where `by` is not there, has another length, or misses a value.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), tau2="DL")
    >>> ma.cumulative(fit, by="year").to_frame()[["label", "k", "estimate"]].head(3).round(4)
                  label  k  estimate
    0           Aronson  1   -0.8893
    1  Ferguson & Simes  2   -1.3250
    2   Stein & Aronson  3   -0.9615

    References
    ----------
    Lau J, Antman EM, Jimenez-Silva J, et al. (1992). Cumulative meta-analysis of therapeutic trials for myocardial
    infarction. New England Journal of Medicine 327, 248-254.
    """
    fit = fit_of(fit, "cumulative", **options)
    k = fit.effects.k
    order = order_of(fit.effects, by, ascending)
    rank = np.empty(k, dtype=np.intp)
    rank[order] = np.arange(k)

    def up_to(first: int, last: int) -> BoolArray:
        return np.asarray(rank <= np.arange(first, last)[:, np.newaxis])

    return refits("cumulative", fit, order, k, up_to, by if isinstance(by, str) else "")


def order_of(effects: Effects, by: str | Sequence[Any] | None, ascending: bool) -> IntArray:
    """The studies' order by a column or by one value each; equal values keep theirs."""
    if by is None:
        return np.arange(effects.k)
    name = by if isinstance(by, str) else "by"
    values = effects.column(by) if isinstance(by, str) else list(by)
    if len(values) != effects.k:
        raise DataError(f"by has {len(values)} values for {effects.k} studies: each study needs one.")
    for value, label in zip(values, effects.label, strict=True):
        if is_missing(value):
            raise DataError(f"{name} is missing in study '{label}': give it a value, or leave the study out first.")
    try:
        # Python's sort keeps the order of equal values, turned round or not.
        return np.array(sorted(range(effects.k), key=lambda i: values[i], reverse=not ascending), dtype=np.intp)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise DataError(f"{name} can't be put in order: it mixes {' and '.join(kinds)}.") from None


def refits(
    question: str, fit: Pooled, order: IntArray, n: int, kept: Callable[[int, int], BoolArray], by: str = ""
) -> Refits:
    """The fits to n sets of studies; `kept(first, last)` says who is in each, (last - first, k)."""
    effects = fit.effects
    if fit.method not in METHODS:
        raise OptionError(f"{question} fits again by {', '.join(METHODS)}, and this fit is by {fit.method}.")
    if fit.method == "inverse-variance":
        pooled_again(fit, question)
    columns = {name: np.full(n, np.nan) for name in COLUMNS}
    k = np.empty(n, dtype=np.intp)
    status: list[str] = []
    batch = max(1, BATCH // effects.k)
    for first in range(0, n, batch):
        last = min(first + batch, n)
        keep = kept(first, last)
        k[first:last] = keep.sum(axis=1)
        if fit.method == "inverse-variance":
            numbers = numbers_of_sets(effects, keep, fit)
            for name in COLUMNS:
                columns[name][first:last] = getattr(numbers, name)
            status.extend(Status(code).sentence for code in numbers.status.tolist())
        else:
            status.extend(one_refit(fit, keep[row - first], columns, row) for row in range(first, last))
    return Refits(
        question=question,
        label=tuple(effects.label[i] for i in order),
        k=k,
        **columns,
        status=tuple(status),
        order=order,
        overall=fit,
        by=by,
    )


def numbers_of_sets(effects: Effects, keep: BoolArray, fit: Pooled) -> PooledNumbers:
    """Pool sets of the studies by inverse variance, those not in a set having an infinite variance; keep: (n, k)."""
    y: FloatArray = np.broadcast_to(np.asarray(effects.y), keep.shape)
    return pooled_numbers(y, np.where(keep, np.asarray(effects.v), np.inf), fit.options)


def one_refit(fit: Pooled, keep: BoolArray, columns: dict[str, FloatArray], row: int) -> str:
    """Fit one set of studies by any method, and write its numbers in a row; returns its status."""
    try:
        found = fitted(fit.effects.subset(keep), fit.options, fit.convention)
    except (DataError, ConvergenceError) as error:
        return str(error)
    for name in COLUMNS:
        columns[name][row] = getattr(found, name)
    return Status.CONVERGED.sentence
