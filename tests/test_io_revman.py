"""Files of Review Manager: the invented review against its algorithms in plain arithmetic, settings, and what is refused."""

from __future__ import annotations

import math
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc, ndtri

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.io import revman_rows

EXAMPLE = ma.example_file("invented-review.rm5")
TEXT = EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def review() -> ma.reviews.RevManReview:
    return ma.read_revman(EXAMPLE)


def changed(tmp_path: Path, old: str, new: str, count: int = 1) -> Path:
    """The example with a text replaced."""
    assert old in TEXT
    path = tmp_path / "changed.rm5"
    path.write_text(TEXT.replace(old, new, count), encoding="utf-8")
    return path


# Review Manager's algorithms (Deeks & Higgins 2010), one study after the other.


def by_hand(kind: str, measure: str, d: tuple[float, ...]) -> tuple[float, float] | None:
    """Effect on the scale of analysis and its standard error; None where it is not estimable."""
    if kind == "dichotomous":
        a, n1, c, n2 = d
        b, e = n1 - a, n2 - c
        if measure == "PETO":
            N = n1 + n2
            v = n1 * n2 * (a + c) * (b + e) / (N * N * (N - 1))
            return None if v == 0 else ((a - n1 * (a + c) / N) / v, 1 / math.sqrt(v))
        if measure != "RD" and a == 0 and c == 0:
            return None
        A, B, C, E = (x + 0.5 for x in (a, b, c, e)) if 0 in (a, b, c, e) else (a, b, c, e)
        if measure == "RR":
            return math.log((A / (A + B)) / (C / (C + E))), math.sqrt(1 / A + 1 / C - 1 / (A + B) - 1 / (C + E))
        if measure == "OR":
            return math.log(A * E / (B * C)), math.sqrt(1 / A + 1 / B + 1 / C + 1 / E)
        return a / n1 - c / n2, math.sqrt(A * B / (A + B) ** 3 + C * E / (C + E) ** 3)
    if kind == "continuous":
        m1, s1, n1, m2, s2, n2 = d
        if math.isnan(s1) or math.isnan(s2):
            return None
        if measure == "MD":
            return m1 - m2, math.sqrt(s1**2 / n1 + s2**2 / n2)
        N = n1 + n2
        s = math.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / (N - 2))
        g = (m1 - m2) / s * (1 - 3 / (4 * N - 9))
        return g, math.sqrt(N / (n1 * n2) + g**2 / (2 * (N - 3.94)))
    return (d[0], d[1]) if kind == "generic" else (d[0] / d[1], 1 / math.sqrt(d[1]))


def mantel_haenszel_by_hand(measure: str, tables: list[tuple[float, ...]]) -> tuple[list[float], float, float]:
    """Weights, estimate and standard error on the scale of analysis."""
    R = S = first = cross = second = V = 0.0
    weights = []
    for a, n1, c, n2 in tables:
        b, e = n1 - a, n2 - c
        if 0 in (a, b, c, e):
            a, b, c, e = a + 0.5, b + 0.5, c + 0.5, e + 0.5
        n1, n2, N = a + b, c + e, a + b + c + e
        if measure == "OR":
            r, s = a * e / N, b * c / N
            first += r * (a + e) / N
            cross += r * (b + c) / N + s * (a + e) / N
            second += s * (b + c) / N
        else:
            r, s = a * n2 / N, c * n1 / N
            V += (n1 * n2 * (a + c) - a * c * N) / N**2
        R, S = R + r, S + s
        weights.append(s)
    if measure == "OR":
        return weights, math.log(R / S), math.sqrt((first / R**2 + cross / (R * S) + second / S**2) / 2)
    return weights, math.log(R / S), math.sqrt(V / (R * S))


