"""Between-study variance where an equation must be solved: Paule-Mandel, maximum and restricted maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.moments import Moments, QMoments, ScoreMoments, q_and_its_fall, score_moments
from metaanalysis.formulas.problems import Problems, gathered, moments_at_zero, problems, selection, those
from metaanalysis.formulas.problems import flatten as flatten
from metaanalysis.formulas.problems import take as take
from metaanalysis.formulas.solve import MAX_ITERATIONS, Solution, Status, newton_in_bracket
from metaanalysis.formulas.tau2_maxima import brackets_of_maxima, highest, traces, upper_bound
from metaanalysis.formulas.weighted import dot

# How far beyond a maximum the likelihood is looked at again, in units of tau2 and a typical variance.
SECOND_POINT = 0.25
# A proof that is computed with rounding holds with so much to spare, or not at all.
ROUNDING = 1e-6


def shaped(solution: Solution, lead: tuple[int, ...]) -> Solution:
    """The solution in the leading shape of the question."""
    return Solution(solution.x.reshape(lead), solution.status.reshape(lead), solution.iterations.reshape(lead))


def unsolvable(y: FloatArray, v: FloatArray, df: FloatArray) -> IntArray:
    """The status of problems that no iteration can help; CONVERGED for the others."""
    enough = np.where(df <= 0, int(Status.TOO_FEW_STUDIES), int(Status.CONVERGED))
    if np.isfinite(y).all() and (v > 0).all():
        return enough
    finite = np.isfinite(np.where(np.isinf(v), 0.0, y)).all(axis=-1) & (v > 0).all(axis=-1)
    return np.where(finite, enough, int(Status.NOT_FINITE))


def status_of(p: Problems) -> IntArray:
    """As `unsolvable`; where all is well, which Q and the smallest variance say for the mean, no study is looked at again."""
    if p.X is None and np.isfinite(p.at_zero.q).all() and p.v.size and p.v.min() > 0:
        if p.df.min() > 0:
            return np.full(p.df.shape, int(Status.CONVERGED), dtype=np.intp)
        return np.where(p.df <= 0, int(Status.TOO_FEW_STUDIES), int(Status.CONVERGED))
    return unsolvable(p.y, p.v, p.df)


def solve_generalised_q(
    y: FloatArray, v: FloatArray, X: FloatArray | None, target: FloatArray, given: Problems | None = None
) -> Solution:
    """The tau2 at which the generalised Q(tau2) = y'Py equals `target` (...); 0 with NO_SOLUTION where Q(0) is below it.

    Newton's method on 1/Q, which increases and is concave:  step = (Q - c) / y'PPy * Q / c.
    y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them, where it is known.
    Source: Paule & Mandel (1982) for the equation; the iteration is Newton's.
    """
    p = problems(y, v, X) if given is None else given
    c = np.broadcast_to(target, p.lead).reshape(-1)
    status = status_of(p)
    usable = status == int(Status.CONVERGED)
    x, iterations = np.where(usable, 0.0, np.nan), np.zeros(c.size, dtype=np.intp)
    status[usable & (p.at_zero.q == c)] = int(Status.AT_ZERO)
    status[usable & (p.at_zero.q < c)] = int(Status.NO_SOLUTION)
    todo = np.flatnonzero(usable & (p.at_zero.q > c))
    if todo.size:
        above, c = those(p, todo), c[todo]
        select, m = selection(above), above.at_zero

        def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
            y, v, X = select(index)
            q, fall = q_and_its_fall(y, v, tau2, X)
            wanted = c[index]
            excess = q - wanted
            return excess, excess / fall * (q / wanted)

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Newton's step from 0 never goes too far; DerSimonian and Laird's estimate is often nearer.
            fall = q_and_its_fall(above.y, above.v, 0.0, above.X)[1] if isinstance(m, QMoments) else m.yppy
            start = np.fmax((m.q - c) / fall * (m.q / c), (m.q - above.df) / m.trace_p)
        low, high = np.zeros(todo.size), np.full(todo.size, np.inf)
        found = newton_in_bracket(step, start, low, high, typical_scale(above), quadratic=True)
        x[todo], status[todo], iterations[todo] = found
    return shaped(Solution(x, status, iterations), p.lead)


def paule_mandel(y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None) -> Solution:
    """Between-study variance by Paule and Mandel: the tau2 at which Q(tau2) = k - p; 0 where Q(0) is below.

    y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them, where it is known.
    Source: Paule & Mandel (1982); with moderators DerSimonian & Kacker (2007).
    """
    p = problems(y, v, X) if given is None else given
    return at_zero_where_none(solve_generalised_q(y, v, X, p.df.reshape(p.lead), p))


def at_zero_where_none(found: Solution) -> Solution:
    """An estimate that no value from 0 upward reaches is 0."""
    return found._replace(status=np.where(found.status == int(Status.NO_SOLUTION), int(Status.AT_ZERO), found.status))


def empirical_bayes(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance by empirical Bayes, the tau2 at which

        sum w [k / (k - p) (y - X b)^2 - v - tau2] = 0,   w = 1 / (v + tau2)

    As w (v + tau2) = 1, this says Q(tau2) = k - p: the equation of Paule and Mandel.
    y, v: (..., k); X: (..., k, p) or None. Source: Morris (1983).
    """
    return paule_mandel(y, v, X, given)


