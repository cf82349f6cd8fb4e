"""Where the boxes and arrows of a flow diagram go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.draw_sheet import MM, SMALLER
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.risk_of_bias_parts import titled
from metaanalysis.plots.sheet import LINE, MIDDLE, Box, Path, Sheet, Words, first_baseline
from metaanalysis.plots.wrapping import longest_word, one_line, wrap

# In multiples of the font size.
EDGE, PAD, GAP, INDENT = 0.5, 0.55, 1.6, 0.9
STRIP = 1.9
# The least size of a phase's name, as a share of that of the texts.
PHASE = 0.75
# In points: by how much letters may shrink so that no word of the user's is broken.
FOR_OWN = 1.5
PHASES = ("Identification", "Screening", "Included")


@dataclass(frozen=True)
class Item:
    """A paragraph of a box; deep: how far it is set in; own: whether its words are the user's."""

    text: str
    deep: int = 0
    own: bool = False


Cells = tuple[Sequence[Item], Sequence[Item]]


@dataclass(frozen=True)
class Diagram:
    """The texts of a flow diagram: rows of a box and what leaves from it; empty where there is no such column."""

    main: tuple[Cells, ...]
    other: tuple[Cells, ...]
    previous: tuple[Item, ...]
    included: tuple[Item, ...]
    total: tuple[Item, ...]
    heads: tuple[str, str, str]

    def items(self) -> Iterator[Item]:
        """All paragraphs."""
        for cells in (*self.main, *self.other, (self.previous, self.included), (self.total, ())):
            yield from (*cells[0], *cells[1])


@dataclass(frozen=True)
class Columns:
    """From where to where each column goes, by its place: the previous studies, and the pairs of both ways of searching."""

    size: float
    strip: tuple[float, float]
    previous: tuple[float, float] | None
    main: tuple[tuple[float, float], tuple[float, float]]
    other: tuple[tuple[float, float], tuple[float, float]] | None

    @property
    def inner(self) -> float:
        """The room for texts in a box."""
        return self.main[0][1] - self.main[0][0] - 2 * PAD * self.size


def columns_of(what: Diagram, width: float, size: float) -> Columns:
    """The columns at a size of the letters, all of one width."""
    gap = GAP * size
    left = EDGE * size + STRIP * size + 0.5 * gap
    count = 2 + 2 * bool(what.other) + bool(what.previous)
    wide = (width - EDGE * size - left - gap * (count - 1)) / count
    places = [(left + (wide + gap) * j, left + (wide + gap) * j + wide) for j in range(count)]
    strip = (EDGE * size, (EDGE + STRIP) * size)
    first = places.pop(0) if what.previous else None
    pairs = ((places[0], places[1]), (places[2], places[3]) if what.other else None)
    return Columns(size, strip, first, pairs[0], pairs[1])


