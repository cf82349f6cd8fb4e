"""Mean and standard deviation from printed quantiles, for measurements that need not be normal: quantile estimation.

Five families of distributions are fitted to the quantiles by least squares, and the one that fits best says what mean and
standard deviation are. Shapes: ``probability`` and ``quantile`` are (..., m), the m printed quantiles in rising order.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray


class QuantileFit(NamedTuple):
    """Mean, standard deviation and the sum of squared distances of a fitted distribution's quantiles; each of shape (...)."""

    mean: FloatArray
    sd: FloatArray
    squares: FloatArray


def quantile_probabilities(n: FloatArray, known: str) -> FloatArray:
    """Which quantiles a paper's numbers are of a sample of n.

        "range": 1/n, 1/2, 1 - 1/n;   "quartiles": 1/4, 1/2, 3/4;   "five": 1/n, 1/4, 1/2, 3/4, 1 - 1/n

    n: (...). Returns (..., m). Source: McGrath et al. (2020).
    """
    n = np.asarray(n, dtype=np.float64)
    low, high = 1.0 / n, 1.0 - 1.0 / n
    quarter, half, three = (np.full_like(low, p) for p in (0.25, 0.5, 0.75))
    columns = {
        "range": (low, half, high),
        "quartiles": (quarter, half, three),
        "five": (low, quarter, half, three, high),
    }
    return np.stack(columns[known], axis=-1)


