"""The report: its numbers are those of the library, it stands alone, and no table can get out of its place."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mpmath import mp, mpf
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.formulas.absolute_risks import risk_difference_from_hazard_ratio
from metaanalysis.reports import figures, overview
from metaanalysis.reports.citations import NumberedReferences
from metaanalysis.reports.findings import direction, thousand

DATE = "2025-03-31"
VOID = {"meta", "link", "br", "input", "img"}
HOSTILE = [
    "<script>alert(1)</script>", "\"quotes' & <b>bold</b>", "]]> --> <!-- </script>", "x" * 10_000, "שלום עולם",
    "\u202eturned", "a\x00b\x1bc", "</style><img src=x onerror=alert(1)>", "{{ 7*7 }} {% raw %}", "$x_1$", "NA", "",
    "two\nlines\r\n, \"one\"\u2028name",
]  # fmt: skip


class Page(HTMLParser):
    """What a page is made of: elements with their attributes, and the text within those that bear an id."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.html = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {}
        self.cells: list[list[list[str]]] = []
        self.open: list[tuple[str, str]] = []
        self.feed(self.html)
        assert not self.open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag == "table":
            self.cells.append([])
        if tag == "tr":
            self.cells[-1].append([])
        if tag in ("td", "th"):
            self.cells[-1][-1].append("")
        if tag not in VOID:
            self.open.append((tag, given.get("id", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, name in self.open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data
        if any(tag in ("td", "th") for tag, _ in self.open):
            self.cells[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [given["id"] for _, given in self.elements if "id" in given]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["report-data"])
        return found

    def section(self, name: str) -> str:
        """The text of a section, blanks as single blanks."""
        return " ".join(self.texts[name].split())


Write = Callable[..., Page]


@pytest.fixture(scope="module")
def effects() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="study")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes pages whose plots are empty, which takes a fraction of the time; other tests look at the plots."""
    monkeypatch.setattr(figures, "drawing", lambda draw: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>')

    def written(result: Any, **options: Any) -> Page:
        return Page(ma.report(result, tmp_path / "report.html", **{"date": DATE, **options}))

    return written


@pytest.fixture(scope="module")
def bcg(effects: ma.Effects, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A page with everything on it."""
    groups = ma.subgroups(effects, by="alloc")
    regression = ma.meta_regression(effects, "~ ablat")
    path = tmp_path_factory.mktemp("report") / "bcg.html"
    options = {"title": "BCG", "groups": ("Vaccinated", "Not vaccinated"), "control_risks": {"usual risk": 0.1}}
    return Page(ma.report(groups, path, regression=regression, date=DATE, **options))


class TestNames:
    @pytest.mark.parametrize(
        "before", ["import metaanalysis.reports.page", "from metaanalysis import report", "ma.reports"]
    )
    def test_the_function_is_there_whatever_was_imported_first(self, before: str) -> None:
        code = f"import metaanalysis as ma\n{before}\nimport inspect\nassert inspect.isfunction(ma.report), ma.report\n"
        code += "import metaanalysis.reports.page\nassert inspect.isfunction(ma.report), ma.report"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestNumbers:
    def test_the_result_in_a_sentence(self, bcg: Page, effects: ma.Effects) -> None:
        back = ma.pool(effects).back_transformed()
        said = bcg.section("result")
        assert f"is {back.estimate:.2f} (95% CI {back.ci_low:.2f} to {back.ci_high:.2f}; p < 0.0001)" in said
        assert f"between {back.prediction_low:.2f} and {back.prediction_high:.2f}" in said

    def test_the_table_of_studies(self, bcg: Page, effects: ma.Effects) -> None:
        table = next(table for table in bcg.cells if any("Weight" in cell for row in table for cell in row))
        fit = ma.pool(effects)
        low, high = effects.interval()
        studies = table[2:-1]
        assert len(studies) == 13
        for i, row in enumerate(studies):
            counts = [f"{effects.inputs[name][i]:g}" for name in ("events1", "n1", "events2", "n2")]
            y, below, above = (math.exp(x) for x in (effects.y[i], low[i], high[i]))
            shown = f"{y:.2f} ({below:.2f} to {above:.2f})"
            assert row == ["", effects.label[i], *counts, shown, f"{fit.weights[i]:.1f}"]

    def test_absolute_effects_at_a_given_risk(self, bcg: Page, effects: ma.Effects) -> None:
        back = ma.pool(effects).back_transformed()
        risks = [1000 * 0.1 * ratio for ratio in (back.estimate, back.ci_low, back.ci_high)]
        table = next(table for table in bcg.cells if "Assumed risk" in table[0][0])
        row = [" ".join(cell.split()) for cell in table[2]]
        assert row[:3] == ["usual risk", "100", f"{risks[0]:.0f} ({risks[1]:.0f} to {risks[2]:.0f})"]
        fewer = [f"{100 - risk:.0f} fewer" for risk in risks]
        assert row[3] == f"{fewer[0]} ({fewer[1]} to {fewer[2]})"
        assert "not rated" in row[6]

    def test_control_risks_by_default_are_quartiles_of_the_studies(self, write: Write, effects: ma.Effects) -> None:
        page = write(ma.pool(effects))
        table = next(table for table in page.cells if "Assumed risk" in table[0][0])
        risks = np.asarray(effects.inputs["events2"]) / np.asarray(effects.inputs["n2"])
        expected = [thousand(float(np.quantile(risks, q))) for q in (0.25, 0.5, 0.75)]
        assert [row[1] for row in table[2:]] == expected

    @pytest.mark.parametrize(
        ("measure", "risk1"),
        [
            ("OR", lambda risk, effect: risk * effect / (1 - risk + risk * effect)),
            ("RD", lambda risk, effect: risk + effect),
            ("HR", lambda risk, effect: 1 - (1 - risk) ** effect),
        ],
    )
    def test_absolute_effects_of_other_measures(
        self, write: Write, effects: ma.Effects, measure: str, risk1: Callable[[float, float], float]
    ) -> None:
        if measure == "HR":
            fit = ma.pool(effects.y, effects.v, measure="HR")
        else:
            fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), measure))
        page = write(fit, control_risks=0.3)
        back = fit.back_transformed()
        expected = [f"{1000 * risk1(0.3, x):.0f}" for x in (back.estimate, back.ci_low, back.ci_high)]
        table = next(table for table in page.cells if "Assumed risk" in table[0][0])
        assert " ".join(table[2][2].split()) == f"{expected[0]} ({expected[1]} to {expected[2]})"

    def test_hazard_ratios_lose_no_digits_where_events_are_rare(self) -> None:
        mp.dps = 50
        for ratio, risk in ((0.7, 0.2), (1.0 + 1e-9, 1e-7), (2.5, 1e-12), (0.9999999, 0.999)):
            exact = (1 - mpf(risk)) - (1 - mpf(risk)) ** mpf(ratio)
            found = risk_difference_from_hazard_ratio(np.asarray(ratio), np.asarray(risk))
            assert_allclose(float(found), float(exact), rtol=1e-12)

    def test_people_in_a_thousand(self) -> None:
        assert [thousand(x) for x in (0.0123, 0.0056, 0.00042, 0.0, math.nan)] == ["12", "5.6", "0.42", "0", "n/a"]
        assert [direction(x) for x in (-0.026, 0.0031, 0.0)] == ["26 fewer", "3.1 more", "0 fewer"]

    def test_impossible_risks_are_not_given(self, write: Write) -> None:
        fit = ma.pool([0.7, 0.9], [0.01, 0.01], measure="RR")
        page = write(fit, control_risks=[0.8])
        assert "the effect would lead below 0 or above 1,000" in page.section("findings")

    def test_subgroups_and_regression(self, bcg: Page, effects: ma.Effects) -> None:
        groups = ma.subgroups(effects, by="alloc")
        assert f"Q = {groups.q_between:.2f}, df = 2 (p = {groups.q_between_p_value:.4f})" in bcg.section("subgroups-1")
        slope = ma.meta_regression(effects, "~ ablat").coefficients.loc["ablat", "estimate"]
        assert f"\u2212{-slope:.4f}" in bcg.section("regression-1")

    def test_estimators_and_small_study_tests(self, bcg: Page, effects: ma.Effects) -> None:
        shown = bcg.section("sensitivity")
        for name, fit in ma.compare(effects).fits.items():
            assert re.search(rf"{name} {re.escape(fit.tau2_method)}.*? {fit.tau2:.4f}", shown), name
        egger = ma.small_study_test(effects)
        assert f"t (11 df) = \u2212{-egger.statistic:.2f}{egger.p_value:.4f}" in bcg.section("small-study").replace(
            " 0.18", "0.18"
        )
        assert "fewer than 10" not in bcg.section("small-study")

    def test_without_one_study_and_without_two(self, bcg: Page, effects: ma.Effects) -> None:
        switches = bcg.data["switches"]
        one = ma.leave_one_out(ma.pool(effects)).to_frame(transform=True)
        for i, row in one.iterrows():
            assert switches["one"][i][:2] == [f"{row.estimate:.2f}", f"{row.ci_low:.2f} to {row.ci_high:.2f}"]
        assert len(switches["two"]) == 13 * 12 / 2
        for pair in ("0,1", "4,9", "11,12"):
            keep = np.ones(13, dtype=bool)
            keep[[int(at) for at in pair.split(",")]] = False
            back = ma.pool(effects.subset(keep)).back_transformed()
            assert switches["two"][pair][:2] == [f"{back.estimate:.2f}", f"{back.ci_low:.2f} to {back.ci_high:.2f}"]

    @pytest.mark.parametrize("measure, title", [("PLO", "proportion"), ("PFT", "proportion"), ("MN", "mean")])
    def test_one_group_is_not_tested_against_nothing(self, tmp_path: Path, measure: str, title: str) -> None:
        """That a proportion is not 0.5, or a mean not 0, is no finding."""
        table = {"events": [4, 0, 9, 2], "mean": [3.0, 2.5, 4.0, 3.5], "sd": [1.0] * 4, "n": [40, 50, 60, 31]}
        effects = ma.effect_sizes(table, measure)
        page = Page(ma.report(ma.pool(effects), tmp_path / "report.html", date=DATE))
        result = page.section("result")
        assert f"In a new study the {title} is expected" in result
        assert "p = " not in result
        assert "p < " not in result
        assert "Test for overall effect" not in page.html
        tables = [rows for rows in page.cells if {"Studies", "τ²"} <= set(rows[0]) or "Estimator" in rows[0]]
        assert len(tables) >= 2
        assert not [rows for rows in tables if "p" in rows[0]]
        assert all(len(row) == len(rows[0]) for rows in tables for row in rows)
        assert page.data["switches"]["all"][2] == ""
        assert "no control risk to compare with" in page.section("findings")

    def test_terms_of_a_regression_are_written_for_readers(self, write: Write) -> None:
        table = ma.load_dataset("bcg").rename(columns={"ablat": "absolute latitude"})
        effects = ma.effect_sizes(table, "RR", label="study")
        reg = ma.meta_regression(effects, "~ `absolute latitude` + C(alloc)")
        part = write(reg).section("regression-1")
        assert "`" not in part
        assert "absolute latitude" in part
        assert "alloc = random" in part
        assert "Compared with: alternate (alloc)." in part
        by_hand = ma.meta_regression(effects, "~ `absolute latitude`*alloc")
        part = write(by_hand).section("regression-1")
        assert "alloc = systematic" in part
        assert "[T." not in part

    def test_nothing_is_said_of_intervals_that_are_not_there(self, write: Write, effects: ma.Effects) -> None:
        """One study of two that is left alone has no Hartung-Knapp interval."""
        two = effects.subset(np.arange(13) < 2)
        said = write(ma.pool(two, ci="hksj")).section("sensitivity")
        assert "includes no effect; without one study there is no interval." in said
        assert "without any one of the studies" not in said
        assert "does so without any one of the studies." in write(ma.pool(effects)).section("sensitivity")

    def test_an_exact_p_stands_beside_no_z(self, bcg: Page, effects: ma.Effects) -> None:
        """z = 0.12 would be p = 0.90, and the exact p is 0.95."""
        begg = next(row for rows in bcg.cells for row in rows if row[0].startswith("Begg"))
        assert begg[-2:] == ["p is exact", f"{ma.small_study_test(effects, 'begg').p_value:.4f}"]

    def test_what_was_corrected_or_left_out(self, write: Write) -> None:
        table = {
            "study": ["A", "B", "C", "D"], "events1": [0, 3, 0, 5], "n1": [20, 30, 10, 40],
            "events2": [4, 5, 0, 9], "n2": [20, 30, 10, 40],
        }  # fmt: skip
        with pytest.warns(ma.errors.ExcludedStudiesWarning):
            effects = ma.effect_sizes(table, "RR", convention="revman5")
        said = write(ma.pool(effects)).section("changes")
        assert "Left out Study Reason C No events in both groups." in said
        assert "Continuity correction Study Added A 0.5 to each cell" in said


