"""Fused kernels of the numba engine: from groups laid end to end to the few sums that tests and intervals are made of.

Groups of equal k lie side by side in lanes, a study after the other, the most precise study first and effects
counted from its own: what formulas/ does along the studies is done here along the lanes, so that the processor's vector
instructions are used without reordering a sum. Groups whose tau2 is to be climbed to are laid out once more, with others like them.
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
    DIVISIONS,
    PARTS,
    SCAN_POINTS_AT_LEAST,
    SCAN_POINTS_AT_MOST,
    SCAN_POINTS_PER_DECADE,
)
from metaanalysis.many.lanes import (
    WIDTH,
    Flags,
    Lanes,
    any_of,
    beside,
    load,
    same,
    size,
    square_root,
    store,
    unit_of,
    where,
)

Function = TypeVar("Function", bound=Callable[..., Any])


# Constants of formulas/, and lanes.py, are part of the machine code: after a change there, change this file too, or remove its
# __pycache__.
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

# Rows of the answer, each (groups,), and of what is known of a group that climbs.
(
    K, Q, TRACE_P, TAU2, ESTIMATE, TOTAL_WEIGHT, RESIDUAL, SPREAD, INFORMATION, SQUARES, STATUS, ITERATIONS,
    PHASE_OF, START_OF, GAP_OF, RUN_OF, FAR_OF, TRACE_OF,
) = range(18)  # fmt: skip
ANSWERS, ROWS = 12, 18

# Groups with more studies are not for these kernels: they fill the vectors by themselves.
LONGEST = 4_096

# A block of lanes is one array, in rows of WIDTH (a function is handed one array and not ten, for each that it is handed is
# counted in and out). First the sums of each lane; then what is known of its group; then where it is while it climbs;
# and then the studies, three rows each.
(
    TOTAL, SHIFT, SUM_Q, YPPY, YPPPY, CROSS, TRACE, TRACE2, TRACE_OF_P, MEAN_WEIGHT, SPREAD_OF_WEIGHTS,
    BASE, UNIT, COUNT, FOUND, GOAL, FAR, TRACE_AT_ZERO,
    PHASE, AT, LOW, HIGH, LAST, STEPS, BEFORE, BEFORE_GAP, BEFORE_RUN, ROOT_AT, ROOT_A, ROOT_H, ROOT_SLOPE,
    EFFECTS, VARIANCES, WEIGHTS,
) = (WIDTH * row for row in range(34))  # fmt: skip
STUDY = 3 * WIDTH

# Phases of a lane: nothing to climb; the maximum is climbed to, and then to be shown to be the only one, or not; 0, the maximum,
# is to be looked beyond; a second point is looked at; the maxima are to be searched for; all is known.
NONE, CLIMB_AND_CERTIFY, CLIMB_ONLY, LOOK, CERTIFY, SEARCH, FINISHED = -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0

CONVERGED, AT_ZERO = float(Status.CONVERGED), float(Status.AT_ZERO)
TOO_FEW_STUDIES, NOT_CONVERGED = float(Status.TOO_FEW_STUDIES), float(Status.NOT_CONVERGED)
NOT_FINITE = float(Status.NOT_FINITE)

# Steps of a lane before it is searched.
STEPS_AT_MOST = 120.0
# From here on every other step halves the bracket: where two maxima nearly meet, Newton's steps creep.
PATIENCE = 12.0
# The error after a step, foretold, at which it is the last.
FORETOLD = 1e-15
# A certificate holds with room to spare, or not at all: it is computed with rounding.
MARGIN = 1e-6
# Two zeros of the score so close, in units of tau2 + v, are a flat stretch of the likelihood, not a maximum that matters; nor is
# the last point of a climb further from the maximum.
CLOSE = 1e-3
# A piece of tau2 that may hide a maximum is divided by WIDTH points, so often: not less finely than by DIVISIONS into PARTS.
DEPTH = int(np.ceil(DIVISIONS * np.log(PARTS) / np.log(WIDTH + 1.0)))
# What is known of a point of the scan.
POINT = 5
# How far beyond a maximum the likelihood is looked at, in units of tau2 and a typical variance.
BEYOND = 0.25


@compiled
def lay(y: FloatArray, v: FloatArray, start: IntArray, k: int, block: FloatArray) -> None:
    """Put groups into lanes, the most precise study of each first, and effects relative to its own.

    All are in units of a power of two in which its variance is about 1, so that no power of a weight overflows.
    """
    low, base = beside(v, start, 0), beside(y, start, 0)
    whole = low
    for i in range(1, k):
        s, e = beside(v, start, i), beside(y, start, i)
        whole += s
        # The most precise study so far is carried along; the other one of the two is laid down.
        less = s < low
        store(block, VARIANCES + i * STUDY, where(less, low, s))
        store(block, EFFECTS + i * STUDY, where(less, base, e))
        low, base = where(less, s, low), where(less, e, base)
    store(block, VARIANCES, low)
    store(block, EFFECTS, base)
    store(block, BASE, base)
    store(block, COUNT, float(k))
    if any_of(whole == np.inf):
        left_out(k, block)
    unit = unit_of(low)
    store(block, UNIT, unit)
    for i in range(k):
        store(block, EFFECTS + i * STUDY, (load(block, EFFECTS + i * STUDY) - base) * unit)
        store(block, VARIANCES + i * STUDY, load(block, VARIANCES + i * STUDY) * unit * unit)


@compiled
def left_out(k: int, block: FloatArray) -> None:
    """Studies of infinite variance are not counted, and their effects, whatever they are, not looked at."""
    for i in range(k - 1, -1, -1):
        for lane in range(WIDTH):
            if block[VARIANCES + i * STUDY + lane] == np.inf:
                block[EFFECTS + i * STUDY + lane] = block[EFFECTS + lane]
                block[COUNT + lane] -= 1.0


@compiled
def weigh(k: int, tau2: Lanes, block: FloatArray) -> None:
    """The weights 1 / (v + tau2), their sum and the weighted mean of the effects."""
    total = shift = same(0.0)
    for i in range(k):
        w = 1.0 / (load(block, VARIANCES + i * STUDY) + tau2)
        store(block, WEIGHTS + i * STUDY, w)
        total += w
        shift += w * load(block, EFFECTS + i * STUDY)
    store(block, TOTAL, total)
    store(block, SHIFT, shift / total)


@compiled
def few_moments(k: int, block: FloatArray) -> None:
    """Q = y'Py, y'PPy and tr P."""
    shift = load(block, SHIFT)
    w, r = load(block, WEIGHTS), load(block, EFFECTS) - shift
    u = w * r
    q, yppy = u * r, u * u
    rest = w2 = same(0.0)
    for i in range(1, k):
        w, r = load(block, WEIGHTS + i * STUDY), load(block, EFFECTS + i * STUDY) - shift
        u = w * r
        q += u * r
        yppy += u * u
        rest += w
        w2 += w * w
    store(block, SUM_Q, q)
    store(block, YPPY, yppy)
    store(block, TRACE_OF_P, trace_p(load(block, WEIGHTS), load(block, TOTAL), rest, w2))


@compiled
def trace_p(first: Lanes, total: Lanes, rest: Lanes, w2: Lanes) -> Lanes:
    """Tr P of the mean; see `formulas.moments.moments_of_mean`, here and below."""
    over = 1.0 / total
    return first * rest * over + rest - w2 * over


@compiled
def trace_pp(first: Lanes, total: Lanes, rest: Lanes, w2: Lanes, w3: Lanes) -> Lanes:
    """Tr PP of the mean."""
    over = 1.0 / total
    anchor, squares = first * rest * over, w2 * over
    return anchor * anchor + (w2 - 2.0 * over * w3) + squares * (2.0 * first * first * over + squares)


@compiled
def all_moments(k: int, restricted: bool, block: FloatArray) -> None:
    """What the likelihood's score and Newton's step need: y'PPy, y'PPPy and the traces of P and PP, or of W and WW."""
    shift, total = load(block, SHIFT), load(block, TOTAL)
    first = load(block, WEIGHTS)
    r = load(block, EFFECTS) - shift
    u = first * r
    q, yppy, cross = u * r, u * u, first * u
    ypppy = cross * u
    rest = w2 = w3 = same(0.0)
    for i in range(1, k):
        w, r = load(block, WEIGHTS + i * STUDY), load(block, EFFECTS + i * STUDY) - shift
        u, squared = w * r, w * w
        wu = w * u
        q += u * r
        yppy += u * u
        cross += wu
        ypppy += wu * u
        rest += w
        w2 += squared
        w3 += w * squared
    store(block, SUM_Q, q)
    store(block, YPPY, yppy)
    # This difference may cancel; it sets the length of a step and never a solution, and CROSS remembers its size.
    store(block, YPPPY, ypppy - cross * cross / total)
    store(block, CROSS, ypppy)
    trace = trace_p(first, total, rest, w2)
    store(block, TRACE_OF_P, trace)
    if restricted:
        store(block, TRACE, trace)
        store(block, TRACE2, trace_pp(first, total, rest, w2, w3))
    else:
        store(block, TRACE, total)
        store(block, TRACE2, first * first + w2)


@compiled
def spread_of_weights(k: int, block: FloatArray) -> None:
    """The mean of the weights drawn in proportion to themselves, and their variance."""
    total = load(block, TOTAL)
    mean = spread = same(0.0)
    for i in range(k):
        w = load(block, WEIGHTS + i * STUDY)
        mean += w / total * w
    for i in range(k):
        w = load(block, WEIGHTS + i * STUDY)
        spread += w / total * (w - mean) * (w - mean)
    store(block, MEAN_WEIGHT, mean)
    store(block, SPREAD_OF_WEIGHTS, spread)


@compiled
def only_beyond(gap: Lanes, rise: Lanes, slope: Lanes) -> Flags:
    """Whether gap + rise x + (slope x)^2 > 0 for all x > 0, where gap >= 0 up to rounding."""
    return (rise > 0.0) | (rise * rise < (1.0 - MARGIN) * 4.0 * slope * slope * gap)


@compiled
def certified(at: Lanes, block: FloatArray) -> tuple[Flags, Flags]:
    """Whether the maximum at hand is the only one: to the left, and to the right.

    With d the eigenvalues of the sampling variances on the contrasts, y'PPy = sum c^2/(d + tau2)^2 and tr P = sum 1/(d + tau2).
    Hence a = (y'PPy)^(-1/2) and h = 1/tr P are power means of d + tau2: increasing and concave. The score is positive where
    a^2 < h. To the right a lies above the line of its least slope, that at infinity, and h below its tangent; to the left
    a lies below its tangent and h above its chord from 0. Two parabolas decide. The same holds with tr W.
    The moments were taken close to the maximum, not in it: from there to CLOSE on both sides nothing is looked for.
    """
    yppy, ypppy, far = load(block, YPPY), load(block, YPPPY), load(block, FAR)
    a, h = 1.0 / square_root(yppy), 1.0 / load(block, TRACE)
    close = CLOSE * (at + load(block, VARIANCES))
    rise = 2.0 * a * far - (1.0 + MARGIN) * load(block, TRACE2) * h * h
    right = rises_from(at == 0.0, a * a - (1.0 + MARGIN) * h, rise, far, close)
    a_slope = a * ypppy / yppy
    chord = (h - 1.0 / load(block, TRACE_AT_ZERO)) / at
    gap, fall = a * a - (1.0 - MARGIN) * h, 2.0 * a * a_slope - chord - MARGIN * (a * a_slope + chord)
    # A convex function that is negative at both ends is so between them.
    from_here = (close >= at) | (gap - fall * close + a_slope * a_slope * close * close < 0.0)
    to_zero = gap - fall * at + a_slope * a_slope * at * at < 0.0
    exact = ypppy > MARGIN * load(block, CROSS)
    return (at == 0.0) | (exact & from_here & to_zero), right


@compiled
def rises_from(at_zero: Flags, gap: Lanes, rise: Lanes, slope: Lanes, close: Lanes) -> Flags:
    """Whether gap + rise x + (slope x)^2 is positive for all x > 0 or, but for a maximum at 0, from x = `close` on."""
    return (at_zero & only_beyond(gap, rise, slope)) | (~at_zero & (rise > 0.0) & (gap + rise * close > 0.0))


@compiled
def look_beyond(look: Flags, at: Lanes, block: FloatArray) -> None:
    """Remember the maxima `at`, where the moments at hand were taken, and look at a point to their right next."""
    h = 1.0 / load(block, TRACE)
    store(block, ROOT_AT, where(look, at, load(block, ROOT_AT)))
    store(block, ROOT_H, where(look, h, load(block, ROOT_H)))
    store(block, ROOT_A, where(look, 1.0 / square_root(load(block, YPPY)), load(block, ROOT_A)))
    store(block, ROOT_SLOPE, where(look, load(block, TRACE2) * h * h, load(block, ROOT_SLOPE)))
    store(block, AT, where(look, at + BEYOND * (at + load(block, COUNT) * h), load(block, AT)))


@compiled
def certified_beyond(at: Lanes, block: FloatArray) -> Flags:
    """The right side from a second point: a above its chord up to there, and above the line of least slope from there on."""
    a, h, far = 1.0 / square_root(load(block, YPPY)), 1.0 / load(block, TRACE), load(block, FAR)
    root, root_at = load(block, ROOT_A), load(block, ROOT_AT)
    chord = (a - root) / (at - root_at)
    gap, close = root * root - (1.0 + MARGIN) * load(block, ROOT_H), CLOSE * (root_at + load(block, VARIANCES))
    until = rises_from(root_at == 0.0, gap, 2.0 * root * chord - (1.0 + MARGIN) * load(block, ROOT_SLOPE), chord, close)
    rise = 2.0 * a * far - (1.0 + MARGIN) * load(block, TRACE2) * h * h
    return until & (a * a > (1.0 + MARGIN) * h) & only_beyond(a * a - h, rise, far)


@compiled
def gap_and_run(block: FloatArray) -> tuple[Lanes, Lanes]:
    """By how much g = tr P / y'PPy - 1 differs from 0, and how far tau2 runs while g grows by 1; -1 where it does not grow."""
    yppy, trace = load(block, YPPY), load(block, TRACE)
    growth = 2.0 * trace * load(block, YPPPY) - load(block, TRACE2) * yppy
    return (trace - yppy) / yppy, where(growth > 0.0, yppy * yppy / growth, -1.0)


@compiled
def step(method: int, block: FloatArray) -> Flags:
    """One step of every lane that climbs, kept inside its bracket; returns where it is the last.

    By the likelihood, g = tr P / y'PPy - 1 is to be 0, which grows nearly in a straight line: tau2 as a function of g is
    interpolated through the last two points and slopes, if that changes Newton's step by no more than half; the equation is
    that of `formulas.tau2_iterative.step_by_two_tangents`, of the ratio itself instead of its square root.
    """
    at, last, yppy = load(block, AT), load(block, LAST), load(block, YPPY)
    smallest = load(block, VARIANCES)
    unit = at + smallest
    if method == GENERALISED_Q:
        goal, q = load(block, GOAL), load(block, SUM_Q)
        value = q - goal
        length = value / yppy * (q / goal)
        ratio = size(length) / last
        # Newton's error after a step is as its square; the factor is that of the step before.
        foretold = size(length) * ratio * ratio
    else:
        value = yppy - load(block, TRACE)
        gap, run = gap_and_run(block)
        before, before_gap, before_run = load(block, BEFORE), load(block, BEFORE_GAP), load(block, BEFORE_RUN)
        over = 1.0 / (gap - before_gap)
        secant = (at - before) * over
        second, cross = (run - secant) * over, (secant - before_run) * over
        newton = -(run * gap)
        bend = gap * gap * (second - (second - cross) * over * before_gap)
        curved = (run > 0.0) & (before_run > 0.0) & (size(bend) <= 0.5 * size(newton))
        length = where(run > 0.0, where(curved, newton + bend, newton), value / load(block, TRACE2))
        # Newton's error is what the curve corrects; its own is less by the square of how near the other point was.
        near = (size(at - before) + size(length)) / unit
        foretold = where(curved, size(bend) * near * near, np.inf)
        store(block, BEFORE, at)
        store(block, BEFORE_GAP, gap)
        store(block, BEFORE_RUN, run)
    phase = load(block, PHASE)
    climbs = (phase == CLIMB_AND_CERTIFY) | (phase == CLIMB_ONLY)
    low = where(value > 0.0, at, load(block, LOW))
    high = where(value < 0.0, at, load(block, HIGH))
    target, far = at + length, size(length)
    small = (
        (far <= RELATIVE_TOLERANCE * unit) | (value == 0.0) | ((far <= CLOSE * unit) & (foretold <= FORETOLD * unit))
    )
    steps = load(block, STEPS) + where(climbs, 1.0, 0.0)
    # Of the steps beyond PATIENCE every other one, whatever its length, halves the bracket; LAST is 0 after one that did.
    halve = (steps > PATIENCE) & (last > 0.0) & (high < np.inf)
    inside = (target > low) & (target < high) & ~halve
    middle = where(high < np.inf, 0.5 * (low + high), at + unit)
    narrow = high - low <= RELATIVE_TOLERANCE * (middle + smallest)
    # A small step may end a hair outside the bracket, by rounding.
    held = where(target < low, low, where(target > high, high, target))
    moved = where(value == 0.0, at, where(small, held, where(inside, target, middle)))
    store(block, AT, where(climbs, moved, at))
    store(block, LOW, low)
    store(block, HIGH, high)
    store(block, LAST, where(inside, far, 0.0))
    store(block, STEPS, steps)
    return climbs & (small | (narrow & ~inside) | (value != value) | (steps > STEPS_AT_MOST))


@compiled
def climb(k: int, method: int, block: FloatArray) -> None:
    """Step the lanes together until all have found their highest maximum, FOUND."""
    while any_of(load(block, PHASE) < FINISHED):
        at, phase = load(block, AT), load(block, PHASE)
        weigh(k, at, block)
        if method == GENERALISED_Q:
            few_moments(k, block)
        else:
            all_moments(k, method == RESTRICTED_LIKELIHOOD, block)
        ended = step(method, block)
        store(block, FOUND, where(ended, load(block, AT), load(block, FOUND)))
        doubt = ended & ((load(block, AT) != load(block, AT)) | (load(block, STEPS) > STEPS_AT_MOST))
        final, look = ended & ~doubt, phase == LOOK
        if method != GENERALISED_Q and any_of(look | (final & (phase == CLIMB_AND_CERTIFY))):
            left, right = certified(at, block)
            certain = (phase == CLIMB_ONLY) | (left & right)
            look = look | (final & ~certain & left)
            doubt = doubt | (final & ~certain & ~left)
            final = final & certain
            look_beyond(look, at, block)
        if any_of(phase == CERTIFY):
            beyond = certified_beyond(at, block)
            final = final | ((phase == CERTIFY) & beyond)
            doubt = doubt | ((phase == CERTIFY) & ~beyond)
        phase = where(final, FINISHED, where(doubt, SEARCH, where(look, CERTIFY, phase)))
        store(block, PHASE, phase)
        if any_of(doubt):
            for lane in range(WIDTH):
                if block[PHASE + lane] == SEARCH:
                    block[PHASE + lane], block[FOUND + lane] = FINISHED, np.nan
                    if method != GENERALISED_Q:
                        restricted = method == RESTRICTED_LIKELIHOOD
                        block[FOUND + lane], block[STEPS + lane] = search(k, restricted, lane, block)


@compiled
def search(k: int, restricted: bool, lane: int, of: FloatArray) -> tuple[float, float]:
    """Scan the score of one lane's group for all its maxima, refine each, and give the highest, and its steps.

    As `formulas.tau2_maxima.brackets_between`, but that a piece between two points that may hide a maximum is divided into
    as many as the lanes make it: they hold trial values of tau2 for the one group.
    """
    block = np.zeros(EFFECTS + k * STUDY)
    lowest = highest = 0.0
    for i in range(k):
        x, s = of[EFFECTS + i * STUDY + lane], of[VARIANCES + i * STUDY + lane]
        lowest, highest = min(lowest, x), max(highest, x)
        store(block, EFFECTS + i * STUDY, x)
        store(block, VARIANCES + i * STUDY, s)
    smallest = of[VARIANCES + lane]
    span = np.log1p((highest - lowest) ** 2 / smallest)
    wanted = SCAN_POINTS_PER_DECADE * span / np.log(10.0)
    pieces = int(min(max(wanted, float(SCAN_POINTS_AT_LEAST)), float(SCAN_POINTS_AT_MOST)))
    growth = np.expm1(span / pieces)
    # Of each point tau2, and of the score there, y'PPy and tr P (or tr W), of its slope y'PPPy and tr PP (or tr WW).
    points, parts = np.empty((pieces + 1) * POINT), np.empty((WIDTH + 2) * POINT)
    brackets, todo = np.empty((pieces + WIDTH * DEPTH, 3)), np.empty((pieces + WIDTH * DEPTH) * (2 * POINT + 1))
    factor = 0.0
    for at in range(pieces + 1):
        points[at * POINT] = smallest * factor
        factor = factor * (1.0 + growth) + growth
    see(k, restricted, 0, pieces + 1, points, block)
    at_zero = points[1] <= points[2]
    found, waiting = sort_out(pieces, 0.0, points, 0, brackets, 0, todo)
    while waiting > 0 and found < brackets.shape[0] - WIDTH:
        waiting -= 1
        piece = waiting * (2 * POINT + 1)
        for one in range(POINT):
            parts[one], parts[(WIDTH + 1) * POINT + one] = todo[piece + one], todo[piece + POINT + one]
        low, high = parts[0], parts[(WIDTH + 1) * POINT]
        for at in range(1, WIDTH + 1):
            parts[at * POINT] = low + (high - low) * (at / (WIDTH + 1.0))
        see(k, restricted, 1, WIDTH, parts, block)
        found, waiting = sort_out(WIDTH + 1, todo[piece + 2 * POINT] + 1.0, parts, found, brackets, waiting, todo)
    # More maxima than there is room for are no answer.
    return highest_of(k, restricted, at_zero, brackets[:found], block) if waiting == 0 else (np.nan, 0.0)


@compiled
def see(k: int, restricted: bool, begin: int, n: int, points: FloatArray, block: FloatArray) -> None:
    """The score and its slope at n points from `begin` on, from their tau2."""
    for first in range(begin, begin + n, WIDTH):
        m = min(WIDTH, begin + n - first)
        for at in range(WIDTH):
            block[AT + at] = points[(first + min(at, m - 1)) * POINT]
        weigh(k, load(block, AT), block)
        all_moments(k, restricted, block)
        for at in range(m):
            point = (first + at) * POINT
            points[point + 1], points[point + 2] = block[YPPY + at], block[TRACE + at]
            # Where the difference that y'PPPy is has cancelled, it decides nothing.
            whole = block[YPPPY + at] > MARGIN * block[CROSS + at]
            points[point + 3] = block[YPPPY + at] if whole else np.nan
            points[point + 4] = block[TRACE2 + at]


@compiled
def sort_out(
    pieces: int, depth: float, points: FloatArray, found: int, brackets: FloatArray, waiting: int, todo: FloatArray
) -> tuple[int, int]:
    """Pieces between two points are brackets of a maximum, or to be divided, or without interest; returns how many there are."""
    for piece in range(pieces):
        low, high = piece * POINT, (piece + 1) * POINT
        before, after = points[low + 1] - points[low + 2], points[high + 1] - points[high + 2]
        one_sign = points[low + 1] < points[high + 2] or points[high + 1] > points[low + 2]
        if one_sign:
            continue
        one_way = points[low + 4] < 2.0 * points[high + 3] or points[high + 4] > 2.0 * points[low + 3]
        if not one_way and depth < DEPTH:
            place = waiting * (2 * POINT + 1)
            for one in range(2 * POINT):
                todo[place + one] = points[low + one]
            todo[place + 2 * POINT] = depth
            waiting += 1
        elif before > 0.0 and after <= 0.0:
            brackets[found, 0], brackets[found, 1] = points[low], points[high]
            brackets[found, 2] = points[low] + (points[high] - points[low]) * (before / (before - after))
            found += 1
    return found, waiting


@compiled
def highest_of(k: int, restricted: bool, at_zero: bool, brackets: FloatArray, block: FloatArray) -> tuple[float, float]:
    """The highest of the maxima in brackets and, where there is one, that at 0, and its steps; NaN where there is none."""
    method = RESTRICTED_LIKELIHOOD if restricted else MAXIMUM_LIKELIHOOD
    several = brackets.shape[0] + (1 if at_zero else 0) > 1
    best, steps, best_height = 0.0 if at_zero else np.nan, 0.0, -np.inf
    if at_zero and several:
        best_height = height_at(k, restricted, 0.0, block)
    found, taken = np.empty(WIDTH), np.empty(WIDTH)
    for first in range(0, brackets.shape[0], WIDTH):
        m = min(WIDTH, brackets.shape[0] - first)
        for at in range(WIDTH):
            block[PHASE + at] = CLIMB_ONLY if at < m else FINISHED
            one = first + min(at, m - 1)
            block[LOW + at], block[HIGH + at], block[AT + at] = brackets[one, 0], brackets[one, 1], brackets[one, 2]
            block[LAST + at], block[STEPS + at], block[BEFORE_RUN + at] = 0.0, 0.0, -1.0
        while any_of(load(block, PHASE) < FINISHED):
            weigh(k, load(block, AT), block)
            all_moments(k, restricted, block)
            store(block, PHASE, where(step(method, block), FINISHED, load(block, PHASE)))
        store(found, 0, load(block, AT))
        store(taken, 0, load(block, STEPS))
        for at in range(m):
            if not taken[at] <= STEPS_AT_MOST or found[at] != found[at]:
                # A maximum that could not be refined must not be passed over in silence.
                return np.nan, taken[at]
            height = height_at(k, restricted, found[at], block) if several else 0.0
            if height >= best_height:
                best, best_height, steps = found[at], height, taken[at]
    return best, steps


@compiled
def height_at(k: int, restricted: bool, tau2: float, block: FloatArray) -> float:
    """The log-likelihood, but for a constant, of the group that is in all lanes."""
    weigh(k, same(tau2), block)
    few_moments(k, block)
    height = np.log(block[TOTAL]) if restricted else 0.0
    for i in range(k):
        if block[VARIANCES + i * STUDY] < np.inf:
            height += np.log(block[VARIANCES + i * STUDY] + tau2)
    return float(-0.5 * (height + block[SUM_Q]))


@compiled
def begin(
    method: int, scan: bool, k: int, targets: FloatArray, here: FloatArray, at: int, answers: FloatArray, row: int
) -> Flags:
    """From the moments at tau2 = 0 what is settled already, and how the others are to climb; returns which climb.

    A group climbs where its score at 0 is positive, and where it may have a maximum beyond one at 0. That it has one maximum only
    is seen from 0 in most (`formulas.tau2_iterative.one_maximum_from`).
    """
    q, df = load(here, SUM_Q), load(here, COUNT) - 1.0
    moments = (q - df) / load(here, TRACE_OF_P)
    # What is no finite number is not equal to itself.
    usable = (q - q == 0.0) & (df >= 1.0)
    if method == GENERALISED_Q:
        for lane in range(WIDTH):
            here[GOAL + lane] = targets[int(here[COUNT + lane])]
        store(answers, PHASE_OF * row + at, CLIMB_ONLY)
        store(answers, START_OF * row + at, where(moments > 0.0, moments, 0.0))
        return usable & (q > load(here, GOAL))
    yppy, trace, trace2, shift = load(here, YPPY), load(here, TRACE), load(here, TRACE2), load(here, SHIFT)
    score = yppy - trace
    gap, run = gap_and_run(here)
    climbs = usable & (score > 0.0)
    store(answers, PHASE_OF * row + at, CLIMB_ONLY)
    store(answers, START_OF * row + at, where(moments > 0.0, moments, score / trace2))
    store(answers, GAP_OF * row + at, gap)
    store(answers, RUN_OF * row + at, run)
    one = 2.0 * trace * trace > (1.0 + MARGIN) * trace2 * q
    doubtful = usable & (yppy > 0.0) & ~one
    if not scan or not any_of(doubtful):
        return climbs
    # The slope of (y'PPy)^(-1/2) at infinity, or a little less: the mean that it is about is not the plain one.
    squares = same(0.0)
    for i in range(k):
        r = load(here, EFFECTS + i * STUDY) - shift
        squares += r * r
    far = 1.0 / square_root(squares)
    store(here, FAR, far)
    store(here, TRACE_AT_ZERO, trace)
    store(answers, FAR_OF * row + at, far)
    store(answers, TRACE_OF * row + at, trace)
    _, right = certified(same(0.0), here)
    look = doubtful & (score <= 0.0) & ~right
    store(answers, PHASE_OF * row + at, where(look, LOOK, where(doubtful, CLIMB_AND_CERTIFY, CLIMB_ONLY)))
    store(answers, START_OF * row + at, where(look, 0.0, load(answers, START_OF * row + at)))
    return climbs | look


@compiled
def dersimonian_laird(k: int, residuals: bool, block: FloatArray) -> Lanes:
    """From the moments at tau2 = 0 to tau2, and the weights there."""
    df = load(block, COUNT) - 1.0
    tau2 = (load(block, SUM_Q) - df) / load(block, TRACE_OF_P)
    tau2 = where((df < 1.0) | (tau2 <= 0.0), 0.0, tau2)
    weigh(k, tau2, block)
    if residuals:
        few_moments(k, block)
    return tau2


@compiled
def write(method: int, found: Lanes, block: FloatArray, at: int, answers: FloatArray, row: int) -> None:
    """The answers of the groups that are laid out, from the sums at their tau2."""
    q, count = load(answers, Q * row + at), load(answers, K * row + at)
    code = same(CONVERGED)
    if method != COMMON:
        code = where(found > 0.0, CONVERGED, where(found == 0.0, AT_ZERO, NOT_CONVERGED))
        code = where(count < 2.0, TOO_FEW_STUDIES, code)
    bad = (q - q != 0.0) & (count > 0.0)
    store(answers, STATUS * row + at, where(bad, NOT_FINITE, code))
    nothing = where(bad, np.nan, 0.0) if method != COMMON else same(0.0)
    unit = load(block, UNIT)
    store(answers, TAU2 * row + at, nothing + where(code == TOO_FEW_STUDIES, np.nan, found / unit / unit))
    store(answers, ESTIMATE * row + at, nothing + (load(block, BASE) + load(block, SHIFT) / unit))
    store(answers, TOTAL_WEIGHT * row + at, nothing + load(block, TOTAL) * unit * unit)
    store(answers, RESIDUAL * row + at, nothing + load(block, SUM_Q))


@compiled
def write_spread(k: int, block: FloatArray, at: int, answers: FloatArray, row: int) -> None:
    """The same of what Kenward and Roger's interval is made of."""
    all_moments(k, True, block)
    spread_of_weights(k, block)
    unit = load(block, UNIT)
    square = unit * unit
    store(answers, SPREAD * row + at, load(block, SPREAD_OF_WEIGHTS) * square * square)
    store(answers, INFORMATION * row + at, 0.5 * load(block, TRACE2) * square * square)
    store(answers, SQUARES * row + at, load(block, MEAN_WEIGHT) * load(block, TOTAL) * square * square)


@compiled
def by_size(offsets: IntArray, first: int, last: int) -> tuple[IntArray, IntArray, int]:
    """The groups first to last by their sizes, without those that are too long; where each size ends in it; and the longest."""
    longest, shortest = 0, offsets[first + 1] - offsets[first]
    for group in range(first, last):
        k = offsets[group + 1] - offsets[group]
        longest, shortest = max(longest, k), min(shortest, k)
    ends = np.zeros(min(longest, LONGEST) + 1, dtype=np.intp)
    if shortest == longest and longest <= LONGEST:
        ends[longest] = last - first
        return np.arange(last - first), ends, longest
    for group in range(first, last):
        k = offsets[group + 1] - offsets[group]
        if k <= LONGEST:
            ends[k] += 1
    total = 0
    for k in range(ends.size):
        total, ends[k] = total + ends[k], total
    order = np.empty(total, dtype=np.intp)
    for group in range(first, last):
        k = offsets[group + 1] - offsets[group]
        if k <= LONGEST:
            order[ends[k]] = group - first
            ends[k] += 1
    return order, ends, longest


@compiled
def set_off(
    method: int, targets: FloatArray, who: IntArray, answers: FloatArray, row: int, climbing: FloatArray
) -> None:
    """Where each of the groups at the places `who` of the answers is to climb from."""
    store(climbing, PHASE, beside(answers, who, PHASE_OF * row))
    store(climbing, AT, beside(answers, who, START_OF * row))
    store(climbing, BEFORE_GAP, beside(answers, who, GAP_OF * row))
    store(climbing, BEFORE_RUN, beside(answers, who, RUN_OF * row))
    store(climbing, FAR, beside(answers, who, FAR_OF * row))
    store(climbing, TRACE_AT_ZERO, beside(answers, who, TRACE_OF * row))
    store(climbing, BEFORE, 0.0)
    store(climbing, FOUND, 0.0)
    store(climbing, LOW, 0.0)
    store(climbing, HIGH, np.inf)
    store(climbing, LAST, 0.0)
    store(climbing, STEPS, 0.0)
    if method == GENERALISED_Q:
        for lane in range(WIDTH):
            climbing[GOAL + lane] = targets[int(climbing[COUNT + lane])]


@compiled
def finish(
    k: int,
    method: int,
    residuals: bool,
    spreads: bool,
    m: int,
    who: IntArray,
    block: FloatArray,
    answers: FloatArray,
    row: int,
) -> None:
    """Write the answers of the m groups that have climbed to their places `who`."""
    found = load(block, FOUND)
    weigh(k, found, block)
    if residuals:
        few_moments(k, block)
    own = np.empty(ANSWERS * WIDTH)
    store(own, K * WIDTH, load(block, COUNT))
    store(own, Q * WIDTH, beside(answers, who, Q * row))
    write(method, found, block, 0, own, WIDTH)
    if spreads:
        write_spread(k, block, 0, own, WIDTH)
    for lane in range(m):
        for one in range(TAU2, STATUS + 1 if spreads else RESIDUAL + 1):
            answers[one * row + who[lane]] = own[one * WIDTH + lane]
        answers[STATUS * row + who[lane]] = own[STATUS * WIDTH + lane]
        answers[ITERATIONS * row + who[lane]] = block[STEPS + lane]


@compiled
def read_ahead(y: FloatArray, v: FloatArray, first: int, last: int) -> float:
    """Read these rows in their order, so that they are near when they are taken by size: a third less time for many sizes."""
    unused = 0.0
    for row in range(first, last, 8):
        unused += y[row] + v[row]
    return unused


@compiled
def pool_part(
    y: FloatArray, v: FloatArray, offsets: IntArray, first: int, last: int, method: int, scan: bool, residuals: bool,
    spreads: bool, targets: FloatArray, answers: FloatArray, row: int,
) -> int:  # fmt: skip
    """Pool the groups first to last (that one excluded), whose answers begin where `answers` does; `row` is as long as a row.

    Returns the number of studies of the longest.
    """
    order, ends, longest = by_size(offsets, first, last)
    in_order = ends.size > 1 and ends[-2] == 0 and order.size == last - first
    climbs = method >= GENERALISED_Q
    here, climbing = np.zeros(EFFECTS + ends.size * STUDY), np.zeros(EFFECTS + ends.size * STUDY)
    start, flags = np.empty(WIDTH, dtype=np.intp), np.empty(WIDTH)
    waiting, who, waits = np.empty(2 * WIDTH, dtype=np.intp), np.empty(WIDTH, dtype=np.intp), 0
    for at in range(ends[0]):
        for one in range(ANSWERS):
            answers[one * row + at] = np.nan
        answers[STATUS * row + at], answers[ITERATIONS * row + at] = TOO_FEW_STUDIES, 0.0
    if not in_order:
        answers[PHASE_OF * row] = read_ahead(y, v, offsets[first], offsets[last])
    for k in range(1, ends.size):
        for at in range(ends[k - 1], ends[k], WIDTH):
            m = min(WIDTH, ends[k] - at)
            for lane in range(WIDTH):
                # Lanes without a group of their own repeat the last one.
                start[lane] = offsets[first + order[at + min(lane, m - 1)]]
            lay(y, v, start, k, here)
            weigh(k, same(0.0), here)
            if method >= MAXIMUM_LIKELIHOOD:
                all_moments(k, method == RESTRICTED_LIKELIHOOD, here)
            else:
                few_moments(k, here)
            store(answers, K * row + at, load(here, COUNT))
            store(answers, Q * row + at, load(here, SUM_Q))
            store(answers, TRACE_P * row + at, load(here, TRACE_OF_P) * load(here, UNIT) * load(here, UNIT))
            store(answers, ITERATIONS * row + at, 0.0)
            found = same(np.nan) if method == COMMON else same(0.0)
            if method == DERSIMONIAN_LAIRD:
                found = dersimonian_laird(k, residuals, here)
            write(method, found, here, at, answers, row)
            if climbs:
                store(flags, 0, where(begin(method, scan, k, targets, here, at, answers, row), 1.0, 0.0))
                for lane in range(m):
                    waiting[waits] = at + lane
                    waits += int(flags[lane])
            if spreads:
                write_spread(k, here, at, answers, row)
            while waits >= WIDTH or (waits > 0 and at + WIDTH >= ends[k]):
                m = min(WIDTH, waits)
                for lane in range(WIDTH):
                    who[lane] = waiting[min(lane, m - 1)]
                    start[lane] = offsets[first + order[who[lane]]]
                lay(y, v, start, k, climbing)
                set_off(method, targets, who, answers, row, climbing)
                climb(k, method, climbing)
                finish(k, method, residuals, spreads, m, who, climbing, answers, row)
                for lane in range(waits - m):
                    waiting[lane] = waiting[m + lane]
                waits -= m
    if in_order:
        return longest
    # The answers were laid down by size.
    unsorted = np.empty(order.size)
    for one in range(ANSWERS):
        if (one == RESIDUAL and not residuals) or (SPREAD <= one <= SQUARES and not spreads):
            continue
        for at in range(order.size):
            unsorted[at] = answers[one * row + at]
        for at in range(order.size):
            answers[one * row + order[at]] = unsorted[at]
    return longest


@compiled_door
def pool_groups(
    y: FloatArray, v: FloatArray, offsets: IntArray, edges: IntArray, method: int, scan: bool, residuals: bool, spreads: bool,
    targets: FloatArray, answers: FloatArray,
) -> int:  # fmt: skip
    """Pool the groups edges[0] to edges[-1] (that one excluded), those between two edges together.

    Returns the number of studies of the longest.

    answers: ROWS times (groups + WIDTH) numbers, of which the first groups of each of the first ANSWERS rows are written. Groups
    of more than LONGEST studies are left as they are. targets: by number of studies, what Q(tau2) is to be equal to, for
    GENERALISED_Q.
    """
    row, longest = edges[-1] - edges[0] + WIDTH, 0
    for part in range(edges.size - 1):
        first, last = edges[part], edges[part + 1]
        own = answers[first - edges[0] :]
        of_part = pool_part(y, v, offsets, first, last, method, scan, residuals, spreads, targets, own, row)
        longest = max(longest, of_part)
    return longest
