"""Exact arithmetic at 50 digits, written from the definitions, to hold the formulas against."""

from __future__ import annotations

from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

BCG_Y = [-0.8893113, -1.5853887, -1.3480731, -1.4415512, -0.2175473, -0.7861156, -1.6208982, 0.0119523, -0.4694176,
         -1.3713448, -0.3393588, 0.4459134, -0.0173139]  # fmt: skip
BCG_V = [0.3255848, 0.1945811, 0.4153680, 0.0200100, 0.0512102, 0.0069056, 0.2230172, 0.0039616, 0.0564342,
         0.0730248, 0.0124122, 0.5325058, 0.0714047]  # fmt: skip

# Named so that a failure says what was hard about it.
AWKWARD = {
    "bcg": (BCG_Y, BCG_V),
    "two studies": ([0.3, 0.9], [0.1, 0.2]),
    "one dominates": ([0.3, -0.2, 0.9, 1.4, 0.1], [1e-12, 0.7, 0.4, 1.1, 0.6]),
    "two dominate and disagree": ([0.3, -0.2, 0.9, 1.4, 0.1], [1e-10, 1.3e-10, 0.4, 1.1, 0.6]),
    "wide ladder of variances": ([0.31, 0.3, 0.27, 0.9, -1.4, 2.1], [1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0]),
    "far from zero": ([1e8 + 0.25, 1e8 + 0.5, 1e8 - 0.75, 1e8 + 1.5], [0.1, 0.2, 0.15, 0.3]),
    "tiny scale": ([3e-11, -2e-11, 9e-11, 5e-11], [1e-20, 4e-20, 2e-20, 3e-20]),
    "huge scale": ([3e11, -2e11, 9e11, 5e11], [1e20, 4e20, 2e20, 3e20]),
    "homogeneous": ([0.3, 0.31, 0.29, 0.305], [0.4, 0.3, 0.2, 0.5]),
    "all equal": ([0.3, 0.3, 0.3, 0.3], [0.4, 0.3, 0.2, 0.5]),
    "ties": ([0.5, 0.5, 1.0, 1.0, 0.0], [0.01, 1.0, 0.01, 1.0, 0.1]),
    "vague pair": ([0.1, 0.2, 0.15, 0.3], [1e-8, 1e8, 1e-8, 1e8]),
}


def exact_matrix(rows):
    return mp.matrix([[mpf(float(x)) for x in row] for row in rows])


class ExactFit:
    """Weighted least squares and P = W - WX (X'WX)^-1 X'W by their definitions, k x k and slow."""

    def __init__(self, y, v, tau2=0, X=None):
        self.k = len(y)
        X = [[1]] * self.k if X is None else X
        self.y, self.v = [mpf(float(x)) for x in y], [mpf(float(x)) for x in v]
        self.tau2 = mpf(tau2) if isinstance(tau2, mpf) else mpf(float(tau2))
        self.X, Y = exact_matrix(X), mp.matrix(self.y)
        self.p = self.X.cols
        self.w = [1 / (v + self.tau2) for v in self.v]
        W = mp.diag(self.w)
        XWX = self.X.T * W * self.X
        self.covariance = XWX**-1
        self.coefficients = self.covariance * self.X.T * W * Y
        hat = W * self.X * self.covariance * self.X.T
        self.leverages = [hat[i, i] for i in range(self.k)]
        self.complements = [1 - h for h in self.leverages]
        P = W - hat * W
        Py = P * Y
        PPy = P * Py
        self.residuals = list(Y - self.X * self.coefficients)
        self.q = (Y.T * Py)[0]
        self.yppy = (Py.T * Py)[0]
        self.ypppy = (Py.T * PPy)[0]
        self.trace_p = sum(P[i, i] for i in range(self.k))
        self.trace_pp = sum(x * x for x in P)
        self.trace_w, self.trace_ww = sum(self.w), sum(w * w for w in self.w)
        self.log_det_xwx = mp.log(mp.det(XWX))
        self.log_det_xx = mp.log(mp.det(self.X.T * self.X))

    def log_likelihood(self, restricted):
        log_det_v = sum(mp.log(v + self.tau2) for v in self.v)
        if not restricted:
            return -(self.k * mp.log(2 * mp.pi) + log_det_v + self.q) / 2
        constant = (self.k - self.p) * mp.log(2 * mp.pi) - self.log_det_xx
        return -(constant + log_det_v + self.log_det_xwx + self.q) / 2


def root_between(function, low, high):
    """The root of a function that is positive at low and negative at high, to 40 digits."""
    low, high = mpf(low), mpf(high)
    at_low = function(low)
    assert at_low > 0 > function(high)
    # Both scales are taken out, for findroot's tolerance is absolute.
    share = mp.findroot(
        lambda x: function(x * high) / at_low, (low / high, mpf(1)), solver="anderson", tol=mpf(10) ** -40, verify=False
    )
    return share * high


def gamma_upper(a, x):
    """Regularised upper incomplete gamma function by its series or its continued fraction."""
    a, x = mpf(a), mpf(x)
    scale = mp.exp(-x + a * mp.log(x) - mp.loggamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = 0
        while term > total * mpf(10) ** -48:
            n += 1
            term *= x / (a + n)
            total += term
        return 1 - total * scale
    tiny = mpf(10) ** -90
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    h = d
    for i in range(1, 100_000):
        b += 2
        d = 1 / (b - i * (i - a) * d)
        c = b - i * (i - a) / c
        h *= c * d
        if abs(c * d - 1) < mpf(10) ** -48:
            break
    return h * scale


def chi2_upper(x, df):
    return gamma_upper(mpf(float(df)) / 2, mpf(float(x)) / 2)


def two_sided_t(t, df):
    t, df = mpf(t), mpf(df)
    return mpmath.betainc(df / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True)


def two_sided_normal(z):
    return mpmath.erfc(mpf(z) / mp.sqrt(2))


def relative_error(actual, exact):
    """|actual / exact - 1|; 0 where both are 0."""
    actual, exact = mpf(float(actual)), mpf(exact)
    if exact == 0:
        return 0.0 if actual == 0 else float("inf")
    return float(abs(actual / exact - 1))


def agree(actual, exact, rtol=1e-12, atol=0.0):
    """Assert that numbers agree, element by element, to rtol relative or atol absolute."""
    actual = np.atleast_1d(np.asarray(actual, dtype=float)).ravel()
    try:
        exact = list(exact)
    except TypeError:
        exact = [exact]
    assert len(actual) == len(exact)
    for a, e in zip(actual, exact, strict=True):
        distance = abs(mpf(float(a)) - e)
        assert distance <= rtol * abs(e) + atol, f"{a!r} should be {mp.nstr(e, 20)}: off by {mp.nstr(distance, 3)}"


@pytest.fixture(scope="session")
def exact():
    mp.dps = 50
    return SimpleNamespace(
        Fit=ExactFit,
        root=root_between,
        chi2_upper=chi2_upper,
        two_sided_t=two_sided_t,
        two_sided_normal=two_sided_normal,
        relative_error=relative_error,
        agree=agree,
        mpf=mpf,
        mp=mp,
    )


@pytest.fixture(params=list(AWKWARD), ids=lambda name: name.replace(" ", "_"))
def awkward(request):
    """Effects and variances that are hard in one way each: name, y, v."""
    y, v = AWKWARD[request.param]
    return request.param, np.array(y), np.array(v)
