from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import binary
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


# Large groups with nearly equal risks, nearly everybody with the event, tiny groups, fractions after a correction.
TABLES = np.array(
    [
        [1000001.0, 2000000.0, 1000000.0, 2000000.0],
        [999999.0, 1000000.0, 999998.0, 1000000.0],
        [1.0, 2.0, 1.0, 3.0],
        [0.5, 11.0, 3.5, 13.0],
        [3.0, 1e9, 2.0, 1.1e9],
        [250.0, 1000.0, 250.0, 1000.0],
        [7.0, 30.0, 12.0, 28.0],
        [19.5, 20.0, 0.5, 16.0],
    ]
)
COLUMNS = tuple(TABLES.T)


def exactly(row: FloatArray) -> list[mpf]:
    return [mpf(float(x)) for x in row]


def log_risk_ratio(a: mpf, n1: mpf, c: mpf, n2: mpf) -> tuple[mpf, mpf]:
    return mpmath.log((a / n1) / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2


def log_odds_ratio(a: mpf, n1: mpf, c: mpf, n2: mpf) -> tuple[mpf, mpf]:
    b, d = n1 - a, n2 - c
    return mpmath.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d


def risk_difference(a: mpf, n1: mpf, c: mpf, n2: mpf) -> tuple[mpf, mpf]:
    return a / n1 - c / n2, a / n1 * (1 - a / n1) / n1 + c / n2 * (1 - c / n2) / n2


def peto(a: mpf, n1: mpf, c: mpf, n2: mpf) -> tuple[mpf, mpf]:
    total, events = n1 + n2, a + c
    variance = n1 * n2 * events * (total - events) / (total**2 * (total - 1))
    return (a - n1 * events / total) / variance, 1 / variance


def arcsine(a: mpf, n1: mpf, c: mpf, n2: mpf) -> tuple[mpf, mpf]:
    return mpmath.asin(mpmath.sqrt(a / n1)) - mpmath.asin(mpmath.sqrt(c / n2)), 1 / (4 * n1) + 1 / (4 * n2)


EXACT: dict[str, tuple[Callable[..., tuple[FloatArray, FloatArray]], Callable[..., tuple[mpf, mpf]]]] = {
    "RR": (binary.log_risk_ratio, log_risk_ratio),
    "OR": (binary.log_odds_ratio, log_odds_ratio),
    "RD": (binary.risk_difference, risk_difference),
    "PETO": (binary.peto_log_odds_ratio, peto),
    "AS": (binary.arcsine_difference, arcsine),
}


@pytest.mark.parametrize("measure", EXACT)
def test_no_digits_are_lost_at_awkward_tables(measure: str) -> None:
    formula, exact = EXACT[measure]
    y, v = formula(*COLUMNS)
    expected = [exact(*exactly(row)) for row in TABLES]
    assert_allclose(y, [float(e[0]) for e in expected], rtol=1e-14)
    assert_allclose(v, [float(e[1]) for e in expected], rtol=1e-14)


def test_probit_difference_at_awkward_tables() -> None:
    y, v = binary.probit_difference(*COLUMNS)
    for i, row in enumerate(TABLES):
        a, n1, c, n2 = exactly(row)
        z = [
            mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1) if 0.01 < p < 0.99 else mpmath.findroot(_tail(p), _start(p))
            for p in (a / n1, c / n2)
        ]
        expected = sum(
            p * (1 - p) / (n * mpmath.npdf(zi) ** 2) for p, n, zi in ((a / n1, n1, z[0]), (c / n2, n2, z[1]))
        )
        # Two probits that are 1e-6 from each other leave ten digits of their difference.
        assert_allclose(y[i], float(z[0] - z[1]), rtol=1e-13, atol=4e-16)
        assert_allclose(v[i], float(expected), rtol=1e-13)


def _tail(p: mpf) -> Callable[[mpf], mpf]:
    return lambda z: mpmath.erfc(abs(z) / mpmath.sqrt(2)) / 2 / min(p, 1 - p) - 1


def _start(p: mpf) -> float:
    size = float(mpmath.sqrt(-2 * mpmath.log(min(p, 1 - p))))
    return size if p > 0.5 else -size


TWO_GROUPS = {
    "RR": binary.log_risk_ratio,
    "OR": binary.log_odds_ratio,
    "RD": binary.risk_difference,
    "PETO": binary.peto_log_odds_ratio,
    "AS": binary.arcsine_difference,
    "PBIT": binary.probit_difference,
}


def random_tables(k: int = 500) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(7)
    n1, n2 = rng.integers(2, 400, k).astype(float), rng.integers(2, 400, k).astype(float)
    return rng.integers(1, n1).astype(float), n1, rng.integers(1, n2).astype(float), n2


@pytest.mark.parametrize("measure", TWO_GROUPS)
def test_swapped_groups_change_the_sign_alone(measure: str) -> None:
    a, n1, c, n2 = random_tables()
    y, v = TWO_GROUPS[measure](a, n1, c, n2)
    swapped_y, swapped_v = TWO_GROUPS[measure](c, n2, a, n1)
    assert_allclose(swapped_y, -y, rtol=1e-13, atol=1e-15)
    assert_allclose(swapped_v, v, rtol=1e-13)


