"""Fused kernels of the numba engine: from groups laid end to end to the few sums that tests and intervals are made of.

Groups of equal k lie side by side in lanes, study i of lane l at i * stride + l, the most precise study first and effects
counted from its own: what formulas/ does along the studies is done here along the lanes, so that the compiler uses the
processor's vector instructions without reordering a sum. Lanes that have converged are left behind.
All is in one file, because numba's cache looks at the file of the function that is called, not at those that it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.solve import RELATIVE_TOLERANCE, Status
from metaanalysis.formulas.tau2_maxima import (
    HALVINGS,
    SCAN_POINTS_AT_LEAST,
    SCAN_POINTS_AT_MOST,
    SCAN_POINTS_PER_DECADE,
)

Function = TypeVar("Function", bound=Callable[..., Any])


# Constants of formulas/ are part of the machine code: after a change there, change this file too, or remove its __pycache__.
jit: Any = numba.njit


def compiled(function: Function) -> Function:
    """Compile when first called from compiled code; division by 0 gives inf or NaN, as in NumPy."""
    made: Function = jit(
        cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(function)  # fmt: skip
    return made


def compiled_door(function: Function) -> Function:
    """The same for a function that Python calls, in threads that run free."""
    made: Function = jit(cache=True, nogil=True, error_model="numpy")(function)
    return made


# What to estimate: codes, since a kernel takes no strings.
COMMON, DERSIMONIAN_LAIRD, GENERALISED_Q, MAXIMUM_LIKELIHOOD, RESTRICTED_LIKELIHOOD = range(5)

# Rows of the answer, each (groups,).
K, Q, TRACE_P, TAU2, ESTIMATE, TOTAL_WEIGHT, RESIDUAL, SPREAD, INFORMATION, SQUARES = range(10)
ANSWERS = 10

# Lanes at most, and elements at most of a block of them, so that it stays in the fastest cache.
# (136 and not 128: rows that are a power of two apart compete for the same places in the cache.)
LANES = 136
BLOCK = 2_400

# Sums of a lane, in rows of LANES.
TOTAL, SHIFT, SUM_Q, YPPY, YPPPY, CROSS, REST, W2, W3, W4, TRACE, TRACE2 = (LANES * row for row in range(12))
SUMS = 12 * LANES

# What is known of each lane of a block, in rows of LANES.
(
    BASE,
    COUNT,
    GROUP,
    FOUND,
    STEPS,
    DOUBTFUL,
    TARGET,
    SCORE_TRACE,
    SLOPE_FAR,
    ROOT,
    ROOT_AT,
    ROOT_A,
    ROOT_H,
    ROOT_SLOPE,
) = (LANES * row for row in range(14))
STATE = 14 * LANES

# What is known of each lane that still climbs, in rows of LANES; WHO is its lane in the block.
AT, LOW, HIGH, LAST, WHO, PHASE, GOAL, NEXT, ENDED = (LANES * row for row in range(9))
CLIMBING = 9 * LANES

# Phases of a lane that climbs: the maximum is then to be shown to be the only one, or not; it is being shown.
CLIMB_AND_CERTIFY, CLIMB_ONLY, CERTIFY = 0.0, 1.0, 2.0

CONVERGED, AT_ZERO = int(Status.CONVERGED), int(Status.AT_ZERO)
TOO_FEW_STUDIES, NOT_CONVERGED = int(Status.TOO_FEW_STUDIES), int(Status.NOT_CONVERGED)
NOT_FINITE = int(Status.NOT_FINITE)

# Steps of all lanes together before those that are left are searched one by one.
STEPS_AT_MOST = 120
# From here on every other step halves the bracket: where two maxima nearly meet, Newton's steps creep.
PATIENCE = 12
# The error after a Newton step, foretold from the two last ones, at which it is the last.
FORETOLD = 1e-15
# A certificate holds with room to spare, or not at all: it is computed with rounding.
MARGIN = 1e-6
# How far beyond a maximum the likelihood is looked at, in units of tau2 and a typical variance.
BEYOND = 0.25


@compiled
def load(
    y: FloatArray, v: FloatArray, start: IntArray, k: int, stride: int, m: int,
    effects: FloatArray, variances: FloatArray, sums: FloatArray, state: FloatArray,
) -> None:  # fmt: skip
    """Put m groups into lanes, the most precise study of each first, and effects relative to its own."""
    # Four groups at a time: what they write lies side by side.
    whole = m - m % 4
    for lane in range(0, whole, 4):
        a, b, c, d = start[lane], start[lane + 1], start[lane + 2], start[lane + 3]
        va, vb, vc, vd = v[a : a + k], v[b : b + k], v[c : c + k], v[d : d + k]
        ya, yb, yc, yd = y[a : a + k], y[b : b + k], y[c : c + k], y[d : d + k]
        for i in range(k):
            s = variances[i * stride + lane : i * stride + lane + 4]
            e = effects[i * stride + lane : i * stride + lane + 4]
            s[0], s[1], s[2], s[3] = va[i], vb[i], vc[i], vd[i]
            e[0], e[1], e[2], e[3] = ya[i], yb[i], yc[i], yd[i]
    for lane in range(whole, m):
        for i in range(k):
            variances[i * stride + lane] = v[start[lane] + i]
            effects[i * stride + lane] = y[start[lane] + i]
    low = sums[TOTAL : TOTAL + m]
    at = sums[SHIFT : SHIFT + m]
    all_of = sums[REST : REST + m]
    s = variances[:m]
    for lane in range(m):
        low[lane] = s[lane]
        all_of[lane] = s[lane]
        at[lane] = 0.0
    for i in range(1, k):
        s = variances[i * stride : i * stride + m]
        here = float(i)
        for lane in range(m):
            x, lowest, where = s[lane], sums[TOTAL + lane], sums[SHIFT + lane]
            sums[SHIFT + lane] = here if x < lowest else where
            sums[TOTAL + lane] = x if x < lowest else lowest
            sums[REST + lane] += x
    for lane in range(m):
        place = int(sums[SHIFT + lane]) * stride + lane
        base = effects[place]
        effects[place] = effects[lane]
        effects[lane] = base
        variances[place] = variances[lane]
        variances[lane] = sums[TOTAL + lane]
        state[BASE + lane] = base
        state[COUNT + lane] = float(k)
        if sums[REST + lane] == np.inf:
            left_out(k, stride, lane, effects, variances, state)
    base_of = state[BASE : BASE + m]
    for i in range(k):
        e = effects[i * stride : i * stride + m]
        for lane in range(m):
            e[lane] -= base_of[lane]


@compiled
def left_out(k: int, stride: int, lane: int, effects: FloatArray, variances: FloatArray, state: FloatArray) -> None:
    """Studies of infinite variance are not counted, and their effects, whatever they are, not looked at."""
    for i in range(k):
        if variances[i * stride + lane] == np.inf:
            effects[i * stride + lane] = state[BASE + lane]
            state[COUNT + lane] -= 1.0


@compiled
def weigh(
    k: int, stride: int, m: int, tau2: FloatArray, effects: FloatArray, variances: FloatArray, weights: FloatArray,
    sums: FloatArray,
) -> None:  # fmt: skip
    """The weights 1 / (v + tau2), their sum and the weighted mean of the effects; tau2: (lanes,)."""
    for lane in range(m):
        sums[TOTAL + lane] = 0.0
        sums[SHIFT + lane] = 0.0
    for i in range(k):
        w = weights[i * stride : i * stride + m]
        s = variances[i * stride : i * stride + m]
        e = effects[i * stride : i * stride + m]
        for lane in range(m):
            w[lane] = 1.0 / (s[lane] + tau2[lane])
        for lane in range(m):
            sums[TOTAL + lane] += w[lane]
            sums[SHIFT + lane] += w[lane] * e[lane]
    for lane in range(m):
        sums[SHIFT + lane] /= sums[TOTAL + lane]


@compiled
def q_and_slope(k: int, stride: int, m: int, effects: FloatArray, weights: FloatArray, sums: FloatArray) -> None:
    """Q = y'Py and y'PPy, and the sums of the weights and of their squares without the anchor's."""
    for lane in range(m):
        w, r = weights[lane], effects[lane] - sums[SHIFT + lane]
        sums[SUM_Q + lane] = w * r * r
        sums[YPPY + lane] = w * r * w * r
        sums[REST + lane] = 0.0
        sums[W2 + lane] = 0.0
    for i in range(1, k):
        ws = weights[i * stride : i * stride + m]
        es = effects[i * stride : i * stride + m]
        for lane in range(m):
            w, r = ws[lane], es[lane] - sums[SHIFT + lane]
            u = w * r
            sums[SUM_Q + lane] += u * r
            sums[YPPY + lane] += u * u
            sums[REST + lane] += w
            sums[W2 + lane] += w * w


