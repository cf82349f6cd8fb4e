"""The audit of reported meta-analyses: verdicts on published reviews, no false alarm, no miss, clear refusals."""

from __future__ import annotations

import itertools
import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from numpy.testing import assert_allclose
from scipy import stats

from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas import consistency
from metaanalysis.formulas.rounding import Interval, absolute, gap, increasing, midpoint, printed, quotient, width
from metaanalysis.reviews import audit, audit_subgroups

DATASETS = Path(__file__).parents[1] / "datasets"

WHITE_2020_COLUMNS = "outcome measure k N est ci_lo ci_hi p I2 Q p_Q".split()
WHITE_2020_ROWS = [
    ("hospitalised", "RR", 5, 497, "0.86", "0.66", "1.13", "", "38", "", ""),
    ("days in hospital", "SMD", 5, 453, "-0.10", "-0.34", "0.14", "", "39", "", ""),
    ("overall psychiatric symptoms", "SMD", 6, 857, "-0.01", "-0.21", "0.20", "", "53", "10.7", "0.057"),
    ("quality of life", "SMD", 5, 688, "0.08", "-0.11", "0.26", "", "32", "", ""),
    ("recovery", "SMD", 3, 593, "0.22", "0.01", "0.42", "0.042", "38", "", ""),
    ("empowerment", "SMD", 4, 519, "0.23", "0.04", "0.42", "0.02", "14", "", ""),
    ("satisfaction", "SMD", 2, 286, "0.19", "-0.05", "0.42", "", "0", "", ""),
    ("social functioning", "SMD", 3, 181, "0.01", "-0.32", "0.35", "", "21", "", ""),
    ("social network support", "SMD", 4, 512, "0.09", "-0.25", "0.42", "", "67", "9.2", "0.027"),
    ("working alliance (client)", "SMD", 3, 213, "0.24", "-0.03", "0.51", "0.08", "0", "", ""),
    ("working alliance (staff)", "SMD", 2, 139, "0.15", "-0.18", "0.48", "", "0", "", ""),
    ("lower organisational support", "SMD", 1, "", "0.50", "0.14", "0.87", "", "", "", ""),
    ("higher organisational support", "SMD", 3, "", "-0.04", "-0.37", "0.28", "", "", "", ""),
]


def frame_of(**columns: Any) -> pd.DataFrame:
    """A table of one row, an SMD unless said otherwise."""
    row = {"measure": "SMD", "est": "0.30", "ci_lo": "0.10", "ci_hi": "0.50", **columns}
    return pd.DataFrame({name: [value] for name, value in row.items()})


def failed(**columns: Any) -> list[str]:
    """The checks that a row fails."""
    return list(audit(frame_of(**columns)).inconsistent["check"])


def made(**columns: Any) -> list[str]:
    """The checks that a row allows."""
    return list(audit(frame_of(**columns)).verdicts["check"])


class TestPublishedReviews:
    def test_white_2020_article_text_is_consistent(self) -> None:
        found = audit(pd.DataFrame(WHITE_2020_ROWS, columns=WHITE_2020_COLUMNS))
        assert found.consistent, found.summary()
        assert found.analyses == 13
        assert len(found.verdicts) == 45

    @pytest.mark.parametrize("floats", [False, True])
    def test_bundled_white_2020_is_consistent(self, floats: bool) -> None:
        path = DATASETS / "white2020" / "reported.csv"
        found = audit(pd.read_csv(path) if floats else path)
        assert found.consistent, found.summary()
        assert found.analyses >= 13

    @pytest.mark.parametrize("floats", [False, True])
    def test_bundled_peer_support_reviews_fail_in_two_rows(self, floats: bool) -> None:
        path = DATASETS / "peer-support-reviews" / "reported.csv"
        found = audit(pd.read_csv(path) if floats else path)
        assert found.analyses == 25
        worst, second = found.inconsistent.to_dict("records")
        assert worst["outcome"].startswith("Fang 2022 perinatal depression")
        assert worst["sentence"].startswith("Z = 9.42 is impossible: the interval allows 4.87 to 5.34")
        assert worst["row"] == 1
        assert "QoL equivalence" in second["outcome"]
        assert second["source"].startswith("Fuhr 2014")
        assert second["sentence"].startswith("p = 0.56 is impossible: the interval allows 0.460 to 0.514")
        assert worst["how_far_off"] > second["how_far_off"] > 0

    def test_fang_2022_ranges(self) -> None:
        # |estimate| 0.385 to 0.395 over a width of 0.29 to 0.31, by the normal quantile and by that of t with 20 df.
        [one] = audit(
            frame_of(outcome="Fang 2022", k=21, est="-0.39", ci_lo="-0.54", ci_hi="-0.24", z="9.42")
        ).inconsistent.to_dict("records")
        twice = 2 * 1.959963984540054
        assert_allclose(one["possible_low"], 0.385 * twice / 0.31, rtol=1e-9)
        assert_allclose(one["possible_high"], 0.395 * twice / 0.29, rtol=1e-9)
        assert_allclose(one["how_far_off"], 9.415 - 0.395 * twice / 0.29, rtol=1e-9)
        assert one["sentence"].endswith("(5.18 to 5.68 if it is by t with 20 df).")

    def test_fuhr_2014_ranges(self) -> None:
        [one] = audit(
            frame_of(k=2, N=164, est="-0.11", ci_lo="-0.42", ci_hi="0.20", p="0.56", I2="0")
        ).inconsistent.to_dict("records")
        assert_allclose(one["possible_low"], 2 * stats.norm.sf(0.115 * 2 * 1.959963984540054 / 0.61), rtol=1e-9)
        assert_allclose(one["possible_high"], 2 * stats.norm.sf(0.105 * 2 * 1.959963984540054 / 0.63), rtol=1e-9)

    def test_white_2020_subgroups_adjunctive_against_substitute(self) -> None:
        found = audit_subgroups(q="4.27", df=1, p_value="0.039")
        assert found.consistent
        [one] = found.verdicts.to_dict("records")
        assert one["possible_low"] < 0.0388 < one["possible_high"]
        assert not audit_subgroups(q="4.27", df=2, p_value="0.039").consistent
        assert not audit_subgroups(q="4.27", df=1, p_value="0.049").consistent

    def test_white_2020_subgroups_by_organisational_support(self) -> None:
        rows = pd.DataFrame(WHITE_2020_ROWS[-2:], columns=WHITE_2020_COLUMNS)
        found = audit_subgroups(rows)
        assert found.consistent
        told = found.verdicts.iloc[-1]
        assert told["row"] == 0
        corners = [
            (a - b) ** 2 / (((h - low) ** 2 + (H - L) ** 2) / (2 * 1.959963984540054) ** 2)
            for a, b, low, h, L, H in itertools.product(
                (0.495, 0.505), (-0.045, -0.035), (0.135, 0.145), (0.865, 0.875), (-0.375, -0.365), (0.275, 0.285)
            )
        ]
        assert_allclose([told["possible_low"], told["possible_high"]], [min(corners), max(corners)], rtol=1e-9)
        assert "allow 4.39 to 5.01" in told["sentence"]


