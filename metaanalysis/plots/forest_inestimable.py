"""Studies whose data are known but say nothing of the effect: a forest plot shows their counts, and "Not estimable"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.effects.labels import Labels
from metaanalysis.formulas.arrays import IntArray

NOT_ESTIMABLE = "Not estimable"
# How the reasons for which such studies are left out begin.
NO_EVENTS = "no events"


def inestimable_places(effects: Effects) -> list[int]:
    """Where studies without an effect stand among all that the effect sizes were computed from."""
    if not effects.left_out or effects.rows is None or not effects.inputs:
        return []
    all_rows = range(len(effects.all_labels)) if effects.all_rows is None else effects.all_rows.tolist()
    kept = set(effects.rows.tolist())
    missing = [place for place, row in enumerate(all_rows) if row not in kept]
    labels = [str(effects.all_labels[place]) for place in missing]
    # Effects that are a part of others do not say who was left out of that part.
    if labels != [label for label, _ in effects.left_out]:
        return []
    reasons = [reason for _, reason in effects.left_out]
    return [place for place, why in zip(missing, reasons, strict=True) if why.startswith(NO_EVENTS)]


def with_inestimable(effects: Effects) -> Effects:
    """The studies, and behind them those without an effect: their effect sizes are NaN, their data are there."""
    places = inestimable_places(effects)
    if not places or not set(effects.inputs) <= set(effects.all_data):
        return effects
    nothing = np.full(len(places), np.nan)
    rows: IntArray = np.array(places) if effects.all_rows is None else effects.all_rows[places]
    return replace(
        effects,
        y=np.append(effects.y, nothing),
        v=np.append(effects.v, nothing),
        label=Labels([*effects.label, *(str(effects.all_labels[place]) for place in places)], effects.k + len(places)),
        inputs={name: np.append(values, effects.all_data[name][places]) for name, values in effects.inputs.items()},
        rows=np.append(np.asarray(effects.rows), rows),
        was_corrected=None,
    )


def in_table_order(shown: Effects, estimable: Sequence[int], others: Sequence[int]) -> list[int]:
    """Studies with an effect in their order, and each of those without one after whom it follows in the table."""
    if shown.rows is None or not others:
        return list(estimable)
    row = shown.rows
    found = list(estimable)
    for i in others:
        before = [at for at, j in enumerate(found) if row[j] < row[i]]
        found.insert(before[-1] + 1 if before else 0, i)
    return found


def of_group(shown: Effects, others: Sequence[int], by: str, name: str) -> list[int]:
    """Those without an effect that belong to a subgroup; none where the table does not tell."""
    if shown.source is None or by not in shown.source.columns or not others:
        return []
    values = shown.column(by)
    return [i for i in others if not is_missing(values[i]) and str(values[i]) == name]