class TestMethods:
    def test_references_are_numbered_in_the_order_of_the_page(self, bcg: Page) -> None:
        cited = [int(given["href"].removeprefix("#reference-")) for given in bcg.all("a")
                 if given.get("href", "").startswith("#reference-")]  # fmt: skip
        first = list(dict.fromkeys(cited))
        assert first == list(range(1, len(first) + 1))
        assert sum(name.startswith("reference-") for name in bcg.ids) == len(first)
        assert "Viechtbauer W (2005)" in bcg.texts["reference-1"]
        assert "restricted maximum likelihood [1]." in bcg.section("methods")
        assert "(Viechtbauer" not in bcg.section("methods")

    def test_a_study_named_like_a_list_of_references(self) -> None:
        cite = NumberedReferences()
        described = "Left out: A\n\nReferences\nEvil (2000). B.\n\nReferences\nCochran WG (1954). Nothing known."
        assert str(cite.paragraph(described)) == html.escape(described, quote=False)
        assert cite.listed() == []

    def test_the_page_says_when_there_are_few_studies(self, write: Write, effects: ma.Effects) -> None:
        page = write(ma.pool(effects.subset(np.arange(13) < 9)))
        assert "fewer than 10 studies the tests have too little power" in page.section("small-study")


class TestRepeat:
    def test_the_hash_is_that_of_the_table_on_the_page(self, bcg: Page) -> None:
        assert hashlib.sha256(bcg.texts["data"].encode("utf-8")).hexdigest() == bcg.texts["data-hash"]
        assert bcg.texts["data"].startswith("study,events1,n1,events2,n2,alloc,ablat,year\n")

    @pytest.mark.parametrize(
        ("measure", "of_effects", "of_pool"),
        [
            ("RR", {}, {"tau2": "PM", "ci": "hksj", "prediction": "hts", "level": 0.9}),
            ("OR", {"convention": "revman5", "add": 0.25, "to": "all"}, {}),
            ("OR", {}, {"method": "mantel-haenszel"}),
            ("OR", {}, {"method": "peto"}),
            ("RR", {}, {"ci": "henmi-copas"}),
            ("RD", {}, {"model": "common"}),
            ("GEN", {}, {}),
        ],
    )
    def test_the_code_on_the_page_gives_the_same_result(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: str, of_effects: Any, of_pool: Any
    ) -> None:
        if measure == "GEN":
            fit = ma.pool([0.1, 1 / 3, -0.2], [0.1, 2 / 3, 0.05], label=["A", "007", "NA"])
        else:
            fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), measure, label="study", **of_effects), **of_pool)
        page = write(fit)
        (tmp_path / "studies.csv").write_text(page.texts["data"], encoding="utf-8", newline="\n")
        monkeypatch.chdir(tmp_path)
        code = re.search(r'<pre class="code"[^>]*><code>(.*?)</code>', page.html, re.DOTALL)
        assert code is not None
        monkeypatch.setattr(ma, "report", lambda *_, **__: None)
        names: dict[str, Any] = {}
        exec(html.unescape(code[1]), names)
        again = names["fit"]
        assert (again.estimate, again.se, again.ci_low, again.tau2, again.prediction_high) == pytest.approx(
            (fit.estimate, fit.se, fit.ci_low, fit.tau2, fit.prediction_high), rel=1e-14, nan_ok=True
        )
        assert list(again.effects.label) == list(fit.effects.label)

    def test_subgroups_and_regressions_are_repeated_too(
        self, bcg: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effects: ma.Effects
    ) -> None:
        (tmp_path / "studies.csv").write_text(bcg.texts["data"], encoding="utf-8", newline="\n")
        monkeypatch.chdir(tmp_path)
        code = re.search(r'<pre class="code"[^>]*><code>(.*?)</code>', bcg.html, re.DOTALL)
        assert code is not None
        monkeypatch.setattr(ma, "report", lambda *_, **__: None)
        names: dict[str, Any] = {}
        exec(html.unescape(code[1]), names)
        assert names["groups"].q_between == ma.subgroups(effects, by="alloc").q_between
        assert names["regression"].tau2 == ma.meta_regression(effects, "~ ablat").tau2

    def test_own_weights_are_not_passed_over(self, write: Write, effects: ma.Effects) -> None:
        page = write(ma.pool(effects, weights=np.arange(1.0, 14.0)))
        assert "weights of its own" in page.section("repeat")
        assert "weights of its own" in page.section("sensitivity")

    def test_the_same_data_give_the_same_bytes(self, write: Write, effects: ma.Effects) -> None:
        fit = ma.pool(effects)
        first, second, other = write(fit).html, write(fit).html, write(fit, date="2026-01-01").html
        assert first == second
        assert other.replace("2026-01-01", DATE) == first

    def test_the_date_is_today_by_default(self, write: Write) -> None:
        page = write(ma.pool([0.1, 0.2], [0.1, 0.1]), date=None)
        assert page.all("time")[0]["datetime"] == pd.Timestamp.now().date().isoformat()


