"""The data package of a Cochrane review: three CSV files, in a zip file or unpacked from one."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from metaanalysis.errors import DataError
from metaanalysis.io.revman_rows import ReviewRows, decimals_of
from metaanalysis.io.revman_words import (
    ci_named,
    count_in,
    kind_named,
    kind_of_measure,
    level_named,
    measure_named,
    method_named,
    model_named,
    number_in,
    plain_words,
    tau2_named,
    truth_named,
)
from metaanalysis.io.text import LARGEST, Line, encoding_of, lines_of
from metaanalysis.reviews.revman import (
    NO_RESULT,
    RevManAnalysis,
    RevManResult,
    RevManReview,
    RevManSubgroup,
    SubgroupDifferences,
)

SOURCE = "Cochrane data package"
SETTINGS, SUBGROUPS, ROWS = "overall-estimates-and-settings.csv", "subgroup-estimates.csv", "data-rows.csv"
_NUMBERED = ("analysisgroup", "analysisnumber")
_VALUES = {
    "givmean": "y",
    "givse": "se",
    "experimentalmean": "mean1",
    "experimentalsd": "sd1",
    "experimentalcases": "events1",
    "experimentaln": "n1",
    "controlmean": "mean2",
    "controlsd": "sd2",
    "controlcases": "events2",
    "controln": "n2",
    "oe": "o_minus_e",
    "variance": "variance",
    "weight": "weight",
    "mean": "effect",
    "cistart": "ci_low",
    "ciend": "ci_high",
}
_RESULTS = {
    "estimate": ("mean",),
    "ci_low": ("cistart",),
    "ci_high": ("ciend",),
    "statistic": ("effectz", "effectt"),
    "p_value": ("effectp",),
    "q": ("heterogeneitychi2",),
    "q_df": ("heterogeneitydf",),
    "q_p_value": ("heterogeneityp",),
    "i2": ("heterogeneityi2",),
    "tau2": ("heterogeneitytau2",),
    "weight": ("weight",),
    "n1": ("experimentaln",),
    "n2": ("controln",),
    "events1": ("experimentalcases",),
    "events2": ("controlcases",),
}


@dataclass
class Numbered:
    """An analysis by its numbers, and what was found of its subgroups."""

    at: int
    kind: str
    groups: dict[str, RevManSubgroup] = field(default_factory=dict)

    def number_of(self, name: str) -> int:
        """The number of a subgroup by its name, a new one where it was not seen before; 0 without a name."""
        if not name:
            return 0
        if name not in self.groups:
            taken = {group.number for group in self.groups.values()}
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            self.groups[name] = RevManSubgroup(number, name, NO_RESULT)
        return self.groups[name].number


Opener = Callable[[], IO[bytes]]


def read_package(path: Path) -> RevManReview:
    """Read a zip file; DataError says which file in it, and which line, is wrong."""
    try:
        with zipfile.ZipFile(path) as archive:
            found: dict[str, Opener] = {}
            for entry in archive.infolist():
                ending = ending_of(entry.filename)
                if ending is None or entry.is_dir():
                    continue
                if ending in found:
                    raise DataError(
                        f"{path.name} holds two files that end in {ending}: give one review's package at a time."
                    )
                if entry.file_size > LARGEST:
                    raise DataError(
                        f"{path.name}: {entry.filename} is {entry.file_size / 1e6:.0f} MB unpacked; reviews have a few."
                    )
                found[ending] = lambda entry=entry: archive.open(entry)  # type: ignore[misc]
            return read_files(path.name, found)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
    ) as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(f"{path.name} can't be unpacked: {problem}. Is the download complete?") from None


def read_folder(path: Path) -> RevManReview:
    """Read the folder that a package was unpacked to, or one above it."""
    found: dict[str, Opener] = {}
    try:
        for file in sorted(path.rglob("*.csv")):
            ending = ending_of(file.name)
            if ending is None:
                continue
            if ending in found:
                raise DataError(f"{path.name} holds two files that end in {ending}: name the folder of one review.")
            if file.stat().st_size > LARGEST:
                raise DataError(f"{file.name} has {file.stat().st_size / 1e6:.0f} MB; reviews have a few.")
            found[ending] = lambda file=file: file.open("rb")  # type: ignore[misc]
        return read_files(path.name, found)
    except OSError as problem:
        raise DataError(f"{path.name} can't be read: {problem.strerror or problem}.") from None


def ending_of(name: str) -> str | None:
    """Which of the three files it is."""
    return next((ending for ending in (SETTINGS, SUBGROUPS, ROWS) if name.lower().endswith(ending)), None)


def read_files(name: str, found: Mapping[str, Opener]) -> RevManReview:
    """Read the three files."""
    for ending in (SETTINGS, ROWS):
        if ending not in found:
            raise DataError(
                f"{name} holds no file that ends in {ending}, so that it is no data package of a review of interventions."
            )
    rows = ReviewRows(name)
    analyses: dict[tuple[int, int], Numbered] = {}
    for line in lines(found[SETTINGS], SETTINGS, (*_NUMBERED, "effectmeasure"), rows):
        add_analysis(rows, line, analyses)
    if SUBGROUPS in found:
        for line in lines(found[SUBGROUPS], SUBGROUPS, (*_NUMBERED, "subgroup"), rows):
            add_subgroup(line, analyses)
    for line in lines(found[ROWS], ROWS, (*_NUMBERED, "study"), rows):
        add_study(rows, line, analyses)
    for one in analyses.values():
        groups = tuple(sorted(one.groups.values(), key=lambda group: group.number))
        rows.replace_analysis(one.at, subgroups=groups)
    return rows.review("", "", SOURCE)


def lines(opener: Opener, name: str, needed: Sequence[str], rows: ReviewRows) -> Iterator[Line]:
    """The lines of one of the files."""
    with opener() as stream:
        encoding = encoding_of(stream)
    if encoding == "cp1252":
        rows.notes.append(f"{name} is no UTF-8 and was read as Windows-1252: look at names with accents")
    with opener() as stream:
        yield from lines_of(stream, encoding, name, needed)


def key_of(line: Line) -> tuple[int, int]:
    """The numbers of the analysis that a line belongs to."""
    return (
        count_in(line.get("analysisgroup"), f"{line.place}: Analysis group"),
        count_in(line.get("analysisnumber"), f"{line.place}: Analysis number"),
    )


def add_analysis(rows: ReviewRows, line: Line, analyses: dict[tuple[int, int], Numbered]) -> None:
    """Add a line of settings."""
    group, outcome = key_of(line)
    place = line.place
    word = line.get("effectmeasure")
    named = line.get("datatype")
    kind = kind_of_measure(word, place) if plain_words(named) in ("arm level", "") else kind_named(named, place)
    if kind == "generic" and "o e" in plain_words(line.get("statisticalmethod")):
        kind = "o-e"
    one = RevManAnalysis(
        f"{group}.{outcome}", group, outcome, line.get("analysisgroupname"), line.get("analysisname"), kind
    )
    if kind != "other":
        log = line.get("logscaledata")
        method = method_named(line.get("statisticalmethod"), kind, place)
        found = measure_named(
            word, kind, method, truth_named(log, f"{place}: Log-scale data", False) if log else None, place
        )
        level = line.get("estimateci", "cipilevel")
        overall = truth_named(line.get("overallestimates"), f"{place}: Overall estimates", True)
        by_group = truth_named(line.get("subgroupestimates"), f"{place}: Subgroup estimates", True)
        swapped = truth_named(line.get("swapeventandnonevent"), f"{place}: Swap event and non-event", False)
        tests = truth_named(line.get("testforsubgroupdifferences"), f"{place}: Test for subgroup differences", True)
        one = replace(
            one,
            measure=found.measure,
            effect_measure=word,
            log_scale=found.log_scale,
            method=method,
            model=model_named(line.get("analysismodel"), place),
            tau2=tau2_named(line.get("heterogeneityestimator"), place),
            ci=ci_named(line.get("cimethod"), place),
            study_level=level_named(line.get("studyci", "cipilevel"), f"{place}: Study CI"),
            level=level_named(level, f"{place}: Estimate CI"),
            totals="overall" if overall else "subgroups" if by_group else "none",
            subgroup_test=tests,
            swapped=swapped,
            groups=(line.get("experimentalgrouplabel"), line.get("controlgrouplabel")),
            result=result_of(line),
            differences=SubgroupDifferences(
                number_of(line, "subgroupchi2"),
                number_of(line, "subgroupdf"),
                number_of(line, "subgroupp"),
                number_of(line, "subgroupi2"),
            ),
        )
    try:
        analyses[group, outcome] = Numbered(rows.add_analysis(one), kind)
    except DataError as problem:
        raise DataError(f"{place}: {problem}") from None


def add_subgroup(line: Line, analyses: Mapping[tuple[int, int], Numbered]) -> None:
    """Add a line of a subgroup's results."""
    one = analysis_of(line, analyses)
    name = line.get("subgroup")
    if not name:
        return
    if name in one.groups:
        raise DataError(f"{line.place}: the analysis has two subgroups named {name!r}.")
    number = one.number_of(name)
    if line.get("subgroupnumber"):
        number = count_in(line.get("subgroupnumber"), f"{line.place}: Subgroup number")
        if any(group.number == number for key, group in one.groups.items() if key != name):
            raise DataError(f"{line.place}: the analysis has two subgroups with the number {number}.")
    one.groups[name] = RevManSubgroup(number, name, result_of(line))


