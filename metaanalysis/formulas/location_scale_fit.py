"""The highest maximum of a location-scale model's likelihood: starts from a scan, climbs from the best, says what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.location_scale import LINKS, derivatives
from metaanalysis.formulas.location_scale_climb import (
    SAME_HEIGHT,
    Data,
    Ending,
    Peak,
    climb_bounded,
    climb_log,
    null_space,
)
from metaanalysis.formulas.tau2_iterative import maximise_likelihood
from metaanalysis.formulas.weighted import weighted_least_squares

# Trial points of the scan: so many, doubled with each scale coefficient, up to the most.
SCAN_POINTS = 32
SCAN_POINTS_AT_MOST = 512
# How much farther than the likely values of log tau2 the scan goes to find edges, where tau2 of some studies is 0.
FAR = 5.0
# Numbers in one block of the scan: small enough to stay in cache.
SCAN_BLOCK = 65_536
# So many climbs for few studies, whose likelihoods have several maxima more often; so many for many.
CLIMBS, CLIMBS_AT_LEAST = 12, 4
STUDIES_FOR_FEWER_CLIMBS = 50
# Two points differ when the total variance of some study differs by this on the log scale.
APART = 0.5
# Two peaks are the same when their log-likelihoods are and all their tau2 agree so well.
SAME_TAU2 = 1e-4


class LocationScaleFit(NamedTuple):
    """The highest maximum, and the others."""

    coefficients: FloatArray  # a (q,); infinite or NaN where there is no maximum
    covariance: FloatArray  # (q, q), from the observed information; NaN where there is none
    tau2: FloatArray  # (k,)
    predictor: FloatArray  # (k,): z'a; minus infinity where tau2 fell to 0 under the log link
    log_likelihood: float
    ending: Ending
    maxima: FloatArray  # the log-likelihoods of all maxima found, the highest first
    score: FloatArray  # (q,) by a, each times its standard error: 0 at a maximum


FAILED = (Ending.NOT_CONVERGED, Ending.NOT_DETERMINED)

Climb: TypeAlias = Callable[[Data, FloatArray, FloatArray], Peak]


def fit_location_scale(
    y: FloatArray, v: FloatArray, X: FloatArray, Z: FloatArray, link: str = "log", restricted: bool = True
) -> LocationScaleFit:
    """Maximise the (restricted) likelihood of y ~ N(X b, v + tau2_i), tau2_i = exp(z_i'a), or z_i'a >= 0.

    y, v: (k,); X: (k, p) and Z: (k, q), of full column rank.
    Source: Viechtbauer & Lopez-Lopez (2022).
    """
    k = y.size
    size = np.sqrt((Z * Z).sum(axis=0))
    Q, R = np.linalg.qr(Z / size)
    Q, R = Q * np.sqrt(k), R / np.sqrt(k)
    level = constant_predictor(Q)
    # A power of two takes the scale out without rounding; under the log link that needs a constant among the moderators.
    unit = 1.0 if link == "log" and level is None else 2.0 ** float(np.round(0.5 * np.log2(np.median(v))))
    # With a constant in the mean, effects count from the most precise study's, so that their size costs no digits.
    anchor = y[np.argmin(v)] if ((np.ptp(X, axis=0) == 0) & (X[0] != 0)).any() else 0.0
    data = Data((y - anchor) / unit, v / unit**2, X, restricted)
    climb: Climb = climb_log if link == "log" else climb_bounded
    peaks = distinct([climb(data, Q, g) for g in starts(data, Q, level, link)])
    best = peaks[0]
    a, covariance, score = in_own_terms(data, Z, size, Q, R, best, link)
    predictor = best.predictor
    if link == "identity":
        a, covariance, predictor = a * unit**2, covariance * unit**4, predictor * unit**2
    elif level is not None:
        shift = 2.0 * np.log(unit)
        a, predictor = a + np.linalg.solve(R, level * shift) / size, predictor + shift
    lost = (k - (X.shape[1] if restricted else 0)) * np.log(unit)
    heights = np.array([peak.height for peak in peaks if peak.ending not in FAILED]) - lost
    return LocationScaleFit(
        a, covariance, best.tau2 * unit**2, predictor, best.height - lost, best.ending, heights, score
    )


def constant_predictor(Q: FloatArray) -> FloatArray | None:
    """The coordinates of the predictor that is 1 for all studies; None where Q does not span it."""
    g = Q.T @ np.ones(Q.shape[0]) / Q.shape[0]
    return g if float(np.abs(Q @ g - 1.0).max()) < 1e-9 else None


def starts(data: Data, Q: FloatArray, level: FloatArray | None, link: str) -> list[FloatArray]:
    """Where to climb from: the best of a scan that are apart, the model of one tau2, and nearly none at all."""
    from scipy import linalg

    r = Q.shape[1]
    one = np.ones(data.y.size)
    residuals = weighted_least_squares(data.y, one, data.X).residuals
    low = 1e-3 * float(data.v.min())
    high = max(10.0 * float(residuals @ residuals), float(np.median(data.v)))
    # r studies whose predictors determine the coefficients best: log tau2 of these spans the space whatever Z's units.
    anchors = linalg.qr(Q.T, pivoting=True, mode="r")[1][:r]
    points = min(SCAN_POINTS * 2**r, SCAN_POINTS_AT_MOST)
    share = evenly_spread(points, r)
    span = np.log(high) - np.log(low)
    # The near points are where tau2 matters in most studies; from the far ones it matters in few, and may fall to 0 in the rest.
    logs = np.log(high) - np.concatenate([share * span, share * FAR * span] if link == "log" else [share * span])
    common = max(float(maximise_likelihood(data.y, data.v, data.X, data.restricted).x), low)
    if link == "log":
        near = np.linalg.lstsq(Q, one, rcond=None)[0] if level is None else level
        always = [near * np.log(common), near * np.log(low)]
        trial = np.linalg.solve(Q[anchors], logs.T).T
        with np.errstate(over="ignore"):
            tau2 = np.exp(trial @ Q.T)
    else:
        always = [np.zeros(r)] if level is None else [level * common, np.zeros(r)]
        trial = np.linalg.solve(Q[anchors], np.exp(logs).T).T
        worst = np.minimum((trial @ Q.T).min(axis=1), 0.0)
        # A negative tau2 is lifted to 0 with all the others, or the point is left out.
        trial = trial[worst == 0] if level is None else trial - worst[:, np.newaxis] * level
        tau2 = np.maximum(trial @ Q.T, 0.0)
    return [*always, *trial[apart(data, tau2)]]


def apart(data: Data, tau2: FloatArray) -> list[int]:
    """The highest points of a scan, tau2 (n, k), that differ from one another."""
    heights = scan_heights(data, tau2)
    total = np.log(data.v + tau2)
    most = max(CLIMBS_AT_LEAST, CLIMBS * min(STUDIES_FOR_FEWER_CLIMBS, tau2.shape[1]) // tau2.shape[1])
    chosen: list[int] = []
    for index in np.argsort(-heights, kind="stable"):
        if len(chosen) == most or not np.isfinite(heights[index]):
            break
        if all(np.abs(total[index] - total[other]).max() > APART for other in chosen):
            chosen.append(int(index))
    return chosen


def scan_heights(data: Data, tau2: FloatArray) -> FloatArray:
    """The log-likelihoods at tau2 (n, k), block by block."""
    block = max(1, SCAN_BLOCK // tau2.shape[1])
    parts = [data.height(tau2[first : first + block]) for first in range(0, tau2.shape[0], block)]
    return np.concatenate(parts) if parts else np.empty(0)


def evenly_spread(n: int, r: int) -> FloatArray:
    """n points that fill the unit cube of r dimensions evenly: multiples of an irrational number in each, modulo 1.

    With x the root of x^(r + 1) = x + 1, the numbers are 1/x, 1/x^2, ...
    """
    x = 2.0
    for _ in range(60):
        x = (1.0 + x) ** (1.0 / (r + 1.0))
    return np.asarray((0.5 + np.arange(n)[:, np.newaxis] * x ** -np.arange(1.0, r + 1.0)) % 1.0)


def distinct(peaks: list[Peak]) -> list[Peak]:
    """The peaks, each once, the highest first.

    At the same height, what is not determined comes first, for it casts doubt on the others, and what did not converge last.
    A lower one that failed is left out.
    """
    highest = max(peak.height for peak in peaks)
    doubt = {Ending.NOT_DETERMINED: -1, Ending.NOT_CONVERGED: 1}

    def rank(peak: Peak) -> tuple[float, int, float]:
        below = highest - peak.height
        return (0.0 if below < SAME_HEIGHT else below, doubt.get(peak.ending, 0), below)

    found: list[Peak] = []
    for peak in sorted(peaks, key=rank):
        repeats = any(
            abs(peak.height - other.height) < SAME_HEIGHT
            and np.allclose(peak.tau2, other.tau2, rtol=SAME_TAU2, atol=SAME_TAU2 * float(other.tau2.max()))
            for other in found
        )
        if not found or not (repeats or peak.ending in FAILED):
            found.append(peak)
    return found


def in_own_terms(
    data: Data, Z: FloatArray, size: FloatArray, Q: FloatArray, R: FloatArray, peak: Peak, link: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients of Z's own columns, their covariance and the score at a peak; size: the lengths of the columns."""
    k, q = Z.shape
    nothing = np.full((q, q), np.nan)
    if link == "log" and peak.at_zero.any():
        return (*at_the_edge(data, Z / size, size, peak), np.full(q, np.nan))
    a = np.linalg.solve(R, Q.T @ peak.predictor / k) / size
    if peak.ending is not Ending.CONVERGED:
        return a, nothing, np.full(q, np.nan)
    d = derivatives(data.y, data.v, data.X, Q, LINKS[link].function(peak.predictor), data.restricted)
    inverse = np.linalg.solve(R, np.eye(q)) / size[:, np.newaxis]
    covariance = inverse @ np.linalg.solve(d.observed, inverse.T)
    score = (R.T @ d.score) * size * np.sqrt(np.diagonal(covariance))
    return a, 0.5 * (covariance + covariance.T), score


def at_the_edge(data: Data, Z: FloatArray, size: FloatArray, peak: Peak) -> tuple[FloatArray, FloatArray]:
    """Coefficients where tau2 of some studies is 0 under the log link: finite, infinite, or NaN where anything will do.

    The other studies determine a up to directions N with z'N = 0; a coefficient is finite where N leaves it alone. With one
    direction, the others go to infinity with the sign that takes tau2 to 0.
    """
    q = Z.shape[1]
    kept = ~peak.at_zero
    loose = null_space(Z[kept])
    fixed = np.abs(loose).max(axis=1) < 1e-9
    a, covariance = np.full(q, np.nan), np.full((q, q), np.nan)
    if loose.shape[1] == 1:
        along = Z[peak.at_zero] @ loose[:, 0]
        towards = -loose[:, 0] * np.sign(along[np.argmax(np.abs(along))])
        a = np.copysign(np.inf, towards)
    if fixed.any():
        left, length, axes = np.linalg.svd(Z[kept], full_matrices=False)
        rank = q - loose.shape[1]
        to_a = axes[:rank].T / length[:rank]
        solution = to_a @ (left[:, :rank].T @ peak.predictor[kept])
        a = np.where(fixed, solution / size, a)
        U = np.zeros((Z.shape[0], rank))
        U[kept] = left[:, :rank]
        d = derivatives(data.y, data.v, data.X, U, LINKS["log"].function(peak.predictor), data.restricted)
        found = to_a @ np.linalg.solve(d.observed, to_a.T) / np.outer(size, size)
        covariance = np.where(np.outer(fixed, fixed), found, np.nan)
    return a, covariance


def tau2_for(rows: FloatArray, Z: FloatArray, predictor: FloatArray, coefficients: FloatArray, link: str) -> FloatArray:
    """tau2 of new studies with scale moderators `rows` (n, q), after a fit to Z (k, q) with predictors (k,).

    Where the fit has studies whose tau2 fell to 0 under the log link: the value that the other studies determine, or 0 for rows
    that every direction towards the edge takes there (sums of such studies' rows and of any multiples of the others'), else NaN.
    """
    from scipy import optimize

    if link == "identity":
        return np.asarray(np.maximum(rows @ coefficients, 0.0))
    kept = np.isfinite(predictor)
    if kept.all():
        return np.asarray(np.exp(rows @ coefficients))
    size = np.sqrt((Z * Z).sum(axis=0))
    Z, rows = Z / size, rows / size
    loose = null_space(Z[kept])
    solution = np.linalg.lstsq(Z[kept], predictor[kept], rcond=1e-9)[0]
    cone = np.vstack([Z[~kept], Z[kept], -Z[kept]]).T
    answer = np.full(rows.shape[0], np.nan)
    for i, row in enumerate(rows):
        length = float(np.sqrt(row @ row))
        if np.abs(row @ loose).max() <= 1e-9 * length:
            answer[i] = np.exp(row @ solution)
        elif optimize.nnls(cone, row)[1] <= 1e-9 * length:
            answer[i] = 0.0
    return answer