@compiled
def trace_p(weights: FloatArray, sums: FloatArray, lane: int) -> float:
    """Tr P of the mean; see `formulas.moments.moments_of_mean`, here and below."""
    over = 1.0 / sums[TOTAL + lane]
    return float(weights[lane] * sums[REST + lane] * over + sums[REST + lane] - sums[W2 + lane] * over)


@compiled
def trace_pp(weights: FloatArray, sums: FloatArray, lane: int) -> float:
    """Tr PP of the mean."""
    first, over, rest2, rest4 = weights[lane], 1.0 / sums[TOTAL + lane], sums[W2 + lane], sums[W4 + lane]
    anchor = first * sums[REST + lane] * over
    diagonal2 = anchor * anchor + rest2 + over * (over * rest4 - 2.0 * sums[W3 + lane])
    return float(diagonal2 + (2.0 * first * first * rest2 + max(rest2 * rest2 - rest4, 0.0)) * over * over)


@compiled
def all_moments(
    k: int, stride: int, m: int, restricted: bool, effects: FloatArray, weights: FloatArray, sums: FloatArray
) -> None:
    """What the likelihood's score and Newton's step need: y'PPy, y'PPPy and the traces of P and PP, or of W and WW."""
    for lane in range(m):
        w, r = weights[lane], effects[lane] - sums[SHIFT + lane]
        u = w * r
        sums[SUM_Q + lane] = u * r
        sums[YPPY + lane] = u * u
        sums[YPPPY + lane] = w * u * u
        sums[CROSS + lane] = w * u
        sums[REST + lane] = 0.0
        sums[W2 + lane] = 0.0
        sums[W3 + lane] = 0.0
        sums[W4 + lane] = 0.0
    for i in range(1, k):
        ws = weights[i * stride : i * stride + m]
        es = effects[i * stride : i * stride + m]
        for lane in range(m):
            w, r = ws[lane], es[lane] - sums[SHIFT + lane]
            u, w2 = w * r, w * w
            uu = u * u
            sums[SUM_Q + lane] += u * r
            sums[YPPY + lane] += uu
            sums[YPPPY + lane] += w * uu
            sums[CROSS + lane] += w * u
            sums[REST + lane] += w
            sums[W2 + lane] += w2
            sums[W3 + lane] += w * w2
            sums[W4 + lane] += w2 * w2
    for lane in range(m):
        first = weights[lane]
        # This difference may cancel; it sets the length of a step and never a solution, and CROSS remembers its size.
        cross, whole = sums[CROSS + lane], sums[YPPPY + lane]
        sums[YPPPY + lane] = whole - cross * cross / sums[TOTAL + lane]
        sums[CROSS + lane] = whole
        sums[TRACE + lane] = trace_p(weights, sums, lane) if restricted else sums[TOTAL + lane]
        sums[TRACE2 + lane] = trace_pp(weights, sums, lane) if restricted else first * first + sums[W2 + lane]


