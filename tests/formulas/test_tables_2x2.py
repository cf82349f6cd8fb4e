from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas import association, binary, tables_2x2


def random_tables(k: int = 300) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(13)
    n1, n2 = rng.integers(4, 500, k).astype(float), rng.integers(4, 500, k).astype(float)
    return rng.integers(1, n1).astype(float), n1, rng.integers(1, n2).astype(float), n2


A, N1, C, N2 = random_tables()
EVENTS = A + C
PHI = association.phi_coefficient(A, N1, C, N2)[0]
CROSS = A * (N2 - C) - (N1 - A) * C


def test_from_margins_and_an_association() -> None:
    assert_allclose(tables_2x2.events1_from_phi(PHI, N1, N2, EVENTS), A, rtol=1e-12)
    odds_ratio = np.exp(binary.log_odds_ratio(A, N1, C, N2)[0])
    assert_allclose(tables_2x2.events1_from_odds_ratio(odds_ratio, N1, N2, EVENTS), A, rtol=1e-11)
    risk_ratio = np.exp(binary.log_risk_ratio(A, N1, C, N2)[0])
    assert_allclose(tables_2x2.events1_from_risk_ratio(risk_ratio, N1, N2, EVENTS), A, rtol=1e-12)
    difference = binary.risk_difference(A, N1, C, N2)[0]
    assert_allclose(tables_2x2.events1_from_risk_difference(difference, N1, N2, EVENTS), A, rtol=1e-12)
    assert_allclose(tables_2x2.events_from_risk(A / N1, N1), A, rtol=1e-15)


def test_an_odds_ratio_near_one_loses_no_digits() -> None:
    for odds_ratio in (1.0, 1.0 + 1e-13, 1.0 - 1e-9):
        a = tables_2x2.events1_from_odds_ratio(np.array(odds_ratio), np.array(50.0), np.array(70.0), np.array(30.0))
        assert_allclose(a, 50 * 30 / 120, rtol=2e-9)


def test_from_chi_square_with_and_without_yates() -> None:
    total = N1 + N2
    margins = N1 * N2 * EVENTS * (total - EVENTS)
    chi2 = total * CROSS**2 / margins
    assert_allclose(tables_2x2.events1_from_chi_square(chi2, N1, N2, EVENTS, CROSS), A, rtol=1e-11)
    told = np.abs(CROSS) > total / 2
    yates = total * (np.abs(CROSS) - total / 2) ** 2 / margins
    found = tables_2x2.events1_from_chi_square(yates, N1, N2, EVENTS, CROSS, continuity_corrected=True)
    assert told.sum() > 200
    assert_allclose(found[told], A[told], rtol=1e-11)


def test_from_the_odds_ratio_and_its_variance() -> None:
    y, v = binary.log_odds_ratio(A, N1, C, N2)
    low1, low2, high1, high2 = tables_2x2.events_from_odds_ratio_and_variance(np.exp(y), v, N1, N2)
    for events1, events2 in ((low1, low2), (high1, high2)):
        again_y, again_v = binary.log_odds_ratio(events1, N1, events2, N2)
        assert_allclose(again_y, y, rtol=1e-9, atol=1e-12)
        assert_allclose(again_v, v, rtol=1e-9)
    assert (low2 <= high2).all()
    distance = np.minimum(np.abs(low1 - A) + np.abs(low2 - C), np.abs(high1 - A) + np.abs(high2 - C))
    # Where the two answers are one, a rounding error in v is its square root in the counts.
    assert (distance < 1e-4).all()
    assert np.median(distance) < 1e-10


def test_a_variance_too_small_for_the_groups_has_no_table() -> None:
    found = tables_2x2.events_from_odds_ratio_and_variance(*(np.array(x) for x in (1.0, 0.01, 20.0, 20.0)))
    assert np.isnan(found).all()


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.9, 0.8), (1.0, 0.0)])
def test_a_diagnostic_table(sensitivity: float, specificity: float) -> None:
    diseased, healthy = tables_2x2.diseased_from_prevalence(np.array(0.2), np.array(150.0))
    assert_allclose([diseased, healthy], [30.0, 120.0], rtol=1e-15)
    tp, fp, fn, tn = tables_2x2.table_from_sensitivity(np.array(sensitivity), np.array(specificity), diseased, healthy)
    assert_allclose([tp + fn, fp + tn], [30.0, 120.0], rtol=1e-15)
    assert_allclose([tp / 30, tn / 120], [sensitivity, specificity], rtol=1e-15)
