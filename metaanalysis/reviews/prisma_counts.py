"""Counts of a PRISMA 2020 flow diagram: whole numbers, and sums that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaanalysis.errors import DataError, nearest

REQUIRED = ("databases", "screened", "excluded", "sought", "not_retrieved", "assessed", "reports_excluded", "included")
SOURCES = ("websites", "organisations", "citation_searching", "other_sources")
OTHER = (*SOURCES, "other_sought", "other_not_retrieved", "other_assessed", "other_excluded")
PREVIOUS = ("previous_studies", "previous_reports")
TOTALS = ("total_studies", "total_reports")
OPTIONAL = ("registers", "removed", "included_reports", *OTHER, *PREVIOUS, *TOTALS)
# Boxes that may be dicts of parts and their numbers.
PARTS = ("databases", "registers", "removed", "excluded", "reports_excluded", "other_sources", "other_excluded")
# What enters a box, what leaves on the way, and the box that holds the rest.
SUMS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("databases", "registers"), ("removed",), "screened"),
    (("screened",), ("excluded",), "sought"),
    (("sought",), ("not_retrieved",), "assessed"),
    (SOURCES, (), "other_sought"),
    (("other_sought",), ("other_not_retrieved",), "other_assessed"),
    (("assessed", "other_assessed"), ("reports_excluded", "other_excluded"), "included_reports"),
    (("included", "previous_studies"), (), "total_studies"),
    (("included_reports", "previous_reports"), (), "total_reports"),
)


@dataclass(frozen=True)
class Flow:
    """The number in each box, the parts of those that have some, and which columns of the diagram there are."""

    n: Mapping[str, int]
    parts: Mapping[str, Mapping[str, int]]
    other: bool
    previous: bool


def whole(value: object, box: str) -> int:
    """A count; DataError where it is none."""
    if isinstance(value, (int, float, np.integer)) and not isinstance(value, bool):
        number = float(value)
        if number >= 0 and number.is_integer():
            return int(number)
    raise DataError(f"box {box!r} holds {value!r}, which is not a count: give a whole number, 0 or above.")


def counted(given: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The number in each box, and the parts of those that have some."""
    n: dict[str, int] = {}
    parts: dict[str, dict[str, int]] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            if name not in PARTS:
                raise DataError(f"box {name!r} is one number, and can't be a dict of parts.")
            parts[name] = {str(part): whole(m, f"{name}: {part}") for part, m in value.items()}
            n[name] = sum(parts[name].values())
        else:
            n[name] = whole(value, name)
    return n, parts


def checked_counts(counts: object) -> Flow:
    """The numbers of all boxes; DataError names what does not add up, and by how much."""
    if not isinstance(counts, Mapping):
        raise DataError(
            f"the counts are a dict of boxes, such as {{'databases': 120, …}}, not {type(counts).__name__}."
        )
    known = (*REQUIRED, *OPTIONAL)
    for name in counts:
        if name not in known:
            raise DataError(f"there is no box {name!r}.{nearest(str(name), known)} The boxes are: {', '.join(known)}.")
    other, previous = any(name in counts for name in OTHER), any(name in counts for name in (*PREVIOUS, *TOTALS))
    required = [*REQUIRED, *(("other_assessed", "other_excluded") if other else ())]
    required += ["previous_studies"] if previous else []
    lacking = [name for name in required if name not in counts]
    if lacking:
        raise DataError(f"the counts lack {', '.join(map(repr, lacking))}: give 0 where there were none.")
    n, parts = counted(counts)
    for name in ("registers", "removed", *SOURCES, "other_assessed", "other_excluded", "previous_studies"):
        n.setdefault(name, 0)
    n.setdefault("included_reports", n["included"])
    n.setdefault("previous_reports", n["previous_studies"])
    n.setdefault("other_sought", sum(n[name] for name in SOURCES))
    n.setdefault("other_not_retrieved", 0)
    n.setdefault("total_studies", n["included"] + n["previous_studies"])
    n.setdefault("total_reports", n["included_reports"] + n["previous_reports"])
    wrong = [said for one in SUMS if (said := difference(n, *one))]
    if wrong:
        hint = "" if "included_reports" in counts else " Without 'included_reports', each study counts as one report."
        raise DataError(f"the boxes do not add up: {'; '.join(wrong)}.{hint}")
    for studies, reports in (("included", "included_reports"), ("previous_studies", "previous_reports")):
        if n[studies] > n[reports]:
            raise DataError(
                f"{studies} ({n[studies]} studies) exceeds {reports} ({n[reports]}): each study has at least one report."
            )
    return Flow(n, parts, other, previous)


def difference(n: Mapping[str, int], sources: tuple[str, ...], leaves: tuple[str, ...], target: str) -> str:
    """What does not add up, as a sentence; empty where all does."""
    expected = sum(n[name] for name in sources) - sum(n[name] for name in leaves)
    if expected == n[target]:
        return ""
    # Boxes that hold nothing need not be named, but for the first.
    shown = [name for i, name in enumerate(sources) if n[name] or i == 0]
    text = " + ".join(f"{name} ({n[name]})" for name in shown)
    gone = [name for i, name in enumerate(leaves) if n[name] or i == 0]
    text += "".join(f" - {name} ({n[name]})" for name in gone)
    off = n[target] - expected
    return f"{text} is {expected}, but {target} is {n[target]}, {abs(off)} too {'many' if off > 0 else 'few'}"
