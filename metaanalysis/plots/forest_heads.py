"""The headings over the columns of a forest plot, and over its panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from metaanalysis.plots.forest_spec import PANEL, Align, Column, ColumnSet, Head
from metaanalysis.plots.placed import Placed, Rule, TextWidths
from metaanalysis.plots.wrapping import in_lines, longest_word, wrap

# In ems (multiples of the font size).
GAP = 1.15
GAP_IN_GROUP = 0.8
GAP_IN_HEAD = 0.5
GAP_OF_LIGHTS = 0.25
LINE = 1.22
MOST_LINES = 4
WIDER = 1.3
# How far a heading over the panel may reach beyond it, on either side.
BEYOND = 0.5


@dataclass(frozen=True)
class PlacedHead:
    """A heading in lines, and from where to where it stands."""

    head: Head
    lines: tuple[str, ...]
    low: float
    high: float
    bold: bool


def span(x: Mapping[str, tuple[float, float]], keys: Sequence[str]) -> tuple[float, float]:
    """Where the first of some columns begins and the last one ends."""
    return min(x[key][0] for key in keys), max(x[key][1] for key in keys)


def gap_before(side: Sequence[Column], i: int, heads: Sequence[Head]) -> float:
    """The gap before a column, in ems: small between what belongs together."""
    if i == 0:
        return 0.0
    if side[i - 1].lights and side[i].lights:
        return GAP_OF_LIGHTS
    pair = {side[i - 1].key, side[i].key}
    together = [head.level for head in heads if pair <= set(head.columns)]
    if not together:
        return GAP
    return GAP_IN_HEAD if min(together) == 0 else GAP_IN_GROUP


def head_lines(text: str, limit: float, bold: bool, size: float, widths: TextWidths) -> tuple[str, ...]:
    """A heading in lines, the breaks that it has among them."""
    own = [wrap(part, limit, lambda t: widths.width(t, size, bold)) for part in text.split("\n")]
    return tuple(line for lines in own for line in lines)


def placed_heads(
    columns: ColumnSet,
    x: Mapping[str, tuple[float, float]],
    panel: tuple[float, float],
    bold: bool,
    size: float,
    widths: TextWidths,
) -> tuple[PlacedHead, ...]:
    """Each heading in lines as wide as its columns."""
    found = []
    for head in columns.heads:
        if head.columns == (PANEL,):
            low, high = panel[0] - BEYOND * size, panel[1] + (BEYOND if columns.right else 0.3) * size
        else:
            low, high = span(x, head.columns)
        found.append(PlacedHead(head, head_lines(head.text, high - low + 0.01, bold, size, widths), low, high, bold))
    return tuple(found)


def make_room_for_heads(
    columns: ColumnSet, needed: dict[str, float], bold: bool, size: float, widths: TextWidths
) -> None:
    """Widen columns whose heading has a word that is wider than they are."""

    def width(text: str) -> float:
        return widths.width(text, size, bold)

    for head in sorted(columns.heads, key=lambda head: head.level):
        if head.columns == (PANEL,):
            continue
        side = columns.left if head.columns[0] in {c.key for c in columns.left} else columns.right
        keys = [column.key for column in side if column.key in head.columns]
        places = [i for i, column in enumerate(side) if column.key in head.columns]
        gaps = sum(gap_before(side, i, columns.heads) for i in places[1:]) * size
        have = sum(needed[key] for key in keys) + gaps
        want = longest_word(head.text.replace("\n", " "), width)
        if len(head_lines(head.text, max(have, want), bold, size, widths)) > MOST_LINES:
            want = max(width(line) for line in in_lines(head.text, MOST_LINES, width))
        if "\n" in head.text:
            # A heading that has lines of its own keeps them where that costs little.
            own = max(width(line) for line in head.text.split("\n"))
            want = own if own <= WIDER * have else want
        # The column of the intervals takes what the estimates' head needs; groups share it among their columns.
        widened = keys[-1:] if head.level == 0 else keys
        for key in widened:
            needed[key] += max(want - have, 0.0) / len(widened)


def place_heads(
    heads: Sequence[PlacedHead],
    aligns: Mapping[str, Align],
    texts: list[Placed],
    rules: list[Rule],
    y: float,
    size: float,
    over: Sequence[Placed] = (),
) -> float:
    """Headings, standing on the line under them; over: texts that stand over the panel, from height 0. Returns the end."""
    depth: dict[str, float] = {}
    for placed in heads:
        if placed.head.level == 0:
            for key in placed.head.columns:
                depth[key] = LINE * size * len(placed.lines)
    base: dict[tuple[str, ...], float] = {}
    tallest = max(depth.values(), default=0.0)
    lowest = max((text.y for text in over), default=0.0)
    tallest = max(tallest, lowest + 0.25 * size)
    for placed in heads:
        if placed.head.level == 1:
            own = placed.head.columns
            base[own] = max(depth[key] for key in own) + 0.45 * size
            tallest = max(tallest, base[own] + LINE * size * len(placed.lines))
    end = y + tallest
    for placed in heads:
        head, lines = placed.head, placed.lines
        under = base[head.columns] if head.level == 1 else 0.0
        align: Align = "center"
        if head.level == 0 and len(head.columns) == 1 and head.columns != (PANEL,):
            align = aligns[head.columns[0]]
        for i, line in enumerate(lines):
            baseline = end - under - LINE * size * (len(lines) - 1 - i) - 0.25 * size
            at = {"left": placed.low, "right": placed.high, "center": 0.5 * (placed.low + placed.high)}[align]
            texts.append(Placed(line, at, baseline, align, size, bold=placed.bold))
        if head.level == 1:
            rules.append(Rule(placed.low, placed.high, end - under + 0.1 * size, 0.5))
    texts += [replace(text, y=text.y + end - lowest - 0.25 * size) for text in over]
    return end
