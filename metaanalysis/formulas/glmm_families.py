"""The distributions of a study's counts given its linear predictor: binomial and Poisson. See also `hypergeometric`.

Each is an exponential family in its canonical parameter eta, so that with the cumulant function A

    log p = x eta - A(eta) + constant,   d log p / d eta = x - A',   -d^2 log p / d eta^2 = A''

Arrays are (k, n): study and node of a quadrature rule. Log probabilities are whole: no constant is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import BoolArray, FloatArray

# From here on four terms of Stirling's series are exact to the last bit.
_STIRLING_FROM = 16.0
_STIRLING_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
# Rates beyond e^200 have no probability left, and squares of them are still numbers.
_LARGEST_LOG_RATE = 200.0


class Terms(NamedTuple):
    """Log probability, its first derivative and minus its second, at every eta (k, n)."""

    log_probability: FloatArray
    residual: FloatArray
    variance: FloatArray


class Best(NamedTuple):
    """Each study by itself, (k,): the eta that fits best (infinite at the ends), log probability and information there."""

    eta: FloatArray
    log_probability: FloatArray
    information: FloatArray


class Family(Protocol):
    """What the models ask of a distribution of counts."""

    @property
    def at_low(self) -> BoolArray:
        """Studies (k,) whose count is the least possible."""

    @property
    def at_high(self) -> BoolArray:
        """Studies (k,) whose count is the largest possible."""

    @property
    def start(self) -> FloatArray:
        """Finite values of eta (k,) near which each study's own lies."""

    def terms(self, eta: FloatArray) -> Terms:
        """Log probability and derivatives at eta (k, n)."""

    def best(self) -> Best:
        """The saturated model."""


@dataclass(frozen=True, eq=False)
class Binomial:
    """x events of n, with logit p = eta + offset; x, n, offset: (k,). n = 0 says nothing."""

    x: FloatArray
    n: FloatArray
    offset: FloatArray

    @property
    def at_low(self) -> BoolArray:
        """No event."""
        return np.asarray(self.x == 0)

    @property
    def at_high(self) -> BoolArray:
        """Nothing but events."""
        return np.asarray(self.x == self.n)

    @property
    def start(self) -> FloatArray:
        """The logit with half an event and half a non-event more."""
        return np.asarray(np.log((self.x + 0.5) / (self.n - self.x + 0.5)) - self.offset)

    @cached_property
    def _inner(self) -> BoolArray:
        return np.asarray((self.x > 0) & (self.x < self.n))

    @cached_property
    def _share(self) -> FloatArray:
        return np.where(self._inner, self.x / np.where(self.n > 0, self.n, 1.0), 0.5)

    @cached_property
    def _top(self) -> FloatArray:
        return best_binomial_log_probability(self.x, self.n)

    def terms(self, eta: FloatArray) -> Terms:
        """Relative to the best fit, so that nothing cancels in large studies.

        log p(eta) - log p(best) = -n g(p, d),  g(p, d) = log(1 + p (e^d - 1)) - p d,  d = eta - best,  g(p, d) = g(1-p, -d)
        """
        x, n = self.x[:, np.newaxis], self.n[:, np.newaxis]
        eta = eta + self.offset[:, np.newaxis]
        p, q = np.asarray(special.expit(eta)), np.asarray(special.expit(-eta))
        inner, share = self._inner[:, np.newaxis], self._share[:, np.newaxis]
        # The smaller of p and 1 - p: 1 + p (e^d - 1) is then never a difference of nearly equal numbers.
        rare = share <= 0.5
        part = np.where(rare, share, 1.0 - share)
        d = np.where(rare, 1.0, -1.0) * (eta - special.logit(share))
        near = np.log1p(part * np.expm1(np.minimum(d, 30.0))) - part * d
        far = (1.0 - part) * d + np.log(part + (1.0 - part) * np.exp(-np.maximum(d, 30.0)))
        g = np.where(d > 30.0, far, near)
        end = np.logaddexp(0.0, np.where(x == 0, eta, -eta))
        return Terms(self._top[:, np.newaxis] - n * np.where(inner, g, end), x * q - (n - x) * p, n * p * q)

    def best(self) -> Best:
        """eta = logit(x / n) - offset."""
        with np.errstate(divide="ignore", invalid="ignore"):
            eta = special.logit(self.x / self.n) - self.offset
            information = np.where(self.n > 0, self.x * (self.n - self.x) / self.n, 0.0)
        return Best(eta, self._top, information)


