from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.stats.meta_analysis import combine_effects

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.tau2 import TAU2

Y = [0.1, 0.9, -0.4, 0.6, 0.3, 1.1]
V = [0.04, 0.02, 0.05, 0.1, 0.03, 0.08]
COUNTS = pd.DataFrame(
    {
        "study": ["A", "B", "C", "D", "E", "F"],
        "events1": [4, 6, 3, 62, 33, 12],
        "n1": [123, 306, 231, 1359, 506, 154],
        "events2": [11, 29, 11, 248, 47, 37],
        "n2": [139, 303, 220, 1286, 580, 145],
        "alloc": ["random", "random", "other", "random", "other", "other"],
        "year": [1933.0, 1935.5, 1935.5, 1941.0, 1933.0, 1941.0],
    }
)
SPARSE = COUNTS.assign(events1=[0, 6, 0, 62, 33, 12], events2=[3, 0, 0, 248, 47, 37])


def quiet(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        return function(*arguments, **options)


class TestAgainstStatsmodels:
    """`combine_effects` lets tau2 go below 0, subtracts to get Q, and takes an equation missed on the far side, if only by a
    rounding, for tau2 = 0: data with heterogeneity, of a size near 1, whose equation its last step misses by ten roundings or more
    on the near side and by less than 3e-13 of tau2, which 50 digits say of these seeds.
    """

    @pytest.mark.parametrize(
        "tau2, theirs", [("DL", {"method_re": "chi2"}), ("PM", {"method_re": "iterated", "atol": 1e-10})]
    )
    @pytest.mark.parametrize("k, seed", [(2, 13), (6, 10), (40, 48)])
    def test_random_effects(self, tau2, theirs, k, seed):
        rng = np.random.default_rng(seed)
        v = rng.uniform(0.01, 0.1, k)
        y = rng.normal(0.5, np.sqrt(v + 0.5))
        expected = combine_effects(y, v, **theirs)
        fit = ma.pool(y, v, tau2=tau2)
        assert_allclose(fit.tau2, expected.tau2, rtol=1e-12)
        assert_allclose(fit.estimate, expected.mean_effect_re, rtol=1e-12)
        assert_allclose(fit.se, expected.sd_eff_w_re, rtol=1e-12)
        assert_allclose(ma.pool(y, v, tau2=tau2, ci="hksj").se, expected.sd_eff_w_re_hksj, rtol=1e-12)
        assert_allclose(fit.weights / 100, expected.weights_rel_re, rtol=1e-12)

    def test_common_effect(self):
        expected = combine_effects(np.array(Y), np.array(V))
        fit = ma.pool(Y, V, model="common")
        assert_allclose(fit.estimate, expected.mean_effect_fe, rtol=1e-13)
        assert_allclose(fit.se, expected.sd_eff_w_fe, rtol=1e-13)
        assert_allclose(ma.pool(Y, V, model="common", ci="hksj").se, expected.sd_eff_w_fe_hksj, rtol=1e-13)
        assert_allclose(fit.q, expected.q, rtol=1e-12)
        assert_allclose(fit.i2, 100 * expected.i2, rtol=1e-11)


class TestOneTwoAndEqualStudies:
    @pytest.mark.parametrize("model", ["random", "common"])
    def test_one_study_is_itself(self, model):
        fit = ma.pool([0.3], [0.04], model=model)
        assert (fit.estimate, fit.se, fit.k) == (0.3, 0.2, 1)
        assert_allclose([fit.ci_low, fit.ci_high], [0.3 - 0.2 * 1.959963984540054, 0.3 + 0.2 * 1.959963984540054])
        assert_array_equal(fit.weights, [100.0])
        for name in ("tau2", "tau", "i2", "h2", "q_p_value", "prediction_low", "prediction_high"):
            assert np.isnan(getattr(fit, name)), name
        assert fit.q == fit.q_df == 0
        assert any("k = 1" in note for note in fit.notes)
        interval = fit.tau2_interval()
        assert np.isnan(interval.low)
        assert "k = 1" in interval.note
        assert "k = 1" in str(fit)

    @pytest.mark.parametrize("ci", ["t", "hksj", "hksj-adhoc", "kenward-roger"])
    def test_one_study_has_no_interval_on_no_degrees_of_freedom(self, ci):
        fit = ma.pool([0.3], [0.04], ci=ci)
        assert fit.estimate == 0.3
        assert np.isnan([fit.ci_low, fit.ci_high, fit.p_value]).all()
        assert any("no confidence interval" in note for note in fit.notes)

    @pytest.mark.parametrize("tau2", list(TAU2))
    def test_two_studies(self, tau2):
        fit = ma.pool([0.3, 0.9], [0.04, 0.09], tau2=tau2, prediction="hts")
        assert np.isfinite([fit.estimate, fit.se, fit.tau2]).all()
        assert np.isnan(fit.prediction_low)
        assert any("too few studies for this prediction interval" in note for note in fit.notes)

    def test_equal_effects(self):
        fit = ma.pool([0.3] * 4, [0.1, 0.2, 0.3, 0.4])
        common = ma.pool([0.3] * 4, [0.1, 0.2, 0.3, 0.4], model="common")
        assert fit.tau2 == fit.q == fit.i2 == 0.0
        assert fit.h2 == 1.0
        assert fit.se == common.se
        assert fit.estimate == 0.3
        assert "empty" in fit.tau2_interval().note

    def test_equal_effects_have_no_hartung_knapp_interval_worth_the_name(self):
        fit = ma.pool([0.3] * 4, [0.1, 0.2, 0.3, 0.4], ci="hksj")
        assert fit.se == 0.0
        assert any("variance is 0" in note for note in fit.notes)
        assert np.isnan(fit.probability_beyond(0.1))
        assert ma.pool([0.3] * 4, [0.1, 0.2, 0.3, 0.4], ci="hksj-adhoc").se > 0.2


class TestHundredThousandStudies:
    @pytest.mark.parametrize("tau2", ["DL", "PM", "REML"])
    def test_memory_is_linear(self, tau2):
        rng = np.random.default_rng(1)
        k = 100_000
        v = rng.uniform(0.01, 0.1, k)
        y = rng.normal(0.2, np.sqrt(v + 0.05))
        tracemalloc.start()
        fit = ma.pool(y, v, tau2=tau2, ci="hksj")
        interval = fit.tau2_interval()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert interval.low < fit.tau2 < interval.high
        assert_allclose(fit.tau2, 0.05, rtol=0.05)
        # 125 numbers a study, labels included; a k x k matrix would be 100,000.
        assert peak < 1000 * k


class TestOptionsOfPool:
    @pytest.mark.parametrize(
        "options, says",
        [
            ({"tau2": "RMEL"}, ["tau2='RMEL'", "'REML'", "The choices are: REML"]),
            ({"tau2": 0.1}, ["tau2=0.1", "The choices are"]),
            ({"ci": "HKJS"}, ["ci='HKJS'", "'hksj'"]),
            ({"prediction": "htss"}, ["prediction='htss'", "'hts'"]),
            ({"model": "fixed"}, ["model='fixed'", "random, common"]),
            ({"method": "mh"}, ["method='mh'", "mantel-haenszel"]),
            ({"i2": "tau"}, ["i2='tau'", "'tau2'"]),
            ({"convention": "metfor"}, ["convention='metfor'", "'metafor'"]),
            ({"level": 95}, ["level=95", "Did you mean 0.95?"]),
            ({"level": 0}, ["level=0", "between 0 and 1"]),
            ({"level": 1.0}, ["level=1.0", "between 0 and 1"]),
            ({"level": float("nan")}, ["level=nan"]),
            ({"level": "high"}, ["level='high'"]),
            ({"taus": "DL"}, ["no option 'taus'", "'tau2'", "The options are"]),
            ({"measure": "ORR"}, ["measure='ORR'", "'OR'"]),
        ],
        ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
    )
    def test_what_is_no_option(self, options, says):
        with pytest.raises(ma.OptionError) as caught:
            ma.pool(Y, V, **options)
        for part in says:
            assert part in str(caught.value)

    def test_case_does_not_matter(self):
        fit = ma.pool(Y, V, tau2="reml", ci="HKSJ", model="Random", prediction="HTS", convention="Metafor")
        expected = ma.pool(Y, V, tau2="REML", ci="hksj", prediction="hts")
        assert (fit.estimate, fit.ci_low, fit.prediction_low) == (
            expected.estimate,
            expected.ci_low,
            expected.prediction_low,
        )
        effects = ma.effect_sizes(COUNTS, "RR")
        assert ma.pool(effects, method="mantel-haenszel", ci="Wald").k == 6
        assert ma.pool(effects, method="Mantel-Haenszel", model="Random", tau2="dl").tau2 > 0

    def test_the_default_is_reml_with_a_wald_interval(self):
        fit, said = ma.pool(Y, V), ma.pool(Y, V, model="random", tau2="REML", ci="wald", prediction="ci", level=0.95)
        assert (fit.estimate, fit.tau2, fit.ci_low, fit.prediction_low) == (
            said.estimate,
            said.tau2,
            said.ci_low,
            said.prediction_low,
        )
        assert fit.df == np.inf

    def test_functions_of_the_same_signature(self):
        fit = ma.pool(Y, V, tau2=lambda y, v, X: np.full(v.shape[:-1], 0.25))
        w = 1 / (np.array(V) + 0.25)
        assert fit.tau2 == 0.25
        assert_allclose(fit.estimate, (w * Y).sum() / w.sum(), rtol=1e-14)
        assert ma.pool(Y, V, ci=CI["hksj"].function).se == ma.pool(Y, V, ci="hksj").se

    def test_an_iteration_that_finds_nothing_is_an_error(self):
        with pytest.raises(ma.ConvergenceError, match=r'did not converge.*tau2="PM" or "DL"'):
            ma.pool(Y, V, tau2=lambda y, v, X: np.full(v.shape[:-1], np.nan))

    def test_effects_carry_their_variances(self):
        with pytest.raises(ma.DataError, match="leave v out"):
            ma.pool(ma.effect_sizes(COUNTS, "RR"), V)
        with pytest.raises(ma.DataError, match="sampling variances too"):
            ma.pool(Y)

    def test_levels_reach_both_intervals(self):
        fit = ma.pool(Y, V, level=0.99)
        assert_allclose(fit.ci_high - fit.estimate, 2.5758293035489004 * fit.se, rtol=1e-13)
        half = 2.5758293035489004 * np.sqrt(fit.se**2 + fit.tau2)
        assert_allclose(fit.prediction_high - fit.estimate, half, rtol=1e-13)

    def test_i2_from_tau2_or_from_q(self):
        by_tau2, by_q = ma.pool(Y, V, tau2="PM"), ma.pool(Y, V, tau2="PM", i2="q")
        assert_allclose(by_q.i2, 100 * (by_q.q - 5) / by_q.q, rtol=1e-13)
        assert by_tau2.i2 != by_q.i2
        assert_allclose(ma.pool(Y, V, tau2="DL").i2, ma.pool(Y, V, tau2="DL", i2="q").i2, rtol=1e-12)


class TestTables:
    def test_the_methods_imply_a_common_effect(self):
        effects = ma.effect_sizes(COUNTS, "OR")
        for method in ("mantel-haenszel", "peto"):
            fit = ma.pool(effects, method=method)
            assert fit.model == "common"
            assert np.isnan(fit.tau2)
            assert fit.df == np.inf
        assert ma.pool(effects, method="peto").measure == "PETO"

    @pytest.mark.parametrize(
        "measure, options, says",
        [
            ("OR", {"method": "peto", "model": "random"}, "common-effect method"),
            ("OR", {"method": "mantel-haenszel", "ci": "hksj"}, "intervals are Wald's"),
            ("OR", {"method": "mantel-haenszel", "model": "random", "tau2": "REML"}, "DerSimonian-Laird"),
            ("PETO", {"method": "mantel-haenszel"}, "RR, OR, RD"),
        ],
    )
    def test_what_does_not_go_together(self, measure, options, says):
        with pytest.raises(ma.OptionError, match=says):
            ma.pool(ma.effect_sizes(COUNTS, measure), **options)

    def test_counts_are_needed(self):
        given = ma.effect_sizes(pd.DataFrame({"y": Y, "v": V}), "OR")
        with pytest.raises(ma.DataError, match="pools the counts themselves"):
            ma.pool(given, method="mantel-haenszel")
        with pytest.raises(ma.DataError, match="needs events1 n1 events2 n2"):
            ma.pool(given, method="peto")

    def test_what_is_not_defined_is_an_error(self):
        none = COUNTS.assign(events1=0)
        effects = ma.effect_sizes(none, "OR")
        with pytest.raises(ma.DataError, match="not defined"):
            ma.pool(effects, method="mantel-haenszel")
        assert np.isfinite(ma.pool(effects, method="mantel-haenszel", corrected_tables=True).estimate)
        nobody = COUNTS.assign(events1=0, events2=0)
        with pytest.raises(ma.DataError, match="not defined"):
            ma.pool(ma.effect_sizes(nobody, "OR"), method="peto")

    def test_studies_without_events_have_no_say_in_q(self):
        for convention in ("metafor", "revman5"):
            effects = quiet(ma.effect_sizes, SPARSE, "OR", convention=convention)
            for method in ("mantel-haenszel", "peto"):
                assert quiet(ma.pool, effects, method=method).q_df == 4

    def test_mantel_haenszel_with_random_effects_takes_q_about_its_own_estimate(self):
        effects = ma.effect_sizes(COUNTS, "RR", convention="revman5")
        common, random = (ma.pool(effects, method="mantel-haenszel", model=model) for model in ("common", "random"))
        w = 1 / effects.v
        q = (w * (effects.y - common.estimate) ** 2).sum()
        tau2 = (q - 5) / (w.sum() - (w**2).sum() / w.sum())
        assert_allclose([common.q, random.q, random.tau2], [q, q, tau2], rtol=1e-13)
        w = 1 / (effects.v + tau2)
        assert_allclose(random.estimate, (w * effects.y).sum() / w.sum(), rtol=1e-13)
        assert random.tau2 > ma.pool(effects, tau2="DL").tau2

    def test_both_variances_of_the_risk_difference(self):
        effects = ma.effect_sizes(COUNTS, "RD")
        sato = ma.pool(effects, method="mantel-haenszel")
        other = ma.pool(effects, method="mantel-haenszel", risk_difference_variance="greenland-robins")
        assert sato.estimate == other.estimate
        assert sato.se != other.se
        assert_allclose(sato.se, other.se, rtol=0.05)
        assert ma.pool(effects, method="mantel-haenszel", convention="revman5").se == other.se


class TestConventions:
    def test_a_convention_is_a_set_of_options(self):
        effects = quiet(ma.effect_sizes, SPARSE, "RR")
        revman = quiet(ma.pool, effects, convention="revman5")
        direct = quiet(ma.pool, quiet(ma.effect_sizes, SPARSE, "RR", convention="revman5"))
        by_hand = ma.pool(
            quiet(ma.effect_sizes, SPARSE, "RR", double_zero="drop"), tau2="DL", prediction="none", i2="q"
        )
        for name in ("estimate", "se", "tau2", "i2", "q", "k"):
            assert getattr(revman, name) == getattr(direct, name) == getattr(by_hand, name), name
        assert np.isnan(revman.prediction_low)
        assert revman.k == 5
        assert ma.pool(effects).k == 6

    def test_what_the_user_says_goes(self):
        effects = ma.effect_sizes(COUNTS, "RR")
        fit = ma.pool(effects, convention="revman5", tau2="PM", prediction="t")
        assert fit.tau2 == ma.pool(effects, tau2="PM").tau2
        assert np.isfinite(fit.prediction_low)

    def test_effects_keep_their_convention(self):
        effects = ma.effect_sizes(COUNTS, "RR", convention="revman5")
        assert ma.pool(effects).tau2 == ma.pool(effects, tau2="DL").tau2
        assert ma.pool(effects).convention == "revman5"
        assert ma.pool(effects, convention="metafor").tau2 == ma.pool(ma.effect_sizes(COUNTS, "RR")).tau2

    @pytest.mark.parametrize("convention", ["metafor", "meta", "revman5", "revman", "stata"])
    @pytest.mark.parametrize("measure", ["RR", "OR", "RD", "PETO"])
    def test_every_convention_pools_every_measure(self, convention, measure):
        fit = quiet(ma.pool, quiet(ma.effect_sizes, SPARSE, measure, convention=convention))
        assert np.isfinite([fit.estimate, fit.ci_low, fit.ci_high]).all()
        assert fit.k == (5 if measure != "RD" and convention in ("meta", "revman5", "revman") else 6 - (
            measure in ("PETO", "RD") and convention == "stata"
        ))  # fmt: skip


class TestSubgroups:
    EFFECTS = ma.effect_sizes(COUNTS, "RR")

    def test_groups_are_pools_of_their_own(self):
        found = ma.subgroups(self.EFFECTS, by="alloc", ci="hksj", tau2="PM")
        assert list(found.groups) == ["random", "other"]
        for group, fit in found.groups.items():
            alone = ma.pool(ma.effect_sizes(COUNTS[COUNTS.alloc == group], "RR"), ci="hksj", tau2="PM")
            assert (fit.estimate, fit.se, fit.tau2, fit.k) == (alone.estimate, alone.se, alone.tau2, alone.k)
        whole = ma.pool(self.EFFECTS, ci="hksj", tau2="PM")
        assert (found.overall.estimate, found.overall.tau2) == (whole.estimate, whole.tau2)

    def test_q_between_from_the_groups(self):
        found = ma.subgroups(self.EFFECTS, by="alloc")
        estimate, se = (np.array([getattr(fit, name) for fit in found.groups.values()]) for name in ("estimate", "se"))
        expected = np.diff(estimate)[0] ** 2 / (se**2).sum()
        assert_allclose(found.q_between, expected, rtol=1e-12)
        assert found.q_between_df == 1
        assert_allclose(found.q_between_p_value, ma.pool([expected**0.5], [1.0]).p_value, rtol=1e-9)

    @pytest.mark.parametrize("method", ["mantel-haenszel", "peto"])
    def test_by_tables(self, method):
        found = ma.subgroups(self.EFFECTS, by="alloc", method=method)
        for group, fit in found.groups.items():
            alone = ma.pool(ma.effect_sizes(COUNTS[COUNTS.alloc == group], "RR"), method=method)
            assert_allclose([fit.estimate, fit.se, fit.q], [alone.estimate, alone.se, alone.q], rtol=1e-14)

    def test_by_values(self):
        by_column, by_values = (ma.subgroups(self.EFFECTS, by=by) for by in ("alloc", COUNTS.alloc.tolist()))
        assert by_column.q_between == by_values.q_between
        by_array = ma.subgroups(ma.pool(Y, V).effects, by=np.array([1, 1, 2, 2, 3, 3]))
        assert list(by_array.groups) == ["1", "2", "3"]

    def test_numbers_that_look_alike_are_groups_of_their_own(self):
        effects = ma.pool(Y, V).effects
        found = ma.subgroups(effects, by=[1234567.0, 1234568.0, 1234567.0, 1234568.0, 0.1, 0.1 + 1e-9])
        assert list(found.groups) == ["1234567", "1234568", "0.1", "0.100000001"]
        assert list(ma.subgroups(self.EFFECTS, by="year").groups) == ["1933", "1935.5", "1941"]

    def test_missing_groups_and_wrong_lengths_are_errors(self):
        effects = ma.effect_sizes(COUNTS.assign(alloc=["random", None, "x", "x", "x", "x"]), "RR")
        with pytest.raises(ma.DataError, match=r"subgroup of study 'B' is missing \(alloc\)"):
            ma.subgroups(effects, by="alloc")
        with pytest.raises(ma.DataError, match="by has 2 values for 6 studies"):
            ma.subgroups(effects, by=["a", "b"])
        with pytest.raises(ma.DataError, match=r"no column 'aloc' for by.*'alloc'"):
            ma.subgroups(effects, by="aloc")
        with pytest.raises(ma.DataError, match="plain arrays"):
            ma.subgroups(ma.pool(Y, V).effects, by="alloc")

    def test_left_out_studies_do_not_shift_the_groups(self):
        frame = COUNTS.assign(events1=[4, None, 3, 62, 33, 12])
        effects = quiet(ma.effect_sizes, frame, "RR")
        assert {g: f.effects.label for g, f in ma.subgroups(effects, by="alloc").groups.items()} == {
            "random": ("A", "D"),
            "other": ("C", "E", "F"),
        }

    def test_conventions_that_drop_studies_do_not_shift_the_groups(self):
        effects = ma.effect_sizes(SPARSE, "RR")
        found = quiet(ma.subgroups, effects, by="alloc", convention="revman5")
        assert {g: f.effects.label for g, f in found.groups.items()} == {"random": ("A", "B", "D"), "other": ("E", "F")}
        with pytest.raises(ma.DataError, match=r"by has 6 values for 5 studies \(6 before the convention"):
            quiet(ma.subgroups, effects, by=list("aabbcc"), convention="revman5")

    def test_a_common_variance_is_estimated_within(self):
        found = ma.subgroups(self.EFFECTS, by="alloc", tau2_sharing="common", tau2="DL")
        first, second = (fit.tau2 for fit in found.groups.values())
        q = sum(fit.q for fit in found.groups.values())
        trace = sum(
            (1 / f.effects.v).sum() - (1 / f.effects.v**2).sum() / (1 / f.effects.v).sum()
            for f in found.groups.values()
        )
        assert first == second
        assert_allclose(first, (q - 4) / trace, rtol=1e-12)

    def test_what_a_common_variance_needs(self):
        with pytest.raises(ma.OptionError, match="inverse-variance model alone"):
            ma.subgroups(self.EFFECTS, by="alloc", tau2_sharing="common", method="mantel-haenszel")
        with pytest.raises(ma.OptionError, match="tau2_sharing='shared'"):
            ma.subgroups(self.EFFECTS, by="alloc", tau2_sharing="shared")
        with pytest.raises(ma.DataError, match="no subgroup has two studies"):
            ma.subgroups(self.EFFECTS, by="study", tau2_sharing="common")

    def test_one_group_is_nothing_to_compare(self):
        found = ma.subgroups(self.EFFECTS, by=["all"] * 6)
        assert found.q_between == found.q_between_df == 0
        assert np.isnan(found.q_between_p_value)
        assert "nothing to compare" in " ".join(found.notes)

    def test_groups_without_a_standard_error_are_not_compared_and_say_so(self):
        found = ma.subgroups(self.EFFECTS, by=["a", "b", "b", "b", "b", "b"], ci="hksj")
        assert np.isnan([found.q_between, found.q_between_p_value]).all()
        assert "'a' has no standard error" in " ".join(found.notes)
        assert np.isfinite(ma.subgroups(self.EFFECTS, by=["a", "b", "b", "b", "b", "b"]).q_between)

    def test_errors_name_the_group(self):
        frame = COUNTS.assign(events1=[4, 6, 0, 62, 0, 0])
        with pytest.raises(ma.DataError, match=r"subgroup 'other'.*not defined"):
            ma.subgroups(ma.effect_sizes(frame, "OR"), by="alloc", method="mantel-haenszel")


@pytest.mark.parametrize("options", [{}, {"method": "mantel-haenszel"}, {"method": "peto"}])
def test_who_is_left_out_by_another_convention_is_said_once(options):
    frame = pd.DataFrame(
        {"events1": [0, 3, 5, 0, 6], "n1": 40, "events2": [0, 5, 6, 0, 9], "n2": 40, "group": list("aabbb")}
    )
    effects = ma.effect_sizes(frame, "OR")
    for function in (lambda: ma.subgroups(effects, by="group", convention="revman5", **options),
                     lambda: ma.pool(effects, convention="revman5", **options)):  # fmt: skip
        with pytest.warns(ExcludedStudiesWarning) as found:
            result = function()
        assert len(found) == 1
        whole = getattr(result, "overall", result)
        assert (whole.k, whole.convention, whole.effects.convention) == (3, "revman5", "revman5")
    found_groups = ma.subgroups(whole.effects, by="group", convention="revman5", **options)
    assert [fit.k for fit in found_groups.groups.values()] == [1, 2]


class TestGeneralisedQInSubgroups:
    """tau2 with weights of one's own, within subgroups; the numbers are those of metafor's `rma(method = "GENQ", weights = w)`."""

    WEIGHTS = np.linspace(1.0, 3.0, 13)

    def test_each_has_its_own(self):
        effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
        found = ma.subgroups(effects, by="alloc", tau2="GENQ", tau2_weights=self.WEIGHTS)
        expected = {"random": 0.308231753175764, "alternate": 0.132577039878093, "systematic": 0.39390897656189}
        assert_allclose([found.groups[name].tau2 for name in expected], list(expected.values()), rtol=1e-12)
        assert_allclose(found.overall.tau2, ma.pool(effects, tau2="GENQ", tau2_weights=self.WEIGHTS).tau2, rtol=1e-14)

    def test_they_share_one(self):
        effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
        options = {"tau2": "GENQ", "tau2_weights": self.WEIGHTS, "tau2_sharing": "common"}
        found = ma.subgroups(effects, by="alloc", **options)
        assert_allclose([fit.tau2 for fit in found.groups.values()], 0.328490098132787, rtol=1e-12)

    @pytest.mark.parametrize("given", [{"tau2": "GENQ"}, {"tau2": "DL", "tau2_weights": WEIGHTS}])
    def test_one_without_the_other_is_refused(self, given):
        with pytest.raises(ma.OptionError, match="GENQ"):
            ma.subgroups(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), by="alloc", **given)
