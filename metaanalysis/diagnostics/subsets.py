"""Pooled results of all subsets of the studies, or of a sample of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metaanalysis.diagnostics.given import at_least, by_inverse_variance, fit_of, only_estimates, pooled_again
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.diagnostics.seeds import Seed, generator_of
from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import BoolArray, IntArray
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.results import Pooled
from metaanalysis.results.gosh import Gosh

# No more than this many subsets are pooled unless asked for.
SUBSETS_AT_MOST = 1_000_000
# Elements (subsets times studies in each) of one batch: small enough to stay in cache.
BATCH = 16_384
NUMBERS = ("estimate", "tau2", "i2", "h2", "q")


def gosh(
    fit: Pooled | Effects,
    subsets: int | None = None,
    *,
    seed: Seed = None,
    progress: bool | None = None,
    **options: Any,
) -> Gosh:
    """Are there clusters or outliers behind the heterogeneity? Pool every subset of the studies.

    Parameters
    ----------
    fit
        A result of `pool` by inverse variance, or `Effects`.
    subsets
        How many subsets to draw; by default all of them up to a million, a sample of a million beyond (k > 19). All where the
        number asked for is not below that of all.
    seed
        For the same random subsets on every run: a whole number, a `numpy.random.SeedSequence` or a
        `numpy.random.Generator`.
    progress
        Whether to show a progress bar; by default on a terminal.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Gosh
        Estimate, tau2, I2, H2 and Q of each subset, and who is in it. `metaanalysis.plot` draws it.

    Raises
    ------
    OptionError
        Where the fit is not by inverse variance, or `subsets` is no number of subsets.

    Notes
    -----
    At random every subset but the empty one is as likely as any other, and may be drawn more than once.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> found = ma.gosh(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), tau2="DL")
    >>> found
    <Gosh: all 8,191 subsets of 13 studies>
    >>> frame = found.to_frame()
    >>> frame["i2"].groupby(found.contains("TPT Madras")).median().round(1).to_dict()
    {False: 80.7, True: 93.4}

    References
    ----------
    Olkin I, Dahabreh IJ, Trikalinos TA (2012). GOSH: a graphical display of study heterogeneity. Research Synthesis Methods
    3, 214-223.
    """
    fit = fit_of(fit, "gosh", **options)
    by_inverse_variance(fit, "gosh")
    effects = fit.effects
    k = effects.k
    at_least(k, 2, "gosh")
    pooled_again(fit, "gosh")
    if subsets is not None and (isinstance(subsets, bool) or not isinstance(subsets, int) or subsets < 1):
        raise OptionError(f"subsets={subsets!r} is not a number of subsets: it is a whole number from 1 upward.")
    count = 2**k - 1
    n = min(count, SUBSETS_AT_MOST if subsets is None else subsets)
    every = n == count
    included = every_subset(k) if every else random_subsets(k, n, generator_of(seed))
    size = included.sum(axis=1)
    settled = only_estimates(fit.options)
    y, v = np.asarray(effects.y), np.asarray(effects.v)
    # An estimator that is a function may know the studies by their places: these stay, with infinite variances.
    in_place = callable(settled.tau2)
    columns = {name: np.full(n, np.nan) for name in NUMBERS}
    with progress_bar(n, "subsets", progress) as advance:
        for at in by_size(size):
            if in_place:
                left = np.where(included[at], v, np.inf)
                numbers = pooled_numbers(np.broadcast_to(y, left.shape), left, settled)
            else:
                members = np.nonzero(included[at])[1].reshape(at.size, -1)
                numbers = pooled_numbers(y[members], v[members], settled)
            for name, values in columns.items():
                values[at] = getattr(numbers, name)
            advance(at.size)
    failed = int(np.isnan(columns["estimate"]).sum())
    return Gosh(included, size, **columns, every=every, failed=failed, effects=effects)


def every_subset(k: int) -> BoolArray:
    """All subsets of k studies but the empty one, (2^k - 1, k)."""
    numbers = np.arange(1, 2**k, dtype=np.int64)
    return ((numbers[:, np.newaxis] >> np.arange(k)) & 1).astype(np.bool_)


def random_subsets(k: int, n: int, random: np.random.Generator) -> BoolArray:
    """Subsets (n, k) in which each study is with probability 1/2; the empty one is drawn again."""
    included = random.integers(0, 2, (n, k), dtype=np.int8).astype(np.bool_)
    empty = np.flatnonzero(~included.any(axis=1))
    while empty.size:
        included[empty] = random.integers(0, 2, (empty.size, k), dtype=np.int8).astype(np.bool_)
        empty = empty[~included[empty].any(axis=1)]
    return included


def by_size(size: IntArray) -> Iterator[IntArray]:
    """Batches of subsets with the same number of studies, as indices."""
    order = np.argsort(size, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(size[order])) + 1):
        batch = max(1, BATCH // int(size[group[0]]))
        for first in range(0, group.size, batch):
            yield group[first : first + batch]
