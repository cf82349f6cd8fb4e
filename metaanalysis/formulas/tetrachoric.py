"""The correlation of two normal variables of which only a 2 x 2 table was seen."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray

_MAX_ITERATIONS = 100


def bivariate_normal_cdf(h: FloatArray, k: FloatArray, rho: FloatArray) -> FloatArray:
    """Probability that two standard normal variables of correlation rho stay below h and k.

        Φ₂(h, k; ρ) = [Φ(h) + Φ(k) - δ]/2 - T(h, (k - ρ h)/(h √(1 - ρ²))) - T(k, (h - ρ k)/(k √(1 - ρ²)))

    with Owen's T, and δ = 1 where h and k have opposite signs, else 0.
    h, k, rho: broadcastable, |rho| < 1. Returns that shape. Source: Owen (1956).
    """
    # A threshold of exactly 0 stands for the limit from above, where T(0+, a) = arctan(a)/(2π).
    h, k = np.where(h == 0.0, 1e-300, h), np.where(k == 0.0, 1e-300, k)
    root = np.sqrt((1.0 - rho) * (1.0 + rho))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        slope_h, slope_k = (k - rho * h) / (h * root), (h - rho * k) / (k * root)
    opposite = (h < 0.0) != (k < 0.0)
    half = 0.5 * (special.ndtr(h) + special.ndtr(k) - opposite)
    return np.asarray(half - special.owens_t(h, slope_h) - special.owens_t(k, slope_k))


def tetrachoric_correlation(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Correlation of two normal variables, each cut in two, from the table of the halves, by maximum likelihood.

        h = Φ⁻¹((a + b)/N),   k = Φ⁻¹((a + c)/N),   y solves Φ₂(h, k; y) = a/N
        v = Σ p_cell (f_cell - f̄)² / [N φ₂(h, k; y)²]
        f_a = 1 - A - B,  f_b = -A,  f_c = -B,  f_d = 0,   A = Φ((k - y h)/√(1 - y²)),  B = Φ((h - y k)/√(1 - y²))

    The table has as many free cells as the model has parameters, so the fit is exact, and v follows from it by the
    delta method for a multinomial. All arguments broadcast; returns (y, v) of that shape; y = ±1 with v = NaN where a
    zero cell puts it there, and NaN where a margin is 0. Source: Pearson (1900).
    """
    a, n1, c, n2 = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (events1, n1, events2, n2)))
    b, d = n1 - a, n2 - c
    total = n1 + n2
    h = _quantile(a + b, c + d)
    k = _quantile(a + c, b + d)
    # Φ₂ falls short of or exceeds independence by this, which is exact where a/N - p q would cancel.
    excess = (a * n2 - c * n1) / (total * total)
    inside = (a > 0.0) & (b > 0.0) & (c > 0.0) & (d > 0.0)
    y = np.where((b * c == 0.0) & (a * d > 0.0), 1.0, np.where((a * d == 0.0) & (b * c > 0.0), -1.0, np.nan))
    y[inside] = _solve(h[inside], k[inside], excess[inside], (a / total)[inside])

    root = np.sqrt((1.0 - y) * (1.0 + y))
    with np.errstate(divide="ignore", invalid="ignore"):
        A, B = special.ndtr((k - y * h) / root), special.ndtr((h - y * k) / root)
        density = np.exp(-0.5 * (h * h + np.square((k - y * h) / root))) / (2.0 * np.pi * root)
        share = [cell / total for cell in (a, b, c, d)]
        score = [1.0 - A - B, -A, -B, np.zeros_like(A)]
        mean = sum(p * f for p, f in zip(share, score, strict=True))
        spread = sum(p * np.square(f - mean) for p, f in zip(share, score, strict=True))
        v = spread / (total * density * density)
    return y, np.where(np.abs(y) < 1.0, v, np.nan)


def _quantile(below: FloatArray, above: FloatArray) -> FloatArray:
    z = special.ndtri(np.minimum(below, above) / (below + above))
    return np.asarray(np.where(above < below, -z, z))


def _solve(h: FloatArray, k: FloatArray, excess: FloatArray, target: FloatArray) -> FloatArray:
    """The correlation at which Φ₂ reaches the target: Newton in θ = arcsin ρ inside a bracket.

    dΦ₂/dθ = exp[-(h² + k² - 2 h k sin θ)/(2 cos² θ)]/(2π). All of shape (k,); finished problems are dropped.
    """
    solution = np.empty(target.shape)
    index: IntArray = np.arange(target.size)
    low: FloatArray = np.full(index.shape, -np.pi / 2)
    high: FloatArray = np.full(index.shape, np.pi / 2)
    theta: FloatArray = np.clip(2.0 * np.pi * excess * np.exp(0.5 * (h * h + k * k)), -0.9, 0.9)
    for _ in range(_MAX_ITERATIONS):
        rho, cosine = np.sin(theta), np.cos(theta)
        error = bivariate_normal_cdf(h, k, rho) - target
        low, high = np.where(error < 0.0, theta, low), np.where(error > 0.0, theta, high)
        slope = np.exp(-0.5 * (h * h + np.square((k - rho * h) / cosine))) / (2.0 * np.pi)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            new = theta - error / slope
        new = np.where(error == 0.0, theta, np.where((new > low) & (new < high), new, 0.5 * (low + high)))
        solution[index] = new
        going = np.abs(new - theta) > 4.0 * np.finfo(np.float64).eps
        if not going.any():
            break
        index, theta = index[going], new[going]
        h, k, target, low, high = h[going], k[going], target[going], low[going], high[going]
    return np.asarray(np.sin(solution))
