"""The bootstrap and the jackknife of one meta-analysis."""

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
from metaanalysis.diagnostics.seeds import Seed, generator_of
from metaanalysis.effects import Effects
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas import resampling as formulas
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import choose
from metaanalysis.results import Pooled
from metaanalysis.results.bootstrap import QUANTITIES, Bootstrap
from metaanalysis.results.jackknife import Jackknife

# Elements (resamples times studies) of one batch: small enough to stay in cache.
BATCH = 65_536


def bootstrap(
    fit: Pooled | Effects,
    resamples: int = 10_000,
    *,
    kind: str = "parametric",
    seed: Seed = None,
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
        For the same resamples on every run: a whole number, a `numpy.random.SeedSequence` or a `numpy.random.Generator`.
    progress
        Whether to show a progress bar; by default on a terminal.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Bootstrap
        Estimate, tau2 and I2 of each resample, bias, standard error, and intervals: percentile, basic and, where studies are
        resampled, BCa.

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
    >>> studies = ma.bootstrap(found.original, 2_000, kind="studies", seed=1)
    >>> studies.interval("tau2", method="bca").method
    'BCa of 2,000 studies resamples'

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap. Chapman & Hall. Van den Noortgate W, Onghena P (2005).
    Parametric and nonparametric bootstrap methods for meta-analysis. Behavior Research Methods 37, 11-22.
    """
    way = choose("kind", kind, ("parametric", "studies"))
    checked_resamples(resamples)
    fit = fit_of(fit, "bootstrap", **options)
    by_inverse_variance(fit, "bootstrap")
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    k = y.size
    at_least(k, 3, "bootstrap")
    pooled_again(fit, "bootstrap")
    if way == "studies":
        named_estimator(fit.options, "bootstrap of studies")
    random = generator_of(seed)
    spread = np.sqrt(v + (0.0 if math.isnan(fit.tau2) else fit.tau2))
    settled = only_estimates(fit.options)
    columns = {name: np.full(resamples, np.nan) for name in QUANTITIES}
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
        deleted=without_each(fit) if way == "studies" else {},
    )


def checked_resamples(resamples: int) -> None:
    """OptionError where it is no number of resamples."""
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 2:
        raise OptionError(f"resamples={resamples!r} is not a number of resamples: it is a whole number from 2 upward.")


def jackknife(fit: Pooled | Effects, **options: Any) -> Jackknife:
    """How biased and how uncertain is the result, judged by leaving each study out in turn?

    Parameters
    ----------
    fit
        A result of `pool` by inverse variance, or `Effects`.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    Jackknife
        Bias and standard error of the estimate, of tau2 and of I2, and each without each study.

    Raises
    ------
    DataError
        Where there is only one study.
    OptionError
        Where the fit is not by inverse variance.

    Notes
    -----
    bias = (k - 1) (m - t) and SE^2 = (k - 1) / k times the sum of (t(i) - m)^2, where t is the value from all studies, t(i) that
    without study i, and m the mean of these. Studies count alike, whatever their weights; the standard error makes no use of the
    sampling variances beyond the pooling itself.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), tau2="DL")
    >>> found = ma.jackknife(fit)
    >>> round(fit.se, 4), round(found.se["estimate"], 4), round(found.bias["estimate"], 4)
    (0.1787, 0.1877, 0.0058)

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap. Chapman & Hall. Tukey JW (1958). Bias and confidence in
    not-quite large samples. Annals of Mathematical Statistics 29, 614.
    """
    fit = fit_of(fit, "jackknife", **options)
    by_inverse_variance(fit, "jackknife")
    at_least(fit.effects.k, 2, "jackknife")
    pooled_again(fit, "jackknife")
    deleted = without_each(fit)
    found = {name: formulas.jackknife(x, np.asarray(getattr(fit, name))) for name, x in deleted.items()}
    missing = [name for name, x in deleted.items() if np.isnan(x).any() and not math.isnan(getattr(fit, name))]
    notes = (f"{' and '.join(missing)} can't be estimated without some of the studies",) if missing else ()
    return Jackknife(
        deleted=deleted,
        bias={name: float(one.bias) for name, one in found.items()},
        se={name: float(one.se) for name, one in found.items()},
        label=tuple(fit.effects.label),
        original=fit,
        notes=notes,
    )


def without_each(fit: Pooled) -> dict[str, FloatArray]:
    """The three quantities without each study, which is given an infinite variance."""
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    k = y.size
    settled = only_estimates(fit.options)
    columns = {name: np.full(k, np.nan) for name in QUANTITIES}
    batch = max(1, BATCH // k)
    for first in range(0, k, batch):
        at = np.arange(first, min(first + batch, k))
        left = np.broadcast_to(v, (at.size, k)).copy()
        left[np.arange(at.size), at] = np.inf
        numbers = pooled_numbers(np.broadcast_to(y, left.shape), left, settled)
        for name, values in columns.items():
            values[at] = getattr(numbers, name)
    return columns
