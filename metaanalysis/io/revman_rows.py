"""Rows of studies as they come from a file of Review Manager -> the tables of a review, small while they grow."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.errors import DataError
from metaanalysis.reviews.revman import RevManAnalysis, RevManReview

if TYPE_CHECKING:
    import pandas as pd

# What a study's row holds beside its place: the data as entered, then Review Manager's answers.
DATA = ("events1", "n1", "events2", "n2", "mean1", "sd1", "mean2", "sd2", "y", "se", "o_minus_e", "variance")
ANSWERS = ("effect", "ci_low", "ci_high", "weight")
# The data that a kind of analysis is made of; others of the same row are left-overs of the format.
OF_KIND: Mapping[str, tuple[str, ...]] = {
    "dichotomous": ("events1", "n1", "events2", "n2"),
    "continuous": ("mean1", "sd1", "n1", "mean2", "sd2", "n2"),
    "generic": ("y", "se", "n1", "n2"),
    "o-e": ("o_minus_e", "variance", "y", "se", "events1", "n1", "events2", "n2"),
}
# A spread of 0 is a cell that nobody filled in.
# A hundred times the largest review: what unpacks to more is no review, whatever its size.
MOST_ROWS = 200_000
NOT_FILLED_IN_AS_ZERO = ("sd1", "sd2", "se", "variance")


def decimals_of(text: str) -> int:
    """How many decimals a number was written with; 15 for one in exponential form."""
    if "e" in text or "E" in text:
        return 15
    return len(text.partition(".")[2].strip())


def whole_year(text: str) -> int | None:
    """A year, None where there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None


