"""`metaanalysis new`: a template beside the user's table, turned to it."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest

import metaanalysis as ma
from metaanalysis.cli import main, templates

NAMES = templates.template_names()


def csv(*lines: str) -> str:
    return "\n".join([*lines, ""])


COUNTS = csv(
    "Trial;Events_1;N1;events 2;n2;ablat",
    "Adler 2001;3;40;9;41;10",
    "Bär 2004;5;60;9;62;22",
    "Cruz;0;30;6;29;31",
    "Dahl;12;90;20;88;44",
    "Ek;7;51;8;50;52",
)
MEANS = csv(
    "study,mean1,sd1,n1,mean2,sd2,n2", "A,4.1,2,20,5,2.2,21", "B,3.9,1.8,33,4.4,2.1,30", "C,5,2.5,41,6.2,2.4,40"
)
CORRELATIONS = csv("author,ri,ni", "A,0.1,50", "B,0.32,81", "C,-0.05,40", "D,0.22,120")
PROPORTIONS = csv("study,events,n", "A,3,50", "B,0,81", "C,5,40", "D,9,120", "E,2,77")
CHANGES = csv(
    "study,n,mean_before,sd_before,mean_after,sd_after",
    "A,20,10,3,8,3.1",
    "B,31,11,2.8,9.5,3",
    "C,25,9.5,3.3,9,3.2",
    "D,40,10.4,3,8.1,3.4",
)
REPORTED = csv("review,measure,estimate,ci_low,ci_high,k", "A 2019,RR,0.80,0.70,0.91,5", "B 2021,RR,0.90,0.71,1.14,7")
TABLES = {
    "first-review": COUNTS,
    "sensitivity-and-small-studies": COUNTS,
    "heterogeneity-and-moderators": COUNTS,
    "continuous-outcomes": MEANS,
    "correlations": CORRELATIONS,
    "proportions": PROPORTIONS,
    "before-after": CHANGES,
    "umbrella-review": REPORTED,
}


def cells(notebook: Path) -> list[str]:
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert document["nbformat"] == 4
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def values(cell: str) -> dict[str, Any]:
    """What a first cell assigns in words."""
    found = {}
    for node in ast.parse(cell).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                found[node.targets[0].id] = ast.unparse(node.value)
    return found


def failing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert not said.out
    return said.err


def test_lists_the_templates_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_writes_the_template_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", name]) == 0
    assert capsys.readouterr().out == f"notebook: {name}.ipynb\n"
    assert json.loads((tmp_path / f"{name}.ipynb").read_text(encoding="utf-8")) == templates.template(name)


def test_never_overwrites_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.ipynb"
    out.write_text("an afternoon's work", encoding="utf-8")
    assert "mine.ipynb is there already" in failing(["new", "proportions", "--out", str(out)], capsys)
    assert out.read_text(encoding="utf-8") == "an afternoon's work"
    assert main(["new", "proportions", "--out", str(out), "--force"]) == 0
    assert cells(out)


def test_turns_the_first_cell_to_the_users_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    data = tmp_path / "data" / "mine.csv"
    data.write_text(COUNTS.replace(";n2;", ";Total of control;"), encoding="utf-8")
    out = tmp_path / "analysis.ipynb"
    assert main(["new", "first-review", "--data", str(data), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == 'found in mine.csv: events1 ("Events_1"), n1 ("N1"), events2 ("events 2"), label ("Trial").'
    assert said[2].startswith("not found: n2. Write the names of these columns in the first cell; mine.csv has ")
    assert said[2].endswith('"Total of control", "ablat".')
    assert said[3] == "left out, as no column is called so: by. Name one in the first cell if you have it."
    assert said[4] == "yours to fill in, in the first cell: groups, favours, outcome."
    first, *rest = cells(out)
    assert values(first) == {
        "studies": "ma.read_studies('data/mine.csv')",
        "columns": {"events1": "Events_1", "n1": "N1", "events2": "events 2", "n2": "n2"},
        "label": "Trial",
        "by": None,
        "measure": "RR",
        "groups": None,
        "favours": None,
        "outcome": "",
        "page": "analysis.html",
    }
    assert '"n2": "n2",  # not in "mine.csv": write the name of its column' in first
    assert (
        rest
        == ["".join(c["source"]) for c in templates.template("first-review")["cells"] if c["cell_type"] == "code"][1:]
    )


def test_is_written_beside_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "mine.csv"
    data.write_text(CORRELATIONS, encoding="utf-8")
    assert main(["new", "CORRELATIONS", "--data", str(data)]) == 0
    # Other programs' names are known by read_studies, which the notebook calls.
    assert "found in mine.csv: r, n, label" in capsys.readouterr().out
    assert 'studies = ma.read_studies("mine.csv")' in cells(tmp_path / "correlations.ipynb")[0]


def test_two_columns_that_could_be_meant_are_not_guessed_between() -> None:
    assert templates.matched(["n1"], ["N1", "n_1"]) is None
    assert templates.matched(["n1"], ["N1", "n1"]) == "n1"
    assert templates.matched(["n1"], ["N 1", "n2"]) == "N 1"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_runs_on_the_users_table(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few studies, and none of the columns that may be missing."""
    data = tmp_path / "mine.csv"
    data.write_text(TABLES[name], encoding="utf-8")
    assert main(["new", name, "--data", str(data)]) == 0
    assert "not found" not in capsys.readouterr().out
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"display": print}
    for at, cell in enumerate(cells(tmp_path / f"{name}.ipynb")):
        exec(compile(cell, f"{name}, cell {at + 1}", "exec"), space)
        plt.close("all")
    assert (tmp_path / space["page"]).stat().st_size > 500


