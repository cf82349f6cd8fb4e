"""The normal random-effects model's log-likelihoods, full and restricted."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.moments import moments
from metaanalysis.formulas.weighted import anchor_first


def log_likelihood(
    y: FloatArray, v: FloatArray, tau2: FloatArray, X: FloatArray | None = None, restricted: bool = True
) -> FloatArray:
    """The log-likelihood at tau2, with the coefficients at their weighted least-squares values.

        full:        -1/2 [ k log(2 pi) + sum log(v + tau2) + y'Py ]
        restricted:  -1/2 [ (k - p) log(2 pi) + sum log(v + tau2) + log|X'WX| - log|X'X| + y'Py ]

    y, v: (..., k); tau2: (...); X: (..., k, p) or None. Returns (...).
    Source: Harville (1977); the term log|X'X| makes the value independent of the scale of the moderators.
    """
    carries = np.isfinite(v)
    k = np.count_nonzero(carries, axis=-1)
    if X is None:
        y, v = anchor_first(y, v)
        carries = np.isfinite(v)
    total = tau2[..., np.newaxis] + v
    m = moments(y, v, tau2, X)
    log_det_v = np.where(carries, np.log(np.where(carries, total, 1.0)), 0.0).sum(axis=-1)
    if not restricted:
        return np.asarray(-0.5 * (k * np.log(2 * np.pi) + log_det_v + m.q))
    if X is None:
        p, log_det_xx = 1, np.log(k)
    else:
        p = X.shape[-1]
        triangle = np.linalg.qr(np.where(carries[..., np.newaxis], X, 0.0), mode="r")
        log_det_xx = 2.0 * np.log(np.abs(np.diagonal(triangle, axis1=-2, axis2=-1))).sum(axis=-1)
    return np.asarray(-0.5 * ((k - p) * np.log(2 * np.pi) + log_det_v + m.log_det_xwx - log_det_xx + m.q))
