from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from statsmodels.stats.contingency_tables import StratifiedTable

from metaanalysis.formulas.binary import peto_components
from metaanalysis.formulas.tables import (
    mantel_haenszel_log_odds_ratio,
    mantel_haenszel_log_risk_ratio,
    mantel_haenszel_risk_difference,
    mantel_haenszel_risk_difference_sato,
    peto_pooled,
)

FORMULAS = {
    "OR": mantel_haenszel_log_odds_ratio,
    "RR": mantel_haenszel_log_risk_ratio,
    "RD": mantel_haenszel_risk_difference,
    "RD Sato": mantel_haenszel_risk_difference_sato,
}
TABLES = {
    "bcg": ([4, 6, 3, 62, 33], [123, 306, 231, 13598, 5069], [11, 29, 11, 248, 47], [139, 303, 220, 12867, 5808]),
    "zeros": ([0, 3, 0, 1], [20, 30, 25, 12], [2, 0, 0, 4], [22, 28, 25, 15]),
    "one study": ([3], [40], [9], [38]),
    "unbalanced": ([1, 40, 2], [3, 4000, 90], [50, 1, 7], [7000, 2, 80]),
    "everybody": ([20, 29, 25], [20, 30, 25], [21, 28, 24], [22, 28, 25]),
    "nearly everybody of many": ([99_999_998, 49_999_999], [1e8, 5e7], [99_999_997, 49_999_996], [1e8, 5e7]),
    "no difference but for one event": ([30_000_001, 500], [9e7, 1000], [30_000_000, 500], [9e7, 1000]),
    "fractional": ([0.5, 3.5], [21, 31], [2.5, 0.5], [23, 29]),
}  # fmt: skip


@pytest.fixture(params=list(TABLES), ids=lambda name: name.replace(" ", "_"))
def table(request):
    return tuple(np.array(column, dtype=float) for column in TABLES[request.param])


