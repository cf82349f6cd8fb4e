from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning
from metaanalysis.formulas.heterogeneity import typical_variance
from metaanalysis.results import text

FRAME = pd.DataFrame(
    {
        "study": ["Aronson", "Ferguson", "Rosenthal", "Hart", "Frimodt"],
        "events1": [4, 6, 3, 62, 33],
        "n1": [123, 306, 231, 1359, 506],
        "events2": [11, 29, 11, 248, 47],
        "n2": [139, 303, 220, 1286, 580],
        "alloc": ["random", "random", "other", "random", "other"],
    }
)
EFFECTS = ma.effect_sizes(FRAME, "RR")
FIT = ma.pool(EFFECTS, tau2="PM", ci="hksj", prediction="hts")


class TestPooled:
    def test_is_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            FIT.estimate = 0.0  # type: ignore[misc]
        with pytest.raises(ValueError, match="read-only"):
            FIT.weights[0] = 1.0

    def test_tau_is_the_root_of_tau2(self):
        assert_allclose(FIT.tau**2, FIT.tau2, rtol=1e-15)
        assert math.isnan(ma.pool(EFFECTS, model="common").tau)

    def test_back_transformed(self):
        back = FIT.back_transformed()
        assert back.scale == "risk ratio"
        own = (FIT.estimate, FIT.ci_low, FIT.ci_high, FIT.prediction_low, FIT.prediction_high)
        assert_allclose(back[:5], np.exp(own), rtol=1e-15)
        same = ma.pool([0.1, 0.3], [0.1, 0.2]).back_transformed()
        assert same.estimate == ma.pool([0.1, 0.3], [0.1, 0.2]).estimate
        correlations = ma.pool(ma.effect_sizes({"r": [0.3, 0.5], "n": [30, 40]}, "ZCOR"))
        assert_allclose(correlations.back_transformed().estimate, np.tanh(correlations.estimate), rtol=1e-15)

    def test_intervals_of_heterogeneity_go_with_each_other(self):
        s2 = float(typical_variance(np.asarray(EFFECTS.v)))
        for level in (None, 0.8):
            tau2, tau, i2, h2 = (
                getattr(FIT, name)(level) for name in ("tau2_interval", "tau_interval", "i2_interval", "h2_interval")
            )
            assert tau2.level == tau.level == i2.level == h2.level == (level or 0.95)
            for end in ("low", "high"):
                t = getattr(tau2, end)
                assert_allclose(getattr(tau, end) ** 2, t, rtol=1e-14)
                assert_allclose(getattr(i2, end), 100 * t / (t + s2), rtol=1e-13)
                assert_allclose(getattr(h2, end), 1 + t / s2, rtol=1e-13)
        assert FIT.tau2_interval(0.8).low > FIT.tau2_interval().low
        with pytest.raises(ma.OptionError, match="level=95"):
            FIT.tau2_interval(95)

    def test_probability_beyond(self):
        above, below = FIT.probability_beyond(0.0), FIT.probability_beyond(0.0, above=False)
        assert_allclose(above + below, 1.0, rtol=1e-14)
        assert_allclose(FIT.probability_beyond(FIT.estimate), 0.5, rtol=1e-14)
        common = ma.pool([0.3, 0.3], [0.5, 0.5], model="common")
        assert_allclose(2 * common.probability_beyond(0.0, above=False), common.p_value, rtol=1e-13)

    def test_to_dict_and_to_frame_hold_every_number(self):
        answer, frame = FIT.to_dict(), FIT.to_frame()
        numbers = {name for name, value in vars(FIT).items() if isinstance(value, int | float)}
        assert len(numbers) > 15
        for name in numbers | {"tau", "measure", "model", "method", "convention"}:
            assert answer[name] == getattr(FIT, name)
            assert frame.loc[0, name] == getattr(FIT, name)
        assert answer["labels"] == list(FRAME.study)
        assert_allclose(answer["weights"], FIT.weights)
        assert len(frame) == 1
        assert json.loads(json.dumps(answer))["estimate"] == FIT.estimate

    def test_repr_is_one_line(self):
        assert repr(FIT).startswith("<Pooled: log risk ratio ")
        assert f"k = {FIT.k}" in repr(FIT)
        assert "\n" not in repr(FIT)


