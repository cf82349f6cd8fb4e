"""Models of counts at the door of `pool`: what they imply, what they refuse, how they are said and drawn."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma


@pytest.fixture(scope="module")
def effects() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("nielweise2007"), "OR")


def test_study_without_events_is_left_out_and_named(effects: ma.Effects) -> None:
    fit = ma.pool(effects, method="glmm", glmm="conditional-exact")
    assert (effects.k, fit.k) == (18, 17)
    assert any("Yucel 2004" in note for note in fit.notes)
    assert np.isnan(fit.weights).all()
    assert fit.options.tau2 == "ML"


def test_summary_and_description_speak_of_the_model(effects: ma.Effects) -> None:
    fit = ma.pool(effects, method="glmm", glmm="conditional-exact")
    text = str(fit)
    assert "generalised linear mixed model (conditional model with exact likelihood)" in text
    assert "mixed model, the conditional model with exact likelihood (Stijnen et al. 2010)." in fit.describe()
    assert "LR chi²" in text
    assert "nan" not in text.lower()
    assert "Continuity correction of the studies' own effects, not of what was pooled" in text
    assert "Stijnen" in fit.describe()
    assert "continuity" not in fit.describe()
    assert math.isnan(fit.tau2_interval().low)
    assert "models of counts" in fit.tau2_interval().note


def test_the_profile_likelihood_gives_an_interval_of_tau2(effects: ma.Effects) -> None:
    fit = ma.pool(effects, method="glmm", glmm="conditional-exact", ci="profile-likelihood")
    limits = fit.tau2_interval()
    assert limits.method == "profile likelihood"
    assert limits.low == 0.0
    assert_allclose(limits.high, fit.details["tau2_ci_high"], rtol=0)
    assert fit.tau2 < limits.high < math.inf
    # The upper limit is where a likelihood-ratio test rejects: another level's lies elsewhere, and is the fit's to find.
    other = ma.pool(effects, method="glmm", glmm="conditional-exact", ci="profile-likelihood", level=0.8)
    assert other.tau2_interval().high < limits.high
    assert math.isnan(fit.tau2_interval(0.8).low)
    assert "level=0.8" in fit.tau2_interval(0.8).note
    for method in ("profile-likelihood", "profile-likelihood-ml"):
        assert fit.tau2_interval(method=method) == limits
    assert math.isnan(fit.tau2_interval(method="q-profile").high)
    assert_allclose(fit.tau_interval()[:2], np.sqrt(limits[:2]), rtol=1e-15)
    i2 = fit.i2_interval()
    assert i2.low == 0.0
    assert fit.i2 < i2.high < 100.0
    assert f"(95% CI 0.0000 to {limits.high:.4f})" in str(fit)
    assert ma.from_json(ma.to_json(fit)).tau2_interval() == limits


def test_where_there_is_no_interval_of_tau2(effects: ma.Effects) -> None:
    wald = ma.pool(effects, method="glmm").tau2_interval()
    assert math.isnan(wald.low)
    assert 'ci="profile-likelihood"' in wald.note
    for options in ({"method": "glmm", "model": "common"}, {"method": "beta-binomial"}):
        assert "no variance between studies" in ma.pool(effects, **options).tau2_interval().note


def test_beta_binomial_keeps_studies_without_events(effects: ma.Effects) -> None:
    fit = ma.pool(effects, method="beta-binomial")
    assert fit.k == 18
    assert 0 < fit.details["rho"] < 1
    assert math.isnan(fit.tau2)
    assert "intraclass correlation" in str(fit)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "glmm", "tau2": "DL"}, "fitted by maximum likelihood"),
        ({"glmm": "random-study"}, "belongs to method='glmm'"),
        ({"method": "glmm", "glmm": "conditional"}, "glmm='conditional' is not a choice"),
        ({"method": "glmm", "ci": "hksj"}, "ci='hksj' does not apply to method='glmm'"),
        ({"method": "beta-binomial", "prediction": "hksj"}, "prediction='hksj' does not apply"),
    ],
)
def test_options_that_do_not_apply_are_refused(effects: ma.Effects, options: dict, message: str) -> None:
    with pytest.raises(ma.OptionError, match=message):
        ma.pool(effects, **options)


def test_given_effects_have_no_counts() -> None:
    with pytest.raises(ma.DataError, match="count"):
        ma.pool([0.1, 0.2], [0.1, 0.1], method="glmm", measure="OR")


def test_forest_plot_has_no_column_of_weights(effects: ma.Effects) -> None:
    axes = ma.forest(ma.pool(effects, method="glmm"))
    texts = [text.get_text() for text in axes.figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert "Weight" not in texts
    assert not any(re.search(r"\bnan\b|n/a", text) for text in texts)


def test_subgroups_take_models_of_counts(effects: ma.Effects) -> None:
    by = ["a"] * 9 + ["b"] * 9
    found = ma.subgroups(effects, by, method="glmm")
    assert found.groups["a"].method == "glmm"
    assert 0 < found.q_between_p_value < 1
