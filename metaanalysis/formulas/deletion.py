"""How much does one study weigh on a fit? The measures of influence, each from the fit without that study.

Shapes: y, v (k,); X (k, p), or None for the mean alone; `at` (n,) the studies to leave out one at a time, in turn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.heterogeneity import cochran_q
from metaanalysis.formulas.inference import InferenceFunction
from metaanalysis.formulas.tau2 import Tau2Function, estimate_tau2
from metaanalysis.formulas.weighted import (
    WeightedFit,
    inverse_variance_weights,
    orthonormal_basis,
    weighted_least_squares,
)

# A study whose leverage in the design alone is this near to 1 can't be left out: a coefficient rests on it alone.
NO_DESIGN_WITHOUT = 1e-10


class FullFit(NamedTuple):
    """The fit to all studies, as the measures need it."""

    fit: WeightedFit
    covariance: FloatArray  # (p, p), as the tests use it
    scale: FloatArray  # (): the factor by which it exceeds (X'WX)^-1
    tau2: FloatArray  # ()


class DeletedFits(NamedTuple):
    """The fits without each of n studies."""

    coefficients: FloatArray  # (n, p)
    covariance: FloatArray  # (n, p, p), as the tests use it
    scale: FloatArray  # (n,): the factor by which it exceeds (X'WX)^-1
    tau2: FloatArray  # (n,)
    q: FloatArray  # (n,)
    status: IntArray  # (n,)


class Influence(NamedTuple):
    """Of each study left out, each (n,) but the last, (n, p)."""

    residual: FloatArray
    residual_se: FloatArray
    rstudent: FloatArray
    dffits: FloatArray
    cook_distance: FloatArray
    covariance_ratio: FloatArray
    tau2_deleted: FloatArray
    q_deleted: FloatArray
    dfbetas: FloatArray


def can_be_left_out(X: FloatArray) -> BoolArray:
    """Whether the design keeps its rank without each study. X: (k, p). Returns (k,)."""
    return np.asarray(orthonormal_basis(X, np.ones(X.shape[0])).complements > NO_DESIGN_WITHOUT)


def full_fit(
    y: FloatArray, v: FloatArray, X: FloatArray | None, tau2: FloatArray, inference: InferenceFunction
) -> FullFit:
    """The fit to all studies at its tau2."""
    w = inverse_variance_weights(v, tau2)
    fit = weighted_least_squares(y, w, X)
    covariance = inference(fit, w, X).covariance
    return FullFit(fit, covariance, covariance[..., 0, 0] / fit.covariance[..., 0, 0], tau2)


def deleted_fits(
    y: FloatArray,
    v: FloatArray,
    X: FloatArray | None,
    at: IntArray,
    tau2: Tau2Function | None,
    inference: InferenceFunction,
) -> DeletedFits:
    """Fit without each of the studies `at`, by giving it an infinite variance; tau2 None is the common-effect model."""
    n, k = at.size, y.size
    y_all = np.broadcast_to(y, (n, k))
    v_left = np.broadcast_to(v, (n, k)).copy()
    v_left[np.arange(n), at] = np.inf
    designs = None if X is None else np.broadcast_to(X, (n, *X.shape))
    q = cochran_q(y_all, v_left, designs)[0]
    if tau2 is None:
        value, status = np.zeros(n), np.zeros(n, dtype=np.intp)
    else:
        found = estimate_tau2(tau2, y_all, v_left, designs)
        value, status = found.x, found.status
    w = inverse_variance_weights(v_left, value)
    fit = weighted_least_squares(y_all, w, designs)
    covariance = inference(fit, w, designs).covariance
    scale = covariance[..., 0, 0] / fit.covariance[..., 0, 0]
    return DeletedFits(fit.coefficients, covariance, scale, value, q, status)


def influence_measures(
    y: FloatArray, v: FloatArray, X: FloatArray | None, at: IntArray, full: FullFit, deleted: DeletedFits
) -> Influence:
    """The deletion measures of the studies `at`; b and V are coefficients and covariance, (i) means without study i.

        rstudent_i          (y_i - x_i'b(i)) / sqrt(s2(i) (v_i + tau2(i)) + x_i'V(i)x_i)
        DFFITS_i            x_i'(b - b(i)) / sqrt(s2(i) h_i (v_i + tau2(i)))
        Cook's distance_i   (b - b(i))'V^-1 (b - b(i))
        covariance ratio_i  |V(i)| / |V|
        DFBETAS_ij          (b - b(i))_j / sqrt(s2(i) [(X'W(i)X)^-1]_jj),   w(i) = 1 / (v + tau2(i)) of all studies

    s2 is the factor of Hartung and Knapp's covariance, 1 for Wald's. Source: Viechtbauer & Cheung (2010).
    """
    design = np.ones((y.size, 1)) if X is None else X
    x, b = design[at], full.fit.coefficients
    change = b - deleted.coefficients
    fitted_left = np.einsum("np,np->n", x, deleted.coefficients)
    total = deleted.scale * (v[at] + deleted.tau2)
    spread = np.einsum("np,npq,nq->n", x, deleted.covariance, x)
    residual, se = y[at] - fitted_left, np.sqrt(total + spread)
    shift = np.einsum("np,np->n", x, change)
    all_weights = inverse_variance_weights(v, deleted.tau2)
    everyone = weighted_least_squares(
        np.broadcast_to(y, all_weights.shape),
        all_weights,
        None if X is None else np.broadcast_to(X, (at.size, *X.shape)),
    )
    variances = deleted.scale[:, np.newaxis] * np.diagonal(everyone.covariance, axis1=-2, axis2=-1)
    return Influence(
        residual=residual,
        residual_se=se,
        rstudent=residual / se,
        dffits=shift / np.sqrt(full.fit.leverages[at] * total),
        cook_distance=np.einsum("np,np->n", change, np.linalg.solve(full.covariance, change.T).T),
        covariance_ratio=np.linalg.det(deleted.covariance) / np.linalg.det(full.covariance),
        tau2_deleted=deleted.tau2,
        q_deleted=deleted.q,
        dfbetas=change / np.sqrt(variances),
    )


def influential(
    dffits: FloatArray, cook_distance: FloatArray, hat: FloatArray, dfbetas: FloatArray, k: int, p: int
) -> BoolArray:
    """Whether a study passes any of the thresholds that call it influential. Arrays (k,), dfbetas (k, p).

        |DFFITS| > 3 sqrt(p / (k - p)),   chi2_p(Cook's distance) > 1/2,   hat > 3 p / k,   any |DFBETAS| > 1

    Source: Viechtbauer & Cheung (2010).
    """
    with np.errstate(invalid="ignore"):
        far = np.abs(dffits) > 3.0 * np.sqrt(p / (k - p))
        cook = special.gammainc(p / 2.0, cook_distance / 2.0) > 0.5
        return np.asarray(far | cook | (hat > 3.0 * p / k) | (np.abs(dfbetas) > 1.0).any(axis=-1))


class Baujat(NamedTuple):
    """Of each study left out, each (n,)."""

    contribution: FloatArray
    influence: FloatArray


def baujat(
    y: FloatArray, v: FloatArray, X: FloatArray | None, at: IntArray, full: FullFit, deleted: DeletedFits
) -> Baujat:
    """What each study adds to Q, and how far its leaving moves the result at its own moderators.

        contribution_i  (y_i - x_i'b)^2 / (v_i + tau2),   influence_i  [x_i'(b - b(i))]^2 / x_i'V(i)x_i

    Under the common-effect model the contributions add up to Cochran's Q.
    Source: Baujat, Mahé, Pignon & Hill (2002); with tau2 and moderators as in metafor.
    """
    design = np.ones((y.size, 1)) if X is None else X
    x = design[at]
    shift = np.einsum("np,np->n", x, full.fit.coefficients - deleted.coefficients)
    spread = np.einsum("np,npq,nq->n", x, deleted.covariance, x)
    return Baujat(full.fit.residuals[at] ** 2 / (v[at] + full.tau2), shift**2 / spread)
