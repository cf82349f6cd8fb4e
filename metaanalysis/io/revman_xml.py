"""Review Manager 5's own format: XML, read element by element, without a tree and without entities."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from metaanalysis.errors import DataError
from metaanalysis.io.revman_rows import ReviewRows, decimals_of
from metaanalysis.io.revman_words import (
    count_in,
    level_named,
    measure_named,
    method_named,
    model_named,
    number_in,
    shortened,
    truth_named,
)
from metaanalysis.reviews.revman import (
    RevManAnalysis,
    RevManResult,
    RevManReview,
    RevManSubgroup,
    SubgroupDifferences,
)

SOURCE = "Review Manager 5 (.rm5)"
CHUNK = 1 << 16
# Far beyond what Review Manager writes: a file that has more is no review.
DEEPEST, LONGEST_ELEMENT, LONGEST_TEXT = 256, 1 << 19, 100_000
_KINDS = {"DICH": "dichotomous", "CONT": "continuous", "IV": "generic", "IPD": "o-e", "OTHER": "other"}
_TOTALS = {"YES": "overall", "SUB": "subgroups", "NO": "none"}
_VALUES = {
    "EVENTS_1": "events1",
    "TOTAL_1": "n1",
    "EVENTS_2": "events2",
    "TOTAL_2": "n2",
    "MEAN_1": "mean1",
    "SD_1": "sd1",
    "MEAN_2": "mean2",
    "SD_2": "sd2",
    "ESTIMATE": "y",
    "SE": "se",
    "O_E": "o_minus_e",
    "VAR": "variance",
    "EFFECT_SIZE": "effect",
    "CI_START": "ci_low",
    "CI_END": "ci_high",
    "WEIGHT": "weight",
}
_RESULTS = {
    "EFFECT_SIZE": "estimate",
    "CI_START": "ci_low",
    "CI_END": "ci_high",
    "Z": "statistic",
    "P_Z": "p_value",
    "CHI2": "q",
    "DF": "q_df",
    "P_CHI2": "q_p_value",
    "I2": "i2",
    "TAU2": "tau2",
    "WEIGHT": "weight",
    "STUDIES": "k",
    "TOTAL_1": "n1",
    "TOTAL_2": "n2",
    "EVENTS_1": "events1",
    "EVENTS_2": "events2",
}
# Texts that are kept, by the element that they stand in and the one around it.
_NAMES = ("NAME", "GROUP_LABEL_1", "GROUP_LABEL_2", "EFFECT_MEASURE")
_ESCAPED = re.compile("_x([0-9a-fA-F]{4})_")


def read_rm5(path: Path) -> RevManReview:
    """Read a .rm5 file; DataError names the element and the line of what is wrong."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, XMLParser

    reader = Rm5Reader(path.name)
    parser = XMLParser(target=reader, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    expat = parser.parser
    reader.line = lambda: int(expat.CurrentLineNumber)
    fed = 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                parser.feed(chunk)
                fed += len(chunk)
                if fed - expat.CurrentByteIndex > LONGEST_ELEMENT:
                    raise reader.error(f"the element that starts there is longer than {LONGEST_ELEMENT >> 10} kB")
        parser.close()
    except ParseError as problem:
        line = problem.position[0]
        within = f", within {reader.place()}" if reader.path else ""
        raise DataError(
            f"{path.name} is not valid XML at line {line}{within}: {str(problem).partition(':')[0]}. Is the file complete?"
        ) from None
    except DefusedXmlException:
        raise DataError(
            f"{path.name} declares entities or refers to other files (line {reader.line()}), which no file of Review "
            f"Manager does: it is not read."
        ) from None
    except (LookupError, UnicodeError) as problem:
        raise DataError(f"{path.name} is in an encoding that can't be read: {problem}.") from None
    except ValueError as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(f"{path.name} can't be read as XML (line {reader.line()}): {problem}.") from None
    return reader.review()


class Rm5Reader:
    """What is read, element by element.

    Parameters
    ----------
    name
        The file's, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path: list[str] = []
        self.line: Callable[[], int] = lambda: 0
        self.rows = ReviewRows(name)
        self.title = self.doi = ""
        self._comparison = -1
        self._comparison_name = ""
        self._at = -1
        self._outcome: Mapping[str, str] = {}
        self._outcome_texts: dict[str, str] = {}
        self._outcome_line = 0
        self._subgroups: list[RevManSubgroup] = []
        self._subgroup: tuple[int, str, RevManResult] | None = None
        self._waiting: list[tuple[Mapping[str, str], int]] = []
        self._text: list[str] | None = None
        self._length = 0
        self._texts_of_study: list[str] = []
        self._study = ""
        self.used: set[str] = set()

    def error(self, what: str) -> DataError:
        """An error with its place."""
        return DataError(f"{self.name}, line {self.line()}, {self.place()}: {what}.")

    def place(self) -> str:
        """The element that is being read."""
        return f"<{self.path[-1]}>" if self.path else "the beginning of the file"

    # What the parser calls.

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if not self.path and tag != "COCHRANE_REVIEW":
            self.path.append(tag)
            raise self.error(
                f"a review of Review Manager 5 begins with <COCHRANE_REVIEW>, not with <{shortened(tag)}>; is this another file"
            )
        self.path.append(tag)
        if len(self.path) > DEEPEST:
            raise self.error(f"elements are nested more than {DEEPEST} deep")
        family, _, part = tag.partition("_")
        if tag == "COCHRANE_REVIEW":
            self.doi = attributes.get("DOI", "")
        elif tag == "STUDY":
            self._rename(attributes)
        elif tag == "COMPARISON":
            self._comparison, self._comparison_name = self._count(attributes, "NO"), ""
        elif family in _KINDS and part in ("OUTCOME", "SUBGROUP", "DATA"):
            {"OUTCOME": self._begin_outcome, "SUBGROUP": self._begin_subgroup, "DATA": self._begin_study}[part](
                family, attributes
            )
        elif self._is_kept(tag):
            self._text, self._length = [], 0

    def data(self, text: str) -> None:
        """Text within an element."""
        if self._text is not None and self._length < LONGEST_TEXT:
            self._text.append(text[:LONGEST_TEXT])
            self._length += len(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        family, _, part = tag.partition("_")
        if family in _KINDS and part in ("OUTCOME", "SUBGROUP", "DATA"):
            {"OUTCOME": self._end_outcome, "SUBGROUP": self._end_subgroup, "DATA": self._end_study}[part]()
        elif self._text is not None and self._is_kept(tag):
            self._keep(tag, " ".join("".join(self._text).split()))
            self._text = None
        self.path.pop()

    def close(self) -> None:
        """The file ends."""

    # What the elements mean.

    def _is_kept(self, tag: str) -> bool:
        around = self.path[-2] if len(self.path) > 1 else ""
        if tag == "TITLE":
            return around == "COVER_SHEET"
        if "OTHER_DATA" in self.path[-6:-1]:
            return tag == "TD" or (tag == "P" and around == "OTHER_DATA")
        return tag in _NAMES and (around == "COMPARISON" or around.endswith(("_OUTCOME", "_SUBGROUP")))

    def _keep(self, tag: str, text: str) -> None:
        around = self.path[-2]
        if tag == "TITLE":
            self.title = text
        elif around == "COMPARISON":
            self._comparison_name = text
        elif tag in ("TD", "P"):
            self._texts_of_study.append(text)
        elif around.endswith("_SUBGROUP") and self._subgroup is not None and tag == "NAME":
            self._subgroup = (self._subgroup[0], text, self._subgroup[2])
        elif around.endswith("_OUTCOME"):
            self._outcome_texts[tag] = text

    def _rename(self, attributes: Mapping[str, str]) -> None:
        if "ID" in attributes:
            name = attributes.get("NAME") or unescaped(attributes["ID"])
            self.rows.known[attributes["ID"]] = (name, attributes.get("YEAR", ""))

    def _begin_outcome(self, family: str, attributes: Mapping[str, str]) -> None:
        if self._comparison < 0 or "COMPARISON" not in self.path:
            raise self.error("an outcome stands outside of a comparison")
        if self._at >= 0:
            raise self.error("an outcome stands within another")
        self._outcome, self._outcome_texts, self._subgroups = attributes, {}, []
        self._outcome_line = self.line()
        number = self._count(attributes, "NO")
        at = f"{self._comparison}.{number}"
        try:
            self._at = self.rows.add_analysis(
                RevManAnalysis(at, self._comparison, number, self._comparison_name, "", _KINDS[family])
            )
        except DataError as problem:
            raise self.error(str(problem).rstrip(".")) from None

    def _end_outcome(self) -> None:
        given, kind = self._outcome, self.rows.analyses[self._at].kind
        place = f"{self.name}, line {self._outcome_line}, <{self.path[-1]}>"
        measure = given.get("EFFECT_MEASURE") or self._outcome_texts.get("EFFECT_MEASURE", "")
        changes: dict[str, Any] = {}
        if kind != "other":
            log = given.get("LOG_DATA")
            log_scale = None if log is None else truth_named(log, f"{place}, LOG_DATA", False)
            method = method_named(given.get("METHOD", ""), kind, place)
            found = measure_named(measure, kind, method, log_scale, place)
            differences = [bool(group.result.estimable) for group in self._subgroups]
            totals = given.get("TOTALS", "YES").upper()
            if totals not in _TOTALS:
                raise DataError(f"{place}: TOTALS is {shortened(totals)!r}, but has to be YES, SUB or NO.")
            numbers = {name: self._number(given, name, place) for name in ("Q", "P_Q", "I2_Q")}
            changes = {
                "measure": found.measure,
                "effect_measure": measure,
                "log_scale": found.log_scale,
                "method": method,
                "model": model_named(given.get("RANDOM", "NO"), place),
                "study_level": level_named(given.get("CI_STUDY", ""), f"{place}: CI_STUDY"),
                "level": level_named(given.get("CI_TOTAL", ""), f"{place}: CI_TOTAL"),
                "totals": _TOTALS[totals],
                "subgroup_test": truth_named(given.get("SUBGROUP_TEST", ""), f"{place}: SUBGROUP_TEST", True),
                "swapped": truth_named(given.get("SWAP_EVENTS", ""), f"{place}: SWAP_EVENTS", False),
                "result": self._result(given, place),
                "differences": SubgroupDifferences(
                    numbers["Q"], max(sum(differences) - 1, 0), numbers["P_Q"], numbers["I2_Q"]
                ),
            }
        self.rows.replace_analysis(
            self._at,
            comparison_name=self._comparison_name,
            name=self._outcome_texts.get("NAME", ""),
            groups=(self._outcome_texts.get("GROUP_LABEL_1", ""), self._outcome_texts.get("GROUP_LABEL_2", "")),
            subgroups=tuple(self._subgroups),
            **changes,
        )
        self._at = -1

    def _begin_subgroup(self, family: str, attributes: Mapping[str, str]) -> None:
        self._check_family(family, "a subgroup")
        if self._subgroup is not None:
            raise self.error("a subgroup stands within another")
        number = self._count(attributes, "NO")
        if any(group.number == number for group in self._subgroups):
            raise self.error(f"two subgroups of an outcome have the number {number}")
        result = RevManResult(estimable=False) if family == "OTHER" else self._result(attributes, self._here())
        self._subgroup = (number, "", result)

    def _end_subgroup(self) -> None:
        if self._subgroup is not None:
            self._subgroups.append(RevManSubgroup(*self._subgroup))
        self._subgroup = None

    def _begin_study(self, family: str, attributes: Mapping[str, str]) -> None:
        self._check_family(family, "a study")
        self._study = attributes.get("STUDY_ID", "")
        if not self._study:
            raise self.error("STUDY_ID is missing: it names the study")
        self.used.add(self._study)
        self._texts_of_study = []
        if family != "OTHER":
            self._add_study(_KINDS[family], attributes)

    def _add_study(self, kind: str, attributes: Mapping[str, str]) -> None:
        values = {}
        for name, column in _VALUES.items():
            text = attributes.get(name)
            if text is not None:
                values[column] = number_in(text, partial(self._place_of, name))
                if column in ("effect", "weight"):
                    self.rows.decimals = max(self.rows.decimals, decimals_of(text))
        estimable = truth_named(attributes.get("ESTIMABLE", ""), f"{self._here()}, ESTIMABLE", True)
        self.rows.add(
            self._at,
            kind,
            self._study,
            values,
            subgroup_number=self._subgroup[0] if self._subgroup else 0,
            estimable=estimable and "effect" in values,
        )

    def _place_of(self, name: str) -> str:
        return f"{self._here()}, {name} of {unescaped(self._study)}"

    def _end_study(self) -> None:
        if self.path[-1] == "OTHER_DATA":
            subgroup = self._subgroup[1] if self._subgroup else ""
            place = self.rows.analyses[self._at].id
            self.rows.add_other(place, subgroup, self._study, self._texts_of_study)

    def _check_family(self, family: str, what: str) -> None:
        if self._at < 0:
            raise self.error(f"{what} stands outside of an outcome")
        if self.rows.analyses[self._at].kind != _KINDS[family]:
            raise self.error(f"{what} of another kind stands in an outcome of {self.rows.analyses[self._at].kind} data")

    def _here(self) -> str:
        return f"{self.name}, line {self.line()}, {self.place()}"

    def _count(self, attributes: Mapping[str, str], name: str) -> int:
        if name not in attributes:
            raise self.error(f"{name} is missing")
        return count_in(attributes[name], f"{self._here()}: {name}")

    def _number(self, attributes: Mapping[str, str], name: str, place: str) -> float:
        return number_in(attributes[name], f"{place}: {name}") if name in attributes else math.nan

    def _result(self, attributes: Mapping[str, str], place: str) -> RevManResult:
        counted = ("k", "n1", "n2", "events1", "events2")
        values = {column: self._number(attributes, name, place) for name, column in _RESULTS.items()}
        estimable = truth_named(attributes.get("ESTIMABLE", ""), f"{place}: ESTIMABLE", True)
        if not estimable or math.isnan(values["estimate"]):
            return RevManResult(estimable=False, **{name: values[name] for name in counted})
        return RevManResult(estimable=True, **values)

    def review(self) -> RevManReview:
        """All that was read."""
        # Studies that the file does not describe go by their ID.
        for name in self.used - self.rows.known.keys():
            self.rows.known[name] = (unescaped(name), "")
        return self.rows.review(self.title, self.doi, SOURCE)


def unescaped(study: str) -> str:
    """The name in a study's ID: ``STD-El_x002d_Daher-1991`` is El-Daher 1991."""
    spaced = study.removeprefix("STD-").replace("-", " ")
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), spaced).encode("utf-8", "replace").decode("utf-8")
