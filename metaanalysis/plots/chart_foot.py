"""What stands under the panel of a chart: the x axis's label, the legend and the notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metaanalysis.plots.chart_spec import ChartSpec, Entry
from metaanalysis.plots.placed import Placed, TextWidths
from metaanalysis.plots.wrapping import in_lines, wrap

TICK_LENGTH = 2.5
TICK_PAD = 2.0
# In multiples of the font size.
LINE = 1.3
ENTRY = 1.45
SAMPLE = 2.0
GAP = 0.5
GAP_OF_ENTRIES = 1.6


@dataclass(frozen=True)
class PlacedEntry:
    """A sample in the legend: its left end, the height of its middle, and its width."""

    entry: Entry
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Foot:
    """Texts and samples, their heights counted from the bottom of the panel, and how far down they reach."""

    texts: tuple[Placed, ...]
    entries: tuple[PlacedEntry, ...]
    height: float

    def at(self, bottom: float) -> tuple[list[Placed], list[PlacedEntry]]:
        """The same under a panel that ends there."""
        texts = [Placed(t.text, t.x, t.y + bottom, t.align, t.size, t.bold, t.quiet) for t in self.texts]
        return texts, [PlacedEntry(e.entry, e.x, e.y + bottom, e.width) for e in self.entries]


@dataclass(frozen=True)
class LegendCell:
    """An entry of the legend with the lines of its text, and where it begins."""

    entry: Entry
    lines: tuple[str, ...]
    x: float


def foot(
    spec: ChartSpec,
    left: float,
    right: float,
    margin: float,
    width: float,
    size: float,
    small: float,
    widths: TextWidths,
) -> Foot:
    """Everything under a panel from left to right; small: the size of the notes."""
    texts: list[Placed] = []
    entries: list[PlacedEntry] = []
    y = TICK_LENGTH + TICK_PAD + 1.15 * size
    for line in balanced(spec.x.label, right - left, lambda text: widths.width(text, size)):
        texts.append(Placed(line, 0.5 * (left + right), y + 0.95 * size, "center", size))
        y += LINE * size
    y += 0.2 * size
    rows = legend_rows(spec.legend, left, width - margin, size, widths)
    y += GAP * size if rows else 0.0
    for row in rows:
        for cell in row:
            entries.append(PlacedEntry(cell.entry, cell.x, y + 0.6 * size, SAMPLE * size))
            at = cell.x + (SAMPLE + GAP) * size
            texts += [Placed(line, at, y + (0.95 + LINE * i) * size, "left", size) for i, line in enumerate(cell.lines)]
        y += (ENTRY + LINE * (max(len(cell.lines) for cell in row) - 1)) * size
    room = width - 2 * margin
    notes = [line for note in spec.notes for line in wrap(note, room, lambda text: widths.width(text, small))]
    y += GAP * size if notes else 0.0
    for line in notes:
        texts.append(Placed(line, margin, y + 0.9 * small, "left", small, quiet=True))
        y += LINE * small
    return Foot(tuple(texts), tuple(entries), y + margin)


def legend_rows(
    entries: Sequence[Entry], left: float, right: float, size: float, widths: TextWidths
) -> list[list[LegendCell]]:
    """Entries side by side as long as there is room; a text that is too long for a row of its own is broken."""
    rows: list[list[LegendCell]] = []
    x, sample = right, (SAMPLE + GAP) * size
    for entry in entries:
        lines = wrap(entry.text, right - left - sample, lambda text: widths.width(text, size))
        needed = sample + max(widths.width(line, size) for line in lines)
        if not rows or x + needed > right:
            rows.append([])
            x = left
        rows[-1].append(LegendCell(entry, lines, x))
        x += needed + GAP_OF_ENTRIES * size
    return rows


def balanced(text: str, limit: float, measured: Callable[[str], float]) -> tuple[str, ...]:
    """As few lines as the limit takes, of about the same width."""
    if not text:
        return ()
    return in_lines(text, len(wrap(text, limit, measured)), measured)
