from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.smd_variances import SMD_VARIANCES, Standardized


def parts(d: float, n1: float, n2: float) -> Standardized:
    total = np.array([n1 + n2])
    less_one = CORRECTIONS["exact"](total - 2)
    d_array = np.array([d])
    return Standardized(d_array, d_array * (1 + less_one), less_one, np.array([n1]), np.array([n2]), total, total - 2)


def test_all_variances_agree_in_large_samples() -> None:
    large = {name: variance(parts(0.8, 4e6, 5e6))[0] for name, variance in SMD_VARIANCES.items() if name != "H0"}
    assert_allclose(list(large.values()), large["LS"], rtol=1e-6)


@pytest.mark.parametrize("name", list(SMD_VARIANCES))
def test_no_effect_leaves_the_sizes_of_the_groups(name: str) -> None:
    s = parts(0.0, 12.0, 17.0)
    scale = (1 + s.J_less_one[0]) ** 2 if name == "LS2" else 1.0
    assert_allclose(SMD_VARIANCES[name](s), scale * (1 / 12 + 1 / 17), rtol=1e-15)


def test_the_unbiased_variance_keeps_its_digits_in_huge_samples() -> None:
    # (J² - 1 + 2/m) d² is 0.5/m d² to first order; computed from J itself nothing of it would be left.
    s = parts(2.0, 5e8, 5e8)
    m = 1e9 - 2
    assert_allclose(SMD_VARIANCES["UB"](s), 4e-9 + (0.5 / m + 0.125 / m**2) * 4, rtol=1e-14)


def test_a_study_without_an_estimate_does_not_spoil_the_average_of_the_others() -> None:
    d = np.array([0.5, np.nan, 0.9])
    n = np.array([20.0, 3.0, 30.0])
    zero = np.zeros(3)
    v = SMD_VARIANCES["AV"](Standardized(d, d, zero, n, n, 2 * n, 2 * n - 2))
    average = (40 * 0.5 + 60 * 0.9) / 100
    assert_allclose(v, 2 / n + average**2 / (4 * n), rtol=1e-15)
