"""Runs the Python blocks of a page, in their order and in one namespace, and shows what they print and draw."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python(?P<options>[^\n]*)\n(?P<code>.*?)^```$", flags=re.DOTALL | re.MULTILINE)
TITLE = re.compile(r'title="([^"]+)"')
WIDTH = 84  # letters in a line of the page
LONG = 112  # a line that is longer is told in several


@dataclass(frozen=True)
class Outcome:
    """What one block printed, and its pictures as SVG."""

    printed: str
    pictures: tuple[str, ...]
    title: str


class BlockError(RuntimeError):
    """A block that does not run; says which."""


@contextlib.contextmanager
def inside(folder: str) -> Iterator[None]:
    """The working folder, for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def outcomes(text: str, name: str) -> list[Outcome]:
    """The outcome of each Python block of a page."""
    found = list(BLOCK.finditer(text))
    if not found:
        return []
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    import pandas as pd

    namespace: dict[str, Any] = {"__name__": "__main__"}
    with (
        tempfile.TemporaryDirectory() as folder,
        inside(folder),
        pd.option_context("display.width", WIDTH, "display.max_columns", 20, "display.precision", 4),
    ):
        try:
            ran = [run(match, namespace, f"{name}, block {i}") for i, match in enumerate(found, start=1)]
            return [replace(one, printed=one.printed.replace(f"{Path.cwd()}/", "")) for one in ran]
        finally:
            plt.close("all")


def run(match: re.Match[str], namespace: dict[str, Any], name: str) -> Outcome:
    """Run one block.

    Warnings of the library are part of what the block says; any other from the library or the block is an error.
    """
    import matplotlib.pyplot as plt

    from metaanalysis.errors import MetaAnalysisWarning

    title = TITLE.search(match["options"])
    out = io.StringIO()
    try:
        tree = ast.parse(match["code"])
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", module=r"metaanalysis|__main__")
            warnings.simplefilter("always", MetaAnalysisWarning)
            exec(compile(tree, name, "exec"), namespace)
            if last is not None:
                say(eval(compile(ast.Expression(last.value), name, "eval"), namespace))
    except Exception as error:
        raise BlockError(f"{name} does not run: {type(error).__name__}: {error}\n\n{match['code']}") from error
    said = "".join(f"{type(w.message).__name__}: {w.message}\n" for w in given) + out.getvalue()
    pictures = tuple(svg(plt.figure(number)) for number in plt.get_fignums())
    plt.close("all")
    return Outcome(filled(said.rstrip()), pictures, title[1] if title else "")


def filled(text: str) -> str:
    """Long sentences in several lines; the rows of a table stay as they are."""
    lines = []
    for line in text.splitlines():
        prose = len(line) > LONG and "  " not in line.strip() and line == line.lstrip()
        lines += textwrap.wrap(line, WIDTH, break_long_words=False) if prose else [line]
    return "\n".join(lines)


def say(value: Any) -> None:
    """The value of a block's last line, as a notebook would show it: not of plots, which are shown as pictures."""
    from pathlib import PurePath

    from matplotlib.artist import Artist

    if value is None or isinstance(value, Artist | PurePath):
        return
    print(value)


def svg(figure: Any) -> str:
    """A figure as the text of an SVG file."""
    from metaanalysis.plots import save

    with tempfile.TemporaryDirectory() as folder:
        return save(figure.axes[0], Path(folder) / "picture.svg").read_text(encoding="utf-8")
