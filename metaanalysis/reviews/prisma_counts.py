"""Counts of a PRISMA 2020 flow diagram: whole numbers, and sums that add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metaanalysis.errors import DataError, nearest

REQUIRED = ("databases", "screened", "excluded", "sought", "not_retrieved", "assessed", "reports_excluded", "included")
OPTIONAL = ("registers", "removed", "included_reports")
REASONS = ("removed", "reports_excluded")
# What enters a box, what leaves on the way, and what the box must then hold.
SUMS = (
    (("databases", "registers"), "removed", "screened"),
    (("screened",), "excluded", "sought"),
    (("sought",), "not_retrieved", "assessed"),
    (("assessed",), "reports_excluded", "included_reports"),
)


def whole(value: object, box: str) -> int:
    """A count; DataError where it is none."""
    if isinstance(value, (int, float, np.integer)) and not isinstance(value, bool):
        number = float(value)
        if number >= 0 and number.is_integer():
            return int(number)
    raise DataError(f"box {box!r} holds {value!r}, which is not a count: give a whole number, 0 or above.")


def checked_counts(counts: object) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The number in each box, and the reasons behind those that have some; DataError names what does not add up."""
    if not isinstance(counts, Mapping):
        raise DataError(
            f"the counts are a dict of boxes, such as {{'databases': 120, …}}, not {type(counts).__name__}."
        )
    known = (*REQUIRED, *OPTIONAL)
    for name in counts:
        if name not in known:
            raise DataError(f"there is no box {name!r}.{nearest(str(name), known)} The boxes are: {', '.join(known)}.")
    lacking = [name for name in REQUIRED if name not in counts]
    if lacking:
        raise DataError(f"the counts lack {', '.join(map(repr, lacking))}: give 0 where there were none.")
    numbers_of: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    given: dict[str, Any] = {"registers": 0, "removed": 0, "included_reports": counts["included"], **counts}
    for name, value in given.items():
        if name in REASONS and isinstance(value, Mapping):
            reasons[name] = {str(reason): whole(n, f"{name}: {reason}") for reason, n in value.items()}
            numbers_of[name] = sum(reasons[name].values())
        else:
            numbers_of[name] = whole(value, name)
    wrong = []
    for sources, leaves, target in SUMS:
        expected = sum(numbers_of[name] for name in sources) - numbers_of[leaves]
        if expected != numbers_of[target]:
            sources_text = " + ".join(f"{name} ({numbers_of[name]})" for name in sources)
            off = numbers_of[target] - expected
            wrong.append(
                f"{sources_text} - {leaves} ({numbers_of[leaves]}) is {expected}, but {target} is {numbers_of[target]}, "
                f"{abs(off)} too {'many' if off > 0 else 'few'}"
            )
    if wrong:
        hint = "" if "included_reports" in counts else " Without 'included_reports', each study counts as one report."
        raise DataError(f"the boxes do not add up: {'; '.join(wrong)}.{hint}")
    if numbers_of["included"] > numbers_of["included_reports"]:
        raise DataError(
            f"included ({numbers_of['included']} studies) exceeds included_reports ({numbers_of['included_reports']}): "
            f"each study has at least one report."
        )
    return numbers_of, reasons
