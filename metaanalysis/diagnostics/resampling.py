"""The bootstrap of one meta-analysis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaanalysis.diagnostics.given import (
    at_least,
    by_inverse_variance,
    fit_of,
    named_estimator,
    only_estimates,
    pooled_again,
)
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.effects import Effects
from metaanalysis.errors import DataError, OptionError
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import choose
from metaanalysis.results import Pooled
from metaanalysis.results.bootstrap import Bootstrap

# Elements (resamples times studies) of one batch: small enough to stay in cache.
BATCH = 65_536


def bootstrap(
    fit: Pooled | Effects,
    resamples: int = 10_000,
    *,
    kind: str = "parametric",
    seed: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Bootstrap:
    """How would the result vary from one set of studies to the next? Resample, pool, and see.

    Parameters
    ----------
    fit
        A result of `pool` by inverse variance, or `Effects`.
    resamples
        How many.
    kind
        ``parametric`` (default): effects are drawn from the fitted model, N(estimate, v + tau2). ``studies``: studies are
        drawn with replacement.
    seed
        For the same resamples on every run.
    progress
        Whether to show a progress bar; by default on a terminal.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Bootstrap
        Estimate, tau2 and I2 of each resample, a standard error, and percentile intervals.

    Raises
    ------
    DataError
        Where there are fewer than 3 studies.
    OptionError
        Where the fit is not by inverse variance.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> found = ma.bootstrap(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), 2_000, seed=1, tau2="DL")
    >>> found.interval().method
    'percentile of 2,000 parametric resamples'

    References
    ----------
    Van den Noortgate W, Onghena P (2005). Parametric and nonparametric bootstrap methods for meta-analysis. Behavior
    Research Methods 37, 11-22.
    """
    way = choose("kind", kind, ("parametric", "studies"))
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 2:
        raise OptionError(f"resamples={resamples!r} is not a number of resamples: it is a whole number from 2 upward.")
    fit = fit_of(fit, "bootstrap", **options)
    by_inverse_variance(fit, "bootstrap")
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    k = y.size
    at_least(k, 3, "bootstrap")
    pooled_again(fit, "bootstrap")
    if way == "studies":
        named_estimator(fit.options, "bootstrap of studies")
    random = np.random.default_rng(seed)
    spread = np.sqrt(v + (0.0 if math.isnan(fit.tau2) else fit.tau2))
    settled = only_estimates(fit.options)
    columns = {name: np.full(resamples, np.nan) for name in ("estimate", "tau2", "i2")}
    batch = max(1, BATCH // k)
    with progress_bar(resamples, "resamples", progress) as advance:
        for first in range(0, resamples, batch):
            n = min(batch, resamples - first)
            if way == "parametric":
                effects, variances = random.normal(fit.estimate, spread, (n, k)), np.broadcast_to(v, (n, k))
            else:
                drawn = random.integers(0, k, (n, k))
                effects, variances = y[drawn], v[drawn]
            numbers = pooled_numbers(effects, variances, settled)
            for name, values in columns.items():
                values[first : first + n] = getattr(numbers, name)
            advance(n)
    usable = ~np.isnan(columns["estimate"])
    if not usable.any():
        raise DataError("the between-study variance can't be estimated in any resample: use tau2='DL'.")
    return Bootstrap(
        kind=way,
        **{name: values[usable] for name, values in columns.items()},
        resamples=resamples,
        failed=int((~usable).sum()),
        original=fit,
    )
