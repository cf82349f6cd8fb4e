"""What to look at again in a table of studies: standard errors typed as standard deviations, and studies that are in twice."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from metaanalysis.formulas.standard_error_as_sd import FEWEST_FELLOWS, ODDS, suspicion
from metaanalysis.reviews.printed_cells import shortened
from metaanalysis.reviews.study_table import StudyTable
from metaanalysis.reviews.verdicts import Verdict

_DATA = tuple(f"{field}{arm}" for arm in ("1", "2", "") for field in ("events", "n", "mean", "sd"))
_GROUPS = {arm: tuple(f"{field}{arm}" for field in ("events", "n", "mean", "sd")) for arm in ("1", "2")}
# Two studies can agree in their counts by chance when nearly nobody has an event.
_FEWEST_EVENTS = 10
# Effects of fewer digits, estimate and standard error together, agree by chance.
_FEWEST_DIGITS = 6
_YEAR = re.compile(r"(.*?\b(?:1[89]|20)\d\d)[a-z]?\b")
_PART = re.compile(r"\s*(?:\([^()]*\)|[\s_-](?:[a-e]|[1-5]|i{1,3}))$")


def doubts_about(table: StudyTable) -> list[Verdict]:
    """All doubts, outcome by outcome."""
    by_outcome: dict[str, list[int]] = defaultdict(list)
    for i, outcome in enumerate(table.outcome):
        by_outcome[outcome].append(i)
    found: list[Verdict] = []
    for at in by_outcome.values():
        found += _errors_as_deviations(table, np.array(at))
        found += _doubles(table, at)
    return found


def _verdict(table: StudyTable, i: int, check: str, reported: str, off: float, sentence: str) -> Verdict:
    return Verdict(
        int(table.rows[i]),
        table.outcome[i],
        table.study[i],
        check,
        reported,
        math.nan,
        math.nan,
        True,
        off,
        sentence,
        doubtful=True,
    )


def _errors_as_deviations(table: StudyTable, at: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Iterator[Verdict]:
    """Studies that fit the others so much better with their standard deviations taken for standard errors."""
    fields = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
    values = {field: table.numbers[field].value[at] for field in fields}
    usable = np.all([np.isfinite(column) for column in values.values()], axis=0)
    for field in ("sd1", "sd2"):
        usable &= values[field] > 0
    for field in ("n1", "n2"):
        usable &= values[field] > 1
    if not usable.any():
        return
    with np.errstate(all="ignore"):
        found = suspicion(**{field: column[usable] for field, column in values.items()})
    several = int(usable.sum()) >= FEWEST_FELLOWS
    for place in np.flatnonzero(found.log_odds > math.log(ODDS)):
        i = int(at[usable][place])
        sd1, sd2 = table.numbers["sd1"].text[i], table.numbers["sd2"].text[i]
        odds = float(found.log_odds[place])
        beside = "is out of line with the other studies" if several else "is larger than such differences are"
        yield _verdict(
            table,
            i,
            "SE typed as SD",
            f"{sd1}, {sd2}",
            math.sqrt(2.0 * odds),
            f"sd1 = {sd1} and sd2 = {sd2} look like standard errors: as they stand the standardised mean difference is "
            f"{found.smd[place]:.2g} (pooled SD {found.sd[place]:.3g}), which {beside}; times the root of n it is "
            f"{found.smd_if_error[place]:.2g} (pooled SD {found.sd_if_error[place]:.3g}), {_odds(odds)} times likelier.",
        )


def _odds(log_odds: float) -> str:
    return f"{round(math.exp(log_odds), -3):,.0f}" if log_odds < math.log(1e6) else "more than a million"


def _doubles(table: StudyTable, at: Sequence[int]) -> Iterator[Verdict]:
    """The same data twice, a control group in several comparisons, the same name twice: each told once."""
    told: set[tuple[int, int]] = set()
    for rows in _alike(at, [_all_data(table, i) for i in at]):
        first = rows[0]
        for i in rows[1:]:
            told.add((first, i))
            same = _plain(table.study[i]) == _plain(table.study[first])
            yield _verdict(
                table,
                i,
                "same data twice",
                _shown(table, i, _DATA),
                math.nan,
                f"The data of {table.named(i)} are those of {table.named(first)}, number by number: "
                + ("it counts twice." if same else "they look like one study under two names, which counts twice."),
            )
    for arm, other in (("2", "1"), ("1", "2")):
        yield from _shared(table, at, arm, other, told)
    for rows in _alike(at, [_plain(table.study[i]) and (table.subgroup[i], _plain(table.study[i])) for i in at]):
        first = rows[0]
        for i in rows[1:]:
            if (first, i) in told:
                continue
            told.add((first, i))
            yield _verdict(
                table,
                i,
                "same name twice",
                shortened(table.study[i]),
                math.nan,
                f"{table.named(first)} stands again in row {table.rows[i]} with other data: parts of one study are not two "
                "independent studies unless they share no people.",
            )


def _shared(
    table: StudyTable, at: Sequence[int], arm: str, other: str, told: set[tuple[int, int]]
) -> Iterator[Verdict]:
    """One group in several comparisons of one study, whole in each."""
    keys = [
        (_family(table.study[i]), _data(table, i, _GROUPS[arm]))
        if _family(table.study[i]) and _complete(table, i, arm)
        else None
        for i in at
    ]
    for rows in _alike(at, keys):
        different = [i for n, i in enumerate(rows) if n == 0 or (rows[0], i) not in told]
        if len({_data(table, i, _GROUPS[other]) for i in different}) < 2:
            continue
        first = different[0]
        told.update((first, i) for i in different[1:])
        where = ", ".join(str(table.rows[i]) for i in different[:10]) + (", …" if len(different) > 10 else "")
        group = "control group" if arm == "2" else "first group"
        people = table.numbers[f"n{arm}"].text[first]
        yield _verdict(
            table,
            first,
            "control group counted twice" if arm == "2" else "group counted twice",
            _shown(table, first, _GROUPS[arm]),
            math.nan,
            f"The {group} of {table.named(first)} ({_shown(table, first, _GROUPS[arm])}) stands whole in {len(different)} "
            f"comparisons of one study (rows {where}): its {people} people count {len(different)} times. Split the group, or "
            "pool with the covariances of shared_control_covariances.",
        )


def effects_given_twice(
    numbers: Sequence[int], outcome: str, studies: Sequence[str], estimates: Sequence[float], errors: Sequence[float]
) -> Iterator[Verdict]:
    """Effects that were given with their standard errors, or counts with their variances, and stand in two rows of an analysis.

    numbers: of the rows; the others one a row.
    """
    pairs = [
        (y, error) if math.isfinite(y) and error > 0 and _digits(y) + _digits(error) >= _FEWEST_DIGITS else None
        for y, error in zip(estimates, errors, strict=True)
    ]
    for places in _alike(range(len(pairs)), pairs):
        first = places[0]
        for i in places[1:]:
            names = [f"{shortened(studies[at])!r} (row {numbers[at]})" for at in (i, first)]
            same = _plain(studies[i]) == _plain(studies[first])
            yield Verdict(
                numbers[i],
                outcome,
                studies[i],
                "same data twice",
                f"{estimates[i]:.10g}, {errors[i]:.10g}",
                math.nan,
                math.nan,
                True,
                math.nan,
                f"The effect of {names[0]} is that of {names[1]}, digit by digit: "
                + ("it counts twice." if same else "they look like one study under two names, which counts twice."),
                doubtful=True,
            )


def _digits(value: float) -> int:
    """How many digits a number has, without zeros at its beginning and end."""
    return len(f"{abs(value):.12e}".partition("e")[0].replace(".", "").strip("0"))


def _alike(at: Sequence[int], keys: Sequence[object]) -> Iterator[list[int]]:
    """Rows with the same key, two or more; none where the key says nothing."""
    groups: dict[object, list[int]] = defaultdict(list)
    for i, key in zip(at, keys, strict=True):
        if key:
            groups[key].append(i)
    yield from (rows for rows in groups.values() if len(rows) > 1)


def _data(table: StudyTable, i: int, fields: Sequence[str]) -> tuple[float, ...]:
    """What the row has of these numbers; what it has not is a number that none has, as NaN equals nothing."""
    return tuple(
        -1e300 if math.isnan(value) else value for value in (float(table.numbers[field].value[i]) for field in fields)
    )


def _all_data(table: StudyTable, i: int) -> tuple[float, ...] | None:
    """All numbers of a row, where they are enough to know a study by."""
    values = {field: float(table.numbers[field].value[i]) for field in _DATA}
    deviations = [values[f"sd{arm}"] for arm in ("1", "2", "") if values[f"sd{arm}"] > 0]
    events = sum(values[f"events{arm}"] for arm in ("1", "2", "") if values[f"events{arm}"] > 0)
    telling = bool(deviations) or events >= _FEWEST_EVENTS
    return _data(table, i, _DATA) if telling else None


def _complete(table: StudyTable, i: int, arm: str) -> bool:
    """Whether a group is described at all: people, and events or a standard deviation."""
    values = {field: float(table.numbers[f"{field}{arm}"].value[i]) for field in ("events", "n", "sd")}
    return values["n"] > 0 and (values["events"] > 0 or values["sd"] > 0)


def _shown(table: StudyTable, i: int, fields: Sequence[str]) -> str:
    texts = ((field, table.numbers[field].text[i]) for field in fields)
    return ", ".join(f"{field} = {text}" for field, text in texts if text)


def _plain(name: str) -> str:
    """A name as names are compared: without case and punctuation."""
    return " ".join(re.sub(r"[^\w]+", " ", name.casefold()).split())


def _family(name: str) -> str:
    """The study that a comparison is of: its name up to the year, or without what tells its parts apart."""
    line = " ".join(name.casefold().split())[:200]
    match = _YEAR.match(line)
    return _plain(match[1] if match else _PART.sub("", line))
