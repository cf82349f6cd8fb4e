"""Where everything in a forest plot goes, in points from the top left corner, from the measured widths of its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from metaanalysis.errors import OptionError
from metaanalysis.plots.axis import Tick
from metaanalysis.plots.forest_footer import Footer, Panel, directions, footer
from metaanalysis.plots.forest_heads import (
    PlacedHead,
    gap_before,
    make_room_for_heads,
    place_heads,
    placed_heads,
)
from metaanalysis.plots.forest_spec import Align, Column, ColumnSet, ForestSpec, Kind, Mark, Row
from metaanalysis.plots.placed import Placed, Rule, TextWidths
from metaanalysis.plots.risk_of_bias_colours import Judgement
from metaanalysis.plots.style import Style
from metaanalysis.plots.wrapping import wrap

MM = 72.0 / 25.4
# In ems (multiples of the font size).
MARGIN = 0.4
GAP_PANEL = 1.5
INDENT = 0.9
LINE = 1.22
LIGHT = 1.3
BASELINE = 0.36
MOST_LINES = 8
SHORT_NAME = 12.0
BOLD: tuple[Kind, ...] = ("group", "pooled", "overall")
# Rows with some space over them, but for pooled rows that follow each other.
SPACED: tuple[Kind, ...] = ("group", "overall")
AFTER_OVERALL: tuple[Kind, ...] = ("overall", "prediction", "sum")


@dataclass(frozen=True)
class PlacedMark:
    """A mark at its height."""

    y: float
    kind: Kind
    mark: Mark


@dataclass(frozen=True)
class PlacedLight:
    """A judgement in its circle: the middle and the diameter."""

    x: float
    y: float
    diameter: float
    judgement: Judgement


@dataclass(frozen=True)
class ForestLayout:
    """Everything at its place.

    breaks: heights at which vertical lines make room for a text across the panel. bands: tinted stripes, from height to height
    over the whole width.
    """

    width: float
    height: float
    size: float
    pitch: float
    left: float
    right: float
    top: float
    bottom: float
    texts: tuple[Placed, ...]
    rules: tuple[Rule, ...]
    marks: tuple[PlacedMark, ...]
    ticks: tuple[Tick, ...]
    breaks: tuple[tuple[float, float], ...]
    lights: tuple[PlacedLight, ...] = ()
    bands: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Plan:
    """One way to try: which columns, at which size, names no wider than a share of the width, a panel no narrower than one."""

    columns: ColumnSet
    size: float
    name_share: float
    panel_share: float
    leading: float


def arrange(
    spec: ForestSpec, widths: TextWidths, width: float, height: float | None, size: float, style: Style
) -> ForestLayout:
    """The first plan that has room: all columns at full size, then names in lines, smaller type, fewer columns.

    width, height: points; the height follows from the rows where it is None. OptionError where nothing fits.
    """
    shortest = None
    for shown, plan, across in fitting_plans(spec, widths, width, size, style, height is None):
        found = down(shown, plan, across, widths, width, style)
        if height is None:
            return found
        if found.height <= height:
            return stretched(shown, plan, across, widths, width, height, style)
        shortest = found.height if shortest is None else min(shortest, found.height)
    raise OptionError(
        f"the forest plot needs {(shortest or 0.0) / 72:.1f} inches of height and these Axes have {(height or 0.0) / 72:.1f}: "
        f"make the figure taller, leave out the notes (notes=False), or let forest make its own figure (ax=None)."
    )


def fitting_plans(
    spec: ForestSpec, widths: TextWidths, width: float, size: float, style: Style, free_height: bool
) -> Iterator[tuple[ForestSpec, Plan, Across]]:
    """The plans whose columns have room, in the order of preference; OptionError where there is none."""
    none = True
    for plan in plans(spec, width, size, style, free_height):
        shown = replace(spec, rows=shown_rows(spec.rows, plan.columns))
        across = Across.fit(shown, plan, widths, width)
        if across is not None:
            none = False
            yield shown, plan, across
    if none:
        raise OptionError(
            f"the columns don't fit into a width of {width / MM:.0f} mm, even in type of {style.smallest_font:g} points: "
            f"leave out a column (left=, right=) or make the figure wider (width_mm=)."
        )


def shown_rows(rows: Sequence[Row], columns: ColumnSet) -> tuple[Row, ...]:
    """All rows but sums whose columns aren't there."""
    keys = {column.key for column in (*columns.left, *columns.right)} - {"study"}
    return tuple(row for row in rows if row.kind != "sum" or keys & set(row.cells))


