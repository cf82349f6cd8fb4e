"""Many meta-analyses pooled again from other sets of their studies: a row a set, or what the sets tell of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.results.pooled_many import SHOWN, PooledMany, pandas_frame
from metaanalysis.results.text import lined_up, number

if TYPE_CHECKING:
    import narwhals as nw

# So many columns a summary shows.
SHOWN_COLUMNS = 7


@dataclass(frozen=True, eq=False)
class ResampledMany:
    """What resampling tells of many meta-analyses.

    Made by `leave_one_out_many` and `gosh_many` (a row a set of studies), and by `jackknife_many`, `bootstrap_many` and
    `permutation_test_many` (a row a group). A column is an attribute too: ``found.estimate`` is an array, one value a row.

    Attributes
    ----------
    question
        What was done, such as ``leave-one-out``.
    how
        In words: how many sets, and of what.
    columns
        The numbers by name, one value a row, on the scale of analysis.
    group
        Of each row, the place of its group in ``original``.
    original
        The result that was resampled.
    """

    question: str
    how: str
    columns: Mapping[str, FloatArray | IntArray] = field(repr=False)
    group: IntArray = field(repr=False)
    codes: IntArray = field(repr=False)
    words: Sequence[str] = field(repr=False)
    failing: frozenset[int] = field(repr=False)
    original: PooledMany = field(repr=False)
    label: Sequence[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for values in (*self.columns.values(), self.group, self.codes):
            values.flags.writeable = False

    def __getattr__(self, name: str) -> FloatArray | IntArray:
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return columns[name]  # type: ignore[no-any-return]
        known = f" Of the numbers there are: {', '.join(columns)}." if columns else ""
        raise AttributeError(f"this result has no {name!r}.{known}")

    def __len__(self) -> int:
        return int(self.group.size)

    @property
    def status(self) -> list[str]:
        """How each row ended, in words."""
        return [self.words[code] for code in self.codes.tolist()]

    @property
    def failures(self) -> IntArray:
        """The rows that have no answer."""
        return np.flatnonzero(np.isin(self.codes, sorted(self.failing)))

    @property
    def failed(self) -> Any:
        """The rows that have no answer, in the kind of frame that was pooled: keys, numbers and status."""
        return self._framed(self.failures)

    def to_frame(self) -> Any:
        """Keys, numbers and status of each row, in the kind of frame that was pooled (pandas for arrays)."""
        return self._framed(None)

    def of(self, key: Any) -> Any:
        """The rows of one group: a frame as of `to_frame`."""
        place = self.original.keys.index(key) if key in self.original else -1
        if place < 0:
            # The same error as of many[key], which says what comes near.
            self.original[key]
        return self._framed(np.flatnonzero(self.group == place))

    def _framed(self, rows: IntArray | None) -> Any:
        import narwhals as nw

        at = np.arange(len(self)) if rows is None else rows
        keys = self.original.key_frame[self.group[at]]
        made_by = keys.implementation
        columns: list[nw.Series[Any]] = []
        if self.label is not None:
            labels = list(self.label) if rows is None else [self.label[row] for row in rows.tolist()]
            columns.append(nw.new_series("label", labels, nw.String, backend=made_by))
        columns += [
            nw.Series.from_numpy(name, np.array(values[at]), backend=made_by) for name, values in self.columns.items()
        ]
        columns.append(nw.new_series("status", list(self.words), nw.String, backend=made_by)[self.codes[at]])
        # Where a key has such a name, ours gets an underscore.
        columns = [column.alias(f"{column.name}_") if column.name in keys.columns else column for column in columns]
        if not made_by.is_pandas_like():
            return keys.with_columns(*columns).to_native()
        return pandas_frame([*(keys[name] for name in keys.columns), *columns])

    def summary(self) -> str:
        """What was done, how many rows have no answer, and the first of them all."""
        groups = len(self.original)
        title = f"{self.question.capitalize()} of {groups:,} meta-analyses: {self.original.scale}"
        lines = [title, "=" * len(title), f"{self.how}."]
        failures = self.failures
        if failures.size:
            first = int(failures[0])
            key = self.original.keys[int(self.group[first])]
            lines.append(
                f"Without an answer: {failures.size:,}; the first is of {key!r} ({self.words[self.codes[first]]})"
            )
        names = self.original.names
        shown = dict(list(self.columns.items())[:SHOWN_COLUMNS])
        left = [*names, *(["label"] if self.label is not None else [])]
        table = [[*left, *shown]]
        for row in range(min(SHOWN, len(self))):
            key = self.original.keys[int(self.group[row])]
            cells = [
                str(int(values[row])) if values.dtype.kind in "iub" else number(float(values[row]))
                for values in shown.values()
            ]
            who = [self.label[row]] if self.label is not None else []
            table.append([*map(str, key if len(names) > 1 else (key,)), *who, *cells])
        lines += ["", *lined_up(table, len(left))]
        if len(self) > SHOWN:
            lines.append(f"… and {len(self) - SHOWN:,} more, in .to_frame()")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        failed = self.failures.size
        text = f"<ResampledMany: {self.question} of {len(self.original):,} groups, {len(self):,} rows"
        return text + (f"; {failed:,} without an answer>" if failed else ">")
