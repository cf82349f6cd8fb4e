"""Estimators and models under one another show the numbers of their fits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis import plots


@pytest.fixture(scope="module")
def comparison(bcg: ma.Effects) -> object:
    return ma.compare(bcg, ["DL", "PM", "REML"])


def test_diamonds_and_texts(comparison: object, in_order: Callable[..., None]) -> None:
    ax = plots.compare(comparison)
    in_order(ax)
    diamonds = [patch.get_xy() for patch in ax.patches]
    assert len(diamonds) == 3
    shown = [text.get_text() for text in ax.texts]
    for diamond, (key, fit) in zip(diamonds, comparison.fits.items(), strict=True):
        back = fit.back_transformed()
        assert_allclose(diamond[:3, 0], [back.ci_low, back.estimate, back.ci_high], rtol=1e-12)
        assert {f"{back.estimate:.3f}", f"[{back.ci_low:.3f}, {back.ci_high:.3f}]"} <= set(shown)
        assert {f"{fit.tau2:.3f}", f"{fit.i2:.1f}%"} <= set(shown)
        assert f"[{back.prediction_low:.3f}, {back.prediction_high:.3f}]" in shown
        assert any(f"({key})" in text for text in shown)
    # From the top down in the order of the comparison: heights count downwards.
    assert np.diff([diamond[0, 1] for diamond in diamonds]).min() > 0
    assert not [c for c in ax.collections if c.get_gid() == "pooled"]


def test_narrow_figures_name_estimators_by_their_keys(comparison: object, in_order: Callable[..., None]) -> None:
    ax = plots.compare(comparison, width_mm=85)
    in_order(ax)
    shown = {text.get_text() for text in ax.texts}
    assert {"DL", "PM", "REML", "τ²", "I²"} <= shown


def test_models_by_name(bcg: ma.Effects) -> None:
    fits = {"Random": ma.pool(bcg), "Common": ma.pool(bcg, model="common")}
    ax = plots.compare(fits, study_heading="Model", prediction=False)
    shown = [text.get_text() for text in ax.texts]
    assert {"Random", "Common", "Model"} <= set(shown)
    assert not any("rediction" in text for text in shown)
    # They were not pooled alike: no sentence says how.
    assert not any("inverse variance" in text for text in shown)


def test_what_failed_is_said() -> None:
    from metaanalysis.results.comparison import Comparison

    fit = ma.pool([0.1, 0.3, 0.9], [0.02, 0.03, 0.05], measure="MD")
    ax = plots.compare(Comparison({"REML": fit}, {"ML": "the likelihood has no maximum"}))
    assert "ML: the likelihood has no maximum" in [text.get_text() for text in ax.texts]


def test_columns_are_chosen(comparison: object) -> None:
    ax = plots.compare(comparison, left=["k"], right={"q": "Cochran", "estimate": "RR"})
    shown = {text.get_text() for text in ax.texts}
    assert {"Cochran", "13", "152.23", "RR"} <= shown
    assert "τ²" not in shown


def test_options_are_checked(comparison: object, common_fit: ma.Pooled) -> None:
    with pytest.raises(ma.OptionError, match=r"compare has no option 'widht_mm'. Did you mean 'width_mm'"):
        plots.compare(comparison, widht_mm=85)
    with pytest.raises(ma.OptionError, match=r"no column 'tau'. Did you mean 'tau2'"):
        plots.compare(comparison, left=["tau"])
    other = ma.pool([0.1, 0.3], [0.02, 0.03], measure="MD")
    with pytest.raises(ma.OptionError, match="these are of MD and RR"):
        plots.compare({"a": common_fit, "b": other})
    with pytest.raises(ma.OptionError, match="results of pool by name"):
        plots.compare({})