def plans(spec: ForestSpec, width: float, size: float, style: Style, free_height: bool) -> Iterator[Plan]:
    """The plans in the order of preference."""
    least = min(style.smallest_font, size)
    sizes = [size - 0.5 * step for step in range(int((size - least) / 0.5) + 1)]
    large, readable = [s for s in sizes if s >= 0.87 * size], [s for s in sizes if s >= 0.8 * size]
    small = [s for s in sizes if s < 0.8 * size]
    leadings = (style.leading,) if free_height else (style.leading, 1.3)
    comfortable = ((large, 0.36, 0.26), (readable, 0.36, 0.22), (readable, 0.27, 0.22))
    cramped = ((small, 0.27, 0.2), (small, 0.2, 0.18))
    # A column less is better than names of a few words in many lines.
    for attempts, least_name in ((comfortable, SHORT_NAME), (comfortable, 0.0), (cramped, 0.0)):
        for columns in spec.column_sets:
            for some, names, panel in attempts:
                for s in some:
                    if names * width >= least_name * s:
                        yield from (Plan(columns, s, names, panel, leading) for leading in leadings)


@dataclass(frozen=True)
class Across:
    """The horizontal half of a layout: where columns begin and end, and the lines of their texts."""

    x: Mapping[str, tuple[float, float]]
    aligns: Mapping[str, Align]
    lines: tuple[Mapping[str, tuple[str, ...]], ...]
    heads: tuple[PlacedHead, ...]
    margin: float
    left_block: float
    left: float
    right: float

    @classmethod
    def fit(cls, spec: ForestSpec, plan: Plan, widths: TextWidths, width: float) -> Across | None:
        """None where the panel would be too narrow."""
        size, margin = plan.size, MARGIN * plan.size
        sides = (plan.columns.left, plan.columns.right)
        columns = [column for side in sides for column in side]
        lines = tuple(lines_of(row, columns, plan, widths, width) for row in spec.rows)
        needed = {column.key: content_width(spec.rows, lines, column, size, widths) for column in columns}
        make_room_for_heads(plan.columns, needed, spec.manner.bold_heads, size, widths)
        x: dict[str, tuple[float, float]] = {}
        at = margin
        for i, column in enumerate(sides[0]):
            at += gap_before(sides[0], i, plan.columns.heads) * size
            x[column.key] = (at, at + needed[column.key])
            at += needed[column.key]
        left_block = at
        at = width - margin
        for i in reversed(range(len(sides[1]))):
            key = sides[1][i].key
            x[key] = (at - needed[key], at)
            at -= needed[key] + gap_before(sides[1], i, plan.columns.heads) * size
        left, right = left_block + GAP_PANEL * size, at - (GAP_PANEL if sides[1] else 0.6) * size
        if right - left < max(plan.panel_share * width, 6 * size):
            return None
        heads = placed_heads(plan.columns, x, (left, right), spec.manner.bold_heads, size, widths)
        aligns = {column.key: column.align for column in columns}
        return cls(x, aligns, lines, heads, margin, left_block, left, right)


def lines_of(
    row: Row, columns: Sequence[Column], plan: Plan, widths: TextWidths, width: float
) -> Mapping[str, tuple[str, ...]]:
    """The lines of each cell of a row."""
    bold = row.kind in BOLD
    lines: dict[str, tuple[str, ...]] = {}
    for column in columns:
        text = row.cells.get(column.key, "")
        if not text:
            continue
        lines[column.key] = (text,)
        if column.wraps:
            limit = plan.name_share * width - indent(row, column) * plan.size
            lines[column.key] = wrap(text, limit, lambda t: widths.width(t, plan.size, bold), MOST_LINES)
    return lines


def indent(row: Row, column: Column) -> float:
    """How far a cell is set in, in ems."""
    return INDENT if row.indented and column.key == "study" else 0.0


def content_width(
    rows: Sequence[Row], lines: Sequence[Mapping[str, tuple[str, ...]]], column: Column, size: float, widths: TextWidths
) -> float:
    """The width of the widest text in a column."""
    widest = LIGHT * size if column.lights else 0.0
    for indented in (False, True):
        for bold in (False, True):
            texts = [
                text
                for row, cells in zip(rows, lines, strict=True)
                if (row.kind in BOLD) is bold and row.indented is indented
                for text in cells.get(column.key, ())
            ]
            shift = INDENT * size if indented and column.key == "study" else 0.0
            if texts:
                widest = max(widest, shift + max(widths.width(text, size, bold) for text in texts))
    return widest