@dataclass(frozen=True, eq=False)
class Poisson:
    """x events in t units of person-time at the rate exp(eta); x, t: (k,). t = 0 says nothing."""

    x: FloatArray
    t: FloatArray

    @property
    def at_low(self) -> BoolArray:
        """No event."""
        return np.asarray(self.x == 0)

    @property
    def at_high(self) -> BoolArray:
        """There is no largest count; person-time 0 says nothing, as if at both ends."""
        return np.asarray(self.t == 0)

    @property
    def start(self) -> FloatArray:
        """The log rate with half an event more."""
        return np.asarray(np.log((self.x + 0.5) / np.where(self.t > 0, self.t, 1.0)))

    @cached_property
    def _top(self) -> FloatArray:
        return best_poisson_log_probability(self.x)

    def terms(self, eta: FloatArray) -> Terms:
        """Relative to the best fit:  log p(eta) - log p(best) = -x (e^d - 1 - d),  d = eta - log(x / t)."""
        x, t = self.x[:, np.newaxis], self.t[:, np.newaxis]
        log_t = np.log(np.where(t > 0, t, 1.0))
        log_rate = np.minimum(eta + log_t, _LARGEST_LOG_RATE)
        rate = np.where(t > 0, np.exp(log_rate), 0.0)
        d = log_rate - np.log(np.where(x > 0, x, 1.0))
        excess = np.where(x > 0, x * np.expm1(d), rate)
        return Terms(self._top[:, np.newaxis] - excess + np.where(x > 0, x * d, 0.0), -excess, rate)

    def best(self) -> Best:
        """eta = log(x / t)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            eta = np.log(self.x / self.t)
        return Best(eta, self._top, self.x.copy())


def best_binomial_log_probability(x: FloatArray, n: FloatArray) -> FloatArray:
    """Log of the binomial probability of x at p = x / n, without differences of large numbers.

        delta(n) - delta(x) - delta(n - x) - 1/2 log(2 pi x (n - x) / n),   delta: the error of Stirling's formula

    Source: Loader (2000).
    """
    inner = (x > 0) & (x < n)
    x, n = np.where(inner, x, 1.0), np.where(inner, n, 2.0)
    half_log = 0.5 * np.log(2.0 * np.pi * x * ((n - x) / n))
    return np.where(inner, stirling_error(n) - stirling_error(x) - stirling_error(n - x) - half_log, 0.0)


def best_poisson_log_probability(x: FloatArray) -> FloatArray:
    """Log of the Poisson probability of x at the mean x:  -delta(x) - 1/2 log(2 pi x). Source: Loader (2000)."""
    some = x > 0
    x = np.where(some, x, 1.0)
    return np.where(some, -stirling_error(x) - 0.5 * np.log(2.0 * np.pi * x), 0.0)


def stirling_error(x: FloatArray) -> FloatArray:
    """delta(x) = log Gamma(x + 1) - [(x + 1/2) log x - x + 1/2 log(2 pi)], x > 0; any shape."""
    small = x < _STIRLING_FROM
    low = np.where(small, x, 1.0)
    direct = special.gammaln(low + 1.0) - ((low + 0.5) * np.log(low) - low + 0.5 * np.log(2.0 * np.pi))
    high = np.where(small, _STIRLING_FROM, x)
    series = np.zeros_like(high)
    for coefficient in _STIRLING_SERIES[::-1]:
        series = series / high**2 + coefficient
    return np.where(small, direct, series / high)