@compiled
def one_maximum(q: float, sums: FloatArray, lane: int) -> bool:
    """As `formulas.tau2_iterative.one_maximum_from`, at tau2 = 0: the cheapest proof, and most groups need no other."""
    return bool(2.0 * sums[TRACE + lane] * sums[TRACE + lane] > (1.0 + MARGIN) * sums[TRACE2 + lane] * q)


@compiled
def only_beyond(gap: float, rise: float, slope: float) -> bool:
    """Whether gap + rise x + (slope x)^2 > 0 for all x > 0, where gap >= 0 up to rounding."""
    return rise > 0.0 or rise * rise < (1.0 - MARGIN) * 4.0 * slope * slope * gap


@compiled
def certified(sums: FloatArray, state: FloatArray, lane: int, who: int, at: float) -> int:
    """Whether the maximum at hand is the only one: 1 yes; 0 not shown to the right; -1 not shown to the left.

    With d the eigenvalues of the sampling variances on the contrasts, y'PPy = sum c^2/(d + tau2)^2 and tr P = sum 1/(d + tau2).
    Hence a = (y'PPy)^(-1/2) and h = 1/tr P are power means of d + tau2: increasing and concave. The score is positive where
    a^2 < h. To the right a lies above the line of its least slope, that at infinity, and h below its tangent; to the left
    a lies below its tangent and h above its chord from 0. Two parabolas decide. The same holds with tr W.
    """
    a, h = 1.0 / np.sqrt(sums[YPPY + lane]), 1.0 / sums[TRACE + lane]
    h_slope, far = sums[TRACE2 + lane] * h * h, state[SLOPE_FAR + who]
    rise = 2.0 * a * far - (1.0 + MARGIN) * h_slope
    if at == 0.0:
        return 1 if only_beyond(a * a - h, rise, far) else 0
    a_slope = a * sums[YPPPY + lane] / sums[YPPY + lane]
    chord = (h - 1.0 / state[SCORE_TRACE + who]) / at
    fall = 2.0 * a * a_slope - chord - MARGIN * (a * a_slope + chord)
    exact = sums[YPPPY + lane] > MARGIN * sums[CROSS + lane]
    if not (exact and fall > 0.0 and a_slope * a_slope * at < fall):
        return -1
    return 1 if rise > 0.0 else 0


