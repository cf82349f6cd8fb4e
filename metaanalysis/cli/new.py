"""`metaanalysis new`: a notebook for a whole analysis, beside the user's own table."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.cli.templates import Turned

SUMMARY = "start an analysis from a notebook, or list the notebooks"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "new",
        help=SUMMARY,
        usage="metaanalysis new [TEMPLATE] [--data studies.csv] [--out FILE.ipynb] [--force]",
        description="Write a notebook that holds a complete analysis, to be changed in its first cell alone. Without TEMPLATE, "
        "list the notebooks. With --data the first cell reads your table, and names those of its columns that are called as "
        "expected.",
        allow_abbrev=False,
    )
    command.add_argument("template", nargs="?", metavar="TEMPLATE", help="which notebook, such as first-review")
    command.add_argument("--data", metavar="FILE", help="your table: CSV or Excel, one row a study")
    command.add_argument(
        "--out", metavar="FILE.ipynb", help="the notebook (default: named as the template, beside the data or here)"
    )
    command.add_argument("--force", action="store_true", help="overwrite the notebook where it is there already")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """List all, or write one."""
    from metaanalysis.cli.templates import heading, spoken, template, template_names
    from metaanalysis.errors import OptionError

    if given.template is None:
        if given.data is not None or given.out is not None or given.force:
            raise OptionError("name a template first, as in: metaanalysis new first-review --data studies.csv.")
        width = max(map(len, template_names()))
        for name in template_names():
            print(f"{name:<{width}}  {heading(template(name))}")
        return 0

    document = template(given.template)
    data = None if given.data is None else Path(given.data)
    beside = Path() if data is None else data.parent
    out = beside / f"{given.template.lower()}.ipynb" if given.out is None else Path(given.out)
    if out.suffix.lower() != ".ipynb":
        raise OptionError(f"{str(out)!r} is no name of a notebook: end it in .ipynb.")
    sentences = [] if data is None else turned(document, given.template, data, out)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    try:
        with out.open("w" if given.force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise OptionError(
            f"{spoken(str(out))} is there already: name another by --out, or overwrite it by --force."
        ) from None
    print(f"notebook: {spoken(str(out))}")
    for sentence in sentences:
        print(sentence)
    return 0


def turned(document: dict[str, Any], name: str, data: Path, out: Path) -> list[str]:
    """Turn a notebook to the user's table; what to tell of it."""
    from metaanalysis.cli.templates import data_expression, turn_to_data
    from metaanalysis.errors import DataError
    from metaanalysis.io import read_studies

    expression = data_expression(document, name)
    if "pd.read_csv" in expression and data.suffix.lower() not in (".csv", ".txt"):
        raise DataError(f"{name} reads numbers as they are printed, which only text keeps: save {data.name} as CSV.")
    # Looked at before anything is written: what can't be read says so now.
    columns = None
    if "(" in expression:
        columns = [str(column) for column in read_studies(data).columns]
    elif not data.is_file():
        raise DataError(f"{data} can't be read: there is no such file.")
    told = turn_to_data(document, path_from(out.parent, data), columns, out.stem)
    return sentences(told, data.name, columns or ())


def path_from(folder: Path, file: Path) -> str:
    """How a notebook in a folder names a file, with strokes that every system understands."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        # Windows knows no way from one drive to another.
        return file.resolve().as_posix()


def sentences(told: Turned, file: str, columns: Sequence[str]) -> list[str]:
    """What was found in the table, and what is left to write."""
    from metaanalysis.cli.templates import literal, spoken

    said, file = [], spoken(file)
    if told.found:
        names = [name if name == theirs else f"{name} ({literal(theirs)})" for name, theirs in told.found.items()]
        said.append(f"found in {file}: {', '.join(names)}.")
    if told.missing:
        said.append(
            f"not found: {', '.join(told.missing)}. Write the names of these columns in the first cell; {file} has "
            f"{', '.join(map(literal, columns)) or 'none'}."
        )
    if told.without:
        said.append(
            f"left out, as no column is called so: {', '.join(told.without)}. Name one in the first cell if you have it."
        )
    if told.emptied:
        said.append(f"yours to fill in, in the first cell: {', '.join(told.emptied)}.")
    return said
