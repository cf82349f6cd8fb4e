"""The notebooks that come with the library: find them, and turn the first cell of one to a user's own table.

A first cell says itself what there is to change:

- after ``# Your own: studies = ma.read_studies("studies.csv")`` stands the example's table; of several the first is turned;
- ``columns`` is a dict of our names to the table's; other lines of ``name = value  # column ...`` name a column each;
- a comment that ends in ``, or None`` or ``, or ""`` says what to write where there is nothing;
- ``page`` is the file that the notebook writes.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaanalysis.errors import DataError, OptionError
from metaanalysis.options import choose

OWN = re.compile(r"# Your own: (?P<name>\w+) = (?P<expression>.+)")
CHOICE = re.compile(r"(?P<name>\w+) = (?P<value>.+?)  # (?P<comment>.+)")
NOTHING = re.compile(r', or (None|"")$')
QUOTED = re.compile(r'"[^"]*"')
# What the column of the studies' names is called elsewhere.
LABELS = ("study", "label", "author", "trial", "slab", "studlab", "study name", "name")
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass
class Turned:
    """What became of a first cell: which columns were found, and what is left to the user."""

    found: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)


def templates_folder() -> Path:
    """Where the templates are: inside the installed package, or beside it in the repository."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise DataError(
        f"the templates are not there: neither in {package / 'notebooks'} nor in {package.parent / 'notebooks'}. "
        f"Install the library again."
    )


def template_names() -> list[str]:
    """The names of the templates, in alphabetical order."""
    return sorted(file.stem for file in templates_folder().glob("*.ipynb"))


def template(name: str) -> dict[str, Any]:
    """A template as the document that its file holds; OptionError lists the names."""
    file = templates_folder() / f"{choose('template', name, template_names())}.ipynb"
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def heading(document: Mapping[str, Any]) -> str:
    """The first line of a notebook, which says what it is about."""
    return source(document["cells"][0]).partition("\n")[0].removeprefix("# ")


def source(cell: Mapping[str, Any]) -> str:
    """The text of a cell."""
    return "".join(cell["source"])


def first_cell(document: Mapping[str, Any]) -> dict[str, Any]:
    """The first cell of code."""
    return next(cell for cell in document["cells"] if cell["cell_type"] == "code")


def data_expression(document: Mapping[str, Any], name: str) -> str:
    """How the notebook reads a table of the user's; OptionError where it has none."""
    match = OWN.search(source(first_cell(document)))
    if match is None:
        raise OptionError(f"{name} makes its own data: leave --data out.")
    return match["expression"]


def turn_to_data(document: Mapping[str, Any], file: str, columns: Sequence[str] | None, page: str) -> Turned:
    """Turn the first cell to the user's table, in place.

    Parameters
    ----------
    document
        The notebook.
    file
        The table as the notebook is to name it.
    columns
        Its columns; None where the file is no table.
    page
        The name, without its ending, of what the notebook writes.
    """
    cell, told = first_cell(document), Turned()
    text = "\n".join(rewritten(source(cell), file, columns or (), page, told))
    cell["source"] = text.splitlines(keepends=True)
    return told


def rewritten(text: str, file: str, columns: Sequence[str], page: str, told: Turned) -> Iterator[str]:
    """The lines of the first cell, turned to the user's table."""
    lines = text.split("\n")
    ends = {one.lineno: one.end_lineno or one.lineno for one in ast.parse(text).body}
    shown = literal(file.rpartition("/")[2])
    at, pointed = 0, False
    while at < len(lines):
        start, at = at, ends.get(at + 1, at + 1)
        line, whole = lines[start], lines[start:at]
        own, choice = OWN.fullmatch(line), CHOICE.fullmatch(line)
        if own:
            # The statement after it makes the example's table.
            at = ends[at + 1]
            expression = QUOTED.sub(lambda _: literal(file), own["expression"], count=1)
            yield from [line, f"{own['name']} = None"] if pointed else [f"{own['name']} = {expression}"]
            pointed = True
        elif line.startswith("columns = {"):
            yield "columns = {"
            for name in columns_wanted(whole):
                match = matched([name], columns)
                note = "" if match else f"  # not in {shown}: write the name of its column"
                yield f"    {literal(name)}: {literal(match or name)},{note}"
                remember(told, name, match)
            yield "}"
        elif choice and choice["name"] == "page":
            yield f"page = {literal(page + Path(ast.literal_eval(choice['value'])).suffix)}  # {choice['comment']}"
        elif choice and choice["comment"].startswith("column"):
            yield column_line(choice, columns, shown, told)
        elif choice and (nothing := NOTHING.search(choice["comment"])):
            yield f"{choice['name']} = {nothing[1]}  # {choice['comment']}"
            told.emptied.append(choice["name"])
        else:
            yield from whole


def columns_wanted(lines: Sequence[str]) -> list[str]:
    """Our names in the dict of columns."""
    (statement,) = ast.parse("\n".join(lines)).body
    assert isinstance(statement, ast.Assign)
    return list(ast.literal_eval(statement.value))


def column_line(choice: re.Match[str], columns: Sequence[str], shown: str, told: Turned) -> str:
    """The line that names one column: the user's, nothing where there need be none, or a note."""
    name, theirs, comment = choice["name"], ast.literal_eval(choice["value"]), choice["comment"]
    others = LABELS if name == "label" else ()
    match = matched([one for one in (theirs, name, *others) if one], columns)
    if match:
        remember(told, name, match)
        return f"{name} = {literal(match)}  # {comment}"
    nothing = NOTHING.search(comment)
    if nothing:
        told.without.append(name)
        return f"{name} = {nothing[1]}  # {comment}"
    remember(told, name, None)
    return f"{name} = {literal(theirs)}  # {comment}; not in {shown}: write the name of yours"


def remember(told: Turned, name: str, match: str | None) -> None:
    """Take down whether a column was found."""
    if match is None:
        told.missing.append(name)
    else:
        told.found[name] = match


def matched(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of some names that is a column, as it is spelled there; None also where two columns could be meant."""
    for name in names:
        if name in columns:
            return name
    for name in names:
        alike = [column for column in columns if plain(column) == plain(name)]
        if len(alike) == 1:
            return alike[0]
    return None


def plain(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return _NO_LETTER.sub("", name).casefold()


def literal(value: str) -> str:
    """A text as Python writes it, on one line and without what a terminal could take for a command."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    written = json.dumps(value, ensure_ascii=False)
    return written if written.isprintable() else json.dumps(value)


def spoken(name: str) -> str:
    """A name as it is, or quoted where a terminal could take it for something else."""
    return name if name.isprintable() else literal(name)
