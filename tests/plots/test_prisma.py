"""The flow diagram: texts stay in their boxes at every width, arrows lead on, and what does not add up is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import metaanalysis as ma
from metaanalysis.plots import DARK, prisma

COUNTS: dict[str, Any] = {
    "databases": 12000, "registers": 30, "removed": {"Duplicate records": 4000, "Automation tools": 30},
    "screened": 8000, "excluded": 7900, "sought": 100, "not_retrieved": 5, "assessed": 95,
    "reports_excluded": {"Not randomised at the level of the individual participant": 50,
                         "Pneumonoultramicroscopicsilicovolcanoconiosis": 25},
    "included": 18, "included_reports": 20,
}  # fmt: skip
OTHER = {**COUNTS, "databases": {"MEDLINE": 7000, "Embase": 5000}, "websites": 4, "organisations": 3,
         "citation_searching": 20, "other_sources": {"Trialists": 2}, "other_not_retrieved": 1, "other_assessed": 28,
         "other_excluded": {"Wrong outcome": 22}, "included_reports": 26}  # fmt: skip
UPDATED = {**OTHER, "previous_studies": 11, "previous_reports": 14}
SMALL = {"databases": 9, "screened": 9, "excluded": 4, "sought": 5, "not_retrieved": 0, "assessed": 5,
         "reports_excluded": 1, "included": 4}  # fmt: skip


def boxes(ax: Axes, gid: str = "box") -> list[Any]:
    return [p.get_window_extent() for p in ax.patches if isinstance(p, Rectangle) and p.get_gid() == gid]


def shown(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize(
    ("counts", "width", "count"),
    [(SMALL, 85, 9), (COUNTS, 85, 9), (COUNTS, 170, 9), (OTHER, 85, 14), (OTHER, 180, 14), (UPDATED, 120, 16), (UPDATED, 180, 16)],
)  # fmt: skip
def test_texts_stay_in_their_boxes(counts: Any, width: float, count: int, in_order: Callable[..., None]) -> None:
    ax = prisma(counts, width_mm=width, style=DARK, title="From records to studies")
    in_order(ax)
    assert len(boxes(ax)) == count
    held = {gid: boxes(ax, gid) for gid in ("box", "head", "phase")}
    for text in ax.texts:
        if text.get_gid() is None:
            continue
        own = text.get_window_extent()
        inside = [b.x0 <= own.x0 and own.x1 <= b.x1 and b.y0 <= own.y0 and own.y1 <= b.y1 for b in held[text.get_gid()]]
        assert sum(inside) == 1, text.get_text()
        assert text.get_fontsize() >= 5, text.get_text()


def test_no_word_of_the_diagram_is_broken() -> None:
    for counts, width in ((OTHER, 85), (UPDATED, 120)):
        said = shown(prisma(counts, width_mm=width))
        for word in ("Organisations", "Identification", "eligibility", "retrieval", "databases", "screening"):
            assert word in said
    # Nor one of the user's own, where letters a little smaller hold it.
    own = {**OTHER, "organisations": 0, "websites": 7, "reports_excluded": {"Not randomised": 50, "Wrong outcome": 25}}
    assert "randomised" in shown(prisma(own, width_mm=85, font="DejaVu Sans"))


def test_arrows_end_at_boxes_and_cross_none() -> None:
    ax = prisma(UPDATED, width_mm=180)
    held = boxes(ax)
    heads = [p.get_window_extent() for p in ax.patches if p.get_gid() == "arrow"]
    # Four to the right and four down on the left, two to the right and two down beside, one back, two to the total.
    assert len(heads) == 4 + 4 + 2 + 2 + 1 + 2
    paths = [ax.transData.transform(lines.get_segments()[0]) for lines in ax.collections]
    starts = np.array([path[0] for path in paths])
    for words, count in (("assessed", 2), ("sought", 2), ("screened", 1), ("Studies in the", 1), ("Records from", 2)):
        texts = [text.get_window_extent() for text in ax.texts if words in text.get_text() and text.get_gid() == "box"]
        own = [b for b in held if any(b.x0 < t.x0 < b.x1 and b.y0 < t.y0 < b.y1 for t in texts)]
        assert len(own) == count, words
        for b in own:
            assert np.abs(starts - (0.5 * (b.x0 + b.x1), b.y0)).max(axis=1).min() < 0.5, words
    grown = [b.expanded(1.02, 1.02) for b in held]
    assert all(any(g.overlaps(head) for g in grown) for head in heads)
    for path in paths:
        for start, end in pairwise(path):
            for at in np.linspace(start, end, 50):
                assert not any(b.x0 + 1 < at[0] < b.x1 - 1 and b.y0 + 1 < at[1] < b.y1 - 1 for b in held)


def test_columns_and_phases() -> None:
    said = shown(prisma(COUNTS))
    assert "other methods" not in said
    assert "Previous" not in said
    said = shown(prisma(OTHER, width_mm=180))
    assert "via other methods" in said
    assert "Records from other methods (n = 29)" in said.replace("\u00a0", " ")
    assert all(phase in said for phase in ("Identification", "Screening", "Included"))
    said = shown(prisma(UPDATED, width_mm=240)).replace("\u00a0", " ")
    assert "Previous studies" in said
    assert "Total studies included (n = 29)" in said
    assert "Reports of these studies (n = 40)" in said


@pytest.mark.parametrize(
    ("box", "value", "message"),
    [
        ("screened", 8007, r"removed \(4030\) is 8000, but screened is 8007, 7 too many; screened \(8007\)"),
        ("included_reports", 25, r"is 26, but included_reports is 25, 1 too few"),
        ("included", 27, "exceeds included_reports"),
        ("excluded", 1.5, "not a count"),
        ("excluded", float("nan"), "not a count"),
        ("excluded", True, "not a count"),
        ("screened", {"by hand": 8000}, "'screened' is one number"),
        ("screend", 3, "Did you mean 'screened'"),
        ("other_sought", 30, r"citation_searching \(20\) \+ other_sources \(2\) is 29, but other_sought is 30, 1 too many"),
        ("other_assessed", 29, r"other_not_retrieved \(1\) is 28, but other_assessed is 29"),
        ("total_studies", 30, r"included \(18\) \+ previous_studies \(11\) is 29, but total_studies is 30, 1 too many"),
        ("previous_reports", 3, r"previous_studies \(11 studies\) exceeds previous_reports \(3\)"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_named(box: str, value: object, message: str) -> None:
    with pytest.raises(ma.DataError, match=message):
        prisma({**UPDATED, box: value})


def test_boxes_that_are_lacking_are_named() -> None:
    with pytest.raises(ma.DataError, match="lack 'screened'"):
        prisma({k: v for k, v in COUNTS.items() if k != "screened"})
    with pytest.raises(ma.DataError, match="lack 'other_assessed', 'other_excluded'"):
        prisma({**COUNTS, "websites": 3})
    with pytest.raises(ma.DataError, match="lack 'previous_studies'"):
        prisma({**COUNTS, "total_studies": 30})
    with pytest.raises(ma.DataError, match="dict of boxes"):
        prisma([1, 2])  # type: ignore[arg-type]


def test_what_has_no_room_or_meaning_is_refused() -> None:
    with pytest.raises(ma.OptionError, match="do not fit into 85 mm"):
        prisma(UPDATED, width_mm=85)
    with pytest.raises(ma.OptionError, match="xlim does not apply to prisma"):
        prisma(COUNTS, xlim=(0, 1))
