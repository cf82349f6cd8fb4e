"""How far the study lists of reviews overlap: covered areas of a citation matrix."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray


def share(numerator: IntArray, denominator: IntArray) -> FloatArray:
    """Numerator over denominator; NaN where the denominator is 0."""
    out = np.full(np.shape(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator > 0))


def covered_area(cited: BoolArray) -> FloatArray:
    """The share of cells that are filled.

        CA = N / (r c),   N = number of citations

    cited: (r, c), a row a study, a column a review. Returns ().
    Source: Pieper et al. (2014).
    """
    return share(np.asarray(cited.sum()), np.asarray(cited.size))


def corrected_covered_area(cited: BoolArray, missing: BoolArray) -> FloatArray:
    """The share of the cells beyond each study's first citation that are filled.

        CCA = (N - r) / (r c - r - X),   X = number of structurally missing cells

    cited: (r, c), each row with a citation; missing: (r, c), cells that could not have been filled, none of them filled.
    Returns (), NaN where no study could have been cited twice.
    Source: Pieper et al. (2014); with X Pérez-Bracchiglione et al. (2022).
    """
    r = cited.shape[0]
    return share(np.asarray(cited.sum() - r), np.asarray(cited.size - r - missing.sum()))


def shared_studies(cited: BoolArray) -> IntArray:
    """How many studies two reviews share.

        S = C'C

    cited: (r, c). Returns (c, c), its diagonal the number of studies of each review.
    """
    # A product of floats is exact far beyond any number of studies, and much faster than one of integers.
    counts = cited.astype(np.float64)
    return np.asarray(counts.T @ counts, dtype=np.intp)


def structurally_missing_between(cited: BoolArray, missing: BoolArray) -> IntArray:
    """How many cells of two reviews' own citation matrix are structurally missing.

        X = M'C + C'M

    cited, missing: (r, c), no cell in both. Returns (c, c). A study of the pair that one of them could not cite is cited by
    the other.
    """
    product = missing.astype(np.float64).T @ cited.astype(np.float64)
    return np.asarray(product + product.T, dtype=np.intp)


def pairwise_corrected_covered_area(cited: BoolArray, missing: BoolArray) -> FloatArray:
    """The corrected covered area of every two reviews, from the studies that either cites.

        CCA_ij = S_ij / (U_ij - X_ij),   U_ij = S_ii + S_jj - S_ij

    cited, missing: (r, c), no cell in both. Returns (c, c), NaN where the denominator is 0: without missing cells, the
    studies that both cite among those that either cites.
    Source: Pieper et al. (2014) with c = 2; with X Pérez-Bracchiglione et al. (2022).
    """
    shared = shared_studies(cited)
    own = np.diagonal(shared)
    either = own[:, np.newaxis] + own - shared
    return share(shared, either - structurally_missing_between(cited, missing))
