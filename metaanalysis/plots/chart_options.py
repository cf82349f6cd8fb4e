"""How a chart looks: options that all charts share, checked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any, TypedDict

from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.forest_options import checked_limits, checked_number
from metaanalysis.plots.page import style_for
from metaanalysis.plots.style import DEFAULT, STYLES, Style


class Look(TypedDict, total=False):
    """Options of how a chart looks.

    title, x_label, y_label: texts; labels are by default what the axes are. xlim, ylim: limits, in the numbers that the axes
    print. width_mm, height_mm: size of a new figure (120 wide by default; 85 to 90 for a column, 180 for a page). font,
    font_size: an installed font, and points. legend, notes: whether to explain the marks, and to say what was done. style:
    colours and line widths, a `Style` or ``"dark"`` for a dark page; by default light, and dark on dark Axes or where matplotlib's
    settings make figures dark.
    """

    title: str
    x_label: str | None
    y_label: str | None
    xlim: tuple[float, float] | None
    ylim: tuple[float, float] | None
    width_mm: float
    height_mm: float | None
    font: str | None
    font_size: float
    legend: bool
    notes: bool
    style: Style | str | None


@dataclass(frozen=True)
class ChartOptions:
    """The options of `Look`, with their defaults."""

    title: str = ""
    x_label: str | None = None
    y_label: str | None = None
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    width_mm: float = 120.0
    height_mm: float | None = None
    font: str | None = None
    font_size: float = 8.0
    legend: bool = True
    notes: bool = True
    style: Style = DEFAULT

    def __post_init__(self) -> None:
        settle = object.__setattr__
        for name in ("title", "x_label", "y_label", "font"):
            if not isinstance(getattr(self, name), str | None):
                raise OptionError(f"{name}={getattr(self, name)!r} is not a text.")
        for name in ("xlim", "ylim"):
            value = getattr(self, name)
            settle(self, name, None if value is None else checked_limits(value, name))
        for name in ("width_mm", "height_mm", "font_size"):
            given = getattr(self, name)
            if given is None and name == "height_mm":
                continue
            value = checked_number(name, given, "a number above 0")
            if value <= 0:
                raise OptionError(f"{name}={value!r} is not a size: it is a number above 0.")
            settle(self, name, value)
        for name in ("legend", "notes"):
            checked_switch(name, getattr(self, name))
        if not isinstance(self.style, Style):
            raise OptionError(
                f"style={self.style!r} is not a Style: make one, as in Style(diamond='#333333'), or name one of "
                f"{', '.join(repr(name) for name in STYLES)}."
            )


LOOK = tuple(entry.name for entry in fields(ChartOptions))


def chart_options(plot: Callable[..., Any], look: Look, ax: object) -> ChartOptions:
    """The options of a plot's look on some Axes; OptionError for a keyword that the plot doesn't know, with the nearest names."""
    own = [name for name, p in signature(plot).parameters.items() if p.kind is p.KEYWORD_ONLY]
    known = [*own, *LOOK]
    for name in look:
        if name not in LOOK:
            raise OptionError(
                f"{plot.__name__} has no option {name!r}.{nearest(name, known)} The options are: {', '.join(known)}."
            )
    asked = look.get("style")
    if isinstance(asked, str) and asked not in STYLES:
        return ChartOptions(style=asked)  # type: ignore[arg-type]
    chosen: dict[str, Any] = {**look, "style": style_for(asked, DEFAULT, ax)}
    return ChartOptions(**chosen)


def checked_switch(option: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise OptionError(f"{option}={value!r} is not a choice: it is True or False.")
    return value


def checked_choice(option: str, value: object, choices: tuple[str, ...]) -> str:
    """One of some words."""
    if value not in choices:
        raise OptionError(
            f"{option}={value!r} is not a choice.{nearest(str(value), choices)} The choices are: {', '.join(choices)}."
        )
    return str(value)