class TestRoundingArithmetic:
    def test_printed_numbers_hold_both_ends(self) -> None:
        x = printed(np.array([0.86, -0.1, 38.0]), np.array([2.0, 2.0, 0.0]))
        assert_allclose(x.low, [0.855, -0.105, 37.5], rtol=1e-12)
        assert_allclose(x.high, [0.865, -0.095, 38.5], rtol=1e-12)
        assert np.all(x.low <= np.array([0.855, -0.105, 37.5]))
        assert np.all(x.high >= np.array([0.865, -0.095, 38.5]))

    @pytest.mark.parametrize("rule", [ROUND_HALF_EVEN, ROUND_HALF_UP])
    @given(digits=st.integers(-(10**7), 10**7), places=st.integers(0, 6), keep=st.integers(0, 6))
    def test_every_number_lies_in_the_interval_of_its_print(
        self, digits: int, places: int, keep: int, rule: str
    ) -> None:
        exact = Decimal(digits).scaleb(-places)
        shown = exact.quantize(Decimal(1).scaleb(-keep), rounding=rule)
        x = printed(np.array(float(shown)), np.array(float(keep)))
        assert x.low <= float(exact) <= x.high

    @given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.lists(st.floats(0, 1), min_size=3, max_size=3))
    def test_images_hold_every_inner_point(self, ends: list[float], at: list[float]) -> None:
        a, b, c = (Interval(np.array(min(pair)), np.array(max(pair))) for pair in (ends[:2], ends[2:4], ends[4:]))
        x, y, z = (float(i.low + (i.high - i.low) * t) for i, t in zip((a, b, c), at, strict=True))
        slack = 1e-12
        for image, value in (
            (absolute(a), abs(x)),
            (midpoint(a, b), (x + y) / 2),
            (increasing(np.exp, a), math.exp(x)),
            (width(a, b), max(y - x, 0.0)),
        ):
            assert image.low - slack <= value <= image.high + slack
        d = absolute(c)
        if abs(z) > 1e-6:
            image = quotient(a, d)
            value = x / abs(z)
            assert image.low - slack * abs(value) - slack <= value <= image.high + slack * abs(value) + slack

    def test_gap(self) -> None:
        a = Interval(np.array([0.0, 0.0, 5.0, np.nan]), np.array([1.0, 1.0, 6.0, 1.0]))
        b = Interval(np.array([1.0, 3.0, 1.0, 0.0]), np.array([2.0, np.inf, 2.0, 1.0]))
        assert_allclose(gap(a, b), [0.0, 2.0, 3.0, np.nan])


