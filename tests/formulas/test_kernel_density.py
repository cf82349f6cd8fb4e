"""The Gaussian kernel density against SciPy's direct sum, its bandwidth against R's, and what bounds do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from metaanalysis.formulas.kernel_density import kernel_density, silverman_bandwidth

X = np.array([0.1, 0.5, 0.55, 0.7, 1.9, 2.3, 4.4])


def direct(x: np.ndarray, at: np.ndarray, h: float) -> np.ndarray:
    return stats.norm.pdf((at[:, np.newaxis] - x) / h).mean(axis=1) / h


def test_bandwidth() -> None:
    # R 4.2: bw.nrd0(c(0.1, 0.5, 0.55, 0.7, 1.9, 2.3, 4.4))
    assert silverman_bandwidth(X) == pytest.approx(0.716801096824762, rel=1e-12)
    # Where the quartiles are equal, the standard deviation alone.
    some = np.array([0.0] * 9 + [1.0, 5.0])
    assert silverman_bandwidth(some) == pytest.approx(0.9 * np.std(some, ddof=1) * 11**-0.2, rel=1e-12)
    assert math.isnan(silverman_bandwidth(np.array([2.0])))
    assert math.isnan(silverman_bandwidth(np.full(5, 2.0)))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_density(scale: float) -> None:
    rng = np.random.default_rng(1)
    for x in (
        X * scale,
        rng.exponential(scale, 500),
        np.append(rng.normal(0, scale, 300), rng.normal(9, 0.1, 300) * scale),
    ):
        h = silverman_bandwidth(x)
        at = np.linspace(x.min() - 9 * h, x.max() + 9 * h, 301)
        expected = direct(x, at, h)
        assert_allclose(kernel_density(x, at, h), expected, rtol=0, atol=2e-5 * expected.max())


def test_reflection_keeps_everything_within_the_bounds() -> None:
    x = np.append(np.zeros(40), np.linspace(0, 100, 200))
    h = silverman_bandwidth(x)
    at = np.linspace(0, 100, 4001)
    found = kernel_density(x, at, h, (0.0, 100.0))
    expected = direct(x, at, h) + direct(-x, at, h) + direct(200 - x, at, h)
    assert_allclose(found, expected, rtol=0, atol=2e-5 * expected.max())
    assert integrate.simpson(found, x=at) == pytest.approx(1.0, abs=1e-5)
    assert_allclose(kernel_density(x, np.array([-1.0, 101.0]), h, (0.0, 100.0)), 0.0)
