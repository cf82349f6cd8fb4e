"""What could have come about by chance alone? The arrangements of a permutation test, and its p-values."""

from __future__ import annotations

import math

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray

# Statistics that differ by less than this share of the observed one are the same but for rounding.
TIE_TOLERANCE = 1e-8


def distinct_rows(X: FloatArray) -> IntArray:
    """Which rows of a design are the same: a code from 0 upward for each study. X: (k, p). Returns (k,)."""
    return np.asarray(np.unique(X, axis=0, return_inverse=True)[1]).reshape(-1)


def arrangement_count(codes: IntArray) -> int:
    """How many distinct orders the codes (k,) have: k! / (n_1! n_2! ...)."""
    count = math.factorial(codes.size)
    for size in np.bincount(codes).tolist():
        count //= math.factorial(size)
    return count


def arrangements(codes: IntArray, first: int, last: int) -> IntArray:
    """The distinct orders number first to last - 1 of the codes, in lexical order; returns (last - first, k).

    Of the orders that remain, a share n_c / r begins with code c, of which n_c are left among r: so each number spells its
    order, code by code.
    """
    left = np.tile(np.bincount(codes), (last - first, 1)).astype(np.int64)
    rank = np.arange(first, last, dtype=np.int64)
    total = np.full(rank.size, arrangement_count(codes), dtype=np.int64)
    everyone = np.arange(rank.size)
    out = np.empty((rank.size, codes.size), dtype=np.intp)
    for position in range(codes.size):
        remaining = codes.size - position
        starting = total[:, np.newaxis] * left // remaining
        upto = np.cumsum(starting, axis=1)
        chosen = (upto <= rank[:, np.newaxis]).sum(axis=1)
        out[:, position] = chosen
        rank -= upto[everyone, chosen] - starting[everyone, chosen]
        total = starting[everyone, chosen]
        left[everyone, chosen] -= 1
    return out


def rows_for(codes: IntArray, order: IntArray) -> IntArray:
    """Rows of the design that bear the codes in `order` (n, k): any one of those that are the same."""
    return np.unique(codes, return_index=True)[1][order]


def sign_patterns(k: int, first: int, last: int) -> FloatArray:
    """The patterns of k signs number first to last - 1 of 2^k, the first being all +; returns (last - first, k)."""
    bits = (np.arange(first, last, dtype=np.int64)[:, np.newaxis] >> np.arange(k)) & 1
    return np.where(bits == 1, -1.0, 1.0)


def as_extreme(statistics: FloatArray, observed: FloatArray, alternative: str) -> BoolArray:
    """Whether statistics (n, ...) are as far from 0 as the observed (...), in the direction of the alternative."""
    slack = TIE_TOLERANCE * np.abs(observed)
    with np.errstate(invalid="ignore"):
        if alternative == "less":
            return np.asarray(statistics <= observed + slack)
        if alternative == "greater":
            return np.asarray(statistics >= observed - slack)
        return np.asarray(np.abs(statistics) >= np.abs(observed) - slack)
