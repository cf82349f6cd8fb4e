"""Fisher's noncentral hypergeometric distribution: events of group 1 given the events of both groups and the odds ratio.

    p(j) proportional to C(n1, j) C(n2, m - j) exp(j eta),   j from max(0, m - n2) to min(n1, m)

Terms are taken relative to the observed count a, whose log coefficient is then 0:  log p(a) = -log sum exp(c_j + (j - a) eta).
Coefficients c_j are running sums of log ratios outwards from a, so that no large factorials are ever subtracted.
Source: Liao & Rosen (2001) for the ratios; van Houwelingen, Zwinderman & Stijnen (1993) for its use in meta-analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.glmm_families import Best, Terms
from metaanalysis.formulas.solve import newton_in_bracket

# A support up to this length is summed whole; of a longer one only the terms that are not negligible.
WHOLE_SUPPORT = 1024
# Terms that lie this far below the largest, on the log scale, are left out: e^-45 of it.
NEGLIGIBLE = 45.0
# Every s-th term is enough where those left out change a sum by less than about e^-80 of it (the variance is a rough one).
ALIASING = 80.0
# Elements of one block of sums: small enough to stay in cache.
BLOCK = 1_000_000
# Conditional estimates lie within this distance of those from counts + 1/2.
BRACKET = 40.0


class _Short(NamedTuple):
    """Studies (s,) of similar support length, summed whole: offsets j - a and coefficients, (s, length), padded by -inf."""

    studies: IntArray
    offsets: FloatArray
    coefficients: FloatArray


class _Long(NamedTuple):
    """One study with a long support: the first offset j - a, the coefficients and the log ratios between them."""

    study: int
    first: int
    coefficients: FloatArray
    ratios: FloatArray


@dataclass(frozen=True, eq=False)
class Hypergeometric:
    """a events of n1 in group 1 and c of n2 in group 2, given a + c; whole numbers, (k,). eta is the log odds ratio."""

    a: FloatArray
    n1: FloatArray
    c: FloatArray
    n2: FloatArray
    short: tuple[_Short, ...]
    long: tuple[_Long, ...]

    @property
    def at_low(self) -> BoolArray:
        """No event in group 1, or nothing but events in group 2: the least that the total allows."""
        return np.asarray((self.a == 0) | (self.c == self.n2))

    @property
    def at_high(self) -> BoolArray:
        """Nothing but events in group 1, or none in group 2: the most that the total allows."""
        return np.asarray((self.a == self.n1) | (self.c == 0))

    @property
    def start(self) -> FloatArray:
        """The log odds ratio with 1/2 added to each cell."""
        events, others = (
            np.log((self.a + 0.5) / (self.c + 0.5)),
            np.log((self.n1 - self.a + 0.5) / (self.n2 - self.c + 0.5)),
        )
        return np.asarray(events - others)

    def terms(self, eta: FloatArray) -> Terms:
        """Log probability of a, a - E(j) and Var(j) at every log odds ratio (k, n)."""
        answer = Terms(np.empty_like(eta), np.empty_like(eta), np.empty_like(eta))
        for group in self.short:
            log_p, residual, variance = _sum_whole(group, eta[group.studies])
            answer.log_probability[group.studies] = log_p
            answer.residual[group.studies] = residual
            answer.variance[group.studies] = variance
        for study in self.long:
            found = _sum_window(study, eta[study.study])
            answer.log_probability[study.study] = found.log_probability
            answer.residual[study.study] = found.residual
            answer.variance[study.study] = found.variance
        return answer

    def best(self) -> Best:
        """The conditional maximum likelihood estimate of each study: the eta at which E(j) = a."""
        low, high = self.at_low, self.at_high
        eta = np.where(low & high, np.nan, np.where(low, -np.inf, np.inf))
        log_p, information = np.zeros(eta.shape), np.zeros(eta.shape)
        inner = np.flatnonzero(~(low | high))
        if inner.size:
            start = self.start[inner]

            def at(x: FloatArray, index: IntArray) -> Terms:
                whole = np.zeros((eta.size, 1))
                whole[inner[index], 0] = start[index] - BRACKET + x
                found = self.terms(whole)
                return Terms(*(part[inner[index], 0] for part in found))

            def step(x: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
                found = at(x, index)
                with np.errstate(divide="ignore", invalid="ignore"):
                    return found.residual, found.residual / found.variance

            middle = np.full(inner.size, BRACKET)
            found = newton_in_bracket(step, middle, 0.0 * middle, 2.0 * middle, np.ones(inner.size))
            fitted = at(found.x, np.arange(inner.size))
            eta[inner] = start - BRACKET + found.x
            log_p[inner], information[inner] = fitted.log_probability, fitted.variance
        return Best(eta, log_p, information)


def hypergeometric(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Hypergeometric:
    """Prepare the sums: coefficients of every study, those of short support side by side. a, n1, c, n2: (k,)."""
    m = a + c
    low, high = np.maximum(0.0, m - n2), np.minimum(n1, m)
    lengths = (high - low).astype(np.intp) + 1
    rows = [_coefficients(a[i], n1[i], m[i], n2[i], low[i], high[i]) for i in range(a.size)]
    short = []
    sizes = np.where(lengths <= WHOLE_SUPPORT, np.ceil(np.log2(np.maximum(lengths, 8))).astype(np.intp), 0)
    for size in np.unique(sizes[sizes > 0]):
        studies = np.flatnonzero(sizes == size)
        longest = int(lengths[studies].max())
        offsets = np.zeros((studies.size, longest))
        coefficients = np.full((studies.size, longest), -np.inf)
        for row, i in enumerate(studies):
            offsets[row, : lengths[i]] = np.arange(low[i] - a[i], high[i] - a[i] + 1.0)
            coefficients[row, : lengths[i]] = rows[i][0]
        short.append(_Short(studies, offsets, coefficients))
    long = [_Long(int(i), int(low[i] - a[i]), *rows[i]) for i in np.flatnonzero(sizes == 0)]
    return Hypergeometric(a, n1, c, n2, tuple(short), tuple(long))


def _coefficients(
    a: np.float64, n1: np.float64, m: np.float64, n2: np.float64, low: np.float64, high: np.float64
) -> tuple[FloatArray, FloatArray]:
    """c_j - c_a for every j of the support, and the decreasing log ratios log(c_j / c_(j-1)), one fewer."""
    j = np.arange(low + 1.0, high + 1.0)
    ratios = np.log((n1 - j + 1.0) / j) + np.log((m - j + 1.0) / (n2 - m + j))
    at = int(a - low)
    coefficients = np.zeros(j.size + 1)
    coefficients[at + 1 :] = np.cumsum(ratios[at:])
    coefficients[:at] = -np.cumsum(ratios[:at][::-1])[::-1]
    return coefficients, ratios


def _sum_whole(group: _Short, eta: FloatArray) -> Terms:
    """Sums over whole supports; eta: (s, n)."""
    answer = Terms(np.empty_like(eta), np.empty_like(eta), np.empty_like(eta))
    block = max(1, BLOCK // group.offsets.size)
    offsets = group.offsets[:, np.newaxis, :]
    for first in range(0, eta.shape[1], block):
        part = slice(first, first + block)
        exponents = group.coefficients[:, np.newaxis, :] + offsets * eta[:, part, np.newaxis]
        for whole, piece in zip(answer, _moments(exponents, offsets), strict=True):
            whole[:, part] = piece
    return answer


def _sum_window(study: _Long, eta: FloatArray) -> Terms:
    """Sums over a window round the mode at every eta (n,), by every s-th term, times s.

    The distribution is that of a sum of independent Bernoulli variables (Harkness 1965), so that its characteristic function
    at w is at most exp(-2 Var sin^2(w / 2)); and taking every s-th term alone errs by that function at 2 pi / s, 4 pi / s, ...
    """
    size = study.coefficients.size
    # Ratios fall with j, so that the mode is where their sum with eta passes through 0.
    mode = np.searchsorted(-study.ratios, eta)
    inside = np.clip(mode, 1, size - 2)
    variance = 1.0 / (study.ratios[inside - 1] - study.ratios[inside])
    half = np.minimum(np.ceil(10.0 * np.sqrt(variance) + NEGLIGIBLE), float(size)).astype(np.intp)
    while True:
        ends = np.stack([np.maximum(mode - half, 0), np.minimum(mode + half, size - 1)])
        drop = study.coefficients[mode] - study.coefficients[ends] + (mode - ends) * eta
        cut = np.stack([mode - half > 0, mode + half < size - 1])
        wider = (cut & (drop < NEGLIGIBLE)).any(axis=0)
        if not wider.any():
            break
        half = np.where(wider, 2 * half, half)
    stride = np.maximum(1, (np.pi * np.sqrt(2.0 * variance / ALIASING)).astype(np.intp))
    steps = int((half // stride).max()) + 1
    answer = Terms(np.empty_like(eta), np.empty_like(eta), np.empty_like(eta))
    block = max(1, BLOCK // (2 * steps + 1))
    for first in range(0, eta.size, block):
        part = slice(first, first + block)
        j = mode[part, np.newaxis] + stride[part, np.newaxis] * np.arange(-steps, steps + 1)
        known = (j >= 0) & (j < size)
        offsets = np.where(known, j + study.first, 0).astype(np.float64)
        coefficients = np.where(known, study.coefficients[np.clip(j, 0, size - 1)], -np.inf)
        found = _moments(coefficients + offsets * eta[part, np.newaxis], offsets)
        answer.log_probability[part] = found.log_probability - np.log(stride[part])
        answer.residual[part], answer.variance[part] = found.residual, found.variance
    return answer


def _moments(exponents: FloatArray, offsets: FloatArray) -> Terms:
    """Log of 1 / sum, minus the mean offset and the variance of terms exp(exponents); the sum runs over the last axis."""
    top = exponents.max(axis=-1, keepdims=True)
    weight = np.exp(exponents - top)
    total = weight.sum(axis=-1)
    mean = (weight * offsets).sum(axis=-1) / total
    variance = (weight * (offsets - mean[..., np.newaxis]) ** 2).sum(axis=-1) / total
    return Terms(-(top[..., 0] + np.log(total)), -mean, variance)