def arranged(what: Diagram, options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """Boxes as high as their texts, wrapped to their width; letters as large as the longest words allow."""
    every = [*(Item(head) for head in what.heads), *what.items()]
    smallest = min(options.style.smallest_font, options.font_size)
    size = largest_size(what, [item for item in every if not item.own], options.font_size, smallest, width, widths)
    if math.isnan(size):
        raise OptionError(
            f"the boxes of this flow diagram do not fit into {width / MM:.0f} mm: give more width (width_mm=), or a smaller "
            f"font_size."
        )
    # Words of the user's own are broken only where they would make all letters much smaller than those of every diagram.
    whole = largest_size(what, every, size, max(smallest, size - FOR_OWN), width, widths)
    size = size if math.isnan(whole) else whole
    return Layout(what, replace(options, font_size=size), columns_of(what, width, size), width, widths).sheet()


def largest_size(
    what: Diagram, words: Sequence[Item], size: float, smallest: float, width: float, widths: TextWidths
) -> float:
    """The largest size of the letters at which no word has to be broken; NaN where there is none."""

    def has_room(at: float) -> bool:
        def needs(item: Item) -> float:
            return item.deep * INDENT * at + longest_word(one_line(item.text), lambda part: widths.width(part, at))

        return columns_of(what, width, at).inner >= max(map(needs, words))

    while not has_room(size):
        if size <= smallest:
            return math.nan
        size = max(size - SMALLER, smallest)
    return size


@dataclass
class Layout:
    """Builds one diagram from the top down."""

    what: Diagram
    options: ChartOptions
    columns: Columns
    width: float
    widths: TextWidths
    boxes: list[Box] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    texts: list[Words] = field(default_factory=list)

    def sheet(self) -> Sheet:
        """Everything."""
        size, gap = self.columns.size, GAP * self.columns.size
        top = titled(self.options, self.width, self.widths)
        y = self.head_row(top.height) + 0.6 * gap
        rows, others = self.what.main, self.what.other
        starts, ends = [], []
        above: tuple[float, float] = (0.0, 0.0)
        for number, cells in enumerate(rows):
            other: Cells = others[number] if others else ((), ())
            previous = self.what.previous if number == 0 else ()
            high = self.height([*cells, *other, previous], PHASES[0] if number == 0 else "")
            starts.append(y)
            ends.append(y + high)
            self.pair(self.columns.main, cells, y, high, above[0])
            if self.columns.other is not None and other[0]:
                self.pair(self.columns.other, other, y, high, above[1])
            if self.columns.previous is not None and previous:
                self.box(self.columns.previous, previous, y, high)
            above = (y + high, y + high if other[0] else above[1])
            y += high + gap
        y = self.last_rows(y, above, ends[0])
        self.strips(((starts[0], ends[0]), (starts[1], ends[-1]), (ends[-1] + gap, y)))
        height = y + EDGE * size
        return Sheet(self.width, height, tuple(self.boxes), tuple(self.paths), (*top.texts, *self.texts))

    def last_rows(self, y: float, above: tuple[float, float], ends: float) -> float:
        """The boxes of the studies included, and where they end."""
        gap, (x0, x1) = GAP * self.columns.size, self.columns.main[0]
        middle = 0.5 * (x0 + x1)
        high = self.height([self.what.included], "" if self.what.total else PHASES[2])
        self.box((x0, x1), self.what.included, y, high)
        self.paths.append(Path(((middle, above[0]), (middle, y)), arrow=True))
        if self.columns.other is not None:
            across, level = 0.5 * sum(self.columns.other[0]), y + 0.5 * high
            self.paths.append(Path(((across, above[1]), (across, level), (x1, level)), arrow=True))
        y += high
        if self.what.total and self.columns.previous is not None:
            under = y + gap
            high = self.height([self.what.total])
            self.box((x0, x1), self.what.total, under, high)
            self.paths.append(Path(((middle, y), (middle, under)), arrow=True))
            across, level = 0.5 * sum(self.columns.previous), under + 0.5 * high
            self.paths.append(Path(((across, ends), (across, level), (x0, level)), arrow=True))
            y = under + high
        return y

    def pair(
        self,
        at: tuple[tuple[float, float], tuple[float, float]],
        cells: Cells,
        y: float,
        high: float,
        above: float,
    ) -> None:
        """A box under the one above it, and beside it what leaves there."""
        self.box(at[0], cells[0], y, high)
        middle = 0.5 * sum(at[0])
        if above:
            self.paths.append(Path(((middle, above), (middle, y)), arrow=True))
        if cells[1]:
            self.box(at[1], cells[1], y, high)
            self.paths.append(Path(((at[0][1], y + 0.5 * high), (at[1][0], y + 0.5 * high)), arrow=True))

    def lines(self, items: Sequence[Item]) -> list[tuple[str, float]]:
        """The lines of a box, and how far each is set in."""
        size, found = self.columns.size, []
        for item in items:
            deep = item.deep * INDENT * size
            broken = wrap(item.text, self.columns.inner - deep, lambda t: self.widths.width(t, size))
            found += [(line, deep) for line in broken]
        return found

    def height(self, cells: Sequence[Sequence[Item]], phase: str = "") -> float:
        """How high the highest of some boxes is, and the phase beside them in smaller letters."""
        size = self.columns.size
        beside = self.widths.width(phase, max(PHASE * size, min(size, self.options.style.smallest_font)), True) + 2.0
        return max((2 * PAD + LINE * max(len(self.lines(items)) for items in cells)) * size, beside)

    def box(self, at: tuple[float, float], items: Sequence[Item], y: float, high: float) -> None:
        """A box with its texts in the middle of its height."""
        size, lines = self.columns.size, self.lines(items)
        self.boxes.append(Box(at[0], y, at[1], y + high, key="box"))
        first = first_baseline(y, high, len(lines), size)
        self.texts += [
            Words(line, at[0] + PAD * size + deep, first + LINE * size * i, size, key="box")
            for i, (line, deep) in enumerate(lines)
        ]

    def head_row(self, y: float) -> float:
        """What the columns are, over them; where that ends."""
        size, columns = self.columns.size, self.columns
        spans = [(self.what.heads[1], (columns.main[0][0], columns.main[1][1]))]
        if columns.previous is not None:
            spans.append((self.what.heads[0], columns.previous))
        if columns.other is not None:
            spans.append((self.what.heads[2], (columns.other[0][0], columns.other[1][1])))
        broken = [
            (wrap(text, x1 - x0 - 2 * PAD * size, lambda t: self.widths.width(t, size, True)), x0, x1)
            for text, (x0, x1) in spans
        ]
        high = (2 * PAD + LINE * max(len(lines) for lines, _, _ in broken)) * size
        for lines, x0, x1 in broken:
            self.boxes.append(Box(x0, y, x1, y + high, "band", "", key="head"))
            first = first_baseline(y, high, len(lines), size)
            self.texts += [
                Words(line, 0.5 * (x0 + x1), first + LINE * size * i, size, "center", bold=True, key="head")
                for i, line in enumerate(lines)
            ]
        return y + high

    def strips(self, spans: Sequence[tuple[float, float]]) -> None:
        """The phases on the left, each beside its rows; in smaller letters where a phase is short."""
        x0, x1 = self.columns.strip
        for phase, (top, bottom) in zip(PHASES, spans, strict=True):
            one = self.widths.width(phase, 1.0, True)
            size = min(self.columns.size, (bottom - top - 2.0) / one)
            self.boxes.append(Box(x0, top, x1, bottom, "band", "", key="phase"))
            x = 0.5 * (x0 + x1) + MIDDLE * size
            self.texts.append(
                Words(phase, x, 0.5 * (top + bottom), size, "center", bold=True, upright=True, key="phase")
            )
