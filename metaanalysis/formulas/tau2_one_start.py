"""Maximum and restricted maximum likelihood from one start: quicker than a search for all maxima, and blind to a second one."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.problems import Problems, problems, those
from metaanalysis.formulas.solve import MAX_ITERATIONS, Solution, Status
from metaanalysis.formulas.tau2_iterative import only_maximum, shaped, status_of


def maximum_and_proof(
    y: FloatArray,
    v: FloatArray,
    X: FloatArray | None,
    restricted: bool,
    given: Problems | None = None,
    most: int = MAX_ITERATIONS,
) -> tuple[Solution, BoolArray]:
    """The maximum of the likelihood that is climbed to from tau2 = 0, and whether it is proven to be the only one.

    Problems without a solution count as proven. y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them,
    where it is known. Source: as `tau2_iterative.maximise_likelihood`, which looks for all maxima where there is no proof.
    """
    p = problems(y, v, X) if given is None else given
    status = status_of(p)
    x, iterations = np.full(status.size, np.nan), np.zeros(status.size, dtype=np.intp)
    proven = np.ones(status.size, dtype=np.bool_)
    usable = np.flatnonzero(status == int(Status.CONVERGED))
    if usable.size:
        found, proven[usable] = only_maximum(those(p, usable), restricted, most)
        x[usable], status[usable], iterations[usable] = found
    return shaped(Solution(x, status, iterations), p.lead), proven.reshape(p.lead)


def maximum_from_one_start(
    y: FloatArray, v: FloatArray, X: FloatArray | None, restricted: bool, given: Problems | None = None
) -> Solution:
    """The maximum of the likelihood that is climbed to from tau2 = 0; 0 where the likelihood falls from there.

    Where the likelihood has one maximum, it is that; else any of them. y, v: (..., k); X: (..., k, p) or None; given: what
    `problems` makes of them, where it is known. Source: as `tau2_iterative.maximise_likelihood`.
    """
    return maximum_and_proof(y, v, X, restricted, given)[0]


def restricted_maximum_likelihood_from_one_start(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance at a maximum of the restricted likelihood. y, v: (..., k); X: (..., k, p) or None."""
    return maximum_from_one_start(y, v, X, True, given)


def maximum_likelihood_from_one_start(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance at a maximum of the full likelihood. y, v: (..., k); X: (..., k, p) or None."""
    return maximum_from_one_start(y, v, X, False, given)


# By the names of the estimators that they stand in for.
FROM_ONE_START = {
    "REML": restricted_maximum_likelihood_from_one_start,
    "ML": maximum_likelihood_from_one_start,
}