def estimate_from_quantiles(probability: FloatArray, quantile: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean and standard deviation of the family that comes nearest to the printed quantiles.

        min over families F and parameters θ of Σ [F_θ⁻¹(p_i) - q_i]²

    Families are QUANTILE_FAMILIES, as far as the quantiles lie in their domain: all where every one is positive (beta
    where below 1, too), the normal alone otherwise. probability, quantile: (..., m); returns (mean, sd, index of the
    family in QUANTILE_FAMILIES), each (...). Source: McGrath et al. (2020).
    """
    probability, quantile = np.broadcast_arrays(probability, quantile)
    shape, m = quantile.shape[:-1], quantile.shape[-1]
    p, q = probability.reshape(-1, m), quantile.reshape(-1, m)
    # Only what is within the domain is fitted; families are then compared by their sums of squares.
    positive, unit = (q > 0.0).all(axis=-1), ((q > 0.0) & (q < 1.0)).all(axis=-1)
    usable = {"beta": unit, "normal": np.ones_like(positive)}
    squares = np.full((len(QUANTILE_FAMILIES), q.shape[0]), np.inf)
    mean, sd = np.full_like(squares, np.nan), np.full_like(squares, np.nan)
    for i, (name, family) in enumerate(QUANTILE_FAMILIES.items()):
        rows = np.flatnonzero(usable.get(name, positive))
        if rows.size:
            fit = family(p[rows], q[rows])
            mean[i, rows], sd[i, rows], squares[i, rows] = fit.mean, fit.sd, fit.squares
    best: IntArray = np.argmin(np.where(np.isnan(squares), np.inf, squares), axis=0)
    at = (best, np.arange(q.shape[0]))
    return mean[at].reshape(shape), sd[at].reshape(shape), best.reshape(shape)


def fit_normal(probability: FloatArray, quantile: FloatArray) -> QuantileFit:
    """Normal distribution nearest to the quantiles: a straight line through them.

        q_i = μ + σ Φ⁻¹(p_i)

    Arguments (k, m); returns QuantileFit of shape (k,).
    """
    z = special.ndtri(probability)
    z_mean, q_mean = z.mean(axis=-1, keepdims=True), quantile.mean(axis=-1, keepdims=True)
    sigma = np.sum((z - z_mean) * (quantile - q_mean), axis=-1) / np.sum(np.square(z - z_mean), axis=-1)
    mu = q_mean[..., 0] - sigma * z_mean[..., 0]
    residual = quantile - mu[..., np.newaxis] - sigma[..., np.newaxis] * z
    return QuantileFit(np.asarray(mu), np.asarray(sigma), np.asarray(np.sum(residual * residual, axis=-1)))


def fit_log_normal(probability: FloatArray, quantile: FloatArray) -> QuantileFit:
    """Log-normal distribution nearest to the quantiles.

        q_i = c exp[σ Φ⁻¹(p_i)],   mean c exp(σ²/2),   SD = mean √[exp(σ²) - 1]

    Arguments (k, m), quantiles positive; returns QuantileFit of shape (k,).
    """
    z = special.ndtri(probability)
    fit = _fit_shape_and_scale(lambda log_s: np.exp(np.exp(log_s)[..., np.newaxis] * z), quantile, -7.0, 2.0)
    variance = np.exp(2.0 * fit.log_shape)
    mean = fit.scale * np.exp(0.5 * variance)
    return QuantileFit(np.asarray(mean), np.asarray(mean * np.sqrt(np.expm1(variance))), fit.squares)


def fit_gamma(probability: FloatArray, quantile: FloatArray) -> QuantileFit:
    """Gamma distribution nearest to the quantiles.

        q_i = c P⁻¹(α, p_i),   mean c α,   SD = c √α

    with P the regularized incomplete gamma function. Arguments (k, m), quantiles positive; returns QuantileFit (k,).
    """
    fit = _fit_shape_and_scale(
        lambda log_a: special.gammaincinv(np.exp(log_a)[..., np.newaxis], probability), quantile, -3.0, 14.0
    )
    shape = np.exp(fit.log_shape)
    return QuantileFit(np.asarray(fit.scale * shape), np.asarray(fit.scale * np.sqrt(shape)), fit.squares)


def fit_weibull(probability: FloatArray, quantile: FloatArray) -> QuantileFit:
    """Weibull distribution nearest to the quantiles.

        q_i = c [-ln(1 - p_i)]^(1/κ),   mean c Γ(1 + 1/κ),   variance c² [Γ(1 + 2/κ) - Γ(1 + 1/κ)²]

    Arguments (k, m), quantiles positive; returns QuantileFit of shape (k,).
    """
    log_hazard = np.log(-np.log1p(-probability))
    fit = _fit_shape_and_scale(lambda log_k: np.exp(log_hazard * np.exp(-log_k)[..., np.newaxis]), quantile, -3.0, 7.0)
    inverse = np.exp(-fit.log_shape)
    first = special.gammaln(1.0 + inverse)
    mean = fit.scale * np.exp(first)
    return QuantileFit(
        np.asarray(mean),
        np.asarray(mean * np.sqrt(np.expm1(special.gammaln(1.0 + 2.0 * inverse) - 2.0 * first))),
        fit.squares,
    )


_BETA_STEPS = 100


def fit_beta(probability: FloatArray, quantile: FloatArray) -> QuantileFit:
    """Beta distribution nearest to the quantiles, by Levenberg and Marquardt's method in (ln α, ln β).

        q_i = I⁻¹(α, β, p_i),   mean α/(α + β),   variance α β/[(α + β)² (α + β + 1)]

    with I the regularized incomplete beta function. Arguments (k, m), quantiles within 0 and 1; returns QuantileFit (k,).
    """
    start = fit_normal(probability, quantile)
    centre = np.clip(start.mean, 0.02, 0.98)
    size = np.maximum(centre * (1.0 - centre) / np.maximum(np.square(start.sd), 1e-12) - 1.0, 0.1)
    theta = np.log(np.stack([centre * size, (1.0 - centre) * size], axis=-1))
    damping = np.full(centre.shape, 1e-3)

    def residuals(x: FloatArray) -> FloatArray:
        a, b = np.exp(np.clip(x, -12.0, 16.0))[..., np.newaxis, :].swapaxes(0, -1)[:, :, 0]
        return np.asarray(special.betaincinv(a[:, np.newaxis], b[:, np.newaxis], probability) - quantile)

    r = residuals(theta)
    squares = np.sum(r * r, axis=-1)
    for _ in range(_BETA_STEPS):
        columns = []
        for j in range(2):
            h = np.zeros(2)
            h[j] = 1e-5
            columns.append((residuals(theta + h) - residuals(theta - h)) / 2e-5)
        A, B = columns
        aa, ab, bb = np.sum(A * A, axis=-1), np.sum(A * B, axis=-1), np.sum(B * B, axis=-1)
        ga, gb = np.sum(A * r, axis=-1), np.sum(B * r, axis=-1)
        da, db = aa * (1.0 + damping), bb * (1.0 + damping)
        determinant = da * db - ab * ab
        step = np.stack([(ab * gb - db * ga) / determinant, (ab * ga - da * gb) / determinant], axis=-1)
        trial = theta + np.clip(np.where(np.isfinite(step), step, 0.0), -2.0, 2.0)
        r_trial = residuals(trial)
        squares_trial = np.sum(r_trial * r_trial, axis=-1)
        better = squares_trial < squares
        theta, r = np.where(better[:, np.newaxis], trial, theta), np.where(better[:, np.newaxis], r_trial, r)
        squares = np.where(better, squares_trial, squares)
        damping = np.clip(np.where(better, 0.2 * damping, 5.0 * damping), 1e-12, 1e8)
        if np.all(np.abs(step) < 1e-12) or not np.any(better | (damping < 1e8)):
            break
    a, b = np.exp(np.clip(theta, -12.0, 16.0)).T
    total = a + b
    return QuantileFit(np.asarray(a / total), np.asarray(np.sqrt(a * b / (total + 1.0)) / total), np.asarray(squares))


QUANTILE_FAMILIES: MappingProxyType[str, Callable[[FloatArray, FloatArray], QuantileFit]] = MappingProxyType(
    {
        "normal": fit_normal,
        "log-normal": fit_log_normal,
        "gamma": fit_gamma,
        "beta": fit_beta,
        "Weibull": fit_weibull,
    }
)


class _ShapeAndScale(NamedTuple):
    log_shape: FloatArray
    scale: FloatArray
    squares: FloatArray


_GRID = 48
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_GOLDEN_STEPS = 25
_DIFFERENCE = 1e-4


def _fit_shape_and_scale(
    unit_quantiles: Callable[[FloatArray], FloatArray], quantile: FloatArray, low: float, high: float
) -> _ShapeAndScale:
    """Least squares for families q_i = c g_i(shape): the best scale c of a shape is known, so that only a shape is sought.

    A grid over the log of the shape brackets the minimum, a golden section narrows it down to a few millionths, and a
    secant step on the derivative of the squares ends it, as sums of squares cannot tell shapes apart beyond that.
    """

    def residual_at(log_shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        # In units of the largest quantile, as the squares of very long-tailed shapes would overflow.
        g = unit_quantiles(log_shape)
        top = np.max(g, axis=-1, keepdims=True)
        g = g / top
        scale = np.sum(g * quantile, axis=-1) / np.sum(g * g, axis=-1)
        return np.asarray(quantile - scale[..., np.newaxis] * g), np.asarray(scale / top[..., 0]), np.asarray(top)

    def at(log_shape: FloatArray) -> FloatArray:
        return np.asarray(np.sum(np.square(residual_at(log_shape)[0]), axis=-1))

    def slope_at(log_shape: FloatArray) -> FloatArray:
        # The best scale leaves residuals at right angles to g itself, so the scale's own slope drops out.
        residual, _, top = residual_at(log_shape)
        change = unit_quantiles(log_shape + _DIFFERENCE) - unit_quantiles(log_shape - _DIFFERENCE)
        return np.asarray(-np.sum(residual * (change / top), axis=-1))

    grid = np.linspace(low, high, _GRID)
    count = quantile.shape[0]
    squares = np.stack([at(np.full(count, x)) for x in grid])
    best = np.clip(np.argmin(squares, axis=0), 1, _GRID - 2)
    left, right = grid[best - 1], grid[best + 1]
    inner_left, inner_right = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    at_left, at_right = at(inner_left), at(inner_right)
    for _ in range(_GOLDEN_STEPS):
        keep_left = at_left < at_right
        left, right = np.where(keep_left, left, inner_left), np.where(keep_left, inner_right, right)
        new = np.where(keep_left, right - _GOLDEN * (right - left), left + _GOLDEN * (right - left))
        at_new = at(new)
        inner_left, inner_right = np.where(keep_left, new, inner_right), np.where(keep_left, inner_left, new)
        at_left, at_right = np.where(keep_left, at_new, at_right), np.where(keep_left, at_left, at_new)
    slope_left, slope_right = slope_at(left), slope_at(right)
    crosses = (slope_left < 0.0) & (slope_right > 0.0)
    share = np.where(crosses, slope_left, 0.5) / np.where(crosses, slope_left - slope_right, 1.0)
    log_shape = np.asarray(left + share * (right - left))
    residual, scale, _ = residual_at(log_shape)
    return _ShapeAndScale(log_shape, scale, np.asarray(np.sum(residual * residual, axis=-1)))
