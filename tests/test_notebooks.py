"""Every notebook template runs from top to bottom, and is changed in its first cell alone."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# One for each kind of analysis: these write a page, or what goes into an appendix.
ANALYSES = {
    "first-review": "first-review.html",
    "continuous-outcomes": "continuous-outcomes.html",
    "correlations": "correlations.html",
    "proportions": "proportions.html",
    "before-after": "before-after.html",
    "heterogeneity-and-moderators": "heterogeneity-and-moderators.html",
    "sensitivity-and-small-studies": "sensitivity-and-small-studies.html",
    "umbrella-review": "umbrella-review.md",
    "what-the-papers-report": "what-the-papers-report.html",
}
# Seconds of a processor that is theirs alone: a clock on the wall would count what else the machine does.
TOGETHER = 180.0


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """How long a processor worked for each notebook."""
    return {}


def processor_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def cells(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_there_is_one_for_every_kind_of_analysis() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {*ANALYSES, "many-meta-analyses", "reproduce-a-cochrane-review"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, seconds: dict[str, float]) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "templates are kept without outputs"
    before = processor_seconds()
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    seconds[path.stem] = processor_seconds() - before
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.get("name") == "stderr"], "a template gives no warnings"
    if path.stem in ANALYSES:
        assert [output for output in outputs if "image/png" in output.get("data", {})], "an analysis has a figure"
        assert (tmp_path / ANALYSES[path.stem]).stat().st_size > 1000


def test_they_run_in_three_minutes_together(seconds: dict[str, float]) -> None:
    if len(seconds) < len(NOTEBOOKS):
        pytest.skip("not all of the notebooks were run")
    assert 0.0 < sum(seconds.values()) < TOGETHER, seconds


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_begins_with_a_heading_and_says_what_to_change(path: Path) -> None:
    first = cells(path, "markdown")[0]
    assert first.startswith("# ")
    assert "the next cell" in first or "Put the name of your own file" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_names_of_the_example_stand_in_the_first_cell_alone(path: Path) -> None:
    first, *rest = cells(path, "code")
    tree = ast.parse(first)
    named = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    # What the first cell names in words is not named again further down.
    again = [text for text in named if len(text) > 8 and any(f'"{text}"' in cell for cell in rest)]
    assert not again
    assert not [cell for cell in rest if "load_dataset" in cell or "read_studies" in cell]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_says_what_it_needs_in_the_first_cell(path: Path) -> None:
    """A table of the user's replaces the statement after its comment."""
    lines = cells(path, "code")[0].split("\n")
    for at, line in enumerate(lines):
        if line.startswith("# Your own: "):
            name = line.removeprefix("# Your own: ").partition(" = ")[0]
            assert lines[at + 1].startswith(f"{name} = ")
    if path.stem != "many-meta-analyses":
        assert any(line.startswith("# Your own: ") for line in lines)
