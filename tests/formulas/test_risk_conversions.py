from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from metaanalysis.formulas import risk_conversions as convert

P1, P2 = np.array([0.1, 0.45, 0.999, 1e-6]), np.array([0.2, 0.3, 0.998, 2e-6])
OR, RR, RD = P1 / (1 - P1) / (P2 / (1 - P2)), P1 / P2, P1 - P2


def test_all_of_them_are_the_same_two_risks() -> None:
    assert_allclose(convert.risk_ratio_from_odds_ratio(OR, P2), RR, rtol=1e-12)
    assert_allclose(convert.risk_difference_from_odds_ratio(OR, P2), RD, rtol=1e-11)
    assert_allclose(convert.odds_ratio_from_risk_ratio(RR, P2), OR, rtol=1e-12)
    assert_allclose(convert.risk_difference_from_risk_ratio(RR, P2), RD, rtol=1e-12)
    assert_allclose(convert.risk_ratio_from_risk_difference(RD, P2), RR, rtol=1e-12)
    assert_allclose(convert.odds_ratio_from_risk_difference(RD, P2), OR, rtol=1e-11)


def test_risks_beyond_one_are_not_numbers() -> None:
    p2 = np.array([0.6])
    assert np.isnan(convert.odds_ratio_from_risk_ratio(np.array([2.0]), p2))
    assert np.isnan(convert.risk_difference_from_risk_ratio(np.array([2.0]), p2))
    assert np.isnan(convert.risk_ratio_from_risk_difference(np.array([0.5]), p2))
    assert np.isnan(convert.odds_ratio_from_risk_difference(np.array([-0.7]), p2))


def test_number_needed_to_treat() -> None:
    assert_allclose(convert.number_needed_to_treat(np.array([-0.05, 0.2, 0.0])), [20.0, 5.0, np.inf], rtol=1e-15)


def test_a_risk_of_exactly_one_is_still_a_risk() -> None:
    assert_allclose(convert.risk_difference_from_risk_ratio(np.array(2.0), np.array(0.5)), 0.5, rtol=1e-15)
    assert np.isnan(convert.risk_difference_from_risk_ratio(np.array(2.0005), np.array(0.5)))
    assert_allclose(convert.risk_ratio_from_risk_difference(np.array(0.5), np.array(0.5)), 2.0, rtol=1e-15)