@compiled
def look_beyond(sums: FloatArray, state: FloatArray, lane: int, who: int, at: float) -> float:
    """Remember the maximum `at`, where the moments at hand were taken; returns the point to its right to look at next."""
    h = 1.0 / sums[TRACE + lane]
    state[ROOT_AT + who], state[ROOT_H + who] = at, h
    state[ROOT_A + who] = 1.0 / np.sqrt(sums[YPPY + lane])
    state[ROOT_SLOPE + who] = sums[TRACE2 + lane] * h * h
    return float(at + BEYOND * (at + state[COUNT + who] * h))


@compiled
def certified_beyond(sums: FloatArray, state: FloatArray, lane: int, who: int, at: float) -> bool:
    """The right side from a second point: a above its chord up to there, and above the line of least slope from there on."""
    a, h = 1.0 / np.sqrt(sums[YPPY + lane]), 1.0 / sums[TRACE + lane]
    far, root, slope, root_at = (
        state[SLOPE_FAR + who],
        state[ROOT_A + who],
        state[ROOT_SLOPE + who],
        state[ROOT_AT + who],
    )
    chord = (a - root) / (at - root_at)
    # At a root the gap is 0; at the boundary it need not be.
    gap = root * root - state[ROOT_H + who] if root_at == 0.0 else 0.0
    if not only_beyond(gap, 2.0 * root * chord - (1.0 + MARGIN) * slope, chord):
        return False
    rise = 2.0 * a * far - (1.0 + MARGIN) * sums[TRACE2 + lane] * h * h
    return a * a > (1.0 + MARGIN) * h and only_beyond(a * a - h, rise, far)


@compiled
def step(method: int, halve: bool, m: int, variances: FloatArray, sums: FloatArray, climbing: FloatArray) -> None:
    """One step of every lane, kept inside its bracket, and whether it is its last."""
    for lane in range(m):
        yppy, at, last = sums[YPPY + lane], climbing[AT + lane], climbing[LAST + lane]
        if method == GENERALISED_Q:
            goal = climbing[GOAL + lane]
            value = sums[SUM_Q + lane] - goal
            length = value / yppy * (sums[SUM_Q + lane] / goal)
        else:
            trace, trace2 = sums[TRACE + lane], sums[TRACE2 + lane]
            value = yppy - trace
            denominator = 2.0 * trace * sums[YPPPY + lane] - trace2 * yppy
            newton = denominator > 0.0
            length = (value * yppy if newton else value) / (denominator if newton else trace2)
        low = at if value > 0.0 else climbing[LOW + lane]
        high = at if value < 0.0 else climbing[HIGH + lane]
        target = at + length
        unit, size = at + variances[lane], abs(length)
        ratio = size / last
        # Newton's error after a step is as its square; the factor is that of the step before.
        foretold = (size <= 1e-3 * unit) & (size * ratio * ratio <= FORETOLD * unit)
        small = (size <= RELATIVE_TOLERANCE * unit) | (value == 0.0) | foretold
        inside = (target > low) & (target < high) & (not halve or high == np.inf)
        middle = 0.5 * (low + high) if high < np.inf else 2.0 * at + unit
        narrow = high - low <= RELATIVE_TOLERANCE * (middle + variances[lane])
        # A small step may end a hair outside the bracket, by rounding.
        held = low if target < low else high if target > high else target
        moved = held if small else target if inside else middle
        climbing[NEXT + lane] = at if value == 0.0 else moved
        climbing[LAST + lane] = size if inside else 0.0
        climbing[LOW + lane] = low
        climbing[HIGH + lane] = high
        ended = small | (narrow & (not inside)) | (value != value)
        climbing[ENDED + lane] = 1.0 if ended | (climbing[PHASE + lane] == CERTIFY) else 0.0