class Names:
    """Texts as numbers, each text kept once."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        """The number of a text."""
        return self._codes.setdefault(text, len(self._codes))

    def texts(self, codes: array[int]) -> Any:
        """The texts of numbers, as an array of objects."""
        known = np.array([*self._codes, ""], dtype=object)
        return known[np.frombuffer(codes, dtype=np.int32)] if len(codes) else np.empty(0, dtype=object)


class ReviewRows:
    """The rows of a review, collected analysis by analysis.

    Parameters
    ----------
    name
        The file's, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.decimals = 0
        self.analyses: list[RevManAnalysis] = []
        self.notes: list[str] = []
        # What the file calls its studies elsewhere: their names and years by ID.
        self.known: dict[str, tuple[str, str]] = {}
        self._places: dict[str, int] = {}
        self._names = Names()
        self._text = {column: array("i") for column in ("study", "year")}
        self._whole = {column: array("i") for column in ("at", "subgroup_number")}
        self._flags = {column: array("b") for column in ("in_subgroup", "in_total", "estimable")}
        # Columns of which nothing was ever read cost nothing.
        self._numbers: dict[str, array[float]] = {}
        self._other: list[tuple[str, ...]] = []

    def __len__(self) -> int:
        return len(self._whole["at"])

    def add(
        self,
        analysis: int,
        kind: str,
        study: str,
        values: Mapping[str, float],
        *,
        year: str = "",
        subgroup_number: int = 0,
        estimable: bool = True,
        in_subgroup: bool = True,
        in_total: bool = True,
    ) -> None:
        """Add a study to the analysis of that place; DataError where no review has so many."""
        if len(self) >= MOST_ROWS:
            raise DataError(
                f"{self.name} has more than {MOST_ROWS:,} rows of studies, which no review has: is it the right file?"
            )
        for column, text in (("study", study), ("year", year)):
            self._text[column].append(self._names.code(text))
        for column, whole in (("at", analysis), ("subgroup_number", subgroup_number)):
            self._whole[column].append(whole)
        for column, flag in (("in_subgroup", in_subgroup), ("in_total", in_total), ("estimable", estimable)):
            self._flags[column].append(flag)
        cleaned = self._cleaned(kind, values, estimable)
        done = len(self) - 1
        for column, value in cleaned.items():
            numbers = self._numbers.get(column)
            if numbers is None:
                numbers = self._numbers[column] = array("d", bytes(0))
            if len(numbers) < done:
                numbers.extend([math.nan] * (done - len(numbers)))
            numbers.append(value)

    def _cleaned(self, kind: str, values: Mapping[str, float], estimable: bool) -> dict[str, float]:
        found = {}
        for column in OF_KIND[kind]:
            value = values.get(column, math.nan)
            if column in NOT_FILLED_IN_AS_ZERO and value == 0:
                value = math.nan
            if not math.isnan(value):
                found[column] = value
        if kind == "o-e" and found.get("variance", 0.0) > 0 and "o_minus_e" in found:
            found["y"] = found["o_minus_e"] / found["variance"]
            found["se"] = 1.0 / math.sqrt(found["variance"])
        if estimable:
            for column in ANSWERS:
                value = values.get(column, math.nan)
                if not math.isnan(value):
                    found[column] = value
        return found

    def add_analysis(self, analysis: RevManAnalysis) -> int:
        """Add an analysis; its place, which its studies are added to. DataError where its number is taken."""
        if analysis.id in self._places:
            raise DataError(f"{self.name} has two analyses numbered {analysis.id}: give each its own number.")
        self._places[analysis.id] = len(self.analyses)
        self.analyses.append(analysis)
        return len(self.analyses) - 1

    def add_other(self, analysis: str, subgroup: str, study: str, texts: Sequence[str]) -> None:
        """Add a study's texts to the other data."""
        self._other.append((analysis, subgroup, study, *texts))

    def review(self, title: str, doi: str, source: str) -> RevManReview:
        """The review of all that was added."""
        studies, rows = self._studies()
        if not self.analyses:
            raise DataError(f"{self.name} holds no analyses: there is no comparison with an outcome in it.")
        return RevManReview(
            name=self.name,
            title=title,
            doi=doi,
            source=source,
            analyses=tuple(self.analyses),
            studies=studies,
            other=self._others(),
            decimals=min(self.decimals or 15, 15),
            notes=tuple(self.notes),
            _rows=rows,
        )

    def _studies(self) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
        import pandas as pd

        at = np.frombuffer(self._whole["at"], dtype=np.int32) if len(self) else np.empty(0, dtype=np.int32)
        # Files list analyses one after the other; where one does not, its rows are brought together here.
        order = None if bool((np.diff(at) >= 0).all()) else np.argsort(at, kind="stable")

        def sorted_(values: Any) -> Any:
            return values if order is None else values[order]

        at = sorted_(at)
        starts = np.searchsorted(at, np.arange(len(self.analyses) + 1))
        rows = {
            one.id: (int(start), int(stop))
            for one, start, stop in zip(self.analyses, starts[:-1], starts[1:], strict=True)
        }
        ids = np.array([one.id for one in self.analyses] or [""], dtype=object)
        comparisons = np.array([one.comparison for one in self.analyses] or [0], dtype=np.int32)
        outcomes = np.array([one.outcome for one in self.analyses] or [0], dtype=np.int32)
        columns: dict[str, Any] = {
            "analysis": ids[at],
            "comparison": comparisons[at],
            "outcome": outcomes[at],
            "subgroup_number": sorted_(np.array(self._whole.pop("subgroup_number"), dtype=np.int32)),
        }
        columns["subgroup"] = self._subgroups(at, columns["subgroup_number"])
        study, year = (sorted_(self._names.texts(self._text.pop(column))) for column in ("study", "year"))
        if self.known:
            year = np.array(
                [self.known.get(one, ("", old))[1] for one, old in zip(study, year, strict=True)], dtype=object
            )
            study = np.array([self.known.get(one, (one, ""))[0] for one in study], dtype=object)
        years = {text: whole_year(text) for text in set(year)}
        columns.update(study=study, year=pd.array([years[text] for text in year], dtype="Int64"))
        needed = {column for one in self.analyses for column in OF_KIND.get(one.kind, ())}
        for column in (*DATA, *ANSWERS):
            numbers = self._numbers.pop(column, None)
            if numbers is None:
                if column in ANSWERS or column in needed:
                    columns[column] = np.full(len(at), math.nan)
                continue
            if len(numbers) < len(at):
                numbers.extend([math.nan] * (len(at) - len(numbers)))
            columns[column] = sorted_(np.frombuffer(numbers, dtype=np.float64))
        for column in ("in_subgroup", "in_total", "estimable"):
            columns[column] = sorted_(np.array(self._flags[column], dtype=np.bool_))
        # The columns belong to nobody else: to copy them would double what a large file takes.
        return pd.DataFrame(columns, copy=False), rows

    def _subgroups(self, at: Any, number: Any) -> Any:
        """The names of the subgroups that the rows are in."""
        found = np.full(len(at), "", dtype=object)
        for place, one in enumerate(self.analyses):
            if one.subgroups:
                own = slice(*np.searchsorted(at, [place, place + 1]))
                for group in one.subgroups:
                    found[own][number[own] == group.number] = group.name
        return found

    def _others(self) -> pd.DataFrame:
        import pandas as pd

        width = max((len(row) for row in self._other), default=3) - 3
        names = ["analysis", "subgroup", "study", *(f"text{place}" for place in range(1, width + 1))]
        rows = [
            (analysis, subgroup, self.known.get(study, (study, ""))[0], *texts, *("",) * (width - len(texts)))
            for analysis, subgroup, study, *texts in self._other
        ]
        return pd.DataFrame(rows, columns=names, dtype="object")

    def replace_analysis(self, place: int, **changes: Any) -> None:
        """Change what is known of an analysis."""
        self.analyses[place] = replace(self.analyses[place], **changes)