class TestFormulas:
    def test_ranges_against_fifty_digits(self) -> None:
        mp.dps = 50
        z = (mpf("0.385") * 2 * mp.sqrt(2) * mp.erfinv(mpf("0.95"))) / mpf("0.31")
        low, high, est = (printed(np.array(x), np.array(2.0)) for x in (-0.54, -0.24, 0.39))
        critical = np.asarray(float(mp.sqrt(2) * mp.erfinv(mpf("0.95"))))
        of_interval = consistency.statistic(est, consistency.standard_error(low, high, critical))
        assert_allclose(of_interval.low, float(z), rtol=1e-11)
        p = consistency.p_of_statistic(Interval(np.array(2.0), np.array(9.0)), np.array(np.inf))
        assert_allclose([p.low, p.high], [float(mp.erfc(9 / mp.sqrt(2))), float(mp.erfc(2 / mp.sqrt(2)))], rtol=1e-12)
        tail = consistency.p_of_q(Interval(np.array(10.65), np.array(10.75)), np.array(5.0))
        exact = [float(mp.gammainc(mpf(5) / 2, mpf(q) / 2, mp.inf, regularized=True)) for q in ("10.75", "10.65")]
        assert_allclose([tail.low, tail.high], exact, rtol=1e-12)

    @pytest.mark.parametrize("df", [1.0, 2.0, 7.0, 30.0])
    def test_q_and_its_p_and_i2_go_both_ways(self, df: float) -> None:
        q = Interval(np.array([df + 0.5, df + 9.0]), np.array([df + 1.0, df + 10.0]))
        for way, back in ((consistency.p_of_q, consistency.q_of_p), (consistency.i2_of_q, consistency.q_of_i2)):
            again = back(way(q, np.full(2, df)), np.full(2, df))
            assert_allclose(np.array(again), np.array(q), rtol=1e-10)

    def test_q_without_heterogeneity_is_anything_up_to_its_df(self) -> None:
        q = consistency.q_of_i2(printed(np.array([0.0, 0.0]), np.array([0.0, 1.0])), np.array([4.0, 4.0]))
        assert_allclose(q.low, 0.0, atol=0)
        assert_allclose(q.high, [4 / 0.995, 4 / 0.9995], rtol=1e-12)

    @given(
        groups=st.integers(2, 6),
        seed=st.integers(0, 2**32 - 1),
        rounding=st.sampled_from([0.001, 0.05, 0.6]),
    )
    @settings(max_examples=60, deadline=None)
    def test_every_q_between_lies_in_its_range(self, groups: int, seed: int, rounding: float) -> None:
        rng = np.random.default_rng(seed)
        y, se = rng.normal(size=groups), rng.uniform(0.1, 1.0, groups)
        ys = Interval(y - rounding * rng.uniform(size=groups), y + rounding * rng.uniform(size=groups))
        ses = Interval(se * (1 - rounding / 2), se * (1 + rounding / 2))
        found = consistency.q_between(ys, ses)

        def q_of(y: Any, se: Any) -> Any:
            w = 1 / se**2
            mean = (w * y).sum(-1, keepdims=True) / w.sum(-1, keepdims=True)
            return (w * (y - mean) ** 2).sum(-1)

        inner = q_of(
            rng.uniform(ys.low, ys.high, size=(2000, groups)), rng.uniform(ses.low, ses.high, size=(2000, groups))
        )
        corners = [
            q_of(np.array(y), np.where(smallest, ses.low, ses.high))
            for y in itertools.product(*zip(ys.low, ys.high, strict=True))
            for smallest in (True, False)
        ]
        largest, least = max(*corners, inner.max()), min(*corners, inner.min())
        assert found.low <= least * (1 + 1e-12)
        assert found.high >= largest * (1 - 1e-12)
        if rounding == 0.001:  # groups that are further apart than their rounding: the range is tight
            assert_allclose(found.high, largest, rtol=2e-3, atol=1e-4)
            assert_allclose(found.low, least, rtol=2e-2, atol=1e-3)

    def test_q_between_is_zero_where_groups_can_be_equal(self) -> None:
        ys = Interval(np.array([0.1, 0.15, 0.0]), np.array([0.2, 0.3, 0.16]))
        assert consistency.q_between(ys, Interval(np.full(3, 0.1), np.full(3, 0.11))).low == 0.0

    @given(st.lists(st.integers(4, 300), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
    @settings(deadline=None)
    def test_no_split_of_the_people_beats_the_smallest_standard_error(self, sizes: list[int], seed: int) -> None:
        n = np.array(sizes, dtype=float)
        n1 = np.clip(np.round(n * np.random.default_rng(seed).uniform(0.4, 0.6, n.size)), 2, n - 2)
        m = n - 2
        j = np.exp(
            [math.lgamma(a / 2) - math.lgamma((a - 1) / 2) - 0.5 * math.log(a / 2) for a in m]
        )  # Borenstein's variance carries J^2
        v = j**2 * (1 / n1 + 1 / (n - n1))
        k = float(n.size)
        for known in (k, math.nan):
            least = consistency.smallest_smd_standard_error(np.array(n.sum()), np.array(known))
            assert math.sqrt(1 / (1 / v).sum()) >= least * (1 - 1e-12)

    def test_smallest_standard_error_of_large_studies_is_two_over_root_n(self) -> None:
        least = consistency.smallest_smd_standard_error(np.array([1e6, 100.0]), np.array([1.0, 1.0]))
        assert_allclose(least[0], 2 / math.sqrt(1e6), rtol=1e-5)
        assert 0.98 * 0.2 < least[1] < 0.2


class TestChecks:
    """One wrong number each, by more than its rounding; the same number right beside it."""

    def test_estimate_off_the_middle(self) -> None:
        assert failed(est="0.30") == []
        assert failed(est="0.31") == []  # 0.305 to 0.315 and 0.295 to 0.305 meet
        assert failed(est="0.32") == ["estimate in the middle"]
        assert set(failed(est="0.52")) == {"estimate in the middle", "estimate inside the interval"}

    def test_ratios_have_their_middle_on_the_log_scale(self) -> None:
        assert failed(measure="RR", est="2.00", ci_lo="1.00", ci_hi="4.00") == []
        assert failed(measure="RR", est="2.50", ci_lo="1.00", ci_hi="4.00") == ["estimate in the middle"]
        [one] = audit(frame_of(measure="RR", est="2.50", ci_lo="1.00", ci_hi="4.00")).inconsistent.to_dict("records")
        assert_allclose(one["possible_low"], math.sqrt(0.995 * 3.995), rtol=1e-9)
        assert "log scale" in one["sentence"]

    @pytest.mark.parametrize("measure", ["OR", "hr", "risk ratio", "RoM", "Rate ratio", "IRR"])
    def test_names_of_ratios(self, measure: str) -> None:
        assert failed(measure=measure, est="2.00", ci_lo="1.00", ci_hi="4.00") == []

    @pytest.mark.parametrize(
        "measure", ["MD", "log OR", "Hedges' g", "Cohen's d", "Standardised mean difference", "GEN"]
    )
    def test_names_of_measures_that_are_symmetric_as_printed(self, measure: str) -> None:
        assert failed(measure=measure, est="2.50", ci_lo="1.00", ci_hi="4.00") == []

    def test_correlations_have_their_middle_on_fishers_z(self) -> None:
        low, est, high = (f"{math.tanh(x):.2f}" for x in (0.5, 1.0, 1.5))
        assert failed(measure="COR", est=est, ci_lo=low, ci_hi=high) == []
        assert failed(measure="MD", est=est, ci_lo=low, ci_hi=high) == ["estimate in the middle"]

    def test_a_ratio_printed_as_zero_has_a_lower_limit_above_it(self) -> None:
        assert failed(measure="OR", est="0.03", ci_lo="0.00", ci_hi="0.28", z="3.12", p="0.002") == []
        assert "Z from the interval" in failed(measure="OR", est="0.30", ci_lo="0.00", ci_hi="0.90", z="9.00")

    def test_z_and_p(self) -> None:
        assert failed(z="2.94", p="0.003") == []
        assert failed(z="2.50") == ["Z from the interval"]
        assert failed(p="0.03") == ["p from the interval"]
        assert set(failed(z="2.94", p="0.03")) == {"p from the interval", "p from Z"}

    def test_the_sign_of_z_counts_only_where_it_is_printed(self) -> None:
        assert failed(est="-0.30", ci_lo="-0.50", ci_hi="-0.10", z="2.94") == []
        assert failed(est="-0.30", ci_lo="-0.50", ci_hi="-0.10", z="-2.94") == []
        assert failed(z="-2.94") == ["Z from the interval"]

    @pytest.mark.parametrize("p", ["<0.01", "< 0.05", ">0.001", "=0.003", "≤.004"])
    def test_p_may_be_a_bound(self, p: str) -> None:
        assert failed(p=p) == []

    @pytest.mark.parametrize("p", ["<0.001", "> 0.05", "<.0001"])
    def test_a_bound_on_p_can_be_wrong(self, p: str) -> None:
        assert failed(p=p) == ["p from the interval"]
        assert "is impossible: the interval allows 0.00" in audit(frame_of(p=p)).summary()

    def test_level(self) -> None:
        z = 0.3 * 2 * 1.6448536269514722 / 0.4
        assert audit(frame_of(z=f"{z:.2f}"), level=0.9).consistent
        assert not audit(frame_of(z=f"{z:.2f}")).consistent

    def test_an_interval_by_t_is_no_error(self) -> None:
        t = 0.3 * 2 * stats.t.ppf(0.975, 4) / 0.4
        p = 2 * stats.t.sf(t, 4)
        row = {"k": 5, "z": f"{t:.2f}", "p": f"{p:.3f}"}
        found = audit(frame_of(**row))
        assert found.consistent
        assert any(sentence.endswith("by t with 4 df.") for sentence in found.verdicts["sentence"])
        assert "Z from the interval" in failed(**{**row, "k": 30})
        # All of a row is read the same way: t for Z and the normal distribution for p do not go together.
        assert failed(k=5, z=f"{t:.2f}", p="0.003") != []

    def test_i2_q_and_p(self) -> None:
        right = {"k": 6, "Q": "10.70", "I2": "53", "p_Q": "0.058", "tau2_method": "DL"}
        assert failed(**right) == []
        assert failed(**{**right, "p_Q": "0.042"}) == ["p of Q", "p of Q from I²"]
        assert set(failed(**{**right, "I2": "63"})) == {"I² from Q", "p of Q from I²"}
        assert set(failed(**{**right, "Q": "12.70"})) == {"I² from Q", "p of Q"}
        assert failed(k=6, I2="53", p_Q="0.158", tau2_method="common") == ["p of Q from I²"]
        assert failed(k=6, I2="0", Q="4.10", p_Q="0.54", tau2_method="DL") == []
        assert failed(k=6, I2="10", Q="4.10", tau2_method="DerSimonian and Laird") == ["I² from Q"]

    @pytest.mark.parametrize("method", ["", "REML", "Paule-Mandel"])
    def test_i2_that_may_come_from_tau2_is_a_doubt(self, method: str) -> None:
        found = audit(frame_of(k=6, I2="10", Q="4.10", tau2="0.01", tau2_method=method))
        assert found.consistent
        assert sorted(found.doubtful["check"]) == ["I² from Q", "τ² from Q"]
        assert (found.doubtful["how_far_off"] > 0).all()
        sentences = "\n".join(found.doubtful["sentence"])
        assert (
            "I² = 10 % does not fit Q = 4.10 with 5 df, which allows 0.0 %: look whether I² was computed" in sentences
        )
        assert "impossible" not in sentences

    def test_one_estimator_of_all_rows(self) -> None:
        assert list(audit(frame_of(k=6, I2="10", Q="4.10"), tau2_method="DL").inconsistent["check"]) == ["I² from Q"]
        assert audit(frame_of(k=6, I2="10", Q="4.10"), tau2_method="REML").consistent
        with pytest.raises(DataError, match="has no such column"):
            audit(frame_of(k=6, I2="10", Q="4.10"), tau2_method="REMM")

    def test_without_k_nothing_is_said_of_heterogeneity(self) -> None:
        assert made(Q="10.70", I2="12", p_Q="0.9") == ["estimate inside the interval", "estimate in the middle"]

    def test_df(self) -> None:
        assert failed(k=6, df=5, Q="10.70", p_Q="0.058") == []
        assert failed(k=6, df=6, Q="10.70", p_Q="0.098") == ["df from k"]
        assert "I² from Q" in made(df=5, Q="10.70", I2="53")

    def test_a_single_study_has_no_heterogeneity(self) -> None:
        assert failed(k=1, Q="0.00", I2="0") == []
        assert set(failed(k=1, Q="3.10", I2="40")) == {"Q of a single study", "I² of a single study"}

    def test_smallest_standard_error(self) -> None:
        assert failed(k=1, N=400) == []
        assert failed(k=1, N=200) == ["smallest standard error"]
        assert "smallest standard error" not in made(measure="MD", k=1, N=200)

    def test_a_hartung_knapp_interval_may_be_narrow(self) -> None:
        narrow = {"k": 3, "N": 200, "est": "0.30", "ci_lo": "0.08", "ci_hi": "0.52"}
        assert failed(**narrow) == []
        # Ruled out: by a normal Z, by a Q that is too large for it, and by chance where it would take too much of it.
        assert failed(**narrow, z="2.67") == ["smallest standard error"]
        assert failed(**narrow, Q="1.90") == ["smallest standard error"]
        assert failed(k=3, N=200, est="0.300", ci_lo="0.290", ci_hi="0.310") == ["smallest standard error"]

    def test_test_for_subgroup_differences_in_a_column(self) -> None:
        assert failed(Qint="4.27", Qint_df=1, p_int="0.039") == []
        assert failed(Qint="4.27", Qint_df=1, p_int="0.39") == ["p of Q between"]

    def test_subgroups_against_their_test(self) -> None:
        rows = pd.DataFrame(WHITE_2020_ROWS[-2:], columns=WHITE_2020_COLUMNS)
        assert audit_subgroups(rows, q="4.70", p_value="0.030").consistent
        assert audit_subgroups(rows, p_value="0.030").consistent
        wrong_q = audit_subgroups(rows, q="6.10", p_value="0.014")
        assert set(wrong_q.inconsistent["check"]) == {
            "Q between from the subgroups",
            "p of Q between from the subgroups",
        }
        assert set(audit_subgroups(rows, q="4.70", df=2, p_value="0.095").inconsistent["check"]) == {"df of Q between"}
        assert audit_subgroups(rows, q="7.20", p_value="0.007").consistent  # by t with 2 df for the three studies
        assert not audit_subgroups(rows.assign(est=["0.80", "-0.04"]), q="4.70").consistent

    def test_how_far_off_ranks(self) -> None:
        table = pd.concat(
            [frame_of(outcome=name, z=z) for name, z in (("near", "3.2"), ("far", "9.4"), ("right", "2.94"))]
        )
        found = audit(table)
        assert list(found.inconsistent["outcome"]) == ["far", "near"]
        assert_allclose(found.verdicts.loc[found.verdicts["consistent"], "how_far_off"], 0.0, atol=0)
        assert "1. far (row 2)" in found.summary()
        assert found.summary() == str(found)

    def test_markdown_holds_every_check_and_escapes(self) -> None:
        found = audit(frame_of(outcome="a|b", z="9.4", p="0.003"))
        page = found.to_markdown()
        assert page.count("| a\\|b (row 1) |") == len(found.verdicts) + len(found.inconsistent)
        assert "Z = 9.4 is impossible: the interval allows" in page

    def test_results_are_copies(self) -> None:
        found = audit(frame_of(z="9.4"))
        copy = found.to_frame()
        copy["consistent"] = True
        assert not found.consistent


class TestTables:
    def test_frames_of_any_make_agree(self) -> None:
        columns = {name: [row[i] for row in WHITE_2020_ROWS] for i, name in enumerate(WHITE_2020_COLUMNS)}
        columns["N"] = [n or None for n in columns["N"]]
        frame = pd.DataFrame(columns)
        expected = audit(frame).verdicts
        for other in (pl.DataFrame(columns), pa.table(columns), columns, pl.LazyFrame(columns)):
            pd.testing.assert_frame_equal(audit(other).verdicts, expected)

    def test_the_table_is_not_changed(self) -> None:
        frame = pd.DataFrame(WHITE_2020_ROWS, columns=WHITE_2020_COLUMNS)
        before = frame.copy(deep=True)
        audit(frame)
        pd.testing.assert_frame_equal(frame, before)

    def test_numbers_have_the_decimals_of_their_shortest_form(self) -> None:
        row = {"measure": ["SMD"], "k": [6.0], "est": [-0.1], "ci_lo": [-0.34], "ci_hi": [0.14], "I2": [38.0]}
        [one] = audit(pd.DataFrame(row)).verdicts.query("check == 'estimate in the middle'").to_dict("records")
        assert one["reported"] == "-0.10"
        single = pd.DataFrame(row).astype({"est": "float32", "ci_lo": "float32", "ci_hi": "float32"})
        pd.testing.assert_frame_equal(audit(single).verdicts, audit(pd.DataFrame(row)).verdicts)

    def test_whole_percentages_may_end_in_a_zero(self) -> None:
        # 38.4 % rounds to 38 but not to 38.0; counts and I2 are read as whole.
        assert failed(k="5.0", Q="6.494", I2="38.0", tau2_method="DL") == []
        assert failed(k=5, Q="6.494", I2="38.1", tau2_method="DL") == ["I² from Q"]

    def test_whole_floats_may_have_been_printed_without_decimals(self) -> None:
        assert failed(k=6, Q=11.0, I2=53, tau2_method="DL") == []
        assert failed(k=6, Q="11", I2="53", tau2_method="DL") == []
        assert failed(k=6, Q="11.0", I2="53", tau2_method="DL") == ["I² from Q"]

    def test_text_from_print(self, tmp_path: Path) -> None:
        path = tmp_path / "reported.csv"
        path.write_text(
            "\ufeffOutcome,Measure,Studies,Effect,95% CI lower,95% CI upper,P value,I²,note\n"
            '"pain, at rest",SMD,3,−0·30,−0·50,−0·10,= 0·003,38 %,x\n\n'
            "sleep,SMD,NA,0.30,0.10,0.50,n/a,,\n",
            encoding="utf-8",
        )
        found = audit(path)
        assert found.consistent
        assert list(found.verdicts["outcome"].unique()) == ["pain, at rest", "sleep"]
        assert found.ignored == ("note",)
        assert "Columns not read: note." in found.summary()
        pd.testing.assert_frame_equal(audit(str(path)).verdicts, found.verdicts)

    def test_columns_are_mapped_by_keyword(self) -> None:
        odd = frame_of(z="9.4").rename(columns={"est": "pooled SMD", "z": "test"})
        with pytest.raises(DataError, match="no column for estimate"):
            audit(odd)
        assert not audit(odd, estimate="pooled SMD", statistic="test").consistent

    def test_a_row_that_reports_little_is_checked_in_little(self) -> None:
        assert made(est="", ci_lo="", ci_hi="", measure="", k=6, Q="10.7", p_Q="0.057") == ["p of Q"]
        found = audit(frame_of(ci_lo=None))
        assert len(found.verdicts) == 0
        assert found.consistent
        assert "nothing to check" in found.summary()
        assert list(found.verdicts.columns) == list(audit(frame_of()).verdicts.columns)


class TestRefusals:
    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"z": "abc"}, ["z is 'abc'", "'pain' (row 1)", "not a number"]),
            ({"est": "0,30"}, ["est is '0,30'", "point for the decimals"]),
            ({"est": "inf"}, ["est is 'inf'"]),
            ({"est": "1e999"}, ["beyond all numbers"]),
            ({"k": True}, ["k is 'True'"]),
            ({"ci_lo": "0.60"}, ["ci_lo (0.60) exceeds ci_hi (0.50)", "swap"]),
            ({"p": "1.2"}, ["p is '1.2'", "between 0 and 1"]),
            ({"p": "-0.01"}, ["p is '-0.01'", "between 0 and 1"]),
            ({"p": "5%"}, ["p is '5%'"]),
            ({"p_Q": 7}, ["p_Q is '7'", "between 0 and 1"]),
            ({"I2": "138"}, ["I2 is '138'", "between 0 and 100"]),
            ({"Q": "-1"}, ["Q is '-1'", "never negative"]),
            ({"Q": "<3"}, ["Q is '<3'", "only p-values"]),
            ({"k": "0"}, ["k is '0'", "at least one"]),
            ({"k": "2.5"}, ["k is '2.5'", "whole number"]),
            ({"N": "-4"}, ["N is '-4'", "at least one"]),
            ({"measure": "RR", "ci_lo": "-0.10"}, ["ci_lo is -0.10", "a ratio is above 0", "GEN"]),
            ({"measure": "OR", "est": "1", "ci_lo": "0", "ci_hi": "9"}, ["ci_lo is 0 ", "0.00"]),
            ({"measure": "COR", "ci_hi": "1.50"}, ["ci_hi is 1.50", "between -1 and 1"]),
            ({"measure": "SDM"}, ["measure is 'SDM'", "Did you mean 'SMD'"]),
            ({"measure": None}, ["measure is ''", "one of"]),
        ],
    )
    def test_numbers_that_cannot_be(self, columns: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(DataError) as refused:
            audit(frame_of(outcome="pain", **columns))
        for word in [*words, "'pain' (row 1)"]:
            assert word in str(refused.value)

    def test_missing_columns_offer_the_nearest(self) -> None:
        with pytest.raises(DataError, match=r"no column for estimate\. Did you mean 'estimat'\?"):
            audit(frame_of().rename(columns={"est": "estimat"}))
        with pytest.raises(DataError, match="no column for measure"):
            audit(frame_of().drop(columns="measure"))

    def test_two_columns_for_one_thing(self) -> None:
        with pytest.raises(DataError, match="'p' and 'P value' could both be p_value"):
            audit(frame_of(p="0.003").assign(**{"P value": "0.003"}))

    def test_empty_tables(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no rows"):
            audit(frame_of().iloc[:0])
        with pytest.raises(DataError):
            audit(pd.DataFrame())
        empty = tmp_path / "empty.csv"
        empty.write_text("")
        with pytest.raises(DataError, match=r"empty\.csv is empty"):
            audit(empty)
        empty.write_text("measure,est,ci_lo,ci_hi\n")
        with pytest.raises(DataError, match="no rows"):
            audit(empty)

    def test_broken_files(self, tmp_path: Path) -> None:
        path = tmp_path / "reported.csv"
        path.write_text("measure,est,ci_lo,ci_hi\nSMD,0.3,0.1\n")
        with pytest.raises(DataError, match="3 cells in row 1 but 4 columns"):
            audit(path)
        path.write_text("measure,est,est,ci_lo,ci_hi\nSMD,0.3,0.3,0.1,0.5\n")
        with pytest.raises(DataError, match="two columns named 'est'"):
            audit(path)
        path.write_bytes(b"measure,est,ci_lo,ci_hi\nSMD\xff,0.3,0.1,0.5\n")
        with pytest.raises(DataError, match="UTF-8"):
            audit(path)
        with pytest.raises(DataError):
            audit(17)

    @pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, math.nan])
    def test_levels(self, level: float) -> None:
        with pytest.raises(OptionError, match="level"):
            audit(frame_of(), level=level)

    def test_unknown_keywords(self) -> None:
        with pytest.raises(OptionError, match="Did you mean 'estimate'"):
            audit(frame_of(), estimat="est")
        with pytest.raises(DataError, match="Did you mean 'est'"):
            audit(frame_of(), estimate="esst")

    def test_subgroups(self) -> None:
        with pytest.raises(DataError, match="at least two"):
            audit_subgroups(frame_of())
        with pytest.raises(DataError, match="different measures"):
            audit_subgroups(pd.concat([frame_of(), frame_of(measure="MD")]))
        with pytest.raises(DataError, match="nothing to audit"):
            audit_subgroups(q="4.27")
        with pytest.raises(DataError, match="p_value is '3'"):
            audit_subgroups(q="4.27", df=1, p_value="3")