def add_study(rows: ReviewRows, line: Line, analyses: Mapping[tuple[int, int], Numbered]) -> None:
    """Add a line of a study."""
    one = analysis_of(line, analyses)
    name = line.get("study")
    if not name:
        raise DataError(f"{line.place}: the study has no name.")
    if one.kind == "other":
        rows.add_other(rows.analyses[one.at].id, line.get("subgroup"), name, [])
        return
    values = {ours: number_of(line, theirs) for theirs, ours in _VALUES.items()}
    for column in ("mean", "weight"):
        rows.decimals = max(rows.decimals, decimals_of(line.get(column)))
    counts_in = plain_words(line.get("applicability"))
    rows.add(
        one.at,
        one.kind,
        name,
        values,
        year=line.get("studyyear", "yearofstudy"),
        subgroup_number=one.number_of(line.get("subgroup")),
        estimable=not math.isnan(values["effect"]),
        in_subgroup=counts_in != "overall only",
        in_total=counts_in != "subgroup only",
    )


def analysis_of(line: Line, analyses: Mapping[tuple[int, int], Numbered]) -> Numbered:
    """The analysis that a line belongs to; DataError where the settings do not have it."""
    group, outcome = key_of(line)
    with suppress(KeyError):
        return analyses[group, outcome]
    raise DataError(f"{line.place}: analysis {group}.{outcome} is not among the settings ({SETTINGS}).")


def result_of(line: Line) -> RevManResult:
    """The pooled result of a line."""
    values = {ours: number_of(line, *theirs) for ours, theirs in _RESULTS.items()}
    if math.isnan(values["estimate"]):
        return NO_RESULT
    if not line.get("effectz") and line.get("effectt"):
        values["statistic"] = abs(values["statistic"])
    return RevManResult(estimable=True, **values)


def number_of(line: Line, *columns: str) -> float:
    """A number of a line."""
    text = line.get(*columns)
    return number_in(text, lambda: f"{line.place}: {columns[0]}") if text else math.nan
