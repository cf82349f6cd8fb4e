"""Published reviews: loading, the record of a review, printed numbers, and the reproduction itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import DataError, OptionError
from metaanalysis.reviews import datasets, load_review, read_review, reproduce, review_names, tally
from metaanalysis.reviews.printing import printed_number

STUDIES = "study,y,v,n,arm\nA 2001,1,1,10,x\nB 2002,2,1,20,x\nC 2003,3,1,30,y\n"
HEAD = """\
title = "Three studies"
citation = "Nobody AB, Other C. A review. Some Journal 2004;1:1-2"
doi = "10.1/1"
kind = "studies"
label = "study"

[columns]
study = "study"
y = "effect"
v = "variance"
n = "people"
arm = "group"
"""
ANALYSIS = """
[[analysis]]
id = "all"
title = "All of it"
measure = "GEN"
inputs = { y = "y", v = "v" }
pool = { model = "common" }
"""
PRINTED = """
[[analysis.printed]]
where = "p. 1"
evidence = "printed in the publication"
"""


def folder_with(tmp_path: Path, toml: str, studies: str = STUDIES, table: str = "studies.csv") -> Path:
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    (folder / "review.toml").write_text(toml, encoding="utf-8")
    (folder / table).write_text(studies, encoding="utf-8")
    return folder


def rows_of(tmp_path: Path, printed: str, analysis: str = ANALYSIS) -> list[tuple[str, str, str]]:
    found = reproduce(read_review(folder_with(tmp_path, HEAD + analysis + PRINTED + printed)))
    return [(row.statistic, row.ours, row.verdict) for row in found.rows]


# Loading


def test_a_dataset_is_a_frame_that_says_what_it_is() -> None:
    bcg = ma.load_dataset("bcg")
    assert list(bcg.columns) == ["study", "author", "year", "events1", "n1", "events2", "n2", "ablat", "alloc"]
    assert bcg["events1"].tolist() == [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27]
    assert bcg["n2"].sum() == 166283
    assert bcg.attrs["title"] == "BCG vaccine against tuberculosis"
    assert bcg.attrs["doi"] == "10.1001/jama.1994.03510330076038"
    assert bcg.attrs["citation"].startswith("Colditz GA")
    assert bcg.attrs["label"] == "study"
    assert bcg.attrs["columns"]["ablat"].endswith("(degrees of latitude, without sign)")
    assert list(bcg.attrs["columns"]) == list(bcg.columns)


def test_what_is_done_to_a_frame_stays_with_it() -> None:
    first = ma.load_dataset("hine1989")
    first.loc[0, "events1"] = 99
    first.attrs["columns"]["n1"] = "changed"
    assert ma.load_dataset("hine1989").loc[0, "events1"] == 2
    assert ma.load_dataset("hine1989").attrs["columns"]["n1"] != "changed"


def test_numbers_are_read_to_their_last_digit() -> None:
    frame = ma.load_dataset("hackshaw1998")
    with load_review("hackshaw1998").table.open(encoding="utf-8") as file:
        at = file.readline().strip().split(",").index("y")
        texts = [line.strip().rsplit(",", 2)[1] for line in file]
    assert at == len(frame.columns) - 2
    assert frame["y"].tolist() == [float(text) for text in texts]


def test_names_that_look_like_numbers_stay_names() -> None:
    yusuf = ma.load_dataset("yusuf1985")
    assert {"3.2", "3.20"} <= set(yusuf["trial_id"])
    assert {"6", "12a"} <= set(yusuf["table"])


@pytest.mark.parametrize("name", ["BCG", "Bcg"])
def test_case_does_not_matter(name: str) -> None:
    assert ma.load_dataset(name).attrs["name"] == "bcg"


@pytest.mark.parametrize("name", ["bcgg", "hackshaw", "../bcg", "", 3, None])
def test_an_unknown_name_lists_the_others(name: object) -> None:
    with pytest.raises(OptionError, match=r"The choices are: .*bcg, .*yusuf1985") as caught:
        ma.load_dataset(name)  # type: ignore[arg-type]
    if name == "hackshaw":
        assert "Did you mean 'hackshaw1998'?" in str(caught.value)


def test_the_list_of_datasets() -> None:
    listed = ma.list_datasets().set_index("name")
    assert list(listed.index) == review_names()
    assert listed.loc["bcg", ["k", "kind"]].tolist() == [13, "studies"]
    assert listed.loc["bcg", "measure"] == "RR, OR, PETO, RD"
    assert listed.loc["white2020", ["k", "kind", "measure"]].tolist() == [13, "reported", "RR, SMD"]
    assert (listed["citation"].str.len() > 20).all()


def test_the_folder_inside_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "site" / "metaanalysis" / "reviews" / "datasets.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(datasets, "__file__", str(module))
    with pytest.raises(DataError, match="Install the library again"):
        datasets.datasets_folder()
    (tmp_path / "site" / "datasets").mkdir()
    assert datasets.datasets_folder() == tmp_path.resolve() / "site" / "datasets"
    (tmp_path / "site" / "metaanalysis" / "datasets").mkdir()
    assert datasets.datasets_folder() == tmp_path.resolve() / "site" / "metaanalysis" / "datasets"


def test_columns_that_are_not_described(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, HEAD + ANALYSIS, STUDIES.replace("arm\n", "group\n"))
    with pytest.raises(DataError, match=r"own: \[columns\] of review.toml .*\(arm, group\)"):
        reproduce(read_review(folder))


# The record of a review


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('title = "Three studies"', "title = 3", r"own/review.toml: title is 3, but has to be a text in quotes"),
        ('title = "Three studies"', "", r"own/review.toml: title is missing"),
        ('kind = "studies"', 'kind = "study"', r"kind is 'study', but has to be one of: studies, reported"),
        ('label = "study"', 'label = "name"', r"there is no column 'name' in \[columns\]"),
        ("[columns]", "[colums]", r"columns is missing: describe each column"),
        ('doi = "10.1/1"', 'dio = "10.1/1"', r"dio is not a key that is read here. Did you mean 'doi'"),
        ('doi = "10.1/1"', 'doi = "10.1/1', r"own/review.toml is not valid TOML"),
        ('id = "all"', "", r"review.toml, analysis 1: id is missing"),
        ('measure = "GEN"', "", r"review.toml, analysis 'all': measure is missing"),
        ('measure = "GEN"', 'mesure = "GEN"', r"analysis 'all': measure is missing"),
        ('pool = { model = "common" }', 'pool = "common"', r"analysis 'all': pool is 'common', but has to be a table"),
        ('pool = { model = "common" }', 'pol = { model = "common" }', r"pol is not a key .* Did you mean 'pool'"),
        ('inputs = { y = "y", v = "v" }', "inputs = { y = 1 }", r"analysis 'all': inputs.y is 1, but has to be a text"),
        ('measure = "GEN"', 'measure = "GEN"\nkind = "subgroups"', r"analysis 'all': subgroup is missing"),
        ('measure = "GEN"', 'measure = "GEN"\nkind = "meta-regression"', r"analysis 'all': moderators is missing"),
        ('measure = "GEN"', 'measure = "GEN"\nscale = "log"', r"scale is 'log', but has to be one of: analysis, "),
        ('where = "p. 1"', "", r"analysis 'all', printed 1: where is missing"),
        ('estimate = "2.0"', "estimate = 2.0", r"printed 'p. 1': estimate is 2.0, but has to be a text in quotes"),
        (
            'estimate = "2.0"',
            'estimate = "2,0"',
            r"printed 'p. 1': estimate is not right: '2,0' is not a printed number",
        ),
        ('estimate = "2.0"', 'estimate = "−2.0"', r"is not a printed number: write digits .* a hyphen for minus"),
        ('estimate = "2.0"', 'estimat = "2.0"', r"estimat is not a key that is read here. Did you mean 'estimate'"),
        ('estimate = "2.0"', 'ci = ["2.0"]', r"ci has 1 values, but needs a lower and an upper limit"),
        ('estimate = "2.0"', "", r"printed 'p. 1': printed holds no number"),
        ('estimate = "2.0"', 'estimate = "2.0"\nagrees = false', r"note is missing, though agrees = false"),
        ('estimate = "2.0"', 'estimate = "2.0"\nagrees = "no"', r"agrees is 'no', but has to be true or false"),
    ],
)
def test_a_malformed_record_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    whole = HEAD + ANALYSIS + PRINTED + 'estimate = "2.0"\n'
    assert old in whole
    read_review(folder_with(tmp_path, whole))
    with pytest.raises(DataError, match=message):
        read_review(folder_with(tmp_path, whole.replace(old, new)))


def test_analyses_need_ids_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two analyses with id 'all'"):
        read_review(folder_with(tmp_path, HEAD + ANALYSIS + ANALYSIS))
    with pytest.raises(DataError, match=r"no \[\[analysis\]\]"):
        read_review(folder_with(tmp_path, HEAD))
    with pytest.raises(DataError, match=r"has no review\.toml"):
        read_review(tmp_path / "nowhere")


def test_papers_are_called_by_author_and_year() -> None:
    called = {name: load_review(name).paper for name in ("bcg", "hackshaw1998", "molloy2014", "hartmannboyce2018")}
    assert called == {
        "bcg": "Colditz 1994",
        "hackshaw1998": "Hackshaw 1997",
        "molloy2014": "Molloy 2014",
        "hartmannboyce2018": "Hartmann-Boyce 2018",
    }


# Printed numbers


@pytest.mark.parametrize(
    "text, ours, agrees, shown",
    [
        ("0.56", 0.5649999, True, "0.56"),
        ("0.56", 0.5650001, False, "0.57"),
        ("0.56", 0.565, True, "0.56"),  # half-way: either neighbour may be printed
        ("0.57", 0.565, True, "0.57"),
        ("0.57", 0.5549999, False, "0.55"),
        ("-0.50", -0.5, True, "-0.50"),
        ("-0.50", 0.5, False, "0.50"),
        ("0.50", 0.5, True, "0.50"),
        (".5", 0.46, True, "0.5"),
        ("13", 13.0, True, "13"),
        ("13", 14.0, False, "14"),
        ("20", 19.6, True, "20"),
        ("3476", 3509.0, False, "3509"),
        ("0.00", 0.004, True, "0.00"),
        ("0.0000", 0.0, True, "0.0000"),
        ("386.7759", 386.77594999, True, "386.7759"),
        ("1.5e-3", 0.00151, True, "0.0015"),
        ("<0.0001", 3e-7, True, "<0.0001"),
        ("< 0.05", 0.06, False, "0.06"),
        ("<0.5", 0.5, False, "0.5"),
        (">0.9", 0.95, True, ">0.9"),
        ("0.5", math.nan, False, "n/a"),
        ("0.5", math.inf, False, "infinite"),
    ],
)
def test_a_printed_number_agrees_with_what_rounds_to_it(text: str, ours: float, agrees: bool, shown: str) -> None:
    number = printed_number(text)
    assert number.agrees(ours) is agrees
    assert number.shown(ours) == shown


@pytest.mark.parametrize("text", ["", "0.5%", "1,000", "p = 0.05", "0·5", "--1", "≤0.05", "1 2", "nan", "1e"])
def test_what_is_no_printed_number(text: str) -> None:
    with pytest.raises(DataError, match="is not a printed number"):
        printed_number(text)


# Reproduction. Of 1, 2, 3 with variance 1 the mean is 2 with standard error 1 / sqrt(3) = 0.5774, and Q is 2.


def test_the_numbers_of_a_common_effect(tmp_path: Path) -> None:
    printed = """