def test_a_file_of_review_manager_is_named(tmp_path: Path) -> None:
    data = tmp_path / "review.rm5"
    data.write_bytes(ma.example_file("invented-review.rm5").read_bytes())
    assert main(["new", "reproduce-a-cochrane-review", "--data", str(data)]) == 0
    assert values(cells(tmp_path / "reproduce-a-cochrane-review.ipynb")[0])["file"] == "review.rm5"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names of files")
@pytest.mark.parametrize(
    "name", ['a "quoted" name.csv', "line\nfeed # 1.csv", "back\\slash.csv", "Ä\x1b[31m\u202e.csv"]
)
def test_odd_names_break_neither_the_cell_nor_the_terminal(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / name
    data.write_text('study,"n1\nimport os",\x1b[2J\nA,3,4\n', encoding="utf-8")
    out = tmp_path / "odd.ipynb"
    assert main(["new", "first-review", "--data", str(data), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 5
    assert said.replace("\n", "").isprintable()
    first = cells(out)[0]
    studies = ast.parse(first).body[2]
    assert isinstance(studies, ast.Assign)
    assert isinstance(studies.value, ast.Call)
    assert ast.literal_eval(studies.value.args[0]) == name
    assert len(ast.parse(first).body) == len(
        ast.parse("".join(templates.first_cell(templates.template("first-review"))["source"])).body
    )


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["first-revew"], "Did you mean 'first-review'?"),
        (["first-review", "--out", "analysis.py"], "is no name of a notebook: end it in .ipynb."),
        (["first-review", "--data", "none.csv"], "none.csv can't be read: No such file"),
        (["first-review", "--out", "nowhere/a.ipynb"], "No such file"),
        (["reproduce-a-cochrane-review", "--data", "none.rm5"], "none.rm5 can't be read"),
        (["many-meta-analyses", "--data", "a.csv"], "makes its own data: leave --data out."),
        (["umbrella-review", "--data", "a.xlsx"], "save a.xlsx as CSV."),
        (["--data", "a.csv"], "name a template first"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in failing(["new", *arguments], capsys)
    assert not list(tmp_path.iterdir())