@pytest.mark.parametrize("measure", ["OR", "RD", "PETO", "AS", "PBIT"])
def test_counting_those_without_the_event_changes_the_sign_alone(measure: str) -> None:
    a, n1, c, n2 = random_tables()
    y, v = TWO_GROUPS[measure](a, n1, c, n2)
    other_y, other_v = TWO_GROUPS[measure](n1 - a, n1, n2 - c, n2)
    assert_allclose(other_y, -y, rtol=1e-12, atol=1e-15)
    assert_allclose(other_v, v, rtol=1e-12)


def test_the_log_odds_ratio_does_not_mind_a_transposed_table() -> None:
    a, n1, c, n2 = random_tables()
    y, v = binary.log_odds_ratio(a, n1, c, n2)
    transposed_y, transposed_v = binary.log_odds_ratio(a, a + c, n1 - a, n1 + n2 - a - c)
    assert_allclose(transposed_y, y, rtol=1e-14)
    assert_allclose(transposed_v, v, rtol=1e-14)


def test_peto_is_observed_less_expected_over_its_variance() -> None:
    o_minus_e, variance = binary.peto_components(*random_tables())
    y, v = binary.peto_log_odds_ratio(*random_tables())
    assert_allclose(y, o_minus_e / variance, rtol=1e-15)
    assert_allclose(v, 1 / variance, rtol=1e-15)


def test_peto_variance_is_that_of_the_hypergeometric_distribution() -> None:
    # 3 of 5 and 1 of 4: the number of events in group 1, given 4 events among 9 people
    ways = [mpmath.binomial(5, x) * mpmath.binomial(4, 4 - x) / mpmath.binomial(9, 4) for x in range(5)]
    mean = sum(x * w for x, w in enumerate(ways))
    spread = sum((x - mean) ** 2 * w for x, w in enumerate(ways))
    o_minus_e, variance = binary.peto_components(*(np.array(x) for x in (3.0, 5.0, 1.0, 4.0)))
    assert_allclose(o_minus_e, float(3 - mean), rtol=1e-15)
    assert_allclose(variance, float(spread), rtol=1e-15)


def test_arcsine_difference_with_zeros() -> None:
    zero = np.zeros(1)
    y, v = binary.arcsine_difference(zero, np.array([10.0]), zero, np.array([20.0]))
    assert y[0] == 0.0
    assert_allclose(v, 1 / 40 + 1 / 80, rtol=1e-15)
    y, _ = binary.arcsine_difference(np.array([10.0]), np.array([10.0]), zero, np.array([20.0]))
    assert_allclose(y, np.pi / 2, rtol=1e-15)


def test_ratios_without_events_are_not_finite() -> None:
    table = tuple(np.array([x]) for x in (0.0, 10.0, 3.0, 12.0))
    with np.errstate(all="ignore"):
        for formula in (binary.log_risk_ratio, binary.log_odds_ratio, binary.probit_difference):
            y, v = formula(*table)
            assert not (np.isfinite(y[0]) and np.isfinite(v[0]))


def test_averaged_and_unbiased_variances_of_the_risk_difference() -> None:
    a, n1, c, n2 = (np.array(x) for x in ([2.0, 5.0], [10.0, 30.0], [4.0, 9.0], [12.0, 20.0]))
    p1, p2 = 7 / 40, 13 / 32
    assert_allclose(binary.risk_difference(a, n1, c, n2, "AV")[1], p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2, rtol=1e-14)
    expected = a / n1 * (1 - a / n1) / (n1 - 1) + c / n2 * (1 - c / n2) / (n2 - 1)
    assert_allclose(binary.risk_difference(a, n1, c, n2, "UB")[1], expected, rtol=1e-14)


def test_d_from_the_odds_ratio_of_a_logistic_measurement_is_the_difference_in_standard_deviations() -> None:
    # A logistic variable has standard deviation π/√3: a log odds ratio of that is one standard deviation.
    d, v = binary.log_odds_ratio_to_d_logistic(np.array(np.pi / np.sqrt(3)), np.array(0.4))
    assert_allclose(d, 1.0, rtol=1e-15)
    assert_allclose(v, 0.4 * 3 / np.pi**2, rtol=1e-15)


def test_probit_difference_finds_the_shift_of_a_normal_measurement() -> None:
    shift, cut, n = 0.7, 0.3, 1e6
    p1, p2 = (float(mpmath.ncdf(x)) for x in (shift - cut, -cut))
    y, _ = binary.probit_difference(np.array(p1 * n), np.array(n), np.array(p2 * n), np.array(n))
    assert_allclose(y, shift, rtol=1e-13)


@pytest.mark.parametrize("formula", list(TWO_GROUPS.values()))
def test_shapes_broadcast_and_inputs_stay(
    formula: Callable[..., tuple[FloatArray, FloatArray]],
) -> None:
    a, n1, c, n2 = np.array([[3.0], [5.0]]), np.array([10.0, 20.0, 30.0]), np.array(4.0), np.array([25.0])
    y, v = formula(a, n1, c, n2)
    assert y.shape == v.shape == (2, 3)
    assert_allclose(a[:, 0], [3.0, 5.0], rtol=0)