k = "3"
n = "60"
estimate = "2.00"
se = "0.5774"
ci = ["0.868", "3.132"]
statistic = "3.464"
p_value = "<0.001"
q = "2.0"
q_df = "2"
q_p_value = "0.368"
i2 = "0"
h2 = "1.0"
"""
    verdicts = [verdict for *_, verdict in rows_of(tmp_path, printed)]
    assert verdicts == ["agrees"] * 13


def test_numbers_that_differ_are_told(tmp_path: Path) -> None:
    assert rows_of(tmp_path, 'estimate = "2.1"\nse = "0.577"\n') == [
        ("estimate", "2.0", "DIFFERS"),
        ("se", "0.577", "agrees"),
    ]
    assert rows_of(tmp_path, 'estimate = "2.1"\nagrees = false\nnote = "a misprint"\n') == [
        ("estimate", "2.0", "differs, as recorded")
    ]
    assert rows_of(tmp_path, 'estimate = "2.0"\nagrees = false\nnote = "a misprint"\n') == [
        ("estimate", "2.0", "AGREES, though recorded as a discrepancy")
    ]


def test_only_what_should_agree_and_does_not_fails(tmp_path: Path) -> None:
    def ok(printed: str) -> bool:
        return reproduce(read_review(folder_with(tmp_path, HEAD + ANALYSIS + PRINTED + printed))).ok

    assert ok('estimate = "2.0"\n')
    assert not ok('estimate = "2.1"\n')
    assert ok('estimate = "2.1"\nagrees = false\nnote = "a misprint"\n')
    assert not ok('estimate = "2.0"\nagrees = false\nnote = "a misprint"\n')


@pytest.mark.parametrize(
    "scale, numbers",
    [
        ("analysis", ("2.00", "0.87", "0.58")),
        ("back-transformed", ("7.39", "2.38", "0.58")),
        ("per-cent", ("200.00", "86.84", "57.74")),
    ],
)
def test_scales(tmp_path: Path, scale: str, numbers: tuple[str, str, str]) -> None:
    analysis = ANALYSIS.replace('"GEN"', '"HR"')
    estimate, low, se = numbers
    printed = f'scale = "{scale}"\nestimate = "{estimate}"\nci_low = "{low}"\nse = "{se}"\n'
    assert [verdict for *_, verdict in rows_of(tmp_path, printed, analysis)] == ["agrees"] * 3


def test_tau2_in_per_cent_is_times_ten_thousand(tmp_path: Path) -> None:
    studies = STUDIES.replace("3,1,30", "5,1,30")
    analysis = ANALYSIS.replace('model = "common"', 'tau2 = "DL"')
    # Of 1, 2, 5 with variance 1, Q = 26/3 and tau2 = (26/3 - 2) / (3 - 1).
    toml = HEAD + analysis + PRINTED + 'scale = "per-cent"\ntau2 = "33333.3"\ntau = "182.57"\ni2 = "76.9"\n'
    found = reproduce(read_review(folder_with(tmp_path, toml, studies)))
    assert [row.verdict for row in found.rows] == ["agrees"] * 3
    assert_allclose(found.rows[0].value, 1e4 * 10 / 3, rtol=1e-12)


def test_only_the_studies_named_take_part(tmp_path: Path) -> None:
    analysis = ANALYSIS + 'where = { arm = "x" }\n'
    assert rows_of(tmp_path, 'k = "2"\nestimate = "1.5"\nn = "30"\n', analysis)[0] == ("k", "2", "agrees")
    with pytest.raises(DataError, match=r"own/review.toml, analysis 'all': where .* leaves no study"):
        rows_of(tmp_path, 'k = "2"\n', analysis.replace('"x"', '"z"'))
    with pytest.raises(DataError, match=r"where names 'arms', which is no column. Did you mean 'arm'\?"):
        rows_of(tmp_path, 'k = "2"\n', analysis.replace("arm =", "arms ="))


def test_subgroups(tmp_path: Path) -> None:
    analysis = ANALYSIS + 'kind = "subgroups"\nsubgroup = "arm"\n'
    # Means 1.5 (variance 1/2) and 3 (variance 1): Q between = 1.5² / 1.5.
    printed = 'q_between = "1.50"\nq_between_df = "1"\nq_between_p_value = "0.22"\nestimate = "2.0"\n'
    assert [verdict for *_, verdict in rows_of(tmp_path, printed, analysis)] == ["agrees"] * 4
    assert rows_of(tmp_path, 'group = "x"\nestimate = "1.5"\n', analysis) == [("estimate", "1.5", "agrees")]
    with pytest.raises(DataError, match=r"analysis 'all': the result has no estimate of 'z'"):
        rows_of(tmp_path, 'group = "z"\nestimate = "1.5"\n', analysis)


def test_a_meta_regression(tmp_path: Path) -> None:
    analysis = ANALYSIS + 'kind = "meta-regression"\nmoderators = "~ n"\n'
    assert rows_of(tmp_path, 'term = "Intercept"\nestimate = "0.00"\n', analysis)[0][2] == "agrees"
    assert rows_of(tmp_path, 'term = "n"\nestimate = "0.100"\nse = "0.0707"\n', analysis)[1][2] == "agrees"
    assert rows_of(tmp_path, 'q_residual = "0.00"\nk = "3"\n', analysis)[0][2] == "agrees"
    with pytest.raises(DataError, match="the result has no estimate of 'm'"):
        rows_of(tmp_path, 'term = "m"\nestimate = "0.1"\n', analysis)


def test_what_the_engine_lacks_is_told_and_counted_apart(tmp_path: Path) -> None:
    analysis = ANALYSIS + 'tau2_interval = "wald"\nkind = "pool"\n'
    # Of 1, 2, 3 with variance 1: tau2 = 0, tr PP = 2, and Wald's interval is not cut off at 0.
    toml = HEAD + analysis + PRINTED + 'estimate = "2.0"\ntau2_ci = ["-1.96", "1.96"]\n'
    toml += ANALYSIS.replace('"all"', '"levels"') + 'kind = "multilevel"\nlevels = ["arm", "study"]\n'
    toml += PRINTED + 'estimate = "2.0"\nvariances = { arm = "0.1", study = "0.2" }\n'
    found = reproduce(read_review(folder_with(tmp_path, toml)))
    assert [row.verdict for row in found.rows] == [
        "agrees",
        "agrees",
        "agrees",
        "not attempted: needs a multilevel model",
        "not attempted: needs a multilevel model",
        "not attempted: needs a multilevel model",
    ]
    assert found.ok
    said = " ".join(tally([found]).summary().split())
    assert "Not attempted, for lack of a method: 3 printed numbers (3 need a multilevel model)." in said
    assert said.endswith(
        "3 of 3 printed numbers agree (3 of them seen in print, the others as stated above; 3 not attempted)"
    )


def test_the_tally_counts_discrepancies_apart(tmp_path: Path) -> None:
    printed = 'estimate = "2.0"\nse = "0.6"\nq = "3.0"\n'
    printed += PRINTED.replace("printed in the publication", "output of RevMan or Stata")
    printed += 'estimate = "2.00"\n' + PRINTED + 'estimate = "2.1"\nagrees = false\nnote = "a misprint"\n'
    found = reproduce(read_review(folder_with(tmp_path, HEAD + ANALYSIS + PRINTED + printed)))
    counted = tally([found])
    assert not counted.ok
    assert counted.summary().splitlines() == [
        "Agreement by evidence:",
        "  2 of 3 agree         printed in the publication",
        "  1 of 1 agree         output of RevMan or Stata",
        "3 of 4 printed numbers agree (2 of them seen in print, the others as stated above; "
        "1 recorded discrepancy of a paper apart)",
    ]


def test_options_of_a_record_that_do_not_exist(tmp_path: Path) -> None:
    analysis = ANALYSIS.replace('model = "common"', 'tau2 = "DLL"')
    with pytest.raises(DataError, match=r"own/review.toml, analysis 'all': tau2='DLL' is not a choice. Did you mean"):
        rows_of(tmp_path, 'estimate = "2.0"\n', analysis)


def test_the_summary_shows_both_numbers_and_where_they_are_printed() -> None:
    said = reproduce("baskerville2012").summary().splitlines()
    assert "    abstract: results [printed in the publication]" in said
    assert [line.split() for line in said if line.lstrip().startswith("estimate")] == [
        ["estimate", "printed", "0.56", "ours", "0.56", "agrees"]
    ]
    assert any("printed       8.76   ours       8.70   differs, as recorded" in line for line in said)
    assert any(line.lstrip().startswith("note: the effects and standard errors are published to two") for line in said)


def test_studies_that_are_left_out_are_named() -> None:
    assert "left out: Snow 1 (events1 is missing)" in reproduce("yusuf1985").summary()


def test_the_frame_has_one_row_a_number() -> None:
    found = reproduce("hackshaw1998")
    frame = found.to_frame()
    assert frame["statistic"].tolist() == ["k", "estimate", "ci_low", "ci_high"]
    assert frame["printed"].tolist() == frame["ours"].tolist() == ["37", "1.24", "1.13", "1.36"]
    assert set(frame["verdict"]) == {"agrees"}
    fit = found.results["overall"].overall  # type: ignore[union-attr]
    assert_allclose(frame["value"][1:], np.exp([fit.estimate, fit.ci_low, fit.ci_high]), rtol=1e-12)


# Summaries alone

# Z of mood lies between 0.495 x 3.92 / 0.81 and 0.505 x 3.92 / 0.79.
REPORTED = "outcome,measure,k,est,ci_lo,ci_hi,z\nsleep,SMD,3,0.50,0.10,0.90,2.45\nmood,SMD,4,0.50,0.10,0.90,9.99\n"
REPORTED_HEAD = """\
title = "Summaries"
citation = "Nobody AB. A review. Some Journal 2004;1:1-2"
kind = "reported"
label = "outcome"

