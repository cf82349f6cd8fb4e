"""The density of many numbers by a Gaussian kernel."""

from __future__ import annotations

import math

import numpy as np

from metaanalysis.formulas.arrays import FloatArray

# The grid on which numbers are gathered is finer than the bandwidth by this factor, unless it would have too many places.
FINER = 256.0
PLACES_AT_MOST = 2**17
# Where the kernel ends, in bandwidths: what is beyond is below 1e-14 of its height.
REACH = 8.0


def silverman_bandwidth(x: FloatArray) -> float:
    """Silverman's rule of thumb.

        h = 0.9 min(s, IQR / 1.34) n^(-1/5);   s alone where the quartiles are equal

    x: (n,). NaN where fewer than two numbers are there, or all are equal.
    Source: Silverman (1986), Density Estimation for Statistics and Data Analysis, section 3.4.2.
    """
    if x.size < 2:
        return math.nan
    s = float(np.std(x, ddof=1))
    low, high = np.quantile(x, [0.25, 0.75])
    spread = min(s, float(high - low) / 1.34) or s
    return 0.9 * spread * x.size**-0.2 if spread > 0 and math.isfinite(spread) else math.nan


def kernel_density(
    x: FloatArray, at: FloatArray, bandwidth: float, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> FloatArray:
    """Density by a Gaussian kernel, reflected at the bounds that the numbers have.

        f(t) = 1/(n h) sum_i phi((t - x_i) / h)
        within [a, b]:   f(t) + f(2a - t) + f(2b - t)

    x: (n,) numbers; at: (m,) places t within the bounds; bandwidth: h > 0. Returns (m,). The sum is over a grid finer than h, on
    which each number is shared between its two neighbours: a million numbers cost what a thousand do.
    Source: Silverman (1986), sections 2.4 and 2.10 (reflection); the grid: Wand (1994), Journal of Computational and
    Graphical Statistics 3.
    """
    low, high = float(x.min()) - REACH * bandwidth, float(x.max()) + REACH * bandwidth
    places = int(min(PLACES_AT_MOST, math.ceil(FINER * (high - low) / bandwidth))) + 1
    step = (high - low) / (places - 1)
    position = (x - low) / step
    left = np.minimum(position.astype(np.intp), places - 2)
    share = position - left
    counts = np.bincount(left, 1.0 - share, places) + np.bincount(left + 1, share, places)
    half = math.ceil(REACH * bandwidth / step)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * step / bandwidth) ** 2) / (
        math.sqrt(2.0 * math.pi) * bandwidth * x.size
    )
    length = 1 << (places + 2 * half).bit_length()
    whole = np.fft.irfft(np.fft.rfft(counts, length) * np.fft.rfft(kernel, length), length)
    # Rounding leaves what is zero a hair below it.
    density = np.maximum(whole[half : half + places], 0.0)
    grid = low + step * np.arange(places)

    def f(t: FloatArray) -> FloatArray:
        return np.interp(t, grid, density, left=0.0, right=0.0)

    found = f(at)
    for bound in bounds:
        if math.isfinite(bound):
            found = found + f(2.0 * bound - at)
    return np.asarray(np.where((at < bounds[0]) | (at > bounds[1]), 0.0, found), dtype=np.float64)
