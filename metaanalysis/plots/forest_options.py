"""The options of a forest plot, checked once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.forest_look import LOOKS, ForestLook
from metaanalysis.plots.style import STYLES, Style

# From what is known of a study, by name, to what a column says of it.
ColumnFunction: TypeAlias = Callable[[Mapping[str, Any]], object]
# Names of columns or functions, or a mapping of these to headings.
Columns: TypeAlias = Sequence[str | ColumnFunction] | Mapping[str | ColumnFunction, str]
PREDICTIONS = ("bar", "polygon", "density")


@dataclass(frozen=True)
class ForestOptions:
    """See `metaanalysis.plots.forest`, whose keywords these are."""

    layout: str = "default"
    left: Columns | None = None
    right: Columns | None = None
    risk_of_bias: Columns | None = None
    sort: str | Sequence[str] | None = None
    groups: tuple[str, str] | None = None
    favours: tuple[str, str] | bool | None = None
    decimals: int | None = None
    xlim: tuple[float, float] | None = None
    ticks: Sequence[float] | None = None
    null_line: float | bool = True
    axis_label: str | None = None
    title: str = ""
    study_heading: str | None = None
    prediction: bool | str | None = None
    notes: bool = True
    width_mm: float = 180.0
    font: str | None = None
    font_size: float = 8.0
    style: Style | str | None = None
    # The functions among the columns, by the names that stand for them.
    functions: Mapping[str, ColumnFunction] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        settle = object.__setattr__
        if not isinstance(self.layout, str) or self.layout not in LOOKS:
            raise OptionError(
                f"layout={self.layout!r} is not a layout.{nearest(str(self.layout), LOOKS)} "
                f"The layouts are: {', '.join(LOOKS)}."
            )
        for side in ("left", "right"):
            columns, functions = checked_columns(side, getattr(self, side))
            settle(self, side, columns)
            settle(self, "functions", {**self.functions, **functions})
        settle(self, "risk_of_bias", checked_columns("risk_of_bias", self.risk_of_bias)[0])
        settle(self, "sort", checked_sort(self.sort))
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
        if not isinstance(self.notes, bool):
            raise OptionError(f"notes={self.notes!r} is not a choice: it is True or False.")
        if not isinstance(self.prediction, bool | None) and self.prediction not in PREDICTIONS:
            raise OptionError(
                f"prediction={self.prediction!r} is not a choice.{nearest(str(self.prediction), PREDICTIONS)} "
                f"It is {', '.join(repr(name) for name in PREDICTIONS)}, True or False."
            )
        if self.style is not None and not isinstance(self.style, Style) and self.style not in STYLES:
            raise OptionError(
                f"style={self.style!r} is not a Style: make one, as in Style(square='#999999'), or name one of "
                f"{', '.join(repr(name) for name in STYLES)}."
            )

    def names(self, side: str) -> list[str] | None:
        """The names of the columns of ``left``, ``right`` or ``risk_of_bias``; None where the user chose none."""
        given = getattr(self, side)
        return None if given is None else [str(name) for name in given]

    def headings(self, side: str) -> dict[str, str]:
        """The headings that the user gave with the columns of a side."""
        given = getattr(self, side)
        if not isinstance(given, Mapping):
            return {}
        return {str(name): str(heading) for name, heading in given.items() if heading is not None}

    @property
    def look(self) -> ForestLook:
        """The layout itself."""
        return LOOKS[self.layout]

    @property
    def page_style(self) -> Style | None:
        """The colours asked for; None where the layout's own are to be taken."""
        return STYLES[self.style] if isinstance(self.style, str) else self.style

    @property
    def prediction_shape(self) -> str:
        """How the prediction interval is drawn: "" for not at all."""
        if isinstance(self.prediction, str):
            return self.prediction
        if self.prediction is None:
            return self.look.prediction
        return (self.look.prediction or "bar") if self.prediction else ""


NAMES = tuple(entry.name for entry in fields(ForestOptions) if entry.init)


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


def checked_columns(side: str, value: object) -> tuple[Columns | None, dict[str, ColumnFunction]]:
    """Names of columns, each once, and the functions among them; whether the columns exist is for the data to say."""
    if value is None:
        return None, {}
    if isinstance(value, str) or not isinstance(value, Sequence | Mapping):
        raise OptionError(f'{side}={value!r} must be a list of column names, as in {side}=["study", "year"].')
    functions: dict[str, ColumnFunction] = {}
    names: list[str] = []
    for given in value:
        name = given
        if callable(given) and side != "risk_of_bias":
            name = f"{getattr(given, '__name__', 'function')} ({side} {len(names) + 1})"
            functions[name] = given
        if not isinstance(name, str):
            raise OptionError(f"{side}={value!r} must be a list of column names: each is a text.")
        names.append(name)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"{side} names the column {twice!r} more than once.")
    if isinstance(value, Mapping):
        return dict(zip(names, value.values(), strict=True)), functions
    return tuple(names), functions


def checked_sort(value: object) -> tuple[str, ...] | None:
    """Names to sort by, the first first."""
    if value is None or (isinstance(value, str) and value):
        return None if value is None else (str(value),)
    if isinstance(value, Sequence) and value and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise OptionError(f"sort={value!r} must be the name of a column, or several, as in sort='-weight'.")


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