def meta_analysis(
    seed: int, k: int, ratio: bool, hartung_knapp: bool, level: float, decimals: int, heterogeneity: float
) -> dict[str, str]:
    """A true meta-analysis of k two-arm trials (DerSimonian-Laird), printed: independent of the package."""
    rng = np.random.default_rng(seed)
    n1, n2 = rng.integers(3, 120, size=(2, k)).astype(float)
    y = rng.normal(rng.normal(scale=0.4), heterogeneity, k) + rng.normal(size=k) * np.sqrt(1 / n1 + 1 / n2)
    formula = rng.integers(3)
    n = n1 + n2
    v = 1 / n1 + 1 / n2 + y**2 / (2 * n)
    if formula == 1:
        v = 1 / n1 + 1 / n2 + y**2 / (2 * (n - 3.94))
    if formula == 2:
        v = v * (1 - 3 / (4 * n - 9)) ** 2
    w = 1 / v
    mean = (w * y).sum() / w.sum()
    q = float((w * (y - mean) ** 2).sum())
    df = k - 1
    tau2 = max(0.0, (q - df) / (w.sum() - (w**2).sum() / w.sum())) if k > 1 else 0.0
    w = 1 / (v + tau2)
    mean = (w * y).sum() / w.sum()
    se = 1 / math.sqrt(w.sum())
    distribution: Any = stats.norm
    if hartung_knapp and k > 1:
        se *= math.sqrt((w * (y - mean) ** 2).sum() / df)
        distribution = stats.t(df)
    half = distribution.ppf((1 + level) / 2) * se
    move = math.exp if ratio else float
    row = {
        "measure": "RR" if ratio else "SMD",
        "k": str(k),
        "N": f"{n.sum():.0f}",
        "est": f"{move(mean):.{decimals}f}",
        "ci_lo": f"{move(mean - half):.{decimals}f}",
        "ci_hi": f"{move(mean + half):.{decimals}f}",
        "z": f"{mean / se if rng.uniform() < 0.5 else abs(mean / se):.2f}",
        "p": f"{2 * distribution.sf(abs(mean / se)):.{rng.integers(2, 5)}f}",
        "Q": f"{q:.{rng.integers(1, 4)}f}",
    }
    if k > 1:
        row["I2"] = f"{max(0.0, 100 * (q - df) / q) if q > 0 else 0.0:.{rng.integers(0, 2)}f}"
        row["p_Q"] = f"{stats.chi2.sf(q, df):.{rng.integers(2, 4)}f}"
    return row


