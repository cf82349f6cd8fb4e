"""The page about an audit, the command that writes it, and tables that mean harm."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.errors import DataError, OptionError
from metaanalysis.reports.audit_page import audit_html
from metaanalysis.reviews.reported import SPELLINGS
from metaanalysis.reviews.study_table import STUDY_SPELLINGS

DATASETS = Path(__file__).parents[1] / "datasets"
PEER_SUPPORT = DATASETS / "peer-support-reviews" / "reported.csv"
WHITE = DATASETS / "white2020" / "reported.csv"
HOSTILE = [
    "<script>alert(1)</script>",
    "\"quotes' & <b>",
    "</style></title><img src=x onerror=alert(1)>",
    "x" * 10_000,
    "שלום",
    "\u202eturned\x00\ud800",
    "a|b\n# c",
    "{{ 7 * 7 }}{% raw %}",
    "$(rm -rf)",
]


class Elements(html.parser.HTMLParser):
    """The elements of a page, and whether each that opens closes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "link", "line", "rect", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in {"line", "rect", "circle"}:
            raise AssertionError(f"{tag} closes {self.open[-1:]}")


def elements_of(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    found.close()
    assert found.open == []
    assert not found.seen & {"script", "img", "iframe", "b>"}
    assert not {name for name in found.attributes if name.startswith("on")}
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page)
    return found


def test_the_page_ranks_in_plain_words(tmp_path):
    path = ma.audit_report(ma.audit(PEER_SUPPORT), tmp_path / "audit.html", date="2025-03-31")
    page = path.read_text(encoding="utf-8")
    elements_of(page)
    first = page.index("Z = 9.42 is impossible: the interval allows 4.87 to 5.34")
    second = page.index("p = 0.56 is impossible: the interval allows 0.460 to 0.514")
    assert first < second
    assert "2 of 149 checks fail" in page
    assert 'aria-label="Reported 9.42, possible 4.868 to 5.339"' in page
    assert page.count("<tr><th") == 1 + 149
    again = ma.audit_report(ma.audit(PEER_SUPPORT), tmp_path / "again.html", date="2025-03-31")
    assert again.read_bytes() == path.read_bytes()


def test_a_page_without_findings():
    page = audit_html(ma.audit(WHITE), "", "2025-03-31")
    assert "Everything that can be tested is consistent." in page
    assert "What cannot be true" not in page
    nothing = audit_html(ma.audit({"k": [3]}), "My <title>", None)
    assert "There was nothing to check" in nothing
    assert "<title>My &lt;title&gt;</title>" in nothing


def test_markdown_by_its_name(tmp_path):
    text = ma.audit_report(ma.audit(PEER_SUPPORT), tmp_path / "audit.MD").read_text(encoding="utf-8")
    assert text.startswith("# Audit of reported meta-analyses\n")
    assert "| 1 | Fang 2022 perinatal depression (row 1; Cooper 2024, Table 2) | Z = 9.42 is impossible" in text


@pytest.mark.parametrize("name", ["audit.pdf", "audit", ""])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match="end it in"):
        ma.audit_report(ma.audit(WHITE), tmp_path / name)
    with pytest.raises(OptionError, match="is not a date"):
        ma.audit_report(ma.audit(WHITE), tmp_path / "audit.html", date="soon")


