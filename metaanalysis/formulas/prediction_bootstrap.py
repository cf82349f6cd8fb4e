"""A prediction interval that allows for the uncertainty of tau2, from the confidence distribution of tau2."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import hartung_knapp
from metaanalysis.formulas.quadratic_forms import orthonormal_basis, upper_tail, upper_tails
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean

# The published recommendation is at least 1,000 replicates for a look and 25,000 or more for a report.
REPLICATES = 25_000
SEED = 20_190_401
GRID_POINTS = 160
BLOCK = 65_536


def tau2_draws(y: FloatArray, v: FloatArray, u: FloatArray) -> FloatArray:
    """tau2 at which the observed Q has upper tail probability u (n,); 0 where even tau2 = 0 has more. y, v: (k,)."""
    from scipy import interpolate

    w = inverse_variance_weights(v)
    q = float(weighted_mean(y, w).q)
    basis = orthonormal_basis(w, None)
    smallest, scale = float(v.min()), float(v.max())
    high = max(q / float(w.sum()), scale)
    while upper_tail(q, (v + high) * w, basis) < float(u.max()):
        high *= 4.0
    trial = smallest * 1e-3 * np.expm1(np.linspace(0.0, np.log1p(high / (smallest * 1e-3)), GRID_POINTS))
    tail = upper_tails(np.full(GRID_POINTS, q), (v + trial[:, np.newaxis]) * w, basis)
    # The tail increases with tau2; interpolate its inverse between the points where it does so measurably.
    rising = np.append(True, np.diff(np.maximum.accumulate(tail)) > 1e-14)
    inverse = interpolate.PchipInterpolator(tail[rising], np.sqrt(trial[rising]))
    return np.asarray(np.where(u <= tail[0], 0.0, np.maximum(inverse(np.maximum(u, tail[0])), 0.0) ** 2))


def nagashima(
    y: FloatArray, v: FloatArray, level: float, replicates: int = REPLICATES, seed: int = SEED
) -> tuple[float, float]:
    """Quantiles of  mean(tau2) + z tau - t SE(tau2)  over draws of tau2, z (normal) and t (k - 1 degrees of freedom).

    tau2 is drawn from the confidence distribution that the exact distribution of DerSimonian and Laird's Q defines; the mean
    and its Hartung-Knapp standard error are those at the drawn tau2. y, v: (k,), k of 3 or more. The seed makes it the same
    each time; its Monte Carlo error shrinks with the root of the replicates.
    Source: Nagashima, Noma & Furukawa (2019).
    """
    k = y.size
    if k < 3:
        return np.nan, np.nan
    random = np.random.default_rng(seed)
    tau2 = tau2_draws(y, v, random.uniform(size=replicates))
    z, t = random.standard_normal(replicates), random.standard_t(k - 1, replicates)
    drawn = np.empty(replicates)
    block = max(1, BLOCK // k)
    for first in range(0, replicates, block):
        part = slice(first, first + block)
        w = inverse_variance_weights(v, tau2[part])
        fit = weighted_mean(np.broadcast_to(y, w.shape), w)
        se = np.sqrt(hartung_knapp(fit, w, None).covariance[..., 0, 0])
        drawn[part] = fit.coefficients[..., 0] + z[part] * np.sqrt(tau2[part]) - t[part] * se
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
