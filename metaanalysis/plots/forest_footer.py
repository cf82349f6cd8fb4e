"""What stands under the panel of a forest plot: ticks, the axis's label and directions, and the notes."""

from __future__ import annotations

from dataclasses import dataclass

from metaanalysis.plots.axis import Tick, choose_ticks, have_room, tick_label, to_axis
from metaanalysis.plots.forest_spec import AxisSpec, ForestSpec
from metaanalysis.plots.placed import Placed, TextWidths
from metaanalysis.plots.style import Style
from metaanalysis.plots.wrapping import in_lines, wrap

LINE = 1.3
# Points from the axis to the top of its numbers.
TICK_LENGTH = 2.5
TICK_PAD = 2.0
ARROW_LEFT, ARROW_RIGHT = "← ", " →"


@dataclass(frozen=True)
class Footer:
    """Texts, ticks, and where it all ends; broken: a word of the directions had no room and was cut."""

    texts: tuple[Placed, ...]
    ticks: tuple[Tick, ...]
    bottom: float
    broken: bool = False


@dataclass(frozen=True)
class Panel:
    """The panel's edges and the room that its labels may take, in points."""

    axis: AxisSpec
    left: float
    right: float
    bottom: float
    low: float
    high: float
    size: float
    widths: TextWidths

    def place(self, x: float) -> float:
        """Where a number lies."""
        low, high, u = (to_axis(value, self.axis.log) for value in (self.axis.low, self.axis.high, x))
        return self.left + (u - low) / (high - low) * (self.right - self.left)

    def width(self, text: str) -> float:
        """The width of a text."""
        return self.widths.width(text, self.size)


def footer(
    spec: ForestSpec,
    margin: float,
    left_block: float,
    left: float,
    right: float,
    bottom: float,
    size: float,
    width: float,
    widths: TextWidths,
    style: Style,
) -> Footer:
    """Notes beside the axis's labels where they have room there, else under them."""
    small = max(size - 0.5, min(style.smallest_font, size))

    def lines_within(limit: float) -> list[str]:
        return [line for note in spec.notes for line in wrap(note, limit, lambda t: widths.width(t, small))]

    over, arrows = spec.manner.directions_over, spec.manner.arrows
    under = under_axis(Panel(spec.axis, left, right, bottom, margin, width - margin, size, widths), over, arrows)
    wide = lines_within(width - 2 * margin)
    stacked = under.bottom + (0.6 * size + LINE * small * len(wide) if wide else 0.0)
    if not wide:
        return under
    narrow = lines_within(left_block + 0.6 * size - margin)
    room = Panel(spec.axis, left, right, bottom, left_block + 1.0 * size, width - margin, size, widths)
    beside = under_axis(room, over, arrows)
    notes_end = bottom + 0.5 * size + LINE * small * len(narrow)
    together = max(beside.bottom, notes_end)
    if left_block - margin >= 14 * size and together <= stacked + 1.0 * size and not beside.broken:
        placed = notes(narrow, margin, bottom + 0.5 * size, small)
        return Footer(beside.texts + placed, beside.ticks, together)
    placed = notes(wide, margin, under.bottom + 0.6 * size, small)
    return Footer(under.texts + placed, under.ticks, stacked)


def notes(lines: list[str], x: float, y: float, size: float) -> tuple[Placed, ...]:
    """Notes under each other from a height."""
    return tuple(
        Placed(line, x, y + LINE * size * (i + 0.72), "left", size, quiet=True) for i, line in enumerate(lines)
    )


def directions(panel: Panel, favours: tuple[str, str], arrows: bool) -> tuple[Placed, ...]:
    """What the directions of the axis mean, from height 0 downward; nothing where a word would have to be cut."""
    texts: list[Placed] = []
    _, cut = place_favours(panel, favours, texts, 0.0, arrows)
    return () if cut else tuple(texts)


def under_axis(panel: Panel, directions_over: bool = False, arrows: bool = True) -> Footer:
    """Ticks, directions and label."""
    axis, size = panel.axis, panel.size
    bounds = (panel.low, panel.high)
    if axis.ticks is None:
        ticks = choose_ticks(axis.low, axis.high, axis.log, panel.place, panel.width, 0.7 * size, bounds)
    else:
        ticks = asked_for(panel, bounds)
    y = panel.bottom + TICK_LENGTH + TICK_PAD + 1.15 * size
    texts: list[Placed] = []
    cut = False
    if axis.favours is not None and not directions_over:
        y, cut = place_favours(panel, axis.favours, texts, y + 0.15 * size, arrows)
    room = min(panel.high - panel.low, 1.25 * (panel.right - panel.left))
    lines = wrap(axis.label, room, panel.width) if axis.label else ()
    middle = 0.5 * (panel.left + panel.right)
    half = 0.5 * max((panel.width(line) for line in lines), default=0.0)
    middle = min(max(middle, panel.low + half), panel.high - half)
    for line in lines:
        texts.append(Placed(line, middle, y + 0.95 * size, "center", size))
        y += LINE * size
    return Footer(tuple(texts), ticks, y + 0.1 * size, cut)


def asked_for(panel: Panel, bounds: tuple[float, float]) -> tuple[Tick, ...]:
    """The user's ticks; numbers that have no room go without their label."""
    ticks: list[Tick] = []
    labelled: list[Tick] = []
    for x in panel.axis.ticks or ():
        if panel.axis.low <= x <= panel.axis.high:
            tick = (x, tick_label(x))
            fits = have_room([*labelled, tick], panel.place, panel.width, 0.4 * panel.size, bounds)
            labelled += [tick] if fits else []
            ticks.append(tick if fits else (x, ""))
    return tuple(ticks)


def place_favours(
    panel: Panel, favours: tuple[str, str], texts: list[Placed], y: float, arrows: bool = True
) -> tuple[float, bool]:
    """What lies left and right of the line of no effect, on either side of it; where they end, and whether a word was cut."""
    size = panel.size
    low, high, gap = panel.low, panel.high, 0.6 * panel.size
    null = panel.axis.null
    at = 0.5 * (panel.left + panel.right) if null is None else min(max(panel.place(null), panel.left), panel.right)
    sides = (ARROW_LEFT + favours[0], favours[1] + ARROW_RIGHT) if arrows else favours
    chosen: tuple[float, tuple[tuple[str, ...], ...]] | None = None
    for count in (1, 2, 3):
        lines = tuple(in_lines(side, count, panel.width) for side in sides)
        left, right = (max(panel.width(line) for line in side) for side in lines)
        if left + right + 2 * gap > high - low:
            continue
        split = min(max(at, low + left + gap), high - right - gap)
        if chosen is None or abs(split - at) < abs(chosen[0] - at) - 4.0 * size:
            chosen = (split, lines)
    cut = chosen is None
    if chosen is None:
        half = 0.5 * (high - low) - gap
        chosen = (0.5 * (low + high), tuple(wrap(side, half, panel.width) for side in sides))
    split, lines = chosen
    for side, align, x in ((lines[0], "right", split - gap), (lines[1], "left", split + gap)):
        for i, line in enumerate(side):
            texts.append(Placed(line, x, y + (0.95 + LINE * i) * size, "right" if align == "right" else "left", size))
    return y + LINE * size * max(len(side) for side in lines), cut