def median_unbiased_paule_mandel(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance at which Q(tau2) equals the median of its distribution, chi2 with k - p degrees of freedom.

    y, v: (..., k); X: (..., k, p) or None. Source: Viechtbauer (2021).
    """
    p = problems(y, v, X) if given is None else given
    median = 2.0 * np.asarray(special.gammaincinv(np.where(p.df > 0, p.df, 1.0) / 2.0, 0.5), dtype=np.float64)
    return at_zero_where_none(solve_generalised_q(y, v, X, median.reshape(p.lead), p))


def restricted_maximum_likelihood(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance at the highest maximum of the restricted likelihood, 0 included.

    The score is proportional to y'PPy - tr P. y, v: (..., k); X: (..., k, p) or None.
    Source: Harville (1977); for meta-analysis Viechtbauer (2005).
    """
    return maximise_likelihood(y, v, X, True, given)


def maximum_likelihood(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> Solution:
    """Between-study variance at the highest maximum of the full likelihood, 0 included.

    The score is proportional to y'PPy - tr W. y, v: (..., k); X: (..., k, p) or None.
    Source: Hardy & Thompson (1996).
    """
    return maximise_likelihood(y, v, X, False, given)


def score_and_step(m: Moments | ScoreMoments, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """The score (up to a factor 1/2), A - B with A = y'PPy and B the trace, and the step to where it should be 0.

    1 / sqrt(A) and 1 / B are concave in tau2, nearly straight, and straight where all variances are equal. The step solves
    the equation of the two tangents, (1 + a d)^2 = (A/B) (1 + b d) with a = y'PPPy / A, b = -B'/B; it is NaN where they
    do not meet ahead, as where the likelihood is not concave.
    """
    trace, fall = traces(m, restricted)
    score = m.yppy - trace
    excess, slope = score / trace, m.ypppy / m.yppy
    bend = 2.0 * slope - (excess + 1.0) * (fall / trace)
    root = bend + np.sqrt(np.maximum(bend * bend + 4.0 * slope * slope * excess, 0.0))
    return score, np.where(root > 0, 2.0 * excess / root, np.nan)


def one_maximum_from(m: Moments | ScoreMoments, restricted: bool, margin: float = 1.0) -> BoolArray:
    """Whether the likelihood surely has no more than one maximum from this tau2 on: 2 B^2 > -B' Q.

    Where the score A - B is 0, y'PPPy >= A^2 / Q = B^2 / Q (Cauchy and Schwarz), so that it falls there if 2 B^2 / Q > -B'. As
    B^2 / -B' grows with tau2 and Q falls, what holds here holds from here on: the score crosses 0 downwards, and once.
    """
    trace, fall = traces(m, restricted)
    return 2.0 * trace * (trace / fall) > margin * m.q


def one_maximum_round(
    at_zero: Moments | ScoreMoments, m: Moments | ScoreMoments, tau2: FloatArray, smallest: FloatArray, restricted: bool
) -> BoolArray:
    """Whether a likelihood that rises at 0 surely has one maximum only, seen from 0 and from a tau2 close to it.

    From a little below this tau2 on by `one_maximum_from`: within a thousandth of tau2 + min v the terms change by 1 %. Before,
    the score is positive where 1/A < 1/B, and both 1/sqrt(A) and 1/B are concave: the first lies below its tangents at
    both ends, the second above its chord. The square of a straight line less another one is convex, so that it is
    negative between two points where it is.
    """
    return one_maximum_from(m, restricted, 1.01) & rises_before(at_zero, m, tau2, smallest, restricted)


def rises_before(
    at_zero: Moments | ScoreMoments, m: Moments | ScoreMoments, tau2: FloatArray, smallest: FloatArray, restricted: bool
) -> BoolArray:
    """The second half of `one_maximum_round`: whether the likelihood surely rises from 0 to a little below this tau2."""
    near = 1e-3 * (tau2 + smallest)
    a0, a1 = 1.0 / np.sqrt(at_zero.yppy), 1.0 / np.sqrt(m.yppy)
    rise0, rise1 = a0 * (at_zero.ypppy / at_zero.yppy), a1 * (m.ypppy / m.yppy)
    b0, b1 = 1.0 / traces(at_zero, restricted)[0], 1.0 / traces(m, restricted)[0]
    chord = (b1 - b0) / tau2
    before = (a1 - rise1 * near) ** 2 < b1 - chord * near
    meet = (a1 - rise1 * tau2 - a0) / (rise0 - rise1)
    met = (meet >= 0) & (meet <= tau2) & ((a0 + rise0 * meet) ** 2 < b0 + chord * meet)
    # The tangent at tau2 alone may do: it must, where both are the same.
    alone = (a1 - rise1 * tau2) ** 2 < b0
    return (near >= tau2) | (before & (met | alone))


def falls_beyond(p: Problems, m: Moments | ScoreMoments, tau2: FloatArray, restricted: bool) -> BoolArray:
    """Whether the likelihood of the mean surely falls from tau2 on, a maximum or 0, where m are its moments.

    With d the eigenvalues of the sampling variances on the contrasts, A = sum c^2/(d + tau2)^2 and B = sum 1/(d + tau2), so
    that a = A^(-1/2) and h = 1/B are power means of d + tau2: increasing and concave (with tr W alike). The likelihood falls
    where a^2 > h. Up to a second point a lies above its chord, and beyond it above a line of its least slope, that at
    infinity; h lies below its tangents. What is left is a parabola that is to be positive. It spares nine in ten scans.
    """
    carries = np.isfinite(p.v)
    deviations = np.where(carries, p.y - (p.y.sum(axis=-1) / (p.df + 1.0))[:, np.newaxis], 0.0)
    least_slope = 1.0 / np.sqrt(dot(deviations, deviations))
    trace, fall = traces(m, restricted)
    a, h = 1.0 / np.sqrt(m.yppy), 1.0 / trace
    second = tau2 + SECOND_POINT * (tau2 + (p.df + 1.0) * h)
    there = score_moments(p.y, p.v, second, p.X)
    trace_there, fall_there = traces(there, restricted)
    a_there, h_there = 1.0 / np.sqrt(there.yppy), 1.0 / trace_there
    chord = (a_there - a) / (second - tau2)
    # At a maximum the gap is 0 but for rounding; the margin also holds from a little below it on.
    gap = np.where(tau2 == 0, a * a - h, 0.0)
    margin = np.where(tau2 == 0, 1.0 + ROUNDING, 1.03)
    until = parabola_is_positive(gap, 2.0 * a * chord - margin * fall * h * h, chord)
    gap_there = a_there * a_there - (1.0 + ROUNDING) * h_there
    rise_there = 2.0 * a_there * least_slope - (1.0 + ROUNDING) * fall_there * h_there * h_there
    return until & (gap_there > 0) & parabola_is_positive(gap_there, rise_there, least_slope)


def parabola_is_positive(gap: FloatArray, rise: FloatArray, slope: FloatArray) -> BoolArray:
    """Whether gap + rise x + (slope x)^2 > 0 for all x > 0, where gap >= 0; with room for rounding."""
    return (rise > 0) | (rise * rise < (1.0 - ROUNDING) * 4.0 * slope * slope * gap)


def maximise_likelihood(
    y: FloatArray, v: FloatArray, X: FloatArray | None, restricted: bool, given: Problems | None = None
) -> Solution:
    """The highest maximum of the likelihood, 0 included: climbed to from 0 where there surely is one only, else scanned for.

    y, v: (..., k); X: (..., k, p) or None; given: what `problems` makes of them, where it is known.
    """
    p = problems(y, v, X) if given is None else given
    status = status_of(p)
    x, iterations = np.full(status.size, np.nan), np.zeros(status.size, dtype=np.intp)
    usable = np.flatnonzero(status == int(Status.CONVERGED))
    if usable.size:
        some = those(p, usable)
        found, sure = only_maximum(some, restricted)
        x[usable], status[usable], iterations[usable] = found
        doubtful = np.flatnonzero(~sure)
        if doubtful.size:
            at = usable[doubtful]
            x[at], status[at], iterations[at] = highest_of_all_maxima(those(some, doubtful), restricted)
    return shaped(Solution(x, status, iterations), p.lead)


def only_maximum(p: Problems, restricted: bool, most: int = MAX_ITERATIONS) -> tuple[Solution, BoolArray]:
    """The maximum that is climbed to from tau2 = 0, and whether it surely is the only one; most: iterations of the climb."""
    n = p.df.size
    p = p._replace(at_zero=moments_at_zero(p))
    x, status, iterations = np.zeros(n), np.full(n, int(Status.AT_ZERO)), np.zeros(n, dtype=np.intp)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sure = one_maximum_from(moments_at_zero(p), restricted)
        rises = np.flatnonzero(moments_at_zero(p).yppy > traces(moments_at_zero(p), restricted)[0])
    if rises.size:
        climb = those(p, rises)
        found, last, tau2 = climbed(climb, restricted, most)
        certain = sure[rises]
        if not certain.all():
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                certain |= one_maximum_round(moments_at_zero(climb), last, tau2, least_variance(climb), restricted)
        sure[rises] = certain & (found.status == int(Status.CONVERGED))
        x[rises], status[rises], iterations[rises] = found
    doubtful = np.flatnonzero(~sure & (status != int(Status.NOT_CONVERGED)))
    if doubtful.size and p.X is None:
        some, found_x = those(p, doubtful), x[doubtful]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            m = score_moments(some.y, some.v, found_x, None)
            beyond = falls_beyond(some, m, found_x, restricted)
            before = rises_before(moments_at_zero(some), m, found_x, least_variance(some), restricted)
        sure[doubtful] = beyond & ((found_x == 0) | before)
    return Solution(x, status, iterations), sure


def climbed(p: Problems, restricted: bool, most: int) -> tuple[Solution, Moments | ScoreMoments, FloatArray]:
    """A maximum of likelihoods that rise at 0; and, for the proof that it is the only one, the moments at the last tau2.

    Each step goes by what is known at two values of tau2, first at 0 and at DerSimonian and Laird's estimate.
    """
    at_zero, select = moments_at_zero(p), selection(p)
    seen: list[tuple[IntArray, FloatArray, Moments | ScoreMoments]] = []
    known = np.arange(p.df.size)

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        before = Tangent(np.zeros(p.df.size), *ratio_and_rise(at_zero, restricted))
        by_moments = (at_zero.q - p.df) / at_zero.trace_p
        high = upper_bound(p.y, p.v, p.X)
        start = np.where((by_moments > 0) & (by_moments < high), by_moments, 0.5 * high)

    def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        nonlocal before, known
        y, v, X = select(index)
        m = score_moments(y, v, tau2, X)
        seen.append((index, tau2, m))
        if index.size < known.size:
            before, known = Tangent(*(values[np.searchsorted(known, index)] for values in before)), index
        here = Tangent(tau2, *ratio_and_rise(m, restricted))
        proposal, good = step_by_two_tangents(before, here)
        astray = np.flatnonzero(~good)
        if astray.size:
            proposal[astray] = score_and_step(moments_of(m, astray), restricted)[1]
        before = here
        return m.yppy - traces(m, restricted)[0], proposal

    found = newton_in_bracket(step, start, np.zeros(p.df.size), high, typical_scale(p), quadratic=True, most=most)
    return found, *last_seen(seen, p.df.size)


class Tangent(NamedTuple):
    """A function's value at a tau2, and how far tau2 goes for each unit that the function rises; (n,) each."""

    tau2: FloatArray
    value: FloatArray
    per_rise: FloatArray


def ratio_and_rise(m: Moments | ScoreMoments, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """Sqrt(B/A) - 1, which is 0 where the score A - B is 0 and nearly straight in tau2; and 1 / slope. See `score_and_step`."""
    trace, fall = traces(m, restricted)
    ratio = np.sqrt(trace / m.yppy)
    return ratio - 1.0, 1.0 / (ratio * (m.ypppy / m.yppy - 0.5 * (fall / trace)))


def step_by_two_tangents(before: Tangent, here: Tangent) -> tuple[FloatArray, BoolArray]:
    """The step from `here` to where a function g is 0: tau2 as the cubic in g through both values and slopes (Hermite).

    With r = 1/g' and c the chord's, u = g / (g - g_before),

        step = g (u [r - c - (u - 1) (r + r_before - 2 c)] - r)

    All (n,), steps in units of tau2. And whether it may be taken: it is within a factor of four of Newton's step, -g r, by the
    tangent here alone, and the function rises. Source: Traub (1964), inverse interpolation with derivatives.
    """
    g, r = here.value, here.per_rise
    rise = g - before.value
    chord = (here.tau2 - before.tau2) / rise
    u = g / rise
    over_here = r - chord
    bend = u * (over_here - (u - 1.0) * (over_here + (before.per_rise - chord)))
    # (Both are false where r is not positive.)
    return g * (bend - r), (bend > -3.0 * r) & (bend < 0.75 * r)


def moments_of(m: Moments | ScoreMoments, index: IntArray) -> Moments | ScoreMoments:
    """Of some of the problems."""
    return m if index.size == m.q.size else type(m)(*(values[index] for values in m))


def least_variance(p: Problems) -> FloatArray:
    """The smallest variance of each problem. Returns (n,)."""
    return np.asarray(p.v.min(axis=-1))


def last_seen(
    seen: list[tuple[IntArray, FloatArray, Moments | ScoreMoments]], n: int
) -> tuple[Moments | ScoreMoments, FloatArray]:
    """Of each of n problems the moments at the last tau2, and that tau2."""
    whole = max(number for number, (index, _, _) in enumerate(seen) if index.size == n)
    _, at, last = seen[whole]
    for index, tau2, m in seen[whole + 1 :]:
        at[index] = tau2
        for values, part in zip(last, m, strict=True):
            values[index] = part
    return last, at


def typical_scale(p: Problems) -> FloatArray:
    """The harmonic mean of the sampling variances, beside which a step of tau2 is small or not. Returns (n,)."""
    return (p.df + (1 if p.X is None else p.X.shape[-1])) / p.at_zero.trace_w


def highest_of_all_maxima(p: Problems, restricted: bool) -> Solution:
    """Bracket every local maximum, refine each by bracketed Newton steps, keep the highest (0 among them)."""
    bracket, at_zero = brackets_of_maxima(p, restricted)
    which = bracket.which
    select = selection(gathered(p, which))

    def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        y, v, X = select(index)
        return score_and_step(score_moments(y, v, tau2, X), restricted)

    scale = typical_scale(p)[which]
    found = newton_in_bracket(step, bracket.start, bracket.low, bracket.high, scale, quadratic=True)

    def height(tau2: FloatArray, problem: IntArray) -> FloatArray:
        return log_likelihood(p.y[problem], p.v[problem], tau2, take(p.X, problem), restricted)

    return highest(at_zero, which, found, height, p.df.size)