class TestSummary:
    def test_says_what_was_done_and_both_scales(self):
        said = str(FIT)
        back = FIT.back_transformed()
        for part in (
            "5 studies",
            "Random-effects model, inverse variance; tau² by Paule-Mandel",
            "Hartung-Knapp-Sidik-Jonkman",
            f"{FIT.estimate:.4f}",
            f"{back.estimate:.4f}",
            f"{back.ci_low:.4f} to {back.ci_high:.4f}",
            f"t = {FIT.statistic:.2f} (df 4)",
            f"{FIT.tau2:.4f}",
            f"{FIT.i2:.1f}%",
            f"Q     {FIT.q:.2f}, df 4",
            "95% prediction interval (Higgins-Thompson-Spiegelhalter",
        ):
            assert part in said, part

    def test_names_who_was_left_out_and_who_was_corrected(self):
        frame = FRAME.assign(events1=[0, None, 3, 62, 33])
        with pytest.warns(ExcludedStudiesWarning):
            fit = ma.pool(ma.effect_sizes(frame, "RR"))
        assert "Left out: Ferguson (events1 is missing)." in str(fit)
        assert "Continuity correction (0.5 to each cell): Aronson." in str(fit)

    def test_of_one_study_says_what_is_not_there(self):
        said = str(ma.pool([0.3], [0.04]))
        assert "1 study" in said
        assert "nan" not in said.lower().replace("finance", "")

    @pytest.mark.parametrize("options", [{"model": "common"}, {"method": "peto"}, {"method": "mantel-haenszel"}])
    def test_of_common_effects_speaks_of_no_tau2(self, options):
        said = str(ma.pool(EFFECTS, **options))
        assert "Common-effect model" in said
        assert "tau²" not in said
        assert "nan" not in said

    def test_of_subgroups(self):
        found = ma.subgroups(EFFECTS, by="alloc")
        said = str(found)
        for part in (
            "Subgroups by alloc",
            "random",
            "other",
            "Overall",
            "Test for subgroup differences: Q = ",
            "separate tau²",
        ):
            assert part in said, part
        frame = found.to_frame()
        assert frame["alloc"].tolist() == ["random", "other", "Overall"]
        assert frame["k"].tolist() == [3, 2, 5]
        assert "tau²" not in str(ma.subgroups(EFFECTS, by="alloc", model="common"))
        assert "not available" in str(ma.subgroups(EFFECTS, by=["a", "b", "b", "b", "b"], ci="hksj"))


class TestWords:
    @pytest.mark.parametrize(
        "x, said",
        [(0.12345, "0.1235"), (0.0, "0.0000"), (0.00012345, "0.00012"), (0.000012345, "1.23e-05"), (float("nan"), "n/a"),
         (float("inf"), "infinite"), (-float("inf"), "-infinite"), (123456789.0, "1.23e+08"), (-0.5, "-0.5000")],
    )  # fmt: skip
    def test_numbers(self, x, said):
        assert text.number(x) == said

    @pytest.mark.parametrize(
        "p, said",
        [
            (0.04999, "p = 0.0500"),
            (0.00001, "p < 0.0001"),
            (0.0001, "p = 0.0001"),
            (1.0, "p = 1.0000"),
            (math.nan, "p n/a"),
        ],
    )
    def test_p_values(self, p, said):
        assert text.p_value(p) == said


def test_every_interval_of_tau2_is_documented_where_it_is_asked_for():
    from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS

    for function in (ma.Pooled.tau2_interval, ma.Regression.tau2_interval):
        missing = [name for name in TAU2_INTERVALS if f"``{name}``" not in function.__doc__]
        assert not missing, f"{function.__qualname__}: {missing}"


def test_tau_has_no_limits_below_zero():
    alike = ma.pool([0.1, 0.11, 0.12, 0.1], [0.1, 0.1, 0.1, 0.1])
    for method in ("wald-untruncated", "wald-untruncated-ml"):
        assert alike.tau2_interval(method=method).low < 0.0
        assert alike.tau_interval(method=method).low == 0.0
    apart = ma.pool([0.1, 0.9, -0.6], [0.1, 0.1, 0.1])
    limits, variance = apart.tau_interval(method="higgins-thompson"), apart.tau2_interval(method="higgins-thompson")
    assert limits.high == pytest.approx(variance.high**0.5, rel=1e-15)
