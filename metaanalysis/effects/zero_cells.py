"""Stata's zero-cell modes by their own names: what ``zerocells(0.5, allif0)`` says, in our options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from metaanalysis.effects.measure import Measure
from metaanalysis.errors import OptionError
from metaanalysis.formulas.continuity import STATA_ZERO_CELLS
from metaanalysis.options import choose

# "only0", "allif0", "none", "tacc", an amount, or an amount with "only0" or "allif0".
ZeroCells: TypeAlias = str | float | Sequence[str | float]

REPLACED = ("add", "to", "addition")


def with_stata_zero_cells(given: Mapping[str, Any], entry: Measure) -> dict[str, Any]:
    """The options with Stata's `zerocells`, where it was given, put into `add`, `to` and `addition`."""
    options = {name: value for name, value in given.items() if name != "zerocells"}
    spec = given.get("zerocells")
    if spec is None:
        return options
    clash = [name for name in REPLACED if options.get(name) is not None]
    if clash:
        raise OptionError(f"zerocells says what {clash[0]} says too: give one of the two.")
    if entry.key not in ("OR", "RR"):
        raise OptionError(
            f"zerocells={spec!r} belongs to Stata's log odds ratios and log risk ratios, not to {entry.key}: use add and to."
        )
    amount, mode = amount_and_mode(spec)
    if mode == "tacc" and entry.key != "OR":
        raise OptionError("zerocells='tacc' belongs to odds ratios alone; for others use addition='treatment-arm'.")
    to, addition = STATA_ZERO_CELLS[mode]
    return {**options, "add": amount, "to": to, "addition": addition}


def amount_and_mode(spec: ZeroCells) -> tuple[float, str]:
    """What is added, and Stata's name for where; OptionError where Stata would not read it."""
    parts = [part.strip() for part in spec.split(",")] if isinstance(spec, str) else spec
    parts = [parts] if isinstance(parts, int | float) else list(parts)
    amount = 0.5
    number = as_number(parts[0]) if parts else None
    if number is not None:
        amount, parts = number, parts[1:] or ["only0"]
    mode = choose("zerocells", parts[0] if parts else "", list(STATA_ZERO_CELLS))
    if len(parts) != 1 or (number is not None and mode in ("none", "tacc")):
        raise OptionError(
            f"zerocells={spec!r} can't be read: it is 'none', 'tacc', or an amount with 'only0' or 'allif0', as in '0.5, allif0'."
        )
    return amount, mode


def as_number(part: object) -> float | None:
    """A number that was given as one, or as text."""
    if isinstance(part, int | float) and not isinstance(part, bool):
        return float(part)
    try:
        number = float(str(part))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
