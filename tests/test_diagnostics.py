"""What the diagnostics do and refuse: one story a test."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.diagnostics import (
    baujat,
    bootstrap,
    compare,
    cumulative,
    fail_safe_n,
    gosh,
    influence,
    leave_one_out,
    permutation_test,
    pet_peese,
    small_study_test,
    trim_and_fill,
)
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.regression import wald_test
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.weighted import weighted_least_squares
from metaanalysis.results.refits import COLUMNS


@pytest.fixture(scope="module")
def effects() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR")


@pytest.fixture(scope="module")
def counts() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "OR")


def simulated(k: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    v = random.uniform(0.02, 0.5, k)
    return random.normal(0.3, np.sqrt(v + 0.1)), v


# Leave-one-out and cumulative.

WAYS = [
    {"tau2": "REML"},
    {"tau2": "PM", "ci": "hksj", "prediction": "hts"},
    {"ci": "kenward-roger"},
    {"ci": "profile-likelihood"},
    {"ci": "henmi-copas"},
    {"model": "common"},
    {"method": "mantel-haenszel"},
    {"method": "peto"},
    {"method": "mantel-haenszel", "model": "random"},
    {"convention": "revman5"},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
def test_each_row_is_the_fit_to_those_studies(counts: ma.Effects, way: dict[str, str]) -> None:
    fit = ma.pool(counts, **way)
    left, built = leave_one_out(fit), cumulative(fit)
    for row in (0, 7, 12):
        keep = np.arange(13) != row
        # A part of the effects, pooled by itself.
        alone = ma.pool(counts.subset(keep), **way)
        first = ma.pool(counts.subset(np.arange(13) <= row), **way)
        for name in COLUMNS:
            assert_allclose(getattr(left, name)[row], getattr(alone, name), rtol=1e-9, atol=1e-12, err_msg=name)
            assert_allclose(getattr(built, name)[row], getattr(first, name), rtol=1e-9, atol=1e-12, err_msg=name)
    assert set(left.status) <= {"converged", "converged at the boundary, 0"}
    assert built.status[0].startswith("converged") or "no more studies" in built.status[0]


def test_many_studies_in_batches() -> None:
    y, v = simulated(700)
    fit = ma.pool(y, v, tau2="DL")
    found = leave_one_out(fit)
    for row in (0, 93, 94, 699):
        alone = ma.pool(np.delete(y, row), np.delete(v, row), tau2="DL")
        assert_allclose([found.estimate[row], found.tau2[row]], [alone.estimate, alone.tau2], rtol=1e-11)


def test_cumulative_by_a_column(effects: ma.Effects) -> None:
    fit = ma.pool(effects, tau2="DL")
    years = effects.column("year")
    rising = cumulative(fit, by="year")
    assert [years[i] for i in rising.order] == sorted(years)
    falling = cumulative(fit, by="year", ascending=False)
    assert [years[i] for i in falling.order] == sorted(years, reverse=True)
    assert_allclose(rising.estimate[-1], fit.estimate, rtol=1e-12)
    assert rising.by == "year"
    assert "by year" in str(rising)
    # Three studies of 1973 or so keep the order of the table either way.
    same = [i for i in falling.order if years[i] == years[falling.order[0]]]
    assert same == sorted(same)
    by_name = cumulative(fit, by="author")
    assert [effects.column("author")[i] for i in by_name.order] == sorted(effects.column("author"))


@pytest.mark.parametrize(
    "by, message",
    [
        ("yaer", "Did you mean 'year'"),
        ([1, 2], "2 values for 13 studies"),
        ([1.0] * 12 + [math.nan], "missing in study"),
        ([1] * 12 + ["x"], "mixes int and str"),
    ],
)
def test_an_order_that_is_none(effects: ma.Effects, by: object, message: str) -> None:
    with pytest.raises(ma.DataError, match=message):
        cumulative(effects, by=by)  # type: ignore[arg-type]


def test_a_single_study_is_said_to_be_one() -> None:
    found = leave_one_out(ma.pool([0.1, 0.5], [0.02, 0.03]))
    assert found.k.tolist() == [1, 1]
    assert_allclose(found.estimate, [0.5, 0.1])
    assert np.isnan(found.tau2).all()
    assert all("no more studies than coefficients" in status for status in found.status)
    with pytest.raises(ma.DataError, match="at least 2 studies; there is 1"):
        leave_one_out(ma.pool([0.1], [0.02]))


def test_a_set_that_can_not_be_pooled_is_a_row_that_says_so() -> None:
    table = {"events1": [0, 0, 5], "n1": [50, 40, 60], "events2": [2, 3, 4], "n2": [50, 40, 60]}
    found = leave_one_out(ma.pool(ma.effect_sizes(table, "OR"), method="mantel-haenszel"))
    assert math.isnan(found.estimate[2])
    assert "Mantel-Haenszel estimate is not defined" in found.status[2]
    assert found.status[0] == "converged"


def test_frame_and_summary_on_both_scales(effects: ma.Effects) -> None:
    found = leave_one_out(effects, tau2="DL")
    plain, read = found.to_frame(), found.to_frame(transform=True)
    assert_allclose(read["ci_low"], np.exp(plain["ci_low"]))
    assert_allclose(read["se"], plain["se"])
    assert list(plain.columns[:3]) == ["label", "k", "estimate"]
    assert "risk ratio" in str(found)
    assert len(str(found).splitlines()) == 2 + 13 + 1
    with pytest.raises(ma.OptionError, match="takes the fit's own options"):
        leave_one_out(ma.pool(effects), tau2="DL")


# Influence.


def test_a_coefficient_that_rests_on_one_study() -> None:
    table = {"y": [0.1, 0.4, 0.3, 0.2, 0.9, 0.6, 0.5, 0.0], "v": [0.1] * 8, "x": [0, 0, 0, 0, 1, 0, 0, 0]}
    reg = ma.meta_regression(ma.effect_sizes(table, "GEN"), "~ x", tau2="DL")
    found = influence(reg)
    assert math.isnan(found.rstudent[4])
    assert "can't be told apart without this study" in found.status[4]
    assert np.isfinite(found.rstudent[[0, 1, 2, 3, 5, 6, 7]]).all()
    # Its leverage alone calls it influential.
    assert found.flagged == ("Study 5",)
    assert list(found.to_frame().filter(like="dfbetas").columns) == ["dfbetas[intercept]", "dfbetas[x]"]


def test_an_outlier_is_flagged() -> None:
    fit = ma.pool([0.1, 0.2, 0.15, 0.12, 0.18, 2.5], [0.01] * 6)
    found = influence(fit)
    assert found.flagged == ("Study 6",)
    assert "Study 6" in str(found).splitlines()[-1]
    assert found.tau2_deleted[5] < 0.01 < fit.tau2
    assert found.thresholds["hat"] == 0.5


@pytest.mark.parametrize(
    "way, message",
    [({"method": "peto"}, "pooling by inverse variance"), ({"ci": "henmi-copas"}, "needs a standard error")],
)
def test_influence_is_refused(counts: ma.Effects, way: dict[str, str], message: str) -> None:
    for question in (influence, baujat):
        with pytest.raises(ma.OptionError, match=message):
            question(ma.pool(counts, **way))


def test_influence_of_too_few() -> None:
    with pytest.raises(ma.DataError, match="at least 3 studies; there are 2"):
        influence(ma.pool([0.1, 0.2], [0.1, 0.2]))


def test_baujat_adds_up_to_q(effects: ma.Effects) -> None:
    fit = ma.pool(effects, model="common")
    found = baujat(fit)
    assert_allclose(found.contribution.sum(), fit.q, rtol=1e-12)
    assert found.to_frame().shape == (13, 4)


# Small-study effects.


def test_tests_by_name_and_their_notes(effects: ma.Effects, counts: ma.Effects) -> None:
    with pytest.raises(ma.OptionError, match="Did you mean 'egger'"):
        small_study_test(effects, "eger")
    assert any("harbord" in note for note in small_study_test(counts, "egger").notes)
    assert small_study_test(effects, "egger").notes == ()
    few = small_study_test(effects.subset(np.arange(13) < 5), "egger")
    assert any("fewer than 10" in note for note in few.notes)
    converted = small_study_test(effects, "peters")
    assert_allclose(converted.estimate, small_study_test(counts, "peters").estimate, rtol=1e-12)
    assert any("log odds ratio" in note for note in converted.notes)


@pytest.mark.parametrize(
    "method", ["harbord", "peters", "deeks", "macaskill", "schwarzer", "rucker", "pustejovsky-rodgers"]
)
def test_counts_that_are_not_there(method: str) -> None:
    fit = ma.pool(*simulated(12))
    with pytest.raises(ma.DataError, match="were made without"):
        small_study_test(fit, method)


@pytest.mark.parametrize("method", ["egger", "thompson-sharp", "begg"])
def test_studies_that_are_all_alike(method: str) -> None:
    with pytest.raises(ma.DataError, match="is the same in all 4 studies"):
        small_study_test(ma.pool([0.1, 0.4, 0.2, 0.3], [0.04] * 4), method)
    with pytest.raises(ma.DataError, match="at least 3 studies"):
        small_study_test(ma.pool([0.1, 0.4], [0.04, 0.1]), method)


def test_options_reach_the_additive_model(effects: ma.Effects) -> None:
    by_fit = small_study_test(ma.pool(effects, tau2="DL", ci="hksj"), "thompson-sharp")
    by_name = small_study_test(effects, "thompson-sharp", tau2="DL", ci="hksj")
    over = small_study_test(ma.pool(effects), "thompson-sharp", tau2="DL", ci="hksj")
    assert by_fit.to_dict() == by_name.to_dict() == over.to_dict()
    assert by_fit.df == 11
    # The same line as a meta-regression on the standard error.
    table = {"y": effects.y, "v": effects.v, "se": effects.se}
    reg = ma.meta_regression(ma.effect_sizes(table, "GEN", y="y", v="v"), "~ se", tau2="DL", ci="hksj")
    assert_allclose([by_fit.limit.estimate, by_fit.estimate], reg.estimates, rtol=1e-11)


def test_studies_without_events_are_named() -> None:
    table = {
        "events1": [0, 3, 5, 7, 2],
        "n1": [50, 40, 60, 90, 30],
        "events2": [0, 2, 9, 4, 6],
        "n2": [50, 40, 60, 80, 35],
    }
    found = small_study_test(ma.effect_sizes(table, "OR"), "harbord")
    assert found.k == 4
    assert any("1 study left out" in note for note in found.notes)


def test_pet_or_peese() -> None:
    random = np.random.default_rng(4)
    se = random.uniform(0.05, 0.4, 40)
    strong = pet_peese(ma.pool(0.5 + random.normal(0, se), se**2))
    assert strong.chosen == "PEESE"
    assert strong.estimate == strong.peese.limit.estimate
    nothing = pet_peese(ma.pool(random.normal(0, se), se**2))
    assert nothing.chosen == "PET"
    turned = pet_peese(ma.pool(-(0.5 + np.zeros(40)) - random.normal(0, se), se**2))
    assert turned.chosen == "PEESE"
    assert turned.pet_one_sided_p < 0.05
    assert turned.to_frame()["chosen"].tolist() == [False, True]
    variance = pet_peese(ma.pool(0.5 + random.normal(0, se), se**2), dispersion="variance")
    assert variance.df == math.inf
    assert not math.isnan(variance.pet.tau2)


def test_pet_peese_in_the_direction_that_is_expected() -> None:
    """By default that of the mean with weights 1/v, also where random effects put the mean on the other side of 0."""
    v = np.array([0.001, 0.002, 0.05, 0.06, 0.07, 0.08])
    y = np.array([0.2, 0.22, -1.2, -0.9, -1.4, -1.1])
    fit = ma.pool(y, v)
    assert fit.estimate < 0 < ma.pool(y, v, model="common").estimate
    found = pet_peese(fit)
    assert found.chosen == pet_peese(fit, direction="positive").chosen == "PEESE"
    against = pet_peese(fit, direction="negative")
    assert against.chosen == "PET"
    assert_allclose(against.pet_one_sided_p, 1 - found.pet_one_sided_p, rtol=1e-12)
    assert_allclose(2 * found.pet_one_sided_p, found.to_frame()["p_value"][0], rtol=1e-12)
    with pytest.raises(ma.OptionError, match="weighted-mean, positive, negative"):
        pet_peese(fit, direction="up")


def test_a_log_odds_says_that_it_goes_with_its_error() -> None:
    effects = ma.effect_sizes({"events": [1, 2, 5, 9], "n": [50, 40, 60, 70]}, "PLO")
    assert any("own standard error" in note for note in small_study_test(effects, "egger").notes)


def test_trim_and_fill_keeps_the_question(effects: ma.Effects) -> None:
    fit = ma.pool(effects, tau2="DL", ci="hksj", level=0.9)
    found = trim_and_fill(fit, side="right")
    assert found.missing == found.filled.k - fit.k == found.filled_y.size
    assert (found.filled.level, found.filled.ci_method) == (0.9, fit.ci_method)
    mirrored = effects.y[found.mirrored]
    assert_allclose(found.filled_y + mirrored, 2 * found.centre, rtol=1e-12)
    assert found.studies()["filled"].sum() == found.missing
    assert found.filled.effects.label[-1].startswith("Filled: ")
    assert found.to_frame()["studies"].tolist() == ["original", "filled"]
    flipped = trim_and_fill(ma.pool(-effects.y, effects.v, tau2="DL", ci="hksj", level=0.9), side="left")
    assert_allclose(flipped.filled.estimate, -found.filled.estimate, rtol=1e-12)


def test_trim_and_fill_refuses(effects: ma.Effects) -> None:
    with pytest.raises(ma.DataError, match="name it, as in side='left'"):
        trim_and_fill(ma.pool([0.1, 0.5, 0.2, 0.9], [0.1] * 4))
    with pytest.raises(ma.OptionError, match="left, right"):
        trim_and_fill(effects, side="up")
    with pytest.raises(ma.OptionError, match="L0, R0, Q0"):
        trim_and_fill(effects, "L1")
    assert trim_and_fill(ma.pool([0.1, 0.5, 0.2, 0.9], [0.1] * 4), side="left").missing >= 0


def test_fail_safe_targets(effects: ma.Effects) -> None:
    assert fail_safe_n(effects, "orwin").number == 13
    assert fail_safe_n(effects, "orwin", target=-0.1).number == math.ceil(13 * (0.7406503812109362 - 0.1) / 0.1)
    for target in (0.1, 0.0):
        with pytest.raises(ma.OptionError, match="can't be reached"):
            fail_safe_n(effects, "orwin", target=target)
    with pytest.raises(ma.OptionError, match="belongs to method='orwin'"):
        fail_safe_n(effects, "rosenthal", target=0.1)
    assert fail_safe_n(ma.pool([0.01, -0.02, 0.03], [1.0, 1.0, 1.0])).number == 0
    assert "598 studies without an effect" in str(fail_safe_n(effects))


# Permutations.


def test_signs_gone_through_by_hand() -> None:
    y, v = np.array([0.9, 0.4, 0.7, -0.1, 0.5, 1.2, 0.3]), np.array([0.1, 0.05, 0.2, 0.1, 0.15, 0.3, 0.02])
    fit = ma.pool(y, v, tau2="PM")
    found = permutation_test(fit)
    z = [ma.pool(np.array(s) * y, v, tau2="PM").statistic for s in itertools.product([1, -1], repeat=7)]
    assert found.exact
    assert_allclose(found.p_values, np.mean(np.abs(z) >= abs(fit.statistic) - 1e-9), rtol=1e-12)
    assert_allclose(np.sort(found.distribution[:, 0]), np.sort(z), rtol=1e-9, atol=1e-12)
    greater = permutation_test(fit, alternative="greater").p_values
    less = permutation_test(fit, alternative="less").p_values
    assert_allclose(greater, np.mean(np.array(z) >= fit.statistic - 1e-9), rtol=1e-12)
    assert greater < found.p_values < less


@pytest.mark.parametrize("estimator, ci", [("REML", "wald"), ("HE", "hksj"), (None, "t")])
def test_rows_shuffled_by_hand(estimator: str | None, ci: str) -> None:
    y, v = simulated(6, seed=5)
    X = np.column_stack([np.ones(6), [1.0, 2.5, 0.3, 4.0, 3.1, 2.0], [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]])

    def fit(order: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, float]:
        Z = X[list(order)]
        tau2 = 0.0 if estimator is None else estimate_tau2(TAU2[estimator].function, y, v, Z).x
        w = 1.0 / (v + tau2)
        found = weighted_least_squares(y, w, Z)
        inference = CI[ci].function(found, w, Z)
        tests = found.coefficients / np.sqrt(np.diag(inference.covariance))
        omnibus = wald_test(found.coefficients[1:], inference.covariance[1:, 1:], inference.df).statistic
        return found.coefficients, tests, float(omnibus)

    model = {"model": "common"} if estimator is None else {"tau2": estimator}
    table = {"y": y, "v": v, "x": X[:, 1], "g": X[:, 2]}
    reg = ma.meta_regression(ma.effect_sizes(table, "GEN"), "~ x + g", ci=ci, **model)
    found = permutation_test(reg)
    assert found.exact
    assert found.arrangements == 720
    estimates, tests, omnibus = (
        np.array(part) for part in zip(*map(fit, itertools.permutations(range(6))), strict=True)
    )
    observed = reg.coefficients["statistic"].to_numpy()
    assert_allclose(found.p_values, np.mean(np.abs(tests) >= np.abs(observed) * (1 - 1e-8), axis=0), rtol=1e-12)
    assert_allclose(found.q_moderators_p_value, np.mean(omnibus >= reg.q_moderators * (1 - 1e-8)), rtol=1e-12)
    assert_allclose(np.sort(found.distribution, axis=0), np.sort(tests, axis=0), rtol=1e-8, atol=1e-10)
    by_coefficient = permutation_test(reg, statistic="coefficient")
    expected = np.mean(np.abs(estimates) >= np.abs(reg.estimates) * (1 - 1e-8), axis=0)
    assert_allclose(by_coefficient.p_values, expected, rtol=1e-12)


def test_both_ways_of_refitting_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["metaanalysis.diagnostics.permutation"]
    y, v = simulated(15, seed=8)
    random = np.random.default_rng(9)
    table = {"y": y + 100.0, "v": v, "a": random.normal(size=15), "b": random.normal(1000.0, 1.0, 15)}
    reg = ma.meta_regression(ma.effect_sizes(table, "GEN"), "~ a + b", ci="hksj-adhoc")
    fast = permutation_test(reg, 300, seed=2)
    monkeypatch.setattr(module, "sums_are_safe", lambda v: False)
    slow = permutation_test(reg, 300, seed=2)
    assert_allclose(fast.distribution, slow.distribution, rtol=1e-7, atol=1e-8)
    assert fast.p_values.tolist() == slow.p_values.tolist()


def test_random_arrangements_repeat_and_count_the_observed_one(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ ablat", tau2="DL")
    one, two = (permutation_test(reg, 500, seed=7) for _ in range(2))
    assert not one.exact
    assert one.permutations == 500
    assert one.arrangements == math.factorial(13) // 2**4
    assert one.p_values.tolist() == two.p_values.tolist()
    assert_allclose(one.distribution[0], reg.coefficients["statistic"], rtol=1e-10)
    assert one.p_values.min() >= 1 / 500
    other = permutation_test(reg, 500, seed=8)
    assert other.distribution.tolist() != one.distribution.tolist()
    # Batches draw one after another: their size changes nothing.
    assert permutation_test(reg, 200, seed=7).distribution.tolist() == one.distribution[:200].tolist()


def test_permutations_refused(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ ablat")
    with pytest.raises(ma.OptionError, match="more than 20,000,000"):
        permutation_test(reg, exact=True)
    with pytest.raises(ma.OptionError, match="whole number from 2 upward"):
        permutation_test(reg, 1)
    with pytest.raises(ma.OptionError, match="two-sided, less, greater"):
        permutation_test(reg, alternative="both")
    with pytest.raises(ma.DataError, match="nothing to shuffle"):
        permutation_test(ma.meta_regression(effects, "~ 1"))
    few = permutation_test(ma.pool([0.5, 0.6, 0.7], [0.01, 0.02, 0.03]))
    assert any("can't be below 0.25" in note for note in few.notes)


def test_progress_is_shown_where_asked(effects: ma.Effects, capsys: pytest.CaptureFixture[str]) -> None:
    permutation_test(ma.pool(effects, tau2="DL"), 100, exact=False, seed=1, progress=True)
    assert "permutations" in capsys.readouterr().err
    permutation_test(ma.pool(effects, tau2="DL"), 100, exact=False, seed=1)
    assert capsys.readouterr().err == ""


# Subsets, estimators, resamples.


def test_every_subset_by_hand() -> None:
    y, v = simulated(5)
    found = gosh(ma.pool(y, v, tau2="PM"))
    assert len(found) == 31
    for row in range(31):
        keep = found.included[row]
        alone = ma.pool(y[keep], v[keep], tau2="PM")
        mine = [found.estimate[row], found.tau2[row], found.i2[row], found.q[row]]
        assert_allclose(mine, [alone.estimate, alone.tau2, alone.i2, alone.q], rtol=1e-10, atol=1e-14)
        assert found.k[row] == alone.k
    assert found.contains("Study 2").sum() == found.contains(1).sum() == 16
    with pytest.raises(ma.DataError, match="there is no study 'Study 9'"):
        found.contains("Study 9")


def test_a_sample_of_subsets() -> None:
    fit = ma.pool(*simulated(30), tau2="DL")
    one, two = (gosh(fit, 2_000, seed=3) for _ in range(2))
    assert not one.every
    assert one.included.any(axis=1).all()
    assert one.estimate.tolist() == two.estimate.tolist()
    assert_allclose(one.k.mean(), 15.0, atol=0.5)
    assert gosh(ma.pool(*simulated(4)), 1_000).every
    with pytest.raises(ma.OptionError, match="whole number from 1 upward"):
        gosh(fit, 0)


def test_compare_keeps_everything_else(effects: ma.Effects) -> None:
    fit = ma.pool(effects, ci="hksj", level=0.9)
    found = compare(fit, ["DL", "pm"])
    assert list(found.fits) == ["DL", "PM"]
    assert found.fits["PM"].to_dict() == ma.pool(effects, tau2="PM", ci="hksj", level=0.9).to_dict()
    every = compare(effects)
    assert {"REML", "DL", "PM", "SJ"} <= set(every.fits)
    low, high = every.range
    assert low < high
    assert every.to_frame().shape[0] == len(every.fits)
    assert len(str(every).splitlines()) == 2 + len(every.fits)
    own = compare(effects, [lambda y, v, X: np.asarray(0.3)])
    assert_allclose(next(iter(own.fits.values())).tau2, 0.3)


def test_compare_refuses(effects: ma.Effects) -> None:
    with pytest.raises(ma.OptionError, match="common-effect model does not have"):
        compare(effects, model="common")
    with pytest.raises(ma.OptionError, match="alone"):
        compare(effects, ci="kenward-roger")
    with pytest.raises(ma.OptionError, match="names no estimator"):
        compare(effects, [])


def test_bootstrap_is_right_where_the_answer_is_known() -> None:
    y, v = simulated(20)
    fit = ma.pool(y, v, model="common")
    found = bootstrap(fit, 4_000, seed=1)
    # Parametric under the common-effect model: exactly normal about the estimate with its standard error.
    assert_allclose(found.se, fit.se, rtol=0.04)
    assert abs(found.bias) < 4 * fit.se / math.sqrt(4_000)
    assert_allclose([found.interval().low, found.interval().high], [fit.ci_low, fit.ci_high], atol=0.15 * fit.se)
    assert found.interval("tau2").note
    studies = bootstrap(ma.pool(y, v, tau2="DL"), 500, kind="studies", seed=1)
    assert (
        studies.estimate.tolist() == bootstrap(ma.pool(y, v, tau2="DL"), 500, kind="studies", seed=1).estimate.tolist()
    )
    assert studies.interval("tau2", 0.5).low >= 0
    with pytest.raises(ma.OptionError, match="parametric, studies"):
        bootstrap(fit, kind="cases")


@pytest.mark.parametrize(
    "question", [leave_one_out, cumulative, gosh, trim_and_fill, fail_safe_n, small_study_test, influence]
)
def test_what_is_no_fit_is_refused(question) -> None:
    with pytest.raises(ma.DataError, match="not list"):
        question([0.1, 0.2])


def test_results_are_closed_to_changes(effects: ma.Effects) -> None:
    found = leave_one_out(effects)
    with pytest.raises(ValueError, match="read-only"):
        found.estimate[0] = 1.0
    with pytest.raises(AttributeError):
        found.by = "x"  # type: ignore[misc]


@pytest.mark.parametrize("c", [1e-8, 1e8])
def test_scale_free(c: float) -> None:
    y, v = simulated(12)
    plain, scaled = ma.pool(y, v), ma.pool(c * y, c * c * v)
    assert_allclose(leave_one_out(scaled).estimate, c * leave_one_out(plain).estimate, rtol=1e-9)
    assert_allclose(leave_one_out(scaled).tau2, c * c * leave_one_out(plain).tau2, rtol=1e-8, atol=1e-12 * c * c)
    assert_allclose(small_study_test(scaled, "begg").p_value, small_study_test(plain, "begg").p_value)
    assert_allclose(pet_peese(scaled).estimate, c * pet_peese(plain).estimate, rtol=1e-9)
    assert trim_and_fill(scaled).missing == trim_and_fill(plain).missing
    table = {"y": y, "v": v, "x": np.arange(12.0)}
    larger = {"y": c * y, "v": c * c * v, "x": np.arange(12.0)}
    one, two = (
        permutation_test(ma.meta_regression(ma.effect_sizes(data, "GEN"), "~ x"), 200, seed=1)
        for data in (table, larger)
    )
    assert_allclose(two.distribution, one.distribution, rtol=1e-7, atol=1e-9)


def test_fits_that_do_not_come_of_their_options_are_refused(effects: ma.Effects) -> None:
    own = ma.pool(effects, weights=np.arange(1.0, 14.0))
    shared = ma.subgroups(effects, by="alloc", tau2_sharing="common").groups["random"]
    for fit in (own, shared):
        for question in (
            leave_one_out,
            cumulative,
            influence,
            baujat,
            gosh,
            trim_and_fill,
            permutation_test,
            bootstrap,
        ):
            with pytest.raises(ma.OptionError, match="weights of its own, or a tau2 shared"):
                question(fit)
    reg = ma.meta_regression(effects, "~ ablat", weights=np.arange(1.0, 14.0))
    for question in (influence, baujat, permutation_test):
        with pytest.raises(ma.OptionError, match="weights of its own"):
            question(reg)


def test_fixed_weights_of_the_generalised_q_stay_with_their_studies(effects: ma.Effects) -> None:
    part = effects.subset(np.arange(13) < 6)
    weights = np.array([1.0, 2.0, 3.0, 1.5, 2.5, 0.5])
    fit = ma.pool(part, tau2="GENQ", tau2_weights=weights)
    left, every = leave_one_out(fit), gosh(fit)
    for row in (0, 5):
        keep = np.arange(6) != row
        alone = ma.pool(part.subset(keep), tau2="GENQ", tau2_weights=weights[keep])
        assert_allclose([left.estimate[row], left.tau2[row]], [alone.estimate, alone.tau2], rtol=1e-11)
        at = np.flatnonzero((every.included == keep).all(axis=1))[0]
        assert_allclose([every.estimate[at], every.tau2[at]], [alone.estimate, alone.tau2], rtol=1e-11)
    assert compare(part, ["DL", "GENQ"], tau2_weights=weights).fits["GENQ"].tau2 == fit.tau2
    for question in (lambda: trim_and_fill(fit), lambda: bootstrap(fit, kind="studies")):
        with pytest.raises(ma.OptionError, match="may not follow"):
            question()


def test_effects_that_are_all_equal() -> None:
    fit = ma.pool([0.5] * 5, [0.1, 0.2, 0.3, 0.4, 0.5], ci="hksj")
    for question in (influence, baujat):
        with pytest.raises(ma.DataError, match="Hartung-Knapp variance is 0"):
            question(fit)
    with pytest.raises(ma.DataError, match="not finite"):
        permutation_test(fit)
    assert np.isnan(leave_one_out(fit).p_value).all() or (leave_one_out(fit).se == 0).all()
    # Without the one that differs the others are all equal.
    found = influence(ma.pool([0.5, 0.5, 0.5, 0.5, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5], model="common", ci="hksj"))
    assert [("variance is 0" in status) for status in found.status] == [False] * 4 + [True]