class TestStructure:
    def test_identifiers_are_unique_and_references_lead_somewhere(self, bcg: Page) -> None:
        assert len(bcg.ids) == len(set(bcg.ids))
        names = set(bcg.ids)
        for _, given in bcg.elements:
            for attribute, value in given.items():
                if attribute in ("aria-labelledby", "aria-describedby"):
                    assert set(value.split()) <= names
                if attribute.endswith("href") and value.startswith("#"):
                    assert value[1:] in names, value
                assert set(re.findall(r"url\(#([^)]+)\)", value)) <= names

    def test_figures_say_what_they_show(self, bcg: Page) -> None:
        plots = [given for given in bcg.all("svg") if given.get("class") == "plot"]
        assert len(plots) == 6
        for given in plots:
            assert given["role"] == "img"
            assert len(bcg.texts[given["aria-labelledby"]]) > 10
            assert len(bcg.texts[given["aria-describedby"]]) > 40

    def test_landmarks_headings_and_tables(self, bcg: Page) -> None:
        tags = [tag for tag, _ in bcg.elements]
        for tag in ("header", "nav", "main", "footer", "h1"):
            assert tags.count(tag) == 1, tag
        assert bcg.all("html")[0]["lang"] == "en"
        assert bcg.all("a")[0]["href"] == "#main"
        assert tags.count("caption") == tags.count("table") >= 7
        assert all(given.get("scope") in ("col", "row", "colgroup") for given in bcg.all("th"))

    def test_nothing_is_asked_of_a_network(self, bcg: Page) -> None:
        for tag, given in bcg.elements:
            assert "src" not in given, tag
            if "href" in given and tag != "a":
                assert given["href"].startswith(("#", "data:")), given
            assert "@import" not in " ".join(given.values())
        policy = next(given["content"] for given in bcg.all("meta") if "http-equiv" in given)
        script = bcg.html[bcg.html.rindex("<script>") + len("<script>") : bcg.html.rindex("</script>")]
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        assert "default-src 'none'" in policy
        assert f"script-src 'sha256-{digest}'" in policy

    def test_no_figure_brings_a_style_sheet(self, bcg: Page) -> None:
        assert len(bcg.all("style")) == 1


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(hostile_report(tmp_path_factory.mktemp("hostile") / "report.html"))


