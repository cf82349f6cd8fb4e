"""The registry of measures: conventions line by line, zero cells, the way back, what is said, and long tables."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.effects import MEASURES, as_measure, checks, measure_named, under_convention
from metaanalysis.effects.labels import Labels
from metaanalysis.errors import ExcludedStudiesWarning, MetaAnalysisWarning, OptionError

# One study with a zero cell, one without, one without any event, one in which everybody of group 1 had it.
TABLES: dict[str, list[Any]] = {
    "study": ["zero", "whole", "none", "all"],
    "events1": [0, 6, 0, 20],
    "n1": [30, 40, 25, 20],
    "events2": [4, 9, 0, 12],
    "n2": [35, 44, 26, 24],
}
TRIALS: dict[str, list[Any]] = {
    "study": ["a", "b"],
    "mean1": [5.0, 7.5],
    "sd1": [1.2, 2.0],
    "n1": [12, 8],
    "mean2": [4.1, 8.0],
    "sd2": [1.5, 1.7],
    "n2": [10, 9],
}


def quietly(data: Any, measure: str, **options: Any) -> ma.Effects:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        return ma.effect_sizes(data, measure, **options)


def by_name(effects: ma.Effects) -> dict[str, tuple[float, float]]:
    return dict(zip(effects.label, zip(effects.y.tolist(), effects.v.tolist(), strict=True), strict=True))


class TestConventions:
    """Design's table of conventions, effect sizes' lines, each by its own arithmetic."""

    @pytest.mark.parametrize("convention", ["metafor", "meta", "revman5", "revman", "stata"])
    def test_standardised_mean_differences(self, convention: str) -> None:
        effects = ma.effect_sizes(TRIALS, "SMD", convention=convention)
        for i in range(2):
            m1, s1, n1, m2, s2, n2 = (float(TRIALS[c][i]) for c in ("mean1", "sd1", "n1", "mean2", "sd2", "n2"))
            m, total, inverse = n1 + n2 - 2, n1 + n2, 1 / n1 + 1 / n2
            exact = math.gamma(m / 2) / (math.sqrt(m / 2) * math.gamma((m - 1) / 2))
            J = exact if convention in ("metafor", "meta") else 1 - 3 / (4 * total - 9)
            g = J * (m1 - m2) / math.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / m)
            v = {
                "metafor": inverse + g**2 / (2 * total),
                "stata": inverse + g**2 / (2 * (total - 3.94)),
                "meta": inverse + (1 - (m - 2) / (m * exact**2)) * g**2,
                "revman5": inverse + g**2 / (2 * (total - 3.94)),
                "revman": inverse + g**2 / (2 * (total - 3.94)),
            }[convention]
            assert_allclose(effects.y[i], g, rtol=1e-13)
            assert_allclose(effects.v[i], v, rtol=1e-13)

    def test_zero_cells_of_risk_ratios(self) -> None:
        size = {"metafor": 1.0, "revman5": 1.0, "revman": 1.0, "stata": 1.0, "meta": 0.5}
        for convention, added in size.items():
            y, v = by_name(quietly(TABLES, "RR", convention=convention))["zero"]
            assert_allclose(y, math.log((0.5 / (30 + added)) / (4.5 / (35 + added))), rtol=1e-14)
            assert_allclose(v, 1 / 0.5 - 1 / (30 + added) + 1 / 4.5 - 1 / (35 + added), rtol=1e-14)

    @pytest.mark.parametrize("convention", ["metafor", "meta", "revman5", "revman"])
    def test_zero_cells_of_odds_ratios(self, convention: str) -> None:
        y, v = by_name(quietly(TABLES, "OR", convention=convention))["zero"]
        assert_allclose(y, math.log((0.5 * 31.5) / (30.5 * 4.5)), rtol=1e-14)
        assert_allclose(v, 1 / 0.5 + 1 / 30.5 + 1 / 4.5 + 1 / 31.5, rtol=1e-14)

    def test_zero_cells_of_risk_differences(self) -> None:
        variance = 0.5 * 30.5 / 31**3 + 4.5 * 31.5 / 36**3
        for convention, y in (
            ("metafor", 0.5 / 31 - 4.5 / 36), ("meta", -4 / 35), ("revman5", -4 / 35), ("revman", -4 / 35)
        ):  # fmt: skip
            assert_allclose(
                by_name(ma.effect_sizes(TABLES, "RD", convention=convention))["zero"], (y, variance), rtol=1e-14
            )

    def test_stata_leaves_risk_differences_as_they_are(self) -> None:
        found = by_name(quietly(TABLES, "RD", convention="stata"))
        assert_allclose(found["zero"], (-4 / 35, 4 / 35 * 31 / 35 / 35), rtol=1e-14)
        # Without any event the variance is 0: there is nothing to pool.
        assert "none" not in found

    def test_no_events_in_both_arms(self) -> None:
        for measure in ("RR", "OR"):
            assert "none" in by_name(quietly(TABLES, measure))
            for convention in ("meta", "revman5", "revman"):
                assert "none" not in by_name(quietly(TABLES, measure, convention=convention))
        for convention in ("metafor", "meta", "revman5", "revman"):
            for measure in ("RD", "AS"):
                assert "none" in by_name(quietly(TABLES, measure, convention=convention))

    def test_petos_study_effects(self) -> None:
        def peto(a: float, n1: float, c: float, n2: float) -> tuple[float, float]:
            total, events = n1 + n2, a + c
            variance = n1 * n2 * events * (total - events) / (total**2 * (total - 1))
            return (a - n1 * events / total) / variance, 1 / variance

        corrected = by_name(ma.effect_sizes(TABLES, "PETO"))
        assert_allclose(corrected["zero"], peto(0.5, 31, 4.5, 36), rtol=1e-13)
        assert "none" in corrected
        for convention in ("meta", "revman5", "revman", "stata"):
            raw = by_name(quietly(TABLES, "PETO", convention=convention))
            assert_allclose(raw["zero"], peto(0, 30, 4, 35), rtol=1e-13)
            assert "none" not in raw


class TestZeroCells:
    @pytest.mark.parametrize(
        ("stata", "ours"),
        [
            ("only0", {}),
            ("allif0", {"to": "if0all"}),
            ("none", {"to": "none"}),
            ("tacc", {"addition": "treatment-arm"}),
            (0.25, {"add": 0.25}),
            ("0.25, allif0", {"add": 0.25, "to": "if0all"}),
            ((0.25, "only0"), {"add": 0.25}),
        ],
    )
    def test_statas_modes_by_their_names(self, stata: Any, ours: dict[str, Any]) -> None:
        there, here = (quietly(TABLES, "OR", **options) for options in ({"zerocells": stata}, ours))
        assert_array_equal(there.y, here.y)
        assert_array_equal(there.v, here.v)
        assert there.describe() == here.describe()

    @pytest.mark.parametrize(
        ("measure", "options", "message"),
        [
            ("RR", {"zerocells": "tacc"}, "odds ratios alone"),
            ("RD", {"zerocells": "only0"}, "not to RD"),
            ("OR", {"zerocells": "all"}, "zerocells='all' is not a choice"),
            ("OR", {"zerocells": "0.5, tacc"}, "can't be read"),
            ("OR", {"zerocells": "only0", "add": 0.1}, "what add says too"),
        ],
    )
    def test_statas_modes_that_stata_does_not_have(self, measure: str, options: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            ma.effect_sizes(TABLES, measure, **options)

    def test_treatment_arm_continuity_correction(self) -> None:
        effects = ma.effect_sizes(TABLES, "OR", addition="treatment-arm")
        add1, add2 = 30 / 65, 35 / 65
        expected = math.log((add1 * (31 + add2)) / ((30 + add1) * (4 + add2)))
        assert_allclose(by_name(effects)["zero"][0], expected, rtol=1e-14)
        # Without any event the odds ratio stays at 1, which is what the correction is for.
        assert_allclose(by_name(effects)["none"][0], 0.0, atol=1e-15)
        assert effects.corrected["added"][0] == "0.4615 to each cell of group 1, 0.5385 to each cell of group 2"

    @pytest.mark.parametrize(
        ("to", "touched"),
        [("only0", ["zero", "none", "all"]), ("all", TABLES["study"]), ("if0all", TABLES["study"]), ("none", [])],
    )
    def test_to_whom(self, to: str, touched: list[str]) -> None:
        effects = quietly(TABLES, "OR", to=to)
        assert effects.corrected["label"].tolist() == touched
        assert ("zero" in effects.label) == (to != "none")

    def test_if0all_needs_one_zero_anywhere(self) -> None:
        whole = {name: [values[1]] for name, values in TABLES.items()}
        assert ma.effect_sizes(whole, "OR", to="if0all").corrected.empty
        assert not ma.effect_sizes(whole, "OR", to="all").corrected.empty

    def test_double_zeros_are_dropped_from_ratios_or_from_all(self) -> None:
        for measure in ("RR", "OR", "YUQ", "OR2DL"):
            assert "none" not in quietly(TABLES, measure, double_zero="drop").label
        for measure in ("RD", "PETO", "AS"):
            assert "none" in quietly(TABLES, measure, double_zero="drop").label
            assert "none" not in quietly(TABLES, measure, double_zero="drop-all").label

    @pytest.mark.parametrize("measure", [key for key, entry in MEASURES.items() if not entry.corrected])
    def test_what_is_defined_with_zeros_is_corrected_only_on_demand(self, measure: str) -> None:
        data = {
            **TABLES,
            "time1": [9.0] * 4,
            "time2": [8.0] * 4,
            "events": [0, 3, 4, 5],
            "n": [9] * 4,
            "time": [7.0] * 4,
        }
        assert quietly(data, measure).corrected.empty
        assert not quietly(data, measure, add=0.5).corrected.empty

    def test_what_was_added_is_said_by_measure(self) -> None:
        rates = {"events1": [0], "time1": [9.0], "events2": [2], "time2": [8.0]}
        assert ma.effect_sizes(rates, "IRR").corrected["added"][0] == "0.5 to the events of each group"
        one = {"events": [0], "n": [9]}
        assert ma.effect_sizes(one, "PLO", add=0.25).corrected["added"][0] == "0.25 to the events and the non-events"
        meta = quietly(TABLES, "RR", convention="meta")
        assert meta.corrected["added"][0] == "0.5 to the events and to the size of each group"
        assert "variance alone" in ma.effect_sizes(TABLES, "RD", convention="meta").corrected["added"][0]

    def test_a_measure_keeps_its_own_rule_when_it_becomes_another(self) -> None:
        ratios = ma.effect_sizes(TABLES, "OR")
        arcsine = as_measure(ratios, "AS")
        assert_array_equal(arcsine.y, ma.effect_sizes(TABLES, "AS").y)
        assert_array_equal(as_measure(arcsine, "OR").y, ratios.y)
        assert_array_equal(under_convention(arcsine, "meta").y, arcsine.y)


class TestVariants:
    @pytest.mark.parametrize("measure", list(MEASURES))
    def test_the_first_is_the_default(self, measure: str) -> None:
        entry = MEASURES[measure]
        data = example(entry.inputs)
        if not entry.inputs:
            return
        default = quietly(data, measure)
        if entry.variances:
            assert_array_equal(quietly(data, measure, variance=entry.variances[0]).v, default.v)
        if entry.corrections:
            assert_array_equal(quietly(data, measure, correction=entry.corrections[0]).y, default.y)
        with pytest.raises(ma.OptionError, match="is not a choice for"):
            ma.effect_sizes(data, measure, variance="nonsense")

    def test_the_table_of_measures(self) -> None:
        table = ma.measures()
        assert list(table.index) == list(MEASURES)
        assert table.loc["SMD1", "variances"] == "LS LS2 UB AV H0"
        assert (table.loc[table["inputs"] != "", "kind"] != "given estimates").all()

    def test_other_programs_names(self) -> None:
        assert measure_named("or2d").key == "OR2DL"
        assert measure_named("D2OR").key == "D2ORL"


MORE = ("more",)
VALUES: dict[str, list[float]] = {
    "events1": [3, 6, 8], "n1": [30, 40, 25], "events2": [4, 9, 5], "n2": [35, 44, 26], "time1": [9.0, 20.0, 3.0],
    "time2": [8.0, 21.0, 4.0], "both": [9, 12, 7], "only1": [3, 4, 6], "only2": [5, 2, 1], "neither": [8, 9, 15],
    "events": [3, 7, 4], "n": [20, 33, 15], "time": [12.0, 8.0, 20.0], "mean1": [5.0, 7.5, 2.0], "sd1": [1.2, 2.0, 0.7],
    "mean2": [4.1, 8.0, 1.5], "sd2": [1.5, 1.7, 0.9], "r": [0.3, 0.5, -0.1], "mean": [4.0, 5.0, 3.0], "sd": [1.0, 2.0, 1.5],
    "t": [2.0, 1.0, -1.5], "predictors": [3, 2, 4], "r2": [0.3, 0.2, 0.4], "alpha": [0.8, 0.7, 0.9], "items": [10, 8, 12],
}  # fmt: skip


def example(inputs: tuple[str, ...]) -> dict[str, list[float]]:
    return {name: VALUES[name] for name in inputs}


# R: predict(rma(yi, vi, data = escalc("PFT", ...), method = "DL"), transf = transf.ipft.hm, targs = list(ni = n)).
PROPORTIONS = {
    "events": [16, 10, 4, 43, 10, 25, 13, 12, 22, 4, 5, 18, 75, 10],
    "n": [17, 12, 8, 58, 10, 42, 14, 12, 41, 5, 6, 23, 86, 13],
}
RATES = {
    "events": [11, 8, 14, 10, 1, 8, 15, 7, 3],
    "time": [1988, 1461, 10962, 1503, 483, 913, 6840, 1015, 440],
}


class TestFreemanTukey:
    def test_pooled_proportions_go_back_by_the_harmonic_mean(self) -> None:
        fit = ma.pool(ma.effect_sizes(PROPORTIONS, "PFT"), tau2="DL")
        back = fit.back_transformed()
        assert_allclose(fit.estimate, 1.096993314868421, rtol=1e-13)
        expected = (
            0.81321375603254786,
            0.71763120601074770,
            0.89503392056142195,
            0.49320304923956526,
            0.99849092625782476,
        )
        assert_allclose(back[:5], expected, rtol=1e-11)

    def test_pooled_rates_go_back_by_the_harmonic_mean(self) -> None:
        fit = ma.pool(ma.effect_sizes(RATES, "IRFT"), tau2="DL")
        assert_allclose(fit.estimate, 0.0689776721632842094, rtol=1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MetaAnalysisWarning)
            back = fit.back_transformed()
        assert_allclose(back[:3], (0.0042966816032303954, 0.0023334944988298812, 0.0067884493443584855), rtol=1e-10)

    @pytest.mark.parametrize(("data", "measure", "size"), [(PROPORTIONS, "PFT", "n"), (RATES, "IRFT", "time")])
    def test_each_study_goes_back_to_its_own(self, data: dict[str, list[int]], measure: str, size: str) -> None:
        effects = ma.effect_sizes(data, measure)
        own = np.array(data["events"]) / np.array(data[size])
        assert_allclose(effects.back_transform_each(effects.y), own, rtol=1e-12)

    def test_refits_and_predictions_go_back_too(self) -> None:
        effects = ma.effect_sizes({**PROPORTIONS, "x": np.arange(14.0)}, "PFT")
        frame = ma.meta_regression(effects, "~ x").predict(transform=True)
        assert ((frame["estimate"] > 0) & (frame["estimate"] < 1)).all()

    def test_a_warning_where_the_size_that_is_put_in_decides(self) -> None:
        data = {"events": [1, 0, 3, 2, 5039], "n": [10, 10, 10, 10, 100000]}
        fit = ma.pool(ma.effect_sizes(data, "PFT"))
        with pytest.warns(MetaAnalysisWarning, match=r"misleading: the sizes differ from 10 to 100000.*Schwarzer.*PLO"):
            fit.back_transformed()

    def test_a_warning_where_the_answer_lies_outside_the_studies(self) -> None:
        effects = ma.effect_sizes({"events": [1, 20, 600], "n": [40, 1000, 30000]}, "PFT")
        assert "outside the range of the studies' own, 0.02 to 0.025" in effects.misled(0.05, 0.01, 0.4)
        assert effects.misled(float(effects.back_transform(np.array(0.0))) + 0.16, 0.0, 1.5) == ""

    def test_given_effects_have_no_way_back(self) -> None:
        fit = ma.pool(ma.effect_sizes({"y": [0.5, 0.6], "v": [0.01, 0.02]}, "PFT"))
        assert math.isnan(fit.back_transformed().estimate)

    @pytest.mark.parametrize("measure", ["PR", "PLN", "PLO", "PAS", "PFT"])
    def test_proportions_are_drawn_from_0_to_1(self, measure: str) -> None:
        ax = ma.forest(ma.pool(ma.effect_sizes(PROPORTIONS, measure)))
        low, high = ax.get_xlim()
        assert 0 <= low < high <= 1
        assert ax.get_xscale() == "linear"


class TestWords:
    def test_a_paragraph_for_a_methods_section(self) -> None:
        text = quietly(TABLES, "RR", convention="revman5").describe()
        for part in (
            "Effect sizes of 3 studies were analysed.",
            "risk ratio, analysed as log risk ratio",
            "the 2 studies with a zero cell (Gart & Zweifel 1967): 0.5 to each cell (zero, all)",
            "1 study was left out (no events in both groups: none)",
            "conventions of Review Manager 5",
            "References\nGart JJ",
        ):
            assert part in text

    def test_the_formula_is_named(self) -> None:
        assert (
            "with the approximate small-sample correction"
            in ma.effect_sizes(TRIALS, "SMD", convention="revman5").describe()
        )
        assert "one standard deviation for both groups" in ma.effect_sizes(TRIALS, "MD", variance="HO").describe()
        assert "without correction of its small-sample bias" in ma.effect_sizes(TRIALS, "ROM").describe()

    def test_many_are_counted_and_few_are_named(self) -> None:
        events = [0] * 12 + [5] * 3
        data = {"events1": events, "n1": [20] * 15, "events2": [4.0] * 3 + [math.nan] * 11 + [4.0], "n2": [20] * 15}
        text = quietly(data, "OR").describe()
        assert "the 3 studies with a zero cell" in text
        assert "(Study 1, Study 2, Study 3)" in text
        assert "11 studies were left out (events2 is missing: 11)" in text

    def test_pooled_results_say_the_same(self) -> None:
        effects = quietly(TABLES, "RR")
        assert "0.5 to each cell (zero, none, all)" in ma.pool(effects).describe()


class TestLabels:
    def test_they_read_like_a_tuple(self) -> None:
        effects = ma.effect_sizes(TABLES, "OR")
        names = ("zero", "whole", "none", "all")
        assert isinstance(effects.label, Labels)
        assert effects.label == names
        assert names == effects.label
        assert effects.label != names[:3]
        assert effects.label + MORE == (*names, *MORE)
        assert ("more", *effects.label) == ("more", *names)
        assert effects.label[1:3] == ("whole", "none")
        assert effects.label[-1] == "all"
        assert effects.label.index("none") == 2
        assert "whole" in effects.label
        assert hash(effects.label) == hash(names)
        assert list(reversed(effects.label)) == list(reversed(names))
        with pytest.raises(IndexError):
            effects.label[4]

    def test_they_are_those_of_the_frame_as_it_was(self) -> None:
        frame = pd.DataFrame(TABLES)
        effects = ma.effect_sizes(frame, "OR")
        frame.loc[0, "study"] = "changed"
        assert effects.label[0] == "zero"

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_missing_ones_are_numbered(self, make: Any) -> None:
        effects = ma.effect_sizes(make(TABLES | {"study": ["a", None, "c", "d"]}), "OR")
        assert effects.label == ("a", "Study 2", "c", "d")
        assert effects.label[1] == "Study 2"
        assert effects.subset(np.array([False, True, False, True])).label == ("Study 2", "d")

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_some_of_them_in_any_order(self, make: Any) -> None:
        effects = ma.effect_sizes(make(TABLES | {"study": ["a", None, "c", "d"]}), "OR")
        some = effects.label.take(np.array([3, 1, 3, 0]))
        assert some == ("d", "Study 2", "d", "a")
        assert some.take(np.array([1, 0])).texts == ("Study 2", "d")


class TestLongTables:
    """Many studies are checked and computed part by part; nobody can tell."""

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "BLOCK", 2)
        monkeypatch.setattr("metaanalysis.effects.calculate.BLOCK", 2)

    @pytest.mark.parametrize("measure", [key for key, entry in MEASURES.items() if entry.inputs])
    def test_every_variant_in_parts(self, measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = MEASURES[measure]
        data = {name: values * 3 for name, values in example(entry.inputs).items()}
        for variance in (None, *entry.variances):
            for to in ("only0", "if0all"):
                parts = quietly(data, measure, variance=variance, to=to)
                with monkeypatch.context() as whole:
                    whole.setattr(checks, "BLOCK", 100)
                    whole.setattr("metaanalysis.effects.calculate.BLOCK", 100)
                    at_once = quietly(data, measure, variance=variance, to=to)
                assert_array_equal(parts.y, at_once.y)
                assert_array_equal(parts.v, at_once.v)

    def test_one_zero_at_the_end_corrects_all(self) -> None:
        data = {name: [values[1]] * 6 + [values[0]] for name, values in TABLES.items()}
        assert len(ma.effect_sizes(data, "OR", to="if0all").corrected) == 7

    def test_what_is_refused_in_a_late_part_is_named(self) -> None:
        data = {name: [values[1]] * 9 for name, values in TABLES.items()}
        data["events1"] = [6] * 7 + [60, 70]
        with pytest.raises(
            ma.DataError, match=r"events1 \(60\) exceeds n1 \(40\) in study 'whole' \(row 8\).*1 more rows"
        ):
            ma.effect_sizes(data, "OR")

    def test_labels_and_rows_of_what_cannot_be_computed_with(self) -> None:
        data = {"study": list("abcd"), "y": [math.nan, 0.1, 0.2, 1e61], "v": [0.1] * 4}
        with pytest.raises(ma.DataError, match=r"in study 'd' \(row 4\)"):
            quietly(data, "GEN")

    def test_infinite_and_fractional_counts_in_a_late_part(self) -> None:
        data = {name: [values[1]] * 9 for name, values in TABLES.items()}
        with pytest.raises(ma.DataError, match=r"infinite in study 'whole' \(row 9\)"):
            ma.effect_sizes(data | {"n2": [44.0] * 8 + [math.inf]}, "OR")
        with pytest.warns(ma.errors.DataWarning, match=r"events2 \(3.5\) in study 'whole' \(row 9\)") as caught:
            ma.effect_sizes(data | {"events2": [9.0] * 8 + [3.5]}, "OR")
        assert caught[0].filename == __file__


@pytest.mark.parametrize("missing", [False, True])
def test_memory_is_a_few_times_the_inputs(missing: bool) -> None:
    k = 400_000
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({name: rng.integers(50, 90, k).astype(float) for name in ("n1", "n2")})
    frame["events1"], frame["events2"] = rng.integers(0, 40, k).astype(float), rng.integers(1, 40, k).astype(float)
    frame["study"] = "a name that all share"
    if missing:
        frame.loc[7, "n1"] = math.nan
    inputs = 4 * 8 * k
    tracemalloc.start()
    effects = quietly(frame, "RR")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert effects.k == k - missing
    # One copy of the inputs, y, v and a few bits a study; a second copy where a study is left out. A text a study would show.
    assert peak < (4.5 if missing else 2.5) * inputs
