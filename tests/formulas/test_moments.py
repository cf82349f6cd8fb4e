from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.moments import (
    few_moments_of_mean,
    moments,
    moments_of_regression,
    q_moments_of_mean,
    score_moments_of_mean,
)
from metaanalysis.formulas.weighted import anchor_first

FIELDS = ("q", "yppy", "ypppy", "trace_p", "trace_pp", "trace_w", "trace_ww", "log_det_xwx")
DESIGN = np.array([[1.0, 44, 0], [1, 55, 1], [1, 42, 1], [1, 52, 0], [1, 13, 0], [1, 44, 1], [1, 19, 1]])
EFFECTS = np.array([0.3, -0.2, 0.9, 1.4, 0.1, -0.7, 0.6])


@pytest.mark.parametrize("tau2_over_v", [0.0, 1e-3, 1.0, 100.0])
def test_moments_of_the_mean_against_50_digits(awkward, tau2_over_v, exact):
    name, y, v = awkward
    tau2 = tau2_over_v * float(np.median(v))
    found, reference = moments(*anchor_first(y, v), np.asarray(tau2), None), exact.Fit(y, v, tau2)
    scale = float(max(reference.w))
    for field in FIELDS:
        # Only Newton's direction uses y'PPPy, which may cancel down to nothing where one study dominates.
        rtol = 1e-12 if field != "ypppy" else 1e-9
        atol = 1e-28 * scale if name == "all equal" else (1e-15 if field == "log_det_xwx" else 0.0)
        exact.agree(getattr(found, field), getattr(reference, field), rtol=rtol, atol=atol)


@pytest.mark.parametrize("ratio", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("heavy", [[0], [3, 4], [0, 3, 5]])
def test_moments_of_a_regression_against_50_digits(ratio, heavy, exact):
    v = np.array([0.5, 0.7, 0.9, 0.6, 1.1, 0.8, 0.65])
    v[heavy] /= ratio
    found = moments(EFFECTS, v, np.asarray(0.0), DESIGN)
    reference = exact.Fit(EFFECTS, v, 0, DESIGN)
    for field in FIELDS:
        # tr PP guides Newton's step alone; pairs of studies that dominate together cancel in it.
        exact.agree(getattr(found, field), getattr(reference, field), rtol=1e-9 if field == "trace_pp" else 1e-12)


@pytest.mark.parametrize("ratio", [1e9, 1e12])
def test_score_of_a_regression_survives_a_dominating_study(ratio, exact):
    v = np.array([0.5 / ratio, 0.7, 0.9, 0.6, 1.1, 0.8, 0.65])
    found, reference = moments(EFFECTS, v, np.asarray(0.0), DESIGN), exact.Fit(EFFECTS, v, 0, DESIGN)
    for field in ("q", "yppy", "trace_p", "trace_pp"):
        exact.agree(getattr(found, field), getattr(reference, field))


def test_a_column_of_ones_is_the_mean(awkward):
    _, y, v = awkward
    for tau2 in (0.0, float(np.median(v))):
        mean = moments(*anchor_first(y, v), np.asarray(tau2), None)
        regression = moments_of_regression(y, 1.0 / (v + tau2), np.ones((y.size, 1)))
        for field in FIELDS:
            if field == "ypppy":
                continue
            size = np.ptp(y) or 1e-300
            # y'Py and its kin know y only to the rounding of y itself.
            noise = 1e-15 * (np.abs(y).max() / size) if field in ("q", "yppy") else 0.0
            assert_allclose(
                getattr(regression, field), getattr(mean, field), rtol=1e-12 + 4 * noise, atol=1e-25, err_msg=field
            )


def test_leading_axes():
    rng = np.random.default_rng(1)
    y, v, tau2 = rng.normal(size=(2, 3, 7)), rng.uniform(0.1, 2, (2, 3, 7)), rng.uniform(0, 1, (2, 3))
    X = np.broadcast_to(DESIGN, (2, 3, 7, 3))
    for design in (None, X):
        effects, variances = anchor_first(y, v) if design is None else (y, v)
        together = moments(effects, variances, tau2, design)
        for i in np.ndindex(2, 3):
            alone = moments(effects[i], variances[i], tau2[i], None if design is None else DESIGN)
            for field in FIELDS:
                assert_allclose(getattr(together, field)[i], getattr(alone, field), rtol=1e-13)


def test_q_keeps_its_digits_where_the_most_precise_of_many_studies_is_the_outlier():
    random = np.random.default_rng(1)
    v = random.uniform(1.0, 1.3, 20_000)
    v[0] = 0.99
    y = 1e-6 * random.normal(size=v.size)
    y[0] = 7.3 + random.random()
    mean = math.fsum(y / v) / math.fsum(1.0 / v)
    expected = math.fsum((y - mean) ** 2 / v)
    for of_mean in (score_moments_of_mean, few_moments_of_mean, q_moments_of_mean):
        found = of_mean(y - y[0], 1.0 / v).q
        assert_allclose(found, expected, rtol=1e-13)