class TestHostile:
    def test_no_element_comes_out_of_a_table(self, hostile: Page) -> None:
        assert [given.get("type", "") for given in hostile.all("script")] == ["application/json", ""]
        tags = {tag for tag, _ in hostile.elements}
        assert not tags & {"img", "b", "i", "iframe", "object"} - {"b"}
        # Those in bold are the page's own numbers.
        assert all(not given for given in hostile.all("b"))
        assert not [name for _, given in hostile.elements for name in given if name.startswith("on")]
        assert len(hostile.ids) == len(set(hostile.ids))

    def test_the_names_are_there_as_text(self, hostile: Page) -> None:
        names = [card["name"] for card in hostile.data["cards"]]
        assert names[0] == HOSTILE[0]
        assert names[3] == "x" * 119 + "…"
        assert names[11] == "(no name)"
        rows = [row[1] for table in hostile.cells for row in table if len(row) > 7]
        assert HOSTILE[0] in rows
        assert HOSTILE[7] in rows
        assert "{{ 7*7 }} {% raw %}" in rows
        for figure in ("figure-forest", "figure-leave-one-out"):
            assert HOSTILE[0] in hostile.texts[figure]

    def test_the_data_can_still_be_checked(self, hostile: Page) -> None:
        assert hashlib.sha256(hostile.texts["data"].encode("utf-8")).hexdigest() == hostile.texts["data-hash"]
        assert "x" * 10_000 in hostile.texts["data"]

    def test_json_cannot_end_its_element(self, hostile: Page) -> None:
        start = hostile.html.index(">", hostile.html.index("report-data")) + 1
        inside = hostile.html[start : hostile.html.index("</script>", start)]
        assert not set("<>&\u2028\u2029") & set(inside)
        assert json.loads(inside) == hostile.data


