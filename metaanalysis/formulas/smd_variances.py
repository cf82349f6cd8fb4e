"""The variances of a standardized mean difference on which programs and papers differ."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.correlation import size_weighted_average


class Standardized(NamedTuple):
    """What the variance of a standardized mean difference is made of; arrays that broadcast.

    d: not corrected; g = J d: corrected; J_less_one: J - 1; n1, n2: sizes of the groups; n: people and m: degrees of
    freedom behind the standard deviation (n1 + n2 and n1 + n2 - 2 where it is pooled).
    """

    d: FloatArray
    g: FloatArray
    J_less_one: FloatArray
    n1: FloatArray
    n2: FloatArray
    n: FloatArray
    m: FloatArray


def large_sample_variance(s: Standardized) -> FloatArray:
    """Usual large-sample variance of a standardized mean difference ("LS").

        v = 1/n1 + 1/n2 + g²/(2n),   g = J d

    Returns the parts' broadcast shape. Source: Hedges (1982).
    """
    return np.asarray(1.0 / s.n1 + 1.0 / s.n2 + s.g * s.g / (2.0 * s.n))


def large_sample_variance_of_scaled(s: Standardized) -> FloatArray:
    """Large-sample variance of d, times J² ("LS2").

        v = J² [1/n1 + 1/n2 + d²/(2n)]

    Returns the parts' broadcast shape. Source: Borenstein (2009).
    """
    return np.asarray(np.square(1.0 + s.J_less_one) * (1.0 / s.n1 + 1.0 / s.n2 + s.d * s.d / (2.0 * s.n)))


def unbiased_variance(s: Standardized) -> FloatArray:
    """Unbiased estimate of the variance of g ("UB"; also the R package meta's).

        v = 1/n1 + 1/n2 + [1 - (m - 2)/(m J²)] g²

    Returns the parts' broadcast shape. Source: Hedges (1983).
    """
    # As g = J d, the last term is (J² - 1 + 2/m) d², in which J² - 1 = (J - 1)(2 + J - 1).
    return np.asarray(1.0 / s.n1 + 1.0 / s.n2 + (s.J_less_one * (2.0 + s.J_less_one) + 2.0 / s.m) * (s.d * s.d))


def average_variance(s: Standardized) -> FloatArray:
    """Large-sample variance at the average g of the studies, weighted by their sizes ("AV").

        v = 1/n1 + 1/n2 + ḡ²/(2n),   ḡ = Σ N g / Σ N

    The average runs over the last axis. Returns the parts' broadcast shape.
    """
    average = size_weighted_average(s.g, s.n1 + s.n2)
    return np.asarray(1.0 / s.n1 + 1.0 / s.n2 + np.square(average) / (2.0 * s.n))


def null_variance(s: Standardized) -> FloatArray:
    """Large-sample variance where the true difference is zero ("H0").

        v = 1/n1 + 1/n2

    Returns the parts' broadcast shape.
    """
    return np.asarray(1.0 / s.n1 + 1.0 / s.n2)


def revman_variance(s: Standardized) -> FloatArray:
    """Review Manager's variance ("revman"); Stata's adjusted one.

        v = 1/n1 + 1/n2 + g²/[2 (n - 3.94)]

    Returns the parts' broadcast shape. Source: Deeks & Higgins (2010), statistical algorithms in Review Manager 5.
    """
    return np.asarray(1.0 / s.n1 + 1.0 / s.n2 + s.g * s.g / (2.0 * (s.n - 3.94)))


SMDVarianceFunction = Callable[[Standardized], FloatArray]

SMD_VARIANCES: MappingProxyType[str, SMDVarianceFunction] = MappingProxyType(
    {
        "LS": large_sample_variance,
        "LS2": large_sample_variance_of_scaled,
        "UB": unbiased_variance,
        "AV": average_variance,
        "H0": null_variance,
        "meta": unbiased_variance,
        "revman": revman_variance,
    }
)
