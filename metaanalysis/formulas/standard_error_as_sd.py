"""Is a standard deviation out of line with its fellow studies, and in line once it is taken for a standard error?

A paper prints mean and standard error, and someone types the standard error as a standard deviation: sqrt(n) times too small,
and the standardised mean difference sqrt(n) times too large.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray

# From so many studies on, the fellows' own middle and spread are used.
FEWEST_FELLOWS = 4
# A study is told where its numbers are so much likelier as standard errors.
ODDS = 1000.0
# How much studies of one outcome differ in the log of their standard deviations and in standardised mean differences: the
# least that is taken for their spread, as few studies can agree by chance. About what the median Cochrane analysis has.
SPREAD_OF_LOG_SD = 0.3
SPREAD_OF_SMD = 0.35
# With fewer fellows: standardised mean differences are about 0, give or take this.
SPREAD_OF_SMD_ALONE = 0.5
_NORMAL_MAD = 1.4826
_T_DF = 3.0


class Suspicion(NamedTuple):
    """The log odds, and what they were weighed by: pooled standard deviation and standardised mean difference, both ways."""

    log_odds: FloatArray
    sd: FloatArray
    smd: FloatArray
    sd_if_error: FloatArray
    smd_if_error: FloatArray


def suspicion(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> Suspicion:
    """How much better the numbers of each study fit its fellows as standard errors than as standard deviations.

        log odds = sum over x of log t3((x' - m) / s) - log t3((x - m) / s)

    over x = log of the pooled SD and x = the standardised mean difference, x' the same with each SD times sqrt(n); m and s the
    median and 1.4826 times the median absolute deviation of the studies' x, s not below a floor. t with 3 degrees of freedom has
    tails that let studies differ. Fewer than four studies: the standardised mean difference alone, with m = 0.
    All (k,), studies of one outcome, standard deviations > 0 and n > 1. Returns (k,) each. The rule is this library's own.
    """
    sd = _pooled(sd1, n1, sd2, n2)
    sd_if_error = _pooled(sd1 * np.sqrt(n1), n1, sd2 * np.sqrt(n2), n2)
    smd, smd_if_error = (mean1 - mean2) / sd, (mean1 - mean2) / sd_if_error
    if sd.size < FEWEST_FELLOWS:
        odds = _log_t(smd_if_error / SPREAD_OF_SMD_ALONE) - _log_t(smd / SPREAD_OF_SMD_ALONE)
    else:
        odds = _gained(np.log(sd), np.log(sd_if_error), SPREAD_OF_LOG_SD) + _gained(smd, smd_if_error, SPREAD_OF_SMD)
    return Suspicion(odds, sd, smd, sd_if_error, smd_if_error)


def _gained(x: FloatArray, x_if_error: FloatArray, least_spread: float) -> FloatArray:
    middle = np.median(x)
    spread = max(_NORMAL_MAD * float(np.median(np.abs(x - middle))), least_spread)
    return _log_t((x_if_error - middle) / spread) - _log_t((x - middle) / spread)


def _log_t(x: FloatArray) -> FloatArray:
    """The log density of t with 3 degrees of freedom, but for a constant."""
    return np.asarray(-0.5 * (_T_DF + 1.0) * np.log1p(np.square(x) / _T_DF))


def _pooled(sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(((n1 - 1.0) * sd1**2 + (n2 - 1.0) * sd2**2) / (n1 + n2 - 2.0)))