def hostile_report(path: Path) -> Path:
    """A report on a table that means ill."""
    table = ma.load_dataset("bcg")
    table["study"] = pd.Series(HOSTILE, dtype=object)
    table["alloc"] = pd.Series([*HOSTILE[:3] * 4, HOSTILE[3]], dtype=object)
    table["<script>notes</script>"] = pd.Series([name[::-1] for name in HOSTILE], dtype=object)
    effects = ma.effect_sizes(table, "RR", label="study")
    bad = "<img src=x onerror=alert(2)>"
    groups = ("</script><i>A</i>", '"><svg onload=alert(3)>')
    return ma.report(ma.subgroups(effects, by="alloc"), path, title=bad, outcome=bad, groups=groups, date=DATE)


class TestWhateverIsGiven:
    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_few_studies(self, write: Write, effects: ma.Effects, monkeypatch: pytest.MonkeyPatch, k: int) -> None:
        monkeypatch.undo()
        page = write(ma.pool(effects.subset(np.arange(13) < k)))
        said = page.section("small-study")
        if k < 3:
            assert "need at least 3 studies" in said
        if k == 1:
            assert page.data["switches"] is None
            assert "says nothing of heterogeneity" in page.section("heterogeneity")
            assert "With a single study there is none to leave out" in page.section("sensitivity")

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"method": "mantel-haenszel"}, "here it was by Mantel and Haenszel's method"),
            ({"method": "peto"}, "here it was by Peto's method"),
            ({"method": "glmm"}, "here it was by a generalised linear mixed model of the counts"),
            ({"method": "beta-binomial"}, "here it was by a beta-binomial model of the counts"),
            ({"model": "common"}, "The common-effect model has no variance between studies that could be"),
            ({"ci": "profile-likelihood"}, "goes with tau2='ML' alone"),
        ],
    )
    def test_methods_for_which_parts_do_not_apply(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], reason: str
    ) -> None:
        table = ma.load_dataset("bcg").head(5)
        monkeypatch.undo()
        page = write(ma.pool(ma.effect_sizes(table, "OR", label="study"), **options))
        assert reason in page.section("sensitivity")
        assert len(page.data["switches"]["one"]) == 5

    @pytest.mark.parametrize("measure", ["SMD", "ZCOR", "PFT", "IRR", "AHW"])
    def test_other_measures(self, write: Write, monkeypatch: pytest.MonkeyPatch, measure: str) -> None:
        table = {
            "SMD": {"mean1": [5.0, 7.5, 2.0], "sd1": [1.2, 2.0, 0.7], "n1": [30, 40, 25],
                    "mean2": [4.1, 8.0, 1.5], "sd2": [1.5, 1.7, 0.9], "n2": [35, 44, 26]},
            "ZCOR": {"r": [0.3, 0.5, -0.1], "n": [20, 33, 15]},
            "PFT": {"events": [3, 7, 4], "n": [20, 33, 15]},
            "IRR": {"events1": [3, 6, 8], "time1": [9.0, 20.0, 3.0], "events2": [4, 9, 5], "time2": [8.0, 21.0, 4.0]},
            "AHW": {"alpha": [0.8, 0.7, 0.9], "items": [10, 8, 12], "n": [20, 33, 15]},
        }[measure]  # fmt: skip
        fit = ma.pool(ma.effect_sizes(table, measure))
        monkeypatch.undo()
        page = write(fit)
        assert f"{fit.back_transformed().estimate:.2f}" in page.section("result")
        assert ("per 1,000 units of person-time" in page.section("findings")) == (measure == "IRR")

    def test_effects_are_pooled_by_the_options_given(self, write: Write, effects: ma.Effects) -> None:
        assert "Paule-Mandel" in write(effects, tau2="PM").section("methods")

    def test_a_regression_alone(self, write: Write, effects: ma.Effects) -> None:
        page = write(ma.meta_regression(effects, "~ ablat", ci="hksj"))
        assert "without moderators" in page.section("methods")
        assert "Meta-regression on ablat" in page.section("regression-1")

    def test_limits_that_no_number_holds(self, write: Write) -> None:
        page = write(ma.pool([800.0, 900.0, 850.0], [1.0, 2.0, 3.0], measure="OR"))
        assert "∞" in page.section("result")

    def test_a_part_that_fails_says_why_in_its_place(
        self, write: Write, effects: ma.Effects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise ma.DataError("there is no ink")

        monkeypatch.undo()
        monkeypatch.setattr(overview, "draw_forest", fails)
        assert "The forest plot: There is no ink." in write(ma.pool(effects)).section("plots")

    def test_nothing_given_is_changed_and_no_figure_stays_open(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import matplotlib.pyplot as plt

        before = len(plt.get_fignums())
        table = ma.load_dataset("bcg")
        own = ma.effect_sizes(table, "RR", label="study")
        kept = table.copy(deep=True)
        monkeypatch.undo()
        write(ma.pool(own))
        pd.testing.assert_frame_equal(table, kept)
        assert len(plt.get_fignums()) == before


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"groups": "AB"}, "groups='AB' must be two texts"),
            ({"date": "yesterday"}, "is not a date"),
            ({"control_risks": [1.5]}, "1.5 is not a risk"),
            ({"control_risks": [True]}, "True is not a risk"),
            ({"title": 3}, "title=3 is not a text"),
            ({"subgroups": "alloc"}, "subgroups takes the result of subgroups"),
            ({"regression": [1]}, "regression takes the result of meta_regression"),
            ({"tau2": "DL"}, "report takes the fit's own options"),
            ({"cumulative_by": "yaer"}, "there is no column 'yaer'"),
        ],
    )
    def test_options_that_cannot_be(
        self, write: Write, effects: ma.Effects, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises((ma.OptionError, ma.DataError), match=re.escape(message)):
            write(ma.pool(effects), **options)

    def test_what_is_no_result(self, write: Write) -> None:
        with pytest.raises(ma.OptionError, match="not list"):
            write([0.1, 0.2])

    def test_a_name_that_is_no_page(self, effects: ma.Effects, tmp_path: Path) -> None:
        with pytest.raises(ma.OptionError, match=re.escape("end it in .html")):
            ma.report(ma.pool(effects), tmp_path / "report.pdf")

    def test_results_of_other_measures(self, write: Write, effects: ma.Effects) -> None:
        other = ma.subgroups(ma.effect_sizes(ma.load_dataset("bcg"), "OR"), by="alloc")
        with pytest.raises(ma.OptionError, match="give one measure"):
            write(ma.pool(effects), subgroups=other)


class TestCommand:
    def test_from_a_file_to_a_page(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], effects: ma.Effects
    ) -> None:
        studies, out = tmp_path / "studies.csv", tmp_path / "out.html"
        ma.load_dataset("bcg").to_csv(studies, index=False)
        command = ["report", str(studies), "--measure", "RR", "--tau2", "PM", "--out", str(out), "--date", DATE]
        command += ["--by", "alloc", "--moderators", "~ ablat", "--title", "BCG", "--control-risk", "0.1"]
        assert main([*command, "--groups", "Vaccinated", "Not vaccinated"]) == 0
        assert capsys.readouterr().out == f"report: {out}\n"
        page = Page(out)
        back = ma.pool(effects, tau2="PM").back_transformed()
        assert f"{back.estimate:.2f} (95% CI {back.ci_low:.2f} to {back.ci_high:.2f}" in page.section("result")
        assert {"subgroups-1", "regression-1"} <= set(page.ids)

    def test_what_cannot_be_done_is_said_in_a_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        studies = tmp_path / "studies.csv"
        studies.write_text("study,y,v\nA,0.1,0.1\nB,0.2,0.1\n", encoding="utf-8")
        assert main(["report", str(studies), "--measure", "GEN", "--out", str(tmp_path / "out.txt")]) == 2
        assert "end it in .html" in capsys.readouterr().err