def test_names_that_mean_harm_are_text():
    table = {
        "outcome": HOSTILE, "source": HOSTILE[::-1], "measure": "SMD", "estimate": ["0.30"] * 9,
        "ci": ["0.10 to 0.50"] * 9, "z": ["9.4"] * 9, "<script>": HOSTILE, "y" * 10_000: HOSTILE,
    }  # fmt: skip
    table["measure"] = ["SMD"] * 9
    found = ma.audit(table)
    page = audit_html(found, HOSTILE[2], None)
    elements_of(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert len(page) < 120_000
    text = found.to_markdown()
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert not re.search("[\x00\ud800\u202e]", text)
    found.summary()


def test_studies_that_mean_harm_are_text():
    table = {"study": HOSTILE * 2, "events1": [30] * 18, "n1": [20] * 18, "events2": [3] * 18, "n2": [20] * 18}
    found = ma.audit(table)
    elements_of(audit_html(found, "", None))
    assert len(found.inconsistent) == 18
    assert not found.doubtful.empty


ODD = [
    "",
    "NA",
    "-",
    "1e999",
    "-0",
    "0.00",
    "95%",
    "<0.001",
    "1 to 2",
    "\u221e",
    "\uff11\uff12",
    "--1",
    "1e-300",
    "1e300",
]
cells = st.one_of(
    st.sampled_from([*HOSTILE, *ODD]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(10**30), 10**30),
    st.floats(0, 60).map(lambda x: f"{x:.2f}"),
    st.integers(0, 60),
    st.text(max_size=12),
    st.none(),
    st.booleans(),
    st.just([1, 2]),
)
plausible = st.one_of(
    st.integers(0, 40), st.floats(-9, 60).map(lambda x: f"{x:.1f}"), st.sampled_from(["", "1e200", "-1e-200", "0"])
)
names = st.sampled_from([*SPELLINGS, *STUDY_SPELLINGS, "z", "p", "I2", "df", "level", "<b>", "x" * 10_000])


@st.composite
def tables(draw: Any, values: Any) -> dict[str, list[Any]]:
    rows = draw(st.integers(0, 4))
    if draw(st.booleans()):
        numbers = ["mean1", "sd1", "n1", "mean2", "sd2", "n2", "events1"]
        start = {"study": cells, **dict.fromkeys(numbers, values)}
    else:
        numbers = ["estimate", "ci_low", "ci_high", "k"]
        start = {"measure": st.sampled_from(["SMD", "RR", "COR"]), **dict.fromkeys(numbers, values)}
    chosen = dict(draw(st.lists(st.tuples(names, st.just(values)), max_size=4))) | start
    return {name: [draw(one) for _ in range(rows)] for name, one in chosen.items()}


def outcome_of(table: dict[str, list[Any]], items: Any, scale: Any) -> tuple[str, Any]:
    """The audit, or what was said instead of it."""
    try:
        return "", ma.audit(table, items=items, scale=scale)
    except (DataError, OptionError) as refused:
        return str(refused), None


@given(
    st.one_of(tables(cells), tables(plausible)), st.sampled_from([None, 1, 3]), st.sampled_from([None, (0, 10), (1, 5)])
)
@settings(max_examples=150, deadline=None)
def test_no_table_is_a_crash(table, items, scale):
    message, found = outcome_of(table, items, scale)
    if found is None:
        assert 10 < len(message) < 6000
        return
    page = audit_html(found, "", "2025-03-31")
    elements_of(page)
    found.to_markdown()
    assert ("What cannot be true" in page) == (not found.consistent)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_file_is_a_crash(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("audit") / "table.csv"
    path.write_bytes(content)
    assert main(["audit", str(path)]) in (0, 1, 2)


# The command.


def test_the_command_writes_pages_and_says_how_it_ended(tmp_path, capsys):
    for name in ("page.html", "page.md"):
        assert main(["audit", str(PEER_SUPPORT), "--out", str(tmp_path / name)]) == 1
        assert (tmp_path / name).stat().st_size > 5000
    assert f"audit: {tmp_path / 'page.html'}" in capsys.readouterr().out
    assert main(["audit", str(WHITE)]) == 0
    assert main(["audit", str(WHITE), "--out", "page.pdf"]) == 2
    assert "end it in .html or .md" in capsys.readouterr().err
    assert not Path("page.pdf").exists()


def test_the_command_knows_studies_and_reviews(tmp_path, capsys):
    path = tmp_path / "studies.csv"
    path.write_text("study,mean,sd,n\nAdler 1998,3.47,1.1,20\nBjörk 2001,3.45,1.1,20\n", encoding="utf-8")
    assert main(["audit", str(path)]) == 0
    assert main(["audit", str(path), "--items", "1"]) == 1
    assert "3.450 or 3.500, and nothing between" in capsys.readouterr().out
    assert main(["audit", str(path), "--scale", "1", "3"]) == 1
    assert main(["audit", str(path), "--items", "0"]) == 2
    assert main(["audit", ma.example_file("invented-review.rm5").__fspath__()]) == 0
    assert "11 analyses, 40 rows of studies" in capsys.readouterr().out
    # What is only doubtful does not fail.
    path.write_text("study,events1,n1,events2,n2\nA 1998,9,20,7,20\nB 2001,9,20,7,20\n", encoding="utf-8")
    assert main(["audit", str(path)]) == 0
    assert "To look at again" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "none.csv")]) == 2


def test_the_help_says_the_exit_status(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Exit status: 0 where everything testable is consistent, 1 where numbers are impossible together" in said
