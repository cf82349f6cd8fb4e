"""The PRISMA 2020 flow diagram."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Unpack

from matplotlib.axes import Axes

from metaanalysis.plots.chart_options import Look
from metaanalysis.plots.draw_sheet import drawn_sheet, sheet_options
from metaanalysis.plots.prisma_layout import Diagram, Item, arranged
from metaanalysis.plots.words import with_thousands
from metaanalysis.plots.wrapping import NO_BREAK
from metaanalysis.reviews.prisma_counts import Flow, checked_counts


def prisma(counts: Mapping[str, Any], *, ax: Axes | None = None, **look: Unpack[Look]) -> Axes:
    """Where did the studies come from, and why were others left out? Draw the PRISMA 2020 flow diagram.

    Parameters
    ----------
    counts
        Numbers by box. Always: ``databases``, ``screened``, ``excluded`` (records), ``sought``, ``not_retrieved``, ``assessed``,
        ``reports_excluded`` (reports) and ``included`` (studies). Where there are some: ``registers``, ``removed`` (records
        removed before screening) and ``included_reports`` (by default one a study). For the column of other methods:
        ``websites``, ``organisations``, ``citation_searching``, ``other_sources``, ``other_sought``, ``other_not_retrieved``,
        ``other_assessed`` and ``other_excluded``. For the update of a review: ``previous_studies`` and ``previous_reports``, and
        the totals ``total_studies`` and ``total_reports``, which are added up where they are not given. Databases, registers,
        other sources and whatever was removed or excluded may be dicts of parts or reasons and their numbers.
    ax
        matplotlib Axes to draw on; by default a new figure, as high as the texts need.
    **look
        ``title``, ``width_mm``, ``height_mm``, ``font``, ``font_size`` (points; the size is reduced where room is short),
        ``style``: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        Those given, or of the new figure; `metaanalysis.plots.save` writes them to a file.

    Raises
    ------
    DataError
        Numbers are not counts, or do not add up: the message names the boxes, and by how much.
    OptionError
        An option can't be, or the boxes have no room.

    Notes
    -----
    A column of 85 mm has room for databases and registers, and beside them for other methods. The diagram of an updated review
    with other methods has five columns of boxes and needs 90 to 100 mm, by its longest word: draw it across the page.

    References
    ----------
    Page MJ, et al. (2021). The PRISMA 2020 statement: an updated guideline for reporting systematic reviews. BMJ 372, n71.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> ax = ma.prisma({
    ...     "databases": {"MEDLINE": 80, "Embase": 40}, "removed": {"Duplicate records": 20}, "screened": 100, "excluded": 70,
    ...     "sought": 30, "not_retrieved": 2, "assessed": 28, "reports_excluded": {"Wrong outcome": 15}, "included": 13,
    ... })
    >>> any("Records screened" in text.get_text() for text in ax.texts)
    True
    """
    options = sheet_options(prisma, look, ax)
    return drawn_sheet(partial(arranged, diagram(checked_counts(counts))), options, ax)


def count(title: str, n: int) -> str:
    """As in "Records screened (n = 100)"."""
    return f"{title} (n{NO_BREAK}={NO_BREAK}{with_thousands(n)})"


def diagram(flow: Flow) -> Diagram:
    """The texts of all boxes: those of a column under one another, beside each what leaves there."""
    n = flow.n

    def items(title: str, key: str) -> list[Item]:
        return [
            Item(count(title, n[key])),
            *(Item(count(part, m), 1, own=True) for part, m in flow.parts.get(key, {}).items()),
        ]

    identified = items("Records from databases", "databases")
    if n["registers"]:
        identified += items("Records from registers", "registers")
    main = [
        (identified, items("Records removed before screening", "removed")),
        (items("Records screened", "screened"), items("Records excluded", "excluded")),
        (items("Reports sought for retrieval", "sought"), items("Reports not retrieved", "not_retrieved")),
        (items("Reports assessed for eligibility", "assessed"), items("Reports excluded", "reports_excluded")),
    ]
    new = "New studies included" if flow.previous else "Studies included"
    included = [items(new, "included"), items("Reports of these studies", "included_reports")]
    other: list[tuple[list[Item], list[Item]]] = []
    if flow.other:
        found = [Item(count("Records from other methods", sum(n[key] for key in OTHER_METHODS)))]
        found += [
            Item(count(title, n[key]), 1) for key, title in OTHER_METHODS.items() if n[key] and key != "other_sources"
        ]
        named = flow.parts.get("other_sources", {"Other sources": n["other_sources"]} if n["other_sources"] else {})
        found += [Item(count(part, m), 1, own=True) for part, m in named.items()]
        other = [
            (found, []),
            ([], []),
            (
                items("Reports sought for retrieval", "other_sought"),
                items("Reports not retrieved", "other_not_retrieved"),
            ),
            (items("Reports assessed for eligibility", "other_assessed"), items("Reports excluded", "other_excluded")),
        ]
    previous: list[Item] = []
    total: list[Item] = []
    if flow.previous:
        previous = [
            *items("Studies in the previous version of the review", "previous_studies"),
            *items("Reports of these studies", "previous_reports"),
        ]
        total = [*items("Total studies included", "total_studies"), *items("Reports of these studies", "total_reports")]
    whose = "new studies" if flow.previous else "studies"
    return Diagram(
        main=tuple(main),
        other=tuple(other),
        previous=tuple(previous),
        included=tuple(item for part in included for item in part),
        total=tuple(total),
        heads=(
            "Previous studies",
            f"Identification of {whose} via databases and registers",
            f"Identification of {whose} via other methods",
        ),
    )


OTHER_METHODS = {
    "websites": "Websites",
    "organisations": "Organisations",
    "citation_searching": "Citation searching",
    "other_sources": "Other sources",
}
