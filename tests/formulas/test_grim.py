"""GRIM, the bounds of standard deviations, and standard errors typed as standard deviations: against brute force."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from metaanalysis.formulas.grim import can_tell, nearest_means, off_the_grid
from metaanalysis.formulas.rounding import printed
from metaanalysis.formulas.standard_deviation_bounds import largest_standard_deviation, smallest_standard_deviation
from metaanalysis.formulas.standard_error_as_sd import suspicion


def around(mean: str):
    """What a printed mean can stand for."""
    decimals = len(mean.partition(".")[2])
    return printed(np.array(float(mean)), np.array(float(decimals)))


def possible_prints(count: int, decimals: int, highest: int) -> set[Fraction]:
    """Every text that a mean of `count` whole numbers from 0 up can be printed as, halves rounded either way."""
    unit = Fraction(1, 10**decimals)
    found = set()
    for total in range(highest * count + 1):
        below = Fraction(total, count) // unit
        rest = Fraction(total, count) - below * unit
        if rest <= unit / 2:
            found.add(below * unit)
        if rest >= unit / 2:
            found.add((below + 1) * unit)
    return found


@pytest.mark.parametrize(("count", "decimals"), [(7, 1), (7, 2), (19, 2), (28, 2), (40, 2), (64, 2), (99, 2), (130, 3)])
def test_grim_tells_exactly_the_means_that_no_whole_numbers_have(count, decimals):
    possible = possible_prints(count, decimals, 3)
    for step in range(10**decimals, 2 * 10**decimals):
        text = f"{step / 10**decimals:.{decimals}f}"
        apart = off_the_grid(around(text), np.array(float(count)))
        assert (apart == 0) == (Fraction(step, 10**decimals) in possible), text


def test_grim_by_the_example_of_its_authors():
    # Brown & Heathers (2017): a mean of 5.19 with 28 people is impossible; 5.18 and 5.21 are the neighbours.
    assert off_the_grid(around("5.19"), np.array(28.0)) > 0
    below, above = nearest_means(np.array(5.19), np.array(28.0))
    assert_allclose([below, above], [145 / 28, 146 / 28], rtol=1e-15)
    assert f"{below:.2f} {above:.2f}" == "5.18 5.21"


def test_grim_how_far_off():
    # 5.185 to 5.195 lies between 145/28 = 5.17857 and 146/28 = 5.21429, nearer to the lower one.
    assert_allclose(off_the_grid(around("5.19"), np.array(28.0)), 5.185 - 145 / 28, rtol=1e-9)


def test_grim_of_scales_of_several_items():
    assert off_the_grid(around("3.45"), np.array(10.0 * 1)) > 0
    assert off_the_grid(around("3.45"), np.array(10.0 * 2)) == 0


def test_grim_cannot_tell_where_people_are_many():
    counts = np.array([28.0, 99.0, 100.0, 1000.0, np.nan])
    mean = printed(np.full(5, 3.47), np.full(5, 2.0))
    assert can_tell(mean, counts).tolist() == [True, True, False, False, False]
    assert np.isnan(off_the_grid(mean, counts)[-1])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_bounds_of_standard_deviations_hold_every_sample_and_are_reached(n):
    lowest, highest = 1, 4
    by_mean: dict[float, list[float]] = {}
    for sample in itertools.product(range(lowest, highest + 1), repeat=n):
        by_mean.setdefault(sum(sample) / n, []).append(float(np.std(sample, ddof=1)))
    ends = np.array(float(lowest)), np.array(float(highest))
    for mean, deviations in by_mean.items():
        exact = printed(np.array(mean), np.array(14.0))
        most = largest_standard_deviation(exact, np.array(float(n)), *ends)
        least = smallest_standard_deviation(exact, np.array(float(n)), np.array(1.0))
        assert max(deviations) <= most * (1 + 1e-9) + 1e-9
        assert_allclose(least, min(deviations), rtol=1e-5, atol=1e-5)
        if (mean - lowest) * n % (highest - lowest) == 0:  # everyone can stand at an end
            assert_allclose(most, max(deviations), rtol=1e-9, atol=1e-5)


@given(st.lists(st.integers(0, 10), min_size=2, max_size=40), st.integers(0, 3), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_true_data_are_always_possible(values, decimals, items):
    x = np.array(values) / items
    mean = around(f"{x.mean():.{decimals}f}")
    sd = float(x.std(ddof=1))
    n = np.array(float(x.size))
    assert off_the_grid(mean, n * items) == 0
    assert sd <= largest_standard_deviation(mean, n, np.array(0.0), np.array(10.0 / items)) * (1 + 1e-9) + 1e-12
    assert sd >= smallest_standard_deviation(mean, n, np.array(1.0 / items)) * (1 - 1e-9) - 1e-12


def test_bounds_by_hand():
    # Mean 4.9 of 25 on 1 to 5: (4.85 - 1)(5 - 4.85) 25/24 over the rounding.
    most = largest_standard_deviation(around("4.9"), np.array(25.0), np.array(1.0), np.array(5.0))
    assert_allclose(most, math.sqrt(3.85 * 0.15 * 25 / 24), rtol=1e-9)
    assert largest_standard_deviation(around("5.5"), np.array(25.0), np.array(1.0), np.array(5.0)) == 0
    assert np.isnan(largest_standard_deviation(around("3"), np.array(1.0), np.array(1.0), np.array(5.0)))
    # Mean 3.60 of 90 whole numbers: f = 0.605 at the far end of the rounding.
    least = smallest_standard_deviation(around("3.60"), np.array(90.0), np.array(1.0))
    assert_allclose(least, math.sqrt(0.605 * 0.395 * 90 / 89), rtol=1e-9)
    assert smallest_standard_deviation(around("3"), np.array(90.0), np.array(1.0)) == 0


def studies(k: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(30, 90, (2, k)).astype(float)
    sd1, sd2 = np.exp(rng.normal(2.0, 0.15, (2, k)))
    mean2 = rng.normal(50.0, 2.0, k)
    return mean2 + rng.normal(3.0, 1.0, k), sd1, n1, mean2, sd2, n2


@pytest.mark.parametrize("k", [4, 9, 30])
def test_a_standard_error_among_standard_deviations_stands_out(k):
    mean1, sd1, n1, mean2, sd2, n2 = studies(k)
    assert (suspicion(mean1, sd1, n1, mean2, sd2, n2).log_odds < 0).all()
    typed1, typed2 = sd1.copy(), sd2.copy()
    typed1[2] /= math.sqrt(n1[2])
    typed2[2] /= math.sqrt(n2[2])
    found = suspicion(mean1, typed1, n1, mean2, typed2, n2)
    assert found.log_odds.argmax() == 2
    assert found.log_odds[2] > math.log(1000)
    assert (np.delete(found.log_odds, 2) < 0).all()
    # Taken for standard errors they give the study's own numbers back.
    true = suspicion(mean1, sd1, n1, mean2, sd2, n2)
    assert_allclose(found.sd_if_error[2], true.sd[2], rtol=1e-12)
    assert_allclose(found.smd_if_error[2], true.smd[2], rtol=1e-12)


def test_the_unit_of_measurement_does_not_matter():
    data = studies(8)
    scaled = tuple(x * 1e6 if i in (0, 1, 3, 4) else x for i, x in enumerate(data))
    assert_allclose(suspicion(*scaled).log_odds, suspicion(*data).log_odds, rtol=1e-9)


def test_few_studies_are_held_against_usual_differences():
    one = (np.array([x]) for x in (10.0, 0.5, 100.0, 5.0, 0.5, 100.0))
    assert suspicion(*one).log_odds[0] > math.log(1000)
    usual = (np.array([x]) for x in (5.3, 0.5, 100.0, 5.0, 0.5, 100.0))
    assert suspicion(*usual).log_odds[0] < math.log(1000)