@compiled
def gather(
    k: int, stride: int, m: int, who: IntArray, from_effects: FloatArray, from_variances: FloatArray,
    effects: FloatArray, variances: FloatArray,
) -> None:  # fmt: skip
    """Copy the lanes `who` to the front; also within the same block, as they are in rising order."""
    for i in range(k):
        e, s = effects[i * stride : i * stride + m], variances[i * stride : i * stride + m]
        x, z = from_effects[i * stride : (i + 1) * stride], from_variances[i * stride : (i + 1) * stride]
        for lane in range(m):
            e[lane] = x[who[lane]]
            s[lane] = z[who[lane]]


@compiled
def climb(
    k: int, stride: int, m: int, method: int, effects: FloatArray, variances: FloatArray, weights: FloatArray,
    sums: FloatArray, state: FloatArray, climbing: FloatArray,
) -> None:  # fmt: skip
    """Step m lanes together until each has ended: FOUND and STEPS, or DOUBTFUL, in the state of the block's lanes."""
    kept = np.empty(LANES, dtype=np.intp)
    ended = 0
    for steps in range(1, STEPS_AT_MOST + 1):
        if ended == m:
            return
        # Lanes that have ended are left behind, once they are many enough to be worth the copying.
        if 6 * ended >= m:
            m = compress(m, kept, climbing)
            gather(k, stride, m, kept, effects, variances, effects, variances)
            ended = 0
        weigh(k, stride, m, climbing[AT : AT + m], effects, variances, weights, sums)
        if method == GENERALISED_Q:
            q_and_slope(k, stride, m, effects, weights, sums)
        else:
            all_moments(k, stride, m, method == RESTRICTED_LIKELIHOOD, effects, weights, sums)
        halve = steps > PATIENCE and steps % 2 == 0
        step(method, halve, m, variances, sums, climbing)
        for lane in range(m):
            if climbing[ENDED + lane] == 0.0:
                climbing[AT + lane] = climbing[NEXT + lane]
            elif climbing[WHO + lane] >= 0.0:
                ended += settle(sums, state, climbing, lane, steps)
    for lane in range(m):
        if climbing[WHO + lane] >= 0.0:
            state[DOUBTFUL + int(climbing[WHO + lane])] = 1.0


@compiled
def settle(sums: FloatArray, state: FloatArray, climbing: FloatArray, lane: int, steps: int) -> int:
    """Write down what a lane has found, or look beyond it first. Returns 1 where the lane has ended."""
    who, at = int(climbing[WHO + lane]), climbing[AT + lane]
    if climbing[PHASE + lane] == CERTIFY:
        state[DOUBTFUL + who] = 0.0 if certified_beyond(sums, state, lane, who, at) else 1.0
    else:
        found = climbing[NEXT + lane]
        state[FOUND + who], state[STEPS + who] = found, float(steps)
        verdict = certified(sums, state, lane, who, at) if climbing[PHASE + lane] == CLIMB_AND_CERTIFY else 1
        if verdict == 0:
            climbing[AT + lane], climbing[PHASE + lane] = look_beyond(sums, state, lane, who, at), CERTIFY
            return 0
        state[DOUBTFUL + who] = 1.0 if verdict == -1 or found != found else 0.0
    # A lane without an owner.
    climbing[WHO + lane] = -1.0
    return 1


@compiled
def compress(m: int, kept: IntArray, climbing: FloatArray) -> int:
    """Move the lanes that still climb to the front; returns how many, and which they were in `kept`."""
    front = 0
    for lane in range(m):
        if climbing[WHO + lane] >= 0.0:
            kept[front] = lane
            for row in range(0, NEXT, LANES):
                climbing[row + front] = climbing[row + lane]
            front += 1
    return front


