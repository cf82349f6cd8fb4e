"""What a part of the page is made of, and how a part that can't be made says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from markupsafe import Markup

from metaanalysis.errors import MetaAnalysisError
from metaanalysis.plots.words import true_minus
from metaanalysis.reports.figures import Figure
from metaanalysis.reports.wording import capital, with_short_names

PartT = TypeVar("PartT")
# What numbers that are too extreme end in, beside the library's own errors.
FAILURES = (MetaAnalysisError, ArithmeticError, ValueError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Table:
    """A table: the first cell of each row is its heading; the others are numbers, right-aligned, unless named as texts."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...] = ()
    strong: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A part of the page under a heading of its own; `missing` says why where there is nothing to show."""

    key: str
    title: str
    paragraphs: tuple[str | Markup, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    missing: tuple[str, ...] = ()
    folded: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Missing:
    """Why something could not be made."""

    why: str


def attempt(make: Callable[[], PartT], labels: Iterable[str] = ()) -> PartT | Missing:
    """What is asked for, or the reason why it can't be had."""
    try:
        return make()
    except FAILURES as error:
        return Missing(sentence(str(error), labels))


def sentence(text: str, labels: Iterable[str] = ()) -> str:
    """A message as a sentence."""
    text = with_short_names(" ".join(text.split()), labels)
    # A name of the library stays as it is written.
    words = true_minus(text if "_" in text.partition(" ")[0] else capital(text))
    return words if words.endswith((".", "?", "!")) else f"{words}."


def made(found: Sequence[PartT | Missing]) -> list[PartT]:
    """What could be made."""
    return [one for one in found if not isinstance(one, Missing)]


def missed(what: str, found: object) -> tuple[str, ...]:
    """The sentence that says why something is not there; nothing where it is."""
    return (f"{what}: {found.why}",) if isinstance(found, Missing) else ()
