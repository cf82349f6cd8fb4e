"""What every door ends in: studies checked, group after group, with the way back to where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects import Effects
from metaanalysis.effects.labels import Labels
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.many.inputs import Inputs, effects_of_rows
from metaanalysis.many.left_out import Reasons
from metaanalysis.many.one_group import EffectsOfGroup, Members, SubsetOfEffects
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import EffectOptions
from metaanalysis.results.pooled_many import StudiesByGroup

if TYPE_CHECKING:
    import narwhals as nw

ArrayT = TypeVar("ArrayT", FloatArray, IntArray)
# The keys of the groups, one row a group: a frame, or columns of numbers by name, of which a frame is made when it is asked for.
KeyColumns: TypeAlias = "nw.DataFrame[Any] | Mapping[str, IntArray | FloatArray]"
COUNTS = ("events1", "n1", "events2", "n2")


class GroupMeasures(NamedTuple):
    """The measures of a table in which a column names them, the options of each, and of each group which (-1: none)."""

    keys: tuple[str, ...]
    options: tuple[EffectOptions, ...]
    codes: IntArray

    @property
    def title(self) -> str:
        """All of them."""
        return ", ".join(self.keys)

    @property
    def of_groups(self) -> tuple[str | None, ...]:
        """The measure of each group; None where no study names one."""
        return tuple(np.array([*self.keys, None], dtype=object)[self.codes].tolist())


@dataclass(frozen=True)
class Studies:
    """Studies to be pooled.

    `rows` are the places of the kept studies in the user's table (None where all are kept and lie as they are); `keys` has one
    row a group; `counts` holds two groups' counts of the kept studies where they are known; `one` makes the effects of a
    group; `all_offsets` and `order` are the groups before anyone was left out; `places` are where the rows stand in a 2-D block;
    `measures`: where a column names them; `all_labels`: of all rows.
    """

    ragged: Ragged
    rows: IntArray | None
    keys: KeyColumns
    measure: str
    options: EffectOptions
    convention: str
    one: Callable[[int], Effects]
    reasons: Reasons
    order: IntArray | None
    all_offsets: IntArray
    counts: Mapping[str, FloatArray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: IntArray | None = None
    label: Sequence[str] = ()
    measures: GroupMeasures | None = None
    all_labels: Labels | None = None

    def by_group(self) -> StudiesByGroup:
        """The studies as a result keeps them: closed to changes."""
        ragged = self.ragged
        place = self.rows if self.places is None else self.places if self.rows is None else self.places[self.rows]
        weights = None if ragged.tau2_weights is None else read_only(ragged.tau2_weights)
        return StudiesByGroup(
            read_only(ragged.y), read_only(ragged.v), read_only(ragged.offsets), place, self.label, weights
        )

    def labels_of(self, rows: IntArray) -> Sequence[str]:
        """The labels of some rows of the table; none where the studies have no names."""
        labels = self.all_labels
        return labels.take(rows) if labels is not None and labels.are_given else ()

    def left_out(self) -> tuple[IntArray, IntArray]:
        """The rows that were left out, and the group of each."""
        rows = self.reasons.rows
        place = rows
        if self.order is not None:
            where = np.empty(self.order.size, dtype=np.intp)
            where[self.order] = np.arange(self.order.size)
            place = where[rows]
        return rows, np.searchsorted(self.all_offsets, place, side="right") - 1


def read_only(values: ArrayT) -> ArrayT:
    """A view that can't be written to; the array itself is as it was."""
    view = values.view()
    view.flags.writeable = False
    return view


def arranged(
    y: FloatArray,
    v: FloatArray,
    reasons: Reasons,
    order: IntArray | None,
    offsets: IntArray,
    weights: FloatArray | None = None,
) -> tuple[Ragged, IntArray | None]:
    """The studies that are kept, group after group, and their rows (None where all are kept and lie as they are)."""
    if not reasons.any:
        if order is None:
            return Ragged(y, v, offsets, weights), None
        return Ragged(y[order], v[order], offsets, None if weights is None else weights[order]), order
    kept = reasons.kept if order is None else reasons.kept[order]
    rows = np.flatnonzero(kept) if order is None else order[kept]
    left = None if weights is None else weights[rows]
    return Ragged(y[rows], v[rows], np.append(0, np.cumsum(kept))[offsets], left), rows


def studies_of_inputs(
    inputs: Inputs,
    keys: KeyColumns,
    order: IntArray | None,
    offsets: IntArray,
    source: nw.DataFrame[Any] | None,
    notes: tuple[str, ...] = (),
) -> Studies:
    """The studies of a table's columns, computed in one call."""
    y, v, reasons, looked_at = effects_of_rows(inputs, order, offsets)
    ragged, rows = arranged(y, v, reasons, order, offsets, inputs.tau2_weights)
    counts = {}
    if set(COUNTS) <= set(inputs.data):
        counts = {name: inputs.data[name] if rows is None else inputs.data[name][rows] for name in COUNTS}
    entry = inputs.entry
    members = Members(rows, ragged.offsets, order, offsets, looked_at)
    return Studies(
        ragged,
        rows,
        keys,
        entry.key,
        inputs.options,
        inputs.convention,
        EffectsOfGroup(
            (replace(inputs, unusable=()),),
            members,
            inputs.label,
            source,
            y,
            v,
        ),
        reasons,
        order,
        offsets,
        counts,
        notes,
        label=inputs.label if rows is None else inputs.label.take(rows),
        all_labels=inputs.label,
    )


def studies_of_effects(
    effects: Effects,
    keys: KeyColumns,
    order: IntArray | None,
    offsets: IntArray,
    weights: FloatArray | None = None,
) -> Studies:
    """The studies of effects that were made before."""
    reasons = Reasons.none(effects.k)
    ragged, rows = arranged(np.asarray(effects.y), np.asarray(effects.v), reasons, order, offsets, weights)

    counts = {}
    if set(COUNTS) <= set(effects.inputs):
        counts = {name: effects.inputs[name] if rows is None else effects.inputs[name][rows] for name in COUNTS}
    return Studies(
        ragged,
        rows,
        keys,
        effects.measure,
        effects.options,
        effects.convention,
        SubsetOfEffects(effects, offsets, order),
        reasons,
        order,
        offsets,
        counts,
        label=effects.label if rows is None else taken(effects.label, rows),
    )


def taken(label: Labels | Sequence[str], rows: IntArray) -> Sequence[str]:
    """The labels of some rows."""
    return label.take(rows) if isinstance(label, Labels) else [label[row] for row in rows.tolist()]


def effect_options(corrected: bool, convention: str, given: Mapping[str, Any]) -> EffectOptions:
    """The options of effect sizes: the convention's, but for those that were given."""
    options = override(convention_named(convention).effects, given)
    return options if corrected or given.get("add") is not None else override(options, {"add": 0.0})


def keys_of_offsets(groups: int) -> KeyColumns:
    """Keys for groups that have none: 0, 1, 2, …, in a column called group."""
    if groups == 0:
        raise DataError("there is no group to pool.")
    return {"group": np.arange(groups)}
