"""One group of many as an ordinary result: its effects, and its fit; by objects, not closures, so that results can be pickled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import Effects, effects_from_arrays
from metaanalysis.effects.calculate import from_inputs, looks_at_all_studies
from metaanalysis.effects.effects import closed
from metaanalysis.effects.labels import Labels
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.many.inputs import Inputs
from metaanalysis.models.own_weights import generalised_q_function
from metaanalysis.models.pool import fitted
from metaanalysis.options import PoolOptions
from metaanalysis.results import Pooled
from metaanalysis.results.rows_left_out import RowsLeftOut

if TYPE_CHECKING:
    import narwhals as nw

# What a standard error that comes from a p-value is called, where a message names its column.
FROM_P = "the standard error from the p-value"


def member_rows(offsets: IntArray, rows: IntArray | None, group: int) -> IntArray:
    """The rows of a group, where they lie end to end or in an order."""
    at = np.arange(offsets[group], offsets[group + 1])
    return at if rows is None else rows[at]


@dataclass(frozen=True, eq=False)
class Members:
    """Which rows of the table belong to each group: those that were pooled, and all of them.

    kept, kept_offsets: the pooled ones, group after group (None: all, as they lie); order, offsets: all; looked_at: (rows,) those
    that were looked at when effects were computed.
    """

    kept: IntArray | None
    kept_offsets: IntArray
    order: IntArray | None
    offsets: IntArray
    looked_at: BoolArray

    def of(self, group: int, inputs: Inputs) -> IntArray:
        """The rows of which a group's effects are made.

        What is computed of a study may depend on others that are left out afterwards, such as those without events: they are
        among them then, and are left out once more.
        """
        if inputs.given or not looks_at_all_studies(inputs.options):
            return member_rows(self.kept_offsets, self.kept, group)
        every = member_rows(self.offsets, self.order, group)
        return every[self.looked_at[every]]


@dataclass(frozen=True, eq=False)
class EffectsOfGroup:
    """Makes the effects of a group from the data of its studies.

    parts: the data, of one measure or of several; of_groups: which of them each group's are (None: there is one); local: the
    place of a row among those of its measure; y, v: of all rows.
    """

    parts: tuple[Inputs, ...]
    members: Members
    label: Labels
    source: nw.DataFrame[Any] | None
    y: FloatArray
    v: FloatArray
    of_groups: IntArray | None = None
    local: IntArray | None = None

    def __call__(self, group: int) -> Effects:
        """The effects of the group at a place."""
        inputs = self.parts[0 if self.of_groups is None else int(self.of_groups[group])]
        at = self.members.of(group, inputs)
        if inputs.columns.get("se", "se") == FROM_P:
            return effects_from_arrays(self.y[at], self.v[at], inputs.entry.key, self.label.take(at).texts)
        mine = at if self.local is None else self.local[at]
        values = {name: closed(x[mine]) for name, x in inputs.data.items()}
        label = self.label.take(at)
        effects = from_inputs(
            inputs.entry, values, inputs.columns, label, inputs.options, inputs.convention, inputs.level, self.source, at
        )  # fmt: skip
        kept = member_rows(self.members.kept_offsets, self.members.kept, group)
        # A study may have been left out for another reason than its effect size, such as a missing weight.
        return effects if effects.k == kept.size else effects.subset(np.isin(np.asarray(effects.rows), kept))


@dataclass(frozen=True, eq=False)
class SubsetOfEffects:
    """Takes a group's studies from effects that were made before; rows: group after group, None where they lie so."""

    effects: Effects
    offsets: IntArray
    rows: IntArray | None

    def __call__(self, group: int) -> Effects:
        """The effects of the group at a place."""
        keep = np.zeros(self.effects.k, dtype=np.bool_)
        keep[member_rows(self.offsets, self.rows, group)] = True
        return self.effects.subset(keep)


@dataclass(frozen=True, eq=False)
class ListedEffects:
    """Effects that are there already; None for a group without a study."""

    effects: Sequence[Effects | None]

    def __call__(self, group: int) -> Effects:
        """The effects of the group at a place."""
        mine = self.effects[group]
        if mine is None:
            raise DataError(f"there is no study of group {group + 1}.")
        return mine


@dataclass(frozen=True, eq=False)
class PoolGroup:
    """Pools the group at a place, as `pool` does; weights: those of the generalised Q."""

    effects_of: Callable[[int], Effects]
    options: PoolOptions
    convention: str
    offsets: IntArray
    weights: FloatArray | None
    left_out: RowsLeftOut

    def __call__(self, group: int) -> Pooled:
        """The result of the group; DataError where no study is left."""
        first, last = int(self.offsets[group]), int(self.offsets[group + 1])
        if first == last:
            mine = self.left_out.rows[self.left_out.groups == group]
            why = f", the first because {self.left_out.reason(int(mine[0]))}" if mine.size else ""
            raise DataError(f"no study of this group is left: {mine.size} were left out{why}.")
        chosen = self.options
        if self.weights is not None:
            chosen = replace(chosen, tau2=generalised_q_function(self.weights[first:last]))
        return fitted(self.effects_of(group), chosen, self.convention)