def by_definition(exact, measure, table):
    rows = [tuple(exact.mpf(float(x)) for x in row) for row in zip(*table, strict=True)]
    N = [n1 + n2 for _, n1, _, n2 in rows]

    def total(f):
        return sum(f(a, n1 - a, c, n2 - c, n1, n2, n) for (a, n1, c, n2), n in zip(rows, N, strict=True))

    if measure == "OR":
        r, s = total(lambda a, b, c, d, n1, n2, n: a * d / n), total(lambda a, b, c, d, n1, n2, n: b * c / n)
        variance = (
            total(lambda a, b, c, d, n1, n2, n: (a + d) * a * d / n**2) / (2 * r**2)
            + total(lambda a, b, c, d, n1, n2, n: ((a + d) * b * c + (b + c) * a * d) / n**2) / (2 * r * s)
            + total(lambda a, b, c, d, n1, n2, n: (b + c) * b * c / n**2) / (2 * s**2)
        )
        return exact.mp.log(r / s), variance
    if measure == "RR":
        r, s = total(lambda a, b, c, d, n1, n2, n: a * n2 / n), total(lambda a, b, c, d, n1, n2, n: c * n1 / n)
        bracket = total(lambda a, b, c, d, n1, n2, n: (n1 * n2 * (a + c) - a * c * n) / n**2)
        return exact.mp.log(r / s), bracket / (r * s)
    weight = total(lambda a, b, c, d, n1, n2, n: n1 * n2 / n)
    estimate = total(lambda a, b, c, d, n1, n2, n: (a * n2 - c * n1) / n) / weight
    if measure == "RD":
        bracket = total(lambda a, b, c, d, n1, n2, n: (a * b * n2**3 + c * d * n1**3) / (n1 * n2 * n**2))
        return estimate, bracket / weight**2
    P = total(lambda a, b, c, d, n1, n2, n: (n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / n**2)
    Q = total(lambda a, b, c, d, n1, n2, n: (a * d + c * b) / (2 * n))
    return estimate, (estimate * P + Q) / weight**2


@pytest.mark.parametrize("measure", list(FORMULAS))
def test_against_50_digits(measure, table, exact):
    found = FORMULAS[measure](*table)
    estimate, variance = by_definition(exact, measure, table)
    exact.agree(found.estimate, estimate)
    exact.agree(found.variance, variance)


@pytest.mark.parametrize("measure", list(FORMULAS))
def test_swapped_groups_and_one_study(measure, table):
    a, n1, c, n2 = table
    found, swapped = FORMULAS[measure](a, n1, c, n2), FORMULAS[measure](c, n2, a, n1)
    assert_allclose(swapped.estimate, -found.estimate, rtol=1e-13)
    assert_allclose(swapped.variance, found.variance, rtol=1e-13)


@pytest.mark.parametrize("measure", list(FORMULAS))
def test_split_tables_weigh_as_much_as_they_hold(measure, table):
    # Twice the same studies: the same estimate with half the variance.
    found, doubled = FORMULAS[measure](*table), FORMULAS[measure](*(np.concatenate([x, x]) for x in table))
    assert_allclose(doubled.estimate, found.estimate, rtol=1e-12)
    assert_allclose(doubled.variance, found.variance / 2, rtol=1e-12)
    assert_allclose(doubled.weights, np.concatenate([found.weights, found.weights]), rtol=1e-15)


def test_one_study_has_its_own_ratio_and_woolfs_and_katz_variances():
    a, n1, c, n2 = (np.array([x], dtype=float) for x in (3, 40, 9, 38))
    b, d = n1 - a, n2 - c
    odds, risk = FORMULAS["OR"](a, n1, c, n2), FORMULAS["RR"](a, n1, c, n2)
    assert_allclose(odds.estimate, np.log(a * d / (b * c))[0], rtol=1e-14)
    assert_allclose(odds.variance, (1 / a + 1 / b + 1 / c + 1 / d)[0], rtol=1e-13)
    assert_allclose(risk.estimate, np.log(a * n2 / (c * n1))[0], rtol=1e-14)
    assert_allclose(risk.variance, (1 / a - 1 / n1 + 1 / c - 1 / n2)[0], rtol=1e-13)
    difference = FORMULAS["RD"](a, n1, c, n2)
    assert_allclose(difference.estimate, (a / n1 - c / n2)[0], rtol=1e-14)
    assert_allclose(difference.variance, (a * b / n1**3 + c * d / n2**3)[0], rtol=1e-13)


@pytest.mark.parametrize("name", ["bcg", "zeros", "one study", "unbalanced"])
def test_against_statsmodels(name):
    a, n1, c, n2 = (np.array(column, dtype=float) for column in TABLES[name])
    theirs = StratifiedTable([np.array([[w, x - w], [y, z - y]]) for w, x, y, z in zip(a, n1, c, n2, strict=True)])
    odds, risk = FORMULAS["OR"](a, n1, c, n2), FORMULAS["RR"](a, n1, c, n2)
    assert_allclose(odds.estimate, theirs.logodds_pooled, rtol=1e-12)
    assert_allclose(np.sqrt(odds.variance), theirs.logodds_pooled_se, rtol=1e-12)
    assert_allclose(np.exp(risk.estimate), theirs.riskratio_pooled, rtol=1e-12)


def test_weights_are_the_denominators():
    a, n1, c, n2 = (np.array(column, dtype=float) for column in TABLES["bcg"])
    N = n1 + n2
    assert_allclose(FORMULAS["OR"](a, n1, c, n2).weights, (n1 - a) * c / N)
    assert_allclose(FORMULAS["RR"](a, n1, c, n2).weights, c * n1 / N)
    assert_allclose(FORMULAS["RD"](a, n1, c, n2).weights, n1 * n2 / N)


def test_peto_against_50_digits(table, exact):
    o_minus_e, variance = peto_components(*table)
    rows = [tuple(exact.mpf(float(x)) for x in row) for row in zip(*table, strict=True)]
    excess = sum(a - n1 * (a + c) / (n1 + n2) for a, n1, c, n2 in rows)
    V = [
        n1 * n2 * (a + c) * (n1 + n2 - a - c) / ((n1 + n2) ** 2 * (n1 + n2 - 1)) for a, n1, c, n2 in rows
    ]  # fmt: skip
    found = peto_pooled(o_minus_e, variance)
    exact.agree(found.estimate, excess / sum(V))
    exact.agree(found.variance, 1 / sum(V))
    exact.agree(found.weights, V, atol=1e-300)


@pytest.mark.parametrize("measure", list(FORMULAS))
def test_leading_axes(measure):
    rng = np.random.default_rng(6)
    n1, n2 = rng.integers(20, 60, (2, 3, 4)).astype(float), rng.integers(20, 60, (2, 3, 4)).astype(float)
    a, c = np.floor(n1 * rng.uniform(0.1, 0.5, n1.shape)), np.floor(n2 * rng.uniform(0.1, 0.5, n2.shape))
    found = FORMULAS[measure](a, n1, c, n2)
    for i in np.ndindex(2, 3):
        alone = FORMULAS[measure](a[i], n1[i], c[i], n2[i])
        assert_allclose([found.estimate[i], found.variance[i]], [alone.estimate, alone.variance], rtol=1e-13)