[columns]
outcome = "outcome"
measure = "measure"
k = "studies"
est = "estimate"
ci_lo = "lower"
ci_hi = "upper"
z = "z"
"""
INCONSISTENT = """
[[audit.inconsistent]]
outcome = "mood"
statistic = "z"
printed = "9.99"
possible = ["2.40", "2.51"]
"""


def audit_of(tmp_path: Path, toml: str) -> list[tuple[str, str, bool, bool]]:
    review = read_review(folder_with(tmp_path, REPORTED_HEAD + toml, REPORTED, "reported.csv"))
    return [(row.analysis, row.printed, row.agrees, row.ok) for row in reproduce(review).rows]


def test_an_inconsistency_fails_unless_it_is_on_record(tmp_path: Path) -> None:
    assert ("mood", "9.99", False, False) in audit_of(tmp_path, "")
    assert all(ok for outcome, *_, ok in audit_of(tmp_path, "") if outcome == "sleep")
    recorded = audit_of(tmp_path, INCONSISTENT)
    assert ("mood", "9.99", False, True) in recorded
    assert all(ok for *_, ok in recorded)


def test_a_record_that_the_audit_does_not_bear_out_fails(tmp_path: Path) -> None:
    for wrong in (
        INCONSISTENT.replace('"mood"', '"sleep"').replace("9.99", "2.45"),
        INCONSISTENT.replace('["2.40"', '["2.30"'),
        INCONSISTENT.replace("9.99", "9.98"),
        INCONSISTENT + INCONSISTENT.replace('"mood"', '"sleep"').replace("9.99", "2.45"),
    ):
        assert not all(ok for *_, ok in audit_of(tmp_path, wrong))


def test_a_test_for_subgroups_needs_its_groups(tmp_path: Path) -> None:
    test = '\n[[audit.subgroups]]\noutcome = "all"\nby = "time"\ngroups = ["sleep", "nap"]\n'
    with pytest.raises(DataError, match=r"own: the subgroups of 'all' are not all in reported.csv"):
        audit_of(tmp_path, INCONSISTENT + test)
