"""Forest plots under each other with the same columns: one layout of all, drawn as panels of one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.draw_forest import box_in_points, draw_panel
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import Typeface
from metaanalysis.plots.forest_heads import placed_heads
from metaanalysis.plots.forest_layout import MM, Across, ForestLayout, Plan, down, fitting_plans
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_spec import ColumnSet, ForestSpec
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.style import Style

# Between two plots, in ems.
GAP = 1.2


@dataclass(frozen=True)
class PlacedForest:
    """One of the plots, and how far below the top of the picture it begins, in points."""

    spec: ForestSpec
    layout: ForestLayout
    top: float


def drawn_stack(specs: Sequence[ForestSpec], options: ForestOptions, ax: Axes | None, style: Style) -> Axes:
    """The plots on the Axes given, or on those of a new figure, which show nothing themselves: the panels are their children."""
    typeface = Typeface(options.font)
    width, height = (options.width_mm * MM, None) if ax is None else box_in_points(ax)
    stack = arrange_stack(specs, typeface, width, height, options.font_size, style)
    typeface.warn_of_missing()
    tall = height_of(stack) if height is None else height
    target = new_axes(width, tall, style.page) if ax is None else ax
    target.set_axis_off()
    for placed in stack:
        layout = placed.layout
        box = (
            layout.left / width,
            1.0 - (placed.top + layout.bottom) / tall,
            (layout.right - layout.left) / width,
            (layout.bottom - layout.top) / tall,
        )
        draw_panel(target.inset_axes(box), layout, placed.spec, typeface, style)
    return target


def height_of(stack: Sequence[PlacedForest]) -> float:
    """From the top of the first to the end of the last."""
    return stack[-1].top + stack[-1].layout.height


def arrange_stack(
    specs: Sequence[ForestSpec], widths: TextWidths, width: float, height: float | None, size: float, style: Style
) -> tuple[PlacedForest, ...]:
    """The first plan that has room, as for a single plot. OptionError where nothing fits."""
    shortest = None
    for plan, across in joint_plans(specs, widths, width, size, style, height is None):
        found = stacked(specs, plan, across, widths, width, style)
        if height is None:
            return found
        if height_of(found) <= height:
            low, high = plan.leading, 1.6 * style.leading
            for _ in range(8):
                wider = replace(plan, leading=0.5 * (low + high))
                tried = stacked(specs, wider, across, widths, width, style)
                if height_of(tried) <= height:
                    found, low = tried, wider.leading
                else:
                    high = wider.leading
            return found
        shortest = min(height_of(found), shortest or height_of(found))
    raise OptionError(
        f"the forest plot needs {(shortest or 0.0) / 72:.1f} inches of height and these Axes have {(height or 0.0) / 72:.1f}: "
        f"make the figure taller, or let forest make its own figure (ax=None)."
    )


def joint_plans(
    specs: Sequence[ForestSpec], widths: TextWidths, width: float, size: float, style: Style, free_height: bool
) -> Iterator[tuple[Plan, Across]]:
    """Plans whose columns have room for the texts and the headings of all plots."""
    sets = [
        ColumnSet(own[0].left, own[0].right, tuple(dict.fromkeys(head for one in own for head in one.heads)))
        for own in zip(*(spec.column_sets for spec in specs), strict=True)
    ]
    rows = tuple(row for spec in specs for row in spec.rows)
    together = replace(specs[0], column_sets=tuple(sets), rows=rows)
    for _, plan, across in fitting_plans(together, widths, width, size, style, free_height):
        yield plan, across


def stacked(
    specs: Sequence[ForestSpec], plan: Plan, across: Across, widths: TextWidths, width: float, style: Style
) -> tuple[PlacedForest, ...]:
    """The plots by one plan, one under the other, each with its own headings."""
    found: list[PlacedForest] = []
    first, top = 0, 0.0
    for spec in specs:
        columns = next(
            own for own in spec.column_sets if (own.left, own.right) == (plan.columns.left, plan.columns.right)
        )
        bold = spec.manner.bold_heads
        heads = placed_heads(columns, across.x, (across.left, across.right), bold, plan.size, widths)
        lines = across.lines[first : first + len(spec.rows)]
        layout = down(
            spec, replace(plan, columns=columns), replace(across, lines=lines, heads=heads), widths, width, style
        )
        found.append(PlacedForest(spec, layout, top))
        first, top = first + len(spec.rows), top + layout.height + GAP * plan.size
    return tuple(found)
