"""Results as Markdown and LaTeX; what either would take for markup is written as it is."""

from __future__ import annotations

import re
from typing import Any

from metaanalysis.io.result_tables import table_of

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~]|&(?=#|\w+;))")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": r"\textsuperscript{2}",
    "τ": r"$\tau$",
    "χ": r"$\chi$",
    "−": "--",
}
# A minus before a number, and no hyphen within a name.
_NEGATIVE = re.compile(r"(?<!\S)-(?=[\d.])")
# Control characters, and those that turn the direction of writing.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]+")


def to_markdown(result: Any, decimals: int = 2) -> str:
    r"""Write a result as a Markdown table.

    Parameters
    ----------
    result
        A `Pooled` (its studies and the pooled result), `Subgroups`, `Regression`, any other result with ``to_frame()``, or a pandas
        frame.
    decimals
        Of effects; smaller numbers get more.

    Returns
    -------
    str
        Title, table and notes. Pipes and other signs of markup in the names of studies are escaped.

    Raises
    ------
    OptionError
        There is no table of such an object, or the decimals are no number of decimals.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool([0.1, 0.3], [0.02, 0.03], model="common", label=["Adler | 1998", "Björk 2001"])
    >>> print(ma.to_markdown(fit))
    **Common-effect model, inverse variance, k = 2**
    <BLANKLINE>
    | Study | Effect size | 95% CI | Weight (%) |
    | :--- | ---: | ---: | ---: |
    | Adler \| 1998 | 0.10 | -0.18 to 0.38 | 60.0 |
    | Björk 2001 | 0.30 | -0.04 to 0.64 | 40.0 |
    | Pooled | 0.18 | -0.03 to 0.39 | 100.0 |
    <BLANKLINE>
    z = 1.64, p = 0.1003
    <BLANKLINE>
    Q = 0.80, df = 1 (p = 0.3711); I² = 0.0%
    """
    table = table_of(result, decimals)
    lines = [
        markdown_row([in_markdown(name) for name in table.header]),
        markdown_row([":---" if text else "---:" for text in table.texts]),
        *(markdown_row([in_markdown(cell) for cell in row]) for row in table.rows),
    ]
    parts = [f"**{in_markdown(table.title)}**"] if table.title else []
    return "\n\n".join([*parts, "\n".join(lines), *(in_markdown(note) for note in table.notes)])


def markdown_row(cells: list[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def in_markdown(text: str) -> str:
    """A text as it is read, whatever signs it has."""
    return _MARKDOWN.sub(r"\\\1", on_one_line(text))


def to_latex(result: Any, decimals: int = 2) -> str:
    r"""Write a result as a LaTeX table in the style of the package booktabs.

    Parameters
    ----------
    result
        As for `to_markdown`.
    decimals
        Of effects; smaller numbers get more.

    Returns
    -------
    str
        A ``table`` with a ``tabular``; put ``\usepackage{booktabs}`` before the document. Everything that LaTeX would take for a
        command is escaped.

    Raises
    ------
    OptionError
        There is no table of such an object, or the decimals are no number of decimals.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool([0.1, 0.3], [0.02, 0.03], model="common", label=["Adler & Björk 1998", "Duarte 2001"])
    >>> print(ma.to_latex(fit).splitlines()[7])
    Adler \& Björk 1998 & 0.10 & $-$0.18 to 0.38 & 60.0 \\
    """
    table = table_of(result, decimals)
    columns = "".join("l" if text else "r" for text in table.texts)
    lines = [r"\begin{table}", r"\centering"]
    if table.title:
        lines.append(rf"\caption{{{in_latex(table.title)}}}")
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [
        latex_row(table.header),
        r"\midrule",
        *(latex_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    lines += [rf"\par\smallskip {in_latex(note)}." for note in table.notes]
    return "\n".join([*lines, r"\end{table}"])


def latex_row(cells: tuple[str, ...]) -> str:
    """A row of a table."""
    # A bracket after \\ would be taken for its option.
    texts = [_NEGATIVE.sub("$-$", in_latex(cell)) for cell in cells]
    return f"{' & '.join(texts)} \\\\"


def in_latex(text: str) -> str:
    """A text as it is read, whatever signs it has."""
    found = "".join(_LATEX.get(sign, sign) for sign in on_one_line(text))
    return f"{{}}{found}" if found.startswith(("[", "*")) else found


def on_one_line(text: str) -> str:
    """A text without line breaks and without what can't be seen."""
    return " ".join(_INVISIBLE.sub(" ", text).split())
