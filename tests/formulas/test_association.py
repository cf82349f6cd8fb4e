from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import association
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


TABLES = np.array(
    [
        [1000001.0, 2000000.0, 1000000.0, 2000000.0],
        [999.0, 1000.0, 998.0, 1000.0],
        [1.0, 2.0, 1.0, 3.0],
        [0.5, 11.0, 3.5, 13.0],
        [19.5, 20.0, 0.5, 16.0],
        [7.0, 30.0, 12.0, 28.0],
    ]
)
COLUMNS = tuple(TABLES.T)


def phi_of(p: list[mpf]) -> mpf:
    """Phi of the cells' proportions."""
    a, b, c, d = p
    return (a * d - b * c) / mpmath.sqrt((a + b) * (c + d) * (a + c) * (b + d))


def gradient(function: Callable[[list[mpf]], mpf], p: list[mpf]) -> list[mpf]:
    h = mpf(10) ** -20
    return [
        (function([x + h * (i == j) for j, x in enumerate(p)]) - function([x - h * (i == j) for j, x in enumerate(p)]))
        / (2 * h)
        for i in range(4)
    ]


def test_phi_and_its_two_variances_are_the_delta_method() -> None:
    y, cross_sectional = association.phi_coefficient(*COLUMNS, variance="CS")
    _, fixed_rows = association.phi_coefficient(*COLUMNS, variance="ST")
    for i, row in enumerate(TABLES):
        a, n1, c, n2 = (mpf(float(x)) for x in row)
        total = n1 + n2
        p = [x / total for x in (a, n1 - a, c, n2 - c)]
        slope = gradient(phi_of, p)
        multinomial = sum(s**2 * x for s, x in zip(slope, p, strict=True)) - (
            sum(s * x for s, x in zip(slope, p, strict=True)) ** 2
        )
        # With fixed rows, moving a person within a row is all that chance can do.
        row1, row2 = (slope[0] - slope[1]) ** 2 * p[0] * p[1], (slope[2] - slope[3]) ** 2 * p[2] * p[3]
        binomials = row1 / (n1 / total) + row2 / (n2 / total)
        assert_allclose(y[i], float(phi_of(p)), rtol=1e-14)
        assert_allclose(cross_sectional[i], float(multinomial / total), rtol=1e-12)
        assert_allclose(fixed_rows[i], float(binomials / total), rtol=1e-12)


def test_yules_coefficients_at_awkward_tables() -> None:
    q, q_variance = association.yule_q(*COLUMNS)
    y, y_variance = association.yule_y(*COLUMNS)
    for i, row in enumerate(TABLES):
        a, n1, c, n2 = (mpf(float(x)) for x in row)
        b, d = n1 - a, n2 - c
        exact_q = (a * d - b * c) / (a * d + b * c)
        ratio = mpmath.sqrt(a * d / (b * c))
        exact_y = (ratio - 1) / (ratio + 1)
        woolf = 1 / a + 1 / b + 1 / c + 1 / d
        assert_allclose(q[i], float(exact_q), rtol=1e-14)
        assert_allclose(y[i], float(exact_y), rtol=1e-14)
        assert_allclose(q_variance[i], float((1 - exact_q**2) ** 2 / 4 * woolf), rtol=1e-14)
        assert_allclose(y_variance[i], float((1 - exact_y**2) ** 2 / 16 * woolf), rtol=1e-14)


@pytest.mark.parametrize("formula", [association.phi_coefficient, association.yule_q, association.yule_y])
def test_swapped_rows_change_the_sign_and_a_transposed_table_nothing(
    formula: Callable[..., tuple[FloatArray, FloatArray]],
) -> None:
    a, n1, c, n2 = COLUMNS
    y, v = formula(a, n1, c, n2)
    swapped_y, swapped_v = formula(c, n2, a, n1)
    transposed_y, transposed_v = formula(a, a + c, n1 - a, n1 + n2 - a - c)
    assert_allclose(swapped_y, -y, rtol=1e-13)
    assert_allclose(swapped_v, v, rtol=1e-13)
    assert_allclose(transposed_y, y, rtol=1e-12)
    assert_allclose(transposed_v, v, rtol=1e-12)
