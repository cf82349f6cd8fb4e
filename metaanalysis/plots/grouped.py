"""Studies in groups by colour and shape: colours of distinct lightness, so that they stay apart in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.chart_spec import Dots, Entry, Shape

GROUPS: tuple[tuple[str, Shape], ...] = (
    ("diamond", "o"),
    ("prediction", "s"),
    ("square", "^"),
    ("#8a3b12", "D"),
    ("#b9c9a0", "v"),
    ("#4d4d4d", "P"),
)

# Large points let those behind them show through.
OVERLAPPING = 0.82


def groups_of(effects: Effects, by: str | Sequence[Any]) -> dict[str, list[int]]:
    """Which studies belong to which group, in the order in which the groups come; OptionError for more than can be told apart."""
    values = effects.column(by) if isinstance(by, str) else list(by)
    name = by if isinstance(by, str) else "by"
    if len(values) != effects.k:
        raise DataError(f"by has {len(values)} values for {effects.k} studies: each study needs one.")
    groups: dict[str, list[int]] = {}
    for i, value in enumerate(values):
        groups.setdefault("not reported" if is_missing(value) else str(value), []).append(i)
    if len(groups) > len(GROUPS):
        raise OptionError(
            f"{name} has {len(groups)} groups, and no more than {len(GROUPS)} can be told apart in grey: join some."
        )
    return groups


def study_dots(
    effects: Effects,
    x: FloatArray,
    y: FloatArray,
    by: str | Sequence[Any] | None,
    shares: FloatArray | None = None,
    largest: float = 0.62,
) -> tuple[tuple[Dots, ...], tuple[Entry, ...]]:
    """The studies' points, a set a group, the largest first within each; and what a legend says of them."""
    alpha = 1.0 if shares is None else OVERLAPPING
    if by is None:
        dots = Dots("studies", x, y, shares=shares, largest=largest, alpha=alpha)
        return (dots,), (Entry("Study", dots),)
    found: list[Dots] = []
    entries: list[Entry] = []
    for (name, at), (fill, shape) in zip(groups_of(effects, by).items(), GROUPS, strict=False):
        own = None if shares is None else shares[np.array(at)]
        dots = Dots(f"studies: {name}", x[np.array(at)], y[np.array(at)], fill, "page", shape, own, largest, alpha)
        found.append(dots)
        entries.append(Entry(name, dots))
    return tuple(found), tuple(entries)