def pooled_by_hand(one, rows: pd.DataFrame) -> dict[str, float]:
    """What Review Manager shows of the studies together, and the weights."""
    found = [by_hand(one.kind, one.measure, d) for d in data(one, rows)]
    used = [i for i, f in enumerate(found) if f is not None]
    y, se = ([found[i][part] for i in used] for part in (0, 1))
    w = [1 / s**2 for s in se]
    if one.method == "mantel-haenszel":
        shares, estimate, error = mantel_haenszel_by_hand(one.measure, [data(one, rows)[i] for i in used])
    else:
        shares, estimate, error = w, sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), 1 / math.sqrt(sum(w))
    q = sum(a * (b - estimate) ** 2 for a, b in zip(w, y, strict=True))
    df, tau2 = len(used) - 1, math.nan
    if one.random:
        tau2 = max(0.0, (q - df) / (sum(w) - sum(x * x for x in w) / sum(w))) if df else 0.0
        shares = [1 / (s**2 + tau2) for s in se]
        estimate = sum(a * b for a, b in zip(shares, y, strict=True)) / sum(shares)
        error = 1 / math.sqrt(sum(shares))
    z = float(ndtri(0.5 + one.level / 2))
    back = math.exp if one.log_scale else float
    return {
        "estimate": back(estimate),
        "ci_low": back(estimate - z * error),
        "ci_high": back(estimate + z * error),
        "statistic": abs(estimate / error),
        "p_value": math.erfc(abs(estimate / error) / math.sqrt(2)),
        "q": q,
        "q_df": df,
        "q_p_value": float(chdtrc(df, q)) if df else 1.0,
        "i2": max(0.0, 100 * (q - df) / q),
        "tau2": tau2,
        "y": estimate,
        "se": error,
        "weights": dict(zip(used, [100 * x / sum(shares) for x in shares], strict=True)),
    }


def data(one, rows: pd.DataFrame) -> list[tuple[float, ...]]:
    """The data of each study as they are analysed."""
    names = {
        "dichotomous": ["events1", "n1", "events2", "n2"],
        "continuous": ["mean1", "sd1", "n1", "mean2", "sd2", "n2"],
        "generic": ["y", "se"],
        "o-e": ["o_minus_e", "variance"],
    }[one.kind]
    found = [tuple(row) for row in rows[names].to_numpy().tolist()]
    return [(b - a, b, d - c, d) for a, b, c, d in found] if one.swapped else found


def parts(review, one) -> list[tuple[pd.DataFrame, object]]:
    """Rows and Review Manager's result of all that is pooled."""
    rows = review.rows(one)
    found = [(rows, one.result)] if one.totals == "overall" else []
    if one.totals != "none":
        found += [(rows[rows.subgroup_number == group.number], group.result) for group in one.subgroups]
    return found


