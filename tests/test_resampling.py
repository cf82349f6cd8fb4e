"""The jackknife and the bootstrap of one meta-analysis: what they say and refuse."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.diagnostics import resampling
from metaanalysis.results.bootstrap import Bootstrap


def simulated(k: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    v = random.uniform(0.02, 0.5, k)
    return random.normal(0.3, np.sqrt(v + 0.1)), v


@pytest.mark.parametrize("options", [{"tau2": "REML"}, {"tau2": "PM", "i2": "q"}, {"model": "common"}])
def test_the_jackknife_by_hand(options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "BATCH", 30)
    y, v = simulated(8)
    fit = ma.pool(y, v, **options)
    found = ma.jackknife(fit)
    fits = [ma.pool(np.delete(y, i), np.delete(v, i), **options) for i in range(8)]
    for name in ("estimate", "tau2", "i2"):
        alone = np.array([getattr(one, name) for one in fits])
        assert_allclose(found.deleted[name], alone, rtol=1e-11, atol=1e-14)
        pseudo = 8 * getattr(fit, name) - 7 * alone
        assert_allclose(found.pseudo_values(name), pseudo, rtol=1e-9, atol=1e-9)
        # The mean of the pseudo-values is the corrected estimate, and their standard error the jackknife's.
        assert_allclose(found.corrected(name), pseudo.mean(), rtol=1e-9, atol=1e-9)
        assert_allclose(found.se[name], pseudo.std(ddof=1) / np.sqrt(8), rtol=1e-9, atol=1e-9)
    low, high = found.interval()[:2]
    assert_allclose([low, high], fit.estimate + np.array([-1, 1]) * 2.364624251592785 * found.se["estimate"], rtol=1e-9)
    assert found.to_frame().shape == (8, 4)


def test_equal_variances_and_a_common_effect_give_the_mean() -> None:
    y = simulated(9)[0]
    found = ma.jackknife(ma.pool(y, np.full(9, 0.3), model="common"))
    assert_allclose(found.se["estimate"], y.std(ddof=1) / 3.0, rtol=1e-12)
    assert_allclose(found.bias["estimate"], 0.0, atol=1e-14)


def test_what_two_studies_can_not_tell() -> None:
    found = ma.jackknife(ma.pool([0.1, 0.9], [0.1, 0.1], tau2="DL"))
    assert np.isfinite(found.se["estimate"])
    assert np.isnan(found.se["tau2"])
    assert found.notes == ("tau2 and i2 can't be estimated without some of the studies",)
    assert found.interval("tau2").note == "without one of the studies it can't be estimated"
    assert "Note: tau2 and i2" in str(found)
    with pytest.raises(ma.DataError, match="jackknife needs at least 2 studies; there is 1"):
        ma.jackknife(ma.pool([0.1], [0.1]))
    with pytest.raises(ma.OptionError, match="estimate, tau2, i2"):
        found.corrected("q")


def test_the_jackknife_is_refused_where_it_is_not_defined() -> None:
    counts = ma.effect_sizes(ma.load_dataset("bcg"), "OR")
    with pytest.raises(ma.OptionError, match="by inverse variance"):
        ma.jackknife(counts, method="mantel-haenszel")


def test_intervals_of_the_bootstrap() -> None:
    fit = ma.pool(*simulated(12), tau2="DL")
    found = ma.bootstrap(fit, 999, kind="studies", seed=4)
    quantiles = np.quantile(found.estimate, [0.05, 0.95])
    assert_allclose(found.interval(level=0.9)[:2], quantiles, rtol=1e-14)
    assert_allclose(found.interval(level=0.9, method="basic")[:2], 2 * fit.estimate - quantiles[::-1], rtol=1e-14)
    low, high = found.interval(level=0.9, method="BCa")[:2]
    assert found.estimate.min() < low < fit.estimate < high < found.estimate.max()
    # Mirrored at the estimate tau2's limits fall below 0, where it can't be.
    assert found.interval("tau2", method="basic").low == 0.0
    assert found.interval("i2", method="basic").high <= 100.0
    text = str(found)
    assert text.startswith("Bootstrap: 999 resamples of the studies\n")
    assert "tau2" in text
    with pytest.raises(ma.OptionError, match="percentile, basic, bca"):
        found.interval(method="student")


def test_bca_belongs_to_resampled_studies() -> None:
    fit = ma.pool(*simulated(12), tau2="DL")
    with pytest.raises(ma.OptionError, match="kind='studies'"):
        ma.bootstrap(fit, 99, seed=4).interval(method="bca")


def test_bca_where_there_is_none() -> None:
    # Effects that are all alike: tau2 is 0 in all resamples, and in the fit.
    y, v = np.full(6, 0.2), np.full(6, 0.1)
    found = ma.bootstrap(ma.pool(y, v, tau2="DL"), 50, kind="studies", seed=1)
    assert_allclose(found.interval("tau2", method="bca")[:2], [0.0, 0.0])
    fit = ma.pool(*simulated(7), tau2="DL")
    above = np.linspace(fit.estimate + 0.1, fit.estimate + 0.2, 50)
    one = Bootstrap("studies", above, above.copy(), above.copy(), 50, 0, fit, ma.jackknife(fit).deleted)
    assert one.interval(method="bca").note == "all resamples lie on one side of the original value"
    pair = ma.pool([0.1, 0.9], [0.1, 0.1], tau2="DL")
    near = np.linspace(0.0, 0.5, 50)
    two = Bootstrap("studies", near, near.copy(), near.copy(), 50, 0, pair, ma.jackknife(pair).deleted)
    assert two.interval("tau2", method="bca").note == "without one of the studies tau2 can't be estimated"


def test_batches_draw_what_one_draw_would(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = ma.pool(*simulated(7), tau2="DL")
    for kind in ("studies", "parametric"):
        whole = ma.bootstrap(fit, 200, kind=kind, seed=3)
        with monkeypatch.context() as patch:
            patch.setattr(resampling, "BATCH", 50)
            assert_array_equal(ma.bootstrap(fit, 200, kind=kind, seed=3).estimate, whole.estimate)