def down(spec: ForestSpec, plan: Plan, across: Across, widths: TextWidths, width: float, style: Style) -> ForestLayout:
    """The vertical half of a layout."""
    size, pitch = plan.size, plan.leading * plan.size
    texts: list[Placed] = []
    rules: list[Rule] = []
    y = across.margin
    if spec.title:
        for line in wrap(spec.title, width - 2 * across.margin, lambda t: widths.width(t, size + 1.0, True)):
            texts.append(Placed(line, across.margin, y + 0.85 * (size + 1.0), "left", size + 1.0, bold=True))
            y += LINE * (size + 1.0)
        y += 0.5 * size
    over: tuple[Placed, ...] = ()
    if spec.manner.directions_over and spec.axis.favours is not None:
        end = across.right + (0.5 * size if plan.columns.right else 0.3 * size)
        panel = Panel(spec.axis, across.left, across.right, 0.0, across.left_block + 1.0 * size, end, size, widths)
        over = directions(panel, spec.axis.favours, spec.manner.arrows)
        if not over:
            spec = replace(spec, manner=replace(spec.manner, directions_over=False))
    y = place_heads(across.heads, across.aligns, texts, rules, y, size, over)
    top = y + 0.45 * size
    rules.append(Rule(across.margin, width - across.margin, top, 0.8))
    y = top + 0.3 * size
    marks: list[PlacedMark] = []
    lights: list[PlacedLight] = []
    breaks: list[tuple[float, float]] = []
    bands: list[tuple[float, float]] = []
    striped = False
    for number, (row, lines) in enumerate(zip(spec.rows, across.lines, strict=True)):
        if (
            number
            and row.kind in SPACED
            and not (row.kind == "overall" and spec.rows[number - 1].kind in AFTER_OVERALL)
        ):
            y += 0.45 * pitch
        begin = y
        if row.text:
            y = place_running(row, across, widths, texts, breaks, y, plan, width)
        else:
            tallest = max((len(cell) for cell in lines.values()), default=1)
            y += max(pitch * row.tall, pitch + (tallest - 1) * LINE * size)
            middle = 0.5 * (begin + y)
            place_cells(row, lines, across, texts, middle, size)
            if row.mark is not None:
                marks.append(PlacedMark(middle, row.kind, row.mark))
            for key, judgement in row.lights.items():
                low, high = across.x[key]
                lights.append(PlacedLight(0.5 * (low + high), middle, LIGHT * size, judgement))
        striped = row.kind == "study" and not striped
        if striped:
            bands.append((begin, y))
    bottom = y + 0.3 * pitch
    if spec.manner.foot_rule:
        rules += [Rule(across.margin, across.left - 0.6 * size, bottom, 0.5)]
        rules += [Rule(across.right + 0.6 * size, width - across.margin, bottom, 0.5)] if plan.columns.right else []
    foot: Footer = footer(
        spec, across.margin, across.left_block, across.left, across.right, bottom, size, width, widths, style
    )
    texts += foot.texts
    return ForestLayout(
        width,
        foot.bottom + across.margin,
        size,
        pitch,
        across.left,
        across.right,
        top,
        bottom,
        tuple(texts),
        tuple(rules),
        tuple(marks),
        foot.ticks,
        tuple(breaks),
        tuple(lights),
        tuple(bands) if spec.manner.bands else (),
    )


def place_cells(
    row: Row, lines: Mapping[str, tuple[str, ...]], across: Across, texts: list[Placed], middle: float, size: float
) -> None:
    """The texts of a row, each block of lines centred on the row."""
    for key, cell in lines.items():
        low, high = across.x[key]
        align = across.aligns[key]
        if key == "study" and row.indented:
            low += INDENT * size
        for i, line in enumerate(cell):
            baseline = middle + BASELINE * size + (i - 0.5 * (len(cell) - 1)) * LINE * size
            texts.append(Placed(line, anchor(low, high, align), baseline, align, size, bold=row.kind in BOLD))


def place_running(
    row: Row,
    across: Across,
    widths: TextWidths,
    texts: list[Placed],
    breaks: list[tuple[float, float]],
    y: float,
    plan: Plan,
    width: float,
) -> float:
    """A title or a note: left of the panel where it has room in two lines, else across it."""
    bold = row.kind in BOLD
    size, pitch = plan.size, plan.leading * plan.size
    own = size if bold else size - 0.5
    x = across.margin + (INDENT * size if row.indented else 0.0)

    def measured(text: str) -> float:
        return widths.width(text, own, bold)

    lines = wrap(row.text, across.left - 0.4 * size - x, measured)
    end = y + pitch + (len(lines) - 1) * LINE * own
    if len(lines) > 2:
        lines = wrap(row.text, width - across.margin - x, measured)
        end = y + pitch + (len(lines) - 1) * LINE * own
        breaks.append((y, end))
    for i, line in enumerate(lines):
        baseline = 0.5 * (y + end) + BASELINE * own + (i - 0.5 * (len(lines) - 1)) * LINE * own
        texts.append(Placed(line, x, baseline, "left", own, bold=bold, quiet=not bold))
    return end


def anchor(low: float, high: float, align: Align) -> float:
    """Where a text is held."""
    return {"left": low, "right": high, "center": 0.5 * (low + high)}[align]


def stretched(
    spec: ForestSpec, plan: Plan, across: Across, widths: TextWidths, width: float, height: float, style: Style
) -> ForestLayout:
    """Rows further apart where given Axes are taller than need be, up to 1.6 times the usual distance."""
    best = down(spec, plan, across, widths, width, style)
    low, high = plan.leading, 1.6 * style.leading
    for _ in range(8):
        middle = 0.5 * (low + high)
        found = down(spec, replace(plan, leading=middle), across, widths, width, style)
        if found.height <= height:
            best, low = found, middle
        else:
            high = middle
    return best