class TestInventedReview:
    @pytest.mark.parametrize("name", ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2.1", "2.2", "2.3"])
    def test_its_results_are_those_of_the_algorithms(self, review, name):
        one = review.analysis(name)
        for rows, result in parts(review, one):
            expected = pooled_by_hand(one, rows)
            for statistic in ("estimate", "ci_low", "ci_high", "statistic", "p_value", "q", "q_df", "q_p_value", "i2"):
                assert getattr(result, statistic) == pytest.approx(expected[statistic], rel=1e-12, abs=1e-13), statistic
            if one.random:
                assert result.tau2 == pytest.approx(expected["tau2"], rel=1e-12, abs=1e-15)
            shown = one.totals == "subgroups" or result is one.result
            for place, row in enumerate(rows.itertuples()):
                effect = by_hand(one.kind, one.measure, data(one, rows)[place])
                assert row.estimable == (effect is not None)
                if effect is not None:
                    back = math.exp if one.log_scale else float
                    assert row.effect == pytest.approx(back(effect[0]), rel=1e-12)
                if effect is not None and shown:
                    assert row.weight == pytest.approx(expected["weights"][place], rel=1e-12)

    def test_ours_are_the_same(self, review):
        found = ma.reproduce(review, tolerance=1e-11)
        assert found.ok, found.differing
        assert len(found.rows) == 289

    def test_every_analysis_has_its_settings(self, review):
        assert [one.id for one in review.analyses] == [
            *(f"1.{n}" for n in range(1, 8)),
            *(f"2.{n}" for n in range(1, 5)),
        ]
        first, third, fourth, last = (review.analysis(name) for name in ("1.1", "1.3", "1.4", "2.4"))
        assert (first.measure, first.method, first.model) == ("RR", "mantel-haenszel", "random")
        assert [group.name for group in first.subgroups] == ["Adults", "Children"]
        assert (third.totals, third.level, third.study_level) == ("subgroups", 0.99, 0.99)
        assert fourth.swapped
        assert not first.swapped
        assert review.analysis("1.7").totals == "none"
        assert (last.kind, last.measure) == ("other", "")
        assert review.analysis("2.1").log_scale
        assert not review.analysis("2.2").log_scale
        assert [review.analysis(name).measure for name in ("1.2", "1.5", "1.6", "2.1", "2.2", "2.3")] == [
            "SMD", "PETO", "RD", "HR", "MD", "HR"]  # fmt: skip

    def test_studies_are_named_and_other_data_kept_aside(self, review):
        assert review.studies.study.iloc[2] == "Castellano-Ruiz 2003"
        assert review.studies.year.iloc[2] == 2003
        assert review.other.to_numpy().tolist() == [
            ["2.4", "", "Eriksen 2009", "More, please.", "12 of 75"],
            ["2.4", "", "Farkas 2012", "Too sweet & too hot.", "3 of 52"],
        ]

    def test_a_spread_of_zero_is_missing(self, review):
        rows = review.rows("1.3")
        assert rows.sd1.isna().tolist() == [False, True, False, False, False]
        assert review.effects("1.3").k == 4

    def test_it_pools_as_the_authors_did(self, review):
        found = review.pool("1.1")
        assert isinstance(found, ma.Subgroups)
        assert found.overall.method == "mantel-haenszel"
        assert found.q_between == pytest.approx(review.analysis("1.1").differences.q, rel=1e-12)
        assert isinstance(review.pool("1.2"), ma.Pooled)
        swapped = review.data("1.4")
        assert swapped.events1.tolist() == [40, 30, 44, 88]
        with pytest.raises(ma.DataError, match="holds other data"):
            review.pool("2.4")
        with pytest.raises(ma.DataError, match=r"no analysis '1.11'. Did you mean"):
            review.pool("1.11")

    def test_frames_are_ready_for_effect_sizes(self, review):
        effects = ma.effect_sizes(review.data("1.2"), "SMD", convention="revman5")
        assert ma.pool(effects).estimate == pytest.approx(review.analysis("1.2").result.estimate, rel=1e-12)
        assert list(review.to_frame().id) == [one.id for one in review.analyses]

    def test_it_says_itself(self, review):
        assert (
            "1.4 Free of cough (entered as coughing) (odds ratio, Mantel-Haenszel, common effect, events swapped; 4 rows)"
            in str(review)
        )
        assert repr(review) == "<RevManReview 'invented-review.rm5': 11 analyses, 40 rows of studies>"
        printed = str(ma.reproduce(review))
        assert "Adults" in printed
        assert "143 of 143 pooled numbers and 146 of 146 numbers of studies agree" in printed
        assert "not computed" not in printed


class TestDisagreements:
    def test_a_wrong_number_is_found_and_named(self, tmp_path):
        weight = re.search(r'STUDY_ID="STD-Adler-1998"[^/]*WEIGHT="([\d.]+)"', TEXT)[1]
        found = ma.reproduce(ma.read_revman(changed(tmp_path, f'WEIGHT="{weight}"', 'WEIGHT="31.5"')))
        assert [(row.study, row.statistic, row.revman) for row in found.differing] == [("Adler 1998", "weight", 31.5)]
        assert not found.ok
        assert "differs: Adler 1998 (Adults), weight 31.5" in str(found)

    def test_a_study_that_cannot_be_computed_fails_its_analysis_alone(self, tmp_path):
        found = ma.reproduce(ma.read_revman(changed(tmp_path, 'EVENTS_1="12"', 'EVENTS_1="612"')))
        assert list(found.failures) == ["1.1"]
        assert "events1 (612) exceeds n1 (60) in study 'Adler 1998'" in found.failures["1.1"]
        assert len(found.results) == 8
        assert "1 analyses were not computed" in found.counts()

    def test_not_estimable_is_compared_too(self, tmp_path):
        row = re.search(r'<DICH_DATA[^>]*STUDY_ID="STD-Gupta-2014"[^>]*/>', TEXT)[0]
        found = ma.reproduce(ma.read_revman(changed(tmp_path, row, row.replace('ESTIMABLE="YES"', 'ESTIMABLE="NO"'))))
        assert [(row.study, row.note) for row in found.differing] == [("Gupta 2014", "not estimable there")]

    def test_the_tolerance_is_a_number_and_for_files(self, review):
        with pytest.raises(ma.OptionError, match="is not a difference to allow"):
            ma.reproduce(review, tolerance=-1.0)
        with pytest.raises(ma.OptionError, match="held to their printed decimals"):
            ma.reproduce("bcg", tolerance=1e-3)

    def test_few_decimals_are_held_to_those(self, tmp_path):
        rounded = re.sub(r'="(-?\d+\.\d{4,})"', lambda found: f'="{float(found[1]):.3f}"', TEXT)
        path = tmp_path / "rounded.rm5"
        path.write_text(rounded, encoding="utf-8")
        review = ma.read_revman(path)
        assert review.decimals == 3
        assert ma.reproduce(review).tolerance == pytest.approx(0.51e-3)
        assert not [row for row in ma.reproduce(review).differing if row.statistic in ("estimate", "effect", "weight")]


class TestEverybodyHadTheEvent:
    """Review Manager's risk ratio is 1 there, and undefined by its documentation; see the corpus of Cochrane reviews."""

    TABLE = pd.DataFrame({"events1": [14, 5, 9], "n1": [14, 20, 30], "events2": [18, 8, 12], "n2": [18, 21, 29]})

    def test_the_ratio_is_one_with_the_variance_of_corrected_counts(self):
        effects = ma.effect_sizes(self.TABLE, "RR", convention="revman5")
        assert effects.k == 3
        assert effects.y[0] == 0.0
        assert effects.v[0] == pytest.approx(1 / 14.5 - 1 / 15 + 1 / 18.5 - 1 / 19, rel=1e-12)

    def test_mantel_haenszel_takes_it_for_one(self):
        effects = ma.effect_sizes(self.TABLE, "RR", convention="revman5")
        fit = ma.pool(effects, method="mantel-haenszel")
        _, n1, c, n2 = (
            self.TABLE[name].to_numpy() + np.array([0.5, 0, 0]) * (1 + (name[0] == "n")) for name in self.TABLE
        )
        S = c * n1 / (n1 + n2)
        assert fit.estimate == pytest.approx(math.log((S * np.exp(effects.y)).sum() / S.sum()), rel=1e-12)
        many = ma.pool_many(
            self.TABLE.assign(g=1), by="g", measure="RR", method="mantel-haenszel", convention="revman5"
        )
        assert many.estimate[0] == pytest.approx(fit.estimate, rel=1e-14)
        assert many.se[0] == pytest.approx(fit.se, rel=1e-14)

    @pytest.mark.parametrize(
        ("measure", "convention", "k"), [("OR", "revman5", 2), ("RR", "meta", 2), ("RR", "metafor", 3)]
    )
    def test_others_do_otherwise(self, measure, convention, k):
        if k == 2:
            with pytest.warns(UserWarning, match="only events"):
                effects = ma.effect_sizes(self.TABLE, measure, convention=convention)
        else:
            effects = ma.effect_sizes(self.TABLE, measure, convention=convention)
            assert effects.y[0] != 0.0
        assert effects.k == k


class TestRefused:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('EVENTS_1="12"', 'EVENTS_1="many"', r"line \d+, <DICH_DATA>, EVENTS_1 of Adler 1998 is 'many', which is not a number"),
            ('EFFECT_MEASURE="RR"', 'EFFECT_MEASURE="XX"', r"line \d+, <DICH_OUTCOME>: the effect measure 'XX' is not one"),
            ('METHOD="MH"', 'METHOD="XX"', "the statistical method 'XX' is not one that Review Manager has for dichotomous"),
            ('TOTALS="SUB"', 'TOTALS="SOME"', "TOTALS is 'SOME', but has to be YES, SUB or NO"),
            ('CI_TOTAL="99"', 'CI_TOTAL="990"', "CI_TOTAL is '990', but has to be a confidence level"),
            ('SWAP_EVENTS="YES"', 'SWAP_EVENTS="PERHAPS"', "SWAP_EVENTS is 'PERHAPS', but has to be YES or NO"),
            ('RANDOM="YES"', 'RANDOM="MIXED"', "the analysis model 'MIXED' is neither fixed nor random"),
            ('STUDY_ID="STD-Adler-1998"', "", "STUDY_ID is missing"),
            ('NO="2"', 'NO="1"', "two subgroups of an outcome have the number 1|two analyses numbered"),
            ('ID="CMP-001" NO="1"', 'ID="CMP-001"', r"<COMPARISON>: NO is missing"),
            ("</DICH_OUTCOME>", "", r"line \d+, <CONT_OUTCOME>: an outcome stands within another"),
            ("Tea for", "Tea & for", r"not valid XML at line \d+, within <TITLE>"),
            ("<COCHRANE_REVIEW ", "<REVIEW ", "begins with <COCHRANE_REVIEW>, not with <REVIEW>"),
            ('encoding="UTF-8"', 'encoding="klingon"', "in an encoding that can't be read"),
            ("<CONT_DATA", "<DICH_DATA", "a study of another kind stands in an outcome of continuous data"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named_with_its_place(self, tmp_path, old, new, message):
        with pytest.raises(ma.DataError, match=message):
            ma.read_revman(changed(tmp_path, old, new))

    @pytest.mark.parametrize(
        "declared",
        [
            '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>',
            '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://example.org/a">%a;]>',
        ],
    )
    def test_entities_are_refused(self, tmp_path, declared):
        path = tmp_path / "x.rm5"
        path.write_text(TEXT.replace("<COCHRANE_REVIEW", f"{declared}<COCHRANE_REVIEW", 1), encoding="utf-8")
        with pytest.raises(ma.DataError, match="declares entities or refers to other files"):
            ma.read_revman(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"<COCHRANE_REVIEW>" + b"<a>" * 10**6, "nested more than 256 deep"),
            (b'<COCHRANE_REVIEW x="' + b"y" * 10**6 + b'"/>', "longer than 512 kB"),
            (b"<COCHRANE_REVIEW/>", "holds no analyses"),
            (b"PK\x03\x04" + b"\0" * 100, "is not a text file|can't be"),
            (bytes(range(256)) * 10, "bytes that are no text|no text"),
            (b"a,b\n1,2\n", "has no column 'comparisonnumber'"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path, content, message):
        path = tmp_path / "other"
        path.write_bytes(content)
        with pytest.raises(ma.DataError, match=message):
            ma.read_revman(path)

    def test_there_is_no_such_file(self):
        with pytest.raises(ma.DataError, match=r"nosuch\.rm5 can't be read"):
            ma.read_revman("nosuch.rm5")
        with pytest.raises(ma.DataError, match=r"is not the name of a file|can't be read"):
            ma.read_revman("a\0b")

    def test_a_large_file_takes_no_more_than_twice_its_size(self, tmp_path):
        row = re.search(r"<DICH_DATA[^>]*/>\n", TEXT)[0]
        path = tmp_path / "large.rm5"
        path.write_text(TEXT.replace(row, row * 3000, 1), encoding="utf-8")
        ma.read_revman(EXAMPLE)
        tracemalloc.start()
        read = ma.read_revman(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(read.studies) == 3039
        assert peak < 2 * path.stat().st_size

    def test_so_many_rows_are_no_review(self, tmp_path, monkeypatch):
        monkeypatch.setattr(revman_rows, "MOST_ROWS", 20)
        with pytest.raises(ma.DataError, match="has more than 20 rows of studies, which no review has"):
            ma.read_revman(EXAMPLE)


SETTINGS = (
    "Analysis group,Analysis number,Analysis name,Analysis group name,Data type,Log-scale data,Statistical method,Effect measure,"
    "Analysis model,Subgroup estimates,Overall estimates,Test for subgroup differences,Swap event and non-event,Study CI,"
    "Estimate CI,Mean,CI start,CI end,Heterogeneity Tau²,Heterogeneity Chi²,Heterogeneity df,Heterogeneity P,Heterogeneity I²,"
    "Effect Z,Effect P,Subgroup Chi²,Subgroup df,Subgroup P,Subgroup I²\n"
)
WORDS = {"RR": "Risk Ratio", "OR": "Odds Ratio", "RD": "Risk Difference", "PETO": "Peto Odds Ratio", "HR": "Hazard Ratio",
         "MD": "Mean Difference", "SMD": "Std. Mean Difference"}  # fmt: skip
METHODS = {"mantel-haenszel": "Mantel-Haenszel", "inverse-variance": "Inverse Variance", "peto": "Peto"}
TYPES = {
    "dichotomous": "Dichotomous",
    "continuous": "Continuous",
    "generic": "Contrast level",
    "o-e": "O-E and variance",
}
RESULT = ("estimate", "ci_low", "ci_high", "tau2", "q", "q_df", "q_p_value", "i2", "statistic", "p_value")


def as_package(review) -> dict[str, str]:
    """The review as the files of a data package."""

    def printed(result) -> list[object]:
        known = result.estimable
        return ["" if not known or math.isnan(getattr(result, name)) else getattr(result, name) for name in RESULT]

    settings, groups = [], []
    for one in review.analyses:
        if one.kind == "other":
            continue
        between = one.differences
        settings.append(
            [one.comparison, one.outcome, one.name, one.comparison_name, TYPES[one.kind], one.log_scale, METHODS[one.method],
             WORDS[one.measure], "Random effects" if one.random else "Fixed effect", one.totals != "none",
             one.totals == "overall", one.subgroup_test, one.swapped, f"{100 * one.study_level:g}%", f"{100 * one.level:g}%",
             *printed(one.result), *((between.q, between.df, between.p_value, between.i2) if between.df else ("", "", "", ""))]
        )  # fmt: skip
        groups += [[one.comparison, one.outcome, group.name, *printed(group.result)] for group in one.subgroups]
    columns = {"subgroup": "Subgroup", "study": "Study", "year": "Study year", "y": "GIV Mean", "se": "GIV SE",
               "mean1": "Experimental mean", "sd1": "Experimental SD", "events1": "Experimental cases", "n1": "Experimental N",
               "mean2": "Control mean", "sd2": "Control SD", "events2": "Control cases", "n2": "Control N", "o_minus_e": "O-E",
               "variance": "Variance", "weight": "Weight", "effect": "Mean", "ci_low": "CI start", "ci_high": "CI end",
               "comparison": "Analysis group", "outcome": "Analysis number"}  # fmt: skip
    rows = review.studies.rename(columns=columns)[list(columns.values())].assign(Applicability="SUBGROUP_AND_OVERALL")
    names = SETTINGS.strip().split(",")
    return {
        "CD1-overall-estimates-and-settings.csv": pd.DataFrame(settings, columns=names).to_csv(index=False),
        "CD1-subgroup-estimates.csv": pd.DataFrame(groups, columns=[*names[:2], "Subgroup", *names[15:25]]).to_csv(
            index=False
        ),
        "CD1-data-rows.csv": rows.to_csv(index=False),
    }


@pytest.fixture
def package(review, tmp_path) -> Path:
    path = tmp_path / "CD1-dataPackage.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in as_package(review).items():
            archive.writestr(f"CD1-analysis-data/{name}", text)
        archive.writestr("CD1-study-data/CD1-included.ris", "TY  - JOUR")
    return path


class TestDataPackage:
    def test_it_says_the_same_as_the_review(self, review, package):
        again = ma.read_revman(package)
        found = ma.reproduce(again, tolerance=1e-11)
        assert found.ok, [*found.differing[:3], found.failures]
        # The test for subgroup differences, all results and all studies are there; single studies' shares too.
        assert len(found.rows) == 289
        ours = {one.id: one for one in review.analyses}
        for one in again.analyses:
            for name in ("measure", "method", "model", "kind", "level", "totals", "swapped", "log_scale"):
                assert getattr(one, name) == getattr(ours[one.id], name), (one.id, name)

    def test_a_folder_does_as_well(self, package, tmp_path):
        with zipfile.ZipFile(package) as archive:
            archive.extractall(tmp_path / "unpacked")
        whole, folder = ma.read_revman(package), ma.read_revman(tmp_path / "unpacked")
        pd.testing.assert_frame_equal(whole.studies, folder.studies)

    def test_rows_count_where_they_apply(self, review, tmp_path):
        files = as_package(review)
        rows = pd.read_csv(pd.io.common.StringIO(files["CD1-data-rows.csv"]))
        rows.loc[0, "Applicability"] = "SUBGROUP_ONLY"
        rows.loc[4, "Applicability"] = "OVERALL_ONLY"
        for name, text in files.items():
            (tmp_path / name).write_text(rows.to_csv(index=False) if "data-rows" in name else text, encoding="utf-8")
        read = ma.read_revman(tmp_path)
        assert not read.studies.in_total[0]
        assert not read.studies.in_subgroup[4]
        results = ma.reproduce(read).results["1.1"]
        assert {name: fit.k for name, fit in results.groups.items()} == {"Adults": 3, "Children": 2}
        assert read.pool("1.1").overall.k == 5

    def test_newer_settings_are_read(self, review, tmp_path):
        files = as_package(review)
        name = "CD1-overall-estimates-and-settings.csv"
        table = pd.read_csv(pd.io.common.StringIO(files[name]), dtype=str).rename(
            columns={"Estimate CI": "CI/PI level"}
        )
        table = table.assign(**{"Heterogeneity estimator": "REML", "CI method": "Hartung-Knapp-Sidik-Jonkman"})
        files[name] = table[table["Analysis number"] == "2"].to_csv(index=False)
        rows = pd.read_csv(pd.io.common.StringIO(files["CD1-data-rows.csv"]), dtype=str)
        files["CD1-data-rows.csv"] = rows[rows["Analysis number"] == "2"].to_csv(index=False)
        del files["CD1-subgroup-estimates.csv"]
        for file, text in files.items():
            (tmp_path / file).write_text(text, encoding="utf-8")
        read = ma.read_revman(tmp_path)
        one = read.analysis("1.2")
        assert (one.tau2, one.ci) == ("REML", "hksj")
        fit = read.pool("1.2")
        direct = ma.pool(ma.effect_sizes(review.data("1.2"), "SMD", convention="revman"), tau2="REML", ci="hksj")
        assert fit.estimate == direct.estimate
        assert fit.ci_low == direct.ci_low

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda files: files.pop("CD1-data-rows.csv"), "holds no file that ends in data-rows.csv"),
            (lambda files: files.update({"b-data-rows.csv": "x"}), "holds two files that end in data-rows.csv"),
            (lambda files: files.update({"CD1-data-rows.csv": "Analysis group,Study\n1,a\n"}), "has no column 'analysisnumber'"),
            (lambda files: files.update({"CD1-data-rows.csv": "Analysis group,Analysis number,Study\n7,1,a\n"}),
             "analysis 7.1 is not among the settings"),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_named(self, review, tmp_path, change, message):
        files = as_package(review)
        change(files)
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        with pytest.raises(ma.DataError, match=message):
            ma.read_revman(path)

    def test_a_broken_zip_file(self, package):
        whole = package.read_bytes()
        at = whole.index(b"Analysis group") + 40
        package.write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3 :])
        with pytest.raises(ma.DataError, match="can't be unpacked"):
            ma.read_revman(package)


class TestCommandLine:
    def test_a_file_is_reproduced(self, capsys, tmp_path):
        assert main(["reproduce", str(EXAMPLE), "--no-plots"]) == 0
        assert "143 of 143 pooled numbers" in capsys.readouterr().out

    def test_what_differs_is_an_exit_status(self, capsys, tmp_path):
        path = changed(tmp_path, 'CI_END="', 'CI_END="9')
        assert main(["reproduce", str(path), "--no-plots", "--tolerance", "1e-3"]) == 1
        assert main(["reproduce", str(tmp_path / "nosuch.rm5"), "--no-plots"]) == 2
        assert "can't be read" in capsys.readouterr().err
