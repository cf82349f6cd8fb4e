"""The exact distribution of the generalised Q."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas.quadratic_forms import orthonormal_basis, upper_tail, upper_tails


@pytest.mark.parametrize("k", [2, 3, 10, 200])
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.9, 1.1, 2.0, 6.0])
def test_equal_variances_give_chi_squared(k: int, share: float) -> None:
    ones = np.ones(k)
    q = share * (k - 1)
    assert_allclose(upper_tail(q, ones, orthonormal_basis(ones, None)), special.chdtrc(k - 1, q), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("q", [0.5, 4.0, 20.0])
@pytest.mark.parametrize("k", [3, 6])
def test_unequal_variances_against_imhof(k: int, q: float) -> None:
    random = np.random.default_rng(k)
    v = random.uniform(0.01, 3.0, k)
    a, s = 1 / v, v + 0.4
    P = np.diag(a) - np.outer(a, a) / a.sum()
    root = np.diag(np.sqrt(s))
    eigenvalues = [mp.mpf(float(x)) for x in np.linalg.eigvalsh(root @ P @ root)[1:]]

    def integrand(u: mp.mpf) -> mp.mpf:
        angle = sum(mp.atan(x * u) for x in eigenvalues) / 2 - q * u / 2
        modulus = mp.fprod((1 + (x * u) ** 2) ** mp.mpf("0.25") for x in eigenvalues)
        return mp.sin(angle) / (u * modulus)

    exact = mp.mpf("0.5") + mp.quadosc(integrand, [0, mp.inf], omega=q / 2) / mp.pi
    assert_allclose(upper_tail(q, s * a, orthonormal_basis(a, None)), float(exact), rtol=1e-10)


def test_moderators_take_degrees_of_freedom() -> None:
    random = np.random.default_rng(1)
    X = np.column_stack([np.ones(12), random.normal(size=12), random.normal(size=12)])
    v = random.uniform(0.1, 1.0, 12)
    # With weights 1/v and no variance between studies, Q is chi-squared with k - p degrees of freedom.
    assert_allclose(upper_tail(7.0, np.ones(12), orthonormal_basis(1 / v, X)), special.chdtrc(9, 7.0), rtol=1e-11)


def test_scale_of_the_form_does_not_matter() -> None:
    random = np.random.default_rng(2)
    v = random.uniform(0.1, 1.0, 8)
    basis = orthonormal_basis(1 / v, None)
    d = 1 + 0.3 / v
    for c in (1e-12, 1e12):
        assert_allclose(upper_tail(9.0 * c, d * c, basis), upper_tail(9.0, d, basis), rtol=1e-12)


@pytest.mark.parametrize("columns", [1, 3])
def test_many_at_once_are_each_on_its_own(columns: int) -> None:
    # From tau2 = 0 to where nearly all is heterogeneity: tails from 1e-12 to 1, and more rows than one temporary array takes.
    random = np.random.default_rng(4)
    k = 12
    v = 10.0 ** random.uniform(-3, 0, k)
    X = np.column_stack([np.ones(k), random.normal(size=(k, columns - 1))])
    basis = orthonormal_basis(1 / v, X)
    d = 1 + np.append(0.0, np.geomspace(1e-5, 1e3, 99))[:, np.newaxis] / v
    q = np.append(60.0 * np.ones(98), [0.0, 1e-3])
    together = upper_tails(q, d, basis)
    assert_allclose(together, [upper_tail(float(q[i]), d[i], basis) for i in range(q.size)], rtol=1e-11)
    assert together[-2] == 1.0
    assert (np.diff(together[:98]) > -1e-13).all()
    assert_allclose(together[0], special.chdtrc(k - columns, 60.0), rtol=1e-6)