truths = st.builds(
    meta_analysis,
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 30),
    ratio=st.booleans(),
    hartung_knapp=st.booleans(),
    level=st.just(0.95),
    decimals=st.integers(1, 5),
    heterogeneity=st.sampled_from([0.0, 0.1, 0.8]),
)


class TestNoFalseAlarmAndNoMiss:
    @given(st.lists(truths, min_size=20, max_size=20), st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_what_is_true_is_consistent(self, rows: list[dict[str, str]], as_numbers: bool) -> None:
        table = pd.DataFrame(rows)
        if as_numbers:  # the zeros at the end are lost
            table = table.assign(**{name: pd.to_numeric(table[name]) for name in table.columns.drop("measure")})
        found = audit(table)
        assert found.consistent, found.summary()
        assert found.verdicts["row"].nunique() == 20

    @given(st.integers(0, 2**32 - 1), st.sampled_from([0.8, 0.9, 0.99]))
    @settings(max_examples=30, deadline=None)
    def test_what_is_true_is_consistent_at_other_levels(self, seed: int, level: float) -> None:
        rows = [meta_analysis(seed + i, 2 + i, bool(i % 2), bool(i % 3), level, 2, 0.2) for i in range(10)]
        found = audit(pd.DataFrame(rows), level=level)
        assert found.consistent, found.summary()

    def test_full_precision_is_consistent(self) -> None:
        rng = np.random.default_rng(5)
        estimate, se = rng.normal(size=300), rng.uniform(1e-3, 10, 300)
        q, k = rng.chisquare(6, 300), 7
        table = pd.DataFrame(
            {
                "measure": "MD",
                "k": k,
                "est": estimate,
                "ci_lo": estimate - 1.959963984540054 * se,
                "ci_hi": estimate + 1.959963984540054 * se,
                "z": estimate / se,
                "p": 2 * stats.norm.sf(np.abs(estimate / se)),
                "Q": q,
                "I2": np.maximum(0, 100 * (q - 6) / q),
                "p_Q": stats.chi2.sf(q, 6),
            }
        )
        ratios = table.assign(
            measure="RR",
            est=np.exp(estimate / 10),
            **{
                name: np.exp((estimate + sign * 1.959963984540054 * se) / 10)
                for name, sign in (("ci_lo", -1), ("ci_hi", 1))
            },
        )
        assert audit(table).consistent, audit(table).summary()
        assert audit(ratios).consistent, audit(ratios).summary()

    @given(
        seed=st.integers(0, 2**32 - 1),
        field=st.sampled_from(["est", "ci_lo", "ci_hi", "z", "p", "Q", "I2", "p_Q"]),
        up=st.booleans(),
    )
    @settings(max_examples=300, deadline=None)
    def test_one_wrong_number_is_found(self, seed: int, field: str, up: bool) -> None:
        row = meta_analysis(seed, 12, False, False, 0.95, 3, 0.15)
        old = float(row[field])
        row[field] = {
            "est": f"{old + (0.03 if up else -0.03):.3f}",
            "ci_lo": f"{old - 0.03:.3f}",
            "ci_hi": f"{old + 0.03:.3f}",
            # Smaller where it can be: a larger one may be t's, of the same interval and a p that is too small to tell.
            "z": f"{abs(old) - 0.8 if abs(old) > 1.6 else abs(old) + 0.8:.2f}",
            "p": f"{(old + 0.3) if old < 0.5 else (old - 0.3):.3f}",
            "Q": f"{(old + 8) * 1.7:.2f}",
            "I2": f"{old + 25 if old < 60 else old - 25:.0f}",
            "p_Q": f"{old + 0.3 if old < 0.5 else old - 0.3:.3f}",
        }[field]
        assert not audit(pd.DataFrame([row]), tau2_method="DL").consistent, row
        # Where the estimator is not named, an I2 is told all the same.
        found = audit(pd.DataFrame([row]))
        assert not found.consistent or not found.doubtful.empty, row
        assert field in {"Q", "I2"} or not found.consistent, row
