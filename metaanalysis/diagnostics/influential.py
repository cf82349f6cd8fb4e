"""Influence of each study on a fit, with or without moderators."""

from __future__ import annotations

import numpy as np

from metaanalysis.diagnostics.given import (
    at_least,
    by_inverse_variance,
    data_of,
    inference_function,
    pooled_again,
    refits_itself,
    tau2_function,
)
from metaanalysis.errors import DataError
from metaanalysis.formulas import deletion
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.deletion import DeletedFits, FullFit, can_be_left_out, deleted_fits, full_fit
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.weighted import inverse_variance_weights
from metaanalysis.results import Pooled, Regression
from metaanalysis.results.influence import Baujat, Influence

# Elements (studies left out times studies times coefficients) of one batch: small enough to stay in cache.
BATCH = 65_536
NEEDED = "not estimable: the coefficients can't be told apart without this study"
NO_VARIANCE = "the others lie exactly on their fit, so that the Hartung-Knapp variance is 0"


def influence(fit: Pooled | Regression) -> Influence:
    """Which studies carry the result? Deletion diagnostics, one row a study.

    Parameters
    ----------
    fit
        A result of `pool` (by inverse variance) or of `meta_regression`; its options are used throughout.

    Returns
    -------
    Influence
        Externally standardised residuals, DFFITS, Cook's distances, covariance ratios, tau2 and Q without the study,
        leverages, weights, DFBETAS, and which studies the usual thresholds call influential. A row is NaN where the
        model can't be fitted without the study; `status` says so. `metaanalysis.plot` draws it.

    Raises
    ------
    DataError
        Where there are no more than two studies beyond the coefficients, or the fit is of another kind.
    OptionError
        Where the fit is not by inverse variance, or its interval has no standard error.

    Notes
    -----
    The between-study variance is estimated anew without each study.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"))
    >>> ma.influence(fit).to_frame()[["label", "rstudent", "cook_distance", "hat"]].head(3).round(4)
                  label  rstudent  cook_distance     hat
    0           Aronson   -0.2181         0.0017  0.0506
    1  Ferguson & Simes   -1.2918         0.1132  0.0636
    2   Rosenthal et al   -0.7547         0.0260  0.0444

    References
    ----------
    Viechtbauer W, Cheung MWL (2010). Outlier and influence diagnostics for meta-analysis. Research Synthesis Methods 1,
    112-125.
    """
    y, v, X, names, full = prepared(fit, "influence")
    k, p = y.size, len(names)
    found = {name: np.full(k, np.nan) for name in deletion.Influence._fields if name != "dfbetas"}
    dfbetas = np.full((k, p), np.nan)
    status = [NEEDED] * k
    for at, deleted in each_left_out(fit, y, v, X):
        with np.errstate(divide="ignore", invalid="ignore"):
            measures = deletion.influence_measures(y, v, X, at, full, deleted)
        for name, values in found.items():
            values[at] = getattr(measures, name)
        dfbetas[at] = measures.dfbetas
        say(status, at, deleted)
    hat = full.fit.leverages
    flags = deletion.influential(found["dffits"], found["cook_distance"], hat, dfbetas, k, p)
    w = inverse_variance_weights(v, full.tau2)
    return Influence(
        label=tuple(fit.effects.label),
        **found,
        hat=np.array(hat),
        weight=100.0 * w / w.sum(),
        dfbetas=dfbetas,
        influential=flags,
        coefficient_names=names,
        status=tuple(status),
        tau2=fit.tau2,
        q=fit.q if isinstance(fit, Pooled) else fit.q_residual,
    )


def baujat(fit: Pooled | Regression) -> Baujat:
    """Which studies make the heterogeneity, and do these also make the result?

    Parameters
    ----------
    fit
        A result of `pool` (by inverse variance) or of `meta_regression`; Baujat and colleagues had the common-effect model
        in mind.

    Returns
    -------
    Baujat
        Each study's contribution to heterogeneity (x) and its influence on the result (y). `metaanalysis.plot` draws it.

    Raises
    ------
    DataError, OptionError
        As for `influence`.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), model="common")
    >>> found = ma.baujat(fit)
    >>> round(float(found.contribution.sum()), 2), round(fit.q, 2)
    (152.23, 152.23)

    References
    ----------
    Baujat B, Mahé C, Pignon JP, Hill C (2002). A graphical method for exploring heterogeneity in meta-analyses: application
    to a meta-analysis of 65 trials. Statistics in Medicine 21, 2641-2652.
    """
    y, v, X, _, full = prepared(fit, "baujat")
    contribution, moved = np.full((2, y.size), np.nan)
    status = [NEEDED] * y.size
    for at, deleted in each_left_out(fit, y, v, X):
        with np.errstate(divide="ignore", invalid="ignore"):
            found = deletion.baujat(y, v, X, at, full, deleted)
        contribution[at], moved[at] = found
        say(status, at, deleted)
    return Baujat(tuple(fit.effects.label), contribution, moved, tuple(status))


def say(status: list[str], at: IntArray, deleted: DeletedFits) -> None:
    """Write down how the fit without each of some studies ended."""
    for study, code, scale in zip(at.tolist(), deleted.status.tolist(), deleted.scale.tolist(), strict=True):
        status[study] = NO_VARIANCE if scale == 0.0 else Status(code).sentence


def prepared(
    fit: Pooled | Regression, what: str
) -> tuple[FloatArray, FloatArray, FloatArray | None, tuple[str, ...], FullFit]:
    """The data of a fit and its weighted least squares; errors where leaving out makes no sense."""
    if isinstance(fit, Pooled):
        by_inverse_variance(fit, what)
    elif not isinstance(fit, Regression):
        raise DataError(f"{what} needs a fit from pool or meta_regression, not {type(fit).__name__}.")
    y, v, X, tau2, names = data_of(fit)
    at_least(y.size, len(names) + 2, f"{what} with {len(names)} coefficient{'s' if len(names) > 1 else ''}")
    full = full_fit(y, v, X, tau2, inference_function(fit.options, what))
    if float(full.scale) == 0.0:
        raise DataError(
            "the effects lie exactly on the fit, so that the Hartung-Knapp variance is 0: pool with ci='wald' or 'hksj-adhoc'."
        )
    refits_itself(
        full.fit.coefficients, fit.estimates if isinstance(fit, Regression) else np.array([fit.estimate]), what
    )
    if isinstance(fit, Pooled):
        pooled_again(fit, what)
    return y, v, X, names, full


def each_left_out(
    fit: Pooled | Regression, y: FloatArray, v: FloatArray, X: FloatArray | None
) -> list[tuple[IntArray, DeletedFits]]:
    """The fits without each study that can be left out, batch by batch."""
    studies = np.arange(y.size) if X is None else np.flatnonzero(can_be_left_out(X))
    tau2, inference = tau2_function(fit.options), inference_function(fit.options, "influence")
    batch = max(1, BATCH // (y.size * (1 if X is None else X.shape[1])))
    parts = [studies[first : first + batch] for first in range(0, studies.size, batch)]
    return [(at, deleted_fits(y, v, X, at, tau2, inference)) for at in parts]