@compiled
def search(
    k: int, stride: int, method: int, lane: int, effects: FloatArray, variances: FloatArray,
    points_effects: FloatArray, points_variances: FloatArray, weights: FloatArray, sums: FloatArray, climbing: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Scan the score of one lane's group for all its maxima, refine each, and give the highest, and its steps.

    The points, and what is halved between them, are those of `formulas.tau2_maxima.brackets_between`; lanes hold trial values
    of tau2 for the one group.
    """
    restricted = method == RESTRICTED_LIKELIHOOD
    state = np.zeros(STATE)
    lowest = highest = 0.0
    for i in range(k):
        x, s = effects[i * stride + lane], variances[i * stride + lane]
        lowest, highest = min(lowest, x), max(highest, x)
        points_effects[i * stride : (i + 1) * stride] = x
        points_variances[i * stride : (i + 1) * stride] = s
    smallest = variances[lane]
    span = np.log1p((highest - lowest) ** 2 / smallest)
    wanted = SCAN_POINTS_PER_DECADE * span / np.log(10.0)
    points = int(min(max(wanted, float(SCAN_POINTS_AT_LEAST)), float(SCAN_POINTS_AT_MOST))) + 1
    trial = np.empty(points)
    for point in range(points):
        trial[point] = smallest * np.expm1(point / (points - 1) * span)
    seen = score_at(k, stride, restricted, trial, points_effects, points_variances, weights, sums)
    for _ in range(HALVINGS):
        middles = np.empty(points - 1)
        doubts = 0
        for at in range(points - 1):
            if between_open(seen, at):
                middles[doubts] = 0.5 * (trial[at] + trial[at + 1])
                doubts += 1
        if doubts == 0:
            break
        more = middles[:doubts]
        more_seen = score_at(k, stride, restricted, more, points_effects, points_variances, weights, sums)
        old, old_seen = trial, seen
        trial, seen = np.empty(points + doubts), np.empty((4, points + doubts))
        taken = 0
        for at in range(points):
            trial[at + taken], seen[:, at + taken] = old[at], old_seen[:, at]
            if at < points - 1 and between_open(old_seen, at):
                trial[at + taken + 1], seen[:, at + taken + 1] = more[taken], more_seen[:, taken]
                taken += 1
        points += doubts
    scores = seen[0] - seen[1]
    best, best_height, steps = np.nan, -np.inf, 0.0
    if scores[0] <= 0.0:
        best, best_height = 0.0, height_at(k, stride, restricted, 0.0, points_effects, points_variances, weights, sums)
    after = 0
    while after < points - 1:
        m = 0
        while after < points - 1 and m < stride:
            before, after = after, after + 1
            if scores[before] > 0.0 and scores[after] <= 0.0:
                share = scores[before] / (scores[before] - scores[after])
                climbing[LOW + m], climbing[HIGH + m] = trial[before], trial[after]
                climbing[AT + m] = trial[before] + (trial[after] - trial[before]) * share
                climbing[LAST + m], climbing[PHASE + m], climbing[WHO + m] = 0.0, CLIMB_ONLY, float(m)
                m += 1
        climb(k, stride, m, method, points_effects, points_variances, weights, sums, state, climbing)
        for at in range(m):
            if state[DOUBTFUL + at] != 0.0:
                # A maximum that could not be refined must not be passed over in silence.
                return np.nan, state[STEPS + at]
            found = state[FOUND + at]
            height = height_at(k, stride, restricted, found, points_effects, points_variances, weights, sums)
            if height >= best_height:
                best, best_height, steps = found, height, state[STEPS + at]
    return best, steps


@compiled
def between_open(seen: FloatArray, at: int) -> bool:
    """Whether the score may cross 0 more than once between a point and the next."""
    before, after = seen[:, at], seen[:, at + 1]
    one_sign = before[0] < after[1] or after[0] > before[1]
    one_way = before[3] < 2.0 * after[2] or after[3] > 2.0 * before[2]
    return not (one_sign or one_way)


@compiled
def score_at(
    k: int, stride: int, restricted: bool, trial: FloatArray, effects: FloatArray, variances: FloatArray,
    weights: FloatArray, sums: FloatArray,
) -> FloatArray:  # fmt: skip
    """Of the score, y'PPy and tr P (or tr W), of its slope y'PPPy and tr PP (or tr WW), (4, points)."""
    seen = np.empty((4, trial.size))
    for first in range(0, trial.size, stride):
        m = min(stride, trial.size - first)
        weigh(k, stride, m, trial[first : first + m], effects, variances, weights, sums)
        all_moments(k, stride, m, restricted, effects, weights, sums)
        for at in range(m):
            seen[0, first + at], seen[1, first + at] = sums[YPPY + at], sums[TRACE + at]
            # Where the difference that y'PPPy is has cancelled, it decides nothing.
            whole = sums[YPPPY + at] > MARGIN * sums[CROSS + at]
            seen[2, first + at] = sums[YPPPY + at] if whole else np.nan
            seen[3, first + at] = sums[TRACE2 + at]
    return seen


@compiled
def height_at(
    k: int, stride: int, restricted: bool, tau2: float, effects: FloatArray, variances: FloatArray, weights: FloatArray,
    sums: FloatArray,
) -> float:  # fmt: skip
    """The log-likelihood, but for a constant, of the group in lane 0."""
    weigh(k, stride, 1, np.full(1, tau2), effects, variances, weights, sums)
    q_and_slope(k, stride, 1, effects, weights, sums)
    height = np.log(sums[TOTAL]) if restricted else 0.0
    for i in range(k):
        if variances[i * stride] < np.inf:
            height += np.log(variances[i * stride] + tau2)
    return float(-0.5 * (height + sums[SUM_Q]))


@compiled
def begin(
    k: int, stride: int, m: int, method: int, scan: bool, groups: IntArray, targets: FloatArray, effects: FloatArray,
    weights: FloatArray, sums: FloatArray, state: FloatArray, climbing: FloatArray, answers: FloatArray, status: IntArray,
) -> int:  # fmt: skip
    """From the moments at tau2 = 0: Q and tr P for the answers, what is settled already, and where the others start.

    Returns how many climb.
    """
    climbers = 0
    for lane in range(m):
        group, count = groups[lane], state[COUNT + lane]
        q, trace = sums[SUM_Q + lane], trace_p(weights, sums, lane)
        answers[K, group] = count
        answers[Q, group] = q
        answers[TRACE_P, group] = trace
        state[GROUP + lane], state[FOUND + lane] = float(group), 0.0
        state[STEPS + lane], state[DOUBTFUL + lane] = 0.0, 0.0
        status[group] = CONVERGED
        if not np.isfinite(q) and count > 0.0:
            status[group] = NOT_FINITE
            state[FOUND + lane] = np.nan
            continue
        if method == COMMON:
            continue
        if count < 2.0:
            status[group] = TOO_FEW_STUDIES
            continue
        start, phase, goal = (q - (count - 1.0)) / trace, CLIMB_ONLY, 0.0
        if method == DERSIMONIAN_LAIRD:
            state[FOUND + lane] = start if start > 0.0 else 0.0
            continue
        if method == GENERALISED_Q:
            goal = targets[int(count)]
            if q <= goal:
                continue
            start = start if start > 0.0 else 0.0
        else:
            score = sums[YPPY + lane] - sums[TRACE + lane]
            if sums[YPPY + lane] == 0.0 or (score <= 0.0 and not scan):
                continue
            if scan and not one_maximum(q, sums, lane):
                state[SLOPE_FAR + lane] = slope_far(k, stride, lane, effects, sums)
                state[SCORE_TRACE + lane] = sums[TRACE + lane]
                phase = CLIMB_AND_CERTIFY
            if score <= 0.0:
                if phase == CLIMB_ONLY or certified(sums, state, lane, lane, 0.0) == 1:
                    continue
                start, phase = look_beyond(sums, state, lane, lane, 0.0), CERTIFY
            elif not start > 0.0:
                start = score / sums[TRACE2 + lane]
        climbing[AT + climbers], climbing[GOAL + climbers], climbing[PHASE + climbers] = start, goal, phase
        climbing[LOW + climbers], climbing[HIGH + climbers], climbing[LAST + climbers] = 0.0, np.inf, 0.0
        climbing[WHO + climbers] = float(lane)
        climbers += 1
    return climbers


@compiled
def slope_far(k: int, stride: int, lane: int, effects: FloatArray, sums: FloatArray) -> float:
    """The slope of (y'PPy)^(-1/2) at infinity, or a little less: the mean that it is about is not the plain one."""
    squares = 0.0
    for i in range(k):
        r = effects[i * stride + lane] - sums[SHIFT + lane]
        squares += r * r
    return float(1.0 / np.sqrt(squares))


@compiled
def finish(
    k: int, stride: int, m: int, method: int, residuals: bool, spreads: bool, effects: FloatArray,
    variances: FloatArray, weights: FloatArray, sums: FloatArray, state: FloatArray, answers: FloatArray, status: IntArray,
    steps: IntArray,
) -> None:  # fmt: skip
    """Pool with the tau2 that was found, and write down the answers."""
    if method != COMMON:
        weigh(k, stride, m, state[FOUND : FOUND + m], effects, variances, weights, sums)
    if spreads:
        all_moments(k, stride, m, True, effects, weights, sums)
    elif residuals and method != COMMON:
        q_and_slope(k, stride, m, effects, weights, sums)
    for lane in range(m):
        group, found = int(state[GROUP + lane]), state[FOUND + lane]
        steps[group] = int(state[STEPS + lane])
        if status[group] == CONVERGED and method != COMMON:
            status[group] = AT_ZERO if found == 0.0 else CONVERGED if found > 0.0 else NOT_CONVERGED
        answers[TAU2, group] = np.nan if method == COMMON or status[group] == TOO_FEW_STUDIES else found
        answers[ESTIMATE, group] = state[BASE + lane] + sums[SHIFT + lane]
        answers[TOTAL_WEIGHT, group] = sums[TOTAL + lane]
        answers[RESIDUAL, group] = sums[SUM_Q + lane]
        if spreads:
            mean = spread = 0.0
            for i in range(k):
                w = weights[i * stride + lane]
                mean += w / sums[TOTAL + lane] * w
            for i in range(k):
                w = weights[i * stride + lane]
                spread += w / sums[TOTAL + lane] * (w - mean) * (w - mean)
            answers[SPREAD, group] = spread
            answers[INFORMATION, group] = 0.5 * sums[TRACE2 + lane]
            answers[SQUARES, group] = mean * sums[TOTAL + lane]


@compiled
def by_size(offsets: IntArray, first: int, last: int) -> tuple[IntArray, IntArray]:
    """The groups first to last in the order of their sizes, and where each size ends in it."""
    longest, shortest = 0, offsets[first + 1] - offsets[first]
    for group in range(first, last):
        k = offsets[group + 1] - offsets[group]
        longest, shortest = max(longest, k), min(shortest, k)
    ends = np.zeros(longest + 1, dtype=np.intp)
    if shortest == longest:
        ends[longest] = last - first
        return np.arange(last - first), ends
    for group in range(first, last):
        ends[offsets[group + 1] - offsets[group]] += 1
    total = 0
    for k in range(longest + 1):
        total, ends[k] = total + ends[k], total
    order = np.empty(last - first, dtype=np.intp)
    for group in range(first, last):
        k = offsets[group + 1] - offsets[group]
        order[ends[k]] = group - first
        ends[k] += 1
    return order, ends


@compiled_door
def pool_groups(
    y: FloatArray, v: FloatArray, offsets: IntArray, first: int, last: int, method: int, scan: bool, residuals: bool,
    spreads: bool, targets: FloatArray, answers: FloatArray, status: IntArray, steps: IntArray,
) -> None:  # fmt: skip
    """Pool the groups first to last (that one excluded): answers (ANSWERS, groups), status and steps (groups,).

    targets: by number of studies, what Q(tau2) is to be equal to, for GENERALISED_Q.
    """
    order, ends = by_size(offsets, first, last)
    elements = max(BLOCK, ends.size)
    effects, variances, weights = np.empty(elements), np.empty(elements), np.empty(elements)
    some_effects, some_variances = np.empty(elements), np.empty(elements)
    sums, state, climbing = np.empty(SUMS), np.empty(STATE), np.empty(CLIMBING)
    start, who, nothing = np.empty(LANES, dtype=np.intp), np.empty(LANES, dtype=np.intp), np.zeros(LANES)
    likelihood = method in (MAXIMUM_LIKELIHOOD, RESTRICTED_LIKELIHOOD)
    for at in range(ends[0]):
        answers[:, order[at]] = np.nan
        status[order[at]], steps[order[at]] = TOO_FEW_STUDIES, 0
    for k in range(1, ends.size):
        stride = max(1, min(LANES, BLOCK // k))
        for at in range(ends[k - 1], ends[k], stride):
            m = min(stride, ends[k] - at)
            groups = order[at : at + m]
            for lane in range(m):
                start[lane] = offsets[first + groups[lane]]
            load(y, v, start, k, stride, m, effects, variances, sums, state)
            weigh(k, stride, m, nothing[:m], effects, variances, weights, sums)
            if likelihood:
                all_moments(k, stride, m, method == RESTRICTED_LIKELIHOOD, effects, weights, sums)
            else:
                q_and_slope(k, stride, m, effects, weights, sums)
            climbers = begin(
                k, stride, m, method, scan, groups, targets, effects, weights, sums, state, climbing, answers, status
            )
            if climbers:
                for lane in range(climbers):
                    who[lane] = int(climbing[WHO + lane])
                gather(k, stride, climbers, who, effects, variances, some_effects, some_variances)
                climb(k, stride, climbers, method, some_effects, some_variances, weights, sums, state, climbing)
                for lane in range(m):
                    if state[DOUBTFUL + lane] != 0.0:
                        state[FOUND + lane] = np.nan
                        if likelihood:
                            state[FOUND + lane], state[STEPS + lane] = search(
                                k, stride, method, lane, effects, variances, some_effects, some_variances, weights,
                                sums, climbing,
                            )  # fmt: skip
            finish(
                k,
                stride,
                m,
                method,
                residuals,
                spreads,
                effects,
                variances,
                weights,
                sums,
                state,
                answers,
                status,
                steps,
            )
