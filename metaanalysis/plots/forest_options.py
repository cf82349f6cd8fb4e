"""The options of a forest plot, checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.style import DEFAULT, Style

# Names of columns, or a mapping of names to headings.
Columns: TypeAlias = Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class ForestOptions:
    """See `metaanalysis.plots.forest`, whose keywords these are."""

    left: Columns | None = None
    right: Columns | None = None
    groups: tuple[str, str] | None = None
    favours: tuple[str, str] | bool | None = None
    decimals: int | None = None
    xlim: tuple[float, float] | None = None
    ticks: Sequence[float] | None = None
    null_line: float | bool = True
    axis_label: str | None = None
    title: str = ""
    study_heading: str = "Study"
    prediction: bool = True
    notes: bool = True
    width_mm: float = 180.0
    font: str | None = None
    font_size: float = 8.0
    style: Style = DEFAULT

    def __post_init__(self) -> None:
        settle = object.__setattr__
        for side in ("left", "right"):
            settle(self, side, checked_columns(side, getattr(self, side)))
        settle(self, "groups", checked_pair("groups", self.groups, '("Vaccinated", "Not vaccinated")'))
        if not isinstance(self.favours, bool):
            settle(
                self, "favours", checked_pair("favours", self.favours, '("treatment", "control"), or False for none')
            )
        if self.decimals is not None and not (
            isinstance(self.decimals, int) and not isinstance(self.decimals, bool) and 0 <= self.decimals <= 8
        ):
            raise OptionError(
                f"decimals={self.decimals!r} is not a number of decimals: it is a whole number from 0 to 8."
            )
        if self.xlim is not None:
            settle(self, "xlim", checked_limits(self.xlim))
        if self.ticks is not None:
            settle(self, "ticks", checked_ticks(self.ticks))
        if not isinstance(self.null_line, bool):
            settle(self, "null_line", checked_number("null_line", self.null_line, "a number, True or False"))
        for name in ("width_mm", "font_size"):
            value = checked_number(name, getattr(self, name), "a number above 0")
            if value <= 0:
                raise OptionError(f"{name}={value!r} is not a size: it is a number above 0.")
            settle(self, name, value)
        for name in ("title", "study_heading", "axis_label", "font"):
            if not isinstance(getattr(self, name), str | None):
                raise OptionError(f"{name}={getattr(self, name)!r} is not a text.")
        for name in ("prediction", "notes"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}={getattr(self, name)!r} is not a choice: it is True or False.")
        if not isinstance(self.style, Style):
            raise OptionError(f"style={self.style!r} is not a Style: make one, as in Style(square='#999999').")


NAMES = tuple(entry.name for entry in fields(ForestOptions))


def refuse_unknown(given: Mapping[str, Any], plot: str = "forest") -> None:
    """OptionError for the first keyword that a forest plot doesn't know, with the nearest names."""
    for name in given:
        if name not in NAMES:
            raise OptionError(
                f"{plot} has no option {name!r}.{nearest(name, NAMES)} The options are: {', '.join(NAMES)}."
            )


def checked_number(option: str, value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionError(f"{option}={value!r} is not a choice: it is {what}.")
    return float(value)


def checked_pair(option: str, value: object, example: str) -> tuple[str, str] | None:
    """Two texts, or None."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise OptionError(f"{option}={value!r} must be two texts, as in {option}={example}.")
    if not all(isinstance(text, str) for text in value):
        raise OptionError(f"{option}={value!r} must be two texts, as in {option}={example}.")
    return (value[0], value[1])


def checked_columns(side: str, value: object) -> Columns | None:
    """Names of columns, each once; whether they exist is for the data to say."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence | Mapping):
        raise OptionError(f'{side}={value!r} must be a list of column names, as in {side}=["study", "year"].')
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(f"{side}={value!r} must be a list of column names: each is a text.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"{side} names the column {twice!r} more than once.")
    return dict(value) if isinstance(value, Mapping) else tuple(names)


def checked_limits(value: object, option: str = "xlim") -> tuple[float, float]:
    """Two finite numbers, the lower first."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        low, high = (checked_number(option, x, "two numbers, the lower first") for x in value)
        if low < high:
            return low, high
    raise OptionError(
        f"{option}={value!r} is not an axis: it is two numbers, the lower first, as in {option}=(0.1, 10)."
    )


def checked_ticks(value: object) -> tuple[float, ...]:
    """Finite numbers in ascending order."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise OptionError(f"ticks={value!r} must be a list of numbers, as in ticks=[0.5, 1, 2].")
    return tuple(sorted({checked_number("ticks", x, "a list of numbers") for x in value}))
